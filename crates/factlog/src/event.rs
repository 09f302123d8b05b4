//! What happened, as a caller says it and as the log keeps it.

use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::shown;
use crate::limits::{DATA_BYTES_MAX, METADATA_BYTES_MAX, TAGS_MAX, TARGETS_MAX};
use crate::{
    Error, EventId, EventType, Expect, Invalid, Json, Position, Result, StreamName, Tag, Text, Timestamp,
    Version,
};

/// A fact to be recorded.
///
/// ```
/// use factlog::NewEvent;
/// let event = NewEvent::new("task-42", "task:completed", serde_json::json!({"result": "ok"}))?
///     .with_source("agent-7")?
///     .with_correlation("build-9")?;
/// assert_eq!(event.stream.category(), "task");
/// # Ok::<(), factlog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// What makes it the same event when it is sent again.
    pub id: EventId,
    /// What it is about.
    pub stream: StreamName,
    /// What happened.
    pub event_type: EventType,
    /// Who says it.
    pub source: Option<Text>,
    /// Who it is for.
    pub targets: Vec<Text>,
    /// When it happened, as the source claims.
    pub occurred_at: Option<Timestamp>,
    /// The larger operation it belongs to.
    pub correlation_id: Option<Text>,
    /// The event that caused it.
    pub causation_id: Option<EventId>,
    /// The session it happened in.
    pub session_id: Option<Text>,
    /// The person it was done for.
    pub user_id: Option<Text>,
    /// How urgent its delivery is.
    pub priority: Option<Priority>,
    /// When its delivery ends; it stays readable.
    pub expires_at: Option<Timestamp>,
    /// The W3C trace it belongs to.
    pub traceparent: Option<Text>,
    /// Words to find it by.
    pub tags: Vec<Tag>,
    /// An object with whatever else is known about the record, not about the fact.
    pub metadata: Option<Json>,
    /// The fact.
    pub data: Json,
}

/// How urgent an event's delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// When there is time.
    Low,
    /// As usual.
    Normal,
    /// Before the usual.
    High,
    /// At once.
    Critical,
}

impl FromStr for Priority {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "low" => Ok(Self::Low),
            "normal" => Ok(Self::Normal),
            "high" => Ok(Self::High),
            "critical" => Ok(Self::Critical),
            _ => Err(Error::invalid(format!("{} is no priority", shown(text)))
                .with_hint("a priority is low, normal, high or critical")),
        }
    }
}

impl Priority {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl NewEvent {
    /// A fact about a stream, with a new id.
    ///
    /// # Errors
    /// `Invalid` when a name or the data breaks its rule.
    pub fn new(stream: &str, event_type: &str, data: impl Serialize) -> Result<Self> {
        Ok(Self::of(stream.parse()?, event_type.parse()?, Json::of(&data)?))
    }

    /// The same from parts that are checked already.
    pub fn of(stream: StreamName, event_type: EventType, data: Json) -> Self {
        Self {
            id: EventId::generate(),
            stream,
            event_type,
            source: None,
            targets: Vec::new(),
            occurred_at: None,
            correlation_id: None,
            causation_id: None,
            session_id: None,
            user_id: None,
            priority: None,
            expires_at: None,
            traceparent: None,
            tags: Vec::new(),
            metadata: None,
            data,
        }
    }

    /// Sets the id.
    #[must_use]
    pub fn with_id(mut self, id: EventId) -> Self {
        self.id = id;
        self
    }

    /// Sets who says it.
    pub fn with_source(mut self, source: &str) -> Result<Self> {
        self.source = Some(source.parse()?);
        Ok(self)
    }

    /// Adds one whom it is for.
    pub fn with_target(mut self, target: &str) -> Result<Self> {
        self.targets.push(target.parse()?);
        Ok(self)
    }

    /// Sets the larger operation it belongs to.
    pub fn with_correlation(mut self, correlation: &str) -> Result<Self> {
        self.correlation_id = Some(correlation.parse()?);
        Ok(self)
    }

    /// Sets the event that caused it.
    #[must_use]
    pub fn with_causation(mut self, cause: EventId) -> Self {
        self.causation_id = Some(cause);
        self
    }

    /// Adds a tag.
    pub fn with_tag(mut self, tag: &str) -> Result<Self> {
        self.tags.push(tag.parse()?);
        Ok(self)
    }

    /// Sets when it happened.
    #[must_use]
    pub fn with_occurred_at(mut self, time: Timestamp) -> Self {
        self.occurred_at = Some(time);
        self
    }

