//! Memories: what is kept where, how large it is, and who reads it.

use std::collections::{BTreeMap, BTreeSet};

use factlog::{Event, Filter, Invalid, Projection, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Entities, filter_of, later, set, when};
use crate::vocabulary::Payload;

/// Readers that are named; the others are counted by their accesses alone.
const READERS_NAMED_MAX: usize = 100;

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
    /// How often it was stored.
    pub writes: u64,
    /// How often it was looked up: counted here, whatever its keeper says.
    pub accesses: u64,
    /// Who looked it up.
    pub readers: BTreeSet<String>,
    /// What others may do with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_level: Option<String>,
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
}

impl Memory {
    /// Whether it can be used at a time: what nobody has recorded as expired is expired all the same.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.status == MemoryStatus::Stored && self.expires_at.is_none_or(|expires| now < expires)
    }
}

/// All memories.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Memories {
    memories: BTreeMap<String, Memory>,
}

impl Projection for Memories {
    const NAME: &'static str = "memories";
    const REVISION: u32 = 1;

    fn filter() -> Filter {
        filter_of(&["memory"], &[])
    }

    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        match Payload::of(event) {
            Some(Payload::MemoryStored(stored)) => {
                let at = when(stored.stored_at, event);
                let size = stored.size.or_else(|| Some(stored.value.as_ref()?.as_str().len() as u64));
                let memory = self.memory(&stored.memory_id, stored.namespace, stored.key);
                memory.writes += 1;
                memory.size = size.unwrap_or(memory.size);
                memory.store(at);
                memory.expires_at = stored.expires_at.or(event.expires_at);
                set(&mut memory.memory_type, stored.memory_type);
                if let Some(tags) = stored.tags {
                    memory.tags = tags;
                }
            }
            Some(Payload::MemoryRetrieved(read)) => {
                let at = when(read.retrieved_at, event);
                let reader = read.agent_id.or_else(|| event.source.as_ref().map(ToString::to_string));
                let memory = self.memory(&read.memory_id, read.namespace, read.key);
                memory.accesses += 1;
                later(&mut memory.last_accessed_at, at);
                if let Some(reader) = reader.filter(|_| memory.readers.len() < READERS_NAMED_MAX) {
                    memory.readers.insert(reader);
                }
            }
            Some(Payload::MemoryShared(shared)) => {
                let size = shared.value.as_ref().map(|value| value.as_str().len() as u64);
                let memory = self.memory(&shared.memory_id, shared.namespace, shared.key);
                if let Some(size) = size {
                    // It carries the value, so it is there.
                    memory.size = size;
                    memory.writes += 1;
                    memory.store(event.time());
                }
                set(&mut memory.access_level, shared.access_level);
                set(&mut memory.expires_at, shared.expires_at.or(event.expires_at));
                if let Some(tags) = shared.tags {
                    memory.tags = tags;
                }
            }
            Some(Payload::MemoryDeleted(deleted)) => {
                let at = when(deleted.deleted_at, event);
                self.memory(&deleted.memory_id, deleted.namespace, deleted.key)
                    .end(MemoryStatus::Deleted, at);
            }
            Some(Payload::MemoryExpired(expired)) => {
                let at = when(expired.expired_at, event);
                let memory = self.memory(&expired.memory_id, expired.namespace, expired.key);
                set(&mut memory.expires_at, expired.expires_at);
                memory.end(MemoryStatus::Expired, at);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Memory {
    /// It is there, unless it was taken away since.
    fn store(&mut self, at: Timestamp) {
        later(&mut self.stored_at, at);
        if self.deleted_at.is_none_or(|deleted| deleted <= at) {
            self.status = MemoryStatus::Stored;
            self.deleted_at = None;
        }
    }

    /// Ends it, unless it was stored again since: events of two streams may come in any order.
    fn end(&mut self, status: MemoryStatus, at: Timestamp) {
        if self.stored_at.is_none_or(|stored| stored <= at) {
            self.status = status;
            self.deleted_at = Some(at);
        }
    }
}

impl Memories {
    fn memory(&mut self, id: &str, namespace: Option<String>, key: Option<String>) -> &mut Memory {
        let memory = self.memories.entry(id.to_owned()).or_default();
        if memory.memory_id.is_empty() {
            id.clone_into(&mut memory.memory_id);
        }
        set(&mut memory.namespace, namespace);
        set(&mut memory.key, key);
        memory
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

    fn entities(&self) -> &BTreeMap<String, Memory> {
        &self.memories
    }
}
