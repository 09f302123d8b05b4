//! Scopecraft's own event files: `DATE/STREAM.jsonl`, one event a line.
//!
//! | of the event | from the line |
//! |---|---|
//! | stream | `streamId` |
//! | type | the vocabulary's name for `type`: `TaskCreated` is `task:created`; another type stays as it is |
//! | id | made from the stream and `id`, unless that is a UUID |
//! | data | `data`, as it is: statuses keep their own words |
//! | occurred | `timestamp` |
//! | user, correlation, causation | `metadata.userId`, `metadata.correlationId`, `metadata.causationId` |
//! | session | the name of the stream behind `session-` |
//! | source | `scopecraft` |
//! | metadata | `id` as `sourceId`; `type` as `sourceType` where the vocabulary has another name for it; whatever else `metadata` has |
//!
//! Files go in by the time of their first line, so that a stream's days come in their order. The `version` in a line is
//! read past: the log gives its own, and streams whose numbers clash or have gaps go in whole.

use std::path::PathBuf;

use factlog::{Error, EventId, EventLine, EventLog, EventType, Json, NewEvent, Result, StreamName, Text};
use factlog_agents::vocabulary::type_named;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::fields::{self, Field, object, text, time};
use crate::import::{self, Format, Intake, Taken};
use crate::outcome::Imported;
use crate::recent::Recent;
use crate::session;
use crate::source::Sources;

/// Endings of the files that are taken from a folder.
const ENDINGS: &[&str] = &["jsonl"];
/// The system that ids are made for, and the source of the events.
const SYSTEM: &str = "scopecraft";
/// Fields of a line's metadata that have a place of their own in an event.
const PLACED: [&str; 3] = ["userId", "correlationId", "causationId"];

/// Imports files, and all `.jsonl` files under folders.
///
/// # Errors
/// `NotFound` or `Denied` for a path that cannot be read, and what ends the log's work: `Unavailable`, `Stopped`,
/// `Corrupt`. A bad line is no error: it is named in the result, and the rest of its stream goes in.
pub async fn import(log: &EventLog, paths: &[PathBuf], intake: Intake<'_>) -> Result<Imported> {
    let mut sources = Sources::new(ENDINGS);
    for path in paths {
        sources.add(path)?;
    }
    let sources = session::by_time(sources.into_found(), |source| {
        session::first_time(source, |text| time(fields::parse::<Line<'_>>(text).ok()?.timestamp))
    })?;
    import::import(log, &sources, &mut Scopecraft::default(), intake).await
}

#[derive(Default)]
struct Scopecraft {
    /// The ids of events, by their ids there: causes are named without their streams.
    ids: Recent<EventId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow)]
    id: Field<'a>,
    #[serde(borrow)]
    stream_id: Field<'a>,
    #[serde(borrow, rename = "type")]
    event_type: Field<'a>,
    #[serde(borrow)]
    timestamp: Field<'a>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Field<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "so they are called there")]
struct Metadata<'a> {
    #[serde(borrow)]
    user_id: Field<'a>,
    #[serde(borrow)]
    correlation_id: Field<'a>,
    #[serde(borrow)]
    causation_id: Field<'a>,
}

impl Format for Scopecraft {
    fn marks(&self) -> Option<(&'static str, String)> {
        Some((SYSTEM, String::new()))
    }

    fn begin(&mut self, _stem: &str) {}

    fn take(&mut self, text_of_line: &str) -> Result<Taken> {
        // Also what this format does not look into must be JSON that a log takes.
        let checked = Json::parse(text_of_line)?;
        let line: Line<'_> = fields::parse(checked.as_str())?;
        let needed = |name: &str, field: Field<'_>| {
            text(field).ok_or_else(|| Error::invalid(format!("not an event of Scopecraft: it has no {name}")))
        };
        let stream: StreamName = needed("streamId", line.stream_id)?.parse()?;
        let named = needed("type", line.event_type)?;
        let known = type_named(&named);
        let event_type =
            known.map_or_else(|| EventType::new(named.as_str()), |info| Ok(EventType::trusted(info.name)))?;
        let data = line.data.map_or_else(Json::empty_object, |data| Json::trusted(data.get()));
        let mut event = NewEvent::of(stream, event_type, data);
        event.source = Some(Text::trusted(SYSTEM));
        event.occurred_at = time(line.timestamp);
        event.session_id = event.stream.strip_prefix("session-").and_then(|id| Text::new(id).ok());
        self.envelope(&mut event, &line)?;
        if known.is_some_and(|info| info.name != named) {
            event.note("sourceType", &named)?;
        }
        event.id = EventId::foreign(SYSTEM, &event.stream, text_of_line);
        if let Some(id) = text(line.id) {
            event.adopt_id(&id)?;
            self.ids.put(&id, event.id);
        }
        Ok(Taken::Event(Box::new(EventLine { event, expect: None })))
    }
}

impl Scopecraft {
    /// What the metadata says has its place in the event; the rest stays metadata.
    fn envelope(&self, event: &mut NewEvent, line: &Line<'_>) -> Result<()> {
        let Some(metadata) = object::<Metadata<'_>>(line.metadata) else { return Ok(()) };
        event.user_id = text(metadata.user_id).and_then(|user| Text::new(user).ok());
        event.correlation_id = text(metadata.correlation_id).and_then(|id| Text::new(id).ok());
        event.causation_id = text(metadata.causation_id)
            .map(|cause| self.ids.get(&cause).copied().unwrap_or_else(|| event.id_of(&cause)));
        let mut rest: Map<String, Value> = object(line.metadata).unwrap_or_default();
        rest.retain(|name, value| !PLACED.contains(&name.as_str()) && !value.is_null());
        if !rest.is_empty() {
            event.metadata = Some(Json::of(&rest)?);
        }
        Ok(())
    }
}
