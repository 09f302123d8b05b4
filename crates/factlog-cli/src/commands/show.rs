//! `factlog show`: one event, its causes and its effects.

use std::io::Write;
use std::sync::Arc;

use factlog::{Error, Event, EventId, EventLog, Filter, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::Context;
use crate::cli::ShowArgs;
use crate::failure::Outcome;
use crate::output::{Format, expires, pretty, stdout};

/// Causes of causes that are followed back.
const CAUSES_MAX: usize = 100;
/// Effects that are shown.
const EFFECTS_MAX: usize = 100;

#[derive(Serialize)]
struct Shown {
    event: Arc<Event>,
    /// The nearest first.
    causes: Vec<Arc<Event>>,
    effects: Vec<Arc<Event>>,
}

pub(crate) async fn run(context: &Context, args: &ShowArgs) -> Outcome {
    let format = context.format("show", &[Format::Table, Format::Json, Format::Jsonl])?;
    let log = context.open().await?;
    let Some(event) = find(&log, &args.event).await? else {
        return Err(missing(&log, &args.event).await?.into());
    };
    let mut causes: Vec<Arc<Event>> = Vec::new();
    let mut cause = event.causation_id;
    while let Some(id) = cause.filter(|_| causes.len() < CAUSES_MAX) {
        let Some(found) = log.get(id).await? else { break };
        // Whoever writes events may write a circle.
        if found.id == event.id || causes.iter().any(|known| known.id == found.id) {
            break;
        }
        cause = found.causation_id;
        causes.push(found);
    }
    let caused = Filter { causation: vec![event.id], ..Filter::all() };
    let effects = log.read(caused).limit(EFFECTS_MAX).collect().await?;
    let shown = Shown { event, causes, effects };
    let mut out = stdout();
    match format {
        Format::Table => table(&mut out, &shown)?,
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&shown)?)?,
        _ => writeln!(out, "{}", serde_json::to_string(&shown)?)?,
    }
    out.flush()?;
    Ok(log.close().await?)
}

/// Why there is no such event: it was removed, or never was.
async fn missing(log: &EventLog, text: &str) -> Outcome<Error> {
    let newest = log.newest().await?;
    let position =
        text.parse().ok().map(Position).filter(|position| (Position(1)..=newest).contains(position));
    let removals = if position.is_some() { log.removals().await? } else { Vec::new() };
    let gone = position.and_then(|position| removals.iter().find(|gone| gone.through >= position));
    Ok(match gone {
        None => Error::not_found(format!("there is no event {text}")).with_hint(format!(
            "give a position up to {newest}, an event's id, or the id another system gave it"
        )),
        Some(_) => Error::not_found(format!("the event at position {text} was removed")).with_hint(
            "`factlog list --stream log-retention --full` says why, and where it was archived if it was",
        ),
    })
}

/// What metadata says about another system's event.
#[derive(Deserialize)]
struct Source {
    #[serde(rename = "sourceId")]
    id: Option<String>,
}

pub(super) async fn find(log: &EventLog, text: &str) -> Outcome<Option<Arc<Event>>> {
    if let Ok(position) = text.parse() {
        return Ok(log.event_at(Position(position)).await?);
    }
    if let Ok(id) = text.parse::<EventId>()
        && let Some(event) = log.get(id).await?
    {
        return Ok(Some(event));
    }
    // Another system's id stands in the metadata, which has no index: look through all, newest first.
    let mut reading = log.read(Filter::all()).backwards();
    while let Some(event) = reading.next().await {
        let event = event?;
        let source = event.metadata.as_ref().and_then(|metadata| metadata.to::<Source>().ok());
        if source.is_some_and(|source| source.id.as_deref() == Some(text)) {
            return Ok(Some(event));
        }
    }
    Ok(None)
}

fn table(out: &mut impl Write, shown: &Shown) -> Outcome {
    let event = &shown.event;
    let mut line = |name: &str, value: Option<String>| -> Outcome {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            writeln!(out, "{name:<12} {value}")?;
        }
        Ok(())
    };
    let list = |texts: Vec<&str>| Some(texts.join(", "));
    line("position", Some(event.position.to_string()))?;
    line("id", Some(event.id.to_string()))?;
    line("stream", Some(format!("{} v{}", event.stream, event.version)))?;
    line("type", Some(event.event_type.to_string()))?;
    line("source", event.source.as_ref().map(ToString::to_string))?;
    line("targets", list(event.targets.iter().map(factlog::Text::as_str).collect()))?;
    line("occurred", event.occurred_at.map(|time| time.to_string()))?;
    line("recorded", Some(event.recorded_at.to_string()))?;
    line("correlation", event.correlation_id.as_ref().map(ToString::to_string))?;
    line("causation", event.causation_id.map(|id| id.to_string()))?;
    line("session", event.session_id.as_ref().map(ToString::to_string))?;
    line("user", event.user_id.as_ref().map(ToString::to_string))?;
    line("priority", event.priority.map(|priority| priority.as_str().to_owned()))?;
    line("expires", expires(event, Timestamp::now()))?;
    line("traceparent", event.traceparent.as_ref().map(ToString::to_string))?;
    line("tags", list(event.tags.iter().map(factlog::Tag::as_str).collect()))?;
    line("metadata", event.metadata.as_ref().map(ToString::to_string))?;
    writeln!(out, "\n{}", pretty(&event.data))?;
    for (heading, events) in [("caused by", &shown.causes), ("led to", &shown.effects)] {
        if !events.is_empty() {
            writeln!(out, "\n{heading}")?;
        }
        for event in events {
            writeln!(out, "  {:>6}  {}  {}", event.position, event.stream, event.event_type)?;
        }
    }
    Ok(())
}
