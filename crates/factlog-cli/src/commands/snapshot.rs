//! `factlog snapshot`: values remembered at a position.

use std::io::Write;

use factlog::{Error, Json, Keep, Position, Snapshot};
use serde_json::json;

use super::Context;
use crate::cli::{SnapshotAction, SnapshotArgs};
use crate::failure::Outcome;
use crate::flag;
use crate::output::{Format, Listing, note, pretty, stdout};

/// How one value can be written.
const VALUE_FORMATS: &[Format] = &[Format::Table, Format::Json, Format::Jsonl];

pub(crate) async fn run(context: &Context, args: SnapshotArgs) -> Outcome {
    match args.action {
        SnapshotAction::Save { key, data, at } => save(context, key, data, at).await,
        SnapshotAction::Show { key, at } => show(context, &key, at).await,
        SnapshotAction::List { prefix } => list(context, &prefix).await,
    }
}

async fn save(context: &Context, key: String, data: Option<String>, at: Option<u64>) -> Outcome {
    let data = data.map_or_else(|| Ok(Json::empty_object()), |text| flag::json("DATA", &text))?;
    let format = context.format("snapshot save", VALUE_FORMATS)?;
    let log = context.open_or_create().await?;
    let newest = log.newest().await?;
    let position = at.map_or(newest, Position);
    if position > newest {
        return Err(Error::invalid(format!("position {position} is past the newest, {newest}"))
            .with_hint("a value is remembered at a position that is there")
            .into());
    }
    let revision =
        log.snapshots().save(Snapshot::new(key.clone(), position, data), None, Keep::History).await?;
    let mut out = stdout();
    if format == Format::Table {
        writeln!(out, "{key} at position {position}")?;
    } else {
        writeln!(out, "{}", json!({"key": key, "position": position, "revision": revision}))?;
    }
    out.flush()?;
    Ok(log.close().await?)
}

async fn show(context: &Context, key: &str, at: Option<u64>) -> Outcome {
    let format = context.format("snapshot show", VALUE_FORMATS)?;
    let log = context.open().await?;
    let found = log.snapshots().load(key, at.map_or(Position::MAX, Position)).await?;
    let snapshot = found.ok_or_else(|| {
        let when = at.map_or_else(String::new, |at| format!(" at or before position {at}"));
        Error::not_found(format!("there is no snapshot {key}{when}"))
            .with_hint("`factlog snapshot list` lists them")
    })?;
    let mut out = stdout();
    match format {
        Format::Table => {
            writeln!(out, "{} at position {}, saved {}", snapshot.key, snapshot.position, snapshot.saved_at)?;
            writeln!(out, "{}", pretty(&snapshot.data))?;
        }
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&snapshot)?)?,
        _ => writeln!(out, "{}", serde_json::to_string(&snapshot)?)?,
    }
    out.flush()?;
    Ok(log.close().await?)
}

async fn list(context: &Context, prefix: &str) -> Outcome {
    let format = context.format("snapshot list", Listing::FORMATS)?;
    let log = context.open().await?;
    let mut infos: Vec<factlog::SnapshotInfo> = Vec::new();
    loop {
        let after = infos.last().map(|info| (info.key.clone(), info.position));
        let after = after.as_ref().map(|(key, position)| (key.as_str(), *position));
        let page = log.snapshots().list(prefix, after).await?;
        if page.is_empty() {
            break;
        }
        infos.extend(page);
    }
    let rows = infos.iter().map(|info| {
        vec![info.key.clone(), info.position.to_string(), info.bytes.to_string(), info.saved_at.to_string()]
    });
    let listing = Listing {
        headings: ["KEY", "POSITION", "BYTES", "SAVED"].map(str::to_owned).into(),
        rows: rows.collect(),
        numbers: vec![1, 2],
        json: serde_json::to_value(&infos)?,
    };
    listing.print(format)?;
    if infos.is_empty() && format == Format::Table {
        note("there are no such snapshots");
    }
    Ok(log.close().await?)
}
