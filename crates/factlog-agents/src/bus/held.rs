//! A state that is folded from the log and kept in memory: brought up to date when it is looked at, and decided on.
//!
//! Whoever decides looks first, and appends only if nothing came in between. What was decided is true for everyone who reads
//! the log, whatever the clock of the one who decided.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use factlog::{
    Appended, Batch, Condition, Error, ErrorKind, Event, EventLog, Expect, Filter, NewEvent, Position,
    Result, StreamName, TypePattern, Version,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::remembered::{Bookmark, Remembered};

/// How often a decision is taken again because others were faster.
pub(crate) const DECIDE_TRIES_MAX: u32 = 32;
/// The longest pause before it is taken again.
const DECIDE_PAUSE_MAX: Duration = Duration::from_millis(50);
/// States that one handle keeps in memory; when there are more, those that nobody uses are read again.
pub(super) const HELD_STATES_MAX: usize = 1_000;

/// The state of one stream, as far as it was read.
#[derive(Debug)]
pub(crate) struct Held<S> {
    stream: StreamName,
    state: S,
    position: Position,
    version: Version,
    bookmark: Bookmark,
    /// Whether it was looked where the state was remembered last.
    is_begun: bool,
}

impl<S: Remembered> Held<S> {
    pub(crate) fn new(stream: StreamName) -> Self {
        let bookmark = Bookmark::of_stream(&stream);
        let (position, version) = (Position::START, Version::NONE);
        Self { stream, state: S::default(), position, version, bookmark, is_begun: false }
    }

    /// The state, as it was last read.
    pub(crate) fn state(&self) -> &S {
        &self.state
    }

    /// Everything in its stream up to here was taken in.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Takes in what came since; the first time from where the state was remembered.
    pub(crate) async fn refresh(&mut self, log: &EventLog) -> Result<&S> {
        if !self.is_begun {
            self.begin(log).await?;
            self.is_begun = true;
        }
        if !self.read_on(log).await? {
            self.start_over();
            self.read_on(log).await?;
        }
        self.bookmark.save(log, &self.state, self.position, self.version).await;
        Ok(&self.state)
    }

    /// Begins with what was remembered, if all events since are there: one that was removed may have ended what the state
    /// has as open.
    async fn begin(&mut self, log: &EventLog) -> Result<()> {
        self.start_over();
        let Some(found) = self.bookmark.find::<S>(log).await else { return Ok(()) };
        // Asked for before anything is read: what comes in between is then no news.
        let version = log.stream(&self.stream).version().await?;
        if found.version <= version {
            (self.state, self.position, self.version) = (found.state, found.position, found.version);
            if self.read_on(log).await? && self.version >= version {
                return Ok(());
            }
        }
        self.bookmark.refuse();
        self.start_over();
        Ok(())
    }

    /// Reads what is left of the stream from its beginning.
    fn start_over(&mut self) {
        (self.state, self.position, self.version) = (S::default(), Position::START, Version::NONE);
    }

    /// Reads on; false where something was removed between what the state has taken in and what comes next. A state that
    /// has taken in nothing is made of what is left.
    async fn read_on(&mut self, log: &EventLog) -> Result<bool> {
        let is_of_some = self.position > Position::START;
        let mut reading = log.read(Filter::stream(self.stream.clone())).after(self.position);
        while let Some(event) = reading.next().await {
            let event = event?;
            if is_of_some && event.version != self.version.next() {
                return Ok(false);
            }
            self.take(&event)?;
        }
        Ok(true)
    }

    fn take(&mut self, event: &Event) -> Result<()> {
        self.state.apply(event).map_err(|why| {
            Error::invalid(format!("the event at position {} cannot be applied: {why}", event.position))
        })?;
        self.position = event.position;
        self.version = event.version;
        self.bookmark.count(1);
        Ok(())
    }

