//! What an agent was handed: offered to it, on its way, read, and done with.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use factlog::{Error, Result};
use factlog_agents::Me;
use factlog_agents::agent::Presence;
use factlog_agents::bus::{ACK_WAIT, Bus, Delivery, VISIBILITY};
use rmcp::model::RequestId;

/// Messages that an agent has read and is not done with: of more the oldest are looked up again.
const READ_MAX: usize = 1_000;

/// An agent's mail, as far as this run has it.
pub(super) struct Mail {
    presence: Mutex<Option<Presence>>,
    me: Me,
    /// What an answer hands out that was not written yet.
    on_the_way: Mutex<HashMap<RequestId, Vec<Delivery>>>,
    /// What was read and is not done with, by the message's id.
    read: Mutex<HashMap<String, Delivery>>,
    inboxes: tokio::sync::Mutex<Vec<String>>,
    /// Something that was on its way is recorded.
    recorded: tokio::sync::Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mail {
    pub(super) fn new(presence: Presence) -> Self {
        let me = presence.me().clone();
        Self {
            presence: Mutex::new(Some(presence)),
            me,
            on_the_way: Mutex::default(),
            read: Mutex::default(),
            inboxes: tokio::sync::Mutex::default(),
            recorded: tokio::sync::Notify::new(),
        }
    }

    pub(super) fn me(&self) -> &Me {
        &self.me
    }

    pub(super) fn bus(&self) -> &Bus {
        self.me.bus()
    }

    /// The inboxes that it takes from.
    pub(super) async fn inboxes(&self) -> Result<Vec<String>> {
        let mut known = self.inboxes.lock().await;
        let Some(presence) = lock(&self.presence).take() else { return Ok(known.clone()) };
        // The presence is put back before anything can fail.
        let inboxes = presence.inboxes().await;
        *lock(&self.presence) = Some(presence);
        known.clone_from(&inboxes?);
        Ok(known.clone())
    }

    /// Takes what waits: its own first, and then what it may take of what is for one of many.
    pub(super) async fn fetch(&self, limit: usize) -> Result<Vec<Delivery>> {
        let mut taken = Vec::new();
        for inbox in self.inboxes().await? {
            if taken.len() < limit {
                let left = limit - taken.len();
                taken.extend(self.bus().take(&inbox, self.me.taker(), left, VISIBILITY).await?);
            }
        }
        // What was handed to this run already, and could not be recorded as read, is recorded now.
        let (again, new): (Vec<Delivery>, Vec<Delivery>) = {
            let read = lock(&self.read);
            taken.into_iter().partition(|delivery| read.contains_key(&delivery.item.message_id))
        };
        self.me.has_read(&again).await?;
        Ok(new)
    }

    /// How many messages could be taken.
    pub(super) async fn waiting(&self) -> Result<usize> {
        let mut waiting = 0;
        for inbox in self.inboxes().await? {
            let now = factlog::Timestamp::now();
            waiting += self.bus().inbox(&inbox, |state| state.available(self.me.taker(), now).len()).await?;
        }
        Ok(waiting)
    }

    /// Notes what the answer to a call hands out.
    pub(super) fn hands_out(&self, call: &RequestId, deliveries: Vec<Delivery>) {
        if !deliveries.is_empty() {
            lock(&self.on_the_way).insert(call.clone(), deliveries);
        }
    }

    /// The answer to a call was written, or could not be: what it handed out was read, or waits again.
    pub(super) async fn written(&self, call: &RequestId, is_written: bool) {
        let Some(deliveries) = lock(&self.on_the_way).get(call).cloned() else { return };
        let told = if is_written {
            self.remember(&deliveries);
            self.me.has_read(&deliveries).await
        } else {
            self.give_back(&deliveries).await
        };
        if let Err(error) = told {
            // It is not handed to this run again: once its offer is over, it is said again that it was read.
            tracing::warn!(%error, agent = self.me.id(), "what was handed out was not recorded as read");
        }
        lock(&self.on_the_way).remove(call);
        self.recorded.notify_waiters();
    }

    fn remember(&self, deliveries: &[Delivery]) {
        let mut read = lock(&self.read);
        let room = READ_MAX.saturating_sub(read.len());
        for delivery in deliveries.iter().take(room) {
            read.insert(delivery.item.message_id.clone(), delivery.clone());
        }
    }

    /// Waits until it is recorded that a message was read: what comes of it must come after that.
    async fn is_recorded(&self, message_id: &str) {
        loop {
            let recorded = self.recorded.notified();
            let is_its = |delivery: &Delivery| delivery.item.message_id == message_id;
            if !lock(&self.on_the_way).values().flatten().any(is_its) {
                return;
            }
            recorded.await;
        }
    }

    async fn give_back(&self, deliveries: &[Delivery]) -> Result<()> {
        for delivery in deliveries {
            let ids = [delivery.item.message_id.clone()];
            let reason = "the answer was not written";
            self.bus().release(&delivery.inbox_id, self.me.taker(), &ids, reason).await?;
        }
        Ok(())
    }

    /// A message that was read and is not done with: of this run, or as it stands in one of the inboxes.
    pub(super) async fn find(&self, message_id: &str) -> Result<Delivery> {
        self.is_recorded(message_id).await;
        if let Some(delivery) = lock(&self.read).get(message_id) {
            return Ok(delivery.clone());
        }
        for inbox in self.inboxes().await? {
            let waiting = self.bus().peek(&inbox).await?;
            if let Some(delivery) =
                waiting.into_iter().find(|delivery| delivery.item.message_id == message_id)
            {
                return Ok(delivery);
            }
        }
        Err(Error::not_found(format!("no message {message_id} waits for you"))
            .with_hint("`inbox_fetch` gives those that do; one that you are done with is gone from there"))
    }

    /// It is done with a message.
    pub(super) fn done(&self, message_id: &str) {
        lock(&self.read).remove(message_id);
    }

    /// Keeps what was read from others, as long as this run lives.
    pub(super) async fn keep(self: std::sync::Arc<Self>) {
        loop {
            tokio::time::sleep(ACK_WAIT / 3).await;
            let mut ids: HashMap<String, Vec<String>> = HashMap::new();
            for delivery in lock(&self.read).values() {
                ids.entry(delivery.inbox_id.clone()).or_default().push(delivery.item.message_id.clone());
            }
            for (inbox, ids) in ids {
                if let Err(error) = self.bus().renew(&inbox, self.me.taker(), &ids, ACK_WAIT).await {
                    tracing::warn!(%error, agent = self.me.id(), "what was read is not kept");
                }
            }
        }
    }

    /// Gives back what was on its way, and says that the agent has ended.
    pub(super) async fn end(&self) -> Result<()> {
        let unwritten: Vec<Delivery> =
            lock(&self.on_the_way).drain().flat_map(|(_, deliveries)| deliveries).collect();
        self.give_back(&unwritten).await?;
        let presence = lock(&self.presence).take();
        match presence {
            Some(presence) => presence.end("the client has closed the connection").await,
            None => Ok(()),
        }
    }
}

/// How long a call waits at most.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(300);
