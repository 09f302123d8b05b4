//! What is promised of agents at work, in one process and on a file that two handles share as two processes would.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use factlog::{ErrorKind, EventLog, Filter, MemoryStore, TypedEvent};
use factlog_agents::agent::{Failed, TaskError};
use factlog_agents::vocabulary::*;
use factlog_agents::{Agent, Me};
use factlog_stores::Open;
use serde_json::json;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(60);

fn memory() -> EventLog {
    EventLog::new(MemoryStore::new())
}

async fn open(folder: &tempfile::TempDir) -> EventLog {
    let url = format!("sqlite:{}", folder.path().join("agents.db").display());
    factlog_stores::open(&url, Open::Create).await.unwrap()
}

/// Waits for events of a type until there are so many, and gives them.
async fn await_events(log: &EventLog, event_type: &str, count: usize) -> Vec<Arc<factlog::Event>> {
    let mut following = log.follow(Filter::types([event_type]).unwrap());
    let mut events = Vec::new();
    while events.len() < count {
        let next = tokio::time::timeout(PATIENCE, following.next()).await;
        events.push(next.unwrap_or_else(|_| panic!("{count} of {event_type}")).unwrap().unwrap());
    }
    events
}

/// Story: the document's first example could not run: each event that an agent published was refused.
#[tokio::test]
async fn a_task_is_accepted_started_worked_at_and_completed() {
    let log = memory();
    let worker = Agent::builder(log.clone(), "agent-123")
        .kind("worker")
        .capabilities(["task-processing"])
        .on_task(|me, given| async move {
            for percent in [0.0, 50.0, 100.0] {
                me.progress(given.id(), percent, "processing").await?;
            }
            Ok(json!({"result": "done"}))
        })
        .start()
        .await
        .unwrap();
    let boss = Agent::builder(log.clone(), "boss").start().await.unwrap();
    let task = TaskAssigned::new("task-001").description("Analyze system performance").priority("high");
    boss.me().assign("agent-123", task).await.unwrap();
    let completed = await_events(&log, "task:completed", 1).await;
    assert_eq!(completed[0].source.as_deref(), Some("agent-123"));
    let of_task = Filter { streams: vec!["task-task-001".parse().unwrap()], ..Filter::all() };
    let types: Vec<String> =
        log.read(of_task).collect().await.unwrap().iter().map(|event| event.event_type.to_string()).collect();
    let life = ["task:assigned", "task:accepted", "task:started"];
    assert_eq!(types[..3], life);
    assert_eq!(types[3..], ["task:progress", "task:progress", "task:progress", "task:completed"]);
    worker.stop("done").await.unwrap();
    boss.stop("done").await.unwrap();
    let ends = log.read(Filter::types(["agent:terminated"]).unwrap()).collect().await.unwrap();
    assert_eq!(ends.len(), 2);
}

/// Story (A7): a request from inside a handler always timed out: the answer waited behind the handler.
#[tokio::test]
async fn a_handler_may_ask_even_the_one_whose_question_it_answers() {
    let log = memory();
    let inner = Agent::builder(log.clone(), "b")
        .on_request("double", |me: Me, asked| async move {
            // It asks the one who is waiting for it.
            let one = me.request("a", "one", &(), PATIENCE).await?.outcome.unwrap().to::<i64>()?;
            Ok(asked.read::<i64>()? * 2 * one)
        })
        .start()
        .await
        .unwrap();
    let outer = Agent::builder(log.clone(), "a")
        .on_request("one", |_me, _asked| async move { Ok(1) })
        .on_request("quadruple", |me: Me, asked| async move {
            let twice = me.request("b", "double", &asked.params, PATIENCE).await?.outcome.unwrap();
            Ok(twice.to::<i64>()? * 2)
        })
        .start()
        .await
        .unwrap();
    let asker = Agent::builder(log.clone(), "asker").start().await.unwrap();
    let answer = asker.me().request("a", "quadruple", &10, PATIENCE).await.unwrap();
    assert_eq!(answer.outcome.unwrap().to::<i64>().unwrap(), 40);
    let answers = log.read(Filter::types(["message:response"]).unwrap()).collect().await.unwrap();
    assert!(answers.iter().all(|answer| answer.causation_id.is_some()));
    drop((inner, outer, asker));
}

