//! Gives back the space that removals have left in the file.
//!
//! SQLite copies the log without its free pages and writes the copy into the write-ahead log, in one transaction: other
//! processes read on, writers wait, and a crash leaves the log as it was or compacted, nothing between. A damaged log is
//! left as it is, for what can still be saved from it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use factlog::{Compacted, Error, Result};
use rusqlite::Connection;

use super::error::told;
use super::file::{beside, open_writer};
use super::index::Indexes;
use super::query::failed;
use super::{SqliteOptions, query};

/// How long to wait before the write-ahead log is folded in again, where others were at it.
const FOLD_AGAIN_MS: u64 = 10;

/// Compacts the file with a connection of its own; the caller keeps this process from writing meanwhile.
pub(super) fn compact(options: &SqliteOptions) -> Result<Compacted> {
    let path = options.path.as_path();
    let told = |error| told(path, error);
    let before_bytes = bytes(path);
    let (connection, indexes) = open_writer(options)?;
    // The copy is as large as the log: it goes to a file, not into memory.
    connection.execute_batch("PRAGMA temp_store=FILE").map_err(told)?;
    let free: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0)).map_err(told)?;
    let vacuumed = if free == 0 {
        Ok(())
    } else {
        sound(path, &connection)
            .and_then(|()| without_dead_lists(&connection, indexes))
            .and_then(|()| connection.execute_batch("VACUUM").map_err(told))
    };
    // What was written is folded in also where the copy has failed.
    let is_held = fold(&connection, options.lock_wait).map_err(told);
    vacuumed?;
    Ok(Compacted { before_bytes, after_bytes: bytes(path), is_held: is_held? })
}

/// Brings all of the write-ahead log into the file, which shrinks with that; whether others still hold it. It needs a
/// moment without readers, and SQLite does not wait while another process does the same.
fn fold(connection: &Connection, patience: Duration) -> rusqlite::Result<bool> {
    let began = Instant::now();
    loop {
        let is_held: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if !is_held || began.elapsed() >= patience {
            return Ok(is_held);
        }
        std::thread::sleep(Duration::from_millis(FOLD_AGAIN_MS));
    }
}

/// Takes out the lists of which a removal has left nothing: their keys go with their events.
fn without_dead_lists(connection: &Connection, indexes: Indexes) -> Result<()> {
    if indexes == Indexes::Real {
        return Ok(());
    }
    for table in ["index_streams", "index_types", "index_correlations"] {
        let sql = format!(
            "DELETE FROM {table} WHERE NOT EXISTS (SELECT 1 FROM json_each(offsets) j \
             CROSS JOIN events e ON e.position = {table}.first + j.value)"
        );
        connection.execute(&sql, []).map_err(failed)?;
    }
    Ok(())
}

/// Refuses a log whose damage a copy could hide.
fn sound(path: &Path, connection: &Connection) -> Result<()> {
    let place = || path.display().to_string();
    // One look at the log: others may write.
    let connection = connection.unchecked_transaction().map_err(|error| told(path, error))?;
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| told(path, error))?;
    let (events, removed): (i64, i64) = connection
        .query_row(
            "SELECT (SELECT count(*) FROM events), (SELECT value FROM meta WHERE key = 'removed_events')",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(|error| told(path, error))?;
    let head = query::head(&connection)?.0;
    let hint = "run `factlog check`, and restore a backup; nothing was changed";
    if found != "ok" {
        return Err(
            Error::corrupt(place(), format!("a damaged log is not compacted: {found}")).with_hint(hint)
        );
    }
    if (events + removed) as u64 != head {
        let said = format!(
            "a damaged log is not compacted: {events} events and {removed} removed do not add up to position {head}"
        );
        return Err(Error::corrupt(place(), said).with_hint(hint));
    }
    Ok(())
}

/// Bytes of the file and of the write-ahead log beside it.
fn bytes(path: &Path) -> u64 {
    let size = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
    size(path) + size(&beside(path, "-wal"))
}
