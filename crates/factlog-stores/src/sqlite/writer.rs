//! The one thread that writes: it gathers what waits into one commit, and answers when that is on the disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::{Duration, Instant};

use factlog::admission::{self, Admission};
use factlog::limits::{GROUP_BYTES_MAX, GROUP_EVENTS_MAX};
use factlog::{
    Appended, Batch, Compacted, Error, ErrorKind, Keep, Position, Removed, Result, Revision, Snapshot,
    Timestamp,
};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::error::{changed_nothing, told};
use super::file::beside;
use super::index::{Index, Upkeep};
use super::ledger::{Heads, OpenLedger};
use super::removal::Part;
use super::shared::Shared;
use super::{compact, snapshots};
use crate::system;

/// Groups up to this size are answered by the writer itself; larger ones by a thread of their own, so that the next
/// commit need not wait for the waking of many callers.
const DIRECT_ANSWERS_MAX: usize = 8;
/// A process that has committed this often is here to stay: the write-ahead log is then written ahead.
const PREWRITE_AFTER_GROUPS: u64 = 64;
/// How far it is written ahead.
const PREWRITE_BYTES: u64 = 32 * 1024 * 1024;
/// While other processes write too, this long a pause lets them have the lock.
const YIELD_US: u64 = 150;
/// How long a group waits for callers who have just been answered: without, a few callers fall into two halves that
/// wait for each other's commits.
const GATHER_US: u64 = 80;
/// More callers than this make good groups by themselves, and need the processor.
const GATHER_CALLERS_MAX: usize = 16;

/// One request of a caller.
pub(super) enum Job {
    Append {
        batches: Vec<Prepared>,
        answer: oneshot::Sender<Vec<Result<Appended>>>,
    },
    Save {
        snapshot: Box<Snapshot>,
        expect: Option<Revision>,
        keep: Keep,
        answer: oneshot::Sender<Result<Revision>>,
    },
    Forget {
        key: String,
        which: snapshots::Forget,
        answer: oneshot::Sender<Result<u64>>,
    },
    Remove {
        part: Box<Part>,
        answer: oneshot::Sender<Result<Removed>>,
    },
    Compact {
        answer: oneshot::Sender<Result<Compacted>>,
    },
    Close {
        answer: oneshot::Sender<Result<()>>,
    },
}

/// A batch as the caller's thread has made it ready.
pub(super) struct Prepared {
    pub(super) batch: Batch,
    pub(super) envelopes: Vec<Option<String>>,
    /// Its conditions hold up to here.
    pub(super) clear_to: Position,
}

/// What a caller is told once the commit is done.
enum Answer {
    /// With the batches, which are freed once the caller knows: by another thread than the writer's where groups are large.
    Appended(oneshot::Sender<Vec<Result<Appended>>>, Vec<Result<Appended>>, Vec<Prepared>),
    Saved(oneshot::Sender<Result<Revision>>, Result<Revision>),
    Forgot(oneshot::Sender<Result<u64>>, Result<u64>),
    Removed(oneshot::Sender<Result<Removed>>, Result<Removed>),
}

impl Answer {
    /// Sends it, or the error that undid everything; nobody may be waiting any more, and that is fine.
    fn send(self, undone: Option<&Error>) {
        fn or<T>(outcome: Result<T>, undone: Option<&Error>) -> Result<T> {
            undone.map_or(outcome, |error| Err(error.clone()))
        }
        match self {
            Self::Appended(answer, outcomes, batches) => {
                let outcomes = outcomes.into_iter().map(|outcome| or(outcome, undone)).collect();
                let _ = answer.send(outcomes);
                drop(batches);
            }
            Self::Saved(answer, outcome) => drop(answer.send(or(outcome, undone))),
            Self::Forgot(answer, outcome) => drop(answer.send(or(outcome, undone))),
            Self::Removed(answer, outcome) => drop(answer.send(or(outcome, undone))),
        }
    }
}

impl Job {
    /// Whether it goes into no transaction with others.
    fn is_alone(&self) -> bool {
        matches!(self, Self::Close { .. } | Self::Compact { .. })
    }

    fn weight(&self) -> (usize, usize) {
        match self {
            Self::Append { batches, .. } => batches.iter().fold((0, 0), |(events, bytes), prepared| {
                (events + prepared.batch.events().len(), bytes + prepared.batch.bytes())
            }),
            Self::Save { snapshot, .. } => (1, snapshot.data.as_str().len()),
            _ => (1, 0),
        }
    }

