//! Where a factlog is kept: each backend keeps the promises of [`factlog::Store`].
//!
//! ```
//! use factlog_stores::{Open, open};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let log = open("memory:", Open::Create).await?;
//! assert_eq!(log.about().kind, "memory");
//! # Ok::<(), factlog::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod jsonl;
pub mod postgres;
mod published;
mod sequence;
mod sqlite;
mod system;
mod url;
pub mod vfs;

use factlog::{EventLog, MemoryStore, Result};

#[cfg(feature = "simulation")]
pub use jsonl::fuzzing;
pub use jsonl::{JsonlOptions, JsonlStore, Tuning};
pub use postgres::{PostgresOptions, PostgresStore};
pub use sqlite::{Indexes, SqliteOptions, SqliteStore, Sync, indexes_of, migrate_indexes};
pub use url::StoreUrl;

/// What to do when there is no log yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Make one.
    Create,
    /// Say `NotFound`.
    Existing,
    /// Say `NotFound`; and where a log is there, change nothing in it, so that a person may look first.
    Inspect,
}

/// Opens the log at a URL: `sqlite:PATH`, `jsonl:DIR`, `postgres://...`, `memory:`.
///
/// # Errors
/// `Invalid` for a URL of no known kind, `NotFound` where there is no log and none is to be made, and what the backend says.
pub async fn open(url: &str, open: Open) -> Result<EventLog> {
    match url.parse::<StoreUrl>()? {
        StoreUrl::Memory => Ok(EventLog::new(MemoryStore::new())),
        StoreUrl::Sqlite(options) => blocking(move || SqliteStore::open(&options, open)).await,
        StoreUrl::Postgres(options) => Ok(EventLog::new(PostgresStore::open(&options, open).await?)),
        StoreUrl::Jsonl(options) => blocking(move || JsonlStore::open(&options, open)).await,
    }
}

/// Opens a store on a thread for such work.
async fn blocking<S: factlog::Store>(open: impl FnOnce() -> Result<S> + Send + 'static) -> Result<EventLog> {
    let opened = tokio::task::spawn_blocking(open).await;
    Ok(EventLog::new(opened.map_err(|error| factlog::Error::stopped(error.to_string()))??))
}

/// The README's code is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../../../docs/postgres.md")]
struct Readme;
