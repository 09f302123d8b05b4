//! One event as one line: its wire form, and a tail that proves it. docs/plain-text.md shows it.
//!
//! ```text
//! {"position":42,"id":"...","stream":"task-42","version":3,"type":"task:completed",...,"data":{"ok":true},"crc":"619ef4ba"}
//! ```
//!
//! The checksum is CRC-32 as in zlib, over everything before `,"crc"`. Before it may stand `"more":N`, when N more events of
//! the same batch follow, and `"group":P`, where the lines of one write have stamps of their own. A line
//! `{"removed":[FIRST,LAST],"crc":"..."}` stands where events were removed.

mod read;

use crc32fast::Hasher;
use factlog::{Batch, NewEvent, Position, Stamp};

pub(crate) use factlog::sealed_line::verified;
pub(crate) use read::{Fields, GroupKey, Line, event, parse, parse_legible, timestamp, unescaped};

/// Bytes of `,"crc":"00000000"}`.
pub(crate) const CRC_TAIL_BYTES: usize = 18;
/// Bytes of a line, with room for escapes in names; a longer one is none of ours.
pub(crate) const LINE_BYTES_MAX: usize = 24 * 1024 * 1024;
/// Bytes of the end of a line whose checksum is worth computing before its turn comes.
const LONG_REST_BYTES: usize = 4 * 1024;

/// The events of a batch as lines, but for what is only known when its turn comes: positions, versions and times.
#[derive(Debug)]
pub(super) struct Encoded {
    bytes: Vec<u8>,
    cuts: Vec<Cut>,
}

/// Where in the bytes an event's parts are: before the version, before the time, and the rest.
#[derive(Debug)]
struct Cut {
    start: usize,
    version: usize,
    time: usize,
    end: usize,
    /// The checksum of the rest, where that is long.
    rest: Option<Hasher>,
}

impl Encoded {
    /// Encodes all events of a batch.
    pub(super) fn of(batch: &Batch) -> Self {
        let mut bytes = Vec::with_capacity(batch.bytes() + 256 * batch.events().len());
        let mut cuts = Vec::with_capacity(batch.events().len());
        let last = batch.events().len() - 1;
        for (index, event) in batch.events().iter().enumerate() {
            cuts.push(encode(&mut bytes, event, last - index));
        }
        Self { bytes, cuts }
    }

    /// The bytes that its lines will have at the most.
    pub(super) fn bytes_max(&self) -> usize {
        const STAMPS_BYTES: usize = 160;
        self.bytes.len() + self.cuts.len() * STAMPS_BYTES
    }

    /// Writes one event's line. `time` is its text; `group` is given where the lines of a write differ in time.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        index: usize,
        stamp: Stamp,
        time: &str,
        group: Option<Position>,
    ) {
        let cut = &self.cuts[index];
        let start = out.len();
        out.extend_from_slice(b"{\"position\":");
        decimal(out, stamp.position.0);
        out.extend_from_slice(&self.bytes[cut.start..cut.version]);
        decimal(out, stamp.version.0);
        out.extend_from_slice(&self.bytes[cut.version..cut.time]);
        out.extend_from_slice(time.as_bytes());
        let rest = out.len();
        out.extend_from_slice(&self.bytes[cut.time..cut.end]);
        let end = out.len();
        if let Some(group) = group {
            out.extend_from_slice(b",\"group\":");
            decimal(out, group.0);
        }
        let crc = match &cut.rest {
            None => crc32fast::hash(&out[start..]),
            Some(known) => {
                let mut hasher = Hasher::new();
                hasher.update(&out[start..rest]);
                hasher.combine(known);
                hasher.update(&out[end..]);
                hasher.finalize()
            }
        };
        tail(out, crc);
    }
}

