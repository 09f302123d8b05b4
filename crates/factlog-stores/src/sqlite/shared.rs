//! What the threads of one store share, and the thread that keeps house: it hears of other processes, and keeps the
//! write-ahead log short.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use factlog::{Error, Position, Timestamp};
use rusqlite::Connection;

use super::{SqliteOptions, file, query};
use crate::published::Published;

/// How often other processes' appends are looked for.
const HEAD_POLL_MS: u64 = 5;
/// A keeper that cannot open the file tries again after this long.
const CONNECT_AGAIN_MS: u64 = 1_000;
/// Every so many looks, the write-ahead log's length is looked at too.
const CHECKPOINT_EVERY_POLLS: u64 = 8;
/// A write-ahead log of this many pages (4 MiB) is copied into the file.
const CHECKPOINT_PAGES: i64 = 1_024;
/// At this many pages (16 MiB) the writer copies the rest of it, between two commits, so that it begins anew.
const RESTART_PAGES: i64 = 4_096;

/// However busy it is, the writer lets it grow no further than this (48 MiB) and one commit more.
const WAL_PAGES_MAX: i64 = 12_288;

#[derive(Debug)]
pub(super) struct Shared {
    options: SqliteOptions,
    pub(super) published: Published,
    /// None before it is started; dropping the sender ends it.
    keeper: Mutex<Option<(std::sync::mpsc::Sender<()>, JoinHandle<()>)>>,
    stopped: Mutex<Option<Error>>,
    restart_wish: AtomicBool,
    /// Pages in the write-ahead log after the last commit of this process.
    wal_pages: AtomicI64,
}

/// None of these locks is held where code can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(options: SqliteOptions, head: Position) -> Self {
        Self {
            options,
            published: Published::new(head),
            keeper: Mutex::new(None),
            stopped: Mutex::new(None),
            restart_wish: AtomicBool::new(false),
            wal_pages: AtomicI64::new(0),
        }
    }

    /// Which file, and how it is opened.
    pub(super) fn options(&self) -> &SqliteOptions {
        &self.options
    }

    pub(super) fn committed(&self, position: Position, took: Duration) {
        self.published.committed(took, Timestamp::now());
        self.published.publish(position);
    }

    pub(super) fn stopped(&self, error: &Error) {
        *lock(&self.stopped) = Some(error.clone());
    }

    pub(super) fn problem(&self) -> Option<Error> {
        lock(&self.stopped).clone()
    }

    pub(super) fn close(&self) {
        self.published.close();
        let keeper = lock(&self.keeper).take();
        if let Some((alive, thread)) = keeper {
            drop(alive);
            // Its connection must be gone before the last one folds the file.
            if thread.join().is_err() {
                tracing::error!("the keeper has panicked");
            }
        }
    }

    /// Notes how long the write-ahead log is; called by SQLite after each commit of the writer.
    pub(super) fn note_wal_pages(&self, pages: i64) {
        self.wal_pages.store(pages, Ordering::Relaxed);
    }

    /// Whether there is so much in the write-ahead log that a process that goes should copy it first.
    pub(super) fn wal_is_long(&self) -> bool {
        self.wal_pages.load(Ordering::Relaxed) > RESTART_PAGES
    }

    /// Whether the writer is to restart the write-ahead log now: because the keeper wishes it, or without a keeper
    /// because it is as long as it may be.
    pub(super) fn take_restart_wish(&self) -> bool {
        self.restart_wish.swap(false, Ordering::Relaxed)
            || self.wal_pages.load(Ordering::Relaxed) > WAL_PAGES_MAX
    }

    /// Starts the house-keeping, once. A store that only appends a few events and goes needs none.
    pub(super) fn start_keeper(shared: &Arc<Self>) {
        let mut keeper = lock(&shared.keeper);
        if keeper.is_some() || shared.published.is_closed() {
            return;
        }
        let (alive, ended) = std::sync::mpsc::channel();
        let (options, shared) = (shared.options.clone(), Arc::downgrade(shared));
        let started = std::thread::Builder::new().name("factlog-keeper".into()).spawn(move || {
            loop {
                match file::connect_writer(&options) {
                    Ok(connection) => return keep(&connection, &shared, &ended),
                    Err(error) => tracing::warn!(%error, "other processes' appends are not heard of yet"),
                }
                let again = ended.recv_timeout(Duration::from_millis(CONNECT_AGAIN_MS));
                if again != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        match started {
            Ok(thread) => *keeper = Some((alive, thread)),
            Err(error) => tracing::warn!(%error, "other processes' appends are not heard of"),
        }
    }
}

fn keep(connection: &Connection, shared: &Weak<Shared>, ended: &std::sync::mpsc::Receiver<()>) {
    let mut seen: Option<i64> = None;
    let mut polls: u64 = 0;
    let mut copied_at: i64 = 0;
    while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) =
        ended.recv_timeout(Duration::from_millis(HEAD_POLL_MS))
    {
        let Some(shared) = shared.upgrade() else { return };
        polls += 1;
        let version = connection.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0)).ok();
        if version != seen
            && let Ok(head) = query::head(connection)
        {
            seen = version;
            shared.published.publish(head);
        }
        let pages = shared.wal_pages.load(Ordering::Relaxed);
        if polls.is_multiple_of(CHECKPOINT_EVERY_POLLS) && pages > CHECKPOINT_PAGES && pages != copied_at {
            checkpoint(connection, &shared);
            // Nothing is copied again while nothing is written.
            copied_at = pages;
        }
    }
}

/// Copies what it can without making anybody wait; a log that has grown long all the same needs a pause of the writer.
fn checkpoint(connection: &Connection, shared: &Shared) {
    // SQLite counts only what was there when it began: whether the log is short again, the writer alone can tell.
    match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        Ok(()) if shared.wal_pages.load(Ordering::Relaxed) > RESTART_PAGES => {
            shared.restart_wish.store(true, Ordering::Relaxed);
        }
        Ok(()) => {}
        Err(error) => tracing::debug!(%error, "checkpoint failed; it will be tried again"),
    }
}
