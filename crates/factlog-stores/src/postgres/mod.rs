//! The log in PostgreSQL: a team's shared store, also behind a pooler, also at Supabase.
//!
//! A task gathers what waits into one call of one function, which takes the log's lock, judges, numbers and inserts; a pool of
//! connections reads, one page per statement. docs/postgres.md shows the tables.

mod check;
mod condition;
mod count;
mod doctor;
mod error;
mod facts;
mod group;
mod head;
mod migrations;
mod names;
mod options;
mod pool;
mod query;
mod removal;
mod request;
mod row;
mod server;
mod shared;
mod snapshots;
mod tls;
mod transaction;
mod writer;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use factlog::limits::QUEUE_APPENDS_MAX;
use factlog::{
    About, Appended, Batch, Condition, Connections, Count, Counter, Error, Group, Health, Page, Position,
    Read, Removal, Removed, Report, Result, Snapshots, Store, StreamName, Version,
};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use self::doctor::{Finding, examine};
pub use self::migrations::{Losses, Migration, Migrations};
pub use self::names::Names;
pub use self::options::{PostgresOptions, Tls, TlsMode};
pub use self::server::Server;

use self::pool::Pool;
use self::request::Request;
use self::row::column;
use self::shared::Shared;
use self::writer::{Queued, Writer};
use crate::Open;

/// How long a health check waits for the server.
const HEALTH_WAIT: Duration = Duration::from_secs(2);

/// A log in PostgreSQL.
pub struct PostgresStore {
    about: About,
    server: Server,
    shared: Arc<Shared>,
    /// Where its tasks run, wherever it is called.
    runtime: Handle,
    jobs: Mutex<Option<mpsc::Sender<Vec<Queued>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    watching: Mutex<bool>,
}

/// None of these locks is held where code can panic.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PostgresStore {
    /// Opens the log at a server; its tasks run in the runtime that this is called in.
    ///
    /// With [`Open::Create`] the tables are made where there are none.
    ///
    /// # Errors
    /// `NotFound` where there is no log and none is to be made, `Invalid` for tables that want a migration or that a newer
    /// factlog made, `Unavailable` and `Denied` as the server says.
    pub async fn open(options: &PostgresOptions, open: Open) -> Result<Self> {
        let pool = Pool::new(options.clone())?;
        let server = server::look(&pool).await?;
        match migrations::version(&pool).await? {
            0 if open == Open::Create => {
                migrations::up(&pool, migrations::NEWEST).await?;
            }
            0 => {
                let schema = options.names.schema();
                return Err(Error::not_found(format!(
                    "{}: there is no log in the schema {schema}",
                    pool.place()
                ))
                .with_hint("`factlog migrate up` makes its tables"));
            }
            version => migrations::check(version).map_err(|error| error.context(pool.place()))?,
        }
        let head = head::newest(&pool).await?;
        let shared = Arc::new(Shared::new(pool, head));
        let (jobs, waiting) = mpsc::channel(QUEUE_APPENDS_MAX);
        let writer = tokio::spawn(Writer::new(Arc::clone(&shared)).run(waiting));
        let mut tasks = Vec::new();
        if options.pool_min > 1 {
            tasks.push(tokio::spawn(fill(Arc::clone(&shared))));
        }
        if options.hints {
            tasks.push(tokio::spawn(head::hint(Arc::clone(&shared))));
        }
        if !options.health_interval.is_zero() {
            tasks.push(tokio::spawn(monitor(Arc::clone(&shared))));
        }
        Ok(Self {
            about: about(options, &server),
            server,
            shared,
            runtime: Handle::current(),
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(writer)),
            tasks: Mutex::new(tasks),
            watching: Mutex::new(false),
        })
    }

    /// What the server is.
    pub fn server(&self) -> &Server {
        &self.server
    }

    fn pool(&self) -> &Pool {
        &self.shared.pool
    }

    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn request(&self, template: &str) -> Request {
        Request::new(self.pool().options.names.sql(template))
    }

    /// Appends a batch in a transaction of the caller's, together with the caller's own rows: it is recorded when that commits,
    /// and not at all when it does not.
    ///
    /// From here to its end the transaction holds the log's lock, and nobody else appends: do it last, and commit soon. The
    /// server ends a transaction that stands idle for 30 seconds. Followers hear of the events when they look next, within a
    /// second.
    ///
    /// # Errors
    /// As [`Store::append`]; after one the transaction must be rolled back. `Invalid` where its isolation is not `read
    /// committed`: another would judge by an old state of the log.
    pub async fn append_in(
        &self,
        transaction: &mut tokio_postgres::Transaction<'_>,
        batch: Batch,
    ) -> Result<Appended> {
        let names = &self.pool().options.names;
        let told = |error| Error::from(self.pool().failed(error));
        let client = transaction.client();
        let isolation =
            Request::new("SELECT current_setting('transaction_isolation')").on(client).await.map_err(told)?;
        let isolation: String = isolation.first().map(|row| column(row, 0)).transpose()?.unwrap_or_default();
        if isolation != "read committed" {
            return Err(Error::invalid(format!(
                "the transaction is {isolation}; a log needs read committed"
            ))
            .with_hint("begin it with ISOLATION LEVEL READ COMMITTED"));
        }
        let wait = self.pool().options.lock_wait.as_millis();
        transaction::lock(names, wait).on(client).await.map_err(told)?;
        let appended = transaction::append(client, names, &batch, Position::START).await;
        appended.map_err(|failed| self.pool().lost(failed).into())
    }

    /// The position up to which all conditions hold; the start when one does not.
    async fn clear(&self, conditions: &[Condition]) -> Result<Position> {
        let head = head::newest(self.pool()).await?;
        for condition in conditions {
            let Condition::NoneSince { filter, after } = condition;
            let mut read = Read::after(filter.clone(), *after).limit(1);
            loop {
                let page = self.read(&read).await?;
                if !page.events.is_empty() {
                    return Ok(Position::START);
                }
                if !page.more {
                    break;
                }
                read.cursor = read.cursor.at(page.next);
            }
        }
        Ok(head)
    }

    fn start_watching(&self) {
        let mut watching = lock(&self.watching);
        if !*watching && !self.shared.published.is_closed() {
            *watching = true;
            lock(&self.tasks).push(self.runtime.spawn(head::watch(Arc::clone(&self.shared))));
        }
    }
}

