//! What happened, by the shape of a record: the one table of types.

use super::record::{Holds, Record};

/// A person said something.
pub(super) const PROMPTED: &str = "session:prompted";
/// The session began.
pub(super) const STARTED: &str = "session:started";
/// A message stands there again with more in it.
pub(super) const MESSAGE_UPDATED: &str = "session:message-updated";
/// Messages were undone.
pub(super) const REWOUND: &str = "session:rewound";
/// What is said of the session changed.
const UPDATED: &str = "session:updated";
/// What a tool gave.
const TOOL_RETURNED: &str = "session:tool-returned";
/// What came out of the session, in a few words.
pub(super) const SUMMARIZED: &str = "session:summarized";
/// Whatever the table does not know: kept, and never an error.
const OTHER: &str = "session:other";

/// The type of the event that a record becomes; `is_start` tells the first word about the session from later ones.
pub(super) fn of(record: &Record<'_>, is_start: bool) -> &'static str {
    if is_start {
        return STARTED;
    }
    if record.rewinds_to().is_some() {
        return REWOUND;
    }
    if let Some(change) = record.change() {
        return match (change.messages, change.summary) {
            (Some(_), _) => "session:rewritten",
            (None, Some(_)) => SUMMARIZED,
            (None, None) => UPDATED,
        };
    }
    if record.is_head() {
        return UPDATED;
    }
    match record.kind().as_deref() {
        Some("user") => of_user(record),
        Some("gemini" | "model" | "assistant") => of_model(record),
        Some("info" | "warning") => "session:noted",
        Some("error") => "session:api-failed",
        None if record.summary.is_some() && record.id().is_none() => SUMMARIZED,
        _ => OTHER,
    }
}

fn of_user(record: &Record<'_>) -> &'static str {
    match record.holds() {
        Holds::Result => TOOL_RETURNED,
        Holds::Words => PROMPTED,
        Holds::Call | Holds::Thoughts | Holds::Nothing => OTHER,
    }
}

fn of_model(record: &Record<'_>) -> &'static str {
    match record.holds() {
        Holds::Result => TOOL_RETURNED,
        Holds::Call => "session:tool-called",
        Holds::Words => "session:replied",
        Holds::Thoughts => "session:thought",
        Holds::Nothing => OTHER,
    }
}
