//! The defects that were measured in the event store of ADR-007: what each was, and that it is not so here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use factlog::{
    ErrorKind, Event, EventId, EventLog, Expect, Filter, Invalid, Moment, NewEvent, Position, Projection,
    Removal, StreamName, Version,
};
use factlog_stores::{Open, SqliteOptions, SqliteStore};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    (folder, path)
}

fn open(path: &Path) -> EventLog {
    EventLog::new(SqliteStore::open(&SqliteOptions::new(path), Open::Create).unwrap())
}

fn fact(stream: &str, event_type: &str, number: u64) -> NewEvent {
    NewEvent::new(stream, event_type, serde_json::json!({ "number": number })).unwrap()
}

async fn fill(log: &EventLog, stream: &str, count: u64) {
    for first in (0..count).step_by(1_000) {
        let events: Vec<NewEvent> =
            (first..count.min(first + 1_000)).map(|number| fact(stream, "task:noted", number)).collect();
        log.append(events).await.unwrap();
    }
}

fn name(stream: &str) -> StreamName {
    stream.parse().unwrap()
}

/// D1: the file was written every five seconds; a kill lost 38 % of what had been acknowledged. (100 real kills are in
/// processes/killed.rs; this is the same for one: what is acknowledged is on the disk already.)
#[tokio::test]
async fn d1_what_is_acknowledged_is_in_the_file_at_once() {
    let (folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 10).await;
    // The files as a crash of the process would leave them.
    let copy = folder.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for file in ["log.db", "log.db-wal"] {
        fs::copy(folder.path().join(file), copy.join(file)).unwrap();
    }
    assert_eq!(open(&copy.join("log.db")).newest().await.unwrap(), Position(10));
}

/// D2: every save wrote the whole database anew, even when nothing had changed.
#[tokio::test]
async fn d2_one_event_writes_a_few_pages_and_none_writes_nothing() {
    let (_folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 20_000).await;
    log.close().await.unwrap();
    let (before, size) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().len());
    assert!(size > 2_000_000);
    let log = open(&path);
    assert_eq!(log.read(Filter::all()).limit(1).collect().await.unwrap().len(), 1);
    log.close().await.unwrap();
    assert!(fs::read(&path).unwrap() == before, "opening, reading and closing changed the file");
    let log = open(&path);
    log.append(fact("task-1", "task:noted", 1)).await.unwrap();
    let written = fs::metadata(path.with_extension("db-wal")).unwrap().len();
    assert!(written < 100_000, "one event of 20 bytes wrote {written} bytes");
}

