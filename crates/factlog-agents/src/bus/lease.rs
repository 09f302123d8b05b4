//! Leases: an agent takes resources for itself until a time, and is told who has them where it cannot.

mod request;

use std::time::Duration;

use factlog::{Error, EventId, Filter, NewEvent, Position, Result, StreamName, Text, Timestamp, TypedEvent};
use tokio::time::Instant;

pub use self::request::LeaseRequest;

use self::request::{Refused, holder, milliseconds, own, ran_out, stream};
use super::message::Message;
use super::{Address, Bus, glob};
use crate::projections::{Entities, Lease, LeaseNamespace, Leases};
use crate::vocabulary::{LeaseExpired, LeaseReleased, LeaseRenewed};

/// How long a lease lasts where nothing is said.
pub const LEASE_TTL_DEFAULT: Duration = Duration::from_secs(5 * 60);
/// The namespace of resources where none is named.
pub const NAMESPACE_DEFAULT: &str = "default";
/// The longest time that anybody waits for a lease.
const WAIT_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The shortest pause before a lease is asked for again, where clocks do not agree on whether it has run out.
const WAIT_MIN: Duration = Duration::from_millis(10);
/// Leases that are recorded as expired by one batch.
const EXPIRED_BATCH_MAX: usize = 100;
/// How often expired leases are looked at again because others recorded them meanwhile.
const EXPIRE_TRIES_MAX: u32 = 8;
/// Who tells a holder that its lease ran out.
const LOG: &str = "log";
/// Whose ids those of expirations are derived from.
const EXPIRED_SYSTEM: &str = "factlog-lease-expired";

impl Bus {
    /// Takes resources for an agent, at once or not at all.
    ///
    /// The answer holds for everyone, because it is judged by when the log recorded it. An agent that takes exactly what it
    /// holds gets a new token, and the old one ends; what overlaps its other leases it may take too.
    ///
    /// # Errors
    /// `Conflict` where another agent holds what overlaps: it names the holder, the resource and until when. `Invalid` for
    /// what no lease can be; `Unavailable` for a namespace that is full.
    pub async fn lease_acquire(&self, agent: &str, request: &LeaseRequest) -> Result<Lease> {
        self.try_acquire(agent, request).await?.map_err(|refused| refused.error(&request.resources))
    }

    /// The same, waiting for it: until it is released, or has run out, or patience is at its end. Of several who wait, the
    /// fastest gets it.
    ///
    /// # Errors
    /// As [`Bus::lease_acquire`]; `Conflict` when patience is at its end.
    pub async fn lease_acquire_within(
        &self,
        agent: &str,
        request: &LeaseRequest,
        patience: Duration,
    ) -> Result<Lease> {
        let stream = stream(&request.namespace)?;
        let give_up = Instant::now() + patience.min(WAIT_MAX);
        loop {
            let refused = match self.try_acquire(agent, request).await? {
                Ok(lease) => return Ok(lease),
                Err(refused) => refused,
            };
            let now = Instant::now();
            if now >= give_up {
                return Err(refused.error(&request.resources));
            }
            let mut following = self.log().follow(Filter::stream(stream.clone())).after(refused.after);
            tokio::select! {
                event = following.next() => match event {
                    Some(event) => { event?; }
                    None => return Err(Error::stopped("the log was closed")),
                },
                () = tokio::time::sleep_until(give_up.min(now + refused.longest().max(WAIT_MIN))) => {}
            }
        }
    }

    async fn try_acquire(&self, agent: &str, request: &LeaseRequest) -> Result<Result<Lease, Refused>> {
        agent.parse::<Text>().map_err(|error| error.context("the agent"))?;
        request.check()?;
        let namespace = request.namespace.as_str();
        let mut held = self.0.leases.of(&stream(namespace)?).await;
        let mut at = Timestamp::now();
        let in_the_way = |leases: &Leases, at: Timestamp| -> Vec<Lease> {
            let leases = leases.namespace(namespace).into_iter();
            leases.flat_map(|leases| leases.in_the_way(agent, &request.resources, at)).cloned().collect()
        };
        let appended = held
            .decide(self.log(), |leases| {
                at = Timestamp::now();
                if !in_the_way(leases, at).is_empty() {
                    return Ok(Vec::new());
                }
                if leases.namespace(namespace).is_some_and(|leases| leases.is_full(at)) {
                    return Err(Error::unavailable(format!(
                        "the namespace {namespace} has no room for a lease"
                    ))
                    .with_hint("release some, or use another namespace"));
                }
                Ok(vec![request.event(agent)?])
            })
            .await?;
        if let Some(appended) = appended {
            let leases = held.state().namespace(namespace);
            if let Some(lease) = leases.and_then(|leases| leases.lease(appended.last())) {
                return Ok(Ok(lease.clone()));
            }
            // By the log's clock it was too early.
            at = appended.recorded_at;
        }
        let in_the_way = in_the_way(held.state(), at);
        Ok(Err(Refused { in_the_way, at, after: held.position() }))
    }

