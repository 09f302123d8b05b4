//! `factlog record`: what programs tell by name, through the recorder.

use std::io::Write;

use factlog::{Error, Json, Result};
use factlog_agents::Recorder;
use factlog_agents::recorder::Ticket;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::Context;
use super::append_lines::{LINES_AHEAD, read_lines};
use crate::cli::RecordArgs;
use crate::failure::{Failure, Outcome, exit};
use crate::output::{Format, stdout};

/// A line of input.
#[derive(Deserialize)]
struct Told {
    #[serde(alias = "type", alias = "event")]
    name: String,
    #[serde(default)]
    data: Option<Json>,
}

/// What becomes of a line: a ticket, nothing where it is switched off, or why it is refused.
type Taken = Result<Option<Ticket>>;

pub(crate) async fn run(context: &Context, args: RecordArgs) -> Outcome {
    context.format("record", &[Format::Jsonl])?;
    let log = context.open_or_create().await?;
    let recorder = context.settings.configuration.recorder(log.clone()).build()?;
    let failed = if args.stdin {
        lines(&recorder).await?
    } else {
        let data = args.data.as_deref().unwrap_or("{}");
        let told = Told { name: args.name.unwrap_or_default(), data: Some(crate::flag::json("DATA", data)?) };
        let taken = Ok(take(&recorder, told).await?);
        // Nothing more comes that it could wait for.
        recorder.flush().await?;
        answer(taken).await?
    };
    recorder.close().await?;
    log.close().await?;
    if failed { Err(Failure::Told(exit::FAILURE)) } else { Ok(()) }
}

async fn take(recorder: &Recorder, told: Told) -> Taken {
    let data = told.data.unwrap_or_else(Json::empty_object);
    recorder.record(&told.name, data).await
}

/// Takes every line in, and answers each in its order once it is stored; says whether any failed.
async fn lines(recorder: &Recorder) -> Outcome<bool> {
    let (sender, mut receiver) = mpsc::channel(LINES_AHEAD);
    // Standard input can only be waited for by a thread; it ends with the input, or with the process.
    let reader = std::thread::spawn(move || read_lines(&mut std::io::stdin().lock(), &sender));
    let (taken, mut answers) = mpsc::channel::<Taken>(LINES_AHEAD);
    let taking = async {
        while let Some(line) = receiver.recv().await {
            let told = line.and_then(|line| {
                serde_json::from_str::<Told>(&line)
                    .map_err(|cause| Error::invalid(cause.to_string()).with_cause(cause))
            });
            let one = match told {
                Ok(told) => take(recorder, told).await,
                Err(error) => Err(error),
            };
            if taken.send(one).await.is_err() {
                break;
            }
        }
        drop(taken);
        recorder.flush().await
    };
    let answering = async {
        let mut failed = false;
        while let Some(one) = answers.recv().await {
            failed |= answer(one).await?;
        }
        Ok::<bool, Failure>(failed)
    };
    let (flushed, failed) = tokio::join!(taking, answering);
    // What could not be stored was answered line by line.
    let failed = failed? || flushed.is_err();
    match reader.join() {
        Ok(Err(error)) => Err(Error::stopped(format!("standard input: {error}")).with_cause(error).into()),
        _ => Ok(failed),
    }
}

/// Says what became of one; `true` where it failed.
async fn answer(taken: Taken) -> Outcome<bool> {
    let stored = match taken {
        Ok(Some(ticket)) => ticket.stored().await.map(Some),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    let (said, failed) = match stored {
        Ok(Some(stored)) => {
            let said = json!({"id": stored.id, "position": stored.position, "version": stored.version,
                "recordedAt": stored.recorded_at, "repeated": stored.repeated});
            (said, false)
        }
        Ok(None) => (json!({"recorded": false}), false),
        Err(error) => (serde_json::to_value(error.to_wire())?, true),
    };
    let mut out = stdout();
    writeln!(out, "{said}")?;
    out.flush()?;
    Ok(failed)
}
