//! Agents that talk, as the inter-agent event store's README shows it, each claim asserted: tasks and messages, requests,
//! broadcasts, shared memory, subscriptions, a swarm that decides, and an end in good order.
//!
//! `cargo run -p factlog-agents --example agents_talk` plays it in one process, and then once more with a process for each
//! agent, on one SQLite file. With a URL behind it (`-- postgres://...?schema=talk`) the processes meet there.

mod cast;
mod scenes;

use std::process::Stdio;
use std::time::Duration;

use factlog::EventLog;
use factlog_stores::{Open, open};
use tokio::process::{Child, Command};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long anything may take before something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Where the log is, for a process that is one of the agents.
const STORE: &str = "FACTLOG_STORE";
/// The word that makes this program one of the agents.
const PLAY: &str = "play";

#[tokio::main]
pub(crate) async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [PLAY, name] => play(name).await,
        [url] => as_processes(url, this_program).await,
        _ => {
            in_one_process().await?;
            let folder = tempfile::tempdir()?;
            let url = format!("sqlite:{}", folder.path().join("talk.db").display());
            as_processes(&url, this_program).await
        }
    }
}

/// This program again, as one of the agents.
fn this_program(name: &str) -> Outcome<Command> {
    let mut program = Command::new(std::env::current_exe()?);
    program.args([PLAY, name]);
    Ok(program)
}

/// All agents here, each with a task of its own.
pub(crate) async fn in_one_process() -> Outcome {
    let log = EventLog::new(factlog::MemoryStore::new());
    let cast: Vec<_> =
        cast::NAMES.map(|name| tokio::spawn(cast::play(name, log.clone()))).into_iter().collect();
    scenes::perform(&log).await?;
    for played in cast {
        played.await??;
    }
    println!("all that the README claims is so, in one process");
    Ok(log.close().await?)
}

/// Each agent in a process of its own, and the coordinator here; they have nothing in common but the log.
pub(crate) async fn as_processes(url: &str, program: impl Fn(&str) -> Outcome<Command>) -> Outcome {
    let log = open(url, Open::Create).await?;
    let mut cast: Vec<(&str, Child)> = Vec::new();
    for name in cast::NAMES {
        let mut program = program(name)?;
        program.env(STORE, url).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        cast.push((name, program.spawn()?));
    }
    scenes::perform(&log).await?;
    for (name, mut child) in cast {
        // Nothing that an agent or a bus has left behind keeps its process alive.
        let ended = tokio::time::timeout(PATIENCE, child.wait()).await??;
        assert!(ended.success(), "the process of {name} ended with {ended}");
    }
    println!("all that the README claims is so, between processes");
    Ok(log.close().await?)
}

/// One of the agents, on the log that the environment names.
pub(crate) async fn play(name: &str) -> Outcome {
    let log = open(&std::env::var(STORE)?, Open::Existing).await?;
    cast::play(name, log.clone()).await?;
    Ok(log.close().await?)
}
