//! `factlog memory`: values that agents keep for each other.

use std::io::{Read, Write};

use factlog::limits::DATA_BYTES_MAX;
use factlog::{Json, Result, Timestamp};
use factlog_agents::Bus;
use factlog_agents::bus::{Access, PutOptions, check_memory_path};
use serde_json::{Value, json};

use super::Context;
use super::acting::{answer, format, span};
use crate::cli::{MemoryAction, MemoryArgs};
use crate::failure::Outcome;
use crate::flag::one;
use crate::output::{Column, Format, Listing, note, stdout};

pub(crate) async fn run(context: &Context, args: &MemoryArgs) -> Outcome {
    match &args.action {
        MemoryAction::Put { path, value, acting, expect, ttl, tag, access } => {
            let options = PutOptions {
                expect: *expect,
                expires: ttl.as_deref().map(expires).transpose()?,
                tags: tag.clone(),
                access: one::<Access>("--access", access.as_deref())?,
            };
            put(context, acting.agent()?, path, value, options).await
        }
        MemoryAction::Get { path, acting } => get(context, acting.agent()?, path).await,
        MemoryAction::Delete { path, acting } => {
            let (agent, format) = (acting.agent()?, format(context, "memory delete")?);
            let bus = Bus::new(context.open().await?);
            bus.memory_delete(agent, path).await?;
            bus.log().close().await?;
            answer(format, &json!({"path": path, "agentId": agent}), &format!("{path} is deleted"))
        }
        MemoryAction::Share { path, with, level, acting } => {
            let agent = acting.agent()?;
            let level: Access = level.parse().map_err(|error: factlog::Error| error.context("--level"))?;
            let format = format(context, "memory share")?;
            let bus = Bus::new(context.open().await?);
            bus.memory_share(agent, path, with, level).await?;
            bus.log().close().await?;
            let done = json!({"path": path, "sharedWith": with, "accessLevel": level});
            answer(format, &done, &format!("{}: {level} of {path}", with.join(", ")))
        }
        MemoryAction::List { prefix, acting } => list(context, acting.agent()?, prefix).await,
    }
}

async fn put(context: &Context, agent: &str, path: &str, value: &str, options: PutOptions) -> Outcome {
    let format = format(context, "memory put")?;
    // Everything is checked before a log is made.
    check_memory_path(path)?;
    let value = match value {
        "-" => {
            let mut text = String::new();
            std::io::stdin().take(DATA_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
            json_or_text(text.strip_suffix('\n').unwrap_or(&text))?
        }
        text => json_or_text(text)?,
    };
    let bus = Bus::new(context.open_or_create().await?);
    let put = bus.memory_put(agent, path, value, options).await?;
    bus.log().close().await?;
    answer(format, &put, &format!("{path} is at version {}", put.version))
}

/// JSON as it is; anything else as a text.
fn json_or_text(text: &str) -> Result<Json> {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Json::parse(text).map_err(|error| error.context("VALUE")),
        Err(_) => Json::of(&text),
    }
}

/// When what lasts for so long is over.
fn expires(text: &str) -> Result<Timestamp> {
    let micros = i64::try_from(span("--ttl", text)?.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(Timestamp::now().as_micros().saturating_add(micros))
        .map_err(|error| error.context("--ttl"))
}

async fn get(context: &Context, agent: &str, path: &str) -> Outcome {
    let format = context.format("memory get", &[Format::Table, Format::Json, Format::Jsonl])?;
    let bus = Bus::new(context.open().await?);
    let found = bus.memory_get(agent, path).await?;
    bus.log().close().await?;
    let mut out = stdout();
    match format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?,
        Format::Jsonl => writeln!(out, "{}", serde_json::to_string(&found)?)?,
        _ => writeln!(out, "{}", found.value.as_str())?,
    }
    Ok(out.flush()?)
}

async fn list(context: &Context, agent: &str, prefix: &str) -> Outcome {
    let format = context.format("memory list", Listing::FORMATS)?;
    let bus = Bus::new(context.open().await?);
    let entries = bus.memory_list(agent, prefix).await?;
    if entries.is_empty() && format == Format::Table {
        note(format_args!("{agent} may read nothing there"));
    }
    let columns = [
        Column::text("PATH", "path"),
        Column::number("VERSION", "version"),
        Column::text("OWNER", "owner"),
        Column::text("ACCESS", "access"),
        Column::number("BYTES", "size"),
        Column::number("ACCESSES", "accesses"),
        Column::time("UPDATED (UTC)", "updatedAt"),
        Column::time("EXPIRES (UTC)", "expiresAt"),
        Column::text("TAGS", "tags"),
    ];
    let things = entries.iter().map(serde_json::to_value).collect::<Result<Vec<Value>, _>>()?;
    Listing::of_things(&columns, things, format).print(format)?;
    Ok(bus.log().close().await?)
}
