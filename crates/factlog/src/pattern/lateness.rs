//! Events by the time when they happened, while they come: each waits a while for those that come late.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::{Event, Position, Timestamp};

/// Events that wait at once; when there are more, the first of them waits no longer.
const WAITING_MAX: usize = 100_000;

/// Events that wait for those before them.
#[derive(Debug)]
pub struct Lateness {
    wait: Duration,
    waiting: BTreeMap<(Timestamp, Position), Arc<Event>>,
    /// All before this was given out.
    given: Option<Timestamp>,
    late: u64,
}

impl Lateness {
    /// Events wait for so long after they were recorded.
    pub fn new(lateness: Duration) -> Self {
        Self { wait: lateness, waiting: BTreeMap::new(), given: None, late: 0 }
    }

    /// For how long.
    pub fn lateness(&self) -> Duration {
        self.wait
    }

    /// Takes an event that has come. One that is even later is counted, and comes out next all the same.
    pub fn push(&mut self, event: Arc<Event>) {
        if self.given.is_some_and(|given| event.time() < given) {
            self.late += 1;
        }
        self.waiting.insert((event.time(), event.position), event);
    }

    /// The next event that has waited for long enough.
    pub fn pop(&mut self, now: Timestamp) -> Option<Arc<Event>> {
        let first = self.waiting.values().next()?;
        if self.waiting.len() <= WAITING_MAX && self.due_at(first) > now {
            return None;
        }
        let ((time, _), event) = self.waiting.pop_first()?;
        self.given = self.given.max(Some(time));
        Some(event)
    }

    /// When the next event has waited for long enough.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.waiting.values().next().map(|first| self.due_at(first))
    }

    /// An event that claims to be of later waits no longer than since it was recorded.
    fn due_at(&self, event: &Event) -> Timestamp {
        event.time().min(event.recorded_at).plus_ms(self.wait.as_millis() as u64)
    }

    /// Events that came out after later ones.
    pub fn late(&self) -> u64 {
        self.late
    }
}
