//! Bare SQL over factlog's own file: the most that a reader of that file can hope for.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, OpenFlags};

use super::factlog::FILE;
use super::{Seen, Subject, What, sqlite};
use crate::workload::{Batch, STREAM_NAMES, STREAMS, TYPE_NAMES};

struct SqliteScan {
    connection: Mutex<Connection>,
    /// Their numbers in the file, by their numbers here.
    streams: Vec<i64>,
    types: Vec<i64>,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Subject>> {
    let connection = Connection::open_with_flags(folder.join(FILE), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // As much of the file in memory as factlog's readers may map.
    connection.execute_batch("PRAGMA query_only=ON; PRAGMA mmap_size=17179869184;")?;
    let streams = numbers(&connection, "SELECT name, sid FROM streams", &STREAM_NAMES[..STREAMS])?;
    let types = numbers(&connection, "SELECT name, tid FROM types", &TYPE_NAMES)?;
    Ok(Box::new(SqliteScan { connection: Mutex::new(connection), streams, types }))
}

fn numbers(connection: &Connection, sql: &str, names: &[String]) -> Result<Vec<i64>> {
    let mut statement = connection.prepare(sql)?;
    let known = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<HashMap<String, i64>>>()?;
    names
        .iter()
        .map(|name| known.get(name).copied().with_context(|| format!("{name} is not in the file")))
        .collect()
}

impl Subject for SqliteScan {
    fn append(&self, _batch: Batch) -> Result<u64> {
        bail!("it only reads")
    }

    fn read(&self, what: &What) -> Result<Seen> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        match what {
            What::All => sqlite::scan(&connection, "ORDER BY position", []),
            What::Stream(stream) => {
                sqlite::scan(&connection, "WHERE sid = ?1 ORDER BY version", [self.streams[*stream]])
            }
            What::Type(kind) => {
                sqlite::scan(&connection, "WHERE tid = ?1 ORDER BY position", [self.types[*kind]])
            }
            What::Correlation(correlation) => sqlite::scan(
                &connection,
                "WHERE correlation = ?1 ORDER BY position",
                [correlation.as_bytes()],
            ),
        }
    }

    fn head(&self) -> Result<u64> {
        sqlite::head(&self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
