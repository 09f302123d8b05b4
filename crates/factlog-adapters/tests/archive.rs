//! Events go into files, and come back.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Scene, counts, rejected, sound};
use factlog::{
    Batch, ErrorKind, Event, EventId, EventLog, Filter, Json, MemoryStore, NewEvent, Position, Removal,
    Version,
};
use factlog_adapters::archive::{Archive, Archived, restore};
use factlog_adapters::{Imported, Intake};

fn fact(stream: &str, number: u64) -> NewEvent {
    NewEvent::new(stream, "task:noted", serde_json::json!({ "number": number })).unwrap()
}

/// Six events of three days.
async fn scene() -> Scene {
    let scene = Scene::new();
    let days = ["2026-11-18", "2026-11-18", "2026-11-19", "2026-11-19", "2026-11-19", "2026-11-20"];
    let events = days.iter().zip(1..).map(|(day, position)| Event {
        position: Position(position),
        version: Version(position),
        recorded_at: format!("{day}T10:00:0{position}Z").parse().unwrap(),
        fact: fact("task-1", position),
    });
    scene.log.append(Batch::kept(events.collect()).unwrap()).await.unwrap();
    scene
}

fn through(position: u64) -> Removal {
    Removal { filter: Filter::all(), through: Position(position), archive: None }
}

async fn archived(log: &EventLog, removal: &Removal, folder: &Path) -> Vec<Archived> {
    let mut archive = Archive::new(log, removal, folder).unwrap();
    let mut files = Vec::new();
    while let Some(file) = archive.next_file().await.unwrap() {
        files.push(file);
    }
    files
}

async fn restored(log: &EventLog, path: &Path) -> Imported {
    sound(restore(log, &[path.to_owned()], Intake::telling(&mut |_| {})).await.unwrap())
}

/// All files below a folder, hidden ones too.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_file_has_the_events_of_one_day_and_its_name_tells_which() {
    let scene = scene().await;
    let folder = scene.path().join("archive");
    let files_of = archived(&scene.log, &through(5), &folder).await;
    let names: Vec<_> = files_of.iter().map(|file| (file.path.clone(), file.count)).collect();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    assert_eq!(
        names,
        [
            (path("2026-11-18/0000000001-0000000002.jsonl"), 2),
            (path("2026-11-19/0000000003-0000000005.jsonl"), 3)
        ]
    );
    let exported: String = scene.events().await[2..5].iter().map(|event| event.to_json() + "\n").collect();
    assert_eq!(fs::read_to_string(&files_of[1].path).unwrap(), exported);
    assert_eq!(files_of[1].bytes, exported.len() as u64);
    assert_eq!(files(&folder).len(), 2, "nothing else is left");
    assert!(archived(&scene.log, &through(0), &scene.path().join("none")).await.is_empty());
    assert!(!scene.path().join("none").exists(), "no folder where there is nothing to write");
}

/// Story: an archiving that was interrupted after its file and before its removal was run again.
#[tokio::test]
async fn a_file_that_is_there_serves_when_it_has_the_same_and_is_never_written_over() {
    let scene = scene().await;
    let folder = scene.path().join("archive");
    let first = archived(&scene.log, &through(2), &folder).await;
    assert_eq!(archived(&scene.log, &through(2), &folder).await, first);
    assert_eq!(files(&folder).len(), 1);
    fs::write(&first[0].path, "what a person put here\n").unwrap();
    let second = archived(&scene.log, &through(2), &folder).await;
    assert!(second[0].path.ends_with("0000000001-0000000002-2.jsonl"), "{second:?}");
    assert_eq!(fs::read_to_string(&first[0].path).unwrap(), "what a person put here\n");
    assert_eq!(restored(&scene.log, Path::new(&second[0].path)).await.duplicates, 2);
}

/// Story: a folder where nothing can be written cost the events that were to be archived there.
#[cfg(unix)]
#[tokio::test]
async fn where_no_file_can_be_written_nothing_is_left_and_it_is_said() {
    let scene = scene().await;
    let in_the_way = scene.write("archive", "a file");
    let mut archive = Archive::new(&scene.log, &through(5), &in_the_way).unwrap();
    let error = archive.next_file().await.unwrap_err();
    assert!(error.to_string().contains("archive/2026-11-18"), "{error}");
    assert!(error.hint().unwrap().contains("nothing of this file was removed"));
    assert_eq!(fs::read_to_string(in_the_way).unwrap(), "a file");
}

#[tokio::test]
async fn a_log_that_cannot_be_read_leaves_no_half_file() {
    let scene = scene().await;
    let folder = scene.path().join("archive");
    let mut archive = Archive::new(&scene.log, &through(6), &folder).unwrap();
    archive.next_file().await.unwrap().unwrap();
    let mut late = Archive::new(&scene.log, &through(6), &folder).unwrap();
    scene.log.close().await.unwrap();
    assert_eq!(late.next_file().await.unwrap_err().kind(), ErrorKind::Stopped);
    assert_eq!(files(&folder).len(), 1);
}

