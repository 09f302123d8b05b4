//! What an agent asks for, and why it does not get it.

use std::time::Duration;

use factlog::{Error, NewEvent, Position, Result, StreamName, Timestamp, TypedEvent};

use super::{LEASE_TTL_DEFAULT, NAMESPACE_DEFAULT};
use crate::projections::{LEASE_TTL_MAX, Lease, Leases, check_resources};
use crate::vocabulary::{LeaseAcquired, stream_of};

/// What an agent wants for itself.
///
/// ```
/// use std::time::Duration;
/// use factlog_agents::bus::LeaseRequest;
/// let request = LeaseRequest::new(["src/bus/**"]).ttl(Duration::from_secs(60)).reason("mending the bus");
/// assert_eq!(request.namespace, "default");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRequest {
    /// Where the resources are.
    pub namespace: String,
    /// What is wanted: names, or patterns as in [`glob`](super::super::glob).
    pub resources: Vec<String>,
    /// For how long.
    pub ttl: Duration,
    /// What for.
    pub reason: Option<String>,
}

impl LeaseRequest {
    /// These resources, in the default namespace and for the default time.
    pub fn new<T: Into<String>>(resources: impl IntoIterator<Item = T>) -> Self {
        Self {
            namespace: NAMESPACE_DEFAULT.to_owned(),
            resources: resources.into_iter().map(Into::into).collect(),
            ttl: LEASE_TTL_DEFAULT,
            reason: None,
        }
    }

    /// In another namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// For another time.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// With what it is for.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Refuses what no lease can be, before a log is opened.
    ///
    /// # Errors
    /// `Invalid`, saying what is wrong.
    pub fn check(&self) -> Result<()> {
        stream(&self.namespace)?;
        check_resources(&self.resources)?;
        milliseconds(self.ttl).map(drop)
    }

    pub(super) fn event(&self, agent: &str) -> Result<NewEvent> {
        let mut taken =
            LeaseAcquired::new(&*self.namespace, agent, self.resources.clone(), milliseconds(self.ttl)?);
        taken.reason.clone_from(&self.reason);
        taken.into_event()?.with_source(agent)
    }
}

/// Why a lease was not given, and how long that may last.
pub(super) struct Refused {
    /// What is in the way, with what it has and what was wanted.
    pub(super) in_the_way: Vec<Lease>,
    /// The time at which that was so, by whose clock it was judged.
    pub(super) at: Timestamp,
    /// The stream of leases was looked at up to here.
    pub(super) after: Position,
}

impl Refused {
    /// The time until all that is in the way has run out, unless it is renewed.
    pub(super) fn longest(&self) -> Duration {
        let last = self.in_the_way.iter().map(|lease| lease.expires_at).max().unwrap_or(self.at);
        let micros = last.as_micros().saturating_sub(self.at.as_micros());
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    pub(super) fn error(&self, wanted: &[String]) -> Error {
        let Some(lease) = self.in_the_way.first() else {
            return Error::conflict("the lease ran out before it was recorded")
                .with_hint("ask for a longer one");
        };
        let (held, own) = lease.overlap(wanted).unwrap_or_default();
        let what = if held == own { held.to_owned() } else { format!("{held}, which overlaps {own},") };
        let more = match self.in_the_way.len() {
            1 => String::new(),
            count => format!(", and {} more leases are in the way", count - 1),
        };
        Error::conflict(format!("{what} is held by {}{more}", holder(lease))).with_hint(format!(
            "wait until then (`--wait`, `lease_acquire_within`), ask {} to release it, or take something else",
            lease.agent_id
        ))
    }
}

/// Who holds a lease, until when, and what for.
pub(super) fn holder(lease: &Lease) -> String {
    let reason = lease.reason.as_ref().map_or_else(String::new, |reason| format!(", for {reason:?}"));
    format!("{} until {} (token {}{reason})", lease.agent_id, lease.expires_at, lease.token)
}

/// The time of a lease, if one may last so long.
pub(super) fn milliseconds(ttl: Duration) -> Result<u64> {
    let is_allowed = ttl >= Duration::from_millis(1) && ttl <= LEASE_TTL_MAX;
    u64::try_from(ttl.as_millis()).ok().filter(|_| is_allowed).ok_or_else(|| {
        Error::invalid(format!("a lease of {ttl:?} is too short or too long"))
            .with_hint("a lease lasts 24 hours at most; renew it as long as it is needed")
    })
}

/// The stream of a namespace's leases.
pub(super) fn stream(namespace: &str) -> Result<StreamName> {
    if namespace.is_empty() {
        return Err(Error::invalid("the namespace is empty").with_hint("leave it out for the default one"));
    }
    stream_of("lease", namespace)
}

/// The lease of a token, where this agent holds it at a time.
pub(super) fn own<'a>(
    leases: &'a Leases,
    namespace: &str,
    agent: &str,
    token: Position,
    at: Timestamp,
) -> Result<&'a Lease> {
    let lease = leases.namespace(namespace).and_then(|leases| leases.lease(token));
    let lease = lease.ok_or_else(|| {
        Error::not_found(format!("no lease of token {token} is held in the namespace {namespace}"))
            .with_hint("it was released, or ran out; acquire again, and look what others did meanwhile")
    })?;
    if lease.agent_id != agent {
        return Err(Error::denied(format!("the lease of token {token} is not {agent}'s: {}", holder(lease))));
    }
    if !lease.is_live(at) {
        return Err(ran_out(lease));
    }
    Ok(lease)
}

/// It is over.
pub(super) fn ran_out(lease: &Lease) -> Error {
    Error::conflict(format!("the lease of token {} ran out at {}", lease.token, lease.expires_at))
        .with_hint("acquire again, and look what others did meanwhile; renew earlier next time")
}
