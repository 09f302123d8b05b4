//! Events between agents, as the inter-agent event store describes them: who says what to whom, and what became of it.
//!
//! Run it with `cargo run -p factlog-agents --example agent_events`. What it says is asserted as well.

use std::collections::{BTreeMap, BTreeSet};

use factlog::{Count, EventLog, Filter, GroupBy, NewEvent, Priority, TimeRange, Timestamp, TypedEvent};
use factlog_agents::vocabulary::{Payload, TaskAssigned, TaskCompleted, TaskFailed};
use factlog_stores::{Open, open};
use serde_json::json;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Microseconds of an hour, and of a day.
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

#[tokio::main]
pub(crate) async fn main() -> Result {
    let folder = tempfile::tempdir()?;
    let log = open(&format!("sqlite:{}", folder.path().join("agents.db").display()), Open::Create).await?;
    publish(&log).await?;
    work(&log).await?;
    query(&log).await?;
    statistics(&log).await?;
    aggregates(&log).await?;
    Ok(log.close().await?)
}

/// A time so many microseconds before now.
fn ago(micros: i64) -> factlog::Result<Timestamp> {
    Timestamp::from_micros(Timestamp::now().as_micros() - micros)
}

/// One event, with whom it is for, how urgent it is, which job it belongs to, and until when it is of use.
async fn publish(log: &EventLog) -> Result {
    let assigned = TaskAssigned::new("task-001")
        .task_type("analysis")
        .description("Analyze system performance")
        .priority("high")
        .into_event()?;
    let assigned = NewEvent { priority: Some(Priority::High), expires_at: Some(ago(-HOUR)?), ..assigned };
    let assigned =
        assigned.with_source("coordinator")?.with_target("agent-123")?.with_correlation("job-7")?;

    log.append(assigned.clone()).await?;
    // Sent again, as one does after a lost answer: it is the same event, once.
    assert!(log.append(assigned.clone()).await?.repeated);

    let event = log.get(assigned.id).await?.ok_or("it was recorded")?;
    println!("{}", event.to_json());
    // What was said in types is read in types.
    let Some(Payload::TaskAssigned(task)) = Payload::of(&event) else { return Err("another type".into()) };
    assert_eq!((task.task_id.as_str(), task.task_type.as_deref()), ("task-001", Some("analysis")));
    Ok(())
}

/// What the workers told in the last days; each event says when it happened, whenever it is recorded.
async fn work(log: &EventLog) -> Result {
    let mut events = Vec::new();
    for (number, hours_ago) in [(1, 240), (2, 30), (3, 20), (4, 3), (5, 2), (6, 1)] {
        let id = format!("job-{number}");
        let event = if number % 3 == 0 {
            TaskFailed::new(id.as_str()).error("no disk").retryable(true).into_event()?
        } else {
            TaskCompleted::new(id.as_str()).result(json!({"rows": number})).duration_ms(5_000).into_event()?
        };
        let worker = format!("worker-{}", 1 + number % 2);
        events.push(event.with_source(&worker)?.with_occurred_at(ago(hours_ago * HOUR)?));
    }
    let appended = log.append(events).await?;
    println!("recorded {} events as one batch", appended.events.len());
    Ok(())
}

/// By several types, several sources and time; the latest first.
async fn query(log: &EventLog) -> Result {
    let filter = Filter {
        sources: vec!["worker-1".parse()?, "worker-2".parse()?],
        time: TimeRange { from: Some(ago(DAY)?), to: None },
        ..Filter::types(["task:completed", "task:failed"])?
    };
    let latest = log.read(filter.clone()).backwards().limit(3).collect().await?;
    for event in &latest {
        println!("{}  {}  {}", event.time(), event.event_type, event.stream);
    }
    let streams: Vec<&str> = latest.iter().map(|event| event.stream.as_str()).collect();
    assert_eq!(streams, ["task-job-6", "task-job-5", "task-job-4"]);
    // The rest of the day, by going on where that ended.
    let rest = log.read(filter).backwards().skip(3).collect().await?;
    assert_eq!(rest.len(), 1);

    let for_agent = Filter { targets: vec!["agent-123".parse()?], ..Filter::all() };
    let of_job = Filter { correlation: vec!["job-7".parse()?], ..Filter::all() };
    // An event without a priority is not urgent: what an event lacks never matches.
    let urgent = Filter { priorities: vec![Priority::High, Priority::Critical], ..Filter::all() };
    for filter in [for_agent, of_job, urgent] {
        let found = log.read(filter).collect().await?;
        assert_eq!(found.iter().map(|event| event.stream.as_str()).collect::<Vec<_>>(), ["task-task-001"]);
    }
    Ok(())
}

/// How many of each type in the last week.
async fn statistics(log: &EventLog) -> Result {
    let week = Filter { time: TimeRange { from: Some(ago(7 * DAY)?), to: None }, ..Filter::all() };
    let groups = log.count(Count { filter: week, by: vec![GroupBy::Type] }).await?;
    let counts: BTreeMap<&str, u64> =
        groups.iter().map(|group| (group.key[0].as_str(), group.count)).collect();
    println!("in the last week: {counts:?}");
    assert_eq!(counts, BTreeMap::from([("task:assigned", 1), ("task:completed", 3), ("task:failed", 2)]));
    Ok(())
}

/// What is known of one type of event.
#[derive(Debug)]
struct TypeSummary {
    count: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
    sources: BTreeSet<String>,
}

/// Each type with its count, its first and last time and its sources: of the whole log, not of this process.
async fn aggregates(log: &EventLog) -> Result {
    let groups = log.count(Count { filter: Filter::all(), by: vec![GroupBy::Type, GroupBy::Source] }).await?;
    let mut summaries: BTreeMap<String, TypeSummary> = BTreeMap::new();
    for group in groups {
        let [event_type, source] = &group.key[..] else { continue };
        let summary = summaries.entry(event_type.clone()).or_insert(TypeSummary {
            count: 0,
            first_seen: group.first_at,
            last_seen: group.last_at,
            sources: BTreeSet::new(),
        });
        summary.count += group.count;
        summary.first_seen = summary.first_seen.min(group.first_at);
        summary.last_seen = summary.last_seen.max(group.last_at);
        summary.sources.insert(source.clone());
    }
    summaries.retain(|_, summary| summary.count >= 2);
    println!("{summaries:#?}");
    let completed = &summaries["task:completed"];
    assert_eq!(completed.count, 4);
    assert!(completed.first_seen < ago(9 * DAY)? && completed.last_seen > ago(3 * HOUR)?);
    assert_eq!(completed.sources, BTreeSet::from(["worker-1", "worker-2"].map(str::to_owned)));
    Ok(())
}
