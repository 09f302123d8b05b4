//! factlog itself, called as a program calls it: names parsed beforehand, JSON checked with each event.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result};
use factlog::{
    Batch as Facts, EventId, EventLog, EventType, Expect, Filter, Json, MemoryStore, NewEvent, Position,
    Store, StreamName, Version,
};
use factlog_stores::{
    Indexes, JsonlOptions, JsonlStore, Open, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore,
};
use tokio::runtime::{Builder, Runtime};

use super::{Found, Look, Projecting, Seen, Subject, What, factlog_matches, factlog_states};
use crate::measure::Appends;
use crate::server;
use crate::tasks::{self, Appender};
use crate::workload::{Batch, STREAM_NAMES, TYPE_NAMES};

/// The file of the log in its folder.
pub(super) const FILE: &str = "factlog.db";
/// The folder of a log of plain text.
pub(super) const FOLDER: &str = "factlog";

/// Its one worker feeds projections and has else nothing to do: callers drive their own futures, and reads take threads of
/// the blocking pool.
pub(super) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .expect("a machine fit to measure on has a thread to spare")
});
pub(super) static STREAMS: LazyLock<Vec<StreamName>> =
    LazyLock::new(|| STREAM_NAMES.iter().map(|name| StreamName::trusted(name.as_str())).collect());
static TYPES: LazyLock<Vec<EventType>> =
    LazyLock::new(|| TYPE_NAMES.iter().map(|name| EventType::trusted(name.as_str())).collect());

/// The log, the runtime it works in, and whether tasks call it instead of threads.
struct Factlog {
    log: EventLog,
    runtime: &'static Runtime,
    by_tasks: bool,
}

impl Factlog {
    fn of(store: impl Store, runtime: &'static Runtime, by_tasks: bool) -> Box<dyn Subject> {
        Box::new(Self { log: EventLog::new(store), runtime, by_tasks })
    }
}

/// A log in an SQLite file, with the settings that a user gets.
pub(super) fn sqlite(folder: &Path) -> Result<Box<dyn Subject>> {
    sqlite_with(folder, Indexes::Lagging)
}

/// The same with SQLite's own indexes.
pub(super) fn sqlite_real(folder: &Path) -> Result<Box<dyn Subject>> {
    sqlite_with(folder, Indexes::Real)
}

fn sqlite_with(folder: &Path, indexes: Indexes) -> Result<Box<dyn Subject>> {
    let options = SqliteOptions { indexes: Some(indexes), ..SqliteOptions::new(folder.join(FILE)) };
    Ok(Factlog::of(SqliteStore::open(&options, Open::Create)?, &RUNTIME, false))
}

/// A log in a folder of plain text, with the settings that a user gets.
pub(super) fn jsonl(folder: &Path) -> Result<Box<dyn Subject>> {
    let store = JsonlStore::open(&JsonlOptions::new(folder.join(FOLDER)), Open::Create)?;
    Ok(Factlog::of(store, &RUNTIME, false))
}

/// The same, called by tasks.
pub(super) fn jsonl_tasks(folder: &Path) -> Result<Box<dyn Subject>> {
    let store = JsonlStore::open(&JsonlOptions::new(folder.join(FOLDER)), Open::Create)?;
    Ok(Factlog::of(store, &tasks::RUNTIME, true))
}

/// A log in memory.
#[expect(clippy::unnecessary_wraps, reason = "subjects are opened alike")]
pub(super) fn memory(_folder: &Path) -> Result<Box<dyn Subject>> {
    Ok(Factlog::of(MemoryStore::new(), &RUNTIME, false))
}

/// A log in PostgreSQL, called by tasks, with the settings that a user gets.
pub(super) fn postgres(folder: &Path) -> Result<Box<dyn Subject>> {
    Ok(Factlog::of(postgres_store(folder)?, &tasks::RUNTIME, true))
}

/// The same, called by threads.
pub(super) fn postgres_threads(folder: &Path) -> Result<Box<dyn Subject>> {
    Ok(Factlog::of(postgres_store(folder)?, &tasks::RUNTIME, false))
}

