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

/// The calls of one session.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Calls {
    /// Those that have not returned, by their ids.
    pub(super) open: BTreeMap<String, OpenCall>,
    /// Those that have, by their ids: a hook and a transcript tell of the same.
    returned: BTreeSet<u64>,
    /// Those that returned before their call was told of.
    early: BTreeMap<u64, Timestamp>,
    /// Calls without an id so far.
    unnamed: u64,
}

/// What a return closed.
pub(super) struct Closed {
    pub(super) tool: String,
    pub(super) duration_ms: Option<u64>,
}

impl Calls {
    /// Whether a call is a new one. One whose return was told of before is new, and closed at once.
    pub(super) fn call(&mut self, id: Option<&str>, call: OpenCall) -> bool {
        let Some(id) = id else {
            self.unnamed += 1;
            self.open.insert(format!("{}#{}", call.tool, self.unnamed), call);
            return true;
        };
        let hash = stable_hash(id);
        if self.early.remove(&hash).is_some() {
            return true;
        }
        if self.returned.contains(&hash) || self.open.contains_key(id) {
            return false;
        }
        self.open.insert(id.to_owned(), call);
        true
    }

    /// Closes the call that a return is of; none where that was done already, or is not known yet.
    pub(super) fn close(&mut self, id: Option<&str>, tool: Option<&str>, at: Timestamp) -> Option<Closed> {
        let key = match id {
            Some(id) => {
                let hash = stable_hash(id);
                if !self.returned.insert(hash) {
                    return None;
                }
                if !self.open.contains_key(id) {
                    self.early.insert(hash, at);
                    return None;
                }
                id.to_owned()
            }
            None => self.oldest(tool?)?,
        };
        let open = self.open.remove(&key)?;
        let duration_ms = milliseconds(open.at, at);
        Some(Closed { tool: open.tool, duration_ms })
    }

    fn oldest(&self, tool: &str) -> Option<String> {
        let of_tool = self.open.iter().filter(|(_, call)| call.tool == tool);
        of_tool.min_by_key(|(_, call)| call.at).map(|(key, _)| key.clone())
    }
}
