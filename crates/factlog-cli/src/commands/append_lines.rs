//! `factlog append --stdin`: many events, each line answered in its turn.

use std::io::{BufRead, Read, Write};

use factlog::{Batch, Error, EventLine, EventLog, Expect, Result};
use factlog_agents::vocabulary;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::mpsc;

use super::Context;
use crate::failure::{Failure, Outcome, exit};
use crate::output::{Format, note, stdout};

/// Lines that are sent to the store together, and lines read ahead meanwhile.
const GROUP_LINES: usize = 500;
pub(super) const LINES_AHEAD: usize = 1_000;
/// A line may hold the largest batch with its envelopes.
const LINE_BYTES_MAX: usize = factlog::limits::BATCH_BYTES_MAX + 8 * 1024 * 1024;

/// What standard input gives: a line, or why it was passed over.
pub(super) type Line = Result<String>;

pub(crate) async fn run(context: &Context, strict: bool) -> Outcome {
    context.format("append --stdin", &[Format::Jsonl])?;
    let log = context.open_or_create().await?;
    let (sender, mut receiver) = mpsc::channel(LINES_AHEAD);
    // Standard input can only be waited for by a thread; it ends with the input, or with the process.
    let reader = std::thread::spawn(move || read_lines(&mut std::io::stdin().lock(), &sender));
    let mut failed = false;
    let mut group = Vec::new();
    // Lines are read ahead while earlier ones are being written.
    while receiver.recv_many(&mut group, GROUP_LINES).await > 0 {
        match answer(&log, &mut group, strict).await {
            Ok(any) => failed |= any,
            Err(Failure::BrokenPipe) => {
                // Quiet is right for a reader that has seen enough, and wrong for a writer that leaves lines behind.
                log.close().await?;
                note("error: nobody reads the answers; the lines that were not answered may not be recorded");
                return Err(Failure::Told(exit::FAILURE));
            }
            Err(failure) => return Err(failure),
        }
    }
    log.close().await?;
    match reader.join() {
        Ok(Err(error)) => Err(Error::stopped(format!("standard input: {error}")).with_cause(error).into()),
        _ if failed => Err(Failure::Told(exit::FAILURE)),
        _ => Ok(()),
    }
}

/// Appends lines and answers each, in their order, once it is durable; says whether any failed.
async fn answer(log: &EventLog, lines: &mut Vec<Line>, strict: bool) -> Outcome<bool> {
    let mut parsed: Vec<Result<()>> = Vec::with_capacity(lines.len());
    let mut batches = Vec::with_capacity(lines.len());
    for line in lines.drain(..) {
        let batch = line.and_then(|line| parse(&line)).and_then(|batch| {
            let mut checked = batch.events().iter().filter(|_| strict).map(vocabulary::check);
            checked.try_for_each(|fits| fits).map(|()| batch)
        });
        parsed.push(batch.map(|batch| batches.push(batch)));
    }
    let mut outcomes = log.append_each(batches).await.into_iter();
    let mut failed = false;
    let mut out = stdout();
    for parsed in parsed {
        let lost = || Err(Error::stopped("the store gave no answer"));
        let answer = match parsed.and_then(|()| outcomes.next().unwrap_or_else(lost)) {
            Ok(appended) => serde_json::to_string(&appended)?,
            Err(error) => {
                failed = true;
                serde_json::to_string(&error.to_wire())?
            }
        };
        writeln!(out, "{answer}")?;
    }
    out.flush()?;
    Ok(failed)
}

/// One line of input: a batch, or an event.
fn parse(line: &str) -> Result<Batch> {
    #[derive(Deserialize)]
    struct Shape {
        events: Option<IgnoredAny>,
    }
    let refused =
        |what: &str, cause: serde_json::Error| Error::invalid(format!("{what}: {cause}")).with_cause(cause);
    serde_json::from_str::<IgnoredAny>(line).map_err(|cause| refused("not JSON", cause))?;
    if !line.trim_start().starts_with('{') {
        return Err(Error::invalid("not an event or a batch: not a JSON object"));
    }
    let shape = serde_json::from_str::<Shape>(line);
    if shape.is_ok_and(|shape| shape.events.is_some()) {
        return serde_json::from_str(line).map_err(|cause| refused("not a batch", cause));
    }
    let EventLine { event, expect } = line.parse()?;
    let stream = event.stream.clone();
    let batch = Batch::new(vec![event])?;
    match expect {
        Some(expect @ (Expect::Exists | Expect::Version(_))) => batch.expect(stream, expect),
        _ => Ok(batch),
    }
}

/// Hands on every line that is not blank, as soon as it is there.
pub(super) fn read_lines(input: &mut impl BufRead, sender: &mpsc::Sender<Line>) -> std::io::Result<()> {
    loop {
        let mut line = Vec::new();
        let length = input.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)?;
        let line = if length > LINE_BYTES_MAX {
            if line.last() != Some(&b'\n') {
                input.skip_until(b'\n')?;
            }
            Err(Error::invalid(format!("the line is too long; {LINE_BYTES_MAX} bytes are allowed")))
        } else if length == 0 {
            return Ok(());
        } else if line.trim_ascii().is_empty() {
            continue;
        } else {
            // A line that is no UTF-8 is refused: a look-alike in its place would not be as it was written.
            String::from_utf8(line).map_err(|_| Error::invalid("the line is not UTF-8"))
        };
        if sender.blocking_send(line).is_err() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line that was too long ended the run, and the lines after it were lost.
    #[test]
    fn a_line_that_is_too_long_is_answered_and_the_next_one_is_read() {
        let mut text = vec![b'x'; LINE_BYTES_MAX + 10];
        text.extend(b"\n  \n{}\n\xff\n");
        let (sender, mut receiver) = mpsc::channel(4);
        read_lines(&mut text.as_slice(), &sender).unwrap();
        assert!(receiver.try_recv().unwrap().unwrap_err().message().contains("too long"));
        assert_eq!(receiver.try_recv().unwrap().unwrap(), "{}\n");
        assert!(receiver.try_recv().unwrap().unwrap_err().message().contains("UTF-8"));
        assert!(receiver.try_recv().is_err());
    }
}