    /// The answer to a job that was not begun.
    fn refuse(self, error: &Error) {
        match self {
            Self::Append { batches, answer } => {
                let _ = answer.send(batches.iter().map(|_| Err(error.clone())).collect());
            }
            Self::Save { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::Forget { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::Remove { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::Compact { answer } => drop(answer.send(Err(error.clone()))),
            Self::Close { answer } => drop(answer.send(Ok(()))),
        }
    }
}

pub(super) struct Writer {
    path: PathBuf,
    connection: Connection,
    heads: Heads,
    upkeep: Upkeep,
    shared: Arc<Shared>,
    /// The thread that answers large groups, once there was one.
    answers: Option<std_mpsc::Sender<(Vec<Answer>, Option<Error>)>>,
    groups: u64,
    /// Callers who are likely to ask again at once: those just answered, and those who wait already.
    expected: usize,
    others_write: bool,
    /// Why it no longer writes.
    stopped: Option<Error>,
}

impl Writer {
    pub(super) fn new(
        path: PathBuf,
        connection: Connection,
        shared: Arc<Shared>,
        index: &Index,
    ) -> Result<Self> {
        rusqlite::vtab::array::load_module(&connection).map_err(|error| told(&path, error))?;
        let heads = Heads::default();
        let upkeep = Upkeep::new(index, shared.options());
        Ok(Self {
            path,
            connection,
            heads,
            upkeep,
            shared,
            answers: None,
            groups: 0,
            expected: 0,
            others_write: false,
            stopped: None,
        })
    }

    /// Works until everyone who could ask is gone, or the store is closed.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut left = None;
        while let Some(first) = left.take().or_else(|| jobs.blocking_recv()) {
            if let Job::Close { answer } = first {
                jobs.close();
                while let Some(job) = jobs.blocking_recv() {
                    job.refuse(&Error::stopped("the log is closed"));
                }
                let closed = self.close();
                let _ = answer.send(closed);
                return;
            }
            if let Job::Compact { answer } = first {
                let _ = answer.send(self.compact());
                continue;
            }
            self.gather(&jobs);
            let (mut events, mut bytes) = first.weight();
            let mut group = vec![first];
            while events < GROUP_EVENTS_MAX && bytes < GROUP_BYTES_MAX {
                match jobs.try_recv() {
                    Ok(job) if job.is_alone() => {
                        left = Some(job);
                        break;
                    }
                    Ok(job) => {
                        let weight = job.weight();
                        events += weight.0;
                        bytes += weight.1;
                        group.push(job);
                    }
                    Err(_) => break,
                }
            }
            let (answers, undone) = self.commit(group);
            self.expected = answers.len() + jobs.len();
            self.answer(answers, undone);
            self.keep_house();
        }
        let _ = self.close();
    }

    /// Lets the callers who are about to ask again come into this commit.
    fn gather(&self, jobs: &mpsc::Receiver<Job>) {
        if self.expected > GATHER_CALLERS_MAX {
            return;
        }
        let began = Instant::now();
        while 1 + jobs.len() < self.expected && began.elapsed() < Duration::from_micros(GATHER_US) {
            std::thread::yield_now();
        }
    }

    /// Does the jobs of a group in one transaction; what their callers are to be told, and the error that undid it all.
    fn commit(&mut self, group: Vec<Job>) -> (Vec<Answer>, Option<Error>) {
        if let Some(error) = &self.stopped {
            group.into_iter().for_each(|job| job.refuse(error));
            return (Vec::new(), None);
        }
        if self.others_write {
            std::thread::sleep(Duration::from_micros(YIELD_US));
        }
        let began = Instant::now();
        let events = group.iter().map(|job| job.weight().0).sum();
        if let Err(error) = self.begin(events) {
            self.undo();
            group.into_iter().for_each(|job| job.refuse(&error));
            return (Vec::new(), None);
        }
        let mut answers = Vec::with_capacity(group.len());
        let mut undone = None;
        let mut jobs = group.into_iter();
        for job in jobs.by_ref() {
            let (answer, fatal) = self.work(job);
            answers.push(answer);
            if fatal.is_some() {
                undone = fatal;
                break;
            }
        }
        if undone.is_none() {
            undone = self.upkeep.share(&self.connection, self.heads.position.0 as i64).err();
        }
        if let Some(error) = &undone {
            self.undo();
            self.stop_on(error);
            jobs.for_each(|job| job.refuse(error));
        } else if let Err(error) = self.execute("COMMIT") {
            undone = Some(self.failed_commit(error));
        } else {
            self.upkeep.committed(self.heads.position.0 as i64);
            self.shared.committed(self.heads.position, began.elapsed());
        }
        (answers, undone)
    }

    fn answer(&mut self, answers: Vec<Answer>, undone: Option<Error>) {
        if answers.len() > DIRECT_ANSWERS_MAX && self.answers.is_none() {
            self.answers = start_answering();
        }
        let left = match &self.answers {
            Some(thread) if answers.len() > DIRECT_ANSWERS_MAX => thread.send((answers, undone)),
            _ => Err(std_mpsc::SendError((answers, undone))),
        };
        if let Err(std_mpsc::SendError((answers, undone))) = left {
            answers.into_iter().for_each(|answer| answer.send(undone.as_ref()));
        }
    }

    fn ledger(&mut self) -> OpenLedger<'_> {
        OpenLedger { connection: &self.connection, heads: &mut self.heads, upkeep: &mut self.upkeep }
    }

    /// Runs a statement that is prepared once.
    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(|_| ())
    }

