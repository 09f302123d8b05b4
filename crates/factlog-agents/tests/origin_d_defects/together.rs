//! A11: what agents share and decide is kept, counted and guarded.

use std::time::Duration;

use factlog::{ErrorKind, Json, Timestamp, TypedEvent};
use factlog_agents::Bus;
use factlog_agents::bus::{CoordinationPlan, CoordinationStep, Proposal, PutOptions, SwarmPlan};
use factlog_agents::projections::{Access, CoordinationPhase, Entities, Memories, Outcome, Swarms, Vote};
use factlog_agents::vocabulary::*;
use serde_json::json;

use super::open;

/// Story (A11): a memory that was shared had no store, no level of access and no end; what a swarm decided was nowhere.
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
        assert_eq!((memory.access_level, memory.tags.len()), (Access::Read, 2));
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

/// Story (A11): a consensus was a request and, some day, a result: no vote was collected, nothing was counted, and a
/// timeout was a number in the data.
#[tokio::test]
async fn a11_votes_are_collected_counted_and_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (log, other) = (open(&folder).await, open(&folder).await);
    let (one, two) = (Bus::new(log.clone()), Bus::new(other.clone()));
    let members = ["a", "b", "c"].map(str::to_owned).into();
    one.swarm_form("a", SwarmPlan { members, ..SwarmPlan::new("s", "ship") }).await.unwrap();
    let ship = || Proposal::new("s", "ship", Json::parse("\"ship\"").unwrap());
    one.propose("a", ship()).await.unwrap();
    assert_eq!(two.vote("x", "s", "ship", Vote::Reject, None).await.unwrap_err().kind(), ErrorKind::Denied);
    assert!(two.vote("a", "s", "ship", Vote::Approve, None).await.unwrap().is_open());
    let decided = one.vote("b", "s", "ship", Vote::Approve, Some("fine")).await.unwrap();
    assert_eq!(
        (decided.outcome(), decided.why.as_deref()),
        (Some(Outcome::Approved), Some("2 of 3 approve"))
    );
    let late = two.vote("c", "s", "ship", Vote::Reject, None).await.unwrap_err();
    assert!(late.kind() == ErrorKind::Conflict && late.to_string().contains("2 of 3 approve"), "{late}");

    let soon = Proposal { id: "soon".to_owned(), timeout: Duration::from_millis(1), ..ship() };
    one.propose("a", soon).await.unwrap();
    let timed_out = two.await_consensus("s", "soon").await.unwrap();
    assert_eq!(timed_out.why.as_deref(), Some("timed out with 0 of 3 votes"));
    assert!(timed_out.recorded_at.is_some(), "whoever waits for it records it");
    other.close().await.unwrap();
    log.close().await.unwrap();
}

/// Story (A11): a coordination was accepted by anybody, any number of times, and nobody knew who took part.
#[tokio::test]
async fn a11_a_coordination_has_members_and_a_phase() {
    let folder = tempfile::tempdir().unwrap();
    let (log, other) = (open(&folder).await, open(&folder).await);
    let (one, two) = (Bus::new(log.clone()), Bus::new(other.clone()));
    for agent in ["a", "b", "c"] {
        log.append(AgentSpawned::new(agent).capabilities(["rust"])).await.unwrap();
    }
    let required_capabilities = vec!["rust".to_owned()];
    let plan = CoordinationPlan {
        required_capabilities,
        min_agents: 2,
        max_agents: Some(2),
        ..CoordinationPlan::new("w", "Release")
    };
    one.coordinate("boss", plan).await.unwrap();
    assert_eq!(two.coordination_accept("a", "w").await.unwrap().phase, CoordinationPhase::Forming);
    assert_eq!(one.coordination_accept("b", "w").await.unwrap().phase, CoordinationPhase::Active);
    assert_eq!(two.coordination_accept("c", "w").await.unwrap_err().kind(), ErrorKind::Conflict);
    let outsider = two.coordination_update("c", "w", CoordinationStep::progress(50.0)).await.unwrap_err();
    assert_eq!(outsider.kind(), ErrorKind::Denied);
    two.coordination_update("a", "w", CoordinationStep::done()).await.unwrap();
    one.coordination_complete("boss", "w", None).await.unwrap();
    let seen = two.coordination("w").await.unwrap();
    assert_eq!(
        (seen.phase, seen.participants.len(), seen.progress),
        (CoordinationPhase::Completed, 2, Some(50.0))
    );
    other.close().await.unwrap();
    log.close().await.unwrap();
}

/// Story (A11): a memory that was shared was an event and nothing else: its value could not be looked up, its level of access
/// kept nobody out, and its end came never.
#[tokio::test]
async fn a11_shared_memory_is_stored_guarded_and_over_in_its_time_for_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let (log, other) = (open(&folder).await, open(&folder).await);
    let (here, there) = (Bus::new(log.clone()), Bus::new(other.clone()));
    // As origin D shares it: without anybody named, all may read it.
    let shared = |key: &str| MemoryShared::new(key).value(json!({"timeout": 30_000})).access_level("read");
    let config = shared("shared-config").into_event().unwrap().with_source("agent-1").unwrap();
    log.append(config).await.unwrap();
    let found = there.memory_get("agent-2", "shared-config").await.unwrap();
    assert_eq!(found.value.as_str(), r#"{"timeout":30000}"#, "it is stored");
    assert_eq!((found.version, found.owner.as_deref()), (1, Some("agent-1")));

    let other_value = Json::of(&json!({"timeout": 1})).unwrap();
    let put = there.memory_put("agent-2", "shared-config", other_value.clone(), PutOptions::default());
    assert_eq!(put.await.unwrap_err().kind(), ErrorKind::Denied, "who may read may not write");
    let past_the_bus = MemoryStored::new("shared-config").value(json!({"timeout": 2}));
    other.append(past_the_bus.into_event().unwrap().with_source("agent-2").unwrap()).await.unwrap();
    let found = here.memory_get("agent-1", "shared-config").await.unwrap();
    assert_eq!(found.value.as_str(), r#"{"timeout":30000}"#, "nor past the bus");
    let with = ["agent-2".to_owned()];
    here.memory_share("agent-1", "shared-config", &with, Access::Write).await.unwrap();
    there.memory_put("agent-2", "shared-config", other_value, PutOptions::default()).await.unwrap();
    assert_eq!(here.memory_get("agent-3", "shared-config").await.unwrap().version, 2);

    let past: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    log.append(shared("over").expires_at(past)).await.unwrap();
    let error = there.memory_get("agent-2", "over").await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::NotFound,
        "what nobody has recorded as expired is expired all the same"
    );
    assert!(error.to_string().contains("ran out"), "{error}");
    other.close().await.unwrap();
    log.close().await.unwrap();
}
