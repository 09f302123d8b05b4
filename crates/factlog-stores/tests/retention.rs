//! What is kept how long, on disk: rules, what survives a removal, and the space that comes back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use factlog::{
    Batch, Clock, ErrorKind, Event, EventLog, Filter, Invalid, Keep, NewEvent, Position, Projection, Removal,
    Retention, Rule, Snapshot, Timestamp, Version,
};
use factlog_stores::{Open, SqliteOptions, SqliteStore};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The day on which these tests look back.
const TODAY: &str = "2026-11-20T12:00:00Z";

fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    (folder, path)
}

fn open(path: &Path) -> EventLog {
    EventLog::new(SqliteStore::open(&SqliteOptions::new(path), Open::Create).unwrap())
}

fn fact(stream: &str, event_type: &str) -> NewEvent {
    NewEvent::new(stream, event_type, serde_json::json!({ "text": "x".repeat(200) })).unwrap()
}

fn today() -> Timestamp {
    TODAY.parse().unwrap()
}

fn days_ago(days: u32) -> Timestamp {
    Timestamp::from_micros(today().as_micros() - i64::try_from((DAY * days).as_micros()).unwrap()).unwrap()
}

/// A log in which each event was recorded so many days ago, from the oldest to the newest.
async fn recorded(path: &Path, facts: Vec<(u32, NewEvent)>) -> EventLog {
    let log = open(path);
    let mut versions = std::collections::HashMap::<String, u64>::new();
    let events = facts.into_iter().zip(1..).map(|((days, fact), position)| {
        let version = versions.entry(fact.stream.to_string()).or_default();
        *version += 1;
        Event { position: Position(position), version: Version(*version), recorded_at: days_ago(days), fact }
    });
    log.append(Batch::kept(events.collect()).unwrap()).await.unwrap();
    log
}

async fn positions(log: &EventLog) -> Vec<u64> {
    let left = log.read(Filter::all()).collect().await.unwrap();
    left.iter().map(|event| event.position.0).collect()
}

async fn fill(log: &EventLog, stream: &str, count: usize) {
    for first in (0..count).step_by(1_000) {
        let events = (first..count.min(first + 1_000)).map(|_| fact(stream, "task:noted"));
        log.append(events.collect::<Vec<_>>()).await.unwrap();
    }
}

async fn remove(log: &EventLog, filter: Filter, through: u64) -> factlog::Removed {
    log.remove(&Removal { filter, through: Position(through), archive: None }).await.unwrap()
}

/// P11: the event store of the plugins had no retention at all, and S9: the design of the event log had no rule for it.
#[tokio::test]
async fn p11_s9_rules_take_events_by_category_type_and_age() {
    let (_folder, path) = place();
    let facts = vec![
        (90, fact("task-1", "task:created")),
        (60, fact("session-1", "session:progress")),
        (50, fact("session-1", "session:prompted")),
        (40, fact("session-1", "session:progress")),
        (10, fact("session-1", "session:progress")),
        (1, fact("task-1", "task:done")),
    ];
    let log = recorded(&path, facts).await;
    let retention = Retention::new(vec![
        Rule::older_than("chatter", Filter::types(["session:pro*ess"]).unwrap(), DAY * 30),
        Rule::older_than("tasks", Filter::categories(["task"]).unwrap(), DAY * 80),
        Rule::older_than("all", Filter::all(), DAY * 55),
    ])
    .unwrap();
    let plans = retention.plan(&log, today()).await.unwrap();
    let said: Vec<_> = plans.iter().map(|plan| (&*plan.rule, plan.count, plan.through.0)).collect();
    assert_eq!(
        said,
        [("chatter", 2, 4), ("tasks", 1, 1), ("all", 0, 0)],
        "an event is counted for the first rule that means it"
    );
    assert_eq!((plans[0].first_at, plans[0].last_at), (Some(days_ago(60)), Some(days_ago(40))));
    assert_eq!(positions(&log).await, [1, 2, 3, 4, 5, 6], "a plan changes nothing");
    let removed = retention.run(&log, today()).await.unwrap();
    assert_eq!(removed.iter().map(|removed| removed.count).collect::<Vec<_>>(), [2, 1, 0]);
    assert_eq!(positions(&log).await, [3, 5, 6, 7, 8]);
    let said = log.removals().await.unwrap();
    assert_eq!((said.len(), said[0].through), (2, Position(4)));
    assert!(retention.run(&log, today()).await.unwrap().iter().all(|removed| removed.count == 0));
    assert_eq!(positions(&log).await.len(), 5, "nothing is said where nothing was removed");
}

