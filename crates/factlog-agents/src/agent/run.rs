//! The loop of an agent at work: it wakes when something comes, ends or is due, and takes what it has room for.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use factlog::{Error, ErrorKind, Event, Filter, Following, NewEvent, Position, Result, Timestamp};
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::builder::AgentBuilder;
use super::handler::{Handlers, OnEvent};
use super::intake;
use super::lanes::Lanes;
use super::life::{self, Registration};
use super::work::{Done, End, given_back, settled, work};
use super::{Me, Stop};
use crate::bus::{Delivery, Room};
use crate::stream_of;
use crate::vocabulary::{Payload, SystemError};

/// The pause after the store could not be reached.
pub(super) const AWAY_PAUSE: Duration = Duration::from_millis(500);
/// How many things that have ended are told of at once.
const SETTLED_AT_ONCE_MAX: usize = 200;

/// A run of an agent.
pub(super) struct Run {
    me: Me,
    handlers: Handlers,
    registration: Registration,
    capacity: usize,
    visibility: Duration,
    heartbeat: Duration,
    stopping: watch::Receiver<Option<Stop>>,
    /// What comes into the inboxes that it takes from, and is said of itself.
    following: Following,
    /// The inboxes, and when something in each is due at the latest.
    inboxes: BTreeMap<String, Option<Timestamp>>,
    /// Those in which there may be something to take.
    stirred: BTreeSet<String>,
    lanes: Lanes,
    working: JoinSet<Done>,
    listening: JoinSet<()>,
    deliveries: HashMap<super::lanes::Key, Delivery>,
    /// What came of things and could not be recorded yet, batch by batch. Nothing more is taken before it is.
    untold: VecDeque<Vec<NewEvent>>,
    renew_at: Instant,
    beat_at: Instant,
}

impl Run {
    /// Registers the agent, and takes over what its earlier runs have left.
    pub(super) async fn begin(
        me: &Me,
        builder: AgentBuilder,
        stopping: watch::Receiver<Option<Stop>>,
    ) -> Result<Self> {
        let registration = Registration::of(&builder, me);
        let newest = me.log().newest().await?;
        registration.register(me).await?;
        let mut run = Self {
            me: me.clone(),
            registration,
            capacity: builder.capacity,
            visibility: builder.visibility,
            heartbeat: builder.heartbeat,
            handlers: builder.handlers,
            stopping,
            following: me.log().follow(Filter::all()).after(newest),
            inboxes: BTreeMap::new(),
            stirred: BTreeSet::new(),
            lanes: Lanes::default(),
            working: JoinSet::new(),
            listening: JoinSet::new(),
            deliveries: HashMap::new(),
            untold: VecDeque::new(),
            renew_at: Instant::now() + builder.visibility / 3,
            beat_at: Instant::now() + builder.heartbeat,
        };
        run.look_around(newest).await?;
        for inbox in run.inboxes.keys() {
            me.bus().take_over(inbox, me.taker()).await?;
        }
        intake::take_in_retained(me).await?;
        run.listening.spawn(take_in(me.clone(), intake::filter(me.id())?, newest));
        for (filter, handler) in run.handlers.events.clone() {
            run.listening.spawn(listen(me.clone(), filter, newest, handler));
        }
        Ok(run)
    }

    /// Finds out which inboxes it takes from now, and follows them.
    async fn look_around(&mut self, after: Position) -> Result<()> {
        let (me, registration) = (&self.me, &self.registration);
        let inboxes = me.bus().directory(|directory, _| registration.inboxes(me, directory)).await?;
        if inboxes.iter().eq(self.inboxes.keys()) {
            return Ok(());
        }
        let mut streams = vec![stream_of("agent", me.id())?];
        for inbox in &inboxes {
            streams.push(stream_of("inbox", inbox)?);
        }
        self.following = me.log().follow(Filter { streams, ..Filter::all() }).after(after);
        self.stirred.extend(inboxes.iter().cloned());
        self.inboxes = inboxes.into_iter().map(|inbox| (inbox, None)).collect();
        Ok(())
    }

