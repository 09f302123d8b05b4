//! factlog's agents in two processes on one SQLite file: those who speak and ask are here, those who hear and answer there.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::ask::ask;
use super::child::{ROLE, Told, number_of};
use super::conversation::Conversation;
use super::factlog::{askers, check, open, speakers};
use super::speak::speak;
use super::{Load, Talked};
use crate::measure::Latencies;
use crate::tasks::RUNTIME;
use crate::test::Test;

/// How long the other process may take until it hears.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Hears in another process what is said in this one.
pub(crate) fn processes(folder: &Path, load: Load, took: Duration) -> Result<Talked> {
    let log = RUNTIME.block_on(async { open(folder) })?;
    let conversation = Conversation::new(load);
    let mut other = Other::start(folder, load, Arc::clone(&conversation))?;
    let talked = RUNTIME.block_on(async {
        if load.test == Test::Requests {
            return ask(askers(&log, load), took).await.map(Some);
        }
        let speakers = speakers(&log, load, &conversation);
        speak(&conversation, speakers, took, |counted| other.tell(counted)).await?;
        check(&log, load, &conversation).await?;
        Ok::<_, anyhow::Error>(None)
    })?;
    let heard = other.end()?;
    RUNTIME.block_on(log.close())?;
    Ok(talked.unwrap_or(Talked { counted: heard.count(), latencies: heard }))
}

/// The other process. It goes when this is dropped, or when this process ends in whatever way.
struct Other {
    process: Child,
    input: Option<ChildStdin>,
    reader: Option<JoinHandle<Result<Latencies>>>,
}

impl Other {
    fn start(folder: &Path, load: Load, conversation: Arc<Conversation>) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(ROLE)
            .arg(folder)
            .arg(number_of(load)?.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take();
        let output = process.stdout.take().context("it has an output")?;
        let (ready, is_ready) = mpsc::channel();
        let mut other = Self { process, input, reader: None };
        other.reader = Some(thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                match serde_json::from_str(&line?)? {
                    Told::Ready => ready.send(()).context("nobody waits for it")?,
                    Told::Heard(heard) => conversation.heard_elsewhere(heard),
                    Told::Done(latencies) => return Ok(Latencies::of_nanoseconds(&latencies)),
                }
            }
            bail!("the other process has ended too early")
        }));
        is_ready.recv_timeout(READY_WITHIN).context("the other process does not begin")?;
        Ok(other)
    }

    /// Tells it when what is heard counts.
    fn tell(&mut self, counted: (u64, u64)) -> Result<()> {
        let input = self.input.as_mut().context("it is still there")?;
        let line = serde_json::to_string(&counted)? + "\n";
        Ok(input.write_all(line.as_bytes())?)
    }

    /// Lets it end, and takes what it has noted.
    fn end(mut self) -> Result<Latencies> {
        drop(self.input.take());
        let reader = self.reader.take().context("it has not ended before")?;
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.input.take());
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
