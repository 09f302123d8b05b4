//! The same operations on two logs.

use std::sync::Arc;

use factlog::{
    Batch, Condition, Count, Cursor, Event, EventLog, Expect, Filter, GroupBy, Json, Keep, MemoryStore,
    NewEvent, Position, REMOVED_TYPE, RETENTION_STREAM, Read, Removal, RemovedData, Result, Revision,
    Snapshot, Version,
};
use factlog_stores::Open;

use super::alike::alike;
use super::filters::Wanted;
use super::operations::{Appending, Expected, Keeping, Operation, Remembering, Seen, Sent, Where, stamped};

/// Pages that one reading has at the most.
const PAGES_MAX: usize = 1_000;

/// Two logs, and what was sent to them.
struct Both {
    model: EventLog,
    store: EventLog,
    url: String,
    known: Vec<NewEvent>,
}

/// Plays the operations, and looks at everything in the end; an error says what differs.
pub(super) async fn play(url: &str, operations: &[Operation]) -> Result<(), String> {
    let model = EventLog::new(MemoryStore::new());
    let mut both = Both { model, store: open(url).await?, url: url.to_owned(), known: Vec::new() };
    for (number, operation) in operations.iter().enumerate() {
        let played = both.play(operation).await;
        played.map_err(|why| format!("operation {number}: {why}"))?;
    }
    both.in_the_end().await.map_err(|why| format!("in the end: {why}"))
}

async fn open(url: &str) -> Result<EventLog, String> {
    factlog_stores::open(url, Open::Create).await.map_err(|error| format!("it does not open: {error:?}"))
}

impl Both {
    async fn play(&mut self, operation: &Operation) -> Result<(), String> {
        match operation {
            Operation::Append(appending) => self.append(std::slice::from_ref(appending)).await,
            Operation::AppendEach(each) => self.append(each).await,
            Operation::Keep(keeping) => self.keep(keeping).await,
            Operation::KeepRemoval { wanted, through, year } => {
                self.keep_removal(wanted, *through, *year).await
            }
            Operation::Read { wanted, from, backwards, limit } => {
                self.read(&wanted.filter(&self.known), *from, *backwards, *limit).await
            }
            Operation::Count { wanted, by } => self.count(wanted, by).await,
            Operation::Version(stream) => {
                let (model, store) = (self.model.store(), self.store.store());
                alike("version", model.version(stream).await, store.version(stream).await).map(drop)
            }
            Operation::Remove { wanted, through } => self.remove(wanted, *through).await,
            Operation::Remember(remembering) => self.remember(remembering).await,
            Operation::Reopen => {
                self.store.close().await.map_err(|error| format!("it does not close: {error:?}"))?;
                self.store = open(&self.url).await?;
                Ok(())
            }
            Operation::Compact => self
                .store
                .compact()
                .await
                .map(drop)
                .map_err(|error| format!("it is not compacted: {error:?}")),
            Operation::Check => self.check().await,
        }
    }

    async fn in_the_end(&self) -> Result<(), String> {
        self.check().await?;
        self.read(&Filter::all(), Where::At(0), false, 1_000).await?;
        self.read(&Filter::all(), Where::Max, true, 7).await?;
        let (model, store) = (self.model.snapshots(), self.store.snapshots());
        alike("snapshots", model.list("", None).await, store.list("", None).await)?;
        self.store.close().await.map_err(|error| format!("it does not close: {error:?}"))
    }

    async fn head(&self) -> Result<Position, String> {
        let head = alike("head", self.model.newest().await, self.store.newest().await)?;
        head.ok_or_else(|| "the model has no head".to_owned())
    }

    fn sent(&mut self, sent: &Sent) -> NewEvent {
        let event = match sent {
            Sent::New(fact) => fact.event(&self.known),
            // Nothing was sent before it.
            _ if self.known.is_empty() => {
                NewEvent::of(stream("task-1"), event_type("x"), Json::empty_object())
            }
            Sent::Again(pick) => return pick.get(&self.known).clone(),
            Sent::Other(pick, aspect) => return aspect.change(pick.get(&self.known)),
        };
        self.known.push(event.clone());
        event
    }

    async fn version(&self, name: &factlog::StreamName) -> Result<Version, String> {
        self.model.store().version(name).await.map_err(|error| format!("{error:?}"))
    }

