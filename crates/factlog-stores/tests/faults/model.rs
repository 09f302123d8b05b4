//! What must be in the log, as far as its answers told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use factlog::{Batch, Event, EventId, Json, Keep, Position, Removal, Stamps, StreamName, Timestamp, Version};

/// What is certain, and what may be.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) events: BTreeMap<u64, Event>,
    pub(super) head: u64,
    /// Positions of events that were removed, or left out by a copy.
    pub(super) gone: BTreeSet<u64>,
    pub(super) versions: BTreeMap<StreamName, u64>,
    pub(super) recorded_at: Option<Timestamp>,
    /// Removals that were acknowledged: where the log says so. The event itself is the store's.
    pub(super) tellers: BTreeMap<u64, (Removal, u64)>,
    /// What was submitted last, and answered with neither yes nor no.
    pub(super) maybe: Vec<Maybe>,
    /// Batches that are recorded, and that are not.
    pub(super) recorded: Vec<Batch>,
    pub(super) lost: Vec<Batch>,
    pub(super) snapshots: BTreeMap<String, Key>,
    /// Events that an acknowledged archive must have.
    pub(super) archived: Vec<(PathBuf, BTreeSet<EventId>)>,
    /// The positions that each of the last writes began at.
    pub(super) writes: Vec<u64>,
}

#[derive(Debug, Clone)]
pub(super) enum Maybe {
    Batch(Batch),
    Removal(Box<(Removal, u64)>),
}

/// The snapshots of a key.
#[derive(Debug, Clone, Default)]
pub(super) struct Key {
    /// How often it was saved, at least and at most.
    pub(super) revisions: (u64, u64),
    pub(super) certain: BTreeMap<u64, Json>,
    /// Values that a save without an answer may have left, and positions that may have been forgotten.
    pub(super) maybe: Vec<(u64, Option<Json>)>,
}

/// Where the next batch will stand.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) head: u64,
    pub(super) versions: BTreeMap<StreamName, u64>,
}

impl Model {
    pub(super) fn draft(&self) -> Draft {
        Draft { head: self.head, versions: self.versions.clone() }
    }

    /// The positions and versions that a batch takes.
    pub(super) fn place(draft: &mut Draft, batch: &Batch) -> Vec<(u64, u64)> {
        let mut places = Vec::new();
        for (index, event) in batch.events().iter().enumerate() {
            let version = draft.versions.entry(event.stream.clone()).or_default();
            match batch.stamps() {
                Stamps::Now => {
                    draft.head += 1;
                    *version += 1;
                }
                Stamps::Kept(stamps) => {
                    draft.head = stamps[index].position.0;
                    *version = stamps[index].version.0;
                }
            }
            places.push((draft.head, *version));
        }
        places
    }

    /// Notes a batch that is in the log.
    pub(super) fn record(&mut self, batch: &Batch, recorded_at: Timestamp) {
        let mut draft = self.draft();
        let places = Self::place(&mut draft, batch);
        self.writes.push(places[0].0);
        for (index, (event, (position, version))) in batch.events().iter().zip(places).enumerate() {
            let recorded_at = match batch.stamps() {
                Stamps::Now => recorded_at,
                Stamps::Kept(stamps) => stamps[index].recorded_at,
            };
            self.put(Event {
                position: Position(position),
                version: Version(version),
                recorded_at,
                fact: event.clone(),
            });
        }
        self.recorded.push(batch.clone());
    }

    pub(super) fn put(&mut self, event: Event) {
        let position = event.position.0;
        self.gone.extend(self.head + 1..position);
        self.head = self.head.max(position);
        let version = self.versions.entry(event.stream.clone()).or_default();
        *version = event.version.0.max(*version);
        self.recorded_at = Some(event.recorded_at);
        self.events.insert(position, event);
    }

    /// The events that a removal takes.
    pub(super) fn matching(&self, removal: &Removal) -> Vec<u64> {
        let filter = removal.effective_filter();
        let is_gone = |event: &&Event| event.position <= removal.through && filter.matches(event);
        self.events.values().filter(is_gone).map(|event| event.position.0).collect()
    }

    /// Takes out what a removal took.
    pub(super) fn remove(&mut self, removal: &Removal) {
        for position in self.matching(removal) {
            let event = self.events.remove(&position).unwrap();
            self.gone.insert(position);
            self.recorded.retain(|batch| batch.events().iter().all(|known| known.id != event.id));
        }
    }

    /// Notes a removal that was acknowledged.
    pub(super) fn removed(&mut self, removal: &Removal, count: u64) {
        self.remove(removal);
        self.head += 1;
        self.tellers.insert(self.head, (removal.clone(), count));
        self.writes.push(self.head);
    }
}

impl Key {
    /// Notes a save that was acknowledged.
    pub(super) fn save(&mut self, position: u64, data: Json, keep: Keep) {
        if keep == Keep::Newest {
            self.certain.clear();
        }
        self.certain.insert(position, data);
    }
}
