//! Connections: a few that are shared, opened when they are needed, and opened again when the server comes back.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime, Status, TimeoutType,
};
use factlog::limits::PAGE_BYTES_MAX;
use factlog::{Connections, Error, Result};
use tokio::time::timeout;
use tokio_postgres::{CancelToken, Client, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{is_connection, told};
use super::options::PostgresOptions;
use super::request::Request;
use super::tls;
use super::transaction::Failed;

/// The longest wait between two tries.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);

/// Bytes of a row before any was seen.
const ROW_BYTES: usize = 1_000;
/// Rows that are asked for at the least, however large they were.
const ROWS_MIN: usize = 4;

/// The connections of one store.
pub(super) struct Pool {
    pub(super) options: PostgresOptions,
    place: String,
    reading: deadpool_postgres::Pool,
    /// One is enough: the log's lock lets one write at a time. Readers cannot take it away.
    writing: deadpool_postgres::Pool,
    tls: MakeRustlsConnect,
    connected: AtomicBool,
    reconnections: AtomicU64,
    /// Bytes of a row, as they were of late.
    row_bytes: AtomicUsize,
    /// Whether it was lost since it last answered.
    was_lost: AtomicBool,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(options: PostgresOptions) -> Result<Self> {
        let tls = tls::connector(&options.tls)?;
        let pool = |connections: usize| {
            let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
            let manager = Manager::from_config(options.config.clone(), tls.clone(), recycling);
            deadpool_postgres::Pool::builder(manager)
                .max_size(connections)
                .wait_timeout(Some(options.request_timeout))
                // A server that hangs takes connections all the same, and says nothing.
                .create_timeout(Some(options.connect_timeout()))
                .runtime(Runtime::Tokio1)
                .build()
                .map_err(|cause| Error::stopped(format!("no pool of connections: {cause}")))
        };
        let (reading, writing) = (pool(options.pool_max.saturating_sub(1).max(1))?, pool(1)?);
        Ok(Self {
            place: options.shown(),
            options,
            reading,
            writing,
            tls,
            connected: AtomicBool::new(false),
            reconnections: AtomicU64::new(0),
            row_bytes: AtomicUsize::new(ROW_BYTES),
            was_lost: AtomicBool::new(false),
        })
    }

    /// A connection to read on, open as far as is known.
    pub(super) async fn get(&self) -> Result<Object, Lost> {
        self.of(&self.reading).await
    }

    /// The connection to write on.
    pub(super) async fn get_to_write(&self) -> Result<Object, Lost> {
        self.of(&self.writing).await
    }

    async fn of(&self, connections: &deadpool_postgres::Pool) -> Result<Object, Lost> {
        connections.get().await.map_err(|error| match error {
            PoolError::Backend(error) => self.failed(error),
            PoolError::Timeout(TimeoutType::Wait) => {
                let max = self.options.pool_max;
                Lost::Never(
                    Error::unavailable(format!("{}: all {max} connections are in use", self.place))
                        .with_hint("a larger ?pool_max=N (up to 50), or fewer readers at once"),
                )
            }
            PoolError::Timeout(TimeoutType::Create) => self.silent(self.options.connect_timeout()),
            PoolError::Closed => Lost::Never(Error::stopped("the log is closed")),
            other => Lost::Connection(Error::unavailable(format!("{}: {other}", self.place))),
        })
    }

    /// Asks once on a connection of its own.
    pub(super) async fn once(&self, request: &Request) -> Result<Vec<Row>, Lost> {
        let connection = self.get().await?;
        self.on(connection, request).await.map(|(rows, _)| rows)
    }

    /// Asks on this connection, and gives it back; one that broke or took too long is not used again.
    pub(super) async fn on(&self, connection: Object, request: &Request) -> Result<(Vec<Row>, Object), Lost> {
        let rows = self.in_time(&connection, request.on(&connection)).await;
        kept(connection, rows)
    }

    /// Waits for what is asked on a connection, as long as a request may take.
    pub(super) async fn in_time<T, E: Into<Failed>>(
        &self,
        client: &Client,
        asked: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Lost> {
        match timeout(self.options.request_timeout, asked).await {
            Ok(Ok(answer)) => {
                self.works();
                Ok(answer)
            }
            Ok(Err(failed)) => Err(self.lost(failed.into())),
            Err(_) => {
                self.cancel(client.cancel_token());
                let after = self.options.request_timeout.as_millis();
                Err(Lost::Connection(
                    Error::unavailable(format!("{}: no answer within {after} ms", self.place))
                        .with_hint("?request_timeout_ms=N waits longer"),
                ))
            }
        }
    }

    /// A server that takes connections and says nothing.
    pub(super) fn silent(&self, after: Duration) -> Lost {
        self.is_away();
        let after = after.as_millis();
        Lost::Connection(
            Error::unavailable(format!("{}: no connection within {after} ms", self.place))
                .with_hint("is the server running, or does it hang? ?connect_timeout=SECONDS waits longer"),
        )
    }

    /// Asks, and asks again when the connection breaks: for what changes nothing when it is done twice.
    pub(super) async fn ask(&self, request: &Request) -> Result<Vec<Row>> {
        let mut tries = Tries::new(&self.options);
        loop {
            match self.once(request).await {
                Ok(rows) => return Ok(rows),
                Err(lost) => tries.again(lost).await?,
            }
        }
    }

    /// The one row that there must be.
    pub(super) async fn ask_one(&self, request: &Request) -> Result<Row> {
        let row = self.ask(request).await?.pop();
        row.ok_or_else(|| Error::corrupt(self.place.clone(), "the server gave no row where one must be"))
    }

    /// The same of what goes wrong on a connection.
    pub(super) fn lost(&self, failed: Failed) -> Lost {
        match failed {
            Failed::Server(error) => self.failed(error),
            Failed::Other(error) => Lost::Never(error),
        }
    }

    /// How many rows to ask for, so that not many more come than a page has room for.
    pub(super) fn rows_of_a_page(&self, limit: usize) -> usize {
        let bytes = self.row_bytes.load(Ordering::Relaxed).max(1);
        limit.min((2 * PAGE_BYTES_MAX / bytes).max(ROWS_MIN))
    }

    /// Remembers how large rows are.
    pub(super) fn rows_were(&self, rows: usize, bytes: usize) {
        if let Some(mean) = bytes.checked_div(rows) {
            self.row_bytes.store(mean, Ordering::Relaxed);
        }
    }

    /// What an error means; that the server is away is remembered.
    pub(super) fn failed(&self, error: tokio_postgres::Error) -> Lost {
        let is_lost = is_connection(&error);
        let is_of_the_data = super::error::is_of_the_data(&error);
        let error = told(&self.place, &self.options.names, error);
        if is_lost {
            self.is_away();
            return Lost::Connection(error);
        }
        if is_of_the_data { Lost::Data(error) } else { Lost::Never(error) }
    }

    fn is_away(&self) {
        self.connected.store(false, Ordering::Relaxed);
        self.was_lost.store(true, Ordering::Relaxed);
    }

    fn works(&self) {
        self.connected.store(true, Ordering::Relaxed);
        if self.was_lost.swap(false, Ordering::Relaxed) {
            self.reconnections.fetch_add(1, Ordering::Relaxed);
            tracing::info!(place = %self.place, "connected again");
        }
    }

    fn cancel(&self, token: CancelToken) {
        let tls = self.tls.clone();
        tokio::spawn(async move {
            if let Err(error) = token.cancel_query(tls).await {
                tracing::debug!(%error, "a request that took too long could not be cancelled");
            }
        });
    }

    /// Opens a connection outside of the pool, with what it is told by the server.
    pub(super) async fn connect(
        &self,
    ) -> Result<(Client, impl Future<Output = ()> + Send + use<>, tokio::sync::mpsc::Receiver<String>), Lost>
    {
        let opened = self.options.config.connect(self.tls.clone()).await;
        let (client, mut connection) = opened.map_err(|error| self.failed(error))?;
        let (heard, hears) = tokio::sync::mpsc::channel(1);
        let listening = async move {
            while let Some(message) = std::future::poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    Ok(tokio_postgres::AsyncMessage::Notification(told)) => {
                        // One that waits already says as much as two.
                        let _ = heard.try_send(told.payload().to_owned());
                    }
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
        };
        Ok((client, listening, hears))
    }

    /// How the connections are doing.
    pub(super) fn connections(&self) -> Connections {
        let both = [self.reading.status(), self.writing.status()];
        let sum = |count: fn(&Status) -> usize| both.iter().map(count).sum::<usize>() as u64;
        Connections {
            connected: self.connected.load(Ordering::Relaxed),
            open: sum(|status| status.size),
            idle: sum(|status| status.available),
            max: sum(|status| status.max_size),
            waiting: sum(|status| status.waiting),
            reconnections: self.reconnections.load(Ordering::Relaxed),
            round_trip_us: None,
        }
    }

    /// Where the log is, without secrets.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn close(&self) {
        self.reading.close();
        self.writing.close();
    }
}

/// What came of a request on this connection; after an error it is not used again.
pub(super) fn kept<T>(connection: Object, asked: Result<T, Lost>) -> Result<(T, Object), Lost> {
    match asked {
        Ok(answer) => Ok((answer, connection)),
        Err(lost) => {
            // It may stand in a transaction.
            drop(Object::take(connection));
            Err(lost)
        }
    }
}

/// Why an answer did not come.
#[derive(Debug)]
pub(super) enum Lost {
    /// The connection broke: it may be done or not.
    Connection(Error),
    /// What was sent is refused; nothing is done.
    Data(Error),
    /// It is refused for another reason, and would be again.
    Never(Error),
}

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Connection(error) | Lost::Data(error) | Lost::Never(error) => error,
        }
    }
}

/// How often something was tried.
pub(super) struct Tries {
    left: u32,
    delay: Duration,
}

impl Tries {
    pub(super) fn new(options: &PostgresOptions) -> Self {
        Self { left: options.attempts, delay: options.retry_delay }
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// What was lost, where it was the last one or another would change nothing.
    pub(super) async fn again(&mut self, lost: Lost) -> Result<()> {
        let Lost::Connection(error) = lost else { return Err(lost.into()) };
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return Err(error);
        }
        tracing::debug!(%error, delay_ms = self.delay.as_millis(), "trying again");
        tokio::time::sleep(self.delay).await;
        self.delay = (self.delay * 2).min(RETRY_DELAY_MAX);
        Ok(())
    }
}
