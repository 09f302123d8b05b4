//! Where a policy stands: what is still to be done, when it has acted, whether it is parked; folded from its own stream.

use std::collections::{BTreeMap, HashMap, VecDeque};

use factlog::{Event, EventId, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::Rate;
use crate::vocabulary::{Payload, PolicyFailed, PolicyFired, PolicyScheduled};

/// Keys whose last firing is remembered for a cooldown; of more, the one of longest ago is forgotten.
const KEYS_MAX: usize = 10_000;
/// Firings whose times are remembered for the rate.
pub(super) const RECENT_MAX: usize = 10_000;

/// Where a policy stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyState {
    /// Firings that are to come: for the first time, or again.
    pub pending: BTreeMap<EventId, Pending>,
    /// When it was last told to act for each key.
    last: HashMap<String, Timestamp>,
    /// When what it was told to act on lately was triggered.
    recent: VecDeque<Timestamp>,
    /// Why it has stopped by itself, and since when.
    pub parked: Option<Parked>,
    /// Where it was last told to go on after it was parked: what was before is not acted on any more.
    pub resumed: Position,
    /// How often it has acted.
    pub fired: u64,
    /// Attempts that have failed.
    pub failed: u64,
    /// Firings that were given up.
    pub given_up: u64,
    /// When it last acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_fired_at: Option<Timestamp>,
}

/// A firing that is to come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// The ids of its events.
    pub events: Vec<String>,
    /// The names of their steps; empty where they have none.
    pub steps: Vec<String>,
    /// What ties them together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// When it was known that something is to be done.
    pub triggered_at: Timestamp,
    /// When it is to be done.
    pub due_at: Timestamp,
    /// Attempts so far.
    pub attempts: u64,
    /// Why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A policy that has stopped by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parked {
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
}

impl PolicyState {
    /// Takes in an event of the policy's stream.
    pub fn apply(&mut self, event: &Event) {
        match Payload::of(event) {
            Some(Payload::PolicyScheduled(scheduled)) => self.scheduled(event, scheduled),
            Some(Payload::PolicyFired(fired)) => self.fired(event, &fired),
            Some(Payload::PolicyFailed(failed)) => self.failed(event, &failed),
            Some(Payload::PolicyParked(parked)) => {
                let reason = parked.reason.unwrap_or_default();
                self.parked = Some(Parked { reason, at: event.recorded_at });
            }
            Some(Payload::PolicyResumed(_)) => {
                self.parked = None;
                self.resumed = event.position;
                self.recent.clear();
            }
            _ => {}
        }
    }

    fn scheduled(&mut self, event: &Event, scheduled: PolicyScheduled) {
        let Ok(id) = scheduled.firing_id.parse() else { return };
        let triggered_at = scheduled.triggered_at.unwrap_or(event.recorded_at);
        self.told(scheduled.key.as_deref(), triggered_at);
        self.pending.insert(
            id,
            Pending {
                events: scheduled.events.unwrap_or_default(),
                steps: scheduled.steps.unwrap_or_default(),
                key: scheduled.key,
                triggered_at,
                due_at: scheduled.due_at.unwrap_or(triggered_at),
                attempts: 0,
                error: None,
            },
        );
    }

    fn fired(&mut self, event: &Event, fired: &PolicyFired) {
        let was_pending = fired.firing_id.parse().ok().and_then(|id| self.pending.remove(&id)).is_some();
        if !was_pending {
            let triggered_at = fired.triggered_at.unwrap_or(event.recorded_at);
            self.told(fired.key.as_deref(), triggered_at);
        }
        self.fired += 1;
        self.last_fired_at = Some(event.recorded_at);
    }

    fn failed(&mut self, event: &Event, failed: &PolicyFailed) {
        self.failed += 1;
        let Ok(id) = failed.firing_id.parse() else { return };
        match (failed.retry_at, self.pending.get_mut(&id)) {
            (Some(retry_at), Some(pending)) => {
                pending.due_at = retry_at;
                pending.attempts = failed.attempt.unwrap_or(pending.attempts + 1);
                pending.error.clone_from(&failed.error);
            }
            (None, pending) => {
                if pending.is_none() {
                    self.told(failed.key.as_deref(), event.recorded_at);
                }
                self.pending.remove(&id);
                self.given_up += 1;
            }
            (Some(_), None) => {}
        }
    }

    /// It was told to act.
    fn told(&mut self, key: Option<&str>, triggered_at: Timestamp) {
        self.recent.push_back(triggered_at);
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
        let last = self.last.entry(key.unwrap_or_default().to_owned()).or_insert(triggered_at);
        *last = triggered_at.max(*last);
        if self.last.len() > KEYS_MAX {
            let oldest = self.last.iter().min_by_key(|(_, at)| **at).map(|(key, _)| key.clone());
            oldest.map(|key| self.last.remove(&key));
        }
    }

    /// Whether it has acted for a key less than so long before a moment.
    pub(super) fn is_cooling(&self, key: Option<&str>, cooldown: std::time::Duration, at: Timestamp) -> bool {
        let last = self.last.get(key.unwrap_or_default());
        last.is_some_and(|last| at < last.plus_ms(cooldown.as_millis() as u64))
    }

    /// Whether it was told to act as often as it may be, in the time before what is triggered at a moment.
    pub(super) fn is_over(&self, rate: Rate, at: Timestamp) -> bool {
        let from = at.as_micros().saturating_sub(rate.per.as_micros() as i64);
        let lately = self.recent.iter().filter(|recent| recent.as_micros() > from && **recent <= at).count();
        lately as u64 >= rate.max
    }

    /// Remembers, in a rehearsal, what would have been told.
    pub(super) fn rehearse(&mut self, key: Option<&str>, triggered_at: Timestamp) {
        self.told(key, triggered_at);
        self.fired += 1;
    }
}
