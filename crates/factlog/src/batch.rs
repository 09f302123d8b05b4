//! What is recorded together: events, and what must hold for them to be recorded.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::shown;
use crate::limits::{BATCH_BYTES_MAX, BATCH_CHECKS_MAX, BATCH_EVENTS_MAX};
use crate::{
    Error, Event, Filter, NewEvent, Position, RETENTION_STREAM, Removal, Result, StreamName, Timestamp,
    Version,
};

/// Events that are recorded completely or not at all.
///
/// It is checked when it is made, so that stores need not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Batch {
    events: Vec<NewEvent>,
    #[serde(rename = "expect", skip_serializing_if = "BTreeMap::is_empty")]
    expects: BTreeMap<StreamName, Expect>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<Condition>,
    #[serde(skip)]
    stamps: Stamps,
}

/// What a stream is expected to be at before the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Whatever it is.
    Any,
    /// It has events.
    Exists,
    /// Exactly here; version 0: it has no events.
    Version(Version),
}

/// What must hold in the log for the batch to be recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Condition {
    /// Nothing that matches stands after this position: what was read up to there is all there is to know.
    /// Follows "dynamic consistency boundary" (Sara Pellegrini, 2023).
    NoneSince {
        /// What must not have come.
        filter: Filter,
        /// The position up to which the caller has read.
        after: Position,
    },
}

/// Who says at which position, at which version and when an event was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Stamps {
    /// The store, now.
    #[default]
    Now,
    /// The log it is copied from, one stamp per event; the target must end before them.
    Kept(Vec<Stamp>),
}

/// The place and time of one recorded event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Its place in the log.
    pub position: Position,
    /// Its place in its stream.
    pub version: Version,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl Batch {
    /// A batch of these events.
    ///
    /// # Errors
    /// `Invalid` when it has no events, too many, too many bytes, the same id twice, or one for the stream that tells of
    /// removals.
    pub fn new(events: Vec<NewEvent>) -> Result<Self> {
        if let Some(event) = events.iter().find(|event| event.stream == RETENTION_STREAM) {
            return Err(Error::invalid(format!("{} cannot go into {RETENTION_STREAM}", event.event_type))
                .with_hint("that stream tells what was removed, and only a removal writes there"));
        }
        Self::checked(events)
    }

    /// The batch of a removal: the one that may go into the stream that tells of removals.
    ///
    /// It says no more than what it can know: a removal reaches to the head at the most.
    pub fn of_removal(removal: &Removal, head: Position, count: u64) -> Result<Self> {
        let through = removal.through.min(head);
        Self::checked(vec![Removal { through, ..removal.clone() }.event(count)?])
    }

    fn checked(events: Vec<NewEvent>) -> Result<Self> {
        if events.is_empty() {
            return Err(Error::invalid("a batch needs at least one event"));
        }
        if events.len() > BATCH_EVENTS_MAX {
            return Err(Error::invalid(format!(
                "a batch has {} events; {BATCH_EVENTS_MAX} are allowed",
                events.len()
            ))
            .with_hint("append in several batches"));
        }
        let mut bytes = 0;
        for event in &events {
            event.check()?;
            bytes += event.bytes();
        }
        if bytes > BATCH_BYTES_MAX {
            return Err(Error::invalid(format!("a batch has {bytes} bytes; {BATCH_BYTES_MAX} are allowed"))
                .with_hint("append in several batches"));
        }
        if events.len() > 1 {
            let mut ids = HashSet::with_capacity(events.len());
            if let Some(twice) = events.iter().find(|event| !ids.insert(event.id)) {
                return Err(Error::invalid(format!("the id {} stands twice in one batch", twice.id)));
            }
        }
        Ok(Self { events, expects: BTreeMap::new(), conditions: Vec::new(), stamps: Stamps::Now })
    }

    /// A batch of recorded events, to be kept with their positions, versions and times: for copies and restores.
    pub fn kept(events: Vec<Event>) -> Result<Self> {
        let stamps = events
            .iter()
            .map(|event| Stamp {
                position: event.position,
                version: event.version,
                recorded_at: event.recorded_at,
            })
            .collect();
        let mut batch = Self::checked(events.into_iter().map(|event| event.fact).collect())?;
        batch.stamps = Stamps::Kept(stamps);
        Ok(batch)
    }

    /// Expects a stream to be somewhere; it need not be one of the batch's.
    pub fn expect(mut self, stream: StreamName, expect: Expect) -> Result<Self> {
        self.expects.insert(stream, expect);
        self.check_checks()
    }

    /// Adds a condition.
    pub fn condition(mut self, condition: Condition) -> Result<Self> {
        let Condition::NoneSince { filter, .. } = &condition;
        filter.check()?;
        self.conditions.push(condition);
        self.check_checks()
    }

    fn check_checks(self) -> Result<Self> {
        let most = self.expects.len().max(self.conditions.len());
        if most > BATCH_CHECKS_MAX {
            return Err(Error::invalid(format!(
                "a batch has {most} expectations or conditions; {BATCH_CHECKS_MAX} of each are allowed"
            )));
        }
        Ok(self)
    }

    /// The events, in their order.
    pub fn events(&self) -> &[NewEvent] {
        &self.events
    }

    /// The events, to be kept.
    pub fn into_events(self) -> Vec<NewEvent> {
        self.events
    }

    /// The expectations.
    pub fn expects(&self) -> &BTreeMap<StreamName, Expect> {
        &self.expects
    }

    /// The conditions.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Who stamps the events.
    pub fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    /// Roughly the bytes it takes.
    pub fn bytes(&self) -> usize {
        self.events.iter().map(NewEvent::bytes).sum()
    }
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Fields {
            events: Vec<NewEvent>,
            #[serde(default, deserialize_with = "each_once")]
            expect: BTreeMap<StreamName, Expect>,
            #[serde(default)]
            conditions: Vec<Condition>,
        }
        let fields = Fields::deserialize(deserializer)?;
        let batch = || -> Result<Self> {
            let mut batch = Self::new(fields.events)?;
            for (stream, expect) in fields.expect {
                batch = batch.expect(stream, expect)?;
            }
            for condition in fields.conditions {
                batch = batch.condition(condition)?;
            }
            Ok(batch)
        };
        batch().map_err(serde::de::Error::custom)
    }
}

