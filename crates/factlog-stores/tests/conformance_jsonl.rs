//! The plain-text log keeps every promise: with its usual sizes, and with so small ones that every test meets many segments
//! and indexes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use factlog::Store;
use factlog::conformance::Backend;
use factlog_stores::{JsonlOptions, JsonlStore, Open, Tuning};

struct Folder {
    folder: tempfile::TempDir,
    tuning: Option<Tuning>,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), tuning: None }
    }

    fn small() -> Self {
        let tuning = Tuning { segment_bytes: 4_096, index_events: 16, ahead_bytes: 512, background: true };
        Self { tuning: Some(tuning), ..Self::new() }
    }
}

#[async_trait::async_trait]
impl Backend for Folder {
    async fn open(&self) -> Arc<dyn Store> {
        let mut options = JsonlOptions::new(self.folder.path().join("log"));
        if let Some(tuning) = &self.tuning {
            options.tuning = tuning.clone();
        }
        Arc::new(JsonlStore::open(&options, Open::Create).unwrap())
    }
}

mod usual {
    use super::Folder;
    factlog::conformance!(Folder::new());
}

mod small {
    use super::Folder;
    factlog::conformance!(Folder::small());
}
