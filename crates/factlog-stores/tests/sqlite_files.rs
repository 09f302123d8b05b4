//! What stands where the log should be, and what becomes of it: each case is told apart, none is shown as an empty log.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use factlog::{ErrorKind, EventLog, Filter, NewEvent, Position};
use factlog_stores::{Indexes, Open, SqliteOptions, SqliteStore, Sync};
use rusqlite::Connection;
use tempfile::TempDir;

fn try_open(path: &Path, open: Open) -> factlog::Result<EventLog> {
    SqliteStore::open(&SqliteOptions::new(path), open).map(EventLog::new)
}

fn folder() -> TempDir {
    TempDir::new().unwrap()
}

fn event(number: u64) -> NewEvent {
    NewEvent::new("task-1", "task:noted", serde_json::json!({"number": number, "padding": "x".repeat(200)}))
        .unwrap()
}

/// A log with this many events, closed.
async fn filled(path: &Path, count: u64) {
    let log = try_open(path, Open::Create).unwrap();
    for first in (1..=count).step_by(500) {
        let events: Vec<NewEvent> = (first..=count.min(first + 499)).map(event).collect();
        log.append(events).await.unwrap();
    }
    log.close().await.unwrap();
}

/// The error of opening, or of reading what could be opened.
async fn told(path: &Path) -> factlog::Error {
    for open in [Open::Create, Open::Existing] {
        let Ok(log) = try_open(path, open) else { continue };
        match log.read(Filter::all()).collect().await {
            Err(error) => return error,
            Ok(events) => panic!("shown as a log of {} events", events.len()),
        }
    }
    try_open(path, Open::Create).expect_err("it was refused just now")
}

#[tokio::test]
async fn a_missing_file_is_made_or_said_to_be_missing() {
    let folder = folder();
    let path = folder.path().join("log.db");
    let missing = try_open(&path, Open::Existing).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.hint().is_some() && !path.exists());
    filled(&path, 1).await;
    assert!(try_open(&path, Open::Existing).is_ok());
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let folder = folder();
    let error = try_open(&folder.path().join("no/such/log.db"), Open::Create).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("no/such"), "{error:?}");
}

#[tokio::test]
async fn a_folder_is_no_log() {
    let folder = folder();
    assert_eq!(try_open(folder.path(), Open::Create).unwrap_err().kind(), ErrorKind::Invalid);
}

/// Origin A opened a zero-length file as an empty store, and everything was silently gone.
#[tokio::test]
async fn a_zero_length_file_is_not_an_empty_log() {
    let folder = folder();
    let path = folder.path().join("log.db");
    fs::write(&path, b"").unwrap();
    let error = told(&path).await;
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("empty"), "{error:?}");
    assert_eq!(fs::metadata(&path).unwrap().len(), 0, "it is left as it was found");
}

#[tokio::test]
async fn a_file_that_is_cut_short_is_damage() {
    let folder = folder();
    let whole = folder.path().join("whole.db");
    filled(&whole, 2_000).await;
    let bytes = fs::read(&whole).unwrap();
    for keep in [50, 4_096, bytes.len() / 2, bytes.len() - 4_096, bytes.len() - 1] {
        let path = folder.path().join(format!("cut-{keep}.db"));
        fs::write(&path, &bytes[..keep]).unwrap();
        assert_eq!(told(&path).await.kind(), ErrorKind::Corrupt, "cut to {keep} bytes");
    }
}

#[tokio::test]
async fn flipped_bytes_are_reported_by_a_check_or_by_reading() {
    let folder = folder();
    let whole = folder.path().join("whole.db");
    filled(&whole, 300).await;
    let bytes = fs::read(&whole).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..40 {
        let path = folder.path().join(format!("flipped-{round}.db"));
        let mut flipped = bytes.clone();
        // A page's first bytes say how it is to be read: a flip there is damage for sure.
        let page = random.usize(0..bytes.len() / 4_096);
        flipped[page * 4_096] ^= 0xFF;
        fs::write(&path, &flipped).unwrap();
        match try_open(&path, Open::Existing) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "page {page}: {error:?}"),
            Ok(log) => {
                let report = log.check().await;
                assert!(report.is_err() || !report.unwrap().problems.is_empty(), "page {page} goes unseen");
            }
        }
    }
}

