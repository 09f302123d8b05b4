//! Who belonged to which group, and when: what is shared with a group is judged by its members of that time.

use std::collections::BTreeMap;

use factlog::{Event, Filter, Position};
use serde::{Deserialize, Serialize};

use crate::projections::filter_of;
use crate::vocabulary::Payload;

/// Groups that are known; of more, nobody is a member.
const GROUPS_MAX: usize = 10_000;
/// Agents of one group; more are no members.
const GROUP_AGENTS_MAX: usize = 10_000;
/// How often one agent comes and goes before its earliest stays are forgotten.
const STAYS_MAX: usize = 16;

/// What tells of members.
pub(super) const TYPES: [&str; 4] = ["swarm:formed", "swarm:joined", "swarm:left", "swarm:disbanded"];

/// The members of groups, with the positions at which they came and went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Groups(BTreeMap<String, BTreeMap<String, Vec<Stay>>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stay {
    from: Position,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Position>,
}

impl Groups {
    /// The events that tell of members.
    pub(crate) fn filter() -> Filter {
        filter_of(&[], &TYPES)
    }

    /// Whether an agent belonged to a group when the event of a position was recorded.
    pub(crate) fn has(&self, group: &str, agent: &str, at: Position) -> bool {
        let stays = self.0.get(group).and_then(|agents| agents.get(agent));
        stays
            .is_some_and(|stays| stays.iter().any(|stay| stay.from <= at && stay.to.is_none_or(|to| at < to)))
    }

    /// Takes in what tells of members; whether the event did.
    pub(crate) fn take(&mut self, event: &Event) -> bool {
        let at = event.position;
        match Payload::of(event) {
            Some(Payload::SwarmFormed(formed)) => {
                for agent in formed.initial_members.into_iter().flatten().chain(formed.leader) {
                    self.join(&formed.swarm_id, agent, at);
                }
            }
            Some(Payload::SwarmJoined(joined)) => self.join(&joined.swarm_id, joined.agent_id, at),
            Some(Payload::SwarmLeft(left)) => {
                let stays = self.0.get_mut(&left.swarm_id).and_then(|agents| agents.get_mut(&left.agent_id));
                stays.into_iter().for_each(|stays| leave(stays, at));
            }
            Some(Payload::SwarmDisbanded(ended)) => {
                let agents = self.0.get_mut(&ended.swarm_id).into_iter().flat_map(BTreeMap::values_mut);
                agents.for_each(|stays| leave(stays, at));
            }
            _ => return false,
        }
        true
    }

    fn join(&mut self, group: &str, agent: String, at: Position) {
        if self.0.len() >= GROUPS_MAX && !self.0.contains_key(group) {
            return;
        }
        let agents = self.0.entry(group.to_owned()).or_default();
        if agents.len() >= GROUP_AGENTS_MAX && !agents.contains_key(&agent) {
            return;
        }
        let stays = agents.entry(agent).or_default();
        if stays.last().is_none_or(|stay| stay.to.is_some()) {
            if stays.len() >= STAYS_MAX {
                stays.remove(0);
            }
            stays.push(Stay { from: at, to: None });
        }
    }
}

fn leave(stays: &mut [Stay], at: Position) {
    if let Some(stay) = stays.last_mut().filter(|stay| stay.to.is_none()) {
        stay.to = Some(at);
    }
}
