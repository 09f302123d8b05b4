//! Events on their way to the store: taken in, waiting, settled.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use factlog::{Appended, Batch, Error, EventId, Position, Result};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::Instant;

use super::pairing::Pairing;
use super::settings::Settings;
use super::ticket::{Stored, not_stored};

/// Bytes of events that may wait before `record` is made to wait.
const WAITING_KIB_MAX: usize = 32 * 1024;
/// Bytes of events that are stored without waiting for more of them.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Positions that are kept for the next flush; the oldest of more are forgotten.
const POSITIONS_KEPT_MAX: usize = 100_000;
const KIB: usize = 1024;

/// What callers and the writer share.
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) settings: Settings,
    state: Mutex<State>,
    /// Wakes the writer.
    changed: Notify,
    slots: Arc<Semaphore>,
    kib: Arc<Semaphore>,
    /// How many events were settled: stored, or given up.
    settled: watch::Sender<u64>,
}

/// What changes.
#[derive(Debug)]
pub(super) struct State {
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// How many events were taken in.
    taken: u64,
    /// Up to which of them a flush has been asked for.
    flush_through: u64,
    /// No more events are taken in.
    pub(super) closed: bool,
    pub(super) enabled: bool,
    pub(super) pairing: Pairing,
    pub(super) not_selected: u64,
    pub(super) stored: u64,
    pub(super) failed: u64,
    /// Of what was stored since the last flush.
    positions: VecDeque<Position>,
    /// What went wrong first since the last flush, and how often something did.
    failure: Option<(Error, u64)>,
}

/// One event that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    id: EventId,
    pub(super) batch: Batch,
    since: Instant,
    answer: oneshot::Sender<Result<Stored>>,
    _room: Room,
}

/// The place that an event takes up while it waits.
#[derive(Debug)]
pub(super) struct Room {
    _slot: OwnedSemaphorePermit,
    _kib: OwnedSemaphorePermit,
}

/// What the writer finds.
enum Look {
    Ready(Vec<Waiting>),
    /// There is something, but not enough before this time.
    Until(Instant),
    Empty,
    Ended,
}

