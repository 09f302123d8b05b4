//! `factlog flow`: the process in a log.

use factlog_agents::flow::{Bottleneck, FLOW_MEDIAN_COUNT_MIN, Flow, FlowEdge, flow};

use super::finding::{activities, heading, many, note_left_out, percent, plain, say};
use super::{Context, note_removed};
use crate::cli::FlowArgs;
use crate::failure::Outcome;
use crate::output::{Format, Listing, note, span};

/// Activities and edges that a table shows; the other formats have all.
const ROWS_MAX: usize = 15;
/// What is done again that a table shows.
const REWORK_ROWS_MAX: usize = 5;

pub(crate) async fn run(context: &Context, args: &FlowArgs) -> Outcome {
    let options = args.cases.options()?;
    let selection = args.cases.selection(&args.filter)?;
    let format = args.picture.format(context, "flow", Listing::FORMATS)?;
    let log = context.open().await?;
    note_removed(&log, &selection).await?;
    let flow = flow(selection.read(&log), options, args.variants).await?;
    args.cases.note_without(flow.events_without_case, flow.events + flow.events_without_case);
    note_left_out(&flow.left_out);
    match format {
        None => args.picture.draw(&flow.drawing())?,
        Some(Format::Table) => table(&flow)?,
        Some(format) => Listing { json: serde_json::to_value(&flow)?, ..edges(&flow.edges) }.print(format)?,
    }
    Ok(log.close().await?)
}

fn table(flow: &Flow) -> Outcome {
    if flow.cases == 0 {
        note("no events of any case");
        return Ok(());
    }
    let took = match (flow.case_durations.p50_ms, flow.case_durations.p95_ms) {
        (Some(p50), Some(p95)) if flow.cases > 1 => {
            format!("; half take {} or less, 95 of 100 {} or less", span(p50), span(p95))
        }
        (Some(p50), _) => format!("; it takes {}", span(p50)),
        _ => String::new(),
    };
    say(&format!(
        "{} in {} by {}{took}",
        many(flow.events, "event", "events"),
        many(flow.cases, "case", "cases"),
        flow.by
    ))?;
    heading("WHAT HAPPENS")?;
    let rows = flow.activities.iter().take(ROWS_MAX).map(|activity| {
        let counts =
            [activity.events, activity.cases, activity.starts, activity.ends].map(|count| count.to_string());
        std::iter::once(plain(&activity.name)).chain(counts).collect()
    });
    listing(&["ACTIVITY", "EVENTS", "CASES", "BEGIN", "END"], rows.collect(), 1..5).print(Format::Table)?;
    more(flow.activities.len(), "activities")?;
    if !flow.edges.is_empty() {
        heading("WHAT FOLLOWS WHAT")?;
        let shown = flow.edges.iter().take(ROWS_MAX);
        edges(&shown.cloned().collect::<Vec<_>>()).print(Format::Table)?;
        more(flow.edges.len(), "edges")?;
    }
    heading(&format!(
        "THE WAYS THEY GO: {} of {}, which {} of the cases take",
        flow.variants.len(),
        flow.variants_total,
        percent(flow.variants_share)
    ))?;
    let rows = flow
        .variants
        .iter()
        .map(|way| vec![way.cases.to_string(), percent(way.share), activities(&way.activities)])
        .collect();
    listing(&["CASES", "SHARE", "WAY"], rows, 0..2).print(Format::Table)?;
    waits(flow)?;
    rework(flow)
}

fn waits(flow: &Flow) -> Outcome {
    let rows = |edges: &[Bottleneck]| {
        let row = |edge: &Bottleneck| {
            vec![
                plain(&edge.from),
                plain(&edge.to),
                edge.count.to_string(),
                span(edge.total_ms),
                percent(edge.total_share),
                span(edge.p50_ms),
            ]
        };
        edges.iter().map(row).collect()
    };
    let headings = ["FROM", "TO", "TIMES", "ALL TIME", "SHARE", "HALF WITHIN"];
    if !flow.bottlenecks.by_total.is_empty() {
        heading("WHERE THE TIME GOES")?;
        listing(&headings, rows(&flow.bottlenecks.by_total), 2..6).print(Format::Table)?;
    }
    if !flow.bottlenecks.by_median.is_empty() {
        heading(&format!("WHAT USUALLY TAKES LONGEST, of what came {FLOW_MEDIAN_COUNT_MIN} times or more"))?;
        listing(&headings, rows(&flow.bottlenecks.by_median), 2..6).print(Format::Table)?;
    }
    Ok(())
}

fn rework(flow: &Flow) -> Outcome {
    if !flow.rework.repeats.is_empty() {
        heading("WHAT IS DONE AGAIN")?;
        let rows = flow.rework.repeats.iter().take(REWORK_ROWS_MAX).map(|again| {
            let counts = [again.cases, again.again, again.at_once, again.most].map(|count| count.to_string());
            std::iter::once(plain(&again.activity)).chain(counts).collect()
        });
        listing(&["ACTIVITY", "CASES", "AGAIN", "AT ONCE", "MOST IN ONE"], rows.collect(), 1..5)
            .print(Format::Table)?;
    }
    if !flow.rework.loops.is_empty() {
        heading("THERE AND BACK")?;
        let rows = flow.rework.loops.iter().take(REWORK_ROWS_MAX).map(|back| {
            let way = [back.activity.clone(), back.through.clone(), back.activity.clone()];
            vec![activities(&way), back.cases.to_string(), back.times.to_string()]
        });
        listing(&["WAY", "CASES", "TIMES"], rows.collect(), 1..3).print(Format::Table)?;
    }
    Ok(())
}

fn edges(edges: &[FlowEdge]) -> Listing {
    let time = |time: Option<u64>| time.map(span).unwrap_or_default();
    let rows = edges.iter().map(|edge| {
        vec![
            plain(&edge.from),
            plain(&edge.to),
            edge.count.to_string(),
            edge.cases.to_string(),
            time(edge.time.p50_ms),
            time(edge.time.p95_ms),
            time(edge.time.average_ms.map(|average| average.round() as u64)),
            if edge.backwards > 0 { edge.backwards.to_string() } else { String::new() },
        ]
    });
    let mut headings = vec!["FROM", "TO", "TIMES", "CASES", "P50", "P95", "MEAN", "BACKWARDS"];
    let mut rows: Vec<Vec<String>> = rows.collect();
    if edges.iter().all(|edge| edge.backwards == 0) {
        headings.pop();
        rows.iter_mut().for_each(|row| drop(row.pop()));
    }
    listing(&headings, rows, 2..8)
}

/// Says how many rows are not shown.
fn more(all: usize, what: &str) -> Outcome {
    if all > ROWS_MAX {
        say(&format!(" … and {} {what} more: --format json has them all", all - ROWS_MAX))?;
    }
    Ok(())
}

pub(super) fn listing(headings: &[&str], rows: Vec<Vec<String>>, numbers: std::ops::Range<usize>) -> Listing {
    Listing {
        numbers: numbers.filter(|column| *column < headings.len()).collect(),
        headings: headings.iter().map(|heading| (*heading).to_owned()).collect(),
        rows,
        json: serde_json::Value::Null,
    }
}
