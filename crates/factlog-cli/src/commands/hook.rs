//! `factlog hook`: one payload of an agent's hook into the log. The agent is never failed and never kept waiting for long.

use std::io::{IsTerminal, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use factlog::limits::DATA_BYTES_MAX;
use factlog::{Error, EventLog, NewEvent, Result, Timestamp};
use factlog_adapters::hook;
use factlog_adapters::redact::{Redactor, Rules};
use factlog_stores::{Open, SqliteStore, StoreUrl};

use crate::cli::HookArgs;
use crate::output::note;
use crate::settings::{Settings, World};
use crate::state::State;

/// How long the log may be locked by others before the event is kept for later.
const LOCK_WAIT_MS: u64 = 3_000;

/// Does it. Whatever happens, the agent sees a success: exit code 2 would stop it.
pub(crate) fn run(args: &HookArgs, store: Option<&str>) {
    if std::io::stdin().is_terminal() {
        note(
            "factlog hook is run by agents, with a payload on standard input; `factlog hooks install` sets it up",
        );
        return;
    }
    let state = State::of(&|name| std::env::var_os(name));
    // A panic is written down like any other reason.
    std::panic::set_hook(Box::new(|_| {}));
    let done = catch_unwind(AssertUnwindSafe(|| record(args, store, &state)));
    let reason = match done {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "a mistake of factlog's own: it has panicked".to_owned(),
    };
    state.log(&format!("{}: {reason}", args.agent.agent().name()));
}

/// Writes down that the command line was not understood; this must not stop an agent either.
pub(crate) fn refused(reason: &str) {
    State::of(&|name| std::env::var_os(name)).log(reason);
}

fn record(args: &HookArgs, store: Option<&str>, state: &State) -> Result<()> {
    let agent = args.agent.agent();
    let mut payload = Vec::new();
    let unreadable = |cause: std::io::Error| Error::unavailable(format!("standard input: {cause}"));
    std::io::stdin().take(DATA_BYTES_MAX as u64 + 1).read_to_end(&mut payload).map_err(unreadable)?;
    let folder = std::env::current_dir().unwrap_or_default();
    let settings = settings(store, &folder);
    let rules = settings.as_ref().map(|settings| settings.redact.clone()).unwrap_or_default();
    let redactor = if args.no_redact { None } else { Some(redactor(&rules, state)?) };
    let mut event = hook::event(agent, &payload, redactor.as_ref())?;
    event.traceparent = std::env::var("TRACEPARENT").ok().and_then(|parent| parent.parse().ok());
    let appended = settings.and_then(|settings| append(settings.url(), event.clone()));
    appended.map_err(|error| keep(state, event, &error))
}

fn settings(store: Option<&str>, folder: &Path) -> Result<Settings> {
    Settings::load(store, None, &World { variable: &|name| std::env::var_os(name), folder })
}

/// Rules that are wrong must not let a secret pass: those that are built in hold then.
fn redactor(rules: &Rules, state: &State) -> Result<Redactor> {
    let key = state.redaction_key();
    Redactor::new(rules, key).or_else(|error| {
        state.log(&format!("the rules of [redact]: {error}; only the usual ones hold"));
        Redactor::new(&Rules::default(), key)
    })
}

/// Keeps an event that the log did not take; the reason says where it is now.
fn keep(state: &State, mut event: NewEvent, error: &Error) -> Error {
    // It will be recorded at another time than it happened.
    event.occurred_at = event.occurred_at.or_else(|| Some(Timestamp::now()));
    let kept = match state.keep_missed(&event) {
        Ok(path) => format!("kept in {}", path.display()),
        Err(cause) => format!("it is lost: {cause}"),
    };
    Error::unavailable(format!("{} {}: {error}; {kept}", event.event_type, event.stream))
}

fn append(url: &str, event: NewEvent) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| Error::unavailable(format!("no runtime: {cause}")))?;
    runtime.block_on(async {
        let log = match url.parse()? {
            StoreUrl::Sqlite(mut options) => {
                options.lock_wait = options.lock_wait.min(Duration::from_millis(LOCK_WAIT_MS));
                EventLog::new(SqliteStore::open(&options, Open::Create)?)
            }
            StoreUrl::Memory => return Err(Error::invalid("memory: forgets what a hook records")),
        };
        log.append(event).await?;
        log.close().await
    })
}
