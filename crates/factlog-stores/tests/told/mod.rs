//! What writers were told of their events, held against what is in the log.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use factlog::{Appended, Batch, Event, EventId, EventLog, Filter, Position};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What one writer or several were told.
#[derive(Debug)]
pub(crate) struct Told {
    notes: Mutex<Notes>,
    acknowledged: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Notes {
    acknowledged: HashMap<EventId, Position>,
    /// Batches whose append failed, and nobody knows whether they are recorded.
    in_doubt: Vec<Vec<EventId>>,
}

impl Told {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { notes: Mutex::default(), acknowledged: watch::Sender::new(0) })
    }

    /// These events were acknowledged.
    pub(crate) fn acknowledge(&self, ids: &[EventId], appended: &Appended) {
        assert_eq!(ids.len(), appended.events.len());
        for (id, event) in ids.iter().zip(&appended.events) {
            self.stands_at(*id, event.position);
        }
    }

    pub(crate) fn stands_at(&self, id: EventId, position: Position) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(notes.acknowledged.insert(id, position).is_none(), "{id} was acknowledged twice");
        self.acknowledged.send_replace(notes.acknowledged.len());
    }

    /// Nobody knows whether these were recorded.
    pub(crate) fn doubt(&self, ids: Vec<EventId>) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).in_doubt.push(ids);
    }

    pub(crate) fn count(&self) -> usize {
        *self.acknowledged.borrow()
    }

    /// Waits for so many more acknowledgements.
    pub(crate) async fn more(&self, events: usize) {
        let wanted = self.count() + events;
        let mut acknowledged = self.acknowledged.subscribe();
        let came = timeout(PATIENCE, acknowledged.wait_for(|count| *count >= wanted)).await;
        assert!(came.is_ok(), "only {} of {wanted} events were acknowledged", self.count());
    }

    /// Reads the log: what was acknowledged is there once, what is in doubt whole or not at all, and nothing else.
    pub(crate) async fn verify(&self, log: &EventLog) -> Vec<Arc<Event>> {
        let events = log.read(Filter::all()).collect().await.expect("the log can be read");
        verify_order(&events);
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let there: HashMap<EventId, Position> =
            events.iter().map(|event| (event.id, event.position)).collect();
        assert_eq!(there.len(), events.len(), "an event is there twice");
        for (id, position) in &notes.acknowledged {
            assert_eq!(there.get(id), Some(position), "{id} was acknowledged at {position}");
        }
        for batch in &notes.in_doubt {
            let recorded = batch.iter().filter(|id| there.contains_key(id)).count();
            assert!(recorded == 0 || recorded == batch.len(), "{recorded} of {} events", batch.len());
        }
        let in_doubt: HashSet<&EventId> = notes.in_doubt.iter().flatten().collect();
        let unknown = there.keys().find(|id| !notes.acknowledged.contains_key(id) && !in_doubt.contains(id));
        assert_eq!(unknown, None, "nobody has appended it");
        drop(notes);
        events
    }
}

/// From the first position on, none left out; versions of each stream likewise; times that never go back.
pub(crate) fn verify_order(events: &[Arc<Event>]) {
    let mut versions: HashMap<&str, u64> = HashMap::new();
    for (event, position) in events.iter().zip(1..) {
        assert_eq!(event.position, Position(position), "positions are dense");
        let version = versions.entry(event.stream.as_str()).or_default();
        *version += 1;
        assert_eq!(event.version.0, *version, "{} at position {position}", event.stream);
    }
    let goes_back = events.windows(2).find(|pair| pair[1].recorded_at < pair[0].recorded_at);
    assert!(goes_back.is_none(), "time goes back: {goes_back:?}");
}

/// The ids of a batch.
pub(crate) fn ids(batch: &Batch) -> Vec<EventId> {
    batch.events().iter().map(|event| event.id).collect()
}