/// Opens the connections that are to be there from the beginning.
async fn fill(shared: Arc<Shared>) {
    // One is for writing.
    let wanted = shared.pool.options.pool_min.min(shared.pool.options.pool_max).saturating_sub(1);
    let mut held = Vec::with_capacity(wanted);
    for _ in 0..wanted {
        match shared.pool.get().await {
            Ok(connection) => held.push(connection),
            Err(lost) => {
                tracing::debug!(error = %Error::from(lost), "connections could not be opened beforehand");
                return;
            }
        }
    }
}

/// Looks every now and then whether the server is there, so that health tells it also of a log that nobody uses.
async fn monitor(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(shared.pool.options.health_interval).await;
        if let Err(lost) = shared.pool.once(&Request::new("SELECT 1")).await {
            tracing::warn!(error = %Error::from(lost), "the server does not answer");
        }
    }
}

fn about(options: &PostgresOptions, server: &Server) -> About {
    let durability = "survives a crash of the process, and of the server's machine";
    let weaker = "the server runs with fsync or full_page_writes off: a crash of its machine may take or damage anything";
    About {
        kind: "postgres".into(),
        url: options.shown(),
        durability: if server.is_durable { durability } else { weaker }.into(),
        exceptions: if server.is_durable { Vec::new() } else { vec![(2, weaker.to_owned())] },
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn about(&self) -> &About {
        &self.about
    }

    async fn append(&self, batches: Vec<Batch>) -> Vec<Result<Appended>> {
        let mut queued = Vec::with_capacity(batches.len());
        let mut answers = Vec::with_capacity(batches.len());
        for batch in batches {
            // An error here is met again, and told, under the lock.
            let clear_to = match batch.conditions() {
                [] => Position::START,
                conditions => self.clear(conditions).await.unwrap_or(Position::START),
            };
            let (answer, answered) = oneshot::channel();
            queued.push(Queued { batch, clear_to, answer });
            answers.push(answered);
        }
        let closed = || Error::stopped("the log is closed");
        let jobs = lock(&self.jobs).clone();
        let sent = match jobs {
            Some(jobs) => jobs.send(queued).await.is_ok(),
            None => false,
        };
        let mut outcomes = Vec::with_capacity(answers.len());
        for answered in answers {
            outcomes.push(if sent {
                answered.await.unwrap_or_else(|_| Err(closed()))
            } else {
                Err(closed())
            });
        }
        outcomes
    }

    async fn read(&self, read: &Read) -> Result<Page> {
        query::page(self.pool(), read).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.start_watching();
        self.shared.published.subscribe()
    }

    async fn version(&self, stream: &StreamName) -> Result<Version> {
        let request = facts::versions(&self.pool().options.names, vec![stream.to_string()]);
        Ok(request::version(column(&self.pool().ask_one(&request).await?, 1)?))
    }

    async fn count(&self, count: &Count) -> Result<Vec<Group>> {
        if let Some(groups) = count::count(self.pool(), count).await? {
            return Ok(groups);
        }
        Counter::by_reading(self, count).await
    }

    async fn remove(&self, removal: &Removal) -> Result<Removed> {
        self.remove_in_parts(removal).await
    }

    fn snapshots(&self) -> &dyn Snapshots {
        self
    }

    async fn health(&self) -> Health {
        let sql = "SELECT (SELECT coalesce(max(position), 0) FROM {events}),
                       (SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c
                        WHERE c.oid IN ('{events}'::regclass, '{snapshots}'::regclass)),
                       CASE WHEN current_setting('transaction_read_only') = 'on' THEN 1
                            WHEN NOT has_function_privilege('{append_events}'::regproc::oid, 'EXECUTE') THEN 2
                            ELSE 0 END::bigint";
        let request = self.request(sql);
        let began = Instant::now();
        let asked = tokio::time::timeout(HEALTH_WAIT, self.pool().once(&request)).await;
        let rows = match asked {
            Ok(rows) => rows.map_err(Error::from),
            Err(_) => Err(Error::unavailable(format!("{}: no answer within 2 s", self.pool().place()))),
        };
        let number = |index| {
            rows.as_ref().ok().and_then(|rows| rows.first()).and_then(|row| column::<i64>(row, index).ok())
        };
        let last = self.shared.published.last_commit();
        let closed = self.shared.published.is_closed().then(|| Error::stopped("the log is closed"));
        let refused = match number(2) {
            Some(1) => Some(Error::denied("the server takes no appends: it is a standby, or read-only")),
            Some(2) => Some(Error::denied("this user may read, and not append")),
            _ => None,
        };
        let problem = rows.as_ref().err().cloned().or(closed).or(refused);
        Health {
            healthy: problem.is_none(),
            head: number(0).map_or(*self.shared.published.subscribe().borrow(), request::position),
            bytes: number(1).map(|bytes| bytes as u64),
            waiting: self.shared.waits() as u64,
            last_commit_us: last.map(|(micros, _)| micros),
            last_append_at: last.map(|(_, at)| at),
            connections: Some(Connections {
                round_trip_us: rows.is_ok().then(|| began.elapsed().as_micros() as u64),
                ..self.pool().connections()
            }),
            problem: problem.map(|error| error.to_string()),
            ..Health::default()
        }
    }

    async fn check(&self) -> Result<Report> {
        check::check(self.pool()).await
    }

    async fn close(&self) -> Result<()> {
        drop(lock(&self.jobs).take());
        let writer = lock(&self.writer).take();
        if let Some(writer) = writer {
            // What waits is written first.
            let ended = writer.await;
            if self.pool().options.hints && self.shared.published.last_commit().is_some() {
                head::hint_once(&self.shared).await;
            }
            ended.map_err(|cause| Error::stopped(format!("the writer has ended: {cause}")))?;
        }
        self.end();
        Ok(())
    }
}

impl PostgresStore {
    fn end(&self) {
        self.shared.published.close();
        lock(&self.tasks).drain(..).for_each(|task| task.abort());
        self.pool().close();
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        // The writer ends when the last sender is gone.
        drop(lock(&self.jobs).take());
        self.end_tasks();
    }
}

impl PostgresStore {
    fn end_tasks(&self) {
        self.shared.published.close();
        lock(&self.tasks).drain(..).for_each(|task| task.abort());
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("url", &self.about.url).finish_non_exhaustive()
    }
}
