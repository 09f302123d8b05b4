//! Coordinations: agents are sought for an aim, come or do not, and say how far they are.

mod plan;

use factlog::{Error, Json, NewEvent, Result, Timestamp, TypedEvent};
use tokio::sync::OwnedMutexGuard;

use super::Bus;
use super::held::Held;
use super::swarm::stream_named;
use crate::projections::{Coordination, CoordinationPhase, Coordinations, Entities, REASON_BYTES_MAX};
use crate::vocabulary::{
    CoordinationAccepted, CoordinationComplete, CoordinationRejected, CoordinationUpdate,
};

pub use self::plan::{CoordinationPlan, CoordinationStep};

impl Bus {
    /// Seeks agents for common work.
    ///
    /// # Errors
    /// `Conflict` when other work has this id; `Invalid` for numbers of agents that do not go together.
    pub async fn coordinate(&self, agent: &str, plan: CoordinationPlan) -> Result<Coordination> {
        plan.check()?;
        let id = plan.id.clone();
        let event = plan.clone().event(agent)?;
        let mut held = self.held_coordination(&id).await?;
        held.decide(self.log(), |all| match all.get(&id) {
            Some(asked) if plan.is(asked, agent) => Ok(Vec::new()),
            Some(_) => {
                Err(Error::conflict(format!("other work has the id {id}")).with_hint("give it another id"))
            }
            None => Ok(vec![event.clone()]),
        })
        .await?;
        known(held.state(), &id).cloned()
    }

    /// An agent takes part. It must have registered, and be able to do what is required.
    ///
    /// # Errors
    /// `Denied` when it has not registered, or lacks a capability, saying which; `Conflict` when there is no room, or it is
    /// over.
    pub async fn coordination_accept(&self, agent: &str, id: &str) -> Result<Coordination> {
        let registered = self.directory(|directory, _| directory.agent(agent).cloned()).await?;
        let accepted = CoordinationAccepted::new(id).agent_id(agent).into_event()?.with_source(agent)?;
        self.change_coordination(id, |coordination| {
            let Some(registered) = registered.as_ref().filter(|known| !known.is_terminated) else {
                return Err(Error::denied(format!(
                    "nobody knows what {agent} can do: it has not registered"
                ))
                .with_hint("it registers by an event agent:spawned that says what it can do"));
            };
            let required = &coordination.required_capabilities;
            if let Some(lacking) = required.iter().find(|word| !registered.capabilities.contains(*word)) {
                return Err(Error::denied(format!("{agent} cannot do {lacking}, which {id} requires")));
            }
            if coordination.has(agent) {
                return Ok(Vec::new());
            }
            if coordination.is_full() {
                let count = coordination.participants.len();
                return Err(Error::conflict(format!("there is no room in {id}: {count} agents take part")));
            }
            Ok(vec![accepted.clone()])
        })
        .await
    }

