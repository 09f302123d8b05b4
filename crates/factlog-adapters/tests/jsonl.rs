//! JSON lines come in as they went out.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Scene, counts, rejected, sound};
use factlog::{EventId, EventLog, Filter, MemoryStore, NewEvent, Position, Removal};
use factlog_adapters::{Intake, jsonl};

/// The lines that an export writes.
async fn exported(log: &EventLog) -> String {
    let events = log.read(Filter::all()).collect().await.unwrap();
    events.iter().map(|event| event.to_json() + "\n").collect()
}

async fn import(log: &EventLog, lines: &str) -> factlog_adapters::Imported {
    sound(jsonl::import_reader(log, "stdin", lines.as_bytes(), Intake::telling(&mut |_| {})).await.unwrap())
}

/// Story: a log was exported, imported elsewhere, and its causes pointed nowhere.
#[tokio::test]
async fn an_export_comes_back_with_its_ids_and_a_second_import_changes_nothing() {
    let scene = Scene::new();
    let first = NewEvent::new("task-1", "task:created", serde_json::json!({"a": 1.0})).unwrap();
    let mut second = NewEvent::new("task-2", "task:created", serde_json::json!({})).unwrap();
    second.adopt_id("their-id-7").unwrap();
    let second = second.with_causation(first.id).with_tag("ci").unwrap().with_target("agent-1").unwrap();
    scene.log.append(vec![first, second]).await.unwrap();
    let lines = exported(&scene.log).await;

    let copy = EventLog::new(MemoryStore::new());
    assert_eq!(counts(&import(&copy, &lines).await), (2, 2, 0, 0));
    let facts = |events: Vec<std::sync::Arc<factlog::Event>>| -> Vec<NewEvent> {
        events.into_iter().map(|event| event.fact.clone()).collect()
    };
    let copied = copy.read(Filter::all()).collect().await.unwrap();
    assert_eq!(facts(copied), facts(scene.events().await));
    assert_eq!(counts(&import(&copy, &lines).await), (2, 0, 2, 0));
}

/// Story: lines written by hand, without ids, doubled with each import.
#[tokio::test]
async fn a_line_without_an_id_is_the_same_event_each_time() {
    let log = EventLog::new(MemoryStore::new());
    let line = r#"{"stream":"task-1","type":"task:created","data":{"a":1}}"#;
    let null = r#"{"id":null,"stream":"task-1","type":"task:created"}"#;
    assert_eq!(counts(&import(&log, &format!("{line}\n{line}\n{null}\n")).await), (3, 2, 1, 0));
    assert_eq!(counts(&import(&log, &format!("  {line}  \r\n{null}")).await), (2, 0, 2, 0));
    assert!(log.get(EventId::foreign("jsonl", "task-1", line)).await.unwrap().is_some());
}

/// Story: two people exported, edited and imported the same task, and the second overwrote what he had not seen.
#[tokio::test]
async fn a_line_with_an_expectation_is_refused_where_it_does_not_hold() {
    let log = EventLog::new(MemoryStore::new());
    let created = r#"{"stream":"task-1","type":"task:created","expect":"none"}"#;
    let stale = r#"{"stream":"task-1","type":"task:closed","data":{"by":"ada"},"expect":3}"#;
    let next = r#"{"stream":"task-1","type":"task:closed","data":{"by":"bob"},"expect":1}"#;
    let imported = import(&log, &[created, stale, next].join("\n")).await;
    assert_eq!((imported.appended, imported.streams), (2, 1));
    let bad = rejected(&imported);
    assert_eq!((bad[0].0.as_str(), bad[0].1), ("stdin", 2));
    assert!(bad[0].2.contains("version"), "{bad:?}");
}

/// Story: the first of two lines with one id was refused, and the second was counted as its duplicate: lost.
#[tokio::test]
async fn a_repeat_of_a_refused_line_is_judged_by_itself() {
    let log = EventLog::new(MemoryStore::new());
    let id = EventId::generate();
    let refused = format!(r#"{{"id":"{id}","stream":"task-1","type":"task:created","expect":"exists"}}"#);
    let good = format!(r#"{{"id":"{id}","stream":"task-1","type":"task:created"}}"#);
    let imported = import(&log, &[&*refused, &*good, &*good].join("\n")).await;
    assert_eq!((counts(&imported), imported.rejected.len()), ((3, 1, 1, 0), 1));
}

/// Story: the copy of a log with removals believed that its own events up to the same positions were gone.
#[tokio::test]
async fn what_a_log_says_about_its_own_removals_is_left_out() {
    let scene = Scene::new();
    for number in 1..=2 {
        let stream = format!("task-{number}");
        scene.log.append(NewEvent::new(&stream, "task:created", number).unwrap()).await.unwrap();
    }
    let filter = Filter::stream("task-1".parse().unwrap());
    scene.log.remove(&Removal { filter, through: Position(2), archive: None }).await.unwrap();
    let copy = EventLog::new(MemoryStore::new());
    assert_eq!(counts(&import(&copy, &exported(&scene.log).await).await), (2, 1, 0, 1));
    assert_eq!(copy.removals().await.unwrap(), []);
}

/// Story: the log was closed under an import, and each of its lines was called bad.
#[tokio::test]
async fn a_log_that_takes_nothing_ends_the_import_with_its_error() {
    let log = EventLog::new(MemoryStore::new());
    log.close().await.unwrap();
    let line = r#"{"stream":"task-1","type":"task:created"}"#;
    let error =
        jsonl::import_reader(&log, "stdin", line.as_bytes(), Intake::telling(&mut |_| {})).await.unwrap_err();
    assert_eq!(error.kind(), factlog::ErrorKind::Stopped);
}

/// Story: an import could not be given a task of its own.
#[tokio::test]
async fn an_import_may_run_on_another_thread() {
    let scene = Scene::new();
    scene.write("a.jsonl", r#"{"stream":"task-1","type":"task:created"}"#);
    let (log, paths) = (scene.log.clone(), [scene.path().to_owned()]);
    let task = tokio::spawn(async move { jsonl::import(&log, &paths, Intake::telling(&mut |_| {})).await });
    assert_eq!(task.await.unwrap().unwrap().appended, 1);
}
