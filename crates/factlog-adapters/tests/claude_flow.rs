//! Stores of claude-flow: both kinds of files, whole and broken in the ways in which they were seen to break.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};

use common::{Scene, counts, rejected, sound};
use factlog_adapters::detect::{Kind, detect};
use factlog_adapters::{Imported, Intake, claude_flow};
use rusqlite::Connection;
use serde_json::{Value, json};

/// What SQL of origin A makes of an empty file.
const SCHEMA: &str = "
    CREATE TABLE events (id TEXT PRIMARY KEY, type TEXT NOT NULL, aggregate_id TEXT NOT NULL,
        aggregate_type TEXT NOT NULL, version INTEGER NOT NULL, timestamp INTEGER NOT NULL, source TEXT NOT NULL,
        payload TEXT NOT NULL, metadata TEXT, causation_id TEXT, correlation_id TEXT);
    CREATE INDEX idx_aggregate_id ON events(aggregate_id);
    CREATE INDEX idx_timestamp ON events(timestamp);
    CREATE UNIQUE INDEX idx_aggregate_version ON events(aggregate_id, version);
    CREATE TABLE snapshots (aggregate_id TEXT PRIMARY KEY, aggregate_type TEXT NOT NULL, version INTEGER NOT NULL,
        state TEXT NOT NULL, timestamp INTEGER NOT NULL);";

async fn import(scene: &Scene, path: &Path) -> Imported {
    let paths = [path.to_owned()];
    sound(claude_flow::import(&scene.log, &paths, Intake::telling(&mut |_| {})).await.unwrap())
}

/// The nth event of a task.
fn event(number: usize, task: &str) -> Value {
    json!({
        "id": format!("evt-1700000000000-{number}"), "type": "task:created", "aggregateId": task,
        "aggregateType": "task", "version": number, "timestamp": 1_700_000_000_000_u64 + number as u64,
        "source": "swarm", "payload": {"taskId": task, "title": format!("Title {number}")},
    })
}

fn record(event: &Value) -> Vec<u8> {
    let json = event.to_string();
    [&u32::try_from(json.len()).unwrap().to_be_bytes()[..], json.as_bytes()].concat()
}

/// A log of events, and where each record begins.
fn rvf(events: &[Value]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = b"RVFL".to_vec();
    let mut places = Vec::new();
    for event in events {
        places.push(bytes.len());
        bytes.extend(record(event));
    }
    (bytes, places)
}

fn ten() -> Vec<Value> {
    (1..=10).map(|number| event(number, &format!("{}", number % 3))).collect()
}

fn database(scene: &Scene, name: &str) -> (PathBuf, Connection) {
    let path = scene.path().join(name);
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    (path, connection)
}

fn insert(connection: &Connection, event: &Value) {
    let text = |name: &str| event[name].as_str().map(str::to_owned);
    let json = |name: &str| event[name].as_object().map(|_| event[name].to_string());
    connection
        .execute(
            "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            rusqlite::params![
                text("id"),
                text("type"),
                text("aggregateId"),
                text("aggregateType"),
                event["version"].as_i64(),
                event["timestamp"].as_i64(),
                text("source"),
                json("payload").or_else(|| text("payload")),
                json("metadata").unwrap_or_else(|| "{}".to_owned()),
                text("causationId"),
                text("correlationId"),
            ],
        )
        .unwrap();
}

fn many(scene: &Scene, count: usize) -> PathBuf {
    let (path, connection) = database(scene, "events.db");
    connection.execute_batch("BEGIN").unwrap();
    for number in 1..=count {
        let mut event = event(number, &format!("task-{}", number % 7));
        // Some rows go over several pages.
        event["payload"]["description"] =
            json!("d".repeat(if number % 50 == 0 { 9_000 } else { number % 300 }));
        insert(&connection, &event);
    }
    connection.execute_batch("COMMIT").unwrap();
    path
}

