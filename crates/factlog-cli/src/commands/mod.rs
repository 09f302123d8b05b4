//! One command, one file.

mod agent;
mod acting;
mod append;
mod append_lines;
mod at;
mod blame;
mod archive;
mod check;
mod config;
mod coordinate;
mod copy;
mod dead_letters;
mod demo;
mod diff;
mod doctor;
mod entities;
mod export;
mod finding;
mod fleet;
mod flow;
mod follow;
mod graph;
mod health;
pub(crate) mod hook;
mod hooks;
mod import;
mod inbox;
mod lease;
mod list;
mod mcp;
mod memory;
mod migrate;
mod patterns;
mod projections;
mod policy;
mod query;
mod record;
mod redact;
mod replay;
mod request;
mod retention;
mod send;
mod show;
mod snapshot;
mod stats;
mod streams;
mod swarm;
mod trace;
mod types;
mod verify;
mod watch;

use clap::CommandFactory;
use factlog::{Error, EventLog, Result};
use factlog_stores::Open;

use crate::cli::{Cli, Command, Find, Talk};
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::output::{Format, note};
use crate::settings::{Flags, Settings, World, at_home};

/// What a command has to work with.
pub(crate) struct Context {
    pub(crate) settings: Settings,
    /// The format that a flag asks for.
    asked: Option<Format>,
    /// The format that the settings prefer.
    preferred: Option<Format>,
}

impl Context {
    /// The format to write in, of those that a command can; the first is its own.
    ///
    /// A flag that asks for another one is an error. A preference that does not fit is none: who likes tables may
    /// export all the same.
    pub(crate) fn format(&self, command: &str, formats: &[Format]) -> Result<Format> {
        if let Some(asked) = self.asked {
            return asked.one_of(command, formats);
        }
        let preferred = self.preferred.filter(|preferred| formats.contains(preferred));
        Ok(preferred.unwrap_or(formats[0]))
    }

    /// The log, which must be there.
    pub(crate) async fn open(&self) -> Outcome<EventLog> {
        self.open_as(Open::Existing).await
    }

    /// The log as it is: nothing in it is changed.
    pub(crate) async fn inspect(&self) -> Outcome<EventLog> {
        self.open_as(Open::Inspect).await
    }

    /// The log, made if it is not there.
    pub(crate) async fn open_or_create(&self) -> Outcome<EventLog> {
        self.open_as(Open::Create).await
    }

    async fn open_as(&self, open: Open) -> Outcome<EventLog> {
        let store = &self.settings.store;
        tracing::info!("the log is {} ({})", self.settings.shown_url(), store.origin);
        Ok(factlog_stores::open(self.settings.url(), open).await?)
    }

