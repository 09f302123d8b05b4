//! Lines read one after the other and believed as far as they are whole: what a log is, found from its files alone.

use factlog::{Error, Position, Result};

use super::files::{Files, told};
use super::line::{CRC_TAIL_BYTES, GroupKey, Line, parse, parse_legible, verified};
use super::segment::{Lines, Place, SegmentName};

/// A segment, from where on it is read, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) segment: SegmentName,
    pub(super) from: u64,
    /// Where its bytes end, those that were written ahead among them.
    pub(super) len: u64,
    /// Up to here nothing can be torn: it was synced.
    pub(super) trusted: u64,
    /// The position before its first line.
    pub(super) after: Position,
}

/// What is behind the last whole batch.
#[derive(Debug)]
pub(super) enum Rest {
    /// Nothing but space that was written ahead.
    Clean,
    /// A write that was never finished.
    Torn,
    /// Bytes that are not what was written.
    Damaged(Error),
}

/// Where a walk has ended.
#[derive(Debug)]
pub(super) struct Walked {
    /// The last position, removed ones among them.
    pub(super) last: Position,
    /// Where the last line of a whole batch ends.
    pub(super) end: u64,
    pub(super) rest: Rest,
}

/// Walks to the end of a stretch, and shows each line of each whole batch with where it begins and ends.
pub(super) fn walk(
    files: &Files,
    stretch: Stretch,
    mut each: impl FnMut(&Line<'_>, Place, u64) -> Result<()>,
) -> Result<Walked> {
    let segment = stretch.segment;
    let path = segment.path(&files.folder);
    let file = files.segment(segment)?;
    let told = |error| told(&path, error);
    let mut lines = Lines::new(&*file, stretch.from, stretch.len);
    let mut walked = Walked { last: stretch.after, end: stretch.from, rest: Rest::Clean };
    // Lines of a batch that is not whole yet, and where it begins.
    let mut batch: Vec<u8> = Vec::new();
    let (mut batch_last, mut more) = (walked.last, 0);
    let bad = loop {
        let Some(line) = lines.next().map_err(told)? else { break None };
        if line.bytes.is_empty() {
            break Some((line.offset, "an empty line stands between events"));
        }
        let parsed = if line.is_ended { verified(line.bytes).and_then(parse) } else { None };
        let Some(parsed) = parsed else { break Some((line.offset, "the line is not what was written")) };
        // In a segment that was written anew, the rest of the batch may be removed. A write that may be torn has such a line
        // only where a copy leaves positions out, and then an event follows.
        let is_gap = matches!(parsed, Line::Removed(..)) && line.offset >= stretch.trusted;
        let (first, last, follow) = match &parsed {
            Line::Event(fields) => (fields.position, fields.position, fields.more),
            Line::Removed(first, last) => (*first, *last, 0),
        };
        if first.0 != batch_last.0 + 1 {
            break Some((line.offset, "the line's position does not follow the one before it"));
        }
        if more > 0 && matches!(parsed, Line::Event(_)) && follow + 1 != more {
            break Some((line.offset, "lines of a batch are missing before it"));
        }
        batch_last = last;
        // Where events of a batch were removed, nothing more is expected of it.
        more = follow;
        if follow > 0 || is_gap || !batch.is_empty() {
            batch.extend_from_slice(line.bytes);
            batch.push(b'\n');
        }
        let end = line.end();
        if follow > 0 || is_gap {
            continue;
        }
        if batch.is_empty() {
            each(&parsed, Place { segment, offset: line.offset as u32 }, end)?;
        } else {
            show(&batch, walked.end, segment, &mut each)?;
            batch.clear();
        }
        (walked.last, walked.end) = (batch_last, end);
    };
    let unfinished = !batch.is_empty();
    if bad.is_none() && !unfinished && walked.end < stretch.trusted {
        let said = format!("the file ends here, and had {} bytes", stretch.trusted);
        walked.rest = Rest::Damaged(files.damage(segment, walked.end, &said));
    }
    if bad.is_some() || unfinished {
        let (offset, what) = bad.unwrap_or((walked.end, "the last batch is not whole"));
        walked.rest = if walked.end < stretch.trusted {
            Rest::Damaged(files.damage(segment, offset, what))
        } else {
            judge(files, stretch, offset, unfinished, what)?
        };
    }
    Ok(walked)
}

/// Shows the lines of a batch that has come to its end.
fn show(
    batch: &[u8],
    start: u64,
    segment: SegmentName,
    each: &mut impl FnMut(&Line<'_>, Place, u64) -> Result<()>,
) -> Result<()> {
    let mut offset = start;
    for line in batch.split_inclusive(|byte| *byte == b'\n') {
        let end = offset + line.len() as u64;
        if let Some(parsed) = verified(&line[..line.len() - 1]).and_then(parse) {
            each(&parsed, Place { segment, offset: offset as u32 }, end)?;
        }
        offset = end;
    }
    Ok(())
}

/// Tells what stands from the first bad byte on, where that was not synced.
fn judge(files: &Files, stretch: Stretch, offset: u64, unfinished: bool, what: &str) -> Result<Rest> {
    let damaged = || Ok(Rest::Damaged(files.damage(stretch.segment, offset, what)));
    let path = stretch.segment.path(&files.folder);
    let file = files.segment(stretch.segment)?;
    let mut lines = Lines::new(&*file, offset, stretch.len);
    let (mut is_blank, mut key) = (true, None::<String>);
    while let Some(line) = lines.next().map_err(|error| told(&path, error))? {
        if line.bytes.is_empty() {
            continue;
        }
        is_blank = false;
        let Some(found) = legible_key(line.bytes) else { continue };
        // Who began another write had seen this one on the disk.
        if key.get_or_insert_with(|| found.clone()) != &found {
            return damaged();
        }
    }
    Ok(if is_blank && !unfinished { Rest::Clean } else { Rest::Torn })
}

/// Which write a line is of, as far as that can be read: holes in a line cannot make another time of it.
fn legible_key(line: &[u8]) -> Option<String> {
    let body = line.get(..line.len().checked_sub(CRC_TAIL_BYTES)?)?;
    if !line[body.len()..].starts_with(b",\"crc\":\"") || !line.ends_with(b"\"}") {
        return None;
    }
    parse_legible(body).map(|key| match key {
        GroupKey::Stamp(stamp) => stamp.to_owned(),
        GroupKey::First(position) => position.to_string(),
    })
}
