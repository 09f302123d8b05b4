//! The words of agents that talk: send, broadcast, request, inbox, ack, nack, message, dead-letters.

use clap::{Args, Subcommand};

/// Send a message to an agent, or to many; it waits for those who are not there
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog send --from planner --to worker-1 'Please look at task-7'
  factlog send --from planner --to type:worker --priority high 'Stop what you do'
  factlog send --from planner --to one-of:capability:rust --json '{\"file\":\"src/main.rs\"}'

TO is an agent's id, type:NAME, group:NAME, capability:NAME or *; with one-of: before it, whoever takes it first.
The answer says where the message is stored, and no more: `factlog message ID` shows what becomes of it.")]
pub(crate) struct SendArgs {
    /// Who sends it
    #[arg(long, value_name = "AGENT", env = "FACTLOG_AGENT")]
    pub(crate) from: String,
    /// Whom it is for
    #[arg(long, value_name = "TO")]
    pub(crate) to: String,
    /// What it says; - reads it from standard input
    #[arg(required_unless_present = "json")]
    pub(crate) text: Option<String>,
    /// What it says, as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "text")]
    pub(crate) json: Option<String>,
    #[command(flatten)]
    pub(crate) how: SendHow,
}

#[derive(Debug, Args)]
pub(crate) struct SendHow {
    /// How urgent it is: low, normal, high or critical
    #[arg(long)]
    pub(crate) priority: Option<String>,
    /// How long it waits: 5m, 2h; 7 days when left out
    #[arg(long, value_name = "TIME")]
    pub(crate) ttl: Option<String>,
    /// Its id: the same id with the same content again changes nothing
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// The larger operation it belongs to
    #[arg(long)]
    pub(crate) correlation: Option<String>,
    /// The message that it answers
    #[arg(long, value_name = "MESSAGE")]
    pub(crate) in_reply_to: Option<String>,
}

/// Tell something to all agents, or to those that have what is sought; never to its sender
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog broadcast --from planner system-update 'Version 2 is out'
  factlog broadcast --from planner --type worker --type analyzer task-available --json '{\"taskId\":\"t-1\"}'
  factlog broadcast --from planner --swarm reviewers --retain rules 'No force pushes'")]
pub(crate) struct BroadcastArgs {
    /// Who sends it
    #[arg(long, value_name = "AGENT", env = "FACTLOG_AGENT")]
    pub(crate) from: String,
    /// What it is about
    pub(crate) topic: String,
    /// What it says
    #[arg(required_unless_present = "json")]
    pub(crate) text: Option<String>,
    /// What it says, as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "text")]
    pub(crate) json: Option<String>,
    /// Only to members of this swarm
    #[arg(long, value_name = "SWARM", conflicts_with_all = ["agent_type", "capability", "tag"])]
    pub(crate) swarm: Option<String>,
    /// Only to agents of this type, or one of these
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) agent_type: Vec<String>,
    /// Only to agents that can do this, or one of these
    #[arg(long)]
    pub(crate) capability: Vec<String>,
    /// Only to agents with this tag, or one of these
    #[arg(long)]
    pub(crate) tag: Vec<String>,
    /// Keep it for agents that come later, too
    #[arg(long)]
    pub(crate) retain: bool,
    #[command(flatten)]
    pub(crate) how: SendHow,
}

/// Ask an agent, and wait for its answer; exit 3 when nobody answers to it, 5 when the time is over
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog request --from planner --to worker-1 getStatus
  factlog request --from planner --to type:service --timeout 5s getStatus '{\"detailed\":true}'

An answer that is an error is printed like any other, and the exit code is 1.")]
pub(crate) struct RequestArgs {
    /// Who asks
    #[arg(long, value_name = "AGENT", env = "FACTLOG_AGENT")]
    pub(crate) from: String,
    /// Who is asked
    #[arg(long, value_name = "TO")]
    pub(crate) to: String,
    /// What is asked for
    pub(crate) method: String,
    /// What it is asked with, as JSON
    pub(crate) params: Option<String>,
    /// How long an answer is waited for
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(crate) timeout: String,
}

/// Answer a request that waits in an agent's inbox
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog respond --from worker-1 REQUEST_ID '{\"status\":\"active\"}'
  factlog respond --from worker-1 REQUEST_ID --error 'no such file' --code NOT_FOUND")]
