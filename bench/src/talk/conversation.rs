//! A conversation: how much was said, how much of it was heard, and what of it counts.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Load;
use super::words::now_ns;
use crate::measure::WARM_UP;

/// How long nothing at all may be heard before it is taken for lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a speaker waits that was sent away, where nothing more is heard meanwhile: what was heard is not finished yet.
const PAUSE: Duration = Duration::from_millis(1);

/// What speakers and hearers of a run have in common.
pub(super) struct Conversation {
    hearers: u64,
    in_flight: u64,
    said: AtomicU64,
    /// Each of what was said counts once for each hearer.
    heard: AtomicU64,
    more_heard: Notify,
    from_ns: AtomicU64,
    to_ns: AtomicU64,
}

impl Conversation {
    pub(super) fn new(load: Load) -> Arc<Self> {
        Arc::new(Self {
            hearers: load.hearers as u64,
            in_flight: load.in_flight as u64,
            said: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            more_heard: Notify::new(),
            from_ns: AtomicU64::new(u64::MAX),
            to_ns: AtomicU64::new(u64::MAX),
        })
    }

    /// Lets it begin: what is heard within this time counts, once it has got going.
    pub(super) fn begin(&self, took: Duration) -> (u64, u64) {
        let from_ns = now_ns() + WARM_UP.as_nanos() as u64;
        let counted = (from_ns, from_ns + took.as_nanos() as u64);
        self.count(counted);
        counted
    }

    /// Says from when to when it counts.
    pub(super) fn count(&self, (from_ns, to_ns): (u64, u64)) {
        self.from_ns.store(from_ns, Ordering::Release);
        self.to_ns.store(to_ns, Ordering::Release);
    }

    pub(super) fn counts(&self, at_ns: u64) -> bool {
        (self.from_ns.load(Ordering::Acquire)..self.to_ns.load(Ordering::Acquire)).contains(&at_ns)
    }

    /// Whether its time is over.
    pub(super) fn is_over(&self) -> bool {
        now_ns() >= self.to_ns.load(Ordering::Acquire)
    }

    /// Waits until something more may be said, and counts it as said.
    pub(super) async fn say(&self) -> Result<()> {
        while !self.may_say() {
            let mut heard = pin!(self.more_heard.notified());
            heard.as_mut().enable();
            if self.may_say() {
                return Ok(());
            }
            timeout(PATIENCE, heard).await.with_context(|| self.lost())?;
        }
        Ok(())
    }

    fn may_say(&self) -> bool {
        let most = self.heard.load(Ordering::Acquire) / self.hearers + self.in_flight;
        let one_more = |said| (said < most).then_some(said + 1);
        self.said.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()
    }

    /// Waits a moment, or until something more is heard.
    pub(super) async fn pause(&self) {
        // Either is reason enough to try again.
        let _ = timeout(PAUSE, self.more_heard.notified()).await;
    }

    /// Notes that one hearer has heard one thing.
    pub(super) fn hear(&self) {
        let heard = self.heard.fetch_add(1, Ordering::AcqRel) + 1;
        if heard.is_multiple_of(self.hearers) {
            self.more_heard.notify_waiters();
        }
    }

    /// Notes how much was heard elsewhere.
    pub(super) fn heard_elsewhere(&self, heard: u64) {
        self.heard.store(heard, Ordering::Release);
        self.more_heard.notify_waiters();
    }

    /// Waits until more was heard than so much, and says how much.
    pub(super) async fn heard_beyond(&self, known: u64) -> u64 {
        loop {
            let mut more = pin!(self.more_heard.notified());
            more.as_mut().enable();
            let heard = self.heard.load(Ordering::Acquire);
            if heard > known {
                return heard;
            }
            more.await;
        }
    }

    /// Waits until all that was said was heard by everyone.
    pub(super) async fn all_heard(&self) -> Result<()> {
        let mut heard = self.heard.load(Ordering::Acquire);
        while heard < self.expected() {
            heard = timeout(PATIENCE, self.heard_beyond(heard)).await.with_context(|| self.lost())?;
        }
        Ok(())
    }

    /// How much is to be heard of what was said.
    pub(super) fn expected(&self) -> u64 {
        self.said.load(Ordering::Acquire) * self.hearers
    }

    fn lost(&self) -> String {
        let (heard, expected) = (self.heard.load(Ordering::Acquire), self.expected());
        format!("{heard} of {expected} were heard, and nothing more within {PATIENCE:?}")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::talk::LOADS;

    #[test]
    fn no_more_is_said_than_may_be_in_flight() {
        let conversation = Conversation::new(Load { hearers: 2, in_flight: 3, ..LOADS[0] });
        for _ in 0..3 {
            conversation.say().now_or_never().unwrap().unwrap();
        }
        assert!(!conversation.may_say());
        conversation.hear();
        assert!(!conversation.may_say(), "one of two has heard it");
        conversation.hear();
        conversation.say().now_or_never().unwrap().unwrap();
        assert!(!conversation.may_say(), "one place was free");
        conversation.heard_elsewhere(8);
        conversation.all_heard().now_or_never().unwrap().unwrap();
    }

    #[test]
    fn what_is_heard_before_and_after_the_time_does_not_count() {
        let conversation = Conversation::new(LOADS[0]);
        assert!(!conversation.counts(now_ns()));
        let (from, to) = conversation.begin(Duration::from_secs(1));
        assert_eq!(
            [from - 1, from, to - 1, to].map(|at| conversation.counts(at)),
            [false, true, true, false]
        );
        assert!(!conversation.is_over());
    }
}
