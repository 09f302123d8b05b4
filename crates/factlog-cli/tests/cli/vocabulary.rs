//! Types under all their names, and strictness for those who ask for it.

use serde_json::json;

use crate::support::{NONE, Place, lines};

/// Each origin wrote the same fact under a name of its own; whoever asks for one finds all, and what stands in the log
/// stays as it was written.
#[test]
fn a_type_is_found_under_all_its_names() {
    let place = Place::new();
    for (stream, name) in [
        ("task-1", "task:created"),
        ("task-2", "TaskCreated"),
        ("task-3", "TASK_CREATED"),
        ("x-1", "order:placed"),
    ] {
        place.ok(&format!("append {stream} {name}"));
    }
    place.ok(r#"append session-1 session:completed {"result":"failure"}"#);
    place.ok(r#"append session-2 session:completed {"result":"success"}"#);
    place.ok("append session-3 session:failed");
    for name in ["task:created", "TaskCreated", "task_created"] {
        assert_eq!(place.positions(&format!("list --type {name}")), [1, 2, 3], "{name}");
    }
    assert_eq!(place.positions("list --type order:placed"), [4]);
    assert_eq!(place.positions("list --type Order:placed"), NONE);
    assert_eq!(place.positions("list --type SessionFailed"), [5, 7]);
    assert_eq!(place.positions("list --not-type TaskCreated --not-type SessionFailed"), [4, 6]);
    assert_eq!(
        place.positions_words(&["list", "--type", "session:completed[data.result == \"success\"]"]),
        [6]
    );
    assert_eq!(lines(&place.ok("list --first 2 --format jsonl"))[1]["type"], "TaskCreated");
}

#[test]
fn a_strict_append_refuses_what_the_vocabulary_does_not_have_and_names_the_field() {
    let place = Place::new();
    for (words, says) in [
        (r#"append task-1 task:created {"taskId":"1","titel":"x"} --strict"#, "titel"),
        (r#"append task-1 task:completed {"taskId":"1","durationMs":"long"} --strict"#, "durationMs"),
        (r#"append task-1 task:created {"title":"x"} --strict"#, "taskId"),
        ("append order-1 order:placed --strict", "order:placed"),
    ] {
        let said = place.fails(words);
        assert!(said.starts_with("2\n") && said.contains(says), "{words}: {said}");
    }
    assert_eq!(place.files(), [""; 0], "no log was made");
    place.ok(r#"append task-1 task:created {"taskId":"1","title":"x"} --strict"#);
    let answers = place.run_with(
        &["append", "--stdin", "--strict"],
        "{\"stream\":\"task-1\",\"type\":\"task:started\",\"data\":{\"taskId\":\"1\"}}\n\
         {\"stream\":\"task-1\",\"type\":\"task:nonsense\",\"data\":{}}\n",
    );
    let said = lines(&answers.out);
    assert_eq!((answers.code, &said[0]["events"][0]["position"]), (1, &json!(2)));
    assert_eq!(said[1]["code"], "invalid");
}

#[test]
fn types_are_listed_and_one_is_shown_with_its_schema() {
    let place = Place::new();
    let types = place.json("types --format json");
    let types = types.as_array().unwrap();
    let names: Vec<&str> = types.iter().map(|known| known["type"].as_str().unwrap()).collect();
    for name in ["agent:spawned", "task:section-updated", "swarm:consensus-reached", "deployment:failed"] {
        assert!(names.contains(&name), "{name}");
    }
    let tasks = place.json("types --category task --format json");
    assert!(tasks.as_array().unwrap().iter().all(|known| known["category"] == "task"));
    let shown = place.json("types show TASK_ASSIGNED --format json");
    assert_eq!(shown["type"], "task:assigned");
    assert_eq!(shown["schema"]["required"], json!(["taskId"]));
    assert_eq!(shown["schema"]["properties"]["deadline"]["format"], "date-time");
    assert!(place.ok("types show task:assigned").contains("estimatedDurationMs"));
    assert!(place.fails("types show order:placed").starts_with("3\n"));
    assert!(place.fails("types show SessionFailed").contains("session:completed"));
    assert!(place.fails("types --category orders").starts_with("3\n"));
}
