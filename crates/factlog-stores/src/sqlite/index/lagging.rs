//! Lists up to some position, and from there the tail in memory: one index, as one snapshot sees it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use factlog::{EventId, Result, Version};
use rusqlite::Connection;

use super::super::query::{all, one};
use super::tail::{Fresh, Tail};
use super::{Head, Key, State, Window, lists, scan};

/// How a version-7 UUID is known: the upper half of its byte 6.
const VERSION_BYTE: usize = 6;

/// The tail, whoever panicked with it: it is never left between two steps.
pub(super) fn lock(tail: &Mutex<Tail>) -> MutexGuard<'_, Tail> {
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether an id is of version 7, and so begins with the time when it was made.
pub(super) const fn is_v7(id: &[u8; 16]) -> bool {
    id[VERSION_BYTE] >> 4 == 7
}

/// What one transaction sees.
pub(in super::super) struct Lagging<'a> {
    connection: &'a Connection,
    tail: &'a Mutex<Tail>,
    state: State,
    /// The newest position that is committed in what it sees.
    head: i64,
    /// What it has brought itself.
    fresh: Option<&'a Fresh>,
}

impl<'a> Lagging<'a> {
    /// For a connection that only reads: what is new goes into the tail.
    pub(super) fn reading(
        connection: &'a Connection,
        tail: &'a Mutex<Tail>,
        head: i64,
        questions: usize,
    ) -> Result<Self> {
        let state = State::read(connection)?;
        lock(tail).follow(connection, &state, head, questions)?;
        Ok(Self { connection, tail, state, head, fresh: None })
    }

    /// For the one that writes: what it has brought is in no tail before the commit.
    pub(super) fn writing(
        connection: &'a Connection,
        tail: &'a Mutex<Tail>,
        state: State,
        fresh: &'a Fresh,
    ) -> Self {
        Self { connection, tail, state, head: fresh.before, fresh: Some(fresh) }
    }

    /// Where the tail begins and ends for this snapshot: between the lists and the beginning, and between the end and the
    /// head, rows are looked through.
    fn bounds(&self, tail: &Tail) -> (i64, i64) {
        let indexed = self.state.indexed_upto.min(self.head);
        let (after, upto) = tail.range();
        let from = after.clamp(indexed, self.head);
        (from, upto.clamp(from, self.head))
    }

    pub(super) fn positions(&self, key: &Key, window: Window, wanted: usize) -> Result<Vec<i64>> {
        if let Key::Id(id) = key {
            let found = self.position_of(EventId(uuid::Uuid::from_bytes(*id)))?;
            return Ok(found.filter(|position| window.has(*position)).into_iter().collect());
        }
        let indexed = self.state.indexed_upto;
        let (from, to, remembered) = {
            let tail = lock(self.tail);
            let (from, to) = self.bounds(&tail);
            (from, to, tail.positions(key, window.within(from, to), wanted))
        };
        let listed = |wanted| lists::positions(self.connection, key, window.within(0, indexed), wanted);
        let scanned = |after, through, wanted| {
            let window = window.within(after, through);
            if window.is_empty() || wanted == 0 {
                return Ok(Vec::new());
            }
            scan::positions(self.connection, key, window, wanted)
        };
        let fresh = |wanted| self.fresh.map_or_else(Vec::new, |fresh| fresh.positions(key, window, wanted));
        let mut found = Vec::new();
        if window.backwards {
            found.extend(fresh(wanted));
            found.extend(scanned(to, self.head, wanted.saturating_sub(found.len()))?);
            found.extend(remembered);
            found.extend(scanned(indexed, from, wanted.saturating_sub(found.len()))?);
            found.extend(listed(wanted.saturating_sub(found.len()))?);
        } else {
            found.extend(listed(wanted)?);
            found.extend(scanned(indexed, from, wanted.saturating_sub(found.len()))?);
            found.extend(remembered);
            found.extend(scanned(to, self.head, wanted.saturating_sub(found.len()))?);
            found.extend(fresh(wanted.saturating_sub(found.len())));
        }
        found.truncate(wanted);
        Ok(found)
    }

