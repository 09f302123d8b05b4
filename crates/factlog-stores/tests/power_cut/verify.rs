//! What must hold of a log that a power cut has left.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use factlog::{Event, EventId, EventLog, Filter, NewEvent, Position, REMOVED_TYPE, RemovedData};

use super::Failure;
use super::notes::{Acknowledged, Note, Remembered, Written};

/// Fails with a message, when something does not hold.
macro_rules! demand {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+).into());
        }
    };
}

/// What the process had said when the power went.
#[derive(Debug, Default)]
struct Told<'a> {
    appended: Vec<&'a Acknowledged>,
    /// Streams whose events were about to go, and where the log says that they are gone, once that was said.
    removing: BTreeMap<&'a str, Option<Position>>,
    saving: Vec<&'a Remembered>,
    saved: Vec<(&'a Remembered, u64)>,
}

impl<'a> Told<'a> {
    fn of(notes: &'a [Note]) -> Self {
        let mut told = Self::default();
        for note in notes {
            match note {
                Note::Appended(events) => told.appended.extend(events),
                Note::Removing(stream) => drop(told.removing.insert(stream, None)),
                Note::Removed(stream, position) => drop(told.removing.insert(stream, Some(*position))),
                Note::Saving(value) => told.saving.push(value),
                Note::Saved(value, revision) => told.saved.push((value, revision.0)),
            }
        }
        told
    }
}

/// Demands all that a log promises, given what was said before the cut. With `may_lose`, what was acknowledged may be
/// missing; everything else holds all the same. Says how many events are missing.
pub(super) async fn verify(log: &EventLog, notes: &[Note], may_lose: bool) -> Result<usize, Failure> {
    let told = Told::of(notes);
    let events = log.read(Filter::all()).collect().await?;
    dense(&events, &told)?;
    batches_are_whole(&events)?;
    let lost = acknowledged_are_there(&events, &told)?;
    demand!(may_lose || lost.is_empty(), "acknowledged, and lost: {}", lost.join(", "));
    if !may_lose {
        remembered_is_there(log, &told).await?;
    }
    let report = log.check().await?;
    demand!(report.problems.is_empty(), "{:?}", report.problems);
    demand!(report.events == events.len() as u64, "{} events are checked of {}", report.events, events.len());
    goes_on(log, &events, &told, may_lose).await?;
    Ok(lost.len())
}

/// Positions follow each other, but for events that were removed, of which the log tells.
fn dense(events: &[Arc<Event>], told: &Told<'_>) -> Result<(), Failure> {
    let removable: HashSet<u64> = told
        .appended
        .iter()
        .filter(|event| told.removing.contains_key(event.stream.as_str()))
        .map(|event| event.position.0)
        .collect();
    let (mut next, mut missing) = (1, 0);
    for event in events {
        for position in next..event.position.0 {
            demand!(removable.contains(&position), "nothing is at position {position}");
            missing += 1;
        }
        next = event.position.0 + 1;
    }
    let mut removed = 0;
    for event in events.iter().filter(|event| event.event_type == REMOVED_TYPE) {
        removed += event.data.to::<RemovedData>()?.count;
    }
    demand!(missing == removed, "{missing} events are missing, and the log tells of {removed}");
    let ids: HashSet<EventId> = events.iter().map(|event| event.id).collect();
    demand!(ids.len() == events.len(), "an event is there twice");
    Ok(())
}

fn batches_are_whole(events: &[Arc<Event>]) -> Result<(), Failure> {
    let mut batches: HashMap<u64, Vec<(Position, Written)>> = HashMap::new();
    for event in events.iter().filter(|event| event.event_type != REMOVED_TYPE) {
        let written: Written = event.data.to()?;
        batches.entry(written.batch).or_default().push((event.position, written));
    }
    for (batch, events) in batches {
        let (first, written) = &events[0];
        demand!(
            events.len() as u64 == written.size,
            "half of batch {batch}: {} of {} events from position {first} on",
            events.len(),
            written.size
        );
        let contiguous = events
            .iter()
            .zip(0..)
            .all(|((position, written), index)| position.0 == first.0 + index && written.index == index);
        demand!(contiguous, "batch {batch} is not in its order from position {first} on");
    }
    Ok(())
}

