//! What caused what: the events of one operation as a tree of causes, how long each took, and what all waited for.

mod otlp;
mod pairs;
mod tree;

use std::collections::HashSet;

use factlog::limits::FILTER_VALUES_MAX;
use factlog::{
    Event, EventId, EventLog, EventType, Filter, Position, Reading, Result, StreamName, Text, Timestamp,
};
use serde::Serialize;

use pairs::Pairing;

/// Events of one trace that are held; more are counted only.
pub const TRACE_EVENTS_MAX: usize = 10_000;
/// The longest waits that a trace names.
pub const TRACE_GAPS_MAX: usize = 5;

/// The events of one operation, and how they hang together.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The correlation: that of the first event with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// The W3C trace id: of the first event with a traceparent, else always the same for the correlation.
    pub trace_id: String,
    /// The event that was asked for, where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Position>,
    /// When the earliest began; none of nothing.
    pub started_at: Option<Timestamp>,
    /// When the latest ended.
    pub ended_at: Option<Timestamp>,
    /// From the one to the other, in milliseconds.
    pub duration_ms: u64,
    /// The events: each behind its cause, and before what its cause caused later.
    pub nodes: Vec<TraceNode>,
    /// From the beginning that led on longest, cause by cause, to what ended last of all that it led to.
    pub critical_path: Vec<Position>,
    /// The longest waits between a cause and its effect.
    pub gaps: Vec<TraceGap>,
    /// Events that were too many to be held.
    pub left_out: u64,
}

/// An event in a trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceNode {
    /// Where it stands in the log.
    pub position: Position,
    /// Its id.
    pub id: EventId,
    /// Its type, as recorded.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// Its stream.
    pub stream: StreamName,
    /// Who says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Text>,
    /// The tool, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// A person's time of it.
    pub at: Timestamp,
    /// How many causes are above it.
    pub depth: usize,
    /// Its cause, where that is in the trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Position>,
    /// Why it has none above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// What it names as its cause, where that is not in the trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_cause: Option<EventId>,
    /// The time since its cause, in milliseconds; none where that is later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// How long it took itself, in milliseconds: until the event that ends it, or as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_ms: Option<u64>,
    /// The event that ends what this one began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<Position>,
    /// The event that began what this one ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Position>,
    /// From it to the end of the last that it led to, in milliseconds.
    pub lasts_ms: u64,
    /// Whether something went well here, or wrong; none where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub went: Option<Went>,
    /// Whether it is on the critical path.
    pub is_critical: bool,
    /// When it began: before its time, where it tells of what took a while.
    #[serde(skip)]
    began: i64,
    /// When it ended.
    #[serde(skip)]
    ended: i64,
    #[serde(skip)]
    session: Option<Text>,
    #[serde(skip)]
    correlation: Option<Text>,
    #[serde(skip)]
    traceparent: Option<Text>,
    #[serde(skip)]
    error: Option<String>,
}

/// Why an event has no cause above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Root {
    /// It names none.
    NoCause,
    /// The one it names is not in the trace.
    CauseNotHere,
    /// Its causes lead back to itself: here the circle was cut.
    Circle,
}

/// How something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Went {
    /// It was done.
    Well,
    /// It failed.
    Wrong,
}

/// A wait between a cause and its effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceGap {
    /// The cause.
    pub from: Position,
    /// The effect.
    pub to: Position,
    /// The time between them, in milliseconds.
    pub wait_ms: u64,
    /// Whether it is on the critical path.
    pub is_critical: bool,
}

/// An event as a trace holds it.
#[derive(Debug)]
struct Held {
    node: TraceNode,
    cause: Option<EventId>,
    pairing: Pairing,
}

/// Takes in events and tells how they hang together.
#[derive(Debug, Default)]
pub struct TraceFold {
    held: Vec<Held>,
    asked: Option<Position>,
    left_out: u64,
}

impl TraceFold {
    /// The trace is around this event.
    #[must_use]
    pub fn asked(mut self, position: Position) -> Self {
        self.asked = Some(position);
        self
    }

    /// Takes in an event, each once, in any order.
    pub fn add(&mut self, event: &Event) {
        if self.held.len() == TRACE_EVENTS_MAX {
            self.left_out += 1;
            return;
        }
        self.held.push(pairs::held(event));
    }

    /// How they hang together.
    pub fn finish(mut self) -> Trace {
        self.held.sort_by_key(|held| held.node.position);
        tree::trace(self.held, self.asked, self.left_out)
    }
}

/// The trace of what a reading gives, such as the events of one correlation.
///
/// ```
/// use factlog::{EventLog, Filter, MemoryStore, NewEvent};
/// use factlog_agents::trace::trace;
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let log = EventLog::new(MemoryStore::new());
/// let asked = NewEvent::new("task-1", "task:created", ())?.with_correlation("build-9")?;
/// let begun = NewEvent::new("task-1", "task:started", ())?.with_correlation("build-9")?.with_causation(asked.id);
/// log.append(vec![asked, begun]).await?;
/// let trace = trace(log.read(Filter { correlation: vec!["build-9".parse()?], ..Filter::all() })).await?;
/// assert_eq!(trace.nodes.iter().map(|node| node.depth).collect::<Vec<_>>(), [0, 1]);
/// # Ok::<(), factlog::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn trace(mut reading: Reading) -> Result<Trace> {
    let mut fold = TraceFold::default();
    while let Some(event) = reading.next().await {
        fold.add(&*event?);
    }
    Ok(fold.finish())
}

/// The tree of causes around an event: up to where it began, and all that followed from there, as far as a filter means it.
pub async fn trace_around(log: &EventLog, event: &Event, filter: &Filter) -> Result<Trace> {
    let mut top = event.id;
    let mut cause = event.causation_id;
    let mut seen: HashSet<EventId> = HashSet::from([event.id]);
    while let Some(id) = cause.filter(|id| seen.len() < TRACE_EVENTS_MAX && !seen.contains(id)) {
        let Some(found) = log.get(id).await? else { break };
        seen.insert(id);
        (top, cause) = (id, found.causation_id);
    }
    let mut fold = TraceFold::default().asked(event.position);
    let mut take = |event: &Event| {
        if filter.matches(event) {
            fold.add(event);
        }
    };
    if let Some(first) = log.get(top).await? {
        take(&first);
    }
    let mut taken: HashSet<EventId> = HashSet::from([top]);
    let mut next = vec![top];
    while !next.is_empty() && taken.len() <= TRACE_EVENTS_MAX {
        let mut found = Vec::new();
        for causes in next.chunks(FILTER_VALUES_MAX) {
            let caused = Filter { causation: causes.to_vec(), ..Filter::all() };
            let mut reading = log.read(caused).limit(TRACE_EVENTS_MAX + 1);
            while let Some(event) = reading.next().await {
                let event = event?;
                if taken.len() <= TRACE_EVENTS_MAX && taken.insert(event.id) {
                    take(&event);
                    found.push(event.id);
                }
            }
        }
        next = found;
    }
    Ok(fold.finish())
}

#[cfg(test)]
mod tests;
