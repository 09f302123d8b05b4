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

mod sqlite;
mod system;
mod url;

use factlog::{EventLog, MemoryStore, Result};

pub use sqlite::{SqliteOptions, SqliteStore, Sync};
pub use url::StoreUrl;

/// What to do when there is no log yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Make one.
    Create,
    /// Say `NotFound`.
    Existing,
}

/// Opens the log at a URL: `sqlite:PATH`, `memory:`.
///
/// # Errors
/// `Invalid` for a URL of no known kind, `NotFound` where there is no log and none is to be made, and what the backend says.
pub async fn open(url: &str, open: Open) -> Result<EventLog> {
    match url.parse::<StoreUrl>()? {
        StoreUrl::Memory => Ok(EventLog::new(MemoryStore::new())),
        StoreUrl::Sqlite(options) => {
            let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&options, open)).await;
            Ok(EventLog::new(opened.map_err(|error| factlog::Error::stopped(error.to_string()))??))
        }
    }
}

/// The README's code is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
