//! Shared memory between processes: versions, rights, ends, and where each value comes from.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use factlog::{ErrorKind, EventLog, Json, Timestamp, TypedEvent};
use factlog_agents::Bus;
use factlog_agents::bus::{Access, PutOptions};
use factlog_agents::vocabulary::*;
use factlog_stores::Open;
use serde_json::json;

async fn open(folder: &tempfile::TempDir) -> EventLog {
    let url = format!("sqlite:{}", folder.path().join("agents.db").display());
    factlog_stores::open(&url, Open::Create).await.unwrap()
}

async fn two(folder: &tempfile::TempDir) -> [Bus; 2] {
    [Bus::new(open(folder).await), Bus::new(open(folder).await)]
}

async fn close(buses: [Bus; 2]) {
    for bus in buses {
        bus.log().close().await.unwrap();
    }
}

fn value(text: &str) -> Json {
    Json::of(&text).unwrap()
}

fn expecting(version: u64) -> PutOptions {
    PutOptions { expect: Some(version), ..PutOptions::default() }
}

fn open_to(access: Access) -> PutOptions {
    PutOptions { access: Some(access), ..PutOptions::default() }
}

/// Story: of two agents that changed a plan at once, the second took the first one's change away, and neither heard of it.
#[tokio::test]
async fn a_put_that_expects_another_version_is_refused_with_both_versions_and_both_values() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = two(&folder).await;
    here.memory_put("a", "plans/build", value("one"), open_to(Access::Write)).await.unwrap();
    let second = there.memory_put("b", "plans/build", value("two"), expecting(1)).await.unwrap();
    assert_eq!(
        (second.version, second.owner.as_deref(), second.updated_by.as_deref()),
        (2, Some("a"), Some("b"))
    );
    let error = here.memory_put("a", "plans/build", value("three"), expecting(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    for part in ["version 1", "version 2", "\"two\"", "\"three\"", "by b"] {
        assert!(error.to_string().contains(part), "{error} lacks {part}");
    }
    let error = here.memory_put("a", "plans/build", value("three"), expecting(0)).await.unwrap_err();
    assert!(error.to_string().contains("expected at none"), "{error}");
    let error = here.memory_put("a", "plans/other", value("x"), expecting(4)).await.unwrap_err();
    assert!(error.to_string().contains("nothing was ever stored there"), "{error}");
    here.memory_put("a", "plans/other", value("x"), expecting(0)).await.unwrap();
    close([here, there]).await;
}

/// Story: what was stored had no owner, and whoever liked could read and change it.
#[tokio::test]
async fn each_level_of_access_allows_what_it_says_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = two(&folder).await;
    here.memory_put("owner", "p/k", value("v"), PutOptions::default()).await.unwrap();
    let denied = |error: factlog::Error| assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    let with = |agent: &str| vec![agent.to_owned()];
    for (level, may_read, may_write, may_share) in [
        (Access::None, false, false, false),
        (Access::Read, true, false, false),
        (Access::Write, true, true, false),
        (Access::Admin, true, true, true),
    ] {
        let agent = format!("agent-{level}");
        here.memory_share("owner", "p/k", &with("*"), Access::None).await.unwrap();
        here.memory_share("owner", "p/k", &with(&agent), level).await.unwrap();
        let read = there.memory_get(&agent, "p/k").await;
        let listed = there.memory_list(&agent, "p/").await.unwrap().len();
        let told = there.memory_history(&agent, "p/k").await;
        assert_eq!(
            (read.is_ok(), listed, told.is_ok()),
            (may_read, usize::from(may_read), may_read),
            "{level}"
        );
        let put = there.memory_put(&agent, "p/k", value("w"), PutOptions::default()).await;
        let opened = there.memory_put(&agent, "p/k", value("w"), open_to(Access::None)).await;
        let shared = there.memory_share(&agent, "p/k", &with("friend"), Access::Read).await;
        assert_eq!(
            (put.is_ok(), opened.is_ok(), shared.is_ok()),
            (may_write, may_share, may_share),
            "{level}"
        );
        read.err().map(denied);
        put.err().map(denied);
        opened.err().map(denied);
        shared.err().map(denied);
        if !may_write {
            there.memory_delete(&agent, "p/k").await.err().map(denied).unwrap();
        }
    }
    // A writer may take the value away, and does not own the path by that.
    there.memory_delete("agent-write", "p/k").await.unwrap();
    there
        .memory_put("stranger", "p/k", value("mine"), PutOptions::default())
        .await
        .err()
        .map(denied)
        .unwrap();
    here.memory_put("owner", "p/k", value("again"), PutOptions::default()).await.unwrap();
    here.memory_delete("owner", "p/k").await.unwrap();
    let taken = there.memory_put("stranger", "p/k", value("mine"), PutOptions::default()).await.unwrap();
    assert_eq!(taken.owner.as_deref(), Some("stranger"), "its owner has given it up");
    close([here, there]).await;
}

