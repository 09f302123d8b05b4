//! Whether two answers are alike: in all but what each store makes by itself, times by its clock and ids of its own.

use std::fmt::Debug;
use std::sync::Arc;

use factlog::{
    Appended, Error, Event, EventId, Group, REMOVED_TYPE, Result, Snapshot, SnapshotInfo, Timestamp,
};

use super::operations::stamped;

/// The same answer, and what it is; an error says what differs.
pub(super) fn alike<T: Known + Debug>(
    what: &str,
    model: Result<T>,
    store: Result<T>,
) -> Result<Option<T>, String> {
    let (model, store) = (
        model.map(T::known).map_err(|found| error(&found)),
        store.map(T::known).map_err(|found| error(&found)),
    );
    let (left, right) = (format!("{model:?}"), format!("{store:?}"));
    if left == right { Ok(model.ok()) } else { Err(format!("{what}\n  model: {left}\n  store: {right}")) }
}

/// What of an error a caller can act on.
fn error(error: &Error) -> String {
    let (stream, expected, actual) = (error.stream(), error.expected(), error.actual());
    format!("{}, stream {stream:?}, expected {expected:?}, actual {actual:?}", error.kind().code())
}

/// A time by a clock is any time between the kept ones.
fn time(time: Timestamp) -> Timestamp {
    let clocks = stamped(2026)..stamped(2101);
    if clocks.contains(&time) { clocks.start } else { time }
}

/// What can be known of an answer before it is given.
pub(super) trait Known {
    /// The same without the rest.
    #[must_use]
    fn known(self) -> Self;
}

macro_rules! known_whole {
    ($($type:ty),*) => {
        $(impl Known for $type {
            fn known(self) -> Self {
                self
            }
        })*
    };
}

known_whole!(
    (),
    u64,
    factlog::Position,
    factlog::Version,
    factlog::Revision,
    factlog::Removed,
    (bool, u64, factlog::Position, u64)
);

impl<T: Known> Known for Option<T> {
    fn known(self) -> Self {
        self.map(T::known)
    }
}

impl<T: Known> Known for Vec<T> {
    fn known(self) -> Self {
        self.into_iter().map(T::known).collect()
    }
}

impl Known for Appended {
    fn known(self) -> Self {
        Self { recorded_at: time(self.recorded_at), ..self }
    }
}

impl Known for Arc<Event> {
    fn known(self) -> Self {
        let mut event = Event::clone(&self);
        event.recorded_at = time(event.recorded_at);
        if event.event_type == REMOVED_TYPE {
            event.fact.id = EventId(uuid::Uuid::nil());
        }
        Self::new(event)
    }
}

impl Known for Group {
    fn known(self) -> Self {
        Self { first_at: time(self.first_at), last_at: time(self.last_at), ..self }
    }
}

impl Known for Snapshot {
    fn known(self) -> Self {
        Self { saved_at: time(self.saved_at), ..self }
    }
}

impl Known for SnapshotInfo {
    fn known(self) -> Self {
        Self { saved_at: time(self.saved_at), ..self }
    }
}
