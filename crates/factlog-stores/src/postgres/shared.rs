//! What the tasks of one store share: the connections, the newest position, and what was done last.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use factlog::{Position, Timestamp};
use tokio::sync::{Notify, watch};

use super::pool::Pool;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) pool: Pool,
    /// None once the store is closed.
    published: Mutex<Option<watch::Sender<Position>>>,
    /// Says that others are to be told of appends.
    pub(super) news: Notify,
    waiting: AtomicUsize,
    commit_us: AtomicU64,
    committed_at: AtomicI64,
}

/// None of these locks is held where code can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(pool: Pool, head: Position) -> Self {
        Self {
            pool,
            published: Mutex::new(Some(watch::Sender::new(head))),
            news: Notify::new(),
            waiting: AtomicUsize::new(0),
            commit_us: AtomicU64::new(0),
            committed_at: AtomicI64::new(0),
        }
    }

    /// A receiver of the newest position; closed from the start when the store is.
    pub(super) fn subscribe(&self) -> watch::Receiver<Position> {
        lock(&self.published)
            .as_ref()
            .map_or_else(|| watch::channel(Position::START).1, watch::Sender::subscribe)
    }

    pub(super) fn publish(&self, position: Position) {
        if let Some(published) = &*lock(&self.published) {
            published.send_if_modified(|head| {
                let is_newer = position > *head;
                *head = position.max(*head);
                is_newer
            });
        }
    }

    pub(super) fn committed(&self, position: Position, took: Duration) {
        self.commit_us.store(took.as_micros() as u64, Ordering::Relaxed);
        self.committed_at.store(Timestamp::now().as_micros(), Ordering::Relaxed);
        self.publish(position);
        self.news.notify_one();
    }

    pub(super) fn last_commit(&self) -> Option<(u64, Timestamp)> {
        let at = self.committed_at.load(Ordering::Relaxed);
        let at = (at != 0).then(|| Timestamp::from_micros(at).ok()).flatten()?;
        Some((self.commit_us.load(Ordering::Relaxed), at))
    }

    /// Notes how many batches wait.
    pub(super) fn waiting(&self, batches: usize) {
        self.waiting.store(batches, Ordering::Relaxed);
    }

    pub(super) fn waits(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.published).is_none()
    }

    pub(super) fn close(&self) {
        lock(&self.published).take();
    }
}
