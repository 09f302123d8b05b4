//! Events gathered, and the index that is made of them; `run` shows its parts.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasherDefault;

use factlog::Position;

use super::blocks::blocked;
use super::filter::Filter;
use super::run::{HEADER_BYTES, MAGIC, OFFSETS_IN_BLOCK, TERM_BYTES, TYPES_MAX, is_v7};
use super::terms::{self, TermHasher};
use crate::jsonl::line::{Fields, unescaped};
use crate::jsonl::segment::{Place, SegmentName};

/// Gathers events and makes an index of them.
#[derive(Debug, Default)]
pub(in crate::jsonl) struct Builder {
    segments: Vec<(SegmentName, u32)>,
    types: BTreeSet<String>,
    offsets: Vec<u32>,
    positions: Vec<u64>,
    /// Terms that few events share, each with an event.
    rare: Vec<(u64, u32)>,
    /// Terms that many events share, with all of them.
    shared: HashMap<u64, Vec<u32>, BuildHasherDefault<TermHasher>>,
    newest_v7: u128,
    end: u64,
    after: Position,
}

impl Builder {
    /// An index of everything after a position, up to the last event that it will be given.
    pub(in crate::jsonl) fn after(after: Position) -> Self {
        Self { after, ..Self::default() }
    }

    /// Takes in an event whose line begins at a place and ends at an offset.
    pub(in crate::jsonl) fn add(&mut self, fields: &Fields<'_>, place: Place, end: u64) {
        let ordinal = self.offsets.len() as u32;
        if self.segments.last().is_none_or(|(segment, _)| *segment != place.segment) {
            self.segments.push((place.segment, ordinal));
        }
        self.offsets.push(place.offset);
        self.positions.push(fields.position.0);
        self.end = end;
        let Self { rare, shared, .. } = self;
        let known = shared.len();
        terms::of_line(fields, |term, is_rare| {
            if is_rare {
                rare.push((term, ordinal));
            } else {
                shared.entry(term).or_default().push(ordinal);
            }
        });
        // A new type is a new term.
        if self.shared.len() > known && self.types.len() <= TYPES_MAX {
            self.types.extend(unescaped(fields.event_type).map(std::borrow::Cow::into_owned));
        }
        if is_v7(fields.id) {
            self.newest_v7 = self.newest_v7.max(fields.id.as_u128());
        }
    }

    /// The file.
    pub(in crate::jsonl) fn finish(mut self) -> Vec<u8> {
        let mut contents = vec![0; HEADER_BYTES as usize];
        let segments_at = contents.len();
        for (segment, ordinal) in &self.segments {
            contents.extend_from_slice(&segment.day);
            contents.extend_from_slice(&segment.number.to_le_bytes());
            contents.extend_from_slice(&ordinal.to_le_bytes());
        }
        let types_at = contents.len();
        let knows_types = self.types.len() <= TYPES_MAX;
        if knows_types {
            let names: Vec<&str> = self.types.iter().map(String::as_str).collect();
            contents.extend_from_slice(names.join("\n").as_bytes());
        }
        let types_end = contents.len();
        let block = (OFFSETS_IN_BLOCK * 4) as usize;
        contents.resize(contents.len().next_multiple_of(block), 0);
        let offsets_at = contents.len();
        for offset in &self.offsets {
            contents.extend_from_slice(&offset.to_le_bytes());
        }
        let (first, last) = (self.positions[0], self.positions[self.positions.len() - 1]);
        let positions_at = if last - first + 1 == self.positions.len() as u64 { 0 } else { contents.len() };
        if positions_at > 0 {
            for position in &self.positions {
                contents.extend_from_slice(&position.to_le_bytes());
            }
        }
        let (terms, postings) = self.listed();
        let terms_at = contents.len();
        contents.extend_from_slice(&terms);
        let postings_at = contents.len();
        contents.extend_from_slice(&postings);
        let filter_at = contents.len();
        let mut filter = Filter::of(terms.len() / TERM_BYTES as usize);
        for entry in terms.chunks_exact(TERM_BYTES as usize) {
            filter.add(entry[..8].try_into().map_or(0, u64::from_le_bytes));
        }
        contents.extend_from_slice(&filter.to_bytes());
        let header = [
            MAGIC,
            self.positions.len() as u64,
            first,
            last,
            self.end,
            self.newest_v7 as u64,
            (self.newest_v7 >> 64) as u64,
            segments_at as u64,
            types_at as u64,
            types_end as u64,
            u64::from(knows_types),
            offsets_at as u64,
            positions_at as u64,
            terms_at as u64,
            postings_at as u64,
            contents.len() as u64,
            self.after.0,
            filter_at as u64,
        ];
        for (index, number) in header.into_iter().enumerate() {
            contents[index * 8..][..8].copy_from_slice(&number.to_le_bytes());
        }
        blocked(&contents)
    }

    /// The table of terms, and the lists of those with several events.
    fn listed(&mut self) -> (Vec<u8>, Vec<u8>) {
        self.rare.sort_unstable();
        let mut shared: Vec<(u64, Vec<u32>)> = self.shared.drain().collect();
        shared.sort_unstable();
        let mut listing = Listing::default();
        let mut shared = shared.into_iter().peekable();
        for group in self.rare.chunk_by(|a, b| a.0 == b.0) {
            while let Some((term, events)) = shared.next_if(|(term, _)| *term < group[0].0) {
                listing.add(term, &events);
            }
            if group.len() == 1 && shared.peek().is_none_or(|(term, _)| *term != group[0].0) {
                listing.add(group[0].0, &[group[0].1]);
                continue;
            }
            let mut events: Vec<u32> = group.iter().map(|(_, event)| *event).collect();
            if let Some((_, more)) = shared.next_if(|(term, _)| *term == group[0].0) {
                events.extend(more);
                events.sort_unstable();
            }
            listing.add(group[0].0, &events);
        }
        shared.for_each(|(term, events)| listing.add(term, &events));
        (listing.terms, listing.postings)
    }
}

/// Terms and their lists as a file has them.
#[derive(Default)]
struct Listing {
    terms: Vec<u8>,
    postings: Vec<u8>,
}

impl Listing {
    fn add(&mut self, term: u64, events: &[u32]) {
        let count_at = self.terms.len() + 12;
        let at = if events.len() == 1 { events[0] } else { self.postings.len() as u32 };
        self.terms.extend_from_slice(&term.to_le_bytes());
        self.terms.extend_from_slice(&at.to_le_bytes());
        self.terms.extend_from_slice(&1_u32.to_le_bytes());
        if events.len() == 1 {
            return;
        }
        let (mut before, mut count) = (None, 0_u32);
        for event in events {
            // An event may have a value twice.
            if before == Some(*event) {
                continue;
            }
            count += 1;
            let mut difference = event - before.unwrap_or(0);
            before = Some(*event);
            while difference >= 0x80 {
                self.postings.push(difference as u8 | 0x80);
                difference >>= 7;
            }
            self.postings.push(difference as u8);
        }
        if count == 1 {
            self.postings.truncate(at as usize);
            self.terms[count_at - 4..count_at].copy_from_slice(&events[0].to_le_bytes());
        }
        self.terms[count_at..].copy_from_slice(&count.to_le_bytes());
    }
}