/// SQLite keeps no checksum of its pages: a byte that changes inside a row would go unseen.
#[tokio::test]
async fn a_value_that_changed_on_the_disk_is_told_with_its_position() {
    let folder = folder();
    let path = folder.path().join("log.db");
    let log = try_open(&path, Open::Create).unwrap();
    let sourced = |number| event(number).with_source("agent-1").unwrap().with_tag("ci").unwrap();
    log.append((1..=9).map(sourced).collect::<Vec<_>>()).await.unwrap();
    log.append(event(10).with_source("agent-2").unwrap()).await.unwrap();
    log.close().await.unwrap();
    for changed in [
        "data = replace(data, 'xxx', 'xyx')",
        "envelope = replace(envelope, 'ci', 'cj')",
        "recorded_at = recorded_at + 1",
        "occurred_at = 1",
        "source_id = 2",
        "id = zeroblob(16)",
        "causation = zeroblob(15) || x'01'",
        "correlation = 'other'",
        "version = 50",
    ] {
        let copy = folder.path().join("copy.db");
        fs::copy(&path, &copy).unwrap();
        let sql = format!("UPDATE events SET {changed} WHERE position = 5");
        assert_eq!(Connection::open(&copy).unwrap().execute(&sql, []).unwrap(), 1);
        let log = try_open(&copy, Open::Existing).unwrap();
        let error = log.read(Filter::all()).collect().await.map(|events| events.len()).unwrap_err();
        assert!(
            error.kind() == ErrorKind::Corrupt && error.message().contains("position 5"),
            "{changed}: {error:?}"
        );
        assert!(!log.check().await.unwrap().problems.is_empty(), "{changed}");
        log.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_file_of_another_program_is_not_touched() {
    let folder = folder();
    let text = folder.path().join("notes.txt");
    fs::write(&text, "these are my notes, and they are longer than an SQLite header of one hundred bytes would be: ha, ha, ha").unwrap();
    let error = told(&text).await;
    assert!(
        error.kind() == ErrorKind::Corrupt && error.to_string().contains("not an SQLite file"),
        "{error:?}"
    );

    let database = folder.path().join("other.db");
    Connection::open(&database)
        .unwrap()
        .execute_batch("CREATE TABLE mine (a); INSERT INTO mine VALUES (1)")
        .unwrap();
    let before = fs::read(&database).unwrap();
    let error = told(&database).await;
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains("another program"), "{error:?}");
    assert_eq!(fs::read(&database).unwrap(), before);
}

#[tokio::test]
async fn a_newer_format_is_refused_and_left_alone() {
    let folder = folder();
    let path = folder.path().join("log.db");
    filled(&path, 3).await;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 3).unwrap();
    let before = fs::read(&path).unwrap();
    let error = told(&path).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("format 3") && error.hint().is_some(), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn closing_leaves_one_file_that_only_its_owner_reads() {
    let folder = folder();
    let path = folder.path().join("log.db");
    filled(&path, 700).await;
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["log.db"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_crash_while_a_log_is_made_leaves_nothing_in_the_way() {
    let folder = folder();
    let path = folder.path().join("log.db");
    // What a killed process leaves: the unfinished file under its other name.
    fs::write(folder.path().join(".log.db.0192f0c1.new"), b"half").unwrap();
    filled(&path, 2).await;
    assert_eq!(try_open(&path, Open::Existing).unwrap().newest().await.unwrap(), Position(2));
}

#[test]
fn many_who_make_the_same_log_at_once_get_one_log() {
    let folder = folder();
    let path = folder.path().join("log.db");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (path, runtime) = (&path, &runtime);
            scope.spawn(move || {
                let log = try_open(path, Open::Create).unwrap();
                runtime.block_on(log.append(event(number))).unwrap();
            });
        }
    });
    let log = try_open(&path, Open::Existing).unwrap();
    assert_eq!(runtime.block_on(log.newest()).unwrap(), Position(8));
}

