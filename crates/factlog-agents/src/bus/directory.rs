//! Who is there: the agents that have registered, what they are, and when they were last heard of.

use std::collections::{BTreeMap, BTreeSet};

use factlog::{Event, Filter, Invalid, Position, Projection, Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Bus, To};
use crate::projections::{Entities, MEMBER_TYPES, Swarms};
use crate::vocabulary::{Payload, type_patterns};

/// An agent that says how often it is heard of is taken for dead after so many times of silence.
const HEARTBEATS_MISSED_MAX: i64 = 3;
const MILLISECOND_MICROS: i64 = 1_000;

/// An agent as it has registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// What kind of agent it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<String>,
    /// What it can do.
    pub capabilities: BTreeSet<String>,
    /// Words to find it by.
    pub tags: BTreeSet<String>,
    /// What it can be asked for; `*`: anything.
    pub methods: BTreeSet<String>,
    /// Its run: the one that registered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_id: Option<String>,
    /// How often it says that it is there; none: it never does, and is not taken for dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_ms: Option<u64>,
    /// How much work it can take, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<f64>,
    /// When it registered.
    pub registered_at: Timestamp,
    /// When it was last heard of.
    pub heard_at: Timestamp,
    /// Whether it has ended.
    pub is_terminated: bool,
}

impl Registered {
    /// Whether it can be counted on at a time: it has not ended, and says as often as it promised that it is there.
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.is_terminated && !self.is_silent(now)
    }

    /// Whether it promised to be heard of, and was not.
    pub fn is_silent(&self, now: Timestamp) -> bool {
        let Some(heartbeat_ms) = self.heartbeat_ms else { return false };
        let most = (heartbeat_ms as i64).saturating_mul(HEARTBEATS_MISSED_MAX * MILLISECOND_MICROS);
        now.as_micros().saturating_sub(self.heard_at.as_micros()) > most
    }

    /// Whether it says that it answers to a method.
    pub fn answers(&self, method: &str) -> bool {
        self.methods.contains("*") || self.methods.contains(method)
    }
}

/// All agents that have registered, and who belongs to which group.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Directory {
    agents: BTreeMap<String, Registered>,
    swarms: Swarms,
}

/// What says who is there.
const MEMBERSHIP: [&str; 3] = ["agent:spawned", "agent:ready", "agent:terminated"];

impl Directory {
    /// The agents, by id.
    pub fn agents(&self) -> &BTreeMap<String, Registered> {
        &self.agents
    }

    /// One of them.
    pub fn agent(&self, id: &str) -> Option<&Registered> {
        self.agents.get(id)
    }

    /// The members of a group.
    pub fn group(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.swarms.members(name)
    }

    /// The groups that an agent belongs to.
    pub fn groups_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a str> {
        let names = self.swarms.entities().keys().map(String::as_str);
        names.filter(move |name| self.group(name).is_some_and(|members| members.contains(id)))
    }

    /// Who is meant, without those who have ended. An agent that is named is meant whether it has registered or not: its
    /// inbox waits for it.
    pub fn resolve(&self, to: &To) -> BTreeSet<String> {
        let those = |is_meant: &dyn Fn(&Registered) -> bool| {
            let meant = self.agents.iter().filter(|(_, agent)| !agent.is_terminated && is_meant(agent));
            meant.map(|(id, _)| id.clone()).collect()
        };
        match to {
            To::Agent(id) => BTreeSet::from([id.clone()]),
            To::Type(name) => those(&|agent| agent.agent_type.as_deref() == Some(name)),
            To::Capability(name) => those(&|agent| agent.capabilities.contains(name)),
            To::Group(name) => self.group(name).cloned().unwrap_or_default(),
            To::All => those(&|_| true),
        }
    }

    /// Whether an agent is among those who are meant.
    pub fn means(&self, to: &To, id: &str) -> bool {
        let agent = self.agents.get(id);
        match to {
            To::Agent(other) => other == id,
            To::Type(name) => agent.is_some_and(|agent| agent.agent_type.as_deref() == Some(name)),
            To::Capability(name) => agent.is_some_and(|agent| agent.capabilities.contains(name)),
            To::Group(name) => self.group(name).is_some_and(|members| members.contains(id)),
            To::All => agent.is_some(),
        }
    }

    fn take(&mut self, event: &Event) {
        let at = event.recorded_at;
        let Some(payload) = Payload::of(event) else { return };
        match payload {
            Payload::AgentSpawned(spawned) => {
                let registered = Registered {
                    agent_type: spawned.agent_type,
                    capabilities: spawned.capabilities.into_iter().flatten().collect(),
                    tags: spawned.tags.into_iter().flatten().collect(),
                    methods: spawned.methods.into_iter().flatten().collect(),
                    context_id: spawned.context_id,
                    heartbeat_ms: spawned.heartbeat_ms,
                    capacity: None,
                    registered_at: at,
                    heard_at: at,
                    is_terminated: false,
                };
                self.agents.insert(spawned.agent_id, registered);
            }
            Payload::AgentReady(ready) => {
                if let Some(agent) = self.agents.get_mut(&ready.agent_id) {
                    agent.capacity = ready.available_capacity;
                    agent.heard_at = at;
                }
            }
            Payload::AgentHeartbeat(beat) => self.heard(&beat.agent_id, beat.context_id.as_deref(), at),
            Payload::AgentBusy(busy) => self.heard(&busy.agent_id, None, at),
            Payload::AgentIdle(idle) => self.heard(&idle.agent_id, None, at),
            Payload::AgentTerminated(ended) => {
                if let Some(agent) = self.agents.get_mut(&ended.agent_id) {
                    // The end of an earlier run is no news of this one.
                    let is_of_run = ended.context_id.is_none() || ended.context_id == agent.context_id;
                    agent.is_terminated |= is_of_run;
                }
            }
            // Who belongs to a group is told in one way to all: as its swarm tells it.
            _ => _ = self.swarms.take_member(event),
        }
    }

    fn heard(&mut self, id: &str, context: Option<&str>, at: Timestamp) {
        if let Some(agent) = self.agents.get_mut(id)
            && (context.is_none() || context == agent.context_id.as_deref())
        {
            agent.heard_at = at;
        }
    }
}

/// All names of these types.
fn types_of<'a>(names: impl IntoIterator<Item = &'a str>) -> Filter {
    let names = names.into_iter().flat_map(type_patterns);
    let types = names.filter_map(|name| name.parse().ok()).collect();
    Filter { types, ..Filter::all() }
}

impl Projection for Directory {
    const NAME: &'static str = "directory";
    const REVISION: u32 = 2;

    fn filter() -> Filter {
        types_of(MEMBERSHIP.into_iter().chain(MEMBER_TYPES).chain([
            "agent:heartbeat",
            "agent:busy",
            "agent:idle",
        ]))
    }

    fn apply(&mut self, event: &Event) -> std::result::Result<(), Invalid> {
        self.take(event);
        Ok(())
    }
}

/// What says who is meant by a wide address: the filter of a condition that nothing has changed there.
pub(super) fn membership() -> Filter {
    types_of(MEMBERSHIP.into_iter().chain(MEMBER_TYPES))
}

impl Bus {
    /// Looks at who is there now; with the position up to which that was read.
    pub async fn directory<R>(&self, look: impl FnOnce(&Directory, Position) -> R) -> Result<R> {
        let mut held = self.0.directory.lock().await;
        held.refresh(&self.0.log).await?;
        Ok(look(held.state(), held.position()))
    }
}
