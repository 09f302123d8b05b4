//! A client that says what it wants line by line, and cancels what it has asked.

use std::time::Duration;

use factlog::Filter;
use factlog_agents::Bus;
use factlog_agents::agent::AgentBuilder;
use factlog_agents::bus::Message;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};

use crate::{agent, open};

/// Longer than anything here takes, and shorter than the time after which what was lost is offered again.
const PATIENCE: Duration = Duration::from_secs(45);
const ROUNDS: u64 = 40;

struct Raw {
    read: tokio::io::Lines<BufReader<ReadHalf<DuplexStream>>>,
    write: WriteHalf<DuplexStream>,
    serving: tokio::task::JoinHandle<factlog::Result<()>>,
}

impl Raw {
    async fn new(agent: AgentBuilder) -> Self {
        let (ours, theirs) = tokio::io::duplex(1024 * 1024);
        let (read, write) = tokio::io::split(theirs);
        let serving = tokio::spawn(factlog_server::mcp::serve(agent, read, write, std::future::pending()));
        let (read, write) = tokio::io::split(ours);
        let mut raw = Self { read: BufReader::new(read).lines(), write, serving };
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        raw.say(&[json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})]).await;
        raw.hear().await;
        raw.say(&[json!({"jsonrpc": "2.0", "method": "notifications/initialized"})]).await;
        raw
    }

    /// All at once, as one write.
    async fn say(&mut self, messages: &[Value]) {
        let lines: Vec<String> = messages.iter().map(ToString::to_string).collect();
        self.write.write_all((lines.join("\n") + "\n").as_bytes()).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.read.next_line()).await.expect("an answer");
        serde_json::from_str(&line.unwrap().unwrap()).unwrap()
    }

    /// What it is answered until a call is.
    async fn hear_until(&mut self, id: u64) -> Vec<Value> {
        let mut heard = Vec::new();
        loop {
            let answer = self.hear().await;
            let is_last = answer["id"] == id;
            heard.push(answer);
            if is_last {
                return heard;
            }
        }
    }

    async fn end(self) {
        let Self { read, mut write, serving } = self;
        write.shutdown().await.unwrap();
        drop(write);
        tokio::time::timeout(PATIENCE, serving).await.expect("it ends").unwrap().unwrap();
        drop(read);
    }
}

fn call(id: u64, tool: &str, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

fn cancel(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
}

/// The text of an answer that is no failure.
fn told(answer: &Value) -> Value {
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    serde_json::from_str(answer["result"]["content"][0]["text"].as_str().unwrap()).unwrap()
}

/// Story: what a cancelled fetch had taken was kept from everybody for a minute, was never acknowledged after that, and the
/// server did not end.
#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_is_cancelled_hands_out_nothing_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::new(open(&folder).await);
    let mut client = Raw::new(agent(&folder, "worker-1").await).await;
    for round in 1..=ROUNDS {
        let message = Message::text("a", "worker-1".parse().unwrap(), &round.to_string()).unwrap();
        bus.send(message.id(format!("m{round}"))).await.unwrap();
        client.say(&[call(round, "inbox_fetch", &json!({})), cancel(round)]).await;
    }
    let mut ids: Vec<String> = Vec::new();
    for fetch in 1_000.. {
        client.say(&[call(fetch, "inbox_fetch", &json!({"limit": 50, "wait_s": 20}))]).await;
        let before = ids.len();
        // What was answered before it was cancelled was read.
        for answer in client.hear_until(fetch).await {
            for message in told(&answer)["messages"].as_array().unwrap() {
                assert_eq!(message["attempt"], Value::Null, "what was given back counts as never offered");
                ids.push(message["messageId"].as_str().unwrap().to_owned());
            }
        }
        if ids.len() as u64 >= ROUNDS || ids.len() == before {
            break;
        }
    }
    ids.sort();
    let mut all: Vec<String> = (1..=ROUNDS).map(|round| format!("m{round}")).collect();
    all.sort();
    assert_eq!(ids, all, "each is handed out once");
    client.say(&[call(1, "inbox_ack", &json!({"message_ids": ids}))]).await;
    assert_eq!(told(client.hear_until(1).await.last().unwrap())["messages"].as_array().unwrap().len(), 40);
    client.end().await;
}

/// Story: a call that was cancelled ended the agent for all others, and nobody was told that it had gone.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_there_although_calls_are_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let mut client = Raw::new(agent(&folder, "worker-1").await.heartbeat(Duration::from_millis(50))).await;
    for round in 1..=ROUNDS {
        let tool = if round % 2 == 0 { "wait_for" } else { "inbox_fetch" };
        let arguments = if round % 2 == 0 { json!({"mail": true}) } else { json!({"wait_s": 60}) };
        client.say(&[call(round, tool, &arguments), cancel(round)]).await;
    }
    client.say(&[call(1_000, "state", &json!({}))]).await;
    client.hear_until(1_000).await;
    let beats = Filter::types(["agent:heartbeat"]).unwrap();
    let mut following = log.follow(beats).after(log.newest().await.unwrap());
    tokio::time::timeout(PATIENCE, following.next())
        .await
        .expect("it says that it is there")
        .unwrap()
        .unwrap();
    client.end().await;
    let ended = log.read(Filter::types(["agent:terminated"]).unwrap()).collect().await.unwrap();
    assert_eq!(ended.len(), 1, "it says that it has ended");
}

/// Story: a script wrote its calls, closed its side, and was to read the answers after that.
#[tokio::test]
async fn what_was_asked_before_the_client_closed_its_side_is_handed_out_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::new(open(&folder).await);
    let message = Message::text("a", "b".parse().unwrap(), "x").unwrap().id("m");
    bus.send(message).await.unwrap();
    let mut client = Raw::new(agent(&folder, "b").await).await;
    client.say(&[call(1, "inbox_fetch", &json!({})), call(2, "inbox_fetch", &json!({"wait_s": 300}))]).await;
    client.write.shutdown().await.unwrap();
    let answers = [client.hear().await, client.hear().await];
    let text = answers.iter().map(ToString::to_string).collect::<String>();
    assert_eq!(text.matches("messageId").count(), 1, "{text}");
    tokio::time::timeout(PATIENCE, client.serving).await.expect("it ends").unwrap().unwrap();
    let read = open(&folder).await.read(Filter::types(["inbox:delivered"]).unwrap()).collect().await.unwrap();
    assert_eq!(read.len(), 1);
}
