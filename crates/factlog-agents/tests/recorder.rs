//! The recorder, by the defects of the origins' loggers: what each was, and that it is not so here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Duration;

use common::{Fate, Shaky, all, data, sqlite, time};
use factlog::{ErrorKind, EventLog, Filter, MemoryStore, Timestamp};
use factlog_agents::projections::{Entities, Tasks};
use factlog_agents::recorder::{Recorder, Ticket};
use factlog_agents::status::Status;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A clock that is set by hand, in seconds.
fn clock() -> (Arc<AtomicI64>, impl Fn() -> Timestamp + Send + Sync + 'static) {
    let seconds = Arc::new(AtomicI64::new(time("2026-11-20T12:00:00Z").as_micros() / 1_000_000));
    let read = Arc::clone(&seconds);
    (seconds, move || Timestamp::from_micros(read.load(Ordering::SeqCst) * 1_000_000).unwrap())
}

fn memory() -> EventLog {
    EventLog::new(MemoryStore::new())
}

async fn record(recorder: &Recorder, name: &str, data: Value) -> Ticket {
    recorder.record(name, data).await.unwrap().expect("it is selected")
}

/// Whether a future has nothing yet.
async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    let mut future = std::pin::Pin::new(future);
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

/// P3: the batch queue was never filled; each event was an INSERT of its own, and the batch settings were read by no code.
#[tokio::test(start_paused = true)]
async fn p3_a_batch_is_stored_when_it_is_full_and_when_it_is_due() {
    let store = Shaky::new(&[]);
    let recorder =
        Recorder::builder(store.log()).batch_size(3).batch_timeout(Duration::from_secs(2)).build().unwrap();
    let mut tickets = Vec::new();
    for number in 0..4 {
        tickets.push(record(&recorder, "system:event", json!({ "name": number })).await);
    }
    let last = tickets.pop().unwrap();
    for ticket in tickets {
        ticket.stored().await.unwrap();
    }
    assert_eq!((*store.appends.lock().unwrap()).as_slice(), [3]);
    assert_eq!((recorder.status().stored, recorder.status().waiting), (3, 1));
    let begun = tokio::time::Instant::now();
    assert_eq!(last.stored().await.unwrap().position.0, 4);
    assert_eq!(begun.elapsed().as_secs(), 2);
    assert_eq!((*store.appends.lock().unwrap()).as_slice(), [3, 1]);
}

/// P3: retries, switches, limits and times of tracking were settings that no code read.
#[tokio::test]
async fn p3_switches_limits_and_times_do_what_they_say() {
    let (seconds, now) = clock();
    let recorder = Recorder::builder(memory())
        .deployments(false)
        .max_tracked_tasks(2)
        .task_timeout(Duration::from_secs(60))
        .clock(now)
        .build()
        .unwrap();
    assert!(recorder.record("deployment:started", json!({"id": "d"})).await.unwrap().is_none());
    for id in ["1", "2", "3"] {
        record(&recorder, "task:started", json!({ "id": id })).await;
    }
    let status = recorder.status();
    assert_eq!((status.tracked_tasks, status.dropped_from_tracking, status.not_selected), (2, 1, 1));
    seconds.fetch_add(61, Ordering::SeqCst);
    let status = recorder.status();
    assert_eq!((status.tracked_tasks, status.dropped_from_tracking, status.recorded), (0, 3, 3));
    recorder.set_enabled(false);
    assert!(recorder.record("task:started", json!({"id": "4"})).await.unwrap().is_none());
    recorder.set_enabled(true);
    record(&recorder, "task:started", json!({"id": "4"})).await;
    assert_eq!(recorder.flush().await.unwrap().len(), 4);
    assert_eq!(recorder.status().not_selected, 2);
    for (name, built) in [
        ("batch_size", Recorder::builder(memory()).batch_size(0).build()),
        ("batch_size", Recorder::builder(memory()).batch_size(1_001).build()),
        ("source", Recorder::builder(memory()).source("").build()),
    ] {
        assert!(built.unwrap_err().to_string().contains(name));
    }
}