/// Story (A7): one slow handler delayed all others on the bus.
#[tokio::test]
async fn a_slow_handler_delays_nobody_else() {
    let log = memory();
    let (hold, held) = tokio::sync::watch::channel(false);
    let slow = Agent::builder(log.clone(), "slow")
        .on_message(move |_me, _message| {
            let mut held = held.clone();
            async move {
                held.wait_for(|done| *done).await.map_err(|error| Failed::new("X", error.to_string()))?;
                Ok(())
            }
        })
        .on_request("ping", |_me, _asked| async move { Ok("pong") })
        .start()
        .await
        .unwrap();
    let (heard, mut hearing) = mpsc::unbounded_channel();
    let quick = Agent::builder(log.clone(), "quick")
        .on_message(move |_me, message| {
            let heard = heard.clone();
            async move {
                heard.send(message.text()).map_err(|error| Failed::new("X", error.to_string()))?;
                Ok(())
            }
        })
        .start()
        .await
        .unwrap();
    slow.me().send("slow", &"to itself").await.unwrap();
    quick.me().send("slow", &"hold on").await.unwrap();
    slow.me().send("quick", &"hello").await.unwrap();
    assert_eq!(
        tokio::time::timeout(PATIENCE, hearing.recv()).await.unwrap().unwrap().as_deref(),
        Some("hello")
    );
    let answer = quick.me().request("slow", "ping", &(), PATIENCE).await.unwrap();
    assert_eq!(answer.outcome.unwrap().as_str(), "\"pong\"", "it answers while it is slow with messages");
    hold.send(true).unwrap();
    await_events(&log, "inbox:acked", 3).await;
    drop((slow, quick));
}

/// Story (A8): nobody answers, and the one who asked waited for 30 seconds.
#[tokio::test]
async fn a_request_that_nobody_answers_to_fails_at_once_and_one_whose_time_is_over_says_so() {
    let log = memory();
    let asker = Agent::builder(log.clone(), "asker").start().await.unwrap();
    let nobody = asker.me().request("nobody", "status", &(), PATIENCE).await.unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::NotFound);
    let mute = Agent::builder(log.clone(), "mute")
        .on_request("status", |_me, _asked| async move { std::future::pending::<Result<(), Failed>>().await })
        .start()
        .await
        .unwrap();
    let other = asker.me().request("mute", "other", &(), PATIENCE).await.unwrap_err();
    assert!(other.to_string().contains("mute answers to status"), "{other}");
    let late = asker.me().request("mute", "status", &(), Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Unavailable);
    drop(mute);
}

/// Story: a handler that threw took its process with it, or was retried for ever.
#[tokio::test]
async fn a_handler_that_fails_or_panics_is_told_of_and_its_agent_goes_on() {
    let log = memory();
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let worker = Agent::builder(log.clone(), "w")
        .on_task(move |_me, given| {
            let tries = Arc::clone(&counted);
            async move {
                match given.id() {
                    "fatal" => Err(TaskError::fatal("it cannot be done").code("E42")),
                    "panics" => panic!("out of cheese"),
                    _ if tries.fetch_add(1, Ordering::SeqCst) == 0 => {
                        Err(TaskError::retry("the disk is full"))
                    }
                    _ => Ok(given.attempt),
                }
            }
        })
        .on_request("fails", |_me, asked| async move { Ok(asked.read::<i64>()?) })
        .start()
        .await
        .unwrap();
    let boss = Agent::builder(log.clone(), "boss").start().await.unwrap();
    for id in ["fatal", "panics", "again"] {
        boss.me().assign("w", TaskAssigned::new(id)).await.unwrap();
    }
    let completed = await_events(&log, "task:completed", 1).await;
    assert_eq!(
        completed[0].data.to::<TaskCompleted>().unwrap().result.unwrap().as_str(),
        "2",
        "the second try"
    );
    let failed: Vec<TaskFailed> = log
        .read(Filter::types(["task:failed"]).unwrap())
        .collect()
        .await
        .unwrap()
        .iter()
        .map(|event| event.data.to().unwrap())
        .collect();
    let of = |id: &str| failed.iter().find(|failed| failed.task_id == id).unwrap();
    assert_eq!((of("fatal").retryable, of("fatal").error_code.as_deref()), (Some(false), Some("E42")));
    assert!(
        of("panics").error.as_ref().unwrap().contains("out of cheese")
            && of("panics").retryable == Some(true)
    );
    assert_eq!((of("again").error.as_deref(), of("again").attempts), (Some("the disk is full"), Some(1)));
    let answer = boss.me().request("w", "fails", &"no number", PATIENCE).await.unwrap();
    assert_eq!(answer.outcome.unwrap_err().code, "INTERNAL_ERROR");
    let dead = boss.me().bus().inbox("w", |inbox| inbox.dead_letter("fatal").is_some()).await.unwrap();
    assert!(dead);
    drop(worker);
}

