//! What keeps a log at a server from working, or working well, and what to do about it.

use std::time::{Duration, Instant};

use factlog::{Error, Timestamp};
use tokio::time::timeout;
use tokio_postgres::types::Type;

use super::migrations::{self, NEWEST};
use super::options::{PostgresOptions, TlsMode};
use super::pool::{Lost, Pool};
use super::request::{Moment, Request};
use super::row::column;
use super::server;

/// A clock that is further off than this is named.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(2);
/// How long a hint may take to come back.
const HINT_WAIT: Duration = Duration::from_secs(2);

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: &'static str,
    /// How it is.
    pub value: String,
    /// Whether it keeps the log from working.
    pub is_bad: bool,
    /// What to do, where there is something to do.
    pub advice: Option<String>,
}

fn good(what: &'static str, value: impl Into<String>) -> Finding {
    Finding { what, value: value.into(), is_bad: false, advice: None }
}

fn advised(what: &'static str, value: impl Into<String>, advice: &str) -> Finding {
    Finding { what, value: value.into(), is_bad: false, advice: Some(advice.to_owned()) }
}

fn bad(what: &'static str, error: &Error) -> Finding {
    let advice = error.hint().map(str::to_owned);
    Finding { what, value: error.to_string(), is_bad: true, advice }
}

/// Looks at the connection, the rights, the tables, the pooler, the clock and the disk of a log at a server.
pub async fn examine(options: &PostgresOptions) -> Vec<Finding> {
    let mut options = options.clone();
    options.attempts = 1;
    let pool = match Pool::new(options) {
        Ok(pool) => pool,
        Err(error) => return vec![bad("connection", &error)],
    };
    let began = Instant::now();
    let server = match server::look(&pool).await {
        Ok(server) => server,
        Err(error) => return vec![bad("connection", &error)],
    };
    let mut findings = vec![good("connection", connection(&pool, began.elapsed()))];
    findings.push(good("server", server.version.split(" on ").next().unwrap_or_default()));
    if server.is_standby {
        let advice = "name the primary server to append; reading and following work";
        findings.push(advised("role", "a standby: it takes no appends", advice));
    }
    findings.push(durability(&server));
    findings.push(match rights(&pool).await {
        Ok(finding) => finding,
        Err(error) => bad("rights", &error),
    });
    findings.push(tables(&pool).await);
    findings.push(pooler(&pool).await);
    findings.push(match hints(&pool).await {
        Ok(true) => good("hints", "arrive: followers hear of appends at once"),
        Ok(false) => good("hints", "do not arrive (a pooler between?): followers look ten times a second"),
        Err(lost) => bad("hints", &lost.into()),
    });
    findings.extend(clock_and_disk(&pool).await);
    findings
}

fn connection(pool: &Pool, took: Duration) -> String {
    let encrypted = match (pool.options.tls.mode, pool.options.tls.verify) {
        (TlsMode::Disable, _) => "not encrypted",
        (TlsMode::Prefer, _) => "encrypted if the server can",
        (TlsMode::Require, true) => "encrypted, the certificate verified",
        (TlsMode::Require, false) => "encrypted, the certificate NOT verified",
    };
    format!("{}: {encrypted}, {} ms", pool.place(), took.as_millis())
}

fn durability(server: &server::Server) -> Finding {
    if !server.is_durable {
        let value =
            "fsync or full_page_writes is off: a crash of the server's machine may take or damage anything";
        let advice = "switch both on in postgresql.conf".to_owned();
        return Finding { what: "durability", value: value.into(), is_bad: true, advice: Some(advice) };
    }
    if server.data_checksums {
        return good("durability", "commits are on the disk, pages carry checksums");
    }
    let advice = "`pg_checksums --enable` on the stopped server lets it notice a disk that lies";
    advised("durability", "commits are on the disk; pages carry no checksums", advice)
}

/// Whether the user may make the tables, or use those that are there.
async fn rights(pool: &Pool) -> Result<Finding, Error> {
    let names = &pool.options.names;
    let sql = names.sql(
        "SELECT current_user::text, has_database_privilege(current_database(), 'CREATE'),
             to_regnamespace('{schema_text}') IS NOT NULL,
             coalesce(has_schema_privilege(to_regnamespace('{schema_text}'), 'CREATE'), false),
             to_regclass('{events}') IS NOT NULL,
             coalesce(has_table_privilege(to_regclass('{events}'), 'SELECT'), false),
             coalesce((SELECT has_function_privilege(p.oid, 'EXECUTE') FROM pg_proc p
                       WHERE p.proname = '{prefix_text}append_events' AND p.pronamespace = to_regnamespace('{schema_text}')
                       LIMIT 1), false)",
    );
    let row = pool.ask_one(&Request::new(sql)).await?;
    let user: String = column(&row, 0)?;
    let is = |index: usize| column::<bool>(&row, index);
    let schema = names.schema();
    if is(4)? {
        return Ok(match (is(5)?, is(6)?) {
            (true, true) => good("rights", format!("{user} may read and append")),
            (true, false) => advised("rights", format!("{user} may read only"), "the owner may grant more"),
            _ => {
                let denied = Error::denied(format!("{user} may not read the log in the schema {schema}"));
                bad("rights", &denied.with_hint("have its owner grant it, or connect as the owner"))
            }
        });
    }
    let may_make = if is(2)? { is(3)? } else { is(1)? };
    if may_make {
        return Ok(good("rights", format!("{user} may make the log's tables")));
    }
    let denied = Error::denied(format!("{user} may not make tables in the schema {schema}"));
    let hint = format!(
        "have the database's owner run: GRANT CREATE ON DATABASE ... TO {user}, or name a ?schema= of its own"
    );
    Ok(bad("rights", &denied.with_hint(hint)))
}

