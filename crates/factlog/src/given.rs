//! Given these events, when this is decided, then that follows: tests of folds that read like a story.

use std::fmt::Debug;

use crate::{Error, Event, Fold, NewEvent, Position, Result, Timestamp, Version};

/// Begins with what has happened.
///
/// ```
/// use factlog::{Event, Fold, Invalid, NewEvent, given};
///
/// #[derive(Default)]
/// struct Task { created: bool }
/// impl Fold for Task {
///     fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
///         self.created |= event.event_type == "task:created";
///         Ok(())
///     }
/// }
///
/// let fact = |what: &str| NewEvent::new("task-1", what, serde_json::json!({})).unwrap();
/// given::<Task>([fact("task:created")])
///     .when(|task| if task.created { Ok(vec![fact("task:started")]) } else { Ok(vec![]) })
///     .then([fact("task:started")]);
/// ```
///
/// # Panics
/// When the fold refuses an event: the test has failed.
pub fn given<S: Fold>(events: impl IntoIterator<Item = NewEvent>) -> Given<S> {
    let mut state = S::default();
    let mut versions = std::collections::HashMap::new();
    for (index, fact) in events.into_iter().enumerate() {
        let version = versions.entry(fact.stream.clone()).or_insert(Version::NONE);
        *version = version.next();
        let position = Position(index as u64 + 1);
        let event = Event { position, version: *version, recorded_at: Timestamp::now(), fact };
        if let Err(why) = state.apply(&event) {
            panic!("given event {position} ({}) was refused: {why}", event.event_type);
        }
    }
    Given { state }
}

/// What has happened.
#[derive(Debug)]
pub struct Given<S> {
    state: S,
}

/// What was decided then.
#[derive(Debug)]
pub struct Decided {
    outcome: Result<Vec<NewEvent>>,
}

impl<S: Fold> Given<S> {
    /// Decides something on it.
    pub fn when(self, decide: impl FnOnce(&S) -> Result<Vec<NewEvent>>) -> Decided {
        Decided { outcome: decide(&self.state) }
    }

    /// Looks at it.
    pub fn then_state(self, look: impl FnOnce(&S)) {
        look(&self.state);
    }
}

impl Decided {
    /// Expects these events: their streams, types and data.
    ///
    /// # Panics
    /// When others came, or an error.
    pub fn then(self, expected: impl IntoIterator<Item = NewEvent>) {
        let told = |event: &NewEvent| {
            (event.stream.to_string(), event.event_type.to_string(), event.data.to_string())
        };
        let expected: Vec<_> = expected.into_iter().map(|event| told(&event)).collect();
        match self.outcome {
            Ok(events) => same(&events.iter().map(told).collect::<Vec<_>>(), &expected),
            Err(error) => panic!("expected {expected:?}, and it was refused: {error:?}"),
        }
    }

    /// Expects that it was refused.
    ///
    /// # Panics
    /// When it was not, or the error does not fit.
    pub fn then_refused(self, fits: impl FnOnce(&Error) -> bool) {
        match self.outcome {
            Ok(events) => panic!("expected a refusal, and got {events:?}"),
            Err(error) => assert!(fits(&error), "refused for another reason: {error:?}"),
        }
    }
}

fn same<T: PartialEq + Debug>(actual: &[T], expected: &[T]) {
    assert!(actual == expected, "expected {expected:#?}, and got {actual:#?}");
}
