//! Failures of logs in PostgreSQL that were measured elsewhere: each is shown as it happens there, and how it does not here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod postgres;
mod told;

use std::time::Duration;

use factlog::{Batch, EventLog, Expect, Filter, NewEvent, Position, Read, Version};
use factlog_stores::{Open, PostgresStore};
use serde_json::json;
use tokio::time::timeout;
use tokio_postgres::Client;

use cluster::Cluster;
use postgres::{Log, session, unique};
use told::{PATIENCE, verify_order};

/// A log and its store, which appends in transactions of the test's.
async fn open(log: &Log) -> (EventLog, std::sync::Arc<PostgresStore>) {
    let store = std::sync::Arc::new(PostgresStore::open(&log.options(), Open::Create).await.unwrap());
    (EventLog::on(store.clone()), store)
}

fn event(stream: &str, number: u64) -> NewEvent {
    NewEvent::new(stream, "order:placed", json!({"number": number})).unwrap()
}

fn batch(stream: &str, number: u64) -> Batch {
    Batch::new(vec![event(stream, number)]).unwrap()
}

async fn process_of(client: &Client) -> i32 {
    client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
}

/// Waits until a statement answers `true`.
async fn until(client: &Client, sql: &str) {
    let looked = async { while !client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0) {} };
    assert!(timeout(PATIENCE, looked).await.is_ok(), "it never came true: {sql}");
}

/// Whether somebody waits for the lock of this log.
fn waits(schema: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND objid = ('{schema}.events'::regclass::oid::bigint & 2147483647))"
    )
}

