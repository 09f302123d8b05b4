//! States that are folded from the log, follow it, and are remembered.

mod group;
mod running;
mod rebuild;
mod history;
mod at;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use self::group::Runner;
use crate::log::Inner;
use crate::{Error, Event, Filter, Invalid, Position, Result, limits};

pub use self::at::At;
pub use self::group::ProjectionGroup;

/// A state that is folded from the events of a filter.
///
/// The runner remembers the newest state as a checkpoint, and states of the past as a history that is thinned with age,
/// so that [`EventLog::at`](crate::EventLog::at) a moment long ago need not begin with the first event.
pub trait Projection: Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its name, for ever.
    const NAME: &'static str;
    /// Raised when the meaning of the code changes: the state is then built anew by itself, and the old one forgotten
    /// with its history.
    const REVISION: u32;
    /// A state goes into the history after this many events of the filter; a large one after more, so that what is
    /// written stays in proportion to the events.
    const SNAPSHOT_EVENTS: u64 = limits::SNAPSHOT_EVENTS;
    /// Which events it is folded from.
    fn filter() -> Filter;
    /// Takes one event in. An error stops the projection and is shown: nothing is skipped in silence.
    fn apply(&mut self, event: &Event) -> Result<(), Invalid>;
}

/// Where the checkpoint is remembered.
fn key_of<P: Projection>() -> String {
    format!("projection/{}/{}", P::NAME, P::REVISION)
}

/// Where the states of the past are.
fn history_key_of<P: Projection>() -> String {
    format!("{}/history", key_of::<P>())
}

fn refused<P: Projection>(event: &Event, why: &Invalid) -> Error {
    Error::invalid(format!(
        "projection {} cannot take the event at position {}: {why}",
        P::NAME,
        event.position
    ))
    .with_hint("mend the projection, raise its REVISION, and it is built anew")
}

/// A projection's state, live. Dropping the last handle of its group ends it.
#[derive(Clone)]
pub struct Projected<P: Projection> {
    shared: Arc<Shared<P>>,
    runner: Arc<Runner>,
    slot: usize,
    partial: bool,
}

struct Shared<P> {
    log: Arc<Inner>,
    state: RwLock<P>,
    progress: watch::Sender<Progress>,
}

/// How far a task has come, and why it goes no further.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pub(crate) position: Position,
    pub(crate) stopped: Option<Error>,
}

impl<P> Shared<P> {
    // A panic in `apply` ends the runner, and with it the projection; the last state stays readable.
    fn read(&self) -> RwLockReadGuard<'_, P> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, P> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Projection> Projected<P> {
    /// Looks at the state.
    pub fn with<R>(&self, look: impl FnOnce(&P) -> R) -> R {
        look(&self.shared.read())
    }

    /// The last position it has taken in.
    pub fn position(&self) -> Position {
        self.shared.progress.borrow().position
    }

    /// Why it takes in no more events; none as long as it does.
    pub fn stopped(&self) -> Option<Error> {
        self.shared.progress.borrow().stopped.clone()
    }

    /// How many positions it is behind the head.
    pub fn lag(&self) -> u64 {
        let head = *self.shared.log.store.head().borrow();
        head.0.saturating_sub(self.position().0)
    }

    /// Waits until it has taken in this position.
    ///
    /// # Errors
    /// What stopped it, when it has stopped.
    pub async fn caught_up(&self, position: Position) -> Result<()> {
        let mut progress = self.shared.progress.subscribe();
        let mut ended = self.runner.ended.clone();
        let reached = tokio::select! {
            biased;
            reached = progress.wait_for(|now| now.position >= position || now.stopped.is_some()) => {
                reached.map(|now| now.clone()).unwrap_or_default()
            }
            // It ends without a word only by a panic in `apply`.
            _ = ended.changed() => self.shared.progress.borrow().clone(),
        };
        if reached.position >= position {
            return Ok(());
        }
        Err(reached.stopped.unwrap_or_else(|| Error::stopped(format!("projection {} has ended", P::NAME))))
    }

    /// Ends its group, and waits until the states are remembered: for programs that look once and go. Dropping the last
    /// handle ends it too, and does not wait.
    pub async fn finish(self) {
        self.runner.stop();
        let mut ended = self.runner.ended.clone();
        // It only ever closes.
        let _ = ended.changed().await;
    }

    /// Builds the state and its history anew from the first event, beside the one that is served, and then switches.
    pub async fn rebuild(&self) -> Result<()> {
        rebuild::rebuild(self).await
    }
}

impl<P: Projection> std::fmt::Debug for Projected<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Projected").field("name", &P::NAME).field("position", &self.position()).finish()
    }
}
