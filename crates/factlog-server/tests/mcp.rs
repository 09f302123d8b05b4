//! Agents that only have the Model Context Protocol, driven by its official Rust SDK: each is served by its own handle on
//! one file, as by its own process.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use factlog::{EventLog, Filter};
use factlog_agents::{Agent, Bus};
use factlog_stores::Open;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use rmcp::{ClientHandler, ServiceExt};
use serde_json::{Value, json};

struct Client;
impl ClientHandler for Client {}

/// A client of one agent, and what serves it.
struct Session {
    client: RunningService<RoleClient, Client>,
    serving: tokio::task::JoinHandle<factlog::Result<()>>,
}

async fn open(folder: &tempfile::TempDir) -> EventLog {
    let url = format!("sqlite:{}", folder.path().join("agents.db").display());
    factlog_stores::open(&url, Open::Create).await.unwrap()
}

async fn session(folder: &tempfile::TempDir, id: &str, kind: &str) -> Session {
    let presence =
        Agent::builder(open(folder).await, id).kind(kind).methods(["*"]).take_over().attend().await.unwrap();
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (read, write) = tokio::io::split(theirs);
    let serving = tokio::spawn(factlog_server::mcp::serve(presence, read, write));
    let client = Client.serve(tokio::io::split(ours)).await.unwrap();
    Session { client, serving }
}

impl Session {
    async fn try_call(&self, tool: &str, arguments: Value) -> Result<Value, String> {
        let params = CallToolRequestParams::new(tool.to_owned())
            .with_arguments(arguments.as_object().unwrap().clone());
        let result = self.client.call_tool(params).await.unwrap();
        let text = result.content[0].as_text().unwrap().text.clone();
        if result.is_error == Some(true) { Err(text) } else { Ok(serde_json::from_str(&text).unwrap()) }
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.try_call(tool, arguments).await.unwrap_or_else(|error| panic!("{tool}: {error}"))
    }

    async fn end(self) {
        self.client.cancel().await.unwrap();
        self.serving.await.unwrap().unwrap();
    }
}

/// Story: a built-in mailbox marked mail as read before the model saw it, and reported success without delivery.
#[tokio::test]
async fn two_agents_find_each_other_and_exchange_a_message_a_task_and_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let planner = session(&folder, "planner", "planner").await;
    let worker = session(&folder, "worker-1", "worker").await;
    let state = planner.call("state", json!({})).await;
    let names: Vec<&str> =
        state["agents"].as_array().unwrap().iter().map(|agent| agent["agentId"].as_str().unwrap()).collect();
    assert_eq!((state["me"].as_str(), names), (Some("planner"), vec!["planner", "worker-1"]));

    let sent = planner.call("send", json!({"to": "worker-1", "data": "hello"})).await;
    let mail = worker.call("inbox_fetch", json!({})).await;
    assert_eq!(
        (&mail["messages"][0]["data"], &mail["messages"][0]["from"]),
        (&json!("hello"), &json!("planner"))
    );
    let id = sent["messageId"].as_str().unwrap();
    assert_eq!(worker.call("inbox_fetch", json!({})).await["messages"], json!([]), "nothing is given twice");
    worker.call("inbox_ack", json!({"message_ids": [id]})).await;
    worker.call("inbox_ack", json!({"message_ids": [id]})).await;
    let stands = planner.call("state", json!({"message_id": id})).await;
    assert_eq!(stands["recipients"][0]["state"], "acked");

    planner.call("send", json!({"to": "type:worker", "task_id": "t-1", "data": "Fix the build"})).await;
    let given = worker.call("inbox_fetch", json!({"wait_s": 60})).await;
    assert_eq!(
        (&given["messages"][0]["kind"], &given["messages"][0]["taskId"]),
        (&json!("task"), &json!("t-1"))
    );
    worker.call("inbox_ack", json!({"message_ids": ["t-1"], "result": {"commit": "abc"}})).await;
    let task = planner.call("state", json!({"task_id": "t-1"})).await;
    assert_eq!((&task["status"], &task["agentId"]), (&json!("completed"), &json!("worker-1")), "{task}");

    let asking = planner.call("request", json!({"to": "worker-1", "method": "status", "timeout_s": 60}));
    let answering = async {
        let asked = worker.call("inbox_fetch", json!({"wait_s": 60})).await;
        let id = asked["messages"][0]["messageId"].clone();
        assert_eq!(asked["messages"][0]["method"], "status");
        worker.call("respond", json!({"request_id": id, "result": "active"})).await
    };
    let (answer, counted) = tokio::join!(asking, answering);
    assert_eq!((&answer["result"], &counted["counted"]), (&json!("active"), &json!(true)));
    worker.end().await;
    planner.end().await;
}