    fn begin(&mut self, events: usize) -> Result<()> {
        self.execute("BEGIN IMMEDIATE").map_err(|error| told(&self.path, error))?;
        let known = self.heads.position > Position::START;
        let changed = self.ledger().refresh(events)?;
        self.others_write = known && changed;
        Ok(())
    }

    /// Does one job inside the transaction; an error beside the answer means that the whole transaction cannot stand.
    fn work(&mut self, job: Job) -> (Answer, Option<Error>) {
        match job {
            Job::Append { batches, answer } => {
                let mut outcomes = Vec::with_capacity(batches.len());
                let mut undone = None;
                for prepared in &batches {
                    let outcome = undone
                        .clone()
                        .map_or_else(|| self.append(prepared), |error| Err(Failed::Undone(error)));
                    outcomes.push(told_apart(outcome, &mut undone));
                }
                (Answer::Appended(answer, outcomes, batches), undone)
            }
            Job::Save { snapshot, expect, keep, answer } => {
                let outcome = snapshots::save(&self.connection, *snapshot, expect, keep);
                let mut undone = None;
                (Answer::Saved(answer, told_apart(outcome.map_err(Failed::of), &mut undone)), undone)
            }
            Job::Forget { key, which, answer } => {
                let outcome = snapshots::forget(&self.connection, &key, &which);
                let mut undone = None;
                (Answer::Forgot(answer, told_apart(outcome.map_err(Failed::of), &mut undone)), undone)
            }
            Job::Remove { part, answer } => {
                let mut undone = None;
                let outcome = self.remove(&part);
                (Answer::Removed(answer, told_apart(outcome, &mut undone)), undone)
            }
            Job::Compact { .. } | Job::Close { .. } => unreachable!("what is alone is in no group"),
        }
    }

    /// A failure before anything of the batch was written, which refuses this batch alone; unless SQLite itself has taken
    /// the transaction back.
    fn refused(&self, error: Error) -> Failed {
        if self.connection.is_autocommit() { Failed::Undone(error) } else { Failed::Refused(error) }
    }

    fn append(&mut self, prepared: &Prepared) -> Result<Appended, Failed> {
        let Prepared { batch, envelopes, clear_to } = prepared;
        self.heads.clear_to = *clear_to;
        let mut ledger = self.ledger();
        let admitted = admission::admit(batch, &mut ledger, Timestamp::now());
        match admitted.map_err(|error| self.refused(error))? {
            Admission::Repeated(appended) => Ok(appended),
            Admission::Record(stamps) => {
                self.ledger().record(batch, &stamps, envelopes).map_err(Failed::Undone)?;
                Ok(admission::appended(batch, &stamps))
            }
        }
    }

    fn remove(&mut self, part: &Part) -> Result<Removed, Failed> {
        let mut ledger = self.ledger();
        // Another process may have taken some of them out since they were looked for.
        let positions = ledger.still_there(&part.positions).map_err(|error| self.refused(error))?;
        let count = positions.len() as u64;
        if count == 0 {
            return Ok(Removed { count, position: None });
        }
        let batch = Batch::of_removal(&part.removal, self.heads.position, count)
            .map_err(|error| self.refused(error))?;
        let envelopes = super::ledger::envelopes(&batch);
        let appended = self.append(&Prepared { batch, envelopes, clear_to: Position::START })?;
        self.upkeep.complete(&self.connection).map_err(Failed::Undone)?;
        self.ledger().take_out(&positions).map_err(Failed::Undone)?;
        Ok(Removed { count, position: Some(appended.last()) })
    }

