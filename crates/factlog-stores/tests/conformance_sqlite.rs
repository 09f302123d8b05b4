//! The SQLite store keeps every promise.

use std::sync::Arc;

use factlog::Store;
use factlog::conformance::Backend;
use factlog_stores::{Indexes, Open, SqliteOptions, SqliteStore};
use tempfile::TempDir;

/// A log whose indexes are of one kind or the other; those that lag are written every few events.
struct Sqlite {
    folder: TempDir,
    indexes: Indexes,
}

impl Sqlite {
    fn new(indexes: Indexes) -> Self {
        Self { folder: TempDir::new().expect("a folder for the test"), indexes }
    }
}

#[async_trait::async_trait]
impl Backend for Sqlite {
    async fn open(&self) -> Arc<dyn Store> {
        let path = self.folder.path().join("log.db");
        let indexes = Some(self.indexes);
        let options = SqliteOptions { indexes, tail_events: Some(3), ..SqliteOptions::new(path) };
        Arc::new(SqliteStore::open(&options, Open::Create).expect("the log opens"))
    }
}

mod real {
    factlog::conformance!(super::Sqlite::new(factlog_stores::Indexes::Real));
}

mod lagging {
    factlog::conformance!(super::Sqlite::new(factlog_stores::Indexes::Lagging));
}
