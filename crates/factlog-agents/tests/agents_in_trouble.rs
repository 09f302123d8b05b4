//! Agents whose store is away, that slept for too long, or whose handlers fall over: what was done is not done again.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Fate, Shaky};
use factlog::{EventLog, Filter, MemoryStore};
use factlog_agents::agent::TaskError;
use factlog_agents::bus::Message;
use factlog_agents::vocabulary::TaskAssigned;
use factlog_agents::{Agent, Bus};
use tokio::sync::{mpsc, watch};

const PATIENCE: Duration = Duration::from_secs(60);
/// So short that it runs out while the store is away.
const VISIBILITY: Duration = Duration::from_millis(100);

async fn await_events(log: &EventLog, event_type: &str, count: usize) {
    let mut following = log.follow(Filter::types([event_type]).unwrap());
    for _ in 0..count {
        let next = tokio::time::timeout(PATIENCE, following.next()).await;
        next.unwrap_or_else(|_| panic!("{count} of {event_type}")).unwrap().unwrap();
    }
}

async fn send(bus: &Bus, from: &str, to: &str, text: &str) {
    bus.send(Message::text(from, to.parse().unwrap(), text).unwrap()).await.unwrap();
}

/// Story: the store was away when a message had been handled; the acknowledgement was forgotten, and it was handled again.
#[tokio::test]
async fn what_was_handled_while_the_store_was_away_is_acknowledged_later_and_not_handled_again() {
    for fates in [vec![Fate::Unavailable, Fate::Unavailable], vec![Fate::AnswerLost]] {
        let store = Shaky::new(&[]);
        let log = store.log();
        let handled = Arc::new(AtomicUsize::new(0));
        let (count, away) = (Arc::clone(&handled), Arc::clone(&store));
        let reader = Agent::builder(log.clone(), "w")
            .visibility(VISIBILITY)
            .on_message(move |_me, _message| {
                if count.fetch_add(1, Ordering::SeqCst) == 0 {
                    away.fates.lock().unwrap().extend(fates.clone());
                }
                async { Ok(()) }
            })
            .start()
            .await
            .unwrap();
        send(reader.me().bus(), "a", "w", "once").await;
        await_events(&log, "inbox:acked", 1).await;
        reader.stop("done").await.unwrap();
        assert!(store.fates.lock().unwrap().is_empty(), "the store was away");
        assert_eq!(handled.load(Ordering::SeqCst), 1);
        assert_eq!(log.read(Filter::types(["inbox:acked"]).unwrap()).collect().await.unwrap().len(), 1);
    }
}

/// Story: the same with a task: it was done, and done again.
#[tokio::test]
async fn a_task_that_was_done_while_the_store_was_away_is_completed_later_and_not_done_again() {
    let store = Shaky::new(&[]);
    let log = store.log();
    let done = Arc::new(AtomicUsize::new(0));
    let (count, away) = (Arc::clone(&done), Arc::clone(&store));
    let worker = Agent::builder(log.clone(), "w")
        .visibility(VISIBILITY)
        .on_task(move |_me, _given| {
            if count.fetch_add(1, Ordering::SeqCst) == 0 {
                away.fates.lock().unwrap().extend([Fate::Unavailable, Fate::Unavailable, Fate::Unavailable]);
            }
            async { Ok::<_, TaskError>("done") }
        })
        .start()
        .await
        .unwrap();
    worker.me().assign("w", TaskAssigned::new("t")).await.unwrap();
    await_events(&log, "task:completed", 1).await;
    worker.stop("done").await.unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 1);
}