    fn compact(&self) -> Result<Compacted> {
        if let Some(error) = &self.stopped {
            return Err(error.clone());
        }
        compact::compact(self.shared.options())
    }

    /// Takes the transaction back, and forgets what was remembered of it.
    fn undo(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            let error = told(&self.path, error);
            self.stop(&error);
        }
        self.heads = Heads::default();
        self.upkeep.undone();
    }

    /// Stops on an error that may come of a failing disk.
    fn stop_on(&mut self, error: &Error) {
        if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Stopped) {
            self.stop(error);
        }
    }

    fn stop(&mut self, error: &Error) {
        let stopped = Error::stopped(format!("the log has stopped writing: {error}"))
            .with_hint("open it again; what was acknowledged is there");
        self.shared.stopped(&stopped);
        self.stopped = Some(stopped);
    }

    fn failed_commit(&mut self, error: rusqlite::Error) -> Error {
        let certain = changed_nothing(&error);
        let error = told(&self.path, error);
        self.undo();
        if certain {
            return error;
        }
        // Whether the batch is on the disk is not known: nothing more is written before the file is read again.
        self.stop(&error);
        Error::stopped(format!("the commit failed, and whether it is on the disk is not known: {error}"))
            .with_hint("open the log again and look for the events by their ids")
    }

    /// What a long-lived writer does between two groups.
    fn keep_house(&mut self) {
        if self.stopped.is_some() {
            return;
        }
        self.groups += 1;
        if self.groups == PREWRITE_AFTER_GROUPS {
            Shared::start_keeper(&self.shared);
            self.prewrite();
        }
        if self.shared.take_restart_wish() {
            // Most of it is copied already; with nobody writing now, the rest follows, and the log begins anew.
            if let Err(error) = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
                tracing::warn!(%error, "checkpoint failed; it will be tried again");
            }
        }
    }

    /// Lengthens the write-ahead log with zeros, so that commits need not change the file's size. SQLite passes over
    /// frames whose checksum is wrong; nobody else appends while the write lock is held.
    fn prewrite(&mut self) {
        if !cfg!(unix) || self.connection.execute_batch("BEGIN IMMEDIATE").is_err() {
            return;
        }
        if let Err(error) = system::extend_with_zeros(&beside(&self.path, "-wal"), PREWRITE_BYTES) {
            tracing::debug!(%error, "write-ahead log not written ahead");
        }
        self.undo_quietly();
    }

    fn undo_quietly(&mut self) {
        if let Err(error) = self.connection.execute_batch("ROLLBACK") {
            self.stop(&told(&self.path, error));
        }
    }

    /// Folds the write-ahead log in; the last connection to go takes it away.
    fn close(self) -> Result<()> {
        let Self { path, connection, shared, stopped, mut upkeep, .. } = self;
        shared.close();
        upkeep.settle();
        if stopped.is_none()
            && let Err(error) = upkeep.close(&connection)
        {
            // Whoever opens the log next goes on with it.
            tracing::debug!(%error, "the lists stay behind for now");
        }
        if stopped.is_none() && shared.wal_is_long() {
            // Another process may be reading; it will fold the rest in when it goes.
            let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
        connection.close().map_err(|(_, error)| told(&path, error))
    }
}

/// Starts the thread that answers; it ends with the writer, when the channel closes. Without one the writer answers.
fn start_answering() -> Option<std_mpsc::Sender<(Vec<Answer>, Option<Error>)>> {
    let (answers, waiting) = std_mpsc::channel::<(Vec<Answer>, Option<Error>)>();
    let answer = move || {
        for (group, undone) in waiting {
            group.into_iter().for_each(|answer| answer.send(undone.as_ref()));
        }
    };
    std::thread::Builder::new().name("factlog-answers".into()).spawn(answer).ok().map(|_| answers)
}

/// Why a job was not done.
enum Failed {
    /// It is refused alone; the transaction is as it was before.
    Refused(Error),
    /// The transaction cannot stand.
    Undone(Error),
}

impl Failed {
    /// A conflict or bad input refuses; anything else leaves something half done.
    fn of(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Conflict | ErrorKind::Invalid => Self::Refused(error),
            _ => Self::Undone(error),
        }
    }
}

/// The caller's outcome, with what undoes the transaction put aside.
fn told_apart<T>(outcome: Result<T, Failed>, undone: &mut Option<Error>) -> Result<T> {
    outcome.map_err(|failed| match failed {
        Failed::Refused(error) => error,
        Failed::Undone(error) => undone.insert(error).clone(),
    })
}
