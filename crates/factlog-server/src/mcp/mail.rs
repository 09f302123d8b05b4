//! What an agent was handed: offered to it, on its way, read, and done with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use factlog::{Error, ErrorKind, Result, Timestamp};
use factlog_agents::Me;
use factlog_agents::agent::Presence;
use factlog_agents::bus::{ACK_WAIT, Bus, Delivery, Inbox, VISIBILITY};
use rmcp::model::RequestId;

use super::calls::{Calls, Out};

/// Messages that an agent has read and is not done with: of more the oldest are looked up again.
const READ_MAX: usize = 1_000;

/// An agent's mail, as far as this run has it.
#[derive(Debug)]
pub(super) struct Mail {
    presence: Presence,
    calls: Arc<Calls>,
    /// What was read and is not done with, by the message's id.
    read: Mutex<HashMap<String, Delivery>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mail {
    pub(super) fn new(presence: Presence, calls: Arc<Calls>) -> Self {
        Self { presence, calls, read: Mutex::default() }
    }

    pub(super) fn me(&self) -> &Me {
        self.presence.me()
    }

    pub(super) fn bus(&self) -> &Bus {
        self.me().bus()
    }

    /// Looks whether it is still this run that acts for the agent.
    pub(super) async fn check(&self) -> Result<()> {
        self.presence.check().await
    }

    /// Takes what waits: its own first, and then what it may take of what is for one of many.
    pub(super) async fn fetch(&self, limit: usize) -> Result<Vec<Delivery>> {
        // It may have waited for long.
        self.check().await?;
        let mut taken = Vec::new();
        for inbox in self.presence.inboxes().await? {
            let left = limit - taken.len();
            if left == 0 {
                break;
            }
            match self.bus().take(&inbox, self.me().taker(), left, VISIBILITY).await {
                Ok(more) => taken.extend(more),
                // What it has already must not be lost to it for what it cannot have.
                Err(error) if !taken.is_empty() => {
                    tracing::warn!(%error, inbox, "nothing could be taken");
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        // What another answer hands out now is recorded once that was written.
        taken.retain(|delivery| !self.calls.is_on_its_way(&delivery.item.message_id));
        // What was handed to this run already, and could not be recorded as read, is recorded now.
        let (again, new): (Vec<Delivery>, Vec<Delivery>) = {
            let read = lock(&self.read);
            taken.into_iter().partition(|delivery| read.contains_key(&delivery.item.message_id))
        };
        if let Err(error) = self.me().has_read(&again).await {
            tracing::warn!(%error, agent = self.me().id(), "what was handed out was not recorded as read");
        }
        Ok(new)
    }

    /// How many messages could be taken.
    pub(super) async fn waiting(&self) -> Result<usize> {
        Ok(self.waits().await?.0)
    }

    /// How many messages could be taken, and when there may be more though nothing comes.
    pub(super) async fn waits(&self) -> Result<(usize, Option<Timestamp>)> {
        let (mut waiting, mut soonest) = (0, None);
        for inbox in self.presence.inboxes().await? {
            let (now, taker) = (Timestamp::now(), self.me().taker());
            let look = |state: &Inbox| (state.available(taker, now).len(), state.next_due(taker, now));
            let (available, due) = self.bus().inbox(&inbox, look).await?;
            waiting += available;
            soonest = soonest.into_iter().chain(due).min();
        }
        Ok((waiting, soonest))
    }

    /// Notes what the answer to a call hands out: the last thing before it is answered. Where nobody waits for the answer any
    /// more, it is given back.
    ///
    /// # Errors
    /// `Stopped` where the call was cancelled.
    pub(super) async fn hands_out(&self, call: &RequestId, deliveries: Vec<Delivery>) -> Result<()> {
        let Err(deliveries) = self.calls.hands_out(call, deliveries) else { return Ok(()) };
        self.give_back(&deliveries, "the call was cancelled").await;
        Err(Error::stopped("the call was cancelled"))
    }

    /// The answer to a call was written, or could not be: what it handed out was read, or waits again.
    pub(super) async fn written(&self, out: Out, is_written: bool) {
        match out {
            Out::Leaving(leaving) if is_written => {
                self.remember(&leaving.deliveries);
                if let Err(error) = self.me().has_read(&leaving.deliveries).await {
                    // It is not handed to this run again: once its offer is over, it is said again that it was read.
                    tracing::warn!(%error, agent = self.me().id(), "what was handed out was not recorded as read");
                }
            }
            Out::Leaving(leaving) => self.give_back(&leaving.deliveries, "the answer was not written").await,
            Out::Back(deliveries) => self.give_back(&deliveries, "the call has failed").await,
        }
    }

    fn remember(&self, deliveries: &[Delivery]) {
        let mut read = lock(&self.read);
        let room = READ_MAX.saturating_sub(read.len());
        for delivery in deliveries.iter().take(room) {
            read.insert(delivery.item.message_id.clone(), delivery.clone());
        }
    }

    /// Gives back what was taken and not handed out; where that fails, it is offered again after its time.
    pub(super) async fn give_back(&self, deliveries: &[Delivery], reason: &str) {
        let mut ids: HashMap<&str, Vec<String>> = HashMap::new();
        for delivery in deliveries {
            ids.entry(&delivery.inbox_id).or_default().push(delivery.item.message_id.clone());
        }
        for (inbox, ids) in ids {
            if let Err(error) = self.bus().release(inbox, self.me().taker(), &ids, reason).await {
                tracing::warn!(%error, inbox, "what was not handed out was not given back");
            }
        }
    }

    /// A message that was read and is not done with: of this run, or as it stands in one of the inboxes.
    pub(super) async fn find(&self, message_id: &str) -> Result<Delivery> {
        self.calls.is_recorded(message_id).await?;
        if let Some(delivery) = lock(&self.read).get(message_id) {
            return Ok(delivery.clone());
        }
        for inbox in self.presence.inboxes().await? {
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
    pub(super) async fn keep(&self) {
        loop {
            tokio::time::sleep(ACK_WAIT / 3).await;
            if matches!(self.check().await, Err(error) if error.kind() == ErrorKind::Conflict) {
                return;
            }
            let mut ids: HashMap<String, Vec<String>> = HashMap::new();
            for delivery in lock(&self.read).values() {
                ids.entry(delivery.inbox_id.clone()).or_default().push(delivery.item.message_id.clone());
            }
            for (inbox, ids) in ids {
                if let Err(error) = self.bus().renew(&inbox, self.me().taker(), &ids, ACK_WAIT).await {
                    tracing::warn!(%error, agent = self.me().id(), "what was read is not kept");
                }
            }
        }
    }

    /// Gives back what was to be handed out, and says that the agent has ended.
    pub(super) async fn end(&self) -> Result<()> {
        let unwritten = self.calls.close();
        self.give_back(&unwritten, "the client has closed the connection").await;
        self.presence.end("the client has closed the connection").await
    }
}

/// How long a call waits at most.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(300);
