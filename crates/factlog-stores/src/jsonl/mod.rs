//! The log as plain text: a folder for each day, lines in order, a checksum on each. docs/plain-text.md shows it.
//!
//! Callers put their lines into an open group themselves; one thread takes the log's lock, writes group after group, each
//! with one sync, and gives the lock back, so that any number of processes may write in turn. Everything under `indexes` is
//! derived, and built again where it is missing.

mod active;
mod check;
mod create;
mod files;
#[cfg(feature = "simulation")]
pub mod fuzzing;
mod group;
mod index;
mod ledger;
mod line;
mod load;
mod lock;
mod log;
mod mark;
mod open;
mod query;
mod removal;
mod runs;
mod segment;
mod snapshots;
mod stream_files;
mod view;
mod walk;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use factlog::limits::{GROUP_BYTES_MAX, QUEUE_APPENDS_MAX};
use factlog::{
    About, Appended, Batch, Condition, Count, Counter, Error, ErrorKind, Filter, Group, Health, Keep, Moved,
    Page, Position, Read, Removal, Removed, Report, Result, Revision, Snapshot, SnapshotInfo, Snapshots,
    Store, StreamName, Version,
};
use tokio::sync::{Semaphore, oneshot, watch};

use self::files::Files;
use self::group::Prepared;
use self::line::Encoded;
use self::load::Mode;
use self::log::Log;
use self::writer::Writer;
use crate::vfs::{RealDisk, Vfs};
use crate::{Open, system};

/// How often other processes' appends are looked for.
const HEAD_POLL_MS: u64 = 5;
/// Reads that go on at the same time; further ones wait.
const READS_MAX: usize = 8;
/// Long enough for other processes' writes to pass; shorter than a person's patience.
const LOCK_WAIT_MS: u64 = 10_000;
/// A segment of this many bytes is ended.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Events of one index file.
const INDEX_EVENTS: usize = 65_536;
/// Space is written ahead up to the next boundary of this size, and once more.
const AHEAD_BYTES: u64 = 256 * 1024;

/// Which folder, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonlOptions {
    /// The folder.
    pub path: PathBuf,
    /// Whether newlines are written ahead of the lines, which makes appends faster; `tail -f` wants them off.
    pub prewrite: bool,
    /// Whether each stream's events are kept in a file of its own too, for people; `None` leaves it as the log has it.
    pub stream_files: Option<bool>,
    /// How long to wait for another process that writes, before giving up.
    pub lock_wait: Duration,
    /// Sizes.
    pub tuning: Tuning,
}

/// Sizes of a plain-text log's parts; tests make them small, so that little data has many parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// A segment of this many bytes is ended.
    pub segment_bytes: u64,
    /// Events of one index file.
    pub index_events: usize,
    /// Space is written ahead up to the next boundary of this size, and once more.
    pub ahead_bytes: u64,
    /// Whether indexes are made on a thread of their own.
    pub background: bool,
}

impl JsonlOptions {
    /// A folder, with the usual settings.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let tuning = Tuning {
            segment_bytes: SEGMENT_BYTES,
            index_events: INDEX_EVENTS,
            ahead_bytes: AHEAD_BYTES,
            background: true,
        };
        let lock_wait = Duration::from_millis(LOCK_WAIT_MS);
        Self { path: path.into(), prewrite: true, stream_files: None, lock_wait, tuning }
    }
}

/// A log in a folder of plain text.
pub struct JsonlStore {
    about: About,
    log: Arc<Log>,
    queue: Semaphore,
    reads: Arc<Semaphore>,
    writer: Mutex<Option<JoinHandle<()>>>,
    keeper: Mutex<Option<(std::sync::mpsc::Sender<()>, JoinHandle<()>)>>,
}

impl JsonlStore {
    /// Opens the folder; this blocks for as long as the disk takes.
    ///
    /// # Errors
    /// `NotFound` where there is no log, `Corrupt` for one that is no log, `Invalid` for one that a newer factlog wrote.
    pub fn open(options: &JsonlOptions, open: Open) -> Result<Self> {
        if let Some(kind) = system::network_file_system(&options.path) {
            tracing::warn!(path = %options.path.display(), "the log is on {kind}, whose locks cannot be trusted: keep it to one process");
        }
        Self::open_on(Arc::new(RealDisk), options, open)
    }

