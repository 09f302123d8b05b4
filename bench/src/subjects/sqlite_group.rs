//! A plain group-committing log on SQLite: one thread writes what waits in one commit, another answers.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::sqlite::{self, Heads};
use super::{Seen, Subject, What};
use crate::workload::Batch;

/// Events in one commit, as many as factlog's writer takes.
const GROUP_EVENTS_MAX: usize = 1_000;

/// Batches, and where the position of the last event is awaited.
type Job = (Vec<Batch>, oneshot::Sender<u64>);

struct SqliteGroup {
    jobs: Sender<Job>,
    threads: Vec<JoinHandle<Result<()>>>,
    reader: Mutex<Connection>,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Subject>> {
    let path = folder.join("group.db");
    let writer = sqlite::connect(&path)?;
    let reader = Mutex::new(sqlite::connect(&path)?);
    let (jobs, waiting) = channel();
    let (answers, answered) = channel::<Vec<(oneshot::Sender<u64>, u64)>>();
    let write = std::thread::spawn(move || write(&writer, &waiting, &answers));
    let answer = std::thread::spawn(move || {
        for (answer, last) in answered.into_iter().flatten() {
            // Nobody may be waiting any more.
            let _ = answer.send(last);
        }
        Ok(())
    });
    Ok(Box::new(SqliteGroup { jobs, threads: vec![write, answer], reader }))
}

fn write(
    connection: &Connection,
    waiting: &Receiver<Job>,
    answers: &Sender<Vec<(oneshot::Sender<u64>, u64)>>,
) -> Result<()> {
    let mut heads = Heads::new(sqlite::head(connection)?);
    let events = |job: &Job| job.0.iter().map(|batch| batch.facts.len()).sum::<usize>();
    while let Ok(first) = waiting.recv() {
        let mut gathered = events(&first);
        let mut group = vec![first];
        while gathered < GROUP_EVENTS_MAX
            && let Ok(job) = waiting.try_recv()
        {
            gathered += events(&job);
            group.push(job);
        }
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut done = Vec::with_capacity(group.len());
        for (batches, answer) in group {
            for batch in &batches {
                heads.admit(batch)?;
                sqlite::insert(connection, batch, heads.position)?;
            }
            done.push((answer, heads.position));
        }
        connection.execute_batch("COMMIT")?;
        answers.send(done).context("nobody answers")?;
    }
    Ok(())
}

impl SqliteGroup {
    fn ask(&self, batches: Vec<Batch>) -> Result<u64> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send((batches, answer)).ok().context("the writer has ended")?;
        answered.blocking_recv().context("the writer has failed")
    }
}

impl Subject for SqliteGroup {
    fn append(&self, batch: Batch) -> Result<u64> {
        self.ask(vec![batch])
    }

    fn import(&self, batches: Vec<Batch>) -> Result<()> {
        self.ask(batches).map(|_| ())
    }

    fn read(&self, _what: &What) -> Result<Seen> {
        sqlite::scan(&self.reader.lock().unwrap_or_else(PoisonError::into_inner), "ORDER BY position", [])
    }

    fn head(&self) -> Result<u64> {
        sqlite::head(&self.reader.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn close(self: Box<Self>) -> Result<()> {
        drop(self.jobs);
        for thread in self.threads {
            match thread.join() {
                Ok(ended) => ended?,
                Err(_) => bail!("a thread has panicked"),
            }
        }
        Ok(())
    }
}
