//! Agents that only have the Model Context Protocol, driven by its official Rust SDK: each is served by its own handle on
//! one file, as by its own process.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use factlog::{EventLog, Filter};
use factlog_agents::agent::AgentBuilder;
use factlog_agents::bus::{Message, Taker, VISIBILITY};
use factlog_agents::{Agent, Bus};
use factlog_stores::Open;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use rmcp::{ClientHandler, ServiceExt};
use serde_json::{Value, json};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Client;
impl ClientHandler for Client {}

mod raw;

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
    serve(agent(folder, id).await.kind(kind)).await
}

async fn agent(folder: &tempfile::TempDir, id: &str) -> AgentBuilder {
    Agent::builder(open(folder).await, id).methods(["*"])
}

async fn serve(agent: AgentBuilder) -> Session {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (read, write) = tokio::io::split(theirs);
    let serving = tokio::spawn(factlog_server::mcp::serve(agent, read, write, std::future::pending()));
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
    let message = Message::text("a", "worker-1".parse().unwrap(), "x").unwrap().id("m");
    bus.send(message).await.unwrap();
    worker.call("inbox_fetch", json!({})).await;
    let mut read = log.follow(Filter::types(["inbox:delivered"]).unwrap());
    let event = tokio::time::timeout(PATIENCE, read.next()).await.unwrap().unwrap().unwrap();
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

/// Story: two sessions of one name took each other's mail, and the first never noticed. One that was killed and started again
/// was refused, with a word that nobody saw.
#[tokio::test]
async fn a_second_session_is_not_served_as_long_as_the_first_is_there_and_each_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let first = session(&folder, "worker-1", "worker").await;
    let second = session(&folder, "worker-1", "worker").await;
    let refused = second.try_call("inbox_fetch", json!({})).await.unwrap_err();
    assert!(refused.contains("conflict") && refused.contains("is at work"), "{refused}");
    assert!(refused.contains("its own name") && refused.contains("--take-over"), "{refused}");
    first.call("state", json!({})).await;
    first.end().await;
    assert_eq!(second.call("state", json!({})).await["me"], "worker-1", "the name is free");

    let third = serve(agent(&folder, "worker-1").await.take_over()).await;
    assert_eq!(third.call("state", json!({})).await["me"], "worker-1");
    let replaced = second.try_call("inbox_fetch", json!({})).await.unwrap_err();
    assert!(replaced.contains("another run of the agent worker-1 has taken over"), "{replaced}");
    second.end().await;
    assert_eq!(third.call("state", json!({})).await["agents"][0]["agentId"], "worker-1", "it is still there");
    third.end().await;
}

/// Story: a server was killed, and the next one had to wait until a person did something.
#[tokio::test]
async fn the_name_of_a_session_that_was_killed_is_free_once_it_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let killed =
        agent(&folder, "worker-1").await.heartbeat(Duration::from_millis(100)).attend().await.unwrap();
    drop(killed);
    let next = session(&folder, "worker-1", "worker").await;
    while let Err(error) = next.try_call("state", json!({})).await {
        assert!(error.contains("is at work"), "{error}");
    }
    next.end().await;
}

/// Story: a hook had put mail into a model's context, and the same session's server gave it once more.
#[tokio::test]
async fn what_another_context_has_read_is_not_given_again_unless_that_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::new(open(&folder).await);
    for id in ["m1", "m2"] {
        let message = Message::text("a", "worker-1".parse().unwrap(), id).unwrap().id(id);
        bus.send(message).await.unwrap();
    }
    let hook = Taker::new("worker-1", "s-1");
    assert_eq!(bus.take("worker-1", &hook, 1, VISIBILITY).await.unwrap()[0].item.message_id, "m1");
    bus.delivered("worker-1", &hook, &["m1".to_owned()]).await.unwrap();
    let worker = session(&folder, "worker-1", "worker").await;
    let mail = worker.call("inbox_fetch", json!({})).await;
    assert_eq!((&mail["messages"][0]["messageId"], &mail["messages"][1]), (&json!("m2"), &Value::Null));
    worker.call("inbox_ack", json!({"message_ids": ["m2"]})).await;
    let next = serve(agent(&folder, "worker-1").await.take_over()).await;
    let mail = next.call("inbox_fetch", json!({})).await;
    assert_eq!(
        (&mail["messages"][0]["messageId"], &mail["messages"][0]["attempt"]),
        (&json!("m1"), &json!(2))
    );
    worker.end().await;
    next.end().await;
}

