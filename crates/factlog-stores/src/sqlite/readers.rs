//! Connections that read, a few at a time, each page in a snapshot of its own.

use std::sync::{Arc, Mutex, PoisonError};

use factlog::{Error, Page, Read, Result};
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::error::told;
use super::file::connect_reader;
use super::index::{Index, View};
use super::row::Names;
use super::{SqliteOptions, query};

/// Connections that read at the same time; further readers wait.
const READERS_MAX: usize = 8;

/// A connection and the names it remembers.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) names: Names,
    pub(super) index: Index,
}

impl Reader {
    /// One page of the snapshot.
    pub(super) fn page(&mut self, read: &Read) -> Result<Page> {
        let Self { connection, names, index } = self;
        query::page(connection, names, read, &|head, questions| index.view(connection, head, questions))
    }

    /// The index as of the snapshot.
    pub(super) fn view(&self) -> Result<View<'_>> {
        self.index.view(&self.connection, query::head(&self.connection)?, 1)
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(|_| ())
    }
}

#[derive(Debug)]
pub(super) struct Readers {
    options: SqliteOptions,
    index: Index,
    idle: Mutex<Vec<Reader>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(options: SqliteOptions, index: Index) -> Self {
        Self { options, index, idle: Mutex::new(Vec::new()), turns: Arc::new(Semaphore::new(READERS_MAX)) }
    }

    /// Runs one read on a thread for such work. The transaction ends with it. Once begun, it goes on by itself: a future
    /// that is not polled further keeps no other reader waiting.
    pub(super) async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&mut Reader) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let closed = || Error::stopped("the log is closed");
        let readers = Arc::clone(self);
        let read = move |turn| tokio::task::spawn_blocking(move || readers.run(turn, read));
        let done = match Arc::clone(&self.turns).try_acquire_owned() {
            Ok(turn) => read(turn).await,
            Err(TryAcquireError::Closed) => return Err(closed()),
            Err(TryAcquireError::NoPermits) => {
                let turns = Arc::clone(&self.turns);
                let waiting = async move {
                    match turns.acquire_owned().await {
                        Ok(turn) => read(turn).await,
                        Err(_) => Ok(Err(closed())),
                    }
                };
                tokio::spawn(waiting).await.and_then(|done| done)
            }
        };
        done.map_err(|error| Error::stopped(format!("a read has failed: {error}")))?
    }

    fn run<T>(&self, _turn: OwnedSemaphorePermit, read: impl FnOnce(&mut Reader) -> Result<T>) -> Result<T> {
        let mut reader = self.take()?;
        let begun = reader.execute("BEGIN").map_err(|error| told(&self.options.path, error));
        let outcome = begun.and_then(|()| read(&mut reader));
        // A connection that cannot end its transaction is dropped rather than used again.
        if reader.execute("COMMIT").is_ok() && !self.turns.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        }
        outcome.map_err(|error| error.context(self.options.path.display()))
    }

    fn take(&self) -> Result<Reader> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(reader) => Ok(reader),
            None => Ok(Reader {
                connection: connect_reader(&self.options)?,
                names: Names::default(),
                index: self.index.clone(),
            }),
        }
    }

    /// Waits for the reads that are going on, and closes.
    pub(super) async fn finish(&self) {
        // An error means that it is closed already.
        let last = self.turns.acquire_many(READERS_MAX as u32).await.ok();
        self.close();
        drop(last);
    }

    /// No more reads; the connections are closed.
    pub(super) fn close(&self) {
        self.turns.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
