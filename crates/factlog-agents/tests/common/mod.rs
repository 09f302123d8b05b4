//! What the tests share: a store that can be told to fail, and logs on disk.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use factlog::{
    About, Appended, Batch, Count, Error, Event, EventLog, Filter, Group, Health, MemoryStore, Page,
    Position, Read, Removal, Removed, Report, Result, Snapshots, Store, StreamName, Timestamp, Version,
};
use factlog_stores::{Open, SqliteOptions, SqliteStore};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

/// A log in a file.
pub(crate) fn sqlite(path: &Path) -> EventLog {
    EventLog::new(SqliteStore::open(&SqliteOptions::new(path), Open::Create).unwrap())
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn data(event: &Event) -> Value {
    event.data.to().unwrap()
}

pub(crate) async fn all(log: &EventLog) -> Vec<Arc<Event>> {
    log.read(Filter::all()).collect().await.unwrap()
}

/// What happens to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// All is well.
    Stored,
    /// Nothing is changed.
    Unavailable,
    /// It is stored, and the answer is lost.
    AnswerLost,
    /// The store accepts no more.
    Stopped,
}

/// A store in memory that fails as it is told, and lets appends through as there are permits.
#[derive(Debug)]
pub(crate) struct Shaky {
    inner: MemoryStore,
    pub(crate) fates: Mutex<VecDeque<Fate>>,
    /// Batches of each append.
    pub(crate) appends: Mutex<Vec<usize>>,
    pub(crate) gate: Semaphore,
}

impl Shaky {
    pub(crate) fn new(fates: &[Fate]) -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::new(),
            fates: Mutex::new(fates.iter().copied().collect()),
            appends: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    pub(crate) fn shut() -> Arc<Self> {
        let mut shaky = Self::new(&[]);
        Arc::get_mut(&mut shaky).unwrap().gate = Semaphore::new(0);
        shaky
    }

    pub(crate) fn log(self: &Arc<Self>) -> EventLog {
        EventLog::on(Arc::<Self>::clone(self))
    }
}

#[async_trait]
impl Store for Shaky {
    fn about(&self) -> &About {
        self.inner.about()
    }

    async fn append(&self, batches: Vec<Batch>) -> Vec<Result<Appended>> {
        self.gate.acquire().await.unwrap().forget();
        self.appends.lock().unwrap().push(batches.len());
        let fate = self.fates.lock().unwrap().pop_front();
        let failed = |error: Error| batches.iter().map(|_| Err(error.clone())).collect();
        match fate {
            None | Some(Fate::Stored) => self.inner.append(batches).await,
            Some(Fate::Unavailable) => failed(Error::unavailable("another process keeps the log locked")),
            Some(Fate::Stopped) => failed(Error::stopped("the disk is gone")),
            Some(Fate::AnswerLost) => {
                self.inner.append(batches.clone()).await;
                failed(Error::unavailable("no answer came"))
            }
        }
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        self.inner.read(read).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.inner.head()
    }

    async fn version(&self, stream: &StreamName) -> Result<Version> {
        self.inner.version(stream).await
    }

    async fn count(&self, count: &Count) -> Result<Vec<Group>> {
        self.inner.count(count).await
    }

    async fn remove(&self, removal: &Removal) -> Result<Removed> {
        self.inner.remove(removal).await
    }

    fn snapshots(&self) -> &dyn Snapshots {
        self.inner.snapshots()
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }

    async fn check(&self) -> Result<Report> {
        self.inner.check().await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
