//! Beginnings and ends: which event ends what another began.

use std::collections::{HashMap, VecDeque};

use factlog::{Event, Position, TOOL_TAG};

use super::{Held, TraceNode, Went};
use crate::record::Record;
use crate::statistics::duration_of;
use crate::status::status_of;
use crate::vocabulary::{FieldValue, Payload, payload::each_field, type_named};

/// How the names of types end that begin something.
const BEGINS: &str = "started";
/// How the names of types end that end it.
const ENDS: [&str; 6] = ["completed", "failed", "cancelled", "stopped", "terminated", "ended"];
const MILLISECOND_MICROS: i64 = 1_000;

/// What an event begins and ends, by names that both have.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    begins: Vec<String>,
    ends: Vec<String>,
}

/// What a trace keeps of an event.
pub(super) fn held(event: &Event) -> Held {
    let record = Record::of(event);
    let at = event.time();
    let went = went(event, record.as_ref());
    // What tells how long it took tells it at the end.
    let told = duration_of(event).and_then(|duration_ms| i64::try_from(duration_ms).ok());
    let micros = told.map_or(0, |duration_ms| duration_ms.saturating_mul(MILLISECOND_MICROS));
    let node = TraceNode {
        position: event.position,
        id: event.id,
        event_type: event.event_type.clone(),
        stream: event.stream.clone(),
        source: event.source.clone(),
        tool: event.tags.iter().find_map(|tag| tag.strip_prefix(TOOL_TAG)).map(str::to_owned),
        at,
        depth: 0,
        parent: None,
        root: None,
        missing_cause: None,
        wait_ms: None,
        own_ms: None,
        ended_by: None,
        ends: None,
        lasts_ms: 0,
        went,
        is_critical: false,
        began: at.as_micros().saturating_sub(micros),
        ended: at.as_micros(),
        session: event.session_id.clone(),
        correlation: event.correlation_id.clone(),
        traceparent: event.traceparent.clone(),
        error: error(event).filter(|_| went == Some(Went::Wrong)),
    };
    Held { node, cause: event.causation_id, pairing: pairing(event, record.as_ref()) }
}

fn went(event: &Event, record: Option<&Record>) -> Option<Went> {
    if let Some(record) = record
        && let Some(last) = record.returns.last()
    {
        return Some(if last.is_error { Went::Wrong } else { Went::Well });
    }
    match status_of(event)? {
        "failed" => Some(Went::Wrong),
        "completed" => Some(Went::Well),
        _ => None,
    }
}

/// What went wrong, in the words of the event.
fn error(event: &Event) -> Option<String> {
    let mut error = None;
    each_field(event.data.as_str(), |key, raw| {
        if matches!(key, "error" | "errorMessage" | "error_message" | "reason") {
            error = error.take().or_else(|| String::read(raw));
        }
    });
    error
}

fn pairing(event: &Event, record: Option<&Record>) -> Pairing {
    let mut pairing = Pairing::default();
    if let Some(record) = record {
        let name = |id: Option<&str>, tool: &str| match id {
            Some(id) => format!("call {} {id}", record.session),
            None => format!("tool {} {tool}", record.session),
        };
        pairing.begins = record.calls.iter().map(|call| name(call.id.as_deref(), &call.tool)).collect();
        let tool = |tool: &Option<String>| tool.clone().unwrap_or_default();
        pairing.ends = record
            .returns
            .iter()
            .map(|returned| name(returned.id.as_deref(), &tool(&returned.tool)))
            .collect();
    }
    match Payload::of(event) {
        Some(Payload::MessageRequest(of)) => pairing.begins.push(format!("request {}", of.request_id)),
        Some(Payload::MessageResponse(of)) => pairing.ends.push(format!("request {}", of.request_id)),
        _ => {}
    }
    let info = type_named(&event.event_type);
    let name = info.map_or(event.event_type.as_str(), |info| info.name);
    // Whatever the stream is called: what the data is about.
    let of_stream = event.stream.split_once('-').map_or(event.stream.as_str(), |(_, id)| id);
    let thing = info.and_then(|info| info.stream(&event.data, of_stream).ok());
    let thing = thing.as_ref().unwrap_or(&event.stream);
    if let Some(stem) = name.strip_suffix(BEGINS) {
        pairing.begins.push(format!("{stem} {thing}"));
    } else if let Some(stem) = ENDS.iter().find_map(|end| name.strip_suffix(end)) {
        pairing.ends.push(format!("{stem} {thing}"));
    }
    pairing
}

/// Finds the ends of what was begun, and how long it took. Of several beginnings of one thing the first is ended first.
pub(super) fn pair(held: &mut [Held]) {
    let mut open: HashMap<String, VecDeque<usize>> = HashMap::new();
    for index in 0..held.len() {
        for name in std::mem::take(&mut held[index].pairing.ends) {
            let Some(begun) = open.get_mut(&name).and_then(VecDeque::pop_front) else { continue };
            join(held, begun, index);
        }
        for name in std::mem::take(&mut held[index].pairing.begins) {
            open.entry(name).or_default().push_back(index);
        }
    }
    for held in held.iter_mut() {
        let node = &mut held.node;
        let is_timed = node.ended > node.began || node.ended_by.is_some();
        let own_ms = node.ended.saturating_sub(node.began) / MILLISECOND_MICROS;
        node.own_ms = u64::try_from(own_ms).ok().filter(|_| is_timed);
    }
}

fn join(held: &mut [Held], begun: usize, ended: usize) {
    let (begun_at, ended_at): (Position, Position) = (held[begun].node.position, held[ended].node.position);
    let time = held[ended].node.at.as_micros();
    let went = held[ended].node.went;
    let error = held[ended].node.error.clone();
    let node = &mut held[begun].node;
    node.ended_by = Some(ended_at);
    node.ended = node.ended.max(time);
    node.went = went.or(node.went);
    node.error = error.or(node.error.take());
    let node = &mut held[ended].node;
    node.ends = Some(begun_at);
    // What began it says when: the end itself takes no time.
    node.began = node.at.as_micros();
}