impl Buffer {
    pub(super) fn new(settings: Settings) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            taken: 0,
            flush_through: 0,
            closed: false,
            enabled: settings.enabled,
            pairing: Pairing::new(&settings),
            not_selected: 0,
            stored: 0,
            failed: 0,
            positions: VecDeque::new(),
            failure: None,
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            slots: Arc::new(Semaphore::new(settings.waiting_max)),
            kib: Arc::new(Semaphore::new(WAITING_KIB_MAX)),
            settled: watch::Sender::new(0),
            settings,
        }
    }

    /// No code that can panic runs under the lock with the state half changed, so a poisoned lock is still good.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room for one event, first come, first served.
    pub(super) async fn room(&self, bytes: usize) -> Result<Room> {
        let kib = bytes.div_ceil(KIB).clamp(1, WAITING_KIB_MAX);
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| closed())?;
        let kib = Arc::clone(&self.kib).acquire_many_owned(kib as u32).await.map_err(|_| closed())?;
        Ok(Room { _slot: slot, _kib: kib })
    }

    /// Puts an event behind those that wait.
    pub(super) fn push(
        &self,
        state: &mut State,
        id: EventId,
        batch: Batch,
        room: Room,
    ) -> oneshot::Receiver<Result<Stored>> {
        let (answer, answered) = oneshot::channel();
        state.taken += 1;
        state.waiting_bytes += batch.bytes();
        state.waiting.push_back(Waiting { id, batch, since: Instant::now(), answer, _room: room });
        self.changed.notify_one();
        answered
    }

    /// Waits until all that was taken in is settled; gives what was stored since the last time.
    pub(super) async fn flush(&self) -> Result<Vec<Position>> {
        let through = {
            let mut state = self.state();
            state.flush_through = state.taken;
            state.taken
        };
        self.changed.notify_one();
        let mut settled = self.settled.subscribe();
        settled.wait_for(|settled| *settled >= through).await.map_err(|_| not_stored())?;
        let mut state = self.state();
        match state.failure.take() {
            None => Ok(std::mem::take(&mut state.positions).into()),
            Some((error, 1)) => Err(error.context("an event was not stored")),
            Some((error, failed)) => {
                Err(error.context(format!("{failed} events were not stored, the first because")))
            }
        }
    }

    /// Takes no more events in; who waits for room is told.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.slots.close();
        self.kib.close();
        self.changed.notify_one();
    }

    /// The next events to store together; none when it is closed and empty.
    pub(super) async fn next(&self) -> Option<Vec<Waiting>> {
        loop {
            match self.look() {
                Look::Ready(events) => return Some(events),
                Look::Ended => return None,
                Look::Empty => self.changed.notified().await,
                Look::Until(due) => tokio::select! {
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep_until(due) => {}
                },
            }
        }
    }

    fn look(&self) -> Look {
        let mut state = self.state();
        let Some(oldest) = state.waiting.front() else {
            return if state.closed { Look::Ended } else { Look::Empty };
        };
        let due = oldest.since + self.settings.batch_timeout;
        let is_ready = state.waiting.len() >= self.settings.batch_size
            || state.waiting_bytes >= BATCH_BYTES
            || state.flush_through > *self.settled.borrow()
            || state.closed
            || Instant::now() >= due;
        if is_ready { Look::Ready(state.take(self.settings.batch_size)) } else { Look::Until(due) }
    }

    /// Tells an event's caller what became of it.
    pub(super) fn settle(&self, waiting: Waiting, outcome: Result<Appended>) {
        let id = waiting.id;
        let stored = outcome.and_then(|appended| {
            let place =
                appended.events.first().ok_or_else(|| Error::stopped("the store told no position"))?;
            Ok(Stored {
                id,
                position: place.position,
                version: place.version,
                recorded_at: appended.recorded_at,
                repeated: appended.repeated,
            })
        });
        let mut state = self.state();
        match &stored {
            Ok(stored) => {
                state.stored += 1;
                if state.positions.len() == POSITIONS_KEPT_MAX {
                    state.positions.pop_front();
                }
                state.positions.push_back(stored.position);
            }
            Err(error) => {
                state.failed += 1;
                let failed = state.failure.get_or_insert_with(|| (error.clone(), 0));
                failed.1 += 1;
            }
        }
        drop(state);
        // Nobody may be waiting for it.
        let _ = waiting.answer.send(stored);
        self.settled.send_modify(|settled| *settled += 1);
    }

    /// Gives up what waits: nobody is left to store it, and whoever waits for it is told.
    pub(super) fn abandon(&self) {
        self.close();
        let mut state = self.state();
        let abandoned = std::mem::take(&mut state.waiting);
        let taken = state.taken;
        let failed = taken - *self.settled.borrow();
        if failed > 0 {
            state.failed += failed;
            state.failure.get_or_insert_with(|| (not_stored(), 0)).1 += failed;
        }
        drop(state);
        drop(abandoned);
        self.settled.send_replace(taken);
    }

    /// How many events are not settled yet.
    pub(super) fn unsettled(&self) -> u64 {
        self.state().taken - *self.settled.borrow()
    }
}

impl State {
    /// How many events were taken in.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes out the first events, as many as go into one batch; at least one.
    fn take(&mut self, batch_size: usize) -> Vec<Waiting> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while taken.len() < batch_size && bytes < BATCH_BYTES {
            let Some(waiting) = self.waiting.pop_front() else { break };
            bytes += waiting.batch.bytes();
            taken.push(waiting);
        }
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        taken
    }
}

/// The error of whoever comes too late.
pub(super) fn closed() -> Error {
    Error::stopped("the recorder is closed").with_hint("make another one on the same log")
}
