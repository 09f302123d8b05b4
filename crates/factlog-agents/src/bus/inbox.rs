//! What has become of each message at one of those it is for: a fold of one stream.
//!
//! Whether something was allowed is judged by the time when it was recorded, so that all who read the stream agree: an offer
//! of what another had at that time is void, whoever wrote it.

use std::collections::{BTreeMap, VecDeque};

use factlog::{Aggregate, Event, EventId, Fold, Invalid, Position, Priority, Timestamp};
use serde::{Deserialize, Serialize};

use super::item::{Item, State};
use super::message::SYSTEM;
use crate::vocabulary::{
    InboxAcked, InboxDead, InboxDelivered, InboxExpired, InboxNacked, InboxOffered, InboxQueued,
    InboxReleased, InboxRenewed, InboxReplayed, InboxStarted, Payload,
};

/// Messages that are done with and still known by their ids.
const FINISHED_MAX: usize = 1_000;
/// Dead letters that an inbox keeps; of more the oldest are only in the log.
const DEAD_LETTERS_MAX: usize = 1_000;
/// Contents of the last messages that are compared with what comes.
const RECENT_MAX: usize = 64;
/// How often a message is offered, where it does not say so itself.
pub(super) const ATTEMPTS_MAX: u64 = 5;

/// One run of an agent, or one of its sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Taker {
    /// The agent.
    pub agent_id: String,
    /// Its run: what it has read, it has read there.
    pub context_id: String,
}

impl Taker {
    /// A run of an agent.
    pub fn new(agent_id: impl Into<String>, context_id: impl Into<String>) -> Self {
        Self { agent_id: agent_id.into(), context_id: context_id.into() }
    }
}

/// How a message ended at its recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finished {
    /// The message.
    pub message_id: String,
    /// Whether it was acknowledged; its time ran out otherwise.
    pub is_acked: bool,
    /// How often it was offered.
    pub attempts: u64,
    /// When.
    pub at: Timestamp,
}

/// A message that is offered no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// The message as it stood last.
    pub item: Item,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// The contents of a message, so as to tell when the same comes again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Recent {
    from: String,
    digest: String,
    at: Timestamp,
}

/// An inbox of one agent, or a queue that several take from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Inbox {
    owner: String,
    items: BTreeMap<String, Item>,
    finished: VecDeque<Finished>,
    dead: BTreeMap<String, DeadLetter>,
    recent: VecDeque<Recent>,
}

impl Inbox {
    /// Whose it is: an agent, or the address that several take from.
    pub fn inbox_id(&self) -> &str {
        &self.owner
    }

    /// Whether several agents take from it.
    pub fn is_queue(&self) -> bool {
        self.owner.starts_with("one-of:")
    }

    /// What is not done with, in the order in which it is handed out.
    pub fn items(&self) -> Vec<&Item> {
        let mut items: Vec<&Item> = self.items.values().collect();
        items.sort_unstable_by_key(|item| (std::cmp::Reverse(item.priority), item.position));
        items
    }

    /// One message that is not done with.
    pub fn item(&self, message_id: &str) -> Option<&Item> {
        self.items.get(message_id)
    }

    /// How many messages are not done with.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether all is done.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How a message ended, as far as that is still known.
    pub fn finished(&self, message_id: &str) -> Option<&Finished> {
        self.finished.iter().rev().find(|finished| finished.message_id == message_id)
    }

    /// What is offered no more, the oldest first.
    pub fn dead_letters(&self) -> Vec<&DeadLetter> {
        let mut dead: Vec<&DeadLetter> = self.dead.values().collect();
        dead.sort_unstable_by_key(|letter| (letter.at, letter.item.position));
        dead
    }

    /// A dead letter.
    pub fn dead_letter(&self, message_id: &str) -> Option<&DeadLetter> {
        self.dead.get(message_id)
    }

    /// How many messages of the same contents have come from one sender since a time.
    pub(super) fn alike(&self, from: &str, digest: &str, since: Timestamp) -> usize {
        let is_alike =
            |recent: &&Recent| recent.at >= since && recent.from == from && recent.digest == digest;
        self.recent.iter().filter(is_alike).count()
    }