    /// An agent does not take part, or no longer.
    ///
    /// # Errors
    /// `Conflict` when it is over; `NotFound` for work that there is not.
    pub async fn coordination_decline(
        &self,
        agent: &str,
        id: &str,
        reason: Option<&str>,
    ) -> Result<Coordination> {
        if reason.is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
            return Err(Error::invalid(format!("a reason of more than {REASON_BYTES_MAX} bytes")));
        }
        let mut declined = CoordinationRejected::new(id).agent_id(agent);
        declined.reason = reason.map(str::to_owned);
        let declined = declined.into_event()?.with_source(agent)?;
        self.change_coordination(id, |coordination| {
            let is_known = coordination.declined.get(agent).is_some_and(|known| known.as_deref() == reason);
            Ok(if is_known { Vec::new() } else { vec![declined.clone()] })
        })
        .await
    }

    /// Says how far it is.
    ///
    /// # Errors
    /// `Denied` for anybody but the one who asked for it and those who take part; `Conflict` when it is over, when it is
    /// another's turn, or when too few take part to be active.
    pub async fn coordination_update(
        &self,
        agent: &str,
        id: &str,
        step: CoordinationStep,
    ) -> Result<Coordination> {
        step.check()?;
        let mut updated = CoordinationUpdate::new(id);
        (updated.status, updated.progress, updated.metrics) =
            (step.status.clone(), step.progress, step.metrics.clone());
        let updated = updated.into_event()?.with_source(agent)?;
        self.change_coordination(id, |coordination| {
            may_tell(coordination, agent)?;
            step.fits(coordination, agent)?;
            Ok(vec![updated.clone()])
        })
        .await
    }

    /// The work is done, and this came of it.
    ///
    /// # Errors
    /// `Denied` for anybody but the one who asked for it and those who take part; `Conflict` when it is over.
    pub async fn coordination_complete(
        &self,
        agent: &str,
        id: &str,
        result: Option<Json>,
    ) -> Result<Coordination> {
        let mut completed = CoordinationComplete::new(id);
        completed.result = result;
        let completed = completed.into_event()?.with_source(agent)?;
        self.change_coordination(id, |coordination| {
            may_tell(coordination, agent)?;
            Ok(vec![completed.clone()])
        })
        .await
    }

    /// Common work as it is now.
    ///
    /// # Errors
    /// `NotFound` for work that there is not.
    pub async fn coordination(&self, id: &str) -> Result<Coordination> {
        let mut held = self.held_coordination(id).await?;
        held.refresh(self.log()).await?;
        known(held.state(), id).cloned()
    }

    /// Waits until it is in a phase: whether enough agents have come, whether they are done.
    ///
    /// # Errors
    /// `Unavailable` when the deadline comes first; `Conflict` when it ends otherwise; `NotFound` for work that there is not.
    pub async fn await_coordination(
        &self,
        id: &str,
        phase: CoordinationPhase,
        deadline: Timestamp,
    ) -> Result<Coordination> {
        let stream = stream_named("coordination", id)?;
        loop {
            let mut held = self.held_coordination(id).await?;
            held.refresh(self.log()).await?;
            let coordination = known(held.state(), id)?.clone();
            if coordination.has_reached(phase) {
                return Ok(coordination);
            }
            if coordination.has_ended() {
                return Err(Error::conflict(format!(
                    "{id} is {}, and will not be {phase}",
                    coordination.phase
                )));
            }
            let position = held.position();
            drop(held);
            if !self.waits_for_news(&stream, position, Some(deadline)).await? {
                return Err(Error::unavailable(format!("{id} is {} at its deadline", coordination.phase))
                    .with_hint(too_few(&coordination)));
            }
        }
    }

    async fn held_coordination(&self, id: &str) -> Result<OwnedMutexGuard<Held<Coordinations>>> {
        Ok(self.0.coordinations.of(&stream_named("coordination", id)?).await)
    }

    async fn change_coordination(
        &self,
        id: &str,
        mut decide: impl FnMut(&Coordination) -> Result<Vec<NewEvent>>,
    ) -> Result<Coordination> {
        let mut held = self.held_coordination(id).await?;
        held.decide(self.log(), |all| {
            let coordination = known(all, id)?;
            if coordination.has_ended() {
                return Err(Error::conflict(format!("{id} is over: it is {}", coordination.phase)));
            }
            decide(coordination)
        })
        .await?;
        known(held.state(), id).cloned()
    }
}

fn known<'a>(all: &'a Coordinations, id: &str) -> Result<&'a Coordination> {
    all.get(id).ok_or_else(|| {
        Error::not_found(format!("there is no coordination {id}"))
            .with_hint("ask for it first: coordinate, `factlog coordinate request`")
    })
}

fn may_tell(coordination: &Coordination, agent: &str) -> Result<()> {
    if coordination.may_tell(agent) {
        return Ok(());
    }
    Err(Error::denied(format!("{agent} takes no part in {}", coordination.coordination_id))
        .with_hint("accept it first: coordination_accept, `factlog coordinate accept`"))
}

fn too_few(coordination: &Coordination) -> String {
    format!("{} of {} agents take part", coordination.participants.len(), coordination.needs())
}
