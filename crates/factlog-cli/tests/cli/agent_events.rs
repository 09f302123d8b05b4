//! `factlog import agent-events` and `--format agent-events`: the events of origin D, in and out.

use serde_json::{Value, json};

use crate::support::Place;

const EVENTS: &str = r#"{"id":"evt-1732147200000-k3j9x2m1q","type":"task:assigned","source":"coordinator","target":"agent-123","timestamp":"2024-11-21T00:00:00.000Z","priority":"high","ttl":60000,"data":{"taskId":"task-001","taskType":"analysis"}}
{"id":"evt-1732147201000-bbbbbbbbb","type":"broadcast","source":"coordinator","timestamp":"2024-11-21T00:00:01.000Z","data":{"topic":"system-update","content":1}}
"#;

#[test]
fn events_of_the_bus_come_in_once_and_go_out_in_its_words() {
    let place = Place::new();
    place.write("events.jsonl", EVENTS);
    let imported = place.json("import agent-events events.jsonl --format json");
    assert_eq!((&imported["appended"], &imported["streams"]), (&json!(2), &json!(2)));
    assert_eq!(place.json("import events.jsonl --format json")["duplicates"], 2, "it is found by a look too");
    let piped: Value =
        serde_json::from_str(&place.feed("import agent-events - --format json", EVENTS)).unwrap();
    assert_eq!(piped["duplicates"], 2);
    assert!(place.ok("show evt-1732147200000-k3j9x2m1q").contains("agent-123"));
    insta::assert_snapshot!(place.ok("export --format agent-events"), @r#"
    {"id":"evt-1732147200000-k3j9x2m1q","type":"task:assigned","source":"coordinator","target":"agent-123","timestamp":"2024-11-21T00:00:00.000000Z","priority":"high","ttl":60000,"data":{"taskId":"task-001","taskType":"analysis"}}
    {"id":"evt-1732147201000-bbbbbbbbb","type":"broadcast","source":"coordinator","timestamp":"2024-11-21T00:00:01.000000Z","data":{"topic":"system-update","content":1}}
    "#);
}

#[test]
fn a_bad_row_is_named_with_its_line_and_the_exit_code_tells() {
    let place = Place::new();
    place.write(
        "abc_events.csv",
        "id,type,source,data,timestamp,processed,user_id,created_at\n\
         7b0f3a52-1c1d-4f0e-9d57-3b6f0f6f2a11,message:sent,a,\"{\"\"messageId\"\": \"\"m\"\", \"\"target\"\": \"\"b\"\"}\",2024-11-21 00:00:00+00,f,,\n\
         7b0f3a52-1c1d-4f0e-9d57-3b6f0f6f2a12,message:sent,a,{,2024-11-21 00:00:00+00,f,,\n",
    );
    let ran = place.run("import agent-events abc_events.csv --format json");
    assert_eq!(
        (ran.code, serde_json::from_str::<Value>(&ran.out).unwrap()["appended"].clone()),
        (1, json!(1))
    );
    insta::assert_snapshot!(ran.err, @"abc_events.csv:3: its data is not JSON: EOF while parsing an object at line 1 column 1");
    assert_eq!(place.run("import abc_events.csv --lenient").code, 0);
    assert_eq!(place.json("list --target b --format json")[0]["stream"], "message-m");
}