    /// Another log than the one of the settings; what they say of any log at a server holds for it too.
    async fn open_other(&self, url: &str, open: Open) -> Outcome<EventLog> {
        let url = at_home(url.to_owned(), &|name| std::env::var_os(name));
        let configuration = &self.settings.configuration;
        let url = configuration.with_password(&configuration.with_settings(&url));
        Ok(factlog_stores::open(&url, open).await?)
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
        Command::Docs { page } => return crate::docs::print(*page),
        _ => {}
    }
    let context = context(&cli)?;
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
        Command::Check(args) => check::check(&context, &args).await,
        Command::Health(args) => health::run(&context, &args).await,
        Command::Migrate(args) => migrate::run(&context, &args).await,
        Command::Record(args) => record::run(&context, args).await,
        Command::Copy(args) => copy::run(&context, &args).await,
        Command::Verify(args) => verify::run(&context, &args).await,
        Command::Watch(args) => watch::run(&context, args).await,
        Command::Hooks(args) => hooks::run(&context, &args),
        Command::Doctor(args) => doctor::run(&context, &args).await,
        Command::Redact(args) => redact::run(&context, &args),
        Command::Fleet(args) => fleet::run(&context, &args).await,
        Command::Agents(args) => entities::agents(&context, &args).await,
        Command::Tasks(args) => entities::tasks(&context, &args).await,
        Command::Sessions(args) => entities::sessions(&context, &args).await,
        Command::Memories(args) => entities::memories(&context, &args).await,
        Command::Swarms(args) => entities::swarms(&context, &args).await,
        Command::Coordinations(args) => entities::coordinations(&context, &args).await,
        Command::Worktrees(args) => entities::worktrees(&context, &args).await,
        Command::Deployments(args) => entities::deployments(&context, &args).await,
        Command::Find(find) => find_out(&context, find).await,
        Command::Talk(talk) => talk_with(&context, talk).await,
        Command::Policy(args) => policy::run(&context, &args).await,
        Command::Diff(args) => diff::run(&context, &args).await,
        Command::Blame(args) => blame::run(&context, &args).await,
        Command::Projections(args) => projections::run(&context, &args).await,
        Command::Types(args) => types::run(&context, &args),
        Command::Retention(args) => retention::run(&context, args).await,
        Command::Archive(args) => archive::run(&context, args).await,
        Command::Config(args) => config::run(&context, &args),
        Command::Demo => {
            let is_server = cli.store.as_deref().is_some_and(|url| url.starts_with("postgres"));
            demo::run(is_server.then(|| context.settings.url())).await
        }
        Command::Completions(_) | Command::Docs { .. } | Command::Hook(_) => Ok(()),
    }
}

/// What the command line, the environment and the files say.
fn context(cli: &Cli) -> Outcome<Context> {
    let folder = std::env::current_dir().map_err(|cause| {
        Error::unavailable(format!("the folder you are in: {cause}"))
            .with_hint("it may have been removed: cd to another")
    })?;
    let world = World { variable: &|name| std::env::var_os(name), folder: &folder };
    let flags = Flags { store: cli.store.as_deref(), format: cli.format, preset: cli.preset.as_deref() };
    let settings = Settings::load(&flags, &world)?;
    Ok(Context { asked: cli.format, preferred: settings.format()?, settings })
}

/// Runs what finds out how things hang together.
async fn find_out(context: &Context, find: Find) -> Outcome {
    match find {
        Find::Query(args) => query::run(context, &args).await,
        Find::Flow(args) => flow::run(context, &args).await,
        Find::Graph(args) => graph::run(context, &args).await,
        Find::Patterns(args) => patterns::run(context, &args).await,
        Find::Trace(args) => trace::run(context, &args).await,
    }
}

/// Runs what agents talk with.
async fn talk_with(context: &Context, talk: Talk) -> Outcome {
    match talk {
        Talk::Send(args) => send::send(context, &args).await,
        Talk::Broadcast(args) => send::broadcast(context, &args).await,
        Talk::Request(args) => request::request(context, &args).await,
        Talk::Respond(args) => request::respond(context, &args).await,
        Talk::Inbox(args) => inbox::inbox(context, &args).await,
        Talk::Ack(args) => inbox::ack(context, &args).await,
        Talk::Nack(args) => inbox::nack(context, &args).await,
        Talk::Message(args) => inbox::message(context, &args).await,
        Talk::DeadLetters(args) => dead_letters::run(context, &args).await,
        Talk::Agent(args) => agent::run(context, &args).await,
        Talk::Mcp(args) => mcp::run(context, &args).await,
        Talk::Swarm(args) => swarm::run(context, args).await,
        Talk::Vote(args) => swarm::vote(context, &args).await,
        Talk::Coordinate(args) => coordinate::run(context, args).await,
        Talk::Lease(args) => lease::run(context, &args).await,
        Talk::Memory(args) => memory::run(context, &args).await,
    }
}

/// Runs what goes on until Ctrl-C, which ends it as if it had ended by itself.
pub(crate) async fn until_interrupted(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::select! {
        // Ctrl-C is listened for before anything is shown.
        biased;
        interrupted = tokio::signal::ctrl_c() => {
            Ok(interrupted.map_err(|cause| Error::stopped(format!("Ctrl-C cannot be listened for: {cause}")))?)
        }
        done = work => done,
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