pub(crate) struct RespondArgs {
    /// Who answers
    #[arg(long, value_name = "AGENT", env = "FACTLOG_AGENT")]
    pub(crate) from: String,
    /// The request
    pub(crate) request_id: String,
    /// The result, as JSON
    #[arg(required_unless_present = "error")]
    pub(crate) result: Option<String>,
    /// What went wrong, instead of a result
    #[arg(long, value_name = "TEXT", conflicts_with = "result")]
    pub(crate) error: Option<String>,
    /// The code of what went wrong
    #[arg(long, default_value = "ERROR", requires = "error")]
    pub(crate) code: String,
}

/// Show what waits in an agent's inbox; nothing in it changes unless it is taken
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog inbox worker-1
  factlog inbox worker-1 --take 5 --format jsonl
  factlog inbox worker-1 --watch
  factlog inbox one-of:type:worker")]
pub(crate) struct InboxArgs {
    /// The agent, or the address that several take from
    pub(crate) agent: String,
    /// Take so many: they are offered to you, and to nobody else for a while
    #[arg(long, value_name = "N")]
    pub(crate) take: Option<usize>,
    /// Who takes them, where that is not the agent: for an address that several take from
    #[arg(long = "as", value_name = "AGENT", requires = "take")]
    pub(crate) taker: Option<String>,
    /// How long they are kept from others
    #[arg(long, value_name = "TIME", default_value = "60s", requires = "take")]
    pub(crate) visibility: String,
    /// Wait for messages and show them as they come, until Ctrl-C
    #[arg(long, conflicts_with = "take")]
    pub(crate) watch: bool,
}

/// Say that an agent is done with a message, whatever state it is in
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  factlog ack worker-1 MESSAGE_ID")]
pub(crate) struct AckArgs {
    /// The agent, or the address that several take from
    pub(crate) agent: String,
    /// The messages
    #[arg(required = true, value_name = "MESSAGE_ID")]
    pub(crate) message_ids: Vec<String>,
    /// Who says so, where that is not the agent
    #[arg(long = "as", value_name = "AGENT")]
    pub(crate) by: Option<String>,
}

/// Say that an agent could do nothing with a message: it is offered again after a while
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  factlog nack worker-1 MESSAGE_ID --reason 'the file is locked'\n  factlog nack worker-1 MESSAGE_ID --delay 5m"
)]
pub(crate) struct NackArgs {
    /// The agent, or the address that several take from
    pub(crate) agent: String,
    /// The messages
    #[arg(required = true, value_name = "MESSAGE_ID")]
    pub(crate) message_ids: Vec<String>,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "no reason was given")]
    pub(crate) reason: String,
    /// How long it is held back; longer each time when left out
    #[arg(long, value_name = "TIME")]
    pub(crate) delay: Option<String>,
    /// Who says so, where that is not the agent
    #[arg(long = "as", value_name = "AGENT")]
    pub(crate) by: Option<String>,
}

/// Show a message, and where it stands at each of those it is for
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  factlog message MESSAGE_ID")]
pub(crate) struct MessageArgs {
    /// The message
    pub(crate) message_id: String,
}

/// Messages that are offered no more: list them, and offer them again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog dead-letters list
  factlog dead-letters replay MESSAGE_ID
  factlog dead-letters replay --first 10 --agent worker-1 --yes")]
pub(crate) struct DeadLettersArgs {
    #[command(subcommand)]
    pub(crate) action: DeadLettersAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersAction {
    /// List them, with the reason
    #[command(after_help = "Example:\n  factlog dead-letters list --agent worker-1")]
    List {
        /// Of this agent alone
        #[arg(long)]
        agent: Option<String>,
    },
    /// Offer them again, as if they had just come
    #[command(
        after_help = "Examples:\n  factlog dead-letters replay MESSAGE_ID\n  factlog dead-letters replay --first 10 --yes"
    )]
    Replay {
        /// The messages
        #[arg(required_unless_present = "first", value_name = "MESSAGE_ID")]
        message_ids: Vec<String>,
        /// The oldest so many, instead
        #[arg(long, value_name = "N", conflicts_with = "message_ids")]
        first: Option<usize>,
        /// Of this agent alone
        #[arg(long)]
        agent: Option<String>,
        /// Do it; without this it is only said how many there are
        #[arg(long)]
        yes: bool,
    },
}
