//! Memories: what is kept where, how large it is, who owns it, who may read it, and who does.

mod access;
mod groups;
mod take;

use std::collections::{BTreeMap, BTreeSet};

use factlog::{Event, Filter, Invalid, Position, Projection, Timestamp};
use serde::{Deserialize, Serialize};

use super::swarms::MEMBER_TYPES;
use super::{Entities, filter_of};
use crate::vocabulary::Payload;

pub use self::access::{Access, MEMORY_GRANTS_MAX};
pub(crate) use self::access::{NOW, is_from_elsewhere};
pub(crate) use self::groups::Groups;

/// What has become of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryStatus {
    /// It was looked up or shared, and never seen to be stored.
    #[default]
    Unknown,
    /// It is there.
    Stored,
    /// It was taken away.
    Deleted,
    /// Its time ran out, and somebody said so.
    Expired,
}

/// A value that is kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// Its id.
    pub memory_id: String,
    /// What has become of it.
    pub status: MemoryStatus,
    /// Where its key is looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What kind of memory it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_type: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// How often it was stored: the version of its value.
    pub writes: u64,
    /// The event that has its value; none where its value is kept elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_at: Option<Position>,
    /// Changes that are void, because whoever recorded them had no right to.
    pub refused: u64,
    /// Who stored it first; none where no agent did, or its owner has given it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How often it was looked up: counted here, whatever its keeper says.
    pub accesses: u64,
    /// Who looked it up.
    pub readers: BTreeSet<String>,
    /// What everybody may do with it.
    pub access_level: Access,
    /// What else agents may do with it, and groups as `group:NAME`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub grants: BTreeMap<String, Access>,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When it was stored last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_at: Option<Timestamp>,
    /// When it was looked up last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_accessed_at: Option<Timestamp>,
    /// When its time runs out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was taken away, or was seen to have run out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// Whether its end was set by one who may give it up.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_lent_by_admin: bool,
}

impl Memory {
    /// One of which nothing was told yet.
    pub(crate) fn new(id: &str) -> Self {
        Self { memory_id: id.to_owned(), ..Self::default() }
    }

    /// The version of its value: how often it was stored.
    pub fn value_version(&self) -> u64 {
        self.writes
    }

    /// Whether it can be used at a time: what nobody has recorded as expired is expired all the same.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.status == MemoryStatus::Stored && self.expires_at.is_none_or(|expires| now < expires)
    }
}

/// All memories.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memories {
    memories: BTreeMap<String, Memory>,
    /// Whom they are shared with, where that is a group.
    groups: Groups,
}

impl Projection for Memories {
    const NAME: &'static str = "memories";
    const REVISION: u32 = 4;

    fn filter() -> Filter {
        filter_of(&["memory"], &MEMBER_TYPES)
    }

    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        if !self.groups.take(event)
            && let Some(payload) = Payload::of(event)
            && let Some(id) = memory_of(&payload).map(str::to_owned)
        {
            let memory = super::entity(&mut self.memories, &id, |memory| &mut memory.memory_id);
            memory.take(event, payload, &self.groups);
        }
        Ok(())
    }
}

/// The memory that an event tells of.
pub(crate) fn memory_of(payload: &Payload) -> Option<&str> {
    match payload {
        Payload::MemoryStored(of) => Some(&of.memory_id),
        Payload::MemoryRetrieved(of) => Some(&of.memory_id),
        Payload::MemoryShared(of) => Some(&of.memory_id),
        Payload::MemoryDeleted(of) => Some(&of.memory_id),
        Payload::MemoryExpired(of) => Some(&of.memory_id),
        _ => None,
    }
}

impl Memories {
    /// What an agent may do now with one of them.
    pub fn access_of(&self, agent: &str, memory: &Memory, at: Timestamp) -> Access {
        memory.access_of(agent, at, |group| self.groups.has(group, agent, NOW))
    }

    /// Those that are there, as far as anybody has recorded.
    pub fn stored(&self) -> impl Iterator<Item = &Memory> {
        self.memories.values().filter(|memory| memory.status == MemoryStatus::Stored)
    }

    /// Those of a namespace that are there.
    pub fn by_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Memory> {
        self.stored().filter(move |memory| memory.namespace.as_deref() == Some(namespace))
    }

    /// Those that are looked up most, the most first.
    pub fn most_accessed(&self, limit: usize) -> Vec<&Memory> {
        let mut memories: Vec<&Memory> = self.stored().filter(|memory| memory.accesses > 0).collect();
        memories.sort_by(|a, b| b.accesses.cmp(&a.accesses).then_with(|| a.memory_id.cmp(&b.memory_id)));
        memories.truncate(limit);
        memories
    }

    /// Those that were looked up since a time.
    pub fn hot(&self, since: Timestamp) -> impl Iterator<Item = &Memory> {
        self.stored().filter(move |memory| memory.last_accessed_at.is_some_and(|at| at >= since))
    }

    /// Those that were not looked up since a time, and were there before.
    pub fn cold(&self, since: Timestamp) -> impl Iterator<Item = &Memory> {
        let used = |memory: &Memory| memory.last_accessed_at.max(memory.stored_at);
        self.stored().filter(move |memory| used(memory).is_none_or(|at| at < since))
    }

    /// Bytes of those that are there, by namespace.
    pub fn size_by_namespace(&self) -> BTreeMap<String, u64> {
        let mut sizes = BTreeMap::new();
        for memory in self.stored() {
            *sizes.entry(memory.namespace.clone().unwrap_or_default()).or_default() += memory.size;
        }
        sizes
    }
}

impl Entities for Memories {
    type Entity = Memory;
    const NOUN: &'static str = "memory";
    const HIDDEN: &'static [&'static str] = &["isLentByAdmin"];

    fn entities(&self) -> &BTreeMap<String, Memory> {
        &self.memories
    }
}

#[cfg(test)]
mod tests;