    /// What an agent may have now, in order, and never ahead of an earlier message of the same sender and urgency that
    /// waits or is with another run of the agent. Requests, answers and tasks wait for nothing but themselves, and a queue
    /// knows no order between those who take from it.
    pub fn available(&self, taker: &Taker, now: Timestamp) -> Vec<&Item> {
        let mut held_up: Vec<(&str, Priority)> = Vec::new();
        let mut available = Vec::new();
        for item in self.items() {
            let lane = item.lane().filter(|_| !self.is_queue());
            if lane.is_some_and(|lane| held_up.contains(&lane)) {
                continue;
            }
            if item.is_available(taker, now) && item.attempts_made() < item.attempts_max {
                available.push(item);
            } else if item.holds_up(taker, now) {
                held_up.extend(lane);
            }
        }
        available
    }

    /// What has run out, and nobody has said so.
    pub(super) fn run_out(&self, now: Timestamp) -> Vec<String> {
        self.items.values().filter(|item| item.has_expired(now)).map(|item| item.message_id.clone()).collect()
    }

    /// What was offered as often as it may be, and came back each time.
    pub(super) fn given_up(&self, taker: &Taker, now: Timestamp) -> Vec<String> {
        let is_over =
            |item: &&Item| item.attempts_made() >= item.attempts_max && item.is_available(taker, now);
        self.items.values().filter(is_over).map(|item| item.message_id.clone()).collect()
    }

    /// When the next message can be taken that cannot be taken yet; none where nothing waits for a time.
    pub fn next_due(&self, taker: &Taker, now: Timestamp) -> Option<Timestamp> {
        let waits = self.items.values().filter(|item| !item.is_available(taker, now));
        let due = waits.filter_map(|item| match &item.state {
            State::Nacked { until } | State::Offered { until, .. } | State::Delivered { until, .. } => {
                Some(*until)
            }
            State::Queued => None,
        });
        due.filter(|due| *due > now).min()
    }

    /// What a run of an agent has in hand.
    pub(super) fn in_hand<'a>(&'a self, taker: &'a Taker) -> impl Iterator<Item = &'a Item> {
        self.items
            .values()
            .filter(move |item| matches!(&item.state, State::Offered { by, .. } if by == taker))
    }

    /// What an agent's earlier runs have in hand, and will never finish.
    pub(super) fn left_behind(&self, taker: &Taker) -> Vec<String> {
        let is_left = |item: &&Item| match &item.state {
            State::Offered { by, .. } | State::Delivered { by, .. } => {
                by.agent_id == taker.agent_id && by.context_id != taker.context_id
            }
            State::Queued | State::Nacked { .. } => false,
        };
        self.items.values().filter(is_left).map(|item| item.message_id.clone()).collect()
    }
}

impl Fold for Inbox {
    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        let (at, position) = (event.recorded_at, event.position);
        match Payload::of(event) {
            Some(Payload::InboxQueued(queued)) => {
                self.forget_removed(event, &queued.message_id);
                self.queued(queued, position, at);
            }
            Some(Payload::InboxOffered(by)) if self.is_open_to(&by.agent_id) => {
                self.offered(&by, position, at);
            }
            Some(Payload::InboxStarted(by)) if self.is_open_to(&by.agent_id) => self.started(&by),
            Some(Payload::InboxRenewed(by)) if self.is_open_to(&by.agent_id) => self.renewed(&by, at),
            Some(Payload::InboxDelivered(by)) if self.is_open_to(&by.agent_id) => self.delivered(&by, at),
            Some(Payload::InboxAcked(by)) if self.is_open_to(&by.agent_id) => self.acked(&by, at),
            Some(Payload::InboxNacked(by)) if self.is_open_to(&by.agent_id) => self.nacked(&by, at),
            Some(Payload::InboxReleased(by)) if self.is_open_to(&by.agent_id) => self.released(&by),
            Some(Payload::InboxExpired(expired)) => self.expired(&expired, at),
            Some(Payload::InboxDead(dead)) => self.died(dead, at),
            Some(Payload::InboxReplayed(replayed)) => self.replayed(&replayed),
            _ => {}
        }
        Ok(())
    }
}

