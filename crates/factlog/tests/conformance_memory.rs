//! The memory store keeps every promise but the one that memory cannot.

use std::sync::Arc;

use factlog::conformance::Backend;
use factlog::{MemoryStore, Store};

struct Memory;

#[async_trait::async_trait]
impl Backend for Memory {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new())
    }

    fn survives_close(&self) -> bool {
        false
    }
}

factlog::conformance!(Memory);
