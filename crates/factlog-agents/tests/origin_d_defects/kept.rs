//! A1-A3, A9, A10, A12-A14: what is recorded, and how it is found and counted again.

use factlog::{
    Batch, Count, ErrorKind, Event, EventLog, Filter, GroupBy, NewEvent, Priority, Text, TimeRange,
    Timestamp, TypedEvent,
};
use factlog_agents::vocabulary::*;
use serde_json::{Value, json};

use super::open;

/// Story (A1, A2): every event that its own factory made was refused, and ids were none that the database took.
#[tokio::test]
async fn a1_a2_what_a_constructor_makes_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let assigned = TaskAssigned::new("task-001").task_type("analysis").priority("high");
    let event =
        assigned.into_event().unwrap().with_source("coordinator").unwrap().with_target("agent-123").unwrap();
    let id = event.id;
    log.append(event).await.unwrap();
    let kept = log.get(id).await.unwrap().unwrap();
    assert_eq!((kept.event_type.as_str(), kept.targets[0].as_str()), ("task:assigned", "agent-123"));
    log.close().await.unwrap();
}

/// Story (A3): the time that was kept was that of the insert, not that of the event.
#[tokio::test]
async fn a3_an_events_own_time_is_kept_beside_the_logs() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let time: Timestamp = "2023-01-01T00:00:00Z".parse().unwrap();
    let event = AgentReady::new("a").into_event().unwrap().with_occurred_at(time);
    let id = event.id;
    log.append(event).await.unwrap();
    let kept = log.get(id).await.unwrap().unwrap();
    assert_eq!(kept.time(), time);
    assert!(kept.recorded_at > time);
    log.close().await.unwrap();
}

/// Story (A9): what a process stored came back to it from the database, and each event was delivered twice.
#[tokio::test]
async fn a9_a_process_hears_of_its_own_events_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let other = open(&folder).await;
    let mut following = log.follow(Filter::all());
    for number in 0..20 {
        let writer = if number % 2 == 0 { &log } else { &other };
        writer.append(TaskProgress::new(format!("t{number}")).progress(f64::from(number))).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 20 {
        seen.push(following.next().await.unwrap().unwrap().position.0);
    }
    assert_eq!(seen, (1..=20).collect::<Vec<u64>>());
    log.append(SystemInfo::new().message("the last")).await.unwrap();
    assert_eq!(following.next().await.unwrap().unwrap().position.0, 21, "nothing came twice");
    other.close().await.unwrap();
    log.close().await.unwrap();
}

/// An event of a source at a time.
fn told(event: impl TypedEvent, source: &str, at: &str) -> NewEvent {
    event.into_event().unwrap().with_source(source).unwrap().with_occurred_at(at.parse().unwrap())
}

async fn streams(reading: factlog::Reading) -> Vec<String> {
    reading.collect().await.unwrap().iter().map(|event| event.stream.to_string()).collect()
}

/// Story (A10): of several types only the first was asked for, and of several sources too; the limit came before the
/// filter, so that a page was short or empty; an offset without a limit gave ten.
#[tokio::test]
async fn a10_all_types_and_sources_are_asked_for_and_pages_are_cut_after_the_filter() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let mut events = Vec::new();
    for number in 0..30 {
        let (id, at) = (format!("{number:02}"), format!("2026-11-20T10:00:{number:02}Z"));
        let source = format!("worker-{}", number % 3);
        events.push(match number % 2 {
            0 => told(TaskCompleted::new(id.as_str()), &source, &at),
            _ => told(TaskFailed::new(id.as_str()), &source, &at),
        });
        events.push(told(TaskProgress::new(id.as_str()), &source, &at));
    }
    log.append(events).await.unwrap();
    let ended = Filter::types(["task:completed", "task:failed"]).unwrap();
    let of_two =
        Filter { sources: vec![Text::new("worker-1").unwrap(), Text::new("worker-2").unwrap()], ..ended };
    let wanted: Vec<String> =
        (0..30).rev().filter(|number| number % 3 != 0).map(|number| format!("task-{number:02}")).collect();
    let all = log.read(of_two.clone()).backwards().collect().await.unwrap();
    let types: std::collections::BTreeSet<&str> = all.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(types.into_iter().collect::<Vec<_>>(), ["task:completed", "task:failed"]);
    assert_eq!(all.len(), 20);
    assert_eq!(streams(log.read(of_two.clone()).backwards().limit(7)).await, wanted[..7], "a page is full");
    assert_eq!(
        streams(log.read(of_two.clone()).backwards().skip(3)).await,
        wanted[3..],
        "and the rest is all"
    );
    assert_eq!(streams(log.read(of_two).backwards().skip(7).limit(7)).await, wanted[7..14]);
    log.close().await.unwrap();
}

