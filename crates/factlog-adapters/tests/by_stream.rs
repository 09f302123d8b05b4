//! A log as a tree of files, and back.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};

use common::{Scene, counts, rejected, sound};
use factlog::{Batch, Event, Filter, NewEvent, Position, Version};
use factlog_adapters::by_stream::{self, Export};
use factlog_adapters::detect::{Kind, detect};
use factlog_adapters::{Imported, Intake};
use serde_json::json;

/// Names that are trouble as files.
const AWKWARD: [&str; 9] =
    ["task-1", "Task-1", "task-AUTH-001", "../../up", "con", "nul.txt", "end.", "é-/\\:*?", "task-1.jsonl"];

async fn import(scene: &Scene, path: &Path) -> Imported {
    sound(by_stream::import(&scene.log, &[path.to_owned()], Intake::telling(&mut |_| {})).await.unwrap())
}

/// A log over three days with gaps, in which streams take turns.
async fn filled(count: u64) -> Scene {
    let scene = Scene::new();
    let mut versions = std::collections::HashMap::new();
    for number in 0..count {
        let stream = match number % 13 {
            turn @ 0..=8 => AWKWARD[turn as usize].to_owned(),
            _ => format!("many-{}", number % 200),
        };
        let version: &mut u64 = versions.entry(stream.clone()).or_default();
        *version += 1 + number % 2;
        let event = Event {
            position: Position(number * 2 + 1),
            version: Version(*version),
            recorded_at: format!("2026-11-{:02}T10:00:00Z", 20 + number * 3 / count).parse().unwrap(),
            fact: NewEvent::new(&stream, "task:noted", json!({"number": number})).unwrap(),
        };
        scene.log.append(Batch::kept(vec![event]).unwrap()).await.unwrap();
    }
    scene
}

