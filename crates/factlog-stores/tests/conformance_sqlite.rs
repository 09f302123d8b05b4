//! The SQLite store keeps every promise.

use std::sync::Arc;

use factlog::Store;
use factlog::conformance::Backend;
use factlog_stores::{Open, SqliteOptions, SqliteStore};
use tempfile::TempDir;

struct Sqlite(TempDir);

impl Sqlite {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder for the test"))
    }
}

#[async_trait::async_trait]
impl Backend for Sqlite {
    async fn open(&self) -> Arc<dyn Store> {
        let options = SqliteOptions::new(self.0.path().join("log.db"));
        Arc::new(SqliteStore::open(&options, Open::Create).expect("the log opens"))
    }
}

factlog::conformance!(Sqlite::new());
