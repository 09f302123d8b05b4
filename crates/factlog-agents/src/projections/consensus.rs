//! A question to a swarm: who may vote, who voted how, and what is decided, for everyone alike.
//!
//! Everything is judged by when it was recorded. A question is decided by the vote after which those who have not voted
//! could change nothing any more, by its deadline, or by the end of its swarm; what comes later changes nothing. That is
//! so whether or not anybody has recorded the decision.

mod counting;

use std::collections::{BTreeMap, BTreeSet};

use factlog::{Event, Json, Timestamp};
use serde::{Deserialize, Serialize};

use crate::record::small;
use crate::vocabulary::{SwarmConsensusReached, SwarmConsensusRequest, SwarmConsensusVote};

pub use self::counting::{Outcome, Tally, Vote, VotingStrategy, Weight, count};

/// How many may vote on one question, and belong to one swarm.
pub(crate) const ELECTORATE_MAX: usize = 1_000;
/// What is kept of a reason.
pub(crate) const REASON_BYTES_MAX: usize = 500;
/// Voters of all questions that one swarm keeps; of more, those that were decided long ago are forgotten.
const VOTERS_KEPT_MAX: usize = 20_000;

/// A question to the swarm.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Consensus {
    /// What is to be decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Json>,
    /// How votes are counted.
    pub voting_strategy: VotingStrategy,
    /// How many votes it takes, where they are counted by quorum; more than half where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quorum_size: Option<u64>,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<String>,
    /// When it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// From when on no vote counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// How long there was to vote, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Who may vote, and how much each vote counts.
    pub electorate: BTreeMap<String, Weight>,
    /// Whether the question says who may vote: then nothing but votes decides it.
    pub is_electorate_fixed: bool,
    /// The vote of each member that counts.
    pub votes: BTreeMap<String, Ballot>,
    /// Votes that came after the close.
    pub late_votes: u64,
    /// Votes that were none: of outsiders, for somebody else, or in words that mean nothing.
    pub void_votes: u64,
    /// Results that were recorded and that the votes do not bear out.
    pub void_results: u64,
    /// What was decided: `approved` or `rejected`; what another system said where nothing was counted here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Json>,
    /// Whether they agreed; none as long as they have not decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached: Option<bool>,
    /// How it came to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// When the result was recorded, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
}

/// The vote of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ballot {
    /// What it wants.
    pub vote: Vote,
    /// How much it counts.
    pub weight: Weight,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was recorded.
    pub at: Timestamp,
}

impl Consensus {
    /// Whether nothing is decided yet.
    pub fn is_open(&self) -> bool {
        self.reached.is_none()
    }

    /// What was decided; none as long as it is open.
    pub fn outcome(&self) -> Option<Outcome> {
        self.reached.map(|reached| if reached { Outcome::Approved } else { Outcome::Rejected })
    }

    /// How the votes stand.
    pub fn tally(&self) -> Tally {
        Tally::of(&self.electorate, |agent| self.votes.get(agent).map(|ballot| ballot.vote))
    }

    /// How many votes it takes, where they are counted by quorum.
    pub fn quorum(&self) -> u64 {
        self.quorum_size.unwrap_or(self.electorate.len() as u64 / 2 + 1)
    }

    /// As it stands at a time: a deadline that has passed is one that has passed, whether anybody has recorded it or not.
    #[must_use]
    pub fn as_of(&self, now: Timestamp) -> Self {
        let mut shown = self.clone();
        shown.settle(now);
        shown
    }

    /// The question as it is after a vote at this time: to see whether that decides it.
    pub(crate) fn with_vote(&self, agent: &str, vote: Vote, reason: Option<&str>, at: Timestamp) -> Self {
        let mut after = self.clone();
        after.take_vote(agent, vote, reason, at);
        after
    }

    fn ask(event: &Event, asked: SwarmConsensusRequest, members: &BTreeSet<String>) -> Option<Self> {
        let weights: BTreeMap<String, f64> =
            asked.weights.and_then(|weights| weights.to().ok()).unwrap_or_default();
        let named = asked.electorate.filter(|named| !named.is_empty());
        let is_electorate_fixed = named.is_some();
        let voters: BTreeSet<String> =
            named.map_or_else(|| members.clone(), |named| named.into_iter().collect());
        if voters.len() > ELECTORATE_MAX {
            return None;
        }
        let weight = |agent: &str| weights.get(agent).copied().and_then(Weight::of).unwrap_or_default();
        Some(Self {
            proposal: small(asked.proposal),
            voting_strategy: asked
                .voting_strategy
                .and_then(|word| VotingStrategy::of(&word))
                .unwrap_or_default(),
            quorum_size: asked.quorum_size,
            asked_by: event.source.as_deref().map(str::to_owned),
            asked_at: Some(event.time()),
            deadline: asked.timeout_ms.and_then(|timeout_ms| after(event.recorded_at, timeout_ms)),
            timeout_ms: asked.timeout_ms,
            electorate: voters.into_iter().map(|agent| (agent.clone(), weight(&agent))).collect(),
            is_electorate_fixed,
            ..Self::default()
        })
    }

    /// A vote of whoever says so, judged.
    pub(super) fn cast(&mut self, event: &Event, cast: &SwarmConsensusVote) {
        let is_of_another = event.source.as_deref().is_some_and(|source| source != cast.agent_id);
        let vote =
            Vote::of(&cast.vote).filter(|_| !is_of_another && self.electorate.contains_key(&cast.agent_id));
        match vote {
            Some(vote) => self.take_vote(&cast.agent_id, vote, cast.reason.as_deref(), event.recorded_at),
            None => self.void_votes += 1,
        }
    }

