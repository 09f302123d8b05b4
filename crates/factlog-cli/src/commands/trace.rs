//! `factlog trace`: what caused what.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use factlog::{Error, Event, EventLog, Position, Result};
use factlog_agents::trace::{Root, Trace, TraceNode, Went, trace, trace_around};

use super::finding::{many, plain};
use super::{Context, note_removed, show};
use crate::cli::{TraceArgs, TraceAs};
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::output::{Format, Listing, note, span, stdout};

/// Lines of a tree; the other formats have all.
const LINES_MAX: usize = 500;
/// Columns of what stands before an event; deeper ones are not moved in further.
const INDENT_COLUMNS_MAX: usize = 60;

pub(crate) async fn run(context: &Context, args: &TraceArgs) -> Outcome {
    let selection = args.filter.selection()?;
    let formats = [Format::Table, Format::Json, Format::Jsonl, Format::Csv];
    let format = match (args.written, context.asked) {
        (TraceAs::Text, _) | (_, None | Some(Format::Json)) => context.format("trace", &formats)?,
        (TraceAs::Otlp, Some(asked)) => {
            return Err(Error::invalid(format!("OTLP is not written as {}", asked.name()))
                .with_hint("leave --format out")
                .into());
        }
    };
    let log = context.open().await?;
    note_removed(&log, &selection).await?;
    let trace = find(&log, &selection, &args.of).await?;
    if trace.left_out > 0 {
        note(format_args!("note: {} events are left out: there are too many for one trace", trace.left_out));
    }
    if args.written == TraceAs::Otlp {
        let mut out = stdout();
        writeln!(out, "{}", trace.to_otlp())?;
        out.flush()?;
    } else if format == Format::Table {
        tree(&trace)?;
    } else {
        listing(&trace)?.print(format)?;
    }
    Ok(log.close().await?)
}

/// The trace of a correlation; where no event has it, the one around an event.
async fn find(log: &EventLog, selection: &Selection, text: &str) -> Outcome<Trace> {
    let mut of_correlation = selection.clone();
    if let Ok(correlation) = text.parse() {
        of_correlation.filter.correlation = vec![correlation];
        let found = trace(of_correlation.read(log)).await?;
        if !found.nodes.is_empty() {
            return Ok(found);
        }
    }
    let event: Option<Arc<Event>> = show::find(log, text).await?;
    let event = event.ok_or_else(|| {
        Error::not_found(format!("no event has the correlation {text}, nor is there such an event"))
            .with_hint("`factlog stats --group-by stream` shows what there is; `factlog list --full` shows correlations")
    })?;
    Ok(trace_around(log, &event, &selection.filter).await?)
}

/// How the lines before an event are drawn: what its relatives further in begin with.
#[derive(Clone, Default)]
struct Branch {
    /// Before the event itself.
    here: String,
    /// Before what it caused.
    below: String,
    /// Whether what it caused are branches.
    divides: bool,
}

fn tree(trace: &Trace) -> Outcome {
    let mut out = stdout();
    writeln!(out, "{}", title(trace))?;
    let mut children: HashMap<Position, usize> = HashMap::new();
    trace
        .nodes
        .iter()
        .filter_map(|node| node.parent)
        .for_each(|parent| *children.entry(parent).or_default() += 1);
    let sources: HashMap<Position, Option<&str>> =
        trace.nodes.iter().map(|node| (node.position, node.source.as_deref())).collect();
    // What only caused one thing stands directly above it: only where the tree divides are its branches moved in.
    let mut below: Vec<(Position, Branch, usize)> = Vec::new();
    for node in trace.nodes.iter().take(LINES_MAX) {
        while below.last().is_some_and(|(position, ..)| Some(*position) != node.parent) {
            below.pop();
        }
        let branch = match below.last_mut() {
            None => Branch::default(),
            Some((_, parent, left)) => {
                *left -= 1;
                parent.child(*left)
            }
        };
        let count = children.get(&node.position).copied().unwrap_or(0);
        // What is as above is not said again.
        let above = node.parent.and_then(|parent| sources.get(&parent).copied().flatten());
        let source = node.source.as_deref().filter(|source| above != Some(*source));
        writeln!(out, "{}", line(trace, node, &branch.here, count != 1, source))?;
        let divides = count > 1 && branch.below.chars().count() < INDENT_COLUMNS_MAX;
        let next = Branch { divides, ..branch };
        below.push((node.position, next, count));
    }
    if trace.nodes.len() > LINES_MAX {
        writeln!(out, "… and {} more: --format json has them all", trace.nodes.len() - LINES_MAX)?;
    }
    let gaps: Vec<String> = trace
        .gaps
        .iter()
        .map(|gap| {
            let mark = if gap.is_critical { "*" } else { "" };
            format!("{} before {}{mark}", span(gap.wait_ms), gap.to)
        })
        .collect();
    if !gaps.is_empty() {
        writeln!(out, "\nthe longest waits: {}", gaps.join(", "))?;
    }
    Ok(out.flush()?)
}

