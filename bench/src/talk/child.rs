//! The other one of two processes: this program, started again, which hears and answers.
//!
//! It is told when what is heard counts by a line on its standard input, and ends when that closes: so it does not outlive
//! the process that started it. It tells how it goes by lines of JSON on its standard output.

use std::io::{BufRead, Write, stdin, stdout};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::conversation::Conversation;
use super::ears::Ears;
use super::factlog::{Listening, open};
use super::{LOADS, Load};
use crate::tasks::RUNTIME;

/// The first argument of such a process; then come the folder of the log, and the number of the load.
pub(crate) const ROLE: &str = "hear-for-another-process";

/// What it tells.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Told {
    /// It hears from now on.
    Ready,
    /// So much was heard.
    Heard(u64),
    /// How long it took to hear each of what counts, in nanoseconds.
    Done(Vec<u64>),
}

/// Hears until standard input closes.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [folder, load] = arguments else { bail!("it needs a folder and a load") };
    let load = *LOADS.get(load.parse::<usize>()?).context("there is no such load")?;
    RUNTIME.block_on(hear(Path::new(folder), load))
}

async fn hear(folder: &Path, load: Load) -> Result<()> {
    let log = open(folder)?;
    let ears = Ears::new(load);
    let listening = Listening::begin(&log, load, &ears).await?;
    let told = RUNTIME.spawn(tell(Arc::clone(&ears.conversation)));
    let (end, ended) = oneshot::channel();
    std::thread::spawn({
        let conversation = Arc::clone(&ears.conversation);
        // Where nobody waits for the end any more, the process has failed by itself.
        move || end.send(obey(&conversation))
    });
    line(&Told::Ready)?;
    ended.await.context("standard input is not read any more")??;
    told.abort();
    listening.end().await?;
    log.close().await?;
    line(&Told::Done(ears.finish()?.latencies.nanoseconds()))
}

/// Waits until standard input closes; what it says before is when it counts.
fn obey(conversation: &Conversation) -> Result<()> {
    for line in stdin().lock().lines() {
        conversation.count(serde_json::from_str(&line?)?);
    }
    Ok(())
}

/// Tells how much was heard, as soon as it is more.
async fn tell(conversation: Arc<Conversation>) -> Result<()> {
    let mut told = 0;
    loop {
        told = conversation.heard_beyond(told).await;
        line(&Told::Heard(told))?;
    }
}

fn line(told: &Told) -> Result<()> {
    let mut text = serde_json::to_vec(told)?;
    text.push(b'\n');
    let mut stdout = stdout().lock();
    stdout.write_all(&text)?;
    Ok(stdout.flush()?)
}

/// The number of a load, for the command line of such a process.
pub(super) fn number_of(load: Load) -> Result<usize> {
    let is_it = |known: &Load| {
        (known.test, known.speakers, known.in_flight) == (load.test, load.speakers, load.in_flight)
    };
    let number = LOADS.iter().position(is_it).context("it is no load that is measured")?;
    ensure!(LOADS[number].hearers == load.hearers, "it has other hearers");
    Ok(number)
}
