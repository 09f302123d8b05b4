//! What a store in PostgreSQL refuses, and what it says then: nothing is recorded, and the next step is told.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod postgres;
mod told;

use std::sync::Arc;
use std::time::Duration;

use factlog::{
    Batch, Condition, Error, ErrorKind, EventLog, Expect, Filter, NewEvent, Position, Removal, Version,
};
use factlog_stores::postgres::Migrations;
use factlog_stores::{Open, PostgresOptions, PostgresStore, open};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::{Client, IsolationLevel};

use postgres::{Log, session, unique};
use told::{PATIENCE, verify_order};

/// Far less than what is waited for without the settings of these tests.
const SOON: Duration = Duration::from_secs(5);

fn event(stream: &str) -> NewEvent {
    NewEvent::new(stream, "task:changed", json!({})).unwrap()
}

fn batch(stream: &str) -> Batch {
    Batch::new(vec![event(stream)]).unwrap()
}

async fn create(url: &str) -> EventLog {
    open(url, Open::Create).await.unwrap()
}

/// That the next step is told in these words.
fn hints(error: &Error, words: &str) {
    assert!(error.hint().is_some_and(|hint| hint.contains(words)), "{error:?}");
}

/// The story: whoever owns the tables changed an event by hand, and nothing in the log told of it.
#[tokio::test]
async fn not_even_the_owner_changes_or_deletes_events_but_a_removal_does() {
    let Some(log) = Log::direct() else { return };
    let events = create(log.url()).await;
    events.append([event("task-1"), event("task-1"), event("task-2")]).await.unwrap();
    let owner = session(log.server()).await;
    let schema = log.schema();
    for change in [
        format!("UPDATE {schema}.events SET data = '{{}}' WHERE position = 1"),
        format!("DELETE FROM {schema}.events WHERE position = 1"),
        format!("DELETE FROM {schema}.events"),
        format!("TRUNCATE {schema}.events"),
        format!("TRUNCATE {schema}.events CASCADE"),
    ] {
        let refused = owner.batch_execute(&change).await.unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "23001", "{change}: {refused}");
        let hint = refused.as_db_error().unwrap().hint().unwrap();
        assert!(hint.contains("factlog retention"), "{hint}");
    }
    let removal =
        Removal { filter: Filter::stream("task-1".parse().unwrap()), through: Position(3), archive: None };
    assert_eq!(events.remove(&removal).await.unwrap().count, 2);
    let report = events.check().await.unwrap();
    assert_eq!((report.events, report.removed), (2, 2), "{report:?}");
    assert_eq!((report.problems.len(), report.warnings.len()), (0, 0), "{report:?}");
}

/// The story: many decide on the same state at once. One of them is first; the others must hear of it, every time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_who_expect_the_same_version_exactly_one_is_recorded() {
    const RIVALS: usize = 16;
    const TURNS: u64 = 15;
    let Some(log) = Log::direct() else { return };
    let stores = [create(log.url()).await, create(log.url()).await];
    let mut last = Version::NONE;
    for turn in 1..=TURNS {
        let mut rivals = JoinSet::new();
        for rival in 0..RIVALS {
            let (store, batch) = (stores[rival % 2].clone(), batch("contested-1"));
            let batch = batch.expect("contested-1".parse().unwrap(), Expect::Version(last)).unwrap();
            rivals.spawn(async move { store.append(batch).await });
        }
        let outcomes = rivals.join_all().await;
        let (first, others): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!((first.len(), others.len()), (1, RIVALS - 1));
        for error in others.into_iter().map(Result::unwrap_err) {
            assert_eq!(
                (error.kind(), error.actual()),
                (ErrorKind::Conflict, Some(Version(turn))),
                "{error:?}"
            );
        }
        last = Version(turn);
    }
    let all = stores[0].read(Filter::all()).collect().await.unwrap();
    verify_order(&all);
    assert_eq!(all.len() as u64, TURNS);
}