/// Story: fifty messages of a megabyte each went into one answer, and all counted as read.
#[tokio::test]
async fn an_answer_has_room_for_so_many_bytes_and_the_rest_of_a_large_message_is_read_in_parts() {
    const ROOM: usize = 40 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::new(open(&folder).await);
    let large = "\u{e9}\"".repeat(50_000);
    for (id, text) in [("large", large.as_str()), ("m1", &"x".repeat(20_000)), ("m2", &"y".repeat(20_000))] {
        bus.send(Message::text("a", "b".parse().unwrap(), text).unwrap().id(id)).await.unwrap();
    }
    let agent = session(&folder, "b", "agent").await;
    let first = agent.call("inbox_fetch", json!({})).await;
    assert_eq!(
        (first["messages"].as_array().unwrap().len(), &first["more"]),
        (1, &json!(2)),
        "{}",
        first["more"]
    );
    let message = &first["messages"][0];
    assert_eq!((&message["messageId"], &message["bytes"]), (&json!("large"), &json!(large.len())));
    let mut read = message["data"].as_str().unwrap().to_owned();
    let mut rest = message["rest"].clone();
    while let Some(tool) = rest["tool"].as_str() {
        let part = agent.call(tool, rest["arguments"].clone()).await;
        assert!(part["data"].as_str().unwrap().len() <= ROOM);
        read += part["data"].as_str().unwrap();
        rest = part["rest"].clone();
    }
    assert!(read == large, "the parts are the whole");
    for id in ["m1", "m2"] {
        let next = agent.call("inbox_fetch", json!({})).await;
        assert_eq!(
            (next["messages"].as_array().unwrap().len(), &next["messages"][0]["messageId"]),
            (1, &json!(id))
        );
        assert_eq!(next["messages"][0]["attempt"], Value::Null, "what had no room counts as never offered");
    }
    agent.end().await;
}

/// Story: a message that was held back for a second came after five minutes, because nothing else happened in the log.
#[tokio::test]
async fn waiting_ends_when_something_comes_due_though_nothing_is_recorded_then() {
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::new(open(&folder).await);
    let message = Message::text("a", "b".parse().unwrap(), "x").unwrap().id("m");
    bus.send(message).await.unwrap();
    let hook = Taker::new("b", "s-1");
    bus.take("b", &hook, 1, Duration::from_secs(2)).await.unwrap();
    // Its own word that it is there must not be what wakes it.
    let agent = serve(agent(&folder, "b").await.heartbeat(Duration::from_secs(600))).await;
    let waiting = agent.call("wait_for", json!({"mail": true, "timeout_s": 300}));
    assert_eq!(tokio::time::timeout(PATIENCE, waiting).await.expect("it wakes")["mail"], 1);
    let taken = agent.call("inbox_fetch", json!({})).await;
    assert_eq!(taken["messages"][0]["messageId"], "m");
    agent.call("inbox_ack", json!({"message_ids": ["m"]})).await;
    let message = Message::text("a", "b".parse().unwrap(), "y").unwrap().id("m2");
    bus.send(message).await.unwrap();
    bus.take("b", &hook, 1, Duration::from_secs(2)).await.unwrap();
    let waiting = agent.call("inbox_fetch", json!({"wait_s": 300}));
    let taken = tokio::time::timeout(PATIENCE, waiting).await.expect("it wakes");
    assert_eq!(taken["messages"][0]["messageId"], "m2");
    agent.end().await;
}

/// Story: a model was told that a message comes again, and waited for it; and that it was held back when it was dead.
#[tokio::test]
async fn what_is_said_of_a_message_is_answered_with_how_it_stands_by_that() {
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::new(open(&folder).await);
    for id in ["good", "later", "never"] {
        bus.send(Message::text("a", "b".parse().unwrap(), id).unwrap().id(id)).await.unwrap();
    }
    let task = factlog_agents::vocabulary::TaskAssigned::new("t");
    bus.send(Message::task("a", "b".parse().unwrap(), task)).await.unwrap();
    let agent = session(&folder, "b", "agent").await;
    agent.call("inbox_fetch", json!({})).await;
    for (id, arguments, state) in [
        ("good", json!({}), "acked"),
        ("later", json!({"error": "no disk"}), "nacked"),
        ("never", json!({"error": "no such file", "retry": false}), "dead"),
        ("t", json!({"error": "no such branch", "retry": false}), "dead"),
    ] {
        let mut arguments = arguments;
        arguments["message_ids"] = json!([id]);
        let said = agent.call("inbox_ack", arguments).await;
        assert_eq!(said["messages"], json!([{"messageId": id, "state": state}]));
        let stands = agent.call("state", json!({"message_id": id})).await;
        assert_eq!(stands["recipients"][0]["state"], state, "{id}");
    }
    agent.end().await;
}
