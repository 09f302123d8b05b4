//! An event store for a swarm of agents, as ADR-007 describes it: record, query, project, replay, remember, count.
//!
//! Run it with `cargo run -p factlog-agents --example event_store`. What it says is asserted as well.

use factlog::{Count, EventLog, Filter, GroupBy, Json, Keep, Position, Snapshot, TypedEvent};
use factlog_agents::projections::{Agents, Entities, Memories, Tasks};
use factlog_agents::vocabulary::{
    AgentSpawned, AgentStarted, AgentTaskAssigned, AgentTaskCompleted, MemoryRetrieved, MemoryStored,
    TaskCompleted, TaskCreated, TaskStarted,
};
use factlog_agents::{AgentStatus, Status, stream_of};
use factlog_stores::{Open, open};
use serde_json::{Value, json};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

#[tokio::main]
pub(crate) async fn main() -> Result {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("events.db").display());
    let log = open(&url, Open::Create).await?;
    record(&log).await?;
    query(&log).await?;
    project(&log).await?;
    replay(&log).await?;
    resume(&log).await?;
    statistics(&log).await?;
    let newest = log.newest().await?;
    log.close().await?;

    // Nothing had to be saved: whatever was acknowledged is in the file.
    let again = open(&url, Open::Existing).await?;
    assert_eq!(again.newest().await?, newest);
    println!("opened again: {newest} events");
    Ok(again.close().await?)
}

/// The lives of agents, tasks and memories. Each event is on the disk when `append` returns.
async fn record(log: &EventLog) -> Result {
    let coder = AgentSpawned::new("agent-1").role("coder").domain("core").capabilities(["coding", "testing"]);
    let auditor = AgentSpawned::new("agent-2").role("security-architect").domain("security");
    log.append([coder, auditor.capabilities(["auditing"])]).await?;
    log.append([AgentStarted::new("agent-1"), AgentStarted::new("agent-2")]).await?;

    let task = TaskCreated::new("task-1").task_type("security-audit").title("CVE-1 Fix");
    log.append(task.description("Fix injection").priority("critical")).await?;
    // Several events that belong together are recorded as a whole, or not at all.
    let assigned = AgentTaskAssigned::new("agent-2", "task-1").into_event()?;
    let started = TaskStarted::new("task-1").agent_id("agent-2").into_event()?;
    log.append([assigned, started]).await?;
    let result = json!({"fixed": true});
    log.append(TaskCompleted::new("task-1").result(result.clone()).duration_ms(5_000)).await?;
    log.append(AgentTaskCompleted::new("agent-2", "task-1").result(result).duration_ms(5_000)).await?;

    let stored = MemoryStored::new("mem-1").namespace("agent-context").key("agent-2-state");
    log.append(stored.memory_type("episodic").size(2_048)).await?;
    let appended = log.append(MemoryRetrieved::new("mem-1").agent_id("agent-1")).await?;
    println!("recorded: the last event stands at position {}", appended.last());
    assert_eq!(appended.last(), Position(11));
    Ok(())
}

/// By aggregate and by type. A stream is one aggregate: its category, and its id as it is.
async fn query(log: &EventLog) -> Result {
    let agent = stream_of("agent", "agent-1")?;
    let events = log.stream(&agent).read().collect().await?;
    for event in &events {
        println!("{agent} version {}: {}", event.version, event.event_type);
    }
    assert_eq!(events.len(), 2);

    let tasks = log.read(Filter::categories(["task"])?).collect().await?;
    assert_eq!(tasks.len(), 3);
    let ended = log.read(Filter::types(["task:completed", "agent:task-completed"])?).collect().await?;
    assert_eq!(ended.len(), 2);
    println!("{} events of tasks, {} that say that one ended well", tasks.len(), ended.len());
    Ok(())
}

