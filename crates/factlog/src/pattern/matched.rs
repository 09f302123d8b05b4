//! What a pattern has found.

use std::sync::Arc;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::{EventType, Position, Timestamp};

/// One match of a pattern: the events that make it.
///
/// As JSON `{"positions":[3,7],"key":"task-1","durationMs":1500,"firstAt":"...","lastAt":"..."}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Its events, in the order of the pattern's steps as they came.
    pub steps: Vec<MatchedStep>,
    /// What ties them together; none where the pattern does not ask.
    pub key: Option<Arc<str>>,
    /// When it was known: the last event's time, or the time by which something else should have come.
    pub known_at: Timestamp,
}

/// An event of a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedStep {
    /// The name of its step.
    pub name: Option<Arc<str>>,
    /// The event's position.
    pub position: Position,
    /// The event's type.
    pub event_type: EventType,
    /// The event's time: when it happened, else when it was recorded.
    pub time: Timestamp,
}

impl Match {
    /// The events' positions.
    pub fn positions(&self) -> impl Iterator<Item = Position> {
        self.steps.iter().map(|step| step.position)
    }

    /// When it began.
    pub fn first_at(&self) -> Timestamp {
        self.steps.first().map_or(self.known_at, |step| step.time)
    }

    /// When its last event was.
    pub fn last_at(&self) -> Timestamp {
        self.steps.last().map_or(self.known_at, |step| step.time)
    }

    /// From the first event to the last; none where the last claims to have been before the first.
    pub fn duration(&self) -> Duration {
        let micros = self.last_at().as_micros().saturating_sub(self.first_at().as_micros());
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

impl Serialize for Match {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Match", 5)?;
        fields.serialize_field("positions", &self.positions().collect::<Vec<_>>())?;
        match &self.key {
            Some(key) => fields.serialize_field("key", &**key)?,
            None => fields.skip_field("key")?,
        }
        fields.serialize_field("durationMs", &(self.duration().as_millis() as u64))?;
        fields.serialize_field("firstAt", &self.first_at())?;
        fields.serialize_field("lastAt", &self.last_at())?;
        fields.end()
    }
}

/// What a matcher has looked at, and what it had to leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Matching {
    /// Events that it was given.
    pub events: u64,
    /// Matches that it has found.
    pub matches: u64,
    /// Beginnings that are still waiting for what completes them.
    pub open: u64,
    /// Beginnings, or ways on from them, that were given up because too many were open: there may be more matches.
    pub dropped: u64,
    /// Events that have nothing that could tie them to others.
    pub without_key: u64,
}
