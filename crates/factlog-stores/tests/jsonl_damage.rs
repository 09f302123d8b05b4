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

/// Three segments of two events each.
fn three_segments() -> Scene {
    let scene = Scene::new(&[1, 1]);
    for (number, first) in [(2, 3), (3, 5)] {
        let lines: Vec<u8> =
            (first..first + 2).flat_map(|at| lines_of(vec![event(at)], false).unwrap()).collect();
        scene.put(&format!("2026-11-20/00000{number}.jsonl"), &lines);
    }
    scene
}

async fn problems(store: &JsonlStore) -> Vec<String> {
    store.check().await.unwrap().problems
}

/// Story: of two damaged lines the check named one, counted the events up to it and called that the log; and in a log of
/// several files it named the last line of the last file, which was whole.
#[tokio::test]
async fn a_check_names_each_damaged_line_and_no_other() {
    let scene = three_segments();
    for number in [1, 2] {
        let path = scene.path(&format!("2026-11-20/00000{number}.jsonl"));
        let changed = fs::read_to_string(&path).unwrap().replacen("task:noted", "task:moted", 1);
        fs::write(&path, changed).unwrap();
    }
    let store = scene.open(Open::Inspect);
    let report = store.check().await.unwrap();
    let damaged = |number: u32| {
        let place = format!("00000{number}.jsonl:1: the line is not what was written");
        report.problems.iter().filter(|problem| problem.ends_with(&place)).count()
    };
    assert_eq!((damaged(1), damaged(2), damaged(3)), (1, 1, 0), "{:?}", report.problems);
    assert_eq!((report.events, report.head), (4, Position(6)));
}

/// Story: one letter of a snapshot was changed, and all that the check said was an error.
#[tokio::test]
async fn a_check_goes_on_behind_a_damaged_snapshot() {
    let scene = Scene::new(&[2]);
    let store = scene.open(Open::Existing);
    let snapshot = Snapshot::new("a", Position(1), Json::parse(r#"{"sum":1}"#).unwrap());
    store.snapshots().save(snapshot, None, Keep::Newest).await.unwrap();
    let folder = scene.path(&format!("snapshots/{}.d", factlog::file_name("a")));
    let path = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("sum", "sun")).unwrap();
    let report = store.check().await.unwrap();
    assert_eq!(report.events, 2);
    assert!(report.problems[0].contains("the snapshot is not what was written"), "{:?}", report.problems);
}

/// Story: an index of another log, or an empty one, was passed over without a word; so was a `head.json` of nonsense.
#[tokio::test]
async fn what_is_not_believed_is_said() {
    let scene = Scene::new(&[2]);
    drop(scene.open(Open::Existing));
    fs::create_dir_all(scene.path("indexes/0")).unwrap();
    fs::write(scene.path("indexes/0/0000000000000000-0000000000000002.run"), "no index").unwrap();
    fs::write(scene.path("head.json"), "{}").unwrap();
    let report = scene.open(Open::Inspect).check().await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    let is_said = |name: &str| report.warnings.iter().any(|warning| warning.contains(name));
    assert!(is_said(".run") && is_said("head.json"), "{:?}", report.warnings);
}

/// Story: somebody moved old days into the log's own folder. Each segment was kept aside as itself, and then written anew
/// without its events, which were nowhere any more.
#[tokio::test]
async fn an_archive_is_no_log() {
    let scene = three_segments();
    let store = scene.open(Open::Existing);
    let removal = factlog::Removal {
        filter: Filter {
            recorded: factlog::TimeRange { to: Some("2026-11-21T00:00:00Z".parse().unwrap()), from: None },
            ..Filter::all()
        },
        through: Position(6),
        archive: Some(scene.path("").display().to_string()),
    };
    let refused = store.archive(&removal).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert_eq!(store.check().await.unwrap().events, 6);
    assert_eq!(problems(&store).await, Vec::<String>::new());
}

/// Story: a writer was stopped by its debugger, and nobody could as much as look at the log.
#[tokio::test]
async fn a_log_that_is_locked_can_be_read() {
    let scene = Scene::new(&[2]);
    drop(scene.open(Open::Existing));
    let held = fs::File::open(scene.path("head.json")).unwrap();
    held.lock().unwrap();
    let options = JsonlOptions {
        lock_wait: std::time::Duration::from_millis(500),
        ..JsonlOptions::new(scene.path(""))
    };
    let store = JsonlStore::open(&options, Open::Existing).unwrap();
    assert_eq!(
        store.read(&factlog::Read::after(Filter::all(), Position::START)).await.unwrap().events.len(),
        2
    );
    let batch = || factlog::Batch::new(vec![NewEvent::new("task-1", "task:noted", ()).unwrap()]).unwrap();
    let refused = store.append(vec![batch()]).await.remove(0).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    held.unlock().unwrap();
    assert_eq!(store.append(vec![batch()]).await.remove(0).unwrap().last(), Position(3));
}

/// Story: a bit had changed in an old segment, whose events behind it were still found by the indexes. The repair took those
/// away first, and told others that the log ended at the damage; after the segment was put back, it stayed damaged.
#[tokio::test]
async fn a_repair_changes_nothing_where_lines_are_damaged() {
    let scene = three_segments();
    let tuning = factlog_stores::Tuning { index_events: 2, ..JsonlOptions::new("").tuning };
    let options = JsonlOptions { tuning, ..JsonlOptions::new(scene.path("")) };
    let store = JsonlStore::open(&options, Open::Existing).unwrap();
    let batch = factlog::Batch::new(vec![NewEvent::new("task-1", "task:noted", ()).unwrap()]).unwrap();
    store.append(vec![batch]).await.remove(0).unwrap();
    store.close().await.unwrap();
    let (path, head) = (scene.path("2026-11-20/000001.jsonl"), scene.path("head.json"));
    let (whole, head_was) = (fs::read_to_string(&path).unwrap(), fs::read(&head).unwrap());
    fs::write(&path, whole.replacen("task:noted", "task:moted", 1)).unwrap();

    let store = JsonlStore::open(&options, Open::Existing).unwrap();
    let refused = store.repair().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    let behind = store.read(&factlog::Read::after(Filter::all(), Position(2))).await.unwrap();
    assert_eq!(behind.events.len(), 5, "what is whole is still found");
    store.close().await.unwrap();
    assert_eq!(fs::read(&head).unwrap(), head_was);

    fs::write(&path, whole).unwrap();
    let store = JsonlStore::open(&options, Open::Existing).unwrap();
    assert_eq!(problems(&store).await, Vec::<String>::new());
}

/// Story: after a removal, or when somebody had deleted the indexes, all events of a log were in memory at once until each
/// had an index again.
#[tokio::test]
async fn a_log_that_has_lost_its_indexes_has_them_again_when_it_is_open() {
    const EVENTS: u64 = 100;
    let scene = Scene::new(&[1; EVENTS as usize]);
    let tuning =
        factlog_stores::Tuning { index_events: 4, background: false, ..JsonlOptions::new("").tuning };
    let options = JsonlOptions { tuning, ..JsonlOptions::new(scene.path("")) };
    let store = JsonlStore::open(&options, Open::Existing).unwrap();
    assert_eq!(fs::read_dir(scene.path("indexes/0")).unwrap().count() as u64, EVENTS / 4);
    let found =
        store.read(&factlog::Read::after(Filter::stream("task-1".parse().unwrap()), Position(90))).await;
    assert_eq!(found.unwrap().events.len(), 10);
    assert_eq!(problems(&store).await, Vec::<String>::new());
}
