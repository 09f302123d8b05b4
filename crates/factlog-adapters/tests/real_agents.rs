//! Sessions of Codex and Gemini CLI; where they do not lie beside the project, the tests say so and pass.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use factlog::{EventLog, MemoryStore};
use factlog_adapters::{Imported, Intake, codex, gemini};

fn fixtures() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/multi-agent-fixtures");
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

/// Read, appended, skipped; of the second time, only that nothing came to it.
fn counts(name: &str, first: &Imported, again: &Imported) -> (u64, u64, u64) {
    assert_eq!((first.rejected.as_slice(), first.pending, first.duplicates), (&[][..], 0, 0), "{name}");
    assert_eq!((again.appended, again.duplicates), (0, first.appended), "{name}");
    assert_eq!((again.read, again.skipped), (first.read, first.skipped), "{name}");
    (first.read, first.appended, first.skipped)
}

async fn codex(folder: &Path, name: &str, with_repeats: bool) -> (u64, u64, u64) {
    let log = EventLog::new(MemoryStore::new());
    let (paths, options) = ([folder.join(name)], codex::Options { with_repeats });
    let first = codex::import(&log, &paths, options, Intake::telling(&mut |_| {})).await.unwrap();
    let again = codex::import(&log, &paths, options, Intake::telling(&mut |_| {})).await.unwrap();
    counts(name, &first, &again)
}

async fn gemini(folder: &Path, name: &str) -> (u64, u64, u64) {
    let log = EventLog::new(MemoryStore::new());
    let paths = [folder.join(name)];
    let first = gemini::import(&log, &paths, Intake::telling(&mut |_| {})).await.unwrap();
    let again = gemini::import(&log, &paths, Intake::telling(&mut |_| {})).await.unwrap();
    counts(name, &first, &again)
}

#[tokio::test]
async fn every_file_of_codex_goes_in_once() {
    let Some(folder) = fixtures() else { return };
    let expected = [
        ("codex_050_legacy.jsonl", (5, 5, 0)),
        ("codex_051_usage.jsonl", (3, 3, 0)),
        ("codex_052_raw.jsonl", (6, 6, 0)),
        ("codex_053_rate_limit.jsonl", (5, 5, 0)),
        ("session_branch.jsonl", (5, 5, 0)),
        ("session_simple.jsonl", (2, 2, 0)),
        ("session_toolcall.jsonl", (4, 4, 0)),
        ("stage0/agents/codex/large.jsonl", (20, 19, 1)),
        ("stage0/agents/codex/schema_drift.jsonl", (5, 5, 0)),
        // Of the 25, four are pairs by their texts and 21 by calls whose ids the file has one placeholder for.
        ("stage0/agents/codex/small.jsonl", (118, 93, 25)),
    ];
    for (name, counts) in expected {
        assert_eq!(codex(&folder, name, false).await, counts, "{name}");
        assert_eq!(codex(&folder, name, true).await, (counts.0, counts.0, 0), "{name}");
    }
}

#[tokio::test]
async fn every_file_of_gemini_goes_in_once() {
    let Some(folder) = fixtures() else { return };
    let expected = [
        ("stage0/agents/gemini/jsonl_v040.jsonl", (5, 5, 0)),
        ("stage0/agents/gemini/large.json", (8, 8, 0)),
        ("stage0/agents/gemini/schema_drift.json", (4, 4, 0)),
        ("stage0/agents/gemini/small.json", (3, 3, 0)),
    ];
    for (name, counts) in expected {
        assert_eq!(gemini(&folder, name).await, counts, "{name}");
    }
}
