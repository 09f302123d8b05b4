//! The steps of an SQLite file: its format's number says how its events are found.

use factlog::{Error, Result};
use factlog_stores::{Indexes, SqliteOptions, indexes_of, migrate_indexes};
use serde_json::json;

use crate::cli::MigrateAction;
use crate::failure::Outcome;
use crate::output::{Counting, Format, Listing, note};

/// What each step brings.
const STEPS: [(&str, Indexes); 2] = [("real indexes", Indexes::Real), ("lagging indexes", Indexes::Lagging)];

pub(super) async fn run(options: SqliteOptions, action: &MigrateAction, format: Format) -> Outcome {
    let wanted = wanted(action)?;
    let options = SqliteOptions { indexes: None, ..options };
    let done = tokio::task::spawn_blocking(move || go(&options, wanted)).await;
    let listing = done.map_err(|error| Error::stopped(error.to_string()))??;
    listing.print(format)
}

/// The format that is asked for, and whether to go up or down to it.
fn wanted(action: &MigrateAction) -> Result<Option<(Indexes, bool)>> {
    let beyond = |step: u32| {
        Err(Error::invalid(format!("an SQLite file has steps 1 and 2, and no step {step}"))
            .with_hint("to be rid of the log, delete its file"))
    };
    match action {
        MigrateAction::Status => Ok(None),
        MigrateAction::Up { to: None | Some(2) } => Ok(Some((Indexes::Lagging, true))),
        MigrateAction::Up { to: Some(1) } => Ok(Some((Indexes::Real, true))),
        MigrateAction::Down { to: None | Some(1), .. } => Ok(Some((Indexes::Real, false))),
        MigrateAction::Down { to: Some(2), .. } => Ok(Some((Indexes::Lagging, false))),
        MigrateAction::Up { to: Some(step) } | MigrateAction::Down { to: Some(step), .. } => beyond(*step),
    }
}

fn go(options: &SqliteOptions, wanted: Option<(Indexes, bool)>) -> Result<Listing> {
    let (has, _) = indexes_of(options)?;
    if let Some((wanted, is_up)) = wanted {
        // Going up to the first step, or down to the second, changes nothing.
        if wanted == has || (wanted == Indexes::Lagging) != is_up {
            note("nothing to do");
        } else {
            let counting = Counting::new();
            let say = |done: u64, of: u64| counting.say(format_args!("{done} of {of} events"));
            migrate_indexes(options, wanted, say)?;
            drop(counting);
            note(format_args!("the log has {} now", name(wanted)));
        }
    }
    let (has, since) = indexes_of(options)?;
    let step = |(index, (name, indexes)): (usize, &(&str, Indexes))| {
        let at = since.filter(|_| *indexes == has);
        let is_taken = index == 0 || *indexes == has;
        let told = match at {
            Some(at) => at.to_string(),
            None if is_taken => "from the beginning".to_owned(),
            None => "not yet".to_owned(),
        };
        let json = json!({"number": index + 1, "name": name, "taken": is_taken, "appliedAt": at});
        (vec![(index + 1).to_string(), (*name).to_owned(), told], json)
    };
    let (rows, json): (Vec<_>, Vec<_>) = STEPS.iter().enumerate().map(step).unzip();
    Ok(Listing {
        headings: ["STEP", "NAME", "TAKEN"].map(str::to_owned).into(),
        rows,
        numbers: vec![0],
        json: json.into(),
    })
}

fn name(indexes: Indexes) -> &'static str {
    STEPS.iter().find(|(_, step)| *step == indexes).map_or("other indexes", |(name, _)| name)
}
