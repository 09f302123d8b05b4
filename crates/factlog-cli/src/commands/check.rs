//! `factlog check`: reads everything.

use factlog::Report;

use super::Context;
use crate::cli::CheckArgs;
use crate::failure::{Failure, Outcome, exit};
use crate::output::{Listing, note};

pub(crate) async fn check(context: &Context, args: &CheckArgs) -> Outcome {
    let format = context.format("check", Listing::FORMATS)?;
    let log = if args.repair { context.open().await? } else { context.inspect().await? };
    if args.repair {
        for mended in log.repair().await? {
            note(mended);
        }
    }
    let report = log.check().await?;
    report_listing(&report)?.print(format)?;
    log.close().await?;
    if report.problems.is_empty() { Ok(()) } else { Err(Failure::Told(exit::CORRUPT)) }
}

pub(super) fn pair(name: &str, value: &impl ToString) -> Vec<String> {
    vec![name.to_owned(), value.to_string()]
}

pub(super) fn listing(rows: Vec<Vec<String>>, json: serde_json::Value) -> Listing {
    Listing { headings: vec!["WHAT".to_owned(), "VALUE".to_owned()], rows, numbers: Vec::new(), json }
}

fn report_listing(report: &Report) -> Outcome<Listing> {
    let mut rows = vec![
        pair("events", &report.events),
        pair("streams", &report.streams),
        pair("newest position", &report.head),
        pair("removed on purpose", &report.removed),
    ];
    rows.extend(report.problems.iter().map(|problem| pair("PROBLEM", problem)));
    rows.extend(report.warnings.iter().map(|warning| pair("warning", warning)));
    if report.problems.is_empty() {
        rows.push(pair("result", &"no problem was found"));
    }
    Ok(listing(rows, serde_json::to_value(report)?))
}