#[tokio::test]
async fn what_was_archived_and_removed_comes_back_with_all_it_says() {
    let scene = Scene::new();
    let happened = "2020-01-01T00:00:00Z".parse().unwrap();
    let first = fact("task-1", 1).with_source("agent-7").unwrap().with_tag("ci").unwrap();
    let mut second = fact("task-1", 2).with_occurred_at(happened).with_causation(first.id);
    second.metadata = Some(Json::parse(r#"{"host":"ci-3"}"#).unwrap());
    scene.log.append(vec![first.clone(), second.clone()]).await.unwrap();
    let before = scene.events().await;
    let folder = scene.path().join("archive");
    let file = archived(&scene.log, &through(2), &folder).await.remove(0);
    let removal = Removal { archive: Some(file.path.clone()), ..through(2) };
    assert_eq!(scene.log.remove(&removal).await.unwrap().count, file.count);

    assert_eq!(counts(&restored(&scene.log, &folder).await), (2, 2, 0, 0));
    let after = scene.events().await;
    assert_eq!(after.iter().map(|event| event.position.0).collect::<Vec<_>>(), [3, 4, 5]);
    let [_, one, two] = &after[..] else { panic!("{after:?}") };
    assert_eq!((one.version, two.version), (Version(3), Version(4)), "the stream goes on");
    assert_eq!(one.time(), before[0].recorded_at, "its time for people stays");
    let recorded = before[0].recorded_at;
    assert_eq!(
        one.metadata.as_ref().unwrap().as_str(),
        format!(r#"{{"archived":{{"position":1,"version":1,"recordedAt":"{recorded}"}}}}"#)
    );
    assert!(
        two.metadata.as_ref().unwrap().as_str().starts_with(r#"{"host":"ci-3","archived":{"position":2,"#)
    );
    assert_eq!(two.occurred_at, Some(happened));
    let but_the_note = |event: &Event| NewEvent { metadata: None, occurred_at: None, ..event.fact.clone() };
    assert_eq!(but_the_note(one), NewEvent { metadata: None, occurred_at: None, ..first });
    assert_eq!(but_the_note(two), NewEvent { metadata: None, occurred_at: None, ..second });

    assert_eq!(counts(&restored(&scene.log, &folder).await), (2, 0, 2, 0), "twice is once");
    // What comes back, goes and comes back again still says where it was first.
    let again = archived(&scene.log, &through(5), &scene.path().join("again")).await;
    scene.log.remove(&through(5)).await.unwrap();
    restored(&scene.log, Path::new(&again[0].path)).await;
    let last = scene.log.get(one.id).await.unwrap().unwrap();
    assert_eq!((last.metadata.clone(), last.occurred_at), (one.metadata.clone(), one.occurred_at));
}

/// The note of where an event was had no room in metadata that was full, and the event would not come back.
#[tokio::test]
async fn an_event_with_full_metadata_comes_back_without_the_note() {
    let scene = Scene::new();
    let most = factlog::limits::METADATA_BYTES_MAX;
    let mut full = fact("task-1", 1);
    let metadata = format!(r#"{{"a":"{}"}}"#, "x".repeat(most - r#"{"a":""}"#.len()));
    full.metadata = Some(Json::parse(&metadata).unwrap());
    scene.log.append(full).await.unwrap();
    archived(&scene.log, &through(1), scene.path()).await;
    scene.log.remove(&through(1)).await.unwrap();
    assert_eq!(counts(&restored(&scene.log, scene.path()).await), (1, 1, 0, 0));
    assert_eq!(scene.events().await[1].metadata.as_ref().unwrap().as_str(), metadata);
}

#[tokio::test]
async fn lines_that_are_no_archived_events_are_named_and_the_rest_comes_back() {
    let scene = Scene::new();
    let id = EventId::generate();
    let whole = format!(
        r#"{{"position":7,"id":"{id}","stream":"task-1","version":2,"type":"x","recordedAt":"2026-11-20T10:00:00Z","data":{{}}}}"#
    );
    let said = whole.replace("task-1", "log-retention").replace("\"x\"", "\"log:removed\"");
    let file =
        scene.write("a.jsonl", format!("{{\"stream\":\"a-1\",\"type\":\"x\"}}\n{said}\n{whole}\nnonsense\n"));
    let log = EventLog::new(MemoryStore::new());
    let imported = restored(&log, &file).await;
    assert_eq!(counts(&imported), (4, 1, 0, 1));
    let bad = rejected(&imported);
    assert_eq!((bad[0].1, bad[1].1), (1, 4));
    assert!(bad[0].2.contains("not an archived event"), "{bad:?}");
    assert_eq!(log.newest().await.unwrap(), Position(1));
}
