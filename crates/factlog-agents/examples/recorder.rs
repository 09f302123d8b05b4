//! The examples of origin B's README anew: basic usage, integration, querying, analytics, each with what it claims.
//!
//! `cargo run -p factlog-agents --example recorder`

use factlog::{EventLog, Filter, Result, TimeRange, Timestamp};
use factlog_agents::recorder::{Order, Query, Recorder};
use factlog_agents::statistics::{aggregates, statistics};
use factlog_stores::{Open, open};
use serde_json::{Value, json};

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::TempDir::new()?;
    let path = folder.path().join("events.db");
    let log = open(&format!("sqlite:{}", path.display()), Open::Create).await?;
    everything(&log).await?;
    log.close().await?;
    println!("all that the README claims is so");
    Ok(())
}

/// All of it, on an empty log in whatever store.
pub(crate) async fn everything(log: &EventLog) -> Result<()> {
    basic_usage(log).await?;
    integration(log).await?;
    custom_configuration(log).await?;
    querying(log).await?;
    analytics(log).await
}

/// "Basic Usage": log a system event, query events, get statistics, without a date.
async fn basic_usage(log: &EventLog) -> Result<()> {
    let recorder = Recorder::builder(log.clone()).build()?;
    let row = json!({
        "event_type": "user_action",
        "event_name": "login_attempt",
        "user_id": "user-123",
        "data": {"success": true},
        "status": "completed"
    });
    let ticket = recorder.log_system(row).await?;
    recorder.flush().await?;
    if let Some(ticket) = ticket {
        assert_eq!(ticket.stored().await?.position.0, 1);
    }
    let events = recorder.query(&Query::new().event_type("user_action").limit(10)).await?;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].user_id.as_deref(), Some("user-123"));
    assert_eq!(events[0].data.to::<Value>()?["data"], json!({"success": true}));
    assert_eq!(statistics(log, &Filter::all()).await?.total, 1);
    recorder.close().await?;
    println!("basic usage: 1 system event, stored and found");
    Ok(())
}

/// "Integration Usage": the README's own two lines back to back, and the other ten events.
async fn integration(log: &EventLog) -> Result<()> {
    let recorder = Recorder::builder(log.clone()).source("integration").build()?;
    let started = json!({"id": "task-123", "name": "Process Data", "agentId": "agent-456"});
    recorder.record("task:started", started).await?;
    recorder.record("task:completed", json!({"id": "task-123", "output": {"processed": 100}})).await?;
    for (name, data) in [
        ("task:started", json!({"taskId": "task-124", "title": "Deploy", "agent_id": "agent-123"})),
        (
            "task:error",
            json!({"taskId": "task-124", "error": {"message": "no space left", "code": "ENOSPC"}}),
        ),
        ("task:started", json!({"taskId": "task-125", "title": "Tidy up"})),
        ("task:cancelled", json!({"taskId": "task-125", "reason": "not needed"})),
        ("agent:registered", json!({"id": "agent-123", "name": "Builder", "capabilities": ["build"]})),
        ("agent:action", json!({"agentId": "agent-123", "action": "compile", "duration": 1500})),
        ("agent:error", json!({"agentId": "agent-123", "error": "compiler crashed"})),
        ("agent:unregistered", json!({"agentId": "agent-123", "reason": "shift ends"})),
        (
            "deployment:started",
            json!({"id": "dep-1", "environment": "wsl2", "branch": "main", "prNumber": 7}),
        ),
        ("deployment:completed", json!({"id": "dep-1", "logs": ["ok"], "duration": 90_000})),
        ("deployment:error", json!({"id": "dep-2", "error": "unreachable"})),
        ("system:event", json!({"type": "config", "name": "changed", "agentId": "agent-123", "duration": 3})),
        ("cache:warmed", json!({"entries": 12})),
    ] {
        recorder.record(name, data).await?;
    }
    assert_eq!(recorder.flush().await?.len(), 15);
    let status = recorder.status();
    assert_eq!((status.recorded, status.stored, status.failed), (15, 15, 0));
    assert_eq!((status.tracked_tasks, status.tracked_agents), (0, 0));

    let task = log.stream(&"task-task-123".parse()?).events().await?;
    assert_eq!(
        task.iter().map(|event| event.event_type.as_str()).collect::<Vec<_>>(),
        ["task:started", "task:completed"]
    );
    let completed: Value = task[1].data.to()?;
    assert_eq!((&completed["title"], &completed["agentId"]), (&json!("Process Data"), &json!("agent-456")));
    assert_eq!(completed["result"], json!({"processed": 100}));
    assert!(completed["durationMs"].is_u64());
    let custom = recorder.query(&Query::new().event_type("cache:warmed")).await?;
    assert_eq!(custom[0].event_type, "system:custom");
    recorder.close().await?;
    println!("integration: 15 events of 12 kinds, paired and in order");
    Ok(())
}

