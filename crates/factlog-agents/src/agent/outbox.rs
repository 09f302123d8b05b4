//! What came of things, on its way into the log: one batch at a time, and what comes meanwhile goes with the next. Nothing
//! waits for it but the next batch.

use std::collections::{BTreeMap, HashSet};

use factlog::{NewEvent, Result};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Me;
use super::lanes::{Key, key_of};
use super::work::{Why, failed, given_back, handled};
use crate::bus::Delivery;

/// Why something is given back that was taken in its order.
pub(super) const BEHIND: &str = "an earlier message of the same sender comes first";

/// What is to be recorded of what an agent had in hand; there is never more of it than fits into one batch.
pub(super) struct Outbox {
    me: Me,
    handled: BTreeMap<String, Vec<String>>,
    /// What is to be said of what has failed, and of what was behind it.
    failures: Vec<NewEvent>,
    /// What is on its way. It is tried again as it is, as only the answer may have been lost.
    batch: Vec<NewEvent>,
    batch_keys: Vec<Key>,
    sending: Option<BoxFuture<'static, Result<()>>>,
    untold: HashSet<Key>,
}

impl Outbox {
    pub(super) fn new(me: Me) -> Self {
        Self {
            me,
            handled: BTreeMap::new(),
            failures: Vec::new(),
            batch: Vec::new(),
            batch_keys: Vec::new(),
            sending: None,
            untold: HashSet::new(),
        }
    }

    /// Something was handled.
    pub(super) fn handled(&mut self, key: Key) {
        self.untold.insert(key.clone());
        self.handled.entry(key.0).or_default().push(key.1);
    }

    /// Something has failed, and what was behind it must not come before it.
    pub(super) fn failed(&mut self, delivery: &Delivery, why: &Why, behind: Vec<Delivery>) -> Result<()> {
        self.untold.insert(key_of(delivery));
        self.failures.extend(failed(&self.me, delivery, why)?);
        self.give_back(behind, BEHIND)
    }

    /// Something was not begun with.
    pub(super) fn give_back(&mut self, deliveries: Vec<Delivery>, reason: &str) -> Result<()> {
        self.failures.extend(given_back(&self.me, deliveries, reason)?);
        Ok(())
    }

    /// Whether it is done with, and the log does not know yet.
    pub(super) fn has(&self, delivery: &Delivery) -> bool {
        self.untold.contains(&key_of(delivery))
    }

    /// What is done with in an inbox, and the log does not know yet.
    pub(super) fn untold(&self, inbox: &str) -> impl Iterator<Item = String> {
        self.untold.iter().filter(move |key| key.0 == inbox).map(|key| key.1.clone())
    }

    /// Whether more may be taken: the log knows what has failed, and takes in what it is told.
    pub(super) fn is_clear(&self) -> bool {
        self.failures.is_empty() && (self.batch.is_empty() || self.sending.is_some() && !self.batch_fails())
    }

    fn batch_fails(&self) -> bool {
        self.batch.iter().any(|event| event.event_type.as_str() != "inbox:acked")
    }

    /// Whether the log knows all.
    pub(super) fn is_empty(&self) -> bool {
        self.handled.is_empty() && self.failures.is_empty() && self.batch.is_empty()
    }

    /// Waits until the log knows the next batch, for ever where there is none. Where it cannot be recorded, it is kept: else
    /// all would be done again. Nothing is lost when it is no longer waited for.
    pub(super) async fn tell(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            self.gather()?;
        }
        if self.batch.is_empty() {
            return std::future::pending().await;
        }
        let sending = self.sending.get_or_insert_with(|| {
            let (log, events) = (self.me.log().clone(), self.batch.clone());
            async move { log.append(events).await.map(drop) }.boxed()
        });
        let told = sending.await;
        self.sending = None;
        told?;
        self.batch.clear();
        for key in self.batch_keys.drain(..) {
            self.untold.remove(&key);
        }
        Ok(())
    }

    fn gather(&mut self) -> Result<()> {
        for (inbox, ids) in std::mem::take(&mut self.handled) {
            self.batch.push(handled(&self.me, &inbox, ids)?);
        }
        self.batch.append(&mut self.failures);
        self.batch_keys = self.untold.iter().cloned().collect();
        Ok(())
    }
}
