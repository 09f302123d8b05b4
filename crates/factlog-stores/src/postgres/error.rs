//! What PostgreSQL's errors mean to a caller.

use factlog::Error;
use tokio_postgres::error::SqlState;

use super::names::Names;

/// Whether the connection is gone: nobody knows then whether what was asked for is done.
pub(super) fn is_connection(error: &tokio_postgres::Error) -> bool {
    if let Some(code) = error.code() {
        let away = [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ];
        return code.code().starts_with("08") || away.contains(code) || is_poolers(error);
    }
    let is_io = std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
    // A certificate that is refused stays so.
    error.is_closed() || (is_io && !error.to_string().contains("TLS"))
}

/// A pooler says that it has lost the server by a code that it uses for everything.
fn is_poolers(error: &tokio_postgres::Error) -> bool {
    const LOST: [&str; 5] = [
        "server conn crashed",
        "server closed the connection",
        "server login",
        "query_wait_timeout",
        "connect failed",
    ];
    error.as_db_error().is_some_and(|error| LOST.iter().any(|lost| error.message().contains(lost)))
}

/// Whether an append broke on what was in it, which may be one batch's alone.
pub(super) fn is_of_the_data(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.code().starts_with(class)))
}

/// An error for a caller; `place` is the URL without secrets.
pub(super) fn told(place: &str, names: &Names, error: tokio_postgres::Error) -> Error {
    let said = error.as_db_error().map_or_else(|| words(&error), |error| error.message().to_owned());
    let schema = names.schema();
    let Some(code) = error.code().cloned() else {
        let unavailable = Error::unavailable(format!("{place}: {said}"));
        let hint = if said.contains("certificate") || said.contains("TLS") {
            "the server's certificate must be known: name a file with ?sslrootcert=PATH, or switch the check off with \
             ?sslmode=no-verify"
        } else {
            "is the server running, and is the address right? `factlog doctor` looks"
        };
        return unavailable.with_hint(hint).with_cause(error);
    };
    let told = match &code {
        _ if is_connection(&error) => Error::unavailable(format!("{place}: {said}"))
            .with_hint("is the server running? `factlog doctor` looks"),
        code if code.code().starts_with("28") => Error::denied(format!("{place}: {said}"))
            .with_hint("check the user and the password in the URL, or POSTGRES_USER and POSTGRES_PASSWORD"),
        code if *code == SqlState::INVALID_CATALOG_NAME => {
            Error::not_found(format!("{place}: {said}")).with_hint("make the database first: createdb NAME")
        }
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => Error::denied(format!("{place}: {said}")).with_hint(
            format!("the user lacks a right in the schema {schema}: connect as its owner, or have the owner grant it"),
        ),
        code if *code == SqlState::INVALID_TRANSACTION_STATE => Error::invalid(format!("{place}: {said}")).with_hint(
            "ALTER ROLE ... or ALTER DATABASE ... SET default_transaction_isolation = 'read committed'",
        ),
        code if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Error::denied(format!("{place}: {said}"))
            .with_hint("this is a standby or read-only: name the primary server"),
        code if [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_FUNCTION, SqlState::INVALID_SCHEMA_NAME].contains(code) => {
            Error::not_found(format!("{place}: {said}"))
                .with_hint(format!("the log's tables are not all in the schema {schema}: `factlog migrate status`"))
        }
        code if code.code().starts_with("53") => Error::unavailable(format!("{place}: {said}; nothing was changed"))
            .with_hint("the server has no room or memory left: see its log"),
        code if [SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED].contains(code) || code.code().starts_with("40") => {
            Error::unavailable(format!("{place}: {said}; nothing was changed"))
                .with_hint("somebody holds the log for long: `factlog health` shows who waits")
        }
        code if code.code().starts_with("XX") => Error::corrupt(place, said),
        code if *code == SqlState::RESTRICT_VIOLATION => Error::denied(format!("{place}: {said}")),
        code if ["22", "23", "54"].iter().any(|class| code.code().starts_with(class)) => {
            Error::invalid(format!("{place}: {said}"))
        }
        _ => Error::stopped(format!("{place}: {said} ({})", code.code())),
    };
    told.with_cause(error)
}

/// The error with its cause, which says more.
fn words(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