/// Story: one letter of a column's name had become another byte, and nothing of the file went in, nor of the files after it.
#[tokio::test]
async fn a_column_with_a_name_that_is_no_text_keeps_no_event_out() {
    let scene = Scene::new();
    let path = many(&scene, 3);
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("ALTER TABLE events ADD COLUMN odd_name TEXT").unwrap();
    connection.close().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|part| part == b"odd_name").unwrap();
    bytes[at] = 0xff;
    std::fs::write(&path, bytes).unwrap();

    let imported = import(&scene, &path).await;

    assert_eq!((imported.appended, rejected(&imported)), (3, Vec::new()), "{imported:?}");
}

/// Story: a view has no rows with numbers, and the error of that ended the import of all files.
#[tokio::test]
async fn a_view_in_the_place_of_the_table_is_named() {
    let scene = Scene::new();
    let path = many(&scene, 3);
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("ALTER TABLE events RENAME TO other; CREATE VIEW events AS SELECT * FROM other")
        .unwrap();
    connection.close().unwrap();

    let imported = import(&scene, &path).await;

    assert_eq!((imported.appended, rejected(&imported).len()), (0, 1), "{imported:?}");
}

/// Story (D6): agent 1 and task 1 were one aggregate there, with one sequence of versions.
#[tokio::test]
async fn d6_agent_1_and_task_1_are_two_streams_and_rows_keep_all_they_say() {
    let scene = Scene::new();
    let (path, connection) = database(&scene, "events.db");
    let agent = json!({
        "id": "evt-1-1", "type": "agent:spawned", "aggregateId": "1", "aggregateType": "agent", "version": 1,
        "timestamp": 1_700_000_000_123_u64, "source": "swarm", "payload": {"agentId": "1", "role": "coder"},
    });
    let task = json!({
        "id": "evt-1-2", "type": "TaskCreated", "aggregateId": "1", "aggregateType": "task", "version": 2,
        "timestamp": 1_700_000_000_000_u64, "source": "agent-7", "payload": {"taskId": "1", "n": 1.0},
        "metadata": {"host": "ci"}, "causationId": "evt-1-1", "correlationId": "build-9",
    });
    let lost = json!({
        "id": "0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d", "type": "banana", "aggregateId": "b", "aggregateType": "banana",
        "version": 1, "timestamp": 0, "source": "swarm", "payload": {}, "causationId": "evt-0-0",
    });
    for event in [&agent, &task, &lost] {
        insert(&connection, event);
    }
    connection.execute("INSERT INTO snapshots VALUES ('1', 'task', 2, '{}', 1)", []).unwrap();
    drop(connection);

    let imported = import(&scene, &path).await;
    assert_eq!((counts(&imported), imported.streams), ((4, 3, 0, 1), 3));
    let events = scene.events().await;
    let (agent, task, lost) = (&events[0], &events[1], &events[2]);
    assert_eq!((agent.stream.as_str(), agent.version.0), ("agent-1", 1));
    assert_eq!((task.stream.as_str(), task.version.0), ("task-1", 1));
    assert_eq!(agent.time().to_string(), "2023-11-14T22:13:20.123000Z");
    assert_eq!(agent.metadata.as_ref().unwrap().as_str(), r#"{"sourceId":"evt-1-1"}"#);
    assert_eq!(task.event_type, "task:created");
    assert_eq!(task.source.as_deref(), Some("agent-7"));
    assert_eq!(task.causation_id, Some(agent.id));
    assert_eq!(task.correlation_id.as_deref(), Some("build-9"));
    let written = serde_json::json!({"taskId": "1", "n": 1.0}).to_string();
    assert_eq!(task.data.as_str(), written, "as its text was, to the letter");
    assert_eq!(
        task.metadata.as_ref().unwrap().as_str(),
        r#"{"host":"ci","sourceType":"TaskCreated","sourceId":"evt-1-2"}"#
    );
    assert_eq!(lost.id.to_string(), "0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d");
    assert_eq!(lost.metadata.as_ref().unwrap().as_str(), r#"{"sourceCausationId":"evt-0-0"}"#);
    assert_eq!(std::fs::read_dir(scene.path()).unwrap().count(), 1, "nothing is written beside the file");
    assert_eq!(counts(&import(&scene, &path).await), (4, 0, 3, 1), "twice adds nothing");
}

#[tokio::test]
async fn rows_go_in_by_their_order_page_by_page_and_new_ones_later() {
    let scene = Scene::new();
    let path = many(&scene, 1_234);
    assert_eq!(counts(&import(&scene, &path).await), (1_234, 1_234, 0, 0));
    let times: Vec<_> = scene.events().await.iter().map(|event| event.time()).collect();
    assert!(times.is_sorted());
    insert(&Connection::open(&path).unwrap(), &event(2_000, "new"));
    assert_eq!(counts(&import(&scene, &path).await), (1_235, 1, 1_234, 0));
}

#[tokio::test]
async fn a_row_that_is_no_event_is_named_and_the_rest_goes_in() {
    let scene = Scene::new();
    let (path, connection) = database(&scene, "events.db");
    let mut bad = event(1, "1");
    bad["payload"] = json!("{half");
    let mut nameless = event(2, "1");
    nameless["aggregateId"] = json!("");
    for event in [&bad, &nameless, &event(3, "1")] {
        insert(&connection, event);
    }
    drop(connection);
    let imported = import(&scene, &path).await;
    assert_eq!(counts(&imported), (3, 1, 0, 0));
    let rejected = rejected(&imported);
    assert!(rejected[0].2.starts_with("row 1: its payload is not JSON"), "{rejected:?}");
    assert!(
        rejected[1].2.starts_with("row 2: not an event of claude-flow: it has no aggregateId"),
        "{rejected:?}"
    );
}

/// Story (D3): the database was written over in place, and what a stop in between left could not be opened at all.
#[tokio::test]
async fn d3_a_database_that_is_cut_off_is_read_as_far_as_it_goes_and_named() {
    let scene = Scene::new();
    let path = many(&scene, 3_000);
    let whole = std::fs::read(&path).unwrap();
    let mut found = Vec::new();
    for eighths in [8, 7, 4, 1] {
        let scene = Scene::new();
        let path = scene.write("events.db", &whole[..whole.len() * eighths / 8 - usize::from(eighths < 8)]);
        let imported = import(&scene, &path).await;
        found.push(imported.appended);
        let times: Vec<_> = scene.events().await.iter().map(|event| event.time()).collect();
        assert!(times.is_sorted());
        if eighths == 8 {
            assert_eq!(imported.rejected, []);
            continue;
        }
        let rejected = rejected(&imported);
        let (file, _, last) = rejected.last().unwrap();
        assert_eq!(file, "events.db");
        let rows = format!("Read page by page: {} rows", imported.appended);
        assert!(last.contains("it is cut off") && last.contains("malformed"), "{last}");
        let is_long = rejected.iter().any(|(_, _, reason)| reason.contains("the rest of a long row"));
        assert!(last.contains(&rows) || is_long, "{last}");
        let again = import(&scene, &path).await;
        assert_eq!((again.appended, again.duplicates), (0, imported.appended));
    }
    assert_eq!(found[0], 3_000);
    assert!(
        found[1] > 2_000 && found[1] > found[2] && found[2] > 800 && found[2] > found[3] && found[3] > 50,
        "{found:?}"
    );
}

#[tokio::test]
async fn a_page_that_is_damaged_costs_its_rows_and_they_are_named() {
    let scene = Scene::new();
    let path = many(&scene, 500);
    let mut bytes = std::fs::read(&path).unwrap();
    let pages: Vec<usize> = (0..bytes.len())
        .step_by(4_096)
        .filter(|at| bytes[*at] == 0x0d && contains(&bytes[*at..at + 4_096], "evt-"))
        .collect();
    let middle = pages[pages.len() / 2];
    bytes[middle..middle + 4_096].fill(0xee);
    std::fs::write(&path, bytes).unwrap();
    let imported = import(&scene, &path).await;
    assert!((450..500).contains(&imported.appended), "{}", imported.appended);
    let rejected = rejected(&imported);
    assert!(
        rejected.iter().any(|(_, _, reason)| reason.contains("not in the file any more")),
        "{rejected:?}"
    );
}

/// What is read without trust must end, and account for all it has read, whatever stands there.
#[tokio::test]
async fn no_damage_of_a_database_ends_an_import() {
    let scene = Scene::new();
    let whole = std::fs::read(many(&scene, 120)).unwrap();
    let mut random: u64 = 1;
    let mut below = |most: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % most
    };
    for round in 0..60 {
        let scene = Scene::new();
        let mut bytes = whole.clone();
        for _ in 0..1 << (round % 8) {
            let at = below(bytes.len());
            bytes[at] = below(256) as u8;
        }
        let path = scene.write("events.db", bytes);
        import(&scene, &path).await;
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Story (D3): a file of no bytes was opened as a store without events.
#[tokio::test]
async fn d3_a_file_of_no_bytes_or_of_another_kind_is_named() {
    let scene = Scene::new();
    let cases: [(&str, &[u8], &str); 4] = [
        ("events.db", b"", "the file: it is empty"),
        ("events.rvf", b"", "byte 0: the file is empty"),
        ("other.db", b"something else, and longer than nothing", "not a database"),
        ("other.rvf", b"{\"id\":1}", "does not begin with RVFL"),
    ];
    for (name, bytes, reason) in cases {
        let path = scene.write(name, bytes);
        let imported = import(&scene, &path).await;
        assert_eq!((imported.appended, imported.rejected.len()), (0, 1), "{imported:?}");
        assert!(imported.rejected[0].reason.contains(reason), "{imported:?}");
    }
    let path = scene.path().join("another.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE events (id)").unwrap();
    let imported = import(&scene, &path).await;
    assert!(imported.rejected[0].reason.contains("its table events has no type"), "{imported:?}");
}

#[tokio::test]
async fn changes_beside_the_file_are_not_passed_over_in_silence() {
    let scene = Scene::new();
    let path = many(&scene, 3);
    scene.write("events.db-wal", "changes");
    let imported = import(&scene, &path).await;
    assert_eq!(imported.appended, 3);
    assert!(imported.rejected[0].reason.contains("events.db-wal holds changes"), "{imported:?}");
}

/// Story: two writers of one log numbered their events alike, and gave them the same ids.
#[tokio::test]
async fn equal_versions_and_equal_ids_of_two_writers_all_go_in() {
    let scene = Scene::new();
    let (one, mut other) = (event(1, "1"), event(1, "1"));
    other["payload"]["title"] = json!("of the other");
    let path = scene.write("events.rvf", rvf(&[one, other]).0);
    assert_eq!(counts(&import(&scene, &path).await), (2, 2, 0, 0));
    assert_eq!(scene.events().await[1].version.0, 2);
    assert_eq!(counts(&import(&scene, &path).await), (2, 0, 2, 0));
}

/// Story (D16): nine records, half of one, and five more behind it: all but nine were lost there.
#[tokio::test]
async fn d16_what_was_appended_behind_half_a_record_is_found() {
    let all: Vec<Value> = (1..=15).map(|number| event(number, "1")).collect();
    let whole = record(&all[9]);
    for kept in [1, 3, 4, 5, 100, whole.len() - 1] {
        let scene = Scene::new();
        let (mut bytes, _) = rvf(&all[..9]);
        let torn = bytes.len();
        bytes.extend(&whole[..kept]);
        let behind = bytes.len();
        bytes.extend(all[10..].iter().flat_map(record));
        let path = scene.write("events.rvf", bytes);
        let imported = import(&scene, &path).await;
        assert_eq!(counts(&imported), (15, 14, 0, 0), "{kept}");
        let reason = &rejected(&imported)[0].2;
        assert!(reason.starts_with(&format!("bytes {torn} to {}: damaged", behind - 1)), "{reason}");
    }
}

#[tokio::test]
async fn d16_a_torn_tail_alone_is_named_and_costs_no_other_record() {
    let scene = Scene::new();
    let (bytes, places) = rvf(&ten());
    let path = scene.write("events.rvf", &bytes[..bytes.len() - 10]);
    let imported = import(&scene, &path).await;
    assert_eq!(counts(&imported), (10, 9, 0, 0));
    let reason = &rejected(&imported)[0].2;
    assert!(reason.starts_with(&format!("bytes {} to {}", places[9], bytes.len() - 11)), "{reason}");
}

/// Story (D16): one flipped bit in a payload dropped the event there, and nothing told of it.
#[tokio::test]
async fn d16_a_flipped_bit_of_json_costs_one_record_and_it_is_named() {
    let (bytes, places) = rvf(&ten());
    // The opening brace, a quote within, the closing brace.
    for offset in [4, 5, places[5] - places[4] - 1] {
        let scene = Scene::new();
        let mut bytes = bytes.clone();
        bytes[places[4] + offset] ^= 0x01;
        let path = scene.write("events.rvf", bytes);
        let imported = import(&scene, &path).await;
        assert_eq!(counts(&imported), (10, 9, 0, 0), "{imported:?}");
        let reason = &rejected(&imported)[0].2;
        let range = format!("bytes {} to {}: ", places[4], places[5] - 1);
        assert!(reason.starts_with(&range), "{reason}");
        assert_eq!(counts(&import(&scene, &path).await), (10, 0, 9, 0));
    }
}

/// Story (D16): one flipped bit in a length hid all events there: 0 of 10, and no error.
#[tokio::test]
async fn d16_a_flipped_bit_of_a_length_costs_no_record_and_is_named() {
    for record in [0, 4, 9] {
        for bit in 0..32 {
            let scene = Scene::new();
            let (mut bytes, places) = rvf(&ten());
            bytes[places[record] + bit / 8] ^= 1 << (bit % 8);
            let path = scene.write("events.rvf", bytes);
            let imported = import(&scene, &path).await;
            assert_eq!(counts(&imported), (11, 10, 0, 0), "record {record}, bit {bit}: {imported:?}");
            let reason = &rejected(&imported)[0].2;
            let range = format!("bytes {} to {}: ", places[record], places[record] + 3);
            assert!(reason.starts_with(&range), "{reason}");
        }
    }
}

#[tokio::test]
async fn any_damaged_byte_of_a_log_costs_no_more_than_its_record() {
    let (bytes, _) = rvf(&ten()[..3]);
    for at in 0..bytes.len() {
        let scene = Scene::new();
        let mut bytes = bytes.clone();
        bytes[at] = 0xff;
        let path = scene.write("events.rvf", bytes);
        let imported = import(&scene, &path).await;
        assert!(imported.appended >= 2 && imported.rejected.len() == 1, "byte {at}: {imported:?}");
    }
}

#[tokio::test]
async fn snapshots_beside_a_log_are_left_out_and_counted() {
    let scene = Scene::new();
    scene.write("a/events.rvf", rvf(&ten()).0);
    let snapshot =
        json!({"aggregateId": "1", "aggregateType": "task", "version": 2, "state": {}, "timestamp": 1});
    scene.write("a/events.snap.rvf", rvf(&[snapshot]).0);
    let imported = import(&scene, scene.path()).await;
    assert_eq!(counts(&imported), (11, 10, 0, 1));
}

#[tokio::test]
async fn stores_are_told_by_a_look_and_databases_of_others_are_passed_over() {
    let scene = Scene::new();
    let database = many(&scene, 1);
    let log = scene.write("log", rvf(&ten()).0);
    Connection::open(scene.path().join("memory.db"))
        .unwrap()
        .execute_batch("CREATE TABLE memory (id)")
        .unwrap();
    let detected = detect(&[scene.path().to_owned(), log.clone()]).unwrap();
    assert_eq!(detected.files[&Kind::ClaudeFlow], [database, log]);
    assert_eq!(detected.unknown, Vec::<PathBuf>::new());
    assert_eq!(counts(&import(&scene, scene.path()).await), (1, 1, 0, 0));
}
