//! What events make of a memory. A change that its speaker had no right to, when it was recorded, is void for everyone.

use factlog::{Event, Timestamp};

use super::access::{Access, is_from_elsewhere};
use super::groups::Groups;
use super::{Memory, MemoryStatus};
use crate::projections::{later, set, speaker, when};
use crate::vocabulary::{MemoryExpired, MemoryRetrieved, MemoryShared, MemoryStored, Payload};

/// Readers that are named; the others are counted by their accesses alone.
const READERS_NAMED_MAX: usize = 100;
/// Tags that are kept of a memory.
const TAGS_KEPT_MAX: usize = 100;

impl Memory {
    /// Takes in what an event says of it.
    pub(crate) fn take(&mut self, event: &Event, payload: Payload, groups: &Groups) {
        let access = self.access_at(event, groups);
        match payload {
            Payload::MemoryRetrieved(read) => self.retrieve(event, read),
            Payload::MemoryStored(stored) if access >= Access::Write => self.store(event, stored, access),
            Payload::MemoryShared(shared) if access == Access::Admin => self.take_share(event, shared),
            Payload::MemoryDeleted(deleted) if access >= Access::Write => {
                self.name(deleted.namespace, deleted.key);
                let is_ended = self.end(MemoryStatus::Deleted, when(deleted.deleted_at, event));
                if is_ended && access == Access::Admin {
                    self.give_up();
                }
            }
            Payload::MemoryExpired(expired) => self.expire(event, expired, access),
            Payload::MemoryStored(_) | Payload::MemoryShared(_) | Payload::MemoryDeleted(_) => {
                self.refused = self.refused.saturating_add(1);
            }
            _ => {}
        }
    }

    fn retrieve(&mut self, event: &Event, read: MemoryRetrieved) {
        let at = when(read.retrieved_at, event);
        let reader = read.agent_id.or_else(|| event.source.as_ref().map(ToString::to_string));
        // Who only reads does not say what it is called.
        let (namespace, key) = (self.namespace.take().or(read.namespace), self.key.take().or(read.key));
        self.name(namespace, key);
        self.accesses = self.accesses.saturating_add(1);
        later(&mut self.last_accessed_at, at);
        if let Some(reader) = reader.filter(|_| self.readers.len() < READERS_NAMED_MAX) {
            self.readers.insert(reader);
        }
    }

    fn store(&mut self, event: &Event, stored: MemoryStored, access: Access) {
        self.own(event);
        self.name(stored.namespace, stored.key);
        let size = stored.size.or_else(|| Some(stored.value.as_ref()?.as_str().len() as u64));
        self.size = size.unwrap_or(self.size);
        self.write(event, when(stored.stored_at, event), stored.value.is_some());
        self.expires_at = stored.expires_at.or(event.expires_at);
        self.is_lent_by_admin = access == Access::Admin;
        set(&mut self.memory_type, stored.memory_type);
        if let Some(level) = stored.access_level.filter(|_| access == Access::Admin) {
            // A word that is none of ours was meant to keep others out, as far as anybody can tell.
            self.access_level = level.parse().unwrap_or(Access::None);
        }
        self.tag(stored.tags);
    }

    fn take_share(&mut self, event: &Event, shared: MemoryShared) {
        let level = shared.access_level.map_or(Ok(Access::Read), |level| level.parse());
        let Ok(level) = level else {
            self.refused = self.refused.saturating_add(1);
            return;
        };
        self.own(event);
        self.name(shared.namespace, shared.key);
        if let Some(value) = shared.value {
            // It carries the value, so it is there.
            self.size = value.as_str().len() as u64;
            self.write(event, event.time(), true);
        }
        if let Some(expires) = shared.expires_at.or(event.expires_at) {
            self.expires_at = Some(expires);
            self.is_lent_by_admin = true;
        }
        self.share(shared.shared_with, level);
        self.tag(shared.tags);
    }

    fn expire(&mut self, event: &Event, expired: MemoryExpired, access: Access) {
        let is_over = self.expires_at.is_some_and(|expires| expires <= event.recorded_at);
        if access < Access::Write && !is_over {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        self.name(expired.namespace, expired.key);
        if !is_over {
            // Said before its time, by one who may.
            set(&mut self.expires_at, expired.expires_at);
            self.is_lent_by_admin = access == Access::Admin;
        }
        self.end(MemoryStatus::Expired, when(expired.expired_at, event));
    }

    /// Who stores it first owns it, where that is an agent; and where its time has run out, whoever stores it next.
    fn own(&mut self, event: &Event) {
        if self.is_given_up(event.recorded_at) {
            (self.status, self.deleted_at) = (MemoryStatus::Expired, self.expires_at);
            self.give_up();
        }
        if self.owner.is_none() {
            // Whoever speaks here owns, whatever its name; of other systems only those are taken for agents that are.
            self.owner = if is_from_elsewhere(event) {
                speaker(event)
            } else {
                event.source.as_ref().map(ToString::to_string)
            };
        }
    }

    fn name(&mut self, namespace: Option<String>, key: Option<String>) {
        set(&mut self.namespace, namespace);
        set(&mut self.key, key);
    }

    fn tag(&mut self, tags: Option<Vec<String>>) {
        if let Some(mut tags) = tags {
            tags.truncate(TAGS_KEPT_MAX);
            self.tags = tags;
        }
    }

    /// It has a value, unless it was taken away since.
    fn write(&mut self, event: &Event, at: Timestamp, has_value: bool) {
        self.writes = self.writes.saturating_add(1);
        self.value_at = has_value.then_some(event.position);
        later(&mut self.stored_at, at);
        if self.deleted_at.is_none_or(|deleted| deleted <= at) {
            self.status = MemoryStatus::Stored;
            self.deleted_at = None;
        }
    }

    /// Ends it, unless it was stored again since: events of two streams may come in any order. Whether it did.
    fn end(&mut self, status: MemoryStatus, at: Timestamp) -> bool {
        let is_ended = self.stored_at.is_none_or(|stored| stored <= at);
        if is_ended {
            self.status = status;
            self.deleted_at = Some(at);
        }
        is_ended
    }
}
