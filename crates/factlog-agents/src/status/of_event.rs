//! The status that an event tells: by its type, and by the word in its data.

use factlog::Event;
use serde_json::value::RawValue;

use super::{AgentStatus, SessionStatus, Status};
use crate::vocabulary::payload::each_field;
use crate::vocabulary::read::{FieldValue, Named, named};
use crate::vocabulary::type_named;

/// Types whose status is told by another field of the data than the one for it.
pub(crate) const TOLD_BY_MORE: &[&str] = &["session:completed", "session:tool-used", "message:response"];

/// What each type tells without a word in its data.
const IMPLIED: &[(&str, &str)] = &[
    ("task:created", "pending"),
    ("task:queued", "queued"),
    ("task:assigned", "assigned"),
    ("task:accepted", "assigned"),
    ("task:rejected", "rejected"),
    ("task:started", "in-progress"),
    ("task:progress", "in-progress"),
    ("task:completed", "completed"),
    ("task:failed", "failed"),
    ("task:blocked", "blocked"),
    ("task:cancelled", "cancelled"),
    ("task:deleted", "archived"),
    ("agent:spawned", "idle"),
    ("agent:started", "active"),
    ("agent:ready", "idle"),
    ("agent:busy", "active"),
    ("agent:idle", "idle"),
    ("agent:stopped", "completed"),
    ("agent:failed", "failed"),
    ("agent:terminated", "terminated"),
    ("agent:task-assigned", "assigned"),
    ("agent:task-completed", "completed"),
    ("agent:action", "completed"),
    ("swarm:error", "failed"),
    ("swarm:task-assigned", "assigned"),
    ("session:queued", "queued"),
    ("session:started", "running"),
    ("session:tool-used", "completed"),
    ("session:completed", "completed"),
    ("session:failed", "failed"),
    ("coordination:rejected", "rejected"),
    ("coordination:complete", "completed"),
    ("deployment:started", "in-progress"),
    ("deployment:completed", "completed"),
    ("deployment:failed", "failed"),
    ("system:event", "completed"),
    ("system:error", "failed"),
];

/// The status that an event tells: the word in its data (`status`, `newStatus`), else what its type means; none where it
/// tells of none.
///
/// The words are those of [`AgentStatus`] for what agents tell of themselves, of [`SessionStatus`] for sessions, and of
/// [`Status`] for all else.
///
/// ```
/// use factlog_agents::status::status_of;
/// # let line = r#"{"position":1,"id":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d","stream":"task-42","version":1,
/// #     "type":"task_error","recordedAt":"2026-11-20T23:44:30Z","data":{}}"#;
/// # let event: factlog::Event = serde_json::from_str(line)?;
/// // {"stream":"task-42","type":"task_error", ...}
/// assert_eq!(status_of(&event), Some("failed"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn status_of(event: &Event) -> Option<&'static str> {
    let info = type_named(&event.event_type);
    let name = info.map_or("", |info| info.name);
    let category = info.map_or("", |info| info.category);
    let mut now = None;
    let mut once = None;
    each_field(event.data.as_str(), |key, raw| {
        let word = || String::read(raw).and_then(|word| meaning(name, category, &word));
        match named(key, "new_status", &["status", "Status"]) {
            Some(Named::Now) => now = word(),
            Some(Named::Once) => once = word(),
            None => {
                if let Some(told) = told_by_more(name, key, raw) {
                    once = Some(told);
                }
            }
        }
    });
    now.or(once).or_else(|| implied(name))
}

/// The status that a type means by itself, under any of its names.
pub(crate) fn implied(event_type: &str) -> Option<&'static str> {
    let name = type_named(event_type)?.name;
    IMPLIED.iter().find(|(of, _)| *of == name).map(|(_, status)| *status)
}

/// What a word means for this type.
fn meaning(name: &str, category: &str, word: &str) -> Option<&'static str> {
    match category {
        "agent" if name != "agent:action" => AgentStatus::of(word).map(AgentStatus::as_str),
        "session" => SessionStatus::of(word).map(SessionStatus::as_str),
        _ => Status::of(word).map(Status::as_str),
    }
}

fn told_by_more(name: &str, key: &str, raw: &RawValue) -> Option<&'static str> {
    match (name, key) {
        ("session:completed", "result") => SessionStatus::of(&String::read(raw)?).map(SessionStatus::as_str),
        ("session:tool-used", "error") => String::read(raw).map(|_| Status::Failed.as_str()),
        ("message:response", "success") => {
            Some(if bool::read(raw)? { Status::Completed } else { Status::Failed }.as_str())
        }
        _ => None,
    }
}

/// The statuses that a word can stand for, over all kinds of things; none for a word that means nothing here.
///
/// ```
/// use factlog_agents::status::status_words;
/// assert_eq!(status_words("error"), ["failed"]);
/// assert_eq!(status_words("started"), ["in-progress", "active", "running"]);
/// ```
pub fn status_words(word: &str) -> Vec<&'static str> {
    let meanings = [
        Status::of(word).map(Status::as_str),
        AgentStatus::of(word).map(AgentStatus::as_str),
        SessionStatus::of(word).map(SessionStatus::as_str),
    ];
    let mut words: Vec<&'static str> = Vec::new();
    for status in meanings.into_iter().flatten() {
        if !words.contains(&status) {
            words.push(status);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use factlog::NewEvent;
    use serde_json::{Value, json};

    use super::*;
    use crate::projections::tests::at;

    fn status(event_type: &str, data: Value) -> Option<&'static str> {
        status_of(&at(1, NewEvent::new("x-1", event_type, data).unwrap()))
    }

    #[test]
    fn a_status_is_told_by_the_word_and_else_by_the_type() {
        assert_eq!(status("task:error", json!({})), Some("failed"));
        assert_eq!(
            status("TaskStatusChanged", json!({"newStatus": "🟢 Done", "oldStatus": "todo"})),
            Some("completed")
        );
        assert_eq!(status("task:created", json!({"status": "shrug"})), Some("pending"));
        assert_eq!(status("agent:registered", json!({"status": "active"})), Some("active"));
        assert_eq!(status("agent:action", json!({"status": "success"})), Some("completed"));
        assert_eq!(status("session:completed", json!({"result": "failure"})), Some("failed"));
        assert_eq!(status("message:response", json!({"success": false})), Some("failed"));
        assert_eq!(status("build:done", json!({"status": "error"})), Some("failed"));
        assert_eq!(status("memory:stored", json!({})), None);
        assert_eq!(status("build:done", json!(["status"])), None);
    }

    #[test]
    fn each_type_that_implies_a_status_is_known_and_its_word_too() {
        for (name, word) in IMPLIED {
            assert_eq!(type_named(name).map(|info| info.name), Some(*name));
            assert!(status_words(word).contains(word), "{word}");
        }
        assert!(TOLD_BY_MORE.iter().all(|name| type_named(name).is_some()));
    }
}