    /// Roughly the bytes it takes: data, metadata and names.
    pub fn bytes(&self) -> usize {
        const ENVELOPE_BYTES: usize = 96;
        let texts: usize = self.targets.iter().map(|text| text.len()).sum::<usize>()
            + self.tags.iter().map(|tag| tag.len()).sum::<usize>();
        self.data.as_str().len()
            + self.metadata.as_ref().map_or(0, |json| json.as_str().len())
            + self.stream.len()
            + self.event_type.len()
            + texts
            + ENVELOPE_BYTES
    }

    /// The bounds that the types of the fields do not hold by themselves.
    pub(crate) fn check(&self) -> Result<()> {
        let too_many = |what: &str, count: usize, max: usize| {
            Err(Error::invalid(format!("event {} has {count} {what}; {max} are allowed", self.id)))
        };
        if self.data.as_str().len() > DATA_BYTES_MAX {
            return too_many("bytes of data", self.data.as_str().len(), DATA_BYTES_MAX);
        }
        if self.targets.len() > TARGETS_MAX {
            return too_many("targets", self.targets.len(), TARGETS_MAX);
        }
        if self.tags.len() > TAGS_MAX {
            return too_many("tags", self.tags.len(), TAGS_MAX);
        }
        match &self.metadata {
            Some(metadata) if !metadata.is_object() => {
                Err(Error::invalid(format!("the metadata of event {} is not an object", self.id)))
            }
            Some(metadata) if metadata.as_str().len() > METADATA_BYTES_MAX => {
                too_many("bytes of metadata", metadata.as_str().len(), METADATA_BYTES_MAX)
            }
            _ => Ok(()),
        }
    }
}

/// A fact as recorded: a [`NewEvent`] with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the whole log.
    pub position: Position,
    /// Its place in its stream.
    pub version: Version,
    /// When it was recorded, by the store's clock.
    pub recorded_at: Timestamp,
    /// What was recorded.
    pub fact: NewEvent,
}

impl Event {
    /// A person's time: when it happened, as far as that is known, else when it was recorded.
    pub fn time(&self) -> Timestamp {
        self.fact.occurred_at.unwrap_or(self.recorded_at)
    }

    /// Whether its delivery had ended before a moment; it stays readable.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.fact.expires_at.is_some_and(|expires| expires < now)
    }

    /// The wire form, in one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| unreachable!("checked JSON is JSON: {error}"))
    }
}

impl Deref for Event {
    type Target = NewEvent;
    fn deref(&self) -> &NewEvent {
        &self.fact
    }
}

/// The wire form in its order; absent fields are left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventRef<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    id: EventId,
    stream: &'a StreamName,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Version>,
    #[serde(rename = "type")]
    event_type: &'a EventType,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a Text>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    targets: &'a [Text],
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurred_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causation_id: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a Text>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [Tag],
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Json>,
    data: &'a Json,
}

impl<'a> EventRef<'a> {
    fn of(fact: &'a NewEvent, recorded: Option<&Event>) -> Self {
        Self {
            position: recorded.map(|event| event.position),
            id: fact.id,
            stream: &fact.stream,
            version: recorded.map(|event| event.version),
            event_type: &fact.event_type,
            source: fact.source.as_ref(),
            targets: &fact.targets,
            recorded_at: recorded.map(|event| event.recorded_at),
            occurred_at: fact.occurred_at,
            correlation_id: fact.correlation_id.as_ref(),
            causation_id: fact.causation_id,
            session_id: fact.session_id.as_ref(),
            user_id: fact.user_id.as_ref(),
            priority: fact.priority,
            expires_at: fact.expires_at,
            traceparent: fact.traceparent.as_ref(),
            tags: &fact.tags,
            metadata: fact.metadata.as_ref(),
            data: &fact.data,
        }
    }
}

impl Serialize for NewEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        EventRef::of(self, None).serialize(serializer)
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        EventRef::of(&self.fact, Some(self)).serialize(serializer)
    }
}

/// Whatever may stand in an event's wire form, recorded or not.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EventFields {
    position: Option<Position>,
    id: Option<String>,
    stream: StreamName,
    version: Option<Version>,
    #[serde(rename = "type")]
    event_type: EventType,
    source: Option<Text>,
    #[serde(default)]
    targets: Vec<Text>,
    recorded_at: Option<Timestamp>,
    occurred_at: Option<Timestamp>,
    correlation_id: Option<Text>,
    causation_id: Option<String>,
    session_id: Option<Text>,
    user_id: Option<Text>,
    priority: Option<Priority>,
    expires_at: Option<Timestamp>,
    traceparent: Option<Text>,
    #[serde(default)]
    tags: Vec<Tag>,
    metadata: Option<Json>,
    // null is data like any other, and not the same as none.
    #[serde(default, deserialize_with = "given")]
    data: Option<Json>,
    expect: Option<Expect>,
}

fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

