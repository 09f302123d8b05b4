//! What the fuzz targets reach: a line read, events written as lines, contents as an index.

use factlog::{Batch, Event, Position, Result, Stamps};

use super::line::{Encoded, Line, event, parse, verified};

/// A line that is whole.
#[derive(Debug)]
pub struct WholeLine {
    /// The first position that it stands for.
    pub first: Position,
    /// The last one.
    pub last: Position,
    /// How many lines of its batch follow.
    pub more: u64,
    /// Whether events stood here and were removed.
    pub is_removed: bool,
    /// Its event; none where a value is none that a log takes.
    pub event: Option<Event>,
}

/// Contents of an index as its file has them, with the checksums that they need.
pub fn index_of(contents: &[u8]) -> Vec<u8> {
    super::index::blocked(contents)
}

/// Reads a line without its newline; none where it is not what was written.
pub fn whole_line(line: &[u8]) -> Option<WholeLine> {
    Some(match parse(verified(line)?)? {
        Line::Removed(first, last) => WholeLine { first, last, more: 0, is_removed: true, event: None },
        Line::Event(fields) => WholeLine {
            first: fields.position,
            last: fields.position,
            more: fields.more,
            is_removed: false,
            event: event(&fields),
        },
    })
}

/// The lines of recorded events that are one batch, as they stand in a write of their own or among others.
///
/// # Errors
/// `Invalid` for events that are no batch.
pub fn lines_of(events: Vec<Event>, is_group: bool) -> Result<Vec<u8>> {
    let batch = Batch::kept(events)?;
    let Stamps::Kept(stamps) = batch.stamps() else { return Ok(Vec::new()) };
    let encoded = Encoded::of(&batch);
    let group = stamps.first().map(|stamp| stamp.position).filter(|_| is_group);
    let mut lines = Vec::new();
    for (index, stamp) in stamps.iter().enumerate() {
        encoded.write(&mut lines, index, *stamp, &stamp.recorded_at.to_string(), group);
    }
    Ok(lines)
}
