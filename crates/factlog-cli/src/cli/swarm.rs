//! The words of swarms: form one, ask it, vote.

use clap::{Args, Subcommand};

use super::Acting;

/// Form a swarm, join it, leave it; ask it a question, and see how the votes stand
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog swarm form reviewers --objective 'Review the release' --member ada --member ben --as ada
  factlog swarm propose reviewers ship '\"Ship 1.2 today\"' --timeout 10m --as ada
  factlog vote reviewers ship approve --reason 'the tests pass' --as ben
  factlog swarm show reviewers ship --watch

docs/swarms.md says how votes are counted.")]
pub(crate) struct SwarmArgs {
    #[command(subcommand)]
    pub(crate) action: SwarmAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SwarmAction {
    /// Form a swarm; who forms it belongs to it where nobody else is named
    #[command(after_help = "\
Example:
  factlog swarm form reviewers --objective 'Review the release' --leader ada --member ben --as ada")]
    Form {
        /// What it is called
        id: String,
        /// What is aimed at
        #[arg(long, value_name = "TEXT")]
        objective: String,
        /// How the agents work together, in your own words
        #[arg(long, value_name = "TEXT")]
        strategy: Option<String>,
        /// Who leads it, and belongs to it
        #[arg(long, value_name = "AGENT")]
        leader: Option<String>,
        /// Who belongs to it; may be given several times
        #[arg(long, value_name = "AGENT")]
        member: Vec<String>,
        #[command(flatten)]
        acting: Acting,
    },
    /// Come to a swarm
    #[command(after_help = "Example:\n  factlog swarm join reviewers --role tester --as cleo")]
    Join {
        /// The swarm
        id: String,
        /// The part that the agent plays there
        #[arg(long, value_name = "TEXT")]
        role: Option<String>,
        #[command(flatten)]
        acting: Acting,
    },
    /// Leave a swarm; on questions that were asked before, the agent may still vote
    #[command(after_help = "Example:\n  factlog swarm leave reviewers --reason 'called away' --as cleo")]
    Leave {
        /// The swarm
        id: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        acting: Acting,
    },
    /// End a swarm: its leader, or who formed it; where nobody leads, any member
    #[command(after_help = "Example:\n  factlog swarm disband reviewers --reason 'shipped' --as ada")]
    Disband {
        /// The swarm
        id: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        acting: Acting,
    },
    /// Go on to another phase
    #[command(after_help = "Example:\n  factlog swarm phase reviewers testing --as ada")]
    Phase {
        /// The swarm
        id: String,
        /// The phase, in your own words
        phase: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// Ask a swarm to decide: its members of this moment may vote
    #[command(after_help = "\
Examples:
  factlog swarm propose reviewers ship 'Ship 1.2 today' --as ada
  factlog swarm propose reviewers ship '{\"version\":\"1.2\"}' --strategy quorum --quorum 3 --timeout 1h --as ada
  factlog swarm propose reviewers ship 'Ship it' --strategy weighted --weight ada=2 --as ben")]
    Propose(ProposeArgs),
    /// Show a swarm, or one of its questions with the votes
    #[command(after_help = "\
Examples:
  factlog swarm show reviewers
  factlog swarm show reviewers ship --watch --format json")]
    Show {
        /// The swarm
        id: String,
        /// Only this question
        #[arg(value_name = "CONSENSUS_ID")]
        consensus_id: Option<String>,
        /// Wait until it is decided
        #[arg(long, requires = "consensus_id")]
        watch: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ProposeArgs {
    /// The swarm
    pub(crate) swarm: String,
    /// The question's own id: asked twice it is asked once
    #[arg(value_name = "CONSENSUS_ID")]
    pub(crate) consensus_id: String,
    /// What is to be decided: words, or JSON that begins with {, [ or a quote
    pub(crate) proposal: String,
    /// How votes are counted: majority, unanimous, weighted or quorum
    #[arg(long, value_name = "STRATEGY", default_value = "majority")]
    pub(crate) strategy: String,
    /// How long there is to vote: 90s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub(crate) timeout: String,
    /// How many votes it takes, with the strategy quorum; more than half when left out
    #[arg(long, value_name = "N")]
    pub(crate) quorum: Option<u64>,
    /// How much a member's vote counts, with the strategy weighted; 1 for who is not named
    #[arg(long, value_name = "AGENT=NUMBER")]
    pub(crate) weight: Vec<String>,
    #[command(flatten)]
    pub(crate) acting: Acting,
}

/// Vote on a question of a swarm; the last vote before it is decided counts
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog vote reviewers ship approve --as ben
  factlog vote reviewers ship reject --reason 'the tests fail' --as cleo")]
pub(crate) struct VoteArgs {
    /// The swarm
    pub(crate) swarm: String,
    /// The question
    #[arg(value_name = "CONSENSUS_ID")]
    pub(crate) consensus_id: String,
    /// approve, reject or abstain
    pub(crate) vote: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) acting: Acting,
}
