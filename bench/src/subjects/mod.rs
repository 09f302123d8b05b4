//! What is measured: factlog and its peers, behind one small trait.

mod factlog;
mod factlog_states;
mod json_scan;
mod raw_log;
mod raw_log_group;
mod sqlite;
mod sqlite_loop;
mod sqlite_group;
mod sqlite_scan;
mod tephra;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use uuid::Uuid;

use crate::measure::Appends;
use crate::test::Test;
use crate::workload::Batch;

/// A log that is open.
pub(crate) trait Subject: Send + Sync {
    /// Records a batch if its stream is at the expected version, and says where its last event stands. What is promised
    /// to survive a crash does so when this returns.
    fn append(&self, batch: Batch) -> Result<u64>;

    /// Records independent batches in their order, as fast as one producer can.
    fn import(&self, batches: Vec<Batch>) -> Result<()> {
        for batch in batches {
            self.append(batch)?;
        }
        Ok(())
    }

    /// Lets so many tasks of one runtime append for so long; none where callers are threads.
    fn tasks(&self, _writers: usize, _batch: usize, _took: Duration) -> Option<Result<Appends>> {
        None
    }

    /// Reads events, each into values of its own where the subject has such.
    fn read(&self, what: &What) -> Result<Seen>;

    /// The newest position.
    fn head(&self) -> Result<u64>;

    /// Hands out the position of each event as it comes, for as long as it is told to go on.
    fn follow(&self, _deliver: &mut dyn FnMut(u64) -> bool) -> Result<()> {
        bail!("it cannot be followed")
    }

    /// Builds a projection of everything from nothing, and says how many events are in it.
    fn rebuild(&self) -> Result<u64> {
        bail!("it has no projections")
    }

    /// Starts a projection that notes when it takes each event in.
    fn project(&self) -> Result<Box<dyn Projecting>> {
        bail!("it has no projections")
    }

    /// Remembers what states of the past are looked at from; a second time changes nothing.
    fn remember(&self) -> Result<()> {
        bail!("it remembers nothing")
    }

    /// Looks at a state of the past, and says how many events are in it.
    fn look(&self, _look: Look, _remembered: bool) -> Result<u64> {
        bail!("it has no past")
    }

    /// Ends it properly.
    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// A projection that follows.
pub(crate) trait Projecting {
    /// Waits until it has taken this position in; all positions, in its order, and when it took them in.
    fn taken(self: Box<Self>, last: u64) -> Result<Vec<(u64, Instant)>>;
}

/// A state of the past.
#[derive(Clone, Copy)]
pub(crate) enum Look {
    /// Of everything, at a position.
    Position(u64),
    /// Of the stream of this number, at a version.
    Version(usize, u64),
}

/// Which events to read.
pub(crate) enum What {
    All,
    /// Of the stream of this number.
    Stream(usize),
    /// Of the type of this number.
    Type(usize),
    Correlation(Uuid),
}

/// What a read gave, to be held against what was written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) events: u64,
    /// Bytes of their bodies.
    pub(crate) bytes: u64,
}

impl Seen {
    pub(crate) fn note(&mut self, body: &[u8]) {
        self.events += 1;
        self.bytes += body.len() as u64;
    }
}

/// A kind of subject.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// What it can do.
    pub(crate) tests: &'static [Test],
    /// Opens it in a folder, where it may find what it has left there.
    pub(crate) open: fn(&Path) -> Result<Box<dyn Subject>>,
    /// How it is called.
    pub(crate) callers: &'static str,
    /// Whose log it reads: its own, or that of another.
    pub(crate) log_of: &'static str,
    /// Whether closing it loses everything.
    pub(crate) in_memory: bool,
}

const THREADS: &str = "threads";
const BLOCK_ON: &str = "threads, each in block_on of a tokio runtime";
const TASKS: &str = "tasks of a tokio runtime with a thread per core";
const APPENDS: [Test; 3] = [Test::Append, Test::AppendBatch, Test::Import];

/// All kinds, in the order in which they take turns.
pub(crate) static KINDS: [Kind; 11] = [
    Kind {
        name: "factlog-sqlite",
        tests: &Test::ALL,
        open: factlog::sqlite,
        callers: BLOCK_ON,
        log_of: "factlog-sqlite",
        in_memory: false,
    },
    Kind {
        name: "factlog-jsonl",
        tests: &Test::ALL,
        open: factlog::jsonl,
        callers: BLOCK_ON,
        log_of: "factlog-jsonl",
        in_memory: false,
    },
    Kind {
        name: "factlog-jsonl-tasks",
        tests: &[Test::Append, Test::AppendBatch],
        open: factlog::jsonl_tasks,
        callers: TASKS,
        log_of: "factlog-jsonl",
        in_memory: false,
    },
    Kind {
        name: "json-scan",
        tests: &[Test::ReadAll],
        open: json_scan::open,
        callers: THREADS,
        log_of: "factlog-jsonl",
        in_memory: false,
    },
    Kind {
        name: "sqlite-loop",
        tests: &[Test::Append, Test::AppendBatch, Test::Import, Test::Open],
        open: sqlite_loop::open,
        callers: THREADS,
        log_of: "sqlite-loop",
        in_memory: false,
    },
    Kind {
        name: "sqlite-group",
        tests: &APPENDS,
        open: sqlite_group::open,
        callers: THREADS,
        log_of: "sqlite-group",
        in_memory: false,
    },
    Kind {
        name: "sqlite-scan",
        tests: &[Test::ReadAll, Test::ReadStream, Test::ReadType, Test::ReadCorrelation],
        open: sqlite_scan::open,
        callers: THREADS,
        log_of: "factlog-sqlite",
        in_memory: false,
    },
    Kind {
        name: "tephra",
        tests: &[
            Test::Append,
            Test::AppendBatch,
            Test::Import,
            Test::ReadAll,
            Test::ReadStream,
            Test::ReadType,
            Test::Open,
            Test::Follow,
        ],
        open: tephra::open,
        callers: THREADS,
        log_of: "tephra",
        in_memory: false,
    },
    Kind {
        name: "raw-log",
        tests: &APPENDS,
        open: raw_log::open,
        callers: THREADS,
        log_of: "raw-log",
        in_memory: false,
    },
    Kind {
        name: "raw-log-group",
        tests: &APPENDS,
        open: raw_log_group::open,
        callers: THREADS,
        log_of: "raw-log-group",
        in_memory: false,
    },
    Kind {
        name: "factlog-memory",
        tests: &[
            Test::Append,
            Test::AppendBatch,
            Test::Import,
            Test::ReadAll,
            Test::ReadStream,
            Test::ReadType,
            Test::ReadCorrelation,
            Test::Follow,
            Test::Rebuild,
            Test::Lag,
        ],
        open: factlog::memory,
        callers: BLOCK_ON,
        log_of: "factlog-memory",
        in_memory: true,
    },
];

impl Kind {
    pub(crate) fn can(&self, test: Test) -> bool {
        self.tests.contains(&test)
    }

    /// The kind of this name.
    pub(crate) fn named(name: &str) -> Result<&'static Self> {
        let found = KINDS.iter().find(|kind| kind.name == name);
        let names = KINDS.each_ref().map(|kind| kind.name).join(", ");
        found.with_context(|| format!("{name} is no subject; there are {names}"))
    }
}