impl Aggregate for Inbox {
    const NAME: &'static str = "inbox";
    const REVISION: u32 = 1;
    const CATEGORY: &'static str = "inbox";
    const SNAPSHOT_EVENTS: u64 = 1_000;
}

/// What each kind of event does, if it may.
impl Inbox {
    fn queued(&mut self, queued: InboxQueued, position: Position, at: Timestamp) {
        if self.owner.is_empty() {
            self.owner.clone_from(&queued.inbox_id);
        }
        let id = &queued.message_id;
        if self.items.contains_key(id) || self.dead.contains_key(id) || self.finished(id).is_some() {
            return;
        }
        let item = Item::of(queued, position, at);
        if let Some(digest) = item.digest.clone() {
            self.recent.push_back(Recent { from: item.from.clone(), digest, at });
            keep_newest(&mut self.recent, RECENT_MAX);
        }
        self.items.insert(item.message_id.clone(), item);
    }

    /// An id is in the log once: where the bus's own event comes again, the one before was removed, and its message is new.
    fn forget_removed(&mut self, event: &Event, id: &str) {
        let is_known =
            self.items.contains_key(id) || self.dead.contains_key(id) || self.finished(id).is_some();
        if is_known && event.id == EventId::foreign(SYSTEM, &event.stream, id) {
            self.finished.retain(|finished| finished.message_id != id);
            self.items.remove(id);
            self.dead.remove(id);
        }
    }

    /// Whether an agent may act here: in an inbox only the one whose it is.
    fn is_open_to(&self, agent_id: &str) -> bool {
        self.is_queue() || self.owner == agent_id
    }

    /// Those of a list that are not done with.
    fn each(&mut self, ids: &[String], mut change: impl FnMut(&mut Item)) {
        for id in ids {
            if let Some(item) = self.items.get_mut(id) {
                change(item);
            }
        }
    }

    fn offered(&mut self, offered: &InboxOffered, position: Position, at: Timestamp) {
        let taker = taker(&offered.agent_id, offered.context_id.as_deref());
        let until = later(at, offered.visibility_ms);
        self.each(&offered.message_ids, |item| {
            if item.is_available(&taker, at) {
                item.offer(taker.clone(), until, offered.ahead == Some(true), position);
            }
        });
    }

    fn started(&mut self, started: &InboxStarted) {
        let taker = taker(&started.agent_id, started.context_id.as_deref());
        self.each(&started.message_ids, |item| match &mut item.state {
            State::Offered { by, is_begun, .. } if *by == taker => *is_begun = true,
            _ => {}
        });
    }

    fn renewed(&mut self, renewed: &InboxRenewed, at: Timestamp) {
        let taker = taker(&renewed.agent_id, renewed.context_id.as_deref());
        let until = later(at, renewed.visibility_ms);
        self.each(&renewed.message_ids, |item| {
            // Late, and yet in time: nobody has taken it meanwhile.
            if let State::Offered { by, until: end, .. } | State::Delivered { by, until: end } =
                &mut item.state
                && *by == taker
            {
                *end = until.max(*end);
            }
        });
    }

    fn delivered(&mut self, delivered: &InboxDelivered, at: Timestamp) {
        let taker = taker(&delivered.agent_id, delivered.context_id.as_deref());
        let until = later(at, delivered.visibility_ms);
        for id in &delivered.message_ids {
            let dead = self.dead.get_mut(id).map(|letter| &mut letter.item);
            let Some(item) = self.items.get_mut(id).or(dead) else { continue };
            // It stands in the context of that run, also where the run said so too late to keep it.
            if item.was_had_by(&taker.context_id) {
                item.read_in(&taker.context_id);
            }
            if matches!(&item.state, State::Offered { by, .. } if *by == taker) {
                item.state = State::Delivered { by: taker.clone(), until };
            }
        }
    }

