//! The tools: short answers, with ids and positions to go on from.

use std::time::Duration;

use factlog::{Error, Event, EventLog, Filter, Json, Position, Result, Timestamp, TypePattern};
use factlog_agents::bus::{Audience, Body, Message, Request, RequestError, Traits};
use factlog_agents::projections::{Entities, Tasks};
use factlog_agents::vocabulary::{TaskAssigned, type_patterns};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::arguments::{
    Ack, Ask, Ballot, Broadcast, Events, Fetch, LeaseAcquire, LeaseRelease, MemoryGet, MemoryPut, Respond,
    Send, State, WaitFor, schema,
};
use super::mail::{Mail, WAIT_MAX};
use super::{inbox, shared};

/// Events in one answer, where nothing else is said.
const EVENTS: usize = 20;
/// The most of them.
const EVENTS_MAX: usize = 100;
/// Bytes of one answer's events and messages, one more at the most: a model's context is small.
pub(super) const ANSWER_BYTES_MAX: usize = 32 * 1024;
/// How long an event is waited for, where nothing else is said.
const WAIT: Duration = Duration::from_secs(60);
/// Agents that `state` names.
const AGENTS_SHOWN_MAX: usize = 100;

/// A tool.
pub(super) struct ToolOf {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) schema: fn() -> Map<String, Value>,
}

/// All of them.
pub(super) const TOOLS: &[ToolOf] = &[
    ToolOf {
        name: "send",
        about: "Send a message or a task to an agent, or to many. It is stored, and waits for those who are not there.",
        schema: schema::<Send>,
    },
    ToolOf {
        name: "broadcast",
        about: "Tell something to all agents, or to those of a kind.",
        schema: schema::<Broadcast>,
    },
    ToolOf {
        name: "request",
        about: "Ask an agent and wait for its answer. Fails at once where nobody answers to it.",
        schema: schema::<Ask>,
    },
    ToolOf { name: "respond", about: "Answer a request that you fetched.", schema: schema::<Respond> },
    ToolOf {
        name: "inbox_fetch",
        about: "Get what waits for you: messages, tasks, requests, answers. Each is given to you once; say inbox_ack when you are done with it. Of one that is large you get a part, and how to get the rest.",
        schema: schema::<Fetch>,
    },
    ToolOf {
        name: "inbox_ack",
        about: "Say that you are done with messages: with `result` a task is completed and a request answered, with `error` others get it, or a later session of yours.",
        schema: schema::<Ack>,
    },
    ToolOf {
        name: "wait_for",
        about: "Wait for mail, or for events of a kind, and get the first that come.",
        schema: schema::<WaitFor>,
    },
    ToolOf {
        name: "lease_acquire",
        about: "Take files or other resources for yourself until a time. Refused where another agent has them: it says who, and until when.",
        schema: schema::<LeaseAcquire>,
    },
    ToolOf { name: "lease_release", about: "Give a lease back.", schema: schema::<LeaseRelease> },
    ToolOf {
        name: "memory_get",
        about: "Read a value that agents share, with its version.",
        schema: schema::<MemoryGet>,
    },
    ToolOf {
        name: "memory_put",
        about: "Keep a value for other agents. With `expect` only if nobody has changed it since you read it.",
        schema: schema::<MemoryPut>,
    },
    ToolOf {
        name: "vote",
        about: "Vote on a question of a swarm that you belong to.",
        schema: schema::<Ballot>,
    },
    ToolOf {
        name: "events",
        about: "Read events of the log: the newest, or on from a position.",
        schema: schema::<Events>,
    },
    ToolOf {
        name: "state",
        about: "Who you are, who is there, and what waits for you; or how one task or message stands.",
        schema: schema::<State>,
    },
];

