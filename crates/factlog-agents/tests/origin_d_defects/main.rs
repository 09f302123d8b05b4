//! What the inter-agent event store got wrong, each as a test that names it (FACTS D.7, A1-A17).
//!
//! A1-A3, A9, A10, A12-A14 are in `kept`, A4-A8 in `talking`, A11 in `together`, A15-A17 in `whole`.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

mod kept;
mod talking;
mod together;
mod whole;

use std::time::Duration;

use factlog::EventLog;
use factlog_stores::Open;

/// How long anything may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// A log in a file: opened twice, it is what two processes have.
async fn open(folder: &tempfile::TempDir) -> EventLog {
    let url = format!("sqlite:{}", folder.path().join("agents.db").display());
    factlog_stores::open(&url, Open::Create).await.unwrap()
}
