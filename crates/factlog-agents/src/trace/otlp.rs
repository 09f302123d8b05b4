//! Traces as OpenTelemetry spans: OTLP/HTTP in JSON, as its specification maps protobuf to it.
//!
//! Ids are hex, 64-bit integers are decimal strings, enums are numbers:
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>.

use std::collections::{BTreeMap, HashMap};

use factlog::{EventId, Position};
use serde_json::{Map, Value, json};

use super::{Trace, TraceNode, Went, tree};
use crate::projections::stable_hash;
use crate::vocabulary::type_named;

/// What trace ids are derived under.
const SYSTEM: &str = "factlog-trace";
const TRACE_ID_DIGITS: usize = 32;
const SPAN_ID_DIGITS: usize = 16;
const MICROSECOND_NANOS: i128 = 1_000;
const KIND_INTERNAL: u8 = 1;
const KIND_CLIENT: u8 = 3;
const KIND_PRODUCER: u8 = 4;
const KIND_CONSUMER: u8 = 5;
const STATUS_OK: u8 = 1;
const STATUS_ERROR: u8 = 2;

/// The trace id of events: of the first traceparent among them, else of their correlation, else of the first event.
pub(super) fn trace_id(nodes: &[TraceNode], correlation: Option<&str>) -> String {
    if let Some(parent) = nodes.iter().find_map(TraceParent::of) {
        return parent.trace_id.to_owned();
    }
    let first = || nodes.first().map(|node| node.id.to_string()).unwrap_or_default();
    let name = correlation.map_or_else(first, str::to_owned);
    format!("{:032x}", EventId::foreign(SYSTEM, "", &name).0.as_u128())
}

/// The span id of an event, always the same.
fn span_id(id: EventId) -> String {
    // An id of zeroes is none.
    format!("{:016x}", stable_hash(&id.to_string()).max(1))
}

/// A W3C traceparent: the trace, and the span that the event was said in.
#[derive(Clone, Copy)]
struct TraceParent<'a> {
    trace_id: &'a str,
    span_id: &'a str,
}

impl<'a> TraceParent<'a> {
    fn of(node: &'a TraceNode) -> Option<Self> {
        let mut parts = node.traceparent.as_deref()?.split('-');
        let (version, trace_id, span_id) = (parts.next()?, parts.next()?, parts.next()?);
        parts.next()?;
        let is_id = |text: &str, digits: usize| {
            text.len() == digits
                && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
                && text.bytes().any(|byte| byte != b'0')
        };
        let is_valid = version.len() == 2
            && version != "ff"
            && is_id(trace_id, TRACE_ID_DIGITS)
            && is_id(span_id, SPAN_ID_DIGITS);
        is_valid.then_some(Self { trace_id, span_id })
    }
}

impl Trace {
    /// The trace as an `ExportTraceServiceRequest`: what `POST /v1/traces` of a collector takes.
    ///
    /// A beginning and its end are one span, the end an event in it; whatever else is said is a span of its own. The
    /// parent of a span is the one that caused it.
    pub fn to_otlp(&self) -> Value {
        let spans = Spans::of(self);
        let mut by_service: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            if spans.span_of[index] == index {
                let service = node.source.as_deref().unwrap_or("factlog").to_owned();
                by_service.entry(service).or_default().push(spans.span(index));
            }
        }
        let scope = json!({"name": "factlog", "version": env!("CARGO_PKG_VERSION")});
        let resource_spans: Vec<Value> = by_service
            .into_iter()
            .map(|(service, spans)| {
                json!({
                    "resource": {"attributes": [text("service.name", &service)]},
                    "scopeSpans": [{"scope": scope, "spans": spans}],
                })
            })
            .collect();
        json!({"resourceSpans": resource_spans})
    }
}

struct Spans<'a> {
    trace: &'a Trace,
    /// The span that an event is in.
    span_of: Vec<usize>,
    /// The span that caused a span.
    parents: Vec<Option<usize>>,
    /// The ends that are events of a span.
    ends: HashMap<usize, Vec<usize>>,
}

