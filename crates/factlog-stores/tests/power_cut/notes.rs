//! What the process that writes says of itself: what it is about to do, and what was acknowledged.

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use factlog::{Batch, EventId, EventLog, Json, Keep, NewEvent, Position, Revision, Snapshot};
use serde::{Deserialize, Serialize};

/// One line of what it says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Note {
    /// These events are recorded.
    Appended(Vec<Acknowledged>),
    /// All events of this stream are about to go.
    Removing(String),
    /// They are gone, and this is where the log says so.
    Removed(String, Position),
    /// A value is about to be remembered.
    Saving(Remembered),
    /// It is remembered, as this save of its key.
    Saved(Remembered, Revision),
}

/// An event that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Acknowledged {
    pub(super) id: EventId,
    pub(super) position: Position,
    pub(super) stream: String,
    pub(super) data: Json,
}

/// A value at a position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) key: String,
    pub(super) position: Position,
    pub(super) data: Json,
    /// Whether the earlier ones stay.
    pub(super) is_history: bool,
}

/// What the data of each event says, so that half a batch is seen as one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Written {
    pub(super) batch: u64,
    pub(super) size: u64,
    pub(super) index: u64,
    #[serde(default)]
    pub(super) padding: String,
}

/// A log whose acknowledgements are noted.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) log: EventLog,
    notes: Mutex<std::fs::File>,
}

impl Noted {
    pub(super) fn new(log: EventLog, notes: &Path) -> Self {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(notes);
        Self { log, notes: Mutex::new(file.expect("the notes can be written")) }
    }

    /// One write, so that a note is whole.
    fn note(&self, note: &Note) {
        let line = serde_json::to_string(note).expect("a note is JSON");
        let mut notes = self.notes.lock().expect("nobody panics while noting");
        notes.write_all(line.as_bytes()).expect("the notes can be written");
    }

    /// Appends so many events as one batch, each with so many bytes, to these streams in turn.
    pub(super) async fn append(&self, batch: u64, streams: &[&str], size: u64, bytes: usize) -> Position {
        let events: Vec<NewEvent> = (0..size)
            .map(|index| {
                // No two sectors are alike, so that one in the place of another is seen.
                let padding = (0..bytes / 8).fold(String::with_capacity(bytes), |text, word| {
                    text + &format!("{:08x}", (batch << 20) + (index << 12) + word as u64)
                });
                let data = Written { batch, size, index, padding };
                let stream = streams[index as usize % streams.len()];
                NewEvent::new(stream, "test:written", data).expect("an event")
            })
            .collect();
        let batch = Batch::new(events.clone()).expect("a batch");
        let appended = self.log.append(batch).await.expect("an append succeeds");
        let acknowledged = events.into_iter().zip(&appended.events).map(|(event, at)| Acknowledged {
            id: event.id,
            position: at.position,
            stream: event.stream.to_string(),
            data: event.data,
        });
        self.note(&Note::Appended(acknowledged.collect()));
        appended.last()
    }

    /// Removes the events of a stream.
    pub(super) async fn remove(&self, stream: &str) {
        self.note(&Note::Removing(stream.to_owned()));
        let filter = factlog::Filter::stream(stream.parse().expect("a name"));
        let through = self.log.newest().await.expect("a position");
        let removal = factlog::Removal { filter, through, archive: None };
        let removed = self.log.store().remove(&removal).await.expect("a removal");
        let position = removed.position.expect("there was something to remove");
        self.note(&Note::Removed(stream.to_owned(), position));
    }

    /// Remembers a value.
    pub(super) async fn save(&self, key: &str, position: Position, number: u64, keep: Keep) {
        let data =
            Json::of(&serde_json::json!({"number": number, "padding": "x".repeat(2_000)})).expect("JSON");
        let is_history = keep == Keep::History;
        let remembered = Remembered { key: key.to_owned(), position, data: data.clone(), is_history };
        self.note(&Note::Saving(remembered.clone()));
        let saved = self.log.snapshots().save(Snapshot::new(key, position, data), None, keep).await;
        self.note(&Note::Saved(remembered, saved.expect("a save succeeds")));
    }
}