/// Every acknowledged event is there as it was written, unless it was removed; says which are not.
fn acknowledged_are_there(events: &[Arc<Event>], told: &Told<'_>) -> Result<Vec<String>, Failure> {
    let by_id: HashMap<EventId, &Arc<Event>> = events.iter().map(|event| (event.id, event)).collect();
    let mut lost = Vec::new();
    let mut left: HashMap<&str, (usize, usize)> = HashMap::new();
    for acknowledged in &told.appended {
        let found = by_id.get(&acknowledged.id);
        if let Some(event) = found {
            demand!(
                event.position == acknowledged.position
                    && event.stream == *acknowledged.stream
                    && event.data == acknowledged.data,
                "{} is not as it was acknowledged: {}",
                acknowledged.id,
                event.to_json()
            );
        }
        if told.removing.contains_key(acknowledged.stream.as_str()) {
            let (there, all) = left.entry(&acknowledged.stream).or_default();
            *there += usize::from(found.is_some());
            *all += 1;
        } else if found.is_none() {
            lost.push(format!("{} at {}", acknowledged.id, acknowledged.position));
        }
    }
    for (stream, said_at) in &told.removing {
        let (there, all) = left.get(stream).copied().unwrap_or_default();
        demand!(there == 0 || there == all, "{there} of {all} events of {stream} are left");
        if let Some(position) = said_at {
            let is_said =
                events.iter().any(|event| event.position == *position && event.event_type == REMOVED_TYPE);
            if there > 0 || !is_said {
                lost.push(format!("the removal of {stream} at {position}"));
            }
        }
    }
    Ok(lost)
}

async fn remembered_is_there(log: &EventLog, told: &Told<'_>) -> Result<(), Failure> {
    // Of each key and position, the last save counts; a history keeps them all.
    let mut last: BTreeMap<(&str, Option<Position>), (&Remembered, u64)> = BTreeMap::new();
    for (value, revision) in &told.saved {
        last.insert((&value.key, value.is_history.then_some(value.position)), (value, *revision));
    }
    for ((key, _), (value, revision)) in last {
        let at = if value.is_history { value.position } else { Position::MAX };
        let Some(found) = log.snapshots().load(key, at).await? else {
            return Err(format!("{key} at {at} was remembered, and is forgotten").into());
        };
        // A save that was not acknowledged may have come after it.
        let is_saved = found.revision.0 == revision && found.data == value.data;
        let is_newer = found.revision.0 > revision
            && told
                .saving
                .iter()
                .any(|saving| saving.data == found.data && saving.position == found.position);
        demand!(is_saved || is_newer, "{key} at {at} is not what was remembered: {found:?}");
    }
    Ok(())
}

/// The log takes events as if nothing had been, and never at a position that was acknowledged for another.
async fn goes_on(
    log: &EventLog,
    events: &[Arc<Event>],
    told: &Told<'_>,
    may_lose: bool,
) -> Result<(), Failure> {
    let newest = events.last().map_or(Position::START, |event| event.position);
    let acknowledged = told.appended.iter().map(|event| event.position).max().unwrap_or_default();
    demand!(may_lose || newest >= acknowledged, "the log ends at {newest}, before {acknowledged}");
    let event = NewEvent::new(
        "test-1",
        "test:written",
        Written { batch: u64::MAX, size: 1, index: 0, padding: String::new() },
    )?;
    let appended = log.append(event.clone()).await?;
    demand!(appended.last().0 == newest.0 + 1, "after {newest} comes {}", appended.last());
    let found = log.get(event.id).await?.ok_or("what was appended after the cut is not there")?;
    demand!(found.fact == event, "what was appended after the cut is {}", found.to_json());
    Ok(())
}
