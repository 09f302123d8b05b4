//! What the inter-agent event store got wrong with what it kept, each as a test that names it (FACTS D.7).
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use factlog::{EventLog, Filter, Timestamp, TypedEvent};
use factlog_agents::projections::{Entities, Memories, Swarms};
use factlog_agents::vocabulary::*;
use factlog_stores::Open;
use serde_json::json;

async fn open(folder: &tempfile::TempDir) -> EventLog {
    let url = format!("sqlite:{}", folder.path().join("agents.db").display());
    factlog_stores::open(&url, Open::Create).await.unwrap()
}

/// Story (A1, A2): every event that its own factory made was refused, and ids were none that the database took.
#[tokio::test]
async fn a1_a2_what_a_constructor_makes_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let assigned = TaskAssigned::new("task-001").task_type("analysis").priority("high");
    let event =
        assigned.into_event().unwrap().with_source("coordinator").unwrap().with_target("agent-123").unwrap();
    let id = event.id;
    log.append(event).await.unwrap();
    let kept = log.get(id).await.unwrap().unwrap();
    assert_eq!((kept.event_type.as_str(), kept.targets[0].as_str()), ("task:assigned", "agent-123"));
    log.close().await.unwrap();
}

/// Story (A3): the time that was kept was that of the insert, not that of the event.
#[tokio::test]
async fn a3_an_events_own_time_is_kept_beside_the_logs() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let time: Timestamp = "2023-01-01T00:00:00Z".parse().unwrap();
    let event = AgentReady::new("a").into_event().unwrap().with_occurred_at(time);
    let id = event.id;
    log.append(event).await.unwrap();
    let kept = log.get(id).await.unwrap().unwrap();
    assert_eq!(kept.time(), time);
    assert!(kept.recorded_at > time);
    log.close().await.unwrap();
}

/// Story (A9): what a process stored came back to it from the database, and each event was delivered twice.
#[tokio::test]
async fn a9_a_process_hears_of_its_own_events_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let other = open(&folder).await;
    let mut following = log.follow(Filter::all());
    for number in 0..20 {
        let writer = if number % 2 == 0 { &log } else { &other };
        writer.append(TaskProgress::new(format!("t{number}")).progress(f64::from(number))).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 20 {
        seen.push(following.next().await.unwrap().unwrap().position.0);
    }
    assert_eq!(seen, (1..=20).collect::<Vec<u64>>());
    log.append(SystemInfo::new().message("the last")).await.unwrap();
    assert_eq!(following.next().await.unwrap().unwrap().position.0, 21, "nothing came twice");
    other.close().await.unwrap();
    log.close().await.unwrap();
}

/// Story (A11): a memory that was shared had no store, no level of access and no end; what a swarm decided was nowhere.
/// Who may read, and how votes are counted, comes with the messages.
#[tokio::test]
async fn a11_what_was_shared_and_what_was_decided_can_be_looked_up_by_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let expires: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let shared = MemoryShared::new("shared-config")
        .value(json!({"timeout": 30_000}))
        .access_level("read")
        .expires_at(expires)
        .tags(["config", "api"]);
    log.append(shared).await.unwrap();
    log.append(SwarmConsensusRequest::new("s", "c").proposal(json!("ship")).voting_strategy("majority"))
        .await
        .unwrap();
    log.append(SwarmConsensusReached::new("s", "c").decision(json!("ship")).consensus(true)).await.unwrap();
    let other = open(&folder).await;
    let newest = other.newest().await.unwrap();
    let memories = other.project::<Memories>().await.unwrap();
    memories.caught_up(newest).await.unwrap();
    memories.with(|memories| {
        let memory = memories.get("shared-config").unwrap();
        assert_eq!((memory.access_level.as_deref(), memory.tags.len()), (Some("read"), 2));
        assert!(memory.is_live("2029-12-31T00:00:00Z".parse().unwrap()));
        assert!(!memory.is_live(expires), "what nobody has recorded as expired is expired all the same");
    });
    let swarms = other.project::<Swarms>().await.unwrap();
    swarms.caught_up(newest).await.unwrap();
    swarms.with(|swarms| {
        assert_eq!(swarms.get("s").unwrap().consensus["c"].reached, Some(true));
    });
    other.close().await.unwrap();
    log.close().await.unwrap();
}
