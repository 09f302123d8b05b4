//! One policy at work: it looks at what happens, says what it will do, does it, and says that it has.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use factlog::{
    Error, ErrorKind, Event, EventId, Filter, Following, Json, Keep, Match, NewEvent, Position, Result,
    Revision, Snapshot, StreamName, TAKEN_IN_LATER, Timestamp, TypedEvent, Watching,
};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::act::{Failed, append_once, perform};
use super::firing::Firing;
use super::state::{Pending, PolicyState};
use super::{DELAY_MAX, Policy, Settings};
use crate::bus::shortened;
use crate::vocabulary::{PolicyFailed, PolicyParked, PolicyScheduled};
use crate::{Bus, stream_of};

/// What stands before a policy's name in the key of its place.
pub(super) const PLACES: &str = "policy/";
/// Firings of one policy that are at work at once, where they do more than write into the log, and where they do not.
const WORKING_MAX: usize = 8;
const WRITING_MAX: usize = 64;
/// Firings that are still to come; with more the policy is parked.
const PENDING_MAX: usize = 100_000;
/// A store that is away is looked for after this long, and then after twice as long each time.
const AWAY_PAUSE: Duration = Duration::from_millis(100);
const AWAY_PAUSE_MAX: Duration = Duration::from_secs(5);
/// A place that has moved is saved after this long.
const SAVE_PAUSE: Duration = Duration::from_millis(250);
/// Whoever runs a policy looks so often whether another has begun to.
const CHECK_PAUSE: Duration = Duration::from_secs(5);
/// Matches that are looked at before a place is saved sooner.
const SAVE_MATCHES: u64 = 100;
/// The category of what policies tell of themselves.
const CATEGORY: &str = "policy";

/// Where a policy has stopped, beside the position that it goes on from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Place {
    /// Its own stream is folded up to here.
    pub(super) through: Position,
    pub(super) state: PolicyState,
}

/// A policy at work.
pub(super) struct Runner {
    policy: Arc<dyn Policy>,
    settings: Settings,
    bus: Bus,
    stream: StreamName,
    place: Place,
    revision: Revision,
    saved: Position,
    watching: Watching,
    own: Following,
    working: JoinSet<(EventId, Result<(), Failed>)>,
    at_work: HashSet<EventId>,
    /// Matches that were looked at since the place was saved.
    unsaved: u64,
    was_parked: bool,
}

impl Runner {
    /// Goes on where the policy has stopped; one that is new begins after this position.
    pub(super) async fn start(bus: &Bus, policy: Arc<dyn Policy>, from: Option<Position>) -> Result<Self> {
        super::check_name(policy.name())?;
        let log = bus.log();
        let stream = stream_of(CATEGORY, policy.name())?;
        let known = log.snapshots().load(&key_of(policy.name()), Position::MAX).await?;
        let is_new = known.is_none();
        let (mut after, mut place, revision) = match known {
            Some(known) => (known.position, known.data.to::<Place>().unwrap_or_default(), known.revision),
            // What is there before it was ever run is history.
            None => (log.newest().await?, Place::default(), Revision(0)),
        };
        let saved = after;
        catch_up(bus, &stream, &mut place).await?;
        // What is between is never passed over.
        after = from.map_or(after, |from| if is_new { from } else { from.min(after) });
        after = after.max(place.state.resumed);
        let watching = Watching::new(log, policy.pattern(), filter_of(&*policy), after)?;
        let own = log.follow(Filter::stream(stream.clone())).after(place.through);
        let settings = policy.settings();
        let mut runner = Self {
            policy,
            settings,
            bus: bus.clone(),
            stream,
            place,
            revision,
            saved,
            watching,
            own,
            working: JoinSet::new(),
            at_work: HashSet::new(),
            unsaved: 0,
            was_parked: false,
        };
        // Whoever ran it before notices that it is ours now, and whoever goes on after a crash begins here.
        runner.save(saved).await?;
        Ok(runner)
    }