/// "Custom Configuration": switches that are read.
async fn custom_configuration(log: &EventLog) -> Result<()> {
    let recorder = Recorder::builder(log.clone()).batch_size(50).deployments(false).build()?;
    assert!(recorder.record("deployment:started", json!({"id": "dep-3"})).await?.is_none());
    recorder.set_enabled(false);
    assert!(recorder.record("task:started", json!({"id": "task-126"})).await?.is_none());
    assert_eq!((recorder.status().not_selected, recorder.close().await?.len()), (2, 0));
    println!("custom configuration: 2 events not selected, and counted");
    Ok(())
}

/// "Basic Queries": recent events, events by agent, events by type and status, over all kinds.
async fn querying(log: &EventLog) -> Result<()> {
    let recent = Query::new().limit(100).order(Order::NewestFirst).run(log).await?;
    assert_eq!(recent.len(), 16);
    assert!(recent.windows(2).all(|pair| pair[0].position > pair[1].position));
    let yesterday = Timestamp::from_micros(Timestamp::now().as_micros() - DAY_MICROS)?;
    let of_agent = Query::new().agent("agent-123").from(yesterday).run(log).await?;
    assert_eq!(of_agent.len(), 7);
    let errors = Query::new().event_type("task_execution").status("error").limit(50).run(log).await?;
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].data.to::<Value>()?["errorCode"], "ENOSPC");
    assert_eq!(Query::new().event_type("agent_lifecycle").run(log).await?.len(), 2);
    assert_eq!(Query::new().event_type("agent_lifecycle").event_type("deployment").run(log).await?.len(), 5);
    println!("querying: tasks, agents, deployments and systems in one question");
    Ok(())
}

/// "Analytics": comprehensive statistics, of a week and of everything.
async fn analytics(log: &EventLog) -> Result<()> {
    let week_ago = Timestamp::from_micros(Timestamp::now().as_micros() - 7 * DAY_MICROS)?;
    let time = TimeRange { from: Some(week_ago), to: None };
    let of_week = statistics(log, &Filter { time, ..Filter::all() }).await?;
    let all = statistics(log, &Filter::all()).await?;
    assert_eq!(of_week, all, "everything is of this week");
    println!("Total events: {}", all.total);
    println!("Events by type: {:?}", all.by_type);
    println!("Events by status: {:?}", all.by_status);
    println!("Average duration: {:?} ms", all.durations.average_ms);
    assert_eq!((all.total, all.by_type["task:started"], all.by_status["failed"]), (16, 3, 3));
    assert_eq!(all.by_agent["agent-123"], 7);
    assert_eq!(all.durations_by_type["agent:action"].average_ms, Some(1500.0));
    assert_eq!(all.durations.max_ms, Some(90_000));
    let started = aggregates(log, &Filter::all(), 3).await?;
    assert_eq!((started.len(), started[0].event_type.as_str(), started[0].count), (1, "task:started", 3));
    Ok(())
}