/// Origin D: `persistTypes` mattered only with `persistAll: false`, so that the README's settings stored everything.
#[tokio::test]
async fn types_that_are_named_are_the_ones_that_are_recorded() {
    let log = memory();
    let recorder = Recorder::builder(log.clone())
        .persist_types(["TaskCompleted", "agent:*", "build:done"])
        .build()
        .unwrap();
    for name in ["task:started", "task_completed", "agent:registered", "build:done", "build:begun"] {
        recorder.record(name, json!({"id": "1"})).await.unwrap();
    }
    recorder.flush().await.unwrap();
    let types: Vec<String> = all(&log).await.iter().map(|event| event.event_type.to_string()).collect();
    assert_eq!(types, ["task:completed", "agent:spawned", "system:custom"]);
    assert_eq!(recorder.status().not_selected, 2);
    let every = Recorder::builder(log).persist_types(["task:started"]).persist_all(true).build().unwrap();
    assert!(every.record("memory:stored", json!({"id": "1"})).await.unwrap().is_some());
}

/// P6: the README's own lines, started and completed back to back, were stored in the wrong order: `Unknown Task` of
/// `system` without a duration, and the task was tracked for ever.
#[tokio::test]
async fn p6_started_and_completed_back_to_back_are_one_task() {
    let (seconds, now) = clock();
    let log = memory();
    let recorder = Recorder::builder(log.clone()).clock(now).build().unwrap();
    let started =
        json!({"id": "task-123", "name": "Process Data", "agentId": "agent-456", "data": {"rows": 100}});
    record(&recorder, "task:started", started).await;
    assert_eq!(recorder.status().tracked_tasks, 1);
    seconds.fetch_add(3, Ordering::SeqCst);
    let completed = json!({"id": "task-123", "output": {"processed": 100}});
    record(&recorder, "task:completed", completed.clone()).await;
    assert_eq!(recorder.status().tracked_tasks, 0);
    // Twice the same end is the same fact, also later.
    seconds.fetch_add(3, Ordering::SeqCst);
    record(&recorder, "task:completed", completed).await;
    recorder.flush().await.unwrap();
    let events = all(&log).await;
    assert_eq!(events[0].event_type, "task:started");
    assert_eq!(events[0].stream, "task-task-123");
    assert_eq!(
        data(&events[0]),
        json!({"taskId": "task-123", "agentId": "agent-456", "title": "Process Data", "input": {"rows": 100}})
    );
    let ended = json!({"taskId": "task-123", "agentId": "agent-456", "title": "Process Data", "input": {"rows": 100},
        "result": {"processed": 100}, "durationMs": 3000, "startedAt": "2026-11-20T12:00:00.000000Z"});
    assert_eq!(data(&events[1]), ended);
    assert_eq!(data(&events[2]), ended);
    assert!(events[0].time() < events[1].time());
}

/// P6, the other way round: whoever tells the end first must not leave a task that runs for ever.
#[tokio::test]
async fn p6_completed_before_started_is_one_task_too() {
    let (seconds, now) = clock();
    let log = memory();
    let recorder = Recorder::builder(log.clone()).clock(now).build().unwrap();
    record(&recorder, "task:completed", json!({"id": "1", "duration": 2_000})).await;
    seconds.fetch_add(1, Ordering::SeqCst);
    record(&recorder, "task:started", json!({"id": "1", "name": "Late"})).await;
    assert_eq!(recorder.status().tracked_tasks, 0);
    // The next beginning is a second try, and is tracked.
    seconds.fetch_add(1, Ordering::SeqCst);
    record(&recorder, "task:completed", json!({"id": "1", "duration": 2_000})).await;
    recorder.flush().await.unwrap();
    let tasks = log.project::<Tasks>().await.unwrap();
    tasks.caught_up(factlog::Position(3)).await.unwrap();
    let task = tasks.with(|tasks| tasks.get("1").cloned()).unwrap();
    assert_eq!((task.status, task.duration_ms), (Some(Status::Completed), Some(2_000)));
    assert_eq!((task.title.as_deref(), task.started_at), (Some("Late"), Some(time("2026-11-20T11:59:58Z"))));
    record(&recorder, "task:started", json!({"id": "1"})).await;
    assert_eq!(recorder.status().tracked_tasks, 1);
}

