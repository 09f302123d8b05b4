//! `factlog list`: events, oldest first.

use std::io::Write;
use std::sync::Arc;

use factlog::{Event, EventLog};

use super::{Context, note_removed};
use crate::cli::{ListArgs, SliceArgs};
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::output::{EventWriter, Format, is_terminal, note, stdout};

/// A table on a terminal shows this many, unless it is told otherwise.
const SHOWN_ON_TERMINAL: usize = 50;

pub(crate) async fn run(context: &Context, args: &ListArgs) -> Outcome {
    let selection = args.filter.selection()?;
    let format = context.format("list", Format::ALL)?.full(args.full)?;
    let log = context.open().await?;
    let noted = note_removed(&log, &selection).await;
    let mut slice = args.slice.clone();
    let newest_only = format == Format::Table && is_terminal() && slice.most().is_none() && slice.skip == 0;
    if newest_only {
        slice.last = Some(SHOWN_ON_TERMINAL);
    }
    let shown = write(&log, &selection, &slice, EventWriter::new(stdout(), format).full(args.full)).await?;
    // A log that is damaged shows what is before the damage, and says so.
    noted?;
    if newest_only && shown == SHOWN_ON_TERMINAL as u64 {
        let all = selection.count(&log, Vec::new()).await?.first().map_or(0, |group| group.count);
        let more = all.saturating_sub(shown);
        if more > 0 {
            note(format_args!("… and {more} older events: --last N, --first N, or `factlog export` for all"));
        }
    }
    if shown == 0 && format == Format::Table {
        note("no events match");
    }
    Ok(log.close().await?)
}

/// Writes a slice of what is selected, oldest first.
pub(crate) async fn write<W: Write>(
    log: &EventLog,
    selection: &Selection,
    slice: &SliceArgs,
    mut writer: EventWriter<W>,
) -> Outcome<u64> {
    if let Err(failure) = each(log, selection, slice, |event| writer.write(event)).await {
        writer.break_off();
        return Err(failure);
    }
    writer.finish()
}

/// Hands out a slice of what is selected, oldest first.
pub(crate) async fn each(
    log: &EventLog,
    selection: &Selection,
    slice: &SliceArgs,
    mut take: impl FnMut(&Arc<Event>) -> Outcome,
) -> Outcome {
    if let Some(last) = slice.last {
        let newest_first = selection.read(log).backwards().skip(slice.skip).limit(last);
        return newest_first.collect().await?.iter().rev().try_for_each(take);
    }
    let mut reading = selection.read(log).skip(slice.skip);
    if let Some(most) = slice.most() {
        reading = reading.limit(most);
    }
    while let Some(event) = reading.next().await {
        take(&event?)?;
    }
    Ok(())
}
