//! How far a file was read: kept in the log itself, so that the next import reads only what is new, and what was removed
//! from the log does not rise again.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use factlog::limits::SNAPSHOT_KEY_BYTES_MAX;
use factlog::{EventId, EventLog, Json, Keep, Position, Result, Snapshot};
use serde::{Deserialize, Serialize};

/// How the keys of marks begin; the format's name and the file's path follow.
pub(crate) const KEY_BEGINS: &str = "import/";
/// Streams that a mark remembers; a file that names more is read again each time.
pub(crate) const STREAMS_MAX: usize = 1_000;
/// Bytes that are summed at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// How far one file was read, and what was in it up to there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mark {
    /// The file, for people who look at the snapshots.
    pub(crate) path: String,
    /// What the import was told to take and to leave out.
    pub(crate) options: String,
    /// Bytes that are done, and their sum: a file that changed underneath is read again.
    pub(crate) bytes: u64,
    pub(crate) crc32: u32,
    /// Lines that are done, blank ones too.
    pub(crate) lines: u64,
    /// Of those, the ones that were read, skipped, and the secrets taken out of them.
    pub(crate) read: u64,
    pub(crate) skipped: u64,
    #[serde(default)]
    pub(crate) redacted: u64,
    /// Lines that were rejected: with one, the mark is not kept, so that the line is told again.
    #[serde(skip)]
    pub(crate) rejected: u64,
    /// The streams that they name.
    pub(crate) streams: Vec<String>,
}

impl Mark {
    /// Adds what was read behind it.
    pub(crate) fn go_on(&mut self, new: Self) {
        (self.bytes, self.lines, self.crc32) = (new.bytes, new.lines, new.crc32);
        self.rejected += new.rejected;
        self.read += new.read;
        self.skipped += new.skipped;
        self.redacted += new.redacted;
        self.streams.extend(new.streams);
        self.streams.sort_unstable();
        self.streams.dedup();
    }
}

/// The key of a file's mark.
pub(crate) fn key(format: &str, path: &Path) -> String {
    let name = path.to_string_lossy();
    let key = format!("{KEY_BEGINS}{format}/{name}");
    if key.len() <= SNAPSHOT_KEY_BYTES_MAX && !key.chars().any(char::is_control) {
        return key;
    }
    format!("{KEY_BEGINS}{format}/{}", EventId::foreign("path", format, &name))
}

/// The mark of a file; one that cannot be understood counts as none, and the file is read again.
pub(crate) async fn load(log: &EventLog, key: &str) -> Result<Option<Mark>> {
    let snapshot = log.snapshots().load(key, Position::MAX).await?;
    Ok(snapshot.and_then(|snapshot| serde_json::from_str(snapshot.data.as_str()).ok()))
}

pub(crate) async fn save(log: &EventLog, key: String, mark: &Mark, at: Position) -> Result<()> {
    let snapshot = Snapshot::new(key, at, Json::of(mark)?);
    match log.snapshots().save(snapshot, None, Keep::Newest).await {
        Ok(_) => Ok(()),
        // Another import of the same file was there later, and its mark is as good.
        Err(error) if error.kind() == factlog::ErrorKind::Conflict => Ok(()),
        Err(error) => Err(error),
    }
}

/// The CRC-32 of a file's first bytes; none when it has fewer, or cannot be read.
pub(crate) fn sum(path: &Path, bytes: u64) -> Option<u32> {
    let mut file = File::open(path).ok()?.take(bytes);
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut summed = 0;
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return (summed == bytes).then(|| hasher.finalize()),
            read => {
                hasher.update(&buffer[..read]);
                summed += read as u64;
            }
        }
    }
}
