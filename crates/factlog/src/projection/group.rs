//! Projections that share one reading of the log, and the task that feeds them.

use std::any::Any;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::history::History;
use super::running::{Running, Slot};
use super::{Progress, Projected, Projection, Shared, key_of};
use crate::following::Pager;
use crate::limits::{CHECKPOINT_MS, PAGE_BYTES_MAX, PAGE_EVENTS_MAX};
use crate::log::Inner;
use crate::reading::Reading;
use crate::{Error, Event, Filter, Position, Result, Timestamp};

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
pub(super) struct Runner {
    pub(super) switches: mpsc::UnboundedSender<Switch>,
    stop: watch::Sender<bool>,
    /// Closes when the task has ended, however it did.
    pub(super) ended: watch::Receiver<()>,
}

impl Runner {
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A state that was built beside the one in use.
pub(super) struct Switch {
    pub(super) slot: usize,
    /// A `Fresh` of the slot's projection.
    pub(super) fresh: Box<dyn Any + Send>,
    pub(super) answer: oneshot::Sender<Result<()>>,
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
        let remembered = remembered::<P>(&self.log).await?;
        let history = match &remembered {
            Some((_, position, _)) => History::load::<P>(&self.log, *position).await?,
            // Whatever is there is of a state that was reset, or of another log.
            None => History::new::<P>(),
        };
        let (state, position, newest) = remembered.unwrap_or_default();
        if !self.partial {
            let what = format!("projection {}", P::NAME);
            self.log.refuse_removed(&what, &P::filter(), position).await?;
        }
        let progress = watch::Sender::new(Progress { position, stopped: None });
        let shared = Arc::new(Shared { log: Arc::clone(&self.log), state: RwLock::new(state), progress });
        let slot = self.slots.len();
        self.slots.push(Box::new(Running::new(Arc::clone(&shared), position, newest, history)));
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

/// The state that was remembered last, with its position and its newest time.
async fn remembered<P: Projection>(log: &Inner) -> Result<Option<(P, Position, Option<Timestamp>)>> {
    let found = log.store.snapshots().load(&key_of::<P>(), Position::MAX).await?;
    let Some(snapshot) = found else { return Ok(None) };
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
    let caught_up = catch_up(&log, &filter, start, &mut slots, &mut switches, &stop).await;
    let mut pager = log.pager(filter, *caught_up.as_ref().unwrap_or(&start));
    let ended = loop {
        if let Err(error) = &caught_up {
            break Some(error.clone());
        }
        tokio::select! {
            biased;
            () = async { stop.wait_for(|stop| *stop).await.ok(); } => break None,
            Some(switch) = switches.recv() => switch_state(&mut slots, switch, pager.cursor).await,
            fed = feed(&mut pager, &mut slots) => if let Err(error) = fed { break Some(error) },
        }
    };
    for slot in &mut slots {
        match &ended {
            // One that has stopped by itself tells why.
            Some(_) if slot.has_stopped() => {}
            Some(error) => slot.stop(error.clone()),
            None => slot.save(true).await,
        }
    }
}

/// Takes in what is there already. A reading has the store at work on the next page meanwhile, which a pager has not.
async fn catch_up(
    log: &Arc<Inner>,
    filter: &Filter,
    start: Position,
    slots: &mut [Box<dyn Slot>],
    switches: &mut mpsc::UnboundedReceiver<Switch>,
    stop: &watch::Receiver<bool>,
) -> Result<Position> {
    let head = *log.store.head().borrow();
    let mut stop = stop.clone();
    let mut reading = Reading::new(Arc::clone(&log.store), filter.clone()).after(start);
    let mut through = start;
    let (mut page, mut page_bytes) = (Vec::new(), 0);
    loop {
        let (mut switch, mut is_end) = (None, false);
        tokio::select! {
            biased;
            // What was not handed on yet is read again by whoever goes on.
            _ = stop.wait_for(|stop| *stop) => return Ok(through),
            Some(fresh) = switches.recv() => switch = Some(fresh),
            event = reading.next() => {
                let event = event.transpose()?;
                is_end = event.is_none();
                page_bytes += event.as_ref().map_or(0, |event| event.bytes());
                page.extend(event);
            }
        }
        if page.len() < PAGE_EVENTS_MAX && page_bytes < PAGE_BYTES_MAX && !is_end && switch.is_none() {
            continue;
        }
        through = page.last().map_or(through, |event| event.position);
        if is_end {
            // It has read to the head and beyond, whatever the filter has left out.
            through = through.max(head);
        }
        for slot in slots.iter_mut() {
            slot.feed(&page, through, head);
        }
        for slot in slots.iter_mut() {
            slot.save(false).await;
        }
        page.clear();
        page_bytes = 0;
        if let Some(switch) = switch {
            switch_state(slots, switch, through).await;
        }
        if is_end {
            return Ok(through);
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
            slot.feed(&events, pager.cursor, pager.head());
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
    let Switch { slot, fresh, answer } = switch;
    let switched = match slots.get_mut(slot) {
        Some(slot) => slot.switch(fresh, through).await,
        None => Err(Error::stopped("a state of no projection was handed over")),
    };
    // Nobody waits for the answer any more: the switch is done all the same.
    let _ = answer.send(switched);
}