async fn export(scene: &Scene, folder: &Path) -> u64 {
    let mut export = Export::new(folder).unwrap();
    for event in scene.events().await {
        export.add(&event).unwrap();
    }
    export.finish().unwrap().files
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

async fn texts(scene: &Scene) -> Vec<String> {
    scene.events().await.iter().map(|event| event.to_json()).collect()
}

#[tokio::test]
async fn a_tree_makes_an_empty_log_the_same_again_whatever_streams_are_called() {
    let scene = filled(1_000).await;
    let tree = scene.path().join("tree");
    let count = export(&scene, &tree).await;
    let files = files(&tree);
    assert_eq!(files.len() as u64, count);
    assert!(files.iter().all(|file| file.starts_with(&tree) && file.components().count() == tree.components().count() + 2));
    let lower: std::collections::HashSet<_> =
        files.iter().map(|file| file.to_string_lossy().to_lowercase()).collect();
    assert_eq!(lower.len(), files.len(), "no two names differ by case only");

    let copy = Scene::new();
    assert_eq!(counts(&import(&copy, &tree).await), (1_000, 1_000, 0, 0));
    assert_eq!(texts(&copy).await, texts(&scene).await);
    assert_eq!(counts(&import(&copy, &tree).await), (1_000, 0, 1_000, 0), "twice adds nothing");
}

/// Story (S10 and S3): what a person looks for with grep must be where the name says, each line an event.
#[tokio::test]
async fn a_file_has_the_events_of_one_stream_and_day_one_a_line() {
    let scene = filled(100).await;
    let tree = scene.path().join("tree");
    export(&scene, &tree).await;
    let text = std::fs::read_to_string(tree.join("2026-11-21/task-1.jsonl")).unwrap();
    let expected: Vec<String> = scene
        .log
        .read(Filter { streams: vec!["task-1".parse().unwrap()], ..Filter::all() })
        .collect()
        .await
        .unwrap()
        .iter()
        .filter(|event| event.recorded_at.to_string().starts_with("2026-11-21"))
        .map(|event| event.to_json())
        .collect();
    assert!(expected.len() > 1);
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    assert!(tree.join("2026-11-20/task-auth-001+0f.jsonl").is_file());
}

#[tokio::test]
async fn into_a_log_with_other_events_a_tree_goes_as_new_ones_in_their_order() {
    let scene = filled(300).await;
    let tree = scene.path().join("tree");
    export(&scene, &tree).await;
    let other = Scene::new();
    other.log.append(NewEvent::new("task-1", "task:noted", json!({})).unwrap()).await.unwrap();
    assert_eq!(counts(&import(&other, &tree).await), (300, 300, 0, 0));
    let ids = |events: Vec<std::sync::Arc<Event>>| events.iter().map(|event| event.id).collect::<Vec<_>>();
    let there = other.events().await;
    assert_eq!(there.last().unwrap().position, Position(301));
    assert_eq!(ids(there)[1..], ids(scene.events().await));
}

/// Story: an import that was cut off and run again gave the second half other positions than the first.
#[tokio::test]
async fn the_rest_of_an_import_that_was_cut_off_keeps_its_places_too() {
    let scene = filled(200).await;
    let tree = scene.path().join("tree");
    export(&scene, &tree).await;
    let copy = Scene::new();
    for event in &scene.events().await[..77] {
        copy.log.append(Batch::kept(vec![(**event).clone()]).unwrap()).await.unwrap();
    }
    assert_eq!(counts(&import(&copy, &tree).await), (200, 123, 77, 0));
    assert_eq!(texts(&copy).await, texts(&scene).await);
}

#[tokio::test]
async fn a_line_that_was_broken_by_hand_is_named_with_its_file_and_the_rest_keeps_its_order() {
    let scene = filled(100).await;
    let tree = scene.path().join("tree");
    export(&scene, &tree).await;
    let path = tree.join("2026-11-21/task-1.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("oops\n\n{text}{{\"stream\":\"added-1\",\"type\":\"added\"}}\n")).unwrap();
    let copy = Scene::new();
    let imported = import(&copy, &tree).await;
    assert_eq!(counts(&imported), (102, 101, 0, 0));
    let rejected = rejected(&imported);
    assert_eq!((rejected[0].0.as_str(), rejected[0].1), ("task-1.jsonl", 1));
    let numbers: Vec<i64> = copy
        .events()
        .await
        .iter()
        .filter_map(|event| event.data.to::<serde_json::Value>().unwrap()["number"].as_i64())
        .collect();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_long_line_waits_on_the_disk_and_comes_in_its_turn() {
    let scene = Scene::new();
    for number in 0..20 {
        let text = "x".repeat(if number % 3 == 0 { 100_000 } else { 10 });
        let data = json!({"number": number, "text": text});
        let event = NewEvent::new(&format!("long-{}", number % 4), "long:noted", data).unwrap();
        scene.log.append(event).await.unwrap();
    }
    let tree = scene.path().join("tree");
    export(&scene, &tree).await;
    let copy = Scene::new();
    import(&copy, &tree).await;
    assert_eq!(texts(&copy).await, texts(&scene).await);
}

#[tokio::test]
async fn nothing_is_written_over_and_an_export_that_is_not_finished_leaves_nothing() {
    let scene = filled(10).await;
    let tree = scene.path().join("deep/tree");
    let mut begun = Export::new(&tree).unwrap();
    begun.add(&scene.events().await[0]).unwrap();
    let error = Export::new(&tree).unwrap_err();
    assert!(error.hint().unwrap().contains("cut off"), "{error:?}");
    drop(begun);
    assert!(!tree.exists());
    export(&scene, &tree).await;
    let before = files(&tree);
    let error = Export::new(&tree).unwrap_err();
    assert!(error.to_string().contains("is not empty"), "{error}");
    assert_eq!(files(&tree), before);
    assert!(Export::new(&before[0]).unwrap_err().hint().is_some());
}

#[tokio::test]
async fn a_tree_is_told_by_a_look_from_other_lines() {
    let scene = filled(50).await;
    let tree = scene.path().join("tree");
    let count = export(&scene, &tree).await as usize;
    scene.write("tree/2026-11-20/0000000001-0000000002.jsonl", scene.events().await[0].to_json());
    let detected = detect(&[tree]).unwrap();
    assert_eq!(detected.files[&Kind::ByStream].len(), count);
    assert_eq!(detected.files[&Kind::Jsonl].len(), 1);
}
