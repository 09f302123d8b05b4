//! A log that cannot be written to: projections live all the same, and do not ask again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use factlog::{
    About, Appended, Batch, Count, Error, ErrorKind, Event, EventLog, Filter, Group, Health, Invalid, Keep,
    MemoryStore, NewEvent, Page, Position, Projection, Read, Removal, Removed, Report, Result, Revision,
    Snapshot, SnapshotInfo, Snapshots, Store, StreamName, Version,
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Lets events in, so that there is something to follow, and remembers nothing.
#[derive(Debug, Default)]
struct Forgetful {
    inner: MemoryStore,
    refused: Arc<AtomicU64>,
}

impl Forgetful {
    fn refuse<T>(&self) -> Result<T> {
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(Error::denied("the log is read-only"))
    }
}

#[async_trait]
impl Store for Forgetful {
    fn about(&self) -> &About {
        self.inner.about()
    }
    async fn append(&self, batches: Vec<Batch>) -> Vec<Result<Appended>> {
        self.inner.append(batches).await
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
        self
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

#[async_trait]
impl Snapshots for Forgetful {
    async fn load(&self, key: &str, at: Position) -> Result<Option<Snapshot>> {
        self.inner.load(key, at).await
    }
    async fn save(&self, _: Snapshot, _: Option<Revision>, _: Keep) -> Result<Revision> {
        self.refuse()
    }
    async fn list(&self, prefix: &str, after: Option<(&str, Position)>) -> Result<Vec<SnapshotInfo>> {
        self.inner.list(prefix, after).await
    }
    async fn forget(&self, _: &str, _: Position) -> Result<u64> {
        self.refuse()
    }
    async fn forget_at(&self, _: &str, _: &[Position]) -> Result<u64> {
        self.refuse()
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Tally(u64);

impl Projection for Tally {
    const NAME: &'static str = "tally";
    const REVISION: u32 = 1;
    fn filter() -> Filter {
        Filter::all()
    }
    fn apply(&mut self, _event: &Event) -> std::result::Result<(), Invalid> {
        self.0 += 1;
        Ok(())
    }
}

/// Each second was a warning that the state could not be remembered.
#[tokio::test(start_paused = true)]
async fn a_projection_of_a_read_only_log_is_live_and_gives_up_remembering() {
    let store = Forgetful::default();
    let refused = Arc::clone(&store.refused);
    let log = EventLog::new(store);
    let tally = log.project::<Tally>().await.unwrap();
    for number in 0..500_u64 {
        log.append(NewEvent::new("task-1", "task:noted", number).unwrap()).await.unwrap();
    }
    tally.caught_up(Position(500)).await.unwrap();
    tally.rebuild().await.expect("the state is built anew, remembered or not");
    assert_eq!(tally.with(|tally| tally.0), 500);
    let asked = refused.load(Ordering::Relaxed);
    assert!(asked > 0);
    // On a paused clock this is an hour of quiet seconds.
    tokio::time::sleep(std::time::Duration::from_secs(3_600)).await;
    log.append(NewEvent::new("task-1", "task:noted", 500).unwrap()).await.unwrap();
    tally.caught_up(Position(501)).await.unwrap();
    assert_eq!(refused.load(Ordering::Relaxed), asked, "it has not asked again");
    let remembering = log.remember::<Noted>().await.unwrap();
    let told = async {
        loop {
            if let Err(error) = remembering.caught_up(Position::MAX).await {
                return error;
            }
        }
    };
    assert_eq!(told.await.kind(), ErrorKind::Denied);
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Noted(u64);

impl factlog::Fold for Noted {
    fn apply(&mut self, _event: &Event) -> std::result::Result<(), Invalid> {
        self.0 += 1;
        Ok(())
    }
}

impl factlog::Aggregate for Noted {
    const NAME: &'static str = "noted";
    const REVISION: u32 = 1;
    const CATEGORY: &'static str = "task";
}
