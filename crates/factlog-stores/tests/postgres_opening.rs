//! What a store in PostgreSQL is not opened on, and what it says then: the next step, in words that can be typed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod postgres;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use factlog::{Error, ErrorKind, EventLog, NewEvent, Position};
use factlog_stores::postgres::Migrations;
use factlog_stores::{Open, open};
use serde_json::json;
use tokio::time::timeout;

use postgres::{Log, session, unique};

/// Far less than what is waited for in vain.
const SOON: Duration = Duration::from_secs(5);

fn event(stream: &str) -> NewEvent {
    NewEvent::new(stream, "task:changed", json!({})).unwrap()
}

async fn create(url: &str) -> EventLog {
    open(url, Open::Create).await.unwrap()
}

async fn refused(url: &str, open_as: Open) -> Error {
    timeout(SOON, open(url, open_as)).await.expect("it is said soon").unwrap_err()
}

/// That the next step is told in these words.
fn hints(error: &Error, words: &str) {
    assert!(error.hint().is_some_and(|hint| hint.contains(words)), "{error:?}");
}

/// The story: a program and the tables of another version of it, each sure of what the other means.
#[tokio::test]
async fn tables_of_another_version_are_refused_with_the_command_that_helps_and_keep_their_events() {
    let Some(log) = Log::direct() else { return };
    create(log.url()).await.append(event("task-1")).await.unwrap();
    let migrations = Migrations::of(log.options()).await.unwrap();
    for to in [2, 1] {
        migrations.down(to).await.unwrap();
        for open_as in [Open::Create, Open::Existing] {
            let old = refused(log.url(), open_as).await;
            assert_eq!(old.kind(), ErrorKind::Invalid, "{old:?}");
            hints(&old, "factlog migrate up");
        }
    }
    migrations.up(None).await.unwrap();
    assert_eq!(create(log.url()).await.newest().await.unwrap(), Position(1));

    let newer =
        format!("INSERT INTO {}.migrations VALUES (99, 'of tomorrow', now(), 'factlog 99')", log.schema());
    session(log.server()).await.batch_execute(&newer).await.unwrap();
    let error = refused(log.url(), Open::Create).await;
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    hints(&error, "newer factlog");
    assert_eq!(migrations.down(1).await.unwrap_err().kind(), ErrorKind::Invalid);
}

/// The story: a migration that failed left its connection in a transaction that was over, for whoever used it next.
#[tokio::test]
async fn a_migration_that_fails_changes_nothing_and_what_is_asked_next_is_answered() {
    let Some(log) = Log::direct() else { return };
    create(log.url()).await.append(event("task-1")).await.unwrap();
    let client = session(log.server()).await;
    let schema = log.schema();
    let in_the_way = format!("CREATE VIEW {schema}.mine AS SELECT * FROM {schema}.snapshots");
    client.batch_execute(&in_the_way).await.unwrap();
    let migrations = Migrations::of(log.options()).await.unwrap();
    migrations.down(1).await.unwrap_err();
    let status = migrations.status().await.unwrap();
    assert!(status.iter().all(|migration| migration.applied_at.is_some()), "{status:?}");
    client.batch_execute(&format!("DROP VIEW {schema}.mine")).await.unwrap();
    assert_eq!(migrations.down(1).await.unwrap(), [3, 2]);
}

/// The story: in a database of another encoding, texts are cut in the middle of a letter, compared by other rules, or refused
/// one day for one letter.
#[tokio::test]
async fn a_database_that_is_not_in_utf_8_is_refused_with_the_command_that_makes_one() {
    let Some(log) = Log::direct() else { return };
    let admin = session(log.server()).await;
    for encoding in ["SQL_ASCII", "LATIN1"] {
        let database = unique();
        let make = format!(
            "CREATE DATABASE {database} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        );
        admin.batch_execute(&make).await.unwrap();
        let error = refused(log.in_database(&database).url(), Open::Create).await;
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(error.message().contains(encoding), "{error:?}");
        hints(&error, "createdb --encoding UTF8");
        admin.batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
    }
}

/// The story: errors of a connection that said what a socket says, and not what to do.
#[tokio::test]
async fn what_is_wrong_with_a_url_is_told_by_the_next_step() {
    let Some(log) = Log::direct() else { return };
    let server = log.server();
    let missing = refused(log.in_database("no_such_database").url(), Open::Create).await;
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing:?}");
    hints(&missing, "createdb");

    let (_, place) = server.rsplit_once('@').expect("a URL names its user");
    let unknown = refused(&format!("postgres://no_such_role@{place}"), Open::Create).await;
    assert_eq!(unknown.kind(), ErrorKind::Denied, "{unknown:?}");
    hints(&unknown, "check the user and the password");

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://factlog@127.0.0.1:{port}/postgres?connect_timeout=1&retry_delay_ms=50");
    let began = Instant::now();
    let nobody = refused(&url, Open::Create).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(nobody.kind(), ErrorKind::Unavailable, "{nobody:?}");
    hints(&nobody, "is the server running");

    let nothing = refused(log.url(), Open::Existing).await;
    assert_eq!(nothing.kind(), ErrorKind::NotFound, "{nothing:?}");
    hints(&nothing, "factlog migrate up");
}

/// The story: where a role or a database begins all transactions so, an append that had waited for another one was refused, for a
/// position that was taken.
#[tokio::test]
async fn a_database_whose_transactions_see_old_states_is_refused_with_the_setting_that_helps() {
    let Some(given) = Log::direct() else { return };
    let admin = session(given.server()).await;
    let database = unique();
    admin.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    let log = given.in_database(&database);
    let events = create(log.url()).await;
    let set = format!("ALTER DATABASE {database} SET default_transaction_isolation = 'serializable'");
    admin.batch_execute(&set).await.unwrap();
    let error = refused(log.url(), Open::Existing).await;
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    hints(&error, "SET default_transaction_isolation = 'read committed'");
    // A store that was opened before hears of it with its next connection.
    let end = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = $1";
    admin.query_one(end, &[&database]).await.unwrap();
    let error = events.append(event("task-1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    hints(&error, "SET default_transaction_isolation = 'read committed'");
    events.close().await.unwrap();
    admin.batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
}
