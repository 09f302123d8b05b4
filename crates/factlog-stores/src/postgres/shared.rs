//! What the tasks of one store share: the connections, the newest position, and what was done last.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use factlog::{Position, Timestamp};
use tokio::sync::Notify;

use super::pool::Pool;
use crate::published::Published;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) pool: Pool,
    pub(super) published: Published,
    /// Says that others are to be told of appends.
    pub(super) news: Notify,
    waiting: AtomicUsize,
}

impl Shared {
    pub(super) fn new(pool: Pool, head: Position) -> Self {
        Self { pool, published: Published::new(head), news: Notify::new(), waiting: AtomicUsize::new(0) }
    }

    pub(super) fn committed(&self, position: Position, took: Duration) {
        self.published.committed(took, Timestamp::now());
        self.published.publish(position);
        self.news.notify_one();
    }

    /// Notes how many batches wait.
    pub(super) fn waiting(&self, batches: usize) {
        self.waiting.store(batches, Ordering::Relaxed);
    }

    pub(super) fn waits(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}
