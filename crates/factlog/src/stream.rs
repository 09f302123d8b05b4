//! One stream: ordered facts about one thing.

mod find;
mod state;

use std::sync::Arc;

use crate::reading::Reading;
use crate::{
    Appended, Batch, Error, Event, EventLog, Expect, Filter, Invalid, Moment, NewEvent, Position, Result,
    StreamName, Version,
};

pub(crate) use self::state::{Folded, Remembered, key_of};

/// A value that is folded from events.
///
/// ```
/// use factlog::{Event, Fold, Invalid};
/// #[derive(Default)]
/// struct Total(u64);
/// impl Fold for Total {
///     fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
///         if event.event_type == "account:deposited" {
///             self.0 += event.data.to::<u64>()?;
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Fold: Default + Send {
    /// Takes one event in; an error ends the fold and is shown.
    fn apply(&mut self, event: &Event) -> Result<(), Invalid>;
}

impl<P: crate::Projection> Fold for P {
    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        crate::Projection::apply(self, event)
    }
}

/// One stream of a log.
#[derive(Debug, Clone)]
pub struct StreamOf<'a> {
    log: &'a EventLog,
    name: StreamName,
    from: Version,
    until: Option<Moment>,
    partial: bool,
}

impl<'a> StreamOf<'a> {
    pub(crate) fn new(log: &'a EventLog, name: StreamName) -> Self {
        Self { log, name, from: Version(1), until: None, partial: false }
    }

    /// Only what has this version or a later one; a state is made of all versions.
    #[must_use]
    pub fn from(mut self, version: Version) -> Self {
        self.from = version;
        self
    }

    /// Only what had come by this moment.
    #[must_use]
    pub fn at(mut self, moment: Moment) -> Self {
        self.until = Some(moment);
        self
    }

    /// Makes a state of what a removal has left.
    #[must_use]
    pub fn partial(mut self) -> Self {
        self.partial = true;
        self
    }

    fn filter(&self) -> Filter {
        Filter::stream(self.name.clone())
    }

    /// Its events in order, all of them: for bounds use [`StreamOf::events`].
    pub fn read(&self) -> Reading {
        self.log.read(self.filter())
    }

    /// Its events in order, within [`StreamOf::from`] and [`StreamOf::at`]; no others are read, unless the moment is a
    /// person's time, which may go back and forth.
    pub async fn events(&self) -> Result<Vec<Arc<Event>>> {
        let mut events = Vec::new();
        let after = if self.from <= Version(1) {
            Position::START
        } else {
            let Some(first) = self.first_from(self.from).await? else { return Ok(events) };
            Position(first.position.0 - 1)
        };
        let mut reading = self.read_until(self.until, after, self.from);
        while let Some(event) = reading.next().await {
            let event = event?;
            if self.until.is_none_or(|moment| moment.includes(&event)) {
                events.push(event);
            } else if !matches!(self.until, Some(Moment::Time(_))) {
                break;
            }
        }
        Ok(events)
    }

    /// Its events after a position, the next of which has this version or a later one, in pages that end near the moment.
    fn read_until(&self, until: Option<Moment>, after: Position, next: Version) -> Reading {
        let reading = self.read().after(after);
        match until {
            Some(Moment::Position(last)) => reading.before(Position(last.0.saturating_add(1))),
            Some(Moment::Version(last)) => reading.limit(
                usize::try_from((last.0.saturating_add(1)).saturating_sub(next.0)).unwrap_or(usize::MAX),
            ),
            _ => reading,
        }
    }

    /// Its version; 0 when nothing was ever appended to it. Removed events count.
    pub async fn version(&self) -> Result<Version> {
        self.log.store().version(&self.name).await
    }

    /// Appends events that all belong to it, if it is where it is expected.
    ///
    /// # Errors
    /// `Conflict` when it is not; `Invalid` for an event of another stream.
    pub async fn append(&self, events: Vec<NewEvent>, expect: Expect) -> Result<Appended> {
        if let Some(other) = events.iter().find(|event| event.stream != self.name) {
            return Err(Error::invalid(format!("an event of {} cannot go into {}", other.stream, self.name)));
        }
        self.log.append(Batch::new(events)?.expect(self.name.clone(), expect)?).await
    }

    /// The value that its events make, within [`StreamOf::from`] and [`StreamOf::at`].
    ///
    /// # Errors
    /// `Invalid` when the fold refuses an event, saying which.
    pub async fn fold<S: Fold>(&self) -> Result<S> {
        let mut state = S::default();
        for event in self.events().await? {
            apply(&mut state, &event)?;
        }
        Ok(state)
    }
}

fn apply(state: &mut impl Fold, event: &Event) -> Result<()> {
    state.apply(event).map_err(|why| {
        Error::invalid(format!("the event at position {} cannot be applied: {why}", event.position))
    })
}
