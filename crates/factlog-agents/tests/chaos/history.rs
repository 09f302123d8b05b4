//! What the log says of each message, told again from the events alone: who had it when, and how it ended.

use std::collections::{BTreeMap, BTreeSet};

use factlog::Event;
use serde_json::Value;

/// Attempts at what says nothing of them.
pub(super) const ATTEMPTS_MAX: usize = 5;

/// A message in an inbox, or in a queue.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Where it was put into the inbox; the order in which it is to be handled.
    pub(super) position: u64,
    pub(super) times_queued: usize,
    pub(super) from: String,
    pub(super) kind: String,
    pub(super) priority: String,
    pub(super) expires_at: Option<i64>,
    /// Which attempts each run was given it for.
    pub(super) given: BTreeMap<String, Vec<usize>>,
    /// Offers of what another had.
    pub(super) void_offers: usize,
    /// Attempts that count: the first time that it was given, and later ones that the run had begun with.
    pub(super) attempts: usize,
    pub(super) end: Option<End>,
    holder: Option<Holder>,
    /// From when until when somebody had it, one after the other.
    held: Vec<(i64, i64)>,
    held_back_until: i64,
    attempts_max: usize,
    /// When it failed for the last time: it is never given again, whoever records that it is dead.
    spent_at: Option<i64>,
}

#[derive(Debug, Clone)]
pub(super) struct End {
    /// `acked`, `expired` or `dead`.
    pub(super) how: &'static str,
    pub(super) at: i64,
    pub(super) reason: String,
}

#[derive(Debug)]
struct Holder {
    agent: String,
    context: String,
    until: i64,
    is_begun: bool,
}

/// By inbox and id.
pub(super) type History = BTreeMap<(String, String), Told>;

pub(super) fn text(data: &Value, name: &str) -> String {
    data[name].as_str().unwrap_or_default().to_owned()
}

pub(super) fn data(event: &Event) -> Value {
    event.data.to().unwrap()
}

pub(super) fn history(events: &[&Event]) -> History {
    let mut history = History::new();
    for event in events {
        let Some(what) = event.event_type.as_str().strip_prefix("inbox:") else { continue };
        let (data, at) = (data(event), event.recorded_at.as_micros());
        let inbox = text(&data, "inboxId");
        if what == "queued" {
            let told = history.entry((inbox, text(&data, "messageId"))).or_default();
            told.times_queued += 1;
            told.position = event.position.0;
            (told.from, told.kind, told.priority) =
                (text(&data, "from"), text(&data, "kind"), text(&data, "priority"));
            told.attempts_max = data["attemptsMax"].as_u64().map_or(ATTEMPTS_MAX, |most| most as usize);
            let expires = data["expiresAt"].as_str().map(|text| text.parse::<factlog::Timestamp>().unwrap());
            told.expires_at = expires.map(factlog::Timestamp::as_micros);
            continue;
        }
        for id in data["messageIds"].as_array().unwrap() {
            let key = (inbox.clone(), id.as_str().unwrap().to_owned());
            let told =
                history.get_mut(&key).unwrap_or_else(|| panic!("{key:?} is {what} and was never queued"));
            told.take(what, &data, at);
        }
    }
    history
}

impl Told {
    fn take(&mut self, what: &str, data: &Value, at: i64) {
        if self.end.is_some() {
            return;
        }
        let (agent, context) = (text(data, "agentId"), text(data, "contextId"));
        let milliseconds = |name: &str| data[name].as_i64().unwrap_or_default() * 1_000;
        let is_free = self.holder.as_ref().is_none_or(|holder| holder.until <= at);
        let is_its_agents = self.holder.as_ref().is_none_or(|holder| holder.agent == agent);
        let is_its_runs = self.holder.as_ref().is_some_and(|holder| holder.context == context);
        let end = |how: &'static str| Some(End { how, at, reason: text(data, "reason") });
        match what {
            "offered" if is_free && !self.has_expired(at) && self.held_back_until <= at => {
                self.take_back_unbegun();
                self.attempts += 1;
                self.given.entry(context.clone()).or_default().push(self.attempts);
                // The first time counts, whether the run begins or not.
                let is_begun = data["ahead"] != true || self.attempts == 1;
                let until = at + milliseconds("visibilityMs");
                self.held.push((at, until));
                self.holder = Some(Holder { agent, context, until, is_begun });
            }
            "offered" => self.void_offers += 1,
            "started" if is_its_runs => self.holder.as_mut().unwrap().is_begun = true,
            "renewed" if is_its_runs => {
                let holder = self.holder.as_mut().unwrap();
                holder.until = holder.until.max(at + milliseconds("visibilityMs"));
                self.held.push((at, holder.until));
            }
            "nacked" if is_its_runs || is_free => {
                self.is_no_longer_held(at);
                self.held_back_until = at + milliseconds("delayMs");
                self.spent_at = (self.attempts >= self.attempts_max).then_some(at);
            }
            "released" if is_its_runs => {
                self.attempts = self.attempts.saturating_sub(1);
                self.is_no_longer_held(at);
            }
            // A run takes over what an earlier one had, and it never had itself.
            "released" if is_its_agents && !self.given.contains_key(&context) => {
                self.take_back_unbegun();
                self.is_no_longer_held(at);
            }
            "acked" if is_its_agents || is_free => self.end = end("acked"),
            "expired" if self.has_expired(at) => self.end = end("expired"),
            "dead" => {
                self.take_back_unbegun();
                self.end = end("dead");
            }
            _ => {}
        }
    }

    /// What a run had been given ahead, and had not begun with, was no attempt.
    fn take_back_unbegun(&mut self) {
        self.attempts -= usize::from(self.holder.as_ref().is_some_and(|holder| !holder.is_begun));
        self.holder.iter_mut().for_each(|holder| holder.is_begun = true);
    }

    fn is_no_longer_held(&mut self, at: i64) {
        self.holder = None;
        self.held.iter_mut().for_each(|(_, until)| *until = at.min(*until));
    }

    /// Whether its time had run out. What was handed out in time may be finished.
    fn has_expired(&self, at: i64) -> bool {
        let is_held = self.held.iter().any(|(from, until)| *from <= at && at < *until);
        self.expires_at.is_some_and(|end| end <= at) && !is_held
    }

    /// Whether it was done with at a time, other than by being handled.
    pub(super) fn is_over(&self, at: i64) -> bool {
        let is_ended = self.end.as_ref().is_some_and(|end| end.how != "acked" && end.at <= at);
        is_ended || self.has_expired(at) || self.spent_at.is_some_and(|end| end <= at)
    }

    /// Whether others of its sender wait for it.
    pub(super) fn is_in_order(&self) -> bool {
        ["message", "broadcast"].contains(&self.kind.as_str())
    }

    pub(super) fn runs(&self) -> BTreeSet<&String> {
        self.given.keys().collect()
    }
}
