//! Whether a batch may be recorded: the one place where ids, versions and conditions are judged, for every store.

use std::collections::HashMap;

use crate::limits::POSITION_MAX;
use crate::removal::RemovedData;
use crate::{
    Appended, AppendedEvent, Batch, Condition, Error, EventId, Expect, Filter, NewEvent, Position, Result,
    Stamp, Stamps, StreamName, Timestamp, Version,
};

/// What a store tells about what it holds, up to and with the batches admitted before.
pub trait Ledger {
    /// The newest position.
    fn head(&self) -> Position;
    /// When the newest event was recorded.
    fn recorded_at(&self) -> Option<Timestamp>;
    /// The version of a stream; 0 where there is none. Removal does not lower it.
    fn version(&mut self, stream: &StreamName) -> Result<Version>;
    /// The event of this id, and whether it has this stream, type and data.
    fn known(&mut self, event: &NewEvent) -> Result<Option<Known>>;
    /// Whether some event after a position matches.
    fn any_after(&mut self, filter: &Filter, after: Position) -> Result<bool>;
    /// What was removed so far.
    fn removals(&self) -> &[RemovedData];
}

/// An event that is recorded already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Where and when.
    pub stamp: Stamp,
    /// Whether stream, type and data are the same.
    pub same: bool,
}

/// What to do with a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Record it, with one stamp per event.
    Record(Vec<Stamp>),
    /// It is recorded already; answer with this.
    Repeated(Appended),
}

/// Judges a batch. `now` is the store's clock; the stamps never go back behind what is recorded.
///
/// # Errors
/// `Conflict` for a version, a condition or an id that does not fit; `Invalid` for stamps that do not.
pub fn admit(batch: &Batch, ledger: &mut impl Ledger, now: Timestamp) -> Result<Admission> {
    if let Some(repeated) = repeated(batch, ledger)? {
        return Ok(Admission::Repeated(repeated));
    }
    for (stream, expect) in batch.expects() {
        let actual = ledger.version(stream)?;
        match *expect {
            Expect::Version(expected) if actual != expected => {
                return Err(Error::wrong_version(stream, Some(expected), actual));
            }
            Expect::Exists if actual == Version::NONE => {
                return Err(Error::wrong_version(stream, None, actual));
            }
            _ => {}
        }
    }
    for condition in batch.conditions() {
        let Condition::NoneSince { filter, after } = condition;
        if ledger.removals().iter().any(|gone| gone.through > *after && gone.filter.overlaps(filter)) {
            return Err(Error::conflict(format!(
                "the condition looks at events after position {after}, and some of those were removed"
            ))
            .with_hint("read again from the last removal on, and decide on what is there"));
        }
        if ledger.any_after(filter, *after)? {
            return Err(Error::conflict(format!(
                "an event that the condition excludes came after position {after}"
            ))
            .with_hint("read again and decide on what is there now"));
        }
    }
    match batch.stamps() {
        Stamps::Now => stamp(batch, ledger, now),
        Stamps::Kept(stamps) => check_kept(batch, stamps, ledger),
    }
}

/// The first result, when every id is known; an error when only some are, or one names something else.
fn repeated(batch: &Batch, ledger: &mut impl Ledger) -> Result<Option<Appended>> {
    let mut appended: Option<Appended> = None;
    let mut fresh: Option<EventId> = None;
    for event in batch.events() {
        let Some(known) = ledger.known(event)? else {
            fresh = Some(event.id);
            continue;
        };
        if !known.same {
            return Err(Error::conflict(format!(
                "the id {} is taken: position {} has another stream, type or data",
                event.id, known.stamp.position
            ))
            .with_hint(
                "give each event an id of its own; the same event again has the same stream, type and data",
            ));
        }
        let first = appended.get_or_insert_with(|| Appended {
            events: Vec::new(),
            recorded_at: known.stamp.recorded_at,
            repeated: true,
        });
        first.events.push(AppendedEvent {
            position: known.stamp.position,
            stream: event.stream.clone(),
            version: known.stamp.version,
        });
    }
    match (&appended, fresh) {
        (Some(known), Some(fresh)) => Err(Error::conflict(format!(
            "the batch mixes ids that are recorded ({} of {}) with new ones, such as {fresh}",
            known.events.len(),
            batch.events().len()
        ))
        .with_hint("send the same batch as the first time, or only the new events")),
        _ => Ok(appended),
    }
}

fn stamp(batch: &Batch, ledger: &mut impl Ledger, now: Timestamp) -> Result<Admission> {
    let recorded_at = ledger.recorded_at().map_or(now, |last| last.max(now));
    let mut position = ledger.head();
    // Most batches are of one stream: only another one is put aside.
    let mut aside: HashMap<&StreamName, Version> = HashMap::new();
    let mut last: Option<(&StreamName, Version)> = None;
    let mut stamps = Vec::with_capacity(batch.events().len());
    for event in batch.events() {
        position = position.next()?;
        let before = match last {
            Some((stream, version)) if *stream == event.stream => version,
            _ => {
                aside.extend(last);
                match aside.get(&event.stream) {
                    Some(version) => *version,
                    None => ledger.version(&event.stream)?,
                }
            }
        };
        let version = before.next();
        if version.0 > POSITION_MAX {
            let said = format!("the stream {} is full: versions stay below 2^53", event.stream);
            return Err(Error::invalid(said));
        }
        last = Some((&event.stream, version));
        stamps.push(Stamp { position, version, recorded_at });
    }
    Ok(Admission::Record(stamps))
}

fn check_kept(batch: &Batch, kept: &[Stamp], ledger: &mut impl Ledger) -> Result<Admission> {
    let mut position = ledger.head();
    let mut recorded_at = ledger.recorded_at();
    let mut versions: HashMap<&StreamName, Version> = HashMap::new();
    for (event, stamp) in batch.events().iter().zip(kept) {
        let version = match versions.get(&event.stream) {
            Some(version) => *version,
            None => ledger.version(&event.stream)?,
        };
        let is_in_bounds = stamp.position <= Position::MAX && stamp.version.0 <= POSITION_MAX;
        if stamp.position <= position || stamp.version <= version || !is_in_bounds {
            return Err(Error::conflict(format!(
                "position {} and version {} of {} cannot be kept: the log is at position {position}, the stream at \
                 version {version}",
                stamp.position, stamp.version, event.stream
            ))
            .with_hint("positions are kept only onto a log that ends before them"));
        }
        if recorded_at.is_some_and(|last| stamp.recorded_at < last) {
            return Err(Error::conflict(format!(
                "the time {} of position {} is before that of the event before it",
                stamp.recorded_at, stamp.position
            )));
        }
        position = stamp.position;
        recorded_at = Some(stamp.recorded_at);
        versions.insert(&event.stream, stamp.version);
    }
    Ok(Admission::Record(kept.to_vec()))
}

/// The answer to a batch that was recorded with these stamps.
pub fn appended(batch: &Batch, stamps: &[Stamp]) -> Appended {
    let events = batch
        .events()
        .iter()
        .zip(stamps)
        .map(|(event, stamp)| AppendedEvent {
            position: stamp.position,
            stream: event.stream.clone(),
            version: stamp.version,
        })
        .collect();
    let recorded_at = stamps.last().map_or_else(Timestamp::now, |stamp| stamp.recorded_at);
    Appended { events, recorded_at, repeated: false }
}
