//! The log in one SQLite file: the default store.
//!
//! One thread writes, gathering what waits into one durable commit; a few connections read, one page per snapshot; any
//! number of processes may do so at once. docs/format.md shows the tables.

mod check;
mod count;
mod compact;
mod error;
mod file;
mod index;
mod ledger;
mod migrate;
mod query;
mod readers;
mod removal;
mod row;
mod shared;
mod snapshots;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use factlog::limits::QUEUE_APPENDS_MAX;
use factlog::{
    About, Appended, Batch, Compacted, Condition, Count, Counter, Error, Filter, Group, Health, Keep, Page,
    Position, Read, Removal, Removed, Report, Result, Revision, Snapshot, SnapshotInfo, Snapshots, Store,
    StreamName, Version,
};
use tokio::sync::{mpsc, oneshot, watch};

use self::index::Index;
pub use self::index::Indexes;
pub use self::migrate::{indexes_of, migrate_indexes};
use self::readers::Readers;
use self::shared::Shared;
use self::snapshots::Forget;
use self::writer::{Job, Prepared, Writer};
use crate::{Open, system};

/// Which file, and how durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteOptions {
    /// The file.
    pub path: PathBuf,
    /// What an acknowledged append survives.
    pub sync: Sync,
    /// How long to wait for another process that writes, before giving up.
    pub lock_wait: Duration,
    /// How events are found by their keys; where none is said, as the file has it, and in a new one by lagging indexes.
    pub indexes: Option<Indexes>,
    /// With lagging indexes, how many events of the log's end are kept in memory before their index is written; where
    /// none is said, 16,384, and 65,536 in a log of a million.
    pub tail_events: Option<u32>,
}

/// Long enough for other processes' writes to pass; shorter than a person's patience.
const LOCK_WAIT_MS: u64 = 10_000;

/// What an acknowledged append survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// A crash of the machine.
    #[default]
    Full,
    /// A crash of the process; a crash of the machine may take the appends since the last checkpoint.
    Normal,
}

impl SqliteOptions {
    /// A file, fully durable.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            sync: Sync::Full,
            lock_wait: Duration::from_millis(LOCK_WAIT_MS),
            indexes: None,
            tail_events: None,
        }
    }
}

/// A log in one SQLite file.
pub struct SqliteStore {
    about: About,
    path: PathBuf,
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    jobs: mpsc::Sender<Job>,
    writer: Mutex<Option<JoinHandle<()>>>,
    read_only: bool,
}