async fn tables(pool: &Pool) -> Finding {
    let schema = pool.options.names.schema();
    match migrations::version(pool).await {
        Ok(NEWEST) => good("tables", format!("in the schema {schema}, at migration {NEWEST}")),
        Ok(0) => {
            let advice = "`factlog migrate up` makes them, and so does the first event";
            advised("tables", format!("there is no log in the schema {schema} yet"), advice)
        }
        Ok(version) => match migrations::check(version) {
            Ok(()) => good("tables", format!("at migration {version}")),
            Err(error) => bad("tables", &error),
        },
        Err(error) => bad("tables", &error),
    }
}

/// Whether two connections of ours are one at the server: then a pooler gives it out for a transaction only.
async fn pooler(pool: &Pool) -> Finding {
    match shares_connections(pool).await {
        Ok(true) => good("pooler", "gives a connection for one transaction only; factlog needs no more"),
        Ok(false) => good("pooler", "none, or one that keeps sessions apart"),
        Err(lost) => bad("pooler", &lost.into()),
    }
}

async fn shares_connections(pool: &Pool) -> Result<bool, Lost> {
    let token = uuid::Uuid::now_v7().to_string();
    let set = Request::new("SELECT set_config('factlog.probe', $1, false)").with(token.clone(), Type::TEXT);
    let get = Request::new("SELECT coalesce(current_setting('factlog.probe', true), '')");
    let told = |error| pool.failed(error);
    let (first, listening, _hears) = pool.connect().await?;
    let first_task = tokio::spawn(listening);
    let (second, listening, _hears) = pool.connect().await?;
    let second_task = tokio::spawn(listening);
    set.on(&first).await.map_err(told)?;
    let rows = get.on(&second).await.map_err(told)?;
    let seen: Option<String> = rows.first().and_then(|row| column(row, 0).ok());
    let is_shared = seen.as_deref() == Some(token.as_str());
    // Nothing of ours stays behind on a connection that others get.
    let clear = Request::new("SELECT set_config('factlog.probe', '', false)");
    let _ = clear.on(if is_shared { &second } else { &first }).await;
    first_task.abort();
    second_task.abort();
    Ok(is_shared)
}

/// Whether a hint that is sent comes back.
async fn hints(pool: &Pool) -> Result<bool, Lost> {
    let told = |error| pool.failed(error);
    let (client, listening, mut hears) = pool.connect().await?;
    let task = tokio::spawn(listening);
    client.batch_execute("LISTEN factlog_doctor").await.map_err(told)?;
    pool.once(&Request::new("SELECT pg_notify('factlog_doctor', '')")).await?;
    let heard = timeout(HINT_WAIT, hears.recv()).await;
    let _ = client.batch_execute("UNLISTEN factlog_doctor").await;
    task.abort();
    Ok(matches!(heard, Ok(Some(_))))
}

async fn clock_and_disk(pool: &Pool) -> Vec<Finding> {
    let sql = "SELECT clock_timestamp(), pg_database_size(current_database()),
                   (SELECT count(*) FROM pg_stat_activity), current_setting('max_connections')::bigint";
    let before = Timestamp::now();
    let row = match pool.ask_one(&Request::new(sql)).await {
        Ok(row) => row,
        Err(error) => return vec![bad("clock", &error)],
    };
    let between = i64::midpoint(before.as_micros(), Timestamp::now().as_micros());
    let mut findings = Vec::new();
    if let Ok(there) = column::<Moment>(&row, 0) {
        let off = Duration::from_micros(there.0.as_micros().abs_diff(between));
        let value = format!("{} ms apart from the server's, which stamps the events", off.as_millis());
        findings.push(if off > CLOCK_OFF_MAX {
            advised("clock", value, "set both by NTP, or times will look odd")
        } else {
            good("clock", value)
        });
    }
    if let (Ok(bytes), Ok(used), Ok(max)) =
        (column::<i64>(&row, 1), column::<i64>(&row, 2), column::<i64>(&row, 3))
    {
        let advice = "it does not tell how much room is left: watch the disk of its machine";
        findings.push(advised("disk", format!("the database has {} MiB", bytes / (1024 * 1024)), advice));
        let wanted = pool.options.pool_max as i64;
        let value = format!("{used} of {max} at the server are in use; this log opens up to {wanted}");
        findings.push(if used + wanted > max {
            advised("connections", value, "a smaller ?pool_max=N, or a larger max_connections")
        } else {
            good("connections", value)
        });
    }
    findings
}
