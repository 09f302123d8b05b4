//! Two logs beside each other, event by event, in bounded memory.

use std::fmt;
use std::sync::Arc;

use factlog::{Event, EventLog, Filter, NewEvent, Position, Reading, Result};
use serde::Serialize;

use super::{Doing, Telling};

/// Differences that one comparison names; more are only counted.
pub const DIFFERENCES_KEPT_MAX: usize = 20;

/// What two logs have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// Events of the one log.
    pub here: u64,
    /// Events of the other.
    pub there: u64,
    /// Events that are the same in both, to the last byte.
    pub alike: u64,
    /// What it comes to.
    pub result: Verdict,
    /// How many differences there are; what follows on the end of a log that ends earlier is none.
    pub different: u64,
    /// The first [`DIFFERENCES_KEPT_MAX`] of them.
    pub differences: Vec<Difference>,
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Both have the same events.
    Equal,
    /// All that is here is there too, and then more.
    HereEndsEarlier,
    /// All that is there is here too, and then more.
    ThereEndsEarlier,
    /// They are two different logs.
    Different,
}

/// One position at which two logs differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Where.
    pub position: Position,
    /// In what way.
    pub kind: Kind,
    /// The first field that differs, by its name on the wire, where both have an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
}

/// The ways in which two logs differ at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Only the other log has an event.
    MissingHere,
    /// Only this log has an event.
    MissingThere,
    /// Both have one, and they are not the same.
    Different,
}

impl Difference {
    fn missing(kind: Kind, position: Position) -> Self {
        Self { position, kind, field: None }
    }

    pub(super) fn missing_there(position: Position) -> Self {
        Self::missing(Kind::MissingThere, position)
    }

    pub(super) fn of_field(position: Position, field: &'static str) -> Self {
        Self { position, kind: Kind::Different, field: Some(field) }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.field) {
            (Kind::MissingHere, _) => write!(f, "missing here"),
            (Kind::MissingThere, _) => write!(f, "missing there"),
            (Kind::Different, field) => write!(f, "another {}", field.unwrap_or("event")),
        }
    }
}

/// Compares a log with another: every event with all its fields.
///
/// Events that come while it reads are left out.
///
/// # Errors
/// What reading the logs says; a difference is no error.
pub async fn verify(here: &EventLog, there: &EventLog, progress: super::OnProgress<'_>) -> Result<Compared> {
    let (here_head, there_head) = (here.newest().await?, there.newest().await?);
    let last = here_head.max(there_head);
    let mut telling = Telling::new(progress, Doing::Comparing, last);
    let mut comparing = Comparing {
        here: Side::new(here, Position::START, here_head),
        there: Side::new(there, Position::START, there_head),
        alike: 0,
    };
    let mut compared = Compared {
        here: 0,
        there: 0,
        alike: 0,
        result: Verdict::Equal,
        different: 0,
        differences: Vec::new(),
    };
    while let Some(step) = comparing.step().await? {
        let (Step::Alike(position) | Step::Differ(Difference { position, .. })) = step;
        telling.tell(position);
        let Step::Differ(difference) = step else { continue };
        let ends = match difference.kind {
            Kind::MissingHere if difference.position > here_head => Some(Verdict::HereEndsEarlier),
            Kind::MissingThere if difference.position > there_head => Some(Verdict::ThereEndsEarlier),
            _ => None,
        };
        if let (0, Some(verdict)) = (compared.different, ends) {
            compared.result = verdict;
            continue;
        }
        compared.result = Verdict::Different;
        compared.different += 1;
        if compared.differences.len() < DIFFERENCES_KEPT_MAX {
            compared.differences.push(difference);
        }
    }
    (compared.here, compared.there) = (comparing.here.events, comparing.there.events);
    compared.alike = comparing.alike;
    Ok(compared)
}

/// The first difference between two logs in a range of positions, and how many events are alike before it.
pub(super) async fn first_difference(
    (here, there): (&EventLog, &EventLog),
    after: Position,
    through: Position,
    telling: &mut Telling<'_>,
) -> Result<(u64, Option<Difference>)> {
    let side = |log| Side::new(log, after, through);
    let mut comparing = Comparing { here: side(here), there: side(there), alike: 0 };
    while let Some(step) = comparing.step().await? {
        match step {
            Step::Alike(position) => telling.tell(position),
            Step::Differ(difference) => return Ok((comparing.alike, Some(difference))),
        }
    }
    Ok((comparing.alike, None))
}

