//! One message in an inbox, and what may be done with it when.

use factlog::{Position, Priority, Timestamp};
use serde::{Deserialize, Serialize};

use super::inbox::{ATTEMPTS_MAX, Taker};
use crate::vocabulary::InboxQueued;

/// Runs of an agent that have had a message, or have read it, as far as they are told apart.
const RUNS_MAX: usize = 16;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Words to be read.
    #[default]
    Message,
    /// Words to all that a scope means.
    Broadcast,
    /// A question that wants an answer.
    Request,
    /// The answer to a question that nobody waits for.
    Response,
    /// Work to be done.
    Task,
}

impl Kind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Broadcast => "broadcast",
            Self::Request => "request",
            Self::Response => "response",
            Self::Task => "task",
        }
    }

    fn named(word: &str) -> Self {
        let all = [Self::Broadcast, Self::Request, Self::Response, Self::Task];
        all.into_iter().find(|kind| kind.as_str() == word).unwrap_or_default()
    }
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum State {
    /// It waits to be taken.
    Queued,
    /// It was handed out and is not read yet: no one else gets it until a time.
    Offered {
        /// To whom.
        by: Taker,
        /// Until when it has it for itself.
        until: Timestamp,
        /// Whether it may have begun with it, so that this counts as an attempt even if nothing is heard of it.
        is_begun: bool,
        /// Where it was handed out.
        at: Position,
    },
    /// It was read, and not acknowledged.
    Delivered {
        /// By whom.
        by: Taker,
        /// Until when an answer is waited for.
        until: Timestamp,
    },
    /// Nothing could be done with it, and it waits to be taken again.
    Nacked {
        /// Until when it is held back.
        until: Timestamp,
    },
}

impl State {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Offered { .. } => "offered",
            Self::Delivered { .. } => "delivered",
            Self::Nacked { .. } => "nacked",
        }
    }
}

/// A message in an inbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The message.
    pub message_id: String,
    /// Who sent it; empty where nobody said so.
    pub from: String,
    /// What it is.
    pub kind: Kind,
    /// How urgent it is.
    pub priority: Priority,
    /// The stream that its content stands in.
    pub stream: String,
    /// Its place in the log, and so in the inbox.
    pub position: Position,
    /// When it was stored.
    pub queued_at: Timestamp,
    /// When its time runs out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// How many messages it is an answer to, one behind the other.
    pub hops: u64,
    /// How often it was offered.
    pub attempts: u64,
    /// How often it may be.
    pub attempts_max: u64,
    /// Where it stands.
    pub state: State,
    /// Why nothing could be done with it the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is the same where the contents are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
    /// The runs that have read it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) read_in: Vec<String>,
    /// The runs that it was offered to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    had_by: Vec<String>,
}

impl Item {
    pub(super) fn of(queued: InboxQueued, position: Position, at: Timestamp) -> Self {
        let stream = queued.stream.unwrap_or_else(|| format!("message-{}", queued.message_id));
        Self {
            stream,
            from: queued.from.unwrap_or_default(),
            kind: Kind::named(queued.kind.as_deref().unwrap_or_default()),
            priority: queued.priority.and_then(|word| word.parse().ok()).unwrap_or(Priority::Normal),
            position,
            queued_at: at,
            expires_at: queued.expires_at,
            hops: queued.hops.unwrap_or_default(),
            attempts: 0,
            attempts_max: queued.attempts_max.unwrap_or(ATTEMPTS_MAX),
            state: State::Queued,
            reason: None,
            digest: queued.digest,
            read_in: Vec::new(),
            had_by: Vec::new(),
            message_id: queued.message_id,
        }
    }

