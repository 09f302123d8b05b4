//! Agents that only have `factlog mcp`, as processes that the official SDK from npm starts; and one that only has hooks.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::Place;

/// Where the SDK is: `cargo xtask test` installs it.
fn sdk() -> Option<String> {
    let sdk = std::env::var("FACTLOG_TEST_MCP_SDK").ok();
    if sdk.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "in CI the SDK must be there");
        println!("skipped: FACTLOG_TEST_MCP_SDK names no folder with @modelcontextprotocol/sdk");
    }
    sdk
}

#[test]
fn two_agents_by_the_official_sdk_find_each_other_and_exchange_a_task_a_request_and_a_lease_conflict() {
    let Some(sdk) = sdk() else { return };
    let place = Place::new();
    let store = format!("sqlite:{}", place.path("agents.db").display());
    let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/mcp_sdk.cjs");
    let output = Command::new("node")
        .arg(driver)
        .arg(assert_cmd::cargo::cargo_bin!("factlog"))
        .arg(&store)
        .env("FACTLOG_TEST_MCP_SDK", sdk)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["server"], &told["agents"]), (&json!("factlog"), &json!(["planner", "worker-1"])));
    for tool in ["send", "request", "inbox_fetch", "wait_for", "lease_acquire", "memory_put", "vote", "state"]
    {
        assert!(told["tools"].as_array().unwrap().contains(&json!(tool)), "{tool}");
    }
    assert_eq!((&told["task"]["taskId"], &told["task"]["from"]), (&json!("t-1"), &json!("planner")));
    assert_eq!(told["again"], 0, "nothing is handed out twice");
    assert_eq!(
        (&told["done"]["status"], &told["done"]["agentId"]),
        (&json!("completed"), &json!("worker-1"))
    );
    assert_eq!(told["answer"]["result"], json!({"load": 0.5, "asked": {"deep": true}}));
    let conflict = told["conflict"]["error"].as_str().unwrap();
    assert!(conflict.contains("planner") && conflict.contains("src/**"), "{conflict}");
    assert!(told["after"]["token"].as_u64() > told["lease"]["token"].as_u64());

    let hooked = Place::new().with("FACTLOG_AGENT", "hooked").with("FACTLOG_STORE", &store);
    let payload = json!({"session_id": "s-1", "cwd": "/home/ada", "hook_event_name": "UserPromptSubmit", "prompt": "go"});
    let answer: Value = serde_json::from_str(&hooked.feed("hook", &payload.to_string())).unwrap();
    let text = answer["hookSpecificOutput"]["additionalContext"].as_str().unwrap();
    assert!(text.contains("from worker-1") && text.contains("look at src/main.rs"), "{text}");
    let edit = json!({"session_id": "s-1", "cwd": "/home/ada", "hook_event_name": "PreToolUse", "tool_name": "Edit",
        "tool_input": {"file_path": "/home/ada/src/main.rs"}});
    let denied: Value = serde_json::from_str(&hooked.feed("hook", &edit.to_string())).unwrap();
    assert_eq!(denied["hookSpecificOutput"]["permissionDecision"], "deny", "{denied}");
    let ends = hooked.json("agents worker-1 --format json");
    assert_eq!(ends["status"], "terminated", "its client has closed the connection");
}

/// Story: a client ended its server by a signal, and the next one was refused for a minute and a half.
#[cfg(unix)]
#[test]
fn a_server_that_is_told_to_end_says_that_the_agent_has_ended() {
    let place = Place::new();
    let mut served = place.start("mcp --agent w");
    while !place.run("agents w --format json").out.contains("\"w\"") {}
    served.terminate();
    assert_eq!(served.code_of_its_own(), 0);
    assert_eq!(place.json("agents w --format json")["status"], "terminated");
}
