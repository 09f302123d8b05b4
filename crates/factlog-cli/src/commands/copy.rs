//! `factlog copy`: a log into another.

use std::fmt::Display;
use std::path::PathBuf;

use factlog::{Error, EventLog};
use factlog_adapters::copy::{Copied, Doing, Options, Progress, copy};
use factlog_stores::Open;

use super::Context;
use super::check::pair;
use crate::cli::CopyArgs;
use crate::failure::Outcome;
use crate::output::{Counting, Format, Listing, note};

pub(crate) async fn run(context: &Context, args: &CopyArgs) -> Outcome {
    let format = context.format("copy", Listing::FORMATS)?;
    let from = match &args.from {
        Some(url) => context.open_other(url, Open::Existing).await?,
        None => context.open().await?,
    };
    let to = context.open_other(&args.to, Open::Create).await?;
    refuse_itself(&from, &to, "--to")?;
    let options = Options { append: args.append, verify: !args.no_verify };
    let counting = Counting::new();
    let copied = copy(&from, &to, options, &mut |progress| counting.say(far(progress))).await;
    drop(counting);
    let copied = copied?;
    to.close().await?;
    from.close().await?;
    note_left_out(&copied, &from);
    listing(&copied, format)?.print(format)
}

/// Says what a copy behind other events leaves out.
fn note_left_out(copied: &Copied, from: &EventLog) {
    let (are, tell) = match copied.left_out {
        0 => return,
        1 => ("event of the stream log-retention was", "it tells"),
        _ => ("events of the stream log-retention were", "they tell"),
    };
    let (count, url) = (copied.left_out, &from.about().url);
    note(format_args!("note: {count} {are} left out: {tell} what was removed from {url}"));
}

/// How far the work is, in words.
pub(super) fn far(Progress { doing, position, last }: Progress) -> impl Display {
    let doing = match doing {
        Doing::Comparing => "compared",
        Doing::Copying => "copied",
        Doing::Remembering => "copying what is remembered",
    };
    format!("{doing}: position {position} of {last}")
}

/// A log cannot be copied into itself, under whatever name; each memory is another one.
pub(super) fn refuse_itself(from: &EventLog, to: &EventLog, flag: &str) -> Outcome {
    let (from, to) = (from.about(), to.about());
    let is_same = from.kind == to.kind && place(&from.url) == place(&to.url);
    if !is_same || from.kind == "memory" {
        return Ok(());
    }
    Err(Error::invalid(format!("{} cannot be copied into itself", from.url))
        .with_hint(format!("name another log with {flag}"))
        .into())
}

/// Where a log is: a file or a folder by its real name, any other by its URL.
fn place(url: &str) -> PathBuf {
    let path = url.split_once(':').map_or(url, |(_, path)| path);
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    std::fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(url))
}

fn listing(copied: &Copied, format: Format) -> Outcome<Listing> {
    let yes = |is: bool| if is { "yes" } else { "no" };
    let mut rows = vec![pair("events", &copied.events), pair("skipped", &copied.skipped)];
    // Programs count on every row.
    if copied.left_out > 0 || format != Format::Table {
        rows.push(pair("left out", &copied.left_out));
    }
    rows.extend([
        pair("snapshots", &copied.snapshots),
        pair("newest position", &copied.head),
        pair("positions kept", &yes(copied.kept)),
        pair("verified", &yes(copied.verified)),
    ]);
    Ok(super::check::listing(rows, serde_json::to_value(copied)?))
}
