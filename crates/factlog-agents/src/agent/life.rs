//! An agent's life as others see it: it registers, says that it is there, notices who is not, and ends.

use std::collections::BTreeSet;

use factlog::{Batch, Condition, Error, ErrorKind, EventId, Filter, NewEvent, Result, Timestamp, TypedEvent};

use super::Me;
use super::builder::AgentBuilder;
use crate::bus::{Directory, Registered, SYSTEM, milliseconds};
use crate::stream_of;
use crate::vocabulary::{AgentHeartbeat, AgentReady, AgentSpawned, AgentTerminated};

/// Agents that are said to be dead at once, by one who looks.
const DEAD_AT_ONCE_MAX: usize = 100;

/// What an agent is registered with.
#[derive(Debug, Clone)]
pub(super) struct Registration {
    spawned: AgentSpawned,
    capacity: usize,
    kind: String,
    capabilities: Vec<String>,
    takes_over: bool,
}

impl Registration {
    pub(super) fn of(builder: &AgentBuilder, me: &Me) -> Self {
        let mut spawned = AgentSpawned::new(me.id())
            .agent_type(builder.kind.as_str())
            .capabilities(builder.capabilities.clone())
            .methods(
                builder.handlers.requests.keys().chain(&builder.methods).cloned().collect::<Vec<String>>(),
            )
            .heartbeat_ms(milliseconds(builder.heartbeat))
            .context_id(me.taker().context_id.as_str());
        spawned.tags = (!builder.tags.is_empty()).then(|| builder.tags.clone());
        spawned.agent_name.clone_from(&builder.name);
        spawned.parent_id.clone_from(&builder.parent);
        Self {
            spawned,
            capacity: builder.capacity,
            kind: builder.kind.clone(),
            capabilities: builder.capabilities.clone(),
            takes_over: builder.takes_over,
        }
    }

    /// Registers the agent: it was spawned, and is ready. Two runs that start at once cannot both.
    pub(super) async fn register(&self, me: &Me) -> Result<()> {
        let now = Timestamp::now();
        let (rival, as_of) = me
            .bus()
            .directory(|directory, as_of| {
                let other = directory.agent(me.id()).filter(|agent| {
                    let is_other = agent.context_id.as_deref() != Some(&me.taker().context_id);
                    // One that never says that it is there cannot be told from one that has ended.
                    is_other && agent.heartbeat_ms.is_some() && agent.is_live(now)
                });
                (other.map(|agent| agent.heard_at), as_of)
            })
            .await?;
        if let Some(heard_at) = rival.filter(|_| !self.takes_over) {
            return Err(Error::conflict(format!(
                "a run of the agent {} is at work, heard of at {heard_at}",
                me.id()
            ))
            .with_hint("give this agent another id, wait until the other has ended, or take over from it"));
        }
        let own = Filter::stream(stream_of("agent", me.id())?);
        let filter = Filter { types: "agent:spawned".parse().into_iter().collect(), ..own };
        let ready = AgentReady::new(me.id()).available_capacity(self.capacity as f64).current_tasks(0u64);
        let events = vec![me.own(self.spawned.clone())?, me.own(ready)?];
        let batch = Batch::new(events)?.condition(Condition::NoneSince { filter, after: as_of })?;
        me.log()
            .append(batch)
            .await
            .map(drop)
            .map_err(|error| error.context(format!("the agent {} could not register", me.id())))
    }

    /// The inboxes that it takes from: its own, and those of all that it is one of.
    pub(super) fn inboxes(&self, me: &Me, directory: &Directory) -> BTreeSet<String> {
        let mut inboxes = BTreeSet::from([me.id().to_owned(), "one-of:*".to_owned()]);
        inboxes.insert(format!("one-of:type:{}", self.kind));
        inboxes.extend(self.capabilities.iter().map(|capability| format!("one-of:capability:{capability}")));
        let groups = directory.groups_of(me.id());
        inboxes.extend(groups.map(|group| format!("one-of:group:{group}")));
        inboxes
    }
}

/// Says that the agent is there, and looks who is not, and which leases have run out.
pub(super) async fn beat(me: &Me, tasks: usize) -> Result<()> {
    let beat =
        AgentHeartbeat::new(me.id()).context_id(me.taker().context_id.as_str()).current_tasks(tasks as u64);
    me.record(beat).await?;
    // What is to be said of others must not end this one.
    if let Err(error) = look_after_others(me).await {
        if error.kind() == ErrorKind::Unavailable {
            return Err(error);
        }
        tracing::warn!(%error, agent = me.id(), "not all was said of leases that ran out and of those who are silent");
    }
    Ok(())
}

/// How others see a run that is there.
#[derive(Debug)]
pub(super) enum Stands {
    /// It is there.
    There,
    /// It was silent for so long that others took it for dead.
    Buried,
}

/// Looks how others see this run.
///
/// # Errors
/// `Conflict` once another run of the agent has registered.
pub(super) async fn stands(me: &Me) -> Result<Stands> {
    let own = Some(&me.taker().context_id);
    let known = me.bus().directory(|directory, _| directory.agent(me.id()).cloned()).await?;
    match known {
        Some(agent) if agent.context_id.as_ref() == own => {
            Ok(if agent.is_terminated { Stands::Buried } else { Stands::There })
        }
        // One that never says that it is there ends nobody.
        Some(agent) if agent.heartbeat_ms.is_some() => Err(replaced(me.id(), agent.registered_at)),
        _ => Ok(Stands::There),
    }
}

fn replaced(id: &str, at: Timestamp) -> Error {
    Error::conflict(format!("another run of the agent {id} has taken over at {at}, and this one has ended"))
        .with_hint("give each its own name; this one has the name again once the other has ended and it is started again")
}

async fn look_after_others(me: &Me) -> Result<()> {
    me.bus().expire_all_leases().await?;
    let dead = me.bus().directory(|directory, _| silent(directory, me.id())).await?;
    for (id, Registered { context_id, heard_at, registered_at, .. }) in dead {
        let mut ended = AgentTerminated::new(id.as_str())
            .reason(format!("not heard of since {heard_at}"))
            .graceful(false);
        ended.context_id.clone_from(&context_id);
        let mut event: NewEvent = ended.into_event()?.with_source(me.id())?;
        // Whoever notices it first says it, and nobody says it twice.
        // The same run may fall silent again after it came back.
        let silence = format!("silent {} {}", context_id.unwrap_or_default(), registered_at.as_micros());
        event.id = EventId::foreign(SYSTEM, &event.stream, &silence);
        if let Err(error) = me.log().append(event).await {
            tracing::debug!(%error, agent = id, "another has said that it is silent");
        }
    }
    Ok(())
}

fn silent(directory: &Directory, own: &str) -> Vec<(String, Registered)> {
    let now = Timestamp::now();
    let meant = directory
        .agents()
        .iter()
        .filter(|(id, agent)| *id != own && !agent.is_terminated && agent.is_silent(now));
    meant.take(DEAD_AT_ONCE_MAX).map(|(id, agent)| (id.clone(), agent.clone())).collect()
}

/// Says that the agent has ended.
pub(super) async fn end(me: &Me, reason: &str, graceful: bool) -> Result<()> {
    let mut ended = AgentTerminated::new(me.id()).reason(reason).graceful(graceful);
    ended.context_id = Some(me.taker().context_id.clone());
    me.record(ended).await.map(drop)
}
