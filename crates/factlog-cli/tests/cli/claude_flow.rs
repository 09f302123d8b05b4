//! `factlog import claude-flow`: the stores of origin A, also broken ones.

use serde_json::{Value, json};

use crate::support::Place;

/// A log `.rvf` of so many events.
fn rvf(count: usize) -> Vec<u8> {
    let mut bytes = b"RVFL".to_vec();
    for number in 1..=count {
        let event = json!({
            "id": format!("evt-1700000000000-{number}"), "type": "task:created", "aggregateId": "1",
            "aggregateType": "task", "version": number, "timestamp": 1_700_000_000_000_u64, "source": "swarm",
            "payload": {"taskId": "1", "title": format!("Title {number}")},
        });
        let json = event.to_string();
        bytes.extend(u32::try_from(json.len()).unwrap().to_be_bytes());
        bytes.extend(json.as_bytes());
    }
    bytes
}

#[test]
fn a_damaged_log_is_taken_as_far_as_it_is_whole_and_the_exit_code_tells() {
    let place = Place::new();
    let mut bytes = rvf(9);
    bytes.extend([0, 0, 0, 200, b'{', b'"']);
    bytes.extend(&rvf(14)[rvf(9).len()..]);
    place.write("events.rvf", bytes);
    let ran = place.run("import claude-flow events.rvf --format json");
    let result: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &result["appended"]), (1, &json!(14)));
    insta::assert_snapshot!(ran.err, @"events.rvf:10: bytes 1741 to 1746: damaged, passed over: not UTF-8");
    assert_eq!(place.run("import events.rvf --lenient").code, 0, "it is found by a look too");
    assert!(place.ok("show evt-1700000000000-14").contains("Title 14"));
}

#[test]
fn snapshots_are_left_out_and_that_is_said() {
    let place = Place::new();
    let connection = rusqlite::Connection::open(place.path("events.db")).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE events (id TEXT PRIMARY KEY, type, aggregate_id, aggregate_type, version, timestamp, source,
                payload, metadata, causation_id, correlation_id);
             INSERT INTO events VALUES ('evt-1-1', 'agent:spawned', '1', 'agent', 1, 1700000000000, 'swarm',
                '{\"agentId\":\"1\"}', '{}', NULL, NULL);
             CREATE TABLE snapshots (aggregate_id TEXT PRIMARY KEY, aggregate_type, version, state, timestamp);
             INSERT INTO snapshots VALUES ('1', 'agent', 1, '{}', 1);",
        )
        .unwrap();
    drop(connection);
    let ran = place.run("import claude-flow events.db");
    assert_eq!(ran.code, 0);
    insta::assert_snapshot!(ran.err, @"note: snapshots of claude-flow are derived from its events; left out: 1");
    assert!(place.ok("agents").contains("idle"));
}