    /// Works until it is told to stop, another run takes over, or the log is closed.
    pub(super) async fn go_on(mut self) -> Result<()> {
        loop {
            match self.turn().await {
                Ok(None) => {}
                Ok(Some(stop)) => return self.stop(&stop).await,
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    tracing::warn!(%error, agent = self.me.id(), "the agent waits for the store");
                    tokio::time::sleep(AWAY_PAUSE).await;
                    self.stirred.extend(self.inboxes.keys().cloned());
                }
                Err(error) => {
                    self.working.abort_all();
                    return Err(error);
                }
            }
        }
    }

    /// One turn: take what there is room for, and wait until something happens.
    async fn turn(&mut self) -> Result<Option<Stop>> {
        self.tell().await?;
        // However much there is to do, and however long it slept: first it keeps what it has in hand.
        self.keep().await?;
        self.take().await?;
        let due = self.due();
        tokio::select! {
            biased;
            // It ends with the agent's handle, which has aborted this task then.
            _ = self.stopping.changed() => {
                return Ok(self.stopping.borrow().clone());
            }
            Some(done) = self.working.join_next() => self.settle(done.ok()).await?,
            event = self.following.next() => {
                let event = event.unwrap_or_else(|| Err(Error::stopped("the log was closed")))?;
                self.hear(&event).await?;
                while let Some(Some(event)) = self.following.next().now_or_never() {
                    self.hear(&*event?).await?;
                }
            }
            () = tokio::time::sleep_until(due) => self.keep().await?,
        }
        Ok(None)
    }

    /// When it must act next, whatever comes.
    fn due(&self) -> Instant {
        let now = Timestamp::now();
        let soonest = self.inboxes.values().flatten().min();
        let inbox_due = soonest.map(|end| {
            let micros = u64::try_from(end.as_micros() - now.as_micros()).unwrap_or_default();
            Instant::now() + Duration::from_micros(micros) + Duration::from_millis(1)
        });
        let soonest = self.renew_at.min(self.beat_at);
        inbox_due.map_or(soonest, |due| due.min(soonest))
    }

    async fn hear(&mut self, event: &Event) -> Result<()> {
        if let Some(inbox) = event.stream.strip_prefix("inbox-") {
            self.stirred.insert(inbox.to_owned());
            return Ok(());
        }
        let own = &self.me.taker().context_id;
        match Payload::of(event) {
            Some(Payload::AgentSpawned(spawned)) if spawned.context_id.as_ref() != Some(own) => {
                Err(Error::conflict(format!("another run of the agent {} has taken over", self.me.id())))
            }
            // It was silent for so long that others took it for dead; it is not.
            Some(Payload::AgentTerminated(ended)) if ended.context_id.as_ref() == Some(own) => {
                self.registration.register(&self.me).await
            }
            _ => Ok(()),
        }
    }

    /// Takes what it has room for, of those inboxes in which something may be.
    async fn take(&mut self) -> Result<()> {
        let now = Timestamp::now();
        let is_due = |due: &Option<Timestamp>| due.is_some_and(|due| due <= now);
        let due = self.inboxes.iter().filter(|(_, due)| is_due(due)).map(|(inbox, _)| inbox.clone());
        self.stirred.extend(due.collect::<Vec<_>>());
        for inbox in std::mem::take(&mut self.stirred) {
            if !self.inboxes.contains_key(&inbox) {
                continue;
            }
            let room = self.room();
            let taken = self.me.bus().take_what_fits(&inbox, self.me.taker(), room, self.visibility).await;
            let taken = taken.inspect_err(|_| _ = self.stirred.insert(inbox.clone()))?;
            self.inboxes.insert(inbox, taken.due);
            for delivery in taken.deliveries {
                // It was offered again because this run was silent for too long, and is still in its hands.
                if self.lanes.has(&delivery) {
                    continue;
                }
                if let Some(delivery) = self.lanes.begin(delivery) {
                    self.begin_with(delivery);
                }
            }
        }
        Ok(())
    }

    /// How much more it takes, of what it has handlers for.
    fn room(&self) -> Room {
        let mut room = self.lanes.room(self.capacity);
        if self.handlers.task.is_none() {
            room.tasks = 0;
        }
        if self.handlers.message.is_none() && self.handlers.broadcast.is_none() {
            room.messages = 0;
            // What is said to all must not fill the inbox of one that only answers or works: it is done with it at once.
            if self.handlers.requests.is_empty() && self.handlers.task.is_none() {
                room.broadcasts = 0;
            }
        }
        if self.handlers.requests.is_empty() {
            room.requests = 0;
        }
        room
    }

    fn begin_with(&mut self, delivery: Delivery) {
        let key = (delivery.inbox_id.clone(), delivery.item.message_id.clone());
        self.deliveries.insert(key, delivery.clone());
        self.working.spawn(work(self.me.clone(), self.handlers.clone(), delivery));
    }

    /// Says what came of what has ended, as one batch, and goes on with what was behind it.
    async fn settle(&mut self, first: Option<Done>) -> Result<()> {
        let mut handled: HashMap<String, Vec<String>> = HashMap::new();
        let mut failed = Vec::new();
        let mut given_up = Vec::new();
        let mut ended = 0;
        let mut next = first;
        while let Some(done) = next {
            ended += 1;
            let delivery = self.deliveries.remove(&done.key);
            match done.end {
                End::Handled => handled.entry(done.key.0.clone()).or_default().push(done.key.1.clone()),
                End::Failed(reason) => {
                    failed.extend(delivery.map(|delivery| (delivery, reason)));
                    given_up.extend(self.lanes.fail(&done.key));
                }
                End::Told => {}
                End::Untold(error) => {
                    tracing::warn!(%error, agent = self.me.id(), message = done.key.1, "what came of it was not recorded");
                }
            }
            if let Some(delivery) = self.lanes.finish(&done.key) {
                self.begin_with(delivery);
            }
            self.stirred.insert(done.key.0);
            let more = if ended < SETTLED_AT_ONCE_MAX { self.working.try_join_next() } else { None };
            next = more.and_then(std::result::Result::ok);
        }
        // There is room again, for whatever waits in any of them.
        self.stirred.extend(self.inboxes.keys().cloned());
        let mut events = settled(&self.me, handled, failed)?;
        events.extend(given_back(&self.me, given_up, "an earlier message of the same sender comes first")?);
        if !events.is_empty() {
            self.untold.push_back(events);
        }
        self.tell().await
    }

    /// Records what came of things. What cannot be recorded now is kept: else it would all be done again.
    async fn tell(&mut self) -> Result<()> {
        while let Some(events) = self.untold.front() {
            match self.me.log().append(events.clone()).await {
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                told => _ = told?,
            }
            self.untold.pop_front();
        }
        Ok(())
    }

    /// Keeps what it has in hand, and says that it is there.
    async fn keep(&mut self) -> Result<()> {
        let now = Instant::now();
        if now >= self.renew_at {
            self.renew_at = now + self.visibility / 3;
            for (inbox, ids) in self.lanes.ids() {
                self.me.bus().renew(&inbox, self.me.taker(), &ids, self.visibility).await?;
            }
        }
        if now >= self.beat_at {
            self.beat_at = now + self.heartbeat;
            life::beat(&self.me, self.lanes.tasks()).await?;
            let newest = self.me.log().newest().await?;
            self.look_around(newest).await?;
        }
        Ok(())
    }

    /// Finishes what it is at, gives back the rest, and says that it has ended.
    async fn stop(mut self, stop: &Stop) -> Result<()> {
        let waiting = given_back(&self.me, self.lanes.give_up_waiting(), "the agent stops")?;
        if !waiting.is_empty() {
            self.untold.push_back(waiting);
        }
        let end = Instant::now() + stop.grace;
        loop {
            match self.finish(end).await {
                // There is time left for the store to come back.
                Err(error) if error.kind() == ErrorKind::Unavailable && Instant::now() < end => {
                    tokio::time::sleep(AWAY_PAUSE.min(end - Instant::now())).await;
                }
                finished => {
                    finished?;
                    break;
                }
            }
        }
        let graceful = self.lanes.is_idle();
        self.working.abort_all();
        self.listening.abort_all();
        for (inbox, ids) in self.lanes.ids() {
            self.me.bus().release(&inbox, self.me.taker(), &ids, "the agent was stopped").await?;
        }
        life::end(&self.me, &stop.reason, graceful).await
    }

    /// Finishes what it is at, and says what came of it, until all is done or the time is over.
    async fn finish(&mut self, end: Instant) -> Result<()> {
        self.tell().await?;
        while !self.lanes.is_idle() {
            let renew_at = self.renew_at;
            tokio::select! {
                Some(done) = self.working.join_next() => self.settle(done.ok()).await?,
                () = tokio::time::sleep_until(end) => break,
                () = tokio::time::sleep_until(renew_at) => self.keep().await?,
            }
        }
        Ok(())
    }
}

