//! The calls that are being answered, and what their answers hand out: whether one is written or given up is decided once.
//!
//! What decides it is the order in which the transport hears and says things. A call that the client cancels before its answer
//! goes out is never answered; one whose answer goes out can no longer be cancelled.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use factlog::{Error, Result};
use factlog_agents::bus::Delivery;
use rmcp::model::RequestId;
use tokio::sync::{Notify, watch};

/// How long it is waited for that an answer is written, and recorded as read, before what it handed out is concluded.
const RECORDED_WAIT: Duration = Duration::from_secs(60);

/// Where a call stands.
#[derive(Debug)]
enum Stands {
    /// It was asked, and is not answered yet.
    Asked,
    /// Its answer hands this out, and can still be given up.
    Answered(Vec<Delivery>),
    /// Its answer is being written, and then recorded as read.
    Leaving(Vec<Delivery>),
}

/// The calls that are being answered.
#[derive(Debug)]
pub(super) struct Calls {
    open: Mutex<HashMap<RequestId, Stands>>,
    /// Something that was on its way has come there, or has not.
    settled: Notify,
    /// The client says nothing more: nothing is waited for.
    silent: watch::Sender<bool>,
    /// Nothing more is handed out.
    is_closed: AtomicBool,
}

/// What becomes of that which an answer hands out.
#[derive(Debug)]
pub(super) enum Out {
    /// It goes out with it.
    Leaving(Leaving),
    /// It does not, and is to be given back.
    Back(Vec<Delivery>),
}

/// What goes out with an answer. Once this is dropped it is on its way no more, whatever has become of it.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) deliveries: Vec<Delivery>,
    call: RequestId,
    calls: Arc<Calls>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.calls.open().remove(&self.call);
        self.calls.settled.notify_waiters();
    }
}

impl Calls {
    pub(super) fn new() -> Arc<Self> {
        let (silent, _) = watch::channel(false);
        Arc::new(Self {
            open: Mutex::default(),
            settled: Notify::new(),
            silent,
            is_closed: AtomicBool::new(false),
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<RequestId, Stands>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call has come.
    pub(super) fn asked(&self, call: &RequestId) {
        self.open().insert(call.clone(), Stands::Asked);
    }

    /// The client wants no answer to a call: gives what it would have handed out.
    pub(super) fn cancelled(&self, call: &RequestId) -> Vec<Delivery> {
        let mut open = self.open();
        match open.remove(call) {
            Some(leaving @ Stands::Leaving(_)) => {
                open.insert(call.clone(), leaving);
                Vec::new()
            }
            Some(Stands::Answered(deliveries)) => deliveries,
            Some(Stands::Asked) | None => Vec::new(),
        }
    }

    /// Notes what the answer to a call hands out; gives it back where nobody waits for the answer any more.
    pub(super) fn hands_out(
        &self,
        call: &RequestId,
        deliveries: Vec<Delivery>,
    ) -> std::result::Result<(), Vec<Delivery>> {
        let mut open = self.open();
        match open.get_mut(call) {
            Some(stands @ Stands::Asked) if !self.is_closed.load(Ordering::Relaxed) => {
                *stands = Stands::Answered(deliveries);
                Ok(())
            }
            _ => Err(deliveries),
        }
    }

    /// The answer to a call goes out; a failure hands out nothing.
    pub(super) fn leaves(self: &Arc<Self>, call: &RequestId, is_failure: bool) -> Out {
        let mut open = self.open();
        match open.remove(call) {
            Some(Stands::Answered(deliveries)) if !is_failure => {
                open.insert(call.clone(), Stands::Leaving(deliveries.clone()));
                Out::Leaving(Leaving { deliveries, call: call.clone(), calls: Arc::clone(self) })
            }
            Some(Stands::Answered(deliveries)) => Out::Back(deliveries),
            _ => Out::Back(Vec::new()),
        }
    }

    /// Whether an answer hands out a message, and nobody knows yet whether it has come there.
    pub(super) fn is_on_its_way(&self, message_id: &str) -> bool {
        let open = self.open();
        let mut deliveries = open.values().flat_map(|stands| match stands {
            Stands::Answered(deliveries) | Stands::Leaving(deliveries) => deliveries.as_slice(),
            Stands::Asked => &[],
        });
        deliveries.any(|delivery| delivery.item.message_id == message_id)
    }

    /// Waits until it is recorded that a message was read: what comes of it must come after that.
    ///
    /// # Errors
    /// `Unavailable` where the answer is not taken by the client for so long.
    pub(super) async fn is_recorded(&self, message_id: &str) -> Result<()> {
        let recorded = async {
            loop {
                let mut settled = std::pin::pin!(self.settled.notified());
                settled.as_mut().enable();
                if !self.is_on_its_way(message_id) {
                    return;
                }
                settled.await;
            }
        };
        tokio::time::timeout(RECORDED_WAIT, recorded).await.map_err(|_| {
            Error::unavailable(format!(
                "the answer that hands out the message {message_id} was not taken yet"
            ))
            .with_hint("try again in a moment")
        })
    }

    /// Nothing more is answered: gives what would have been handed out.
    pub(super) fn close(&self) -> Vec<Delivery> {
        let mut open = self.open();
        self.is_closed.store(true, Ordering::Relaxed);
        let answered: Vec<RequestId> = open
            .iter()
            .filter(|(_, stands)| matches!(stands, Stands::Answered(_)))
            .map(|(call, _)| call.clone())
            .collect();
        let given_up = answered.iter().filter_map(|call| open.remove(call)).flat_map(|stands| match stands {
            Stands::Answered(deliveries) => deliveries,
            Stands::Asked | Stands::Leaving(_) => Vec::new(),
        });
        let given_up = given_up.collect();
        drop(open);
        self.settled.notify_waiters();
        given_up
    }

    /// The client says nothing more. It may still hear what it has asked for, but it waits for nothing to come.
    pub(super) fn asks_no_more(&self) {
        self.silent.send_replace(true);
    }

    /// Waits until the client says nothing more.
    pub(super) async fn is_silent(&self) {
        let mut silent = self.silent.subscribe();
        // The sender lives as long as this.
        let _ = silent.wait_for(|silent| *silent).await;
    }
}
