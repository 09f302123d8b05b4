//! What readers see: the segments, the indexes, and the newest events that no index has yet.

use std::sync::{Arc, Mutex};

use factlog::{Error, Position};

use super::index::{Recent, Run};
use super::segment::{Place, SegmentName};

/// Entries of a chunk of the tail.
const CHUNK_ENTRIES: usize = 1_024;

/// An event that no index file has yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) position: Position,
    pub(super) place: Place,
}

/// The log as far as it is known, synced and told to others. It is cheap to clone, and changes only under its lock.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    /// All segments, in order; the last one is written.
    pub(super) segments: Arc<Vec<SegmentName>>,
    /// Where the last line of the last segment ends.
    pub(super) end: u64,
    pub(super) head: Position,
    /// In order, without a gap between them.
    pub(super) runs: Vec<Arc<Run>>,
    /// The events after those of the runs.
    pub(super) tail: Tail,
    /// What the tail's events are found by, made as far as somebody has asked.
    pub(super) recent: Arc<Mutex<Recent>>,
    pub(super) generation: u64,
    /// Whether files came, went or were written anew while it was found.
    pub(super) is_changing: bool,
    /// How often segments were written anew.
    pub(super) rewrites: u64,
    /// Whether each stream's events are kept in files of its own too.
    pub(super) has_stream_files: bool,
    /// What is said of a write that was never finished.
    pub(super) torn: Option<String>,
    /// What is wrong behind the last event.
    pub(super) damage: Option<Error>,
}

impl View {
    /// The last position that an index file knows.
    pub(super) fn indexed(&self) -> Position {
        self.runs.last().map_or(Position::START, |run| run.last)
    }

    /// Puts an index file in the place of the events, or the files, that it knows.
    pub(super) fn install(&mut self, run: Run) {
        self.runs.retain(|known| known.after < run.after);
        self.tail = self.tail.without(run.last);
        self.runs.push(Arc::new(run));
        self.recent = Arc::default();
    }
}

/// The newest events, in chunks that clones share.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    full: Vec<Arc<Vec<Entry>>>,
    fresh: Vec<Entry>,
}

impl Tail {
    pub(super) fn push(&mut self, entry: Entry) {
        self.fresh.push(entry);
        if self.fresh.len() == CHUNK_ENTRIES {
            self.full.push(Arc::new(std::mem::take(&mut self.fresh)));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.full.len() * CHUNK_ENTRIES + self.fresh.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<Entry> {
        match self.full.get(index / CHUNK_ENTRIES) {
            Some(chunk) => chunk.get(index % CHUNK_ENTRIES).copied(),
            None => self.fresh.get(index - self.full.len() * CHUNK_ENTRIES).copied(),
        }
    }

    /// The first event after a position.
    pub(super) fn after(&self, position: Position) -> usize {
        let is_before = |entry: &Entry| entry.position <= position;
        let chunk = self.full.partition_point(|chunk| chunk.last().is_some_and(is_before));
        let rest = self.full.get(chunk).map_or(self.fresh.as_slice(), |chunk| chunk.as_slice());
        chunk * CHUNK_ENTRIES + rest.partition_point(is_before)
    }

    /// The same without the events up to a position.
    fn without(&self, through: Position) -> Self {
        let mut rest = Self::default();
        (self.after(through)..self.len())
            .filter_map(|index| self.get(index))
            .for_each(|entry| rest.push(entry));
        rest
    }
}
