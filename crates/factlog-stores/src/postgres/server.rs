//! What a server is: whether it can keep a log, and what it promises.

use factlog::{Error, Result};

use super::pool::Pool;
use super::request::Request;
use super::row::column;

/// The oldest version that has all that is used.
const VERSION_MIN: i32 = 130_000;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its version in words.
    pub version: String,
    /// Whether a commit is on the disk and stays whole: `fsync` and `full_page_writes` are on.
    pub is_durable: bool,
    /// Whether it only follows another server.
    pub is_standby: bool,
    /// Whether pages carry checksums.
    pub data_checksums: bool,
}

/// Looks at a server.
///
/// # Errors
/// `Invalid` for one that cannot keep the promises.
pub(super) async fn look(pool: &Pool) -> Result<Server> {
    let sql = "SELECT version(), current_setting('server_version_num')::integer, current_setting('server_encoding'),
                   'off' NOT IN (current_setting('fsync'), current_setting('full_page_writes')),
                   pg_is_in_recovery(), coalesce(current_setting('data_checksums', true), 'off') = 'on',
                   current_setting('default_transaction_isolation')";
    let row = pool.ask_one(&Request::new(sql)).await?;
    let version: String = column(&row, 0)?;
    let place = pool.place();
    if version.contains("CockroachDB") {
        return Err(Error::invalid(format!(
            "{place}: this is CockroachDB, whose advisory locks do nothing: a log would lose its order"
        ))
        .with_hint("use PostgreSQL 13 or later"));
    }
    if column::<i32>(&row, 1)? < VERSION_MIN {
        return Err(
            Error::invalid(format!("{place}: {version} is too old")).with_hint("use PostgreSQL 13 or later")
        );
    }
    let encoding: String = column(&row, 2)?;
    if encoding != "UTF8" {
        return Err(Error::invalid(format!("{place}: the database's encoding is {encoding}"))
            .with_hint("make one in UTF-8: createdb --encoding UTF8 --template template0 NAME"));
    }
    let isolation: String = column(&row, 6)?;
    if isolation != "read committed" {
        return Err(Error::invalid(format!(
            "{place}: transactions are {isolation} by default, and an append would judge by an old state of the log"
        ))
        .with_hint("ALTER ROLE ... or ALTER DATABASE ... SET default_transaction_isolation = 'read committed'"));
    }
    Ok(Server {
        version,
        is_durable: column(&row, 3)?,
        is_standby: column(&row, 4)?,
        data_checksums: column(&row, 5)?,
    })
}
