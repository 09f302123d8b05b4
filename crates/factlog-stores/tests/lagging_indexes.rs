//! Indexes that lag behind: whatever is asked for is found wherever it stands, in the lists, in memory or in between, and the
//! file can change from one kind of index to the other and back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use factlog::{ErrorKind, EventLog, Expect, Filter, NewEvent, Position, Removal, StreamName, Version};
use factlog_stores::{Indexes, Open, SqliteOptions, SqliteStore, indexes_of, migrate_indexes};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

/// Events of a tail, so few that every test begins, shares out and ends many runs.
const TAIL_EVENTS: u32 = 40;

struct Place {
    _folder: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("log.db");
        Self { _folder: folder, path }
    }

    fn options(&self, indexes: Indexes) -> SqliteOptions {
        SqliteOptions {
            indexes: Some(indexes),
            tail_events: Some(TAIL_EVENTS),
            ..SqliteOptions::new(&self.path)
        }
    }

    fn open(&self, indexes: Indexes) -> EventLog {
        EventLog::new(SqliteStore::open(&self.options(indexes), Open::Create).unwrap())
    }

    fn state(&self) -> (i64, i64) {
        let connection = Connection::open(&self.path).unwrap();
        connection
            .query_row("SELECT indexed_upto, run_upto FROM index_state", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap()
    }
}

/// The events of some numbers: ten streams, three types, correlations of four events, one in five without.
fn events(numbers: std::ops::Range<u64>) -> Vec<NewEvent> {
    let event = |number: u64| {
        let (stream, kind) =
            (format!("task-{}", number % 10), ["task:a", "task:b", "note:c"][number as usize % 3]);
        let event = NewEvent::new(&stream, kind, json!({"number": number})).unwrap();
        match number % 5 {
            0 => event,
            1 => event.with_correlation(&format!("018f3e5c-0000-7000-8000-{:012}", number / 4)).unwrap(),
            _ => event.with_correlation(&format!("call {}", number / 4)).unwrap(),
        }
    };
    numbers.map(event).collect()
}

async fn append(log: &EventLog, numbers: std::ops::Range<u64>) {
    for event in events(numbers) {
        log.append(event).await.unwrap();
    }
}

/// By each key, what a look through the whole log finds, forwards and backwards, and nothing wrong with the file.
async fn verify(log: &EventLog) {
    let all = log.read(Filter::all()).collect().await.unwrap();
    let mut filters = Vec::new();
    for number in 0..10 {
        filters.push(Filter::stream(format!("task-{number}").parse().unwrap()));
    }
    for pattern in ["task:a", "task:*", "note:c", "none:*"] {
        filters.push(Filter { types: vec![pattern.parse().unwrap()], ..Filter::all() });
    }
    filters.push(Filter { categories: vec!["task".parse().unwrap()], ..Filter::all() });
    for event in all.iter().step_by(7) {
        filters.push(Filter { ids: vec![event.id], ..Filter::all() });
        let correlation = event.correlation_id.clone().into_iter().collect();
        filters.push(Filter { correlation, ..Filter::all() });
    }
    for filter in filters {
        let expected: Vec<_> =
            all.iter().filter(|event| filter.matches(event)).map(|event| event.position).collect();
        let positions = |events: Vec<std::sync::Arc<factlog::Event>>| -> Vec<Position> {
            events.iter().map(|event| event.position).collect()
        };
        let found = positions(log.read(filter.clone()).collect().await.unwrap());
        assert_eq!(found, expected, "{filter:?}");
        let mut backwards = positions(log.read(filter.clone()).backwards().collect().await.unwrap());
        backwards.reverse();
        assert_eq!(backwards, expected, "{filter:?}, backwards");
        if let Some(middle) = expected.get(expected.len() / 2) {
            let after = positions(log.read(filter.clone()).after(*middle).collect().await.unwrap());
            let rest: Vec<_> = expected.iter().copied().filter(|position| position > middle).collect();
            assert_eq!(after, rest, "{filter:?} after {middle}");
        }
    }
    assert_eq!(log.check().await.unwrap().problems, Vec::<String>::new());
}

