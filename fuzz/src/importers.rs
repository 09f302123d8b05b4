//! Any bytes as a file of a format that is imported.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use factlog::{Batch, Event, EventLog, Filter, MemoryStore, NewEvent, Position, RETENTION_STREAM, Result};
use factlog_adapters::hook::{self, Agent};
use factlog_adapters::redact::{Redactor, Rules};
use factlog_adapters::{
    Imported, Intake, agent_events, by_stream, claude_code, claude_flow, codex, detect, gemini, jsonl,
    scopecraft,
};
use tempfile::TempDir;

use crate::store::wait;

/// What stands between the files of a tree.
const NEXT_FILE: &[u8] = b"\n%%\n";
/// A disk in memory, where there is one.
const MEMORY: &str = "/dev/shm";

static REDACTOR: LazyLock<Redactor> =
    LazyLock::new(|| Redactor::new(&Rules::default(), *b"sixteen bytes...").expect("the rules"));

/// The first byte chooses the format: `j`son lines, a tree `b`y stream, `s`copecraft, the inter-`a`gent bus, `c`laude code, code`x`, `g`emini,
/// claude-flow's `d`atabase and `r`vf, `h`ook; a capital letter lets secrets be taken out.
///
/// Nothing panics, and the import comes to its end. Each record is counted once, and named if it is rejected. A second
/// import adds nothing.
pub fn importers(bytes: &[u8]) {
    let [format, bytes @ ..] = bytes else { return };
    let redactor = format.is_ascii_uppercase().then_some(&*REDACTOR);
    let format = format.to_ascii_lowercase();
    if format == b'h' {
        return hooked(bytes, redactor);
    }
    let folder = folder();
    let path = written(folder.path(), format, bytes);
    detect::detect(&[folder.path().to_owned()]).expect("a folder that can be read");
    let log = EventLog::new(MemoryStore::new());
    let first = import(&log, format, &path, redactor);
    counts(format, &first, bytes);
    let events = events(&log);
    assert_eq!(first.appended, events.len() as u64, "an event for each record that went in");
    let second = import(&log, format, &path, redactor);
    assert_eq!(second.appended, 0, "a second import adds events: {first:?}, {second:?}");
    assert_eq!(self::events(&log).len(), events.len());
    goes_on(&log, &events);
}

fn folder() -> TempDir {
    let memory = Path::new(MEMORY);
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a folder")
}

/// Writes the files; gives the path that is imported.
fn written(folder: &Path, format: u8, bytes: &[u8]) -> PathBuf {
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder)).expect("a folder");
        fs::write(&path, bytes).expect("a file");
        path
    };
    match format {
        b'b' => {
            let mut rest = bytes;
            for number in 1..=3 {
                let end = rest.windows(NEXT_FILE.len()).position(|part| part == NEXT_FILE);
                let end = end.filter(|_| number < 3).unwrap_or(rest.len());
                put(&format!("2026-11-20/task-{number}.jsonl"), &rest[..end]);
                rest = rest.get(end + NEXT_FILE.len()..).unwrap_or_default();
            }
            folder.to_owned()
        }
        b'd' => put("events.db", bytes),
        b'r' => put("events.rvf", bytes),
        b'g' if bytes.first() == Some(&b'{') && !bytes.contains(&b'\n') => put("session.json", bytes),
        _ => put("session.jsonl", bytes),
    }
}

fn import(log: &EventLog, format: u8, path: &Path, redactor: Option<&Redactor>) -> Imported {
    let paths = [path.to_owned()];
    let mut progress = |_: factlog_adapters::Progress<'_>| {};
    let intake = Intake { progress: &mut progress, redactor, again: false };
    let done = |outcome: Result<Imported>| outcome.expect("a bad record is no error of the import");
    let imported = match format {
        b'b' => run(by_stream::import(log, &paths, intake)),
        b's' => run(scopecraft::import(log, &paths, intake)),
        b'a' => run(agent_events::import(log, &paths, intake)),
        b'c' => run(claude_code::import(log, &paths, claude_code::Options { with_progress: true }, intake)),
        b'x' => run(codex::import(log, &paths, codex::Options { with_repeats: true }, intake)),
        b'g' => run(gemini::import(log, &paths, intake)),
        b'd' | b'r' => run(claude_flow::import(log, &paths, intake)),
        _ => run(jsonl::import(log, &paths, intake)),
    };
    done(imported)
}

fn run(import: impl Future<Output = Result<Imported>>) -> Result<Imported> {
    wait(import)
}

fn events(log: &EventLog) -> Vec<Arc<Event>> {
    let mut reading = log.read(Filter::all());
    wait(async {
        let mut events = Vec::new();
        while let Some(event) = reading.next().await {
            events.push(event.expect("a log in memory can be read"));
        }
        events
    })
}

/// The streams of an import take events behind those that came in.
fn goes_on(log: &EventLog, events: &[Arc<Event>]) {
    let Some(last) = events.last().filter(|last| last.stream != RETENTION_STREAM) else { return };
    let is_full = last.position == Position::MAX || last.version.0 >= Position::MAX.0;
    let event = NewEvent::new(&last.stream, "fuzz:appended", serde_json::json!({})).expect("an event");
    match wait(log.append(event)) {
        Ok(appended) => {
            assert_eq!(appended.events[0].version.0, last.version.0 + 1, "the version goes on");
        }
        Err(error) => assert!(is_full, "{} takes no event: {error}", last.stream),
    }
}

/// Every record is one of the numbers, and a rejected one has a place and a reason.
fn counts(format: u8, imported: &Imported, bytes: &[u8]) {
    let Imported { read, appended, duplicates, skipped, rejected, rejected_more, pending, .. } = imported;
    let sum = appended + duplicates + skipped + rejected.len() as u64 + rejected_more;
    assert_eq!(*read, sum, "a record is not accounted for: {imported:?}");
    for rejected in rejected {
        let is_named = !rejected.reason.is_empty() && rejected.line > 0 && !rejected.file.is_empty();
        assert!(is_named, "a rejected record without a place or a reason: {rejected:?}");
    }
    // A line that is not done is the last one of its file.
    let pending_max = if format == b'b' { 3 } else { 1 };
    assert!(*pending <= pending_max, "{pending} records are not done");
    if matches!(format, b'j' | b's') {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        assert_eq!(lines.count() as u64, read + pending, "a line is not accounted for");
    }
}

/// A hook's payload becomes an event that a log takes, whatever it is.
fn hooked(payload: &[u8], redactor: Option<&Redactor>) {
    for agent in Agent::ALL {
        let event = hook::event(agent, payload, redactor).expect("nothing that an agent says is lost");
        Batch::new(vec![event]).expect("an event that a log takes");
    }
}
