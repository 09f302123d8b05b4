//! Patterns and policies on the command line.

use serde_json::{Value, json};

use crate::running::Running;
use crate::support::{Place, Ran};

/// Sessions that fail and are queued again, a minute between each.
const SESSIONS: &str = r#"{"stream":"session-s1","type":"SessionQueued","occurredAt":"2026-11-20T10:00:00Z","data":{"sessionId":"s1","taskId":"T1"}}
{"stream":"session-s1","type":"SessionFailed","occurredAt":"2026-11-20T10:01:00Z","data":{"sessionId":"s1","taskId":"T1","error":"x"}}
{"stream":"session-s2","type":"SessionCompleted","occurredAt":"2026-11-20T10:02:00Z","data":{"sessionId":"s2","result":"failure"}}
{"stream":"session-s1","type":"SessionQueued","occurredAt":"2026-11-20T10:03:00Z","data":{"sessionId":"s1","retryAttempt":1}}
{"stream":"session-s2","type":"SessionQueued","occurredAt":"2026-11-20T10:30:00Z","data":{"sessionId":"s2","retryAttempt":1}}
"#;

const RULES: &str = r#"
[[policy]]
name = "note-failures"
on = "SessionFailed"
history = true
then = { append = { stream = "notes-1", type = "note", data = { session = "{{ data.sessionId }}" } } }

[[policy]]
built_in = "retry-sessions"
enabled = false
history = true
"#;

/// Words, where what stands between ' is one.
fn words(line: &str) -> Vec<&str> {
    let parts = line.split('\'').enumerate();
    parts
        .flat_map(|(at, part)| if at % 2 == 1 { vec![part] } else { part.split_whitespace().collect() })
        .collect()
}

fn run(place: &Place, line: &str) -> Ran {
    place.run_words(&words(line))
}

fn start(place: &Place, line: &str) -> Running {
    place.start_words(&words(line))
}

fn json_of(place: &Place, line: &str) -> Value {
    let ran = run(place, line);
    serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{line}: {}{}", ran.out, ran.err))
}

fn sessions() -> Place {
    let place = Place::new();
    place.feed("import jsonl -", SESSIONS);
    place
}

fn positions(found: &Value) -> Vec<Vec<u64>> {
    let positions = |found: &Value| -> Vec<u64> {
        found["positions"].as_array().unwrap().iter().map(|position| position.as_u64().unwrap()).collect()
    };
    found["matches"].as_array().unwrap().iter().map(positions).collect()
}

/// Origin C's own example.
#[test]
fn what_follows_what_is_found_with_counts_durations_and_gaps() {
    let place = sessions();
    let found = json_of(&place, "query 'SessionFailed followed by SessionQueued' --within 5m --format json");
    assert_eq!((found["count"].as_u64(), positions(&found)), (Some(2), vec![vec![2, 4], vec![3, 4]]));
    let tied = json_of(
        &place,
        "query 'SessionFailed followed by SessionQueued' --within 5m --by stream --format json",
    );
    assert_eq!(positions(&tied), [[2, 4]]);
    let only = &tied["matches"][0];
    assert_eq!((&only["key"], &only["durationMs"]), (&json!("session-s1"), &json!(120_000)));
    assert_eq!(tied["gaps"], json!([{"upToMs": 300_000, "count": 1}]));
    assert_eq!(
        (&tied["durations"]["p50Ms"], &tied["durations"]["p95Ms"]),
        (&json!(120_000), &json!(120_000))
    );
    let late =
        json_of(&place, "query 'SessionFailed followed by SessionQueued by stream' --last 1 --format json");
    assert_eq!((late["count"].as_u64(), positions(&late)), (Some(2), vec![vec![3, 5]]));
    let table = run(&place, "query 'SessionFailed followed by SessionQueued by stream'").out;
    assert!(
        table.contains("2 matches in 5 events") && table.contains("SessionFailed → SessionQueued"),
        "{table}"
    );
    let lines = run(&place, "query 'SessionFailed followed by SessionQueued by stream' --format jsonl").out;
    assert_eq!(lines.lines().count(), 2);
    let none = run(&place, "query 'SessionFailed followed by task:created'");
    assert_eq!((none.code, none.out.as_str()), (0, ""));
    assert!(none.err.contains("nothing matches"), "{}", none.err);
}

#[test]
fn a_pattern_that_cannot_be_read_is_shown_its_place_with_exit_code_2() {
    let place = sessions();
    for (words, said) in [
        ("query 'SessionFailed folowed by x'", "column 15"),
        ("query 'a followed by'", "at its end"),
        ("query 'a within 5m' --within 5m", "say two things"),
        ("query 'a' --by taskId", "--by"),
        ("query 'a' --within soon", "--within"),
        ("query 'a not followed by b' --follow", "within"),
    ] {
        let ran = run(&place, words);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{words}: {}", ran.err);
        assert!(ran.err.contains(said), "{words}: {}", ran.err);
    }
}

