//! Events as the inter-agent bus had them, for what still speaks its language.

use factlog::{Event, Json, Priority, Text, Timestamp};
use factlog_agents::vocabulary::{Origin, type_named};
use serde::{Deserialize, Serialize};

/// The source of an event that names none.
const SOURCE: &str = "factlog";
/// Microseconds of a millisecond.
const MILLISECOND_MICROS: i64 = 1_000;

/// The fields in the order of the bus.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AgentEvent<'a> {
    id: String,
    r#type: &'a str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target<'a>>,
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
    data: &'a Json,
}

/// One target is a text there, and several are a list.
#[derive(Serialize)]
#[serde(untagged)]
enum Target<'a> {
    One(&'a str),
    Many(&'a [Text]),
}

/// The event as an envelope of the bus, in one line of JSON: what was imported from there has its own id again, and types
/// have the bus's words. What it has no field for is left out: stream, version, user, causation, tags, metadata.
///
/// ```
/// use factlog_adapters::agent_events::to_agent_event;
/// # let line = r#"{"position":1,"id":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d","stream":"swarm-s","version":1,
/// #     "type":"swarm:consensus-request","source":"ada","recordedAt":"2026-11-20T23:44:30Z","data":{"swarmId":"s"}}"#;
/// # let event: factlog::Event = serde_json::from_str(line)?;
/// assert!(to_agent_event(&event).contains(r#""type":"swarm:consensus:request","source":"ada""#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn to_agent_event(event: &Event) -> String {
    let timestamp = event.time();
    let ttl = |expires: Timestamp| {
        u64::try_from((expires.as_micros() - timestamp.as_micros()) / MILLISECOND_MICROS).ok()
    };
    let target = match &event.targets[..] {
        [] => None,
        [one] => Some(Target::One(one)),
        many => Some(Target::Many(many)),
    };
    let envelope = AgentEvent {
        id: source_id(event).unwrap_or_else(|| event.id.to_string()),
        r#type: word(&event.event_type),
        source: event.source.as_deref().unwrap_or(SOURCE),
        target,
        timestamp,
        correlation_id: event.correlation_id.as_deref(),
        session_id: event.session_id.as_deref(),
        priority: event.priority,
        ttl: event.expires_at.and_then(ttl),
        data: &event.data,
    };
    serde_json::to_string(&envelope).unwrap_or_else(|error| unreachable!("checked JSON is JSON: {error}"))
}

/// The id that an event had elsewhere.
fn source_id(event: &Event) -> Option<String> {
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(rename = "sourceId")]
        source_id: Option<String>,
    }
    event.metadata.as_ref()?.to::<Metadata>().ok()?.source_id
}

/// The bus's word for a type; one that it did not have keeps its own.
fn word(event_type: &str) -> &str {
    let Some(info) = type_named(event_type) else { return event_type };
    let of_bus = info.origins.iter().find(|(origin, _)| *origin == Origin::D);
    of_bus.and_then(|(_, words)| words.first().copied()).unwrap_or(info.name)
}