/// Puts what others record for the agent into its inbox, from where it has stopped the last time.
async fn take_in(me: Me, filter: Filter, newest: Position) {
    let name = format!("agent/{}", me.id());
    let mut following = me.log().follow(filter).after(newest).durable(&name).partial();
    while let Some(event) = following.next().await {
        let event: Arc<Event> = match event {
            Ok(event) => event,
            // Another run has taken over, or the log was closed: both end this one anyway.
            Err(error) => return tracing::warn!(%error, agent = me.id(), "nothing more is taken in"),
        };
        while let Err(error) = intake::take_in(&me, &event).await {
            tracing::warn!(%error, agent = me.id(), "what others recorded for the agent waits");
            tokio::time::sleep(AWAY_PAUSE).await;
        }
    }
}

/// Hears events of a filter, one after the other. What a handler makes of one that it cannot handle is recorded.
async fn listen(me: Me, filter: Filter, after: Position, handler: OnEvent) {
    let mut following = me.log().follow(filter).after(after);
    while let Some(event) = following.next().await {
        let event: Arc<Event> = match event {
            Ok(event) => event,
            Err(error) => return tracing::error!(%error, agent = me.id(), "an agent hears no more"),
        };
        let heard =
            std::panic::AssertUnwindSafe(handler(me.clone(), Arc::clone(&event))).catch_unwind().await;
        let why = match heard {
            Ok(Ok(())) => continue,
            Ok(Err(failed)) => failed.error.message,
            Err(_) => "the handler panicked".to_owned(),
        };
        let told =
            SystemError::new().message(format!("{} could not handle {}: {why}", me.id(), event.event_type));
        if let Err(error) = me.record(told).await {
            tracing::warn!(%error, agent = me.id(), "a failure was not recorded");
        }
    }
}
