//! States that are folded from the log, follow it, and are remembered.

use std::any::Any;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};

use crate::following::Pager;
use crate::limits::CHECKPOINT_MS;
use crate::log::Inner;
use crate::{
    Error, ErrorKind, Event, EventLog, Filter, Invalid, Json, Keep, Moment, Position, Result, Revision,
    Snapshot, Timestamp,
};

/// A state that is folded from the events of a filter.
pub trait Projection: Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its name, for ever.
    const NAME: &'static str;
    /// Raised when the meaning of the code changes: the state is then built anew by itself, and the old one forgotten.
    const REVISION: u32;
    /// Which events it is folded from.
    fn filter() -> Filter;
    /// Takes one event in. An error stops the projection and is shown: nothing is skipped in silence.
    fn apply(&mut self, event: &Event) -> Result<(), Invalid>;
}

fn key_of<P: Projection>() -> String {
    format!("projection/{}/{}", P::NAME, P::REVISION)
}

fn refused<P: Projection>(event: &Event, why: &Invalid) -> Error {
    Error::invalid(format!(
        "projection {} cannot take the event at position {}: {why}",
        P::NAME,
        event.position
    ))
    .with_hint("mend the projection, raise its REVISION, and it is built anew")
}

/// A projection's state, live. Dropping the last handle of its group ends it.
#[derive(Clone)]
pub struct Projected<P: Projection> {
    shared: Arc<Shared<P>>,
    runner: Arc<Runner>,
    slot: usize,
    partial: bool,
}

struct Shared<P> {
    log: Arc<Inner>,
    state: RwLock<P>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Clone, Default)]
struct Progress {
    position: Position,
    stopped: Option<Error>,
}

impl<P> Shared<P> {
    // A panic in `apply` ends the runner, and with it the projection; the last state stays readable.
    fn read(&self) -> RwLockReadGuard<'_, P> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, P> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Projection> Projected<P> {
    /// Looks at the state.
    pub fn with<R>(&self, look: impl FnOnce(&P) -> R) -> R {
        look(&self.shared.read())
    }

    /// The last position it has taken in.
    pub fn position(&self) -> Position {
        self.shared.progress.borrow().position
    }

    /// How many positions it is behind the head.
    pub fn lag(&self) -> u64 {
        let head = *self.shared.log.store.head().borrow();
        head.0.saturating_sub(self.position().0)
    }

    /// Waits until it has taken in this position.
    ///
    /// # Errors
    /// What stopped it, when it has stopped.
    pub async fn caught_up(&self, position: Position) -> Result<()> {
        let mut progress = self.shared.progress.subscribe();
        let mut ended = self.runner.ended.clone();
        let reached = tokio::select! {
            biased;
            reached = progress.wait_for(|now| now.position >= position || now.stopped.is_some()) => {
                reached.map(|now| now.clone()).unwrap_or_default()
            }
            // It ends without a word only by a panic in `apply`.
            _ = ended.changed() => self.shared.progress.borrow().clone(),
        };
        if reached.position >= position {
            return Ok(());
        }
        Err(reached.stopped.unwrap_or_else(|| Error::stopped(format!("projection {} has ended", P::NAME))))
    }

