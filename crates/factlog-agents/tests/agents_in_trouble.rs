//! Agents whose store is away, that slept for too long, or whose handlers fall over: what was done is not done again.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Fate, Shaky};
use factlog::{EventLog, Filter, MemoryStore, NewEvent, Priority};
use factlog_agents::agent::{Failed, TaskError};
use factlog_agents::bus::{Inbox, LeaseRequest, Message, Request};
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
    assert!(bus.inbox("w", Inbox::is_empty).await.unwrap());
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
        while !bus.inbox("w", Inbox::is_empty).await.unwrap() {
            following.next().await.unwrap().unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, acked).await.unwrap();
    last.stop("done").await.unwrap();
    assert!(deaths.try_recv().is_err());
    let dead = bus.inbox("w", |inbox| inbox.dead_letters().len()).await.unwrap();
    assert_eq!(dead, 1, "only the one that ends whatever reads it");
}

/// Story: the answer that messages were handed out was lost; those that came later were handled, and a minute later the
/// earlier ones.
#[tokio::test]
async fn what_was_handed_out_and_never_came_is_handled_before_what_comes_later() {
    let store = Shaky::new(&[]);
    let log = store.log();
    let (heard, mut hears) = mpsc::unbounded_channel();
    let reader = Agent::builder(log.clone(), "w")
        .on_message(move |_me, message| {
            let said = (message.text().unwrap(), message.attempt);
            std::future::ready(heard.send(said).map_err(Failed::from))
        })
        .start()
        .await
        .unwrap();
    store.fates.lock().unwrap().extend([Fate::Stored, Fate::AnswerLost]);
    send(reader.me().bus(), "a", "w", "first").await;
    await_events(&log, "inbox:offered", 1).await;
    send(reader.me().bus(), "a", "w", "second").await;
    for expected in ["first", "second"] {
        let said = tokio::time::timeout(PATIENCE / 2, hears.recv()).await.unwrap().unwrap();
        assert_eq!(said, (expected.to_owned(), 1), "what never came is no attempt");
    }
    reader.stop("done").await.unwrap();
}

/// Story: a command said that a message was of no use to it, and had it again four times.
#[tokio::test]
async fn a_message_that_is_of_no_use_is_a_dead_letter_at_once() {
    let log = EventLog::new(MemoryStore::new());
    let reader = Agent::builder(log.clone(), "w")
        .on_message(|_me, _message| async { Err(Failed::new("NONSENSE", "it says nothing").fatal()) })
        .start()
        .await
        .unwrap();
    send(reader.me().bus(), "a", "w", "?").await;
    await_events(&log, "inbox:dead", 1).await;
    let dead = reader.me().bus().inbox("w", |inbox| inbox.dead_letters()[0].clone()).await.unwrap();
    assert_eq!((dead.reason.as_str(), dead.item.attempts), ("it says nothing", 1));
    reader.stop("done").await.unwrap();
}