    /// The batch, unless it is one that nobody can make.
    async fn batch(&mut self, appending: &Appending) -> Result<Option<Batch>, String> {
        let events = appending.events.iter().map(|sent| self.sent(sent)).collect();
        let Ok(mut batch) = Batch::new(events) else { return Ok(None) };
        for (name, expected) in &appending.expects {
            let version = self.version(name).await?;
            let expect = match expected {
                Expected::Right => Expect::Version(version),
                Expected::Off(by) => Expect::Version(Version(version.0 + by)),
                Expected::Exists => Expect::Exists,
                Expected::None => Expect::Version(Version::NONE),
                Expected::Any => Expect::Any,
            };
            batch = batch.expect(name.clone(), expect).map_err(|error| format!("{error:?}"))?;
        }
        if let Some((wanted, after)) = &appending.none_since {
            let (filter, after) = (wanted.filter(&self.known), after.position(self.head().await?));
            let condition = Condition::NoneSince { filter, after };
            batch = batch.condition(condition).map_err(|error| format!("{error:?}"))?;
        }
        Ok(Some(batch))
    }

    async fn append(&mut self, each: &[Appending]) -> Result<(), String> {
        let mut batches = Vec::new();
        for appending in each {
            batches.extend(self.batch(appending).await?);
        }
        self.append_batches(batches).await
    }

    async fn append_batches(&self, batches: Vec<Batch>) -> Result<(), String> {
        let model = self.model.append_each(batches.clone()).await;
        let store = self.store.append_each(batches).await;
        if model.len() != store.len() {
            return Err(format!("{} answers to {} batches", store.len(), model.len()));
        }
        for (number, (model, store)) in model.into_iter().zip(store).enumerate() {
            alike(&format!("batch {number}"), model, store)?;
        }
        Ok(())
    }

    async fn keep(&mut self, keeping: &Keeping) -> Result<(), String> {
        let mut position = self.head().await?;
        let mut events: Vec<Event> = Vec::new();
        for (sent, gap, version_gap) in &keeping.events {
            let fact = self.sent(sent);
            // Whoever left versions out left out their positions too.
            position.0 += if *gap == 0 { 0 } else { gap + version_gap.saturating_sub(1) };
            let last = events.iter().rev().find(|event| event.stream == fact.stream);
            let version = match last {
                Some(last) => last.version,
                None => self.version(&fact.stream).await?,
            };
            let version = Version(version.0 + version_gap);
            events.push(Event { position, version, recorded_at: stamped(keeping.year), fact });
        }
        let Ok(batch) = Batch::kept(events) else { return Ok(()) };
        self.append_batches(vec![batch]).await
    }

    /// A removal that was done in the log from which this one is copied.
    async fn keep_removal(&mut self, wanted: &Wanted, through: Where, year: i64) -> Result<(), String> {
        let head = self.head().await?;
        let (filter, through) = (wanted.filter(&self.known), through.position(head).min(head));
        let data = RemovedData { filter, through, count: 1, archive: None };
        let data = Json::of(&data).map_err(|error| format!("{error:?}"))?;
        let fact = NewEvent::of(stream(RETENTION_STREAM), event_type(REMOVED_TYPE), data);
        let (position, version) = (Position(head.0 + 1), Version(self.version(&fact.stream).await?.0 + 1));
        let event = Event { position, version, recorded_at: stamped(year), fact };
        let batch = Batch::kept(vec![event]).map_err(|error| format!("{error:?}"))?;
        self.append_batches(vec![batch]).await
    }

    /// Reads page by page to the end, in both logs: the pages may differ, what is in them does not.
    async fn read(&self, filter: &Filter, from: Where, backwards: bool, limit: usize) -> Result<(), String> {
        let from = from.position(self.head().await?);
        let cursor = if backwards { Cursor::Before(from) } else { Cursor::After(from) };
        let read = Read { filter: filter.clone(), cursor, limit };
        let mut model = Vec::new();
        let (model_end, _) = follow(&self.model, &read, &mut model).await?;
        let mut store = Vec::new();
        let (store_end, pages) = follow(&self.store, &read, &mut store).await?;
        alike("events", Ok(model.clone()), Ok(store))?;
        alike("where the last page ends", Ok(model_end), Ok(store_end))?;
        // What a page has looked at is behind it: all that matches there was in it or in those before it.
        for (seen, next) in pages {
            let passed = model.iter().filter(|event| match cursor {
                Cursor::After(_) => event.position <= next,
                Cursor::Before(_) => event.position >= next,
            });
            if passed.count() > seen {
                return Err(format!("a page ends at {next} with {seen} events, and has left some out"));
            }
        }
        Ok(())
    }