    /// Runs for ever; a store that is away makes it late, and does not end it.
    ///
    /// # Errors
    /// `Conflict` when another process runs the policy; what the log says.
    pub(super) async fn run(mut self) -> Result<()> {
        let mut saving = tokio::time::interval(SAVE_PAUSE);
        saving.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut checking = tokio::time::interval(CHECK_PAUSE);
        checking.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut pause = AWAY_PAUSE;
        loop {
            match self.step(&mut saving, &mut checking).await {
                Ok(()) => pause = AWAY_PAUSE,
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    tracing::warn!(policy = self.policy.name(), %error, "a policy waits for the store");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(AWAY_PAUSE_MAX);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Does what is next.
    async fn step(
        &mut self,
        saving: &mut tokio::time::Interval,
        checking: &mut tokio::time::Interval,
    ) -> Result<()> {
        self.take_found().await?;
        self.notice_resumed()?;
        let due = self.start_due().await?;
        let is_parked = self.place.state.parked.is_some();
        // A look at the clock is not broken off for nothing.
        let is_moved = self.watching.needs_after() > self.saved;
        tokio::select! {
            looked = self.watching.look(), if !is_parked => looked,
            Some(done) = self.working.join_next() => self.finished(done).await,
            event = self.own.next() => self.heard(event).await,
            () = wait(due) => Ok(()),
            _ = saving.tick(), if is_moved => self.save_if_moved().await,
            _ = checking.tick() => self.check_ours().await,
        }
    }

    /// Looks at what was found. What was not looked at is found again by whoever goes on.
    async fn take_found(&mut self) -> Result<()> {
        while self.place.state.parked.is_none()
            && let Some(found) = self.watching.found()
        {
            if let Err(error) = self.take(&found).await {
                self.watching.give_back(found);
                return Err(error);
            }
            self.unsaved += 1;
        }
        if self.unsaved >= SAVE_MATCHES { self.save_if_moved().await } else { Ok(()) }
    }

    /// Somebody has told the policy something in its stream; most of it, it has told itself.
    async fn heard(&mut self, event: Option<Result<Arc<Event>>>) -> Result<()> {
        let event = event.ok_or_else(|| Error::stopped("the log was closed"))??;
        if event.position <= self.place.through { Ok(()) } else { self.catch_up().await }
    }

    /// One that was parked goes on with what comes after it was told to: what has parked it would do so again.
    fn notice_resumed(&mut self) -> Result<()> {
        let is_parked = self.place.state.parked.is_some();
        if self.was_parked && !is_parked {
            let after = self.place.state.resumed;
            let filter = filter_of(&*self.policy);
            self.watching = Watching::new(self.bus.log(), self.policy.pattern(), filter, after)?;
            tracing::info!(policy = self.policy.name(), %after, "a policy goes on");
        }
        self.was_parked = is_parked;
        Ok(())
    }

    async fn catch_up(&mut self) -> Result<()> {
        catch_up(&self.bus, &self.stream, &mut self.place).await
    }

    /// Looks at a match: whether something is to be done, and when.
    async fn take(&mut self, found: &Match) -> Result<()> {
        let name = self.policy.name().to_owned();
        let firing = match Firing::of(&name, &self.bus, found).await {
            Ok(firing) => firing,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        // Policies that count see everything, also what is done or passed over.
        let planned = AssertUnwindSafe(self.policy.plan(&firing)).catch_unwind().await;
        let is_pending = self.place.state.pending.contains_key(&firing.id());
        if is_pending || self.is_passed_over(&firing) {
            return Ok(());
        }
        let delay = match planned {
            Ok(Ok(None)) => return Ok(()),
            Ok(Ok(Some(delay))) => Ok(delay.min(DELAY_MAX)),
            Ok(Err(error)) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Stopped) => {
                return Err(error);
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the policy panicked as it planned".to_owned()),
        };
        if self.is_known(&firing).await? {
            return Ok(());
        }
        let delay = match delay {
            Ok(delay) => delay,
            Err(why) => return self.give_up(&firing, &why).await,
        };
        if firing.depth() > self.settings.depth_max {
            let why = format!("{} policies have led to one another", firing.depth() - 1);
            return self.park(&firing, &why).await;
        }
        if self.place.state.pending.len() >= PENDING_MAX {
            return self.park(&firing, &format!("{PENDING_MAX} firings are still to come")).await;
        }
        if self.place.state.is_over(self.settings.rate, firing.triggered_at()) {
            let (max, seconds) = (self.settings.rate.max, self.settings.rate.per.as_secs_f64());
            return self.park(&firing, &format!("it has acted {max} times in {seconds} seconds")).await;
        }
        self.act_or_schedule(firing, delay).await
    }

    /// What only touches the log and is due now is done at once, as one batch; all else is said first.
    async fn act_or_schedule(&mut self, mut firing: Firing, delay: Duration) -> Result<()> {
        if delay.is_zero() && self.policy.acts_in_log_only() {
            let planned = AssertUnwindSafe(self.policy.act(&mut firing)).catch_unwind().await;
            if matches!(planned, Ok(Ok(()))) && firing.acts().iter().all(super::Act::is_in_log) {
                if firing.acts().is_empty() {
                    return Ok(());
                }
                match perform(&*self.policy, &mut firing).await {
                    Ok(()) => return self.catch_up().await,
                    Err(failed) => tracing::debug!(why = failed.why, "a firing is tried again"),
                }
                // Its answer may have been lost.
                if self.is_known(&firing).await? {
                    return self.catch_up().await;
                }
            }
        }
        let (steps, ids) = firing.told();
        let due_at = firing.triggered_at().plus_ms(delay.as_millis() as u64);
        let mut scheduled = PolicyScheduled::new(firing.policy(), firing.id().to_string())
            .events(ids)
            .steps(steps)
            .triggered_at(firing.triggered_at())
            .due_at(due_at);
        scheduled.key = firing.key().map(str::to_owned);
        self.tell(&firing, scheduled.into_event()?, "scheduled").await
    }

    /// What is no business of the policy's.
    fn is_passed_over(&self, firing: &Firing) -> bool {
        let is_history = firing.lag() > TAKEN_IN_LATER && !self.settings.acts_on_history;
        let cooldown = self.settings.cooldown;
        is_history
            || cooldown.is_some_and(|cooldown| {
                self.place.state.is_cooling(firing.key(), cooldown, firing.triggered_at())
            })
    }

    /// Whether the log knows of the firing, as after a crash.
    async fn is_known(&mut self, firing: &Firing) -> Result<bool> {
        let ids = [firing.id_of("fired")?, firing.id_of("scheduled")?, firing.id_of("given-up")?];
        let known = self.bus.log().read(Filter::ids(ids)).limit(1).collect().await?;
        Ok(!known.is_empty())
    }

    /// Records something of a firing, once.
    async fn tell(&mut self, firing: &Firing, event: NewEvent, what: &str) -> Result<()> {
        let event = firing.finished(event, firing.id_of(what)?)?;
        append_once(self.bus.log(), vec![event]).await?;
        self.catch_up().await
    }

    async fn park(&mut self, firing: &Firing, why: &str) -> Result<()> {
        tracing::warn!(policy = self.policy.name(), why, "a policy is parked");
        let parked = PolicyParked::new(firing.policy()).reason(why).position(firing.position().0);
        let mut event = firing.finished(parked.into_event()?, EventId::generate())?;
        event.correlation_id = None;
        self.bus.log().append(event).await?;
        self.catch_up().await
    }

    async fn give_up(&mut self, firing: &Firing, why: &str) -> Result<()> {
        let failed = Self::failure(firing, why);
        self.tell(firing, failed.into_event()?, "given-up").await
    }

    fn failure(firing: &Firing, why: &str) -> PolicyFailed {
        let (_, ids) = firing.told();
        let mut failed = PolicyFailed::new(firing.policy(), firing.id().to_string())
            .events(ids)
            .attempt(firing.attempt())
            .error(shortened(why));
        failed.key = firing.key().map(str::to_owned);
        failed
    }

    /// Begins with what is due, and tells when the next is.
    async fn start_due(&mut self) -> Result<Option<Timestamp>> {
        if self.place.state.parked.is_some() {
            return Ok(None);
        }
        let now = Timestamp::now();
        let mut next: Option<Timestamp> = None;
        let mut due: Vec<(Timestamp, EventId)> = Vec::new();
        for (id, pending) in self.place.state.pending.iter().filter(|(id, _)| !self.at_work.contains(id)) {
            if pending.due_at > now {
                next = Some(next.map_or(pending.due_at, |next| next.min(pending.due_at)));
            } else {
                due.push((pending.due_at, *id));
            }
        }
        due.sort_unstable();
        let in_log_only = self.policy.acts_in_log_only();
        let most = if in_log_only { WRITING_MAX } else { WORKING_MAX };
        // What stands in the log twice is there once; a webhook is not.
        if !in_log_only && !due.is_empty() && self.at_work.len() < most {
            self.check_ours().await?;
        }
        for (_, id) in due {
            if self.at_work.len() >= most {
                // One that ends makes room.
                return Ok(None);
            }
            let Some(pending) = self.place.state.pending.get(&id).cloned() else { continue };
            self.at_work.insert(id);
            let (policy, bus) = (Arc::clone(&self.policy), self.bus.clone());
            self.working.spawn(async move {
                let done = match restored(policy.name(), &bus, &pending).await {
                    Ok(mut firing) => perform(&*policy, &mut firing).await,
                    Err(error) => Err(Failed::from(error)),
                };
                (id, done)
            });
        }
        Ok(next)
    }

    async fn finished(
        &mut self,
        done: Result<(EventId, Result<(), Failed>), tokio::task::JoinError>,
    ) -> Result<()> {
        let (id, done) = match done {
            Ok(done) => done,
            Err(cause) if cause.is_panic() => {
                // Which one it was is not told: all that are at work are tried again.
                tracing::warn!(policy = self.policy.name(), "a firing panicked");
                self.working.shutdown().await;
                return self.failed_at_work("the handler panicked").await;
            }
            Err(cause) => return Err(Error::stopped(cause.to_string())),
        };
        self.at_work.remove(&id);
        if let (Err(failed), Some(pending)) = (&done, self.place.state.pending.get(&id).cloned()) {
            self.failed(&pending, failed).await?;
        }
        // One commit may tell of many: they are all taken in by the first that is done.
        if self.place.state.pending.contains_key(&id) {
            self.catch_up().await?;
        }
        // It was said again after it was done: that is told nowhere, and needs not be.
        if done.is_ok() {
            self.place.state.pending.remove(&id);
        }
        Ok(())
    }

    async fn failed_at_work(&mut self, why: &str) -> Result<()> {
        for id in std::mem::take(&mut self.at_work) {
            if let Some(pending) = self.place.state.pending.get(&id).cloned() {
                let failed = Failed { why: why.to_owned(), is_retryable: true, pause: None };
                self.failed(&pending, &failed).await?;
            }
        }
        Ok(())
    }

    async fn failed(&mut self, pending: &Pending, failed: &Failed) -> Result<()> {
        let firing = match restored(self.policy.name(), &self.bus, pending).await {
            Ok(firing) => firing,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return self.forget(pending, &failed.why).await;
            }
            Err(error) => return Err(error),
        };
        let pause = self.settings.retry.pause(firing.attempt()).filter(|_| failed.is_retryable);
        tracing::warn!(
            policy = self.policy.name(),
            attempt = firing.attempt(),
            why = failed.why,
            "a firing failed"
        );
        let Some(pause) = pause else { return self.give_up(&firing, &failed.why).await };
        let pause = pause.max(failed.pause.unwrap_or_default());
        let told = Self::failure(&firing, &failed.why);
        let told = told.retry_at(Timestamp::now().plus_ms(pause.as_millis() as u64));
        self.tell(&firing, told.into_event()?, &format!("failed-{}", firing.attempt())).await
    }

    /// The events that a firing was about were removed.
    async fn forget(&mut self, pending: &Pending, why: &str) -> Result<()> {
        let id = self.place.state.pending.iter().find(|(_, known)| *known == pending).map(|(id, _)| *id);
        let Some(id) = id else { return Ok(()) };
        let gone =
            PolicyFailed::new(self.policy.name(), id.to_string()).events(pending.events.clone()).error(why);
        self.bus.log().append(gone.into_event()?).await?;
        self.catch_up().await
    }

    /// Refuses to act where another process runs the policy now.
    async fn check_ours(&mut self) -> Result<()> {
        let known = self.bus.log().snapshots().load(&key_of(self.policy.name()), Position::MAX).await?;
        match known {
            Some(known) if known.revision == self.revision => Ok(()),
            _ => Err(taken_over(self.policy.name())),
        }
    }

    async fn save_if_moved(&mut self) -> Result<()> {
        self.unsaved = 0;
        let position = self.watching.needs_after();
        if position == self.saved {
            return Ok(());
        }
        match self.save(position).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => Ok(()),
            saved => saved,
        }
    }

    /// The revision of a save whose answer was lost; it is another's otherwise.
    async fn own_save(&mut self, position: Position, data: &Json) -> Result<Revision> {
        let known = self.bus.log().snapshots().load(&key_of(self.policy.name()), Position::MAX).await?;
        let own = known.filter(|known| known.position == position && known.data == *data);
        own.map(|own| own.revision).ok_or_else(|| taken_over(self.policy.name()))
    }

    async fn save(&mut self, position: Position) -> Result<()> {
        // A place never goes back: whoever asks for history goes through it in one run.
        let position = position.max(self.saved);
        let place = Snapshot::new(key_of(self.policy.name()), position, Json::of(&self.place)?);
        let data = place.data.clone();
        let saved = self.bus.log().snapshots().save(place, Some(self.revision), Keep::Newest).await;
        self.revision = match saved {
            Err(error) if error.kind() == ErrorKind::Conflict => self.own_save(position, &data).await?,
            saved => saved?,
        };
        self.saved = position;
        Ok(())
    }
}

fn taken_over(name: &str) -> Error {
    Error::conflict(format!("another process runs the policy {name} now"))
        .with_hint("one process at a time runs a policy: the one that began last")
}

pub(super) fn key_of(name: &str) -> String {
    format!("{PLACES}{name}")
}

/// What a policy looks at. What policies tell of themselves is not meant unless it is asked for.
pub(super) fn filter_of(policy: &dyn Policy) -> Filter {
    let mut filter = policy.pattern().filter();
    let asks_for_policies = filter.types.iter().any(|name| name.as_str().starts_with(CATEGORY));
    if !asks_for_policies && let Ok(category) = CATEGORY.parse() {
        filter.not = Some(Box::new(Filter { categories: vec![category], ..Filter::all() }));
    }
    filter
}

/// A firing as it was said.
async fn restored(name: &str, bus: &Bus, pending: &Pending) -> Result<Firing> {
    let ids: Vec<EventId> = pending.events.iter().filter_map(|id| id.parse().ok()).collect();
    let found = bus.log().read(Filter::ids(ids.clone())).collect().await?;
    let mut events = Vec::new();
    for (place, id) in ids.iter().enumerate() {
        let Some(event) = found.iter().find(|event| event.id == *id) else {
            return Err(Error::not_found(format!(
                "the event {id} that the policy {name} was to act on was removed"
            )));
        };
        let step =
            pending.steps.get(place).filter(|step| !step.is_empty()).map(|step| Arc::from(step.as_str()));
        events.push((step, Arc::clone(event)));
    }
    let firing = Firing::new(name, bus, events, pending.key.as_deref().map(Arc::from), pending.triggered_at)?;
    Ok(firing.at_attempt(pending.attempts + 1))
}

/// Takes in what stands in the policy's stream.
pub(super) async fn catch_up(bus: &Bus, stream: &StreamName, place: &mut Place) -> Result<()> {
    let mut reading = bus.log().read(Filter::stream(stream.clone())).after(place.through);
    while let Some(event) = reading.next().await {
        let event = event?;
        place.state.apply(&event);
        place.through = event.position;
    }
    Ok(())
}

async fn wait(due: Option<Timestamp>) {
    match due {
        None => std::future::pending().await,
        Some(due) => {
            let micros = due.as_micros().saturating_sub(Timestamp::now().as_micros());
            tokio::time::sleep(Duration::from_micros(u64::try_from(micros).unwrap_or(0))).await;
        }
    }
}
