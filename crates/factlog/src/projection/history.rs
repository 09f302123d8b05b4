//! States of the past, kept so that a moment long ago need not be folded from the first event.

use futures_util::future::join_all;
use serde::Serialize;

use super::{Projection, history_key_of};
use crate::limits::{HISTORY_EVENT_BYTES, HISTORY_GAPS};
use crate::log::Inner;
use crate::snapshot::list_of;
use crate::thinning::{Kept, thin};
use crate::{Json, Keep, Position, Result, Snapshot, Snapshots, Timestamp};

/// The history of one projection, as its runner keeps it.
///
/// What is written stays in proportion to the events taken in, and what is kept grows with their logarithm. While the log
/// is still being caught up with, only those states are taken that its length will leave: a rebuild writes few.
pub(super) struct History {
    key: String,
    snapshot_events: u64,
    kept: Vec<State>,
    /// Where saved states were thinned out and are still to be dropped.
    gone: Vec<Position>,
    /// Events taken in since the newest state.
    events: u64,
    /// Bytes of the projection's state when it was written down last.
    bytes: u64,
    /// Whether states of an earlier life have to go first.
    anew: bool,
}

struct State {
    position: Position,
    bytes: u64,
    /// The state itself, until it is saved.
    unsaved: Option<Snapshot>,
}

impl Kept for State {
    fn at(&self) -> u64 {
        self.position.0
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl History {
    /// A history that begins here; an earlier one is dropped with the first save.
    pub(super) fn new<P: Projection>() -> Self {
        Self {
            key: history_key_of::<P>(),
            snapshot_events: P::SNAPSHOT_EVENTS,
            kept: Vec::new(),
            gone: Vec::new(),
            events: 0,
            bytes: 0,
            anew: true,
        }
    }

    /// The history of a projection that goes on at a position.
    pub(super) async fn load<P: Projection>(log: &Inner, position: Position) -> Result<Self> {
        let mut history = Self { anew: false, ..Self::new::<P>() };
        let infos = list_of(log.store.snapshots(), &history.key).await?;
        history.kept = infos
            .into_iter()
            .map(|info| State { position: info.position, bytes: info.bytes, unsaved: None })
            .collect();
        history.bytes = history.kept.last().map_or(0, |state| state.bytes);
        // How many of the positions since were events of this projection was not remembered; that many at the most.
        history.events = position.0.saturating_sub(history.newest());
        Ok(history)
    }

    fn newest(&self) -> u64 {
        self.kept.last().map_or(0, Kept::at)
    }

    /// Counts an event that was taken in.
    pub(super) fn count(&mut self) {
        self.events += 1;
    }

    /// Notes how large the state has become.
    pub(super) fn measure(&mut self, state: &Json) {
        self.bytes = state.as_str().len() as u64;
    }

    /// Whether the state at this position is to be kept, in a log that reaches to the head.
    pub(super) fn is_due(&self, position: Position, head: Position) -> bool {
        let step = self.snapshot_events.max(self.bytes / HISTORY_EVENT_BYTES).max(1);
        let gap = position.0.saturating_sub(self.newest());
        self.events >= step
            && gap > 0
            && gap.saturating_mul(HISTORY_GAPS) >= head.0.saturating_sub(position.0)
    }

    /// Keeps the state at a position.
    pub(super) fn keep(&mut self, position: Position, newest: Option<Timestamp>, state: &impl Serialize) {
        self.events = 0;
        // A state that is no JSON is told about when the checkpoint is saved.
        let Ok(text) = serde_json::to_string(state) else { return };
        let data = Json::trusted(text);
        self.measure(&data);
        let snapshot = Snapshot { newest, ..Snapshot::new(self.key.clone(), position, data) };
        self.kept.push(State { position, bytes: self.bytes, unsaved: Some(snapshot) });
        let gone = thin(&mut self.kept);
        self.gone
            .extend(gone.into_iter().filter(|state| state.unsaved.is_none()).map(|state| state.position));
    }

    /// Bytes that wait to be saved.
    pub(super) fn unsaved_bytes(&self) -> u64 {
        self.kept.iter().filter(|state| state.unsaved.is_some()).map(|state| state.bytes).sum()
    }

    /// Saves what was kept since the last time, in one commit where the store can. A state that cannot be saved is only
    /// missing: another one is kept soon.
    pub(super) async fn save(&mut self, snapshots: &dyn Snapshots) -> Result<()> {
        if self.anew {
            snapshots.forget(&self.key, Position::MAX).await?;
            self.anew = false;
        }
        let unsaved: Vec<Snapshot> = self.kept.iter_mut().filter_map(|state| state.unsaved.take()).collect();
        let saves = unsaved.into_iter().map(|snapshot| snapshots.save(snapshot, None, Keep::History));
        for saved in join_all(saves).await {
            saved?;
        }
        if !self.gone.is_empty() {
            snapshots.forget_at(&self.key, &std::mem::take(&mut self.gone)).await?;
        }
        Ok(())
    }
}
