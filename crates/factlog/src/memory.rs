//! A log in memory: for tests and scratch work, and the model that other stores are compared with.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::admission::{self, Admission, Known, Ledger};
use crate::limits::{PAGE_BYTES_MAX, PAGE_EVENTS_MAX, PAGE_SCAN_EVENTS_MAX, SNAPSHOT_LIST_MAX};
use crate::removal::RemovedData;
use crate::snapshot::{older_snapshot, revision_conflict};
use crate::{
    About, Appended, Batch, Count, Counter, Cursor, Error, Event, EventId, Filter, Group, Health, Keep,
    NewEvent, Page, Position, Read, Removal, Removed, Report, Result, Revision, Snapshot, SnapshotInfo,
    Snapshots, Stamp, Store, StreamName, Timestamp, Version,
};

/// A store that keeps everything in memory and nothing beyond the process.
#[derive(Debug)]
pub struct MemoryStore {
    about: About,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Ascending positions; gaps only where events were removed.
    events: Vec<Arc<Event>>,
    by_id: HashMap<EventId, Position>,
    by_stream: HashMap<StreamName, Vec<Arc<Event>>>,
    versions: HashMap<StreamName, Version>,
    removals: Vec<RemovedData>,
    snapshots: BTreeMap<(String, Position), Snapshot>,
    revisions: HashMap<String, Revision>,
    head: Position,
    recorded_at: Option<Timestamp>,
    removed: u64,
    /// None once the store is closed.
    published: Option<watch::Sender<Position>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty log.
    pub fn new() -> Self {
        let state = State {
            events: Vec::new(),
            by_id: HashMap::new(),
            by_stream: HashMap::new(),
            versions: HashMap::new(),
            removals: Vec::new(),
            snapshots: BTreeMap::new(),
            revisions: HashMap::new(),
            head: Position::START,
            recorded_at: None,
            removed: 0,
            published: Some(watch::Sender::new(Position::START)),
        };
        Self {
            about: About {
                kind: "memory".into(),
                url: "memory:".into(),
                durability: "none: everything is gone when the process ends".into(),
                exceptions: vec![(2, "nothing in memory survives the process".into())],
            },
            state: Mutex::new(state),
        }
    }

