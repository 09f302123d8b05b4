//! The defects of ADR-007's projections, snapshots and reconstructions: what each was, and that it is not so here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use factlog::{
    Aggregate, ErrorKind, Event, EventLog, Filter, Fold, Invalid, Json, Keep, Moment, NewEvent, Position,
    Projection, Snapshot, StreamName, Version,
};
use factlog_stores::{Open, SqliteOptions, SqliteStore};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    (folder, path)
}

fn open(path: &Path) -> EventLog {
    EventLog::new(SqliteStore::open(&SqliteOptions::new(path), Open::Create).unwrap())
}

fn name(stream: &str) -> StreamName {
    stream.parse().unwrap()
}

async fn fill(log: &EventLog, stream: &str, count: u64) {
    let noted =
        |number| NewEvent::new(stream, "task:noted", serde_json::json!({ "number": number })).unwrap();
    log.append((0..count).map(noted).collect::<Vec<_>>()).await.unwrap();
}

async fn kept(log: &EventLog, prefix: &str) -> Vec<(String, u64)> {
    let infos = log.snapshots().list(prefix, None).await.unwrap();
    infos.into_iter().map(|info| (info.key, info.position.0)).collect()
}

/// How many events there were, and the last one's number.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Task {
    events: u64,
    last: u64,
}

#[derive(Deserialize)]
struct Noted {
    number: u64,
}

impl Fold for Task {
    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        self.events += 1;
        self.last = event.data.to::<Noted>()?.number;
        Ok(())
    }
}

impl Aggregate for Task {
    const NAME: &'static str = "task";
    const REVISION: u32 = 1;
    const CATEGORY: &'static str = "task";
}

macro_rules! tally {
    ($name:ident) => {
        #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
        struct $name(u64);
        impl Projection for $name {
            const NAME: &'static str = "tally";
            const REVISION: u32 = 1;
            fn filter() -> Filter {
                Filter::types(["task:noted"]).unwrap()
            }
            fn apply(&mut self, _event: &Event) -> Result<(), Invalid> {
                self.0 += 1;
                Ok(())
            }
        }
    };
}

tally!(Tally);
// The same projection after somebody has given its type another name.
tally!(RenamedTally);

async fn remember(log: &EventLog) {
    let remembering = log.remember::<Task>().await.unwrap();
    let caught_up = remembering.caught_up(log.newest().await.unwrap());
    tokio::time::timeout(PATIENCE, caught_up).await.expect("it catches up").unwrap();
}

/// D7: a reconstruction asks for a snapshot first, and with none there it threw a syntax error: for every aggregate, with
/// the default options.
#[tokio::test]
async fn d7_a_state_without_any_snapshot_is_made_of_its_events() {
    let (_folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 150).await;
    let task = name("task-1");
    assert_eq!(log.stream(&task).state::<Task>().await.unwrap(), Task { events: 150, last: 149 });
    let version_40 = log.stream(&task).at(Moment::Version(Version(40)));
    assert_eq!(version_40.state::<Task>().await.unwrap(), Task { events: 40, last: 39 });
    assert_eq!(log.stream(&name("task-404")).state::<Task>().await.unwrap(), Task::default());
}

/// D8: nothing subscribed, so a projection stayed as it was; to initialize it again did nothing; and after a reset it
/// stayed empty for ever.
#[tokio::test]
async fn d8_a_projection_is_live_and_full_again_after_a_reset() {
    let (_folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 200).await;
    let tally = log.project::<Tally>().await.unwrap();
    fill(&log, "task-1", 50).await;
    tally.caught_up(Position(250)).await.unwrap();
    assert_eq!(tally.with(Clone::clone), Tally(250));
    let again = log.project::<Tally>().await.unwrap();
    again.caught_up(Position(250)).await.unwrap();
    assert_eq!(again.with(Clone::clone), Tally(250), "a second one is as good as the first");
    tally.rebuild().await.unwrap();
    assert_eq!(tally.with(Clone::clone), Tally(250));
    drop((tally, again));
    for (key, _) in kept(&log, "projection/").await {
        log.snapshots().forget(&key, Position::MAX).await.unwrap();
    }
    let reset = log.project::<Tally>().await.unwrap();
    fill(&log, "task-1", 1).await;
    reset.caught_up(Position(251)).await.unwrap();
    assert_eq!(reset.with(Clone::clone), Tally(251));
}