impl Branch {
    /// How the next of the things that it caused is drawn, when so many come after it.
    fn child(&self, left: usize) -> Self {
        if !self.divides {
            return Self { here: self.below.clone(), below: self.below.clone(), divides: false };
        }
        let (corner, line) = if left == 0 { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        Self {
            here: format!("{}{corner}", self.below),
            below: format!("{}{line}", self.below),
            divides: false,
        }
    }
}

fn title(trace: &Trace) -> String {
    let roots = trace.nodes.iter().filter(|node| node.root.is_some()).count() as u64;
    let of = match (&trace.asked, &trace.correlation) {
        (Some(position), _) => format!("around {position}"),
        (None, Some(correlation)) => plain(correlation),
        (None, None) => "trace".to_owned(),
    };
    let day = |time: factlog::Timestamp| time.to_string()[..19].replace('T', " ");
    let from = trace.started_at.map(|time| format!(", from {} UTC", day(time))).unwrap_or_default();
    format!(
        "{of}: {}, {}{from}, {} in all; * is the critical path\n",
        many(trace.nodes.len() as u64, "event", "events"),
        many(roots, "beginning", "beginnings"),
        span(trace.duration_ms)
    )
}

fn line(trace: &Trace, node: &TraceNode, before: &str, divides: bool, source: Option<&str>) -> String {
    let critical = if node.is_critical { "*" } else { " " };
    let wait = match (node.parent, node.wait_ms) {
        (None, _) => String::new(),
        (Some(_), Some(wait)) => format!("+{}", span(wait)),
        (Some(_), None) => "before it".to_owned(),
    };
    let mut parts =
        vec![format!("{critical} {:>6}  {wait:>9}  {before}{}", node.position, plain(&node.event_type))];
    if let Some(tool) = &node.tool {
        parts.push(plain(tool));
    }
    if let Some(own_ms) = node.own_ms {
        parts.push(format!("[{}]", span(own_ms)));
    }
    if node.went == Some(Went::Wrong) && node.ends.is_none() {
        parts.push("failed".to_owned());
    }
    if (divides || node.root.is_some()) && node.lasts_ms > node.own_ms.unwrap_or(0) {
        parts.push(format!(" leads on for {}", span(node.lasts_ms)));
    }
    if let Some(source) = source {
        parts.push(format!(" {}", plain(source)));
    }
    match node.root {
        Some(Root::CauseNotHere) => parts.push(" (its cause is not here)".to_owned()),
        Some(Root::Circle) => parts.push(" (its causes go round in a circle)".to_owned()),
        Some(Root::NoCause) | None => {}
    }
    if trace.asked == Some(node.position) {
        parts.push(" <- asked for".to_owned());
    }
    parts.join(" ")
}

fn listing(trace: &Trace) -> Result<Listing> {
    let rows = trace.nodes.iter().map(|node| {
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        vec![
            node.position.to_string(),
            number(node.parent.map(|parent| parent.0)),
            node.depth.to_string(),
            node.at.to_string(),
            node.event_type.to_string(),
            node.source.as_ref().map(ToString::to_string).unwrap_or_default(),
            number(node.wait_ms),
            number(node.own_ms),
            node.lasts_ms.to_string(),
            node.is_critical.to_string(),
        ]
    });
    let headings =
        ["POSITION", "PARENT", "DEPTH", "AT", "TYPE", "SOURCE", "WAITMS", "OWNMS", "LASTSMS", "CRITICAL"];
    Ok(Listing {
        headings: headings.map(str::to_owned).into(),
        rows: rows.collect(),
        numbers: Vec::new(),
        json: serde_json::to_value(trace).map_err(|cause| Error::invalid(format!("the trace: {cause}")))?,
    })
}
