//! What is asked of shared memory, and what it answers.

use factlog::{Event, EventId, Json, Position, Timestamp};
use serde::Serialize;

use crate::projections::{Access, Memory};

/// How a value is put.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PutOptions {
    /// The version that is there; 0: none is, or it was deleted, or has run out. None: whatever is there.
    pub expect: Option<u64>,
    /// When its time runs out; none: never.
    pub expires: Option<Timestamp>,
    /// Words to find it by; none: as they were.
    pub tags: Vec<String>,
    /// What everybody may do with it; none: as it was, and `read` for a new one.
    pub access: Option<Access>,
}

/// A value that is kept, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryValue {
    /// Where it is kept.
    pub path: String,
    /// The value.
    pub value: Json,
    /// How often a value was stored there.
    pub version: u64,
    /// Who owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Who stored the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<String>,
    /// When it was stored.
    pub updated_at: Timestamp,
    /// The event that has it.
    pub event_id: EventId,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When its time runs out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// How often values there were looked up, with this time.
    pub accesses: u64,
}

impl MemoryValue {
    pub(super) fn of(memory: &Memory, event: &Event, value: Json) -> Self {
        Self {
            path: memory.memory_id.clone(),
            value,
            version: memory.writes,
            owner: memory.owner.clone(),
            updated_by: event.source.as_ref().map(ToString::to_string),
            updated_at: event.recorded_at,
            event_id: event.id,
            tags: memory.tags.clone(),
            expires_at: memory.expires_at,
            accesses: memory.accesses,
        }
    }
}

/// A memory in a list: all but its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryEntry {
    /// Where it is kept.
    pub path: String,
    /// How often a value was stored there.
    pub version: u64,
    /// Who owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What the one who asks may do with it.
    pub access: Access,
    /// The value's size in bytes.
    pub size: u64,
    /// When it was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When its time runs out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// How often it was looked up.
    pub accesses: u64,
}

impl MemoryEntry {
    pub(super) fn of(memory: &Memory, access: Access) -> Self {
        Self {
            path: memory.memory_id.clone(),
            version: memory.writes,
            owner: memory.owner.clone(),
            access,
            size: memory.size,
            updated_at: memory.stored_at,
            tags: memory.tags.clone(),
            expires_at: memory.expires_at,
            accesses: memory.accesses,
        }
    }
}

/// What became of a memory by one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryChange {
    /// The event.
    pub event_id: EventId,
    /// Its place in the log.
    pub position: Position,
    /// What it says happened: `memory:stored`, `memory:shared`, `memory:deleted` or `memory:expired`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Who says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When it was recorded.
    pub at: Timestamp,
    /// The version of the value since then.
    pub version: u64,
    /// The value, where the event has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// Whether it changed nothing, because whoever recorded it had no right to.
    pub is_void: bool,
}