/// The story: positions from a sequence are taken before the commit, so that a row that is committed late appears behind
/// the cursors of those who have read on. They never see it, and nothing tells them.
#[tokio::test]
async fn an_append_that_is_committed_late_is_skipped_by_readers_of_a_sequence_and_not_by_ours() {
    let Some(log) = Log::direct() else { return };
    let (events, store) = open(&log).await;
    let (mut slow, quick) = (session(log.server()).await, session(log.server()).await);
    let naive = format!("{}.naive", log.schema());
    quick.batch_execute(&format!("CREATE TABLE {naive} (position bigserial, name text)")).await.unwrap();
    let insert = async |client: &Client, name: &str| {
        client.batch_execute(&format!("INSERT INTO {naive} (name) VALUES ('{name}')")).await.unwrap();
    };
    let read = async |after: i64| -> Vec<i64> {
        let sql = format!("SELECT position FROM {naive} WHERE position > $1 ORDER BY position");
        let rows = quick.query(&sql, &[&after]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };

    let late = slow.transaction().await.unwrap();
    late.batch_execute(&format!("INSERT INTO {naive} (name) VALUES ('late')")).await.unwrap();
    insert(&quick, "early").await;
    assert_eq!(read(0).await, [2], "a reader sees what is committed, and goes on after it");
    late.commit().await.unwrap();
    assert_eq!(
        read(2).await,
        [0_i64; 0],
        "the row at position 1 is there, and this reader will never see it"
    );

    let mut late = slow.transaction().await.unwrap();
    store.append_in(&mut late, batch("late-1", 1)).await.unwrap();
    let early = tokio::spawn({
        let events = events.clone();
        async move { events.append(event("early-1", 2)).await }
    });
    until(&quick, &waits(&log.schema())).await;
    let page = store_read(&events, Position::START).await;
    assert_eq!((page.len(), early.is_finished()), (0, false), "nobody overtakes an append that is open");
    late.commit().await.unwrap();
    assert_eq!(early.await.unwrap().unwrap().last(), Position(2));
    let streams: Vec<String> = store_read(&events, Position::START).await;
    assert_eq!(streams, ["late-1", "early-1"]);
    events.close().await.unwrap();
}

async fn store_read(log: &EventLog, after: Position) -> Vec<String> {
    let page = log.store().read(&Read::after(Filter::all(), after)).await.unwrap();
    page.events.iter().map(|event| event.stream.to_string()).collect()
}

/// The story: readers by the number of the transaction and then the position, up to the oldest transaction that is open,
/// miss nothing; but a transaction that began first may well append second.
#[tokio::test]
async fn a_streams_second_event_stands_before_its_first_by_transaction_numbers_and_not_by_our_positions() {
    let Some(log) = Log::direct() else { return };
    let (events, store) = open(&log).await;
    let (mut first, mut second) = (session(log.server()).await, session(log.server()).await);
    let numbered = format!("{}.numbered", log.schema());
    let table = format!(
        "CREATE TABLE {numbered} (number xid8 DEFAULT pg_current_xact_id(), position bigserial, version bigint)"
    );
    first.batch_execute(&table).await.unwrap();
    let insert = |version: u64| format!("INSERT INTO {numbered} (version) VALUES ({version})");

    let began_first = first.transaction().await.unwrap();
    began_first.batch_execute("SELECT pg_current_xact_id()").await.unwrap();
    second.batch_execute(&insert(1)).await.unwrap();
    began_first.batch_execute(&insert(2)).await.unwrap();
    began_first.commit().await.unwrap();
    let sql = format!(
        "SELECT version FROM {numbered} WHERE number < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY number, position"
    );
    // The oldest open transaction of the whole server decides what may be read.
    until(&second, &format!("SELECT count(*) = 2 FROM ({sql}) AS x")).await;
    let versions: Vec<i64> = second.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(versions, [2, 1], "this is how the second version is given out before the first");

    let mut began_first = first.transaction().await.unwrap();
    began_first.batch_execute("SELECT pg_current_xact_id()").await.unwrap();
    let mut began_second = second.transaction().await.unwrap();
    store.append_in(&mut began_second, batch("order-1", 1)).await.unwrap();
    began_second.commit().await.unwrap();
    let next = batch("order-1", 2).expect("order-1".parse().unwrap(), Expect::Version(Version(1))).unwrap();
    store.append_in(&mut began_first, next).await.unwrap();
    began_first.commit().await.unwrap();
    let all = events.read(Filter::all()).collect().await.unwrap();
    verify_order(&all);
    assert_eq!(all.iter().map(|event| event.version.0).collect::<Vec<_>>(), [1, 2]);
    events.close().await.unwrap();
}

/// The story: a log whose readers wait for the oldest transaction of the server stands still as long as anybody, in any
/// database, keeps one open.
#[tokio::test]
async fn a_write_transaction_that_somebody_left_open_elsewhere_stalls_neither_readers_nor_appends() {
    let Some(log) = Log::direct() else { return };
    let (events, _store) = open(&log).await;
    let (near, watching) = (session(log.server()).await, session(log.server()).await);
    let (database, other) = (unique(), unique());
    watching.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    watching.batch_execute(&format!("CREATE SCHEMA {other}")).await.unwrap();
    let far = session(log.in_database(&database).server()).await;
    let write = |table: &str| format!("CREATE TABLE {table} (id int); BEGIN; INSERT INTO {table} VALUES (1)");
    far.batch_execute(&write("orders")).await.unwrap();
    near.batch_execute(&write(&format!("{other}.orders"))).await.unwrap();
    let backends = [process_of(&far).await, process_of(&near).await].to_vec();

    let mut following = events.follow(Filter::all());
    for turn in 1..=20 {
        events.append(event("order-1", turn)).await.unwrap();
        let next = timeout(Duration::from_secs(5), following.next()).await.expect("a reader stands still");
        assert_eq!(next.unwrap().unwrap().position, Position(turn));
    }
    let open = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1) AND backend_xid IS NOT NULL";
    let open: i64 = watching.query_one(open, &[&backends]).await.unwrap().get(0);
    assert_eq!(open, 2, "both were open all the time");
    drop((near, far));
    events.close().await.unwrap();
    watching.batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
}