    /// Keeps a lease for this long from now on.
    ///
    /// # Errors
    /// `NotFound` for a token that is not held; `Denied` for another agent's; `Conflict` for one that ran out, also where
    /// nobody has taken it since.
    pub async fn lease_renew(
        &self,
        agent: &str,
        namespace: &str,
        token: Position,
        ttl: Duration,
    ) -> Result<Lease> {
        let ttl_ms = milliseconds(ttl)?;
        let mut held = self.0.leases.of(&stream(namespace)?).await;
        let mut before = None;
        let appended = held
            .decide(self.log(), |leases| {
                before = Some(own(leases, namespace, agent, token, Timestamp::now())?.clone());
                let renewed = LeaseRenewed::new(namespace, agent, token.0, ttl_ms);
                Ok(vec![renewed.into_event()?.with_source(agent)?])
            })
            .await?;
        let at = appended.map_or_else(Timestamp::now, |appended| appended.recorded_at);
        match (own(held.state(), namespace, agent, token, at), before) {
            (Ok(lease), _) => Ok(lease.clone()),
            (Err(_), Some(lease)) => Err(ran_out(&lease)),
            (Err(error), None) => Err(error),
        }
    }

    /// Gives a lease back before its time.
    ///
    /// # Errors
    /// As [`Bus::lease_renew`].
    pub async fn lease_release(&self, agent: &str, namespace: &str, token: Position) -> Result<()> {
        let mut held = self.0.leases.of(&stream(namespace)?).await;
        held.decide(self.log(), |leases| {
            own(leases, namespace, agent, token, Timestamp::now())?;
            let released = LeaseReleased::new(namespace, agent, token.0);
            Ok(vec![released.into_event()?.with_source(agent)?])
        })
        .await?;
        // By the log's clock it may have been too late.
        match held.state().namespace(namespace).and_then(|leases| leases.lease(token)) {
            None => Ok(()),
            Some(lease) => Err(ran_out(lease)),
        }
    }

    /// The leases that hold now, by this machine's clock: of a namespace, or all.
    pub async fn leases(&self, namespace: Option<&str>) -> Result<Vec<Lease>> {
        let now = Timestamp::now();
        let Some(namespace) = namespace else {
            let mut whole = self.0.all_leases.lock().await;
            return Ok(whole.refresh(self.log()).await?.live(now).cloned().collect());
        };
        self.in_namespace(namespace, |leases| leases.live(now).cloned().collect()).await
    }

    async fn in_namespace(
        &self,
        namespace: &str,
        look: impl FnOnce(&LeaseNamespace) -> Vec<Lease>,
    ) -> Result<Vec<Lease>> {
        let mut held = self.0.leases.of(&stream(namespace)?).await;
        let leases = held.refresh(self.log()).await?.namespace(namespace);
        Ok(leases.map(look).unwrap_or_default())
    }

    /// Who holds a resource now, or a part of what a pattern means; nobody where it is free.
    ///
    /// # Errors
    /// `Invalid` for what can be no resource.
    pub async fn holders_of(&self, namespace: &str, resource: &str) -> Result<Vec<Lease>> {
        glob::check(resource)?;
        let (now, wanted) = (Timestamp::now(), [resource.to_owned()]);
        let is_meant = |lease: &&Lease| lease.covers(resource) || lease.overlap(&wanted).is_some();
        self.in_namespace(namespace, |leases| leases.live(now).filter(is_meant).cloned().collect()).await
    }

    /// Whether a fencing token is the valid one for a resource now: what a guarded write asks before it is done. The lease,
    /// where it is; of several of the same agent the newest is.
    ///
    /// # Errors
    /// `Conflict` for a token that is not, or no longer, valid there: it names who holds the resource, and until when.
    pub async fn check_token(&self, namespace: &str, token: Position, resource: &str) -> Result<Lease> {
        let now = Timestamp::now();
        let covering = |leases: &LeaseNamespace| {
            leases.live(now).filter(|lease| lease.covers(resource)).cloned().collect::<Vec<_>>()
        };
        let newest = self.in_namespace(namespace, covering).await?.pop();
        match newest {
            Some(lease) if lease.token == token => Ok(lease),
            Some(lease) => Err(Error::conflict(format!(
                "token {token} is not valid for {resource}: it is held by {}",
                holder(&lease)
            ))
            .with_hint("do not write; acquire again and look at what is there now")),
            None => {
                Err(Error::conflict(format!("token {token} is not valid for {resource}: nobody holds it"))
                    .with_hint("do not write; the lease ran out or was released, acquire it again"))
            }
        }
    }

