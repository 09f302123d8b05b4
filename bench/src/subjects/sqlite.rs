//! What the peers on SQLite share: the table and the four indexes of factlog's first format, and the way to fill them.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use rusqlite::{Connection, params};

use super::Seen;
use crate::workload::{Batch, STREAMS_MANY};

/// Numbers for names are given beforehand, which is as cheap as it can be.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        position INTEGER PRIMARY KEY, sid INTEGER NOT NULL, version INTEGER NOT NULL, tid INTEGER NOT NULL,
        source_id INTEGER, recorded_at INTEGER NOT NULL, occurred_at INTEGER, id BLOB NOT NULL, correlation,
        causation BLOB, envelope TEXT, data TEXT NOT NULL
    );
    CREATE UNIQUE INDEX IF NOT EXISTS events_by_stream ON events (sid, version);
    CREATE INDEX IF NOT EXISTS events_by_type ON events (tid);
    CREATE INDEX IF NOT EXISTS events_by_correlation ON events (correlation) WHERE correlation IS NOT NULL;
    CREATE UNIQUE INDEX IF NOT EXISTS events_by_id ON events (id);";

/// A fully durable connection with SQLite's own checkpoints, and as much memory as factlog's writer has.
pub(super) fn connect(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
    connection.execute_batch("PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;")?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

/// The newest of everything.
pub(super) struct Heads {
    pub(super) position: u64,
    versions: Vec<u64>,
}

impl Heads {
    pub(super) fn new(position: u64) -> Self {
        Self { position, versions: vec![0; STREAMS_MANY] }
    }

    /// Whether a batch fits; if it does, it counts as recorded.
    pub(super) fn admit(&mut self, batch: &Batch) -> Result<()> {
        let version = &mut self.versions[batch.stream];
        ensure!(*version == batch.expected, "stream {} is at version {version}", batch.stream);
        *version += batch.facts.len() as u64;
        self.position += batch.facts.len() as u64;
        Ok(())
    }
}

/// Inserts a batch whose last event gets this position.
pub(super) fn insert(connection: &Connection, batch: &Batch, last: u64) -> Result<()> {
    let recorded_at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as i64;
    let mut statement = connection.prepare_cached(
        "INSERT INTO events VALUES (?1, ?2, ?3, ?4, NULL, ?5, NULL, ?6, ?7, NULL, NULL, ?8)",
    )?;
    let first = last + 1 - batch.facts.len() as u64;
    for (index, fact) in batch.facts.iter().enumerate() {
        statement.execute(params![
            first as i64 + index as i64,
            batch.stream as i64,
            batch.expected as i64 + 1 + index as i64,
            fact.kind as i64,
            recorded_at,
            fact.id.as_bytes().as_slice(),
            fact.correlation.as_bytes().as_slice(),
            fact.body,
        ])?;
    }
    Ok(())
}

/// The newest position.
pub(super) fn head(connection: &Connection) -> Result<u64> {
    let head =
        connection.query_row("SELECT max(position) FROM events", [], |row| row.get::<_, Option<i64>>(0))?;
    Ok(head.unwrap_or(0) as u64)
}

/// An event as a bare program would hold it.
#[allow(dead_code, reason = "its fields are made to be owned, not to be looked at")]
struct Owned {
    position: i64,
    sid: i64,
    version: i64,
    tid: i64,
    source_id: Option<i64>,
    recorded_at: i64,
    occurred_at: Option<i64>,
    id: [u8; 16],
    correlation: Option<[u8; 16]>,
    causation: Option<[u8; 16]>,
    envelope: Option<String>,
    data: String,
}

/// Reads all columns of the rows that a condition picks, each into values of its own.
pub(super) fn scan(connection: &Connection, rest: &str, parameters: impl rusqlite::Params) -> Result<Seen> {
    let sql = format!(
        "SELECT position, sid, version, tid, source_id, recorded_at, occurred_at, id, correlation, causation, \
         envelope, data FROM events {rest}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(parameters)?;
    let mut seen = Seen::default();
    while let Some(row) = rows.next()? {
        let owned = std::hint::black_box(Owned {
            position: row.get(0)?,
            sid: row.get(1)?,
            version: row.get(2)?,
            tid: row.get(3)?,
            source_id: row.get(4)?,
            recorded_at: row.get(5)?,
            occurred_at: row.get(6)?,
            id: row.get(7)?,
            correlation: row.get(8)?,
            causation: row.get(9)?,
            envelope: row.get(10)?,
            data: row.get(11)?,
        });
        seen.note(owned.data.as_bytes());
    }
    Ok(seen)
}
