//! Swarms: who belongs to each, what it aims at, how far it is, what it was asked and has decided.

use std::collections::{BTreeMap, BTreeSet};

use factlog::{Event, Filter, Invalid, Json, Projection, Timestamp};
use serde::{Deserialize, Serialize};

use super::consensus::{self, Consensus, ELECTORATE_MAX};
use super::{Entities, filter_of, later, set, when};
use crate::record::small;
use crate::vocabulary::{Payload, SwarmFormed, stream_of};

/// How a swarm goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SwarmStatus {
    /// It was never seen to begin.
    #[default]
    Unknown,
    /// It is at work.
    Active,
    /// It was shut down.
    Terminated,
    /// Its agents went apart.
    Disbanded,
}

/// A swarm, as far as the log tells of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Swarm {
    /// Its id.
    pub swarm_id: String,
    /// How it goes.
    pub status: SwarmStatus,
    /// How its agents are connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topology: Option<String>,
    /// How they work together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// What is aimed at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    /// Who leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// Who formed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub founder: Option<String>,
    /// Who belongs to it.
    pub members: BTreeSet<String>,
    /// The parts that members play, where they have said so.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, String>,
    /// How many agents there are, as it says; its members where it does not.
    pub agent_count: u64,
    /// How many there may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_agents: Option<u64>,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// What it has reached.
    pub milestones: Vec<Milestone>,
    /// The tasks it was given.
    pub tasks: BTreeSet<String>,
    /// What it was asked to decide, by id.
    pub consensus: BTreeMap<String, Consensus>,
    /// Its errors.
    pub error_count: u64,
    /// The last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Figures from its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Json>,
    /// Why it ended, or why it has another size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// A point that was aimed at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Milestone {
    /// Its id.
    pub milestone_id: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it was reached.
    pub reached_at: Timestamp,
}

impl Swarm {
    /// Whether it is over.
    pub fn has_ended(&self) -> bool {
        matches!(self.status, SwarmStatus::Terminated | SwarmStatus::Disbanded)
    }

    /// As it stands at a time: a question whose deadline has passed is decided.
    #[must_use]
    pub fn as_of(&self, now: Timestamp) -> Self {
        let mut shown = self.clone();
        shown.consensus.values_mut().for_each(|question| *question = question.as_of(now));
        shown
    }

    fn begin(&mut self, at: Timestamp) {
        if self.ended_at.is_none_or(|ended| at >= ended) {
            self.status = SwarmStatus::Active;
            self.ended_at = None;
        }
        self.started_at = Some(self.started_at.map_or(at, |known| known.min(at)));
    }

    /// One that is at work is not formed again by somebody else.
    fn form(&mut self, event: &Event, formed: SwarmFormed) {
        let is_another = self.founder.is_some() && self.founder.as_deref() != event.source.as_deref();
        if self.status == SwarmStatus::Active && is_another {
            return;
        }
        let had_ended = self.has_ended();
        self.begin(event.time());
        if had_ended && !self.has_ended() {
            // Those who went apart do not come together again by somebody else's word.
            self.members.clear();
            self.roles.clear();
            (self.agent_count, self.leader, self.founder, self.reason) = (0, None, None, None);
        }
        set(&mut self.objective, formed.objective);
        set(&mut self.strategy, formed.strategy);
        set(&mut self.founder, event.source.as_deref().map(str::to_owned));
        for member in formed.initial_members.into_iter().flatten().chain(formed.leader.clone()) {
            self.join(member, None);
        }
        set(&mut self.leader, formed.leader);
    }

    fn end(&mut self, event: &Event, status: SwarmStatus, at: Timestamp, reason: Option<String>) {
        let word = if status == SwarmStatus::Disbanded { "disbanded" } else { "terminated" };
        for question in self.consensus.values_mut() {
            question.abandon(event.recorded_at, word);
        }
        self.status = status;
        self.ended_at = Some(at);
        set(&mut self.reason, reason);
    }

    /// Whoever comes when it is over, or full, does not come.
    fn join(&mut self, agent: String, role: Option<String>) {
        let is_full = self.members.len() >= ELECTORATE_MAX && !self.members.contains(&agent);
        if self.has_ended() || is_full {
            return;
        }
        if let Some(role) = role {
            self.roles.insert(agent.clone(), role);
        }
        self.members.insert(agent);
        self.agent_count = self.agent_count.max(self.members.len() as u64);
    }

    fn leave(&mut self, agent: &str) {
        if self.members.remove(agent) {
            self.agent_count = self.agent_count.saturating_sub(1);
        }
        self.roles.remove(agent);
        if self.leader.as_deref() == Some(agent) {
            self.leader = None;
        }
    }
}

/// All swarms.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Swarms {
    swarms: BTreeMap<String, Swarm>,
}

impl Projection for Swarms {
    const NAME: &'static str = "swarms";
    const REVISION: u32 = 2;

    fn filter() -> Filter {
        filter_of(&["swarm"], &[])
    }

    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        if let Some(payload) = Payload::of(event) {
            self.take(event, payload);
        }
        Ok(())
    }
}

/// What tells who belongs to a swarm.
pub(crate) const MEMBER_TYPES: [&str; 6] = [
    "swarm:initialized",
    "swarm:formed",
    "swarm:joined",
    "swarm:left",
    "swarm:terminated",
    "swarm:disbanded",
];

