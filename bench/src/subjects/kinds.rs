//! The kinds of subjects: what each can do, and how it is called.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{
    Subject, factlog, json_scan, pg_copy, pg_insert, pg_unnest, raw_log, raw_log_group, sqlite_group,
    sqlite_loop, sqlite_scan, tephra,
};
use crate::talk::{self, Talk};
use crate::test::Test;

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
    /// The server that it works on.
    pub(crate) needs: Needs,
    /// How its agents talk.
    pub(crate) talk: Option<Talk>,
    /// Numbers of writers that it is measured with beside those of the others.
    pub(crate) more_writers: &'static [usize],
}

/// A server that is started for the subjects on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    Postgres,
    Nats,
}

const THREADS: &str = "threads";
const BLOCK_ON: &str = "threads, each in block_on of a tokio runtime";
const TASKS: &str = "tasks of a tokio runtime with a thread per core";
const APPENDS: [Test; 3] = [Test::Append, Test::AppendBatch, Test::Import];
const READS: [Test; 4] = [Test::ReadAll, Test::ReadStream, Test::ReadType, Test::ReadCorrelation];

/// What most kinds have in common.
const USUAL: Kind = Kind {
    name: "",
    tests: &[],
    open: |_| bail!("a kind says how it is opened"),
    callers: THREADS,
    log_of: "",
    in_memory: false,
    needs: Needs::Nothing,
    talk: None,
    more_writers: &[],
};

/// All kinds, in the order in which they take turns.
pub(crate) static KINDS: [Kind; 20] = [
    Kind {
        name: "factlog-sqlite",
        tests: &Test::ALL,
        open: factlog::sqlite,
        callers: BLOCK_ON,
        log_of: "factlog-sqlite",
        talk: Some(talk::sqlite),
        ..USUAL
    },
    Kind {
        name: "factlog-sqlite-real",
        tests: &[
            Test::Append,
            Test::AppendBatch,
            Test::Import,
            Test::Growth,
            Test::ReadAll,
            Test::ReadStream,
            Test::ReadType,
            Test::ReadCorrelation,
            Test::Open,
        ],
        open: factlog::sqlite_real,
        callers: BLOCK_ON,
        log_of: "factlog-sqlite-real",
        ..USUAL
    },
    Kind {
        name: "factlog-jsonl",
        tests: &Test::OF_LOGS,
        open: factlog::jsonl,
        callers: BLOCK_ON,
        log_of: "factlog-jsonl",
        ..USUAL
    },
    Kind {
        name: "factlog-jsonl-tasks",
        tests: &[Test::Append, Test::AppendBatch],
        open: factlog::jsonl_tasks,
        callers: TASKS,
        log_of: "factlog-jsonl",
        ..USUAL
    },
    Kind {
        name: "json-scan",
        tests: &[Test::ReadAll],
        open: json_scan::open,
        log_of: "factlog-jsonl",
        ..USUAL
    },
    Kind {
        name: "sqlite-loop",
        tests: &[Test::Append, Test::AppendBatch, Test::Import, Test::Open],
        open: sqlite_loop::open,
        log_of: "sqlite-loop",
        ..USUAL
    },
    Kind { name: "sqlite-group", tests: &APPENDS, open: sqlite_group::open, log_of: "sqlite-group", ..USUAL },
    Kind { name: "sqlite-scan", tests: &READS, open: sqlite_scan::open, log_of: "factlog-sqlite", ..USUAL },
    Kind {
        name: "tephra",
        tests: &[
            Test::Append,
            Test::AppendBatch,
            Test::Import,
            Test::Growth,
            Test::ReadAll,
            Test::ReadStream,
            Test::ReadType,
            Test::Open,
            Test::Follow,
        ],
        open: tephra::open,
        log_of: "tephra",
        ..USUAL
    },
    Kind { name: "raw-log", tests: &APPENDS, open: raw_log::open, log_of: "raw-log", ..USUAL },
    Kind {
        name: "raw-log-group",
        tests: &APPENDS,
        open: raw_log_group::open,
        log_of: "raw-log-group",
        ..USUAL
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
            Test::Match,
            Test::Messages,
            Test::Requests,
            Test::Subscribers,
        ],
        open: factlog::memory,
        talk: Some(talk::memory),
        callers: BLOCK_ON,
        log_of: "factlog-memory",
        in_memory: true,
        ..USUAL
    },
    Kind {
        name: "factlog-postgres",
        tests: &[
            Test::Append,
            Test::AppendBatch,
            Test::Import,
            Test::ReadAll,
            Test::ReadStream,
            Test::ReadType,
            Test::ReadCorrelation,
            Test::Open,
            Test::Follow,
        ],
        open: factlog::postgres,
        callers: TASKS,
        log_of: "factlog-postgres",
        needs: Needs::Postgres,
        ..USUAL
    },
    Kind {
        name: "factlog-postgres-threads",
        tests: &[Test::Append, Test::AppendBatch],
        open: factlog::postgres_threads,
        callers: BLOCK_ON,
        log_of: "factlog-postgres",
        needs: Needs::Postgres,
        ..USUAL
    },
    Kind {
        name: "pg-insert",
        tests: &[Test::Append],
        open: pg_insert::open,
        callers: TASKS,
        log_of: "pg-insert",
        needs: Needs::Postgres,
        more_writers: &[32],
        ..USUAL
    },
    Kind {
        name: "pg-unnest",
        tests: &[Test::AppendBatch, Test::Import],
        open: pg_unnest::open,
        callers: TASKS,
        log_of: "pg-unnest",
        needs: Needs::Postgres,
        ..USUAL
    },
    Kind {
        name: "pg-copy",
        tests: &[Test::Import, Test::ReadAll, Test::ReadStream, Test::ReadType, Test::ReadCorrelation],
        open: pg_copy::open,
        callers: BLOCK_ON,
        log_of: "factlog-postgres",
        needs: Needs::Postgres,
        ..USUAL
    },
    Kind {
        name: "factlog-sqlite-processes",
        tests: &Test::OF_TALK,
        callers: TASKS,
        talk: Some(talk::processes),
        ..USUAL
    },
    Kind {
        name: "nats-core",
        tests: &Test::OF_TALK,
        callers: TASKS,
        needs: Needs::Nats,
        talk: Some(talk::nats),
        ..USUAL
    },
    Kind {
        name: "tokio-broadcast",
        tests: &Test::OF_TALK,
        callers: TASKS,
        talk: Some(talk::tokio_channels),
        ..USUAL
    },
];

impl Kind {
    pub(crate) fn can(&self, test: Test) -> bool {
        self.tests.contains(&test)
    }

    /// How it is called by a test: agents are tasks of one runtime in every case.
    pub(crate) fn callers(&self, test: Test) -> &'static str {
        if Test::OF_TALK.contains(&test) { TASKS } else { self.callers }
    }

    /// The kind of this name.
    pub(crate) fn named(name: &str) -> Result<&'static Self> {
        let found = KINDS.iter().find(|kind| kind.name == name);
        let names = KINDS.each_ref().map(|kind| kind.name).join(", ");
        found.with_context(|| format!("{name} is no subject; there are {names}"))
    }
}