/// A13: retention ran once, when the program started, and took only rows that were marked as processed, which nothing
/// ever did: nothing was removed, for ever.
#[tokio::test]
async fn a13_retention_runs_on_a_log_in_use_and_takes_every_event_that_is_old() {
    let (_folder, path) = place();
    let old = (0..20).map(|_| (40, fact("task-1", "task:noted"))).collect();
    let log = recorded(&path, old).await;
    let other = open(&path);
    let mut following = other.follow(Filter::types(["task:started"]).unwrap());
    other.append(fact("task-1", "task:started")).await.unwrap();
    following.next().await.unwrap().unwrap();
    let retention = Retention::new(vec![Rule::older_than("month", Filter::all(), DAY * 30)]).unwrap();
    for round in 0..3_u64 {
        let removed = retention.run(&log, today()).await.unwrap();
        assert_eq!(removed[0].count, if round == 0 { 20 } else { 0 });
        let appended = other.append(fact("task-1", "task:started")).await.unwrap();
        assert_eq!(appended.events[0].version, Version(22 + round));
        assert_eq!(following.next().await.unwrap().unwrap().position, appended.last());
    }
}

/// Old records that were imported a moment ago were swept away with the next run.
#[tokio::test]
async fn age_counts_from_recording_unless_the_rule_says_otherwise() {
    let (_folder, path) = place();
    let imported = fact("session-1", "session:prompted").with_occurred_at(days_ago(400));
    let log = recorded(&path, vec![(2, imported), (1, fact("session-1", "session:replied"))]).await;
    let rule = Rule::older_than("month", Filter::all(), DAY * 30);
    let by_recording = Retention::new(vec![rule.clone()]).unwrap();
    assert_eq!(by_recording.plan(&log, today()).await.unwrap()[0].count, 0);
    let by_occurring = Retention::new(vec![Rule { clock: Clock::Occurred, ..rule }]).unwrap();
    let planned = by_occurring.plan(&log, today()).await.unwrap().remove(0);
    assert_eq!((planned.count, planned.first_at), (1, Some(days_ago(400))));
    by_occurring.run(&log, today()).await.unwrap();
    assert_eq!(positions(&log).await, [2, 3]);
}

