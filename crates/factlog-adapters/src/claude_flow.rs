//! The event stores of claude-flow (origin A): `events.db` and the log `.rvf`.
//!
//! | of the event | from the row, or the record |
//! |---|---|
//! | stream | `aggregateType`, `-` and `aggregateId`: agent `1` and task `1` are two streams |
//! | type | the vocabulary's name for `type`; another type stays as it is |
//! | id | made from the stream, the `id`, the type, the time and the payload, unless the `id` is a UUID |
//! | data | `payload`, as it is |
//! | occurred | `timestamp`, milliseconds since 1970 |
//! | source | `source` |
//! | correlation, causation | `correlationId`; the event whose `id` is `causationId` |
//! | metadata | `metadata`; `id` as `sourceId`; `type` as `sourceType` where the vocabulary has another name for it; a `causationId` that no event before it has, as `sourceCausationId` |
//!
//! The ids there are a time and a count of one process, and two processes give the same; so whatever tells two events
//! apart is in ours. Events go in by their rows, or as they stand in the log. The `version` is read past: the log gives
//! its own, and what two writers numbered alike goes in twice.
//!
//! **Snapshots**, of the table `snapshots` and of files `.snap.rvf`, are left out and counted as skipped: they are
//! derived from the events.
//!
//! **Damage.** Both files break: the database is written over in place, the log is appended to behind half a record. What is
//! whole goes in, and what is not is named, by its row or its byte. A database that SQLite finds damaged is read page by
//! page. In a log the next record is looked for byte by byte. Neither file has checksums: a letter that became another
//! letter is not noticed.
//!
//! Places of rejected records count the records, not the lines. Nothing is written, not even beside the files. A file
//! that has changed is read again as a whole.

mod cell;
mod database;
mod record;
mod row;
mod rvf;
mod salvage;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use factlog::{
    Error, EventId, EventLine, EventLog, EventType, Json, NewEvent, Result, StreamName, Text, Timestamp,
};
use factlog_agents::vocabulary::type_named;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::fields::{self, Field, object, text};
use crate::import::{self, Format, Intake, Taken};
use crate::outcome::Imported;
use crate::recent::Recent;
use crate::source::{Source, Sources, has_ending};
use record::{AsLines, Record};

/// Endings of the files that are taken from a folder.
const ENDINGS: &[&str] = &["db", RVF_ENDING];
/// The ending of logs.
const RVF_ENDING: &str = "rvf";
/// The system that ids are made for.
const SYSTEM: &str = "claude-flow";
/// Microseconds of a millisecond.
const MILLISECOND_MICROS: i64 = 1_000;
/// A column that tells the database from others; its name stands on the first page.
const COLUMN: &[u8] = b"aggregate_id";

/// Imports files, and all `.db` and `.rvf` files under folders but databases of other programs.
///
/// # Errors
/// `NotFound` or `Denied` for a path that cannot be read, and what ends the log's work: `Unavailable`, `Stopped`,
/// `Corrupt`. Damage and a bad record are no error: they are named in the result.
pub async fn import(log: &EventLog, paths: &[PathBuf], intake: Intake<'_>) -> Result<Imported> {
    let mut sources = Sources::new(ENDINGS);
    for path in paths {
        sources.add(path)?;
    }
    let mut found = sources.into_found();
    found.retain(|source| {
        let is_named = paths.iter().any(|path| source.path() == Some(path));
        is_named || !source.path().is_some_and(is_other_database)
    });
    import::import(log, &found, &mut ClaudeFlow::default(), intake).await
}

/// Whether the first bytes of a file are those of a store of claude-flow.
pub(crate) fn is_store(head: &[u8]) -> bool {
    head.starts_with(rvf::MAGIC) || (head.starts_with(salvage::MAGIC) && names_column(head))
}

/// Whether a file is a database, but none of claude-flow.
pub(crate) fn is_other_database(path: &Path) -> bool {
    let mut head = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(salvage::PAGE_BYTES_MAX as u64).read_to_end(&mut head));
    read.is_ok() && head.starts_with(salvage::MAGIC) && !names_column(&head)
}

fn names_column(head: &[u8]) -> bool {
    head.windows(COLUMN.len()).any(|bytes| bytes == COLUMN)
}

#[derive(Default)]
struct ClaudeFlow {
    /// The ids of events, by their ids there: causes are named without their streams.
    ids: Recent<EventId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    id: Field<'a>,
    #[serde(borrow, rename = "type")]
    event_type: Field<'a>,
    #[serde(borrow)]
    aggregate_id: Field<'a>,
    #[serde(borrow)]
    aggregate_type: Field<'a>,
    #[serde(borrow)]
    timestamp: Field<'a>,
    #[serde(borrow)]
    source: Field<'a>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Field<'a>,
    #[serde(borrow)]
    causation_id: Field<'a>,
    #[serde(borrow)]
    correlation_id: Field<'a>,
    /// Only snapshots have one.
    #[serde(borrow)]
    state: Field<'a>,
}

