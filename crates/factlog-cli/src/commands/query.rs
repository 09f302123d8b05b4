//! `factlog query`: what follows what, in what is there and in what comes.

mod found;
mod sorting;

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use factlog::{Error, Event, EventLog, Matcher, Order, Pattern, Result, Timestamp, Watching, length_of_time};
use factlog_agents::vocabulary::pattern;

use self::found::Found;
use self::sorting::Sorting;
use super::{Context, note_removed, until_interrupted};
use crate::cli::QueryArgs;
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::output::{Counting, Format, note, stdout};

/// How often the line that says how far it is changes.
const SAID_EVENTS: u64 = 10_000;

pub(crate) async fn run(context: &Context, args: &QueryArgs) -> Outcome {
    let pattern = asked(args)?;
    let mut selection = args.filter.selection()?;
    if selection.filter.types.is_empty() {
        selection.filter.types = pattern.filter().types;
        selection.filter.check()?;
    }
    if args.follow {
        let format = context.format("query --follow", &[Format::Table, Format::Jsonl])?;
        let log = context.open().await?;
        until_interrupted(follow(&log, args, &pattern, &selection, format)).await?;
        return Ok(log.close().await?);
    }
    let format = context.format("query", &[Format::Table, Format::Json, Format::Jsonl, Format::Csv])?;
    let log = context.open().await?;
    note_removed(&log, &selection).await?;
    let mut found = Found::new(format, args.last);
    let matcher = Matcher::new(&pattern, if args.by_time { Order::Time } else { Order::Position });
    let matcher = look(&log, matcher, &selection, args.by_time, &mut found).await?;
    found.print(&matcher.counts(), &pattern)?;
    Ok(log.close().await?)
}

/// The pattern, with what the flags say.
fn asked(args: &QueryArgs) -> Result<Pattern> {
    let mut asked = pattern(&args.pattern)?;
    let twice = |flag: &str, word: &str| {
        Err(Error::invalid(format!("{flag} and the pattern's own `{word}` say two things"))
            .with_hint("leave one of them out"))
    };
    if let Some(within) = &args.within {
        if asked.span().is_some() {
            return twice("--within", "within");
        }
        asked = asked.within(length_of_time(within).map_err(|error| error.context("--within"))?);
    }
    if let Some(by) = &args.by {
        if asked.key().is_some() {
            return twice("--by", "by");
        }
        asked = asked.by(by.parse().map_err(|error: Error| error.context("--by"))?);
    }
    Ok(asked)
}

/// Looks through what is there.
async fn look(
    log: &EventLog,
    mut matcher: Matcher,
    selection: &Selection,
    by_time: bool,
    found: &mut Found,
) -> Outcome<Matcher> {
    let said = Counting::new();
    let mut sorting = Sorting::default();
    let mut reading = selection.read(log);
    let mut newest: Option<Timestamp> = None;
    while let Some(event) = reading.next().await {
        let event: Arc<Event> = event?;
        newest = newest.max(Some(event.time().max(event.recorded_at)));
        if by_time {
            sorting.add(event)?;
            continue;
        }
        found.take(matcher.push(&event))?;
        if matcher.counts().events.is_multiple_of(SAID_EVENTS) {
            said.say(format_args!(
                "{} events, {} matches",
                matcher.counts().events,
                matcher.counts().matches
            ));
        }
    }
    sorting.each(|event| found.take(matcher.push(&event)))?;
    // What should have followed by then has not.
    let now = Timestamp::now();
    let to = selection.filter.time.to.or(selection.filter.recorded.to);
    let end = to.or(newest.filter(|_| selection.before.is_some())).unwrap_or(now).min(now);
    found.take(matcher.finish(end))?;
    Ok(matcher)
}

async fn follow(
    log: &EventLog,
    args: &QueryArgs,
    pattern: &Pattern,
    selection: &Selection,
    format: Format,
) -> Outcome {
    if selection.before.is_some()
        || selection.filter.time.to.is_some()
        || selection.filter.recorded.to.is_some()
    {
        return Err(Error::invalid("--follow goes on for ever, and takes no --to").into());
    }
    let after = match args.filter.from {
        Some(_) => selection.after,
        None => log.newest().await?,
    };
    let mut watching = Watching::new(log, pattern, selection.filter.clone(), after)?;
    if args.by_time {
        let lateness = length_of_time(&args.lateness).map_err(|error| error.context("--lateness"))?;
        watching = watching.by_time(pattern, lateness);
    }
    if std::io::stderr().is_terminal() {
        note(format_args!("looking at what comes after position {after}; Ctrl-C ends it"));
    }
    for _ in 0..args.limit.unwrap_or(usize::MAX) {
        let next = watching.next().await?;
        let mut out = stdout();
        match format {
            Format::Table => found::line(&mut out, &next)?,
            _ => writeln!(out, "{}", serde_json::to_string(&next)?)?,
        }
        out.flush()?;
    }
    Ok(())
}
