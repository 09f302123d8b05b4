//! What one event of the bus, or one row of its table, says.

use factlog::{Error, EventId, EventLine, EventType, Json, NewEvent, Result, StreamName, Text, Timestamp};
use factlog_agents::stream_of;
use factlog_agents::vocabulary::{TypeInfo, type_named};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{SYSTEM, not_one};
use crate::fields::{self, Field, InOrder, list, number, text, written};

/// Microseconds of a millisecond.
const MILLISECOND_MICROS: f64 = 1_000.0;

/// An event's own fields, and those that only a row has.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    id: Field<'a>,
    #[serde(borrow, rename = "type")]
    event_type: Field<'a>,
    #[serde(borrow)]
    source: Field<'a>,
    #[serde(borrow)]
    timestamp: Field<'a>,
    #[serde(borrow)]
    data: Field<'a>,
    #[serde(borrow)]
    processed: Field<'a>,
    #[serde(borrow)]
    user_id: Field<'a>,
    #[serde(borrow)]
    created_at: Field<'a>,
    #[serde(borrow)]
    damage: Field<'a>,
}

/// What an event has beside its data, and a row in it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    target: Field<'a>,
    #[serde(borrow)]
    correlation_id: Field<'a>,
    #[serde(borrow)]
    session_id: Field<'a>,
    #[serde(borrow)]
    priority: Field<'a>,
    #[serde(borrow)]
    ttl: Field<'a>,
}

/// What a line says; an error, and it is rejected for that reason.
pub(super) fn event(line: &str) -> Result<Box<EventLine>> {
    // Also what this format does not look into must be JSON that a log takes.
    let checked = Json::parse(line)?;
    let line: Line<'_> = fields::parse(checked.as_str())?;
    if let Some(damage) = text(line.damage) {
        return Err(Error::invalid(damage));
    }
    let is_row = line.processed.is_some() || line.created_at.is_some() || line.user_id.is_some();
    let needed =
        |name: &str, field: Field<'_>| text(field).ok_or_else(|| not_one(format_args!("it has no {name}")));
    let (id, named) = (needed("id", line.id)?, needed("type", line.event_type)?);
    let source: Text = needed("source", line.source)?.parse()?;
    let known = type_named(&named);
    let (data, stuffed) = data(&line, is_row)?;
    let envelope: Envelope<'_> = fields::parse(if is_row { &stuffed } else { checked.as_str() })?;
    let data = if is_row { without_envelope(&data, &envelope, known)? } else { Json::trusted(data) };

    let stream = stream(known, &data, &source, &id)?;
    let event_type =
        known.map_or_else(|| EventType::new(named.as_str()), |info| Ok(EventType::trusted(info.name)))?;
    let mut event = NewEvent::of(stream, event_type, data);
    event.source = Some(source);
    event.occurred_at = time(line.timestamp)?;
    place(&mut event, &envelope)?;
    event.user_id = text(line.user_id).map(Text::new).transpose()?;
    if known.is_some_and(|info| info.name != named) {
        event.note("sourceType", &named)?;
    }
    event.note("sourceId", &id)?;
    event.id = id.parse().unwrap_or_else(|_| EventId::foreign(SYSTEM, &event.stream, &id));
    Ok(Box::new(EventLine { event, expect: None }))
}

/// The data as it is written, and as the object that an envelope may have been put into.
fn data(line: &Line<'_>, is_row: bool) -> Result<(String, String)> {
    let data = line.data.map_or("{}", RawValue::get);
    // Some tools write the JSON of a column as a text.
    let inner = text(line.data).filter(|_| is_row);
    let data = match inner {
        None => data.to_owned(),
        Some(inner) => Json::parse(&inner).map_err(|error| error.context("its data"))?.as_str().to_owned(),
    };
    let object = if data.starts_with('{') { data.clone() } else { "{}".to_owned() };
    Ok((data, object))
}

/// The data of a row without what was put into it, but for what the type has a field of its own for.
fn without_envelope(data: &str, envelope: &Envelope<'_>, known: Option<&TypeInfo>) -> Result<Json> {
    let placed: Vec<&str> = [
        ("target", envelope.target),
        ("correlationId", envelope.correlation_id),
        ("sessionId", envelope.session_id),
        ("priority", envelope.priority),
        ("ttl", envelope.ttl),
    ]
    .into_iter()
    .filter(|(name, value)| value.is_some() && !known.is_some_and(|info| info.has_field(name)))
    .map(|(name, _)| name)
    .collect();
    if placed.is_empty() {
        return Ok(Json::trusted(data));
    }
    let mut fields: InOrder<'_> = serde_json::from_str(data)
        .map_err(|cause| Error::invalid(format!("its data is not JSON: {cause}")))?;
    fields.0.retain(|(name, _)| !placed.contains(&name.as_str()));
    Ok(Json::trusted(written(&fields.0)?))
}

/// The stream of what the data is about; of what the event says nothing else, its own.
fn stream(known: Option<&TypeInfo>, data: &Json, source: &Text, id: &str) -> Result<StreamName> {
    match known {
        Some(info) if info.category == "agent" => info.stream(data, source),
        Some(info) => info.stream(data, id),
        None => stream_of("agent", source),
    }
}

/// Puts what an envelope says where it belongs.
fn place(event: &mut NewEvent, envelope: &Envelope<'_>) -> Result<()> {
    let one = text(envelope.target);
    let many = if one.is_none() { list(envelope.target) } else { Vec::new() };
    let targets = one.into_iter().chain(many.into_iter().filter_map(|target| text(Some(target))));
    event.targets = targets.map(Text::new).collect::<Result<_>>()?;
    event.correlation_id = text(envelope.correlation_id).map(Text::new).transpose()?;
    event.session_id = text(envelope.session_id).map(Text::new).transpose()?;
    event.priority = text(envelope.priority).map(|word| word.parse()).transpose()?;
    let begins = event.occurred_at;
    event.expires_at = number(envelope.ttl).zip(begins).map(|(ttl, begins)| begins.plus_ms(ttl));
    Ok(())
}

/// A time as JavaScript and PostgreSQL write it, or milliseconds since 1970. What is none is not taken for another.
fn time(field: Field<'_>) -> Result<Option<Timestamp>> {
    let Some(raw) = field.filter(|raw| raw.get() != "null") else { return Ok(None) };
    if let Some(text) = text(field) {
        return of_text(&text).map(Some);
    }
    let milliseconds: f64 = serde_json::from_str(raw.get())
        .map_err(|_| not_one(format_args!("its timestamp is {}", raw.get())))?;
    Timestamp::from_micros((milliseconds * MILLISECOND_MICROS).round() as i64).map(Some)
}

fn of_text(text: &str) -> Result<Timestamp> {
    // `2026-11-20 23:44:30.123+00` is how PostgreSQL writes what is `2026-11-20T23:44:30.123+00:00` elsewhere.
    let mut written = text.replacen(' ', "T", 1);
    let offset = written.len().saturating_sub(3);
    if written.get(offset..).is_some_and(|end| end.starts_with(['+', '-'])) && written.contains('T') {
        written.push_str(":00");
    }
    written.parse().map_err(|error: Error| error.context("its timestamp"))
}