    fn acked(&mut self, acked: &InboxAcked, at: Timestamp) {
        for id in &acked.message_ids {
            if self.items.get(id).is_some_and(|item| item.is_for(&acked.agent_id, at)) {
                self.finish(id, true, at);
            }
        }
    }

    fn nacked(&mut self, nacked: &InboxNacked, at: Timestamp) {
        let until = later(at, nacked.delay_ms);
        self.each(&nacked.message_ids, |item| {
            // A run that could do nothing with it has no say once the next run of the agent is at it.
            let is_anothers = nacked.context_id.as_ref().is_some_and(|run| item.is_anothers(run, at));
            if item.is_for(&nacked.agent_id, at) && !is_anothers {
                // It was handed out again meanwhile, and nobody has begun with it since.
                item.attempts = item.attempts_made();
                item.state = State::Nacked { until };
                item.reason.clone_from(&nacked.reason);
            }
        });
    }

    fn released(&mut self, released: &InboxReleased) {
        self.each(&released.message_ids, |item| {
            let (State::Offered { by, .. } | State::Delivered { by, .. }) = &item.state else { return };
            let is_own_run = released.context_id.as_ref().is_none_or(|context| *context == by.context_id);
            // A run that had it before, and lost it, gives back nothing; one that never had it comes after the one that has.
            let is_late = || released.context_id.as_ref().is_some_and(|context| item.was_had_by(context));
            if by.agent_id == released.agent_id && (is_own_run || !is_late()) {
                // It was not begun with, unless it is taken from a run that has ended and may have.
                item.attempts =
                    if is_own_run { item.attempts.saturating_sub(1) } else { item.attempts_made() };
                item.state = State::Queued;
            }
        });
    }

    fn expired(&mut self, expired: &InboxExpired, at: Timestamp) {
        for id in &expired.message_ids {
            if self.items.get(id).is_some_and(|item| item.has_expired(at)) {
                self.finish(id, false, at);
            }
        }
    }

    fn died(&mut self, dead: InboxDead, at: Timestamp) {
        let reason = dead.reason.unwrap_or_else(|| "no reason was given".to_owned());
        for id in dead.message_ids {
            // What a run gives up, another may have in hand by then.
            let by_run = dead.context_id.as_deref();
            if self.items.get(&id).is_some_and(|item| by_run.is_some_and(|run| item.is_anothers(run, at))) {
                continue;
            }
            if let Some(item) = self.items.remove(&id) {
                self.dead.insert(id, DeadLetter { item, reason: reason.clone(), at });
            }
        }
        while self.dead.len() > DEAD_LETTERS_MAX {
            let oldest = self.dead_letters().first().map(|letter| letter.item.message_id.clone());
            self.dead.remove(&oldest.unwrap_or_default());
        }
    }

    fn replayed(&mut self, replayed: &InboxReplayed) {
        for id in &replayed.message_ids {
            if let Some(DeadLetter { mut item, .. }) = self.dead.remove(id) {
                item.attempts = 0;
                item.state = State::Queued;
                item.expires_at = replayed.expires_at;
                self.items.insert(id.clone(), item);
            }
        }
    }

    fn finish(&mut self, id: &str, is_acked: bool, at: Timestamp) {
        if let Some(item) = self.items.remove(id) {
            let finished = Finished { message_id: item.message_id, is_acked, attempts: item.attempts, at };
            self.finished.push_back(finished);
            keep_newest(&mut self.finished, FINISHED_MAX);
        }
    }
}

fn taker(agent_id: &str, context_id: Option<&str>) -> Taker {
    Taker::new(agent_id, context_id.unwrap_or_default())
}

/// A time so many milliseconds after another.
fn later(at: Timestamp, milliseconds: Option<u64>) -> Timestamp {
    at.plus_ms(milliseconds.unwrap_or_default())
}

fn keep_newest<T>(values: &mut VecDeque<T>, most: usize) {
    while values.len() > most {
        values.pop_front();
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
