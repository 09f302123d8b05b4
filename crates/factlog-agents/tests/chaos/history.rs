//! What the log says of each message, told again from the events alone: who had it when, and how it ended.

use std::collections::{BTreeMap, BTreeSet};

use factlog::Event;
use serde_json::Value;

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
    /// How often each run was given it.
    pub(super) given: BTreeMap<String, usize>,
    /// Offers of what another had.
    pub(super) void_offers: usize,
    pub(super) end: Option<End>,
    holder: Option<Holder>,
    held_back_until: i64,
    acked_after_end: bool,
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
        if let Some(end) = &self.end {
            self.acked_after_end |= what == "acked" && end.how != "acked";
            return;
        }
        let (agent, context) = (text(data, "agentId"), text(data, "contextId"));
        let milliseconds = |name: &str| data[name].as_i64().unwrap_or_default() * 1_000;
        let is_free = self.holder.as_ref().is_none_or(|holder| holder.until <= at);
        let is_expired = self.expires_at.is_some_and(|end| end <= at);
        let is_its_agents = self.holder.as_ref().is_none_or(|holder| holder.agent == agent);
        let is_its_runs = self.holder.as_ref().is_some_and(|holder| holder.context == context);
        let end = |how: &'static str| Some(End { how, at, reason: text(data, "reason") });
        match what {
            "offered" if is_free && !is_expired && self.held_back_until <= at => {
                *self.given.entry(context.clone()).or_default() += 1;
                self.holder = Some(Holder { agent, context, until: at + milliseconds("visibilityMs") });
            }
            "offered" => self.void_offers += 1,
            "renewed" if is_its_runs => {
                let holder = self.holder.as_mut().unwrap();
                holder.until = holder.until.max(at + milliseconds("visibilityMs"));
            }
            "nacked" if is_its_runs || is_free => {
                self.holder = None;
                self.held_back_until = at + milliseconds("delayMs");
            }
            "released" if is_its_runs => self.holder = None,
            // A run takes over what an earlier one had, and it never had itself.
            "released" if is_its_agents && !self.given.contains_key(&context) => self.holder = None,
            "acked" if is_its_agents || is_free => self.end = end("acked"),
            "expired" if is_expired => self.end = end("expired"),
            "dead" => self.end = end("dead"),
            _ => {}
        }
    }

    /// Whether it was done with at a time, other than by being handled.
    pub(super) fn is_over(&self, at: i64) -> bool {
        let is_dead = self.end.as_ref().is_some_and(|end| end.how != "acked" && end.at <= at);
        is_dead || self.expires_at.is_some_and(|end| end <= at)
    }

    pub(super) fn runs(&self) -> BTreeSet<&String> {
        self.given.keys().collect()
    }
}