    /// No code that can panic runs under the lock with the state half changed, so a poisoned lock is still good.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn open(&self) -> Result<()> {
        if self.published.is_some() { Ok(()) } else { Err(Error::stopped("the log is closed")) }
    }

    fn append(&mut self, batch: Batch) -> Result<Appended> {
        self.open()?;
        match admission::admit(&batch, self, Timestamp::now())? {
            Admission::Repeated(appended) => Ok(appended),
            Admission::Record(stamps) => {
                let appended = admission::appended(&batch, &stamps);
                for (fact, stamp) in batch.into_events().into_iter().zip(stamps) {
                    self.record(fact, stamp);
                }
                Ok(appended)
            }
        }
    }

    fn record(&mut self, fact: NewEvent, stamp: Stamp) {
        self.by_id.insert(fact.id, stamp.position);
        self.versions.insert(fact.stream.clone(), stamp.version);
        self.removed += stamp.position.0 - self.head.0 - 1;
        self.head = stamp.position;
        self.recorded_at = Some(stamp.recorded_at);
        let Stamp { position, version, recorded_at } = stamp;
        if fact.stream == crate::RETENTION_STREAM
            && let Ok(data) = fact.data.to()
        {
            self.removals.push(data);
        }
        let event = Arc::new(Event { position, version, recorded_at, fact });
        self.by_stream.entry(event.stream.clone()).or_default().push(Arc::clone(&event));
        self.events.push(event);
    }

    fn publish(&self) {
        if let Some(published) = &self.published {
            published.send_if_modified(|head| std::mem::replace(head, self.head) != self.head);
        }
    }

    /// How many events stand at or before a position.
    fn through(&self, position: Position) -> usize {
        self.events.partition_point(|event| event.position <= position)
    }

    /// Those events among which all are that a filter means, in order.
    fn candidates(&self, filter: &Filter) -> Cow<'_, [Arc<Event>]> {
        if !filter.ids.is_empty() {
            let mut positions: Vec<Position> =
                filter.ids.iter().filter_map(|id| self.by_id.get(id)).copied().collect();
            positions.sort_unstable();
            positions.dedup();
            let found = positions.iter().map(|position| self.through(*position) - 1);
            return found.map(|index| Arc::clone(&self.events[index])).collect();
        }
        match filter.streams.as_slice() {
            [stream] => Cow::Borrowed(self.by_stream.get(stream).map_or(&[], Vec::as_slice)),
            _ => Cow::Borrowed(&self.events),
        }
    }

    fn read(&self, read: &Read) -> Page {
        let limit = read.limit.clamp(1, PAGE_EVENTS_MAX);
        let events = self.candidates(&read.filter);
        let (slice, backwards) = match read.cursor {
            Cursor::After(after) => {
                (&events[events.partition_point(|event| event.position <= after)..], false)
            }
            Cursor::Before(before) => {
                (&events[..events.partition_point(|event| event.position < before)], true)
            }
        };
        let mut page = Page { events: Vec::new(), next: read.cursor.position(), more: false };
        let mut bytes = 0;
        let ordered: &mut dyn Iterator<Item = &Arc<Event>> =
            if backwards { &mut slice.iter().rev() } else { &mut slice.iter() };
        for (scanned, event) in ordered.enumerate() {
            let full = page.events.len() == limit || (bytes > 0 && bytes + event.bytes() > PAGE_BYTES_MAX);
            if full || scanned == PAGE_SCAN_EVENTS_MAX {
                page.more = true;
                return page;
            }
            page.next = event.position;
            if read.filter.matches(event) {
                bytes += event.bytes();
                page.events.push(Arc::clone(event));
            }
        }
        page.next = if backwards { Position::START } else { self.head.max(page.next) };
        page
    }

    fn remove(&mut self, removal: &Removal) -> Result<Removed> {
        self.open()?;
        let filter = removal.effective_filter();
        let gone = |event: &Arc<Event>| event.position <= removal.through && filter.matches(event);
        let count = self.events.iter().filter(|event| gone(event)).count() as u64;
        if count == 0 {
            return Ok(Removed { count, position: None });
        }
        let said = self.append(Batch::of_removal(removal, self.head, count)?)?;
        for event in self.events.iter().filter(|event| gone(event)) {
            self.by_id.remove(&event.id);
        }
        self.events.retain(|event| !gone(event));
        self.by_stream.retain(|_, events| {
            events.retain(|event| !gone(event));
            !events.is_empty()
        });
        self.removed += count;
        Ok(Removed { count, position: Some(said.last()) })
    }

    fn check(&self) -> Report {
        let mut report = Report { head: self.head, removed: self.removed, ..Report::default() };
        report.events = self.events.len() as u64;
        report.streams = self.versions.len() as u64;
        if report.events + self.removed != self.head.0 {
            report.problems.push(format!(
                "{} events and {} removed do not add up to position {}",
                report.events, self.removed, self.head
            ));
        }
        report
    }

    fn save(&mut self, mut snapshot: Snapshot, expect: Option<Revision>, keep: Keep) -> Result<Revision> {
        self.open()?;
        snapshot.check()?;
        let last = self.revisions.get(&snapshot.key).copied().unwrap_or_default();
        if let Some(expected) = expect.filter(|expected| *expected != last) {
            return Err(revision_conflict(&snapshot.key, expected, last));
        }
        if keep == Keep::Newest {
            let newest = self.of_key(&snapshot.key).next_back().map(|found| found.position);
            if let Some(newest) = newest.filter(|newest| *newest > snapshot.position) {
                return Err(older_snapshot(&snapshot.key, snapshot.position, newest));
            }
            self.snapshots.retain(|(key, _), _| *key != snapshot.key);
        }
        let revision = Revision(last.0 + 1);
        snapshot.revision = revision;
        snapshot.saved_at = Timestamp::now();
        self.revisions.insert(snapshot.key.clone(), revision);
        self.snapshots.insert((snapshot.key.clone(), snapshot.position), snapshot);
        Ok(revision)
    }

    fn of_key(&self, key: &str) -> impl DoubleEndedIterator<Item = &Snapshot> {
        let first = (key.to_owned(), Position::START);
        let last = (key.to_owned(), Position(u64::MAX));
        self.snapshots.range(first..=last).map(|(_, snapshot)| snapshot)
    }
}

impl Ledger for State {
    fn head(&self) -> Position {
        self.head
    }

    fn recorded_at(&self) -> Option<Timestamp> {
        self.recorded_at
    }

    fn version(&mut self, stream: &StreamName) -> Result<Version> {
        Ok(self.versions.get(stream).copied().unwrap_or_default())
    }

