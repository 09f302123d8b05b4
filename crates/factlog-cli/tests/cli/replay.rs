//! `factlog replay`: through events at a pace, into a projection, into another log.

use serde_json::{Value, json};

use crate::support::{Place, lines};

fn ids(place: &Place, line: &str) -> Vec<String> {
    lines(&place.ok(line)).iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// A place with two tasks, of which the first is done.
fn tasks() -> Place {
    let place = Place::new();
    place.ok("append task-1 task:created {\"title\":\"First\"}");
    place.ok("append task-2 task:created {\"title\":\"Second\"}");
    place.ok("append task-1 task:completed {\"result\":\"ok\"}");
    place
}

#[test]
fn a_pace_is_written_as_people_say_it() {
    let place = tasks();
    for speed in ["max", "1000x", "1000", "0.5e9x", "1e12"] {
        assert_eq!(place.positions(&format!("replay --speed {speed}")), [1, 2, 3], "{speed}");
    }
    for speed in ["0", "0x", "-1x", "x", "10xx", "fast", "NaN", "inf", "infx", "1e999x", "MAX"] {
        let said = place.fails_words(&["replay", &format!("--speed={speed}")]);
        assert!(said.contains("is no speed") && said.contains("10x, 0.5x or max"), "{speed}: {said}");
    }
}

/// Story: origin C's "replay events to rebuild state" only showed the events again.
#[test]
fn a_projection_is_built_from_what_is_selected_and_shown() {
    let place = tasks();
    let ran = place.run("replay --into tasks");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(place.json("snapshot list --format json"), json!([]), "nothing of it is remembered");
    assert_eq!(ran.out, place.ok("projections show tasks"));
    let whole: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&whole["1"]["status"], &whole["2"]["title"]), (&json!("completed"), &json!("Second")));
    // At a pace it comes to the same.
    assert_eq!(place.ok("replay --into tasks --speed 1e12x"), ran.out);

    let until = place.run("replay --into tasks --to 3");
    let state: Value = serde_json::from_str(&until.out).unwrap();
    assert_eq!(state["1"]["status"], "pending");

    // What came before is not known to it, and that is said.
    let later = place.run("replay --into tasks --from 3");
    let state: Value = serde_json::from_str(&later.out).unwrap();
    assert_eq!((state["1"].get("title"), state.get("2")), (None, None));
    assert_eq!(
        later.err,
        "note: tasks is made of the 1 events selected, up to position 3; it knows nothing of any others\n"
    );
    let one = place.json("replay --into tasks --stream task-2");
    assert_eq!(one.as_object().unwrap().len(), 1);
    assert_eq!(place.ok("replay --into swarms"), "{}\n");
}

#[test]
fn a_projection_that_there_is_not_and_a_format_that_it_has_not_are_refused() {
    let place = tasks();
    let said = place.fails("replay --into tasts");
    assert!(said.contains("is no projection") && said.contains("there are agents, tasks"), "{said}");
    assert!(place.fails("replay --into tasks --format csv").contains("replay --into"));
    assert!(place.fails("replay --into tasks --to-store memory:").contains("cannot be used with"));
}

#[test]
fn events_are_put_into_another_log_once() {
    let place = Place::small();
    let all = ids(&place, "list --format jsonl");
    insta::assert_snapshot!(place.ok("replay --from 2 --to 5 --to-store jsonl:other"), @"
    WHAT            VALUE
    events          3
    skipped         0
    up to position  4
    ");
    assert_eq!(ids(&place, "list --format jsonl --store jsonl:other"), all[1..4]);
    assert_eq!(
        place.json("replay --to-store jsonl:other --format json"),
        json!({"events": 3, "skipped": 3, "leftOut": 0, "position": 6})
    );
    let again = place.json("replay --to-store jsonl:other --speed 1e12x --format json");
    assert_eq!((&again["events"], &again["skipped"]), (&json!(0), &json!(6)));
    let there = lines(&place.ok("list --format jsonl --store jsonl:other"));
    let first = lines(&place.ok("list --last 1 --format jsonl"));
    let last = there.iter().find(|event| event["id"] == first[0]["id"]).unwrap();
    assert_eq!(last["metadata"]["copiedFrom"]["position"], 6);
    assert_eq!((&last["data"], &last["type"]), (&first[0]["data"], &first[0]["type"]));
    assert_eq!(place.positions("list").len(), 6, "the log itself is as it was");

    for own in ["sqlite:factlog.db", "sqlite:./factlog.db", "sqlite:../work/factlog.db"] {
        let said = place.fails(&format!("replay --to-store {own}"));
        assert!(said.contains("cannot be copied into itself") && said.contains("--to-store"), "{said}");
        assert!(place.fails(&format!("copy --append --to {own}")).contains("into itself"), "{own}");
    }
}

/// What tells of removals speaks of the positions of its own log.
#[test]
fn what_tells_of_removals_is_left_out_and_counted() {
    let place = tasks();
    place.ok("append old-1 note:made {}");
    place.ok("retention run --older-than 0s --stream old-1");
    let ran = place.json("replay --to-store sqlite:other.db --format json");
    assert_eq!((&ran["events"], &ran["leftOut"]), (&json!(3), &json!(1)), "{ran}");
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_a_slow_replay_into_a_log_and_the_next_one_goes_on() {
    let place = Place::small();
    place.ok("append other-1 note:made {} --store sqlite:other.db");
    let other = place.start("follow --from 2 --format jsonl --store sqlite:other.db");
    let replay = place.start("replay --speed 1x --to-store sqlite:other.db");
    assert_eq!(other.json()["metadata"]["copiedFrom"]["position"], 1, "it is there while the pause lasts");
    replay.interrupt();
    let ran = replay.end();
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    assert!(ran.err.contains("run it again to go on"), "{}", ran.err);
    other.interrupt();
    other.end();
    let rest = place.json("replay --to-store sqlite:other.db --format json");
    let put = [&rest["events"], &rest["skipped"]].map(|count| count.as_u64().unwrap());
    assert!(put[1] >= 1 && put[0] + put[1] == 6, "{rest}");
}
