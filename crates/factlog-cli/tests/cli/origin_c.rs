//! The command lines of origin C's "CLI Integration", one after the other, over sessions that fail and are queued again.

use factlog::Timestamp;
use serde_json::{Value, json};

use crate::support::{Place, lines, position};

/// Lines of its files: the session, when, what, and of which task with which result. The last day is after every today.
const FACTS: [(&str, &str, &str, &str, &str); 19] = [
    ("S1", "2023-12-31T23:50:00Z", "SessionQueued", "T1", ""),
    ("S1", "2023-12-31T23:51:00Z", "SessionStarted", "T1", ""),
    ("S1", "2023-12-31T23:58:00Z", "SessionCompleted", "T1", "failure"),
    ("S2", "2024-01-01T00:02:00Z", "SessionQueued", "T1", ""),
    ("S2", "2024-01-01T00:02:30Z", "SessionStarted", "T1", ""),
    ("S2", "2024-01-01T00:10:00Z", "SessionCompleted", "T1", "success"),
    ("S3", "2024-01-01T00:12:00Z", "SessionQueued", "T2", ""),
    ("S3", "2024-01-01T00:13:00Z", "SessionStarted", "T2", ""),
    ("S3", "2024-01-01T00:20:00Z", "SessionFailed", "T2", ""),
    ("S4", "2024-01-01T00:26:00Z", "SessionQueued", "T2", ""),
    ("S4", "2024-01-01T00:27:00Z", "SessionStarted", "T2", ""),
    ("S4", "2024-01-01T00:40:00Z", "SessionCompleted", "T2", "failure"),
    ("S5", "2024-01-01T00:42:00Z", "SessionQueued", "T3", ""),
    ("S5", "2024-01-01T00:43:00Z", "SessionFailed", "T3", ""),
    ("S6", "2024-01-01T00:44:00Z", "SessionQueued", "T2", ""),
    ("S6", "2024-01-01T00:45:00Z", "SessionStarted", "T2", ""),
    ("S6", "2024-01-01T00:46:00Z", "SessionCompleted", "T2", "success"),
    ("S7", "2999-01-01T00:00:00Z", "SessionQueued", "T3", ""),
    ("S7", "2999-01-01T00:01:00Z", "SessionStarted", "T3", ""),
];

/// A log that has taken in these files, a day and a stream each.
fn sessions() -> Place {
    let place = Place::new();
    let mut files: Vec<(String, String)> = Vec::new();
    for (at, (session, time, event_type, task, result)) in FACTS.into_iter().enumerate() {
        let stream = format!("session-{session}");
        let mut data = json!({"sessionId": session, "taskId": task});
        if !result.is_empty() {
            data["result"] = json!(result);
        }
        let line = json!({"id": format!("e-{at}"), "streamId": stream, "type": event_type, "version": 1,
            "timestamp": time, "data": data});
        let name = format!("events/{}/{stream}.jsonl", &time[..10]);
        match files.iter_mut().find(|(known, _)| *known == name) {
            Some((_, text)) => {
                text.push_str(&line.to_string());
                text.push('\n');
            }
            None => files.push((name, format!("{line}\n"))),
        }
    }
    files.iter().for_each(|(name, text)| place.write(name, text));
    place.ok("import scopecraft events");
    place
}

fn is_failed((_, _, event_type, _, result): (&str, &str, &str, &str, &str)) -> bool {
    event_type == "SessionFailed" || (event_type == "SessionCompleted" && result == "failure")
}

/// Each failure with the next that was queued, no more than five minutes later and of the same key: by trying all.
fn failed_and_queued(key: impl Fn(usize) -> &'static str) -> Vec<Value> {
    let micros = |at: usize| FACTS[at].1.parse::<Timestamp>().unwrap().as_micros();
    let mut found = Vec::new();
    for first in (0..FACTS.len()).filter(|at| is_failed(FACTS[*at])) {
        let queued = (first + 1..FACTS.len()).find(|at| {
            FACTS[*at].2 == "SessionQueued"
                && key(*at) == key(first)
                && micros(*at) - micros(first) <= 300_000_000
        });
        found.extend(queued.map(|at| json!([first + 1, at + 1])));
    }
    found
}

fn found(place: &Place, words: &[&str]) -> Vec<Value> {
    let query = ["query", "SessionFailed followed by SessionQueued", "--within", "5m", "--format", "json"];
    let words: Vec<&str> = query.iter().chain(words).copied().collect();
    let answer: Value = serde_json::from_str(&place.run_words(&words).ok()).unwrap();
    let matches = answer["matches"].as_array().unwrap();
    assert_eq!(answer["count"], matches.len());
    matches.iter().map(|found| found["positions"].clone()).collect()
}

/// Positions, from one, of the facts that are meant.
fn numbers(is_meant: impl Fn(usize) -> bool) -> Vec<u64> {
    (0..FACTS.len()).filter(|at| is_meant(*at)).map(|at| at as u64 + 1).collect()
}

#[test]
fn the_command_lines_of_origin_c_do_what_they_say_there() {
    let place = sessions();

    // View recent events.
    let started = numbers(|at| FACTS[at].2 == "SessionStarted");
    assert_eq!(place.positions("list --type SessionStarted --last 10"), started);
    assert_eq!(place.positions("list --type SessionStarted --last 2"), started[started.len() - 2..]);
    assert_eq!(place.positions("list --type SessionFailed"), numbers(|at| is_failed(FACTS[at])));

    // Export events for analysis; what is exported is a log again.
    let exported = place.ok("export --from 2024-01-01 --format jsonl");
    let since: Vec<u64> = lines(&exported).iter().map(position).collect();
    assert_eq!(since, numbers(|at| FACTS[at].1 >= "2024-01-01"));
    let other = Place::new();
    other.feed("import jsonl -", &exported);
    assert_eq!(other.positions("list").len(), since.len());

    // Query event patterns.
    let any = failed_and_queued(|_| "");
    assert_eq!((any.len(), found(&place, &[])), (3, any));
    let of_task = failed_and_queued(|at| FACTS[at].3);
    assert_eq!((of_task.len(), found(&place, &["--by", "data.taskId"])), (2, of_task));

    // Show event statistics.
    let stats = place.json("stats --group-by type --period today --format json");
    let count = |name: &str| FACTS.iter().filter(|fact| fact.1 >= "2999" && fact.2 == name).count();
    assert_eq!(stats["total"], FACTS.iter().filter(|fact| fact.1 >= "2999").count());
    for (name, event_type) in [("SessionQueued", "session:queued"), ("SessionStarted", "session:started")] {
        let groups = stats["groups"].as_array().unwrap();
        let group = groups.iter().find(|group| group["key"] == event_type).unwrap();
        assert_eq!(group["count"], count(name), "{name}");
    }

    // Follow events in real-time.
    let follower = place.start("follow --type TaskStatusChanged --format jsonl --limit 2 -v");
    follower.waits_to_say("following what comes after position");
    place.ok("append session-S7 SessionStarted");
    place.ok(r#"append task-T1 TaskStatusChanged {"newStatus":"failed"}"#);
    place.ok("append task-T1 task:status-changed");
    let last = FACTS.len() as u64;
    assert_eq!([position(&follower.json()), position(&follower.json())], [last + 2, last + 3]);
    assert_eq!(follower.end().code, 0);
}
