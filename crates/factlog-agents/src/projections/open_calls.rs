//! Calls of tools and what they returned: paired once, whoever tells of them and in whatever order.

use std::collections::{BTreeMap, BTreeSet};

use factlog::Timestamp;
use serde::{Deserialize, Serialize};

use super::{milliseconds, stable_hash};

/// A call that has not returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenCall {
    /// The tool.
    pub tool: String,
    /// When it was called.
    pub at: Timestamp,
    /// The sub-agent that called it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
}

/// Ids that are remembered: a session that returns from more calls forgets the first, and counts what is told of them
/// again.
const RETURNED_MAX: usize = 100_000;

/// The calls of one session, or of all.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Calls {
    /// Those that have not returned, by their ids.
    pub(super) open: BTreeMap<String, OpenCall>,
    /// Those that have, by their ids: a hook and a transcript tell of the same.
    returned: BTreeSet<u64>,
    /// Those that returned before their call was told of.
    early: BTreeMap<u64, Outcome>,
    /// Calls without an id so far.
    unnamed: u64,
}

/// How a call returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    pub(super) at: Timestamp,
    pub(super) is_error: bool,
    pub(super) duration_ms: Option<u64>,
}

/// What a return closed.
pub(super) struct Closed {
    pub(super) tool: String,
    pub(super) agent_id: Option<String>,
    pub(super) is_error: bool,
    pub(super) duration_ms: Option<u64>,
}

/// What is known of a call that is told.
pub(super) enum Told {
    /// It was told before.
    Again,
    /// It has not returned.
    New,
    /// Its return was told before it.
    Returned(Closed),
}

impl Closed {
    fn of(call: OpenCall, outcome: Outcome) -> Self {
        let duration_ms = outcome.duration_ms.or_else(|| milliseconds(call.at, outcome.at));
        Self { tool: call.tool, agent_id: call.agent_id, is_error: outcome.is_error, duration_ms }
    }
}

impl Calls {
    /// Takes a call in.
    pub(super) fn call(&mut self, id: Option<&str>, call: OpenCall) -> Told {
        let Some(id) = id else {
            self.unnamed += 1;
            self.open.insert(format!("{}#{}", call.tool, self.unnamed), call);
            return Told::New;
        };
        let hash = stable_hash(id);
        if let Some(outcome) = self.early.remove(&hash) {
            return Told::Returned(Closed::of(call, outcome));
        }
        if self.returned.contains(&hash) || self.open.contains_key(id) {
            return Told::Again;
        }
        self.open.insert(id.to_owned(), call);
        Told::New
    }

    /// Closes the call that a return is of; none where that was done already, or the call is not told yet.
    pub(super) fn close(&mut self, id: Option<&str>, tool: Option<&str>, outcome: Outcome) -> Option<Closed> {
        let key = match id {
            Some(id) => {
                let hash = stable_hash(id);
                if self.returned.len() >= RETURNED_MAX {
                    self.returned.clear();
                    self.early.clear();
                }
                if !self.returned.insert(hash) {
                    return None;
                }
                if !self.open.contains_key(id) {
                    self.early.insert(hash, outcome);
                    return None;
                }
                id.to_owned()
            }
            None => self.oldest(tool?)?,
        };
        Some(Closed::of(self.open.remove(&key)?, outcome))
    }

    fn oldest(&self, tool: &str) -> Option<String> {
        let of_tool = self.open.iter().filter(|(_, call)| call.tool == tool);
        of_tool.min_by_key(|(_, call)| call.at).map(|(key, _)| key.clone())
    }
}
