//! What the tests of imports share.
// Each test file uses a part of it, and a test whose scene cannot be set has failed.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use factlog::{Event, EventId, EventLog, Filter, MemoryStore};
use factlog_adapters::claude_code::{self, Options};
use factlog_adapters::{Imported, Intake, jsonl};

/// A log and a folder to import from.
pub(crate) struct Scene {
    pub(crate) log: EventLog,
    pub(crate) folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self { log: EventLog::new(MemoryStore::new()), folder: tempfile::tempdir().unwrap() }
    }

    /// Writes a file, with its folders.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Imports the folder as transcripts, without progress.
    pub(crate) async fn transcripts(&self) -> Imported {
        self.transcripts_with(Options::default()).await
    }

    pub(crate) async fn transcripts_with(&self, options: Options) -> Imported {
        let paths = [self.path().to_owned()];
        sound(claude_code::import(&self.log, &paths, options, Intake::telling(&mut |_| {})).await.unwrap())
    }

    /// Imports the folder as JSON lines.
    pub(crate) async fn jsonl(&self) -> Imported {
        sound(
            jsonl::import(&self.log, &[self.path().to_owned()], Intake::telling(&mut |_| {})).await.unwrap(),
        )
    }

    pub(crate) async fn events(&self) -> Vec<Arc<Event>> {
        self.log.read(Filter::all()).collect().await.unwrap()
    }

    pub(crate) async fn types(&self) -> Vec<String> {
        self.events().await.iter().map(|event| event.event_type.to_string()).collect()
    }
}

/// Every line that was read is accounted for.
pub(crate) fn sound(imported: Imported) -> Imported {
    let rejected = imported.rejected.len() as u64 + imported.rejected_more;
    let sum = imported.appended + imported.duplicates + imported.skipped + rejected;
    assert_eq!(imported.read, sum, "{imported:?}");
    imported
}

/// Read, appended, duplicates, skipped.
pub(crate) fn counts(imported: &Imported) -> (u64, u64, u64, u64) {
    (imported.read, imported.appended, imported.duplicates, imported.skipped)
}

/// File without folders, line and reason of what was rejected.
pub(crate) fn rejected(imported: &Imported) -> Vec<(String, u64, String)> {
    let name = |path: &str| Path::new(path).file_name().unwrap().to_string_lossy().into_owned();
    imported.rejected.iter().map(|bad| (name(&bad.file), bad.line, bad.reason.clone())).collect()
}

/// The id of the event of a transcript's line.
pub(crate) fn id(session: &str, uuid: &str) -> EventId {
    EventId::foreign("claude-code", session, uuid)
}
