//! `factlog append`: one event.

use std::io::Write;

use factlog::{Appended, Batch, Error, Expect, Json, NewEvent, Result, StreamName, Timestamp};
use factlog_agents::vocabulary;

use super::{Context, append_lines};
use crate::cli::AppendArgs;
use crate::failure::Outcome;
use crate::flag::{self, all, one};
use crate::output::{Format, stdout};
use crate::person_time::{self, End};

pub(crate) async fn run(context: &Context, args: AppendArgs) -> Outcome {
    if args.stdin {
        return append_lines::run(context, args.strict).await;
    }
    let format = context.format("append", &[Format::Table, Format::Json, Format::Jsonl])?;
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
    let data =
        args.data.as_deref().map_or_else(|| Ok(Json::empty_object()), |text| flag::json("DATA", text))?;
    let mut event =
        NewEvent::of(stream.clone(), args.event_type.as_deref().unwrap_or_default().parse()?, data);
    let now = Timestamp::now();
    event.source = one("--source", args.source.as_deref())?;
    event.targets = all("--target", &args.target)?;
    event.correlation_id = one("--correlation", args.correlation.as_deref())?;
    event.session_id = one("--session", args.session.as_deref())?;
    event.user_id = one("--user", args.user.as_deref())?;
    event.priority = one("--priority", args.priority.as_deref())?;
    event.tags = all("--tag", &args.tag)?;
    if let Some(text) = &args.expires {
        let expires = person_time::parse_future(text, now).map_err(|error| error.context("--expires"))?;
        event.expires_at = Some(expires);
    }
    if let Some(text) = &args.occurred {
        let occurred =
            person_time::parse(text, End::From, now).map_err(|error| error.context("--occurred"))?;
        event.occurred_at = Some(occurred);
    }
    event.metadata = args.metadata.as_deref().map(metadata).transpose()?;
    if let Some(id) = &args.id {
        event.adopt_id(id)?;
    }
    event.causation_id = args.causation.as_deref().map(|id| event.id_of(id));
    if args.strict {
        vocabulary::check(&event)?;
    }
    let batch = Batch::new(vec![event])?;
    match one::<Expect>("--expect", args.expect.as_deref())? {
        Some(expect) => batch.expect(stream, expect),
        None => Ok(batch),
    }
}

fn metadata(text: &str) -> Result<Json> {
    let metadata = flag::json("--metadata", text)?;
    if metadata.as_str().starts_with('{') {
        return Ok(metadata);
    }
    Err(Error::invalid("--metadata: not a JSON object").with_hint("for example '{\"host\":\"ci-3\"}'"))
}
