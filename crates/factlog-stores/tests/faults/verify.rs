//! A log that was opened again, compared with what is known of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use factlog::{
    Event, Filter, Json, Keep, Position, REMOVED_TYPE, RETENTION_STREAM, Read, RemovedData, Result, Snapshot,
    Stamps, Store, StreamName,
};
use factlog_stores::{JsonlStore, Open};

use super::model::{Maybe, Model};
use super::world::{Said, World, again};

/// All events, page by page.
pub(super) async fn read_all(store: &JsonlStore, filter: Filter) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut read = Read::after(filter, Position::START).limit(50);
    loop {
        let page = store.read(&read).await?;
        events.extend(page.events.iter().map(|event| (**event).clone()));
        if !page.more {
            return Ok(events);
        }
        read.cursor = read.cursor.at(page.next);
    }
}

impl World {
    /// Opens the log on a good disk; everything that is certain must be there, and of the rest all or nothing.
    pub(super) async fn verify(&mut self) -> JsonlStore {
        self.is_troubled = false;
        if self.model.head > 0 && self.random.bool() {
            self.inspect().await;
        }
        let store = self.open().expect("the log opens again");
        let events = read_all(&store, Filter::all()).await.expect("the log is read");
        self.resolve(&events);
        self.compare(&store, &events).await;
        self.compare_snapshots(&store).await;
        self.compare_archives();
        assert_eq!(self.append_one(&store).await, Said::Done);
        self.settle();
        store
    }

    /// Looks at the log as it was left, without a change to it: what was acknowledged shows.
    async fn inspect(&self) {
        let disk = Arc::new(self.disk.clone());
        let store = JsonlStore::open_on(disk, &self.options, Open::Inspect).expect("the log is looked at");
        let events = read_all(&store, Filter::all()).await.expect("the log is read as it was left");
        let newest = events.last().map_or(0, |event| event.position.0);
        let due = self.model.events.keys().next_back().copied().unwrap_or(0);
        assert!(newest >= due, "a look shows the log up to {newest}, and {due} was acknowledged");
    }

    /// Opens the log once more: nothing has changed.
    pub(super) async fn verify_again(&mut self) {
        let store = self.open().expect("the log opens a second time");
        let events = read_all(&store, Filter::all()).await.expect("the log is read");
        self.resolve(&events);
        let due: Vec<Event> = self.model.events.values().cloned().collect();
        same(&events, &due, "the log is the same when it is opened again");
        let report = store.check().await.expect("the log is checked");
        assert_eq!(report.problems, Vec::<String>::new());
    }

    /// Makes certain what was not: what of the last calls is there, and what is not.
    fn resolve(&mut self, events: &[Event]) {
        for (position, (removal, count)) in std::mem::take(&mut self.model.tellers) {
            let found = events.iter().find(|event| event.position.0 == position);
            let told =
                found.unwrap_or_else(|| panic!("position {position}, which told of a removal, is gone"));
            assert_eq!(tells(told), Some(data((&removal, count))), "what was removed is told");
            self.model.put_below(told.clone());
        }
        let mut maybe = std::mem::take(&mut self.model.maybe);
        let mut new = events.iter().filter(|event| event.position.0 > self.model.head).peekable();
        let mut after = self.model.clone();
        while let Some(first) = new.peek() {
            let is_it = |maybe: &Maybe| match maybe {
                Maybe::Batch(batch) => batch.events()[0].id == first.id,
                Maybe::Removal(removal) => tells(first) == Some(data((&removal.0, removal.1))),
            };
            let index = maybe.iter().position(is_it);
            let index =
                index.unwrap_or_else(|| panic!("never submitted, or not from its beginning: {first:?}"));
            match maybe.remove(index) {
                Maybe::Batch(batch) => {
                    after.record(&batch, first.recorded_at);
                    new.nth(batch.events().len() - 1);
                }
                Maybe::Removal(removal) => {
                    assert_eq!(first.position.0, after.head + 1, "positions are dense");
                    after.remove(&removal.0);
                    after.put(new.next().unwrap().clone());
                }
            }
        }
        for maybe in maybe {
            match maybe {
                Maybe::Batch(batch) if *batch.stamps() == Stamps::Now => after.lost.push(again(&batch)),
                _ => {}
            }
        }
        self.model = after;
    }

