//! `factlog follow`: events as they come.

use factlog::Position;

use super::{Context, note_removed};
use crate::cli::FollowArgs;
use crate::failure::Outcome;
use crate::output::{EventWriter, Format, stdout};

pub(crate) async fn run(context: &Context, args: &FollowArgs) -> Outcome {
    let selection = args.filter.selection()?;
    let mut writer = EventWriter::live(stdout(), context.format_or(Format::Table))?;
    let log = context.open().await?;
    let limit = args.limit.map_or(u64::MAX, |limit| limit as u64);
    let mut start = selection.after;
    if args.filter.from.is_some() {
        note_removed(&log, &selection).await?;
    } else {
        // What is there now is read backwards; what comes is followed from here: no gap between the two.
        start = log.newest().await?;
        if let Some(last) = args.last {
            let here = Position(start.0 + 1);
            let seen =
                log.read(selection.filter.clone()).before(here).backwards().limit(last).collect().await?;
            for event in seen.iter().rev() {
                if writer.written() < limit {
                    writer.write(event)?;
                }
            }
        }
    }
    let mut following = log.follow(selection.filter.clone()).after(start);
    while writer.written() < limit {
        let event = tokio::select! {
            event = following.next() => event,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                break;
            }
        };
        let Some(event) = event.transpose()? else { break };
        if selection.before.is_some_and(|before| event.position >= before) {
            break;
        }
        writer.write(&event)?;
    }
    writer.finish()?;
    drop(following);
    Ok(log.close().await?)
}
