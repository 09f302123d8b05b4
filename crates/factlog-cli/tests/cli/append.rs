//! `factlog append`: one event.

use serde_json::json;

use crate::support::{Place, lines};

#[test]
fn the_first_event_makes_the_log_and_says_where_it_stands() {
    let place = Place::new();
    assert_eq!(place.ok(r#"append task-1 task:created {"n":1}"#), "1  task-1 v1\n");
    assert_eq!(place.ok("append task-1 task:started"), "2  task-1 v2\n");
    assert_eq!(place.files(), ["factlog.db"], "one file is the whole log");
    let events = lines(&place.ok("export"));
    assert_eq!((&events[0]["data"], &events[1]["data"]), (&json!({"n": 1}), &json!({})));
}

#[test]
fn every_flag_ends_in_its_field() {
    let place = Place::new();
    let appended = place.json(
        "append task-1 task:created {} --id 019aa000-0000-7000-8000-000000000001 --source planner --target a \
         --target b --correlation docs --causation 019aa000-0000-7000-8000-000000000002 --session s1 --user ada \
         --priority high --tag x --tag y --expires 2030-01-01 --occurred 2025-03-01T10:00:00+01:00 \
         --metadata {\"k\":1} --format json",
    );
    let event = &lines(&place.ok("export"))[0];
    let recorded = &event["recordedAt"];
    assert_eq!(
        appended,
        json!({"events": [{"position": 1, "stream": "task-1", "version": 1}], "recordedAt": recorded, "repeated": false})
    );
    let expected = json!({
        "position": 1, "id": "019aa000-0000-7000-8000-000000000001", "stream": "task-1", "version": 1,
        "type": "task:created", "source": "planner", "targets": ["a", "b"], "recordedAt": recorded,
        "occurredAt": "2025-03-01T09:00:00.000000Z", "correlationId": "docs",
        "causationId": "019aa000-0000-7000-8000-000000000002", "sessionId": "s1", "userId": "ada",
        "priority": "high", "expiresAt": "2030-01-01T00:00:00.000000Z", "tags": ["x", "y"],
        "metadata": {"k": 1}, "data": {},
    });
    assert_eq!(*event, expected);
}

#[test]
fn an_expectation_that_holds_is_recorded_and_one_that_does_not_is_a_conflict() {
    let place = Place::new();
    for (words, code) in [
        ("append a-1 x --expect exists", 4),
        ("append a-1 x --expect 1", 4),
        ("append a-1 x --expect none", 0),
        ("append a-1 x --expect none", 4),
        ("append a-1 x --expect exists", 0),
        ("append a-1 x --expect 1", 4),
        ("append a-1 x --expect 2", 0),
        ("append a-1 x --expect any", 0),
        ("append b-1 x --expect 0", 0),
    ] {
        assert_eq!(place.run(words).code, code, "{words}");
    }
    assert_eq!(place.json("stats --format json")["total"], 5, "a conflict records nothing");
}

#[test]
fn the_same_id_twice_is_one_event() {
    let place = Place::new();
    let words = "append task-1 task:created {} --id 019aa000-0000-7000-8000-000000000001";
    assert_eq!(place.ok(words), "1  task-1 v1\n");
    assert_eq!(place.ok(words), "1  task-1 v1  (was recorded already)\n");
    let again = place.json(&format!("{words} --format json"));
    assert_eq!((&again["repeated"], &again["events"][0]["position"]), (&json!(true), &json!(1)));
    // Known ids are looked at before versions: a retry of what went in is no conflict.
    assert_eq!(place.run(&format!("{words} --expect none")).code, 0);
    let other = words.replace("task:created", "task:deleted");
    assert_eq!(place.run(&other).code, 4, "the same id with another type");
    assert_eq!(place.positions("list"), [1]);
}

#[test]
fn what_cannot_be_recorded_makes_no_log() {
    let place = Place::new();
    for words in
        ["append task-1 x {oops", "append task-1 x {} --expect many", "append task-1 x {} --priority urgent"]
    {
        assert_eq!(place.run(words).code, 2, "{words}");
    }
    assert!(place.files().is_empty());
}

/// Story: a store accepted a fixed set of types, and the first new kind of agent had nowhere to write.
#[test]
fn a_type_that_nobody_has_heard_of_is_welcome() {
    let place = Place::new();
    place.run_words(&["append", "überall", "Ein neuer Typ", r#"["any", "JSON"]"#]).ok();
    let event = &lines(&place.ok("list --format jsonl"))[0];
    assert_eq!((&event["type"], &event["data"]), (&json!("Ein neuer Typ"), &json!(["any", "JSON"])));
}

#[test]
fn data_comes_back_as_it_was_written() {
    let place = Place::new();
    place
        .run_words(&["append", "n-1", "x", r#"{ "z": 1.10, "a": 12345678901234567890123, "z2": "\u00e9" }"#])
        .ok();
    assert!(place.ok("export").contains(r#""data":{"z":1.10,"a":12345678901234567890123,"z2":"\u00e9"}"#));
}
