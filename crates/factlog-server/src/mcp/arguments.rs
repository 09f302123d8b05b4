//! What the tools take.
//!
//! What is said of a field here is what a model reads of it.
#![allow(clippy::doc_markdown)]

use factlog::Priority;
use factlog_agents::projections::Vote;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Send {
    /// An agent's id, type:NAME, group:NAME, capability:NAME or *; one-of: before it means whoever takes it first.
    pub(super) to: String,
    /// What it says: a text, or any JSON.
    pub(super) data: Value,
    /// Makes it a task of this id: whoever gets it completes it with inbox_ack and a result.
    pub(super) task_id: Option<String>,
    /// low, normal, high or critical.
    #[schemars(with = "Option<String>")]
    pub(super) priority: Option<Priority>,
    /// The message that it answers.
    pub(super) in_reply_to: Option<String>,
    /// Seconds that it waits for its recipient; 7 days when left out.
    pub(super) ttl_s: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Broadcast {
    /// What it is about.
    pub(super) topic: String,
    /// What it says: a text, or any JSON.
    pub(super) data: Value,
    /// Only members of this swarm.
    pub(super) swarm: Option<String>,
    /// Only agents of one of these types.
    #[serde(default)]
    pub(super) types: Vec<String>,
    /// Only agents that can do one of these things.
    #[serde(default)]
    pub(super) capabilities: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    /// Who is asked: an agent's id, type:NAME, group:NAME or capability:NAME.
    pub(super) to: String,
    /// What is asked for.
    pub(super) method: String,
    /// What it is asked with.
    #[serde(default)]
    pub(super) params: Value,
    /// Seconds to wait for the answer; 30 when left out, 300 at the most.
    pub(super) timeout_s: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Respond {
    /// The request: its message_id.
    pub(super) request_id: String,
    /// The result.
    #[serde(default)]
    pub(super) result: Value,
    /// What went wrong, instead of a result.
    pub(super) error: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fetch {
    /// How many; 10 when left out.
    pub(super) limit: Option<usize>,
    /// Seconds to wait where nothing is there; 0 when left out, 300 at the most.
    pub(super) wait_s: Option<u64>,
    /// A message that you were given a part of: get the rest of it, and nothing else.
    pub(super) message_id: Option<String>,
    /// With message_id: where to go on, as the part before says.
    pub(super) offset: Option<usize>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ack {
    /// The messages.
    pub(super) message_ids: Vec<String>,
    /// What came of it: completes a task, answers a request.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<Value>")]
    pub(super) result: Option<Value>,
    /// Why you could do nothing with it: another agent or a later session of yours gets it, as often as it may be tried; you do not.
    pub(super) error: Option<String>,
    /// With an error: false where trying again is no use, so that nobody gets it any more.
    pub(super) retry: Option<bool>,
}

/// `"result": null` is a result.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitFor {
    /// Wait for mail rather than for events.
    #[serde(default)]
    pub(super) mail: bool,
    /// Types of events, such as task:* or agent:ready.
    #[serde(default)]
    pub(super) types: Vec<String>,
    /// Who says it.
    #[serde(default)]
    pub(super) sources: Vec<String>,
    /// Streams, such as task-42.
    #[serde(default)]
    pub(super) streams: Vec<String>,
    /// Only what comes after this position; from now on when left out.
    pub(super) after: Option<u64>,
    /// Seconds to wait; 60 when left out, 300 at the most.
    pub(super) timeout_s: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Events {
    /// Types, such as task:* or agent:ready.
    #[serde(default)]
    pub(super) types: Vec<String>,
    /// Who says it.
    #[serde(default)]
    pub(super) sources: Vec<String>,
    /// Streams, such as task-42.
    #[serde(default)]
    pub(super) streams: Vec<String>,
    /// A part of the data.
    pub(super) text: Option<String>,
    /// Only what comes after this position; the newest when left out.
    pub(super) after: Option<u64>,
    /// How many; 20 when left out, 100 at the most.
    pub(super) limit: Option<usize>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// A task, to know how it stands.
    pub(super) task_id: Option<String>,
    /// A message, to know where it stands at each of those it is for.
    pub(super) message_id: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LeaseAcquire {
    /// What you want for yourself: paths as you would write them here, or names; * within a folder, ** across folders.
    pub(super) resources: Vec<String>,
    /// Seconds that you want it; 300 when left out.
    pub(super) ttl_s: Option<u64>,
    /// What for: others are told.
    pub(super) reason: Option<String>,
    /// Seconds to wait where another agent has it; 0 when left out, 300 at the most.
    pub(super) wait_s: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LeaseRelease {
    /// The token that lease_acquire answered with.
    pub(super) token: u64,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MemoryGet {
    /// Where it is: KEY, or NAMESPACE/KEY.
    pub(super) path: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MemoryPut {
    /// Where to keep it: KEY, or NAMESPACE/KEY.
    pub(super) path: String,
    /// What to keep: any JSON.
    pub(super) value: Value,
    /// Only if it is at this version; 0: only if it is not there.
    pub(super) expect: Option<u64>,
    /// Words to find it by.
    #[serde(default)]
    pub(super) tags: Vec<String>,
    /// Seconds that it is kept; for ever when left out.
    pub(super) ttl_s: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ballot {
    /// The swarm.
    pub(super) swarm: String,
    /// The question.
    pub(super) consensus_id: String,
    /// approve, reject or abstain.
    #[schemars(with = "String")]
    pub(super) vote: Vote,
    /// Why.
    pub(super) reason: Option<String>,
}

/// The JSON Schema of a tool's arguments.
pub(super) fn schema<T: JsonSchema>() -> Map<String, Value> {
    let settings =
        schemars::generate::SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    let schema = schema.as_object_mut().map(std::mem::take).unwrap_or_default();
    schema.into_iter().filter(|(name, _)| name != "$schema" && name != "title").collect()
}