#[tokio::test]
async fn whatever_is_asked_for_is_found_at_every_moment_of_a_run() {
    let place = Place::new();
    let log = place.open(Indexes::Lagging);
    let mut runs = std::collections::HashSet::new();
    for number in 0..400 {
        append(&log, number..number + 1).await;
        if number % 13 == 0 {
            verify(&log).await;
        }
        runs.insert(place.state());
    }
    assert!(runs.len() > 8, "there were runs: {runs:?}");
    verify(&log).await;
    log.close().await.unwrap();
    assert_eq!(place.state().0, 400, "closing has brought the lists to the end");
}

/// Another process has a tail of its own, which others' runs and removals overtake.
#[tokio::test]
async fn two_logs_on_one_file_overtake_each_other() {
    let place = Place::new();
    let (one, other) = (place.open(Indexes::Lagging), place.open(Indexes::Lagging));
    for round in 0..12 {
        let first = round * 60;
        append(&one, first..first + 45).await;
        if round % 3 != 2 {
            append(&other, first + 45..first + 60).await;
        }
        verify(if round % 2 == 0 { &other } else { &one }).await;
        let stream: StreamName = "task-3".parse().unwrap();
        let version = other.stream(&stream).version().await.unwrap();
        assert_eq!(version, one.stream(&stream).version().await.unwrap());
        let stale = one.stream(&stream).append(events(3..4), Expect::Version(Version(version.0 - 1))).await;
        assert_eq!(stale.unwrap_err().kind(), ErrorKind::Conflict);
    }
    one.close().await.unwrap();
    verify(&other).await;
    other.close().await.unwrap();
}

/// Lists keep positions that a removal has emptied; a run that is being written tells of all that was there when it began.
#[tokio::test]
async fn a_removal_leaves_lists_that_are_read_as_before() {
    let place = Place::new();
    let log = place.open(Indexes::Lagging);
    let mut number = 0;
    for stream in ["task-1", "task-4", "task-7"] {
        append(&log, number..number + 70).await;
        number += 70;
        let version = log.stream(&stream.parse().unwrap()).version().await.unwrap();
        let through = log.read(Filter::all()).backwards().limit(1).collect().await.unwrap()[0].position;
        let filter = Filter::stream(stream.parse().unwrap());
        log.remove(&Removal { filter, through, archive: None }).await.unwrap();
        verify(&log).await;
        assert_eq!(log.stream(&stream.parse().unwrap()).version().await.unwrap(), version);
        append(&log, number..number + 15).await;
        number += 15;
        verify(&log).await;
    }
    log.close().await.unwrap();
    verify(&place.open(Indexes::Lagging)).await;
}

#[tokio::test]
async fn an_id_that_was_removed_is_free_again_and_one_that_is_there_is_known() {
    let place = Place::new();
    let log = place.open(Indexes::Lagging);
    let kept = events(0..1).remove(0);
    log.append(kept.clone()).await.unwrap();
    append(&log, 1..130).await;
    let again = log.append(kept.clone()).await.unwrap();
    assert_eq!(again.last(), Position(1), "it is known in the lists");
    drop(log);
    let log = place.open(Indexes::Lagging);
    assert_eq!(log.append(kept.clone()).await.unwrap().last(), Position(1));
    let newest = log.read(Filter::all()).backwards().limit(1).collect().await.unwrap().remove(0);
    let repeated = log.append(NewEvent::clone(&newest.fact)).await.unwrap();
    assert_eq!(repeated.last(), newest.position, "it is known in the tail");
    log.close().await.unwrap();
}

#[tokio::test]
async fn a_log_goes_from_one_kind_of_index_to_the_other_and_back() {
    let place = Place::new();
    let log = place.open(Indexes::Real);
    append(&log, 0..230).await;
    log.close().await.unwrap();
    for to in [Indexes::Lagging, Indexes::Real, Indexes::Lagging] {
        let mut told = Vec::new();
        let options = SqliteOptions::new(&place.path);
        assert!(migrate_indexes(&options, to, |done, of| told.push((done, of))).unwrap());
        assert_eq!(told.last().map(|(done, of)| done == of), Some(true), "{told:?}");
        assert!(!migrate_indexes(&options, to, |_, _| {}).unwrap(), "it is done once");
        assert_eq!(indexes_of(&options).unwrap().0, to);
        let log = place.open(to);
        verify(&log).await;
        let number = log.read(Filter::all()).backwards().limit(1).collect().await.unwrap()[0].position.0;
        append(&log, number..number + 90).await;
        verify(&log).await;
        log.close().await.unwrap();
    }
    let wrong = SqliteStore::open(&place.options(Indexes::Real), Open::Existing).map(|_| ()).unwrap_err();
    assert!(wrong.kind() == ErrorKind::Invalid && wrong.to_string().contains("lagging"), "{wrong:?}");
}