/// The other ends, and deployments and agents, are paired alike.
#[tokio::test]
async fn every_kind_of_end_has_its_duration_and_what_its_beginning_said() {
    let (seconds, now) = clock();
    let log = memory();
    let recorder = Recorder::builder(log.clone()).clock(now).source("hub").build().unwrap();
    record(&recorder, "task:started", json!({"taskId": "1", "title": "A"})).await;
    record(&recorder, "task:started", json!({"taskId": "2", "title": "B"})).await;
    record(
        &recorder,
        "deployment:started",
        json!({"id": "d", "environment": "wsl2", "branch": "main", "prNumber": 7}),
    )
    .await;
    record(&recorder, "agent:registered", json!({"id": "a", "name": "Ann", "capabilities": ["rust"]})).await;
    seconds.fetch_add(2, Ordering::SeqCst);
    record(&recorder, "task:error", json!({"id": "1", "error": "no disk"})).await;
    record(&recorder, "task:cancelled", json!({"id": "2", "reason": "changed", "duration": 5})).await;
    record(&recorder, "deployment:error", json!({"id": "d", "error": {"message": "no", "code": 7}})).await;
    record(&recorder, "agent:action", json!({"agentId": "a", "action": "edit", "duration": 12})).await;
    record(&recorder, "agent:unregistered", json!({"id": "a", "reason": "done"})).await;
    assert_eq!(recorder.status().tracked_agents, 0);
    recorder.close().await.unwrap();
    let events = all(&log).await;
    let find =
        |name: &str| events.iter().find(|event| event.event_type == name).map(|event| data(event)).unwrap();
    assert_eq!(
        (&find("task:failed")["title"], &find("task:failed")["durationMs"]),
        (&json!("A"), &json!(2_000))
    );
    assert_eq!(find("task:failed")["agentId"], "system", "nobody was named, as in the origin");
    assert_eq!(find("task:cancelled")["durationMs"], 5);
    let deployment = find("deployment:failed");
    assert_eq!(
        (&deployment["branch"], &deployment["prNumber"], &deployment["durationMs"], &deployment["errorCode"]),
        (&json!("main"), &json!(7), &json!(2_000), &json!("7"))
    );
    assert_eq!(
        (&find("agent:action")["agentName"], &find("agent:action")["durationMs"]),
        (&json!("Ann"), &json!(12))
    );
    assert!(events.iter().all(|event| event.source.as_deref() == Some("hub")));
}

/// P7: an event that could not be stored was logged and gone; `emit` gave no error.
#[tokio::test]
async fn p7_what_cannot_be_stored_is_told_to_its_caller_and_to_the_next_flush() {
    let store = Shaky::new(&[Fate::Stopped]);
    let recorder = Recorder::builder(store.log()).build().unwrap();
    let first = record(&recorder, "task:started", json!({"id": "1"})).await;
    let second = record(&recorder, "task:started", json!({"id": "2"})).await;
    let error = recorder.flush().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert!(error.to_string().starts_with("2 events were not stored"), "{error}");
    assert_eq!(first.stored().await.unwrap_err().kind(), ErrorKind::Stopped);
    assert_eq!(second.stored().await.unwrap_err().kind(), ErrorKind::Stopped);
    let status = recorder.status();
    assert_eq!((status.recorded, status.stored, status.failed, status.waiting), (2, 0, 2, 0));
    record(&recorder, "task:started", json!({"id": "3"})).await;
    assert_eq!(recorder.flush().await.unwrap().len(), 1, "an error is told once");
}

