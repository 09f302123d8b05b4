//! `factlog follow`: events as they come.

use std::io::{IsTerminal, Write};

use factlog::{EventLog, Position};

use super::{Context, note_removed, until_interrupted};
use crate::cli::FollowArgs;
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::output::{EventWriter, Format, note, stdout};

pub(crate) async fn run(context: &Context, args: &FollowArgs) -> Outcome {
    let selection = args.filter.selection()?;
    let formats = [Format::Table, Format::Jsonl, Format::Csv, Format::Cloudevents, Format::AgentEvents];
    let format = context.format("follow", &formats)?.full(args.full)?;
    let log = context.open().await?;
    let mut writer = EventWriter::live(stdout(), format).full(args.full);
    until_interrupted(follow(&log, args, &selection, &mut writer)).await?;
    writer.finish()?;
    Ok(log.close().await?)
}

async fn follow<W: Write>(
    log: &EventLog,
    args: &FollowArgs,
    selection: &Selection,
    writer: &mut EventWriter<W>,
) -> Outcome {
    let limit = args.limit.map_or(u64::MAX, |limit| limit as u64);
    let before = selection.before.unwrap_or(Position::MAX);
    let mut seen = selection.after;
    if args.filter.from.is_some() {
        note_removed(log, selection).await?;
    } else {
        // What is there now is read backwards; what comes is followed from here: no gap between the two.
        seen = log.newest().await?;
        if let Some(last) = args.last {
            let now = before.min(Position(seen.0 + 1));
            let newest =
                log.read(selection.filter.clone()).before(now).backwards().limit(last).collect().await?;
            for event in newest.iter().rev().take(args.limit.unwrap_or(usize::MAX)) {
                writer.write(event)?;
            }
        }
    }
    tracing::info!("following what comes after position {seen}");
    if std::io::stderr().is_terminal() {
        note(format_args!("following what comes after position {seen}; Ctrl-C ends it"));
    }
    let mut head = log.store().head();
    let mut following = log.follow(selection.filter.clone()).after(seen);
    while writer.written() < limit {
        let event = tokio::select! {
            biased;
            event = following.next() => event.transpose()?,
            // All before --to is there; what is left of it is read below.
            _ = head.wait_for(|head| head.0 + 1 >= before.0) => None,
        };
        match event {
            Some(event) if event.position < before => {
                seen = event.position;
                writer.write(&event)?;
            }
            _ => break,
        }
    }
    // The follower may have been a step behind the head.
    let left = limit.saturating_sub(writer.written());
    if selection.before.is_some() && left > 0 {
        let mut rest = log.read(selection.filter.clone()).after(seen).before(before).limit(left as usize);
        while let Some(event) = rest.next().await {
            writer.write(&event?)?;
        }
    }
    Ok(())
}