#[tokio::test]
async fn waiting_for_the_lock_is_bounded_and_ends_in_a_clear_error() {
    let folder = folder();
    let path = folder.path().join("log.db");
    filled(&path, 1).await;
    let options = SqliteOptions { lock_wait: Duration::from_millis(50), ..SqliteOptions::new(&path) };
    let log = EventLog::new(SqliteStore::open(&options, Open::Existing).unwrap());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = log.append(event(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("locked") && error.hint().is_some(), "{error:?}");
    assert_eq!(log.read(Filter::all()).collect().await.unwrap().len(), 1, "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    log.append(event(2)).await.unwrap();
    assert_eq!(log.newest().await.unwrap(), Position(2));
}

#[tokio::test]
async fn a_weaker_level_is_asked_for_by_name_and_says_what_it_loses() {
    let folder = folder();
    let path = folder.path().join("log.db");
    let full = try_open(&path, Open::Create).unwrap();
    assert!(full.about().exceptions.is_empty());
    full.close().await.unwrap();
    let options = SqliteOptions { sync: Sync::Normal, ..SqliteOptions::new(&path) };
    let normal = EventLog::new(SqliteStore::open(&options, Open::Existing).unwrap());
    assert_eq!(normal.about().exceptions[0].0, 2);
    assert!(normal.about().durability.contains("machine"), "{:?}", normal.about());
}

/// Two stores in one process are two writers all the same: each takes in what the other wrote before it checks.
#[tokio::test]
async fn two_stores_on_one_file_see_each_other() {
    let folder = folder();
    let path = folder.path().join("log.db");
    let (a, b) = (try_open(&path, Open::Create).unwrap(), try_open(&path, Open::Create).unwrap());
    let mut following = b.follow(Filter::all());
    for number in 1..=20 {
        let log = if number % 2 == 0 { &a } else { &b };
        let appended = log.append(event(number)).await.unwrap();
        assert_eq!((appended.last().0, appended.events[0].version.0), (number, number));
        assert_eq!(following.next().await.unwrap().unwrap().position.0, number);
    }
    let gone = a
        .remove(&factlog::Removal { filter: Filter::all(), through: Position(20), archive: None })
        .await
        .unwrap();
    assert_eq!(gone.count, 20);
    assert_eq!(b.append(event(21)).await.unwrap().events[0].version.0, 21, "b has heard of the removal");
    assert_eq!(b.check().await.unwrap().problems, Vec::<String>::new());
}

/// The last events of a log that was deleted came back in the new one.
#[tokio::test]
async fn a_write_ahead_log_without_its_log_is_not_played_into_a_new_one() {
    let folder = folder();
    let path = folder.path().join("log.db");
    let log = try_open(&path, Open::Create).unwrap();
    log.append(event(1)).await.unwrap();
    let left = folder.path().join("left");
    fs::copy(folder.path().join("log.db-wal"), &left).unwrap();
    log.close().await.unwrap();
    fs::remove_file(&path).unwrap();
    fs::rename(&left, folder.path().join("log.db-wal")).unwrap();
    let error = try_open(&path, Open::Create).unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.hint().unwrap().contains("-wal"), "{error:?}");
    assert!(!path.exists());
    fs::remove_file(folder.path().join("log.db-wal")).unwrap();
    filled(&path, 1).await;
}

/// One damaged row, met by the condition of one caller, undid its neighbours and stopped the log for everybody.
#[tokio::test]
async fn a_damaged_row_refuses_the_condition_that_meets_it_and_nothing_else() {
    let folder = folder();
    let path = folder.path().join("log.db");
    filled(&path, 3).await;
    let damage = "UPDATE events SET data = '{}' WHERE position = 2";
    Connection::open(&path).unwrap().execute(damage, []).unwrap();
    let log = try_open(&path, Open::Existing).unwrap();
    let condition =
        factlog::Condition::NoneSince { filter: Filter::types(["task:*"]).unwrap(), after: Position(1) };
    let meets = factlog::Batch::new(vec![event(4)]).unwrap().condition(condition).unwrap();
    let plain = |number| factlog::Batch::new(vec![event(number)]).unwrap();
    let outcomes = log.append_each(vec![plain(5), meets, plain(6)]).await;
    let kinds: Vec<_> =
        outcomes.iter().map(|outcome| outcome.as_ref().err().map(factlog::Error::kind)).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::Corrupt), None]);
    log.append(event(7)).await.unwrap();
}

