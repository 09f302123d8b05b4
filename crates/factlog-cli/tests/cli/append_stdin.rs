//! `factlog append --stdin`: a line in, a line out.

use serde_json::{Value, json};

use crate::support::{NONE, Place, lines};

/// The answers to lines of input, and the exit code.
fn answers(place: &Place, input: &[&str]) -> (Vec<Value>, i32) {
    let ran = place.run_with(&["append", "--stdin"], input.join("\n"));
    assert_eq!(ran.err, "");
    (lines(&ran.out), ran.code)
}

fn at(position: u64, stream: &str, version: u64) -> Value {
    json!([{"position": position, "stream": stream, "version": version}])
}

/// Story: answers came at the end of the input, so that an agent that waited for one waited for ever.
#[test]
fn a_line_is_answered_before_the_next_one_is_written() {
    let place = Place::new();
    let mut agent = place.start("append --stdin");
    for version in 1..=3_u64 {
        agent.say(&format!(r#"{{"stream":"task-1","type":"task:noted","expect":{}}}"#, version - 1));
        assert_eq!(agent.json()["events"], at(version, "task-1", version));
        assert_eq!(place.positions("list").len() as u64, version, "it is there when it is answered");
    }
    let ran = agent.end();
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
}

#[test]
fn answers_stand_in_the_order_of_the_lines() {
    let place = Place::new();
    let input: Vec<String> =
        (0..2_000).map(|n| format!(r#"{{"stream":"s-{}","type":"x","data":{{"n":{n}}}}}"#, n % 7)).collect();
    let input: Vec<&str> = input.iter().map(String::as_str).collect();
    let (answers, code) = answers(&place, &input);
    let positions: Vec<u64> =
        answers.iter().map(|answer| answer["events"][0]["position"].as_u64().unwrap()).collect();
    assert_eq!((positions, code), ((1..=2_000).collect(), 0));
    let data = lines(&place.ok("export")).into_iter().map(|event| event["data"]["n"].as_u64().unwrap());
    assert!(data.eq(0..2_000));
}

#[test]
fn a_conflict_says_what_was_expected_and_what_is_there_and_the_other_lines_go_in() {
    let place = Place::new();
    place.ok("append task-1 task:created");
    let (answers, code) = answers(
        &place,
        &[
            r#"{"stream":"task-1","type":"x","expect":7}"#,
            r#"{"stream":"task-1","type":"x","expect":1}"#,
            r#"{"stream":"task-1","type":"x","expect":"none"}"#,
            r#"{"stream":"task-9","type":"x","expect":"exists"}"#,
            r#"{"stream":"task-1","type":"x","expect":"any"}"#,
        ],
    );
    assert_eq!(code, 1);
    let conflict = |answer: &Value| {
        (
            answer["code"].clone(),
            answer["stream"].clone(),
            answer["expected"].clone(),
            answer["actual"].clone(),
        )
    };
    assert_eq!(conflict(&answers[0]), (json!("conflict"), json!("task-1"), json!(7), json!(1)));
    assert_eq!(answers[1]["events"], at(2, "task-1", 2));
    assert_eq!(conflict(&answers[2]), (json!("conflict"), json!("task-1"), json!(0), json!(2)));
    assert_eq!(conflict(&answers[3]), (json!("conflict"), json!("task-9"), Value::Null, json!(0)));
    assert_eq!(answers[4]["events"], at(3, "task-1", 3));
}

#[test]
fn a_batch_is_recorded_whole_or_not_at_all() {
    let place = Place::new();
    let (answers, code) = answers(
        &place,
        &[
            r#"{"events":[{"stream":"a-1","type":"x"},{"stream":"b-1","type":"y"}],"expect":{"a-1":"none","b-1":0}}"#,
            r#"{"events":[{"stream":"c-1","type":"x"},{"stream":"b-1","type":"y"}],"expect":{"b-1":5}}"#,
            r#"{"events":[{"stream":"d-1","type":"x"}],"conditions":[{"noneSince":{"filter":{"types":["y"]},"after":0}}]}"#,
            r#"{"events":[{"stream":"d-1","type":"x"}],"conditions":[{"noneSince":{"filter":{"types":["y"]},"after":2}}]}"#,
        ],
    );
    let both = json!([{"position": 1, "stream": "a-1", "version": 1}, {"position": 2, "stream": "b-1", "version": 1}]);
    assert_eq!((&answers[0]["events"], code), (&both, 1));
    assert_eq!((&answers[1]["code"], &answers[1]["stream"]), (&json!("conflict"), &json!("b-1")));
    assert_eq!(answers[2]["code"], "conflict");
    assert_eq!(answers[3]["events"], at(3, "d-1", 1));
    assert_eq!(place.positions("list --category c"), NONE, "nothing of a refused batch is there");
}

#[test]
fn position_version_and_recorded_at_of_a_line_are_ignored() {
    let place = Place::new();
    let line = r#"{"position":77,"version":9,"recordedAt":"2001-01-01T00:00:00Z","stream":"a-1","type":"x"}"#;
    let (answers, code) = answers(&place, &[line]);
    assert_eq!((&answers[0]["events"], code), (&at(1, "a-1", 1), 0));
    assert_ne!(answers[0]["recordedAt"], "2001-01-01T00:00:00.000000Z");
}

#[test]
fn a_line_sent_again_is_answered_as_repeated() {
    let place = Place::new();
    let line = r#"{"id":"019aa000-0000-7000-8000-000000000001","stream":"a-1","type":"x"}"#;
    let (answers, code) = answers(&place, &[line, line]);
    assert_eq!((&answers[0]["repeated"], &answers[1]["repeated"], code), (&json!(false), &json!(true), 0));
    assert_eq!(answers[0]["events"], answers[1]["events"]);
}

#[test]
fn a_line_that_is_no_event_is_answered_with_the_reason_and_the_rest_goes_in() {
    let place = Place::new();
    let (answers, code) = answers(
        &place,
        &[
            "oops",
            "",
            "[1]",
            r#"{"type":"x"}"#,
            r#"{"stream":"a-1","type":"x","sorce":"me"}"#,
            r#"{"events":[]}"#,
            r#"{"stream":"a-1","type":"x","data":{"k":1,"k":2}}"#,
            r#"{"stream":"a-1","type":"x"}"#,
        ],
    );
    let said: Vec<String> =
        answers.iter().map(|answer| format!("{} {}", answer["code"], answer["message"])).collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    "invalid" "not JSON: expected value at line 1 column 1"
    "invalid" "not an event or a batch: not a JSON object"
    "invalid" "not an event: missing field `stream` at line 1 column 12"
    "invalid" "not an event: unknown field `sorce`, expected one of `position`, `id`, `stream`, `version`, `type`, `source`, `targets`, `recordedAt`, `occurredAt`, `correlationId`, `causationId`, `sessionId`, `userId`, `priority`, `expiresAt`, `traceparent`, `tags`, `metadata`, `data`, `expect` at line 1 column 34"
    "invalid" "not a batch: a batch needs at least one event"
    "invalid" "not an event: the key \"k\" stands twice in one object at line 1 column 48"
    null null
    "#);
    assert_eq!((answers.len(), code), (7, 1), "blank lines are passed over");
    assert_eq!(place.positions("list"), [1]);
}

#[test]
fn empty_input_is_no_failure() {
    let place = Place::new();
    assert_eq!(place.ok("append --stdin"), "");
}
