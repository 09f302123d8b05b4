//! `factlog hook`: one payload of an agent's hook into the log, and what waits for the agent back. The agent is never failed and never
//! kept waiting for long.

mod guard;
mod reach;

use std::io::{IsTerminal, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use factlog::limits::DATA_BYTES_MAX;
use factlog::{Error, EventLog, NewEvent, Result, Timestamp};
use factlog_adapters::hook;
use factlog_adapters::redact::{Redactor, Rules};
use factlog_stores::{JsonlStore, Open, PostgresStore, SqliteStore, StoreUrl};

use crate::cli::HookArgs;
use crate::output::note;
use crate::settings::{Flags, Settings, World};
use crate::state::State;

/// How long the log may be locked by others before the event is kept for later.
const LOCK_WAIT_MS: u64 = 3_000;
/// How long the whole of an append may take before the event is kept for later.
const APPEND_MS: u64 = 8_000;
/// After this long a pause it is looked whether the payload is whole.
const PAUSE_MS: u64 = 50;
/// After this long a silence no more of the payload is waited for.
const SILENCE_MS: u64 = 2_000;
const CHUNK_BYTES: usize = 64 * 1024;

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
    // An agent that cannot write its payload to the end takes that for a failure.
    drop(payload());
    State::of(&|name| std::env::var_os(name)).log(reason);
}

/// What stands on standard input, up to one byte more than is recorded. Some agents leave it open: it ends with one whole
/// JSON value after which nothing comes, or when nothing has come for a while.
fn payload() -> Vec<u8> {
    let (sender, chunks) = mpsc::sync_channel::<Vec<u8>>(1);
    // It ends with the process.
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Ok(read @ 1..) = stdin.read(&mut buffer) {
            if sender.send(buffer[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut payload = Vec::new();
    let mut waited_ms = 0;
    loop {
        match chunks.recv_timeout(Duration::from_millis(PAUSE_MS)) {
            Ok(chunk) => {
                waited_ms = 0;
                let room = (DATA_BYTES_MAX + 1).saturating_sub(payload.len());
                payload.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return payload,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                waited_ms += PAUSE_MS;
                let is_whole = serde_json::from_slice::<serde::de::IgnoredAny>(&payload).is_ok();
                if is_whole || waited_ms >= SILENCE_MS {
                    return payload;
                }
            }
        }
    }
}

fn record(args: &HookArgs, store: Option<&str>, state: &State) -> Result<()> {
    let agent = args.agent.agent();
    let payload = payload();
    let settings = settings(store, state);
    let rules = settings.as_ref().map(|settings| settings.redact.clone()).unwrap_or_default();
    let redactor = if args.no_redact { None } else { Some(redactor(&rules, state)?) };
    let mut event = hook::event(agent, &payload, redactor.as_ref())?;
    event.traceparent = std::env::var("TRACEPARENT").ok().and_then(|parent| parent.parse().ok());
    let url = settings.as_ref().map_or_else(|_| String::new(), Settings::bare_url);
    let appended = settings.and_then(|settings| append(settings.url(), &event, state));
    appended.map_err(|error| keep(state, &url, event, &error))
}

/// The settings. A project's file that is wrong is passed over when the log is named without it: what a person has set
/// for all projects must hold then too.
fn settings(store: Option<&str>, state: &State) -> Result<Settings> {
    let folder = std::env::current_dir().unwrap_or_default();
    // How things are shown is nothing to a hook.
    let variable = |name: &str| if name == "FACTLOG_FORMAT" { None } else { std::env::var_os(name) };
    let of = |folder: &Path| {
        let flags = Flags { store, ..Flags::default() };
        Settings::load(&flags, &World { variable: &variable, folder })
    };
    of(&folder).or_else(|error| {
        if store.is_none() {
            return Err(error);
        }
        state.log(&error.to_string());
        of(Path::new("/"))
    })
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
fn keep(state: &State, url: &str, mut event: NewEvent, error: &Error) -> Error {
    // It will be recorded at another time than it happened.
    event.occurred_at = event.occurred_at.or_else(|| Some(Timestamp::now()));
    let kept = match state.keep_missed(url, &event) {
        Ok(path) => format!("kept in {}", path.display()),
        Err(cause) => format!("it is lost: {cause}"),
    };
    Error::unavailable(format!("{} {}: {error}; {kept}", event.event_type, event.stream))
}

fn append(url: &str, event: &NewEvent, state: &State) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| Error::unavailable(format!("no runtime: {cause}")))?;
    let appending = async {
        let log = match url.parse()? {
            StoreUrl::Sqlite(mut options) => {
                options.lock_wait = options.lock_wait.min(Duration::from_millis(LOCK_WAIT_MS));
                EventLog::new(SqliteStore::open(&options, Open::Create)?)
            }
            StoreUrl::Jsonl(mut options) => {
                options.lock_wait = options.lock_wait.min(Duration::from_millis(LOCK_WAIT_MS));
                EventLog::new(JsonlStore::open(&options, Open::Create)?)
            }
            StoreUrl::Postgres(mut options) => {
                options.hurry(Duration::from_millis(LOCK_WAIT_MS));
                EventLog::new(PostgresStore::open(&options, Open::Create).await?)
            }
            StoreUrl::Memory => return Err(Error::invalid("memory: forgets what a hook records")),
        };
        log.append(event.clone()).await?;
        // The event is recorded, whatever becomes of the answer.
        if let Err(error) = reach::answer(&log, event).await {
            state.log(&format!("what waits for the agent: {error}"));
        }
        log.close().await
    };
    // A server takes several requests, and each of them its time.
    let appended = async { tokio::time::timeout(Duration::from_millis(APPEND_MS), appending).await };
    runtime
        .block_on(appended)
        .unwrap_or_else(|_| Err(Error::unavailable(format!("the log did not answer within {APPEND_MS} ms"))))
}
