//! One event as one row, there and back.

use std::sync::Arc;

use factlog::{
    Error, Event, EventId, EventType, Json, NewEvent, Position, Priority, Result, Stamp, StreamName, Tag,
    Text, Timestamp, Version,
};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The columns of [`decode`], in its order.
pub(super) const COLUMNS: &str = "e.position, e.sid, e.version, e.tid, e.source_id, e.recorded_at, e.occurred_at, \
                                  e.id, e.correlation, e.causation, e.checksum, e.envelope, e.data";

/// Names that a connection remembers, of each kind.
const NAMES_MAX: usize = 200_000;

/// What most events lack: one column, decoded only where it is there.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    targets: Vec<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<Text>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Json>,
}

/// The envelope column of an event; none when it has nothing to say.
pub(super) fn envelope(event: &NewEvent) -> Option<String> {
    let empty = event.targets.is_empty()
        && event.session_id.is_none()
        && event.user_id.is_none()
        && event.priority.is_none()
        && event.expires_at.is_none()
        && event.traceparent.is_none()
        && event.tags.is_empty()
        && event.metadata.is_none();
    if empty {
        return None;
    }
    let envelope = Envelope {
        targets: event.targets.clone(),
        session_id: event.session_id.clone(),
        user_id: event.user_id.clone(),
        priority: event.priority,
        expires_at: event.expires_at,
        traceparent: event.traceparent.clone(),
        tags: event.tags.clone(),
        metadata: event.metadata.clone(),
    };
    // Checked texts and checked JSON are JSON.
    serde_json::to_string(&envelope).ok()
}

/// The CRC-32 of an event as docs/format.md lays it out: a byte that has changed on the disk is found when it is read.
/// `scratch` is a buffer to use again: one pass over one piece is much faster than many over small ones.
pub(super) fn checksum(scratch: &mut Vec<u8>, fact: &NewEvent, stamp: Stamp, envelope: Option<&str>) -> u32 {
    const ABSENT: i64 = i64::MIN;
    scratch.clear();
    scratch.extend_from_slice(&stamp.position.0.to_le_bytes());
    scratch.extend_from_slice(&stamp.version.0.to_le_bytes());
    scratch.extend_from_slice(&stamp.recorded_at.as_micros().to_le_bytes());
    scratch.extend_from_slice(&fact.occurred_at.map_or(ABSENT, Timestamp::as_micros).to_le_bytes());
    scratch.extend_from_slice(fact.id.0.as_bytes());
    scratch.extend_from_slice(fact.causation_id.unwrap_or(EventId(Uuid::nil())).0.as_bytes());
    let texts = [
        fact.stream.as_str(),
        fact.event_type.as_str(),
        fact.source.as_deref().unwrap_or(""),
        fact.correlation_id.as_deref().unwrap_or(""),
        envelope.unwrap_or(""),
    ];
    for text in texts {
        scratch.extend_from_slice(text.as_bytes());
        // No text has this byte, so that no two rows of texts give the same bytes.
        scratch.push(0xFF);
    }
    let mut crc = crc32fast::Hasher::new();
    crc.update(scratch);
    crc.update(fact.data.as_str().as_bytes());
    crc.update(&[0xFF]);
    crc.finalize()
}

/// The UUID that a text is, if writing it gives the same text again.
pub(super) fn compact(text: &str) -> Option<Uuid> {
    const UUID_TEXT_BYTES: usize = 36;
    if text.len() != UUID_TEXT_BYTES || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    Uuid::try_parse(text).ok()
}

/// The names behind the numbers, remembered by a connection, and a buffer to use again.
#[derive(Debug, Default)]
pub(super) struct Names {
    streams: Remembered<StreamName>,
    types: Remembered<EventType>,
    sources: Remembered<Text>,
    /// The last correlation that is a UUID: neighbours often share theirs.
    correlation: Option<(Uuid, Text)>,
    pub(super) scratch: Vec<u8>,
}

/// Names by number. Numbers are dense, so a name has the place of its number; past the bound, later ones take over.
#[derive(Debug)]
struct Remembered<T>(Vec<Option<(i64, T)>>);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone> Remembered<T> {
    fn place(number: i64) -> usize {
        number.unsigned_abs() as usize % NAMES_MAX
    }

    fn get(&self, number: i64) -> Option<T> {
        match self.0.get(Self::place(number)) {
            Some(Some((of, name))) if *of == number => Some(name.clone()),
            _ => None,
        }
    }

    fn keep(&mut self, number: i64, name: &T) {
        let place = Self::place(number);
        if place >= self.0.len() {
            self.0.resize(place + 1, None);
        }
        self.0[place] = Some((number, name.clone()));
    }
}

macro_rules! name_of {
    ($function:ident, $field:ident, $type:ident, $sql:literal, $what:literal) => {
        fn $function(&mut self, connection: &Connection, number: i64) -> Result<$type> {
            if let Some(name) = self.$field.get(number) {
                return Ok(name);
            }
            let found = connection
                .prepare_cached($sql)
                .and_then(|mut statement| statement.query_row([number], |row| row.get::<_, String>(0)));
            let name = found.map($type::trusted).map_err(|error| match error {
                rusqlite::Error::QueryReturnedNoRows => {
                    damaged(&format!("an event names {} {number}, which does not exist", $what))
                }
                other => damaged(&other.to_string()),
            })?;
            self.$field.keep(number, &name);
            Ok(name)
        }
    };
}

