//! A plain-text log as released: the folder `golden/jsonl-format-1`, and what is in it, `golden/jsonl-format-1.jsonl`.
//! Later versions must read it so.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use factlog::{EventLog, Filter, Keep, NewEvent, Position, Removal, Snapshot};
use factlog_stores::{JsonlOptions, JsonlStore, Open};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/jsonl-format-1");
const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/jsonl-format-1.jsonl");

fn open(path: &Path, open: Open) -> EventLog {
    let mut options = JsonlOptions::new(path);
    // Few events have an index file too.
    options.tuning.index_events = 2;
    EventLog::new(JsonlStore::open(&options, open).unwrap())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test]
async fn a_plain_text_log_of_format_1_is_read_as_it_was_written() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("log");
    copy(Path::new(FOLDER), &path);
    let log = open(&path, Open::Existing);
    let report = log.check().await.unwrap();
    assert_eq!((report.problems, report.removed), (Vec::new(), 1));
    let events = log.read(Filter::all()).collect().await.unwrap();
    let lines: String = events.iter().map(|event| event.to_json() + "\n").collect();
    assert_eq!(lines, fs::read_to_string(EVENTS).unwrap().replace("\r\n", "\n"));
    let snapshot = log.snapshots().load("state", Position::MAX).await.unwrap().unwrap();
    assert_eq!(
        (snapshot.position, snapshot.revision.0, snapshot.data.as_str()),
        (Position(3), 2, r#"{"n":2.0}"#)
    );
    assert_eq!(log.removals().await.unwrap()[0].count, 1);
    // It goes on where it stopped.
    let appended = log.append(NewEvent::new("task-1", "task:noted", 9).unwrap()).await.unwrap();
    assert_eq!((appended.last(), appended.events[0].version.0), (Position(7), 4));
}

/// Makes the golden folder; it is run by hand, once per released format:
/// `FACTLOG_MAKE_GOLDEN=1 cargo test -p factlog-stores --test golden_jsonl_format_1`.
#[tokio::test]
async fn the_golden_folder_can_be_made_again_with_the_same_events() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("log");
    let log = open(&path, Open::Create);
    let full = include_str!("golden/full-event.json").parse::<factlog::EventLine>().unwrap().event;
    let fact = |data: &str| {
        let event = NewEvent::new("task-1", "task:noted", ()).unwrap();
        NewEvent { data: factlog::Json::parse(data).unwrap(), ..event }
    };
    log.append(fact("1.50")).await.unwrap();
    log.append([fact(r#"{"b":"\u00e9 é","a":[]}"#), full]).await.unwrap();
    for data in ["{\"n\":1}", "{\"n\":2.0}"] {
        let data = factlog::Json::parse(data).unwrap();
        log.snapshots().save(Snapshot::new("state", Position(3), data), None, Keep::History).await.unwrap();
    }
    log.append(fact("null")).await.unwrap();
    let first = Removal { filter: Filter::all(), through: Position(1), archive: Some("none".into()) };
    log.remove(&first).await.unwrap();
    log.append(NewEvent::new("agent-1", "agent:spawned", serde_json::json!({})).unwrap()).await.unwrap();
    let events = log.read(Filter::all()).collect().await.unwrap();
    assert_eq!(events.iter().map(|event| event.position.0).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    log.close().await.unwrap();
    if std::env::var_os("FACTLOG_MAKE_GOLDEN").is_some() {
        let lines: String = events.iter().map(|event| event.to_json() + "\n").collect();
        copy(&path, Path::new(FOLDER));
        fs::write(EVENTS, lines).unwrap();
    }
}
