//! `factlog export`: events for other programs.

use super::{Context, list, note_removed};
use crate::cli::ExportArgs;
use crate::failure::Outcome;
use crate::output::{EventWriter, Format, stdout};

pub(crate) async fn run(context: &Context, args: &ExportArgs) -> Outcome {
    let selection = args.filter.selection()?;
    let formats = [Format::Jsonl, Format::Json, Format::Csv, Format::Cloudevents];
    let format = context.format("export", &formats)?;
    let log = context.open().await?;
    note_removed(&log, &selection).await?;
    list::write(&log, &selection, &args.slice, EventWriter::new(stdout(), format)).await?;
    Ok(log.close().await?)
}