/// Expiry ends delivery, not reading: only a rule takes expired events, and it takes no others.
#[tokio::test]
async fn expired_events_stay_readable_until_a_rule_takes_them() {
    let (_folder, path) = place();
    let expiring = |days| {
        let mut event = fact("message-1", "message:sent");
        event.expires_at = Some(days_ago(days));
        event
    };
    let facts =
        vec![(9, expiring(5)), (9, expiring(0)), (8, fact("message-1", "message:sent")), (7, expiring(2))];
    let log = recorded(&path, facts).await;
    let read = log.read(Filter::all()).collect().await.unwrap();
    let expired: Vec<bool> = read.iter().map(|event| event.has_expired(days_ago(1))).collect();
    assert_eq!(expired, [true, false, false, true]);
    let retention = Retention::new(vec![
        Rule { age: Some(DAY * 7), ..Rule::expired("old and expired", Filter::all()) },
        Rule::expired("expired", Filter::all()),
    ])
    .unwrap();
    let removed = retention.run(&log, days_ago(1)).await.unwrap();
    assert_eq!((removed[0].count, removed[1].count), (1, 1));
    assert_eq!(positions(&log).await, [2, 3, 5, 6]);
    let said = serde_json::to_string(&log.removals().await.unwrap()[1].filter).unwrap();
    assert_eq!(said, r#"{"expires":{"to":"2026-11-19T12:00:00.000000Z"}}"#);
}

/// A rule without an age would take everything, always.
#[tokio::test]
async fn a_rule_that_does_not_say_when_is_refused() {
    let rule = |name: &str| Rule { age: None, ..Rule::older_than(name, Filter::all(), DAY) };
    let refused = Retention::new(vec![rule("all")]).unwrap_err();
    assert!(refused.kind() == ErrorKind::Invalid && refused.to_string().contains("\"all\""), "{refused}");
    let twice = vec![Rule::expired("a", Filter::all()), Rule::expired("a", Filter::all())];
    assert!(Retention::new(twice).unwrap_err().to_string().contains("two rules"));
    let ages = Rule::older_than("ages", Filter::all(), Duration::MAX);
    assert!(Retention::new(vec![ages]).unwrap_err().to_string().contains("too great"));
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Tasks(u64);

impl Projection for Tasks {
    const NAME: &'static str = "tasks";
    const REVISION: u32 = 1;
    fn filter() -> Filter {
        Filter::categories(["task"]).unwrap()
    }
    fn apply(&mut self, _event: &Event) -> Result<(), Invalid> {
        self.0 += 1;
        Ok(())
    }
}

/// A projection counts what it has seen. After old events went, it must not be built anew from the rest in silence.
#[tokio::test]
async fn a_projection_past_a_removal_goes_on_and_its_snapshots_stay() {
    let (_folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 10).await;
    log.snapshots()
        .save(Snapshot::new("summary", Position(5), factlog::Json::empty_object()), None, Keep::History)
        .await
        .unwrap();
    let tasks = log.project::<Tasks>().await.unwrap();
    tasks.caught_up(Position(10)).await.unwrap();
    // A rebuild ends with the state being remembered.
    tasks.rebuild().await.unwrap();
    remove(&log, Filter::categories(["task"]).unwrap(), 8).await;
    fill(&log, "task-1", 1).await;
    tasks.caught_up(Position(12)).await.unwrap();
    assert_eq!(tasks.with(|tasks| tasks.0), 11);
    let refused = tasks.rebuild().await.unwrap_err();
    let said = "projection tasks would begin after position 0, and 8 events up to position 8 were removed";
    assert_eq!((refused.kind(), refused.to_string().as_str()), (ErrorKind::Invalid, said));
    assert!(refused.hint().unwrap().contains("partial"));
    assert_eq!(tasks.with(|tasks| tasks.0), 11, "a rebuild that is refused changes nothing");
    drop(tasks);
    log.close().await.unwrap();
    let log = open(&path);
    let tasks = log.project::<Tasks>().await.unwrap();
    tasks.caught_up(Position(12)).await.unwrap();
    assert_eq!(tasks.with(|tasks| tasks.0), 11, "it goes on from what it remembered");
    assert!(log.snapshots().load("summary", Position::MAX).await.unwrap().is_some());
}

/// Many events in one transaction kept all other processes waiting for seconds, and their events were refused.
#[tokio::test]
async fn a_long_removal_is_done_in_parts_and_others_write_in_between() {
    let (_folder, path) = place();
    let (log, other) = (open(&path), open(&path));
    fill(&log, "task-1", 35_000).await;
    let removing = tokio::spawn({
        let log = log.clone();
        async move { remove(&log, Filter::all(), 35_000).await }
    });
    let mut written = 0;
    while !removing.is_finished() {
        other.append(fact("agent-1", "agent:noted")).await.unwrap();
        written += 1;
    }
    assert_eq!(removing.await.unwrap().count, 35_000);
    let said = log.removals().await.unwrap();
    let parts: Vec<(u64, u64)> = said.iter().map(|gone| (gone.count, gone.through.0)).collect();
    assert_eq!(parts, [(10_000, 10_000), (10_000, 20_000), (10_000, 30_000), (5_000, 35_000)]);
    assert_eq!(positions(&other).await.len(), written + 4);
    assert_eq!(log.check().await.unwrap().problems, Vec::<String>::new());
}

/// Two who clean up at the same time must not count an event twice.
#[tokio::test]
async fn two_removals_at_once_take_every_event_once() {
    let (_folder, path) = place();
    let (a, b) = (open(&path), open(&path));
    fill(&a, "task-1", 25_000).await;
    let (of_a, of_b) = tokio::join!(remove(&a, Filter::all(), 25_000), remove(&b, Filter::all(), 25_000));
    assert_eq!(of_a.count + of_b.count, 25_000);
    let said = a.removals().await.unwrap();
    assert_eq!(said.iter().map(|gone| gone.count).sum::<u64>(), 25_000);
    assert_eq!(a.check().await.unwrap().problems, Vec::<String>::new());
}

/// D15: there was no deletion, no retention, no archive and no compaction; the file only grew.
#[tokio::test]
async fn d15_compaction_gives_the_space_back_while_others_read_and_write() {
    let (_folder, path) = place();
    let (log, other) = (open(&path), open(&path));
    fill(&log, "task-1", 20_000).await;
    let first = log.compact().await.unwrap();
    assert!(!first.is_held);
    remove(&log, Filter::all(), 19_000).await;
    let mut reading = other.read(Filter::all());
    assert_eq!(reading.next().await.unwrap().unwrap().position, Position(19_001));
    let compacted = log.compact().await.unwrap();
    assert!(compacted.after_bytes * 5 < first.after_bytes, "{first:?} {compacted:?}");
    assert_eq!(fs::metadata(&path).unwrap().len(), compacted.after_bytes);
    assert_eq!(reading.collect().await.unwrap().len(), 999 + 2, "a reading goes on");
    assert_eq!(other.append(fact("task-1", "task:noted")).await.unwrap().last(), Position(20_003));
    assert_eq!(other.check().await.unwrap().problems, Vec::<String>::new());
    log.close().await.unwrap();
    assert_eq!(log.compact().await.unwrap_err().kind(), ErrorKind::Stopped);
}

/// A reader who stays keeps the file long; that is said, and nothing waits for it for ever.
#[tokio::test]
async fn compaction_beside_a_reader_who_stays_says_that_the_space_comes_later() {
    let (_folder, path) = place();
    let options = SqliteOptions { lock_wait: Duration::from_millis(50), ..SqliteOptions::new(&path) };
    let log = EventLog::new(SqliteStore::open(&options, Open::Create).unwrap());
    fill(&log, "task-1", 5_000).await;
    remove(&log, Filter::all(), 4_900).await;
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let count = |reader: &rusqlite::Connection| -> i64 {
        reader.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&reader), 101);
    assert!(log.compact().await.unwrap().is_held);
    assert_eq!(count(&reader), 101);
    reader.execute_batch("COMMIT").unwrap();
    let later = log.compact().await.unwrap();
    assert!(!later.is_held && later.after_bytes < later.before_bytes, "{later:?}");
    assert_eq!(positions(&log).await.len(), 101);
}

/// A copy of a damaged log has less in it than the damaged log, and looks sound.
#[tokio::test]
async fn a_damaged_log_is_not_compacted() {
    let (_folder, path) = place();
    let log = open(&path);
    fill(&log, "task-1", 2_000).await;
    remove(&log, Filter::all(), 1_000).await;
    log.close().await.unwrap();
    let lost = "DELETE FROM events WHERE position = 1500";
    rusqlite::Connection::open(&path).unwrap().execute(lost, []).unwrap();
    let before = fs::read(&path).unwrap();
    let log = open(&path);
    let refused = log.compact().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(
        refused.to_string().contains("1000 events") || refused.to_string().contains("add up"),
        "{refused}"
    );
    log.append(fact("task-1", "task:noted")).await.unwrap();
    log.close().await.unwrap();
    assert_eq!(fs::read(&path).unwrap().len(), before.len(), "it is left as it is");
}