/// P7, A13: nothing held back whoever emitted faster than the database stored; what waited grew without a bound.
#[tokio::test]
async fn p7_whoever_is_too_fast_waits_and_nothing_is_lost() {
    let store = Shaky::shut();
    let recorder = Recorder::builder(store.log()).batch_size(2).waiting_max(2).build().unwrap();
    for id in ["1", "2"] {
        record(&recorder, "task:started", json!({ "id": id })).await;
    }
    let mut third = Box::pin(recorder.record("task:started", json!({"id": "3"})));
    assert!(is_pending(&mut third).await);
    assert_eq!(recorder.status().waiting, 2);
    store.gate.add_permits(10);
    let third = third.await.unwrap().unwrap();
    recorder.flush().await.unwrap();
    assert_eq!(third.stored().await.unwrap().position.0, 3);
}

/// A13: one failed sync put the whole batch back; what had been stored of it hit the key, and the batch failed for ever.
#[tokio::test(start_paused = true)]
async fn a13_an_unavailable_store_is_tried_again_and_nothing_is_stored_twice() {
    let store = Shaky::new(&[Fate::Unavailable, Fate::AnswerLost, Fate::Unavailable]);
    let recorder = Recorder::builder(store.log()).build().unwrap();
    let first = record(&recorder, "task:started", json!({"id": "1"})).await;
    record(&recorder, "task:started", json!({"id": "2"})).await;
    let positions: Vec<u64> = recorder.flush().await.unwrap().iter().map(|position| position.0).collect();
    assert_eq!(positions, [1, 2]);
    let stored = first.stored().await.unwrap();
    assert!(stored.repeated, "the second try had stored it");
    assert_eq!(all(&store.log()).await.len(), 2);

    store.fates.lock().unwrap().extend([Fate::Unavailable; 5]);
    let third = record(&recorder, "task:started", json!({"id": "3"})).await;
    assert_eq!(recorder.flush().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(third.stored().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(recorder.status().failed, 1);
}

/// A13: a poisoned event kept all others of its batch from being stored.
#[tokio::test]
async fn a13_an_event_that_the_log_refuses_keeps_no_other_back() {
    let log = memory();
    let recorder = Recorder::builder(log.clone()).build().unwrap();
    record(&recorder, "system:event", json!({"eventId": "evt-1", "name": "a"})).await;
    let poison = record(&recorder, "system:event", json!({"eventId": "evt-1", "name": "b"})).await;
    let good = record(&recorder, "system:event", json!({"name": "c"})).await;
    let error = recorder.flush().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(poison.stored().await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(good.stored().await.unwrap().position.0, 2);
    assert_eq!(recorder.flush().await.unwrap().len(), 2, "what was stored beside it");
}

/// P10: the same id again was an error, and long names failed in the database.
#[tokio::test]
async fn p10_the_same_id_again_changes_nothing_and_a_long_name_is_refused_by_name() {
    let log = memory();
    let recorder = Recorder::builder(log.clone()).build().unwrap();
    let row = json!({"id": "5f0c1c1e-8a1c-4c5e-9a55-0a1b2c3d4e5f", "event_type": "user_action", "event_name": "login"});
    let first = recorder.log_system(&row).await.unwrap().unwrap();
    let again = recorder.log_system(&row).await.unwrap().unwrap();
    assert_eq!(first.id().to_string(), "5f0c1c1e-8a1c-4c5e-9a55-0a1b2c3d4e5f");
    recorder.flush().await.unwrap();
    let (first, again) = (first.stored().await.unwrap(), again.stored().await.unwrap());
    assert_eq!((first.position, first.repeated, again.repeated), (again.position, false, true));
    assert_eq!(all(&log).await.len(), 1);

    let long = "x".repeat(201);
    for (name, row, what) in [
        ("task:started", json!({"id": long}), "the task's id"),
        ("task:started", json!({"id": "1", "sessionId": long}), "sessionId"),
        ("system:event", json!({"userId": long}), "userId"),
    ] {
        let error = recorder.record(name, row).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(what) && error.to_string().contains("200"), "{error}");
    }
    record(&recorder, &"n".repeat(500), json!({"name": "n".repeat(500)})).await;
    assert_eq!(recorder.flush().await.unwrap().len(), 1, "titles and names in the data may be long");
}

/// P9: rows could be updated. P11: there was no order, no version and nobody to hear of them.
#[tokio::test]
async fn p9_p11_what_is_recorded_is_in_an_append_only_log_with_an_order_and_followers() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    let log = sqlite(&path);
    let recorder = Recorder::builder(log.clone()).build().unwrap();
    let mut following = log.follow(Filter::types(["task:*"]).unwrap());
    record(&recorder, "task:started", json!({"id": "1", "correlationId": "build-9"})).await;
    record(&recorder, "task:completed", json!({"id": "1", "correlationId": "build-9"})).await;
    let positions = recorder.flush().await.unwrap();
    assert_eq!(positions.iter().map(|position| position.0).collect::<Vec<_>>(), [1, 2]);
    for version in 1..=2 {
        let event = following.next().await.unwrap().unwrap();
        assert_eq!((event.version.0, event.correlation_id.as_deref()), (version, Some("build-9")));
    }
    drop(following);
    recorder.close().await.unwrap();
    log.close().await.unwrap();
    drop((recorder, log));
    assert_eq!(all(&sqlite(&path)).await.len(), 2, "and it is in the file");
}

/// A13: what was published in the last five seconds was lost when the program ended.
#[tokio::test]
async fn a13_a_recorder_that_is_closed_or_dropped_stores_what_waits() {
    let log = memory();
    let recorder = Recorder::builder(log.clone()).build().unwrap();
    let ticket = record(&recorder, "task:started", json!({"id": "1"})).await;
    recorder.close().await.unwrap();
    recorder.close().await.unwrap();
    assert_eq!(ticket.stored().await.unwrap().position.0, 1);
    let error = recorder.record("task:started", json!({"id": "2"})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);

    let dropped = Recorder::builder(log.clone()).build().unwrap();
    let ticket = record(&dropped, "task:started", json!({"id": "3"})).await;
    drop(dropped);
    assert_eq!(ticket.stored().await.unwrap().position.0, 2);
}

/// A13: where the whole runtime ends first, that is told and not reported as stored.
#[test]
fn a13_a_runtime_that_ends_first_fails_the_tickets() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let log = memory();
    let (recorder, ticket) = first.block_on(async {
        let recorder = Recorder::builder(log.clone()).build().unwrap();
        let ticket = record(&recorder, "task:started", json!({"id": "1"})).await;
        (recorder, ticket)
    });
    drop(first);
    runtime().block_on(async {
        assert_eq!(ticket.stored().await.unwrap_err().kind(), ErrorKind::Stopped);
        assert_eq!(recorder.flush().await.unwrap_err().kind(), ErrorKind::Stopped);
        assert_eq!((recorder.status().failed, recorder.status().waiting), (1, 0));
        assert!(all(&log).await.is_empty());
    });
    assert_eq!(
        Recorder::builder(log).build().unwrap_err().kind(),
        ErrorKind::Stopped,
        "and without one none begins"
    );
}

/// Many at once: all are stored, each once, and each stream in the order in which it was told.
#[tokio::test(flavor = "multi_thread")]
async fn many_callers_at_once_lose_nothing() {
    let folder = TempDir::new().unwrap();
    let log = sqlite(&folder.path().join("log.db"));
    let recorder = Recorder::builder(log.clone()).batch_size(16).waiting_max(32).build().unwrap();
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let recorder = recorder.clone();
            tokio::spawn(async move {
                for number in 0..25 {
                    let id = format!("{caller}-{number}");
                    record(&recorder, "task:started", json!({ "id": id })).await;
                    record(&recorder, "task:completed", json!({ "id": id })).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    recorder.close().await.unwrap();
    let events = all(&log).await;
    assert_eq!(events.len(), 400);
    for event in events {
        let wanted = if event.version.0 == 1 { "task:started" } else { "task:completed" };
        assert_eq!(event.event_type, wanted);
    }
    assert_eq!((recorder.status().tracked_tasks, recorder.status().stored), (0, 400));
}
