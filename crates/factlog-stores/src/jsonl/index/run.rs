//! The index of some tens of thousands of events: one flat file that is never changed.
//!
//! | part | of |
//! |---|---|
//! | header | 18 numbers: what it covers, and where the parts are |
//! | segments | day, number, first event of each |
//! | types | the names of all types, unless they are too many |
//! | offsets | where each line begins, four bytes an event |
//! | positions | eight bytes an event; none where they have no gaps |
//! | terms | sorted: a term's number, and its one event or where its events are listed |
//! | postings | lists of events, as differences |
//! | filter | which terms there may be |
//!
//! It is synced before it gets its name; one that is lost is built again.

use std::io;
use std::sync::{Arc, OnceLock};

use factlog::Position;
use factlog::limits::POSITION_MAX;

use super::blocks::{self, file_bytes};
use super::filter::Filter;
use crate::jsonl::segment::{Place, SegmentName};
use crate::vfs::VfsFile;

pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"FLINDEX1");
const HEADER_NUMBERS: usize = 18;
pub(super) const HEADER_BYTES: u64 = HEADER_NUMBERS as u64 * 8;
/// Bytes of a term: its number, then an event or a place in the postings, then how many events.
pub(super) const TERM_BYTES: u64 = 16;
/// Bytes of a segment: its day, its number, its first event.
const SEGMENT_BYTES: usize = 18;
/// Terms around the likely place of one, read at once.
const TERMS_AROUND: u64 = 240;
/// Names of types that an index lists.
pub(super) const TYPES_MAX: usize = 1_000;
/// Offsets in one block of the file, where that begins with one.
pub(super) const OFFSETS_IN_BLOCK: u64 = 1_023;

pub(in crate::jsonl) fn is_v7(id: uuid::Uuid) -> bool {
    id.get_version_num() == 7
}

/// An index file that is open.
#[derive(Debug)]
pub(in crate::jsonl) struct Run {
    file: Arc<dyn VfsFile>,
    pub(in crate::jsonl) events: u32,
    /// It knows every event after this position, up to its last.
    pub(in crate::jsonl) after: Position,
    pub(in crate::jsonl) first: Position,
    pub(in crate::jsonl) last: Position,
    /// Where the last line ends, in the last segment.
    pub(in crate::jsonl) end: u64,
    newest_v7: u128,
    segments: Vec<(SegmentName, u32)>,
    types: Option<Vec<String>>,
    offsets_at: u64,
    positions_at: u64,
    terms_at: u64,
    postings_at: u64,
    filter_at: u64,
    contents_end: u64,
    /// Read when it is asked for the first time.
    filter: OnceLock<Filter>,
}

/// The events of one term: few enough to be listed, and how many.
#[derive(Debug, Clone, Copy)]
pub(in crate::jsonl) struct Hits {
    at: u32,
    pub(in crate::jsonl) count: u32,
}