/// Story: a worker was killed in the middle of a task, and the task was nobody's any more.
#[tokio::test]
async fn what_a_dead_worker_had_in_hand_is_done_by_another_in_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let (log, other) = (open(&folder).await, open(&folder).await);
    let stuck = Agent::builder(log.clone(), "w1")
        .kind("worker")
        .visibility(Duration::from_millis(300))
        .heartbeat(Duration::from_millis(50))
        .on_task(|_me, _given| async move { std::future::pending::<Result<(), TaskError>>().await })
        .start()
        .await
        .unwrap();
    stuck.me().assign("type:worker", TaskAssigned::new("t")).await.unwrap();
    await_events(&log, "task:started", 1).await;
    // It is at work for longer than its task is kept for it: as long as it lives, nobody else gets it.
    await_events(&log, "inbox:renewed", 4).await;
    drop(stuck);
    let second = Agent::builder(other.clone(), "w2")
        .kind("worker")
        .heartbeat(Duration::from_millis(50))
        .on_task(|me, _given| async move { Ok(me.id().to_owned()) })
        .start()
        .await
        .unwrap();
    let completed = await_events(&log, "task:completed", 1).await;
    assert_eq!(completed[0].source.as_deref(), Some("w2"));
    let ended = await_events(&log, "agent:terminated", 1).await;
    let said: AgentTerminated = ended[0].data.to().unwrap();
    assert_eq!((ended[0].stream.as_str(), said.graceful), ("agent-w1", Some(false)), "its death was noticed");
    second.stop("done").await.unwrap();
}

/// Story: two runs of one agent read the same inbox, and every message was answered twice.
#[tokio::test]
async fn an_agent_runs_once_and_a_run_that_takes_over_ends_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (log, other) = (open(&folder).await, open(&folder).await);
    let mut first = Agent::builder(log.clone(), "w").start().await.unwrap();
    let refused = Agent::builder(other.clone(), "w").start().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let second = Agent::builder(other.clone(), "w").take_over().start().await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, first.ended()).await.unwrap().unwrap_err();
    assert!(ended.to_string().contains("taken over"), "{ended}");
    second.stop("done").await.unwrap();
    Agent::builder(log, "w").start().await.unwrap().stop("done").await.unwrap();
}

/// Story: what another program recorded for an agent, under its own words, never came to it.
#[tokio::test]
async fn events_that_others_record_for_an_agent_come_to_it_once() {
    let log = memory();
    let (heard, mut hearing) = mpsc::unbounded_channel();
    let worker = Agent::builder(log.clone(), "agent-123")
        .on_task(move |_me, given| {
            let heard = heard.clone();
            async move {
                let description = given.task.description.clone().unwrap_or_default();
                heard.send(description).map_err(|error| TaskError::fatal(error.to_string()))?;
                Ok(())
            }
        })
        .start()
        .await
        .unwrap();
    let data = json!({"taskId": "t1", "description": "as origin D says it"});
    let raw = factlog::NewEvent::new("task-t1", "TASK_ASSIGNED", data).unwrap();
    log.append(raw.with_source("coordinator").unwrap().with_target("agent-123").unwrap()).await.unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, hearing.recv()).await.unwrap().unwrap(), "as origin D says it");
    worker.me().assign("agent-123", TaskAssigned::new("t2").description("by the bus")).await.unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, hearing.recv()).await.unwrap().unwrap(), "by the bus");
    await_events(&log, "task:completed", 2).await;
    assert!(hearing.try_recv().is_err(), "each came once");
    drop(worker);
}

