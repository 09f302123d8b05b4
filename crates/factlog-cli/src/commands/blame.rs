//! `factlog blame`: which event changed a field.

use factlog::{Error, EventLog, Moment, StreamName};
use factlog_agents::projections::{
    Agents, Coordinations, Deployments, Entities, Leases, Memories, Sessions, Swarms, Tasks, Worktrees,
};
use factlog_agents::{Blame, blame};
use serde_json::{Value, json};

use super::at::moment;
use super::diff::side;
use super::{Context, note_removed};
use crate::cli::BlameArgs;
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::output::{Format, Listing};

pub(crate) async fn run(context: &Context, args: &BlameArgs) -> Outcome {
    let format = context.format("blame", Listing::FORMATS)?;
    let stream: StreamName = args.stream.parse()?;
    let log = context.open().await?;
    note_removed(&log, &Selection::default()).await?;
    let until = match &args.at.at {
        None => None,
        Some(at) => Some(moment(&log, "--at", at, Some(&stream)).await?),
    };
    let mut changes = match stream.category() {
        "agent" => of::<Agents>(&log, args, &stream, until).await?,
        "task" => of::<Tasks>(&log, args, &stream, until).await?,
        "memory" => of::<Memories>(&log, args, &stream, until).await?,
        "session" => of::<Sessions>(&log, args, &stream, until).await?,
        "coordination" => of::<Coordinations>(&log, args, &stream, until).await?,
        "swarm" => of::<Swarms>(&log, args, &stream, until).await?,
        "worktree" => of::<Worktrees>(&log, args, &stream, until).await?,
        "deployment" => of::<Deployments>(&log, args, &stream, until).await?,
        "lease" => of::<Leases>(&log, args, &stream, until).await?,
        other => {
            return Err(Error::invalid(format!("nothing is folded from streams of the category {other:?}"))
                .with_hint("name a stream such as task-42, agent-agent-7 or session-8c00ac51")
                .into());
        }
    };
    if !args.all {
        changes = last_of_each(changes);
    }
    listing(&changes, format).print(format)?;
    Ok(log.close().await?)
}

async fn of<P: Entities>(
    log: &EventLog,
    args: &BlameArgs,
    stream: &StreamName,
    until: Option<Moment>,
) -> Outcome<Vec<Blame>> {
    let id = stream.split_once('-').map_or(stream.as_str(), |(_, id)| id);
    Ok(blame::<P>(log, id, args.field.as_deref(), until).await?)
}

/// The last change of each field, in the order of the log.
fn last_of_each(changes: Vec<Blame>) -> Vec<Blame> {
    let mut last: Vec<Blame> = Vec::new();
    for change in changes {
        last.retain(|known| known.field != change.field);
        last.push(change);
    }
    last
}

fn listing(changes: &[Blame], format: Format) -> Listing {
    let rows = changes.iter().map(|change| {
        let event = &change.event;
        vec![
            event.position.to_string(),
            event.time().to_string()[..19].replace('T', " "),
            event.event_type.to_string(),
            event.source.as_ref().map(ToString::to_string).unwrap_or_default(),
            change.field.clone(),
            side(&change.before, format),
            side(&change.after, format),
        ]
    });
    let json: Vec<Value> = changes
        .iter()
        .map(|change| {
            let event = &change.event;
            json!({"field": change.field, "before": change.before, "after": change.after,
                "position": event.position, "id": event.id, "stream": event.stream, "version": event.version,
                "type": event.event_type, "source": event.source, "time": event.time()})
        })
        .collect();
    Listing {
        headings: ["POSITION", "TIME (UTC)", "TYPE", "SOURCE", "FIELD", "BEFORE", "AFTER"]
            .map(str::to_owned)
            .into(),
        rows: rows.collect(),
        numbers: vec![0],
        json: json.into(),
    }
}