fn postgres_store(folder: &Path) -> Result<PostgresStore> {
    let (url, schema) = server::log_of(folder)?;
    let options = PostgresOptions::new(&format!("{url}?schema={schema}"))?;
    Ok(tasks::RUNTIME.block_on(PostgresStore::open(&options, Open::Create))?)
}

impl Factlog {
    fn facts(batch: Batch) -> Result<Facts> {
        let stream = &STREAMS[batch.stream];
        let mut events = Vec::with_capacity(batch.facts.len());
        for fact in batch.facts {
            let data = Json::parse(fact.body)?;
            let event = NewEvent::of(stream.clone(), TYPES[fact.kind].clone(), data);
            events.push(event.with_id(EventId(fact.id)).with_correlation(&fact.correlation.to_string())?);
        }
        let expected = Expect::Version(Version(batch.expected));
        Ok(Facts::new(events)?.expect(stream.clone(), expected)?)
    }
}

impl Appender for EventLog {
    async fn begin(&mut self, streams: Vec<Batch>) -> Result<()> {
        let streams = streams.into_iter().map(Factlog::facts).collect::<Result<Vec<_>>>()?;
        self.append_each(streams).await.into_iter().collect::<factlog::Result<Vec<_>>>()?;
        Ok(())
    }

    async fn append(&mut self, batch: Batch) -> Result<()> {
        EventLog::append(self, Factlog::facts(batch)?).await?;
        Ok(())
    }
}

impl Subject for Factlog {
    fn append(&self, batch: Batch) -> Result<u64> {
        let appended = self.runtime.handle().block_on(self.log.append(Self::facts(batch)?))?;
        Ok(appended.last().0)
    }

    fn import(&self, batches: Vec<Batch>) -> Result<()> {
        let batches = batches.into_iter().map(Self::facts).collect::<Result<Vec<_>>>()?;
        for outcome in self.runtime.handle().block_on(self.log.append_each(batches)) {
            outcome?;
        }
        Ok(())
    }

    fn tasks(&self, writers: usize, batch: usize, took: Duration) -> Option<Result<Appends>> {
        self.by_tasks.then(|| tasks::appends(vec![self.log.clone(); writers], batch, took))
    }

    fn read(&self, what: &What) -> Result<Seen> {
        let filter = match what {
            What::All => Filter::all(),
            What::Stream(stream) => Filter::stream(STREAMS[*stream].clone()),
            What::Type(kind) => Filter::types([&*TYPES[*kind]])?,
            What::Correlation(correlation) => {
                Filter { correlation: vec![correlation.to_string().parse()?], ..Filter::all() }
            }
        };
        let mut reading = self.log.read(filter);
        self.runtime.handle().block_on(async {
            let mut seen = Seen::default();
            while let Some(event) = reading.next().await {
                seen.note(event?.data.as_str().as_bytes());
            }
            Ok(seen)
        })
    }

    fn head(&self) -> Result<u64> {
        Ok(self.runtime.handle().block_on(self.log.newest())?.0)
    }

    fn follow(&self, deliver: &mut dyn FnMut(u64) -> bool) -> Result<()> {
        let mut following = self.log.follow(Filter::all()).after(Position::START);
        self.runtime.handle().block_on(async {
            loop {
                let event = following.next().await.context("following has ended")??;
                if !deliver(event.position.0) {
                    return Ok(());
                }
            }
        })
    }

    fn rebuild(&self) -> Result<u64> {
        factlog_states::rebuild(&self.log)
    }

    fn find(
        &self,
        patterns: &[&str],
        every: bool,
        is_matched: bool,
        look: &mut dyn FnMut(u64),
    ) -> Result<Found> {
        factlog_matches::find(&self.log, patterns, every, is_matched, look)
    }

    fn project(&self) -> Result<Box<dyn Projecting>> {
        factlog_states::project(&self.log)
    }

    fn remember(&self) -> Result<()> {
        factlog_states::remember(&self.log)
    }

    fn look(&self, look: Look, remembered: bool) -> Result<u64> {
        factlog_states::look(&self.log, look, remembered)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.runtime.handle().block_on(self.log.close())?)
    }
}