/// Story: the history of another bus was imported, and every task of it was done once more.
#[tokio::test]
async fn what_is_imported_after_its_time_is_history_and_no_work() {
    let log = memory();
    let (heard, mut hearing) = mpsc::unbounded_channel();
    let worker = Agent::builder(log.clone(), "w")
        .on_task(move |_me, given| {
            let told = heard.send(given.id().to_owned()).map_err(|error| TaskError::fatal(error.to_string()));
            std::future::ready(told)
        })
        .start()
        .await
        .unwrap();
    let taken_over = |id: &str, at: factlog::Timestamp| -> factlog::NewEvent {
        let data = json!({"taskId": id});
        let mut event = factlog::NewEvent::new(&format!("task-{id}"), "task:assigned", data).unwrap();
        event.adopt_id(&format!("evt-{id}")).unwrap();
        event.with_source("boss").unwrap().with_target("w").unwrap().with_occurred_at(at)
    };
    let past = "2024-11-21T00:00:00Z".parse().unwrap();
    log.append(vec![taken_over("old", past), taken_over("new", factlog::Timestamp::now())]).await.unwrap();
    // Agents here may say late what was their own idea.
    let own =
        TaskAssigned::new("own").into_event().unwrap().with_source("boss").unwrap().with_target("w").unwrap();
    log.append(own.with_occurred_at(past)).await.unwrap();
    for id in ["new", "own"] {
        assert_eq!(tokio::time::timeout(PATIENCE, hearing.recv()).await.unwrap().unwrap(), id);
    }
    worker.stop("done").await.unwrap();
    assert!(hearing.try_recv().is_err(), "nothing else was work");
}

#[tokio::test]
async fn a_stop_lets_a_handler_finish_and_gives_back_what_was_not_begun() {
    let log = memory();
    let (begun, mut begins) = mpsc::unbounded_channel();
    let (go_on, going_on) = tokio::sync::watch::channel(false);
    let worker = Agent::builder(log.clone(), "w")
        .on_message(move |_me, message| {
            let (begun, mut going_on) = (begun.clone(), going_on.clone());
            async move {
                begun.send(message.text()).map_err(|error| Failed::new("X", error.to_string()))?;
                going_on.wait_for(|on| *on).await.map_err(|error| Failed::new("X", error.to_string()))?;
                Ok(())
            }
        })
        .start()
        .await
        .unwrap();
    let bus = worker.me().bus().clone();
    for text in ["first", "second"] {
        bus.send(factlog_agents::bus::Message::text("a", "w".parse().unwrap(), text).unwrap()).await.unwrap();
    }
    assert_eq!(
        tokio::time::timeout(PATIENCE, begins.recv()).await.unwrap().unwrap().as_deref(),
        Some("first")
    );
    let stopping = tokio::spawn(worker.stop("enough"));
    go_on.send(true).unwrap();
    stopping.await.unwrap().unwrap();
    let ends = log.read(Filter::types(["agent:terminated"]).unwrap()).collect().await.unwrap();
    assert_eq!(ends[0].data.to::<AgentTerminated>().unwrap().graceful, Some(true));
    let left =
        bus.inbox("w", |inbox| inbox.items().iter().map(|item| item.attempts).collect::<Vec<_>>()).await;
    let left = left.unwrap();
    assert!(left.len() <= 1 && left.iter().all(|attempts| *attempts == 0), "{left:?}");
}