/// Does what a tool is called for; [`inbox::fetch`] stands for itself.
pub(super) async fn call(mail: &Mail, name: &str, arguments: Value) -> Result<Value> {
    match name {
        "send" => send(mail, read(arguments)?).await,
        "broadcast" => broadcast(mail, read(arguments)?).await,
        "request" => request(mail, read(arguments)?).await,
        "respond" => respond(mail, read(arguments)?).await,
        "inbox_ack" => inbox::ack(mail, read(arguments)?).await,
        "wait_for" => wait_for(mail, read(arguments)?).await,
        "events" => events(mail, read(arguments)?).await,
        "lease_acquire" => shared::lease_acquire(mail, read(arguments)?).await,
        "lease_release" => shared::lease_release(mail, read(arguments)?).await,
        "memory_get" => shared::memory_get(mail, read(arguments)?).await,
        "memory_put" => shared::memory_put(mail, read(arguments)?).await,
        "vote" => shared::vote(mail, read(arguments)?).await,
        "state" => state(mail, read(arguments)?).await,
        _ => Err(Error::not_found(format!("there is no tool {name}"))),
    }
}

pub(super) fn read<T: DeserializeOwned>(arguments: Value) -> Result<T> {
    serde_json::from_value(arguments).map_err(|cause| Error::invalid(format!("the arguments: {cause}")))
}

pub(super) fn seconds(asked: Option<u64>, usual: Duration) -> Duration {
    asked.map_or(usual, Duration::from_secs).min(WAIT_MAX)
}

async fn send(mail: &Mail, args: Send) -> Result<Value> {
    let me = mail.me();
    let to = args.to.parse()?;
    let mut message = if let Some(id) = &args.task_id {
        let mut task = TaskAssigned::new(id.as_str());
        task.description = Some(args.data.as_str().map_or_else(|| args.data.to_string(), str::to_owned));
        Message::task(me.id(), to, task)
    } else {
        let (content, reply_to) = (Json::of(&args.data)?, args.in_reply_to.clone());
        Message::new(me.id(), to, Body::Words { content, content_type: None, reply_to })
    };
    message.priority = args.priority.unwrap_or(message.priority);
    message.ttl = args.ttl_s.map(Duration::from_secs);
    if let Some(answered) = &args.in_reply_to {
        let before = mail.bus().message(answered).await?;
        (message.hops, message.causation) = (before.hops + 1, Some(before.event_id));
    }
    let sent = me.post(message).await?;
    Ok(serde_json::to_value(sent).unwrap_or_default())
}

async fn broadcast(mail: &Mail, args: Broadcast) -> Result<Value> {
    let me = mail.me();
    let body = Body::Broadcast { topic: args.topic, content: Json::of(&args.data)?, retain: false };
    let to = args.swarm.map_or_else(|| "*".to_owned(), |swarm| format!("group:{swarm}"));
    let mut message = Message::new(me.id(), to.parse()?, body);
    let traits = Traits { agent_types: args.types, capabilities: args.capabilities, tags: Vec::new() };
    if traits != Traits::default() {
        message.to = Audience::Custom(traits);
    }
    Ok(serde_json::to_value(me.post(message).await?).unwrap_or_default())
}

async fn request(mail: &Mail, args: Ask) -> Result<Value> {
    let me = mail.me();
    let wait = seconds(args.timeout_s, factlog_agents::bus::REQUEST_TIMEOUT);
    let request = Request::new(me.id(), args.to.parse()?, args.method).params(&args.params)?.timeout(wait);
    let answer = mail.bus().request(&request).await?;
    Ok(match answer.outcome {
        Ok(result) => json!({"from": answer.from, "success": true, "result": result}),
        Err(error) => json!({"from": answer.from, "success": false, "error": error}),
    })
}

async fn respond(mail: &Mail, args: Respond) -> Result<Value> {
    let outcome = match args.error {
        Some(message) => Err(RequestError { code: "ERROR".to_owned(), message, details: None }),
        None => Ok(Json::of(&args.result)?),
    };
    let delivery = mail.find(&args.request_id).await?;
    let counted = mail.bus().respond(&delivery, mail.me().id(), outcome).await?;
    mail.done(&args.request_id);
    Ok(json!({"requestId": args.request_id, "counted": counted}))
}

