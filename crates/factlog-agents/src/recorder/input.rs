//! Loose JSON under a name, as an event of the vocabulary: nothing that was said is lost on the way.
//!
//! What the payload has a field for goes there, under its own name. What belongs to the envelope (session, user,
//! correlation, targets, priority, tags, times, an event's own id) goes there. All else stays in `metadata`.

use factlog::{EventId, Json, NewEvent, Result, Text, Timestamp};
use serde_json::value::RawValue;

use super::envelope::Envelope;
use crate::vocabulary::payload::each_field;
use crate::vocabulary::read::{FieldValue, named};
use crate::vocabulary::strict::camel;
use crate::vocabulary::{Payload, SystemCustom, TypeInfo, type_named};

/// Where data stands that is no object.
const VALUE_KEY: &str = "value";
/// Where metadata stands that is no object.
const METADATA_KEY: &str = "metadata";
/// Fields that belong to the envelope also where the payload has them.
const SHARED: [&str; 3] = ["session_id", "user_id", "priority"];

/// What was said, read.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) payload: Payload,
    envelope: Envelope,
}

/// A field as it was given.
pub(super) type Given<'a> = (String, &'a RawValue);

impl Said {
    /// Reads data that was said under a name; an unknown name becomes `system:custom`.
    ///
    /// # Errors
    /// `Invalid` for an id that cannot name a stream.
    pub(super) fn read(name: &str, data: &Json) -> Result<Self> {
        let given = fields(data.as_str());
        let mut envelope = Envelope::default();
        let payload = match type_named(name) {
            Some(info) => known(info, data, &given, &mut envelope)?,
            None => custom(name, data, &given, &mut envelope),
        };
        let id = envelope.id.get_or_insert_with(|| EventId::generate().to_string());
        // What has no id gets a stream of its own instead of being refused; systems share one.
        let payload = match payload {
            Payload::SystemEvent(_) | Payload::SystemCustom(_) => payload,
            payload => payload.identified(id),
        };
        Ok(Self { payload, envelope })
    }

    /// The event that it becomes.
    ///
    /// # Errors
    /// `Invalid` for a name that is too long, saying which.
    pub(super) fn event(&self, source: Option<&Text>, now: Timestamp) -> Result<NewEvent> {
        let mut event = self.payload.to_event()?;
        self.envelope.write(&mut event, source, now)?;
        Ok(event)
    }

    /// When it happened.
    pub(super) fn time(&self, now: Timestamp) -> Timestamp {
        self.envelope.occurred_at.unwrap_or(now)
    }
}

/// The fields of an object; anything else but null is one field.
pub(super) fn fields(data: &str) -> Vec<Given<'_>> {
    let mut given = Vec::new();
    if data.starts_with('{') {
        each_field(data, |key, raw| given.push((key.to_owned(), raw)));
    } else if data != "null"
        && let Ok(raw) = serde_json::from_str::<&RawValue>(data)
    {
        given.push((VALUE_KEY.to_owned(), raw));
    }
    given
}

/// An object of these fields.
pub(super) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Json> {
    let mut text = String::from("{");
    for (key, raw) in fields {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(Json::of(&key)?.as_str());
        text.push(':');
        text.push_str(raw);
    }
    text.push('}');
    Json::parse(&text)
}

