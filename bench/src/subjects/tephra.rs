//! The crate tephra, an embedded log. Every commit ends in `sync_data`, before anybody is answered; it has no other mode.
//!
//! An event carries its stream as a tag, and neither an id nor a correlation: it does less than the others here.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use ::tephra::{
    AppendCondition, Event, EventType, Position, Query, QueryItem, SegmentConfig, SegmentSet, Tag, Tags,
    WriteCoordinator, WriteHandle, WriterConfig,
};
use anyhow::{Context, Result, bail};

use super::{Seen, Subject, What};
use crate::workload::{Batch, STREAM_NAMES, TYPE_NAMES};

/// As in its own documentation.
const SEGMENT_BYTES: usize = 256 << 20;

static STREAMS: LazyLock<Vec<Tags>> = LazyLock::new(|| {
    let tag = |name: &String| Tag::new(name.as_str()).expect("the workload's names are good for tags");
    STREAM_NAMES.iter().map(|name| Tags::new([tag(name)]).expect("one tag is not too many")).collect()
});
static TYPES: LazyLock<Vec<EventType>> = LazyLock::new(|| {
    let kind =
        |name: &String| EventType::new(name.as_str()).expect("the workload's names are good for types");
    TYPE_NAMES.iter().map(kind).collect()
});

struct Tephra {
    coordinator: WriteCoordinator,
    handle: WriteHandle,
    /// Where each stream ends, which is how it expects a version.
    ends: Vec<AtomicU64>,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Subject>> {
    let set = SegmentSet::open(folder.join("tephra"), SegmentConfig::new(SEGMENT_BYTES))?;
    let (coordinator, handle) = WriteCoordinator::start(set, WriterConfig::default())?;
    let ends = STREAMS.iter().map(|_| AtomicU64::new(0)).collect();
    Ok(Box::new(Tephra { coordinator, handle, ends }))
}

impl Tephra {
    fn ready(&self, batch: &Batch) -> Result<(Vec<Event>, AppendCondition)> {
        let tags = &STREAMS[batch.stream];
        let events = batch
            .facts
            .iter()
            .map(|fact| Ok(Event::new(&TYPES[fact.kind], tags, fact.body.as_bytes())?))
            .collect::<Result<_>>()?;
        let end = self.ends[batch.stream].load(Ordering::Relaxed);
        let of_stream = Query::item(QueryItem::with_tags(tags.clone()));
        Ok((events, AppendCondition::new(of_stream).after(Position::new(end))))
    }
}

impl Subject for Tephra {
    fn append(&self, batch: Batch) -> Result<u64> {
        let (events, condition) = self.ready(&batch)?;
        let range = self.handle.append(events, Some(condition))?;
        self.ends[batch.stream].store(range.last.get(), Ordering::Relaxed);
        Ok(range.last.get())
    }

    /// All at once, since it takes appends without waiting for each; but two for one stream would not be independent,
    /// so only the first of a stream has its expectation checked.
    fn import(&self, batches: Vec<Batch>) -> Result<()> {
        let (reply, replies) = flume::unbounded();
        let count = batches.len();
        let mut begun = vec![false; STREAMS.len()];
        let streams: Vec<usize> = batches.iter().map(|batch| batch.stream).collect();
        for (token, batch) in batches.into_iter().enumerate() {
            let (events, condition) = self.ready(&batch)?;
            let first = !std::mem::replace(&mut begun[batch.stream], true);
            self.handle.append_submit(events, first.then_some(condition), token as u64, reply.clone())?;
        }
        for _ in 0..count {
            let (token, outcome) = replies.recv().context("the writer has ended")?;
            self.ends[streams[token as usize]].fetch_max(outcome?.last.get(), Ordering::Relaxed);
        }
        Ok(())
    }

    fn read(&self, what: &What) -> Result<Seen> {
        let query = match what {
            What::All => Query::all(),
            What::Stream(stream) => Query::item(QueryItem::with_tags(STREAMS[*stream].clone())),
            What::Type(kind) => Query::item(QueryItem::of_types(vec![TYPES[*kind].clone()])),
            What::Correlation(_) => bail!("it keeps no correlations"),
        };
        let mut reads = self.handle.read(&query, Position::ZERO, None);
        let mut seen = Seen::default();
        while let Some(event) = reads.next() {
            let event = std::hint::black_box(event?.event.to_owned());
            seen.note(event.data());
        }
        Ok(seen)
    }

    fn head(&self) -> Result<u64> {
        Ok(self.handle.head().get())
    }

    fn follow(&self, deliver: &mut dyn FnMut(u64) -> bool) -> Result<()> {
        let mut subscription = self.handle.subscribe(Query::all(), Position::ZERO);
        loop {
            for (position, _) in subscription.next_batch().context("it was shut down")?? {
                if !deliver(position.get()) {
                    return Ok(());
                }
            }
        }
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.coordinator.shutdown();
        Ok(())
    }
}
