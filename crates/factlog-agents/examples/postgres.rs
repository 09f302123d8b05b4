//! Origin B's README on a real PostgreSQL server: settings, migrations, usage, health, errors, each with what it claims.
//!
//! `POSTGRES_HOST=localhost POSTGRES_DATABASE=team cargo run -p factlog-agents --example postgres`

#[path = "recorder.rs"]
#[allow(dead_code, reason = "it is a program of its own, too")]
pub(crate) mod recorder;

use factlog::{Batch, ErrorKind, EventLog, NewEvent};
use factlog_agents::{Configuration, Preset};
use factlog_stores::postgres::Migrations;
use factlog_stores::{Open, PostgresOptions, PostgresStore};
use serde_json::json;

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Outcome {
    // `getEventConfig('development')`: the variables win over the preset, and both are read.
    let configuration = Configuration::from_environment(Some(Preset::Development))?;
    let (url, origin) = configuration.store_url()?.ok_or("set POSTGRES_HOST and POSTGRES_DATABASE")?;
    println!("the server is named by: {origin}");
    run(&url).await
}

/// All of it on an empty place at a server, of which nothing is left.
pub(crate) async fn run(url: &str) -> Outcome {
    let options = PostgresOptions::new(url)?;
    migrate(&options).await?;
    let log = EventLog::new(PostgresStore::open(&options, Open::Existing).await?);
    recorder::everything(&log).await?;
    health(&log).await;
    errors(&log).await?;
    log.close().await?;
    together_with_own_rows(&options).await?;
    let migrations = Migrations::of(options).await?;
    assert_eq!(migrations.down(0).await?, [3, 2, 1]);
    println!("all that the README claims is so, on a server");
    Ok(())
}

/// "Migration System": up, status, and up again, which changes nothing.
async fn migrate(options: &PostgresOptions) -> Outcome {
    let migrations = Migrations::of(options.clone()).await?;
    assert_eq!(migrations.up(None).await?, [1, 2, 3]);
    assert!(migrations.status().await?.iter().all(|step| step.applied_at.is_some()));
    assert!(migrations.up(None).await?.is_empty());
    println!("migrations: 3 steps, once");
    Ok(())
}

/// "Health Monitoring": connected, the pool, what waits.
async fn health(log: &EventLog) {
    let health = log.health().await;
    assert!(health.healthy, "{:?}", health.problem);
    let connections = health.connections.expect("a log at a server has connections");
    assert!(connections.connected && connections.open >= 1 && connections.open <= connections.max);
    println!("health: {} of {} connections, position {}", connections.open, connections.max, health.head);
}

/// "Error handling": what is wrong is said, what is there already stays as it is, and the log goes on.
async fn errors(log: &EventLog) -> Outcome {
    let newest = log.newest().await?;
    let refused =
        NewEvent::new(&"x".repeat(201), "task:created", json!({})).expect_err("a name of 201 bytes");
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let event = NewEvent::new("task-1", "task:created", json!({"title": "Once"}))?;
    let first = log.append(event.clone()).await?;
    let again = log.append(event).await?;
    assert!(again.repeated && again.events == first.events);
    assert_eq!(log.newest().await?, newest.next()?);
    println!("errors: told, and nothing is there twice");
    Ok(())
}

/// An event that is there exactly when the application's own row is.
async fn together_with_own_rows(options: &PostgresOptions) -> Outcome {
    let store = PostgresStore::open(options, Open::Existing).await?;
    let (mut client, connection) = options.config.connect(tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute("CREATE TEMPORARY TABLE accounts (id integer, balance integer)").await?;
    for commits in [false, true] {
        let mut transaction = client.transaction().await?;
        transaction.execute("INSERT INTO accounts VALUES (1, 10)", &[]).await?;
        let opened = NewEvent::new("account-1", "account:opened", json!({"balance": 10}))?;
        let appended = store.append_in(&mut transaction, Batch::new(vec![opened])?).await?;
        assert_eq!(appended.events[0].version.0, 1, "what was rolled back never was");
        if commits {
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
        }
    }
    let log = EventLog::new(store);
    assert_eq!(log.stream(&"account-1".parse()?).events().await?.len(), 1);
    log.close().await?;
    println!("in a transaction of its own: both or neither");
    Ok(())
}
