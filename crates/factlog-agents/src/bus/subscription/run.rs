//! One subscription at work: an event at a time, tried again when it fails, left behind when that is no use.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use factlog::{Error, Event, EventId, Expression, Following, Position, Result, Timestamp, TypedEvent};
use futures_util::FutureExt;
use tokio::sync::watch;

use super::turns::Turn;
use super::{Handler, Subscribing, SubscriptionStatistics};
use crate::bus::{Bus, shortened};
use crate::vocabulary::SubscriptionParked;

/// The longest pause before an event is handed out again.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What a subscription does with what it hears.
#[derive(Clone)]
pub(super) struct Run {
    bus: Bus,
    handler: Handler,
    condition: Option<Expression>,
    name: Option<String>,
    attempts_max: u32,
    pause: Duration,
    statistics: Arc<Mutex<SubscriptionStatistics>>,
    paused: watch::Receiver<bool>,
    turn: Arc<Turn>,
}

/// Whether an event is the subscription's: of a group, those of some streams are.
pub(super) type IsOurs = Arc<dyn Fn(&Event) -> bool + Send + Sync>;

impl Run {
    pub(super) fn new(
        of: &Subscribing,
        handler: Handler,
        statistics: Arc<Mutex<SubscriptionStatistics>>,
        paused: watch::Receiver<bool>,
    ) -> Self {
        Self {
            turn: of.bus.0.turns.enter(of.filter.clone(), of.priority),
            bus: of.bus.clone(),
            handler,
            condition: of.condition.clone(),
            name: of.name.clone(),
            attempts_max: of.attempts_max,
            pause: of.pause,
            statistics,
            paused,
        }
    }

    fn count(&self, change: impl FnOnce(&mut SubscriptionStatistics)) {
        change(&mut self.statistics.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Hears what a follower gives, for ever.
    pub(super) async fn hear(mut self, mut following: Following, ours: Option<IsOurs>) -> Result<()> {
        loop {
            let ready = following.next().now_or_never();
            let event = if let Some(event) = ready {
                event
            } else {
                self.bus.0.turns.waits(&self.turn, true);
                following.next().await
            };
            let Some(event) = event.transpose()? else { return Err(Error::stopped("the log was closed")) };
            if ours.as_ref().is_none_or(|ours| ours(&event)) {
                self.wait_while_paused().await;
                self.handle(&event).await?;
            }
            let position = event.position;
            self.bus.0.turns.given(&self.turn, position);
            self.count(|now| now.position = now.position.max(position));
        }
    }

    async fn wait_while_paused(&mut self) {
        if *self.paused.borrow() {
            self.bus.0.turns.waits(&self.turn, false);
            // It closes with the subscription, which ends this as well.
            let _ = self.paused.wait_for(|is_paused| !is_paused).await;
        }
    }

    async fn handle(&mut self, event: &Arc<Event>) -> Result<()> {
        self.count(|now| now.received += 1);
        if !self.condition.as_ref().is_none_or(|condition| condition.holds(event)) {
            self.count(|now| now.passed_over += 1);
            return Ok(());
        }
        self.bus.0.turns.wait(&self.turn, event).await;
        self.bus.0.turns.given(&self.turn, event.position);
        self.bus.0.turns.waits(&self.turn, false);
        match self.try_until_handled(event).await {
            Ok(()) => {
                self.count(|now| {
                    now.handled += 1;
                    now.last_at = Some(Timestamp::now());
                });
                Ok(())
            }
            Err(reason) => self.park(event, &reason).await,
        }
    }

    async fn try_until_handled(&self, event: &Arc<Event>) -> std::result::Result<(), String> {
        let mut pause = self.pause;
        let mut attempt = 1;
        loop {
            let began = Instant::now();
            let handled =
                std::panic::AssertUnwindSafe((self.handler)(Arc::clone(event))).catch_unwind().await;
            let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.count(|now| {
                now.busy_us = now.busy_us.saturating_add(took_us);
                now.longest_us = now.longest_us.max(took_us);
            });
            let reason = match handled {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "the handler panicked".to_owned(),
            };
            self.count(|now| now.failures += 1);
            if attempt >= self.attempts_max {
                return Err(reason);
            }
            attempt += 1;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Leaves an event behind, with a record of it where the subscription has a name.
    async fn park(&self, event: &Event, reason: &str) -> Result<()> {
        self.count(|now| now.parked += 1);
        let Some(name) = &self.name else {
            tracing::warn!(position = %event.position, reason, "a subscription has left an event behind");
            return Ok(());
        };
        let parked = SubscriptionParked::new(name.as_str(), event.id.to_string())
            .position(event.position.0)
            .attempts(u64::from(self.attempts_max))
            .error(shortened(reason));
        let mut parked = parked.into_event()?.with_causation(event.id);
        // After a restart the same event may be left behind again: that is told once.
        parked.id = EventId::foreign("factlog-subscription", &parked.stream, &event.id.to_string());
        match self.bus.log().append(parked).await {
            Err(error) if error.kind() == factlog::ErrorKind::Conflict => Ok(()),
            appended => appended.map(drop),
        }
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Where it is, for those who look.
    pub(super) fn is_at(&self, position: Position) {
        self.count(|now| now.position = now.position.max(position));
    }
}
