//! SQLite's own indexes, which every append changes.

use factlog::{EventId, Result, Version};
use rusqlite::Connection;

use super::super::query::{all, one};
use super::{Head, Key, Window};

pub(super) fn positions(
    connection: &Connection,
    key: &Key,
    window: Window,
    wanted: usize,
) -> Result<Vec<i64>> {
    let order = window.order();
    let wanted = wanted as i64;
    let Window { after, before, .. } = window;
    let by = |index: &str, column: &str| {
        format!(
            "SELECT position FROM events INDEXED BY {index} WHERE {column} = ?1 AND position > ?2 AND position < ?3 \
             ORDER BY position {order} LIMIT ?4"
        )
    };
    let sql = match key {
        Key::Id(_) => by("events_by_id", "id"),
        Key::Correlation(_) => by("events_by_correlation", "correlation"),
        Key::Type(_) => by("events_by_type", "tid"),
        Key::Stream(sid) => {
            // The index knows versions, which grow with positions: the window's ends are looked up first.
            let first = version_through(connection, *sid, after)?;
            let last = version_through(connection, *sid, before - 1)?;
            let sql = format!(
                "SELECT position FROM events INDEXED BY events_by_stream WHERE sid = ?1 AND version > ?2 \
                 AND version <= ?3 ORDER BY version {order} LIMIT ?4"
            );
            return all(connection, &sql, (sid, first, last, wanted));
        }
    };
    all(connection, &sql, (key, after, before, wanted))
}

/// The greatest version of a stream that stands at or before a position; 0 where there is none.
fn version_through(connection: &Connection, sid: i64, position: i64) -> Result<i64> {
    let pair = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let newest = "SELECT version, position FROM events WHERE sid = ?1 ORDER BY version DESC LIMIT 1";
    let from =
        "SELECT version, position FROM events WHERE sid = ?1 AND version >= ?2 ORDER BY version LIMIT 1";
    if position <= 0 {
        return Ok(0);
    }
    let Some((mut high, at)) = one(connection, newest, [sid], pair)? else { return Ok(0) };
    if at <= position {
        return Ok(high);
    }
    // Versions up to `low` stand at or before the position; `high` stands after it.
    let mut low = 0;
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        match one(connection, from, (sid, middle), pair)? {
            Some((version, at)) if at <= position => low = version,
            _ => high = middle,
        }
    }
    Ok(low)
}

pub(super) fn position_of(connection: &Connection, id: EventId) -> Result<Option<i64>> {
    one(connection, "SELECT position FROM events WHERE id = ?1", [id.0.as_bytes().as_slice()], |row| {
        row.get(0)
    })
}

pub(super) fn sid(connection: &Connection, name: &str) -> Result<Option<i64>> {
    one(connection, "SELECT sid FROM streams WHERE name = ?1", [name], |row| row.get(0))
}

pub(super) fn sids_of_category(connection: &Connection, category: &str, wanted: usize) -> Result<Vec<i64>> {
    all(connection, "SELECT sid FROM streams WHERE category = ?1 LIMIT ?2", (category, wanted as i64))
}

pub(super) fn head_of(connection: &Connection, name: &str) -> Result<Option<Head>> {
    let sql = "SELECT sid, max(removed_version, \
               coalesce((SELECT max(version) FROM events e WHERE e.sid = s.sid), 0)) \
               FROM streams s WHERE name = ?1";
    one(connection, sql, [name], |row| {
        Ok(Head { sid: row.get(0)?, version: Version(row.get::<_, i64>(1)? as u64) })
    })
}