/// What has no name in the vocabulary: its data is kept whole.
fn custom(name: &str, data: &Json, given: &[Given<'_>], envelope: &mut Envelope) -> Payload {
    let mut custom = SystemCustom::new().name(name).data(data.clone());
    for (key, raw) in given {
        if named(key, "agent_id", &[]).is_some() {
            custom.agent_id = String::read(raw).filter(|agent| !agent.is_empty());
        } else {
            envelope.take(key, raw);
        }
    }
    Payload::SystemCustom(custom)
}

fn known(info: &TypeInfo, data: &Json, given: &[Given<'_>], envelope: &mut Envelope) -> Result<Payload> {
    let mut payload = info.payload(data.as_str());
    let written = payload.to_event()?.data;
    let mut agent = None;
    let mut rest = Vec::new();
    for (key, raw) in given {
        let names = |field: &str, was: &[&str], key: &str| named(key, field, was).is_some();
        let field = info.fields.iter().find(|(field, was)| names(field, was, key));
        let is_kept = field.is_some_and(|(field, was)| {
            let is_only = given.iter().filter(|(other, _)| names(field, was, other)).count() == 1;
            keeps(written.as_str(), field, raw, is_only)
        });
        if is_kept {
            if SHARED.iter().any(|field| names(field, &[], key)) {
                envelope.take(key, raw);
            }
        } else if raw.get() == "null" {
            // Nothing was said.
        } else if field.is_none() && names("agent_id", &[], key) {
            agent = Some((key.as_str(), *raw));
        } else if field.is_some() || !envelope.take(key, raw) {
            rest.push((key.as_str(), raw.get()));
        }
    }
    // Where the payload has no place for an agent, it is the one who says it.
    if let Some((key, raw)) = agent
        && !envelope.take_source(raw)
    {
        rest.push((key, raw.get()));
    }
    lift_error(&mut payload, given);
    if !rest.is_empty() {
        match metadata_of(&mut payload) {
            Some(metadata) => *metadata = Some(with(metadata.as_ref(), &rest)?),
            None => envelope.metadata = Some(with(None, &rest)?),
        }
    }
    Ok(payload)
}

/// Whether the data as it is written has all that a given field says.
fn keeps(written: &str, field: &str, raw: &RawValue, is_only: bool) -> bool {
    let name = camel(field);
    let mut value = None;
    each_field(written, |key, raw| {
        if key == name {
            value = Some(raw.get());
        }
    });
    // A number or a time may be written in another way; an object that was read as a text has said more.
    let is_simple = !raw.get().starts_with(['{', '[']);
    value.is_some_and(|value| value == raw.get() || (is_only && is_simple))
}

/// Takes the code and the stack out of an error that is an object.
fn lift_error(payload: &mut Payload, given: &[Given<'_>]) {
    let (code, stack) = match payload {
        Payload::TaskFailed(failed) => (&mut failed.error_code, &mut failed.stack),
        Payload::AgentFailed(failed) => (&mut failed.error_code, &mut failed.stack),
        Payload::DeploymentFailed(failed) => (&mut failed.error_code, &mut failed.stack),
        _ => return,
    };
    let error = given.iter().find(|(key, raw)| {
        named(key, "error", &["errorMessage", "errorData", "error_data"]).is_some()
            && raw.get().starts_with('{')
    });
    let Some((_, error)) = error else { return };
    each_field(error.get(), |key, raw| match key {
        "code" if code.is_none() => *code = String::read(raw),
        "stack" if stack.is_none() => *stack = String::read(raw),
        _ => {}
    });
}

/// Where a payload takes whatever else is known.
fn metadata_of(payload: &mut Payload) -> Option<&mut Option<Json>> {
    match payload {
        Payload::TaskStarted(task) => Some(&mut task.metadata),
        Payload::TaskCompleted(task) => Some(&mut task.metadata),
        Payload::TaskFailed(task) => Some(&mut task.metadata),
        Payload::TaskCancelled(task) => Some(&mut task.metadata),
        Payload::DeploymentStarted(deployment) => Some(&mut deployment.metadata),
        Payload::DeploymentCompleted(deployment) => Some(&mut deployment.metadata),
        Payload::DeploymentFailed(deployment) => Some(&mut deployment.metadata),
        Payload::SystemEvent(event) => Some(&mut event.metadata),
        _ => None,
    }
}

/// Metadata with more fields; one whose name is taken gets a `_` before it.
fn with(metadata: Option<&Json>, rest: &[(&str, &str)]) -> Result<Json> {
    let mut all: Vec<(String, &str)> = Vec::new();
    if let Some(metadata) = metadata {
        if metadata.is_object() {
            each_field(metadata.as_str(), |key, raw| all.push((key.to_owned(), raw.get())));
        } else {
            all.push((METADATA_KEY.to_owned(), metadata.as_str()));
        }
    }
    for (key, raw) in rest {
        let mut name = (*key).to_owned();
        while all.iter().any(|(taken, _)| *taken == name) {
            name.insert(0, '_');
        }
        all.push((name, raw));
    }
    object(all.iter().map(|(key, raw)| (key.as_str(), *raw)))
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::{Value, json};

    use super::*;

    fn event(name: &str, data: impl Serialize) -> NewEvent {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        Said::read(name, &Json::of(&data).unwrap()).unwrap().event(None, now).unwrap()
    }

    fn data(event: &NewEvent) -> Value {
        event.data.to().unwrap()
    }

    /// A14: target, correlation, priority and session were put inside the data, where no filter found them.
    #[test]
    fn a14_what_belongs_to_the_envelope_is_in_the_envelope() {
        let event = event(
            "task:assigned",
            json!({"taskId": "1", "target": "a", "correlation_id": "c", "sessionId": "s", "userId": "u", "priority": "high",
                "ttl": 1000, "tags": ["x"], "timestamp": "2026-11-20T11:00:00Z", "eventId": "evt-1"}),
        );
        assert_eq!(data(&event), json!({"taskId": "1", "priority": "high"}));
        assert_eq!((&*event.targets[0], event.correlation_id.as_deref()), ("a", Some("c")));
        assert_eq!((event.session_id.as_deref(), event.user_id.as_deref()), (Some("s"), Some("u")));
        assert_eq!(event.priority, Some(factlog::Priority::High));
        assert_eq!(event.occurred_at.unwrap().to_string(), "2026-11-20T11:00:00.000000Z");
        assert_eq!(event.expires_at.unwrap().to_string(), "2026-11-20T11:00:01.000000Z");
        assert_eq!(&*event.tags[0], "x");
        assert_eq!(event.metadata.unwrap().as_str(), r#"{"sourceId":"evt-1"}"#);
    }

    #[test]
    fn what_has_no_place_stays_in_the_metadata() {
        let failed = event(
            "task:error",
            json!({"id": "1", "error": {"message": "no disk", "code": "E1", "stack": "at x"}, "host": "h", "ratio": 1.50,
                "metadata": {"host": "before"}, "duration": "soon", "name": "A", "title": "B"}),
        );
        assert_eq!(failed.event_type, "task:failed");
        assert_eq!(
            data(&failed),
            json!({"taskId": "1", "error": "no disk", "errorCode": "E1", "stack": "at x", "title": "B", "metadata": {
                "host": "before", "error": {"message": "no disk", "code": "E1", "stack": "at x"}, "_host": "h",
                "ratio": 1.5, "duration": "soon", "name": "A"}})
        );
        let stopped = event("agent:unregistered", json!({"id": "a", "host": "h", "agent_name": null}));
        assert_eq!(data(&stopped), json!({"agentId": "a"}));
        assert_eq!(stopped.metadata.unwrap().as_str(), r#"{"host":"h"}"#);
        let odd = event("task:started", json!(["just", "a list"]));
        assert_eq!(data(&odd)["metadata"], json!({"value": ["just", "a list"]}));
        let deployed = event("deployment:started", json!({"id": "d", "agentId": "a"}));
        assert_eq!((deployed.source.as_deref(), data(&deployed)), (Some("a"), json!({"deploymentId": "d"})));
    }

    /// P7: an event without an id failed on its way into the table, was logged, and was gone.
    #[test]
    fn p7_what_has_no_id_has_a_stream_of_its_own() {
        let started = event("task:started", json!({"name": "Nameless"}));
        assert_eq!(started.stream.as_str(), format!("task-{}", started.id));
        assert_eq!(data(&started)["taskId"], json!(started.id.to_string()));
    }

    #[test]
    fn an_unknown_name_is_a_custom_event_with_all_of_its_data() {
        let placed = event("order:placed", json!({"id": 7, "agentId": "a", "sessionId": "s"}));
        assert_eq!((placed.event_type.as_str(), placed.stream.as_str()), ("system:custom", "system-a"));
        assert_eq!(
            data(&placed),
            json!({"name": "order:placed", "agentId": "a", "data": {"id": 7, "agentId": "a", "sessionId": "s"}})
        );
        assert_eq!(placed.session_id.as_deref(), Some("s"));
    }
}
