//! A log copied into another, of whatever store.
//!
//! Into a log that is empty, or that is such a copy already begun, events come as they are: positions, versions, ids and
//! times of recording are the source's, and so are the gaps that removals have left, the events that tell of them, and the
//! values remembered at positions. What is not known outside of the source is the last version of a stream whose newest
//! events were removed.
//!
//! Behind events of another log they come when that is asked for ([`Options::append`]): with new positions, versions and
//! times, and the old ones in the metadata, `"copiedFrom":{"log":"sqlite:a.db","position":1,"version":1,
//! "recordedAt":"..."}`. What has no `occurredAt` gets the old `recordedAt` as one, so that its time for people stays.
//! Events that tell of removals stay behind there, since they speak of the positions of the source.
//!
//! A copy that was interrupted is simply run again; run twice it changes nothing. Memory stays flat whatever the size.
//!
//! ```
//! use factlog::{EventLog, MemoryStore, NewEvent};
//! use factlog_adapters::copy::{Options, copy};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let (from, to) = (EventLog::new(MemoryStore::new()), EventLog::new(MemoryStore::new()));
//! from.append(NewEvent::new("task-1", "task:created", serde_json::json!({"title": "Try it"}))?).await?;
//! let copied = copy(&from, &to, Options::default(), &mut |_| {}).await?;
//! assert_eq!((copied.events, copied.kept, copied.verified), (1, true, true));
//! # Ok::<(), factlog::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod behind;
mod compare;
mod kept;
mod replayed;
mod values;

use factlog::{Count, Error, EventLog, Filter, Position, Result};
use serde::Serialize;

pub use compare::{Compared, DIFFERENCES_KEPT_MAX, Difference, Kind, Verdict, verify};
pub use replayed::{Replayed, Replaying};

use compare::first_difference;

/// The newest events of a copy already begun that are compared where not everything is.
pub const LAST_COMPARED_EVENTS: usize = 1_000;
/// Positions after which progress is told again.
const PROGRESS_POSITIONS: u64 = 500;

/// How a log is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether events may go behind those of another log, at new positions.
    pub append: bool,
    /// Whether both logs are read and every event is compared. Without it a copy already begun is believed by its last
    /// [`LAST_COMPARED_EVENTS`] events.
    pub verify: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { append: false, verify: true }
    }
}

/// What a copy did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copied {
    /// Events that were written into the target.
    pub events: u64,
    /// Events that the target had before.
    pub skipped: u64,
    /// Events that tell of removals, and that are not told behind events of another log.
    pub left_out: u64,
    /// Remembered values that were written into the target.
    pub snapshots: u64,
    /// The newest position of the source when it began, up to which it is copied.
    pub head: Position,
    /// Whether positions, versions and times of recording are the source's.
    pub kept: bool,
    /// Whether every event was compared: with all its fields; one that another log had before by its stream, type and data.
    pub verified: bool,
}

/// How far a copy or a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub doing: Doing,
    /// The position that it has come to.
    pub position: Position,
    /// The position that it goes to.
    pub last: Position,
}

/// The parts of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Both logs are read.
    Comparing,
    /// Events are written.
    Copying,
    /// Remembered values are written.
    Remembering,
}

/// Who is told how far it is.
pub type OnProgress<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// Tells progress now and then.
struct Telling<'a> {
    progress: OnProgress<'a>,
    doing: Doing,
    last: Position,
    told: Position,
}

impl<'a> Telling<'a> {
    fn new(progress: OnProgress<'a>, doing: Doing, last: Position) -> Self {
        Self { progress, doing, last, told: Position::START }
    }

    fn begin(&mut self, doing: Doing, at: Position) {
        self.doing = doing;
        self.told = at;
        (self.progress)(Progress { doing, position: at, last: self.last });
    }

    fn tell(&mut self, position: Position) {
        if position.0 >= self.told.0 + PROGRESS_POSITIONS || position == self.last {
            self.told = position;
            (self.progress)(Progress { doing: self.doing, position, last: self.last });
        }
    }
}

