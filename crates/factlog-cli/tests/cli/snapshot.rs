//! `factlog snapshot`: values remembered at positions.

use serde_json::json;

use crate::support::Place;

#[test]
fn the_newest_value_is_shown_and_the_one_as_of_a_position() {
    let place = Place::small();
    place.ok(r#"snapshot save summary {"open":1} --at 2"#);
    place.ok(r#"snapshot save summary {"open":3.10}"#);
    let data =
        |words: &str| place.json(&format!("snapshot show summary {words} --format json"))["data"].clone();
    assert_eq!(data(""), json!({"open": 3.10}));
    assert_eq!(data("--at 6"), json!({"open": 3.10}));
    assert_eq!(data("--at 5"), json!({"open": 1}));
    assert_eq!(data("--at 2"), json!({"open": 1}));
    assert!(place.ok("snapshot show summary").ends_with("\n{\n  \"open\": 3.10\n}\n"), "as it was written");
    insta::assert_snapshot!(place.fails("snapshot show summary --at 1"), @"
    3
    error: there is no snapshot summary at or before position 1
    hint: `factlog snapshot list` lists them
    ");
    insta::assert_snapshot!(place.fails("snapshot show other"), @"
    3
    error: there is no snapshot other
    hint: `factlog snapshot list` lists them
    ");
}

#[test]
fn a_value_says_where_it_is_remembered() {
    let place = Place::small();
    assert_eq!(place.ok("snapshot save summary"), "summary at position 6\n");
    let saved = place.json("snapshot save summary {} --at 3 --format json");
    assert_eq!(saved, json!({"key": "summary", "position": 3, "revision": 2}));
    insta::assert_snapshot!(place.fails("snapshot save summary {} --at 7"), @"
    2
    error: position 7 is past the newest, 6
    hint: a value is remembered at a position that is there
    ");
    insta::assert_snapshot!(place.fails("snapshot save summary {open:1}"), @r#"
    2
    error: DATA: not JSON: key must be a string at line 1 column 2
    hint: put JSON into single quotes: '{"title":"Try factlog"}'
    "#);
}

#[test]
fn keys_are_listed_by_their_beginning() {
    let place = Place::small();
    for words in ["b/1", "a/2 [1,2] --at 1", "a/2", "a/1"] {
        place.ok(&format!("snapshot save {words}"));
    }
    let list = |words: &str| -> Vec<(String, u64)> {
        let infos = place.json(&format!("snapshot list{words} --format json"));
        let infos = infos.as_array().unwrap().iter();
        infos
            .map(|info| (info["key"].as_str().unwrap().to_owned(), info["position"].as_u64().unwrap()))
            .collect()
    };
    let listed = |pairs: &[(&str, u64)]| -> Vec<(String, u64)> {
        pairs.iter().map(|(key, position)| ((*key).to_owned(), *position)).collect()
    };
    assert_eq!(list(""), listed(&[("a/1", 6), ("a/2", 1), ("a/2", 6), ("b/1", 6)]));
    assert_eq!(list(" a/"), listed(&[("a/1", 6), ("a/2", 1), ("a/2", 6)]));
    assert_eq!(list(" c"), []);
    assert_eq!(place.ok("snapshot list b --format csv").lines().next(), Some("key,position,bytes,saved"));
    let none = place.run("snapshot list c");
    assert_eq!((none.code, none.out.as_str(), none.err.as_str()), (0, "", "there are no such snapshots\n"));
}
