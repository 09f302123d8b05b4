//! What is promised of those who subscribe to events.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use factlog::{Event, EventLog, Filter, MemoryStore, NewEvent, Position, Priority};
use factlog_agents::Bus;
use factlog_agents::bus::{HandlerError, Subscription};
use factlog_agents::vocabulary::SubscriptionParked;
use factlog_stores::Open;
use serde_json::json;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(60);

fn memory() -> (EventLog, Bus) {
    let log = EventLog::new(MemoryStore::new());
    (log.clone(), Bus::new(log))
}

fn number(number: u64) -> NewEvent {
    NewEvent::new(&format!("task-{}", number % 7), "task:created", json!({"number": number})).unwrap()
}

fn number_of(event: &Event) -> u64 {
    event.data.to::<BTreeMap<String, u64>>().unwrap()["number"]
}

/// What a handler hears, for the test to look at.
struct Heard<T>(mpsc::UnboundedReceiver<T>);

impl<T> Heard<T> {
    async fn next(&mut self) -> T {
        tokio::time::timeout(PATIENCE, self.0.recv()).await.expect("something is heard").unwrap()
    }

    async fn take(&mut self, count: usize) -> Vec<T> {
        let mut heard = Vec::new();
        while heard.len() < count {
            heard.push(self.next().await);
        }
        heard
    }
}

type Handled = std::future::Ready<Result<(), HandlerError>>;

fn numbers() -> (impl Fn(Arc<Event>) -> Handled + Clone, Heard<u64>) {
    let (heard, hears) = mpsc::unbounded_channel();
    let handle = move |event: Arc<Event>| {
        std::future::ready(heard.send(number_of(&event)).map_err(HandlerError::from))
    };
    (handle, Heard(hears))
}

/// Story (A6): a filter of priorities also passed events that had none.
#[tokio::test]
async fn only_what_the_filter_and_the_condition_mean_is_heard() {
    let (log, bus) = memory();
    let (handle, mut heard) = numbers();
    let urgent = Filter { priorities: vec![Priority::High], ..Filter::types(["task:*"]).unwrap() };
    let subscription =
        bus.subscribe(urgent).condition("data.number % 2 == 0").unwrap().start(handle).await.unwrap();
    for (n, priority) in
        [(1, Some(Priority::High)), (2, None), (3, Some(Priority::High)), (4, Some(Priority::High))]
    {
        log.append(NewEvent { priority, ..number(n) }).await.unwrap();
    }
    assert_eq!(heard.next().await, 4);
    let mut now = subscription.statistics();
    while now.handled < 1 {
        tokio::task::yield_now().await;
        now = subscription.statistics();
    }
    assert_eq!((now.received, now.passed_over, now.handled, now.failures), (3, 2, 1, 0));
    assert!(bus.subscribe(Filter::all()).condition("data.(").is_err());
}