    fn known(&mut self, event: &NewEvent) -> Result<Option<Known>> {
        let Some(position) = self.by_id.get(&event.id) else { return Ok(None) };
        let found = &self.events[self.through(*position) - 1];
        Ok(Some(Known {
            stamp: Stamp { position: found.position, version: found.version, recorded_at: found.recorded_at },
            same: found.stream == event.stream
                && found.event_type == event.event_type
                && found.data == event.data,
        }))
    }

    fn any_after(&mut self, filter: &Filter, after: Position) -> Result<bool> {
        Ok(self.events[self.through(after)..].iter().any(|event| filter.matches(event)))
    }

    fn removals(&self) -> &[RemovedData] {
        &self.removals
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn about(&self) -> &About {
        &self.about
    }

    async fn append(&self, batches: Vec<Batch>) -> Vec<Result<Appended>> {
        let mut state = self.state();
        let outcomes = batches.into_iter().map(|batch| state.append(batch)).collect();
        state.publish();
        outcomes
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        let state = self.state();
        state.open()?;
        Ok(state.read(read))
    }

    fn head(&self) -> watch::Receiver<Position> {
        match &self.state().published {
            Some(published) => published.subscribe(),
            // The sender is gone at once, so the receiver is closed from the start.
            None => watch::channel(Position::START).1,
        }
    }

    async fn count(&self, count: &Count) -> Result<Vec<Group>> {
        let mut counter = Counter::new(count.by.clone());
        for event in self.state().events.iter().filter(|event| count.filter.matches(event)) {
            counter.add(event)?;
        }
        Ok(counter.groups())
    }

    async fn version(&self, stream: &StreamName) -> Result<Version> {
        self.state().version(stream)
    }

    async fn remove(&self, removal: &Removal) -> Result<Removed> {
        let mut state = self.state();
        let removed = state.remove(removal);
        state.publish();
        removed
    }

    fn snapshots(&self) -> &dyn Snapshots {
        self
    }

    async fn health(&self) -> Health {
        let state = self.state();
        let closed = state.open().is_err();
        Health {
            healthy: !closed,
            head: state.head,
            bytes: None,
            waiting: 0,
            last_commit_us: None,
            last_append_at: state.recorded_at,
            problem: closed.then(|| "the log is closed".to_owned()),
            ..Health::default()
        }
    }

    async fn check(&self) -> Result<Report> {
        Ok(self.state().check())
    }

    async fn close(&self) -> Result<()> {
        self.state().published = None;
        Ok(())
    }
}

#[async_trait]
impl Snapshots for MemoryStore {
    async fn load(&self, key: &str, at: Position) -> Result<Option<Snapshot>> {
        Ok(self.state().of_key(key).rfind(|snapshot| snapshot.position <= at).cloned())
    }

    async fn save(&self, snapshot: Snapshot, expect: Option<Revision>, keep: Keep) -> Result<Revision> {
        self.state().save(snapshot, expect, keep)
    }

    async fn list(&self, prefix: &str, after: Option<(&str, Position)>) -> Result<Vec<SnapshotInfo>> {
        let start = match after.filter(|(key, _)| *key >= prefix) {
            Some((key, position)) => Bound::Excluded((key.to_owned(), position)),
            None => Bound::Included((prefix.to_owned(), Position::START)),
        };
        let state = self.state();
        let infos = state
            .snapshots
            .range((start, Bound::Unbounded))
            .map(|(_, snapshot)| snapshot)
            .take_while(|snapshot| snapshot.key.starts_with(prefix))
            .take(SNAPSHOT_LIST_MAX)
            .map(|snapshot| SnapshotInfo {
                key: snapshot.key.clone(),
                position: snapshot.position,
                newest: snapshot.newest,
                revision: snapshot.revision,
                saved_at: snapshot.saved_at,
                bytes: snapshot.data.as_str().len() as u64,
            })
            .collect();
        Ok(infos)
    }

    async fn forget(&self, key: &str, below: Position) -> Result<u64> {
        let mut state = self.state();
        let before = state.snapshots.len();
        state.snapshots.retain(|(of, position), _| of != key || *position >= below);
        Ok((before - state.snapshots.len()) as u64)
    }

    async fn forget_at(&self, key: &str, positions: &[Position]) -> Result<u64> {
        let mut state = self.state();
        let before = state.snapshots.len();
        for position in positions {
            state.snapshots.remove(&(key.to_owned(), *position));
        }
        Ok((before - state.snapshots.len()) as u64)
    }
}
