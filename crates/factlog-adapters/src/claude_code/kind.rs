//! What happened, by the shape of a line: the one table of types.

use super::line::{Blocks, Line};

/// A person said something.
pub(super) const PROMPTED: &str = "session:prompted";
/// A tool or hook is still at work.
pub(super) const PROGRESSED: &str = "session:progressed";
/// Whatever the table does not know: kept, and never an error.
const OTHER: &str = "session:other";

/// The type of the event that a line becomes.
pub(super) fn of(line: &Line<'_>) -> &'static str {
    match line.kind().as_deref() {
        Some("user") => of_user(line),
        Some("assistant") => of_assistant(line),
        Some("system") => of_system(line),
        Some("progress") => PROGRESSED,
        Some("file-history-snapshot") => "session:files-snapshotted",
        Some("summary") => "session:summarized",
        Some("queue-operation") => "session:prompt-queued",
        Some("pr-link") => "session:pull-request-linked",
        _ => OTHER,
    }
}

fn of_user(line: &Line<'_>) -> &'static str {
    let blocks = line.blocks();
    if line.is_compact_summary() {
        "session:compact-summarized"
    } else if blocks.have(&["tool_result"]) {
        "session:tool-returned"
    } else if line.is_meta() {
        "session:context-added"
    } else if blocks == Blocks::Text || blocks.have(&["text", "image", "document"]) {
        PROMPTED
    } else {
        OTHER
    }
}

fn of_assistant(line: &Line<'_>) -> &'static str {
    let blocks = line.blocks();
    if line.is_api_error() {
        "session:api-failed"
    } else if blocks.have(&["tool_use", "server_tool_use"]) {
        "session:tool-called"
    } else if blocks == Blocks::Text || blocks.have(&["text"]) {
        "session:replied"
    } else if blocks.have(&["thinking", "redacted_thinking"]) {
        "session:thought"
    } else {
        OTHER
    }
}

fn of_system(line: &Line<'_>) -> &'static str {
    match line.subtype().as_deref() {
        Some("stop_hook_summary") => "session:hooks-ran",
        Some("turn_duration") => "session:turn-ended",
        Some("compact_boundary" | "microcompact_boundary") => "session:compacted",
        Some("local_command") => "session:command-ran",
        Some("init") => "session:started",
        Some("away_summary") => "session:summarized",
        _ => OTHER,
    }
}