/// Story: a laptop slept; when it woke, what the agent was at was given to it a second time.
#[tokio::test]
async fn what_a_run_is_at_is_not_begun_again_when_it_slept_for_too_long() {
    let log = EventLog::new(MemoryStore::new());
    let (begun, mut begins) = mpsc::unbounded_channel();
    let (go_on, going_on) = watch::channel(false);
    let worker = Agent::builder(log.clone(), "w")
        .visibility(VISIBILITY)
        .on_message(move |_me, message| {
            let (begun, mut going_on) = (begun.clone(), going_on.clone());
            async move {
                begun.send(message.text().unwrap()).unwrap();
                going_on.wait_for(|on| *on).await.unwrap();
                Ok(())
            }
        })
        .start()
        .await
        .unwrap();
    let bus = worker.me().bus().clone();
    send(&bus, "a", "w", "first").await;
    assert_eq!(tokio::time::timeout(PATIENCE, begins.recv()).await.unwrap().unwrap(), "first");
    // Nothing else runs in this thread meanwhile, and so nothing is renewed.
    let asleep = Instant::now();
    while asleep.elapsed() < VISIBILITY * 3 {
        std::hint::spin_loop();
    }
    send(&bus, "b", "w", "second").await;
    assert_eq!(tokio::time::timeout(PATIENCE, begins.recv()).await.unwrap().unwrap(), "second");
    go_on.send(true).unwrap();
    await_events(&log, "inbox:acked", 1).await;
    worker.stop("done").await.unwrap();
    assert!(begins.try_recv().is_err(), "each was begun once");
    assert!(bus.inbox("w", factlog_agents::bus::Inbox::is_empty).await.unwrap());
}

/// Story: a handler panicked before it gave anything to wait for, and nothing more came from that sender, ever.
#[tokio::test]
async fn a_handler_that_panics_at_once_is_a_failure_like_any_other() {
    let log = EventLog::new(MemoryStore::new());
    let worker = Agent::builder(log.clone(), "w")
        .on_message(|_me, message| {
            assert!(message.attempt > 1, "out of cheese");
            async { Ok(()) }
        })
        .start()
        .await
        .unwrap();
    send(worker.me().bus(), "a", "w", "x").await;
    await_events(&log, "inbox:acked", 1).await;
    let nacked = log.read(Filter::types(["inbox:nacked"]).unwrap()).collect().await.unwrap();
    assert!(nacked[0].data.as_str().contains("out of cheese"), "{:?}", nacked[0].data);
    worker.stop("done").await.unwrap();
}

/// Story: a message killed whatever process read it, and five dead processes later all that had waited behind it were dead
/// letters too.
#[tokio::test]
async fn a_message_that_ends_each_run_takes_no_other_with_it() {
    let log = EventLog::new(MemoryStore::new());
    let bus = Bus::new(log.clone());
    send(&bus, "a", "w", "killer").await;
    for number in 0..9 {
        send(&bus, "a", "w", &format!("good {number}")).await;
    }
    let (dying, mut deaths) = mpsc::unbounded_channel();
    let start = || {
        let dying = dying.clone();
        let handled = move |_me, message: factlog_agents::agent::GivenMessage| {
            let is_killer = message.text().unwrap() == "killer";
            let dying = dying.clone();
            async move {
                if is_killer {
                    dying.send(()).unwrap();
                    std::future::pending::<()>().await;
                }
                Ok(())
            }
        };
        Agent::builder(log.clone(), "w").take_over().on_message(handled).start()
    };
    for _ in 0..5 {
        let run = start().await.unwrap();
        tokio::time::timeout(PATIENCE, deaths.recv()).await.unwrap().unwrap();
        drop(run);
    }
    let last = start().await.unwrap();
    await_events(&log, "inbox:dead", 1).await;
    let acked = async {
        let mut following = log.follow(Filter::types(["inbox:acked"]).unwrap());
        while !bus.inbox("w", factlog_agents::bus::Inbox::is_empty).await.unwrap() {
            following.next().await.unwrap().unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, acked).await.unwrap();
    last.stop("done").await.unwrap();
    assert!(deaths.try_recv().is_err());
    let dead = bus.inbox("w", |inbox| inbox.dead_letters().len()).await.unwrap();
    assert_eq!(dead, 1, "only the one that ends whatever reads it");
}
