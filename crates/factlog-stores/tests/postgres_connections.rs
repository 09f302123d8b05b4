//! Connections that stand still or are given up in the middle, and what else happens between two statements.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod postgres;
mod proxy;
mod told;

use std::sync::Mutex;
use std::time::Duration;

use factlog::{Appended, Batch, Condition, ErrorKind, EventLog, Filter, NewEvent, Position, Read, Removal};
use factlog_stores::{Open, open};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use postgres::{Log, session};
use proxy::{Fate, Proxy, holds};
use told::{PATIENCE, verify_order};

/// What must be over long before it would be over by itself.
const SOON: Duration = Duration::from_secs(10);

fn event(event_type: &str) -> NewEvent {
    NewEvent::new("task-1", event_type, json!({})).unwrap()
}

/// A proxy that holds the first request with a text in it, and hands out what lets it go.
async fn holding(log: &Log, text: &'static str) -> (Proxy, mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
    let (held, holds_back) = mpsc::unbounded_channel();
    let held = Mutex::new(Some(held));
    let proxy = Proxy::before(log.server(), move |piece| {
        let Some(held) = held.lock().unwrap().take_if(|_| holds(piece, text)) else { return Fate::Pass };
        let (release, released) = oneshot::channel();
        held.send(release).unwrap();
        Fate::Hold(released)
    })
    .await;
    (proxy, holds_back)
}

async fn types(log: &EventLog, read: &Read) -> (Vec<String>, Position) {
    let page = log.store().read(read).await.unwrap();
    (page.events.iter().map(|event| event.event_type.to_string()).collect(), page.next)
}

/// The story: a reader of `task:*` asks which types there are, and then for the events of those. An event of a type that came
/// up in between was in neither answer, and the reader went on behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_a_type_that_comes_up_while_a_page_is_read_is_not_passed_over() {
    let Some(log) = Log::direct() else { return };
    let direct = open(log.url(), Open::Create).await.unwrap();
    // Where all types are meant, they need not be known.
    direct.append([event("agent:started"), event("task:created")]).await.unwrap();
    let (proxy, mut held) = holding(&log, "WITH candidates").await;
    let reading = open(log.by(proxy.url()).url(), Open::Existing).await.unwrap();
    let tasks = Filter::types(["task:*"]).unwrap();
    let first = tokio::spawn({
        let (reading, tasks) = (reading.clone(), tasks.clone());
        async move { types(&reading, &Read::after(tasks, Position::START)).await }
    });
    let release = timeout(PATIENCE, held.recv()).await.unwrap().expect("the page is asked for");
    direct.append(event("task:renamed")).await.unwrap();
    direct.append(event("task:created")).await.unwrap();
    release.send(()).unwrap();
    let (mut seen, next) = first.await.unwrap();
    seen.extend(types(&reading, &Read::after(tasks.clone(), next)).await.0);
    assert_eq!(seen, ["task:created", "task:renamed", "task:created"]);
    let (backwards, _) = types(&reading, &Read::before(tasks, Position::MAX)).await;
    assert_eq!(backwards, ["task:created", "task:renamed", "task:created"]);
    direct.close().await.unwrap();
}

/// The story: somebody gave up a removal that waited for the log's lock. Its connection went back to the others with its
/// transaction open, and appends that used it next were acknowledged, but never committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_is_given_up_takes_no_acknowledged_event_with_it() {
    let Some(log) = Log::direct() else { return };
    let url = log.with("pool_max=2&hints=off&health_interval_ms=0");
    let events = open(&url, Open::Create).await.unwrap();
    let mut acknowledged = vec![events.append(event("task:created")).await.unwrap().last()];
    let holder = session(log.server()).await;
    holder.batch_execute(&format!("BEGIN; {}", log.lock())).await.unwrap();
    let removal = tokio::spawn({
        let events = events.clone();
        let removal = Removal { filter: Filter::all(), through: Position(1), archive: None };
        async move { events.remove(&removal).await }
    });
    let watching = session(log.server()).await;
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'advisory' AND query LIKE '%set_config(''lock_timeout''%')";
    while !watching.query_one(waits, &[]).await.unwrap().get::<_, bool>(0) {}
    removal.abort();
    assert!(removal.await.unwrap_err().is_cancelled());
    holder.batch_execute("ROLLBACK").await.unwrap();
    for _ in 0..5 {
        acknowledged.push(timeout(SOON, events.append(event("task:changed"))).await.unwrap().unwrap().last());
    }
    events.close().await.unwrap();
    let again = open(log.url(), Open::Existing).await.unwrap();
    let there = again.read(Filter::all()).collect().await.unwrap();
    verify_order(&there);
    assert_eq!(there.iter().map(|event| event.position).collect::<Vec<_>>(), acknowledged);
}

/// The story: a server that hangs still takes connections; whoever opened one waited for ever.
#[tokio::test]
async fn a_server_that_takes_connections_and_says_nothing_is_unavailable_soon() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let url =
        format!("postgres://factlog@127.0.0.1:{port}/postgres?connect_timeout=1&attempts=2&retry_delay_ms=0");
    let opened = timeout(SOON, open(&url, Open::Existing)).await.expect("it waits for ever");
    let error = opened.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("is the server running")), "{error:?}");
}

/// Appends until there is an answer.
async fn again(events: &EventLog, batch: &Batch) -> Appended {
    let appended = async {
        loop {
            match events.append(batch.clone()).await {
                Ok(appended) => return appended,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
            }
        }
    };
    timeout(SOON, appended).await.expect("the log goes on")
}

/// The story: a batch with conditions whose connection stood still was waited for without an end, and with it all others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_with_conditions_on_a_connection_that_stands_still_is_given_up_and_others_go_on() {
    for text in ["BEGIN ISOLATION", "SELECT position, recorded_at FROM", "COMMIT"] {
        let Some(log) = Log::direct() else { return };
        open(log.url(), Open::Create).await.unwrap().close().await.unwrap();
        let (proxy, mut held) = holding(&log, text).await;
        let settings = "request_timeout_ms=400&attempts=1&health_interval_ms=0&hints=off";
        let events = open(&log.by(proxy.url()).with(settings), Open::Existing).await.unwrap();
        let none =
            Condition::NoneSince { filter: Filter::types(["task:closed"]).unwrap(), after: Position::START };
        let batch = Batch::new(vec![event("task:closed")]).unwrap().condition(none).unwrap();
        let given_up =
            timeout(SOON, events.append(batch.clone())).await.expect("it waits for ever").unwrap_err();
        assert_eq!(given_up.kind(), ErrorKind::Unavailable, "{text}: {given_up:?}");
        timeout(PATIENCE, held.recv()).await.unwrap().expect("it was held").send(()).unwrap();
        // Again with the same ids, as the hint says.
        let recorded = again(&events, &batch).await;
        let next = again(&events, &Batch::new(vec![event("task:reopened")]).unwrap()).await;
        assert_eq!((recorded.last(), next.last()), (Position(1), Position(2)), "{text}");
        events.close().await.unwrap();
    }
}
