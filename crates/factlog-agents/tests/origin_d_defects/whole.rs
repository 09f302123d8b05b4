//! A15-A17: processes that end, who may speak for whom, and what proves the store.

use std::sync::Arc;

use factlog::conformance::{self, Backend};
use factlog::{ErrorKind, EventLog, MemoryStore, Store, TypedEvent};
use factlog_agents::bus::{Inbox, Message, Proposal, PutOptions, Request, SwarmPlan};
use factlog_agents::projections::{Access, Vote};
use factlog_agents::vocabulary::*;
use factlog_agents::{Agent, Bus};
use factlog_stores::Open;

use super::{PATIENCE, open};

/// Where the log is that the process of its own works on.
const LOG: &str = "FACTLOG_TEST_LOG";

/// The process that the test below waits for, where it has started this program again.
#[test]
fn a_process_with_a_bus_and_agents() {
    let Ok(url) = std::env::var(LOG) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (bus, kept) = runtime.block_on(async {
        let log = factlog_stores::open(&url, Open::Existing).await.unwrap();
        let bus = Bus::new(log.clone());
        bus.send(Message::text("a", "b".parse().unwrap(), "hello").unwrap()).await.unwrap();
        let stopped = Agent::builder(log.clone(), "stopped").start().await.unwrap();
        stopped.stop("done").await.unwrap();
        // Nobody stops this one, and nobody waits for what it is in the middle of.
        let kept = Agent::builder(log, "kept")
            .on_task(|_me, _given| std::future::pending::<Result<(), factlog_agents::agent::TaskError>>())
            .start()
            .await
            .unwrap();
        kept.me().assign("kept", TaskAssigned::new("t")).await.unwrap();
        (bus, kept)
    });
    // They are there up to the end, and do not keep it from coming.
    drop(runtime);
    drop((bus, kept));
}

/// Story (A15): to import the bus was enough to keep a process alive, as a timer of it ran for ever; and one that was shut
/// down was in the middle of its work from then on.
#[tokio::test]
async fn a15_a_process_with_a_bus_ends_and_an_agent_that_was_stopped_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let mut process = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["whole::a_process_with_a_bus_and_agents", "--exact"])
        .env(LOG, format!("sqlite:{}", folder.path().join("agents.db").display()))
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ended = tokio::time::timeout(PATIENCE, process.wait()).await;
    assert!(ended.expect("the process ends by itself").unwrap().success());
    let bus = Bus::new(log.clone());
    assert_eq!(bus.inbox("b", Inbox::len).await.unwrap(), 1, "it was there, and did what it was to do");
    assert!(bus.directory(|directory, _| directory.agent("stopped").unwrap().is_terminated).await.unwrap());

    let agent =
        || Agent::builder(log.clone(), "w").on_request("ping", |_me, _asked| async move { Ok("pong") });
    agent().start().await.unwrap().stop("done").await.unwrap();
    let before = log.newest().await.unwrap();
    let asked = bus.request(&Request::new("a", "w".parse().unwrap(), "ping")).await.unwrap_err();
    assert_eq!(asked.kind(), ErrorKind::NotFound, "it answers no more");
    bus.send(Message::text("a", "w".parse().unwrap(), "hello").unwrap()).await.unwrap();
    assert_eq!(log.newest().await.unwrap().0, before.0 + 2, "and says no more: nothing but the message came");
    let again = agent().start().await.unwrap();
    let answer = again.me().request("w", "ping", &(), PATIENCE).await.unwrap();
    assert_eq!(answer.outcome.unwrap().as_str(), "\"pong\"", "a new run is a new one");
    again.stop("done").await.unwrap();
}

/// Story (A16): everybody could read everything and say anything in anybody's name, and nothing told them so.
///
/// Here as there, who may open a log may speak for every agent on it, and read all of it: what keeps others out is who may
/// open the file, or who has the password. A name is a claim, kept as such; a message is data of its sender, never consent.
/// On PostgreSQL, `deploy/supabase.sql` makes a role for agents that may append and read and do nothing else.
#[tokio::test]
async fn a16_who_may_open_the_log_may_speak_for_all_and_no_agent_by_its_name_for_another() {
    let log = EventLog::new(MemoryStore::new());
    let bus = Bus::new(log.clone());
    let sent = bus.send(Message::text("boss", "w".parse().unwrap(), "I am the boss").unwrap()).await.unwrap();
    assert_eq!(bus.message(&sent.message_id).await.unwrap().from, "boss", "it is taken at its word");

    // What one says under its own name about what is another's does not count.
    let value = factlog::Json::of(&1).unwrap();
    bus.memory_put("owner", "k", value.clone(), PutOptions::default()).await.unwrap();
    let put = bus.memory_put("other", "k", value, PutOptions::default()).await.unwrap_err();
    assert_eq!(put.kind(), ErrorKind::Denied);
    let share = bus.memory_share("other", "k", &["other".to_owned()], Access::Admin).await.unwrap_err();
    assert_eq!(share.kind(), ErrorKind::Denied);
    let ack = bus.ack("w", "other", &[sent.message_id]).await.unwrap_err();
    assert_eq!(ack.kind(), ErrorKind::Denied);
    let members = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let plan = SwarmPlan { members, ..SwarmPlan::new("s", "x") };
    bus.swarm_form("a", plan).await.unwrap();
    let question = Proposal::new("s", "q", factlog::Json::of(&"ship").unwrap());
    bus.propose("a", question).await.unwrap();
    bus.vote("a", "s", "q", Vote::Approve, None).await.unwrap();
    let for_b = SwarmConsensusVote::new("s", "q", "b", "approve");
    log.append(for_b.into_event().unwrap().with_source("a").unwrap()).await.unwrap();
    let question = bus.consensus("s", "q").await.unwrap();
    assert_eq!((question.votes.len(), question.void_votes, question.is_open()), (1, 1, true));

    // What a role of the database may do is proven where there is one.
    let at_a_server = include_str!("../../../factlog-stores/tests/supabase.rs");
    assert!(at_a_server.contains("async fn an_agent_appends_and_reads_and_can_do_nothing_else()"));
}

/// The store that agents are tested on here.
struct Memory(Arc<MemoryStore>);
#[async_trait::async_trait]
impl Backend for Memory {
    async fn open(&self) -> Arc<dyn Store> {
        self.0.clone()
    }
}

/// Story (A17): nothing tested the store, and nothing used it.
///
/// Each store runs the whole suite of promises here; what agents are built on is tested on the same, by this file too.
#[test]
fn a17_every_store_runs_the_same_suite_of_promises() {
    for (store, tests) in [
        ("SQLite", include_str!("../../../factlog-stores/tests/conformance_sqlite.rs")),
        ("plain text", include_str!("../../../factlog-stores/tests/conformance_jsonl.rs")),
        ("PostgreSQL", include_str!("../../../factlog-stores/tests/conformance_postgres.rs")),
        ("a pooler before it", include_str!("../../../factlog-stores/tests/conformance_postgres_pooled.rs")),
    ] {
        assert!(tests.contains("factlog::conformance!("), "{store} runs the suite");
    }
    // One of its promises, which D broke at every failed write, on the store that agents are tested on here.
    let backend = || Memory(Arc::new(MemoryStore::new()));
    conformance::run(backend(), conformance::a_batch_is_recorded_whole_or_not_at_all);
    conformance::run(backend(), conformance::every_field_of_the_envelope_comes_back);
}