impl<'a> Spans<'a> {
    fn of(trace: &'a Trace) -> Self {
        let by_position: HashMap<Position, usize> =
            trace.nodes.iter().enumerate().map(|(index, node)| (node.position, index)).collect();
        let at =
            |position: Option<Position>| position.and_then(|position| by_position.get(&position).copied());
        // What ends one thing and begins another is a span.
        let span_of: Vec<usize> = trace
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| at(node.ends).filter(|_| node.ended_by.is_none()).unwrap_or(index))
            .collect();
        let mut ends: HashMap<usize, Vec<usize>> = HashMap::new();
        for (index, span) in span_of.iter().enumerate().filter(|(index, span)| index != *span) {
            ends.entry(*span).or_default().push(index);
        }
        let mut parents: Vec<Option<usize>> = trace
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| {
                let parent = at(node.parent).map(|parent| span_of[parent]);
                parent.filter(|parent| *parent != index && span_of[index] == index)
            })
            .collect();
        // Where a beginning was caused by what its own end caused, joining them has made a circle.
        tree::cut_circles(&mut parents);
        Self { trace, span_of, parents, ends }
    }

    /// The trace that a span is in: its own, where its event says one.
    fn trace_id(&self, index: usize) -> &str {
        TraceParent::of(&self.trace.nodes[index])
            .map_or(self.trace.trace_id.as_str(), |parent| parent.trace_id)
    }

    fn span(&self, index: usize) -> Value {
        let node = &self.trace.nodes[index];
        let mut span = Map::new();
        let name = name(node);
        let name = node.tool.as_ref().map_or_else(|| name.to_owned(), |tool| format!("{name} {tool}"));
        span.insert("traceId".into(), self.trace_id(index).into());
        span.insert("spanId".into(), span_id(node.id).into());
        span.insert("name".into(), name.into());
        span.insert("kind".into(), kind(node).into());
        span.insert("startTimeUnixNano".into(), nanos(node.began).into());
        span.insert("endTimeUnixNano".into(), nanos(node.ended.max(node.began)).into());
        span.insert("attributes".into(), attributes(node).into());
        let cause = self.parents[index];
        let of_trace = cause.filter(|cause| self.trace_id(*cause) == self.trace_id(index));
        let parent = match of_trace {
            Some(cause) => Some(span_id(self.trace.nodes[cause].id)),
            // The span that the event was said in; else what the log does not show.
            None => TraceParent::of(node)
                .map(|parent| parent.span_id.to_owned())
                .or_else(|| node.missing_cause.map(span_id)),
        };
        if let Some(parent) = parent {
            span.insert("parentSpanId".into(), parent.into());
        }
        if let Some(cause) = cause.filter(|_| of_trace.is_none()) {
            let link =
                json!({"traceId": self.trace_id(cause), "spanId": span_id(self.trace.nodes[cause].id)});
            span.insert("links".into(), json!([link]));
        }
        if let Some(ends) = self.ends.get(&index) {
            let events: Vec<Value> = ends.iter().map(|end| event(&self.trace.nodes[*end])).collect();
            span.insert("events".into(), events.into());
        }
        span.insert("status".into(), status(node));
        Value::Object(span)
    }
}

fn event(node: &TraceNode) -> Value {
    json!({
        "timeUnixNano": nanos(node.at.as_micros()),
        "name": name(node),
        "attributes": attributes(node),
    })
}

/// What happened, under one name whatever the spelling.
fn name(node: &TraceNode) -> &str {
    type_named(&node.event_type).map_or(node.event_type.as_str(), |info| info.name)
}

fn status(node: &TraceNode) -> Value {
    match (node.went, &node.error) {
        (None, _) => json!({}),
        (Some(Went::Well), _) => json!({"code": STATUS_OK}),
        (Some(Went::Wrong), None) => json!({"code": STATUS_ERROR}),
        (Some(Went::Wrong), Some(error)) => json!({"code": STATUS_ERROR, "message": error}),
    }
}

fn kind(node: &TraceNode) -> u8 {
    match name(node) {
        "message:request" => KIND_CLIENT,
        "message:sent" | "message:broadcast" => KIND_PRODUCER,
        "message:received" => KIND_CONSUMER,
        _ if node.tool.is_some() => KIND_CLIENT,
        _ => KIND_INTERNAL,
    }
}

fn attributes(node: &TraceNode) -> Vec<Value> {
    let mut attributes = vec![
        json!({"key": "factlog.position", "value": {"intValue": node.position.0.to_string()}}),
        text("factlog.id", &node.id.to_string()),
        text("factlog.type", &node.event_type),
        text("factlog.stream", &node.stream),
    ];
    for (key, value) in [
        ("factlog.source", node.source.as_deref()),
        ("factlog.correlation", node.correlation.as_deref()),
        ("session.id", node.session.as_deref()),
        ("gen_ai.tool.name", node.tool.as_deref()),
    ] {
        attributes.extend(value.map(|value| text(key, value)));
    }
    attributes
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// Nanoseconds since 1970 as a decimal text; times before then, and those beyond 64 bits, at the ends of what there is.
fn nanos(micros: i64) -> String {
    (i128::from(micros) * MICROSECOND_NANOS).clamp(0, i128::from(u64::MAX)).to_string()
}
