//! factlog itself, called as a program calls it: names parsed beforehand, JSON checked with each event.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context, Result};
use factlog::{
    Batch as Facts, EventId, EventLog, EventType, Expect, Filter, Json, MemoryStore, NewEvent, Position,
    StreamName, Version,
};
use factlog_stores::{JsonlOptions, JsonlStore, Open, SqliteOptions, SqliteStore};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Barrier;

use super::{Look, Projecting, Seen, Subject, What, factlog_states};
use crate::measure::{Appends, Counting};
use crate::workload::{Batch, STREAM_NAMES, TYPE_NAMES, Writer};

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

/// What a program of many tasks would have.
static TASKS: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .enable_time()
        .build()
        .expect("a machine fit to measure on has threads to spare")
});

/// The log, and whether tasks call it instead of threads.
struct Factlog(EventLog, bool);

/// A log in an SQLite file, with the settings that a user gets.
pub(super) fn sqlite(folder: &Path) -> Result<Box<dyn Subject>> {
    let store = SqliteStore::open(&SqliteOptions::new(folder.join(FILE)), Open::Create)?;
    Ok(Box::new(Factlog(EventLog::new(store), false)))
}

/// A log in a folder of plain text, with the settings that a user gets.
pub(super) fn jsonl(folder: &Path) -> Result<Box<dyn Subject>> {
    let store = JsonlStore::open(&JsonlOptions::new(folder.join(FOLDER)), Open::Create)?;
    Ok(Box::new(Factlog(EventLog::new(store), false)))
}

/// The same, called by tasks.
pub(super) fn jsonl_tasks(folder: &Path) -> Result<Box<dyn Subject>> {
    let store = JsonlStore::open(&JsonlOptions::new(folder.join(FOLDER)), Open::Create)?;
    Ok(Box::new(Factlog(EventLog::new(store), true)))
}

/// A log in memory.
#[expect(clippy::unnecessary_wraps, reason = "subjects are opened alike")]
pub(super) fn memory(_folder: &Path) -> Result<Box<dyn Subject>> {
    Ok(Box::new(Factlog(EventLog::new(MemoryStore::new()), false)))
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

/// One that appends as fast as it is answered.
async fn task(
    log: EventLog,
    mut writer: Writer,
    start: Arc<Barrier>,
    (batch, took): (usize, Duration),
) -> Result<Appends> {
    let streams = writer.begin();
    let begun = streams.len() as u64;
    let streams = streams.into_iter().map(Factlog::facts).collect::<Result<Vec<_>>>()?;
    let outcomes = log.append_each(streams).await;
    start.wait().await;
    outcomes.into_iter().collect::<factlog::Result<Vec<_>>>()?;
    let mut counting = Counting::begin(took, batch as u64);
    while counting.goes_on() {
        log.append(Factlog::facts(writer.next(batch))?).await?;
        counting.done();
    }
    let mut appends = counting.finish();
    appends.acknowledged += begun;
    Ok(appends)
}

impl Subject for Factlog {
    fn append(&self, batch: Batch) -> Result<u64> {
        let appended = RUNTIME.handle().block_on(self.0.append(Self::facts(batch)?))?;
        Ok(appended.last().0)
    }

    fn import(&self, batches: Vec<Batch>) -> Result<()> {
        let batches = batches.into_iter().map(Self::facts).collect::<Result<Vec<_>>>()?;
        for outcome in RUNTIME.handle().block_on(self.0.append_each(batches)) {
            outcome?;
        }
        Ok(())
    }

    fn tasks(&self, writers: usize, batch: usize, took: Duration) -> Option<Result<Appends>> {
        self.1.then(|| {
            TASKS.block_on(async {
                let start = Arc::new(Barrier::new(writers));
                let tasks: Vec<_> = (0..writers)
                    .map(|number| {
                        let writer = Writer::new(number, writers);
                        TASKS.spawn(task(self.0.clone(), writer, Arc::clone(&start), (batch, took)))
                    })
                    .collect();
                let mut sum = Appends::nothing(took);
                for task in tasks {
                    sum.join(task.await??);
                }
                Ok(sum)
            })
        })
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
        let mut reading = self.0.read(filter);
        RUNTIME.handle().block_on(async {
            let mut seen = Seen::default();
            while let Some(event) = reading.next().await {
                seen.note(event?.data.as_str().as_bytes());
            }
            Ok(seen)
        })
    }

    fn head(&self) -> Result<u64> {
        Ok(RUNTIME.handle().block_on(self.0.newest())?.0)
    }

    fn follow(&self, deliver: &mut dyn FnMut(u64) -> bool) -> Result<()> {
        let mut following = self.0.follow(Filter::all()).after(Position::START);
        RUNTIME.handle().block_on(async {
            loop {
                let event = following.next().await.context("following has ended")??;
                if !deliver(event.position.0) {
                    return Ok(());
                }
            }
        })
    }

    fn rebuild(&self) -> Result<u64> {
        factlog_states::rebuild(&self.0)
    }

    fn project(&self) -> Result<Box<dyn Projecting>> {
        factlog_states::project(&self.0)
    }

    fn remember(&self) -> Result<()> {
        factlog_states::remember(&self.0)
    }

    fn look(&self, look: Look, remembered: bool) -> Result<u64> {
        factlog_states::look(&self.0, look, remembered)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(RUNTIME.handle().block_on(self.0.close())?)
    }
}
