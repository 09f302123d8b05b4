//! Events behind those of another log: with new positions, and the old ones in their metadata.

use std::collections::HashMap;
use std::path::Path;

use factlog::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, METADATA_BYTES_MAX};
use factlog::{
    Batch, Error, ErrorKind, Event, EventId, EventLog, Filter, Json, Keep, NewEvent, Position,
    RETENTION_STREAM, Result, Snapshot, Timestamp, Version,
};
use serde::{Deserialize, Serialize};

use super::compare::{Difference, different_fact, range};
use super::{Copying, Doing, at};
use crate::mark;

/// Events after which the target remembers how far it is.
const MARK_EVENTS: u64 = 10_000;
/// What the keys of these marks have where those of imports have a format.
const MARK_FORMAT: &str = "copy";
/// The name in the metadata.
const NOTE: &str = "copiedFrom";

/// How far a log was copied, remembered in the target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The source, for people who look at the snapshots.
    log: String,
    /// The last position that is done, and its event: another log may have the same URL.
    pub(super) position: Position,
    id: EventId,
    /// The source's events that the target had then.
    pub(super) events: u64,
}

/// Where an event stood in the log that it comes from.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Before<'a> {
    log: &'a str,
    position: Position,
    version: Version,
    recorded_at: Timestamp,
}

fn key(from: &EventLog) -> String {
    mark::key(MARK_FORMAT, Path::new(&from.about().url))
}

/// How far the target remembers to have the source; a mark of another log is none.
pub(super) async fn mark(from: &EventLog, to: &EventLog) -> Result<Option<Mark>> {
    let snapshot = to.snapshots().load(&key(from), Position::MAX).await?;
    let mark: Option<Mark> = snapshot.and_then(|snapshot| serde_json::from_str(snapshot.data.as_str()).ok());
    let Some(mark) = mark else { return Ok(None) };
    let is_known = match from.event_at(mark.position).await? {
        Some(event) => event.id == mark.id,
        // It was removed since, and a log has no other gaps.
        None => from.newest().await? > mark.position,
    };
    Ok(is_known.then_some(mark))
}

async fn save_mark(copying: &Copying<'_>, (position, id): (Position, EventId)) -> Result<()> {
    let events = copying.copied.events + copying.copied.skipped;
    let mark = Mark { log: copying.from.about().url.clone(), position, id, events };
    let newest = copying.to.newest().await?;
    let snapshot = Snapshot::new(key(copying.from), newest, Json::of(&mark)?);
    match copying.to.snapshots().save(snapshot, None, Keep::Newest).await {
        // Another copy of the same log is further, and its mark is as good.
        Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
        _ => Ok(()),
    }
}

/// Copies what stands after a position and that the target lacks; each part is compared before it counts as done.
pub(super) async fn copy(copying: &mut Copying<'_>, after: Position) -> Result<()> {
    let (from, head) = (copying.from, copying.head);
    copying.telling.begin(Doing::Copying, after);
    let mut reading = range(from, after, head);
    let mut chunk = Chunk::default();
    let mut unmarked = 0;
    let mut last = None;
    while let Some(event) = reading.next().await {
        let event = event.map_err(|error| at(from, error))?;
        let moved = Moved::of(&event, &from.about().url)?;
        if !chunk.has_room(&moved) {
            unmarked += chunk.moved.len() as u64;
            append(copying, std::mem::take(&mut chunk)).await?;
            if let Some(last) = last.filter(|_| unmarked >= MARK_EVENTS) {
                save_mark(copying, last).await?;
                unmarked = 0;
            }
        }
        last = Some((event.position, event.id));
        if event.stream == RETENTION_STREAM {
            copying.copied.left_out += 1;
        } else {
            chunk.add(moved);
        }
    }
    append(copying, chunk).await?;
    copying.copied.verified = copying.options.verify;
    match last {
        Some(last) => save_mark(copying, last).await,
        None => Ok(()),
    }
}

/// An event as it goes behind others, and where it comes from.
pub(super) struct Moved {
    position: Position,
    fact: NewEvent,
}

