//! `factlog agent run`: an agent made of a command that reads and writes JSON lines.

mod child;

use std::sync::Arc;

use factlog::Error;
use factlog_agents::Agent;
use factlog_agents::agent::{Failed, GivenMessage, GivenRequest, GivenTask, TaskError};
use serde_json::json;

use self::child::{Child, Reply};
use super::Context;
use crate::cli::{AgentAction, AgentArgs, AgentRunArgs};
use crate::failure::Outcome;
use crate::output::note;

pub(crate) async fn run(context: &Context, args: &AgentArgs) -> Outcome {
    let AgentAction::Run(args) = &args.action;
    let log = context.open_or_create().await?;
    let child = Arc::new(Child::new(words(args)?));
    let mut builder = Agent::builder(log.clone(), &args.id)
        .kind(&args.agent_type)
        .capabilities(args.capability.iter().map(String::as_str))
        .capacity(args.capacity);
    if args.take_over {
        builder = builder.take_over();
    }
    let (tasks, messages, broadcasts) = (Arc::clone(&child), Arc::clone(&child), Arc::clone(&child));
    builder = builder
        .on_task(move |me, given| {
            let child = Arc::clone(&tasks);
            async move { task_outcome(child.ask(&me, task_line(&given)).await) }
        })
        .on_message(move |me, given| {
            let child = Arc::clone(&messages);
            async move { outcome(child.ask(&me, message_line("message", &given)).await).map(drop) }
        })
        .on_broadcast(move |me, given| {
            let child = Arc::clone(&broadcasts);
            async move { outcome(child.ask(&me, message_line("broadcast", &given)).await).map(drop) }
        });
    let any = ["*".to_owned()];
    for method in if args.method.is_empty() { &any[..] } else { &args.method } {
        let requests = Arc::clone(&child);
        builder = builder.on_request(method, move |me, asked| {
            let child = Arc::clone(&requests);
            async move { outcome(child.ask(&me, request_line(&asked)).await) }
        });
    }
    let mut agent = builder.start().await?;
    let keeping = tokio::spawn(Arc::clone(&child).keep(agent.me().clone()));
    note(format_args!("{} is at work; Ctrl-C ends it", args.id));
    let interrupted = tokio::select! {
        ended = agent.ended() => Some(ended),
        () = asked_to_end() => None,
    };
    match interrupted {
        Some(ended) => ended?,
        None => agent.stop_within("interrupted", std::time::Duration::from_secs(10)).await?,
    }
    keeping.abort();
    child.end();
    Ok(log.close().await?)
}

/// Waits until a person, or the system, asks it to end.
async fn asked_to_end() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    // Where it cannot be listened to, it ends as the system does it.
    let _ = tokio::signal::ctrl_c().await;
}

/// The program and its arguments.
fn words(args: &AgentRunArgs) -> factlog::Result<Vec<String>> {
    if let Some(line) = &args.exec {
        let shell = if cfg!(windows) { ["cmd", "/C"] } else { ["sh", "-c"] };
        return Ok(vec![shell[0].to_owned(), shell[1].to_owned(), line.clone()]);
    }
    match args.command.first() {
        Some(_) => Ok(args.command.clone()),
        None => Err(Error::invalid("which command?").with_hint("write it behind --, or with --exec")),
    }
}

fn task_line(given: &GivenTask) -> serde_json::Value {
    json!({
        "kind": "task",
        "messageId": given.id(),
        "taskId": given.id(),
        "from": given.from,
        "attempt": given.attempt,
        "data": given.event.data,
    })
}

fn message_line(kind: &str, given: &GivenMessage) -> serde_json::Value {
    let mut line = json!({
        "kind": kind,
        "messageId": given.message_id,
        "from": given.from,
        "attempt": given.attempt,
        "data": given.content,
    });
    if let Some(topic) = &given.topic {
        line["topic"] = json!(topic);
    }
    line
}

fn request_line(asked: &GivenRequest) -> serde_json::Value {
    json!({
        "kind": "request",
        "messageId": asked.request_id,
        "from": asked.from,
        "method": asked.method,
        "deadline": asked.deadline,
        "data": asked.params,
    })
}

fn outcome(reply: Reply) -> Result<serde_json::Value, Failed> {
    match reply {
        Reply::Result(result) => Ok(result),
        Reply::Error { message, code, retry } => {
            let failed = Failed::new(code.unwrap_or_else(|| "ERROR".to_owned()), message);
            Err(if retry { failed } else { failed.fatal() })
        }
    }
}

fn task_outcome(reply: Reply) -> Result<serde_json::Value, TaskError> {
    match reply {
        Reply::Result(result) => Ok(result),
        Reply::Error { message, code, retry } => {
            let error = if retry { TaskError::retry(message) } else { TaskError::fatal(message) };
            Err(match code {
                Some(code) => error.code(code),
                None => error,
            })
        }
    }
}
