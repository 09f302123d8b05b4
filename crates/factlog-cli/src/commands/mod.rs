//! One command, one file.

mod append;
mod check;
mod config;
mod demo;
mod export;
mod follow;
mod import;
mod list;
mod replay;
mod show;
mod snapshot;
mod stats;
mod streams;

use clap::CommandFactory;
use factlog::EventLog;
use factlog_stores::Open;

use crate::cli::{Cli, Command};
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::output::{Format, note};
use crate::settings::{Settings, World};

/// What a command has to work with.
pub(crate) struct Context {
    pub(crate) settings: Settings,
    format: Option<Format>,
}

impl Context {
    /// The chosen format, or the command's own.
    pub(crate) fn format_or(&self, default: Format) -> Format {
        self.format.unwrap_or(default)
    }

    /// The log, which must be there.
    pub(crate) async fn open(&self) -> Outcome<EventLog> {
        Ok(factlog_stores::open(self.settings.url(), Open::Existing).await?)
    }

    /// The log, made if it is not there.
    pub(crate) async fn open_or_create(&self) -> Outcome<EventLog> {
        Ok(factlog_stores::open(self.settings.url(), Open::Create).await?)
    }
}

/// Runs a command.
pub(crate) async fn run(cli: Cli) -> Outcome {
    match &cli.command {
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "factlog", &mut script);
            std::io::Write::write_all(&mut crate::output::stdout(), &script)?;
            return Ok(());
        }
        Command::Docs => return crate::docs::print(),
        _ => {}
    }
    let folder = std::env::current_dir()?;
    let world = World { variable: &|name| std::env::var_os(name), folder: &folder };
    let settings = Settings::load(cli.store.as_deref(), cli.format, &world)?;
    let context = Context { format: settings.format()?, settings };
    match cli.command {
        Command::Append(args) => append::run(&context, args).await,
        Command::Import(args) => import::run(&context, args).await,
        Command::List(args) => list::run(&context, &args).await,
        Command::Show(args) => show::run(&context, &args).await,
        Command::Streams(args) => streams::run(&context, &args).await,
        Command::Stats(args) => stats::run(&context, &args).await,
        Command::Follow(args) => follow::run(&context, &args).await,
        Command::Replay(args) => replay::run(&context, &args).await,
        Command::Export(args) => export::run(&context, &args).await,
        Command::Snapshot(args) => snapshot::run(&context, args).await,
        Command::Check => check::check(&context).await,
        Command::Health => check::health(&context).await,
        Command::Config(args) => config::run(&context, &args),
        Command::Demo => demo::run().await,
        Command::Completions(_) | Command::Docs => Ok(()),
    }
}

/// Says once that events in the way were removed.
pub(crate) async fn note_removed(log: &EventLog, selection: &Selection) -> Outcome {
    let removals = log.removals().await?;
    let met = removals
        .iter()
        .filter(|gone| gone.through > selection.after && gone.filter.overlaps(&selection.filter));
    let (count, through) =
        met.fold((0, 0), |(count, through), gone| (count + gone.count, through.max(gone.through.0)));
    if count > 0 {
        note(format_args!(
            "note: {count} events up to position {through} were removed; `factlog list --stream log-retention` says why"
        ));
    }
    Ok(())
}
