//! Whose turn it is: of those who wait for the same event, the one of higher priority is given it first.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use factlog::{Event, Filter, Position};
use tokio::sync::Notify;

/// How long one is waited for that has ended meanwhile.
const WAIT_MAX: Duration = Duration::from_millis(100);

/// The subscriptions of one bus, by their priority.
#[derive(Debug, Default)]
pub(in crate::bus) struct Turns {
    of: Mutex<BTreeMap<i32, Vec<Weak<Turn>>>>,
    moved: Notify,
}

/// One of them: how far it is, and whether it can be waited for.
#[derive(Debug)]
pub(super) struct Turn {
    filter: Filter,
    priority: i32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// It was given all up to here.
    given: Position,
    /// It waits for what comes next: one that has a handler at work, is paused, or is still at its history is not waited for.
    is_waiting: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turns {
    pub(super) fn enter(&self, filter: Filter, priority: i32) -> Arc<Turn> {
        let turn = Arc::new(Turn { filter, priority, state: Mutex::default() });
        let mut of = lock(&self.of);
        let alike = of.entry(priority).or_default();
        alike.retain(|other| other.strong_count() > 0);
        alike.push(Arc::downgrade(&turn));
        turn
    }

    /// Waits until those of higher priority were given an event, as far as they are not away.
    pub(super) async fn wait(&self, own: &Turn, event: &Event) {
        loop {
            let moved = self.moved.notified();
            let is_before = |other: &Arc<Turn>| {
                let state = lock(&other.state);
                state.is_waiting && state.given < event.position && other.filter.matches(event)
            };
            let higher = (Bound::Excluded(own.priority), Bound::Unbounded);
            let is_anyone_before = {
                let of = lock(&self.of);
                of.range(higher)
                    .flat_map(|(_, others)| others)
                    .filter_map(Weak::upgrade)
                    .any(|other| is_before(&other))
            };
            if !is_anyone_before {
                return;
            }
            // One that ends does not say so.
            if tokio::time::timeout(WAIT_MAX, moved).await.is_err() {
                return;
            }
        }
    }

    /// It was given an event, or has passed it over.
    pub(super) fn given(&self, own: &Turn, position: Position) {
        lock(&own.state).given = position;
        self.moved.notify_waiters();
    }

    /// It waits for what comes next, or is busy.
    pub(super) fn waits(&self, own: &Turn, is_waiting: bool) {
        lock(&own.state).is_waiting = is_waiting;
        self.moved.notify_waiters();
    }
}