/// The write-ahead log was never begun anew while writers were busy: 149 MB after three seconds.
#[tokio::test]
async fn the_write_ahead_log_stays_short_under_load() {
    let folder = folder();
    let path = folder.path().join("log.db");
    let log = try_open(&path, Open::Create).unwrap();
    let wal = folder.path().join("log.db-wal");
    let mut longest = 0;
    for round in 0..120 {
        // Every event in a leaf of its own: much of the indexes is written again with each commit.
        let spread = |number: u64| NewEvent {
            stream: format!("task-{}", number * 37 % 50_000).parse().unwrap(),
            ..event(round)
        };
        log.append((0..900).map(|number| spread(round * 900 + number)).collect::<Vec<_>>()).await.unwrap();
        longest = longest.max(fs::metadata(&wal).unwrap().len());
    }
    assert!(longest < 80 << 20, "the write-ahead log grew to {longest} bytes");
    assert!(fs::metadata(&path).unwrap().len() > 20 << 20, "it was copied into the file meanwhile");
}

/// People look with sqlite3: the tables of docs/format.md are a promise.
#[tokio::test]
async fn the_tables_of_either_index_are_those_that_the_page_shows() {
    let common = "log:view meta:table revisions:table snapshots:table sources:table";
    let real = format!(
        "events:table events_by_correlation:index events_by_id:index events_by_stream:index events_by_type:index {common} \
         streams:table streams_by_category:index types:table"
    );
    let lagging = format!(
        "correlation_positions:view events:table index_categories:table index_correlations:table index_ids:table \
         index_names:table index_state:table index_streams:table index_types:table {common} stream_positions:view \
         streams:table type_positions:view types:table"
    );
    for (indexes, format, expected) in [(Indexes::Real, 1, real), (Indexes::Lagging, 2, lagging)] {
        let folder = folder();
        let path = folder.path().join("log.db");
        let options = SqliteOptions { indexes: Some(indexes), ..SqliteOptions::new(&path) };
        let log = EventLog::new(SqliteStore::open(&options, Open::Create).unwrap());
        log.append(event(1)).await.unwrap();
        log.close().await.unwrap();
        let connection = Connection::open(&path).unwrap();
        let pragma =
            |name: &str| connection.pragma_query_value::<i64, _>(None, name, |row| row.get(0)).unwrap();
        assert_eq!((pragma("application_id"), pragma("user_version")), (0x464C_4F47, format));
        let names: Vec<String> = column(
            &connection,
            "SELECT name || ':' || type FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name",
        );
        assert_eq!(names.join(" "), expected);
        let sql =
            "SELECT position || ' ' || stream || ' ' || version || ' ' || type || ' ' || length(id) FROM log";
        assert_eq!(column(&connection, sql), ["1 task-1 1 task:noted 32"]);
    }
    let page = include_str!("../../../docs/format.md");
    for schema in [
        include_str!("../src/sqlite/schema.sql"),
        include_str!("../src/sqlite/schema_real.sql"),
        include_str!("../src/sqlite/schema_lagging.sql"),
    ] {
        let tables = schema.split_once('\n').unwrap().1.trim();
        assert!(page.contains(tables), "docs/format.md shows another schema");
    }
}

fn column(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

/// Readings are read ahead: a page that waits for its reader must not hold the turn of another one.
#[tokio::test]
async fn readers_who_pause_keep_nobody_waiting() {
    const READERS: usize = 40;
    const PATIENCE: Duration = Duration::from_secs(60);
    let folder = folder();
    let path = folder.path().join("log.db");
    filled(&path, 3_500).await;
    let log = try_open(&path, Open::Existing).unwrap();
    let mut paused = Vec::new();
    for _ in 0..READERS {
        let mut reading = log.read(Filter::all());
        for _ in 0..1_001 {
            reading.next().await.unwrap().unwrap();
        }
        paused.push(reading);
    }
    let another = tokio::time::timeout(PATIENCE, log.read(Filter::all()).collect()).await;
    assert_eq!(another.expect("it had to wait for those who pause").unwrap().len(), 3_500);
    let reads = paused.into_iter().map(|reading| tokio::spawn(reading.collect()));
    for read in reads.collect::<Vec<_>>() {
        assert_eq!(read.await.unwrap().unwrap().len(), 2_499);
    }
}
