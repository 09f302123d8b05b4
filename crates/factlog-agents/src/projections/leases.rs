//! Leases: which agent has which resources for itself, and until when.
//!
//! Each event is judged by the time at which it was recorded, and by the leases that held at that time. What was not
//! permitted then is void for every reader: nobody's clock but the log's has a say.

use std::collections::BTreeMap;
use std::time::Duration;

use factlog::{Event, Filter, Invalid, Position, Projection, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Entities, filter_of};
use crate::bus::glob;
use crate::vocabulary::{LeaseAcquired, LeaseRenewed, Payload};

/// Resources that one lease may have.
pub const LEASE_RESOURCES_MAX: usize = 100;
/// The longest time of a lease, from when it was acquired or renewed last.
pub const LEASE_TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Leases of a namespace, with those that ran out and of which nobody was told yet; the oldest of these make room.
const NAMESPACE_LEASES_MAX: usize = 10_000;

/// What stands before the namespace in the name of a stream of leases.
const STREAM_PREFIX: &str = "lease-";

/// Resources that an agent has for itself until a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// Where its resources are.
    pub namespace: String,
    /// The fencing token: the position of the event that took them. A later lease has a greater one.
    pub token: Position,
    /// The agent that holds it.
    pub agent_id: String,
    /// What is held: names, or patterns as in [`glob`].
    pub resources: Vec<String>,
    /// When it was acquired.
    pub acquired_at: Timestamp,
    /// When its time runs out; from then on it is nobody's.
    pub expires_at: Timestamp,
    /// What it is for, as its holder says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often its end was told before its time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) told_early: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Lease {
    /// Whether it holds at a time.
    pub fn is_live(&self, at: Timestamp) -> bool {
        at < self.expires_at
    }

    /// Whether a concrete resource is among what it has.
    pub fn covers(&self, resource: &str) -> bool {
        self.resources.iter().any(|pattern| glob::matches(pattern, resource))
    }

    /// Its first resource that can mean the same as one of these patterns, and that pattern.
    pub fn overlap<'a>(&'a self, patterns: &'a [String]) -> Option<(&'a str, &'a str)> {
        let own = self.resources.iter();
        own.flat_map(|own| patterns.iter().map(move |other| (own.as_str(), other.as_str())))
            .find(|(own, other)| glob::overlap(own, other))
    }

    fn is_of_the_same(&self, resources: &[String]) -> bool {
        self.resources.len() == resources.len() && resources.iter().all(|one| self.resources.contains(one))
    }
}

/// The leases of one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LeaseNamespace {
    /// What it is called.
    pub namespace: String,
    /// Its leases, the oldest first: those that hold, and those that ran out without anybody having recorded it.
    pub leases: Vec<Lease>,
}

impl LeaseNamespace {
    /// The lease of a token.
    pub fn lease(&self, token: Position) -> Option<&Lease> {
        self.leases.iter().find(|lease| lease.token == token)
    }

    /// Those that hold at a time.
    pub fn live(&self, at: Timestamp) -> impl Iterator<Item = &Lease> {
        self.leases.iter().filter(move |lease| lease.is_live(at))
    }

    /// Those that ran out by a time, and nobody has recorded it.
    pub fn ran_out(&self, at: Timestamp) -> impl Iterator<Item = &Lease> {
        self.leases.iter().filter(move |lease| !lease.is_live(at))
    }

    /// Those of others that keep an agent from these resources at a time.
    pub fn in_the_way<'a>(
        &'a self,
        agent: &'a str,
        resources: &'a [String],
        at: Timestamp,
    ) -> impl Iterator<Item = &'a Lease> {
        self.live(at).filter(move |lease| lease.agent_id != agent && lease.overlap(resources).is_some())
    }

    /// Whether there is no room for another one.
    pub fn is_full(&self, at: Timestamp) -> bool {
        self.leases.len() >= NAMESPACE_LEASES_MAX && self.live(at).count() >= NAMESPACE_LEASES_MAX
    }

    fn acquire(&mut self, event: &Event, taken: LeaseAcquired) {
        let at = event.recorded_at;
        let Some(expires_at) = end(at, taken.ttl_ms) else { return };
        let is_void = check_resources(&taken.resources).is_err()
            || self.in_the_way(&taken.agent_id, &taken.resources, at).next().is_some()
            || self.is_full(at);
        if is_void {
            return;
        }
        if self.leases.len() >= NAMESPACE_LEASES_MAX
            && let Some(oldest) = self.leases.iter().position(|lease| !lease.is_live(at))
        {
            self.leases.remove(oldest);
        }
        // An agent that takes the same again, after a restart or an answer that was lost, holds it once.
        let is_replaced = |lease: &Lease| {
            lease.agent_id == taken.agent_id && lease.is_live(at) && lease.is_of_the_same(&taken.resources)
        };
        self.leases.retain(|lease| !is_replaced(lease));
        self.leases.push(Lease {
            namespace: self.namespace.clone(),
            token: event.position,
            agent_id: taken.agent_id,
            resources: taken.resources,
            acquired_at: at,
            expires_at,
            reason: taken.reason,
            told_early: 0,
        });
    }

    /// The lease of a token, for its holder and while it holds.
    fn held_by(&mut self, agent: &str, token: u64, at: Timestamp) -> Option<&mut Lease> {
        self.leases
            .iter_mut()
            .find(|lease| lease.token.0 == token && lease.agent_id == agent && lease.is_live(at))
    }

    fn renew(&mut self, event: &Event, renewed: &LeaseRenewed) {
        let at = event.recorded_at;
        let Some(expires_at) = end(at, renewed.ttl_ms) else { return };
        if let Some(lease) = self.held_by(&renewed.agent_id, renewed.token, at) {
            lease.expires_at = expires_at;
        }
    }

    fn release(&mut self, agent: &str, token: u64, at: Timestamp) {
        if self.held_by(agent, token, at).is_some() {
            self.leases.retain(|lease| lease.token.0 != token);
        }
    }

    fn expire(&mut self, token: u64, at: Timestamp) {
        match self.leases.iter_mut().find(|lease| lease.token.0 == token) {
            Some(lease) if lease.is_live(at) => lease.told_early = lease.told_early.saturating_add(1),
            _ => self.leases.retain(|lease| lease.token.0 != token),
        }
    }
}