/// One log as it is read.
struct Side {
    reading: Reading,
    next: Option<Arc<Event>>,
    events: u64,
}

impl Side {
    fn new(log: &EventLog, after: Position, through: Position) -> Self {
        Self { reading: range(log, after, through), next: None, events: 0 }
    }

    /// Looks at the next event.
    async fn fill(&mut self) -> Result<Option<Position>> {
        if self.next.is_none() {
            self.next = self.reading.next().await.transpose()?;
            self.events += u64::from(self.next.is_some());
        }
        Ok(self.next.as_ref().map(|event| event.position))
    }
}

/// The events after one position and up to another.
pub(super) fn range(log: &EventLog, after: Position, through: Position) -> Reading {
    log.read(Filter::all()).after(after).before(Position(through.0.saturating_add(1)))
}

/// What is found at one position.
enum Step {
    Alike(Position),
    Differ(Difference),
}

/// Two logs as they are read beside each other.
struct Comparing {
    here: Side,
    there: Side,
    alike: u64,
}

impl Comparing {
    /// Goes to the next position at which one of them has an event.
    async fn step(&mut self) -> Result<Option<Step>> {
        let (here, there) = tokio::try_join!(self.here.fill(), self.there.fill())?;
        let step = match (here, there) {
            (None, None) => return Ok(None),
            (Some(here), there) if there.is_none_or(|there| here < there) => {
                self.here.next = None;
                Step::Differ(Difference::missing_there(here))
            }
            (here, Some(there)) if here.is_none_or(|here| there < here) => {
                self.there.next = None;
                Step::Differ(Difference::missing(Kind::MissingHere, there))
            }
            _ => match (self.here.next.take(), self.there.next.take()) {
                (Some(here), Some(there)) => match different_field(&here, &there) {
                    None => {
                        self.alike += 1;
                        Step::Alike(here.position)
                    }
                    Some(field) => Step::Differ(Difference::of_field(here.position, field)),
                },
                _ => return Ok(None),
            },
        };
        Ok(Some(step))
    }
}

/// The first field in which two recorded events differ, by its name on the wire.
fn different_field(here: &Event, there: &Event) -> Option<&'static str> {
    let stamps = [
        ("position", here.position == there.position),
        ("version", here.version == there.version),
        ("recordedAt", here.recorded_at == there.recorded_at),
    ];
    let stamp = stamps.into_iter().find(|(_, alike)| !alike).map(|(field, _)| field);
    different_fact(&here.fact, &there.fact).or(stamp)
}

/// The first field in which two facts differ. A field that is new is named here, or this does not compile.
pub(super) fn different_fact(here: &NewEvent, there: &NewEvent) -> Option<&'static str> {
    let NewEvent {
        id,
        stream,
        event_type,
        source,
        targets,
        occurred_at,
        correlation_id,
        causation_id,
        session_id,
        user_id,
        priority,
        expires_at,
        traceparent,
        tags,
        metadata,
        data,
    } = here;
    let fields = [
        ("id", *id == there.id),
        ("stream", *stream == there.stream),
        ("type", *event_type == there.event_type),
        ("source", *source == there.source),
        ("targets", *targets == there.targets),
        ("occurredAt", *occurred_at == there.occurred_at),
        ("correlationId", *correlation_id == there.correlation_id),
        ("causationId", *causation_id == there.causation_id),
        ("sessionId", *session_id == there.session_id),
        ("userId", *user_id == there.user_id),
        ("priority", *priority == there.priority),
        ("expiresAt", *expires_at == there.expires_at),
        ("traceparent", *traceparent == there.traceparent),
        ("tags", *tags == there.tags),
        ("metadata", *metadata == there.metadata),
        ("data", *data == there.data),
    ];
    fields.into_iter().find(|(_, alike)| !alike).map(|(field, _)| field)
}