    /// Opens the folder on a file system.
    ///
    /// # Errors
    /// As [`JsonlStore::open`].
    pub fn open_on(vfs: Arc<dyn Vfs>, options: &JsonlOptions, open: Open) -> Result<Self> {
        let files = Files::new(vfs, options.clone());
        create::prepare(&files, open)?;
        let mode = if open == Open::Inspect { Mode::Inspect } else { Mode::Write };
        let log = Arc::new(Log::open(files, mode)?);
        let writer = match Writer::new(&log) {
            Some(writer) => Some(start(writer)?),
            None => None,
        };
        if writer.is_some() {
            Log::index_if_due(&log);
        }
        Ok(Self {
            about: about(options),
            log,
            queue: Semaphore::new(QUEUE_APPENDS_MAX),
            reads: Arc::new(Semaphore::new(READS_MAX)),
            writer: Mutex::new(writer),
            keeper: Mutex::new(None),
        })
    }

    fn writable(&self) -> Result<()> {
        if self.log.published.is_closed() {
            return Err(self
                .log
                .core()
                .stopped
                .clone()
                .unwrap_or_else(|| Error::stopped("the log is closed")));
        }
        if self.log.lock.is_none() {
            return Err(Error::denied(format!("{} is read-only", self.log.files.folder.display()))
                .with_hint("check the rights of the log's folder"));
        }
        Ok(())
    }

    /// Runs a read on a thread for such work. Files that another process has just changed are looked at once more.
    async fn with<T: Send + 'static>(
        &self,
        read: impl Fn(&Files, &view::View) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if self.log.published.is_closed() {
            return Err(Error::stopped("the log is closed"));
        }
        let turn = Arc::clone(&self.reads).acquire_owned().await;
        let turn = turn.map_err(|_| Error::stopped("the log is closed"))?;
        let log = Arc::clone(&self.log);
        let task = move || {
            let _turn = turn;
            log.refresh()?;
            let view = log.view();
            match read(&log.files, &view) {
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    log.wait_for_files()?;
                    let newer = log.view();
                    if newer.generation == view.generation { Err(error) } else { read(&log.files, &newer) }
                }
                outcome => outcome,
            }
        };
        let done = tokio::task::spawn_blocking(task).await;
        done.map_err(|error| Error::stopped(format!("a read has failed: {error}")))?
    }

    /// Gives the writer a task and waits for its outcome.
    async fn ask<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Writer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writable()?;
        let (to, answer) = oneshot::channel();
        self.log.submit_task(Box::new(move |writer| {
            let outcome = writer.and_then(|writer| {
                // Whether it is done is not known, and what is judged by it is not either.
                task(writer).inspect_err(|error| {
                    if error.kind() == ErrorKind::Stopped {
                        writer.stop(error);
                    }
                })
            });
            // Who has gone hears nothing.
            let _ = to.send(outcome);
        }));
        answer.await.unwrap_or_else(|_| Err(Error::stopped("the log is closed")))
    }

    /// Makes a batch ready on the caller's thread. Its conditions are looked at before its turn; then only what came since.
    async fn prepare(&self, batch: Batch) -> Prepared {
        let encoded = Encoded::of(&batch);
        let mut clear_to = Position::START;
        if !batch.conditions().is_empty() {
            let conditions = batch.conditions().to_vec();
            // An error here is met again, and told, when its turn comes.
            let clear = self.with(move |files, view| clear(files, view, &conditions)).await;
            clear_to = clear.unwrap_or(Position::START);
        }
        Prepared { batch, encoded, clear_to }
    }

    async fn submit(&self, batches: Vec<Prepared>) -> Vec<Result<Appended>> {
        let count = batches.len();
        let (to, answer) = oneshot::channel();
        self.log.submit(batches, to);
        answer.await.unwrap_or_else(|_| {
            let stopped = self.log.core().stopped.clone();
            vec![Err(stopped.unwrap_or_else(|| Error::stopped("the log is closed"))); count]
        })
    }

    /// Takes out the events of a removal, and keeps the segments they were in, as they are, in a folder.
    ///
    /// # Errors
    /// What [`Store::remove`] says, and `Unavailable` where the folder cannot take the segments.
    pub async fn move_into(&self, removal: &Removal, folder: &Path) -> Result<Moved> {
        let (removal, folder) = (removal.clone(), folder.to_owned());
        self.ask(move |writer| removal::remove(writer, &removal, Some(&folder))).await
    }

    fn start_keeper(&self) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if keeper.is_some() || self.log.published.is_closed() {
            return;
        }
        let (alive, ended) = std::sync::mpsc::channel::<()>();
        let log = Arc::downgrade(&self.log);
        let wait = Duration::from_millis(HEAD_POLL_MS);
        let started = std::thread::Builder::new().name("factlog-keeper".into()).spawn(move || {
            while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(wait) {
                let Some(log) = log.upgrade() else { return };
                if let Err(error) = log.refresh() {
                    tracing::debug!(%error, "other processes' appends are not heard of; it will be tried again");
                }
            }
        });
        match started {
            Ok(thread) => *keeper = Some((alive, thread)),
            Err(error) => tracing::warn!(%error, "other processes' appends are not heard of"),
        }
    }

    fn end(&self) -> Result<()> {
        self.log.core().is_closing = true;
        self.log.work.notify_all();
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((alive, thread)) = keeper {
            drop(alive);
            // It has nothing to say.
            let _ = thread.join();
        }
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = writer.map(JoinHandle::join) {
            tracing::error!(path = %self.log.files.folder.display(), "the writer has panicked");
        }
        self.log.published.close();
        self.log.core().stopped.clone().map_or(Ok(()), Err)
    }
}

