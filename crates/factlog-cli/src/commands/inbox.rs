//! `factlog inbox`, `ack`, `nack` and `message`: what waits for an agent, and what becomes of it.

use std::collections::BTreeSet;
use std::io::Write;

use factlog::{EventId, EventLog, Filter, Timestamp};
use factlog_agents::bus::{Delivery, Taker};
use factlog_agents::{Bus, stream_of};
use serde_json::{Value, json};

use super::{Context, acting, until_interrupted};
use crate::cli::{AckArgs, InboxArgs, MessageArgs, NackArgs};
use crate::failure::Outcome;
use crate::output::{Column, Format, Listing, is_terminal, note, stdout, thing};
use crate::person_time;

const COLUMNS: &[Column] = &[
    Column::text("MESSAGE", "messageId"),
    Column::text("KIND", "kind"),
    Column::text("FROM", "from"),
    Column::text("STATE", "state"),
    Column::text("PRIORITY", "priority"),
    Column::number("OFFERED", "attempts"),
    Column::time("SENT (UTC)", "sentAt"),
    Column::text("SAYS", "data"),
];

const RECIPIENTS: &[Column] = &[
    Column::text("AT", "inbox"),
    Column::text("STATE", "state"),
    Column::number("OFFERED", "attempts"),
    Column::text("WITH", "agent"),
    Column::time("UNTIL (UTC)", "until"),
    Column::time("SINCE (UTC)", "at"),
    Column::text("WHY", "reason"),
];

pub(crate) async fn inbox(context: &Context, args: &InboxArgs) -> Outcome {
    if args.watch {
        return watch(context, args).await;
    }
    let format = context.format("inbox", Listing::FORMATS)?;
    let log = context.open().await?;
    let bus = Bus::new(log.clone());
    let deliveries = match args.take {
        None => bus.peek(&args.agent).await?,
        Some(count) => {
            let visibility = acting::span("--visibility", &args.visibility)?;
            let by = args.taker.as_deref().unwrap_or(&args.agent);
            let taker = Taker::new(by, format!("cli-{}", EventId::generate()));
            bus.take(&args.agent, &taker, count, visibility).await?
        }
    };
    let now = Timestamp::now();
    let rows: Vec<Value> = deliveries.iter().map(|delivery| shown(delivery, now)).collect();
    if rows.is_empty() && format == Format::Table {
        note(format_args!("nothing waits for {}", args.agent));
    }
    Listing::of_things(COLUMNS, rows, format).print(format)?;
    Ok(log.close().await?)
}

/// A message in an inbox, as it is shown.
pub(super) fn shown(delivery: &Delivery, now: Timestamp) -> Value {
    let item = &delivery.item;
    let mut shown = json!({
        "messageId": item.message_id,
        "kind": item.kind,
        "from": item.from,
        "state": item.state_word(now),
        "priority": item.priority,
        "attempts": item.attempts,
        "sentAt": item.queued_at,
        "position": item.position,
        "data": delivery.content(),
    });
    if let Some(expires) = item.expires_at {
        shown["expiresAt"] = json!(expires);
    }
    if let Some(reason) = &item.reason {
        shown["reason"] = json!(reason);
    }
    for (name, value) in delivery.particulars() {
        shown[name] = value;
    }
    shown
}

/// Shows what is there, and what comes.
async fn watch(context: &Context, args: &InboxArgs) -> Outcome {
    let format = context.format("inbox --watch", &[Format::Table, Format::Jsonl])?;
    let log = context.open().await?;
    if is_terminal() {
        note(format_args!("waiting for messages to {}; Ctrl-C ends it", args.agent));
    }
    until_interrupted(show_as_they_come(&log, &args.agent, format)).await?;
    Ok(log.close().await?)
}

async fn show_as_they_come(log: &EventLog, agent: &str, format: Format) -> Outcome {
    let bus = Bus::new(log.clone());
    let stream = stream_of("inbox", agent)?;
    let mut following = log.follow(Filter::stream(stream)).after(log.newest().await?);
    let mut known = BTreeSet::new();
    loop {
        let waiting = bus.peek(agent).await?;
        let now = Timestamp::now();
        let mut out = stdout();
        for delivery in waiting.iter().filter(|delivery| !known.contains(&delivery.item.message_id)) {
            if format == Format::Jsonl {
                writeln!(out, "{}", shown(delivery, now))?;
            } else {
                let (item, said) = (&delivery.item, delivery.content());
                let (id, from, priority) = (&item.message_id, &item.from, item.priority.as_str());
                writeln!(out, "{id}  {from}  [{priority}] {}", said.as_str())?;
            }
        }
        out.flush()?;
        drop(out);
        known = waiting.into_iter().map(|delivery| delivery.item.message_id).collect();
        match following.next().await {
            Some(event) => drop(event?),
            None => return Ok(()),
        }
    }
}

pub(crate) async fn ack(context: &Context, args: &AckArgs) -> Outcome {
    let format = acting::format(context, "ack")?;
    let log = context.open().await?;
    let by = args.by.as_deref().unwrap_or(&args.agent);
    Bus::new(log.clone()).ack(&args.agent, by, &args.message_ids).await?;
    told("acked", &args.message_ids, format)?;
    Ok(log.close().await?)
}

pub(crate) async fn nack(context: &Context, args: &NackArgs) -> Outcome {
    let format = acting::format(context, "nack")?;
    let delay = args.delay.as_deref().map(person_time::length).transpose();
    let delay = delay.map_err(|error| error.context("--delay"))?;
    let log = context.open().await?;
    let by = args.by.as_deref().unwrap_or(&args.agent);
    Bus::new(log.clone()).nack(&args.agent, by, &args.message_ids, &args.reason, delay).await?;
    told("nacked", &args.message_ids, format)?;
    Ok(log.close().await?)
}

fn told(what: &str, ids: &[String], format: Format) -> Outcome {
    let mut out = stdout();
    match format {
        Format::Table => writeln!(out, "{what} {}", ids.join(", "))?,
        _ => writeln!(out, "{}", json!({"messageIds": ids, "state": what}))?,
    }
    Ok(out.flush()?)
}

pub(crate) async fn message(context: &Context, args: &MessageArgs) -> Outcome {
    let format = context.format("message", &[Format::Table, Format::Json, Format::Jsonl])?;
    let log = context.open().await?;
    let status = Bus::new(log.clone()).message(&args.message_id).await?;
    let mut shown = serde_json::to_value(&status)?;
    if format == Format::Table {
        // Where it stands is what is asked: a table of its own.
        let recipients = shown.as_object_mut().and_then(|fields| fields.remove("recipients"));
        let rows = recipients.and_then(|rows| rows.as_array().cloned()).unwrap_or_default();
        thing(&shown, format)?;
        Listing::of_things(RECIPIENTS, rows, format).print(format)?;
    } else {
        thing(&shown, format)?;
    }
    Ok(log.close().await?)
}
