//! Stores that fail, lie or grow at the wrong moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use factlog::{
    About, Appended, Batch, Count, Error, EventLog, Group, Health, Json, MemoryStore, Page, Position, Read,
    Removal, Removed, Report, Result, Snapshots, Store, StreamName, Version,
};
use tokio::sync::watch;

use crate::fact;

/// What is odd about a store.
#[derive(Debug)]
pub(crate) enum Oddity {
    /// It ends at this append, counted from 0, and nothing of it is written.
    EndsBefore(usize),
    /// It ends at this append, and all of it is written.
    EndsAfter(usize),
    /// It gives the event at this position with other data.
    Changes(Position),
    /// It has one event more after each read.
    Grows,
}

/// A log in memory with an oddity; the memory can be looked at without it.
#[derive(Debug)]
struct Odd {
    memory: Arc<MemoryStore>,
    oddity: Oddity,
    appends: AtomicUsize,
}

pub(crate) fn odd(memory: &Arc<MemoryStore>, oddity: Oddity) -> EventLog {
    EventLog::new(Odd { memory: Arc::clone(memory), oddity, appends: AtomicUsize::new(0) })
}

#[async_trait]
impl Store for Odd {
    fn about(&self) -> &About {
        self.memory.about()
    }

    async fn append(&self, batches: Vec<Batch>) -> Vec<Result<Appended>> {
        assert_eq!(batches.len(), 1, "one that comes after a failed one would leave a hole");
        let ended = || vec![Err(Error::unavailable("the plug was pulled"))];
        let number = self.appends.fetch_add(1, Ordering::Relaxed);
        match self.oddity {
            Oddity::EndsBefore(at) if number >= at => ended(),
            Oddity::EndsAfter(at) if number >= at => {
                self.memory.append(batches).await;
                ended()
            }
            _ => self.memory.append(batches).await,
        }
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        let mut page = self.memory.read(read).await?;
        match self.oddity {
            Oddity::Changes(position) => {
                for event in page.events.iter_mut().filter(|event| event.position == position) {
                    Arc::make_mut(event).fact.data = Json::empty_object();
                }
            }
            Oddity::Grows => {
                self.memory.append(vec![Batch::new(vec![fact("task-3", 0)])?]).await.remove(0)?;
            }
            _ => {}
        }
        Ok(page)
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.memory.head()
    }

    async fn version(&self, stream: &StreamName) -> Result<Version> {
        self.memory.version(stream).await
    }

    async fn count(&self, count: &Count) -> Result<Vec<Group>> {
        self.memory.count(count).await
    }

    async fn remove(&self, removal: &Removal) -> Result<Removed> {
        self.memory.remove(removal).await
    }

    fn snapshots(&self) -> &dyn Snapshots {
        self.memory.snapshots()
    }

    async fn health(&self) -> Health {
        self.memory.health().await
    }

    async fn check(&self) -> Result<Report> {
        self.memory.check().await
    }

    async fn close(&self) -> Result<()> {
        self.memory.close().await
    }
}
