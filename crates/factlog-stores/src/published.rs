//! What a store says of itself while it runs: where its log ends, and what its last commit was.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use factlog::{Position, Timestamp};
use tokio::sync::watch;

/// The newest position for whoever waits for it, and the last commit for whoever asks.
#[derive(Debug)]
pub(crate) struct Published {
    /// None once the store is closed.
    head: Mutex<Option<watch::Sender<Position>>>,
    commit_us: AtomicU64,
    committed_at: AtomicI64,
}

impl Published {
    pub(crate) fn new(head: Position) -> Self {
        Self {
            head: Mutex::new(Some(watch::Sender::new(head))),
            commit_us: AtomicU64::new(0),
            committed_at: AtomicI64::new(0),
        }
    }

    /// No code that can panic runs under the lock.
    fn head(&self) -> MutexGuard<'_, Option<watch::Sender<Position>>> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A receiver of the newest position; closed from the start when the store is.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Position> {
        self.head().as_ref().map_or_else(|| watch::channel(Position::START).1, watch::Sender::subscribe)
    }

    /// Tells of a position; an older one than the last changes nothing.
    pub(crate) fn publish(&self, position: Position) {
        if let Some(head) = &*self.head() {
            head.send_if_modified(|head| {
                let is_newer = position > *head;
                *head = position.max(*head);
                is_newer
            });
        }
    }

    /// Notes a commit, by the store's clock.
    pub(crate) fn committed(&self, took: Duration, at: Timestamp) {
        self.commit_us.store(took.as_micros() as u64, Ordering::Relaxed);
        self.committed_at.store(at.as_micros(), Ordering::Relaxed);
    }

    /// How many microseconds the last commit took, and when it was; none before the first.
    pub(crate) fn last_commit(&self) -> Option<(u64, Timestamp)> {
        let at = self.committed_at.load(Ordering::Relaxed);
        let at = (at != 0).then(|| Timestamp::from_micros(at).ok()).flatten()?;
        Some((self.commit_us.load(Ordering::Relaxed), at))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.head().is_none()
    }

    /// Ends it for everybody who waits.
    pub(crate) fn close(&self) {
        self.head().take();
    }
}