/// Story (A12): statistics took the whole table over the wire, ended without a word at the database's page of a thousand
/// rows, and an hour was one of the day, in local time, with the days thrown together.
#[tokio::test]
async fn a12_hours_and_days_are_counted_in_the_store_and_no_two_days_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let batches = (0..2_500).map(|number| {
        let at = format!("2026-11-{}T{:02}:30:00Z", 18 + number % 2, 9 + number % 3);
        Batch::new(vec![told(TaskCompleted::new(format!("t{number}")), "w", &at)]).unwrap()
    });
    for outcome in log.append_each(batches.collect()).await {
        outcome.unwrap();
    }
    let groups = async |by: GroupBy, filter: Filter| -> Vec<(String, u64)> {
        let groups = log.count(Count { filter, by: vec![by] }).await.unwrap();
        groups.into_iter().map(|group| (group.key[0].clone(), group.count)).collect()
    };
    let mut days = groups(GroupBy::Day, Filter::all()).await;
    days.sort();
    assert_eq!(days, [("2026-11-18".to_owned(), 1_250), ("2026-11-19".to_owned(), 1_250)]);
    let hours = groups(GroupBy::Hour, Filter::all()).await;
    assert_eq!(hours.len(), 6, "three hours of two days: {hours:?}");
    assert_eq!(hours.iter().map(|(_, count)| count).sum::<u64>(), 2_500, "no page ends the count");
    assert!(hours.iter().any(|(hour, _)| hour == "2026-11-18T09"), "in UTC, wherever one looks: {hours:?}");
    let to = Some("2026-11-19T10:00:00Z".parse().unwrap());
    let of_time = Filter {
        time: TimeRange { from: Some("2026-11-19T00:00:00Z".parse().unwrap()), to },
        ..Filter::all()
    };
    assert_eq!(groups(GroupBy::Hour, of_time).await.len(), 1, "the bounds are those of the filter");
    log.close().await.unwrap();
}

/// Story (A13): what was published waited up to five seconds, and was lost with its process; when one insert of a hundred
/// failed all were tried again, for ever, as those that had gone in were refused from then on.
#[tokio::test]
async fn a13_what_is_acknowledged_is_there_and_one_bad_event_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let other = open(&folder).await;
    let appended = log.append(TaskStarted::new("t")).await.unwrap();
    assert_eq!(other.newest().await.unwrap(), appended.last(), "another process has it at once");

    let fact = |id: &str, title: &str| -> NewEvent {
        let mut event = TaskCreated::new(id).title(title).into_event().unwrap();
        event.id = factlog::EventId::foreign("d", "", id);
        event
    };
    log.append(fact("taken", "first")).await.unwrap();
    let batches = || -> Vec<Batch> {
        let facts = [fact("a", "x"), fact("taken", "another"), fact("b", "x")];
        facts.map(|fact| Batch::new(vec![fact]).unwrap()).into()
    };
    for round in 0..3 {
        let outcomes = log.append_each(batches()).await;
        assert_eq!(outcomes[1].as_ref().unwrap_err().kind(), ErrorKind::Conflict, "it is named, alone");
        for good in [0, 2] {
            assert_eq!(
                outcomes[good].as_ref().unwrap().repeated,
                round > 0,
                "tried again, it is the same event"
            );
        }
    }
    // The process ends without a word: nothing was waiting to be written.
    drop(log);
    let streams = streams(other.read(Filter::all())).await;
    assert_eq!(streams, ["task-t", "task-taken", "task-a", "task-b"]);
    other.close().await.unwrap();
}

/// Story (A14): whom an event was for, what it belonged to and how urgent it was came back inside its data.
#[tokio::test]
async fn a14_the_envelope_comes_back_as_envelope_and_the_data_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let expires: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    let data = json!({"taskId": "t", "target": "what the task aims at"});
    let mut event = NewEvent::new("task-t", "task:assigned", &data).unwrap().with_source("boss").unwrap();
    event.targets = vec![Text::new("a").unwrap(), Text::new("b").unwrap()];
    event.correlation_id = Some(Text::new("job-7").unwrap());
    event.session_id = Some(Text::new("s-1").unwrap());
    (event.priority, event.expires_at) = (Some(Priority::Critical), Some(expires));
    let id = event.id;
    log.append(event).await.unwrap();
    let other: EventLog = open(&folder).await;
    let kept: std::sync::Arc<Event> = other.get(id).await.unwrap().unwrap();
    assert_eq!(kept.data.to::<Value>().unwrap(), data, "nothing was put into it, and nothing taken out");
    let wire: Value = serde_json::from_str(&kept.to_json()).unwrap();
    for (field, value) in [
        ("source", json!("boss")),
        ("targets", json!(["a", "b"])),
        ("correlationId", json!("job-7")),
        ("sessionId", json!("s-1")),
        ("priority", json!("critical")),
        ("expiresAt", json!("2026-11-21T00:00:00.000000Z")),
    ] {
        assert_eq!(wire[field], value, "{field}");
    }
    for (filter, found) in [
        (Filter { targets: vec![Text::new("b").unwrap()], ..Filter::all() }, 1),
        (Filter { targets: vec![Text::new("what the task aims at").unwrap()], ..Filter::all() }, 0),
        (Filter { correlation: vec![Text::new("job-7").unwrap()], ..Filter::all() }, 1),
        (Filter { session: vec![Text::new("s-1").unwrap()], ..Filter::all() }, 1),
    ] {
        assert_eq!(other.read(filter).collect().await.unwrap().len(), found);
    }
    other.close().await.unwrap();
    log.close().await.unwrap();
}