/// D3: a file that was written in place and cut off would not open, or opened empty. (More in `sqlite_files.rs`.)
#[tokio::test]
async fn d3_an_empty_or_half_written_file_is_never_an_empty_log() {
    let (_folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 5_000).await;
    log.close().await.unwrap();
    let bytes = fs::read(&path).unwrap();
    for keep in [0, bytes.len() / 2] {
        fs::write(&path, &bytes[..keep]).unwrap();
        let error = SqliteStore::open(&SqliteOptions::new(&path), Open::Create).expect_err("no log");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
}

/// D4: two instances on one file: 13 events written, 3 kept, no error.
#[tokio::test]
async fn d4_two_writers_of_one_file_keep_all_13_events() {
    let (_folder, path) = place();
    let (a, b) = (open(&path), open(&path));
    fill(&a, "task-a", 10).await;
    fill(&b, "task-b", 3).await;
    a.close().await.unwrap();
    b.close().await.unwrap();
    assert_eq!(open(&path).read(Filter::all()).collect().await.unwrap().len(), 13);
}

/// D5: no expected version; the caller's was ignored, and each process counted for itself.
#[tokio::test]
async fn d5_a_writer_that_has_not_seen_the_others_event_is_refused() {
    let (_folder, path) = place();
    let (a, b) = (open(&path), open(&path));
    let task = name("task-1");
    let append = async |log: &EventLog, expect| {
        log.stream(&task)
            .append(vec![fact("task-1", "task:noted", 1)], Expect::Version(Version(expect)))
            .await
    };
    append(&a, 0).await.unwrap();
    assert_eq!(append(&b, 0).await.unwrap_err().actual(), Some(Version(1)));
    append(&b, 1).await.unwrap();
    assert_eq!(append(&a, 1).await.unwrap_err().kind(), ErrorKind::Conflict);
}

/// D6: agent 1 and task 1 shared one stream.
#[tokio::test]
async fn d6_an_agent_and_a_task_of_the_same_id_are_two_streams() {
    let (_folder, path) = place();
    let log = open(&path);
    log.append([fact("agent-1", "agent:spawned", 1), fact("task-1", "task:created", 1)]).await.unwrap();
    assert_eq!(log.stream(&name("agent-1")).version().await.unwrap(), Version(1));
    assert_eq!(log.stream(&name("task-1")).read().collect().await.unwrap().len(), 1);
}

/// D7: asking for a snapshot that is not there threw a syntax error, and with it every reconstruction.
#[tokio::test]
async fn d7_a_missing_snapshot_is_none_and_a_state_is_built_without_one() {
    let (_folder, path) = place();
    let log = open(&path);
    assert_eq!(log.snapshots().load("projection/noted/1", Position::MAX).await.unwrap(), None);
    fill(&log, "task-1", 3).await;
    assert_eq!(log.at::<Noted>(Moment::Position(Position(2))).await.unwrap().0, 2);
    assert!(log.snapshots().list("", None).await.unwrap().is_empty(), "reading remembers nothing");
}

/// How many tasks were noted.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Noted(u64);

impl Projection for Noted {
    const NAME: &'static str = "noted";
    const REVISION: u32 = 1;
    fn filter() -> Filter {
        Filter::types(["task:noted"]).unwrap()
    }
    fn apply(&mut self, _event: &Event) -> Result<(), Invalid> {
        self.0 += 1;
        Ok(())
    }
}

/// D8: projections did not follow, were empty for ever after a reset, and began anew each time.
#[tokio::test]
async fn d8_projections_follow_can_be_rebuilt_and_go_on_where_they_stopped() {
    let (_folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 10).await;
    let noted = log.project::<Noted>().await.unwrap();
    noted.caught_up(Position(10)).await.unwrap();
    fill(&log, "task-1", 1).await;
    noted.caught_up(Position(11)).await.unwrap();
    noted.rebuild().await.unwrap();
    assert_eq!(noted.with(|noted| noted.0), 11);
    drop(noted);
    let again = log.project::<Noted>().await.unwrap();
    assert_eq!((again.position(), again.with(|noted| noted.0)), (Position(11), 11));
}

/// D9: queries were in the order of the callers' clocks.
#[tokio::test]
async fn d9_an_older_time_does_not_change_the_order() {
    let (_folder, path) = place();
    let log = open(&path);
    for second in [30, 10, 20, 10] {
        let time = format!("2026-11-20T00:00:{second}Z").parse().unwrap();
        log.append(fact("task-1", "task:noted", second).with_occurred_at(time)).await.unwrap();
    }
    let events = log.read(Filter::types(["task:noted"]).unwrap()).collect().await.unwrap();
    let positions: Vec<u64> = events.iter().map(|event| event.position.0).collect();
    assert_eq!(positions, [1, 2, 3, 4]);
}

/// D10: an offset without a limit was a syntax error, a limit or a time of 0 was ignored, many ids were too many
/// variables, and the first version meant three things.
#[tokio::test]
async fn d10_queries_mean_what_they_say() {
    let (_folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 5).await;
    assert_eq!(log.read(Filter::all()).skip(2).collect().await.unwrap().len(), 3);
    assert_eq!(log.read(Filter::all()).limit(0).collect().await.unwrap().len(), 0);
    let mut before_1970 = Filter::all();
    before_1970.time.to = Some("1970-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(log.read(before_1970).collect().await.unwrap().len(), 0);
    let ids = (0..10_000).map(|_| EventId::generate());
    assert_eq!(log.read(Filter::ids(ids)).collect().await.unwrap().len(), 0);
    let ids = (0..40_000).map(|_| EventId::generate());
    let too_many = log.read(Filter::ids(ids)).collect().await.unwrap_err();
    assert!(too_many.message().contains("ids has 40000 values"), "{too_many:?}");
    let task = name("task-1");
    let from_3 = log.stream(&task).from(Version(3)).events().await.unwrap();
    assert_eq!(from_3.len(), 3, "the first version is included");
}

/// D11: ids of two processes collided, and sending an event again was an error.
#[tokio::test]
async fn d11_ids_are_unique_and_the_same_event_again_is_the_same() {
    let (_folder, path) = place();
    let (a, b) = (open(&path), open(&path));
    let event = fact("task-1", "task:noted", 1);
    assert_ne!(event.id, fact("task-1", "task:noted", 1).id);
    let first = a.append(event.clone()).await.unwrap();
    let again = b.append(event).await.unwrap();
    assert!(again.repeated && again.events == first.events);
}

/// D12: a type of nothing was a raw database error, and anything at all was taken as a kind of aggregate.
#[tokio::test]
async fn d12_a_wrong_event_is_refused_with_its_field_and_an_unknown_type_is_welcome() {
    let (_folder, path) = place();
    let log = open(&path);
    for (stream, event_type) in
        [("", "task:noted"), ("task-1", ""), ("task-1", " task:noted"), ("task\n1", "a")]
    {
        let error = NewEvent::new(stream, event_type, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("stream's name") || error.message().contains("a type"), "{error:?}");
    }
    log.append(fact("banana-1", "banana:peeled", 1)).await.unwrap();
}

/// D13: a failed save was an event without a listener, which ended the process.
#[tokio::test]
async fn d13_a_failed_append_is_the_callers_error_and_the_log_lives_on() {
    let (_folder, path) = place();
    let wait = std::time::Duration::from_millis(20);
    let options = SqliteOptions { lock_wait: wait, ..SqliteOptions::new(&path) };
    let log = EventLog::new(SqliteStore::open(&options, Open::Create).unwrap());
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(log.append(fact("task-1", "task:noted", 1)).await.unwrap_err().kind(), ErrorKind::Unavailable);
    other.execute_batch("ROLLBACK").unwrap();
    log.append(fact("task-1", "task:noted", 1)).await.unwrap();
}

/// D14: the whole database was read into memory to open it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn d14_opening_reads_little_of_a_large_log() {
    let (_folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 30_000).await;
    log.close().await.unwrap();
    let read_so_far = || -> u64 {
        let io = fs::read_to_string("/proc/thread-self/io").unwrap();
        io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
    };
    let before = read_so_far();
    let log = open(&path);
    let read = read_so_far() - before;
    assert!(read < 200_000, "opening read {read} bytes of {}", fs::metadata(&path).unwrap().len());
    drop(log);
}

/// D15: no batch, no removal, no following, unbounded queries, and a loop that ended early leaked its statement.
#[tokio::test]
async fn d15_batches_removal_following_bounds_and_readings_that_end_early() {
    let (_folder, path) = place();
    let log = open(&path);
    let refused = [fact("task-1", "task:noted", 1), fact("task-1", "task:noted", 2)];
    let batch = factlog::Batch::new(refused.into()).unwrap().expect(name("task-1"), Expect::Exists).unwrap();
    assert!(log.append(batch).await.is_err());
    assert_eq!(log.newest().await.unwrap(), Position::START, "a batch is recorded whole or not at all");
    fill(&log, "task-1", 2_500).await;
    for _ in 0..50 {
        let mut reading = log.read(Filter::all());
        assert!(reading.next().await.unwrap().is_ok());
    }
    let page = log.store().read(&factlog::Read::after(Filter::all(), Position::START)).await.unwrap();
    assert!(page.events.len() <= factlog::limits::PAGE_EVENTS_MAX && page.more);
    let mut following = log.follow(Filter::all()).after(Position(2_499));
    assert_eq!(following.next().await.unwrap().unwrap().position, Position(2_500));
    let removal = Removal { filter: Filter::all(), through: Position(2_000), archive: None };
    assert_eq!(log.remove(&removal).await.unwrap().count, 2_000);
    assert_eq!(log.read(Filter::all()).collect().await.unwrap().len(), 501);
    log.close().await.unwrap();
}