/// Story: an answer was too large to be stored; the one who had asked heard nothing, and the work was done five times.
#[tokio::test]
async fn an_answer_that_cannot_be_stored_is_told_as_that_and_not_worked_out_again() {
    let log = EventLog::new(MemoryStore::new());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let worker = Agent::builder(log.clone(), "w")
        .on_request("much", move |_me, _asked| {
            count.fetch_add(1, Ordering::SeqCst);
            async { Ok("x".repeat(20 * 1024 * 1024)) }
        })
        .on_task(|_me, _given| async { Ok::<_, TaskError>("x".repeat(20 * 1024 * 1024)) })
        .start()
        .await
        .unwrap();
    let answer = worker.me().request("w", "much", &(), PATIENCE).await.unwrap();
    let error = answer.outcome.unwrap_err();
    assert!(error.message.contains("cannot be recorded"), "{error:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    worker.me().assign("w", TaskAssigned::new("t")).await.unwrap();
    await_events(&log, "task:failed", 1).await;
    await_events(&log, "inbox:dead", 1).await;
    worker.stop("done").await.unwrap();
}

/// Story: somebody took a lease under a very long name. When it had run out, no inbox could be named to tell it, and every
/// agent ended at its next heartbeat.
#[tokio::test]
async fn what_cannot_be_said_of_others_ends_no_agent() {
    let log = EventLog::new(MemoryStore::new());
    let bus = Bus::new(log.clone());
    let request = LeaseRequest::new(["x"]).ttl(Duration::from_millis(1));
    bus.lease_acquire(&"n".repeat(198), &request).await.unwrap();
    let long = LeaseRequest::new(["x"]).ttl(Duration::from_millis(1)).namespace("n".repeat(180));
    bus.lease_acquire("a", &long).await.unwrap();
    let beating =
        Agent::builder(log.clone(), "w").heartbeat(Duration::from_millis(20)).start().await.unwrap();
    await_events(&log, "lease:expired", 2).await;
    await_events(&log, "agent:heartbeat", 3).await;
    let told = bus.inbox("a", Inbox::len).await.unwrap();
    assert_eq!(told, 1, "whoever has an inbox is told");
    beating.stop("done").await.unwrap();
}

/// Story: others took an agent for dead while its store was away. It came back, and stayed dead to all for the rest of its
/// life.
#[tokio::test]
async fn an_agent_that_was_taken_for_dead_comes_back_also_when_that_fails_at_first() {
    let store = Shaky::new(&[]);
    let log = store.log();
    let agent = Agent::builder(log.clone(), "w").heartbeat(Duration::from_millis(500)).start().await.unwrap();
    let context = agent.me().taker().context_id.clone();
    store.fates.lock().unwrap().extend([Fate::Stored, Fate::Unavailable]);
    let buried =
        factlog_agents::vocabulary::AgentTerminated::new("w").reason("not heard of").context_id(context);
    log.append(factlog::TypedEvent::into_event(buried).unwrap()).await.unwrap();
    await_events(&log, "agent:spawned", 2).await;
    agent.stop("done").await.unwrap();
}

/// Story: seventy messages of one sender waited, and then a broadcast of the same: it was heard before the last of them.
#[tokio::test]
async fn a_broadcast_does_not_overtake_messages_of_its_sender() {
    let log = EventLog::new(MemoryStore::new());
    let bus = Bus::new(log.clone());
    for number in 0..70 {
        send(&bus, "a", "w", &number.to_string()).await;
    }
    let (heard, mut hears) = mpsc::unbounded_channel();
    let also = heard.clone();
    let (go_on, going_on) = watch::channel(false);
    let reader = Agent::builder(log.clone(), "w")
        .on_message(move |_me, message| {
            let (heard, mut going_on) = (heard.clone(), going_on.clone());
            async move {
                // The first is not done with before all that there is room for was taken.
                going_on.wait_for(|on| *on).await?;
                heard.send(message.text().unwrap()).map_err(Failed::from)
            }
        })
        .on_broadcast(move |_me, _message| {
            std::future::ready(also.send("all".to_owned()).map_err(Failed::from))
        })
        .start()
        .await
        .unwrap();
    let to_all = factlog_agents::bus::Body::Broadcast {
        topic: "t".to_owned(),
        content: factlog::Json::of(&"all").unwrap(),
        retain: false,
    };
    let broadcast = Message::new("a", "*".parse().unwrap(), to_all).priority(Priority::Normal);
    bus.send(broadcast).await.unwrap();
    await_events(&log, "inbox:offered", 1).await;
    // It has looked again since the broadcast came.
    send(&bus, "b", "w", "from another").await;
    go_on.send(true).unwrap();
    let mut order = Vec::new();
    while order.len() < 72 {
        order.push(tokio::time::timeout(PATIENCE, hears.recv()).await.unwrap().unwrap());
    }
    order.retain(|said| said != "from another");
    let mut expected: Vec<String> = (0..70).map(|number| number.to_string()).collect();
    expected.push("all".to_owned());
    assert_eq!(order, expected);
    reader.stop("done").await.unwrap();
}

/// Story: a handler of events panicked before it gave anything to wait for; its agent heard nothing more.
#[tokio::test]
async fn a_handler_of_events_that_panics_at_once_hears_the_next_one() {
    let log = EventLog::new(MemoryStore::new());
    let (heard, mut hears) = mpsc::unbounded_channel();
    let agent = Agent::builder(log.clone(), "w")
        .on_event(Filter::types(["alarm"]).unwrap(), move |_me, event| {
            assert!(event.data.as_str() != "1", "out of cheese");
            std::future::ready(heard.send(()).map_err(Failed::from))
        })
        .start()
        .await
        .unwrap();
    for number in [1, 2] {
        log.append(NewEvent::new("s", "alarm", number).unwrap()).await.unwrap();
    }
    tokio::time::timeout(PATIENCE, hears.recv()).await.unwrap().unwrap();
    agent.stop("done").await.unwrap();
}

/// Story: a request to whoever of a kind takes it was answered by hand, and was handed out again all the same. Asked again
/// under its id after the one who had answered was gone, it was said that nobody answers.
#[tokio::test]
async fn a_request_that_was_answered_is_done_with_everywhere_and_can_be_asked_again() {
    let log = EventLog::new(MemoryStore::new());
    let bus = Bus::new(log.clone());
    let worker = Agent::builder(log.clone(), "w").kind("worker").methods(["sum"]).start().await.unwrap();
    let mut request = Request::new("a", "type:worker".parse().unwrap(), "sum");
    request.id = Some("question".to_owned());
    let id = bus.ask(&request, false).await.unwrap();
    assert_eq!(bus.inbox("one-of:type:worker", Inbox::len).await.unwrap(), 1);
    assert!(bus.respond_to(&id, "w", Ok(factlog::Json::of(&4).unwrap())).await.unwrap());
    assert!(bus.inbox("one-of:type:worker", Inbox::is_empty).await.unwrap());
    worker.stop("done").await.unwrap();
    let again = bus.request(&request).await.unwrap();
    assert_eq!(again.outcome.unwrap().to::<i64>().unwrap(), 4);
}
