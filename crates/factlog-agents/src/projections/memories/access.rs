//! Who may do what with a memory.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use factlog::{Error, Event, Json, Position, Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::Memory;
use super::groups::Groups;
use crate::vocabulary::payload::each_field;

/// Agents and groups that a memory is shared with by name.
pub const MEMORY_GRANTS_MAX: usize = 1_000;
/// What stands before the name of a group among those that a memory is shared with.
const GROUP_PREFIX: &str = "group:";
/// All agents, among those that a memory is shared with.
const EVERYBODY: &str = "*";

/// What an agent may do with a memory; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Nothing.
    None,
    /// Read the value.
    #[default]
    Read,
    /// Store another value, and delete it.
    Write,
    /// Say who else may do what.
    Admin,
}

impl Access {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Access {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "none" => Ok(Self::None),
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            "admin" => Ok(Self::Admin),
            _ => Err(Error::invalid(format!("{text:?} is no level of access"))
                .with_hint("a level is none, read, write or admin")),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Memory {
    /// What an agent may do with it at a time. What is nobody's is everybody's: whoever stores it first owns it.
    pub fn access_of(&self, agent: &str, at: Timestamp, is_member: impl Fn(&str) -> bool) -> Access {
        if self.owner.as_deref().is_none_or(|owner| owner == agent) || self.is_given_up(at) {
            return Access::Admin;
        }
        let granted = self.grants.iter().filter(|(to, _)| match to.strip_prefix(GROUP_PREFIX) {
            Some(group) => is_member(group),
            None => *to == agent,
        });
        granted.map(|(_, level)| *level).fold(self.access_level, Access::max)
    }

    /// Whether a group is among those that it is shared with.
    pub(crate) fn is_shared_with_a_group(&self) -> bool {
        self.grants.keys().any(|to| to.starts_with(GROUP_PREFIX))
    }

    /// Whether its time has run out, as one who may say who owns it has set it: its path is free again.
    pub(super) fn is_given_up(&self, at: Timestamp) -> bool {
        self.is_lent_by_admin && self.expires_at.is_some_and(|expires| expires <= at)
    }

    /// Makes its path free: whoever stores there next owns it.
    pub(super) fn give_up(&mut self) {
        self.owner = None;
        self.grants = BTreeMap::new();
        self.access_level = Access::default();
        self.expires_at = None;
        self.is_lent_by_admin = false;
    }

    /// What whoever says this may do, when and where it was recorded.
    pub(super) fn access_at(&self, event: &Event, groups: &Groups) -> Access {
        let Some(agent) = event.source.as_deref().filter(|_| !is_from_elsewhere(event)) else {
            return Access::Admin;
        };
        self.access_of(agent, event.recorded_at, |group| groups.has(group, agent, event.position))
    }

    /// Shares it, as somebody says who may.
    pub(super) fn share(&mut self, with: Option<Vec<String>>, level: Access) {
        let Some(with) = with else {
            self.access_level = level;
            return;
        };
        for to in with {
            if to == EVERYBODY {
                self.access_level = level;
            } else if level == Access::None {
                self.grants.remove(&to);
            } else if self.grants.len() < MEMORY_GRANTS_MAX || self.grants.contains_key(&to) {
                self.grants.insert(to, level);
            }
        }
    }
}

/// Whether an event was taken over from another system, whose agents knew nothing of access.
pub(crate) fn is_from_elsewhere(event: &Event) -> bool {
    let mut has_other_id = false;
    each_field(event.metadata.as_ref().map_or("{}", Json::as_str), |key, _| {
        has_other_id |= key == "sourceId";
    });
    has_other_id
}

/// Where all that can be a member of a group now is looked up.
pub(crate) const NOW: Position = Position::MAX;