#[tokio::test]
async fn a_log_that_somebody_has_open_is_not_changed() {
    let place = Place::new();
    let log = place.open(Indexes::Real);
    append(&log, 0..5).await;
    let lock_wait = std::time::Duration::from_millis(50);
    let options = SqliteOptions { lock_wait, ..SqliteOptions::new(&place.path) };
    let error = migrate_indexes(&options, Indexes::Lagging, |_, _| {}).unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.hint().is_some(), "{error:?}");
    append(&log, 5..10).await;
    log.close().await.unwrap();
    verify(&place.open(Indexes::Real)).await;
}

/// Story: each entry is held against its event, so a list that lies is found.
#[tokio::test]
async fn a_check_finds_each_entry_that_is_missing_or_false() {
    let sabotages = [
        "DELETE FROM index_ids WHERE position = 20",
        "UPDATE index_ids SET position = 21 WHERE position = 20",
        "DELETE FROM index_names WHERE sid = 3",
        "UPDATE index_names SET sid = 4 WHERE sid = 3",
        "DELETE FROM index_categories WHERE sid = 3",
        "DELETE FROM index_streams WHERE sid = 3",
        "UPDATE index_streams SET first = first + 1 WHERE sid = 3",
        "UPDATE index_types SET offsets = '[0]' WHERE tid = 2",
        "UPDATE index_types SET offsets = 'nothing' WHERE tid = 2",
        "UPDATE index_correlations SET correlation = 'another' WHERE correlation = 'call 3'",
        "DELETE FROM index_state",
        "UPDATE index_state SET newest_v7 = zeroblob(16)",
    ];
    for sabotage in sabotages {
        let place = Place::new();
        let log = place.open(Indexes::Lagging);
        append(&log, 0..100).await;
        log.close().await.unwrap();
        assert!(place.state().0 >= 100, "closing has written the lists");
        assert!(Connection::open(&place.path).unwrap().execute(sabotage, []).unwrap() > 0, "{sabotage}");
        let log = place.open(Indexes::Lagging);
        assert_ne!(log.check().await.unwrap().problems, Vec::<String>::new(), "{sabotage}");
    }
}

/// People look with sqlite3, which knows no function of ours.
#[tokio::test]
async fn plain_sql_finds_the_events_of_a_stream_a_type_and_a_correlation() {
    let place = Place::new();
    let log = place.open(Indexes::Lagging);
    append(&log, 0..60).await;
    log.close().await.unwrap();
    let log = place.open(Indexes::Lagging);
    append(&log, 60..75).await;
    assert_eq!(place.state().0, 60, "there are lists, and a tail");
    let connection = Connection::open(&place.path).unwrap();
    let count = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(
        count(
            "SELECT count(*) FROM index_names JOIN stream_positions USING (sid) JOIN log USING (position) \
             WHERE name = 'task-1' AND stream = 'task-1'"
        ),
        8
    );
    assert_eq!(count("SELECT count(*) FROM types JOIN type_positions USING (tid) WHERE name = 'task:a'"), 25);
    assert_eq!(count("SELECT count(*) FROM correlation_positions WHERE correlation = 'call 3'"), 3);
    assert_eq!(count("SELECT count(DISTINCT position) FROM stream_positions"), 75);
    log.close().await.unwrap();
}

/// A file of the other kind is opened as it is.
#[tokio::test]
async fn who_asks_for_no_kind_of_index_gets_the_file_s() {
    for indexes in [Indexes::Real, Indexes::Lagging] {
        let place = Place::new();
        let log = place.open(indexes);
        append(&log, 0..50).await;
        log.close().await.unwrap();
        let log = EventLog::new(SqliteStore::open(&SqliteOptions::new(&place.path), Open::Existing).unwrap());
        verify(&log).await;
        drop(log);
        assert_eq!(indexes_of(&SqliteOptions::new(&place.path)).unwrap().0, indexes);
        assert!(Path::exists(&place.path));
    }
}
