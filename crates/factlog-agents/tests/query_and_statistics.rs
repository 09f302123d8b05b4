//! Questions and numbers over all kinds of events, by the defects of the origins' own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{data, sqlite, time};
use factlog::{ErrorKind, EventLog, Filter, MemoryStore, NewEvent, TimeRange};
use factlog_agents::recorder::{Order, Query, Recorder};
use factlog_agents::statistics::{aggregates, statistics};
use factlog_agents::status::status_of;
use factlog_agents::vocabulary::agent_of;
use serde_json::{Value, json};
use tempfile::TempDir;

fn fact(stream: &str, event_type: &str, source: &str, at: &str, data: Value) -> NewEvent {
    NewEvent::new(stream, event_type, data).unwrap().with_source(source).unwrap().with_occurred_at(time(at))
}

/// Events of all kinds, under the names of several origins.
fn facts() -> Vec<NewEvent> {
    let mut assigned = fact("task-2", "task:assigned", "hub", "2026-11-20T23:30:00Z", json!({"taskId": "2"}));
    assigned.targets.push("bob".parse().unwrap());
    let mut login = fact(
        "system-log",
        "system:event",
        "web",
        "2026-11-21T23:10:00Z",
        json!({"eventType": "user_action", "eventName": "login"}),
    );
    login.user_id = Some("user-123".parse().unwrap());
    login.session_id = Some("s-1".parse().unwrap());
    vec![
        fact(
            "task-1",
            "task:started",
            "hub",
            "2026-11-20T23:10:00Z",
            json!({"taskId": "1", "agentId": "ann"}),
        ),
        fact(
            "task-1",
            "TaskCompleted",
            "hub",
            "2026-11-20T23:20:00Z",
            json!({"taskId": "1", "agent_id": "ann", "duration": 100}),
        ),
        assigned,
        fact(
            "task-2",
            "task_error",
            "bob",
            "2026-11-21T01:00:00Z",
            json!({"taskId": "2", "durationMs": 300}),
        ),
        fact(
            "agent-bob",
            "agent:status-changed",
            "hub",
            "2026-11-21T02:00:00Z",
            json!({"newStatus": "busy"}),
        ),
        fact(
            "session-s-1",
            "session:completed",
            "hub",
            "2026-11-21T03:00:00Z",
            json!({"sessionId": "s-1", "result": "failure"}),
        ),
        login,
        fact(
            "build-1",
            "build:done",
            "ci",
            "2026-11-21T23:20:00Z",
            json!({"status": "success", "durationMs": 200, "inner": {"durationMs": 9}}),
        ),
    ]
}

async fn logs() -> (TempDir, Vec<EventLog>) {
    let folder = TempDir::new().unwrap();
    let logs = vec![EventLog::new(MemoryStore::new()), sqlite(&folder.path().join("log.db"))];
    for log in &logs {
        log.append(facts()).await.unwrap();
    }
    (folder, logs)
}

async fn positions(log: &EventLog, query: Query) -> Vec<u64> {
    query.run(log).await.unwrap().iter().map(|event| event.position.0).collect()
}

/// P11: the integration's query saw one table of four, so that it never found a task, an agent or a deployment.
/// A10: of several types or sources only the first was asked for, and the limit came before the rest of the filter.
#[tokio::test]
async fn a10_p11_a_query_is_over_all_kinds_and_several_values_mean_each_of_them() {
    let (_folder, logs) = logs().await;
    for log in &logs {
        for (query, found) in [
            (Query::new(), vec![8, 7, 6, 5, 4, 3, 2, 1]),
            (Query::new().order(Order::OldestFirst).limit(2), vec![1, 2]),
            (Query::new().skip(6), vec![2, 1]),
            (Query::new().event_type("task:started").event_type("build:done"), vec![8, 1]),
            (Query::new().source("ci").source("bob"), vec![8, 4]),
            (Query::new().event_type("task*").source("bob").source("web"), vec![4]),
            (Query::new().event_type("task_execution"), vec![4, 2, 1]),
            (Query::new().event_type("task_execution").status("error").limit(50), vec![4]),
            (Query::new().status("failed"), vec![6, 4]),
            (Query::new().status("failed").skip(1).limit(1), vec![4]),
            (Query::new().status("busy").status("done"), vec![8, 7, 5, 2]),
            (Query::new().agent("ann"), vec![2, 1]),
            (Query::new().agent("bob").order(Order::OldestFirst), vec![3, 4, 5]),
            (Query::new().agent("bob").agent("ann").status("error"), vec![4]),
            (Query::new().user("user-123"), vec![7]),
            (Query::new().session("s-1"), vec![7]),
            (Query::new().event_type("user_action"), vec![7]),
            (Query::new().event_type("login").event_type("TaskCompleted"), vec![7, 2]),
            (Query::new().from(time("2026-11-20T23:20:00Z")).to(time("2026-11-21T01:00:00Z")), vec![3, 2]),
            (Query::new().limit(0), vec![]),
        ] {
            let asked = format!("{query:?}");
            assert_eq!(positions(log, query).await, found, "{asked}");
        }
    }
}

