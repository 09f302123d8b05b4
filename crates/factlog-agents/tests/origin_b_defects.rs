//! What the PostgreSQL event store of origin B got wrong, each as a test that names it, at a real server (FACTS B.5).
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

#[path = "../../factlog-stores/tests/postgres/mod.rs"]
mod postgres;

use factlog::{
    Count, ErrorKind, EventLog, Filter, GroupBy, Moment, NewEvent, Removal, TimeRange, Timestamp, Version,
};
use factlog_agents::projections::Tasks;
use factlog_agents::recorder::{Query, Recorder};
use factlog_agents::statistics::statistics;
use factlog_agents::{Configuration, Preset};
use factlog_stores::postgres::Migrations;
use factlog_stores::{Open, PostgresOptions, PostgresStore, open};
use postgres::Log;
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

/// What a person with `psql` would have.
async fn psql(url: &str) -> Client {
    let options = PostgresOptions::new(url).unwrap();
    let (client, connection) = options.config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn one<T: for<'a> tokio_postgres::types::FromSql<'a>>(client: &Client, sql: &str) -> T {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

fn schema_of(url: &str) -> String {
    PostgresOptions::new(url).unwrap().names.schema().to_owned()
}

/// Story (P1): `initialize()` called a function that did not exist, health was always bad, and `close()` threw.
#[tokio::test]
async fn p1_a_log_opens_is_healthy_and_closes() {
    let Some(place) = Log::direct() else { return };
    let log = open(place.url(), Open::Create).await.unwrap();
    log.append(NewEvent::new("task-1", "task:created", json!({})).unwrap()).await.unwrap();
    let health = log.health().await;
    assert!(health.healthy && health.connections.unwrap().connected, "{health:?}");
    log.close().await.unwrap();
    log.close().await.unwrap();
}

/// Story (P2): the settings had another shape than was read, so that prefix, batch, pool and database were other ones.
#[tokio::test]
async fn p2_every_setting_that_is_configured_is_in_force() {
    let Some(place) = Log::direct() else { return };
    let set = |name: &str| match name {
        "EVENT_TABLE_PREFIX" => Some("my_app_events".to_owned()),
        "POSTGRES_MAX_CONNECTIONS" => Some("7".to_owned()),
        _ => None,
    };
    let configuration = Configuration::read(Some(Preset::Development), &set).unwrap();
    let url = configuration.with_settings(place.url());
    let options = PostgresOptions::new(&url).unwrap();
    assert_eq!((options.pool_max, options.pool_min, options.batch_events), (7, 2, 50));
    assert_eq!(options.attempts, 3);
    let log = open(&url, Open::Create).await.unwrap();
    assert_eq!(log.health().await.connections.unwrap().max, 7);
    let sql = format!("SELECT to_regclass('{}.my_app_events_events') IS NOT NULL", schema_of(&url));
    assert!(one::<bool>(&psql(&url).await, &sql).await, "the tables have the prefix");
    log.close().await.unwrap();
}

/// Story (P3): the queue for batches was never filled, and retries, limits and switches were read by nothing.
#[tokio::test]
async fn p3_batches_are_written_and_switches_are_read() {
    let Some(place) = Log::direct() else { return };
    let log = open(place.url(), Open::Create).await.unwrap();
    let set = |name: &str| match name {
        "EVENT_BATCH_SIZE" => Some("10".to_owned()),
        "EVENT_AUTO_CAPTURE_DEPLOYMENTS" => Some("false".to_owned()),
        _ => None,
    };
    let configuration = Configuration::read(Some(Preset::Test), &set).unwrap();
    let recorder = configuration.recorder(log.clone()).build().unwrap();
    for number in 0..30 {
        recorder.record("task:started", json!({"id": number.to_string(), "name": "Work"})).await.unwrap();
    }
    assert!(recorder.record("deployment:started", json!({"id": "d"})).await.unwrap().is_none());
    recorder.close().await.unwrap();
    let events = log.read(Filter::all()).collect().await.unwrap();
    assert_eq!(events.len(), 30);
    let mut moments: Vec<_> = events.iter().map(|event| event.recorded_at).collect();
    moments.dedup();
    assert!(moments.len() <= 3, "30 events are 3 batches of 10, and not {}", moments.len());
    let switched_off = |name: &str| (name == "EVENT_INTEGRATION_ENABLED").then(|| "false".to_owned());
    let off = Configuration::read(None, &switched_off).unwrap().recorder(log.clone()).build().unwrap();
    assert!(off.record("task:started", json!({"id": "1"})).await.unwrap().is_none());
    log.close().await.unwrap();
}

/// Story (P4): statistics without a date ended in a syntax error, and the README shows exactly that call.
#[tokio::test]
async fn p4_statistics_need_no_date() {
    let Some(place) = Log::direct() else { return };
    let log = open(place.url(), Open::Create).await.unwrap();
    let event =
        NewEvent::new("task-1", "task:completed", json!({"taskId": "1", "durationMs": 1500})).unwrap();
    log.append(event).await.unwrap();
    let all = statistics(&log, &Filter::all()).await.unwrap();
    assert_eq!((all.total, all.by_type["task:completed"], all.durations.average_ms), (1, 1, Some(1500.0)));
    let since = TimeRange { from: Some(Timestamp::from_micros(0).unwrap()), to: None };
    assert_eq!(statistics(&log, &Filter { time: since, ..Filter::all() }).await.unwrap(), all);
    let by = vec![GroupBy::Type, GroupBy::Source];
    let groups = log.count(Count { filter: Filter::all(), by }).await.unwrap();
    assert_eq!((groups.len(), groups[0].count), (1, 1));
    log.close().await.unwrap();
}

/// Story (P5): an order, a direction and a prefix were put into the text of the statement: a sleep of the server was one.
#[tokio::test]
async fn p5_nothing_that_is_asked_for_becomes_sql() {
    let Some(place) = Log::direct() else { return };
    let log = open(place.url(), Open::Create).await.unwrap();
    let hostile = "x'; DROP SCHEMA public CASCADE; SELECT pg_sleep(60); --";
    let event = NewEvent::new(hostile, hostile, json!({"text": hostile})).unwrap();
    log.append(event.with_source(hostile).unwrap().with_tag(hostile).unwrap()).await.unwrap();
    let fields =
        ["streams", "types", "sources", "targets", "correlation", "session", "user", "tags", "files"];
    for field in fields {
        let filter: Filter = serde_json::from_value(json!({ field: [hostile] })).unwrap();
        let expected = usize::from(["streams", "types", "sources", "tags"].contains(&field));
        assert_eq!(log.read(filter.clone()).collect().await.unwrap().len(), expected, "{field}");
        let by = vec![GroupBy::Type];
        assert_eq!(log.count(Count { filter, by }).await.unwrap().len(), expected, "{field}");
    }
    let text = Filter { text: Some("sleep(60)".to_owned()), ..Filter::all() };
    assert_eq!(log.read(text).collect().await.unwrap().len(), 1);
    for setting in ["prefix=a%22%3B%20DROP%20TABLE%20x", "schema=a%27b"] {
        let error = format!("postgres://h/d?{setting}").parse::<factlog_stores::StoreUrl>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    log.close().await.unwrap();
}

/// Story (P6): started and completed back to back were stored the other way round, without name, agent and duration.
#[tokio::test]
async fn p6_a_task_that_ends_at_once_is_stored_in_its_order_and_whole() {
    let Some(place) = Log::direct() else { return };
    let log = open(place.url(), Open::Create).await.unwrap();
    let recorder = Recorder::builder(log.clone()).build().unwrap();
    let started = json!({"id": "task-123", "name": "Process Data", "agentId": "agent-456"});
    recorder.record("task:started", started).await.unwrap();
    recorder.record("task:completed", json!({"id": "task-123", "output": {"processed": 100}})).await.unwrap();
    recorder.close().await.unwrap();
    let events = log.read(Filter::all()).collect().await.unwrap();
    let types: Vec<&str> = events.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(types, ["task:started", "task:completed"]);
    let completed: Value = events[1].data.to().unwrap();
    assert_eq!((&completed["title"], &completed["agentId"]), (&json!("Process Data"), &json!("agent-456")));
    assert!(completed["durationMs"].is_u64());
    assert_eq!(recorder.status().tracked_tasks, 0);
    log.close().await.unwrap();
}

/// Story (P7): an event without an id was lost, and nobody was told.
#[tokio::test]
async fn p7_an_event_without_an_id_gets_one_and_what_is_refused_is_told() {
    let Some(place) = Log::direct() else { return };
    let log = open(place.url(), Open::Create).await.unwrap();
    let recorder = Recorder::builder(log.clone()).build().unwrap();
    let ticket = recorder.record("agent:registered", json!({"name": "Builder"})).await.unwrap().unwrap();
    recorder.flush().await.unwrap();
    let stored = ticket.stored().await.unwrap();
    assert_eq!(log.get(stored.id).await.unwrap().unwrap().position, stored.position);
    assert!(recorder.record("task:started", json!({"id": "x".repeat(300)})).await.is_err());
    recorder.close().await.unwrap();
    log.close().await.unwrap();
}

/// Story (P8): names of indexes had no prefix, so that a second prefix got no indexes.
#[tokio::test]
async fn p8_a_second_prefix_has_every_index_and_events_of_its_own() {
    let Some(place) = Log::direct() else { return };
    let client = psql(place.url()).await;
    let mut counts = Vec::new();
    for prefix in ["t1", "t2"] {
        let log = open(&format!("{}&prefix={prefix}", place.url()), Open::Create).await.unwrap();
        log.append(NewEvent::new("task-1", "task:created", json!({})).unwrap()).await.unwrap();
        assert_eq!(log.newest().await.unwrap().0, 1);
        let sql = format!(
            "SELECT count(*) FROM pg_indexes WHERE schemaname = '{}' AND tablename LIKE '{prefix}\\_%'",
            schema_of(place.url())
        );
        counts.push(one::<i64>(&client, &sql).await);
        log.close().await.unwrap();
    }
    assert_eq!(counts[0], counts[1]);
    assert!(counts[0] >= 11, "{counts:?}");
}

/// Story (P9): events could be updated, and a column told when.
#[tokio::test]
async fn p9_what_was_recorded_is_never_changed() {
    let Some(place) = Log::direct() else { return };
    let log = open(place.url(), Open::Create).await.unwrap();
    log.append(NewEvent::new("task-1", "task:created", json!({})).unwrap()).await.unwrap();
    let client = psql(place.url()).await;
    let events = format!("{}.events", schema_of(place.url()));
    for change in ["UPDATE {} SET type = 'x'", "DELETE FROM {}", "TRUNCATE {}"] {
        let refused = client.batch_execute(&change.replace("{}", &events)).await.unwrap_err();
        assert!(refused.as_db_error().unwrap().message().contains("append-only"), "{refused:?}");
    }
    assert_eq!(log.newest().await.unwrap().0, 1);
    let updated = "SELECT count(*) FROM information_schema.columns WHERE table_schema = $1 AND column_name = 'updated_at'";
    let row = client.query_one(updated, &[&schema_of(place.url())]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
    log.close().await.unwrap();
}

/// Story (P10): long names failed in the database, and the same event again was an error.
#[tokio::test]
async fn p10_long_names_are_refused_in_words_and_the_same_event_again_is_once() {
    let Some(place) = Log::direct() else { return };
    let log = open(place.url(), Open::Create).await.unwrap();
    let longest = NewEvent::new(&"ä".repeat(100), &"t".repeat(100), json!({})).unwrap();
    let first = log.append(longest.clone()).await.unwrap();
    let again = log.append(longest).await.unwrap();
    assert!(again.repeated && again.events == first.events);
    let refused = NewEvent::new(&"s".repeat(201), "t", json!({})).unwrap_err();
    assert!(refused.message().contains("200"), "{refused:?}");
    log.close().await.unwrap();
}

/// Story (P11): no version, no correlation, no replay, no projection, no subscription, no retention; tasks, agents and
/// deployments could not be queried.
#[tokio::test]
async fn p11_versions_causes_replay_projections_following_retention_and_every_kind_in_one_question() {
    let Some(place) = Log::direct() else { return };
    let log = open(place.url(), Open::Create).await.unwrap();
    let mut following = log.follow(Filter::all());
    let created = NewEvent::new("task-1", "task:created", json!({"taskId": "1", "title": "One"})).unwrap();
    let created = created.with_correlation("job-1").unwrap();
    let started = NewEvent::new("task-1", "task:started", json!({"taskId": "1", "agentId": "a"})).unwrap();
    let started = started.with_correlation("job-1").unwrap().with_causation(created.id);
    let appended = log.append([created.clone(), started]).await.unwrap();
    assert_eq!(appended.events[1].version, Version(2));
    assert_eq!(following.next().await.unwrap().unwrap().id, created.id);
    let of_job = Filter { correlation: vec!["job-1".parse().unwrap()], ..Filter::all() };
    assert_eq!(log.read(of_job).collect().await.unwrap().len(), 2);
    let caused = Filter { causation: vec![created.id], ..Filter::all() };
    assert_eq!(log.read(caused).collect().await.unwrap().len(), 1);
    let replayed = log.stream(&"task-1".parse().unwrap()).events().await.unwrap();
    assert_eq!(replayed.len(), 2);
    let tasks: Tasks = log.at(Moment::Position(appended.last())).await.unwrap();
    assert_eq!(serde_json::to_value(&tasks).unwrap().to_string().matches("One").count(), 1);
    let recorder = Recorder::builder(log.clone()).build().unwrap();
    for name in ["task:started", "agent:registered", "deployment:started", "system:event"] {
        recorder.record(name, json!({"id": "x", "name": "x"})).await.unwrap();
    }
    recorder.close().await.unwrap();
    assert_eq!(Query::new().run(&log).await.unwrap().len(), 6);
    let gone =
        Removal { filter: Filter::types(["task:*"]).unwrap(), through: appended.last(), archive: None };
    assert_eq!(log.remove(&gone).await.unwrap().count, 2);
    assert!(log.check().await.unwrap().problems.is_empty());
    log.close().await.unwrap();
}

/// Story (P12): the README named a version that could not run it, certificates were not verified, and answers came from a
/// cache for five minutes.
#[tokio::test]
async fn p12_the_server_is_looked_at_certificates_are_verified_and_every_answer_is_fresh() {
    let Some(place) = Log::direct() else { return };
    let store = PostgresStore::open(&place.options(), Open::Create).await.unwrap();
    assert!(store.server().version.starts_with("PostgreSQL "), "{:?}", store.server());
    let log = EventLog::new(store);
    let everything = || Count { filter: Filter::all(), by: Vec::new() };
    for expected in 1..=3 {
        log.append(NewEvent::new("task-1", "task:created", json!({})).unwrap()).await.unwrap();
        assert_eq!(log.count(everything()).await.unwrap()[0].count, expected);
    }
    log.close().await.unwrap();
    for url in ["postgres://db.example.org/x", "postgres://db.example.org/x?sslmode=require"] {
        assert!(PostgresOptions::new(url).unwrap().tls.verify);
    }
    let steps = Migrations::of(place.options()).await.unwrap().status().await.unwrap();
    assert!(steps.iter().all(|step| step.applied_at.is_some()));
}