/// The story: `synchronous_commit=off` in a role or a database, set for something else, made acknowledged events that a
/// crash takes back.
#[tokio::test]
async fn an_append_waits_for_the_disk_where_a_database_or_a_role_has_switched_that_off() {
    let Some(given) = Log::direct() else { return };
    let admin = session(given.server()).await;
    let database = unique();
    admin.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    let off = format!("ALTER DATABASE {database} SET synchronous_commit = off");
    admin.batch_execute(&off).await.unwrap();
    let log = given.in_database(&database);
    let (events, store) = open(&log).await;
    let (mut client, schema) = (session(log.server()).await, log.schema());
    let witness = format!(
        "CREATE TABLE {schema}.seen (is_late boolean, setting text);
         CREATE FUNCTION {schema}.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO {schema}.seen VALUES (TG_ARGV[0]::boolean, current_setting('synchronous_commit'));
             RETURN NULL;
         END $$;
         CREATE TRIGGER see AFTER INSERT ON {schema}.events FOR EACH ROW EXECUTE FUNCTION {schema}.see('false');
         CREATE CONSTRAINT TRIGGER see_late AFTER INSERT ON {schema}.events DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION {schema}.see('true')"
    );
    client.batch_execute(&witness).await.unwrap();
    assert_eq!(client.query_one("SHOW synchronous_commit", &[]).await.unwrap().get::<_, &str>(0), "off");

    events.append(event("order-1", 1)).await.unwrap();
    let since =
        factlog::Condition::NoneSince { filter: Filter::types(["order:paid"]).unwrap(), after: Position(1) };
    events.append(batch("order-1", 2).condition(since).unwrap()).await.unwrap();
    let mut transaction = client.transaction().await.unwrap();
    store.append_in(&mut transaction, batch("order-1", 3)).await.unwrap();
    transaction.commit().await.unwrap();
    let removal = factlog::Removal { filter: Filter::all(), through: Position(1), archive: None };
    events.remove(&removal).await.unwrap();

    let seen = client.query(&format!("SELECT is_late, setting FROM {schema}.seen"), &[]).await.unwrap();
    let seen: Vec<(bool, String)> = seen.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(seen.iter().filter(|(is_late, _)| *is_late).count(), 4, "{seen:?}");
    assert!(seen.iter().all(|(_, setting)| setting == "on"), "{seen:?}");
    events.close().await.unwrap();
    drop(client);
    admin.batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
}

/// The story: a transaction that notifies holds a lock of the whole database while it is committed, so that appends which
/// notify are committed one after the other, each with its own wait for the disk.
///
/// A standby that never answers makes one such commit last as long as the test wants.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_go_on_while_somebody_elses_notification_is_being_committed() {
    if let Err(reason) = Cluster::programs() {
        assert!(cfg!(windows) || std::env::var_os("CI").is_none(), "{reason}");
        eprintln!("skipped: {reason}");
        return;
    }
    let cluster = tokio::task::block_in_place(Cluster::start).unwrap();
    let server = cluster.url();
    let (watching, notifying) = (session(&server).await, session(&server).await);
    // Appends of this log do not wait for a standby.
    watching.batch_execute("ALTER ROLE factlog SET synchronous_commit = local").await.unwrap();
    let log = Log::new(&server);
    let (events, _store) = open(&log).await;
    watching.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await.unwrap();
    watching.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    until(&watching, "SELECT current_setting('synchronous_standby_names') = 'nobody'").await;
    notifying.batch_execute("SET synchronous_commit = on").await.unwrap();
    let stuck = tokio::spawn(async move {
        notifying.batch_execute("BEGIN; CREATE TABLE something (); NOTIFY somebody; COMMIT").await
    });
    let held =
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass
                    AND objid = 0 AND mode = 'AccessExclusiveLock' AND granted)";
    until(&watching, held).await;

    let notifies = session(&server).await;
    notifies.batch_execute("SET lock_timeout = 500").await.unwrap();
    let append_and_notify = "BEGIN; CREATE TABLE anything (); NOTIFY somebody; COMMIT";
    let refused = notifies.batch_execute(append_and_notify).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "55P03", "whoever notifies waits: {refused}");

    for turn in 1..=20 {
        let appended = timeout(Duration::from_secs(5), events.append(event("order-1", turn))).await;
        assert_eq!(appended.expect("an append waits").unwrap().last(), Position(turn));
    }
    assert!(watching.query_one(held, &[]).await.unwrap().get::<_, bool>(0), "the lock was held all the time");
    stuck.abort();
}

/// The story: a filter of more streams than are looked up by an index, and of a pattern of types, found nothing, and said that
/// this was all.
#[tokio::test]
async fn a_filter_of_many_streams_and_a_pattern_of_types_finds_what_it_means() {
    let Some(log) = Log::direct() else { return };
    let log = factlog_stores::open(log.url(), Open::Create).await.unwrap();
    for stream in ["s-1", "s-70"] {
        log.append(NewEvent::new(stream, "file:read", json!({})).unwrap()).await.unwrap();
        log.append(NewEvent::new(stream, "task:created", json!({})).unwrap()).await.unwrap();
    }
    for streams in [64, 65, 70] {
        let names = (1..=streams).map(|number| format!("s-{number}").parse().unwrap());
        let filter = Filter { streams: names.collect(), ..Filter::types(["file:*"]).unwrap() };
        let found = log.read(filter).collect().await.unwrap().len();
        assert_eq!(found, if streams == 70 { 2 } else { 1 }, "{streams} streams");
    }
    log.close().await.unwrap();
}
