//! The loop of an agent at work: it wakes when something comes, ends or is due, and takes what it has room for. It waits for
//! the log only where it must: what it takes, and what it tells, is on its way while it goes on.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use factlog::{Error, ErrorKind, Event, Filter, Following, Position, Result, Timestamp};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::builder::AgentBuilder;
use super::handler::Handlers;
use super::hearing::{listen, take_in};
use super::lanes::{Key, Lanes, key_of};
use super::life::{self, Registration, Stands};
use super::outbox::{BEHIND, Outbox};
use super::work::{Done, End, work};
use super::{Me, Stop, intake};
use crate::bus::{Delivery, Room, Taken};
use crate::stream_of;
use crate::vocabulary::Payload;

/// The pause after the store could not be reached.
pub(super) const AWAY_PAUSE: Duration = Duration::from_millis(500);
/// Why a run gives back what it has not begun with, at its end.
const STOPS: &str = "the agent stops";
/// How many things that have ended are looked at in one turn.
const SETTLED_AT_ONCE_MAX: usize = 200;

/// What was taken out of an inbox.
type Taking = BoxFuture<'static, (String, Result<Taken>)>;

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
    /// Those in which there may be something to take, one after the other.
    stirred: VecDeque<String>,
    /// Those out of which something may have been taken that never came.
    astray: BTreeSet<String>,
    /// Those in which there was more than there was room for.
    crowded: BTreeSet<String>,
    taking: Option<Taking>,
    /// What it was done with since that was begun: it may be among it, where this run was silent for too long.
    settled: HashSet<Key>,
    lanes: Lanes,
    working: JoinSet<Done>,
    listening: JoinSet<()>,
    outbox: Outbox,
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
            stirred: VecDeque::new(),
            astray: BTreeSet::new(),
            crowded: BTreeSet::new(),
            taking: None,
            settled: HashSet::new(),
            lanes: Lanes::default(),
            working: JoinSet::new(),
            listening: JoinSet::new(),
            outbox: Outbox::new(me.clone()),
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
        self.inboxes = inboxes.into_iter().map(|inbox| (inbox, None)).collect();
        self.stir_all();
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
                    self.stir_all();
                }
                Err(error) => {
                    self.working.abort_all();
                    return Err(error);
                }
            }
        }
    }

    /// One turn: begin to take what there is room for, and wait until something happens.
    async fn turn(&mut self) -> Result<Option<Stop>> {
        // However much there is to do, and however long it slept: first it keeps what it has in hand.
        self.keep().await?;
        self.begin_taking();
        let due = self.due();
        tokio::select! {
            biased;
            // It ends with the agent's handle, which has aborted this task then.
            _ = self.stopping.changed() => {
                return Ok(self.stopping.borrow().clone());
            }
            told = self.outbox.tell() => told?,
            (inbox, taken) = taken(&mut self.taking) => self.begin_with_all(&inbox, taken)?,
            Some(done) = self.working.join_next() => self.settle(done.ok())?,
            event = self.following.next() => {
                let event = event.unwrap_or_else(|| Err(Error::stopped("the log was closed")))?;
                self.hear(&event).await?;
                while let Some(Some(event)) = self.following.next().now_or_never() {
                    self.hear(&*event?).await?;
                }
            }
            () = tokio::time::sleep_until(due) => {}
        }
        Ok(None)
    }

    /// When it must act next, whatever comes.
    fn due(&self) -> Instant {
        let soonest = self.renew_at.min(self.beat_at);
        let inbox_due = self.inboxes.values().flatten().min();
        let inbox_due =
            inbox_due.map(|end| Instant::now() + crate::bus::left(*end) + Duration::from_millis(1));
        inbox_due.map_or(soonest, |due| due.min(soonest))
    }

    async fn hear(&mut self, event: &Event) -> Result<()> {
        if let Some(inbox) = event.stream.strip_prefix("inbox-") {
            // Nothing is to be had because somebody has something.
            let is_of_one_in_hand = matches!(
                event.event_type.as_str(),
                "inbox:offered" | "inbox:started" | "inbox:renewed" | "inbox:delivered"
            );
            if !is_of_one_in_hand {
                self.stir(inbox);
            }
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

    fn stir(&mut self, inbox: &str) {
        if self.inboxes.contains_key(inbox) && !self.stirred.iter().any(|known| known == inbox) {
            self.stirred.push_back(inbox.to_owned());
        }
    }

    fn stir_all(&mut self) {
        self.stirred = self.inboxes.keys().cloned().collect();
    }

    /// Begins to take out of the next inbox in which something may be what it has room for.
    fn begin_taking(&mut self) {
        let now = Timestamp::now();
        let mut due = Vec::new();
        for (inbox, end) in &mut self.inboxes {
            if end.take_if(|end| *end <= now).is_some() {
                due.push(inbox.clone());
            }
        }
        due.iter().for_each(|inbox| self.stir(inbox));
        if self.taking.is_some() || !self.outbox.is_clear() {
            return;
        }
        let Some(inbox) = self.stirred.pop_front() else { return };
        self.lanes.unblock();
        self.settled.clear();
        let (bus, taker) = (self.me.bus().clone(), self.me.taker().clone());
        let (room, visibility) = (self.room(), self.visibility);
        let known = self.astray.contains(&inbox).then(|| self.known(&inbox));
        let taking = async move {
            let taken = async {
                if let Some(known) = known {
                    bus.release_astray(&inbox, &taker, &known).await?;
                }
                bus.take_ahead(&inbox, &taker, room, visibility).await
            };
            let taken = taken.await;
            (inbox, taken)
        };
        self.taking = Some(taking.boxed());
    }

    /// Takes what was taken in hand.
    fn begin_with_all(&mut self, inbox: &str, taken: Result<Taken>) -> Result<()> {
        let taken = taken.inspect_err(|_| {
            self.stir(inbox);
            self.astray.insert(inbox.to_owned());
        })?;
        self.astray.remove(inbox);
        for delivery in taken.deliveries {
            // It was offered again because this run was silent for too long, and is still in its hands.
            if self.lanes.has(&delivery)
                || self.outbox.has(&delivery)
                || self.settled.contains(&key_of(&delivery))
            {
                continue;
            }
            if self.lanes.is_blocked(&delivery) {
                self.outbox.give_back(vec![delivery], BEHIND)?;
            } else if let Some(delivery) = self.lanes.begin(delivery) {
                self.begin_with(delivery);
            }
        }
        if taken.has_more {
            self.crowded.insert(inbox.to_owned());
        } else {
            self.crowded.remove(inbox);
        }
        if let Some(due) = self.inboxes.get_mut(inbox) {
            *due = taken.due;
        }
        Ok(())
    }

    /// What it has of an inbox, or has told what became of it.
    fn known(&self, inbox: &str) -> HashSet<String> {
        let in_hand = self.lanes.ids().remove(inbox).unwrap_or_default();
        in_hand.into_iter().chain(self.outbox.untold(inbox)).collect()
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
        self.working.spawn(work(self.me.clone(), self.handlers.clone(), delivery));
    }

    /// Goes on with what is behind what has ended, and has the log told what came of it.
    fn settle(&mut self, first: Option<Done>) -> Result<()> {
        let mut next = first;
        let mut ended = 0;
        while let Some(Done { key, end }) = next {
            match end {
                End::Handled => self.outbox.handled(key.clone()),
                End::Failed(why) => {
                    if let Some((delivery, behind)) = self.lanes.fail(&key) {
                        self.outbox.failed(&delivery, &why, behind)?;
                    }
                }
                End::Told => {}
                End::Untold(error) => {
                    tracing::warn!(%error, agent = self.me.id(), message = key.1, "what came of it was not recorded");
                }
            }
            if let Some(delivery) = self.lanes.finish(&key) {
                self.begin_with(delivery);
            }
            self.settled.insert(key);
            ended += 1;
            let more = if ended < SETTLED_AT_ONCE_MAX { self.working.try_join_next() } else { None };
            next = more.and_then(std::result::Result::ok);
        }
        // There is room again.
        for inbox in std::mem::take(&mut self.crowded) {
            self.stir(&inbox);
        }
        Ok(())
    }

    /// Keeps what it has in hand, and says that it is there.
    async fn keep(&mut self) -> Result<()> {
        let now = Instant::now();
        if now >= self.renew_at {
            for (inbox, ids) in self.lanes.ids() {
                self.me.bus().renew(&inbox, self.me.taker(), &ids, self.visibility).await?;
            }
            self.renew_at = now + self.visibility / 3;
        }
        if now >= self.beat_at {
            if matches!(life::stands(&self.me).await?, Stands::Buried) {
                self.registration.register(&self.me).await?;
            }
            life::beat(&self.me, self.lanes.tasks()).await?;
            let newest = self.me.log().newest().await?;
            self.look_around(newest).await?;
            self.beat_at = now + self.heartbeat;
        }
        Ok(())
    }

    /// Finishes what it is at, gives back the rest, and says that it has ended.
    async fn stop(mut self, stop: &Stop) -> Result<()> {
        let waiting = self.lanes.give_up_waiting();
        self.outbox.give_back(waiting, STOPS)?;
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
        while !(self.lanes.is_idle() && self.outbox.is_empty() && self.taking.is_none()) {
            let renew_at = self.renew_at;
            tokio::select! {
                told = self.outbox.tell() => told?,
                // What was on its way to it is given back.
                (_, taken) = taken(&mut self.taking) => self.outbox.give_back(taken?.deliveries, STOPS)?,
                Some(done) = self.working.join_next() => self.settle(done.ok())?,
                () = tokio::time::sleep_until(end) => break,
                () = tokio::time::sleep_until(renew_at) => self.keep().await?,
            }
        }
        Ok(())
    }
}

/// Waits for what is on its way out of an inbox, for ever where nothing is.
async fn taken(taking: &mut Option<Taking>) -> (String, Result<Taken>) {
    let Some(on_its_way) = taking else { return std::future::pending().await };
    let taken = on_its_way.await;
    *taking = None;
    taken
}
