//! The task that stores what waits.

use std::sync::Arc;
use std::time::Duration;

use factlog::{Error, ErrorKind, EventLog};

use super::buffer::{Buffer, Waiting};

/// The longest wait between two tries.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(30);

/// Stores batches until the buffer is closed and empty.
pub(super) async fn run(left: Left, log: EventLog) {
    while let Some(events) = left.0.next().await {
        store(&left.0, &log, events).await;
    }
}

/// Stores events, each for itself, so that one that the log refuses keeps no other back. Those that found the store
/// unavailable are sent again, with their ids: what had been stored all the same is not stored twice.
async fn store(buffer: &Buffer, log: &EventLog, mut events: Vec<Waiting>) {
    let mut delay = buffer.settings.retry_delay;
    let mut attempt = 1;
    while !events.is_empty() {
        let batches = events.iter().map(|waiting| waiting.batch.clone()).collect();
        let mut outcomes = log.append_each(batches).await.into_iter();
        let mut again = Vec::new();
        for waiting in events {
            let outcome = outcomes.next().unwrap_or_else(|| Err(Error::stopped("the store gave no answer")));
            match outcome {
                Err(error)
                    if error.kind() == ErrorKind::Unavailable && attempt < buffer.settings.attempts =>
                {
                    again.push(waiting);
                }
                outcome => buffer.settle(waiting, outcome),
            }
        }
        events = again;
        if !events.is_empty() {
            tracing::warn!(
                events = events.len(),
                attempt,
                "the log is unavailable; the recorder tries again"
            );
            tokio::time::sleep(delay).await;
            delay = delay.saturating_mul(2).min(RETRY_DELAY_MAX);
            attempt += 1;
        }
    }
}

/// Says so when the runtime ends while events wait; made before the task is, which may never begin.
pub(super) struct Left(pub(super) Arc<Buffer>);

impl Drop for Left {
    fn drop(&mut self) {
        let events = self.0.unsettled();
        if events > 0 {
            tracing::error!(
                events,
                "a recorder's runtime has ended before its events were stored; close it first"
            );
        }
        self.0.abandon();
    }
}