/// When a lease ends that is taken at a time; none where it may not last so long.
fn end(at: Timestamp, ttl_ms: u64) -> Option<Timestamp> {
    let ttl = Duration::from_millis(ttl_ms);
    let is_allowed = !ttl.is_zero() && ttl <= LEASE_TTL_MAX;
    let micros = i64::try_from(ttl.as_micros()).ok().filter(|_| is_allowed)?;
    Timestamp::from_micros(at.as_micros().checked_add(micros)?).ok()
}

/// Refuses what no lease may have.
///
/// # Errors
/// `Invalid` for no resources, more than [`LEASE_RESOURCES_MAX`], or one that is no pattern.
pub(crate) fn check_resources(resources: &[String]) -> factlog::Result<()> {
    if resources.is_empty() || resources.len() > LEASE_RESOURCES_MAX {
        let count = resources.len();
        return Err(factlog::Error::invalid(format!(
            "a lease has 1 to {LEASE_RESOURCES_MAX} resources, and not {count}"
        ))
        .with_hint("one pattern such as src/** is many files"));
    }
    resources.iter().try_for_each(|resource| glob::check(resource))
}

/// All leases, by namespace; a namespace without any is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Leases {
    namespaces: BTreeMap<String, LeaseNamespace>,
}

impl Leases {
    /// Those of a namespace.
    pub fn namespace(&self, name: &str) -> Option<&LeaseNamespace> {
        self.namespaces.get(name)
    }

    /// Those that hold at a time, in all namespaces.
    pub fn live(&self, at: Timestamp) -> impl Iterator<Item = &Lease> {
        self.namespaces.values().flat_map(move |namespace| namespace.live(at))
    }

    fn take(&mut self, event: &Event, payload: Payload) {
        // The stream is what is decided on, so its name says which namespace is meant.
        let Some(name) = event.stream.strip_prefix(STREAM_PREFIX) else { return };
        // What one agent says of another's leases is void, but for their end: anybody may see that.
        let speaks_for = |agent: &str| event.source.as_deref().is_none_or(|source| source == agent);
        let at = event.recorded_at;
        match payload {
            Payload::LeaseAcquired(taken) if speaks_for(&taken.agent_id) && !taken.agent_id.is_empty() => {
                let namespace = super::entity(&mut self.namespaces, name, |one| &mut one.namespace);
                namespace.acquire(event, taken);
            }
            Payload::LeaseRenewed(renewed) if speaks_for(&renewed.agent_id) => {
                self.change(name, |namespace| namespace.renew(event, &renewed));
            }
            Payload::LeaseReleased(released) if speaks_for(&released.agent_id) => {
                self.change(name, |namespace| namespace.release(&released.agent_id, released.token, at));
            }
            Payload::LeaseExpired(expired) => {
                self.change(name, |namespace| namespace.expire(expired.token, at));
            }
            _ => {}
        }
        if self.namespaces.get(name).is_some_and(|namespace| namespace.leases.is_empty()) {
            self.namespaces.remove(name);
        }
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut LeaseNamespace)) {
        if let Some(namespace) = self.namespaces.get_mut(name) {
            change(namespace);
        }
    }
}

impl Projection for Leases {
    const NAME: &'static str = "leases";
    const REVISION: u32 = 1;

    fn filter() -> Filter {
        filter_of(&["lease"], &[])
    }

    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        if let Some(payload) = Payload::of(event) {
            self.take(event, payload);
        }
        Ok(())
    }
}

impl Entities for Leases {
    type Entity = LeaseNamespace;
    const NOUN: &'static str = "lease";

    fn entities(&self) -> &BTreeMap<String, LeaseNamespace> {
        &self.namespaces
    }
}

#[cfg(test)]
mod tests;
