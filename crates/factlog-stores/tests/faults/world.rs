//! A disk, a log on it, a model of what must be in it, and everything that is done to them, drawn from a seed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use factlog::{
    Appended, Batch, Error, ErrorKind, Event, Json, Keep, Position, Read, Removal, Removed, Result, Revision,
    Snapshot, Store, StreamName,
};
use factlog_stores::vfs::Vfs;
use factlog_stores::vfs::simulated::SimulatedDisk;
use factlog_stores::{JsonlOptions, JsonlStore, Open, Tuning};
use fastrand::Rng;

use super::model::{Maybe, Model};
use super::verify::same;

const KEYS: [&str; 2] = ["projection/agents", "follower/mailer"];

pub(super) struct World {
    pub(super) disk: SimulatedDisk,
    pub(super) options: JsonlOptions,
    pub(super) model: Model,
    pub(super) random: Rng,
    /// Whether faults may come, so that errors are no surprise.
    pub(super) is_troubled: bool,
    /// Whether what happens is told.
    pub(super) is_told: bool,
    archives: u32,
}

/// What an answer said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Done,
    /// Nothing was changed.
    Refused,
    /// It may have been done.
    Unknown,
}

/// What a batch of an append should be told.
pub(super) enum Due {
    New,
    /// New, unless the clock has gone past the times that it keeps.
    NewUnlessLate,
    Repeated,
    Conflict,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut options = JsonlOptions::new("/log");
        options.prewrite = random.bool();
        options.stream_files = (random.u8(..4) == 0).then_some(true);
        options.lock_wait = Duration::from_secs(10);
        options.tuning = Tuning {
            segment_bytes: random.u64(1_024..4_096),
            index_events: random.usize(4..=16),
            ahead_bytes: 256 << random.u32(0..3),
            background: false,
        };
        let disk = SimulatedDisk::new(random.u64(..));
        Self {
            disk,
            options,
            model: Model::default(),
            random,
            is_troubled: false,
            is_told: false,
            archives: 0,
        }
    }

    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.is_told {
            eprintln!("[{}] {}", self.disk.operations(), what());
        }
    }

    pub(super) fn open(&self) -> Result<JsonlStore> {
        let opened = JsonlStore::open_on(Arc::new(self.disk.clone()), &self.options, Open::Create);
        self.tell(|| format!("open {:?}: {:?}", self.options.tuning, opened.as_ref().map(|_| ())));
        opened
    }

    /// Waits until the writer has done all that it does after it has answered: then it is the same again for a seed.
    pub(super) fn settle(&self) {
        self.disk.wait_unlocked().expect("the log's lock is given back");
    }

    /// Judges an error.
    fn said(&self, error: &Error, what: &str) -> Said {
        self.tell(|| format!("{what}: {error:?}"));
        assert!(self.is_troubled, "{what} on a good disk: {error:?}");
        match error.kind() {
            ErrorKind::Unavailable => Said::Refused,
            ErrorKind::Stopped => Said::Unknown,
            _ => panic!("{what}: {error:?}"),
        }
    }

    /// Something that a log is asked to do. `Unknown` when it may have stopped.
    pub(super) async fn step(&mut self, store: &JsonlStore) -> Said {
        let said = match self.random.u8(0..24) {
            0 => self.remove(store, false).await,
            1 => self.remove(store, true).await,
            2..=4 => self.save(store).await,
            5 => self.forget(store).await,
            6..=8 => self.read(store).await,
            _ => self.append(store).await,
        };
        self.settle();
        said
    }

    pub(super) async fn append(&mut self, store: &JsonlStore) -> Said {
        let count = if self.random.u8(0..4) == 0 { self.random.usize(2..5) } else { 1 };
        let mut draft = self.model.draft();
        let mut batches = Vec::new();
        let mut due = Vec::new();
        for index in 0..count {
            let (batch, is_due) = self.batch(&mut draft, index > 0, index + 1 == count);
            batches.push(batch);
            due.push(is_due);
        }
        self.submit(store, batches, due).await
    }

    /// Appends one new event that nothing speaks against.
    pub(super) async fn append_one(&mut self, store: &JsonlStore) -> Said {
        let batch = Batch::new(vec![self.event()]).unwrap();
        self.submit(store, vec![batch], vec![Due::New]).await
    }

    async fn submit(&mut self, store: &JsonlStore, batches: Vec<Batch>, due: Vec<Due>) -> Said {
        let outcomes = store.append(batches.clone()).await;
        assert_eq!(outcomes.len(), batches.len());
        let mut said = Said::Done;
        let from = self.model.head + 1;
        let mut unknown = Vec::new();
        for ((batch, due), outcome) in batches.into_iter().zip(due).zip(outcomes) {
            self.tell(|| format!("append {}: {outcome:?}", shown(&batch)));
            match (outcome, due) {
                (Ok(appended), Due::New | Due::NewUnlessLate) => self.acknowledged(&batch, &appended),
                (Ok(appended), Due::Repeated) => self.repeated(&batch, &appended),
                (Ok(appended), Due::Conflict) => panic!("recorded, against a condition: {appended:?}"),
                (Err(error), Due::Conflict | Due::NewUnlessLate) if error.kind() == ErrorKind::Conflict => {}
                // A batch before it was to bring its stream to where it is expected.
                (Err(error), Due::New) if error.kind() == ErrorKind::Conflict && said == Said::Refused => {}
                (Err(error), due) => match self.said(&error, "append") {
                    Said::Unknown => {
                        said = Said::Unknown;
                        if matches!(due, Due::New | Due::NewUnlessLate) {
                            unknown.push(batch);
                        }
                    }
                    refused if said == Said::Done => said = refused,
                    _ => {}
                },
            }
        }
        if self.model.head >= from {
            // One call is one write.
            self.model.writes.retain(|write| *write < from);
            self.model.writes.push(from);
        }
        self.model.maybe.extend(unknown.into_iter().map(Maybe::Batch));
        said
    }

    fn acknowledged(&mut self, batch: &Batch, appended: &Appended) {
        let places = Model::place(&mut self.model.draft(), batch);
        let told: Vec<_> = appended.events.iter().map(|event| (event.position.0, event.version.0)).collect();
        assert_eq!(told, places, "positions and versions go on");
        assert!(!appended.repeated, "{appended:?}");
        assert!(self.model.recorded_at.is_none_or(|last| last <= appended.recorded_at), "time follows order");
        self.model.record(batch, appended.recorded_at);
    }

    fn repeated(&self, batch: &Batch, appended: &Appended) {
        assert!(appended.repeated, "recorded twice: {appended:?}");
        for (event, told) in batch.events().iter().zip(&appended.events) {
            let known = &self.model.events[&told.position.0];
            assert_eq!((known.id, known.version), (event.id, told.version));
        }
    }

    pub(super) async fn remove(&mut self, store: &JsonlStore, into_archive: bool) -> Said {
        let removal = self.removal();
        // Sometimes into the folder of the archive before.
        self.archives += u32::from(into_archive && (self.archives == 0 || self.random.u8(0..4) > 0));
        let folder = PathBuf::from(format!("/archive-{}", self.archives));
        self.remove_by(store, removal, into_archive.then_some(folder)).await
    }

    pub(super) async fn remove_by(
        &mut self,
        store: &JsonlStore,
        mut removal: Removal,
        archive: Option<PathBuf>,
    ) -> Said {
        let gone = self.model.matching(&removal);
        let count = gone.len() as u64;
        let outcome = if let Some(folder) = archive {
            removal.archive = Some(folder.display().to_string());
            let outcome = store.move_into(&removal, &folder).await.map(|moved| moved.removed);
            if outcome.is_ok() {
                let ids = gone.iter().map(|position| self.model.events[position].id).collect();
                self.model.archived.push((folder, ids));
            }
            outcome
        } else {
            store.remove(&removal).await
        };
        self.tell(|| format!("remove {count} by {removal:?}: {outcome:?}"));
        self.removal_said(&removal, count, outcome)
    }

    fn removal_said(&mut self, removal: &Removal, count: u64, outcome: Result<Removed>) -> Said {
        match outcome {
            Ok(removed) if count == 0 => {
                assert_eq!(removed, Removed { count, position: None });
                Said::Done
            }
            Ok(removed) => {
                assert_eq!(removed, Removed { count, position: Some(Position(self.model.head + 1)) });
                self.model.removed(removal, count);
                Said::Done
            }
            // The folder of the archive has another file of that name.
            Err(error) if error.kind() == ErrorKind::Unavailable && removal.archive.is_some() => {
                Said::Refused
            }
            Err(error) => {
                let said = self.said(&error, "remove");
                if said == Said::Unknown && count > 0 {
                    self.model.maybe.push(Maybe::Removal(Box::new((removal.clone(), count))));
                }
                said
            }
        }
    }

    /// After something whose outcome is not known, nothing is taken until the log is opened again.
    pub(super) async fn has_stopped(&mut self, store: &JsonlStore) {
        let batch = Batch::new(vec![self.event()]).unwrap();
        for outcome in store.append(vec![batch]).await {
            let error = outcome.expect_err("a store that does not know what it has written goes on");
            self.said(&error, "append to a log that has stopped");
            assert_eq!(error.kind(), ErrorKind::Stopped, "{error:?}");
        }
        self.settle();
    }

    pub(super) async fn save(&mut self, store: &JsonlStore) -> Said {
        let name = KEYS[self.random.usize(..KEYS.len())];
        let position = self.random.u64(0..=self.model.head);
        let data = Json::of(&serde_json::json!({ "sum": self.random.u64(..) })).unwrap();
        let keep = if self.random.bool() { Keep::Newest } else { Keep::History };
        let mut key = self.model.snapshots.get(name).cloned().unwrap_or_default();
        let expect = Some(Revision(key.revisions.0)).filter(|_| key.revisions.0 == key.revisions.1);
        let snapshot = Snapshot::new(name, Position(position), data.clone());
        let outcome = store.snapshots().save(snapshot, expect.filter(|_| self.random.bool()), keep).await;
        self.tell(|| format!("save {name} at {position}, {keep:?}: {outcome:?}"));
        let is_older =
            keep == Keep::Newest && key.certain.keys().next_back().is_some_and(|newest| *newest > position);
        let said = match outcome {
            Ok(revision) => {
                assert!(!is_older, "an older snapshot took the place of a newer one");
                let (least, most) = key.revisions;
                assert!((least + 1..=most + 1).contains(&revision.0), "{revision:?} after {least} to {most}");
                key.revisions = (revision.0, revision.0);
                key.save(position, data, keep);
                Said::Done
            }
            Err(error) if is_older && error.kind() == ErrorKind::Conflict => Said::Done,
            Err(error) => {
                let gone: Vec<u64> = key.certain.keys().copied().filter(|_| keep == Keep::Newest).collect();
                let said = self.said(&error, "save");
                if said == Said::Unknown {
                    key.revisions.1 += 1;
                    key.maybe.push((position, Some(data)));
                    key.maybe.extend(gone.into_iter().map(|position| (position, None)));
                }
                said
            }
        };
        self.model.snapshots.insert(name.to_owned(), key);
        said
    }

    pub(super) async fn forget(&mut self, store: &JsonlStore) -> Said {
        let name = KEYS[self.random.usize(..KEYS.len())];
        let below = self.random.u64(0..=self.model.head + 1);
        let outcome = store.snapshots().forget(name, Position(below)).await;
        self.tell(|| format!("forget {name} below {below}: {outcome:?}"));
        let key = self.model.snapshots.entry(name.to_owned()).or_default();
        let gone: Vec<u64> = key.certain.range(..below).map(|(position, _)| *position).collect();
        match outcome {
            Ok(count) => {
                assert_eq!(count, gone.len() as u64);
                key.certain.retain(|position, _| *position >= below);
                Said::Done
            }
            Err(error) => {
                let said = self.said(&error, "forget");
                if said == Said::Unknown {
                    let key = self.model.snapshots.get_mut(name).unwrap();
                    key.maybe.extend(gone.into_iter().map(|position| (position, None)));
                }
                said
            }
        }
    }

    pub(super) async fn read(&mut self, store: &JsonlStore) -> Said {
        let filter = self.removal().filter;
        let after = Position(self.random.u64(0..=self.model.head));
        let backwards = self.random.bool();
        let read =
            if backwards { Read::before(filter.clone(), after) } else { Read::after(filter.clone(), after) };
        let page = match store.read(&read).await {
            Ok(page) => page,
            Err(error) => {
                // A read that fails leaves nothing open.
                self.said(&error, "read");
                return Said::Refused;
            }
        };
        let is_there = |event: &&Event| {
            let inside = if backwards { event.position < after } else { event.position > after };
            inside && filter.matches(event)
        };
        let mut due: Vec<&Event> = self.model.events.values().filter(is_there).collect();
        if backwards {
            due.reverse();
        }
        // The events that tell of removals are the store's.
        let is_ours = |event: &&Event| !self.model.tellers.contains_key(&event.position.0);
        let read = page.events.iter().map(|event| &**event).filter(is_ours).cloned().collect::<Vec<_>>();
        let due = due.into_iter().filter(is_ours).cloned().collect::<Vec<_>>();
        same(&read, &due, "a read shows what is there");
        assert!(!page.more);
        Said::Done
    }

    /// All files below a folder, for a look at archives.
    pub(super) fn files_below(&self, folder: &Path) -> Vec<Vec<u8>> {
        let mut files = Vec::new();
        for entry in self.disk.entries(folder).unwrap_or_default() {
            let path = folder.join(&entry.name);
            if entry.is_folder {
                files.extend(self.files_below(&path));
            } else {
                let file = self.disk.open(&path, factlog_stores::vfs::OpenFile::Read).unwrap();
                let mut bytes = vec![0; file.len().unwrap() as usize];
                let mut filled = 0;
                while filled < bytes.len() {
                    filled += file.read_at(&mut bytes[filled..], filled as u64).unwrap();
                }
                files.push(bytes);
            }
        }
        files
    }
}

/// The same events, to be recorded now.
pub(super) fn again(batch: &Batch) -> Batch {
    Batch::new(batch.events().to_vec()).unwrap()
}

fn shown(batch: &Batch) -> String {
    let streams: Vec<&StreamName> = batch.events().iter().map(|event| &event.stream).collect();
    format!("{streams:?} {:?} {:?}", batch.expects(), batch.stamps())
}