    /// Whether its time has run out. What was handed out in time may be finished.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires| expires <= now) && !self.is_in_hand(now)
    }

    /// Whether somebody has it for itself at a time.
    fn is_in_hand(&self, now: Timestamp) -> bool {
        match &self.state {
            State::Offered { until, .. } | State::Delivered { until, .. } => *until > now,
            State::Queued | State::Nacked { .. } => false,
        }
    }

    /// Whether another run than this one has it for itself at a time.
    pub(super) fn is_anothers(&self, context_id: &str, at: Timestamp) -> bool {
        match &self.state {
            State::Offered { by, until, .. } | State::Delivered { by, until } => {
                *until > at && by.context_id != context_id
            }
            State::Queued | State::Nacked { .. } => false,
        }
    }

    /// How often somebody has tried it, as far as that counts: what a run was handed ahead and did not begin with does not.
    pub(super) fn attempts_made(&self) -> u64 {
        let is_unbegun = matches!(self.state, State::Offered { is_begun: false, .. });
        self.attempts.saturating_sub(u64::from(is_unbegun))
    }

    /// Hands it to a run. The first time counts however it ends; later ones that are handed ahead once the run has begun.
    pub(super) fn offer(&mut self, by: Taker, until: Timestamp, is_ahead: bool, at: Position) {
        self.attempts = self.attempts_made() + 1;
        self.had_by(&by.context_id);
        let is_begun = !is_ahead || self.attempts == 1;
        self.state = State::Offered { by, until, is_begun, at };
    }

    /// The word for where it stands at a time: what nobody has recorded as expired is shown as expired.
    pub fn state_word(&self, now: Timestamp) -> &'static str {
        if self.has_expired(now) { "expired" } else { self.state.as_str() }
    }

    /// Whether it was handed to this run of an agent, which has not said yet what became of it.
    pub fn is_offered_to(&self, taker: &Taker) -> bool {
        matches!(&self.state, State::Offered { by, .. } if by == taker)
    }

    /// Whether an agent may have it: it waits, or those who had it did not finish in time. What a run has read, it is not
    /// given again.
    pub(super) fn is_available(&self, taker: &Taker, now: Timestamp) -> bool {
        let is_free = match &self.state {
            State::Queued => true,
            State::Nacked { until } | State::Offered { until, .. } | State::Delivered { until, .. } => {
                *until <= now
            }
        };
        is_free && !self.has_expired(now) && !self.read_in.contains(&taker.context_id)
    }

    /// Whether later messages of its lane must wait for it: it is in the hands of another run, or will be handed out again
    /// before them.
    pub(super) fn holds_up(&self, taker: &Taker, now: Timestamp) -> bool {
        if self.has_expired(now) {
            return false;
        }
        match &self.state {
            State::Nacked { until } => *until > now && self.attempts < self.attempts_max,
            State::Offered { by, until, .. } => by != taker && *until > now,
            State::Queued | State::Delivered { .. } => false,
        }
    }

    /// What is handed out in order: messages of one sender and one urgency.
    pub(super) fn lane(&self) -> Option<(&str, Priority)> {
        matches!(self.kind, Kind::Message | Kind::Broadcast).then_some((self.from.as_str(), self.priority))
    }

    /// Whether an agent may say what becomes of it: nobody else has it at the time.
    pub(super) fn is_for(&self, agent_id: &str, at: Timestamp) -> bool {
        match &self.state {
            State::Offered { by, until, .. } | State::Delivered { by, until } => {
                by.agent_id == agent_id || *until <= at
            }
            State::Queued | State::Nacked { .. } => true,
        }
    }

    pub(super) fn read_in(&mut self, context_id: &str) {
        remember(&mut self.read_in, context_id);
    }

    fn had_by(&mut self, context_id: &str) {
        remember(&mut self.had_by, context_id);
    }

    pub(super) fn was_had_by(&self, context_id: &str) -> bool {
        self.had_by.iter().any(|known| known == context_id)
    }
}

fn remember(runs: &mut Vec<String>, context_id: &str) {
    if !runs.iter().any(|known| known == context_id) {
        runs.push(context_id.to_owned());
    }
    if runs.len() > RUNS_MAX {
        runs.remove(0);
    }
}