impl Swarms {
    /// Who belongs to one now; nobody where it has ended.
    pub(crate) fn members(&self, id: &str) -> Option<&BTreeSet<String>> {
        self.swarms.get(id).filter(|swarm| !swarm.has_ended()).map(|swarm| &swarm.members)
    }

    /// Takes in what tells who belongs to one, and nothing else: its id, where the event did.
    pub(crate) fn take_member(&mut self, event: &Event) -> Option<String> {
        let payload = Payload::of(event)?;
        let id = match &payload {
            Payload::SwarmInitialized(began) => &began.swarm_id,
            Payload::SwarmFormed(formed) => &formed.swarm_id,
            Payload::SwarmJoined(joined) => &joined.swarm_id,
            Payload::SwarmLeft(left) => &left.swarm_id,
            Payload::SwarmTerminated(ended) => &ended.swarm_id,
            Payload::SwarmDisbanded(ended) => &ended.swarm_id,
            _ => return None,
        };
        let id = id.clone();
        self.take(event, payload);
        Some(id)
    }

    fn swarm(&mut self, event: &Event, id: &str) -> &mut Swarm {
        let swarm = self.swarms.entry(id.to_owned()).or_default();
        if swarm.swarm_id.is_empty() {
            id.clone_into(&mut swarm.swarm_id);
        }
        later(&mut swarm.updated_at, event.time());
        swarm
    }

    fn take(&mut self, event: &Event, payload: Payload) {
        match payload {
            Payload::SwarmInitialized(began) => {
                let swarm = self.swarm(event, &began.swarm_id);
                swarm.begin(when(began.initialized_at, event));
                set(&mut swarm.topology, began.topology);
                set(&mut swarm.max_agents, began.max_agents);
            }
            Payload::SwarmFormed(formed) => {
                let id = formed.swarm_id.clone();
                self.swarm(event, &id).form(event, formed);
            }
            Payload::SwarmJoined(joined) => {
                self.swarm(event, &joined.swarm_id).join(joined.agent_id, joined.role);
            }
            Payload::SwarmLeft(left) => self.swarm(event, &left.swarm_id).leave(&left.agent_id),
            Payload::SwarmScaled(scaled) => {
                let swarm = self.swarm(event, &scaled.swarm_id);
                swarm.agent_count = scaled.new_agent_count.unwrap_or(swarm.agent_count);
                set(&mut swarm.reason, scaled.reason);
            }
            Payload::SwarmPhaseChanged(changed) => {
                self.swarm(event, &changed.swarm_id).phase = Some(changed.new_phase);
            }
            Payload::SwarmMilestoneReached(reached) => {
                let reached_at = when(reached.reached_at, event);
                let swarm = self.swarm(event, &reached.swarm_id);
                if !swarm.milestones.iter().any(|known| known.milestone_id == reached.milestone_id) {
                    let (milestone_id, name) = (reached.milestone_id, reached.name);
                    swarm.milestones.push(Milestone { milestone_id, name, reached_at });
                }
            }
            Payload::SwarmError(failed) => {
                let swarm = self.swarm(event, &failed.swarm_id);
                swarm.error_count += 1;
                set(&mut swarm.last_error, failed.error);
            }
            other => self.take_decision(event, other),
        }
    }

    /// What a swarm is given, what it decides, and how it ends.
    fn take_decision(&mut self, event: &Event, payload: Payload) {
        match payload {
            Payload::SwarmTaskAssigned(assigned) => {
                self.swarm(event, &assigned.swarm_id).tasks.insert(assigned.task_id);
            }
            Payload::SwarmConsensusRequest(asked) => {
                let swarm = self.swarm(event, &asked.swarm_id);
                if !swarm.has_ended() {
                    consensus::ask(&mut swarm.consensus, &swarm.members, event, asked);
                }
            }
            Payload::SwarmConsensusVote(cast) => {
                // A vote stands where everyone looks for it, or it is none: nobody who decides reads other streams.
                let is_at_home = stream_of("swarm", &cast.swarm_id).is_ok_and(|home| home == event.stream);
                if is_at_home
                    && let Some(question) =
                        self.swarm(event, &cast.swarm_id).consensus.get_mut(&cast.consensus_id)
                {
                    question.cast(event, &cast);
                }
            }
            Payload::SwarmConsensusReached(reached) => {
                let swarm = self.swarm(event, &reached.swarm_id);
                consensus::conclude(&mut swarm.consensus, event, reached);
            }
            Payload::SwarmTerminated(ended) => {
                let at = when(ended.terminated_at, event);
                let swarm = self.swarm(event, &ended.swarm_id);
                swarm.end(event, SwarmStatus::Terminated, at, ended.reason);
                set(&mut swarm.metrics, small(ended.metrics));
            }
            Payload::SwarmDisbanded(ended) => {
                let swarm = self.swarm(event, &ended.swarm_id);
                swarm.end(event, SwarmStatus::Disbanded, event.time(), ended.reason);
            }
            _ => {}
        }
    }
}

impl Entities for Swarms {
    type Entity = Swarm;
    const NOUN: &'static str = "swarm";

    fn entities(&self) -> &BTreeMap<String, Swarm> {
        &self.swarms
    }
}