impl Fields<'_> {
    fn is_snapshot(&self) -> bool {
        self.state.is_some() && self.event_type.is_none()
    }

    /// Whether there is what every event, or every snapshot, of claude-flow has.
    fn is_whole(&self) -> bool {
        let is_about = text(self.aggregate_id).is_some() && text(self.aggregate_type).is_some();
        is_about && (self.is_snapshot() || (text(self.id).is_some() && text(self.event_type).is_some()))
    }

    fn stream(&self) -> Result<StreamName> {
        let kind = needed("aggregateType", self.aggregate_type)?;
        let id = needed("aggregateId", self.aggregate_id)?;
        StreamName::new(format!("{kind}-{id}"))
    }
}

fn needed(name: &str, field: Field<'_>) -> Result<String> {
    text(field).ok_or_else(|| Error::invalid(format!("not an event of claude-flow: it has no {name}")))
}

impl Format for ClaudeFlow {
    fn marks(&self) -> Option<(&'static str, String)> {
        Some((SYSTEM, String::new()))
    }

    fn has_lines_of(&self, _source: &Source) -> bool {
        false
    }

    fn begin(&mut self, _stem: &str) {}

    fn open(&mut self, source: &Source) -> Result<Box<dyn Read + Send>> {
        let path = source.path().ok_or_else(|| Error::invalid("claude-flow's stores are files"))?;
        let mut head = Vec::new();
        source
            .open()?
            .take(rvf::MAGIC.len() as u64)
            .read_to_end(&mut head)
            .map_err(|cause| source.unreadable(cause))?;
        if head == rvf::MAGIC || has_ending(path, &[RVF_ENDING]) {
            let log = rvf::Log::open(path).map_err(|cause| source.unreadable(cause))?;
            return Ok(Box::new(AsLines::new(log)));
        }
        let rows = database::open(path).map_err(|cause| source.unreadable(cause))?;
        Ok(Box::new(AsLines::new(rows)))
    }

    fn take(&mut self, line: &str) -> Result<Taken> {
        let Record { at, what } = Record::of_line(line)?;
        what.and_then(|json| self.event(&json)).map_err(|error| error.context(at))
    }
}

impl ClaudeFlow {
    fn event(&mut self, json: &str) -> Result<Taken> {
        // Also what this format does not look into must be JSON that a log takes.
        let checked = Json::parse(json)?;
        let record: Fields<'_> = fields::parse(checked.as_str())?;
        let stream = record.stream()?;
        if record.is_snapshot() {
            return Ok(Taken::Skipped(stream));
        }
        let named = needed("type", record.event_type)?;
        let known = type_named(&named);
        let event_type =
            known.map_or_else(|| EventType::new(named.as_str()), |info| Ok(EventType::trusted(info.name)))?;
        let data = record.payload.map_or_else(Json::empty_object, |data| Json::trusted(data.get()));
        let mut event = NewEvent::of(stream, event_type, data);
        event.source = text(record.source).and_then(|source| Text::new(source).ok());
        event.occurred_at = time(record.timestamp);
        self.envelope(&mut event, &record)?;
        if known.is_some_and(|info| info.name != named) {
            event.note("sourceType", &named)?;
        }
        self.identify(&mut event, &record, &named)?;
        Ok(Taken::Event(Box::new(EventLine { event, expect: None })))
    }

    /// What has its place in the event, and the metadata.
    fn envelope(&self, event: &mut NewEvent, record: &Fields<'_>) -> Result<()> {
        if let Some(metadata) =
            object::<Map<String, Value>>(record.metadata).filter(|known| !known.is_empty())
        {
            event.metadata = Some(Json::of(&metadata)?);
        }
        event.correlation_id = text(record.correlation_id).and_then(|id| Text::new(id).ok());
        let Some(cause) = text(record.causation_id) else { return Ok(()) };
        event.causation_id = cause.parse().ok().or_else(|| self.ids.get(&cause).copied());
        if event.causation_id.is_none() {
            event.note("sourceCausationId", &cause)?;
        }
        Ok(())
    }

    fn identify(&mut self, event: &mut NewEvent, record: &Fields<'_>, named: &str) -> Result<()> {
        let id = needed("id", record.id)?;
        event.id = id.parse().or_else(|_| {
            event.note("sourceId", &id)?;
            let time = record.timestamp.map_or("", RawValue::get);
            let all = format!("{id}\n{named}\n{time}\n{}", event.data.as_str());
            Ok::<_, Error>(EventId::foreign(SYSTEM, &event.stream, &all))
        })?;
        self.ids.put(&id, event.id);
        Ok(())
    }
}

/// A time in milliseconds since 1970, or a text with an offset.
fn time(field: Field<'_>) -> Option<Timestamp> {
    if let Some(text) = text(field) {
        return text.parse().ok();
    }
    let milliseconds: f64 = serde_json::from_str(field?.get()).ok()?;
    Timestamp::from_micros((milliseconds * MILLISECOND_MICROS as f64).round() as i64).ok()
}
