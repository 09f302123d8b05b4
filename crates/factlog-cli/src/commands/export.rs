//! `factlog export`: events for other programs.

use std::io::Write;
use std::path::Path;

use factlog::{Error, EventLog};
use factlog_adapters::by_stream::{Export, Exported};

use super::{Context, import, list, note_removed};
use crate::cli::{ExportArgs, Layout};
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::output::{Counting, EventWriter, Format, stdout};

/// Events after which it is said how far the export is.
const SAID_EVENTS: u64 = 1_000;

pub(crate) async fn run(context: &Context, args: &ExportArgs) -> Outcome {
    let selection = args.filter.selection()?;
    let formats: &[Format] = match args.layout {
        Layout::One => &[Format::Jsonl, Format::Json, Format::Csv, Format::Cloudevents, Format::AgentEvents],
        // The lines are always the same; this is how it is said what was written.
        Layout::ByStream => &import::FORMATS,
    };
    let format = context.format("export", formats)?;
    let folder = folder(args)?;
    let log = context.open().await?;
    note_removed(&log, &selection).await?;
    match folder {
        None => {
            list::write(&log, &selection, &args.slice, EventWriter::new(stdout(), format)).await?;
        }
        Some(folder) => {
            let exported = tokio::select! {
                // What was written goes, as it is no tree yet.
                _ = tokio::signal::ctrl_c() => {
                    return Err(Error::stopped(format!("interrupted; {} has no tree", folder.display())).into());
                }
                exported = tree(&log, &selection, args, folder) => exported?,
            };
            print(exported, format)?;
        }
    }
    Ok(log.close().await?)
}

/// The folder to write into, where the layout needs one.
fn folder(args: &ExportArgs) -> Outcome<Option<&Path>> {
    match (&args.folder, args.layout) {
        (Some(folder), Layout::One) => {
            Err(Error::invalid(format!("all events go to standard output, and not to {}", folder.display()))
                .with_hint("add --layout by-stream for a tree of files, or write > FILE")
                .into())
        }
        (folder, _) => Ok(folder.as_deref()),
    }
}

fn print(exported: Exported, format: Format) -> Outcome {
    let mut out = stdout();
    if format == Format::Table {
        writeln!(out, "events      {:>10}", exported.events)?;
        writeln!(out, "files       {:>10}", exported.files)?;
    } else {
        writeln!(out, "{}", serde_json::to_string(&exported)?)?;
    }
    Ok(out.flush()?)
}

async fn tree(log: &EventLog, selection: &Selection, args: &ExportArgs, folder: &Path) -> Outcome<Exported> {
    let mut export = Export::new(folder)?;
    let counting = Counting::new();
    let mut count: u64 = 0;
    list::each(log, selection, &args.slice, |event| {
        count += 1;
        if count.is_multiple_of(SAID_EVENTS) {
            counting.say(format_args!("exported {count} events"));
        }
        Ok(export.add(event)?)
    })
    .await?;
    Ok(export.finish()?)
}