/// Story: claims that should keep two agents off one file never denied a write.
#[tokio::test]
async fn a_lease_that_another_has_is_refused_with_its_holder_and_end_and_shared_memory_has_versions() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (session(&folder, "a", "agent").await, session(&folder, "b", "agent").await);
    let lease = a.call("lease_acquire", json!({"resources": ["src/**"], "reason": "mend it"})).await;
    let refused = b.try_call("lease_acquire", json!({"resources": ["src/main.rs"]})).await.unwrap_err();
    assert!(
        refused.contains("conflict") && refused.contains(" a ") && refused.contains("src/**"),
        "{refused}"
    );
    let waiting = b.call("lease_acquire", json!({"resources": ["src/main.rs"], "wait_s": 60}));
    let releasing = a.call("lease_release", json!({"token": lease["token"]}));
    let (got, _) = tokio::join!(waiting, releasing);
    assert!(got["token"].as_u64() > lease["token"].as_u64(), "a token is newer than all before it");

    let put = a.call("memory_put", json!({"path": "plans/build", "value": {"step": 1}, "expect": 0})).await;
    assert_eq!(put["version"], 1);
    let read = b.call("memory_get", json!({"path": "plans/build"})).await;
    assert_eq!(
        (&read["value"]["step"], &read["version"], &read["owner"]),
        (&json!(1), &json!(1), &json!("a"))
    );
    let stale =
        a.try_call("memory_put", json!({"path": "plans/build", "value": 2, "expect": 0})).await.unwrap_err();
    assert!(stale.contains("conflict"), "{stale}");

    let swarm = Bus::new(open(&folder).await);
    let plan = factlog_agents::bus::SwarmPlan {
        members: ["a", "b"].map(str::to_owned).into(),
        ..factlog_agents::bus::SwarmPlan::new("s", "ship")
    };
    swarm.swarm_form("a", plan).await.unwrap();
    let question = factlog_agents::bus::Proposal::new("s", "q", factlog::Json::of(&"ship it").unwrap());
    swarm.propose("a", question).await.unwrap();
    a.call("vote", json!({"swarm": "s", "consensus_id": "q", "vote": "approve"})).await;
    let decided = b
        .call("vote", json!({"swarm": "s", "consensus_id": "q", "vote": "approve", "reason": "tested"}))
        .await;
    assert_eq!(decided["decision"], "approved", "{decided}");
    b.end().await;
    a.end().await;
}

/// Story: mail counted as read when it was asked for, although the answer never came.
#[tokio::test]
async fn what_was_handed_out_counts_as_read_once_the_answer_was_written_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let bus = Bus::new(log.clone());
    let worker = session(&folder, "worker-1", "worker").await;
    let message = factlog_agents::bus::Message::text("a", "worker-1".parse().unwrap(), "x").unwrap().id("m");
    bus.send(message).await.unwrap();
    worker.call("inbox_fetch", json!({})).await;
    let mut read = log.follow(Filter::types(["inbox:delivered"]).unwrap());
    let event = tokio::time::timeout(Duration::from_secs(60), read.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(event.source.as_deref(), Some("worker-1"));
    // The session ends without a word about it: the next one gets it again, and the same one never would.
    worker.end().await;
    let again = session(&folder, "worker-1", "worker").await;
    assert_eq!(again.call("inbox_fetch", json!({})).await["messages"][0]["attempt"], 2);
    again.end().await;
}

#[tokio::test]
async fn a_call_that_fails_says_what_went_wrong_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let agent = session(&folder, "a", "agent").await;
    for (tool, arguments, says) in [
        ("send", json!({"to": "type:nobody", "data": "x"}), "not-found"),
        ("send", json!({"data": "x"}), "missing field `to`"),
        ("request", json!({"to": "nobody", "method": "m"}), "nobody answers"),
        ("inbox_ack", json!({"message_ids": ["nope"]}), "inbox_fetch"),
        ("no_such_tool", json!({}), "there is no tool"),
    ] {
        let error = agent.try_call(tool, arguments).await.unwrap_err();
        assert!(error.contains(says), "{tool}: {error}");
    }
    agent.end().await;
}

#[tokio::test]
async fn events_are_read_and_waited_for_with_a_position_to_go_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let agent = session(&folder, "a", "agent").await;
    let newest = agent.call("events", json!({"limit": 1})).await;
    assert_eq!(newest["events"][0]["type"], "agent:ready");
    let after = newest["next"].as_u64().unwrap();
    let nothing = agent.call("wait_for", json!({"types": ["build:*"], "after": after, "timeout_s": 0})).await;
    assert_eq!(nothing["events"], json!([]));
    let waiting = agent.call("wait_for", json!({"types": ["build:*"], "after": after, "timeout_s": 60}));
    let event = factlog::NewEvent::new("build-1", "build:done", json!({"ok": true})).unwrap();
    let (came, appended) = tokio::join!(waiting, log.append(event));
    assert_eq!(came["events"][0]["data"]["ok"], true);
    assert_eq!(came["next"], json!(appended.unwrap().last()));
    let tools = agent.client.list_all_tools().await.unwrap();
    assert!(
        tools.iter().all(|tool| tool.description.is_some() && tool.input_schema.contains_key("properties"))
    );
    agent.end().await;
}