fn encode(out: &mut Vec<u8>, event: &NewEvent, more: usize) -> Cut {
    let start = out.len();
    out.extend_from_slice(b",\"id\":\"");
    let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
    out.extend_from_slice(event.id.0.hyphenated().encode_lower(&mut id).as_bytes());
    out.extend_from_slice(b"\",\"stream\":");
    string(out, &event.stream);
    out.extend_from_slice(b",\"version\":");
    let version = out.len();
    out.extend_from_slice(b",\"type\":");
    string(out, &event.event_type);
    text(out, "source", event.source.as_deref());
    texts(out, "targets", event.targets.iter().map(|target| &**target));
    out.extend_from_slice(b",\"recordedAt\":\"");
    let time = out.len();
    out.push(b'"');
    text(out, "occurredAt", event.occurred_at.map(|time| time.to_string()).as_deref());
    text(out, "correlationId", event.correlation_id.as_deref());
    text(out, "causationId", event.causation_id.map(|id| id.to_string()).as_deref());
    text(out, "sessionId", event.session_id.as_deref());
    text(out, "userId", event.user_id.as_deref());
    text(out, "priority", event.priority.map(factlog::Priority::as_str));
    text(out, "expiresAt", event.expires_at.map(|time| time.to_string()).as_deref());
    text(out, "traceparent", event.traceparent.as_deref());
    texts(out, "tags", event.tags.iter().map(|tag| &**tag));
    if let Some(metadata) = &event.metadata {
        out.extend_from_slice(b",\"metadata\":");
        out.extend_from_slice(metadata.as_str().as_bytes());
    }
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(event.data.as_str().as_bytes());
    if more > 0 {
        out.extend_from_slice(b",\"more\":");
        decimal(out, more as u64);
    }
    let end = out.len();
    let rest = (end - time > LONG_REST_BYTES).then(|| {
        let mut hasher = Hasher::new();
        hasher.update(&out[time..end]);
        hasher
    });
    Cut { start, version, time, end, rest }
}

/// The line that stands for removed events.
pub(super) fn removed(out: &mut Vec<u8>, first: Position, last: Position) {
    let start = out.len();
    out.extend_from_slice(b"{\"removed\":[");
    decimal(out, first.0);
    out.push(b',');
    decimal(out, last.0);
    out.push(b']');
    let crc = crc32fast::hash(&out[start..]);
    tail(out, crc);
}

/// Ends a line with its checksum.
fn tail(out: &mut Vec<u8>, crc: u32) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b",\"crc\":\"");
    for nibble in (0..8).rev() {
        out.push(HEX[(crc >> (nibble * 4)) as usize & 15]);
    }
    out.extend_from_slice(b"\"}\n");
}

/// The checksum, as a line has it, of some bytes.
pub(super) fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32fast::hash(&bytes);
    tail(&mut bytes, crc);
    bytes
}

/// The same, filled up with spaces to a file of so many bytes, which is always written as a whole.
pub(super) fn sealed_file(bytes: Vec<u8>, file_bytes: usize) -> Vec<u8> {
    let mut line = sealed(bytes);
    line.pop();
    line.resize(file_bytes - 1, b' ');
    line.push(b'\n');
    line
}

pub(super) fn decimal(out: &mut Vec<u8>, mut number: u64) {
    const DIGITS_MAX: usize = 20;
    let mut digits = [0; DIGITS_MAX];
    let mut at = DIGITS_MAX;
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn string(out: &mut Vec<u8>, text: &str) {
    if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        // Writing text into memory does not fail.
        let _ = serde_json::to_writer(out, text);
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn text(out: &mut Vec<u8>, field: &str, text: Option<&str>) {
    if let Some(text) = text {
        name(out, field);
        string(out, text);
    }
}

fn texts<'a>(out: &mut Vec<u8>, field: &str, texts: impl Iterator<Item = &'a str>) {
    let mut open = false;
    for text in texts {
        if open {
            out.push(b',');
        } else {
            name(out, field);
            out.push(b'[');
            open = true;
        }
        string(out, text);
    }
    if open {
        out.push(b']');
    }
}
