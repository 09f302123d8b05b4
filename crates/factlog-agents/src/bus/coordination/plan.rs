//! What can be asked for, and what can be said of it.

use factlog::{Error, Json, NewEvent, Result, TypedEvent};

use super::too_few;
use crate::bus::swarm::named;
use crate::projections::{
    CAPABILITIES_MAX, Coordination, CoordinationPhase, CoordinationStrategy, DONE, PARTICIPANTS_MAX,
};
use crate::vocabulary::CoordinationRequest;

/// Common work that agents are sought for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoordinationPlan {
    /// What it is called: asked for twice it is asked for once.
    pub id: String,
    /// What is aimed at.
    pub objective: String,
    /// What every agent that takes part must be able to do.
    pub required_capabilities: Vec<String>,
    /// How many agents it takes.
    pub min_agents: u64,
    /// How many there is room for.
    pub max_agents: Option<u64>,
    /// How they work together.
    pub strategy: CoordinationStrategy,
    /// Who leads; where one must lead and nobody is named, the first who comes.
    pub leader: Option<String>,
}

impl CoordinationPlan {
    /// Work that one agent is enough for, and that all do at once.
    pub fn new(id: impl Into<String>, objective: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            objective: objective.into(),
            required_capabilities: Vec::new(),
            min_agents: 1,
            max_agents: None,
            strategy: CoordinationStrategy::Parallel,
            leader: None,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        for word in self.required_capabilities.iter().chain(&self.leader) {
            named("a capability, or the leader", word)?;
        }
        let most = PARTICIPANTS_MAX as u64;
        let room = self.max_agents.unwrap_or(most);
        if !(1..=room.min(most)).contains(&self.min_agents) || room > most {
            return Err(Error::invalid(format!("{} to {room} agents", self.min_agents)).with_hint(format!(
                "at least one, at most {most}, and no fewer at the most than at the least"
            )));
        }
        if self.required_capabilities.len() > CAPABILITIES_MAX {
            return Err(Error::invalid(format!("more than {CAPABILITIES_MAX} capabilities")));
        }
        Ok(())
    }

    pub(super) fn is(&self, asked: &Coordination, agent: &str) -> bool {
        asked.requester.as_deref() == Some(agent)
            && asked.objective.as_deref() == Some(&self.objective)
            && asked.required_capabilities == self.required_capabilities
            && (asked.min_agents, asked.max_agents) == (Some(self.min_agents), self.max_agents)
            && asked.strategy == Some(self.strategy)
            && asked.leader == self.leader
    }

    pub(super) fn event(self, agent: &str) -> Result<NewEvent> {
        let mut asked = CoordinationRequest::new(self.id)
            .objective(self.objective)
            .required_capabilities(self.required_capabilities)
            .min_agents(self.min_agents)
            .strategy(self.strategy.as_str());
        (asked.max_agents, asked.leader) = (self.max_agents, self.leader);
        asked.into_event()?.with_source(agent)
    }
}

/// What an agent says of how far the work is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CoordinationStep {
    /// `done`, where the agent's part is done; or a phase: active, paused, completing, failed.
    pub status: Option<String>,
    /// How much is done, in percent: of its part, where a participant says it; else of the whole.
    pub progress: Option<f64>,
    /// Figures.
    pub metrics: Option<Json>,
}

impl CoordinationStep {
    /// The agent's part is done.
    pub fn done() -> Self {
        Self { status: Some(DONE.to_owned()), ..Self::default() }
    }

    /// Another phase begins.
    pub fn phase(phase: CoordinationPhase) -> Self {
        Self { status: Some(phase.as_str().to_owned()), ..Self::default() }
    }

    /// So much is done, in percent.
    pub fn progress(progress: f64) -> Self {
        Self { progress: Some(progress), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.progress.is_some_and(|progress| !(0.0..=100.0).contains(&progress)) {
            return Err(Error::invalid("progress is in percent: 0 to 100"));
        }
        if self.status.is_none() && self.progress.is_none() && self.metrics.is_none() {
            return Err(Error::invalid("nothing is said").with_hint("say a status, progress, or metrics"));
        }
        let Some(status) = self.status.as_deref().filter(|status| *status != DONE) else { return Ok(()) };
        match status.parse::<CoordinationPhase>() {
            Ok(CoordinationPhase::Completed) => Err(Error::invalid("what is completed has a result")
                .with_hint("complete it: coordination_complete, `factlog coordinate complete`")),
            Ok(CoordinationPhase::Forming) => {
                Err(Error::invalid("whether agents are still sought is counted, not told"))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error.with_hint("it is one of done, active, paused, completing, failed")),
        }
    }

    pub(super) fn fits(&self, coordination: &Coordination, agent: &str) -> Result<()> {
        let id = &coordination.coordination_id;
        let is_done = self.status.as_deref() == Some(DONE);
        if is_done && !coordination.has(agent) {
            return Err(Error::denied(format!("{agent} has no part in {id} that could be done")));
        }
        if self.status.as_deref() == Some(CoordinationPhase::Active.as_str())
            && coordination.participants.len() < coordination.needs()
        {
            return Err(Error::conflict(too_few(coordination)));
        }
        let is_in_turns = coordination.strategy == Some(CoordinationStrategy::Sequential);
        let speaks_of_part = (is_done || self.progress.is_some()) && coordination.has(agent);
        if is_in_turns && speaks_of_part && coordination.turn() != Some(agent) {
            let turn = coordination.turn().map_or_else(
                || format!("{id} is {}, and it is nobody's turn", coordination.phase),
                |turn| format!("it is the turn of {turn}"),
            );
            return Err(
                Error::conflict(turn).with_hint("they work one after the other, in the order they came")
            );
        }
        Ok(())
    }
}
