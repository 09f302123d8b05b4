//! Thirteen sessions of real agents; where they do not lie beside the project, the test says so and passes.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use factlog::{EventId, EventLog, Filter, MemoryStore};
use factlog_adapters::claude_code::{self, Options};
use factlog_adapters::{Imported, Intake, Progress};

fn transcripts() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/claude-code-transcripts");
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

async fn import(log: &EventLog, path: &Path, with_progress: bool) -> Imported {
    let paths = [path.to_owned()];
    claude_code::import(log, &paths, Options { with_progress }, Intake::telling(&mut |_| {})).await.unwrap()
}

fn counts(imported: &Imported) -> (u64, u64, u64, u64, u64) {
    assert_eq!((imported.rejected.as_slice(), imported.pending), (&[][..], 0));
    (imported.read, imported.appended, imported.duplicates, imported.skipped, imported.streams)
}

#[tokio::test]
async fn every_line_goes_in_once_however_often_it_is_imported() {
    let Some(path) = transcripts() else { return };
    let log = EventLog::new(MemoryStore::new());
    assert_eq!(counts(&import(&log, &path, false).await), (2303, 1346, 0, 957, 13));
    assert_eq!(counts(&import(&log, &path, false).await), (2303, 0, 1346, 957, 13));
    assert_eq!(counts(&import(&log, &path, true).await), (2303, 957, 1346, 0, 13));
    assert_eq!(log.newest().await.unwrap().0, 2303);
}

#[tokio::test]
async fn every_type_is_known_and_every_call_has_its_result() {
    let Some(path) = transcripts() else { return };
    let log = EventLog::new(MemoryStore::new());
    import(&log, &path, true).await;
    let mut types: HashMap<String, u64> = HashMap::new();
    for event in log.read(Filter::all()).collect().await.unwrap() {
        assert!(event.occurred_at.is_some() || event.event_type == "session:summarized", "{}", event.id);
        *types.entry(event.event_type.to_string()).or_default() += 1;
    }
    let expected = [
        ("session:prompted", 48),
        ("session:tool-returned", 402),
        ("session:context-added", 9),
        ("session:compact-summarized", 1),
        ("session:tool-called", 402),
        ("session:replied", 225 + 1),
        ("session:thought", 137),
        ("session:hooks-ran", 26),
        ("session:turn-ended", 20),
        ("session:compacted", 1),
        ("session:progressed", 957),
        ("session:files-snapshotted", 70),
        ("session:summarized", 1),
        ("session:prompt-queued", 2),
        ("session:pull-request-linked", 1),
    ];
    assert_eq!(types, expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect());
}

#[tokio::test]
async fn every_cause_that_stands_in_the_same_file_is_found() {
    let Some(path) = transcripts() else { return };
    let log = EventLog::new(MemoryStore::new());
    import(&log, &path, true).await;
    let events = log.read(Filter::all()).collect().await.unwrap();
    let ids: HashSet<EventId> = events.iter().map(|event| event.id).collect();
    let causes: Vec<EventId> = events.iter().filter_map(|event| event.causation_id).collect();
    assert!(causes.len() > 2_000);
    assert_eq!(causes.iter().filter(|cause| !ids.contains(cause)).count(), 0);
    let prompts: HashSet<String> = events
        .iter()
        .filter(|event| event.event_type == "session:prompted")
        .map(|event| event.id.to_string())
        .collect();
    for event in &events {
        assert!(event.correlation_id.as_ref().is_none_or(|prompt| prompts.contains(prompt.as_str())));
    }
}

#[tokio::test]
async fn sessions_go_in_by_time_and_progress_is_told_up_to_the_end() {
    let Some(path) = transcripts() else { return };
    let log = EventLog::new(MemoryStore::new());
    let mut last = None;
    let mut on_progress = |progress: Progress<'_>| last = Some((progress.bytes, progress.bytes_total));
    claude_code::import(&log, &[path], Options::default(), Intake::telling(&mut on_progress)).await.unwrap();
    let (bytes, total) = last.unwrap();
    assert_eq!(Some(bytes), total);
    let mut seen = HashSet::new();
    let events = log.read(Filter::all()).collect().await.unwrap();
    let firsts: Vec<_> = events.iter().filter(|event| seen.insert(event.stream.clone())).collect();
    assert_eq!(firsts.len(), 13);
    assert!(firsts.is_sorted_by_key(|event| event.time()));
}
