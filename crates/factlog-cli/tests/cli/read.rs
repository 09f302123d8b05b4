//! `factlog list`, `streams`, `export` and `replay`: what is there.

use serde_json::json;

use crate::support::{NONE, Place, lines};

#[test]
fn first_last_limit_and_skip_choose_how_many_and_the_order_stays() {
    let place = Place::small();
    for (words, expected) in [
        ("", &[1, 2, 3, 4, 5, 6][..]),
        (" --first 2", &[1, 2]),
        (" --last 2", &[5, 6]),
        (" --limit 2", &[1, 2]),
        (" --limit 2 --skip 1", &[2, 3]),
        (" --first 2 --skip 4", &[5, 6]),
        (" --last 2 --skip 1", &[4, 5]),
        (" --last 9 --skip 5", &[1]),
        (" --limit 99", &[1, 2, 3, 4, 5, 6]),
        (" --skip 99", &[]),
        (" --category task --last 2", &[3, 5]),
        (" --from 3 --first 1", &[3]),
    ] {
        assert_eq!(place.positions(&format!("list{words}")), expected, "list{words}");
        assert_eq!(place.positions(&format!("export{words}")), expected, "export{words}");
    }
}

/// Story: an offset without a limit was an error of the SQL underneath.
#[test]
fn skip_works_without_a_limit() {
    let place = Place::small();
    assert_eq!(place.positions("list --skip 2"), [3, 4, 5, 6]);
    assert_eq!(place.json("streams --skip 3 --format json").as_array().unwrap().len(), 1);
}

/// Story: a limit of 0 was taken for no limit, and everything came.
#[test]
fn a_limit_of_nothing_gives_nothing() {
    let place = Place::small();
    for words in ["--limit 0", "--first 0", "--last 0", "--limit 0 --skip 1"] {
        assert_eq!(place.positions(&format!("list {words}")), NONE, "{words}");
        assert_eq!(place.ok(&format!("export {words}")), "", "{words}");
        assert_eq!(place.json(&format!("streams {words} --format json")), json!([]), "{words}");
    }
    assert_eq!(place.ok("follow --from 1 --limit 0"), "");
}

#[test]
fn streams_come_in_the_order_in_which_they_were_last_heard_of() {
    let place = Place::small();
    let streams = place.json("streams --format json");
    let names: Vec<&str> =
        streams.as_array().unwrap().iter().map(|stream| stream["stream"].as_str().unwrap()).collect();
    assert_eq!(names, ["task-2", "agent-writer", "task-1", "banana"]);
    assert_eq!(
        streams[2],
        json!({"stream": "task-1", "category": "task", "events": 3, "first": 1, "last": 5,
            "firstAt": "2025-03-01T09:00:00.000000Z", "lastAt": "2025-03-02T10:15:00.000000Z"})
    );
    assert_eq!(place.json("streams --last 1 --format json")[0]["stream"], "banana");
    assert_eq!(lines(&place.ok("streams --category task --format jsonl")).len(), 2);
}

/// An empty result is an empty document: a program that reads it needs no special case.
#[test]
fn nothing_found_is_an_empty_document_and_a_word_for_people() {
    let place = Place::small();
    assert_eq!(place.ok("list --stream nobody --format json"), "[]\n");
    assert_eq!(place.ok("list --stream nobody --format jsonl"), "");
    assert_eq!(place.ok("list --stream nobody --format csv").lines().count(), 1);
    assert_eq!(place.ok("streams --stream nobody --format json"), "[]\n");
    for (words, said) in [("list", "no events match\n"), ("streams", "no streams match\n")] {
        let ran = place.run(&format!("{words} --stream nobody"));
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", said));
    }
}

#[test]
fn replay_goes_through_a_range_in_order() {
    let place = Place::small();
    assert_eq!(place.positions("replay --from 2 --to 5"), [2, 3, 4]);
    assert_eq!(place.positions("replay"), [1, 2, 3, 4, 5, 6]);
    // The pauses of two days, so much faster that nobody waits; what goes back in time makes no pause.
    assert_eq!(place.positions("replay --speed 1e12"), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_log_in_memory_is_for_trying_things_out() {
    let place = Place::new();
    assert_eq!(place.ok("append a-1 x --store memory:"), "1  a-1 v1\n");
    assert_eq!(
        place
            .feed("import jsonl - --store memory: --format json", "{\"stream\":\"a\",\"type\":\"b\"}\n")
            .trim(),
        r#"{"read":1,"appended":1,"duplicates":0,"skipped":0,"rejected":[],"streams":1}"#
    );
    for words in ["list", "export", "streams", "replay"] {
        assert_eq!(place.positions(&format!("{words} --store memory:")), NONE, "{words}");
    }
    let stats = place.json("stats --group-by type --store memory: --format json");
    assert_eq!(stats, json!({"total": 0, "groups": []}));
    assert_eq!(place.json("check --store memory: --format json")["events"], 0);
    assert_eq!(place.json("health --store memory: --format json")["healthy"], true);
    assert!(place.files().is_empty(), "nothing is left behind");
}
