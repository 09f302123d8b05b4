//! `factlog follow`: events as they come.

use serde_json::Value;

use crate::running::Running;
use crate::support::{NONE, Place, lines, position};

/// A follower that has begun.
fn following(place: &Place, words: &str) -> Running {
    let follower = place.start(&format!("follow -v --format jsonl {words}"));
    follower.waits_to_say("following what comes after position");
    follower
}

fn positions(follower: &Running, count: usize) -> Vec<u64> {
    (0..count).map(|_| position(&follower.json())).collect()
}

#[test]
fn events_come_from_now_on_in_order_as_soon_as_they_are_there() {
    let place = Place::small();
    let follower = following(&place, "--limit 3");
    place.ok(r#"append task-9 task:created {"n":1}"#);
    let first: Value = follower.json();
    assert_eq!((position(&first), &first["data"]["n"]), (7, &1.into()), "nothing of what was there before");
    place.ok("append task-9 task:started");
    assert_eq!(positions(&follower, 1), [8]);
    place.ok("append task-9 task:completed");
    assert_eq!(positions(&follower, 1), [9]);
    let ran = follower.end();
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""), "it ends after --limit");
}

#[test]
fn another_process_that_appends_many_at_once_is_followed_without_a_gap() {
    let place = Place::new();
    place.ok("append a-1 x");
    let follower = following(&place, "--from 1 --limit 1501");
    let line = |n: u32| format!(r#"{{"stream":"b-{}","type":"x"}}"#, n % 5);
    let input = (0..1_500).map(line).collect::<Vec<_>>().join("\n");
    place.feed("append --stdin", &input);
    assert_eq!(positions(&follower, 1_501), (1..=1_501).collect::<Vec<_>>());
    assert_eq!(follower.end().code, 0);
}

#[test]
fn last_shows_what_was_there_first_and_then_what_comes() {
    let place = Place::small();
    let follower = following(&place, "--last 2 --category task --limit 3");
    assert_eq!(positions(&follower, 2), [3, 5]);
    place.ok("append agent-x agent:spawned");
    place.ok("append task-9 task:created");
    assert_eq!(positions(&follower, 1), [8]);
    assert_eq!(follower.end().code, 0);
}

#[test]
fn from_begins_at_a_position_or_a_time() {
    let place = Place::small();
    assert_eq!(place.positions("follow --from 4 --limit 2"), [4, 5]);
    assert_eq!(place.positions("follow --from 2025-03-02 --limit 2"), [4, 5]);
    assert_eq!(place.positions("follow --from 0 --limit 1"), [1]);
}

#[test]
fn filters_hold_for_what_comes() {
    let place = Place::small();
    let follower = following(&place, "--type *:failed --not-source tester --limit 1");
    for (event_type, source) in
        [("task:failed", "tester"), ("task:started", "writer"), ("task:failed", "writer")]
    {
        place.ok(&format!("append task-9 {event_type} --source {source}"));
    }
    assert_eq!(positions(&follower, 1), [9]);
    assert_eq!(follower.end().code, 0);
}

/// `--to` was not looked at by `--last`, and waited for one more event that matched.
#[test]
fn to_ends_it_at_a_position() {
    let place = Place::small();
    assert_eq!(place.positions("follow --from 1 --to 4"), [1, 2, 3]);
    assert_eq!(place.positions("follow --last 3 --to 4"), [1, 2, 3]);
    assert_eq!(place.positions("follow --from 1 --to 7 --stream task-2"), [3]);
    assert_eq!(place.positions("follow --from 1 --to 1"), NONE);
    let follower = following(&place, "--to 9 --stream task-2");
    place.ok("append task-2 task:started");
    place.ok("append banana other");
    let ran = follower.end();
    assert_eq!((ran.code, lines(&ran.out).iter().map(position).collect()), (0, vec![7]));
}

#[test]
fn a_table_is_shown_line_by_line_in_columns_that_stay() {
    let place = Place::small();
    let table = place.ok("follow --from 1 --to 7");
    let column = |line: &str| line.find("task:").or_else(|| line.find("TYPE"));
    let columns: Vec<usize> = table.lines().filter_map(column).collect();
    assert_eq!((columns.len(), columns.iter().all(|column| *column == columns[0])), (5, true), "{table}");
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_it_cleanly_at_any_time() {
    let place = Place::small();
    let follower = following(&place, "");
    follower.interrupt();
    let ran = follower.end();
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));

    let follower = place.start("follow --from 1 --format jsonl");
    assert_eq!(positions(&follower, 6), [1, 2, 3, 4, 5, 6]);
    follower.interrupt();
    let ran = follower.end();
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_a_slow_replay_cleanly() {
    let place = Place::small();
    let replay = place.start("replay --speed 1 --format jsonl");
    assert_eq!(positions(&replay, 1), [1]);
    replay.interrupt();
    let ran = replay.end();
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
}