    /// Looks, decides, and records what was decided as one batch if nothing came in between; else looks again. Events of
    /// other streams may be among it. Nothing to record is a decision too.
    ///
    /// # Errors
    /// What the decision says, what the log says, and `Unavailable` when others were faster each time.
    pub(crate) async fn decide(
        &mut self,
        log: &EventLog,
        mut decide: impl FnMut(&S) -> Result<Vec<NewEvent>>,
    ) -> Result<Option<Appended>> {
        for attempt in 0..DECIDE_TRIES_MAX {
            self.refresh(log).await?;
            let events = decide(&self.state)?;
            if events.is_empty() {
                return Ok(None);
            }
            let batch = Batch::new(events)?.expect(self.stream.clone(), Expect::Version(self.version))?;
            match log.append(batch.clone()).await {
                Ok(appended) => {
                    self.take_own(batch, &appended)?;
                    return Ok(Some(appended));
                }
                Err(error) if error.kind() == ErrorKind::Conflict && error.actual().is_some() => {
                    self.settle(log, error.actual().unwrap_or(Version::NONE)).await?;
                    tokio::time::sleep(pause(attempt)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(others_are_faster(&self.stream))
    }

    /// After a conflict: where the newest events of the stream were removed, only its version tells of them.
    async fn settle(&mut self, log: &EventLog, actual: Version) -> Result<()> {
        self.refresh(log).await?;
        if self.version < actual {
            self.start_over();
            self.read_on(log).await?;
            self.version = self.version.max(actual);
        }
        Ok(())
    }

    /// Takes in what was just recorded, without reading it again; not where something else came before it.
    fn take_own(&mut self, batch: Batch, appended: &Appended) -> Result<()> {
        if appended.repeated {
            return Ok(());
        }
        for (fact, at) in batch.into_events().into_iter().zip(&appended.events) {
            if fact.stream == self.stream && at.version == self.version.next() {
                let (position, version) = (at.position, at.version);
                self.take(&Event { position, version, recorded_at: appended.recorded_at, fact })?;
            }
        }
        Ok(())
    }
}

fn others_are_faster(stream: &StreamName) -> Error {
    Error::unavailable(format!("others write into {stream} all the time")).with_hint("try again in a moment")
}

/// A pause that grows, and differs from one to the next, so that those who wait do not wake together.
pub(crate) fn pause(attempt: u32) -> Duration {
    let most = Duration::from_millis(1 << attempt.min(6)).min(DECIDE_PAUSE_MAX);
    most.mul_f64(fastrand::f64())
}

/// The states of streams of one kind that a handle keeps.
#[derive(Debug)]
pub(crate) struct HeldStates<S>(std::sync::Mutex<HashMap<StreamName, Entry<S>>>);

/// The state of one stream, and whose turn it is to record what was decided on it.
#[derive(Debug)]
struct Entry<S> {
    state: Arc<Mutex<Held<S>>>,
    turn: Arc<Mutex<()>>,
}

impl<S> Default for HeldStates<S> {
    fn default() -> Self {
        Self(std::sync::Mutex::default())
    }
}

impl<S: Remembered + 'static> HeldStates<S> {
    /// The state of a stream, for one caller at a time; as it was last read.
    pub(crate) async fn of(&self, stream: &StreamName) -> OwnedMutexGuard<Held<S>> {
        let state = self.entry(stream, |entry| Arc::clone(&entry.state));
        state.lock_owned().await
    }

    /// Looks, decides, and records what was decided, whatever else comes in between: the fold judges it when it stands in the
    /// log. With types, only if none of these came in between; else it looks and decides again. Gives the state with that, and
    /// where it was recorded.
    ///
    /// One caller at a time; while it records, others may look.
    ///
    /// # Errors
    /// What the decision says, what the log says, and `Unavailable` when others were faster each time.
    pub(crate) async fn record(
        &self,
        log: &EventLog,
        stream: &StreamName,
        unless: &[TypePattern],
        mut decide: impl FnMut(&S) -> Result<Vec<NewEvent>>,
    ) -> Result<(OwnedMutexGuard<Held<S>>, Option<Appended>)> {
        let turn = self.entry(stream, |entry| Arc::clone(&entry.turn));
        let _turn = turn.lock_owned().await;
        for attempt in 0..DECIDE_TRIES_MAX {
            let mut held = self.of(stream).await;
            let events = decide(held.refresh(log).await?)?;
            if events.is_empty() {
                return Ok((held, None));
            }
            let mut batch = Batch::new(events)?;
            if !unless.is_empty() {
                let filter = Filter { types: unless.to_vec(), ..Filter::stream(stream.clone()) };
                batch = batch.condition(Condition::NoneSince { filter, after: held.position })?;
            }
            drop(held);
            match log.append(batch.clone()).await {
                Ok(appended) => {
                    let mut held = self.of(stream).await;
                    held.take_own(batch, &appended)?;
                    held.refresh(log).await?;
                    return Ok((held, Some(appended)));
                }
                Err(error) if error.kind() == ErrorKind::Conflict && !unless.is_empty() => {
                    tokio::time::sleep(pause(attempt)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(others_are_faster(stream))
    }

    fn entry<R>(&self, stream: &StreamName, of: impl FnOnce(&Entry<S>) -> R) -> R {
        let mut held = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if held.len() >= HELD_STATES_MAX && !held.contains_key(stream) {
            held.retain(|_, entry| Arc::strong_count(&entry.state) > 1 || Arc::strong_count(&entry.turn) > 1);
        }
        let new = || Entry { state: Arc::new(Mutex::new(Held::new(stream.clone()))), turn: Arc::default() };
        of(held.entry(stream.clone()).or_insert_with(new))
    }
}
