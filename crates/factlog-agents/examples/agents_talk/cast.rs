//! Those who work: a worker, an analyst and a service, each with what it does with what comes to it.

use std::sync::Arc;

use factlog::{ErrorKind, Event, EventLog, Filter, Priority};
use factlog_agents::agent::{AgentBuilder, Failed};
use factlog_agents::bus::PutOptions;
use factlog_agents::projections::Vote;
use factlog_agents::vocabulary::Payload;
use factlog_agents::{Agent, Me};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Outcome;

/// Who asks them, and gives them work.
pub(crate) const COORDINATOR: &str = "coordinator";
/// The worker of the README, an analyst beside it, and the service that is asked for its status.
pub(crate) const NAMES: [&str; 3] = ["agent-123", "analyzer-1", "target-agent"];
/// What the broadcast is about after which all go home.
pub(crate) const CLOSING: &str = "closing-time";
/// Where the settings are that all share.
pub(crate) const CONFIG: &str = "shared-config";

/// Plays one of them until it hears that it is closing time.
pub(crate) async fn play(name: &str, log: EventLog) -> Outcome {
    let (close, mut closing) = watch::channel(false);
    let agent = Agent::builder(log, name).on_swarm(vote).on_broadcast(move |_me, told| {
        let is_over = told.topic.as_deref() == Some(CLOSING);
        let close = close.clone();
        async move {
            if is_over {
                close.send_replace(true);
            }
            Ok(())
        }
    });
    let agent = match name {
        "agent-123" => worker(agent),
        "analyzer-1" => analyzer(agent)?,
        _ => service(agent),
    };
    let agent = agent.start().await?;
    closing.wait_for(|closed| *closed).await?;
    // `shutdown`: what it is at is finished, what it has not begun is given back, and its end is recorded.
    Ok(agent.stop(CLOSING).await?)
}

/// "Basic Agent Integration": `onTaskAssigned` and `onMessage`.
fn worker(agent: AgentBuilder) -> AgentBuilder {
    agent
        .kind("worker")
        .capabilities(["task-processing", "data-analysis"])
        // It is accepted and started before this, and completed with what this returns.
        .on_task(|me, given| async move {
            for percent in (0..=100).step_by(20) {
                me.progress(given.id(), f64::from(percent), &format!("Processing... {percent}%")).await?;
            }
            Ok(json!({"result": "Task completed successfully"}))
        })
        .on_message(|me, message| async move {
            me.reply(&message, &"Message received and processed").await?;
            Ok(())
        })
        .on_request("readConfig", |me, _asked| async move {
            Ok(me.bus().memory_get(me.id(), CONFIG).await?.value)
        })
        .on_request("writeConfig", |me, asked| async move {
            me.bus().memory_put(me.id(), CONFIG, asked.params, PutOptions::default()).await?;
            Ok(())
        })
}

/// "Event Filtering and Subscriptions": it hears of tasks only where they are urgent.
fn analyzer(agent: AgentBuilder) -> Outcome<AgentBuilder> {
    let urgent = Filter {
        priorities: vec![Priority::High, Priority::Critical],
        tags: vec!["triage".parse()?],
        ..Filter::types(["task:assigned"])?
    };
    let agent = agent.kind("analyzer").capabilities(["triage"]);
    Ok(agent.on_event(urgent, |me: Me, event: Arc<Event>| async move {
        me.send(COORDINATOR, &format!("High priority task: {}", event.stream)).await?;
        Ok(())
    }))
}

/// "Request/Response Pattern": `onRequest`.
fn service(agent: AgentBuilder) -> AgentBuilder {
    agent
        .kind("service")
        .on_request("getStatus", |_me, asked| async move {
            let asked: Value = asked.read()?;
            Ok(json!({"status": "active", "uptime": 12_345, "load": 0.5, "detailed": asked["detailed"]}))
        })
        .on_request("restart", |_me, _asked| async move {
            Err::<(), _>(Failed::new("BUSY", "two jobs are still running"))
        })
}

/// A member of a swarm says what it thinks of a question, once.
async fn vote(me: Me, event: Arc<Event>) -> Result<(), Failed> {
    let Some(Payload::SwarmConsensusRequest(asked)) = Payload::of(&event) else { return Ok(()) };
    let voted =
        me.bus().vote(me.id(), &asked.swarm_id, &asked.consensus_id, Vote::Approve, Some("the tests pass"));
    match voted.await {
        // The others have decided it already.
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
        voted => Ok(voted.map(drop)?),
    }
}