#[test]
fn matches_are_shown_as_they_come() {
    let place = sessions();
    let watching = start(
        &place,
        "query 'SessionFailed followed by SessionQueued by stream' --follow --limit 2 --from 1 --format jsonl",
    );
    let first: Value = watching.json();
    assert_eq!(first["positions"], json!([2, 4]));
    let second: Value = watching.json();
    assert_eq!(second["positions"], json!([3, 5]));
    assert_eq!(watching.end().code, 0);
}

#[test]
fn policies_are_checked_rehearsed_run_and_looked_back_at() {
    let place = sessions();
    place.write("policies.toml", RULES);
    assert_eq!(
        json_of(&place, "policy check --format json")["policies"],
        json!(["note-failures", "retry-sessions"])
    );
    let rehearsed = json_of(&place, "policy test --format json");
    assert_eq!((&rehearsed["wouldFire"], &rehearsed["wouldNot"]), (&json!(2), &json!(0)));
    assert_eq!(rehearsed["firings"][0]["acts"], json!(["append note to notes-1"]));
    assert_eq!(json_of(&place, "list --type note --format json"), json!([]));
    let retries = json_of(&place, "policy test --only retry-sessions --format json");
    let due: Vec<&str> =
        retries["firings"].as_array().unwrap().iter().map(|one| one["dueAt"].as_str().unwrap()).collect();
    assert_eq!(due, ["2026-11-20T10:01:01.000000Z", "2026-11-20T10:02:01.000000Z"]);

    let running = start(&place, "policy run --from 1 --format jsonl");
    for key in ["s1", "s2"] {
        let told: Value = running.json();
        assert_eq!((&told["what"], &told["policy"]), (&json!("fired"), &json!("note-failures")), "{key}");
    }
    running.interrupt();
    assert_eq!(running.end().code, 0);
    let notes = json_of(&place, "list --type note --format json");
    let of: Vec<&Value> = notes.as_array().unwrap().iter().map(|note| &note["data"]["session"]).collect();
    assert_eq!(of, ["s1", "s2"]);
    // It is acted on once, however often history is asked for.
    let again = start(&place, "policy run --from 1 --format jsonl");
    run(&place, "append session-s3 SessionFailed '{\"sessionId\":\"s3\"}'");
    let told: Value = again.json();
    assert_eq!(told["acts"], json!(["append note to notes-1"]));
    again.interrupt();
    assert_eq!(again.end().code, 0);
    assert_eq!(json_of(&place, "list --type note --format json").as_array().unwrap().len(), 3);
    let history = json_of(&place, "policy history --format json");
    assert_eq!(history.as_array().unwrap().len(), 3);
    let list = json_of(&place, "policy list --format json");
    assert_eq!(
        (&list[0]["fired"], &list[0]["status"], &list[1]["status"]),
        (&json!(3), &json!("enabled"), &json!("disabled"))
    );
}

#[test]
fn a_parked_policy_says_so_and_is_let_go_on_and_bad_rules_are_refused_by_name() {
    let place = Place::new();
    place.write("policies.toml", "[[policy]]\nname = \"rain\"\non = \"rain\"\nrate = { max = 1, per = \"1h\" }\nthen = { append = { stream = \"wet-1\", type = \"wet\" } }");
    let running = start(&place, "-v policy run --format jsonl");
    running.waits_to_say("running rain");
    for what in ["fired", "parked"] {
        place.ok("append rain-1 rain");
        assert_eq!(running.json()["what"], json!(what));
    }
    running.interrupt();
    assert_eq!(running.end().code, 0);
    assert_eq!(json_of(&place, "policy list --format json")[0]["status"], json!("parked"));
    let resumed = run(&place, "policy resume rain --reason mended");
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert_eq!(run(&place, "policy resume rain").code, 3);
    assert_eq!(json_of(&place, "policy list --format json")[0]["status"], json!("enabled"));

    place.write("bad.toml", "[[policy]]\nname = \"x\"\non = \"a followd by b\"\nthen = { append = { stream = \"s\", type = \"t\" } }");
    let bad = run(&place, "policy check bad.toml");
    assert_eq!(bad.code, 2);
    assert!(
        bad.err.contains("bad.toml") && bad.err.contains("policy x") && bad.err.contains("column 3"),
        "{}",
        bad.err
    );
    assert_eq!(run(&place, "policy check none.toml").code, 3);
    assert_eq!(run(&place, "policy run --only other").code, 3);
    assert_eq!(json_of(&place, "policy built-in --format json").as_array().unwrap().len(), 5);
}
