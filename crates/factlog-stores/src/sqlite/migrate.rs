//! From one kind of index to the other, in steps that each stand by themselves: killed at any moment, the log is as it was,
//! and the next attempt goes on.
//!
//! It has the file to itself: who has it open is told in no other way that its tables are about to change.

use factlog::{Result, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use super::error::told;
use super::index::{Indexes, write_next};
use super::query::failed;
use super::{SqliteOptions, file, query};

/// SQLite's own indexes, each made in one step.
const REAL: [(&str, &str); 4] = [
    ("events_by_type", "CREATE INDEX IF NOT EXISTS events_by_type ON events (tid)"),
    (
        "events_by_correlation",
        "CREATE INDEX IF NOT EXISTS events_by_correlation ON events (correlation) WHERE correlation IS NOT NULL",
    ),
    ("events_by_id", "CREATE UNIQUE INDEX IF NOT EXISTS events_by_id ON events (id)"),
    ("events_by_stream", "CREATE UNIQUE INDEX IF NOT EXISTS events_by_stream ON events (sid, version)"),
];
/// What lagging indexes are made of.
const LAGGING: [(&str, &str); 10] = [
    ("VIEW", "stream_positions"),
    ("VIEW", "type_positions"),
    ("VIEW", "correlation_positions"),
    ("TABLE", "index_ids"),
    ("TABLE", "index_names"),
    ("TABLE", "index_categories"),
    ("TABLE", "index_streams"),
    ("TABLE", "index_types"),
    ("TABLE", "index_correlations"),
    ("TABLE", "index_state"),
];
/// Events whose lists are written in one step, where the options say nothing of a tail.
const STEP_EVENTS: i64 = 65_536;

/// How a log's events are found, and since when: none where it was made so.
///
/// # Errors
/// As opening the log.
pub fn indexes_of(options: &SqliteOptions) -> Result<(Indexes, Option<Timestamp>)> {
    file::prepare(options, crate::Open::Existing)?;
    let (connection, indexes) = file::open_writer(options)?;
    let sql = "SELECT value FROM meta WHERE key = 'indexes_since'";
    let since: Option<i64> = connection.query_row(sql, [], |row| row.get(0)).optional().map_err(failed)?;
    Ok((indexes, since.map(Timestamp::from_micros).transpose()?))
}

/// Gives a log the indexes of this kind, and says meanwhile how many of how many events that is done for; whether it had
/// others.
///
/// # Errors
/// `Unavailable` where another process has the log open, and as opening it.
pub fn migrate_indexes(
    options: &SqliteOptions,
    to: Indexes,
    mut progress: impl FnMut(u64, u64),
) -> Result<bool> {
    let options = &SqliteOptions { indexes: None, ..options.clone() };
    file::prepare(options, crate::Open::Existing)?;
    let (connection, from) = file::connect_alone(options)?;
    rusqlite::vtab::array::load_module(&connection).map_err(failed)?;
    if from == to {
        // What an attempt to go the other way has left is of no use.
        step(&connection, || match to {
            Indexes::Real => drop_lagging(&connection),
            Indexes::Lagging => drop_real(&connection),
        })?;
        return Ok(false);
    }
    let head = query::head(&connection)?.0;
    match to {
        Indexes::Lagging => {
            let events = options.tail_events.map_or(STEP_EVENTS, i64::from);
            to_lagging(&connection, head, events, &mut progress)?;
        }
        Indexes::Real => to_real(&connection, head, &mut progress)?,
    }
    progress(head, head);
    connection.close().map_err(|(_, error)| told(&options.path, error))?;
    Ok(true)
}

fn to_lagging(
    connection: &Connection,
    head: u64,
    events: i64,
    progress: &mut impl FnMut(u64, u64),
) -> Result<()> {
    let exists = "SELECT count(*) FROM sqlite_schema WHERE name = 'index_state'";
    let is_begun: bool = connection.query_row(exists, [], |row| row.get(0)).map_err(failed)?;
    if !is_begun {
        step(connection, || {
            let tables = file::LAGGING_INDEXES;
            // All but the streams, which there are already.
            let begin = tables.find("CREATE TABLE index_ids").unwrap_or(0);
            connection.execute_batch(&tables[begin..]).map_err(failed)
        })?;
    }
    loop {
        let mut indexed = 0;
        step(connection, || {
            indexed = write_next(connection, head as i64, events)?;
            Ok(())
        })?;
        if indexed as u64 >= head {
            break;
        }
        progress(indexed as u64, head);
    }
    step(connection, || {
        drop_real(connection)?;
        connection.execute_batch("DROP INDEX IF EXISTS streams_by_category").map_err(failed)?;
        streams_anew(connection, file::LAGGING_INDEXES)?;
        now_of(connection, Indexes::Lagging)
    })
}

fn to_real(connection: &Connection, head: u64, progress: &mut impl FnMut(u64, u64)) -> Result<()> {
    for ((_, sql), done) in REAL.into_iter().zip(1..) {
        step(connection, || connection.execute_batch(sql).map_err(failed))?;
        progress(head * done / (REAL.len() as u64 + 1), head);
    }
    step(connection, || {
        drop_lagging(connection)?;
        streams_anew(connection, file::REAL_INDEXES)?;
        connection.execute_batch("CREATE INDEX streams_by_category ON streams (category)").map_err(failed)?;
        now_of(connection, Indexes::Real)
    })
}

fn drop_real(connection: &Connection) -> Result<()> {
    let drop =
        |(index, _)| connection.execute_batch(&format!("DROP INDEX IF EXISTS {index}")).map_err(failed);
    REAL.into_iter().try_for_each(drop)
}

fn drop_lagging(connection: &Connection) -> Result<()> {
    let drop =
        |(what, name)| connection.execute_batch(&format!("DROP {what} IF EXISTS {name}")).map_err(failed);
    LAGGING.into_iter().try_for_each(drop)
}

/// Makes the table of streams as a schema has it; views that name it find the new one.
fn streams_anew(connection: &Connection, schema: &str) -> Result<()> {
    let begin = schema.find("CREATE TABLE streams").unwrap_or(0);
    let end = schema[begin..].find(';').map_or(schema.len(), |end| begin + end + 1);
    connection
        .execute_batch("PRAGMA legacy_alter_table=ON; ALTER TABLE streams RENAME TO streams_before;")
        .and_then(|()| connection.execute_batch(&schema[begin..end]))
        .and_then(|()| {
            connection
                .execute_batch("INSERT INTO streams SELECT * FROM streams_before; DROP TABLE streams_before;")
        })
        .map_err(failed)
}

fn now_of(connection: &Connection, indexes: Indexes) -> Result<()> {
    connection
        .execute("INSERT OR REPLACE INTO meta VALUES ('indexes_since', ?1)", [Timestamp::now().as_micros()])
        .and_then(|_| connection.pragma_update(None, "user_version", indexes.format()))
        .map_err(failed)
}

/// Something that is done as a whole or not at all, and is in the file then: the write-ahead log is no longer than a step.
fn step(connection: &Connection, work: impl FnOnce() -> Result<()>) -> Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    let outcome = work();
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    connection.execute_batch(end).map_err(failed)?;
    outcome?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(failed)
}
