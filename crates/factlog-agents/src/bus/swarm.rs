//! Swarms: agents form one, join it, leave it, go apart.

use factlog::{Error, NewEvent, Result, StreamName, Text, Timestamp, TypedEvent};
use tokio::sync::OwnedMutexGuard;

use super::Bus;
use super::held::Held;
use super::question::closed_by_the_end;
use crate::projections::{ELECTORATE_MAX, Entities, Swarm, SwarmStatus, Swarms};
use crate::stream_of;
use crate::vocabulary::{SwarmDisbanded, SwarmFormed, SwarmJoined, SwarmLeft, SwarmPhaseChanged};

/// A swarm to be formed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SwarmPlan {
    /// What it is called.
    pub id: String,
    /// What is aimed at.
    pub objective: Option<String>,
    /// How the agents work together, in words of their own.
    pub strategy: Option<String>,
    /// Who leads; a member, whether it is named there or not.
    pub leader: Option<String>,
    /// Who belongs to it from the beginning; the one who forms it, where nobody is named and nobody leads.
    pub members: Vec<String>,
}

impl SwarmPlan {
    /// A plan for a swarm of this name.
    pub fn new(id: impl Into<String>, objective: impl Into<String>) -> Self {
        Self { id: id.into(), objective: Some(objective.into()), ..Self::default() }
    }

    fn into_payload(mut self, founder: &str) -> Result<SwarmFormed> {
        if self.members.is_empty() && self.leader.is_none() {
            self.members.push(founder.to_owned());
        }
        for member in self.members.iter().chain(&self.leader) {
            named("a member", member)?;
        }
        if self.members.len() >= ELECTORATE_MAX {
            return Err(Error::invalid(format!(
                "a swarm of {} agents; up to {ELECTORATE_MAX} can belong to one",
                self.members.len()
            )));
        }
        Ok(SwarmFormed {
            objective: self.objective,
            strategy: self.strategy,
            leader: self.leader,
            initial_members: Some(self.members),
            ..SwarmFormed::new(self.id)
        })
    }
}

impl Bus {
    /// Forms a swarm.
    ///
    /// # Errors
    /// `Conflict` when there is one of this name and it is at work.
    pub async fn swarm_form(&self, agent: &str, plan: SwarmPlan) -> Result<Swarm> {
        let id = plan.id.clone();
        let formed = plan.into_payload(agent)?.into_event()?.with_source(agent)?;
        self.change_swarm(&id, |swarm| match swarm {
            Some(swarm) if swarm.status == SwarmStatus::Active => {
                Err(Error::conflict(format!("there is a swarm {id}, and it is at work"))
                    .with_hint("join it, disband it, or give yours another name"))
            }
            _ => Ok(vec![formed.clone()]),
        })
        .await
    }

    /// An agent comes to a swarm, to play a part there if it likes. Who belongs to it already stays.
    ///
    /// # Errors
    /// `NotFound` for a swarm that there is not; `Conflict` when it has ended, or is full.
    pub async fn swarm_join(&self, agent: &str, id: &str, role: Option<&str>) -> Result<Swarm> {
        let mut joined = SwarmJoined::new(id, agent);
        joined.role = role.map(str::to_owned);
        let joined = joined.into_event()?.with_source(agent)?;
        self.change_swarm(id, |swarm| {
            let swarm = at_work(swarm, id)?;
            let plays_it = role.is_none() || swarm.roles.get(agent).map(String::as_str) == role;
            if swarm.members.contains(agent) && plays_it {
                return Ok(Vec::new());
            }
            if swarm.members.len() >= ELECTORATE_MAX && !swarm.members.contains(agent) {
                return Err(Error::conflict(format!(
                    "the swarm {id} is full: it has {ELECTORATE_MAX} members"
                ))
                .with_hint("form another one"));
            }
            Ok(vec![joined.clone()])
        })
        .await
    }

    /// An agent leaves a swarm. Where it leads, nobody leads any more; where it may vote on a question, it still may.
    ///
    /// # Errors
    /// `NotFound` for a swarm that there is not; `Conflict` when the agent does not belong to it, or it has ended.
    pub async fn swarm_leave(&self, agent: &str, id: &str, reason: Option<&str>) -> Result<Swarm> {
        let mut left = SwarmLeft::new(id, agent);
        left.reason = reason.map(str::to_owned);
        let left = left.into_event()?.with_source(agent)?;
        self.change_swarm(id, |swarm| {
            if !at_work(swarm, id)?.members.contains(agent) {
                return Err(Error::conflict(format!("{agent} does not belong to the swarm {id}")));
            }
            Ok(vec![left.clone()])
        })
        .await
    }

