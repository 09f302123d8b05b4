//! What the origins' projections got wrong, each as a test that names it (FACTS A.4, C, D).
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use factlog::{EventLog, MemoryStore, NewEvent, Timestamp, TypedEvent};
use factlog_agents::projections::{
    Agents, Deployments, Entities, Memories, MemoryStatus, Sessions, Swarms, Tasks, Worktrees,
};
use factlog_agents::vocabulary::*;
use factlog_agents::{AgentStatus, SessionStatus, Status};
use serde_json::json;

async fn log(events: impl IntoIterator<Item = NewEvent>) -> EventLog {
    let log = EventLog::new(MemoryStore::new());
    for event in events {
        log.append(event).await.unwrap();
    }
    log
}

async fn state<P: Entities + Clone>(log: &EventLog) -> P {
    let projected = log.project::<P>().await.unwrap();
    projected.caught_up(log.newest().await.unwrap()).await.unwrap();
    projected.with(P::clone)
}

fn fact(payload: impl TypedEvent) -> NewEvent {
    payload.into_event().unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Story (A.4): a failed task stayed the agent's current task for ever, and `failedTasks` was never filled.
#[tokio::test]
async fn a4_a_failed_task_is_laid_down_and_named_among_the_failed() {
    let log = log([
        fact(AgentSpawned::new("a").role("coder").domain("core")),
        fact(AgentTaskAssigned::new("a", "t")),
        fact(TaskFailed::new("t").error("no disk")),
    ])
    .await;
    let agents: Agents = state(&log).await;
    let agent = agents.get("a").unwrap();
    assert_eq!((agent.current_task.as_deref(), agent.load()), (None, 0));
    assert_eq!(agent.failed_tasks, ["t"]);
    assert_eq!((agent.failed_count, agent.error_count, agent.last_error.as_deref()), (1, 1, Some("no disk")));
    assert_eq!(agent.status, AgentStatus::Idle);
}

/// Story (A.4): its document promised agents by role, tasks by type and rates of success; there were no such methods.
#[tokio::test]
async fn a4_what_the_document_promised_can_be_asked_for() {
    let log = log([
        fact(AgentSpawned::new("a").role("coder").domain("core")),
        fact(AgentSpawned::new("b").role("tester").domain("quality")),
        fact(AgentStarted::new("b")),
        fact(TaskCreated::new("1").task_type("audit").title("x").priority("medium")),
        fact(TaskCreated::new("2").task_type("audit").title("y")),
        fact(TaskCreated::new("3").task_type("fix").title("z")),
        fact(TaskStarted::new("1").agent_id("a")),
        fact(TaskCompleted::new("1").duration_ms(1_000)),
        fact(TaskCompleted::new("3").duration_ms(0)),
        fact(TaskFailed::new("2").error("no")),
    ])
    .await;
    let agents: Agents = state(&log).await;
    assert_eq!(agents.by_role("coder").map(|agent| agent.agent_id.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(agents.by_domain("quality").count(), 1);
    assert_eq!((agents.active_count(), agents.by_status(AgentStatus::Idle).count()), (1, 1));
    let tasks: Tasks = state(&log).await;
    assert_eq!(tasks.by_type("audit").count(), 2);
    assert_eq!(tasks.by_agent("a").count(), 1);
    assert_eq!(tasks.by_status(Status::Completed).count(), 2);
    let statistics = tasks.statistics();
    // A duration of nothing is a duration; it counted as missing there.
    assert_eq!((statistics.timed, statistics.average_duration_ms), (2, Some(500)));
    assert_eq!((statistics.p50_duration_ms, statistics.p95_duration_ms), (Some(0), Some(1_000)));
    let thirds = |rate: Option<f64>| (rate.unwrap() * 3.0).round() as u64;
    assert_eq!((thirds(statistics.success_rate), thirds(statistics.failure_rate)), (2, 1));
    assert_eq!(tasks.get("1").unwrap().priority, Some(factlog::Priority::Normal));
}

/// Story (A.4): a task that was started again kept its blockers, its error and the time of its failure.
#[tokio::test]
async fn a4_a_task_that_starts_again_forgets_what_stopped_it() {
    let log = log([
        fact(TaskCreated::new("1")),
        fact(TaskBlocked::new("1").blocked_by(["2", "3"])),
        fact(TaskStarted::new("1").agent_id("a")),
        fact(TaskFailed::new("1").error("no disk")),
    ])
    .await;
    let before: Tasks = state(&log).await;
    let task = before.get("1").unwrap();
    assert!(task.blocked_by.is_empty() && task.failed_at.is_some());
    log.append(TaskStarted::new("1").agent_id("a")).await.unwrap();
    let after: Tasks = state(&log).await;
    let task = after.get("1").unwrap();
    assert_eq!((task.status, task.retry_count), (Some(Status::InProgress), 1));
    assert!(task.failed_at.is_none() && task.error.is_none() && task.duration_ms.is_none());
}

/// Story (A.4): the count of accesses was whatever the event said; a keeper that restarted said 1 again.
#[tokio::test]
async fn a4_accesses_are_counted_and_their_readers_named() {
    let read = |agent: &str| fact(MemoryRetrieved::new("m").access_count(1u64).agent_id(agent));
    let log = log([
        fact(MemoryStored::new("m").namespace("ctx").key("k").size(2_048u64)),
        fact(MemoryStored::new("n").namespace("ctx").key("l").size(10u64)),
        read("a"),
        read("b"),
        read("a"),
    ])
    .await;
    let memories: Memories = state(&log).await;
    let memory = memories.get("m").unwrap();
    assert_eq!((memory.accesses, memory.readers.len()), (3, 2));
    assert_eq!(memories.most_accessed(5).len(), 1);
    assert_eq!(memories.size_by_namespace()["ctx"], 2_058);
    log.append(MemoryExpired::new("n")).await.unwrap();
    let memories: Memories = state(&log).await;
    assert_eq!(
        memories.get("n").unwrap().status,
        MemoryStatus::Expired,
        "expired is not the same as deleted"
    );
    assert_eq!(memories.size_by_namespace()["ctx"], 2_048);
}

/// Story (A.4): events about an agent, a task or a memory that was not announced were ignored.
#[tokio::test]
async fn a4_what_was_never_announced_is_unknown_and_not_dropped() {
    let log = log([
        fact(AgentTaskCompleted::new("ghost", "t").duration_ms(5u64)),
        fact(TaskProgress::new("t2").progress(40.0)),
        fact(MemoryRetrieved::new("m")),
    ])
    .await;
    let agents: Agents = state(&log).await;
    let ghost = agents.get("ghost").unwrap();
    assert_eq!((ghost.status, ghost.spawned_at, ghost.completed_count), (AgentStatus::Unknown, None, 1));
    let tasks: Tasks = state(&log).await;
    assert_eq!(tasks.get("t2").unwrap().created_at, None);
    assert_eq!(tasks.get("t2").unwrap().progress, Some(40.0));
    let memories: Memories = state(&log).await;
    assert_eq!(memories.get("m").unwrap().status, MemoryStatus::Unknown);
}

/// Story (A.2): the swarm's stream was the word `swarm`, so one log held one swarm.
#[tokio::test]
async fn a2_a_log_holds_several_swarms() {
    let log = log([
        fact(SwarmInitialized::new("alpha").topology("mesh").max_agents(8u64)),
        fact(SwarmFormed::new("beta").objective("ship").leader("q").initial_members(["a", "b"])),
        fact(SwarmPhaseChanged::new("alpha", "execution")),
        fact(SwarmMilestoneReached::new("alpha", "m1").name("half")),
        fact(SwarmLeft::new("beta", "a")),
        fact(SwarmTerminated::new("alpha").reason("done")),
        // The origin's own events have no id.
        NewEvent::new("swarm", "swarm:scaled", json!({"previousAgentCount": 1, "newAgentCount": 4})).unwrap(),
    ])
    .await;
    let swarms: Swarms = state(&log).await;
    assert_eq!(swarms.entities().len(), 3);
    let alpha = swarms.get("alpha").unwrap();
    assert_eq!((alpha.phase.as_deref(), alpha.milestones.len()), (Some("execution"), 1));
    assert!(alpha.ended_at.is_some());
    assert_eq!(swarms.get("beta").unwrap().members.len(), 2);
    assert_eq!(swarms.get("swarm").unwrap().agent_count, 4);
}

/// Story (S8): statistics of tasks read `taskId` from the end of a session, which it does not have.
#[tokio::test]
async fn s8_a_session_that_ends_counts_for_the_task_it_was_queued_for() {
    let log = log([
        fact(TaskCreated::new("AUTH-001").workflow_state("backlog")),
        fact(SessionQueued::new("abc").task_id("AUTH-001").mode("auto")),
        fact(SessionStarted::new("abc").pid(7u64)),
        fact(SessionToolUsed::new("abc", "Edit").duration_ms(30u64)),
        fact(SessionCompleted::new("abc").result("success").duration_ms(900u64).cost(0.25)),
    ])
    .await;
    let tasks: Tasks = state(&log).await;
    let task = tasks.get("AUTH-001").unwrap();
    assert_eq!((task.sessions_run, task.sessions_duration_ms), (1, 900));
    let sessions: Sessions = state(&log).await;
    let session = sessions.get("abc").unwrap();
    assert_eq!((session.status, session.cost), (Some(SessionStatus::Completed), Some(0.25)));
    assert_eq!((session.tool_calls, session.tools["Edit"].duration_ms), (1, 30));
    assert_eq!(sessions.active().count(), 0);
}

/// Story (C): the command line there asked for `SessionFailed`, which no event was.
#[tokio::test]
async fn c_a_session_that_ends_in_failure_has_failed_whichever_way_it_is_said() {
    let log = log([
        fact(SessionCompleted::new("a").result("failure")),
        fact(SessionFailed::new("b").error("no model")),
        fact(SessionCompleted::new("c").result("success")),
        fact(SessionQueued::new("a").retry_attempt(1u64)),
    ])
    .await;
    let sessions: Sessions = state(&log).await;
    assert_eq!(sessions.get("a").unwrap().status, Some(SessionStatus::Queued));
    assert_eq!(sessions.get("a").unwrap().retries, 1);
    assert_eq!(sessions.get("b").unwrap().status, Some(SessionStatus::Failed));
    assert_eq!(sessions.get("c").unwrap().status, Some(SessionStatus::Completed));
}

/// A conflict is open until it is settled, or one of its worktrees is given to another branch.
#[tokio::test]
async fn conflicts_of_worktrees_are_open_until_they_are_settled() {
    let detected =
        || WorktreeConflictDetected::new(["w1", "w2"]).conflicting_files(["a.rs"]).sessions(["s1", "s2"]);
    let log =
        log([fact(WorktreeCreated::new("w1").branch("feature/a")), fact(detected()), fact(detected())]).await;
    let worktrees: Worktrees = state(&log).await;
    assert_eq!(worktrees.open_conflicts().len(), 1, "told twice, it is one");
    assert_eq!(worktrees.get("w2").unwrap().created_at, None);
    log.append(WorktreeConflictResolved::new(["w1", "w2"])).await.unwrap();
    assert!(state::<Worktrees>(&log).await.open_conflicts().is_empty());
    log.append(detected()).await.unwrap();
    log.append(WorktreeRecycled::new("w1").new_branch("feature/b")).await.unwrap();
    let worktrees: Worktrees = state(&log).await;
    assert!(worktrees.open_conflicts().is_empty());
    let tree = worktrees.get("w1").unwrap();
    assert_eq!(
        (tree.branch.as_deref(), tree.previous_branches.as_slice()),
        (Some("feature/b"), &["feature/a".to_owned()][..])
    );
}

/// Story (P6): started and completed back to back were stored in the other order, and the task stayed without a
/// duration.
#[tokio::test]
async fn p6_a_beginning_that_is_told_after_its_end_ends_nothing_again() {
    let started = fact(TaskStarted::new("1").agent_id("a")).with_occurred_at(time("2026-11-20T10:00:00Z"));
    let completed = fact(TaskCompleted::new("1")).with_occurred_at(time("2026-11-20T10:00:05Z"));
    let deployed = |payload: NewEvent, at: &str| payload.with_occurred_at(time(at));
    let log = log([
        completed,
        started,
        deployed(fact(DeploymentCompleted::new("d").build(json!({"ok": true}))), "2026-11-20T11:00:09Z"),
        deployed(fact(DeploymentStarted::new("d").branch("main").pr_number(7u64)), "2026-11-20T11:00:00Z"),
    ])
    .await;
    let tasks: Tasks = state(&log).await;
    let task = tasks.get("1").unwrap();
    assert_eq!((task.status, task.duration_ms), (Some(Status::Completed), Some(5_000)));
    assert_eq!(task.agent_id.as_deref(), Some("a"));
    let deployments: Deployments = state(&log).await;
    let deployment = deployments.get("d").unwrap();
    assert_eq!((deployment.status, deployment.duration_ms), (Some(Status::Completed), Some(9_000)));
    assert_eq!((deployment.branch.as_deref(), deployment.pr_number), (Some("main"), Some(7)));
}

/// The same end told by the agent and by the task is one end.
#[tokio::test]
async fn a_fact_that_is_told_twice_is_one_fact() {
    let log = log([
        fact(AgentSpawned::new("a")),
        fact(AgentTaskAssigned::new("a", "1")),
        fact(TaskCompleted::new("1").agent_id("a").duration_ms(10u64)),
        fact(AgentTaskCompleted::new("a", "1").duration_ms(10u64)),
    ])
    .await;
    let agents: Agents = state(&log).await;
    let agent = agents.get("a").unwrap();
    assert_eq!((agent.completed_count, agent.total_task_duration_ms), (1, 10));
    assert_eq!(state::<Tasks>(&log).await.statistics().timed, 1);
}

/// Story: two agents tell of one task, and what is older comes in later: it had overwritten what was known since.
#[tokio::test]
async fn what_is_older_than_what_is_known_changes_no_status() {
    let at = |payload: NewEvent, minute: &str| {
        payload.with_occurred_at(time(&format!("2026-11-20T10:{minute}:00Z")))
    };
    let log = log([
        at(fact(TaskCreated::new("1")), "00"),
        at(fact(TaskCompleted::new("1").agent_id("a").result(json!("ok"))), "10"),
        at(fact(TaskAssigned::new("1").agent_id("a").priority("high")), "01"),
        at(fact(TaskFailed::new("1").error("flaky")), "02"),
        at(fact(TaskStarted::new("1").agent_id("a")), "03"),
        at(fact(AgentTerminated::new("b")), "05"),
        at(fact(AgentStarted::new("b")), "00"),
        at(fact(MemoryStored::new("m")), "00"),
        at(fact(MemoryDeleted::new("m")), "09"),
        at(fact(MemoryStored::new("m").size(5u64)), "01"),
        at(fact(WorktreeRemoved::new("w")), "05"),
        at(fact(WorktreeCreated::new("w").branch("x")), "00"),
    ])
    .await;
    let tasks: Tasks = state(&log).await;
    let task = tasks.get("1").unwrap();
    assert_eq!((task.status, task.error.as_deref()), (Some(Status::Completed), None));
    assert!(task.completed_at.is_some() && task.result.is_some());
    assert_eq!((task.priority, task.duration_ms), (Some(factlog::Priority::High), Some(7 * 60_000)));
    let agents: Agents = state(&log).await;
    assert_eq!(agents.get("b").unwrap().status, AgentStatus::Terminated);
    let agent = agents.get("a").unwrap();
    assert_eq!((agent.status, agent.load(), agent.current_task.as_deref()), (AgentStatus::Unknown, 0, None));
    let memories: Memories = state(&log).await;
    assert_eq!(memories.get("m").unwrap().status, MemoryStatus::Deleted);
    let worktrees: Worktrees = state(&log).await;
    assert!(worktrees.get("w").unwrap().removed_at.is_some());
}

/// Story: one event with a duration of all the time there is ended two projections for ever.
#[tokio::test]
async fn a_duration_beyond_all_measure_ends_no_projection() {
    let log = log([]).await;
    for id in ["1", "2", "3"] {
        let done = TaskCompleted::new(id).agent_id("a").duration_ms(u64::MAX);
        log.append(done).await.unwrap();
        let used = SessionToolUsed::new("s", "Bash").duration_ms(u64::MAX);
        log.append(used).await.unwrap();
        log.append(AgentAction::new("a", "x").duration_ms(u64::MAX)).await.unwrap();
        log.append(SessionCompleted::new(id).task_id("1").duration_ms(u64::MAX)).await.unwrap();
    }
    assert_eq!(state::<Agents>(&log).await.get("a").unwrap().total_task_duration_ms, u64::MAX);
    assert_eq!(state::<Tasks>(&log).await.statistics().average_duration_ms, Some(u64::MAX));
    state::<Sessions>(&log).await;
    state::<factlog_agents::projections::Metrics>(&log).await;
}