impl SqliteStore {
    /// Opens the file; this blocks for as long as the disk takes.
    ///
    /// # Errors
    /// `NotFound` where there is no file or no folder, `Corrupt` for one that is damaged or no log, `Invalid` for one that
    /// a newer factlog wrote.
    pub fn open(options: &SqliteOptions, open: Open) -> Result<Self> {
        let path = options.path.clone();
        file::prepare(options, open)?;
        if let Some(kind) = system::network_file_system(&path) {
            tracing::warn!(path = %path.display(), "the log is on {kind}, whose locks cannot be trusted: keep it to one process");
        }
        let (mut connection, indexes) = file::connect_store(options)?;
        let told = |error| error::told(&path, error);
        let read_only = connection.is_readonly("main").map_err(told)?;
        let head = query::head(&connection).map_err(|error| error.context(path.display()))?;
        let shared = Arc::new(Shared::new(options.clone(), head));
        let noted = Arc::downgrade(&shared);
        connection
            .wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
                if let Some(shared) = noted.upgrade() {
                    shared.note_wal_pages(i64::from(pages));
                }
                Ok(())
            }))
            .map_err(told)?;
        let (jobs, waiting) = mpsc::channel(QUEUE_APPENDS_MAX);
        let index = Index::of(indexes);
        let writer = Writer::new(path.clone(), connection, Arc::clone(&shared), &index)?;
        let thread = std::thread::Builder::new()
            .name("factlog-writer".into())
            .spawn({
                let ended = Ended(Arc::clone(&shared));
                move || {
                    let _ended = ended;
                    writer.run(waiting);
                }
            })
            .map_err(|error| Error::unavailable(format!("no thread can be started: {error}")))?;
        Ok(Self {
            about: about(options),
            readers: Arc::new(Readers::new(options.clone(), index)),
            path,
            shared,
            jobs,
            writer: Mutex::new(Some(thread)),
            read_only,
        })
    }

    /// Hands a job to the writer and waits for its answer.
    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T> {
        if self.read_only {
            return Err(Error::denied(format!("{} is read-only", self.path.display()))
                .with_hint("check the rights of the file and of its folder"));
        }
        let (answer, answered) = oneshot::channel();
        let closed = || self.shared.problem().unwrap_or_else(|| Error::stopped("the log is closed"));
        self.jobs.send(job(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())
    }

    async fn forget_which(&self, key: &str, which: Forget) -> Result<u64> {
        let key = key.to_owned();
        self.ask(|answer| Job::Forget { key, which, answer }).await?
    }

    /// Makes a batch ready on the caller's thread. Its conditions are looked at before the lock is taken; inside, only
    /// what came since.
    async fn prepare(&self, batch: Batch) -> Prepared {
        let envelopes = ledger::envelopes(&batch);
        let mut clear_to = Position::START;
        if !batch.conditions().is_empty() {
            let conditions = batch.conditions().to_vec();
            // An error here is met again, and told, inside.
            clear_to =
                self.readers.with(move |reader| clear(reader, &conditions)).await.unwrap_or(Position::START);
        }
        Prepared { batch, envelopes, clear_to }
    }
}

/// The position up to which all conditions hold; the start when one does not.
fn clear(reader: &mut readers::Reader, conditions: &[Condition]) -> Result<Position> {
    let head = query::head(&reader.connection)?;
    for condition in conditions {
        let Condition::NoneSince { filter, after } = condition;
        let readers::Reader { connection, names, index } = &mut *reader;
        let view = |head, questions| index.view(connection, head, questions);
        if ledger::any_after(connection, names, filter, *after, &view)? {
            return Ok(Position::START);
        }
    }
    Ok(head)
}

