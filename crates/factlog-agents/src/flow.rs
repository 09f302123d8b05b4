//! What follows what: activities, the steps between them, the ways that cases take, where they wait, what they do again.

mod mining;

use factlog::{Event, EventKey, Reading, Result};
use serde::Serialize;

use crate::case::{CaseOptions, Cases, LeftOut};
use crate::drawing::{Drawing, Shape};
use crate::statistics::DurationStatistics;

/// Different steps from one activity to another that are held; more are counted only.
pub const FLOW_EDGES_MAX: usize = 10_000;
/// Ways that a result shows, unless it is asked for others.
pub const FLOW_VARIANTS_DEFAULT: usize = 10;
/// Edges that are named as bottlenecks, by each measure.
pub const FLOW_BOTTLENECKS_MAX: usize = 5;
/// Times that an edge needs before its median makes it a bottleneck: one slow case is none.
pub const FLOW_MEDIAN_COUNT_MIN: u64 = 3;

/// What a log tells of a process.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// What ties the events of a case together.
    pub by: EventKey,
    /// Whether steps are in the order of their times, not in that of the log.
    pub by_time: bool,
    /// Events that belong to a case.
    pub events: u64,
    /// Events that belong to none.
    pub events_without_case: u64,
    /// Cases.
    pub cases: u64,
    /// From the first to the last step of each case.
    pub case_durations: DurationStatistics,
    /// What happens, the commonest first.
    pub activities: Vec<FlowActivity>,
    /// What directly follows what, the commonest first.
    pub edges: Vec<FlowEdge>,
    /// How many different ways there are.
    pub variants_total: u64,
    /// The commonest ways.
    pub variants: Vec<Variant>,
    /// The share of all cases that take one of these ways, from 0 to 1.
    pub variants_share: f64,
    /// Where cases wait.
    pub bottlenecks: Bottlenecks,
    /// What cases do again.
    pub rework: Rework,
    /// What would have been too much.
    pub left_out: LeftOut,
}

/// Something that happens in cases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowActivity {
    /// Its name.
    pub name: String,
    /// How often it happens.
    pub events: u64,
    /// In how many cases.
    pub cases: u64,
    /// How many cases begin with it.
    pub starts: u64,
    /// How many end with it.
    pub ends: u64,
}

/// One activity directly after another, in the same case.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowEdge {
    /// What comes first.
    pub from: String,
    /// What comes next.
    pub to: String,
    /// How often.
    pub count: u64,
    /// In how many cases.
    pub cases: u64,
    /// All the time between them together, in milliseconds.
    pub total_ms: u64,
    /// The time between them; steps that go back in time have none.
    pub time: DurationStatistics,
    /// Steps that go back in time.
    pub backwards: u64,
}

/// A way that cases take, from their first step to their last.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Variant {
    /// The activities in their order.
    pub activities: Vec<String>,
    /// How many cases take it.
    pub cases: u64,
    /// The share of all cases, from 0 to 1.
    pub share: f64,
    /// One of them.
    pub example: String,
}

/// Where cases wait.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bottlenecks {
    /// The edges with the most time of all cases together.
    pub by_total: Vec<Bottleneck>,
    /// The edges with the longest median, of those with [`FLOW_MEDIAN_COUNT_MIN`] times or more.
    pub by_median: Vec<Bottleneck>,
}

/// An edge where time goes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bottleneck {
    /// What comes first.
    pub from: String,
    /// What comes next.
    pub to: String,
    /// How often.
    pub count: u64,
    /// All the time together, in milliseconds.
    pub total_ms: u64,
    /// Its share of the time that all edges took, from 0 to 1.
    pub total_share: f64,
    /// Half of the times are no longer, in milliseconds.
    pub p50_ms: u64,
}

/// What cases do again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rework {
    /// Activities that come more than once in a case.
    pub repeats: Vec<Repeat>,
    /// There and back: A, B, and A again, directly after each other.
    pub loops: Vec<Loop>,
}

/// An activity that comes more than once in a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Repeat {
    /// Its name.
    pub activity: String,
    /// In how many cases.
    pub cases: u64,
    /// How often after the first time, over all cases.
    pub again: u64,
    /// How often of these directly after itself.
    pub at_once: u64,
    /// The most times in one case.
    pub most: u64,
}

/// From one activity to another and back, directly after each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Loop {
    /// Where it begins and ends.
    pub activity: String,
    /// What is between.
    pub through: String,
    /// In how many cases.
    pub cases: u64,
    /// How often.
    pub times: u64,
}

/// Takes in events and tells of the process in them.
#[derive(Debug, Default)]
pub struct FlowFold {
    cases: Cases,
    variants_max: usize,
}

impl FlowFold {
    /// Of no events so far; the result shows so many ways.
    pub fn new(options: CaseOptions, variants_max: usize) -> Self {
        Self { cases: Cases::new(options), variants_max }
    }

    /// Takes in an event, in the order of the log.
    pub fn add(&mut self, event: &Event) {
        self.cases.add(event, false);
    }

    /// What they tell.
    pub fn finish(mut self) -> Flow {
        self.cases.sort();
        mining::mine(&self.cases, self.variants_max)
    }
}

/// The process in what a reading gives: events of a filter, between positions where that is wanted.
///
/// ```
/// use factlog::{EventLog, Filter, MemoryStore, NewEvent};
/// use factlog_agents::flow::{FLOW_VARIANTS_DEFAULT, flow};
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let log = EventLog::new(MemoryStore::new());
/// for event_type in ["task:created", "task:started", "task:completed"] {
///     log.append(NewEvent::new("task-1", event_type, ())?.with_correlation("build-9")?).await?;
/// }
/// let flow = flow(log.read(Filter::all()), Default::default(), FLOW_VARIANTS_DEFAULT).await?;
/// assert_eq!((flow.cases, flow.edges.len(), flow.variants.len()), (1, 2, 1));
/// # Ok::<(), factlog::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn flow(mut reading: Reading, options: CaseOptions, variants_max: usize) -> Result<Flow> {
    let mut fold = FlowFold::new(options, variants_max);
    while let Some(event) = reading.next().await {
        fold.add(&*event?);
    }
    Ok(fold.finish())
}

impl Flow {
    /// Its picture: activities, the edges between them, where cases begin and end.
    pub fn drawing(&self) -> Drawing {
        let mut drawing = Drawing::default();
        if self.activities.is_empty() {
            return drawing;
        }
        let of = |name: &str| self.activities.iter().position(|activity| activity.name == name);
        for activity in &self.activities {
            drawing.node(&format!("{} ({})", activity.name, activity.events), Shape::Box);
        }
        let start = drawing.node("start", Shape::Circle);
        let end = drawing.node("end", Shape::Circle);
        let mut edges: Vec<(u64, usize, usize, String)> = Vec::new();
        for edge in &self.edges {
            if let (Some(from), Some(to)) = (of(&edge.from), of(&edge.to)) {
                edges.push((edge.count, from, to, edge.count.to_string()));
            }
        }
        for (index, activity) in self.activities.iter().enumerate() {
            if activity.starts > 0 {
                edges.push((activity.starts, start, index, activity.starts.to_string()));
            }
            if activity.ends > 0 {
                edges.push((activity.ends, index, end, activity.ends.to_string()));
            }
        }
        edges.sort_by_key(|(count, ..)| std::cmp::Reverse(*count));
        for (_, from, to, label) in edges {
            drawing.edge(from, to, &label);
        }
        drawing
    }
}

#[cfg(test)]
mod tests;