    async fn count(&self, wanted: &Wanted, by: &[GroupBy]) -> Result<(), String> {
        let mut filter = wanted.filter(&self.known);
        if by.iter().any(|by| matches!(by, GroupBy::Hour | GroupBy::Day)) {
            // Two clocks need not agree on the hour.
            let now = stamped(2026);
            filter.time.to = Some(filter.time.to.map_or(now, |to| to.min(now)));
        }
        let count = Count { filter, by: by.to_vec() };
        let model = self.model.count(count.clone()).await;
        alike(&format!("count {count:?}"), model, self.store.count(count).await).map(drop)
    }

    async fn remove(&self, wanted: &Wanted, through: Where) -> Result<(), String> {
        let filter = wanted.filter(&self.known);
        let removal = Removal { filter, through: through.position(self.head().await?), archive: None };
        alike("remove", self.model.remove(&removal).await, self.store.remove(&removal).await).map(drop)
    }

    async fn check(&self) -> Result<(), String> {
        let report = async |log: &EventLog| {
            let report = log.check().await?;
            // How many streams there are to be seen after a removal, stores tell differently.
            Ok((report.problems.is_empty(), report.events, report.head, report.removed))
        };
        alike("check", report(&self.model).await, report(&self.store).await).map(drop)
    }

    async fn remember(&self, remembering: &Remembering) -> Result<(), String> {
        let head = self.head().await?;
        let (model, store) = (self.model.snapshots(), self.store.snapshots());
        match remembering {
            Remembering::Save { key, position, number, expect, keeps_history, newest } => {
                let last = model.list(key, None).await.unwrap_or_default();
                let last = last.iter().filter(|info| info.key == *key).map(|info| info.revision).max();
                let expect = expect.map(|seen| match seen {
                    Seen::Right => last.unwrap_or_default(),
                    Seen::Other(number) => Revision(number),
                });
                let data = Json::of(number).map_err(|error| format!("{error:?}"))?;
                let snapshot = Snapshot {
                    newest: newest.then(|| stamped(2001)),
                    ..Snapshot::new(*key, position.position(head), data)
                };
                let keep = if *keeps_history { Keep::History } else { Keep::Newest };
                let saved = model.save(snapshot.clone(), expect, keep).await;
                alike("save", saved, store.save(snapshot, expect, keep).await).map(drop)
            }
            Remembering::Load { key, at } => {
                let at = at.position(head);
                alike("load", model.load(key, at).await, store.load(key, at).await).map(drop)
            }
            Remembering::List { prefix, after } => {
                let after = after.map(|(key, at)| (key, at.position(head)));
                alike("list", model.list(prefix, after).await, store.list(prefix, after).await).map(drop)
            }
            Remembering::Forget { key, below } => {
                let below = below.position(head);
                alike("forget", model.forget(key, below).await, store.forget(key, below).await).map(drop)
            }
            Remembering::ForgetAt { key, positions } => {
                let at: Vec<Position> = positions.iter().map(|position| position.position(head)).collect();
                alike("forget at", model.forget_at(key, &at).await, store.forget_at(key, &at).await).map(drop)
            }
        }
    }
}

fn stream(name: &str) -> factlog::StreamName {
    factlog::StreamName::trusted(name)
}

fn event_type(name: &str) -> factlog::EventType {
    factlog::EventType::trusted(name)
}

/// Where each page ends, with the events up to there.
type Pages = Vec<(usize, Position)>;

/// Follows the pages of a read to their end: where the last one ends, and where each does.
async fn follow(
    log: &EventLog,
    read: &Read,
    events: &mut Vec<Arc<Event>>,
) -> Result<(Position, Pages), String> {
    let mut read = read.clone();
    let mut pages = Vec::new();
    while pages.len() < PAGES_MAX {
        let page = log.store().read(&read).await.map_err(|error| format!("{read:?}: {error:?}"))?;
        if page.events.len() > read.limit {
            return Err(format!("{read:?} gave {} events", page.events.len()));
        }
        events.extend(page.events);
        if !page.more {
            return Ok((page.next, pages));
        }
        pages.push((events.len(), page.next));
        read.cursor = read.cursor.at(page.next);
    }
    Err(format!("{read:?} does not end"))
}
