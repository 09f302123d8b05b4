//! The PostgreSQL store keeps every promise.

mod postgres;

use std::sync::Arc;

use factlog::Store;
use factlog::conformance::Backend;
use factlog_stores::{Open, PostgresStore};

use postgres::Log;

#[async_trait::async_trait]
impl Backend for Log {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(PostgresStore::open(&self.options(), Open::Create).await.expect("the log opens"))
    }
}

factlog::conformance!(if Log::direct());