/// States that are folded from the log, all by one reading, and stay up to date.
async fn project(log: &EventLog) -> Result {
    let mut projections = log.projections();
    let agents = projections.add::<Agents>().await?;
    let tasks = projections.add::<Tasks>().await?;
    let memories = projections.add::<Memories>().await?;
    projections.start();
    // They are fed in the order in which they were added.
    memories.caught_up(log.newest().await?).await?;

    println!("agents at work: {}", agents.with(Agents::active_count));
    assert_eq!(agents.with(Agents::active_count), 1);
    assert_eq!(agents.with(|agents| agents.by_role("coder").count()), 1);
    assert_eq!(
        agents.with(|agents| agents.get("agent-2").map(|agent| agent.status)),
        Some(AgentStatus::Idle)
    );
    // The task and the agent both told that it ended: it is one.
    assert_eq!(agents.with(|agents| agents.get("agent-2").map(|agent| agent.completed_count)), Some(1));

    let statistics = tasks.with(Tasks::statistics);
    let average = statistics.average_duration_ms.unwrap_or_default();
    println!("tasks: {:?}, {average} ms each", statistics.by_status);
    assert_eq!(tasks.with(|tasks| tasks.by_status(Status::Completed).count()), 1);
    assert_eq!((statistics.average_duration_ms, statistics.success_rate), (Some(5_000), Some(1.0)));

    memories.with(|memories| {
        println!("bytes by namespace: {:?}", memories.size_by_namespace());
        assert_eq!(memories.size_by_namespace()["agent-context"], 2_048);
        assert_eq!(memories.most_accessed(10)[0].accesses, 1);
    });

    // They follow: nobody builds them again.
    let appended = log.append(AgentTaskAssigned::new("agent-2", "task-2")).await?;
    agents.caught_up(appended.last()).await?;
    assert_eq!(agents.with(Agents::active_count), 2);
    agents.finish().await;
    Ok(())
}

/// From the beginning, and from a position of the whole log.
async fn replay(log: &EventLog) -> Result {
    let mut all = log.read(Filter::all());
    while let Some(event) = all.next().await {
        let event = event?;
        println!("{:>2}  {}  {}", event.position, event.stream, event.event_type);
    }
    let from_ten = log.read(Filter::all()).after(Position(9)).collect().await?;
    assert_eq!(from_ten[0].position, Position(10));
    Ok(())
}

/// A value remembered at a position, and how to go on after it without taking an event twice.
async fn resume(log: &EventLog) -> Result {
    let key = "state/agent-1";
    assert!(log.snapshots().load(key, Position::MAX).await?.is_none(), "none yet is no error");
    let state = Json::of(&json!({"status": "active", "tasks": ["task-1", "task-2"]}))?;
    log.snapshots().save(Snapshot::new(key, log.newest().await?, state), None, Keep::Newest).await?;
    log.append(AgentTaskAssigned::new("agent-1", "task-3")).await?;

    let snapshot = log.snapshots().load(key, Position::MAX).await?.ok_or("the snapshot is gone")?;
    let since = log.stream(&stream_of("agent", "agent-1")?).read().after(snapshot.position).collect().await?;
    println!("the state at {}: {}; {} event since", snapshot.position, snapshot.data.as_str(), since.len());
    assert_eq!(snapshot.data.to::<Value>()?["status"], "active");
    assert_eq!(
        since.iter().map(|event| event.event_type.as_str()).collect::<Vec<_>>(),
        ["agent:task-assigned"]
    );
    Ok(())
}

/// How many, of what, and since when.
async fn statistics(log: &EventLog) -> Result {
    let by_type = log.count(Count { filter: Filter::all(), by: vec![GroupBy::Type] }).await?;
    for group in &by_type {
        println!("{:>2}  {}  from {} to {}", group.count, group.key[0], group.first_at, group.last_at);
    }
    assert_eq!((by_type[0].key[0].as_str(), by_type[0].count), ("agent:task-assigned", 3));
    let all = log.count(Count::default()).await?;
    assert_eq!((all[0].count, all[0].first, all[0].last), (13, Position(1), Position(13)));
    Ok(())
}