impl EventFields {
    /// Reads an object: a derived struct would also take an array of its values, which no event is.
    fn parse(text: &str) -> serde_json::Result<Self> {
        if text.trim_ascii_start().starts_with('{') {
            return serde_json::from_str(text);
        }
        let value: &RawValue = serde_json::from_str(text)?;
        let kind = if value.get().starts_with('[') { "an array" } else { "no object" };
        Err(serde::de::Error::custom(format!("it is {kind}")))
    }

    fn of<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(serde::de::Error::custom)
    }

    /// Where nobody would look at an expectation, it must not seem to hold.
    fn without_expect(self) -> Result<Self> {
        match self.expect {
            None => Ok(self),
            Some(_) => Err(Error::invalid("an event of a batch has no expect of its own")
                .with_hint("it stands beside the events: {\"events\":[...],\"expect\":{\"task-1\":3}}")),
        }
    }

    fn fact(self) -> Result<NewEvent> {
        let mut event =
            NewEvent::of(self.stream, self.event_type, self.data.unwrap_or_else(Json::empty_object));
        event.source = self.source;
        event.targets = self.targets;
        event.occurred_at = self.occurred_at;
        event.correlation_id = self.correlation_id;
        event.session_id = self.session_id;
        event.user_id = self.user_id;
        event.priority = self.priority;
        event.expires_at = self.expires_at;
        event.traceparent = self.traceparent;
        event.tags = self.tags;
        event.metadata = self.metadata;
        if let Some(cause) = self.causation_id {
            event.causation_id = Some(event.id_of(&cause));
        }
        if let Some(id) = self.id {
            event.adopt_id(&id)?;
        }
        event.check()?;
        Ok(event)
    }
}

impl NewEvent {
    /// The id that a text names: a UUID stays; another system's id becomes one, by the source and the stream.
    pub fn id_of(&self, id: &str) -> EventId {
        id.parse()
            .unwrap_or_else(|_| EventId::foreign(self.source.as_deref().unwrap_or(""), &self.stream, id))
    }

    /// Takes an id that the caller gives; one that is no UUID is also kept in the metadata as `sourceId`.
    ///
    /// # Errors
    /// `Invalid` for an empty id or metadata that is no object.
    pub fn adopt_id(&mut self, id: &str) -> Result<()> {
        let id: Text = id.parse().map_err(|error: Error| error.context("id"))?;
        self.id = self.id_of(&id);
        if id.parse::<EventId>().is_err() {
            self.note("sourceId", &id)?;
        }
        Ok(())
    }

    /// Adds one entry to the metadata, unless it has one of that name.
    ///
    /// # Errors
    /// `Invalid` when the metadata is no object.
    pub fn note(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<()> {
        let entry = format!("{}:{}", Json::of(&name)?, Json::of(&value)?);
        let noted = match self.metadata.as_ref().map(Json::as_str) {
            None | Some("{}") => Ok(format!("{{{entry}}}")),
            Some(object) if object.starts_with('{') => {
                let known: std::collections::BTreeMap<String, &RawValue> = serde_json::from_str(object)
                    .map_err(Invalid::from)
                    .map_err(|error| Error::invalid(error.0))?;
                if known.contains_key(name) {
                    return Ok(());
                }
                Ok(format!("{},{entry}}}", &object[..object.len() - 1]))
            }
            Some(_) => Err(Error::invalid("the metadata is not an object")),
        }?;
        self.metadata = Some(Json::trusted(noted));
        Ok(())
    }
}

/// One line of input: an event as a caller or an export writes it, with an expectation if there is one.
///
/// Position, version and recordedAt are read past: the log gives its own.
#[derive(Debug, Clone)]
pub struct EventLine {
    /// The event.
    pub event: NewEvent,
    /// What its stream is expected to be at.
    pub expect: Option<Expect>,
}

impl FromStr for EventLine {
    type Err = Error;
    fn from_str(line: &str) -> Result<Self> {
        let mut fields = EventFields::parse(line)
            .map_err(|cause| Error::invalid(format!("not an event: {cause}")).with_cause(cause))?;
        let expect = fields.expect.take();
        Ok(Self { event: fields.fact()?, expect })
    }
}

impl<'de> Deserialize<'de> for NewEvent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        EventFields::of(deserializer)?
            .without_expect()
            .and_then(EventFields::fact)
            .map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let fields = EventFields::of(deserializer)?;
        if fields.id.is_none() {
            return Err(D::Error::missing_field("id"));
        }
        Ok(Self {
            position: fields.position.ok_or_else(|| D::Error::missing_field("position"))?,
            version: fields.version.ok_or_else(|| D::Error::missing_field("version"))?,
            recorded_at: fields.recorded_at.ok_or_else(|| D::Error::missing_field("recordedAt"))?,
            fact: fields.fact().map_err(D::Error::custom)?,
        })
    }
}
