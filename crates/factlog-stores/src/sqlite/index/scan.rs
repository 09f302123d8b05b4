//! Looks through rows for what is in no list and not in memory: for a process that asks seldom, and for old snapshots.

use factlog::{Error, Result};
use rusqlite::{Connection, OptionalExtension};

use super::super::query::{all, one};
use super::{Key, Window};

/// Positions of a key in a window, by looking at every event in it.
pub(super) fn positions(
    connection: &Connection,
    key: &Key,
    window: Window,
    wanted: usize,
) -> Result<Vec<i64>> {
    let column = match key {
        Key::Id(_) => "id",
        Key::Correlation(_) => "correlation",
        Key::Stream(_) => "sid",
        Key::Type(_) => "tid",
    };
    // The unary plus keeps SQLite from an index that a migration may have made.
    let sql = format!(
        "SELECT position FROM events WHERE +{column} = ?1 AND position > ?2 AND position < ?3 \
         ORDER BY position {} LIMIT ?4",
        window.order()
    );
    all(connection, &sql, (key, window.after, window.before, wanted as i64))
}

/// The stream of a name among those of numbers after one.
pub(super) fn sid(connection: &Connection, name: &str, after: i64) -> Result<Option<i64>> {
    one(connection, "SELECT sid FROM streams WHERE sid > ?1 AND +name = ?2", (after, name), |row| row.get(0))
}

/// Streams of a category among those of numbers after one.
pub(super) fn sids_of_category(
    connection: &Connection,
    category: &str,
    after: i64,
    wanted: usize,
) -> Result<Vec<i64>> {
    let sql = "SELECT sid FROM streams WHERE sid > ?1 AND +category = ?2 ORDER BY sid LIMIT ?3";
    all(connection, sql, (after, category, wanted as i64))
}

/// The version of the event at a position, where one is.
pub(super) fn version_at(connection: &Connection, position: i64) -> Result<Option<i64>> {
    let sql = "SELECT version FROM events WHERE position = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    statement.query_row([position], |row| row.get(0)).optional().map_err(failed)
}

fn failed(error: rusqlite::Error) -> Error {
    super::super::query::failed(error)
}