fn about(options: &SqliteOptions) -> About {
    let (setting, durability, exceptions) = match options.sync {
        Sync::Full => ("", "survives a crash of the process and of the machine", Vec::new()),
        Sync::Normal => (
            "?sync=normal",
            "survives a crash of the process; a crash of the machine may take what came since the last checkpoint, up to \
             the last few seconds",
            vec![(2, "sync=normal was asked for".to_owned())],
        ),
    };
    About {
        kind: "sqlite".into(),
        url: format!("sqlite:{}{setting}", options.path.display()),
        durability: durability.into(),
        exceptions,
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn about(&self) -> &About {
        &self.about
    }

    async fn append(&self, batches: Vec<Batch>) -> Vec<Result<Appended>> {
        let count = batches.len();
        let mut prepared = Vec::with_capacity(count);
        for batch in batches {
            prepared.push(self.prepare(batch).await);
        }
        let outcomes = self.ask(|answer| Job::Append { batches: prepared, answer }).await;
        outcomes.unwrap_or_else(|error| vec![Err(error); count])
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        let read = read.clone();
        self.readers.with(move |reader| reader.page(&read)).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        Shared::start_keeper(&self.shared);
        self.shared.published.subscribe()
    }

    async fn version(&self, stream: &StreamName) -> Result<Version> {
        let stream = stream.clone();
        self.readers
            .with(move |reader| {
                Ok(reader.view()?.head_of(&stream)?.map_or(Version::NONE, |head| head.version))
            })
            .await
    }

    async fn count(&self, count: &Count) -> Result<Vec<Group>> {
        let asked = count.clone();
        if let Some(groups) =
            self.readers.with(move |reader| count::count(&reader.connection, &asked)).await?
        {
            return Ok(groups);
        }
        Counter::by_reading(self, count).await
    }

    async fn remove(&self, removal: &Removal) -> Result<Removed> {
        self.remove_in_parts(removal).await
    }

    async fn compact(&self) -> Result<Compacted> {
        self.ask(|answer| Job::Compact { answer }).await?
    }

    fn snapshots(&self) -> &dyn Snapshots {
        self
    }

    async fn health(&self) -> Health {
        let read = Read::before(Filter::all(), Position::MAX).limit(1);
        let newest = self.read(&read).await;
        let last = self.shared.published.last_commit();
        let closed = self.shared.published.is_closed().then(|| Error::stopped("the log is closed"));
        let read_only = self.read_only.then(|| Error::denied("the file cannot be written"));
        let problem =
            self.shared.problem().or(closed).or(read_only).or_else(|| newest.as_ref().err().cloned());
        let size =
            |ending| std::fs::metadata(file::beside(&self.path, ending)).map_or(0, |found| found.len());
        Health {
            healthy: problem.is_none(),
            head: newest
                .ok()
                .and_then(|page| page.events.first().map(|event| event.position))
                .unwrap_or_default(),
            bytes: Some(size("") + size("-wal")),
            waiting: (QUEUE_APPENDS_MAX - self.jobs.capacity()) as u64,
            last_commit_us: last.map(|(micros, _)| micros),
            last_append_at: last.map(|(_, at)| at),
            problem: problem.map(|error| error.to_string()),
            ..Health::default()
        }
    }

    async fn check(&self) -> Result<Report> {
        self.readers.with(check::check).await
    }

    async fn close(&self) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.readers.finish().await;
        let outcome = match self.jobs.send(Job::Close { answer }).await {
            Ok(()) => answered.await.unwrap_or(Ok(())),
            // It is closed already.
            Err(_) => Ok(()),
        };
        self.shared.close();
        self.join();
        outcome
    }
}

/// Says so when the writer has ended by a mistake of ours, so that nobody waits for it.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stopped(&Error::stopped("the writer has panicked").with_hint("open the log again"));
            self.0.close();
        }
    }
}

impl SqliteStore {
    /// Waits for the writer's last act.
    fn join(&self) {
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!(path = %self.path.display(), "the writer has panicked");
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // The writer ends, and folds the file, when the last sender is gone.
        let (closed, _) = mpsc::channel(1);
        self.jobs = closed;
        self.readers.close();
        self.join();
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("url", &self.about.url).finish_non_exhaustive()
    }
}

#[async_trait]
impl Snapshots for SqliteStore {
    async fn load(&self, key: &str, at: Position) -> Result<Option<Snapshot>> {
        let key = key.to_owned();
        self.readers.with(move |reader| snapshots::load(&reader.connection, &key, at)).await
    }

    async fn save(&self, snapshot: Snapshot, expect: Option<Revision>, keep: Keep) -> Result<Revision> {
        snapshot.check()?;
        let snapshot = Box::new(snapshot);
        self.ask(|answer| Job::Save { snapshot, expect, keep, answer }).await?
    }

    async fn list(&self, prefix: &str, after: Option<(&str, Position)>) -> Result<Vec<SnapshotInfo>> {
        let prefix = prefix.to_owned();
        let after = after.map(|(key, position)| (key.to_owned(), position));
        self.readers
            .with(move |reader| {
                let after = after.as_ref().map(|(key, position)| (key.as_str(), *position));
                snapshots::list(&reader.connection, &prefix, after)
            })
            .await
    }

    async fn forget(&self, key: &str, below: Position) -> Result<u64> {
        self.forget_which(key, Forget::Below(below)).await
    }

    async fn forget_at(&self, key: &str, positions: &[Position]) -> Result<u64> {
        self.forget_which(key, Forget::At(positions.to_vec())).await
    }
}
