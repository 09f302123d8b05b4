//! The processes that append, each in its own way.

use std::env;
use std::io::Write;
use std::str::FromStr;
use std::time::Duration;

use factlog::{Appended, Batch, ErrorKind, EventId, EventLog, Expect, NewEvent, StreamName};
use factlog_stores::{Open, PostgresOptions, PostgresStore};
use serde_json::json;

use super::postgres::session;
use super::told::ids;

/// Where the log is, where its server is without the store's settings, and the number of this process.
pub(super) const LOG: &str = "FACTLOG_TEST_LOG";
pub(super) const SERVER: &str = "FACTLOG_TEST_SERVER";
pub(super) const NUMBER: &str = "FACTLOG_TEST_NUMBER";

/// What each process does so often.
pub(super) const TURNS: u64 = 40;
/// Callers within a process that appends in batches.
const CALLERS: u64 = 2;
/// The longest pause of a process that has appended and has not committed.
const PAUSE_MS: u64 = 4;

/// How a process appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Batches over a stream of its own and a shared one, from several callers.
    Batches,
    /// In transactions with rows of its own, of which some are rolled back.
    InTransactions,
    /// Reads the version of a stream that others write to, and expects it.
    Deciding,
}

impl Role {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Batches => "batches",
            Self::InTransactions => "in-transactions",
            Self::Deciding => "deciding",
        }
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        let roles = [Self::Batches, Self::InTransactions, Self::Deciding];
        roles
            .into_iter()
            .find(|role| role.word() == word)
            .ok_or_else(|| format!("{word:?} is no part to play"))
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is set"))
}

/// Says on standard output which events are acknowledged, in one write.
fn acknowledge(ids: &[EventId], appended: &Appended) {
    let lines = ids.iter().zip(&appended.events).map(|(id, event)| format!("{id} {}\n", event.position));
    let mut out = std::io::stdout().lock();
    out.write_all(lines.collect::<String>().as_bytes()).and_then(|()| out.flush()).expect("the test listens");
}

/// Types come up as the log grows, so that readers of `turn:*` meet new ones.
fn event(stream: &str, turn: u64) -> NewEvent {
    let kind = if stream.starts_with("guarded") { "decision" } else { "turn" };
    NewEvent::new(stream, &format!("{kind}:{}", turn / 5), json!({"process": variable(NUMBER), "turn": turn}))
        .expect("an event")
}

/// Plays a part to its end.
pub(super) async fn run(role: Role) {
    let options = PostgresOptions::new(&variable(LOG)).expect("a URL");
    let store = PostgresStore::open(&options, Open::Existing).await.expect("the log opens");
    match role {
        Role::Batches => {
            let log = EventLog::new(store);
            let callers = (0..CALLERS).map(|caller| tokio::spawn(append_batches(log.clone(), caller)));
            for caller in callers.collect::<Vec<_>>() {
                caller.await.expect("a caller ends well");
            }
            log.close().await.expect("it closes");
        }
        Role::InTransactions => append_in_transactions(&store, options.names.schema()).await,
        Role::Deciding => decide(&EventLog::new(store)).await,
    }
}

async fn append_batches(log: EventLog, caller: u64) {
    let own = format!("own-{}-{caller}", variable(NUMBER));
    for turn in 0..TURNS {
        let batch =
            Batch::new(vec![event(&own, turn), event("shared-1", turn), event(&own, turn)]).expect("a batch");
        let ids = ids(&batch);
        acknowledge(&ids, &log.append(batch).await.expect("an append succeeds"));
    }
}

async fn append_in_transactions(store: &PostgresStore, schema: &str) {
    let mut client = session(&variable(SERVER)).await;
    for turn in 0..TURNS {
        let order = event(&format!("order-{}", variable(NUMBER)), turn);
        let batch = Batch::new(vec![order, event("shared-1", turn)]).expect("a batch");
        let ids = ids(&batch);
        let mut transaction = client.transaction().await.expect("a transaction");
        let row = format!("INSERT INTO {schema}.orders VALUES ('{}')", ids[0]);
        transaction.batch_execute(&row).await.expect("a row of our own");
        let appended = store.append_in(&mut transaction, batch).await.expect("an append in a transaction");
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..PAUSE_MS))).await;
        if fastrand::u8(..4) == 0 {
            transaction.rollback().await.expect("a rollback");
        } else {
            transaction.commit().await.expect("a commit");
            acknowledge(&ids, &appended);
        }
    }
}

/// Looks, decides, and decides again when somebody was faster.
async fn decide(log: &EventLog) {
    let guarded: StreamName = "guarded-1".parse().expect("a name");
    for turn in 0..TURNS {
        loop {
            let seen = log.stream(&guarded).version().await.expect("a version");
            let batch = Batch::new(vec![event("guarded-1", turn)]).expect("a batch");
            let batch = batch.expect(guarded.clone(), Expect::Version(seen)).expect("a batch");
            let ids = ids(&batch);
            match log.append(batch).await {
                Ok(appended) => {
                    assert_eq!(appended.events[0].version, seen.next());
                    acknowledge(&ids, &appended);
                    break;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
            }
        }
    }
    log.close().await.expect("it closes");
}
