//! `factlog streams`: what the log is about.

use factlog::{Group, GroupBy, StreamName, Timestamp};
use serde_json::json;

use super::{Context, note_removed};
use crate::cli::StreamsArgs;
use crate::failure::Outcome;
use crate::output::{Format, Listing, is_terminal, note};

/// A table on a terminal shows this many, unless it is told otherwise.
const SHOWN_ON_TERMINAL: usize = 50;

pub(crate) async fn run(context: &Context, args: &StreamsArgs) -> Outcome {
    let selection = args.filter.selection()?;
    let format = context.format("streams", Listing::FORMATS)?;
    let log = context.open().await?;
    note_removed(&log, &selection).await?;
    let mut groups = selection.count(&log, vec![GroupBy::Stream]).await?;
    // In the order in which they were last heard of.
    groups.sort_by_key(|group| group.last);
    let total = groups.len();
    let slice = &args.slice;
    let newest_only = format == Format::Table && is_terminal() && slice.most().is_none() && slice.skip == 0;
    let last = if newest_only { Some(SHOWN_ON_TERMINAL) } else { slice.last };
    let shown: Vec<&Group> = match last {
        Some(last) => {
            let end = total.saturating_sub(slice.skip);
            groups[end.saturating_sub(last)..end].iter().collect()
        }
        None => groups.iter().skip(slice.skip).take(slice.most().unwrap_or(usize::MAX)).collect(),
    };
    listing(&shown).print(format)?;
    if total == 0 && format == Format::Table {
        note("no streams match");
    }
    if newest_only && total > shown.len() {
        note(format_args!(
            "… and {} older streams: --last N, or --format jsonl for all",
            total - shown.len()
        ));
    }
    Ok(log.close().await?)
}

fn listing(groups: &[&Group]) -> Listing {
    let time = |time: Timestamp| time.to_string()[..19].replace('T', " ");
    let rows = groups.iter().map(|group| {
        vec![
            group.key[0].clone(),
            group.count.to_string(),
            time(group.first_at),
            time(group.last_at),
            group.last.to_string(),
        ]
    });
    let json = groups.iter().map(|group| {
        let name = group.key[0].as_str();
        let category = StreamName::trusted(name);
        let category = category.category();
        json!({"stream": name, "category": category, "events": group.count, "first": group.first, "last": group.last,
            "firstAt": group.first_at, "lastAt": group.last_at})
    });
    Listing {
        headings: ["STREAM", "EVENTS", "FIRST (UTC)", "LAST (UTC)", "LAST POSITION"]
            .map(str::to_owned)
            .into(),
        rows: rows.collect(),
        numbers: vec![1, 4],
        json: json.collect(),
    }
}