/// A filter by names as models write them.
fn filter(types: &[String], sources: &[String], streams: &[String]) -> Result<Filter> {
    let patterns = types.iter().flat_map(|name| type_patterns(name));
    Ok(Filter {
        types: patterns.map(|name| name.parse::<TypePattern>()).collect::<Result<_>>()?,
        sources: sources.iter().map(|text| text.parse()).collect::<Result<_>>()?,
        streams: streams.iter().map(|text| text.parse()).collect::<Result<_>>()?,
        ..Filter::all()
    })
}

async fn wait_for(mail: &Mail, args: WaitFor) -> Result<Value> {
    let wait = seconds(args.timeout_s, WAIT);
    if args.mail {
        inbox::mail_comes(mail, wait).await?;
        return Ok(json!({"mail": mail.waiting().await?}));
    }
    let log = mail.me().log();
    let after = match args.after {
        Some(position) => Position(position),
        None => log.newest().await?,
    };
    let mut following = log.follow(filter(&args.types, &args.sources, &args.streams)?).after(after);
    match timeout(wait, following.next()).await {
        Ok(Some(event)) => Ok(answer_of(&[event?])),
        Ok(None) => Err(Error::stopped("the log was closed")),
        Err(_) => Ok(json!({"events": [], "next": log.newest().await?})),
    }
}

async fn events(mail: &Mail, args: Events) -> Result<Value> {
    let mut filter = filter(&args.types, &args.sources, &args.streams)?;
    filter.text = args.text;
    let limit = args.limit.unwrap_or(EVENTS).clamp(1, EVENTS_MAX);
    let log = mail.me().log();
    let events = if let Some(position) = args.after {
        log.read(filter).after(Position(position)).limit(limit).collect().await?
    } else {
        let mut newest = log.read(filter).backwards().limit(limit).collect().await?;
        newest.reverse();
        newest
    };
    if events.is_empty() {
        return Ok(json!({"events": [], "next": log.newest().await?}));
    }
    Ok(answer_of(&events))
}

/// Events as far as an answer has room, and the position to go on from.
fn answer_of(events: &[std::sync::Arc<Event>]) -> Value {
    let mut bytes = 0;
    let mut shown = Vec::new();
    let mut next = Position::START;
    for event in events {
        let text = event.to_json();
        bytes += text.len();
        if bytes > ANSWER_BYTES_MAX && !shown.is_empty() {
            break;
        }
        next = event.position;
        shown.push(serde_json::from_str::<Value>(&text).unwrap_or_default());
    }
    json!({"events": shown, "next": next, "more": shown.len() < events.len()})
}

async fn state(mail: &Mail, args: State) -> Result<Value> {
    if let Some(id) = &args.message_id {
        return Ok(serde_json::to_value(mail.bus().message(id).await?).unwrap_or_default());
    }
    if let Some(id) = &args.task_id {
        return task(mail.me().log(), id).await;
    }
    let now = Timestamp::now();
    let agents = mail.bus().directory(|directory, _| {
        let live = directory.agents().iter().filter(|(_, agent)| agent.is_live(now));
        let shown = live.take(AGENTS_SHOWN_MAX).map(|(id, agent)| {
            json!({"agentId": id, "type": agent.agent_type, "capabilities": agent.capabilities, "methods": agent.methods})
        });
        shown.collect::<Vec<_>>()
    });
    let agents = agents.await?;
    let leases = mail.bus().leases(None).await?;
    Ok(json!({
        "me": mail.me().id(),
        "mail": mail.waiting().await?,
        "agents": agents,
        "leases": leases,
        "newest": mail.me().log().newest().await?,
    }))
}

async fn task(log: &EventLog, id: &str) -> Result<Value> {
    let stream = factlog_agents::stream_of("task", id)?;
    let tasks: Tasks = log.stream(&stream).partial().fold().await?;
    let task = tasks.get(id).ok_or_else(|| Error::not_found(format!("no task {id} is known")))?;
    Ok(Tasks::shown(task))
}
