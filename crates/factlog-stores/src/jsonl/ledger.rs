//! What the writer knows of the log: the newest of everything in memory, the rest from the indexes.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use factlog::admission::{Known, Ledger};
use factlog::{
    Error, Event, EventId, Filter, NewEvent, Position, RETENTION_STREAM, RemovedData, Result, Stamp,
    StreamName, Timestamp, Version,
};
use uuid::Uuid;

use super::files::Files;
use super::group::Written;
use super::index::{Kind, term};
use super::line::{Fields, Line, event, parse, timestamp, unescaped, verified};
use super::query::{self, Reader};
use super::view::View;

/// Streams that the writer remembers beside those of the newest events.
const HEADS_MAX: usize = 200_000;

/// The newest of everything, unsynced events among it.
#[derive(Debug, Default)]
pub(super) struct Heads {
    pub(super) position: Position,
    pub(super) recorded_at: Option<Timestamp>,
    /// The events that no index file has yet.
    ids: HashMap<Uuid, Position, BuildHasherDefault<IdHasher>>,
    streams: HashMap<StreamName, (Version, Position)>,
    /// Streams whose newest events were removed.
    pub(super) removed: HashMap<StreamName, Version>,
    /// What was removed; none until somebody has asked.
    pub(super) removals: Option<Vec<RemovedData>>,
    /// Positions up to here are known not to break the conditions of the batch.
    pub(super) clear_to: Position,
}

/// Ids are random enough for a sum that is quick to make.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            let product = u128::from(self.0 ^ u64::from_le_bytes(word)) * 0x9e37_79b9_7f4a_7c15;
            self.0 = (product >> 64) as u64 ^ product as u64;
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Heads {
    /// Takes in a line that is in the log.
    pub(super) fn take_in(&mut self, line: &Line<'_>) -> Option<()> {
        match line {
            Line::Event(fields) => {
                let stream = StreamName::trusted(unescaped(fields.stream)?);
                self.recorded_at = Some(timestamp(fields.recorded_at)?);
                if stream == RETENTION_STREAM {
                    self.removals = None;
                }
                // Newer events of the stream may have been removed.
                let removed = self.removed.get(&stream).copied().unwrap_or_default();
                self.note(fields.id, &stream, fields.version.max(removed), fields.position);
            }
            Line::Removed(_, last) => self.position = *last,
        }
        Some(())
    }

    fn note(&mut self, id: Uuid, stream: &StreamName, version: Version, position: Position) {
        self.ids.insert(id, position);
        match self.streams.get_mut(stream) {
            Some(known) => *known = (version, position),
            None => {
                self.streams.insert(stream.clone(), (version, position));
            }
        }
        self.position = position;
    }

    /// Notes an event that was admitted.
    pub(super) fn record(&mut self, event: &NewEvent, stamp: Stamp) {
        self.note(event.id.0, &event.stream, stamp.version, stamp.position);
        self.recorded_at = Some(stamp.recorded_at);
        if event.stream == RETENTION_STREAM {
            self.removals = None;
        }
    }

    /// The version of a stream, and the position of its event, as far as they are remembered.
    pub(super) fn known_version(&self, stream: &StreamName) -> Option<(Version, Position)> {
        self.streams.get(stream).copied()
    }

    /// Forgets what an index file knows now.
    pub(super) fn indexed(&mut self, through: Position) {
        self.ids.retain(|_, position| *position > through);
        if self.streams.len() > HEADS_MAX {
            self.streams.retain(|_, (_, position)| *position > through);
        }
    }
}

/// The heads, with the files and the unsynced lines they are of.
pub(super) struct OpenLedger<'a> {
    pub(super) files: &'a Files,
    pub(super) view: &'a View,
    pub(super) heads: &'a mut Heads,
    /// Lines that are not in the view yet, in order.
    pub(super) unsynced: &'a [Arc<Written>],
    pub(super) open: &'a Written,
}

