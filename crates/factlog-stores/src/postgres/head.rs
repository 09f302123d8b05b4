//! How a store hears of others' appends: by hints where the connection can carry them, and by looking in any case.

use std::sync::Arc;
use std::time::Duration;

use factlog::{Position, Result};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::pool::{Lost, Pool};
use super::query;
use super::request::{Request, position};
use super::row::column;
use super::shared::Shared;

/// How often others' appends are looked for, where no hint was ever heard: through a pooler, none arrives.
const LOOK: Duration = Duration::from_millis(100);
/// And where hints are heard; one may be lost, or somebody appends without.
const LOOK_WITH_HINTS: Duration = Duration::from_secs(1);
/// Hints of one store are this far apart.
const HINT: Duration = Duration::from_millis(5);
/// A listener that has lost its connection tries again after this long.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// The newest position.
pub(super) async fn newest(pool: &Pool) -> Result<Position> {
    Ok(position(column(&pool.ask_one(&query::head(&pool.options.names)).await?, 0)?))
}

/// The name under which hints are sent, by the identity of the log's table.
fn channel(pool: &Pool) -> Request {
    Request::new(pool.options.names.sql("SELECT 'factlog_' || '{events}'::regclass::oid"))
}

/// Tells others of appends, a while after the first of them, with one word for all.
pub(super) async fn hint(shared: Arc<Shared>) {
    loop {
        shared.news.notified().await;
        hint_once(&shared).await;
        sleep(HINT).await;
    }
}

/// Tells others of appends. A hint that is lost delays somebody; it need not be on the disk, and nobody waits for it.
pub(super) async fn hint_once(shared: &Shared) {
    let sql = "SELECT set_config('synchronous_commit', 'off', true),
                   pg_notify('factlog_' || '{events}'::regclass::oid, $1)";
    let newest = shared.published.subscribe().borrow().to_string();
    let request = Request::new(shared.pool.options.names.sql(sql)).with(newest, Type::TEXT);
    if let Err(lost) = shared.pool.once(&request).await {
        tracing::debug!(error = %factlog::Error::from(lost), "others could not be told of an append");
    }
}

/// Publishes the newest position, whoever has appended it.
pub(super) async fn watch(shared: Arc<Shared>) {
    let mut listener = None;
    let mut hears_hints = false;
    loop {
        if listener.is_none() && shared.pool.options.hints {
            let patience = shared.pool.options.connect_timeout();
            listener = timeout(patience, listen(&shared.pool)).await.ok().and_then(Result::ok);
        }
        match query_once(&shared.pool).await {
            Ok(newest) => shared.published.publish(newest),
            Err(lost) => {
                tracing::debug!(error = %factlog::Error::from(lost), "the log's end could not be looked at");
            }
        }
        let look = if hears_hints { LOOK_WITH_HINTS } else { LOOK };
        let Some(Listener { hears, .. }) = &mut listener else {
            sleep(if shared.pool.options.hints { LISTEN_AGAIN.min(look) } else { look }).await;
            continue;
        };
        match timeout(look, hears.recv()).await {
            Ok(Some(_)) => hears_hints = true,
            Ok(None) => {
                listener = None;
                hears_hints = false;
                sleep(LOOK).await;
            }
            Err(_) => {}
        }
    }
}

async fn query_once(pool: &Pool) -> Result<Position, Lost> {
    let rows = pool.once(&query::head(&pool.options.names)).await?;
    let newest = rows.first().map(|row| column(row, 0)).transpose().map_err(Lost::Never)?;
    Ok(position(newest.unwrap_or_default()))
}

/// A connection of its own that hears hints.
struct Listener {
    hears: mpsc::Receiver<String>,
    /// It lives as long as this.
    client: Client,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(pool: &Pool) -> Result<Listener, Lost> {
    let (client, listening, hears) = pool.connect().await?;
    let task = tokio::spawn(listening);
    let listener = Listener { hears, client, task };
    let told = channel(pool).on(&listener.client).await.map_err(|error| pool.failed(error))?;
    let channel: String =
        told.first().map(|row| column(row, 0)).transpose().map_err(Lost::Never)?.unwrap_or_default();
    listener
        .client
        .batch_execute(&format!("LISTEN \"{channel}\""))
        .await
        .map_err(|error| pool.failed(error))?;
    Ok(listener)
}
