//! Which format a file has, by what its first lines look like.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use factlog::{Error, Result};
use serde_json::{Map, Value};

use crate::lines::LINE_BYTES_MAX;
use crate::source::{Sources, has_ending};
use crate::{agent_events, by_stream, claude_flow, gemini};

/// Endings of the files that are looked at in folders.
const ENDINGS: &[&str] = &["jsonl", "ndjson", "json", "csv", "db", "rvf"];
/// Bytes of a file that are looked at.
const LOOK_BYTES: u64 = 256 * 1024;
/// Lines of a file that are looked at.
const LOOK_LINES: usize = 20;

/// A format that can be told by a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Transcripts of Claude Code.
    ClaudeCode,
    /// Rollouts of Codex.
    Codex,
    /// Sessions of Gemini CLI.
    Gemini,
    /// Event files of Scopecraft.
    Scopecraft,
    /// Event stores of claude-flow.
    ClaudeFlow,
    /// Events of the inter-agent bus, or rows of its table.
    AgentEvents,
    /// A tree that an export of a factlog wrote, one file a day and a stream.
    ByStream,
    /// An export of a factlog.
    Jsonl,
}

/// Files by their formats.
#[derive(Debug, Default)]
pub struct Detected {
    /// The files of each format that was found.
    pub files: std::collections::BTreeMap<Kind, Vec<PathBuf>>,
    /// Files that look like none.
    pub unknown: Vec<PathBuf>,
}

/// Looks at files, and at all `.jsonl`, `.ndjson`, `.json`, `.csv`, `.db` and `.rvf` files under folders; tables and
/// databases of other programs there are passed over.
///
/// # Errors
/// `NotFound`, `Denied` or `Unavailable` for a path that cannot be read.
pub fn detect(paths: &[PathBuf]) -> Result<Detected> {
    let mut sources = Sources::new(ENDINGS);
    for path in paths {
        sources.add(path)?;
    }
    let mut detected = Detected::default();
    for source in sources.into_found() {
        let path = PathBuf::from(&source.name);
        match kind_of(&path)? {
            Some(kind) => detected.files.entry(kind).or_default().push(path),
            None if is_of_others(&path) && !paths.contains(&path) => {}
            None => detected.unknown.push(path),
        }
    }
    Ok(detected)
}

/// Whether a file is one that other programs have for purposes of their own.
fn is_of_others(path: &Path) -> bool {
    has_ending(path, &["csv"]) || claude_flow::is_other_database(path)
}

fn kind_of(path: &Path) -> Result<Option<Kind>> {
    let failed = |cause: std::io::Error| Error::unavailable(format!("{}: {cause}", path.display()));
    let mut bytes = Vec::new();
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    reader.by_ref().take(LOOK_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    if claude_flow::is_store(&bytes) {
        return Ok(Some(Kind::ClaudeFlow));
    }
    if agent_events::is_rows(&bytes) {
        return Ok(Some(Kind::AgentEvents));
    }
    if !bytes.contains(&b'\n') {
        // A first line may carry an image; it is looked at to its end.
        reader.take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut bytes).map_err(failed)?;
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let lines = text.lines().filter(|line| !line.trim().is_empty()).take(LOOK_LINES);
    let mut by_line = lines.filter_map(|line| serde_json::from_str::<Map<String, Value>>(line).ok());
    let kind = by_line.find_map(|line| match of_line(&line) {
        Some(Kind::Jsonl) if by_stream::is_place_of(path, &line) => Some(Kind::ByStream),
        kind => kind,
    });
    let kind = kind.or_else(|| of_document(text));
    Ok(kind.filter(|kind| *kind != Kind::Gemini || !gemini::is_beside(path)))
}

/// What a line gives away; some lines could be of any format.
fn of_line(line: &Map<String, Value>) -> Option<Kind> {
    let has = |names: &[&str]| names.iter().all(|name| line.contains_key(*name));
    let kind = line.get("type").and_then(Value::as_str).unwrap_or_default();
    if has(&["stream", "type"]) {
        return Some(Kind::Jsonl);
    }
    if has(&["streamId", "type", "timestamp"]) {
        return Some(Kind::Scopecraft);
    }
    let is_of_bus = has(&["id", "type", "source", "data"]) && (has(&["timestamp"]) || has(&["created_at"]));
    if is_of_bus && !has(&["specversion"]) {
        return Some(Kind::AgentEvents);
    }
    if has(&["sessionId", "projectHash"])
        || has(&["$set"])
        || has(&["$rewindTo"])
        || has(&["messages", "sessionId"])
    {
        return Some(Kind::Gemini);
    }
    if kind == "gemini" || (kind == "user" && has(&["id", "content"]) && !has(&["uuid"])) {
        return Some(Kind::Gemini);
    }
    let is_claude = (has(&["uuid"]) && has(&["sessionId"]))
        || matches!(kind, "file-history-snapshot" | "queue-operation")
        || (kind == "summary" && has(&["leafUuid"]));
    if is_claude {
        return Some(Kind::ClaudeCode);
    }
    let has_time = has(&["timestamp"]) || has(&["created_at"]);
    let is_rollout = has(&["payload"]) && has_time;
    let is_early =
        has_time && !has(&["uuid"]) && (has(&["role"]) || has(&["function"]) || kind.ends_with("_result"));
    (is_rollout || is_early).then_some(Kind::Codex)
}

/// A document that goes over many lines; as it may be cut, only its first keys are looked for.
fn of_document(text: &str) -> Option<Kind> {
    let is_session = text.starts_with('{')
        && (text.contains("\"messages\"") || text.contains("\"history\""))
        && ["\"projectHash\"", "\"sessionId\"", "\"startTime\"", "\"start_time\""]
            .iter()
            .any(|key| text.contains(key));
    let is_list = text.starts_with('[')
        && ["\"id\"", "\"type\"", "\"source\"", "\"data\"", "\"timestamp\""]
            .iter()
            .all(|key| text.contains(key));
    if is_list {
        return Some(Kind::AgentEvents);
    }
    is_session.then_some(Kind::Gemini)
}