/// P5: order and direction were pasted into SQL: `(SELECT 1 FROM pg_sleep(0.5))` slept. Here an order is one of two, and
/// a text is only ever a text.
#[tokio::test]
async fn p5_nothing_that_is_asked_for_is_ever_a_command() {
    let (_folder, logs) = logs().await;
    let sleep = "(SELECT 1 FROM pg_sleep(0.5)); DROP TABLE events; --\"]";
    for log in &logs {
        for query in [
            Query::new().agent(sleep),
            Query::new().source(sleep),
            Query::new().session(sleep),
            Query::new().event_type("x' OR '1'='1"),
        ] {
            assert!(positions(log, query).await.is_empty());
        }
        let error = Query::new().status(sleep).run(log).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(positions(log, Query::new()).await.len(), 8);
    }
}

/// P4: statistics without a date ended in a syntax error, and the README shows exactly that call.
#[tokio::test]
async fn p4_statistics_are_over_everything_and_need_no_date() {
    let (_folder, logs) = logs().await;
    for log in &logs {
        let all = statistics(log, &Filter::all()).await.unwrap();
        assert_eq!(all.total, 8);
        assert_eq!(
            serde_json::to_value(&all.by_status).unwrap(),
            json!({"in-progress": 1, "completed": 3, "assigned": 1, "failed": 2, "active": 1})
        );
        assert_eq!(
            serde_json::to_value(&all.by_agent).unwrap(),
            json!({"ann": 2, "bob": 3, "hub": 1, "web": 1, "ci": 1})
        );
        assert_eq!(
            serde_json::to_value(&all.by_source).unwrap(),
            json!({"hub": 5, "bob": 1, "web": 1, "ci": 1})
        );
        assert_eq!(serde_json::to_value(&all.by_session).unwrap(), json!({"s-1": 1}));
        assert_eq!((all.by_category["task"], all.by_type["TaskCompleted"]), (4, 1));
        assert_eq!(
            (all.durations.count, all.durations.average_ms, all.durations.p50_ms),
            (3, Some(200.0), Some(200))
        );
        assert_eq!((all.durations.p95_ms, all.durations.max_ms), (Some(300), Some(300)));
        assert_eq!(all.durations_by_type["build:done"].p50_ms, Some(200));
        assert_eq!(all.rates.failure_share, Some(0.4));
        let span = all.time_range.unwrap();
        assert_eq!(
            (span.earliest, span.latest),
            (time("2026-11-20T23:10:00Z"), time("2026-11-21T23:20:00Z"))
        );
        let hours = (span.latest.as_micros() - span.earliest.as_micros()) as f64 / 3.6e9;
        assert!((all.rates.events_per_hour.unwrap() - 8.0 / hours).abs() < 1e-9);
        let wire = serde_json::to_value(&all).unwrap();
        assert_eq!(wire["timeRange"]["earliest"], "2026-11-20T23:10:00.000000Z");
        assert_eq!(wire["durations"]["p99Ms"], 300);
    }
    let nothing = statistics(&EventLog::new(MemoryStore::new()), &Filter::all()).await.unwrap();
    assert_eq!((nothing.total, nothing.time_range, nothing.rates.events_per_second), (0, None, None));
}

/// A12: hours were those of the day, so that two days at 23:00 were one hour; in the zone of whoever looked.
#[tokio::test]
async fn a12_hours_of_different_days_are_different_hours_and_a_period_is_counted_by_itself() {
    let (_folder, logs) = logs().await;
    for log in &logs {
        let all = statistics(log, &Filter::all()).await.unwrap();
        assert_eq!((all.by_hour["2026-11-20T23"], all.by_hour["2026-11-21T23"]), (3, 2));
        assert_eq!((all.by_day["2026-11-20"], all.by_day["2026-11-21"]), (3, 5));
        let time = TimeRange { from: Some(time("2026-11-21T00:00:00Z")), to: None };
        let later = statistics(log, &Filter { time, ..Filter::all() }).await.unwrap();
        assert_eq!((later.total, later.durations.count, later.by_day.len()), (5, 2, 1));
    }
}