    /// Ends a swarm. Its questions that are open are rejected.
    ///
    /// # Errors
    /// `Denied` for anybody but the one who leads it and the one who formed it; where nobody leads, any member may.
    /// `NotFound` for a swarm that there is not; `Conflict` when it has ended.
    pub async fn swarm_disband(&self, agent: &str, id: &str, reason: Option<&str>) -> Result<Swarm> {
        let mut disbanded = SwarmDisbanded::new(id);
        disbanded.reason = reason.map(str::to_owned);
        let disbanded = disbanded.into_event()?.with_source(agent)?;
        let mut held = self.held_swarm(id).await?;
        held.with_results(self.log(), |swarms, with_results| {
            let swarm = at_work(swarms.get(id), id)?;
            may_disband(swarm, agent)?;
            let mut events = vec![disbanded.clone()];
            if with_results {
                events.extend(closed_by_the_end(swarm)?);
            }
            Ok(events)
        })
        .await?;
        shown(&held, id)
    }

    /// A swarm goes on to another phase: any word.
    ///
    /// # Errors
    /// `Denied` for who does not belong to it; `NotFound` for a swarm that there is not; `Conflict` when it has ended.
    pub async fn swarm_phase(&self, agent: &str, id: &str, phase: &str) -> Result<Swarm> {
        named("a phase", phase)?;
        self.change_swarm(id, |swarm| {
            let swarm = at_work(swarm, id)?;
            is_member(swarm, agent)?;
            if swarm.phase.as_deref() == Some(phase) {
                return Ok(Vec::new());
            }
            let mut changed = SwarmPhaseChanged::new(id, phase);
            changed.previous_phase.clone_from(&swarm.phase);
            Ok(vec![changed.into_event()?.with_source(agent)?])
        })
        .await
    }

    /// A swarm as it is now: who belongs to it, what it was asked, what it has decided.
    ///
    /// # Errors
    /// `NotFound` for a swarm that there is not.
    pub async fn swarm(&self, id: &str) -> Result<Swarm> {
        let mut held = self.held_swarm(id).await?;
        held.refresh(self.log()).await?;
        shown(&held, id)
    }

    pub(super) async fn held_swarm(&self, id: &str) -> Result<OwnedMutexGuard<Held<Swarms>>> {
        Ok(self.0.swarms.of(&stream_named("swarm", id)?).await)
    }

    async fn change_swarm(
        &self,
        id: &str,
        mut decide: impl FnMut(Option<&Swarm>) -> Result<Vec<NewEvent>>,
    ) -> Result<Swarm> {
        let mut held = self.held_swarm(id).await?;
        held.decide(self.log(), |swarms| decide(swarms.get(id))).await?;
        shown(&held, id)
    }
}

/// The stream of a thing that has a name.
pub(super) fn stream_named(category: &str, id: &str) -> Result<StreamName> {
    named(&format!("a {category}"), id)?;
    stream_of(category, id)
}

/// A name: no text at all is none.
pub(super) fn named(what: &str, name: &str) -> Result<Text> {
    Text::new(name).map_err(|error| error.context(what))
}

/// A swarm that is there.
pub(super) fn known<'a>(swarm: Option<&'a Swarm>, id: &str) -> Result<&'a Swarm> {
    swarm.ok_or_else(|| {
        Error::not_found(format!("there is no swarm {id}"))
            .with_hint("form it first: swarm_form, `factlog swarm form`")
    })
}

/// A swarm that is there and has not ended.
pub(super) fn at_work<'a>(swarm: Option<&'a Swarm>, id: &str) -> Result<&'a Swarm> {
    let swarm = known(swarm, id)?;
    if swarm.has_ended() {
        let since = swarm.ended_at.map_or_else(String::new, |ended| format!(" since {ended}"));
        return Err(Error::conflict(format!("the swarm {id} is no more{since}")).with_hint("form it again"));
    }
    Ok(swarm)
}

/// Whether an agent belongs to it.
pub(super) fn is_member(swarm: &Swarm, agent: &str) -> Result<()> {
    if swarm.members.contains(agent) {
        return Ok(());
    }
    Err(Error::denied(format!("{agent} does not belong to the swarm {}", swarm.swarm_id))
        .with_hint("join it first: swarm_join, `factlog swarm join`"))
}

fn may_disband(swarm: &Swarm, agent: &str) -> Result<()> {
    let is = |known: &Option<String>| known.as_deref() == Some(agent);
    if is(&swarm.leader) || is(&swarm.founder) || (swarm.leader.is_none() && swarm.members.contains(agent)) {
        return Ok(());
    }
    let mut who: Vec<&str> = swarm.leader.iter().chain(&swarm.founder).map(String::as_str).collect();
    who.dedup();
    let who = if who.is_empty() { "its members".to_owned() } else { who.join(" or ") };
    Err(Error::denied(format!("{agent} may not disband the swarm {}", swarm.swarm_id))
        .with_hint(format!("it is up to {who}")))
}

fn shown(held: &Held<Swarms>, id: &str) -> Result<Swarm> {
    Ok(known(held.state().get(id), id)?.as_of(Timestamp::now()))
}
