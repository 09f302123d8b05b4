//! Damage to a plain-text log that fuzzing found to be met in the wrong way.
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use factlog::{ErrorKind, Event, Filter, Json, Keep, NewEvent, Position, Snapshot, Store, Version};
use factlog_stores::fuzzing::lines_of;
use factlog_stores::{JsonlOptions, JsonlStore, Open};

/// A log of one segment with events, as its files stand.
struct Scene(tempfile::TempDir);

impl Scene {
    /// Batches of so many events each.
    fn new(batches: &[u64]) -> Self {
        let scene = Self(tempfile::tempdir().unwrap());
        drop(scene.open(Open::Create));
        let mut lines = Vec::new();
        let mut first = 1;
        for count in batches {
            lines.extend(lines_of((first..first + count).map(event).collect(), false).unwrap());
            first += count;
        }
        scene.put("2026-11-20/000001.jsonl", &lines);
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("log").join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    fn open(&self, open: Open) -> JsonlStore {
        JsonlStore::open(&JsonlOptions::new(self.path("")), open).unwrap()
    }
}

fn event(position: u64) -> Event {
    Event {
        position: Position(position),
        version: Version(position),
        recorded_at: "2026-11-20T09:00:00Z".parse().unwrap(),
        fact: NewEvent::new("task-1", "task:noted", serde_json::json!({})).unwrap(),
    }
}

fn without_last_line(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let end = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    bytes[..=end].to_vec()
}

/// Story: a segment before the last one had lost the last line of a batch, and the lines of that batch which were left were cut
/// off as if a write had just been interrupted, although all of the segment had been synced.
#[tokio::test]
async fn half_a_batch_in_a_segment_that_was_ended_is_damage_and_stays_as_it_is() {
    let scene = Scene::new(&[3, 2]);
    let path = scene.path("2026-11-20/000001.jsonl");
    let left = without_last_line(&path);
    fs::write(&path, &left).unwrap();
    scene.put("2026-11-20/000002.jsonl", &lines_of(vec![event(6)], false).unwrap());

    let store = scene.open(Open::Existing);

    assert_eq!(fs::read(&path).unwrap(), left, "what was synced is not cut");
    let first = store.read(&factlog::Read::after(Filter::all(), Position::START)).await.unwrap();
    assert_eq!((first.events.len(), first.more), (3, true));
    let damage = store.read(&factlog::Read::after(Filter::all(), Position(3))).await.unwrap_err();
    assert_eq!(damage.kind(), ErrorKind::Corrupt);
    assert!(damage.place().unwrap().ends_with("000001.jsonl:4"), "{damage}");
}

/// Story: the note of a removal has no checksum, and one that said position 0 ended the program that opened the log.
#[tokio::test]
async fn a_removal_that_was_begun_at_position_0_was_never_said() {
    let scene = Scene::new(&[3]);
    scene.put(
        "removals.json",
        br#"{"rewrites":1,"begun":{"position":0,"id":"019a9e5e-0000-7000-8000-000000000004"}}"#,
    );
    let store = scene.open(Open::Existing);
    assert_eq!(store.check().await.unwrap().events, 3);
}

/// Story: the greatest number in `revision` had none after it, which ended the thread that writes, and so the log.
#[tokio::test]
async fn a_number_of_saves_that_cannot_be_is_said_and_the_log_goes_on() {
    let scene = Scene::new(&[1]);
    let folder = format!("snapshots/{}.d", factlog::file_name("a"));
    scene.put(&format!("{folder}/revision"), u64::MAX.to_string().as_bytes());
    let store = scene.open(Open::Existing);
    let snapshot = Snapshot::new("a", Position(1), Json::empty_object());
    let refused = store.snapshots().save(snapshot, None, Keep::Newest).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(store.health().await.healthy);
}
