//! `factlog migrate`: the tables of a log in PostgreSQL, and the indexes of one in an SQLite file, up and down.

mod file;

use std::io::{BufRead, IsTerminal, Write};

use factlog::{Error, Result};
use factlog_stores::postgres::{Losses, Migration, Migrations};
use factlog_stores::{PostgresOptions, StoreUrl};
use serde_json::json;

use super::Context;
use crate::cli::{MigrateAction, MigrateArgs};
use crate::failure::Outcome;
use crate::output::{Format, Listing, note};

pub(crate) async fn run(context: &Context, args: &MigrateArgs) -> Outcome {
    let format = context.format("migrate", Listing::FORMATS)?;
    match context.settings.url().parse()? {
        StoreUrl::Postgres(options) => tables(*options, &args.action, format).await,
        StoreUrl::Sqlite(options) => file::run(options, &args.action, format).await,
        StoreUrl::Jsonl(_) | StoreUrl::Memory => Err(Error::invalid(format!(
            "{} is not migrated: it has one format",
            context.settings.shown_url()
        ))
        .with_hint("a log in PostgreSQL or in an SQLite file has steps: --store sqlite:PATH")
        .into()),
    }
}

async fn tables(options: PostgresOptions, action: &MigrateAction, format: Format) -> Outcome {
    let migrations = Migrations::of(options).await?;
    match action {
        MigrateAction::Status => {}
        MigrateAction::Up { to } => say("taken", &migrations.up(*to).await?),
        MigrateAction::Down { to, yes } => {
            let newest = migrations.status().await?.iter().filter(|step| step.applied_at.is_some()).count();
            let to = to.unwrap_or(u32::try_from(newest.saturating_sub(1)).unwrap_or_default());
            if !*yes {
                ask(migrations.losses(to).await?)?;
            }
            say("taken back", &migrations.down(to).await?);
        }
    }
    listing(&migrations.status().await?).print(format)
}

fn say(what: &str, steps: &[u32]) {
    match steps {
        [] => note("nothing to do"),
        steps => {
            let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
            note(format_args!("{what}: {}", steps.join(", ")));
        }
    }
}

/// Asks before something is lost.
fn ask(losses: Losses) -> Result<()> {
    let lost = match losses {
        Losses { events: 0, snapshots: 0 } => return Ok(()),
        Losses { events: 0, snapshots } => format!("{snapshots} remembered values"),
        Losses { events, .. } => format!("{events} events, and all that is remembered of them"),
    };
    let refused = || {
        Err(Error::invalid(format!("this would lose {lost}; nothing was changed"))
            .with_hint("keep a copy with `factlog copy --to jsonl:DIR`; `--yes` goes on without asking"))
    };
    if !std::io::stdin().is_terminal() {
        return refused();
    }
    eprint!("This loses {lost}. Go on? Type yes: ");
    let mut answer = String::new();
    let read = std::io::stderr().flush().and_then(|()| std::io::stdin().lock().read_line(&mut answer));
    if read.is_ok() && answer.trim() == "yes" { Ok(()) } else { refused() }
}

fn listing(steps: &[Migration]) -> Listing {
    let at = |step: &Migration| step.applied_at.map_or_else(|| "not yet".to_owned(), |at| at.to_string());
    Listing {
        headings: ["STEP", "NAME", "TAKEN"].map(str::to_owned).into(),
        rows: steps.iter().map(|step| vec![step.number.to_string(), step.name.clone(), at(step)]).collect(),
        numbers: vec![0],
        json: steps
            .iter()
            .map(|step| json!({"number": step.number, "name": step.name, "appliedAt": step.applied_at}))
            .collect(),
    }
}