impl Names {
    name_of!(stream, streams, StreamName, "SELECT name FROM streams WHERE sid = ?1", "stream");
    name_of!(event_type, types, EventType, "SELECT name FROM types WHERE tid = ?1", "type");
    name_of!(source, sources, Text, "SELECT name FROM sources WHERE source_id = ?1", "source");

    /// How a correlation is written that is kept as 16 bytes.
    fn correlation(&mut self, uuid: Uuid) -> Text {
        if let Some((last, text)) = &self.correlation
            && *last == uuid
        {
            return text.clone();
        }
        let text = Text::trusted(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()) as &str);
        self.correlation = Some((uuid, text.clone()));
        text
    }
}

fn damaged(message: &str) -> Error {
    Error::corrupt("table events", message)
}

/// The event in a row of [`COLUMNS`].
pub(super) fn decode(connection: &Connection, names: &mut Names, row: &Row<'_>) -> Result<Arc<Event>> {
    let position: u64 = number(row, 0)?;
    decode_columns(connection, names, row, position)
        .map_err(|error| error.context(format!("position {position}")))
}

fn decode_columns(
    connection: &Connection,
    names: &mut Names,
    row: &Row<'_>,
    position: u64,
) -> Result<Arc<Event>> {
    let stream = names.stream(connection, number(row, 1)?)?;
    let event_type = names.event_type(connection, number(row, 3)?)?;
    let source = optional(row, 4)?.map(|source| names.source(connection, source)).transpose()?;
    let kept = text(row, 11)?;
    let mut fact = NewEvent {
        id: EventId(uuid(row, 7)?.ok_or_else(|| damaged("the id is missing"))?),
        stream,
        event_type,
        source,
        targets: Vec::new(),
        occurred_at: optional(row, 6)?.map(Timestamp::from_micros).transpose()?,
        correlation_id: correlation(names, row, 8)?,
        causation_id: uuid(row, 9)?.map(EventId),
        session_id: None,
        user_id: None,
        priority: None,
        expires_at: None,
        traceparent: None,
        tags: Vec::new(),
        metadata: None,
        data: Json::trusted(text(row, 12)?.ok_or_else(|| damaged("the data is missing"))?),
    };
    if let Some(envelope) = kept {
        open_envelope(envelope, &mut fact)?;
    }
    let stamp = Stamp {
        position: Position(position),
        version: Version(number(row, 2)?),
        recorded_at: Timestamp::from_micros(number(row, 5)?)?,
    };
    if checksum(&mut names.scratch, &fact, stamp, kept) != number::<u32>(row, 10)? {
        return Err(damaged("the event is not as it was written: its checksum does not fit"));
    }
    let Stamp { position, version, recorded_at } = stamp;
    Ok(Arc::new(Event { position, version, recorded_at, fact }))
}

/// Puts what the envelope column says into the event.
fn open_envelope(envelope: &str, fact: &mut NewEvent) -> Result<()> {
    let envelope: Envelope = serde_json::from_str(envelope)
        .map_err(|cause| damaged(&format!("the envelope cannot be read: {cause}")).with_cause(cause))?;
    fact.targets = envelope.targets;
    fact.session_id = envelope.session_id;
    fact.user_id = envelope.user_id;
    fact.priority = envelope.priority;
    fact.expires_at = envelope.expires_at;
    fact.traceparent = envelope.traceparent;
    fact.tags = envelope.tags;
    fact.metadata = envelope.metadata;
    Ok(())
}

fn value<'a>(row: &'a Row<'_>, column: usize) -> Result<ValueRef<'a>> {
    row.get_ref(column).map_err(|error| damaged(&error.to_string()))
}

fn number<T: TryFrom<i64>>(row: &Row<'_>, column: usize) -> Result<T> {
    optional(row, column)?
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| damaged(&format!("column {column} holds no such number")))
}

fn optional(row: &Row<'_>, column: usize) -> Result<Option<i64>> {
    match value(row, column)? {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(number) => Ok(Some(number)),
        _ => Err(damaged(&format!("column {column} holds no number"))),
    }
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<Option<&'a str>> {
    match value(row, column)? {
        ValueRef::Null => Ok(None),
        ValueRef::Text(bytes) => {
            std::str::from_utf8(bytes).map(Some).map_err(|error| damaged(&error.to_string()))
        }
        _ => Err(damaged(&format!("column {column} holds no text"))),
    }
}

fn uuid(row: &Row<'_>, column: usize) -> Result<Option<Uuid>> {
    match value(row, column)? {
        ValueRef::Null => Ok(None),
        ValueRef::Blob(bytes) => {
            Uuid::from_slice(bytes).map(Some).map_err(|error| damaged(&error.to_string()))
        }
        _ => Err(damaged(&format!("column {column} holds no id"))),
    }
}

fn correlation(names: &mut Names, row: &Row<'_>, column: usize) -> Result<Option<Text>> {
    match value(row, column)? {
        ValueRef::Blob(_) => Ok(uuid(row, column)?.map(|uuid| names.correlation(uuid))),
        _ => Ok(text(row, column)?.map(Text::trusted)),
    }
}
