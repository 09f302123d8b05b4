//! What is folded from the log: agents, tasks and their like, as they are, as they were, and what changed them.

use serde_json::{Value, json};

use crate::support::Place;

/// A small run of a fleet, one event a line: stream, type, data.
const RUN: &str = r#"{"stream":"agent-a1","type":"agent:spawned","data":{"agentId":"a1","role":"coder","domain":"core"}}
{"stream":"agent-a2","type":"AgentSpawned","data":{"agentId":"a2","role":"tester","domain":"quality","parentId":"a1"}}
{"stream":"task-42","type":"task:created","data":{"taskId":"42","title":"Mend the log in","priority":"medium","taskType":"fix"}}
{"stream":"task-42","type":"task:blocked","data":{"taskId":"42","blockedBy":["41"]}}
{"stream":"task-42","type":"TASK_STARTED","data":{"taskId":"42","agentId":"a1"}}
{"stream":"task-42","type":"task:completed","data":{"taskId":"42","duration":5000,"result":{"ok":true}}}
{"stream":"task-43","type":"task_started","data":{"id":"43","name":"Write it up","agentId":"a2"}}
{"stream":"memory-m1","type":"memory:stored","data":{"memoryId":"m1","namespace":"ctx","key":"state","size":2048}}
{"stream":"memory-m1","type":"memory:retrieved","data":{"memoryId":"m1","agentId":"a2"}}
{"stream":"swarm-s1","type":"swarm:formed","data":{"swarmId":"s1","objective":"ship","leader":"a1","initialMembers":["a1","a2"]}}
{"stream":"worktree-w1","type":"WorktreeCreated","data":{"path":"w1","branch":"feature/a"}}
{"stream":"deployment-d1","type":"deployment:started","data":{"id":"d1","environment":"staging","branch":"main","prNumber":7}}
{"stream":"deployment-d1","type":"deployment:error","data":{"id":"d1","error":{"message":"no disk"}}}
"#;

fn fleet() -> Place {
    let place = Place::new();
    place.feed("import jsonl -", RUN);
    place
}

