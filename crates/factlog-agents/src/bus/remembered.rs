//! States that were folded on the way, remembered for those who come later: they read on from there.
//!
//! What is remembered is what the fold made of the events up to its position, and no more. It is not used where events behind
//! it were removed, nor where it is ahead of the log. Where it cannot be saved, the next one reads further back, and that is all.

use factlog::{Aggregate, EventLog, Fold, Json, Keep, Position, Projection, Result, Snapshot, Version};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Inbox;

/// A state is remembered after so many events.
pub(super) const REMEMBER_EVENTS: u64 = 1_000;
/// A large one after more: what is written stays in proportion to the events, so many bytes for each.
const REMEMBER_EVENT_BYTES: u64 = 256;

/// A fold whose states are remembered.
pub(crate) trait Remembered: Fold + Serialize + DeserializeOwned + Sync {
    /// Its name, for ever.
    const NAME: &'static str;
    /// Which meaning of the code it has; what another one has made is not read.
    const REVISION: u32;
}

impl<P: Projection> Remembered for P {
    const NAME: &'static str = P::NAME;
    const REVISION: u32 = P::REVISION;
}

impl Remembered for Inbox {
    const NAME: &'static str = <Self as Aggregate>::NAME;
    const REVISION: u32 = <Self as Aggregate>::REVISION;
}

/// A state on its way, and what it takes in.
#[derive(Debug, Serialize, Deserialize)]
struct Value<S> {
    version: Version,
    state: S,
}

/// A state that was remembered.
#[derive(Debug)]
pub(super) struct Found<S> {
    pub(super) state: S,
    pub(super) position: Position,
    pub(super) version: Version,
}

/// Where a state is remembered, and when it is to be remembered again.
#[derive(Debug)]
pub(super) struct Bookmark {
    /// What it is of: a stream, or nothing where it is of the whole log.
    of: String,
    /// Events taken in since the state was found or remembered.
    events: u64,
    /// Where it was remembered last, as far as that is known.
    position: Position,
    /// Bytes of it then.
    bytes: u64,
    /// What is remembered is not to be used, and may be ahead of what will be.
    is_void: bool,
}

impl Bookmark {
    /// Of a stream.
    pub(super) fn of_stream(stream: &str) -> Self {
        Self { of: format!("/{stream}"), ..Self::of_log() }
    }

    /// Of the whole log.
    pub(super) fn of_log() -> Self {
        Self { of: String::new(), events: 0, position: Position::START, bytes: 0, is_void: false }
    }

    fn key<S: Remembered>(&self, revision: u32) -> String {
        format!("bus/{}/{revision}{}", S::NAME, self.of)
    }

    /// Counts events that were taken in.
    pub(super) fn count(&mut self, events: u64) {
        self.events = self.events.saturating_add(events);
    }

    /// The state that was remembered last.
    pub(super) async fn find<S: Remembered>(&mut self, log: &EventLog) -> Option<Found<S>> {
        let key = self.key::<S>(S::REVISION);
        let found = log.snapshots().load(&key, Position::MAX).await;
        let found = found.inspect_err(|error| tracing::debug!(key, %error, "no remembered state can be had"));
        let Snapshot { position, data, .. } = found.ok()??;
        (self.events, self.position, self.bytes) = (0, position, data.as_str().len() as u64);
        match data.to::<Value<S>>() {
            Ok(Value { version, state }) => Some(Found { state, position, version }),
            Err(error) => {
                tracing::debug!(key, %error, "a remembered state cannot be read");
                self.refuse();
                None
            }
        }
    }

    /// Says that what was found is not to be used.
    pub(super) fn refuse(&mut self) {
        self.is_void = true;
    }

    /// Remembers a state where it is due. Nothing fails where that fails.
    pub(super) async fn save<S: Remembered>(
        &mut self,
        log: &EventLog,
        state: &S,
        position: Position,
        version: Version,
    ) {
        if self.events < REMEMBER_EVENTS.max(self.bytes / REMEMBER_EVENT_BYTES) {
            return;
        }
        // What fails now is tried again after as many events, and not with each.
        self.events = 0;
        if let Err(error) = self.try_save(log, state, position, version).await {
            tracing::debug!(key = self.key::<S>(S::REVISION), %error, "a state is not remembered");
        }
    }

    async fn try_save<S: Remembered>(
        &mut self,
        log: &EventLog,
        state: &S,
        position: Position,
        version: Version,
    ) -> Result<()> {
        let (snapshots, key) = (log.snapshots(), self.key::<S>(S::REVISION));
        if self.is_void {
            snapshots.forget(&key, Position::MAX).await?;
            self.is_void = false;
        } else if let Some(there) = snapshots.list(&key, None).await?.into_iter().find(|info| info.key == key)
            && there.position > self.position
        {
            // Of many who follow the same one is enough.
            (self.position, self.bytes) = (there.position, there.bytes);
            return Ok(());
        }
        let data = Json::of(&Value { version, state })?;
        if data == Json::of(&Value { version, state: S::default() })? {
            return Ok(());
        }
        let is_first = self.position == Position::START;
        (self.position, self.bytes) = (position, data.as_str().len() as u64);
        snapshots.save(Snapshot::new(key, position, data), None, Keep::Newest).await?;
        if is_first {
            for revision in 1..S::REVISION {
                snapshots.forget(&self.key::<S>(revision), Position::MAX).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