    /// Builds the state anew from the first event, beside the one that is served, and then switches.
    pub async fn rebuild(&self) -> Result<()> {
        if !self.partial {
            let what = format!("projection {}", P::NAME);
            self.shared.log.refuse_removed(&what, &P::filter(), Position::START).await?;
        }
        let mut pager = self.shared.log.pager(P::filter(), Position::START);
        let mut fresh = P::default();
        let mut newest = None;
        while let Some(events) = pager.try_page().await? {
            for event in &events {
                fresh.apply(event).map_err(|why| refused::<P>(event, &why))?;
                newest = newest.max(Some(event.time()));
            }
        }
        let (answer, answered) = oneshot::channel();
        let fresh: Box<dyn Any + Send> = Box::new(fresh);
        let switch = Switch { slot: self.slot, state: fresh, position: pager.cursor, newest, answer };
        let gone = || Error::stopped(format!("projection {} has ended", P::NAME));
        self.runner.switches.send(switch).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// Projections that share one reading of the log.
pub struct ProjectionGroup {
    log: Arc<Inner>,
    slots: Vec<Box<dyn Slot>>,
    runner: Arc<Runner>,
    switches: mpsc::UnboundedReceiver<Switch>,
    running: watch::Sender<()>,
    partial: bool,
}

/// Ends the task with its last handle.
struct Runner {
    switches: mpsc::UnboundedSender<Switch>,
    stop: watch::Sender<bool>,
    /// Closes when the task has ended, however it did.
    ended: watch::Receiver<()>,
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// A state that was built beside the one in use.
struct Switch {
    slot: usize,
    state: Box<dyn Any + Send>,
    position: Position,
    newest: Option<Timestamp>,
    answer: oneshot::Sender<Result<()>>,
}

impl ProjectionGroup {
    pub(crate) fn new(log: Arc<Inner>) -> Self {
        let (sender, switches) = mpsc::unbounded_channel();
        let (running, ended) = watch::channel(());
        let runner = Arc::new(Runner { switches: sender, stop: watch::Sender::new(false), ended });
        Self { log, slots: Vec::new(), runner, switches, running, partial: false }
    }

    /// Lets the projections added from here on begin with what a removal has left.
    #[must_use]
    pub fn partial(mut self) -> Self {
        self.partial = true;
        self
    }

    /// Adds a projection, at the state that was last remembered.
    ///
    /// # Errors
    /// `Invalid` when events that it would begin with were removed.
    pub async fn add<P: Projection>(&mut self) -> Result<Projected<P>> {
        P::filter().check()?;
        let remembered = remembered::<P>(&self.log, Position::MAX).await?;
        let (state, position, newest) = remembered.unwrap_or_default();
        if !self.partial {
            let what = format!("projection {}", P::NAME);
            self.log.refuse_removed(&what, &P::filter(), position).await?;
        }
        let progress = watch::Sender::new(Progress { position, stopped: None });
        let shared = Arc::new(Shared { log: Arc::clone(&self.log), state: RwLock::new(state), progress });
        let slot = self.slots.len();
        self.slots.push(Box::new(Running {
            shared: Arc::clone(&shared),
            filter: P::filter(),
            position,
            newest,
            saved: position,
            save_after: Instant::now() + Duration::from_millis(CHECKPOINT_MS),
            others_forgotten: false,
        }));
        Ok(Projected { shared, runner: Arc::clone(&self.runner), slot, partial: self.partial })
    }

    /// Begins to follow, in a task of its own.
    pub fn start(self) {
        let stop = self.runner.stop.subscribe();
        let running = self.running;
        let task = run(self.log, self.slots, self.switches, stop);
        tokio::spawn(async move {
            let _running = running;
            task.await;
        });
    }
}

/// The state that was remembered last at or before a position, with that position and its newest time.
async fn remembered<P: Projection>(
    log: &Inner,
    at: Position,
) -> Result<Option<(P, Position, Option<Timestamp>)>> {
    let Some(snapshot) = log.store.snapshots().load(&key_of::<P>(), at).await? else { return Ok(None) };
    if snapshot.position > log.newest().await? {
        tracing::warn!(key = snapshot.key, "remembered state is ahead of the log: built anew");
        return Ok(None);
    }
    match snapshot.data.to() {
        Ok(state) => Ok(Some((state, snapshot.position, snapshot.newest))),
        Err(error) => {
            tracing::warn!(key = snapshot.key, %error, "remembered state cannot be read: built anew");
            Ok(None)
        }
    }
}

async fn run(
    log: Arc<Inner>,
    mut slots: Vec<Box<dyn Slot>>,
    mut switches: mpsc::UnboundedReceiver<Switch>,
    mut stop: watch::Receiver<bool>,
) {
    let filter = if let [only] = &slots[..] { only.filter().clone() } else { Filter::all() };
    let start = slots.iter().map(|slot| slot.position()).min().unwrap_or_default();
    let mut pager = log.pager(filter, start);
    let ended = loop {
        tokio::select! {
            biased;
            () = async { stop.wait_for(|stop| *stop).await.ok(); } => break None,
            Some(switch) = switches.recv() => switch_state(&mut slots, switch, pager.cursor).await,
            fed = feed(&mut pager, &mut slots) => if let Err(error) = fed { break Some(error) },
        }
    };
    for slot in &mut slots {
        match &ended {
            Some(error) => slot.stop(error.clone()),
            None => slot.save(true).await,
        }
    }
}

/// One page to every projection, or one wait. Cancelled only where it waits: between two pages.
async fn feed(pager: &mut Pager, slots: &mut [Box<dyn Slot>]) -> Result<()> {
    let before = pager.cursor;
    let events = pager.try_page().await?;
    if pager.cursor > before {
        let events: Vec<Arc<Event>> = events.into_iter().flatten().collect();
        for slot in slots.iter_mut() {
            slot.feed(&events, pager.cursor);
        }
        for slot in slots.iter_mut() {
            slot.save(false).await;
        }
        return Ok(());
    }
    if slots.iter().any(|slot| slot.unsaved()) {
        // Quiet for a while: remember the state rather than wait with it unsaved.
        let quiet = Duration::from_millis(CHECKPOINT_MS);
        return if let Ok(waited) = tokio::time::timeout(quiet, pager.wait()).await {
            waited
        } else {
            for slot in slots.iter_mut() {
                slot.save(true).await;
            }
            Ok(())
        };
    }
    pager.wait().await
}

async fn switch_state(slots: &mut [Box<dyn Slot>], switch: Switch, through: Position) {
    let Switch { slot, state, position, newest, answer } = switch;
    let switched = slots[slot].switch(state, position, newest, through).await;
    // Nobody waits for the answer any more: the switch is done all the same.
    let _ = answer.send(switched);
}

/// A running projection without its type.
#[async_trait]
trait Slot: Send {
    fn filter(&self) -> &Filter;
    fn position(&self) -> Position;
    fn unsaved(&self) -> bool;
    fn feed(&mut self, events: &[Arc<Event>], through: Position);
    fn stop(&mut self, error: Error);
    async fn save(&mut self, now: bool);
    async fn switch(
        &mut self,
        state: Box<dyn Any + Send>,
        position: Position,
        newest: Option<Timestamp>,
        through: Position,
    ) -> Result<()>;
}

struct Running<P: Projection> {
    shared: Arc<Shared<P>>,
    filter: Filter,
    position: Position,
    newest: Option<Timestamp>,
    saved: Position,
    save_after: Instant,
    others_forgotten: bool,
}

impl<P: Projection> Running<P> {
    fn stopped(&self) -> bool {
        self.shared.progress.borrow().stopped.is_some()
    }

    fn snapshot(&self) -> Result<Snapshot> {
        let data = Json::trusted(
            serde_json::to_string(&*self.shared.read())
                .map_err(|error| Error::invalid(format!("the state of {} is not JSON: {error}", P::NAME)))?,
        );
        Ok(Snapshot { newest: self.newest, ..Snapshot::new(key_of::<P>(), self.position, data) })
    }

    async fn save_now(&mut self) -> Result<Revision> {
        let began = Instant::now();
        let snapshot = self.snapshot()?;
        let snapshots = self.shared.log.store.snapshots();
        let revision = snapshots.save(snapshot, None, Keep::Newest).await?;
        let caught_up = self.position >= *self.shared.log.store.head().borrow();
        if caught_up && !std::mem::replace(&mut self.others_forgotten, true) {
            // Until now an older program would still have found its own state.
            self.forget_other_revisions().await?;
        }
        self.saved = self.position;
        // A large state is saved less often: saving takes a twentieth of the time at the most.
        self.save_after = Instant::now() + Duration::from_millis(CHECKPOINT_MS).max(began.elapsed() * 20);
        Ok(revision)
    }

    async fn forget_other_revisions(&self) -> Result<()> {
        let snapshots = self.shared.log.store.snapshots();
        for other in snapshots.list(&format!("projection/{}/", P::NAME), None).await? {
            if other.key != key_of::<P>() {
                snapshots.forget(&other.key, Position::MAX).await?;
            }
        }
        Ok(())
    }

    /// Takes events in until one is refused; those before it stay taken.
    fn apply(&mut self, events: &[Arc<Event>]) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.write();
        for event in events {
            if event.position <= self.position {
                continue;
            }
            if self.filter.matches(event) {
                state.apply(event).map_err(|why| refused::<P>(event, &why))?;
                self.newest = self.newest.max(Some(event.time()));
            }
            self.position = event.position;
        }
        Ok(())
    }
}

#[async_trait]
impl<P: Projection> Slot for Running<P> {
    fn filter(&self) -> &Filter {
        &self.filter
    }

    fn position(&self) -> Position {
        self.position
    }

    fn unsaved(&self) -> bool {
        self.position > self.saved && !self.stopped()
    }

    fn feed(&mut self, events: &[Arc<Event>], through: Position) {
        if self.stopped() {
            return;
        }
        match self.apply(events) {
            Ok(()) => {
                self.position = self.position.max(through);
                let position = self.position;
                self.shared.progress.send_modify(|progress| progress.position = position);
            }
            Err(error) => self.stop(error),
        }
    }

    fn stop(&mut self, error: Error) {
        if error.kind() != ErrorKind::Stopped {
            tracing::warn!(projection = P::NAME, %error, "projection stopped");
        }
        let position = self.position;
        self.shared.progress.send_modify(|progress| {
            *progress = Progress { position, stopped: Some(error) };
        });
    }

    async fn save(&mut self, now: bool) {
        if self.stopped() || self.position <= self.saved || (!now && Instant::now() < self.save_after) {
            return;
        }
        if let Err(error) = self.save_now().await {
            // The state in memory is right; it is only built again from further back next time.
            if error.kind() != ErrorKind::Stopped {
                tracing::warn!(projection = P::NAME, %error, "state not remembered");
            }
            self.save_after = Instant::now() + Duration::from_millis(CHECKPOINT_MS);
        }
    }

    async fn switch(
        &mut self,
        state: Box<dyn Any + Send>,
        position: Position,
        newest: Option<Timestamp>,
        through: Position,
    ) -> Result<()> {
        let mut fresh = state
            .downcast::<P>()
            .map_err(|_| Error::stopped("a state of another projection was handed over"))?;
        let mut newest = newest;
        let mut pager = self.shared.log.pager(P::filter(), position);
        // What the group has read while the fresh state was built.
        while pager.cursor < through {
            let Some(events) = pager.try_page().await? else { break };
            for event in &events {
                fresh.apply(event).map_err(|why| refused::<P>(event, &why))?;
                newest = newest.max(Some(event.time()));
            }
        }
        *self.shared.write() = *fresh;
        self.position = pager.cursor.max(position);
        self.newest = newest;
        let progress = Progress { position: self.position, stopped: None };
        self.shared.progress.send_replace(progress);
        self.save_now().await.map(|_| ())
    }
}

/// A projection as it stood at a moment: from the last remembered state before it, and the events since.
pub(crate) async fn at<P: Projection>(log: &EventLog, moment: Moment) -> Result<P> {
    let start = match moment {
        Moment::Version(_) => {
            return Err(Error::invalid("a version is a moment of one stream, not of the whole log"));
        }
        Moment::Position(position) => {
            let key = key_of::<P>();
            log.snapshots()
                .load(&key, position)
                .await?
                .and_then(|kept| Some((kept.data.to().ok()?, kept.position)))
        }
        Moment::Time(_) | Moment::Recorded(_) => None,
    };
    let (mut state, after): (P, Position) = start.unwrap_or_default();
    let mut reading = log.read(P::filter()).after(after);
    while let Some(event) = reading.next().await {
        let event = event?;
        match moment {
            // Positions and the store's times only grow; a person's times do not.
            Moment::Position(_) | Moment::Recorded(_) if !moment.includes(&event) => break,
            _ if moment.includes(&event) => state.apply(&event).map_err(|why| refused::<P>(&event, &why))?,
            _ => {}
        }
    }
    Ok(state)
}

impl<P: Projection> std::fmt::Debug for Projected<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Projected").field("name", &P::NAME).field("position", &self.position()).finish()
    }
}
