//! Values remembered at positions: states of projections, places of followers, marks of importers.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::limits::{SNAPSHOT_BYTES_MAX, SNAPSHOT_KEY_BYTES_MAX, SNAPSHOT_LIST_MAX};
use crate::{Error, Json, Position, Result, Timestamp};

/// How often a key was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

/// A value remembered at a position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// What it is of: `projection/agents/1`, `follower/mailer`, or a person's own word.
    pub key: String,
    /// The last position that it takes in.
    pub position: Position,
    /// The greatest time (a person's) of the events in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Timestamp>,
    /// Which save of its key this was; given by the store.
    #[serde(default)]
    pub revision: Revision,
    /// When it was saved; given by the store.
    pub saved_at: Timestamp,
    /// The value.
    pub data: Json,
}

/// A snapshot without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotInfo {
    /// What it is of.
    pub key: String,
    /// The last position that it takes in.
    pub position: Position,
    /// The greatest time (a person's) of the events in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Timestamp>,
    /// Which save of its key this was.
    pub revision: Revision,
    /// When it was saved.
    pub saved_at: Timestamp,
    /// Bytes of its value.
    pub bytes: u64,
}

/// What becomes of a key's earlier snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Only this one stays; saving below one that is there is a conflict.
    Newest,
    /// All stay; saving at the same position replaces.
    History,
}

impl Snapshot {
    /// A value at a position; the store fills in the revision and the time.
    pub fn new(key: impl Into<String>, position: Position, data: Json) -> Self {
        Self {
            key: key.into(),
            position,
            newest: None,
            revision: Revision(0),
            saved_at: Timestamp::now(),
            data,
        }
    }

    /// Refuses what is over its bounds; stores call it first.
    ///
    /// # Errors
    /// `Invalid`, saying which bound.
    pub fn check(&self) -> Result<()> {
        if self.key.is_empty()
            || self.key.len() > SNAPSHOT_KEY_BYTES_MAX
            || self.key.chars().any(char::is_control)
        {
            return Err(Error::invalid(format!(
                "a snapshot's key has 1 to {SNAPSHOT_KEY_BYTES_MAX} bytes and no control characters"
            )));
        }
        if self.data.as_str().len() > SNAPSHOT_BYTES_MAX {
            return Err(Error::invalid(format!(
                "the snapshot {} has {} bytes; {SNAPSHOT_BYTES_MAX} are allowed",
                self.key,
                self.data.as_str().len()
            )));
        }
        Ok(())
    }
}

/// The error of a save whose key was saved by somebody else in between.
pub fn revision_conflict(key: &str, expected: Revision, actual: Revision) -> Error {
    Error::conflict(format!(
        "the snapshot {key} was expected at its save {}, and is at {}: somebody else saves it too",
        expected.0, actual.0
    ))
}

/// The error of [`Keep::Newest`] below what is there.
pub fn older_snapshot(key: &str, position: Position, newest: Position) -> Error {
    Error::conflict(format!("the snapshot {key} at position {position} is older than the one at {newest}"))
        .with_hint("forget the newer one first")
}

/// The part of a store that remembers values.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// The newest snapshot of a key at or before a position.
    async fn load(&self, key: &str, at: Position) -> Result<Option<Snapshot>>;

    /// Saves a value. `expect`: the key's last save was this one (0: never saved), else `Conflict`; none: unchecked.
    /// Revisions count a key's saves, also across [`Snapshots::forget`].
    async fn save(&self, snapshot: Snapshot, expect: Option<Revision>, keep: Keep) -> Result<Revision>;

    /// The snapshots whose keys begin so, by key and position, at most 1,000; go on after the last one.
    async fn list(&self, prefix: &str, after: Option<(&str, Position)>) -> Result<Vec<SnapshotInfo>>;

    /// Drops a key's snapshots below a position; says how many.
    async fn forget(&self, key: &str, below: Position) -> Result<u64>;

    /// Drops a key's snapshots at exactly these positions, which thins a history; says how many were there.
    async fn forget_at(&self, key: &str, positions: &[Position]) -> Result<u64>;
}

/// Every snapshot whose key begins so.
pub(crate) async fn list_all(snapshots: &dyn Snapshots, prefix: &str) -> Result<Vec<SnapshotInfo>> {
    let mut infos: Vec<SnapshotInfo> = Vec::new();
    loop {
        let after = infos.last().map(|info| (info.key.as_str(), info.position));
        let page = snapshots.list(prefix, after).await?;
        if page.is_empty() {
            return Ok(infos);
        }
        infos.extend(page);
    }
}

/// Every snapshot of one key, by position.
pub(crate) async fn list_of(snapshots: &dyn Snapshots, key: &str) -> Result<Vec<SnapshotInfo>> {
    let mut infos: Vec<SnapshotInfo> = Vec::new();
    loop {
        let after = infos.last().map(|info| (key, info.position));
        let page = snapshots.list(key, after).await?;
        let full = page.len() >= SNAPSHOT_LIST_MAX;
        // A key stands before every longer one that begins with it.
        let whole = page.last().is_some_and(|last| last.key == key);
        infos.extend(page.into_iter().take_while(|info| info.key == key));
        if !(full && whole) {
            return Ok(infos);
        }
    }
}