/// The story: the largest event that a log takes did not fit into one request, or held up the small ones beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_events_are_taken_and_larger_ones_are_refused_without_the_server() {
    let Some(log) = Log::direct() else { return };
    let events = create(log.url()).await;
    let of_bytes = |bytes: usize| NewEvent::new("image-1", "image:taken", "x".repeat(bytes - 2));
    let most = factlog::limits::DATA_BYTES_MAX;
    let batches = (0..3).map(|number| match number {
        1 => Batch::new((0..factlog::limits::BATCH_EVENTS_MAX).map(|_| event("small-1")).collect()),
        _ => Batch::new(vec![of_bytes(most).unwrap(), event("small-1")]),
    });
    let outcomes = events.append_each(batches.collect::<Result<_, _>>().unwrap()).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let large = events.read(Filter::stream("image-1".parse().unwrap())).collect().await.unwrap();
    assert_eq!(large.len(), 2);
    assert!(large.iter().all(|event| event.data.as_str().len() == most));
    let too_large = events.append(of_bytes(most + 1).unwrap()).await.unwrap_err();
    assert_eq!(too_large.kind(), ErrorKind::Invalid, "{too_large:?}");
    let head = events.newest().await.unwrap();
    assert_eq!(head.0, 2 * 2 + factlog::limits::BATCH_EVENTS_MAX as u64);
}

/// All ways to write, each of which needs the log's lock.
async fn write_all_ways(events: &EventLog) -> Vec<Error> {
    let none = Condition::NoneSince { filter: Filter::types(["task:closed"]).unwrap(), after: Position(1) };
    let conditional = batch("task-1").condition(none).unwrap();
    let removal = Removal { filter: Filter::all(), through: Position(1), archive: None };
    vec![
        timeout(SOON, events.append(event("task-1"))).await.expect("an append waits").unwrap_err(),
        timeout(SOON, events.append(conditional)).await.expect("a condition waits").unwrap_err(),
        timeout(SOON, events.remove(&removal)).await.expect("a removal waits").unwrap_err(),
    ]
}

/// The story: a process that hung while it held the log's lock made all others hang.
#[tokio::test]
async fn while_somebody_holds_the_log_writers_are_told_so_in_time_and_nothing_is_recorded_later() {
    let Some(log) = Log::direct() else { return };
    let before = create(log.url()).await.append(event("task-1")).await.unwrap().last();
    let (holder, watching) = (session(log.server()).await, session(log.server()).await);
    let application = unique();
    for settings in ["lock_wait_ms=300", "lock_wait_ms=60000&request_timeout_ms=500&attempts=3"] {
        holder.batch_execute(&format!("BEGIN; {}", log.lock())).await.unwrap();
        let events = create(&log.with(&format!("{settings}&application_name={application}"))).await;
        for error in write_all_ways(&events).await {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{settings}: {error:?}");
            assert!(error.hint().is_some(), "{settings}: {error:?}");
        }
        until_nobody_asks(&watching, &application).await;
        holder.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(events.newest().await.unwrap(), before, "{settings}: what was refused is recorded");
    }
    let after = create(log.url()).await.append(event("task-1")).await.unwrap();
    assert_eq!(after.last(), Position(before.0 + 1));
}

/// Waits until no request of an application is being worked at.
async fn until_nobody_asks(client: &Client, application: &str) {
    let asks = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock')";
    let over = async { while client.query_one(asks, &[&application]).await.unwrap().get::<_, bool>(0) {} };
    assert!(timeout(PATIENCE, over).await.is_ok(), "a request goes on that was given up");
}

