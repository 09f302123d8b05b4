//! A few statements that belong together, under the log's lock.

use deadpool_postgres::Object;
use factlog::admission::{self, Admission};
use factlog::{Appended, Batch, Condition, Cursor, Filter, Position, Read, Result, Stamp, Timestamp};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::facts::{Facts, Questions};
use super::group::{self, Fate, Hints};
use super::names::Names;
use super::pool::{Lost, Pool};
use super::query;
use super::request::Request;

/// How long a transaction may stand idle before the server ends it, so that nobody waits for a process that hangs.
const IDLE_MS: &str = "30000";

/// A transaction; one that is dropped before its end takes its connection with it, and the server undoes it.
pub(super) struct Transaction<'a> {
    pool: &'a Pool,
    connection: Option<Object>,
}

impl<'a> Transaction<'a> {
    /// Begins one, and waits for the log's lock.
    pub(super) async fn begin(pool: &'a Pool) -> Result<Self, Lost> {
        let connection = pool.get_to_write().await?;
        let mut begun = Self { pool, connection: Some(connection) };
        begun.simple("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        begun.ask(&lock(&pool.options.names, pool.options.lock_wait.as_millis())).await?;
        Ok(begun)
    }

    /// Whoever gives up waiting drops the transaction as well: its connection, which would be used by others, stays in it.
    pub(super) async fn ask(&mut self, request: &Request) -> Result<Vec<Row>, Lost> {
        let client = self.client()?;
        self.pool.in_time(client, request.on(client)).await
    }

    /// Does what takes several statements.
    pub(super) async fn within<T>(
        &self,
        done: impl AsyncFnOnce(&Client) -> Result<T, Failed>,
    ) -> Result<T, Lost> {
        let client = self.client()?;
        self.pool.in_time(client, done(client)).await
    }

    async fn simple(&mut self, sql: &str) -> Result<(), Lost> {
        let client = self.client()?;
        self.pool.in_time(client, client.batch_execute(sql)).await
    }

    pub(super) async fn commit(mut self) -> Result<(), Lost> {
        self.simple("COMMIT").await?;
        drop(self.connection.take());
        Ok(())
    }

    /// The connection, while it stands in the transaction.
    fn client(&self) -> Result<&Client, Lost> {
        self.connection.as_ref().map(|connection| &***connection).ok_or_else(ended)
    }
}

fn ended() -> Lost {
    Lost::Never(factlog::Error::stopped("the transaction has ended"))
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}

/// Waits for the log's lock, which the end of the transaction gives back.
pub(super) fn lock(names: &Names, wait_ms: u128) -> Request {
    let sql = "SELECT set_config('lock_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $2, true),
                   pg_advisory_xact_lock({lock})";
    Request::new(names.sql(sql)).with(wait_ms.to_string(), Type::TEXT).with(IDLE_MS, Type::TEXT)
}

/// What the tables say of a batch, inside a transaction that holds the lock. Conditions hold up to `clear_to`.
pub(super) async fn facts(
    client: &Client,
    names: &Names,
    batch: &Batch,
    clear_to: Position,
) -> Result<Facts, Failed> {
    let questions = Questions::of(names, &[batch]);
    let head = questions.head.on(client).await?;
    let streams = questions.streams.on(client).await?;
    let known = questions.known.on(client).await?;
    let removals =
        if batch.conditions().is_empty() { Vec::new() } else { questions.removals.on(client).await? };
    let mut facts = Facts::of(&head, &streams, &known, &removals)?;
    for condition in batch.conditions() {
        let Condition::NoneSince { filter, after } = condition;
        let is_broken = any_after(client, names, filter, (*after).max(clear_to)).await?;
        facts.note(condition, is_broken);
    }
    Ok(facts)
}

/// What goes wrong on a connection that others look after.
#[derive(Debug)]
pub(super) enum Failed {
    Server(tokio_postgres::Error),
    Other(factlog::Error),
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

impl From<factlog::Error> for Failed {
    fn from(error: factlog::Error) -> Self {
        Self::Other(error)
    }
}

async fn any_after(client: &Client, names: &Names, filter: &Filter, after: Position) -> Result<bool, Failed> {
    let mut read = Read::after(filter.clone(), after).limit(1);
    loop {
        let page = query::page_on(client, names, &read).await?;
        if !page.events.is_empty() || !page.more {
            return Ok(!page.events.is_empty());
        }
        read.cursor = Cursor::After(page.next);
    }
}

/// Judges and appends one batch in a transaction that holds the lock, which is left for its owner to commit.
pub(super) async fn append(
    client: &Client,
    names: &Names,
    batch: &Batch,
    clear_to: Position,
) -> Result<Appended, Failed> {
    let mut facts = facts(client, names, batch, clear_to).await?;
    if let Admission::Repeated(appended) = admission::admit(batch, &mut facts, Timestamp::now())? {
        return Ok(appended);
    }
    // The lock is held already.
    let rows = group::append(names, &[batch], &Hints::default(), i32::MAX).on(client).await?;
    let Some(row) = rows.first() else {
        return Err(factlog::Error::stopped("the server gave no answer").into());
    };
    let stamps: Vec<Stamp> = match group::fates(&[batch], row)?.pop() {
        Some(Fate::Recorded(stamps)) => stamps,
        Some(Fate::WrongVersion { stream, expected, actual }) => {
            return Err(factlog::Error::wrong_version(&stream, expected, actual).into());
        }
        Some(Fate::Known) | None => return Err(factlog::Error::stopped("the lock was not held").into()),
    };
    Ok(admission::appended(batch, &stamps))
}