    async fn compare(&mut self, store: &JsonlStore, events: &[Event]) {
        let due: Vec<Event> = self.model.events.values().cloned().collect();
        same(events, &due, "what was acknowledged is there, once, as it was written, and nothing else");
        assert!(
            events.windows(2).all(|pair| pair[0].recorded_at <= pair[1].recorded_at),
            "time follows order"
        );
        for (stream, version) in &self.model.versions {
            assert_eq!(store.version(stream).await.unwrap().0, *version, "the version of {stream}");
        }
        let stream = self.model.versions.keys().next().cloned();
        let stream = stream.unwrap_or_else(|| "task-1".parse::<StreamName>().unwrap());
        let by_index = read_all(store, Filter::stream(stream.clone())).await.expect("the log is read");
        let of_stream: Vec<Event> = due.iter().filter(|event| event.stream == stream).cloned().collect();
        same(&by_index, &of_stream, "the index finds what is there");
        let report = store.check().await.expect("the log is checked");
        assert_eq!(report.problems, Vec::<String>::new(), "there is no damage");
        assert_eq!((report.events, report.head.0), (due.len() as u64, self.model.head));
        assert_eq!(report.removed, self.model.gone.len() as u64);
    }

    async fn compare_snapshots(&mut self, store: &JsonlStore) {
        let infos = store.snapshots().list("", None).await.expect("the snapshots are listed");
        for (name, key) in &mut self.model.snapshots {
            let mut there: BTreeMap<u64, Json> = BTreeMap::new();
            for info in infos.iter().filter(|info| info.key == *name) {
                let found = store.snapshots().load(name, info.position).await.expect("a snapshot is loaded");
                let found =
                    found.unwrap_or_else(|| panic!("the snapshot {name} at {} is gone", info.position));
                assert_eq!((found.position, found.revision), (info.position, info.revision));
                assert!(info.revision.0 <= key.revisions.1, "{name} was saved more often than anybody has");
                there.insert(info.position.0, found.data);
            }
            let maybe = &key.maybe;
            for (position, data) in &there {
                let may_be = maybe.iter().any(|(at, value)| at == position && value.as_ref() == Some(data));
                assert!(
                    may_be || key.certain.get(position) == Some(data),
                    "{name} at {position} is {data:?}"
                );
            }
            for position in key.certain.keys().filter(|position| !there.contains_key(position)) {
                assert!(maybe.iter().any(|(at, _)| at == position), "{name} at {position} is gone");
            }
            key.certain = there;
            if !std::mem::take(&mut key.maybe).is_empty() {
                // What is there may go with a crash; another save makes it stay.
                let data = Json::of(&"known").unwrap();
                let snapshot = Snapshot::new(name.clone(), Position(0), data.clone());
                let saved =
                    store.snapshots().save(snapshot, None, Keep::History).await.expect("a snapshot is saved");
                assert!(saved.0 <= key.revisions.1 + 1, "{name} was saved more often than anybody has");
                key.revisions = (saved.0, saved.0);
                key.save(0, data, Keep::History);
            }
        }
        assert!(infos.iter().all(|info| self.model.snapshots.contains_key(&info.key)), "{infos:?}");
    }

    pub(super) fn compare_archives(&self) {
        for (folder, ids) in &self.model.archived {
            let files = self.files_below(Path::new(folder));
            for id in ids {
                let id = id.to_string();
                let is_there = |bytes: &Vec<u8>| memchr::memmem::find(bytes, id.as_bytes()).is_some();
                assert!(files.iter().any(is_there), "{id} is not in the archive {}", folder.display());
            }
        }
    }
}

/// Compares events, and says in short what differs.
pub(super) fn same(found: &[Event], due: &[Event], what: &str) {
    if found == due {
        return;
    }
    let at = found.iter().zip(due).take_while(|(found, due)| found == due).count();
    let short = |event: &Event| {
        let text = event.data.as_str();
        let Event { position, version, recorded_at, fact } = event;
        format!(
            "{position} {} {version} {} {recorded_at} {} {}",
            fact.stream,
            fact.event_type,
            fact.id,
            &text[..text.len().min(30)]
        )
    };
    panic!(
        "{what}: {} events where {} are due; from the {}. on:\n found {:?}\n due   {:?}",
        found.len(),
        due.len(),
        at + 1,
        found[at..].iter().take(3).map(short).collect::<Vec<_>>(),
        due[at..].iter().take(3).map(short).collect::<Vec<_>>()
    );
}

/// What an event tells of a removal.
fn tells(event: &Event) -> Option<RemovedData> {
    let is_teller = event.stream == RETENTION_STREAM && &*event.event_type == REMOVED_TYPE;
    is_teller.then(|| event.data.to().expect("what was removed"))
}

fn data((removal, count): (&factlog::Removal, u64)) -> RemovedData {
    let factlog::Removal { filter, through, archive } = removal.clone();
    RemovedData { filter, through, count, archive }
}

impl Model {
    /// Puts in an event at a position that was known to be taken.
    fn put_below(&mut self, event: Event) {
        let version = self.versions.entry(event.stream.clone()).or_default();
        *version = event.version.0.max(*version);
        self.events.insert(event.position.0, event);
    }
}
