//! `factlog lease`: resources that one agent has for itself.

use factlog::Position;
use factlog_agents::Bus;
use factlog_agents::bus::{Lease, LeaseRequest, NAMESPACE_DEFAULT};
use serde_json::{Value, json};

use super::Context;
use super::acting::{answer, format, span};
use crate::cli::{LeaseAction, LeaseArgs};
use crate::failure::Outcome;
use crate::output::{Column, Format, Listing, note};

pub(crate) async fn run(context: &Context, args: &LeaseArgs) -> Outcome {
    match &args.action {
        LeaseAction::Acquire { resources, acting, ttl, at, reason, wait } => {
            let mut request = LeaseRequest::new(resources).namespace(&at.namespace).ttl(span("--ttl", ttl)?);
            request.reason.clone_from(reason);
            acquire(context, acting.agent()?, &request, wait.as_deref()).await
        }
        LeaseAction::Renew { token, acting, ttl, at } => {
            let (agent, ttl) = (acting.agent()?, span("--ttl", ttl)?);
            let format = format(context, "lease renew")?;
            let bus = Bus::new(context.open().await?);
            let lease = bus.lease_renew(agent, &at.namespace, Position(*token), ttl).await?;
            bus.log().close().await?;
            answer(format, &lease, &sentence(&lease))
        }
        LeaseAction::Release { token, acting, at } => {
            let agent = acting.agent()?;
            let format = format(context, "lease release")?;
            let bus = Bus::new(context.open().await?);
            bus.lease_release(agent, &at.namespace, Position(*token)).await?;
            bus.log().close().await?;
            let done = json!({"namespace": at.namespace, "token": token, "agentId": agent});
            answer(format, &done, &format!("{agent} has released the lease of token {token}"))
        }
        LeaseAction::List { resource, namespace } => {
            list(context, resource.as_deref(), namespace.as_deref()).await
        }
    }
}

async fn acquire(context: &Context, agent: &str, request: &LeaseRequest, wait: Option<&str>) -> Outcome {
    let wait = wait.map(|text| span("--wait", text)).transpose()?;
    let format = format(context, "lease acquire")?;
    // Everything is checked before a log is made.
    request.check()?;
    let bus = Bus::new(context.open_or_create().await?);
    let lease = match wait {
        Some(patience) => bus.lease_acquire_within(agent, request, patience).await?,
        None => bus.lease_acquire(agent, request).await?,
    };
    bus.log().close().await?;
    answer(format, &lease, &sentence(&lease))
}

fn sentence(lease: &Lease) -> String {
    let (agent, until, token) = (&lease.agent_id, lease.expires_at, lease.token);
    format!("{agent} holds {} until {until}, token {token}", lease.resources.join(", "))
}

async fn list(context: &Context, resource: Option<&str>, namespace: Option<&str>) -> Outcome {
    let format = context.format("lease list", Listing::FORMATS)?;
    let bus = Bus::new(context.open().await?);
    let leases = match resource {
        Some(resource) => bus.holders_of(namespace.unwrap_or(NAMESPACE_DEFAULT), resource).await?,
        None => bus.leases(namespace).await?,
    };
    if leases.is_empty() && format == Format::Table {
        note(if resource.is_some() { "nobody holds it" } else { "nobody holds anything" });
    }
    let columns = [
        Column::number("TOKEN", "token"),
        Column::text("AGENT", "agentId"),
        Column::text("NAMESPACE", "namespace"),
        Column::text("RESOURCES", "resources"),
        Column::time("ACQUIRED (UTC)", "acquiredAt"),
        Column::time("EXPIRES (UTC)", "expiresAt"),
        Column::text("REASON", "reason"),
    ];
    let things = leases.iter().map(serde_json::to_value).collect::<Result<Vec<Value>, _>>()?;
    Listing::of_things(&columns, things, format).print(format)?;
    Ok(bus.log().close().await?)
}