/// A copy under way.
struct Copying<'a> {
    from: &'a EventLog,
    to: &'a EventLog,
    options: Options,
    /// The newest position of the source when it began.
    head: Position,
    /// The newest position of the target when it began.
    there: Position,
    telling: Telling<'a>,
    copied: Copied,
}

/// Copies a log up to where it ends now.
///
/// # Errors
/// `Conflict` for a target that has other events and may not be appended to, and for a copy that is not what the source is;
/// `Invalid` for an event that cannot go behind others; and what reading and writing say. What was copied stays, and the
/// next copy goes on there.
pub async fn copy(
    from: &EventLog,
    to: &EventLog,
    options: Options,
    progress: OnProgress<'_>,
) -> Result<Copied> {
    // A copy is never ahead of its source, so the source is looked at last.
    let there = to.newest().await.map_err(|error| at(to, error))?;
    let head = from.newest().await.map_err(|error| at(from, error))?;
    let telling = Telling::new(progress, Doing::Comparing, head);
    let copied = Copied { head, ..Copied::default() };
    let mut copying = Copying { from, to, options, head, there, telling, copied };
    let mark = if options.append { behind::mark(from, to).await? } else { None };
    if let Some(mark) = mark {
        copying.copied.skipped = mark.events;
        behind::copy(&mut copying, mark.position).await?;
        return Ok(copying.copied);
    }
    match copying.difference().await? {
        None => kept::copy(&mut copying).await?,
        Some(difference) if options.append => {
            // What was compared and is alike need not be looked up.
            let after = if options.verify { Position(difference.position.0 - 1) } else { Position::START };
            copying.copied.skipped = if options.verify { copying.copied.skipped } else { 0 };
            behind::copy(&mut copying, after).await?;
        }
        Some(difference) => return Err(copying.refused(&difference)),
    }
    Ok(copying.copied)
}

impl Copying<'_> {
    /// The first position at which the target is not what the source begins with; none for a copy already begun.
    async fn difference(&mut self) -> Result<Option<Difference>> {
        let after = if self.options.verify { Position::START } else { self.last_compared().await? };
        self.telling.begin(Doing::Comparing, after);
        let logs = (self.from, self.to);
        let (alike, difference) = first_difference(logs, after, self.there, &mut self.telling).await?;
        self.copied.skipped = match after {
            Position::START => alike,
            _ => self.to.count(Count::default()).await?.iter().map(|group| group.count).sum(),
        };
        Ok(difference)
    }

    /// The position behind which the last events of the target stand.
    async fn last_compared(&self) -> Result<Position> {
        let last = self.to.read(Filter::all()).backwards().limit(LAST_COMPARED_EVENTS).collect().await?;
        Ok(last.last().map_or(Position::START, |first| Position(first.position.0 - 1)))
    }

    fn refused(&self, difference: &Difference) -> Error {
        let (from, to, position) = (&self.from.about().url, &self.to.about().url, difference.position);
        let what = match difference.kind {
            Kind::MissingHere if position > self.head => {
                format!("it goes on behind the end of {from}, with position {position}")
            }
            Kind::MissingHere => format!("{from} has no position {position}"),
            Kind::MissingThere => format!("it has no position {position}, and goes on behind it"),
            Kind::Different => format!("position {position} has {difference}"),
        };
        Error::conflict(format!("{to} has events and is no copy of {from}: {what}")).with_hint(
            "--append puts what is copied behind those events, at new positions; or copy into a new log, also \
             where events were removed from the source since",
        )
    }

    /// The error of a copy that is not what was copied.
    fn unequal(&self, difference: &Difference) -> Error {
        let (from, to, position) = (&self.from.about().url, &self.to.about().url, difference.position);
        let what = match difference.kind {
            Kind::MissingHere => format!("{from} no longer has it"),
            Kind::MissingThere => format!("{to} does not have it"),
            Kind::Different => format!("{to} has {difference}"),
        };
        Error::conflict(format!("position {position} of {from} is not the same in the copy: {what}"))
            .with_hint(
                "`factlog verify` names all differences; events that were removed meanwhile are some too",
            )
    }
}

/// Says first which log it is about.
fn at(log: &EventLog, error: Error) -> Error {
    error.context(&log.about().url)
}
