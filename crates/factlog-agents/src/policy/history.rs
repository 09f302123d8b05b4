//! What policies have told of themselves, read from the log.

use std::collections::BTreeMap;

use factlog::{Event, EventLog, Filter, Position, Result, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::runner::{Place, catch_up, key_of};
use super::{PolicyState, check_name};
use crate::vocabulary::Payload;
use crate::{Bus, stream_of};

/// What a policy has told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Where it stands.
    pub position: Position,
    /// When.
    pub at: Timestamp,
    /// The policy.
    pub policy: String,
    /// `scheduled`, `fired`, `failed`, `given-up`, `parked` or `resumed`.
    pub what: &'static str,
    /// The firing that it is about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub firing_id: String,
    /// What tied the events together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The ids of the events that it acts on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// What it has done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acts: Vec<String>,
    /// What came of what was not in the log alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results: Option<Value>,
    /// How often it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
    /// When it is to be done, or tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// Why it failed, or was parked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Told {
    fn new(event: &Event, policy: String, what: &'static str) -> Self {
        Self {
            position: event.position,
            at: event.recorded_at,
            policy,
            what,
            firing_id: String::new(),
            key: None,
            events: Vec::new(),
            acts: Vec::new(),
            results: None,
            attempt: None,
            due_at: None,
            why: None,
        }
    }

    /// What an event tells of a policy; none of one that tells of something else.
    pub fn of(event: &Event) -> Option<Self> {
        Some(match Payload::of(event)? {
            Payload::PolicyScheduled(said) => Self {
                firing_id: said.firing_id,
                key: said.key,
                events: said.events.unwrap_or_default(),
                due_at: said.due_at,
                ..Self::new(event, said.name, "scheduled")
            },
            Payload::PolicyFired(said) => Self {
                firing_id: said.firing_id,
                key: said.key,
                events: said.events.unwrap_or_default(),
                acts: said.acts.unwrap_or_default(),
                results: said.results.and_then(|results| results.to().ok()),
                attempt: said.attempt,
                ..Self::new(event, said.name, "fired")
            },
            Payload::PolicyFailed(said) => Self {
                firing_id: said.firing_id,
                key: said.key,
                events: said.events.unwrap_or_default(),
                attempt: said.attempt,
                due_at: said.retry_at,
                why: said.error,
                ..Self::new(event, said.name, if said.retry_at.is_some() { "failed" } else { "given-up" })
            },
            Payload::PolicyParked(said) => Self { why: said.reason, ..Self::new(event, said.name, "parked") },
            Payload::PolicyResumed(said) => {
                Self { why: said.reason, ..Self::new(event, said.name, "resumed") }
            }
            _ => return None,
        })
    }
}

/// What policies have told, the last of it: of one, or of all.
///
/// # Errors
/// `Invalid` for what is no name of a policy; what the log says.
pub async fn policy_history(log: &EventLog, name: Option<&str>, last: usize) -> Result<Vec<Told>> {
    let filter = match name {
        Some(name) => {
            check_name(name)?;
            Filter::stream(stream_of("policy", name)?)
        }
        None => Filter::categories(["policy"])?,
    };
    let newest = log.read(filter).backwards().limit(last).collect().await?;
    Ok(newest.iter().rev().filter_map(|event| Told::of(event)).collect())
}

/// Where a policy stands by the log.
///
/// # Errors
/// What the log says.
pub async fn policy_state(log: &EventLog, name: &str) -> Result<PolicyState> {
    let stream = stream_of("policy", name)?;
    let known = log.snapshots().load(&key_of(name), Position::MAX).await?;
    let mut place = known.and_then(|known| known.data.to::<Place>().ok()).unwrap_or_default();
    catch_up(&Bus::new(log.clone()), &stream, &mut place).await?;
    Ok(place.state)
}

/// The policies that the log knows of, with where each stands.
///
/// # Errors
/// What the log says.
pub async fn policy_states(log: &EventLog) -> Result<BTreeMap<String, PolicyState>> {
    let mut states = BTreeMap::new();
    let mut after: Option<(String, Position)> = None;
    loop {
        let from = after.as_ref().map(|(key, position)| (key.as_str(), *position));
        let page = log.snapshots().list(super::runner::PLACES, from).await?;
        let Some(last) = page.last() else { return Ok(states) };
        after = Some((last.key.clone(), last.position));
        for place in &page {
            if let Some(name) = place.key.strip_prefix(super::runner::PLACES) {
                states.insert(name.to_owned(), policy_state(log, name).await?);
            }
        }
    }
}
