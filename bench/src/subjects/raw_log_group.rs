//! The floor with group commit: one thread writes what waits and syncs once, into a file that is written ahead with
//! zeros, so that a sync need not change its size.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail};
use tokio::sync::oneshot;

use super::raw_log::{decode, encode};
use super::sqlite::Heads;
use super::{Seen, Subject, What};
use crate::workload::Batch;

/// Bytes that a writer gathers at the most.
const GROUP_BYTES_MAX: usize = 1 << 20;
/// How far the file is written ahead at a time.
const AHEAD_BYTES: u64 = 64 << 20;

struct Job {
    batches: Vec<Batch>,
    bytes: Vec<u8>,
    answer: oneshot::Sender<u64>,
}

struct RawLogGroup {
    path: PathBuf,
    jobs: Sender<Job>,
    thread: JoinHandle<Result<()>>,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Subject>> {
    let path = folder.join("group.log");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
    let ahead = if file.metadata()?.len() == 0 { go_ahead(&file, 0)? } else { 0 };
    let (jobs, waiting) = channel();
    let thread = std::thread::spawn(move || write(&file, ahead, &waiting));
    Ok(Box::new(RawLogGroup { path, jobs, thread }))
}

fn go_ahead(file: &File, from: u64) -> Result<u64> {
    let zeros = vec![0; 1 << 20];
    for start in (from..from + AHEAD_BYTES).step_by(zeros.len()) {
        write_at(file, &zeros, start)?;
    }
    file.sync_all()?;
    Ok(from + AHEAD_BYTES)
}

fn write_at(mut file: &File, bytes: &[u8], at: u64) -> Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(at))?;
    Ok(file.write_all(bytes)?)
}

fn write(file: &File, mut ahead: u64, waiting: &Receiver<Job>) -> Result<()> {
    let mut heads = Heads::new(0);
    let mut end = 0;
    let (mut bytes, mut answers) = (Vec::new(), Vec::new());
    while let Ok(first) = waiting.recv() {
        let mut next = Some(first);
        while let Some(job) = next {
            for batch in &job.batches {
                heads.admit(batch)?;
            }
            bytes.extend_from_slice(&job.bytes);
            answers.push((job.answer, heads.position));
            next = if bytes.len() < GROUP_BYTES_MAX { waiting.try_recv().ok() } else { None };
        }
        if end + bytes.len() as u64 > ahead {
            ahead = go_ahead(file, ahead)?;
        }
        write_at(file, &bytes, end)?;
        file.sync_data()?;
        end += bytes.len() as u64;
        bytes.clear();
        for (answer, last) in answers.drain(..) {
            // Nobody may be waiting any more.
            let _ = answer.send(last);
        }
    }
    Ok(())
}

impl RawLogGroup {
    fn ask(&self, batches: Vec<Batch>) -> Result<u64> {
        let (answer, answered) = oneshot::channel();
        let mut bytes = Vec::new();
        for batch in &batches {
            encode(batch, &mut bytes);
        }
        self.jobs.send(Job { batches, bytes, answer }).ok().context("the writer has ended")?;
        answered.blocking_recv().context("the writer has failed")
    }
}

impl Subject for RawLogGroup {
    fn append(&self, batch: Batch) -> Result<u64> {
        self.ask(vec![batch])
    }

    fn import(&self, batches: Vec<Batch>) -> Result<()> {
        self.ask(batches).map(|_| ())
    }

    fn read(&self, _what: &What) -> Result<Seen> {
        decode(File::open(&self.path)?)
    }

    fn head(&self) -> Result<u64> {
        bail!("it does not know")
    }

    fn close(self: Box<Self>) -> Result<()> {
        drop(self.jobs);
        match self.thread.join() {
            Ok(ended) => ended,
            Err(_) => bail!("the writer has panicked"),
        }
    }
}