    /// Records for all namespaces what has run out there, and tells the holders.
    pub async fn expire_all_leases(&self) -> Result<()> {
        let now = Timestamp::now();
        let namespaces: Vec<String> = {
            let mut whole = self.0.all_leases.lock().await;
            let leases = whole.refresh(self.log()).await?.entities();
            let over = leases.iter().filter(|(_, leases)| leases.ran_out(now).next().is_some());
            over.map(|(name, _)| name.clone()).collect()
        };
        for namespace in namespaces {
            self.expire_leases(&namespace).await?;
        }
        Ok(())
    }

    /// Records that leases have run out, each once, and tells their holders; those that were recorded now.
    pub async fn expire_leases(&self, namespace: &str) -> Result<Vec<Lease>> {
        let stream = stream(namespace)?;
        let mut held = self.0.leases.of(&stream).await;
        let mut all = Vec::new();
        let mut tries = 0;
        loop {
            let mut ended: Vec<Lease> = Vec::new();
            let outcome = held
                .decide(self.log(), |leases| {
                    let now = Timestamp::now();
                    let leases = leases.namespace(namespace).into_iter();
                    let over = leases.flat_map(|leases| leases.ran_out(now));
                    ended = over.take(EXPIRED_BATCH_MAX).cloned().collect();
                    let mut events =
                        ended.iter().map(|lease| expired(&stream, lease)).collect::<Result<Vec<_>>>()?;
                    for lease in &ended {
                        events.extend(told(lease)?);
                    }
                    Ok(events)
                })
                .await;
            match outcome {
                Ok(None) => return Ok(all),
                // Others have recorded some of them meanwhile.
                Err(error) if error.kind() == factlog::ErrorKind::Conflict && tries < EXPIRE_TRIES_MAX => {
                    tries += 1;
                }
                Err(error) => return Err(error),
                Ok(Some(appended)) => {
                    held.refresh(self.log()).await?;
                    let left = held.state().namespace(namespace);
                    let is_told = |lease: &Lease| left.is_none_or(|left| left.lease(lease.token).is_none());
                    let (told, early): (Vec<_>, Vec<_>) = ended.into_iter().partition(is_told);
                    if !appended.repeated {
                        all.extend(told);
                    }
                    // By the log's clock it was too early: the next look at it is soon enough.
                    if !early.is_empty() {
                        return Ok(all);
                    }
                }
            }
        }
    }
}

/// The end of a lease: the same event, whoever records it.
fn expired(stream: &StreamName, lease: &Lease) -> Result<NewEvent> {
    let end = format!("{}/{}/{}", lease.token, lease.expires_at, lease.told_early);
    let mut event = LeaseExpired::new(&*lease.namespace, &*lease.agent_id, lease.token.0).into_event()?;
    event.id = EventId::foreign(EXPIRED_SYSTEM, stream, &end);
    // Whoever follows what is for an agent hears of it; an id of foreign make may be no name.
    event.targets.extend(lease.agent_id.parse::<Text>());
    Ok(event)
}

/// The message to the holder whose lease ran out: in the batch that records the end, and so once.
fn told(lease: &Lease) -> Result<Vec<NewEvent>> {
    let now = Timestamp::now();
    let Lease { namespace, token, agent_id, expires_at, .. } = lease;
    let text = format!("your lease {token} on {} ran out at {expires_at}", lease.resources.join(", "));
    // An agent whose inbox can have no name has none, and is told by the end itself.
    if super::send::inbox_stream(agent_id).is_err() {
        return Ok(Vec::new());
    }
    let end = format!("{token}/{}", expires_at.as_micros());
    let id = EventId::foreign(EXPIRED_SYSTEM, &stream(namespace)?, &format!("told {end}")).to_string();
    let message = Message::text(LOG, Address::agent(agent_id.as_str()), &text)?;
    let recipients = vec![agent_id.clone()];
    Ok(vec![message.body_event(&id, recipients, now)?, message.queued_event(&id, agent_id, now)?])
}
