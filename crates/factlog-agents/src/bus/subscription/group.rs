//! A group: its events are parted by their streams, and each part is one member's at a time.
//!
//! A part is a lease and a durable follower: the lease says whose it is, and the follower's place is saved by compare-and-set,
//! so that one who has lost a part without noticing cannot move its place.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use factlog::{ErrorKind, Event, Position, Result};
use tokio::task::JoinHandle;

use super::Subscribing;
use super::run::{IsOurs, Run};
use crate::bus::{Bus, Lease, LeaseRequest};
use crate::projections::stable_hash;

/// Parts of a group: so many members share its events.
const PARTS: u64 = 16;
/// How long a part is kept for a member that is not heard of, where nothing else is said.
pub(super) const LEASE: Duration = Duration::from_secs(15);
/// The namespace of the leases of groups.
const NAMESPACE: &str = "subscriptions";
/// Renewals in the time of one lease.
const RENEWALS: u32 = 3;

/// A part that is ours.
struct Part {
    token: Position,
    hearing: JoinHandle<Result<()>>,
}

impl Drop for Part {
    fn drop(&mut self) {
        self.hearing.abort();
    }
}

fn part_name(group: &str, part: u64) -> String {
    format!("{group}/part-{part}")
}

/// Takes part in a group, until the subscription ends.
pub(super) async fn share(of: Subscribing, member: String, run: Run, after: Position) -> Result<()> {
    let group = of.name.clone().unwrap_or_default();
    let mut ours: BTreeMap<u64, Part> = BTreeMap::new();
    let mut presence: Option<Position> = None;
    loop {
        let turn = keep(&of, &group, &member, &run, after, &mut ours, &mut presence).await;
        if let Err(error) = turn
            && error.kind() != ErrorKind::Unavailable
            && error.kind() != ErrorKind::Conflict
        {
            return Err(error);
        }
        tokio::time::sleep(of.lease / RENEWALS).await;
    }
}

/// Says that we are there, keeps our parts, and takes or gives parts so that all members have as many.
async fn keep(
    of: &Subscribing,
    group: &str,
    member: &str,
    run: &Run,
    after: Position,
    ours: &mut BTreeMap<u64, Part>,
    presence: &mut Option<Position>,
) -> Result<()> {
    let bus = run.bus();
    *presence = Some(renewed(bus, member, *presence, &format!("{group}/member-{member}"), of.lease).await?);
    ours.retain(|_, part| !part.hearing.is_finished());
    let kept: Vec<u64> = ours.keys().copied().collect();
    for part in kept {
        let token = ours.get(&part).map(|part| part.token);
        match renewed(bus, member, token, &part_name(group, part), of.lease).await {
            Ok(token) => drop(ours.get_mut(&part).map(|part| part.token = token)),
            // It ran out and is another's now.
            Err(error) if error.kind() == ErrorKind::Conflict => drop(ours.remove(&part)),
            Err(error) => return Err(error),
        }
    }
    let leases = bus.leases(Some(NAMESPACE)).await?;
    let members = leases.iter().filter(|lease| is_of(lease, &format!("{group}/member-"))).count().max(1);
    let share = PARTS.div_ceil(members as u64) as usize;
    while ours.len() > share {
        let Some((part, held)) = ours.pop_last() else { break };
        let token = held.token;
        // Its follower ends before another begins, so that its place is where it stopped.
        drop(held);
        tracing::debug!(group, part, "a part is given to others");
        bus.lease_release(member, NAMESPACE, token).await?;
    }
    for part in 0..PARTS {
        let name = part_name(group, part);
        let is_taken = leases.iter().any(|lease| is_of(lease, &name) && lease.resources.contains(&name));
        if ours.len() >= share || ours.contains_key(&part) || is_taken {
            continue;
        }
        match renewed(bus, member, None, &name, of.lease).await {
            Ok(token) => {
                let hearing = tokio::spawn(hear(of.clone(), run.clone(), name, part, after));
                ours.insert(part, Part { token, hearing });
            }
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    run.is_at(Position::START);
    Ok(())
}

fn is_of(lease: &Lease, prefix: &str) -> bool {
    lease.resources.iter().any(|resource| resource.starts_with(prefix))
}

/// Keeps a lease, or takes it.
async fn renewed(
    bus: &Bus,
    member: &str,
    token: Option<Position>,
    name: &str,
    ttl: Duration,
) -> Result<Position> {
    if let Some(token) = token
        && bus.lease_renew(member, NAMESPACE, token, ttl).await.is_ok()
    {
        return Ok(token);
    }
    let request = LeaseRequest::new([name]).namespace(NAMESPACE).ttl(ttl);
    Ok(bus.lease_acquire(member, &request).await?.token)
}

/// Hears the events of one part.
async fn hear(of: Subscribing, run: Run, name: String, part: u64, after: Position) -> Result<()> {
    let ours: IsOurs = Arc::new(move |event: &Event| stable_hash(&event.stream) % PARTS == part);
    let following = run.bus().log().follow(of.filter.clone()).after(after).durable(&name).partial();
    run.hear(following, Some(ours)).await
}
