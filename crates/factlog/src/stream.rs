//! One stream: ordered facts about one thing.

use crate::reading::Reading;
use crate::{
    Appended, Batch, Error, Event, EventLog, Expect, Filter, Invalid, Moment, NewEvent, Position, Read,
    Result, StreamName, Version,
};

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
}

impl<'a> StreamOf<'a> {
    pub(crate) fn new(log: &'a EventLog, name: StreamName) -> Self {
        Self { log, name, from: Version(1), until: None }
    }

    /// Only what has this version or a later one.
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

    /// Its events in order, all of them: for bounds use [`StreamOf::events`].
    pub fn read(&self) -> Reading {
        self.log.read(Filter::stream(self.name.clone()))
    }

    /// Its events in order, within [`StreamOf::from`] and [`StreamOf::at`].
    pub async fn events(&self) -> Result<Vec<std::sync::Arc<Event>>> {
        let mut reading = self.read();
        let mut events = Vec::new();
        while let Some(event) = reading.next().await {
            let event = event?;
            if event.version >= self.from && self.until.is_none_or(|moment| moment.includes(&event)) {
                events.push(event);
            }
        }
        Ok(events)
    }

    /// The version of its newest event; 0 when it has none.
    pub async fn version(&self) -> Result<Version> {
        let read = Read::before(Filter::stream(self.name.clone()), Position::MAX).limit(1);
        let page = self.log.store().read(&read).await?;
        Ok(page.events.first().map_or(Version::NONE, |event| event.version))
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

    /// The value that its events make.
    ///
    /// # Errors
    /// `Invalid` when the fold refuses an event, saying which.
    pub async fn fold<S: Fold>(&self) -> Result<S> {
        let mut state = S::default();
        for event in self.events().await? {
            state.apply(&event).map_err(|why| {
                Error::invalid(format!("the event at position {} cannot be applied: {why}", event.position))
            })?;
        }
        Ok(state)
    }
}
