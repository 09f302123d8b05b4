//! `factlog append`: one event, or many from standard input.

use std::io::{BufRead, Write};

use factlog::{
    Appended, Batch, Error, EventLine, EventLog, EventType, Expect, Json, NewEvent, Result, StreamName,
    Timestamp,
};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::Context;
use crate::cli::AppendArgs;
use crate::failure::{Failure, Outcome, exit};
use crate::output::{Format, stdout};
use crate::person_time;

/// Lines that are sent to the store together, and lines read ahead meanwhile.
const GROUP_LINES: usize = 500;
const LINES_AHEAD: usize = 1_000;
/// A line may hold the largest batch with its envelopes.
const LINE_BYTES_MAX: usize = factlog::limits::BATCH_BYTES_MAX + 8 * 1024 * 1024;

pub(crate) async fn run(context: &Context, args: AppendArgs) -> Outcome {
    if args.stdin {
        let format = context.format_or(Format::Jsonl);
        format.one_of("append --stdin", &[Format::Jsonl])?;
        return lines(&context.open_or_create().await?).await;
    }
    let format =
        context.format_or(Format::Table).one_of("append", &[Format::Table, Format::Json, Format::Jsonl])?;
    // Everything is checked before a log is made.
    let batch = batch(&args)?;
    let log = context.open_or_create().await?;
    let appended = log.append(batch).await?;
    print(&appended, format)?;
    Ok(log.close().await?)
}

fn print(appended: &Appended, format: Format) -> Outcome {
    let mut out = stdout();
    match (format, appended.events.first()) {
        (Format::Table, Some(event)) => {
            let repeated = if appended.repeated { "  (was recorded already)" } else { "" };
            writeln!(out, "{}  {} v{}{repeated}", event.position, event.stream, event.version)?;
        }
        _ => writeln!(out, "{}", serde_json::to_string(appended)?)?,
    }
    Ok(out.flush()?)
}

fn batch(args: &AppendArgs) -> Result<Batch> {
    let stream: StreamName = args.stream.as_deref().unwrap_or_default().parse()?;
    let event_type: EventType = args.event_type.as_deref().unwrap_or_default().parse()?;
    let json = |what: &str, text: &str| {
        Json::parse(text).map_err(|error| {
            error.context(what).with_hint("put JSON into single quotes: '{\"title\":\"Try factlog\"}'")
        })
    };
    let data = args.data.as_deref().map_or_else(|| Ok(Json::empty_object()), |text| json("DATA", text))?;
    let mut event = NewEvent::of(stream.clone(), event_type, data);
    let now = Timestamp::now();
    event.source = args.source.as_deref().map(str::parse).transpose()?;
    event.targets = args.target.iter().map(|text| text.parse()).collect::<Result<_>>()?;
    event.correlation_id = args.correlation.as_deref().map(str::parse).transpose()?;
    event.session_id = args.session.as_deref().map(str::parse).transpose()?;
    event.user_id = args.user.as_deref().map(str::parse).transpose()?;
    event.priority = args.priority.as_deref().map(str::parse).transpose()?;
    event.tags = args.tag.iter().map(|text| text.parse()).collect::<Result<_>>()?;
    event.expires_at =
        args.expires.as_deref().map(|text| person_time::parse_future(text, now)).transpose()?;
    let occurred = args.occurred.as_deref();
    event.occurred_at =
        occurred.map(|text| person_time::parse(text, person_time::End::From, now)).transpose()?;
    event.metadata = args.metadata.as_deref().map(|text| json("--metadata", text)).transpose()?;
    if let Some(id) = &args.id {
        event.adopt_id(id)?;
    }
    event.causation_id = args.causation.as_deref().map(|id| event.id_of(id));
    let batch = Batch::new(vec![event])?;
    match &args.expect {
        Some(expect) => batch.expect(stream, expect.parse()?),
        None => Ok(batch),
    }
}

/// One line of input: a batch, or an event.
fn parse(line: &str) -> Result<Batch> {
    #[derive(Deserialize)]
    struct Shape {
        events: Option<serde::de::IgnoredAny>,
    }
    let shape: Shape = serde_json::from_str(line)
        .map_err(|cause| Error::invalid(format!("not an event or a batch: {cause}")).with_cause(cause))?;
    if shape.events.is_some() {
        return serde_json::from_str(line)
            .map_err(|cause| Error::invalid(format!("not a batch: {cause}")).with_cause(cause));
    }
    let EventLine { event, expect } = line.parse()?;
    let stream = event.stream.clone();
    let batch = Batch::new(vec![event])?;
    match expect {
        Some(expect @ (Expect::Exists | Expect::Version(_))) => batch.expect(stream, expect),
        _ => Ok(batch),
    }
}

/// Reads lines while earlier ones are being written; answers each in its turn, once it is durable.
async fn lines(log: &EventLog) -> Outcome {
    let (sender, mut receiver) = mpsc::channel::<std::io::Result<String>>(LINES_AHEAD);
    // Standard input can only be waited for by a thread; it ends with the input, or with the process.
    std::thread::spawn(move || read_lines(&sender));
    let mut failed = false;
    let mut group = Vec::new();
    while receiver.recv_many(&mut group, GROUP_LINES).await > 0 {
        let mut parsed: Vec<Result<()>> = Vec::with_capacity(group.len());
        let mut batches = Vec::with_capacity(group.len());
        for line in group.drain(..) {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            match parse(&line) {
                Ok(batch) => {
                    batches.push(batch);
                    parsed.push(Ok(()));
                }
                Err(error) => parsed.push(Err(error)),
            }
        }
        let mut outcomes = log.append_each(batches).await.into_iter();
        let mut out = stdout();
        for parsed in parsed {
            let lost = || Err(Error::stopped("the store gave no answer"));
            let outcome = parsed.and_then(|()| outcomes.next().unwrap_or_else(lost));
            failed |= outcome.is_err();
            match outcome {
                Ok(appended) => writeln!(out, "{}", serde_json::to_string(&appended)?)?,
                Err(error) => writeln!(out, "{}", serde_json::to_string(&error.to_wire())?)?,
            }
        }
        out.flush()?;
    }
    log.close().await?;
    if failed { Err(Failure::Told(exit::FAILURE)) } else { Ok(()) }
}

fn read_lines(sender: &mpsc::Sender<std::io::Result<String>>) {
    let mut input = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let read = std::io::Read::take(&mut input, LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line);
        let line = match read {
            Ok(0) => return,
            Ok(length) if length > LINE_BYTES_MAX => Err(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                format!("a line of input has more than {LINE_BYTES_MAX} bytes"),
            )),
            // A line that is no UTF-8 is no JSON either, and is answered so.
            Ok(_) => Ok(String::from_utf8_lossy(&line).into_owned()),
            Err(error) => Err(error),
        };
        let last = line.is_err();
        if sender.blocking_send(line).is_err() || last {
            return;
        }
    }
}