/// What is counted without a look at the data must be what the two meanings say of each event, whatever is asked for.
#[tokio::test]
async fn the_parts_that_are_counted_agree_with_the_meaning_of_each_event() {
    let (_folder, logs) = logs().await;
    let filters = [
        "{}",
        r#"{"types":["task:*","TaskCompleted","agent:*"]}"#,
        r#"{"text":"task"}"#,
        r#"{"not":{"text":"agent"}}"#,
        r#"{"not":{"types":["build:done"],"sources":["bob"]}}"#,
        r#"{"types":["session:completed[data.result == \"failure\"]","task:started[data.agentId == \"no\"]"]}"#,
        r#"{"sources":["hub"],"time":{"to":"2026-11-21T02:00:00Z"}}"#,
    ];
    for log in &logs {
        for filter in filters {
            let filter: Filter = serde_json::from_str(filter).unwrap();
            let all = statistics(log, &filter).await.unwrap();
            let (mut statuses, mut agents) =
                (std::collections::BTreeMap::new(), std::collections::BTreeMap::new());
            let events = log.read(filter.clone()).collect().await.unwrap();
            for event in &events {
                *statuses.entry(status_of(event).unwrap_or_default().to_owned()).or_default() += 1;
                *agents.entry(agent_of(event).unwrap_or_default()).or_default() += 1;
            }
            statuses.remove("");
            agents.remove("");
            assert_eq!(
                (all.total, all.by_status, all.by_agent),
                (events.len() as u64, statuses, agents),
                "{filter:?}"
            );
        }
    }
}

/// Each session by a source of its own would be more groups than there may be, were they not counted apart.
#[tokio::test]
async fn statistics_of_many_sources_and_sessions_are_counted_one_by_one() {
    const EACH: usize = 400;
    let log = EventLog::new(MemoryStore::new());
    for source in 0..EACH {
        let said = |session: usize| {
            let mut event =
                NewEvent::new("s-1", "noted", json!({})).unwrap().with_source(&source.to_string()).unwrap();
            event.session_id = Some(session.to_string().parse().unwrap());
            event
        };
        log.append((0..EACH).map(said).collect::<Vec<_>>()).await.unwrap();
    }
    let all = statistics(&log, &Filter::all()).await.unwrap();
    assert_eq!((all.by_source.len(), all.by_session.len(), all.by_session["7"]), (EACH, EACH, EACH as u64));
    assert_eq!((all.total, all.by_agent["7"]), ((EACH * EACH) as u64, EACH as u64));
}

/// Origin D kept its aggregates in the memory of one process.
#[tokio::test]
async fn aggregates_are_of_the_log_with_their_sources_and_a_least_count() {
    let (_folder, logs) = logs().await;
    for log in &logs {
        log.append(fact("task-3", "task:started", "ann", "2026-11-19T00:00:00Z", json!({}))).await.unwrap();
        let all = aggregates(log, &Filter::all(), 0).await.unwrap();
        assert_eq!(all.len(), 8);
        assert_eq!(
            serde_json::to_value(&all[0]).unwrap(),
            json!({"type": "task:started", "count": 2, "firstSeen": "2026-11-19T00:00:00.000000Z",
                "lastSeen": "2026-11-20T23:10:00.000000Z", "sources": ["ann", "hub"]})
        );
        assert_eq!(aggregates(log, &Filter::all(), 2).await.unwrap().len(), 1);
    }
}

/// P8: with another prefix for the tables most indexes were missing. Here each log is a file of its own, and whole.
#[tokio::test]
async fn p8_two_logs_beside_each_other_have_all_that_one_has() {
    let folder = TempDir::new().unwrap();
    for name in ["t1_events.db", "t2_events.db"] {
        let log = sqlite(&folder.path().join(name));
        let recorder = Recorder::builder(log.clone()).build().unwrap();
        recorder
            .log_task(
                json!({"task_id": "1", "task_name": "A", "agent_id": "a", "event_type": "task_execution",
            "event_name": "task_started", "status": "started"}),
            )
            .await
            .unwrap();
        recorder.close().await.unwrap();
        let found = Query::new().event_type("task_execution").agent("a").run(&log).await.unwrap();
        assert_eq!(data(&found[0])["title"], "A");
        assert!(log.check().await.unwrap().problems.is_empty());
    }
}
