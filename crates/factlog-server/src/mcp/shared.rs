//! The tools of what agents share: leases, memory, votes.

use std::time::Duration;

use factlog::{Json, Position, Result, Timestamp};
use factlog_agents::bus::{LEASE_TTL_DEFAULT, LeaseRequest, NAMESPACE_DEFAULT, PutOptions};
use serde_json::{Value, json};

use super::arguments::{Ballot, LeaseAcquire, LeaseRelease, MemoryGet, MemoryPut};
use super::mail::Mail;
use super::tools::seconds;

pub(super) async fn lease_acquire(mail: &Mail, args: LeaseAcquire) -> Result<Value> {
    let ttl = args.ttl_s.map_or(LEASE_TTL_DEFAULT, Duration::from_secs);
    let mut request = LeaseRequest::new(args.resources).ttl(ttl);
    if let Some(reason) = &args.reason {
        request = request.reason(reason.as_str());
    }
    let wait = seconds(args.wait_s, Duration::ZERO);
    let me = mail.me().id();
    let lease = if wait.is_zero() {
        mail.bus().lease_acquire(me, &request).await?
    } else {
        mail.bus().lease_acquire_within(me, &request, wait).await?
    };
    Ok(json!({"token": lease.token, "resources": lease.resources, "expiresAt": lease.expires_at}))
}

pub(super) async fn lease_release(mail: &Mail, args: LeaseRelease) -> Result<Value> {
    mail.bus().lease_release(mail.me().id(), NAMESPACE_DEFAULT, Position(args.token)).await?;
    Ok(json!({"token": args.token, "state": "released"}))
}

pub(super) async fn memory_get(mail: &Mail, args: MemoryGet) -> Result<Value> {
    let value = mail.bus().memory_get(mail.me().id(), &args.path).await?;
    Ok(serde_json::to_value(value).unwrap_or_default())
}

pub(super) async fn memory_put(mail: &Mail, args: MemoryPut) -> Result<Value> {
    let expires = args.ttl_s.map(|seconds| Timestamp::now().plus_ms(seconds.saturating_mul(1_000)));
    let options = PutOptions { expect: args.expect, expires, tags: args.tags, ..PutOptions::default() };
    let put = mail.bus().memory_put(mail.me().id(), &args.path, Json::of(&args.value)?, options).await?;
    Ok(json!({"path": args.path, "version": put.version, "eventId": put.event_id}))
}

pub(super) async fn vote(mail: &Mail, args: Ballot) -> Result<Value> {
    let reason = args.reason.as_deref();
    let asked = mail.bus().vote(mail.me().id(), &args.swarm, &args.consensus_id, args.vote, reason).await?;
    Ok(serde_json::to_value(asked).unwrap_or_default())
}
