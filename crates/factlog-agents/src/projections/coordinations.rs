//! Coordinations: agents that were sought for an aim, who came, whose turn it is, and how far they are.
//!
//! Everything is judged by the order of the log: who comes when there are enough, or when it is over, does not take part,
//! and what outsiders say of it changes nothing. Such events are counted.

mod judging;

use std::collections::BTreeMap;

use factlog::{Event, Filter, Invalid, Json, Projection, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Entities, filter_of, json_of, later};
use crate::status::statuses;
use crate::vocabulary::Payload;

pub(crate) use self::judging::CAPABILITIES_MAX;

/// How many agents may take part where the request does not say it, and at the most.
pub(crate) const PARTICIPANTS_MAX: usize = 1_000;
/// What a participant says when its part is done.
pub(crate) const DONE: &str = "done";

statuses! {
    /// How agents work together.
    CoordinationStrategy, "way to work together", {
        /// One after the other, in the order in which they came.
        Sequential = "sequential";
        /// All at once.
        Parallel = "parallel";
        /// One leads: who is named, else the first who came.
        Hierarchical = "hierarchical";
        /// They decide together.
        Consensus = "consensus";
    }
}

statuses! {
    /// How far a coordination is.
    CoordinationPhase, "phase of a coordination", {
        /// Agents are sought.
        Forming = "forming";
        /// Enough have come, and are at work.
        Active = "active";
        /// They wait.
        Paused = "paused";
        /// They come to an end.
        Completing = "completing";
        /// It is done.
        Completed = "completed";
        /// It could not be done.
        Failed = "failed";
    }
}

#[expect(clippy::derivable_impls, reason = "the macro above makes its enums without a default")]
impl Default for CoordinationPhase {
    fn default() -> Self {
        Self::Forming
    }
}

/// Common work, as far as the log tells of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Coordination {
    /// Its id.
    pub coordination_id: String,
    /// How far it is.
    pub phase: CoordinationPhase,
    /// What is aimed at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    /// What agents must be able to do.
    pub required_capabilities: Vec<String>,
    /// How many agents it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_agents: Option<u64>,
    /// How many there is room for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_agents: Option<u64>,
    /// How they work together; all at once where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<CoordinationStrategy>,
    /// The agent that leads, where the request names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// Who takes part, in the order in which they came.
    pub participants: Vec<Participant>,
    /// Who does not, and why.
    pub declined: BTreeMap<String, Option<String>>,
    /// How much is done, in percent: as the requester says, else the mean of what participants say; what came last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// Figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Json>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Json>,
    /// Events that changed nothing: of outsiders, of those who came too late, of those for whom there was no room.
    pub void_events: u64,
    /// When it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// When enough had come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// An agent that takes part.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Participant {
    /// The agent.
    pub agent_id: String,
    /// How much of its part is done, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// Whether its part is done.
    pub is_done: bool,
}

impl Coordination {
    /// Whether nothing more can come of it.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, CoordinationPhase::Completed | CoordinationPhase::Failed)
    }

    /// Whether an agent takes part.
    pub fn has(&self, agent: &str) -> bool {
        self.participants.iter().any(|participant| participant.agent_id == agent)
    }

    /// Whether there is no room for another.
    pub fn is_full(&self) -> bool {
        self.participants.len() >= self.room()
    }

    /// How many agents it takes to begin.
    pub fn needs(&self) -> usize {
        usize::try_from(self.min_agents.unwrap_or(1)).unwrap_or(usize::MAX).min(self.room())
    }

    fn room(&self) -> usize {
        let most = self.max_agents.and_then(|most| usize::try_from(most).ok());
        most.unwrap_or(PARTICIPANTS_MAX).clamp(1, PARTICIPANTS_MAX)
    }

    /// Who leads: who is named, else the first who came where one must lead.
    pub fn leader(&self) -> Option<&str> {
        let first = || {
            let is_led = self.strategy == Some(CoordinationStrategy::Hierarchical);
            self.participants.first().filter(|_| is_led).map(|first| first.agent_id.as_str())
        };
        self.leader.as_deref().or_else(first)
    }

    /// Whose turn it is, where they work one after the other: the first whose part is not done.
    pub fn turn(&self) -> Option<&str> {
        let is_at_work = matches!(self.phase, CoordinationPhase::Active | CoordinationPhase::Completing);
        let is_in_turns = self.strategy == Some(CoordinationStrategy::Sequential);
        let next = self.participants.iter().find(|participant| !participant.is_done);
        next.filter(|_| is_at_work && is_in_turns).map(|next| next.agent_id.as_str())
    }

    /// Whether it is in this phase, or has been where that is known to be over.
    pub fn has_reached(&self, phase: CoordinationPhase) -> bool {
        self.phase == phase || (phase == CoordinationPhase::Active && self.active_at.is_some())
    }

    /// Whether this agent may say how far it is. Where the request was removed nobody knows who may not.
    pub(crate) fn may_tell(&self, agent: &str) -> bool {
        self.asked_at.is_none() || self.requester.as_deref() == Some(agent) || self.has(agent)
    }
}

/// All coordinations.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Coordinations {
    coordinations: BTreeMap<String, Coordination>,
}

impl Projection for Coordinations {
    const NAME: &'static str = "coordinations";
    const REVISION: u32 = 1;

    fn filter() -> Filter {
        filter_of(&["coordination"], &[])
    }

    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        match Payload::of(event) {
            Some(Payload::CoordinationRequest(asked)) => {
                self.of(event, &asked.coordination_id.clone()).ask(event, asked);
            }
            Some(Payload::CoordinationAccepted(accepted)) => {
                self.of(event, &accepted.coordination_id).accept(event, accepted.agent_id);
            }
            Some(Payload::CoordinationRejected(declined)) => {
                self.of(event, &declined.coordination_id).decline(event, declined.agent_id, declined.reason);
            }
            Some(Payload::CoordinationUpdate(updated)) => {
                self.of(event, &updated.coordination_id.clone()).update(event, updated);
            }
            Some(Payload::CoordinationComplete(completed)) => {
                self.of(event, &completed.coordination_id.clone()).complete(event, completed);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Coordinations {
    fn of(&mut self, event: &Event, id: &str) -> &mut Coordination {
        let coordination =
            super::entity(&mut self.coordinations, id, |coordination| &mut coordination.coordination_id);
        later(&mut coordination.updated_at, event.time());
        coordination
    }
}

impl Entities for Coordinations {
    type Entity = Coordination;
    const NOUN: &'static str = "coordination";

    fn entities(&self) -> &BTreeMap<String, Coordination> {
        &self.coordinations
    }

    /// With who leads, and whose turn it is.
    fn shown(entity: &Coordination) -> Value {
        let mut shown = json_of(entity);
        for (name, agent) in [("leader", entity.leader()), ("turn", entity.turn())] {
            if let Some(agent) = agent {
                shown[name] = Value::from(agent);
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests;
