//! `factlog projections`: what there is, how far each is, one whole, one anew.

use std::io::Write;

use factlog::{Error, EventLog, Position, Projection};
use factlog_agents::projections::{
    Agents, Coordinations, Deployments, Entities, Leases, Memories, Metrics, Sessions, Swarms, Tasks,
    Worktrees,
};
use serde_json::{Map, Value, json};

use super::at::state;
use super::{Context, note_removed};
use crate::cli::{AtArgs, ProjectionsAction, ProjectionsArgs};
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::output::{Column, Format, Listing, note, stdout};

/// Calls one generic function for each projection, or for the one of a name.
macro_rules! each {
    ($call:ident($($argument:expr),*)) => {
        each!(@all $call, ($($argument),*); Agents, Tasks, Memories, Sessions, Swarms, Coordinations, Worktrees, Deployments, Leases, Metrics)
    };
    (@all $call:ident, $arguments:tt; $($projection:ident),+) => {
        vec![$(each!(@one $call, $projection, $arguments)),+]
    };
    (@one $call:ident, $projection:ident, ($($argument:expr),*)) => {
        $call::<$projection>($($argument),*).await?
    };
}

/// Calls one generic function for the projection of a name.
macro_rules! named {
    ($name:expr, $call:ident($($argument:expr),*)) => {
        match $name {
            Agents::NAME => $call::<Agents>($($argument),*).await,
            Tasks::NAME => $call::<Tasks>($($argument),*).await,
            Memories::NAME => $call::<Memories>($($argument),*).await,
            Sessions::NAME => $call::<Sessions>($($argument),*).await,
            Swarms::NAME => $call::<Swarms>($($argument),*).await,
            Coordinations::NAME => $call::<Coordinations>($($argument),*).await,
            Worktrees::NAME => $call::<Worktrees>($($argument),*).await,
            Deployments::NAME => $call::<Deployments>($($argument),*).await,
            Leases::NAME => $call::<Leases>($($argument),*).await,
            Metrics::NAME => $call::<Metrics>($($argument),*).await,
            other => Err($crate::commands::projections::unknown(other).into()),
        }
    };
}

pub(super) use named;

/// The names of the projections that there are.
pub(super) const NAMES: [&str; 10] = [
    Agents::NAME,
    Tasks::NAME,
    Memories::NAME,
    Sessions::NAME,
    Swarms::NAME,
    Coordinations::NAME,
    Worktrees::NAME,
    Deployments::NAME,
    Leases::NAME,
    Metrics::NAME,
];

pub(super) fn unknown(name: &str) -> Error {
    Error::not_found(format!("{name:?} is no projection"))
        .with_hint(format!("there are {}", NAMES.join(", ")))
}

pub(crate) async fn run(context: &Context, args: &ProjectionsArgs) -> Outcome {
    match &args.action {
        ProjectionsAction::List => list(context).await,
        ProjectionsAction::Show { name, at } => {
            context.format("projections show", &[Format::Json])?;
            let log = context.open().await?;
            named!(name.as_str(), show(&log, at))?;
            Ok(log.close().await?)
        }
        ProjectionsAction::Rebuild { name, partial } => {
            let log = context.open().await?;
            match name {
                Some(name) => named!(name.as_str(), rebuild(&log, *partial))?,
                None => {
                    each!(rebuild(&log, *partial));
                }
            }
            Ok(log.close().await?)
        }
    }
}

async fn list(context: &Context) -> Outcome {
    let format = context.format("projections list", Listing::FORMATS)?;
    let log = context.open().await?;
    let head = log.newest().await?;
    let things: Vec<Value> = each!(about(&log, head));
    let columns = [
        Column::text("PROJECTION", "name"),
        Column::number("REVISION", "revision"),
        Column::number("POSITION", "position"),
        Column::number("BEHIND", "behind"),
        Column::number("BYTES", "bytes"),
        Column::number("REMEMBERED", "remembered"),
        Column::time("SAVED (UTC)", "savedAt"),
    ];
    Listing::of_things(&columns, things, format).print(format)?;
    Ok(log.close().await?)
}

async fn about<P: Projection>(log: &EventLog, head: Position) -> Outcome<Value> {
    let key = format!("projection/{}/{}", P::NAME, P::REVISION);
    let infos = log.snapshots().list(&key, None).await?;
    let newest = infos.iter().filter(|info| info.key == key).max_by_key(|info| info.position);
    Ok(json!({
        "name": P::NAME, "revision": P::REVISION, "head": head,
        "position": newest.map_or(Position::START, |info| info.position),
        "behind": head.0 - newest.map_or(0, |info| info.position.0.min(head.0)),
        "bytes": newest.map(|info| info.bytes), "remembered": infos.len(),
        "savedAt": newest.map(|info| info.saved_at),
    }))
}

async fn show<P: Entities + Clone>(log: &EventLog, at: &AtArgs) -> Outcome {
    note_removed(log, &Selection { filter: P::filter(), ..Selection::default() }).await?;
    let (state, _): (P, _) = state(log, at, None).await?;
    let things: Map<String, Value> =
        state.entities().iter().map(|(id, entity)| (id.clone(), P::shown(entity))).collect();
    let mut out = stdout();
    writeln!(out, "{}", serde_json::to_string_pretty(&things)?)?;
    Ok(out.flush()?)
}

/// The way out of a refusal, in the words of the command line.
fn with_flag(error: Error) -> Error {
    let is_removed = error.hint().is_some_and(|hint| hint.contains("partial"));
    if is_removed { error.with_hint("`--partial` begins with what is left") } else { error }
}

async fn rebuild<P: Entities>(log: &EventLog, partial: bool) -> Outcome {
    let mut group = log.projections();
    if partial {
        group = group.partial();
    }
    let projected = group.add::<P>().await.map_err(with_flag)?;
    group.start();
    projected.rebuild().await.map_err(with_flag)?;
    let (position, count) = (projected.position(), projected.with(|state| state.entities().len()));
    projected.finish().await;
    note(format_args!("{} built anew: {count} {}s as of position {position}", P::NAME, P::NOUN));
    Ok(())
}