/// Story: a group's access was what its members were when somebody looked it up, and past work of a member became void.
#[tokio::test]
async fn what_is_shared_with_a_group_is_for_its_members_of_that_time() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = two(&folder).await;
    here.log().append(SwarmFormed::new("g").initial_members(["m"])).await.unwrap();
    here.memory_put("owner", "k", value("one"), open_to(Access::None)).await.unwrap();
    here.memory_share("owner", "k", &["swarm:g".to_owned()], Access::Write).await.unwrap();
    let put = there.memory_put("m", "k", value("two"), expecting(1)).await.unwrap();
    assert_eq!(put.version, 2);
    assert_eq!(there.memory_get("x", "k").await.unwrap_err().kind(), ErrorKind::Denied);
    here.log().append(SwarmJoined::new("g", "x")).await.unwrap();
    assert_eq!(there.memory_get("x", "k").await.unwrap().value, value("two"));
    assert_eq!(there.memory_list("x", "").await.unwrap()[0].access, Access::Write);
    here.log().append(SwarmLeft::new("g", "m")).await.unwrap();
    assert_eq!(there.memory_get("m", "k").await.unwrap_err().kind(), ErrorKind::Denied);
    for bus in [&here, &Bus::new(there.log().clone())] {
        assert_eq!(bus.memory_get("x", "k").await.unwrap().version, 2, "what it stored as a member stays");
    }
    close([here, there]).await;
}

