//! Shared memory from the command line.

use serde_json::{Value, json};

use crate::support::{Place, lines};

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Story: what one agent noted for the others was overwritten by whoever came last.
#[test]
fn a_value_is_put_and_got_and_a_stale_put_is_refused() {
    let place = Place::new();
    let put = json_of(
        &place
            .run_words(&["memory", "put", "plans/build", "{\"step\": 1}", "--as", "a", "--tag", "plan"])
            .ok(),
    );
    assert_eq!((&put["version"], &put["owner"], &put["tags"]), (&json!(1), &json!("a"), &json!(["plan"])));
    assert_eq!(place.ok("memory get plans/build --as b"), "{\"step\":1}\n");
    let whole = place.json("memory get plans/build --as b --format json");
    assert_eq!(
        (&whole["value"], &whole["accesses"], &whole["updatedBy"]),
        (&json!({"step": 1}), &json!(2), &json!("a"))
    );
    assert_eq!(whole["eventId"], put["eventId"]);
    assert_eq!(
        place.ok("memory put plans/build 2 --as a --expect 1 --format table"),
        "plans/build is at version 2\n"
    );
    let refused = place.fails("memory put plans/build 3 --as a --expect 1");
    for part in ["4\n", "version 1", "version 2: 2", "not stored: 3", "hint:"] {
        assert!(refused.contains(part), "{refused} lacks {part}");
    }
}

#[test]
fn what_is_no_json_is_kept_as_a_text_and_standard_input_is_a_value_too() {
    let place = Place::new();
    place.run_words(&["memory", "put", "k", "use tabs", "--as", "a"]).ok();
    assert_eq!(place.ok("memory get k --as a"), "\"use tabs\"\n");
    place.feed("memory put k - --as a", "[1, 2]\n");
    assert_eq!(place.ok("memory get k --as a"), "[1,2]\n");
    place.feed("memory put k - --as a", "two\nlines\n");
    assert_eq!(place.ok("memory get k --as a"), "\"two\\nlines\"\n");
    place.ok("memory put k -1 --as a");
    assert_eq!(place.ok("memory get k --as a"), "-1\n");
    let refused = place.fails("memory put k {\"a\":1,\"a\":2} --as a");
    assert!(refused.starts_with("2\n"), "JSON that readers disagree about is no text: {refused}");
}

/// Story: whoever knew the name of a value could read and change it.
#[test]
fn who_may_read_and_write_is_kept_to() {
    let place = Place::new();
    place.ok("memory put k 1 --as a --access none");
    let denied = place.fails("memory get k --as b");
    assert!(
        denied.starts_with("1\n") && denied.contains("b may not read k") && denied.contains("memory share")
    );
    assert_eq!(lines(&place.ok("memory list --as b --format jsonl")).len(), 0);
    let shared = json_of(&place.ok("memory share k --with b,group:g --level read --as a"));
    assert_eq!(shared, json!({"path": "k", "sharedWith": ["b", "group:g"], "accessLevel": "read"}));
    assert_eq!(place.ok("memory get k --as b"), "1\n");
    assert!(place.fails("memory put k 2 --as b").contains("may not write to k"));
    assert!(place.fails("memory get k --as c").starts_with("1\n"));
    place.ok("append swarm-g swarm:joined {\"agentId\":\"c\"}");
    assert_eq!(place.ok("memory get k --as c"), "1\n", "it belongs to the group");
    let listed = place.json("memory list --as c --format json");
    assert_eq!((&listed[0]["path"], &listed[0]["access"]), (&json!("k"), &json!("read")));
    place.ok("memory share k --with b --level none --as a");
    assert!(place.fails("memory get k --as b").starts_with("1\n"));
    let shown = place.json("memories k --format json");
    assert_eq!((&shown["owner"], &shown["accessLevel"]), (&json!("a"), &json!("none")));
}

#[test]
fn what_is_not_there_is_not_found_and_what_was_deleted_says_so() {
    let place = Place::new();
    place.ok("memory put a/k 1 --as a --ttl 1h");
    assert!(place.fails("memory get a/other --as a").starts_with("3\n"));
    place.ok("memory delete a/k --as a");
    let gone = place.fails("memory get a/k --as a");
    assert!(gone.starts_with("3\n") && gone.contains("was deleted at"), "{gone}");
    assert!(place.fails("memory delete a/k --as a").starts_with("3\n"));
    let none = place.run("memory list a/ --as a");
    assert_eq!((none.code, none.out.as_str(), none.err.as_str()), (0, "", "a may read nothing there\n"));
    for (line, says) in [
        ("memory put k 1", "--as AGENT"),
        ("memory put a//k 1 --as a", "a part of it is empty"),
        ("memory put k 1 --as a --ttl soon", "--ttl"),
        ("memory put k 1 --as a --access odd", "--access"),
        ("memory share a/k --with b --level odd --as a", "--level"),
        ("memory share a/k --with type:x --level read --as a", "cannot be shared with"),
    ] {
        let refused = place.fails(line);
        assert!(refused.starts_with("2\n") && refused.contains(says), "{line}: {refused}");
    }
}
