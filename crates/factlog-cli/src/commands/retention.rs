//! `factlog retention`: what is kept how long.

use std::path::Path;

use factlog::{Compacted, EventLog, Planned, Position, Removal, Result, Retention, Timestamp};
use factlog_adapters::archive::{Archive, Archived};
use factlog_agents::Bus;
use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use crate::cli::{RetentionAction, RetentionArgs};
use crate::failure::Outcome;
use crate::output::{Counting, Format, Listing, note};
use crate::retention_rules::{self, Chosen, ChosenRule};

pub(crate) async fn run(context: &Context, args: RetentionArgs) -> Outcome {
    let (rule, with_compaction) = match &args.action {
        RetentionAction::Plan { rule } => (rule, None),
        RetentionAction::Run { rule, compact } => (rule, Some(*compact)),
    };
    let chosen = retention_rules::chosen(&context.settings, rule)?;
    let retention = Retention::new(chosen.rules.iter().map(|chosen| chosen.rule.clone()).collect())?;
    let command = if with_compaction.is_some() { "retention run" } else { "retention plan" };
    let format = context.format(command, Listing::FORMATS)?;
    let log = context.open().await?;
    let counting = Counting::new();
    counting.say("counting");
    let now = Timestamp::now();
    let mut plans = retention.plan(&log, now).await?;
    let chosen = with_finished(&log, chosen, &mut plans, now).await?;
    match with_compaction {
        None => {
            drop(counting);
            planned(&chosen, &plans)?.print(format)?;
        }
        Some(with_compaction) => {
            let mut done = Vec::new();
            let outcome = take_all(&log, &chosen, &plans, &counting, &mut done).await;
            drop(counting);
            // What was removed is said, also where something failed after it.
            if outcome.is_ok() || done.iter().any(|(_, taken)| taken.count > 0) {
                removed(&done).print(format)?;
            }
            outcome?;
            if with_compaction {
                compact(&log).await?;
            }
        }
    }
    if plans.iter().all(|planned| planned.count == 0) && format == Format::Table {
        note("nothing is old enough");
    }
    Ok(log.close().await?)
}

/// Adds what goes of messages that are done with; the rule that each plan is of.
async fn with_finished(
    log: &EventLog,
    chosen: Chosen,
    plans: &mut Vec<Planned>,
    now: Timestamp,
) -> Result<Vec<ChosenRule>> {
    let Chosen { mut rules, finished } = chosen;
    let Some(finished) = finished else { return Ok(rules) };
    // As a rule counts an age: from when something was recorded.
    let Some(before) = finished.rule.filter_at(now)?.recorded.to else { return Ok(rules) };
    let found = Bus::new(log.clone()).finished_before(before).await?;
    rules.extend(found.iter().map(|_| finished.clone()));
    plans.extend(found);
    Ok(rules)
}

/// What was archived and removed.
#[derive(Debug, Default, Serialize)]
pub(super) struct Taken {
    /// How many events were removed.
    pub(super) count: u64,
    /// Where the log says so last; none when nothing was removed.
    pub(super) position: Option<Position>,
    pub(super) archives: Vec<Archived>,
}

/// Archives what a removal means, where a folder is named, and removes it: one file after the other, each only once it
/// is on the disk.
pub(super) async fn take(
    log: &EventLog,
    removal: &Removal,
    folder: Option<&Path>,
    counting: &Counting,
    taken: &mut Taken,
) -> Outcome {
    let Some(folder) = folder else {
        counting.say(format_args!("removing events up to position {}", removal.through));
        return remove(log, removal, taken).await;
    };
    let absolute = std::path::absolute(folder)?;
    let whole = Removal { archive: absolute.to_str().map(str::to_owned), ..removal.clone() };
    if let Some(moved) = log.archive(&whole).await? {
        taken.count += moved.removed.count;
        taken.position = moved.removed.position.or(taken.position);
        for file in &moved.files {
            taken.archives.push(Archived::segment(file)?);
        }
        return Ok(());
    }
    let mut archive = Archive::new(log, removal, folder)?;
    while let Some(file) = archive.next_file().await? {
        counting.say(format_args!("removing events up to position {}: {}", file.last, file.path));
        let part = Removal { through: file.last, archive: Some(file.path.clone()), ..removal.clone() };
        taken.archives.push(file);
        remove(log, &part, taken).await?;
    }
    Ok(())
}