/// D8: no checkpoint and no snapshot: each start read everything again.
#[tokio::test]
async fn d8_a_projection_goes_on_after_a_restart_with_its_past() {
    let (_folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 950).await;
    log.project::<Tally>().await.unwrap().rebuild().await.unwrap();
    log.close().await.unwrap();
    let log = open(&path);
    let tally = log.project::<Tally>().await.unwrap();
    assert_eq!((tally.position(), tally.with(Clone::clone)), (Position(950), Tally(950)));
    assert!(kept(&log, "projection/tally/1/history").await.len() >= 5);
    for position in [1, 444, 949] {
        let then = log.at::<Tally>(Moment::Position(Position(position))).await.unwrap();
        assert_eq!(then, Tally(position));
    }
}

/// A.5: to look was to write: a snapshot at every hundredth version each time it was read, and one at version 0 for each
/// unknown id.
#[tokio::test]
async fn a5_looking_changes_no_byte_of_the_file() {
    let (folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 100).await;
    log.close().await.unwrap();
    let before = fs::read(&path).unwrap();
    let log = open(&path);
    for stream in ["task-1", "task-1", "task-1", "task-404"].map(name) {
        log.stream(&stream).state::<Task>().await.unwrap();
        log.at::<Tally>(Moment::Position(Position(100))).await.unwrap();
    }
    assert!(kept(&log, "").await.is_empty());
    let written = fs::metadata(folder.path().join("log.db-wal")).map_or(0, |file| file.len());
    assert_eq!(written, 0, "nothing waits to be written");
    log.close().await.unwrap();
    assert!(fs::read(&path).unwrap() == before, "looking changed the file");
}

/// A.5: the threshold recommended a snapshot and nobody listened; here each hundredth version is remembered, once.
#[tokio::test]
async fn a5_a_snapshot_is_saved_when_a_stream_grows_and_once() {
    let (_folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 250).await;
    fill(&log, "task-2", 99).await;
    remember(&log).await;
    let expected = [100, 200].map(|position| ("aggregate/task/1/task-1".to_owned(), position));
    assert_eq!(kept(&log, "aggregate/").await, expected);
    remember(&log).await;
    let infos = log.snapshots().list("aggregate/", None).await.unwrap();
    assert_eq!(infos.iter().map(|info| info.revision.0).collect::<Vec<_>>(), [1, 2], "none is saved again");
}

/// A.5: a snapshot was filed under the name of its class, which a build makes shorter.
#[tokio::test]
async fn a5_a_state_is_found_again_when_its_type_was_renamed() {
    let (_folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 120).await;
    log.project::<Tally>().await.unwrap().rebuild().await.unwrap();
    let renamed = log.project::<RenamedTally>().await.unwrap();
    assert_eq!((renamed.position(), renamed.with(Clone::clone)), (Position(120), RenamedTally(120)));
    assert!(kept(&log, "").await.iter().all(|(key, _)| !key.contains("Tally")));
}

/// A.3: there was one snapshot for each aggregate, and an older one that was saved later took the newer one's place.
#[tokio::test]
async fn a3_an_older_snapshot_takes_no_newer_ones_place() {
    let (_folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 250).await;
    remember(&log).await;
    let key = "aggregate/task/1/task-1";
    let older = log.snapshots().load(key, Position(100)).await.unwrap().unwrap();
    log.snapshots().save(older, None, Keep::History).await.unwrap();
    let newest = log.snapshots().load(key, Position::MAX).await.unwrap().unwrap();
    assert_eq!(newest.position, Position(200));
    assert_eq!(log.stream(&name("task-1")).state::<Task>().await.unwrap(), Task { events: 250, last: 249 });
    let checkpoint = |position| Snapshot::new("projection/tally/1", Position(position), Json::empty_object());
    log.snapshots().save(checkpoint(20), None, Keep::Newest).await.unwrap();
    let refused = log.snapshots().save(checkpoint(10), None, Keep::Newest).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
}

/// A.3: reading from the version of a snapshot gave its last event once more, and it was applied twice.
#[tokio::test]
async fn a3_a_state_from_a_snapshot_has_no_event_twice() {
    let (_folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 250).await;
    remember(&log).await;
    let task = name("task-1");
    for version in [99, 100, 101, 199, 200, 201, 250] {
        let stream = log.stream(&task).at(Moment::Version(Version(version)));
        let (state, at) = stream.state_with_version::<Task>().await.unwrap();
        assert_eq!((state, at), (Task { events: version, last: version - 1 }, Version(version)));
    }
    let after = log.stream(&task).from(Version(200).next()).events().await.unwrap();
    assert_eq!(after.len(), 50);
}