/// Story: history was fetched apart from what came, and what came in between was missed or heard twice.
#[tokio::test]
async fn history_comes_first_and_then_what_comes_without_a_gap() {
    let (log, bus) = memory();
    for n in 1..=5 {
        log.append(number(n)).await.unwrap();
    }
    let (all, mut of_all) = numbers();
    let (last, mut of_last) = numbers();
    let (now, mut of_now) = numbers();
    let first = bus.subscribe(Filter::all()).after(Position::START).start(all).await.unwrap();
    let second = bus.subscribe(Filter::all()).last(2).start(last).await.unwrap();
    let third = bus.subscribe(Filter::all()).start(now).await.unwrap();
    log.append(number(6)).await.unwrap();
    assert_eq!(of_all.take(6).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(of_last.take(3).await, [4, 5, 6]);
    assert_eq!(of_now.take(1).await, [6]);
    drop((first, second, third));
}

#[tokio::test]
async fn of_those_who_wait_the_one_of_higher_priority_is_given_an_event_first() {
    let (log, bus) = memory();
    let (heard, hears) = mpsc::unbounded_channel();
    let mut heard_by = Heard(hears);
    let mut subscriptions: Vec<Subscription> = Vec::new();
    for (name, priority) in [("low", -1), ("usual", 0), ("high", 10)] {
        let heard = heard.clone();
        let handle = move |event: Arc<Event>| {
            std::future::ready(heard.send((number_of(&event), name)).map_err(HandlerError::from))
        };
        subscriptions.push(bus.subscribe(Filter::all()).priority(priority).start(handle).await.unwrap());
    }
    for n in 1..=50 {
        log.append(number(n)).await.unwrap();
        let order: Vec<&str> = heard_by.take(3).await.into_iter().map(|(_, name)| name).collect();
        // All are idle again before the next one comes, as each was heard of.
        if n > 1 {
            assert_eq!(order, ["high", "usual", "low"], "event {n}");
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_that_is_paused_misses_nothing_and_one_that_is_slow_keeps_nobody_waiting() {
    let (log, bus) = memory();
    let (handle, mut heard) = numbers();
    let paused = bus.subscribe(Filter::all()).priority(10).start(handle).await.unwrap();
    paused.pause();
    let (other, mut of_other) = numbers();
    let quick = bus.subscribe(Filter::all()).start(other).await.unwrap();
    for n in 1..=3 {
        log.append(number(n)).await.unwrap();
    }
    assert_eq!(of_other.take(3).await, [1, 2, 3]);
    assert!(heard.0.try_recv().is_err());
    paused.resume();
    assert_eq!(heard.take(3).await, [1, 2, 3]);
    drop(quick);
}

/// Story: what a handler could not handle was lost, or stopped all that came after it.
#[tokio::test]
async fn what_fails_is_tried_again_in_its_order_and_left_behind_with_a_record_when_that_is_no_use() {
    let (log, bus) = memory();
    let (heard, hears) = mpsc::unbounded_channel();
    let mut heard_by = Heard(hears);
    let handle = move |event: Arc<Event>| {
        let n = number_of(&event);
        let heard = heard.clone();
        async move {
            heard.send(n)?;
            if n == 2 { Err("two is odd".into()) } else { Ok(()) }
        }
    };
    let subscription = bus
        .subscribe(Filter::types(["task:*"]).unwrap())
        .durable("counter")
        .attempts(3, Duration::from_millis(1))
        .start(handle)
        .await
        .unwrap();
    for n in 1..=3 {
        log.append(number(n)).await.unwrap();
    }
    assert_eq!(heard_by.take(5).await, [1, 2, 2, 2, 3]);
    let mut parked = log.follow(Filter::types(["subscription:parked"]).unwrap());
    let event = tokio::time::timeout(PATIENCE, parked.next()).await.unwrap().unwrap().unwrap();
    let said: SubscriptionParked = event.data.to().unwrap();
    assert_eq!(
        (said.name.as_str(), said.error.as_deref(), said.position),
        ("counter", Some("two is odd"), Some(2))
    );
    assert_eq!((subscription.statistics().failures, subscription.statistics().parked), (3, 1));
}

/// Story: after a restart a subscriber began anew, or with what came then.
#[tokio::test]
async fn a_durable_one_goes_on_where_it_has_stopped_in_another_process_too() {
    let folder = tempfile::tempdir().unwrap();
    let (log, other) = (open(&folder).await, open(&folder).await);
    let (handle, mut heard) = numbers();
    let subscribe =
        |log: &EventLog| Bus::new(log.clone()).subscribe(Filter::types(["task:*"]).unwrap()).durable("d");
    let first = subscribe(&log).start(handle.clone()).await.unwrap();
    for n in 1..=3 {
        log.append(number(n)).await.unwrap();
    }
    assert_eq!(heard.take(3).await, [1, 2, 3]);
    // Its place is saved once nothing is left to do.
    let mut places = log.health().await.followers;
    while places.first().is_none_or(|place| place.position < Position(3)) {
        tokio::task::yield_now().await;
        places = log.health().await.followers;
    }
    drop(first);
    for n in 4..=5 {
        log.append(number(n)).await.unwrap();
    }
    let again = subscribe(&other).start(handle.clone()).await.unwrap();
    assert_eq!(heard.take(2).await, [4, 5], "nothing twice, and nothing left out");
    drop(again);
}

async fn open(folder: &tempfile::TempDir) -> EventLog {
    let url = format!("sqlite:{}", folder.path().join("agents.db").display());
    factlog_stores::open(&url, Open::Create).await.unwrap()
}

/// Story: two workers of one group did the same, or neither did; when one died, its share was nobody's.
#[tokio::test]
async fn a_group_shares_its_events_each_stream_in_order_and_takes_over_from_one_that_dies() {
    let folder = tempfile::tempdir().unwrap();
    let logs = [open(&folder).await, open(&folder).await, open(&folder).await];
    let (heard, hears) = mpsc::unbounded_channel();
    let mut heard_by = Heard(hears);
    let mut members = Vec::new();
    for (index, log) in logs.iter().enumerate() {
        let heard = heard.clone();
        let handle = move |event: Arc<Event>| {
            let said = (event.stream.to_string(), number_of(&event), index);
            std::future::ready(heard.send(said).map_err(HandlerError::from))
        };
        let member = Bus::new(log.clone())
            .subscribe(Filter::types(["task:*"]).unwrap())
            .after(Position::START)
            .group("workers", &format!("m-{index}"))
            .lease(Duration::from_millis(900))
            .start(handle)
            .await
            .unwrap();
        members.push(member);
    }
    for n in 0..60 {
        logs[0].append(number(n)).await.unwrap();
    }
    // A member that dies takes nothing with it: its parts run out, and the others go on from where it stopped.
    let mut by_stream: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut killed = false;
    while seen.len() < 120 {
        let (stream, n, _) = heard_by.next().await;
        if seen.insert(n) {
            by_stream.entry(stream).or_default().push(n);
        }
        if seen.len() >= 30 && !killed {
            killed = true;
            drop(members.remove(0));
            for n in 60..120 {
                logs[1].append(number(n)).await.unwrap();
            }
        }
    }
    for (stream, numbers) in by_stream {
        assert!(numbers.is_sorted(), "{stream} comes in its order: {numbers:?}");
    }
}