    /// Of two that had the same id, the later one: what stood at the other place was removed.
    pub(super) fn position_of(&self, id: EventId) -> Result<Option<i64>> {
        let id = id.0.into_bytes();
        if let Some(position) = self.fresh.and_then(|fresh| fresh.ids.get(&id)) {
            return Ok(Some(*position));
        }
        let (from, to, remembered, is_again) = {
            let tail = lock(self.tail);
            let (from, to) = self.bounds(&tail);
            let found = tail.position_of(id);
            // An id that stands after this snapshot may have stood before it too, until a removal.
            let is_again = found.is_some_and(|position| position > to);
            (from, to, found.filter(|position| (from + 1..=to).contains(position)), is_again)
        };
        let scanned = |after, through| {
            let window = Window::NEWEST.within(after, through);
            if window.is_empty() {
                return Ok(None);
            }
            scan::positions(self.connection, &Key::Id(id), window, 1).map(|found| found.first().copied())
        };
        let found = match scanned(to, self.head)?.or(remembered) {
            None => scanned(self.state.indexed_upto, if is_again { to } else { from })?,
            found => found,
        };
        if found.is_some() {
            return Ok(found);
        }
        // Ids that begin with the time when they were made come in their order, but for a few.
        if is_v7(&id) && id > self.state.newest_v7 {
            return Ok(None);
        }
        let sql = "SELECT position FROM index_ids WHERE id = ?1 AND position <= ?2";
        one(self.connection, sql, (&id[..], self.state.indexed_upto), |row| row.get(0))
    }

    pub(super) fn sid(&self, name: &str) -> Result<Option<i64>> {
        if let Some(sid) = self.fresh.and_then(|fresh| fresh.names.get(name)) {
            return Ok(Some(*sid));
        }
        let (remembered, unnamed_after) = {
            let tail = lock(self.tail);
            (tail.sid(name), self.unnamed_after(&tail))
        };
        if remembered.is_some() {
            return Ok(remembered);
        }
        let sql = "SELECT sid FROM index_names WHERE name = ?1";
        let listed = one(self.connection, sql, [name], |row| row.get(0))?;
        match (listed, unnamed_after) {
            (None, Some(after)) => scan::sid(self.connection, name, after),
            (listed, _) => Ok(listed),
        }
    }

    /// The number after which streams are neither named in the file nor in memory; mostly there are none.
    fn unnamed_after(&self, tail: &Tail) -> Option<i64> {
        let named = self.state.named_upto;
        let (after, upto) = tail.range_of_names();
        if after > named {
            return Some(named);
        }
        // Streams come with their first event.
        (self.bounds(tail).1 < self.head).then_some(upto.max(named))
    }

    pub(super) fn sids_of_category(&self, category: &str, wanted: usize) -> Result<Vec<i64>> {
        let (mut found, unnamed_after) = {
            let tail = lock(self.tail);
            (tail.sids_of_category(category, wanted), self.unnamed_after(&tail))
        };
        found.extend(self.fresh.into_iter().flat_map(|fresh| fresh.sids_of_category(category)));
        if let Some(after) = unnamed_after {
            found.extend(scan::sids_of_category(self.connection, category, after, wanted)?);
        }
        let sql = "SELECT sid FROM index_categories WHERE category = ?1 LIMIT ?2";
        found.extend(all(self.connection, sql, (category, wanted as i64))?);
        found.sort_unstable();
        found.dedup();
        found.truncate(wanted);
        Ok(found)
    }

    pub(super) fn head_of(&self, name: &str) -> Result<Option<Head>> {
        let Some(sid) = self.sid(name)? else { return Ok(None) };
        let sql = "SELECT removed_version FROM streams WHERE sid = ?1";
        let removed: Option<i64> = one(self.connection, sql, [sid], |row| row.get(0))?;
        // A stream that is newer than the snapshot is not there yet.
        let Some(removed) = removed else { return Ok(None) };
        // Where the last position is empty, what stood there was removed, and its version is remembered.
        let last = self.positions(&Key::Stream(sid), Window::NEWEST, 1)?.first().copied();
        let version = last.map(|last| scan::version_at(self.connection, last)).transpose()?.flatten();
        Ok(Some(Head { sid, version: Version(removed.max(version.unwrap_or(0)) as u64) }))
    }
}