/// Story: a value that was deleted or over was not to be told from one that never was.
#[tokio::test]
async fn what_is_not_there_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = two(&folder).await;
    let why = async |path: &str| {
        let error = there.memory_get("b", path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        error.to_string()
    };
    assert!(why("k").await.contains("nothing was ever stored"));
    here.memory_put("a", "k", value("v"), PutOptions::default()).await.unwrap();
    here.memory_delete("a", "k").await.unwrap();
    assert!(why("k").await.contains("was deleted at"));
    let past: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    let over = MemoryStored::new("over").value(json!(1)).expires_at(past).into_event().unwrap();
    here.log().append(over.with_source("a").unwrap()).await.unwrap();
    assert!(why("over").await.contains("ran out at 2020-01-01"));
    assert_eq!(there.memory_list("b", "").await.unwrap(), []);
    let again = there.memory_put("b", "over", value("mine"), PutOptions::default()).await.unwrap();
    assert_eq!((again.version, again.owner.as_deref()), (2, Some("b")), "what is over is nobody's");
    for path in ["", "/", "a/", "/a", "a//b"] {
        assert_eq!(here.memory_get("a", path).await.unwrap_err().kind(), ErrorKind::Invalid, "{path}");
    }
    let options = PutOptions { expires: Some(past), ..PutOptions::default() };
    let error = here.memory_put("a", "new", value("v"), options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    close([here, there]).await;
}

/// Story: nobody could say where a value came from, and who had read it.
#[tokio::test]
async fn a_value_tells_its_origin_and_each_look_at_it_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = two(&folder).await;
    let options = PutOptions { tags: vec!["plan".to_owned()], ..PutOptions::default() };
    let put = here.memory_put("a", "plans/x", value("v"), options).await.unwrap();
    assert_eq!(put.accesses, 0);
    there.memory_get("b", "plans/x").await.unwrap();
    let got = there.memory_get("c", "plans/x").await.unwrap();
    assert_eq!((got.accesses, got.event_id, got.updated_by.as_deref()), (2, put.event_id, Some("a")));
    assert_eq!(got.tags, ["plan"]);
    let stored = here.log().get(put.event_id).await.unwrap().unwrap();
    assert_eq!(stored.stream, "memory-plans/x");
    let Some(Payload::MemoryStored(said)) = Payload::of(&stored) else { panic!() };
    assert_eq!((said.namespace.as_deref(), said.key.as_deref()), (Some("plans"), Some("x")));
    here.memory_put("a", "plans/x", value("w"), PutOptions::default()).await.unwrap();
    here.memory_delete("a", "plans/x").await.unwrap();
    let history = here.memory_history("a", "plans/x").await.unwrap();
    let told: Vec<_> = history.iter().map(|change| (change.event_type.as_str(), change.version)).collect();
    assert_eq!(told, [("memory:stored", 1), ("memory:stored", 2), ("memory:deleted", 2)]);
    assert_eq!(history[1].value, Some(value("w")));
    close([here, there]).await;
}

/// Story: of agents that read a counter and wrote it again, all were told that they had done it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_expect_the_same_version_exactly_one_puts() {
    const AGENTS: u64 = 12;
    const ROUNDS: u64 = 5;
    let folder = tempfile::tempdir().unwrap();
    let buses = two(&folder).await;
    buses[0].memory_put("owner", "k", value("0"), open_to(Access::Write)).await.unwrap();
    for round in 1..=ROUNDS {
        let tasks: Vec<_> = (0..AGENTS)
            .map(|number| {
                let bus = buses[number as usize % 2].clone();
                tokio::spawn(async move {
                    bus.memory_put(&format!("agent-{number}"), "k", value("x"), expecting(round)).await
                })
            })
            .collect();
        let mut versions = BTreeSet::new();
        let mut refused = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(put) => assert!(versions.insert(put.version), "two have put version {}", put.version),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
                    refused += 1;
                }
            }
        }
        assert_eq!((versions, refused), (BTreeSet::from([round + 1]), AGENTS - 1));
    }
    close(buses).await;
}

/// Story: who wrote past the bus into what was another's changed it for everyone.
#[tokio::test]
async fn what_was_recorded_past_the_bus_without_the_right_to_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = two(&folder).await;
    let put = here.memory_put("a", "k", value("mine"), PutOptions::default()).await.unwrap();
    for event in [
        MemoryStored::new("k").value(json!("forged")).into_event().unwrap(),
        MemoryShared::new("k").access_level("admin").shared_with(["b"]).into_event().unwrap(),
        MemoryDeleted::new("k").into_event().unwrap(),
        MemoryExpired::new("k").into_event().unwrap(),
    ] {
        there.log().append(event.with_source("b").unwrap()).await.unwrap();
    }
    for bus in [&here, &there] {
        let got = bus.memory_get("b", "k").await.unwrap();
        assert_eq!((got.value, got.version, got.event_id), (value("mine"), 1, put.event_id));
    }
    let voids: Vec<bool> =
        here.memory_history("a", "k").await.unwrap().iter().map(|change| change.is_void).collect();
    assert_eq!(voids, [false, true, true, true, true]);
    // What names nobody, and what another system has told, is taken as it is.
    there.log().append(MemoryStored::new("k").value(json!("taken over"))).await.unwrap();
    assert_eq!(here.memory_get("b", "k").await.unwrap().version, 2);
    close([here, there]).await;
}