impl Moved {
    pub(super) fn of(event: &Event, log: &str) -> Result<Self> {
        let Event { position, version, recorded_at, ref fact } = *event;
        let mut fact = fact.clone();
        fact.occurred_at = fact.occurred_at.or(Some(recorded_at));
        let place = |error: Error| error.context(format_args!("position {position} of {log}"));
        fact.note(NOTE, &Before { log, position, version, recorded_at }).map_err(place)?;
        let bytes = fact.metadata.as_ref().map_or(0, |metadata| metadata.as_str().len());
        if bytes > METADATA_BYTES_MAX {
            let said =
                format!("with {NOTE} its metadata has {bytes} bytes; {METADATA_BYTES_MAX} are allowed");
            return Err(place(Error::invalid(said))
                .with_hint("copy into a new log, where events stay as they are and nothing is added"));
        }
        Ok(Self { position, fact })
    }
}

/// Events that are looked up and appended together: the bounds are those of a batch.
#[derive(Default)]
pub(super) struct Chunk {
    moved: Vec<Moved>,
    bytes: usize,
}

impl Chunk {
    pub(super) fn has_room(&self, moved: &Moved) -> bool {
        self.moved.len() < BATCH_EVENTS_MAX && self.bytes + moved.fact.bytes() <= BATCH_BYTES_MAX
    }

    pub(super) fn add(&mut self, moved: Moved) {
        self.bytes += moved.fact.bytes();
        self.moved.push(moved);
    }
}

async fn append(copying: &mut Copying<'_>, chunk: Chunk) -> Result<()> {
    let Some(last) = chunk.moved.last().map(|moved| moved.position) else { return Ok(()) };
    let (known, new) = append_new((copying.from, copying.to), chunk).await?;
    copying.copied.skipped += known;
    copying.copied.events += new.len() as u64;
    if copying.options.verify {
        verify(copying, &new).await?;
    }
    copying.telling.tell(last);
    Ok(())
}

/// Appends what is not known, in one batch: so the order is kept whatever happens. How many were known, and what was not.
pub(super) async fn append_new(
    (from, to): (&EventLog, &EventLog),
    chunk: Chunk,
) -> Result<(u64, Vec<Moved>)> {
    let Some(last) = chunk.moved.last().map(|moved| moved.position) else { return Ok((0, Vec::new())) };
    let (known, new) = known_and_new((from, to), chunk.moved).await?;
    if !new.is_empty() {
        let batch = Batch::new(new.iter().map(|moved| moved.fact.clone()).collect())?;
        let first = new[0].position;
        let appended = to.append(batch).await;
        appended.map_err(|error| {
            let (from, to) = (&from.about().url, &to.about().url);
            error.context(format_args!("{to}: positions {first} to {last} of {from}"))
        })?;
    }
    Ok((known, new))
}

/// How many of these events the target has, and the others.
async fn known_and_new((from, to): (&EventLog, &EventLog), moved: Vec<Moved>) -> Result<(u64, Vec<Moved>)> {
    let count = moved.len();
    let mut wanted: HashMap<EventId, Moved> = moved.into_iter().map(|moved| (moved.fact.id, moved)).collect();
    let mut reading = to.read(Filter::ids(wanted.keys().copied()));
    while let Some(found) = reading.next().await {
        let found = found.map_err(|error| at(to, error))?;
        let Some(Moved { position, fact }) = wanted.remove(&found.id) else { continue };
        if (&fact.stream, &fact.event_type, &fact.data) != (&found.stream, &found.event_type, &found.data) {
            let (from, to, taken) = (&from.about().url, &to.about().url, found.position);
            return Err(Error::conflict(format!(
                "position {position} of {from}: the id {} is taken, position {taken} of {to} has another stream, type or data",
                found.id
            ))
            .with_hint("these two logs cannot be one; copy into another"));
        }
    }
    let mut new: Vec<Moved> = wanted.into_values().collect();
    new.sort_unstable_by_key(|moved| moved.position);
    Ok(((count - new.len()) as u64, new))
}

/// Reads what was appended, and compares it.
async fn verify(copying: &Copying<'_>, new: &[Moved]) -> Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let mut found = copying.to.read(Filter::ids(new.iter().map(|moved| moved.fact.id)));
    for moved in new {
        // They were appended together, so they come in their order.
        let difference = match found.next().await.transpose().map_err(|error| at(copying.to, error))? {
            Some(found) => different_fact(&moved.fact, &found.fact)
                .map(|field| Difference::of_field(moved.position, field)),
            None => Some(Difference::missing_there(moved.position)),
        };
        if let Some(difference) = difference {
            return Err(copying.unequal(&difference));
        }
    }
    Ok(())
}
