//! `?stream_files=on`: origin C's layout beside the log, for people, and always what the log says.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use factlog::{
    Batch, Event, EventLog, Filter, Json, NewEvent, Position, Removal, Store, Timestamp, Version, file_name,
};
use factlog_stores::{JsonlOptions, JsonlStore, Open};

struct Scene(tempfile::TempDir);

impl Scene {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("log")
    }

    fn open(&self, stream_files: Option<bool>) -> EventLog {
        let options = JsonlOptions { stream_files, ..JsonlOptions::new(self.path()) };
        EventLog::new(JsonlStore::open(&options, Open::Create).unwrap())
    }

    /// A process that writes some events and ends.
    async fn write(&self, stream_files: Option<bool>, events: Vec<Event>) {
        let store = JsonlOptions { stream_files, ..JsonlOptions::new(self.path()) };
        let store = JsonlStore::open(&store, Open::Create).unwrap();
        for event in events {
            store.append(vec![Batch::kept(vec![event]).unwrap()]).await.remove(0).unwrap();
        }
        store.close().await.unwrap();
    }

    /// What the files say; the log itself says the same, and finds nothing wrong.
    async fn read(&self) -> BTreeMap<String, String> {
        let log = self.open(None);
        assert_eq!(log.check().await.unwrap().problems, Vec::<String>::new());
        let mut due: BTreeMap<String, String> = BTreeMap::new();
        for event in log.read(Filter::all()).collect().await.unwrap() {
            let day = &event.recorded_at.to_string()[..10];
            let name = format!("{day}/streams/{}.jsonl", file_name(&event.stream));
            due.entry(name).or_default().push_str(&(event.to_json() + "\n"));
        }
        log.close().await.unwrap();
        let found = files(&self.path());
        assert_eq!(found, due);
        found
    }
}

/// The files of streams, by their names in the log's folder.
fn files(log: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for day in fs::read_dir(log).unwrap().map(|day| day.unwrap().path()) {
        for file in fs::read_dir(day.join("streams")).into_iter().flatten() {
            let path = file.unwrap().path();
            let name = path.strip_prefix(log).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read_to_string(path).unwrap());
        }
    }
    found
}

fn event(position: u64, (stream, version): (&str, u64), recorded_at: &str) -> Event {
    let fact = NewEvent::new(stream, "task:noted", Json::parse(r#"{"n":1.50}"#).unwrap()).unwrap();
    let recorded_at: Timestamp = recorded_at.parse().unwrap();
    Event { position: Position(position), version: Version(version), recorded_at, fact }
}

/// Four events of two streams on two days.
fn two_days() -> Vec<Event> {
    vec![
        event(1, ("task-1", 1), "2026-11-19T09:00:00Z"),
        event(2, ("Task-1", 1), "2026-11-19T10:00:00Z"),
        event(3, ("task-1", 2), "2026-11-19T11:00:00Z"),
        event(4, ("task-1", 3), "2026-11-20T09:00:00Z"),
    ]
}

#[tokio::test]
async fn each_stream_has_a_file_a_day_whoever_writes_the_log() {
    let scene = Scene::new();
    let mut events = two_days();
    let last = events.split_off(3);
    scene.write(None, events).await;
    assert!(files(&scene.path()).is_empty(), "nobody has asked for them");
    scene.write(Some(true), Vec::new()).await;
    assert_eq!(scene.read().await.len(), 2, "what was there is written too");
    // Who has not asked for them keeps them as well.
    scene.write(None, last).await;
    let found = scene.read().await;
    let names: Vec<_> = found.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "2026-11-19/streams/task-1+8.jsonl",
            "2026-11-19/streams/task-1.jsonl",
            "2026-11-20/streams/task-1.jsonl"
        ]
    );
    assert_eq!(found["2026-11-19/streams/task-1.jsonl"].lines().count(), 2);
    scene.write(Some(false), Vec::new()).await;
    assert!(files(&scene.path()).is_empty(), "they go when they are wanted no more");
}

/// Story: somebody reads a stream's file in which an event was, that the log has promised to be rid of.
#[tokio::test]
async fn what_is_removed_from_the_log_is_in_no_file() {
    let scene = Scene::new();
    scene.write(Some(true), two_days()).await;
    let log = scene.open(None);
    let removal =
        Removal { filter: Filter::stream("Task-1".parse().unwrap()), through: Position(4), archive: None };
    assert_eq!(log.remove(&removal).await.unwrap().count, 1);
    log.close().await.unwrap();
    assert!(!scene.read().await.contains_key("2026-11-19/streams/task-1+8.jsonl"));
}

/// Story: a process was killed in the middle of writing them. The next one wrote its events behind half a line.
#[tokio::test]
async fn half_a_line_that_a_killed_process_left_is_written_anew() {
    let scene = Scene::new();
    scene.write(Some(true), two_days()).await;
    let note = scene.path().join("streams.json");
    let body = fs::read_to_string(&note).unwrap();
    let body = body.split(",\"crc\"").next().unwrap().replace("\"writing\":false", "\"writing\":true");
    fs::write(&note, format!("{body},\"crc\":\"{:08x}\"}}\n", crc32fast::hash(body.as_bytes()))).unwrap();
    let file = scene.path().join("2026-11-20/streams/task-1.jsonl");
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{whole}{}", &whole[..whole.len() / 2])).unwrap();
    scene.write(None, vec![event(5, ("task-1", 4), "2026-11-20T10:00:00Z")]).await;
    scene.read().await;
}

#[tokio::test]
async fn a_file_that_somebody_has_changed_is_told_and_repaired() {
    let scene = Scene::new();
    scene.write(Some(true), two_days()).await;
    let file = scene.path().join("2026-11-19/streams/task-1.jsonl");
    let changed = fs::read_to_string(&file).unwrap().replace("1.50", "1.60");
    fs::write(&file, changed).unwrap();
    let other = scene.path().join("2026-11-20/streams/task-1.jsonl");
    fs::write(&other, fs::read_to_string(&other).unwrap() + "{}\n").unwrap();
    fs::write(scene.path().join("2026-11-19/streams/mine.jsonl"), "").unwrap();
    let log = scene.open(None);
    let problems = log.check().await.unwrap().problems;
    let is_told = |name: &str| problems.iter().any(|problem| problem.contains(name));
    let names = ["19/streams/mine.jsonl", "19/streams/task-1.jsonl", "20/streams/task-1.jsonl"];
    assert!(problems.len() == 3 && names.iter().all(|name| is_told(name)), "{problems:?}");
    log.repair().await.unwrap();
    log.close().await.unwrap();
    scene.read().await;
}
