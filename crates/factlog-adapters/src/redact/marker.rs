//! What stands where a secret was: `[redacted:KIND:HASH]`.

use std::ops::Range;

use super::scan::Hit;

const OPENING: &str = "[redacted:";
/// Hex digits of the hash: enough to tell the secrets of one log apart, too few to give anything away.
const DIGITS: usize = 8;

/// The marker of a kind and a hash.
pub(super) fn of(kind: &str, hash: u64) -> String {
    format!("{OPENING}{kind}:{:08x}]", hash >> 32)
}

/// Drops the hits that lie in a marker or reach half into one, so that redacting twice changes nothing.
///
/// A hit around a whole marker stays: its own marker will take that place.
pub(super) fn leave_alone(text: &str, hits: &mut Vec<Hit<'_>>) {
    let markers: Vec<Range<usize>> =
        text.match_indices(OPENING).filter_map(|(at, _)| at_place(text, at)).collect();
    if markers.is_empty() {
        return;
    }
    hits.retain(|Hit { range, .. }| {
        let first = markers.partition_point(|marker| marker.end <= range.start);
        let touched = markers[first..].iter().take_while(|marker| marker.start < range.end);
        let mut inside = touched.map(|marker| {
            range.start <= marker.start && marker.end <= range.end && marker.len() < range.len()
        });
        inside.all(|is_inside| is_inside)
    });
}

/// The marker that begins at a place.
fn at_place(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = &text.as_bytes()[at + OPENING.len()..];
    let kind = rest.iter().position(|byte| !is_of_kind(*byte))?;
    let end = kind + 1 + DIGITS;
    let digits = rest.get(kind + 1..end)?;
    let whole = kind > 0
        && rest[kind] == b':'
        && digits.iter().all(u8::is_ascii_hexdigit)
        && rest.get(end) == Some(&b']');
    whole.then(|| at..at + OPENING.len() + end + 1)
}

/// What the names of kinds are made of.
pub(super) fn is_of_kind(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}