fn odd(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl Run {
    /// Opens a file and believes its header.
    pub(in crate::jsonl) fn open(file: Arc<dyn VfsFile>) -> io::Result<Self> {
        let header = blocks::read(&*file, 0..HEADER_BYTES)?;
        let number =
            |index: usize| u64::from_le_bytes(header[index * 8..][..8].try_into().unwrap_or_default());
        let [segments_at, types_at, types_end, offsets_at] = [number(7), number(8), number(9), number(11)];
        let [positions_at, terms_at, postings_at, contents_end] =
            [number(12), number(13), number(14), number(15)];
        let events = number(1);
        let len = file.len()?;
        let [after, first, last, filter_at] = [number(16), number(2), number(3), number(17)];
        let parts = [
            HEADER_BYTES,
            segments_at,
            types_at,
            types_end,
            offsets_at,
            terms_at,
            postings_at,
            filter_at,
            contents_end,
            len,
        ];
        // What is summed up from here on is below the length of the file and the bound of positions.
        let in_order = parts.is_sorted()
            && (1..=u64::from(u32::MAX)).contains(&events)
            && offsets_at + events * 4 <= terms_at
            && (positions_at == 0
                || ((offsets_at..=terms_at).contains(&positions_at)
                    && positions_at + events * 8 <= terms_at));
        let is_dense = last.wrapping_sub(first).wrapping_add(1) == events;
        let in_log = after < first && first <= last && last <= POSITION_MAX && (positions_at > 0 || is_dense);
        if number(0) != MAGIC || !in_order || !in_log {
            return Err(odd("its header is none of ours"));
        }
        if len != file_bytes(contents_end) {
            return Err(odd("it has another length than it says"));
        }
        let names = blocks::read(&*file, segments_at..offsets_at)?;
        let (table, names) = names.split_at((types_at - segments_at) as usize);
        let segments: Option<Vec<_>> = table
            .chunks(SEGMENT_BYTES)
            .map(|bytes| {
                let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
                Some((
                    SegmentName { day: bytes.get(..10)?.try_into().ok()?, number: number(10)? },
                    number(14)?,
                ))
            })
            .collect();
        let names = std::str::from_utf8(&names[..(types_end - types_at) as usize])
            .map_err(|_| odd("a type is no text"))?;
        Ok(Self {
            events: events as u32,
            after: Position(after),
            first: Position(first),
            last: Position(last),
            end: number(4),
            newest_v7: u128::from(number(5)) | u128::from(number(6)) << 64,
            segments: segments
                .filter(|segments| !segments.is_empty())
                .ok_or_else(|| odd("it names no segments"))?,
            types: (number(10) == 1).then(|| names.split('\n').map(str::to_owned).collect()),
            offsets_at,
            positions_at,
            terms_at,
            postings_at,
            filter_at,
            contents_end,
            filter: OnceLock::new(),
            file,
        })
    }

    /// The segments its lines are in, in their order.
    pub(in crate::jsonl) fn segments(&self) -> impl Iterator<Item = SegmentName> {
        self.segments.iter().map(|(segment, _)| *segment)
    }

    /// Where its last line is.
    pub(in crate::jsonl) fn last_segment(&self) -> SegmentName {
        self.segments[self.segments.len() - 1].0
    }

    /// The names of its types, where it knows all.
    pub(in crate::jsonl) fn types(&self) -> Option<&[String]> {
        self.types.as_deref()
    }

    /// Whether an id cannot be here, by its time.
    pub(in crate::jsonl) fn is_before(&self, id: uuid::Uuid) -> bool {
        is_v7(id) && id.as_u128() > self.newest_v7
    }

    fn filter(&self) -> io::Result<&Filter> {
        if let Some(filter) = self.filter.get() {
            return Ok(filter);
        }
        let bytes = blocks::read(&*self.file, self.filter_at..self.contents_end)?;
        Ok(self.filter.get_or_init(|| Filter::from_bytes(&bytes)))
    }

    /// How many events have a term.
    pub(in crate::jsonl) fn find(&self, term: u64) -> io::Result<Option<Hits>> {
        if !self.filter()?.may_have(term) {
            return Ok(None);
        }
        let count = (self.postings_at - self.terms_at) / TERM_BYTES;
        // Numbers of terms are spread evenly, so a term stands near its share of the table.
        let likely = ((u128::from(term) * u128::from(count)) >> 64) as u64;
        let (mut low, mut high) = (0, count);
        let mut around = TERMS_AROUND;
        let mut from = likely.saturating_sub(around);
        while low < high {
            from = from.clamp(low, high - 1);
            let to = (from + 2 * around).min(high);
            let range = self.terms_at + from * TERM_BYTES..self.terms_at + to * TERM_BYTES;
            let bytes = blocks::read(&*self.file, range)?;
            let number = |index: u64| -> u64 {
                let at = (index * TERM_BYTES) as usize;
                u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default())
            };
            let (first, last) = (number(0), number(to - from - 1));
            if term < first {
                high = from;
                around *= 4;
                from = from.saturating_sub(2 * around);
            } else if term > last {
                low = to;
                around *= 4;
                from = to;
            } else {
                let found = bytes.chunks_exact(TERM_BYTES as usize).collect::<Vec<_>>();
                let place =
                    found.partition_point(|entry| entry[..8].try_into().map_or(0, u64::from_le_bytes) < term);
                let entry = found[place];
                let part = |at: usize| entry[at..at + 4].try_into().map_or(0, u32::from_le_bytes);
                let found = (number(place as u64) == term).then(|| Hits { at: part(8), count: part(12) });
                if found.is_some_and(|hits| hits.count > self.events) {
                    return Err(odd("a term has more events than there are"));
                }
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The events of a term, ascending.
    pub(in crate::jsonl) fn ordinals(&self, hits: Hits) -> io::Result<Vec<u32>> {
        const DIFFERENCE_BYTES_MAX: u64 = 5;
        if hits.count == 1 {
            return Ok(vec![hits.at]);
        }
        let from = self.postings_at + u64::from(hits.at);
        let to = (from + u64::from(hits.count) * DIFFERENCE_BYTES_MAX).min(self.filter_at);
        if from >= to {
            return Err(odd("a list of events is outside of it"));
        }
        let bytes = blocks::read(&*self.file, from..to)?;
        let mut ordinals = Vec::with_capacity(hits.count as usize);
        let (mut ordinal, mut difference, mut shift) = (0_u32, 0_u32, 0);
        for byte in bytes {
            difference |=
                u32::from(byte & 0x7f).checked_shl(shift).ok_or_else(|| odd("a difference is too large"))?;
            shift += 7;
            if byte & 0x80 == 0 {
                ordinal = ordinal.wrapping_add(difference);
                ordinals.push(ordinal);
                (difference, shift) = (0, 0);
                if ordinals.len() == hits.count as usize {
                    break;
                }
            }
        }
        if ordinals.len() < hits.count as usize || ordinals.iter().any(|ordinal| *ordinal >= self.events) {
            return Err(odd("a list of events is not whole"));
        }
        Ok(ordinals)
    }

    /// The position of an event.
    pub(in crate::jsonl) fn position(&self, ordinal: u32) -> io::Result<Position> {
        if self.positions_at == 0 {
            return Ok(Position(self.first.0 + u64::from(ordinal)));
        }
        let at = self.positions_at + u64::from(ordinal) * 8;
        let bytes = blocks::read(&*self.file, at..at + 8)?;
        Ok(Position(bytes.try_into().map_or(0, u64::from_le_bytes)))
    }

    /// The first event after a position.
    pub(in crate::jsonl) fn after(&self, position: Position) -> io::Result<u32> {
        if position < self.first {
            return Ok(0);
        }
        if position >= self.last {
            return Ok(self.events);
        }
        if self.positions_at == 0 {
            return Ok((position.0 - self.first.0 + 1) as u32);
        }
        let (mut low, mut high) = (0, self.events);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.position(middle)? <= position { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// Where an event's line begins. `window` keeps what was read for the events beside it.
    pub(in crate::jsonl) fn place(&self, ordinal: u32, window: &mut Window) -> io::Result<Place> {
        let block = u64::from(ordinal) / OFFSETS_IN_BLOCK;
        if window.block != Some(block) || window.of != self.first {
            let from = self.offsets_at + block * OFFSETS_IN_BLOCK * 4;
            let to = (from + OFFSETS_IN_BLOCK * 4).min(self.offsets_at + u64::from(self.events) * 4);
            window.offsets.clear();
            let bytes = blocks::read(&*self.file, from..to)?;
            window
                .offsets
                .extend(bytes.chunks_exact(4).map(|four| four.try_into().map_or(0, u32::from_le_bytes)));
            (window.block, window.of) = (Some(block), self.first);
        }
        let offset = window.offsets.get((u64::from(ordinal) % OFFSETS_IN_BLOCK) as usize);
        let segment = self.segments.partition_point(|(_, first)| *first <= ordinal);
        match (offset, segment.checked_sub(1)) {
            (Some(offset), Some(segment)) => Ok(Place { segment: self.segments[segment].0, offset: *offset }),
            _ => Err(odd("an event is outside of it")),
        }
    }
}

/// Some offsets that were read.
#[derive(Debug, Default)]
pub(in crate::jsonl) struct Window {
    of: Position,
    block: Option<u64>,
    offsets: Vec<u32>,
}
