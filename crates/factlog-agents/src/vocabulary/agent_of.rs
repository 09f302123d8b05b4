//! Which agent an event is of.

use factlog::Event;

use super::payload::each_field;
use super::read::{FieldValue, named};
use super::type_named;

/// What names an agent in data of any type: in every spelling of `agent_id`.
const AGENT_FIELD: &str = "agent_id";
/// Types whose agent can be told by the stream or the targets, where the data does not name one.
pub(crate) const TOLD_BY_MORE: &[&str] = &["task:assigned"];

/// The agent that an event is of: the one that the data names, else the one whose stream it stands in, or whom a task is
/// given to, else who says it.
///
/// ```
/// use factlog_agents::vocabulary::agent_of;
/// # let line = r#"{"position":1,"id":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d","stream":"task-42","version":1,
/// #     "type":"task:started","source":"hub","recordedAt":"2026-11-20T23:44:30Z","data":{"agent_id":"agent-7"}}"#;
/// # let event: factlog::Event = serde_json::from_str(line)?;
/// // {"stream":"task-42","type":"task:started","source":"hub","data":{"agent_id":"agent-7"}, ...}
/// assert_eq!(agent_of(&event).as_deref(), Some("agent-7"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn agent_of(event: &Event) -> Option<String> {
    let info = type_named(&event.event_type);
    let is_of_agent = info.is_some_and(|info| info.category == "agent");
    let mut named_in_data = None;
    let mut id_in_data = None;
    each_field(event.data.as_str(), |key, raw| {
        if named(key, AGENT_FIELD, &[]).is_some() {
            named_in_data = String::read(raw).filter(|agent| !agent.is_empty()).or(named_in_data.take());
        } else if is_of_agent && key == "id" {
            id_in_data = String::read(raw).filter(|agent| !agent.is_empty());
        }
    });
    let of_stream = || event.stream.strip_prefix("agent-").filter(|_| is_of_agent).map(str::to_owned);
    let given_to = || {
        let is_given = info.is_some_and(|info| TOLD_BY_MORE.contains(&info.name));
        event.targets.first().filter(|_| is_given).map(ToString::to_string)
    };
    named_in_data
        .or(id_in_data)
        .or_else(of_stream)
        .or_else(given_to)
        .or_else(|| event.source.as_deref().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use factlog::NewEvent;
    use serde_json::json;

    use super::*;
    use crate::projections::tests::at;

    fn agent(stream: &str, event_type: &str, data: serde_json::Value) -> Option<String> {
        let mut fact = NewEvent::new(stream, event_type, data).unwrap().with_source("hub").unwrap();
        fact.targets.push("worker".parse().unwrap());
        agent_of(&at(1, fact))
    }

    /// Story: one origin asked for an agent's events and got only those whose source it was, another only those with a
    /// column for it; the assignments of its tasks were in neither.
    #[test]
    fn an_agent_is_found_wherever_an_event_names_it() {
        for (stream, event_type, data, found) in [
            ("task-1", "task:started", json!({"agentId": "a"}), "a"),
            ("build-1", "build:done", json!({"AGENT_ID": "a"}), "a"),
            ("agent-a", "agent:idle", json!({}), "a"),
            ("agent-x", "agent_registered", json!({"id": "a"}), "a"),
            ("task-1", "TaskAssigned", json!({"taskId": "1"}), "worker"),
            ("task-1", "task:created", json!({"agentId": ""}), "hub"),
            ("agent-a", "build:done", json!([1]), "hub"),
        ] {
            assert_eq!(agent(stream, event_type, data).as_deref(), Some(found), "{event_type}");
        }
    }
}