/// The position up to which all conditions hold; the start when one does not.
fn clear(files: &Files, view: &view::View, conditions: &[Condition]) -> Result<Position> {
    for condition in conditions {
        let Condition::NoneSince { filter, after } = condition;
        let mut found = false;
        query::each(files, view, filter, *after, |_| {
            found = true;
            false
        })?;
        if found {
            return Ok(Position::START);
        }
    }
    Ok(view.head)
}

/// Starts the thread that writes; when it ends by a mistake of ours, nobody waits for it.
fn start(writer: Writer) -> Result<JoinHandle<()>> {
    struct Ended(Arc<Log>);
    impl Drop for Ended {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let error = Error::stopped("the writer has panicked").with_hint("open the log again");
                let mut core = self.0.core();
                core.stopped = Some(error);
                core.pending.clear();
                core.group = group::Group::default();
                drop(core);
                if let Some(lock) = &self.0.lock {
                    // It is given back with the last handle else.
                    let _ = lock.give_back();
                }
                self.0.published.close();
            }
        }
    }
    let ended = Ended(Arc::clone(&writer.log));
    let run = move || {
        let _ended = ended;
        writer.run();
    };
    let thread = std::thread::Builder::new().name("factlog-writer".into()).spawn(run);
    thread.map_err(|error| Error::unavailable(format!("no thread can be started: {error}")))
}

fn about(options: &JsonlOptions) -> About {
    let setting = if options.prewrite { "" } else { "?prewrite=off" };
    About {
        kind: "jsonl".into(),
        url: format!("jsonl:{}{setting}", options.path.display()),
        durability: "survives a crash of the process and of the machine".into(),
        exceptions: Vec::new(),
    }
}

#[async_trait]
impl Store for JsonlStore {
    fn about(&self) -> &About {
        &self.about
    }

    async fn append(&self, batches: Vec<Batch>) -> Vec<Result<Appended>> {
        if let Err(error) = self.writable() {
            return vec![Err(error); batches.len()];
        }
        // The permit is given back when the answer is there.
        let _place = self.queue.acquire().await;
        let mut outcomes = Vec::with_capacity(batches.len());
        let (mut chunk, mut bytes) = (Vec::with_capacity(batches.len()), 0);
        for batch in batches {
            let prepared = self.prepare(batch).await;
            let more = prepared.encoded.bytes_max();
            // Lines with times of their own have another mark of their write.
            let is_alike = chunk.last().is_none_or(|last: &Prepared| last.is_kept() == prepared.is_kept());
            if bytes > 0 && (bytes + more > GROUP_BYTES_MAX || !is_alike) {
                outcomes.extend(self.submit(std::mem::take(&mut chunk)).await);
                bytes = 0;
            }
            bytes += more;
            chunk.push(prepared);
        }
        if !chunk.is_empty() {
            outcomes.extend(self.submit(chunk).await);
        }
        outcomes
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        let read = read.clone();
        self.with(move |files, view| query::page(files, view, &read)).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.start_keeper();
        self.log.published.subscribe()
    }