async fn remove(log: &EventLog, removal: &Removal, taken: &mut Taken) -> Outcome {
    let removed = log.remove(removal).await?;
    taken.count += removed.count;
    taken.position = removed.position.or(taken.position);
    Ok(())
}

async fn take_all<'a>(
    log: &EventLog,
    chosen: &[ChosenRule],
    plans: &'a [Planned],
    counting: &Counting,
    done: &mut Vec<(&'a Planned, Taken)>,
) -> Outcome {
    for (chosen, planned) in chosen.iter().zip(plans) {
        let mut taken = Taken::default();
        let outcome =
            take(log, &planned.removal(None), chosen.archive.as_deref(), counting, &mut taken).await;
        done.push((planned, taken));
        outcome?;
    }
    Ok(())
}

/// Gives the space back, and says how much.
pub(super) async fn compact(log: &EventLog) -> Outcome {
    let counting = Counting::new();
    counting.say("compacting");
    let Compacted { before_bytes, after_bytes, is_held } = log.compact().await?;
    drop(counting);
    if before_bytes == 0 && after_bytes == 0 {
        note("nothing to compact: this kind of log gives the space back by itself");
    } else {
        note(format_args!("compacted: {before_bytes} bytes before, {after_bytes} bytes after"));
    }
    if is_held {
        note("note: other processes are reading; the file shrinks when they are done");
    }
    Ok(())
}

/// From one position to another; empty where there is nothing.
pub(super) fn range(first: Option<Position>, last: Position) -> String {
    first.map_or_else(String::new, |first| format!("{first}-{last}"))
}

fn planned(chosen: &[ChosenRule], plans: &[Planned]) -> Outcome<Listing> {
    let mut rows = Vec::new();
    let mut json = Vec::new();
    for (chosen, planned) in chosen.iter().zip(plans) {
        let time = |time: Option<Timestamp>| time.map_or_else(String::new, |time| time.to_string());
        let archive = chosen.archive.as_ref().map(|folder| folder.display().to_string());
        rows.push(vec![
            planned.rule.clone(),
            planned.count.to_string(),
            range(planned.first, planned.through),
            time(planned.first_at),
            time(planned.last_at),
            planned.bytes.to_string(),
            archive.clone().unwrap_or_default(),
        ]);
        let mut one = serde_json::to_value(planned)?;
        one["clock"] = serde_json::to_value(chosen.rule.clock)?;
        one["archive"] = archive.map_or(Value::Null, Value::String);
        json.push(one);
    }
    let headings = ["RULE", "EVENTS", "POSITIONS", "FROM", "TO", "BYTES", "ARCHIVE"];
    Ok(Listing { headings: headings.map(str::to_owned).into(), rows, numbers: vec![1, 5], json: json.into() })
}

fn removed(done: &[(&Planned, Taken)]) -> Listing {
    let mut rows = Vec::new();
    let mut json = Vec::new();
    for (planned, taken) in done {
        let first = planned.first.filter(|_| taken.count > 0);
        rows.push(vec![
            planned.rule.clone(),
            taken.count.to_string(),
            range(first, planned.through),
            taken.archives.len().to_string(),
            taken.position.map_or_else(String::new, |position| position.to_string()),
        ]);
        json.push(
            json!({"rule": planned.rule, "removed": taken.count, "first": first, "through": planned.through,
            "archives": taken.archives, "saidAt": taken.position}),
        );
    }
    let headings = ["RULE", "REMOVED", "POSITIONS", "FILES", "SAID AT"];
    Listing { headings: headings.map(str::to_owned).into(), rows, numbers: vec![1, 3, 4], json: json.into() }
}
