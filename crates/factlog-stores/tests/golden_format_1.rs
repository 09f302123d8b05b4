//! A log as released: `golden/format-1.db` and what is in it, `golden/format-1.jsonl`. Later versions must read it so.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "golden/scenario.rs"]
mod scenario;

use std::path::Path;

use factlog::EventLog;
use factlog_stores::{Indexes, Open, SqliteOptions, SqliteStore};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

fn open(path: &Path, open: Open) -> EventLog {
    let options = SqliteOptions { indexes: Some(Indexes::Real), ..SqliteOptions::new(path) };
    EventLog::new(SqliteStore::open(&options, open).unwrap())
}

#[tokio::test]
async fn a_log_of_format_1_is_read_as_it_was_written() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    std::fs::copy(Path::new(FOLDER).join("format-1.db"), &path).unwrap();
    let log = open(&path, Open::Existing);
    let lines = std::fs::read_to_string(Path::new(FOLDER).join("format-1.jsonl")).unwrap();
    scenario::read(&log, &lines).await;
}

/// Makes the golden file; it is run by hand, once per released format:
/// `FACTLOG_MAKE_GOLDEN=1 cargo test -p factlog-stores --test golden_format_1`.
#[tokio::test]
async fn the_golden_file_can_be_made_again_with_the_same_events() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("format-1.db");
    let log = open(&path, Open::Create);
    let lines = scenario::write(&log).await;
    log.close().await.unwrap();
    if std::env::var_os("FACTLOG_MAKE_GOLDEN").is_some() {
        std::fs::copy(&path, Path::new(FOLDER).join("format-1.db")).unwrap();
        std::fs::write(Path::new(FOLDER).join("format-1.jsonl"), lines).unwrap();
    }
}
