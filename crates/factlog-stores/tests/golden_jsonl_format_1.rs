//! A plain-text log as released: the folder `golden/jsonl-format-1`, and what is in it, `golden/jsonl-format-1.jsonl`.
//! Later versions must read it so.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "golden/scenario.rs"]
mod scenario;

use std::fs;
use std::path::Path;

use factlog::EventLog;
use factlog_stores::{JsonlOptions, JsonlStore, Open};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/jsonl-format-1");
const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/jsonl-format-1.jsonl");

fn open(path: &Path, open: Open) -> EventLog {
    let mut options = JsonlOptions::new(path);
    // Few events have an index file too.
    options.tuning.index_events = 2;
    EventLog::new(JsonlStore::open(&options, open).unwrap())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test]
async fn a_plain_text_log_of_format_1_is_read_as_it_was_written() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("log");
    copy(Path::new(FOLDER), &path);
    let log = open(&path, Open::Existing);
    scenario::read(&log, &fs::read_to_string(EVENTS).unwrap()).await;
}

/// Makes the golden folder; it is run by hand, once per released format:
/// `FACTLOG_MAKE_GOLDEN=1 cargo test -p factlog-stores --test golden_jsonl_format_1`.
#[tokio::test]
async fn the_golden_folder_can_be_made_again_with_the_same_events() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("log");
    let log = open(&path, Open::Create);
    let lines = scenario::write(&log).await;
    log.close().await.unwrap();
    if std::env::var_os("FACTLOG_MAKE_GOLDEN").is_some() {
        copy(&path, Path::new(FOLDER));
        fs::write(EVENTS, lines).unwrap();
    }
}
