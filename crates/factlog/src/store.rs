//! What a store promises: the seam between the log and where it is kept.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    Appended, Batch, Count, Group, Page, Position, Read, Removal, Removed, Result, Snapshots, StreamName,
    Timestamp, Version,
};

/// Where a log is kept. Implementors keep eight promises, each a named test of the conformance suite:
///
/// 1. **Whole.** A batch is recorded completely or not at all, at contiguous positions; versions continue each stream
///    without a gap.
/// 2. **Durable.** When `append` returns, the batch survives a crash of the process and of the machine. A weaker level
///    must be asked for by name and states its loss window.
/// 3. **One order.** Positions are dense at append, the same for every reader, never used twice; once a reader has seen
///    a position nothing new appears before it; a stream's versions appear in order.
/// 4. **Once.** The same event ids again change nothing and return the first result (checked before versions). The same
///    id with another stream, type or data is a conflict. A batch that mixes known and new ids is refused.
/// 5. **As written.** `data` and `metadata` come back byte for byte as they were minified on entry.
/// 6. **Time follows order.** `recordedAt` never decreases along positions.
/// 7. **Never silent.** Damage is reported, never shown as an empty or shorter log. After a write whose outcome is unknown
///    a store stops accepting writes until it is opened again; what certainly changed nothing is `Unavailable`.
/// 8. **Bounded.** A slow reader is late, never lossy, and holds neither memory nor a read transaction across pages.
///
/// A backend that cannot keep a case lists it in [`About::exceptions`].
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// What it is and what it cannot do.
    fn about(&self) -> &About;

    /// Records independent batches in this order, one outcome each; one commit or round trip where it can.
    async fn append(&self, batches: Vec<Batch>) -> Vec<Result<Appended>>;

    /// One page, forwards or backwards. It may be empty while `more` is true: a bounded scan past what does not match.
    async fn read(&self, read: &Read) -> Result<Page>;

    /// The newest position; may be late, never ahead of [`Store::read`]; wakes for other processes' appends where it can,
    /// and closes with the store.
    fn head(&self) -> watch::Receiver<Position>;

    /// The version of a stream, also when its newest events were removed; 0 for one that never was.
    async fn version(&self, stream: &StreamName) -> Result<Version>;

    /// How many events, by what.
    async fn count(&self, count: &Count) -> Result<Vec<Group>>;

    /// Takes events out: first an event that says so, then the rows. A store may take many in several parts, each with
    /// an event of its own; what an interruption leaves is the parts that were done.
    async fn remove(&self, removal: &Removal) -> Result<Removed>;

    /// Does a removal by moving what is stored, as it is, into the folder that it names as its archive; none where the
    /// store has no such way for it, and events are to be written out before they are removed.
    async fn archive(&self, _removal: &Removal) -> Result<Option<Moved>> {
        Ok(None)
    }

    /// Mends what can be mended without a loss, and says what that was.
    async fn repair(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Gives back the space that removals have left, where there is such space. What is read stays the same.
    async fn compact(&self) -> Result<Compacted> {
        Ok(Compacted::default())
    }

    /// The values it remembers.
    fn snapshots(&self) -> &dyn Snapshots;

    /// How it is doing; takes milliseconds, and never fails.
    async fn health(&self) -> Health;

    /// Reads everything and says what is wrong.
    async fn check(&self) -> Result<Report>;

    /// Writes what is left, leaves one portable file where there is one, and reports what went wrong in that.
    async fn close(&self) -> Result<()>;
}

/// What a store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// `memory`, `sqlite` ...
    pub kind: String,
    /// Its URL without secrets.
    pub url: String,
    /// What an acknowledged append survives.
    pub durability: String,
    /// The promises that it cannot keep, by number, each with the reason.
    pub exceptions: Vec<(u8, String)>,
}

/// How a store is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Whether it takes appends.
    pub healthy: bool,
    /// The newest position it knows.
    pub head: Position,
    /// Bytes on disk, where there is a disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Batches that wait to be written.
    pub waiting: u64,
    /// How long the last commit took, in microseconds; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_commit_us: Option<u64>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_append_at: Option<Timestamp>,
    /// The connections to a server, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<Connections>,
    /// Durable followers, and how far each is behind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub followers: Vec<FollowerLag>,
    /// What is wrong, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The connections of a store to its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connections {
    /// Whether the server answered last.
    pub connected: bool,
    /// How many are open.
    pub open: u64,
    /// How many of those nobody uses.
    pub idle: u64,
    /// How many there may be.
    pub max: u64,
    /// Requests that wait for one.
    pub waiting: u64,
    /// How often the server was lost and found again.
    pub reconnections: u64,
    /// How long the server took to answer just now, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_us: Option<u64>,
}

/// How far a durable follower is behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowerLag {
    /// Its name.
    pub name: String,
    /// The last position that it has done, as it was saved.
    pub position: Position,
    /// Positions between that and the newest.
    pub behind: u64,
    /// When that was saved.
    pub saved_at: Timestamp,
}

/// What was moved into an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// What was taken out of the log.
    pub removed: Removed,
    /// Its files in the archive.
    pub files: Vec<String>,
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Compacted {
    /// Bytes on disk before.
    pub before_bytes: u64,
    /// Bytes on disk after.
    pub after_bytes: u64,
    /// Whether others were reading: the space comes back when they are done.
    pub is_held: bool,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// Events read.
    pub events: u64,
    /// Streams seen.
    pub streams: u64,
    /// The newest position.
    pub head: Position,
    /// Events that were removed on purpose.
    pub removed: u64,
    /// Damage: what is stored is not what was written.
    pub problems: Vec<String>,
    /// What is odd but not damage.
    pub warnings: Vec<String>,
}