impl OpenLedger<'_> {
    fn unsynced(&self) -> impl DoubleEndedIterator<Item = &Written> {
        self.unsynced.iter().map(|written| &**written).chain(std::iter::once(self.open))
    }

    /// Calls with the line at a position.
    fn with_line<T>(&self, position: Position, look: impl FnOnce(&Fields<'_>) -> Option<T>) -> Result<T> {
        let lost = || Error::corrupt(format!("position {position}"), "the event cannot be read");
        if position <= self.view.head {
            let mut reader = Reader::new(self.files);
            let place = query::place_of(self.view, position)?;
            return reader.with(place, position, look)?.ok_or_else(lost);
        }
        let line = self.unsynced().find_map(|written| written.line(position)).ok_or_else(lost)?;
        match verified(line).and_then(parse) {
            Some(Line::Event(fields)) => look(&fields).ok_or_else(lost),
            _ => Err(lost()),
        }
    }

    /// Makes the removals known, before they are asked for.
    pub(super) fn load_removals(&mut self) -> Result<()> {
        if self.heads.removals.is_some() {
            return Ok(());
        }
        let filter = Filter::stream(StreamName::trusted(RETENTION_STREAM));
        let mut removals = Vec::new();
        // An event that somebody else put into this stream removes nothing.
        query::each(self.files, self.view, &filter, Position::START, |event| {
            removals.extend(event.data.to().ok());
            true
        })?;
        self.each_unsynced(Position::START, |event| {
            if filter.matches(&event) {
                removals.extend(event.data.to().ok());
            }
            true
        })?;
        self.heads.removals = Some(removals);
        Ok(())
    }

    /// Shows the unsynced events after a position until it is told to stop; `false` when it was.
    fn each_unsynced(&self, after: Position, mut each: impl FnMut(Event) -> bool) -> Result<bool> {
        let lost = || Error::corrupt("the open write", "an event cannot be read");
        for line in self.unsynced().flat_map(|written| written.lines_after(after)) {
            let fields = match verified(line).and_then(parse) {
                Some(Line::Event(fields)) => fields,
                Some(Line::Removed(..)) => continue,
                None => return Err(lost()),
            };
            if !each(event(&fields).ok_or_else(lost)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn find_id(&self, id: EventId) -> Result<Option<Position>> {
        if let Some(position) = self.heads.ids.get(&id.0) {
            return Ok(Some(*position));
        }
        let mut reader = Reader::new(self.files);
        for run in self.view.runs.iter().rev().filter(|run| !run.is_before(id.0)) {
            let found = query::newest(&mut reader, run, term(Kind::Id, id.0.as_bytes()), |fields| {
                (fields.id == id.0).then_some(fields.position)
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

impl Ledger for OpenLedger<'_> {
    fn head(&self) -> Position {
        self.heads.position
    }

    fn recorded_at(&self) -> Option<Timestamp> {
        self.heads.recorded_at
    }

    fn version(&mut self, stream: &StreamName) -> Result<Version> {
        if let Some((version, _)) = self.heads.streams.get(stream) {
            return Ok(*version);
        }
        let version = stored_version(self.files, self.view, &self.heads.removed, stream)?;
        if version > Version::NONE && self.heads.streams.len() < 2 * HEADS_MAX {
            self.heads.streams.insert(stream.clone(), (version, Position::START));
        }
        Ok(version)
    }

    fn known(&mut self, event: &NewEvent) -> Result<Option<Known>> {
        let Some(position) = self.find_id(event.id)? else { return Ok(None) };
        self.with_line(position, |fields| {
            let same = unescaped(fields.stream)? == event.stream.as_str()
                && unescaped(fields.event_type)? == event.event_type.as_str()
                && fields.data == event.data.as_str();
            let recorded_at = timestamp(fields.recorded_at)?;
            Some(Known { stamp: Stamp { position, version: fields.version, recorded_at }, same })
        })
        .map(Some)
    }

    fn any_after(&mut self, filter: &Filter, after: Position) -> Result<bool> {
        let after = after.max(self.heads.clear_to);
        let mut none = true;
        query::each(self.files, self.view, filter, after, |_| {
            none = false;
            false
        })?;
        Ok(!(none && self.each_unsynced(after, |event| !filter.matches(&event))?))
    }

    fn removals(&self) -> &[RemovedData] {
        self.heads.removals.as_deref().unwrap_or_default()
    }
}

/// The version of a stream by the index files, and by what was removed.
pub(super) fn stored_version(
    files: &Files,
    view: &View,
    removed: &HashMap<StreamName, Version>,
    stream: &StreamName,
) -> Result<Version> {
    let removed = removed.get(stream).copied().unwrap_or_default();
    let mut reader = Reader::new(files);
    for run in view.runs.iter().rev() {
        let found = query::newest(&mut reader, run, term(Kind::Stream, stream.as_bytes()), |fields| {
            (unescaped(fields.stream)? == stream.as_str()).then_some(fields.version)
        })?;
        if let Some(version) = found {
            return Ok(version.max(removed));
        }
    }
    Ok(removed)
}