    /// The vote of a member.
    fn take_vote(&mut self, agent: &str, vote: Vote, reason: Option<&str>, at: Timestamp) {
        self.settle(at);
        if !self.is_open() {
            self.late_votes += 1;
            return;
        }
        let weight = self.electorate.get(agent).copied().unwrap_or_default();
        let reason = reason.map(|reason| cut(reason, REASON_BYTES_MAX).to_owned());
        self.votes.insert(agent.to_owned(), Ballot { vote, weight, reason, at });
        let tally = self.tally();
        if let Some(outcome) = tally.settled(self.voting_strategy, self.quorum()) {
            self.close(outcome, at, tally.words(self.voting_strategy, self.quorum()));
        }
    }

    /// Closes it if its deadline has passed by a time.
    fn settle(&mut self, now: Timestamp) {
        let Some(deadline) = self.deadline.filter(|deadline| self.is_open() && *deadline <= now) else {
            return;
        };
        let tally = self.tally();
        let outcome = tally.outcome(self.voting_strategy, self.quorum());
        let why = match outcome {
            Outcome::Approved => tally.words(self.voting_strategy, self.quorum()),
            Outcome::Rejected => format!("timed out with {} of {} votes", tally.cast(), tally.electorate()),
        };
        self.close(outcome, deadline, why);
    }

    /// Its swarm is no more.
    pub(crate) fn abandon(&mut self, at: Timestamp, why: &str) {
        self.settle(at);
        if self.is_open() {
            self.close(Outcome::Rejected, at, why.to_owned());
        }
    }

    fn close(&mut self, outcome: Outcome, at: Timestamp, why: String) {
        self.decision = Some(Json::trusted(format!("\"{outcome}\"")));
        self.reached = Some(outcome == Outcome::Approved);
        self.why = Some(why);
        self.decided_at = Some(at);
    }

    /// A result that somebody tells. Where votes are counted it must be theirs; where there are none, and nobody knows who may
    /// vote, there is nothing to judge it by, and it is what another system has decided.
    fn conclude(&mut self, event: &Event, told: SwarmConsensusReached) {
        let agreed = told.consensus.unwrap_or(true);
        if !self.is_electorate_fixed && self.votes.is_empty() {
            if self.recorded_at.is_none() {
                self.take_told(event, told, agreed);
            }
            return;
        }
        self.settle(event.recorded_at);
        if self.reached == Some(agreed) {
            self.recorded_at.get_or_insert(event.recorded_at);
        } else {
            self.void_results += 1;
        }
    }

    fn take_told(&mut self, event: &Event, told: SwarmConsensusReached, agreed: bool) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Told {
            agent_id: String,
            vote: String,
            weight: Option<f64>,
            reason: Option<String>,
        }
        self.decision = small(told.decision);
        self.reached = Some(agreed);
        self.why = told.reason.map(|why| cut(&why, REASON_BYTES_MAX).to_owned());
        self.decided_at = Some(event.time());
        self.recorded_at = Some(event.recorded_at);
        let votes: Vec<Told> = told.votes.and_then(|votes| votes.to().ok()).unwrap_or_default();
        for told in votes.into_iter().take(ELECTORATE_MAX) {
            let Some(vote) = Vote::of(&told.vote) else { continue };
            let weight = told.weight.and_then(Weight::of).unwrap_or_default();
            let reason = told.reason.map(|reason| cut(&reason, REASON_BYTES_MAX).to_owned());
            self.electorate.insert(told.agent_id.clone(), weight);
            self.votes.insert(told.agent_id, Ballot { vote, weight, reason, at: event.recorded_at });
        }
    }
}

/// Puts a question to a swarm. One that was asked before under its id stays as it was.
pub(super) fn ask(
    questions: &mut BTreeMap<String, Consensus>,
    members: &BTreeSet<String>,
    event: &Event,
    asked: SwarmConsensusRequest,
) {
    let id = asked.consensus_id.clone();
    let Some(question) = Consensus::ask(event, asked, members) else { return };
    match questions.get_mut(&id) {
        // Its result was told before it was.
        Some(known) if known.asked_at.is_none() => {
            known.proposal = question.proposal;
            known.voting_strategy = question.voting_strategy;
            known.asked_by = question.asked_by;
            known.asked_at = question.asked_at;
        }
        Some(_) => {}
        None => {
            for known in questions.values_mut() {
                known.settle(event.recorded_at);
            }
            forget_some(questions, question.electorate.len() + 1);
            questions.insert(id, question);
        }
    }
}

/// Takes in a result that somebody tells, also of a question that is not known.
pub(super) fn conclude(
    questions: &mut BTreeMap<String, Consensus>,
    event: &Event,
    told: SwarmConsensusReached,
) {
    if !questions.contains_key(&told.consensus_id) {
        forget_some(questions, 1);
    }
    questions.entry(told.consensus_id.clone()).or_default().conclude(event, told);
}

/// Makes room: those that are decided go first, the oldest of them first.
fn forget_some(questions: &mut BTreeMap<String, Consensus>, wanted: usize) {
    let mut kept: usize = questions.values().map(|question| question.electorate.len() + 1).sum();
    while kept + wanted > VOTERS_KEPT_MAX {
        let oldest = questions.iter().min_by_key(|(_, question)| (question.is_open(), question.asked_at));
        let Some(id) = oldest.map(|(id, _)| id.clone()) else { return };
        kept -= questions.remove(&id).map_or(0, |gone| gone.electorate.len() + 1);
    }
}

/// So many milliseconds later; none where no clock goes so far.
fn after(at: Timestamp, milliseconds: u64) -> Option<Timestamp> {
    let micros = i64::try_from(milliseconds).ok()?.checked_mul(1_000)?;
    Timestamp::from_micros(at.as_micros().checked_add(micros)?).ok()
}

/// The beginning of a text.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests;