/// The story: a transaction that sees the tables as they were when it began gives its events the positions of others.
#[tokio::test]
async fn a_transaction_that_sees_an_old_state_of_the_log_does_not_append() {
    let Some(log) = Log::direct() else { return };
    let store = Arc::new(PostgresStore::open(&log.options(), Open::Create).await.unwrap());
    let events = EventLog::on(store.clone());
    let mut client = session(log.server()).await;
    for isolation in [IsolationLevel::RepeatableRead, IsolationLevel::Serializable] {
        let mut transaction = client.build_transaction().isolation_level(isolation).start().await.unwrap();
        let error = store.append_in(&mut transaction, batch("task-1")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        hints(&error, "READ COMMITTED");
        transaction.rollback().await.unwrap();
    }
    assert_eq!(events.newest().await.unwrap(), Position::START);
}

/// The story: a transaction that is undone leaves a gap behind, and readers that wait for it.
#[tokio::test]
async fn an_append_in_a_transaction_that_is_rolled_back_leaves_nothing_and_its_position_to_the_next() {
    let Some(log) = Log::direct() else { return };
    let store = Arc::new(PostgresStore::open(&log.options(), Open::Create).await.unwrap());
    let events = EventLog::on(store.clone());
    let mut client = session(log.server()).await;
    let orders = format!("{}.orders", log.schema());
    client.batch_execute(&format!("CREATE TABLE {orders} (id int)")).await.unwrap();
    let mut transaction = client.transaction().await.unwrap();
    transaction.batch_execute(&format!("INSERT INTO {orders} VALUES (1)")).await.unwrap();
    let undone = store.append_in(&mut transaction, batch("order-1")).await.unwrap();
    transaction.rollback().await.unwrap();
    let next = events.append(event("order-2")).await.unwrap();
    assert_eq!((undone.last(), next.last()), (Position(1), Position(1)));
    let all = events.read(Filter::all()).collect().await.unwrap();
    assert_eq!(all.iter().map(|event| event.stream.to_string()).collect::<Vec<_>>(), ["order-2"]);
    let rows = client.query_one(&format!("SELECT count(*) FROM {orders}"), &[]).await.unwrap();
    assert_eq!(rows.get::<_, i64>(0), 0);
}

/// What of a log is in the catalogue: its indexes and its triggers, without their prefix.
async fn objects(client: &Client, schema: &str, prefix: &str) -> Vec<String> {
    let sql = "SELECT i.indexname FROM pg_indexes i WHERE i.schemaname = $1 AND starts_with(i.tablename, $2)
               UNION ALL
               SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
               WHERE NOT t.tgisinternal AND c.relnamespace = $1::regnamespace AND starts_with(c.relname, $2)
               UNION ALL
               SELECT p.proname FROM pg_proc p WHERE p.pronamespace = $1::regnamespace AND starts_with(p.proname, $2)";
    let rows = client.query(sql, &[&schema, &prefix]).await.unwrap();
    let mut names: Vec<String> =
        rows.iter().map(|row| row.get::<_, &str>(0).strip_prefix(prefix).unwrap().to_owned()).collect();
    names.sort_unstable();
    names
}

/// The story: names of indexes are of the schema. The second log of one, whose indexes had the names of the first, had none.
#[tokio::test]
async fn two_logs_with_prefixes_in_one_schema_have_all_that_is_theirs_and_touch_nothing_else() {
    let Some(log) = Log::direct() else { return };
    let urls = ["team_a", "team_b"].map(|prefix| log.with(&format!("prefix={prefix}")));
    let (first, second) = (create(&urls[0]).await, create(&urls[1]).await);
    first.append([event("task-1"), event("task-1")]).await.unwrap();
    second.append(event("task-9")).await.unwrap();
    let owner = session(log.server()).await;
    let schema = log.schema();
    let of_first = objects(&owner, &schema, "team_a_").await;
    assert_eq!(of_first, objects(&owner, &schema, "team_b_").await);
    for name in ["events_by_id", "events_by_stream", "events_by_type", "keep_all_events", "append_events"] {
        assert!(of_first.iter().any(|object| object == name), "{name}: {of_first:?}");
    }
    let removal = Removal { filter: Filter::all(), through: Position(2), archive: None };
    assert_eq!(first.remove(&removal).await.unwrap().count, 2);
    // What lets a removal delete from one log does so from that one only.
    let sneaky = format!("SET factlog.removing = '{schema}.team_a_'; DELETE FROM {schema}.team_b_events");
    assert_eq!(owner.batch_execute(&sneaky).await.unwrap_err().code().unwrap().code(), "23001");
    first.close().await.unwrap();
    Migrations::of(PostgresOptions::new(&urls[0]).unwrap()).await.unwrap().down(0).await.unwrap();
    let report = second.check().await.unwrap();
    assert_eq!((report.head, report.events, report.removed), (Position(1), 1, 0), "{report:?}");
    assert_eq!(second.append(event("task-9")).await.unwrap().events[0].version, Version(2));
    assert_eq!(objects(&owner, &schema, "team_a_").await, Vec::<String>::new());
}
