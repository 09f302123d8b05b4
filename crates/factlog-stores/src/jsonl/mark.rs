//! `head.json`: where the log ends, for other processes and for the next opening; and the lock of those who write.
//!
//! It is written, without a sync, after the lines it tells of were synced. So what it says is always true: the log reached
//! that far. An older one, as a crash of the machine may leave, says less and nothing wrong.

use std::io;

use factlog::Position;
use serde::Deserialize;

use super::line::{decimal, sealed_file, verified};
use super::segment::SegmentName;
use crate::vfs::{VfsFile, read_fully};

/// Bytes of the file: within one sector, so it is there whole or as it was.
const MARK_BYTES: usize = 192;

/// Where a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    pub(super) position: Position,
    /// The segment that is written; none in a log without events.
    pub(super) segment: Option<SegmentName>,
    /// Where its last line ends.
    pub(super) bytes: u64,
    /// Changes whenever files come, go or are written anew.
    pub(super) generation: u64,
    /// Whether that happens at this moment. Who takes the lock and finds this finds the log anew: somebody has died meanwhile.
    pub(super) changing: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    position: Position,
    day: Option<String>,
    segment: Option<u32>,
    bytes: u64,
    generation: u64,
    #[serde(default)]
    changing: bool,
}

impl Mark {
    /// Reads it; none where there is none, or none that is whole.
    pub(super) fn read(file: &dyn VfsFile) -> io::Result<Option<Self>> {
        const TRIES: usize = 3;
        let mut bytes = [0; MARK_BYTES];
        for _ in 0..TRIES {
            let filled = read_fully(file, &mut bytes, 0)?;
            let line = bytes[..filled].trim_ascii_end();
            if line.is_empty() {
                return Ok(None);
            }
            // Another process may be writing it at this moment.
            if let Some(mark) = verified(line).and_then(parse) {
                return Ok(Some(mark));
            }
        }
        Ok(None)
    }

    pub(super) fn write(&self, file: &dyn VfsFile) -> io::Result<()> {
        let mut json = Vec::with_capacity(MARK_BYTES);
        let mut number = |name: &str, number: u64| {
            json.extend_from_slice(name.as_bytes());
            decimal(&mut json, number);
        };
        number("{\"position\":", self.position.0);
        if let Some(segment) = self.segment {
            let day = format!(",\"day\":\"{}\",\"segment\":", segment.day());
            number(&day, u64::from(segment.number));
        }
        number(",\"bytes\":", self.bytes);
        number(",\"generation\":", self.generation);
        if self.changing {
            json.extend_from_slice(b",\"changing\":true");
        }
        file.write_all_at(&sealed_file(json, MARK_BYTES), 0)
    }
}

fn parse(body: &[u8]) -> Option<Mark> {
    let wire: Wire = serde_json::from_slice(&[body, b"}"].concat()).ok()?;
    let segment = match (wire.day, wire.segment) {
        (Some(day), Some(number)) => Some(SegmentName::new(&day, number)?),
        (None, None) => None,
        _ => return None,
    };
    let Wire { position, bytes, generation, changing, .. } = wire;
    Some(Mark { position, segment, bytes, generation, changing })
}
