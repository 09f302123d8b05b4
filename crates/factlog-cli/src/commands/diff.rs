//! `factlog diff`: what differs between two moments.

use factlog::{Error, EventLog, Moment, Projection, StreamName};
use factlog_agents::projections::{
    Agents, Coordinations, Deployments, Entities, Leases, Memories, Metrics, Sessions, Swarms, Tasks,
    Worktrees,
};
use factlog_agents::{Change, Difference, difference, stream_of};
use serde_json::Value;

use super::at::{moment, now};
use super::projections::{NAMES, named};
use super::{Context, note_removed};
use crate::cli::DiffArgs;
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::output::{Format, Listing, cell, note};

pub(crate) async fn run(context: &Context, args: &DiffArgs) -> Outcome {
    let format = context.format("diff", Listing::FORMATS)?;
    let (name, id) = match args.what.as_deref().map(|what| what.split_once('/').ok_or(what)) {
        None => (None, None),
        Some(Ok((name, id))) => (Some(name), Some(id)),
        Some(Err(what)) => of_stream(what).map_or((Some(what), None), |(name, id)| (Some(name), Some(id))),
    };
    let log = context.open().await?;
    note_removed(&log, &Selection::default()).await?;
    let mut differences = Vec::new();
    for name in name.map_or_else(|| NAMES.to_vec(), |name| vec![name]) {
        // How agents perform changes with everything they do: it is shown when it is asked for.
        if args.what.is_some() || name != Metrics::NAME {
            differences.extend(named!(name, of(&log, args, id))?);
        }
    }
    if differences.is_empty() && format == Format::Table {
        note("nothing differs");
    }
    listing(&differences, format)?.print(format)?;
    Ok(log.close().await?)
}

/// One thing by its stream, as `blame` takes it: `task-42` is one of the tasks.
fn of_stream(what: &str) -> Option<(&'static str, &str)> {
    const CATEGORIES: [(&str, &str); 9] = [
        (Agents::NOUN, Agents::NAME),
        (Tasks::NOUN, Tasks::NAME),
        (Memories::NOUN, Memories::NAME),
        (Sessions::NOUN, Sessions::NAME),
        (Swarms::NOUN, Swarms::NAME),
        (Coordinations::NOUN, Coordinations::NAME),
        (Worktrees::NOUN, Worktrees::NAME),
        (Deployments::NOUN, Deployments::NAME),
        (Leases::NOUN, Leases::NAME),
    ];
    let (category, id) = what.split_once('-').filter(|_| !NAMES.contains(&what))?;
    CATEGORIES.into_iter().find(|(noun, _)| *noun == category).map(|(_, name)| (name, id))
}

async fn of<P: Entities + Clone>(
    log: &EventLog,
    args: &DiffArgs,
    id: Option<&str>,
) -> Outcome<Vec<Difference>> {
    let stream: Option<StreamName> = id.map(|id| stream_of(P::NOUN, id)).transpose()?;
    let from = at::<P>(log, moment(log, "--from", &args.from, stream.as_ref()).await?).await?;
    let to = match &args.to {
        Some(to) => at::<P>(log, moment(log, "--to", to, stream.as_ref()).await?).await?,
        None => now::<P>(log).await?,
    };
    if let Some(id) = id
        && from.get(id).is_none()
        && to.get(id).is_none()
    {
        return Err(Error::not_found(format!("no {} {id:?} is known at either moment", P::NOUN)).into());
    }
    let mut differences = difference(&from, &to);
    differences.retain(|difference| id.is_none_or(|id| difference.id == id));
    Ok(differences)
}

async fn at<P: Projection>(log: &EventLog, moment: Moment) -> Outcome<P> {
    Ok(log.at::<P>(moment).partial().await?)
}

/// One row per field; of what is new or gone one row for all.
fn listing(differences: &[Difference], format: Format) -> Outcome<Listing> {
    let mut rows = Vec::new();
    for difference in differences {
        let thing = format!("{}-{}", difference.noun, difference.id);
        let row =
            |what: &str, before: String, after: String| vec![thing.clone(), what.to_owned(), before, after];
        match difference.change {
            Change::Added => rows.push(row("(new)", String::new(), status(difference, 1, format))),
            Change::Removed => rows.push(row("(gone)", status(difference, 0, format), String::new())),
            Change::Changed => rows.extend(
                difference
                    .fields
                    .iter()
                    .map(|(name, [before, after])| row(name, side(before, format), side(after, format))),
            ),
        }
    }
    Ok(Listing {
        headings: ["WHAT", "FIELD", "BEFORE", "AFTER"].map(str::to_owned).into(),
        rows,
        numbers: Vec::new(),
        json: serde_json::to_value(differences)?,
    })
}

fn status(difference: &Difference, which: usize, format: Format) -> String {
    difference.fields.get("status").map(|pair| side(&pair[which], format)).unwrap_or_default()
}

/// A value before or after a change.
pub(super) fn side(value: &Value, format: Format) -> String {
    match (value.is_null(), format) {
        (true, Format::Csv) => String::new(),
        (true, _) => "-".to_owned(),
        (false, _) => cell(value, format),
    }
}
