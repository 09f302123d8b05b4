//! The simplest durable log on SQLite: one connection, one commit per batch, a lock when there are several writers.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use rusqlite::Connection;

use super::sqlite::{self, Heads};
use super::{Seen, Subject, What};
use crate::workload::Batch;

struct SqliteLoop(Mutex<(Connection, Heads)>);

pub(super) fn open(folder: &Path) -> Result<Box<dyn Subject>> {
    let connection = sqlite::connect(&folder.join("loop.db"))?;
    let heads = Heads::new(sqlite::head(&connection)?);
    Ok(Box::new(SqliteLoop(Mutex::new((connection, heads)))))
}

impl SqliteLoop {
    fn lock(&self) -> MutexGuard<'_, (Connection, Heads)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, batches: &[Batch]) -> Result<u64> {
        let (connection, heads) = &mut *self.lock();
        // A single insert is a transaction by itself.
        let several = batches.len() > 1 || batches.iter().any(|batch| batch.facts.len() > 1);
        if several {
            connection.execute_batch("BEGIN IMMEDIATE")?;
        }
        for batch in batches {
            heads.admit(batch)?;
            sqlite::insert(connection, batch, heads.position)?;
        }
        if several {
            connection.execute_batch("COMMIT")?;
        }
        Ok(heads.position)
    }
}

impl Subject for SqliteLoop {
    fn append(&self, batch: Batch) -> Result<u64> {
        self.commit(&[batch])
    }

    fn import(&self, batches: Vec<Batch>) -> Result<()> {
        self.commit(&batches).map(|_| ())
    }

    fn read(&self, _what: &What) -> Result<Seen> {
        sqlite::scan(&self.lock().0, "ORDER BY position", [])
    }

    fn head(&self) -> Result<u64> {
        sqlite::head(&self.lock().0)
    }
}
