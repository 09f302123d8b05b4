//! What a log tells of agents, tasks, memories, sessions, swarms, worktrees, deployments and leases: one state per thing, live.
//!
//! Each is a [`Projection`]: it follows the log, is remembered, and can be built anew while it is served. Events may come
//! late, twice, or about things that were never announced: what is not known is `unknown`, and nothing is dropped.
//! Whatever can be counted twice is not counted but derived, so that a fact told by two sources is one fact.

mod tasks;
mod agents;
mod memories;
mod leases;
mod sessions;
mod swarms;
mod consensus;
mod coordinations;
mod worktrees;
mod deployments;
mod metrics;
mod open_calls;

use std::collections::BTreeMap;

use factlog::{Event, Filter, Projection, Timestamp, TypePattern};
use serde::Serialize;
use serde_json::Value;

use crate::vocabulary::TYPES;

pub use agents::{Agent, Agents};
pub use consensus::{Ballot, Consensus, Outcome, Tally, Vote, VotingStrategy, Weight, count};
pub(crate) use consensus::{ELECTORATE_MAX, REASON_BYTES_MAX, cut};
pub(crate) use coordinations::{CAPABILITIES_MAX, DONE, PARTICIPANTS_MAX};
pub use coordinations::{Coordination, CoordinationPhase, CoordinationStrategy, Coordinations, Participant};
pub use deployments::{Deployment, Deployments};
pub(crate) use leases::check_resources;
pub use leases::{LEASE_RESOURCES_MAX, LEASE_TTL_MAX, Lease, LeaseNamespace, Leases};
pub use memories::{Access, MEMORY_GRANTS_MAX, Memories, Memory, MemoryStatus};
pub(crate) use memories::{Groups, NOW, is_from_elsewhere, memory_of};
pub use metrics::{ActionMetrics, AgentMetrics, Metrics};
pub use open_calls::OpenCall;
pub use sessions::{Session, SessionSubagent, Sessions, ToolUse};
pub(crate) use swarms::MEMBER_TYPES;
pub use swarms::{Milestone, Swarm, SwarmStatus, Swarms};
pub use tasks::{Task, TaskStatistics, Tasks};
pub use worktrees::{Conflict, Worktree, Worktrees};

/// A projection with one state per thing.
pub trait Entities: Projection {
    /// The state of one thing.
    type Entity: Serialize + Clone + PartialEq + Send + Sync;
    /// What one is called.
    const NOUN: &'static str;
    /// Fields that only the folding needs.
    const HIDDEN: &'static [&'static str] = &[];
    /// All of them, by id.
    fn entities(&self) -> &BTreeMap<String, Self::Entity>;

    /// One of them.
    fn get(&self, id: &str) -> Option<&Self::Entity> {
        self.entities().get(id)
    }

    /// One as it is shown: its state, without what only the folding needs.
    fn shown(entity: &Self::Entity) -> Value {
        let mut shown = json_of(entity);
        if let Some(fields) = shown.as_object_mut() {
            for hidden in Self::HIDDEN {
                fields.remove(*hidden);
            }
        }
        shown
    }
}

/// A state as JSON.
pub(crate) fn json_of(state: &impl Serialize) -> Value {
    // States are made of texts, numbers and lists: they are always JSON.
    serde_json::to_value(state).unwrap_or_default()
}

/// The events of these categories, under all names of their types, and of these types besides.
pub(crate) fn filter_of(categories: &[&str], others: &[&str]) -> Filter {
    let patterns = categories.iter().map(|category| format!("{category}:*"));
    let aliases = TYPES.iter().filter(|info| categories.contains(&info.category)).flat_map(|info| {
        info.names().into_iter().filter(move |name| !name.starts_with(&format!("{}:", info.category)))
    });
    let others = others.iter().flat_map(|name| crate::vocabulary::type_patterns(name));
    let mut types: Vec<TypePattern> = Vec::new();
    for name in patterns.chain(aliases).chain(others) {
        if let Ok(pattern) = name.parse::<TypePattern>()
            && !types.contains(&pattern)
        {
            types.push(pattern);
        }
    }
    Filter { types, ..Filter::all() }
}

/// The state of a thing, made where it is not known yet.
pub(crate) fn entity<'a, E: Default>(
    entities: &'a mut BTreeMap<String, E>,
    id: &str,
    name: impl FnOnce(&mut E) -> &mut String,
) -> &'a mut E {
    let entity = entities.entry(id.to_owned()).or_default();
    let name = name(entity);
    if name.is_empty() {
        id.clone_into(name);
    }
    entity
}

/// Who says it, where that is an agent and no coordinator, store or importer.
pub(crate) fn speaker(event: &Event) -> Option<String> {
    let source = event.source.as_deref()?;
    (!matches!(source, "swarm" | "system" | "scopecraft" | "coordinator" | "log")).then(|| source.to_owned())
}

/// When something happened: as its payload says, else as its event does.
pub(crate) fn when(stated: Option<Timestamp>, event: &Event) -> Timestamp {
    stated.unwrap_or_else(|| event.time())
}

/// Milliseconds from one time to a later one.
pub(crate) fn milliseconds(from: Timestamp, to: Timestamp) -> Option<u64> {
    u64::try_from(to.as_micros() - from.as_micros()).ok().map(|micros| micros / 1_000)
}

/// Sets a value where there is one.
pub(crate) fn set<T>(place: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *place = value;
    }
}

/// The later of two times.
pub(crate) fn later(place: &mut Option<Timestamp>, time: Timestamp) {
    *place = (*place).max(Some(time));
}

/// A number that stands for a text, the same in every version.
pub(crate) fn stable_hash(text: &str) -> u64 {
    // FNV-1a, 64 bits.
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The value below which this share of sorted values lies: nearest rank. None of nothing.
pub(crate) fn percentile(sorted: &[u64], share: f64) -> Option<u64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

#[cfg(test)]
pub(crate) mod tests {
    use factlog::{NewEvent, Position, TypedEvent, Version};

    use super::*;

    /// Folds events as a log would hold them, a second apart.
    pub(crate) fn folded<P: Projection>(events: impl IntoIterator<Item = NewEvent>) -> P {
        let mut state = P::default();
        for (index, event) in events.into_iter().enumerate() {
            let event = at(index as u64 + 1, event);
            if P::filter().matches(&event) {
                state.apply(&event).unwrap();
            }
        }
        state
    }

    /// An event as it stands in a log at a position, that many seconds after a fixed time.
    pub(crate) fn at(position: u64, fact: NewEvent) -> Event {
        let start: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
        let recorded_at = Timestamp::from_micros(start.as_micros() + position as i64 * 1_000_000).unwrap();
        Event { position: Position(position), version: Version(1), recorded_at, fact }
    }

    pub(crate) fn fact(payload: impl TypedEvent) -> NewEvent {
        payload.into_event().unwrap()
    }

    #[test]
    fn what_is_shown_of_each_thing_can_be_read_again_as_its_state() {
        let spawned = crate::vocabulary::AgentSpawned::new("agent-1").role("coder");
        let agents: Agents = folded([fact(spawned)]);
        let text = serde_json::to_string(&agents).unwrap();
        assert_eq!(serde_json::from_str::<Agents>(&text).unwrap(), agents);
        assert_eq!(Agents::shown(agents.get("agent-1").unwrap())["role"], "coder");
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let sorted: Vec<u64> = (1..=100).collect();
        assert_eq!((percentile(&sorted, 0.5), percentile(&sorted, 0.95)), (Some(50), Some(95)));
        assert_eq!((percentile(&[7], 0.5), percentile(&[], 0.5)), (Some(7), None));
    }
}
