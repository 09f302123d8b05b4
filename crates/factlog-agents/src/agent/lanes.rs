//! What an agent has in hand: in lanes, one message at a time in each.

use std::collections::{HashMap, HashSet, VecDeque};

use factlog::Priority;

use crate::bus::{Delivery, Kind, Room};

/// Messages and broadcasts that an agent has in hand at once.
const MESSAGES_IN_HAND_MAX: usize = 64;
/// Requests that it works at at once.
const REQUESTS_AT_ONCE_MAX: usize = 64;

/// A message in hand: its inbox and its id.
pub(super) type Key = (String, String);
/// What goes in order: messages of one sender, of one urgency, in one inbox.
type Lane = (String, String, Priority);

/// What is in hand.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// What is being worked at.
    at_work: HashMap<Key, Delivery>,
    /// What waits behind what is being worked at.
    waiting: HashMap<Lane, VecDeque<Delivery>>,
    /// Those in which something has failed that the log may not know of yet.
    blocked: HashSet<Lane>,
}

pub(super) fn key_of(delivery: &Delivery) -> Key {
    (delivery.inbox_id.clone(), delivery.item.message_id.clone())
}

fn lane_of(delivery: &Delivery) -> Option<Lane> {
    let is_ordered = matches!(delivery.item.kind, Kind::Message | Kind::Broadcast);
    is_ordered.then(|| (delivery.inbox_id.clone(), delivery.item.from.clone(), delivery.item.priority))
}

impl Lanes {
    /// How much more may be taken.
    pub(super) fn room(&self, capacity: usize) -> Room {
        let at_work = |kinds: &[Kind]| {
            self.at_work.values().filter(|delivery| kinds.contains(&delivery.item.kind)).count()
        };
        let waiting: usize = self.waiting.values().map(VecDeque::len).sum();
        let words = MESSAGES_IN_HAND_MAX.saturating_sub(at_work(&[Kind::Message, Kind::Broadcast]) + waiting);
        Room {
            words,
            messages: words,
            broadcasts: words,
            requests: REQUESTS_AT_ONCE_MAX.saturating_sub(at_work(&[Kind::Request])),
            tasks: capacity.saturating_sub(at_work(&[Kind::Task])),
            responses: 0,
            all: usize::MAX,
        }
    }

    /// Whether it is in hand already.
    pub(super) fn has(&self, delivery: &Delivery) -> bool {
        let key = key_of(delivery);
        self.at_work.contains_key(&key) || self.waiting.values().flatten().any(|other| key_of(other) == key)
    }

    /// Takes something in hand, and gives it back if it can be begun with at once.
    pub(super) fn begin(&mut self, delivery: Delivery) -> Option<Delivery> {
        if let Some(lane) = lane_of(&delivery) {
            if let Some(waiting) = self.waiting.get_mut(&lane) {
                waiting.push_back(delivery);
                return None;
            }
            self.waiting.insert(lane, VecDeque::new());
        }
        self.at_work.insert(key_of(&delivery), delivery.clone());
        Some(delivery)
    }

    /// Puts away what is finished, and gives what comes next in its lane.
    pub(super) fn finish(&mut self, key: &Key) -> Option<Delivery> {
        let lane = lane_of(&self.at_work.remove(key)?)?;
        let Some(next) = self.waiting.get_mut(&lane).and_then(VecDeque::pop_front) else {
            self.waiting.remove(&lane);
            return None;
        };
        self.at_work.insert(key_of(&next), next.clone());
        Some(next)
    }

    /// Gives up what has failed, with what is behind it in its lane: nothing of the lane must come before it.
    pub(super) fn fail(&mut self, key: &Key) -> Option<(Delivery, Vec<Delivery>)> {
        let failed = self.at_work.remove(key)?;
        let Some(lane) = lane_of(&failed) else { return Some((failed, Vec::new())) };
        let behind = self.waiting.remove(&lane).map(Vec::from).unwrap_or_default();
        self.blocked.insert(lane);
        Some((failed, behind))
    }

    /// Whether it was taken before the log knew that something earlier in its lane has failed.
    pub(super) fn is_blocked(&self, delivery: &Delivery) -> bool {
        lane_of(delivery).is_some_and(|lane| self.blocked.contains(&lane))
    }

    /// What is taken from now on comes in order again: the log knows of all that has failed.
    pub(super) fn unblock(&mut self) {
        self.blocked.clear();
    }

    /// Gives up all that was not begun with.
    pub(super) fn give_up_waiting(&mut self) -> Vec<Delivery> {
        self.waiting.drain().flat_map(|(_, waiting)| waiting).collect()
    }

    /// Ids of all that is in hand, by inbox.
    pub(super) fn ids(&self) -> HashMap<String, Vec<String>> {
        let mut ids: HashMap<String, Vec<String>> = HashMap::new();
        for delivery in self.at_work.values().chain(self.waiting.values().flatten()) {
            ids.entry(delivery.inbox_id.clone()).or_default().push(delivery.item.message_id.clone());
        }
        ids
    }

    /// How many tasks are being worked at.
    pub(super) fn tasks(&self) -> usize {
        self.at_work.values().filter(|delivery| delivery.item.kind == Kind::Task).count()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.at_work.is_empty()
    }
}