/// A map in which every key stands once: the last of two would win in silence.
fn each_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<StreamName, Expect>, D::Error> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = BTreeMap<StreamName, Expect>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object of streams and where they are expected")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut expects = BTreeMap::new();
            while let Some((stream, expect)) = map.next_entry::<StreamName, Expect>()? {
                if expects.contains_key(&stream) {
                    return Err(serde::de::Error::custom(format!("the stream {stream} is expected twice")));
                }
                expects.insert(stream, expect);
            }
            Ok(expects)
        }
    }
    deserializer.deserialize_map(Visitor)
}

impl std::str::FromStr for Expect {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "any" => Ok(Self::Any),
            "exists" => Ok(Self::Exists),
            "none" => Ok(Self::Version(Version::NONE)),
            number => number.parse().map(|version| Self::Version(Version(version))).map_err(|_| {
                Error::invalid(format!("{} is no expectation", shown(text)))
                    .with_hint("expect a version such as 3, or none, exists or any")
            }),
        }
    }
}

impl Serialize for Expect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str("any"),
            Self::Exists => serializer.serialize_str("exists"),
            Self::Version(Version::NONE) => serializer.serialize_str("none"),
            Self::Version(version) => version.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Expect;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a version, \"none\", \"exists\" or \"any\"")
            }
            fn visit_u64<E: serde::de::Error>(self, version: u64) -> Result<Expect, E> {
                Ok(Expect::Version(Version(version)))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Expect, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// What an append did: one entry per event of the batch, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Appended {
    /// Where each event stands.
    pub events: Vec<AppendedEvent>,
    /// When they were recorded.
    pub recorded_at: Timestamp,
    /// Whether they had been recorded before, and nothing was changed now.
    pub repeated: bool,
}

/// Where one event stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendedEvent {
    /// Its place in the log.
    pub position: Position,
    /// Its stream.
    pub stream: StreamName,
    /// Its place in its stream.
    pub version: Version,
}

impl Appended {
    /// The position of the last event.
    pub fn last(&self) -> Position {
        self.events.last().map_or(Position::START, |event| event.position)
    }
}

/// A type that says itself how it is recorded.
pub trait TypedEvent {
    /// The event it is.
    fn into_event(self) -> Result<NewEvent>;
}

impl TypedEvent for NewEvent {
    fn into_event(self) -> Result<NewEvent> {
        Ok(self)
    }
}

/// Whatever can be appended: a batch, an event, several events.
pub trait IntoBatch {
    /// The batch it is.
    fn into_batch(self) -> Result<Batch>;
}

impl IntoBatch for Batch {
    fn into_batch(self) -> Result<Batch> {
        Ok(self)
    }
}

impl<T: TypedEvent> IntoBatch for T {
    fn into_batch(self) -> Result<Batch> {
        Batch::new(vec![self.into_event()?])
    }
}

impl<T: TypedEvent> IntoBatch for Vec<T> {
    fn into_batch(self) -> Result<Batch> {
        Batch::new(self.into_iter().map(T::into_event).collect::<Result<_>>()?)
    }
}

impl<T: TypedEvent, const N: usize> IntoBatch for [T; N] {
    fn into_batch(self) -> Result<Batch> {
        Batch::new(self.into_iter().map(T::into_event).collect::<Result<_>>()?)
    }
}