fn ids(things: &Value, name: &str) -> Vec<String> {
    things.as_array().unwrap().iter().map(|thing| thing[name].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_kind_of_thing_is_listed_by_its_flags() {
    let place = fleet();
    for (words, name, expected) in [
        ("agents", "agentId", &["a1", "a2"][..]),
        ("agents --status active", "agentId", &["a2"]),
        ("agents --status busy", "agentId", &["a2"]),
        ("agents --role coder", "agentId", &["a1"]),
        ("agents --domain quality", "agentId", &["a2"]),
        ("agents --parent a1", "agentId", &["a2"]),
        ("tasks", "taskId", &["42", "43"]),
        ("tasks --status done", "taskId", &["42"]),
        ("tasks --status in_progress --agent a2", "taskId", &["43"]),
        ("tasks --type fix", "taskId", &["42"]),
        ("tasks --priority medium", "taskId", &["42"]),
        ("memories --namespace ctx", "memoryId", &["m1"]),
        ("memories --most-accessed 3", "memoryId", &["m1"]),
        ("memories --namespace other", "memoryId", &[]),
        ("swarms --status active", "swarmId", &["s1"]),
        ("worktrees", "path", &["w1"]),
        ("worktrees --conflicts", "path", &[]),
        ("deployments --status failed --environment staging", "deploymentId", &["d1"]),
        ("sessions", "sessionId", &[]),
    ] {
        let things = place.json(&format!("{words} --format json"));
        assert_eq!(ids(&things, name), expected, "{words}");
    }
    assert!(place.fails("tasks --status odd").contains("--status"));
    assert_eq!(place.json("memories --sizes --format json"), json!([{"namespace": "ctx", "bytes": 2048}]));
    let summary = place.json("tasks --summary --format json");
    assert_eq!(
        (&summary["total"], &summary["averageDurationMs"], &summary["successRate"]),
        (&json!(2), &json!(5000), &json!(1.0))
    );
}

#[test]
fn one_thing_is_shown_whole_and_one_that_is_unknown_is_not_found() {
    let place = fleet();
    let task = place.json("tasks 42 --format json");
    assert_eq!(
        (&task["status"], &task["durationMs"], &task["blockedBy"]),
        (&json!("completed"), &json!(5000), &json!([]))
    );
    assert_eq!(place.json("tasks task-42 --format json"), task);
    let agent = place.json("agents a1 --format json");
    assert_eq!(
        (&agent["completedCount"], &agent["children"], &agent["load"]),
        (&json!(1), &json!(["a2"]), &json!(0))
    );
    assert!(agent.get("calls").is_none(), "what only the folding needs is not shown");
    let deployment = place.json("deployments d1 --format json");
    assert_eq!((&deployment["error"], &deployment["prNumber"]), (&json!("no disk"), &json!(7)));
    assert!(place.ok("tasks 42").contains("durationMs"));
    let said = place.fails("tasks 4");
    assert!(said.starts_with("3\n") && said.contains("42"), "{said}");
    assert!(place.ok("tasks").contains("Mend the log in"));
}

#[test]
fn a_thing_is_shown_as_it_was_at_a_position_a_version_or_a_time() {
    let place = fleet();
    let status = |words: &str| place.json(&format!("{words} --format json"))["status"].clone();
    assert_eq!(status("tasks 42 --at 3"), "pending");
    assert_eq!(status("tasks 42 --at 4"), "blocked");
    assert_eq!(status("tasks 42 --at v3"), "in-progress");
    assert_eq!(status("tasks 42 --at now"), "completed");
    assert!(place.fails("tasks 42 --at 2").starts_with("3\n"));
    assert!(place.fails("tasks 42 --at v9").starts_with("3\n"));
    assert!(place.fails("tasks --at v2").contains("version of one stream"));
    assert!(place.fails("tasks --at someday").contains("--at"));
    assert_eq!(place.json("tasks --at 1d --format json"), json!([]));
    assert_eq!(ids(&place.json("agents --at 1 --format json"), "agentId"), ["a1"]);
}

/// None is written by a read: looking at the past leaves no trace.
#[test]
fn looking_back_remembers_nothing() {
    let place = fleet();
    place.ok("tasks --at 4");
    place.ok("diff tasks --from 3 --to 5");
    place.ok("blame task-42 status");
    assert_eq!(place.run("snapshot list projection/").out, "");
    place.ok("tasks");
    assert!(place.ok("snapshot list projection/").contains("projection/tasks/"));
}

#[test]
fn what_differs_between_two_moments_is_told_by_thing_and_field() {
    let place = fleet();
    let differences = place.json("diff tasks --from 4 --to 6 --format json");
    let task = &differences[0];
    assert_eq!(
        (&task["noun"], &task["id"], &task["change"]),
        (&json!("task"), &json!("42"), &json!("changed"))
    );
    assert_eq!(task["fields"]["status"], json!(["blocked", "completed"]));
    assert_eq!(task["fields"]["blockedBy"], json!([["41"], []]));
    assert!(task["fields"].get("title").is_none());
    assert_eq!(place.json("diff tasks --from 6 --format json")[0]["change"], "added");
    assert_eq!(
        place.json("diff tasks/42 --from v1 --to v2 --format json")[0]["fields"]["status"],
        json!(["pending", "blocked"])
    );
    let ran = place.run("diff tasks --from 6 --to 6");
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", "nothing differs\n"));
    assert!(place.fails("diff nothing --from 1").starts_with("3\n"));
    assert!(place.ok("diff --from 5").contains("agent-a2"));
}

#[test]
fn the_event_that_changed_a_field_is_named() {
    let place = fleet();
    let blamed = place.json("blame task-42 status --format json");
    assert_eq!((&blamed[0]["position"], &blamed[0]["type"]), (&json!(6), &json!("task:completed")));
    assert_eq!((&blamed[0]["before"], &blamed[0]["after"]), (&json!("in-progress"), &json!("completed")));
    let all = place.json("blame task-42 status --all --format json");
    let positions: Vec<u64> =
        all.as_array().unwrap().iter().map(|one| one["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, [3, 4, 5, 6]);
    assert_eq!(place.json("blame task-42 status --at v2 --format json")[0]["position"], 4);
    let every = place.ok("blame agent-a1");
    assert!(every.contains("completedCount") && !every.contains("failedCount"), "{every}");
    assert!(place.fails("blame task-42 colour").contains("status"));
    assert!(place.fails("blame task-99 status").starts_with("3\n"));
    assert!(place.fails("blame order-1 status").starts_with("2\n"));
}

#[test]
fn projections_are_listed_shown_and_built_anew() {
    let place = fleet();
    let before = place.json("projections show agents");
    let list = place.json("projections list --format json");
    assert_eq!(ids(&list, "name").len(), 10);
    assert_eq!(
        (&list[0]["name"], &list[0]["position"], &list[0]["behind"]),
        (&json!("agents"), &json!(13), &json!(0))
    );
    let ran = place.run("projections rebuild agents");
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    assert!(ran.err.contains("agents built anew: 2 agents"), "{}", ran.err);
    assert_eq!(place.run("projections rebuild").code, 0);
    assert_eq!(place.json("projections show agents"), before);
    assert!(place.fails("projections show nothing").contains("agent-metrics"));
}

#[test]
fn the_fleet_is_told_at_a_glance_in_eighty_columns() {
    let place = fleet();
    let text = place.ok("fleet");
    assert!(text.starts_with("1 at work, 0 stuck, 1 idle, 0 ended; today 0 tokens\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[2].starts_with("a1 ") && lines[3].starts_with("└ a2"), "{text}");
    assert!(lines[3].ends_with("Write it up"), "{text}");
    let stuck = place.json("fleet --quiet 0s --format json");
    assert_eq!(stuck["agents"][1]["stuck"]["rule"], "quiet");
    assert_eq!(place.json("fleet --at 2 --format json")["agents"].as_array().unwrap().len(), 2);
    assert!(place.fails("fleet --quiet long").contains("--quiet"));
}

#[test]
fn a_live_fleet_shows_what_changes() {
    let place = fleet();
    let watching = place.start("fleet --watch --format jsonl");
    let first: Value = serde_json::from_str(&watching.line()).unwrap();
    assert_eq!(first["agents"].as_array().unwrap().len(), 2);
    place.ok(r#"append agent-a3 agent:spawned {"agentId":"a3"}"#);
    let second: Value = serde_json::from_str(&watching.line()).unwrap();
    assert_eq!(second["agents"].as_array().unwrap().len(), 3);
}

#[test]
fn what_tokens_cost_is_what_the_settings_say() {
    let place = Place::new();
    place.write(".factlog.toml", "[prices.claude-opus]\ninput = 15.0\noutput = 75.0\n");
    let message = r#"{"message":{"id":"m1","model":"claude-opus-4-5","content":[],"usage":{"input_tokens":1000000,"output_tokens":100000}}}"#;
    place.ok(&format!("append session-s1 session:replied {message} --source claude-code --session s1"));
    let sessions = place.json("sessions --format json");
    assert_eq!((&sessions[0]["cost"], &sessions[0]["tokens"]["input"]), (&json!(22.5), &json!(1_000_000)));
    assert_eq!(place.json("fleet --format json")["costToday"], 22.5);
    place.write(".factlog.toml", "[prices.claude-opus]\ninputs = 15.0\n");
    assert!(place.fails("sessions").contains("inputs"));
}

/// What a first trial by a new user met: words and states that misled.
#[test]
fn what_is_shown_says_what_is_the_case() {
    let place = fleet();
    // Nobody announced agent-7; it says itself that it works.
    place.ok("append task-50 task:started --source agent-7");
    assert_eq!(place.json("agents agent-7 --format json")["status"], "active");
    // A task that is queued again has not failed any more.
    place.ok(r#"append task-50 task:failed {"error":"no"} --source agent-7"#);
    place.ok("append task-50 task:queued");
    let task = place.json("tasks 50 --format json");
    assert_eq!((&task["status"], &task["retryCount"]), (&json!("queued"), &json!(1)));
    assert!(task.get("error").is_none() && task.get("failedAt").is_none(), "{task}");
    // What nobody has recorded as expired is shown as expired.
    place.ok(r#"append memory-m2 memory:stored {"memoryId":"m2","namespace":"old","expiresAt":"2020-01-01T00:00:00Z"}"#);
    assert_eq!(ids(&place.json("memories --status expired --format json"), "memoryId"), ["m2"]);
    // A session that nobody has heard of for a day is gone, whatever it said last.
    place.ok("append session-s9 session:started --session s9 --occurred 2020-01-01T00:00:00Z");
    assert!(place.ok("sessions").contains("running, gone"));
    assert_eq!(place.json("sessions --active --format json"), json!([]));
    for (words, code) in [
        ("memories --status gone", 2),
        ("swarms --status odd", 2),
        ("tasks --status nonsense", 2),
        ("diff order-1 --from 1", 3),
    ] {
        assert_eq!(place.run(words).code, code, "{words}");
    }
    assert_eq!(place.json("tasks --status unknown --format json"), json!([]));
    assert_eq!(place.json("diff task-42 --from v1 --to v2 --format json")[0]["id"], "42");
    assert!(place.fails("tasks --format cloudevents").contains("tasks cannot write cloudevents"));
    assert!(place.ok("types show hook:stop").contains("the agent's own record"));
    assert_eq!(place.run("blame task-42 status --at now").code, 0);
}

/// What a review met: flags that were not heeded, and moments that were judged by today.
#[test]
fn flags_and_moments_are_heeded() {
    let place = fleet();
    assert_eq!(place.json("tasks --summary --agent a2 --format json")["total"], 1);
    assert!(place.fails("agents --metrics --role coder").starts_with("2\n"));
    assert_eq!(place.json("tasks task-42 --at v2 --format json")["status"], "blocked");
    place.ok(r#"append agent-z agent:started {"agentId":"z"} --occurred 2020-01-01T00:00:00Z"#);
    place.ok("append agent-z note:made --occurred 2020-01-01T00:00:30Z");
    assert_eq!(place.json("agents z --at 2020-01-01T00:01:00Z --format json")["isGone"], false);
    assert_eq!(place.json("agents z --format json")["isGone"], true);
    assert!(place.fails("fleet --at 999").starts_with("3\n"));
    let panicked = place.run_words(&["append", "x-1", "über:x", "{}", "--strict"]);
    assert_eq!(panicked.code, 2, "{}", panicked.err);
}

/// Story: a table cuts long texts and words its spans for eyes, and a spreadsheet got the same.
#[test]
fn a_spreadsheet_gets_whole_texts_plain_numbers_and_every_column() {
    let place = fleet();
    let title = "x".repeat(60);
    place.ok(&format!(r#"append task-44 task:created {{"taskId":"44","title":"{title}"}}"#));
    let csv = place.ok("tasks --format csv");
    assert!(csv.starts_with("task,status,priority,agent,took,heard (utc),deleted (utc),title\n"), "{csv}");
    assert!(csv.contains(&title) && csv.contains(",5000,") && !csv.contains('…'), "{csv}");
    assert!(place.ok("diff tasks/44 --from 13 --to 14 --format csv").contains("(new)"));
    assert!(place.ok("blame task-44 title --format csv").contains(&title));
}