    async fn version(&self, stream: &StreamName) -> Result<Version> {
        if self.log.published.is_closed() {
            return Err(Error::stopped("the log is closed"));
        }
        self.log.refresh()?;
        match self.log.version(stream) {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let (log, stream) = (Arc::clone(&self.log), stream.clone());
                let again = tokio::task::spawn_blocking(move || {
                    log.wait_for_files()?;
                    log.version(&stream)
                });
                again.await.unwrap_or(Err(error))
            }
            outcome => outcome,
        }
    }

    async fn count(&self, count: &Count) -> Result<Vec<Group>> {
        let count = count.clone();
        self.with(move |files, view| {
            let mut counter = Counter::new(count.by.clone());
            let mut failed = None;
            query::each(files, view, &count.filter, Position::START, |event| {
                failed = counter.add(event).err();
                failed.is_none()
            })?;
            failed.map_or_else(|| Ok(counter.groups()), Err)
        })
        .await
    }

    async fn remove(&self, removal: &Removal) -> Result<Removed> {
        let removal = removal.clone();
        self.ask(move |writer| removal::remove(writer, &removal, None)).await.map(|moved| moved.removed)
    }

    async fn archive(&self, removal: &Removal) -> Result<Option<Moved>> {
        match &removal.archive {
            Some(folder) if removal::is_of_days(removal) => {
                self.move_into(removal, Path::new(folder)).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn repair(&self) -> Result<Vec<String>> {
        self.ask(Writer::repair).await
    }

    fn snapshots(&self) -> &dyn Snapshots {
        self
    }

    async fn health(&self) -> Health {
        let newest = self.read(&Read::before(Filter::all(), Position::MAX).limit(1)).await;
        let core = self.log.core();
        let (stopped, waiting) = (core.stopped.clone(), QUEUE_APPENDS_MAX - self.queue.available_permits());
        drop(core);
        let problem = stopped.or_else(|| self.writable().err()).or_else(|| newest.as_ref().err().cloned());
        let last = self.log.published.last_commit();
        Health {
            healthy: problem.is_none(),
            head: self.log.view().head,
            bytes: check::bytes(&self.log.files),
            waiting: waiting as u64,
            last_commit_us: last.map(|(micros, _)| micros),
            last_append_at: last.map(|(_, at)| at),
            problem: problem.map(|error| error.to_string()),
            ..Health::default()
        }
    }

    async fn check(&self) -> Result<Report> {
        let generation = self.log.view().generation;
        let report = self.with(check::check).await?;
        if report.problems.is_empty() {
            return Ok(report);
        }
        // Files that were written anew meanwhile are looked at once more.
        let log = Arc::clone(&self.log);
        let newer = tokio::task::spawn_blocking(move || log.wait_for_files().map(|()| log.view().generation));
        match newer.await {
            Ok(Ok(newer)) if newer != generation => self.with(check::check).await,
            _ => Ok(report),
        }
    }

    async fn close(&self) -> Result<()> {
        // Reads that are going on come to their end first.
        let last = self.reads.acquire_many(READS_MAX as u32).await.ok();
        self.reads.close();
        drop(last);
        self.end()
    }
}

impl Drop for JsonlStore {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::debug!(%error, "the log was dropped after it had stopped");
        }
    }
}

impl fmt::Debug for JsonlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonlStore").field("url", &self.about.url).finish_non_exhaustive()
    }
}

#[async_trait]
impl Snapshots for JsonlStore {
    async fn load(&self, key: &str, at: Position) -> Result<Option<Snapshot>> {
        let key = key.to_owned();
        self.with(move |files, _| snapshots::load(files, &key, at)).await
    }

    async fn save(&self, snapshot: Snapshot, expect: Option<Revision>, keep: Keep) -> Result<Revision> {
        snapshot.check()?;
        self.ask(move |writer| snapshots::save(&writer.log.files, &snapshot, expect, keep)).await
    }

    async fn list(&self, prefix: &str, after: Option<(&str, Position)>) -> Result<Vec<SnapshotInfo>> {
        let prefix = prefix.to_owned();
        let after = after.map(|(key, position)| (key.to_owned(), position));
        self.with(move |files, _| {
            let after = after.as_ref().map(|(key, position)| (key.as_str(), *position));
            snapshots::list(files, &prefix, after)
        })
        .await
    }

    async fn forget(&self, key: &str, below: Position) -> Result<u64> {
        let key = key.to_owned();
        self.ask(move |writer| snapshots::forget(&writer.log.files, &key, |at| at < below)).await
    }

    async fn forget_at(&self, key: &str, positions: &[Position]) -> Result<u64> {
        let (key, positions) = (key.to_owned(), positions.to_vec());
        self.ask(move |writer| snapshots::forget(&writer.log.files, &key, |at| positions.contains(&at))).await
    }
}
