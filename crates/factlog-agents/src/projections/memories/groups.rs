//! Who belonged to which group, and when: what is shared with a group is judged by its members of that time.

use std::collections::BTreeMap;

use factlog::{Event, Filter, Position};
use serde::{Deserialize, Serialize};

use crate::projections::filter_of;
use crate::projections::swarms::{MEMBER_TYPES, Swarms};

/// Groups that are known; of more, nobody is a member.
const GROUPS_MAX: usize = 10_000;
/// Agents of one group; more are no members.
const GROUP_AGENTS_MAX: usize = 10_000;
/// How often one agent comes and goes before its earliest stays are forgotten.
const STAYS_MAX: usize = 16;

/// The members of groups, with the positions at which they came and went.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Groups {
    swarms: Swarms,
    stays: BTreeMap<String, BTreeMap<String, Vec<Stay>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stay {
    from: Position,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Position>,
}

impl Groups {
    /// The events that tell of members.
    pub(crate) fn filter() -> Filter {
        filter_of(&[], &MEMBER_TYPES)
    }

    /// Whether an agent belonged to a group when the event of a position was recorded.
    pub(crate) fn has(&self, group: &str, agent: &str, at: Position) -> bool {
        let stays = self.stays.get(group).and_then(|agents| agents.get(agent));
        stays
            .is_some_and(|stays| stays.iter().any(|stay| stay.from <= at && stay.to.is_none_or(|to| at < to)))
    }

    /// Takes in what tells of members; whether the event did. Who belongs to a group is what its swarm says.
    pub(crate) fn take(&mut self, event: &Event) -> bool {
        let Some(group) = self.swarms.take_member(event) else { return false };
        let at = event.position;
        let members = self.swarms.members(&group).cloned().unwrap_or_default();
        for (agent, stays) in self.stays.get_mut(&group).into_iter().flatten() {
            if !members.contains(agent) {
                leave(stays, at);
            }
        }
        for agent in members {
            self.join(&group, agent, at);
        }
        true
    }

    fn join(&mut self, group: &str, agent: String, at: Position) {
        if self.stays.len() >= GROUPS_MAX && !self.stays.contains_key(group) {
            return;
        }
        let agents = self.stays.entry(group.to_owned()).or_default();
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
