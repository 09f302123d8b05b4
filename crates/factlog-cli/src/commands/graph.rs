//! `factlog graph`: who has to do with what.

use factlog::{Error, Result};
use factlog_agents::graph::{
    Around, Graph, GraphEdge, GraphLeftOut, GraphOverview, GraphPath, Node, NodeKind, graph,
};

use super::finding::{heading, many, plain, say};
use super::flow::listing;
use super::{Context, note_removed};
use crate::cli::GraphArgs;
use crate::failure::Outcome;
use crate::flag;
use crate::output::{Format, Listing, note};

/// Edges that a table shows; the other formats have all.
const ROWS_MAX: usize = 40;

pub(crate) async fn run(context: &Context, args: &GraphArgs) -> Outcome {
    let selection = args.filter.selection()?;
    let kinds: Vec<NodeKind> = flag::all("--kind", &args.kind)?;
    let format = args.picture.format(context, "graph", Listing::FORMATS)?;
    let log = context.open().await?;
    note_removed(&log, &selection).await?;
    let graph = graph(selection.read(&log)).await?;
    note_left_out(graph.left_out());
    if let [from, to] = &args.path[..] {
        let path = graph.path(&node(&graph, from)?, &node(&graph, to)?)?;
        match format {
            None => args.picture.draw(&path.drawing())?,
            Some(format) => tell_path(&path, format)?,
        }
    } else if let Some(text) = &args.node {
        let around = graph.around(&node(&graph, text)?, args.depth, &kinds)?;
        match format {
            None => args.picture.draw(&around.drawing())?,
            Some(format) => tell_around(&around, format)?,
        }
    } else {
        match format {
            None => args.picture.draw(&graph.drawing())?,
            Some(format) => tell_overview(&graph.finish(), format)?,
        }
    }
    Ok(log.close().await?)
}

/// The node that a text means: by kind and id, or by an id that only one has.
fn node(graph: &Graph, text: &str) -> Result<Node> {
    let named = graph.named(text);
    match &named[..] {
        [only] => Ok((*only).clone()),
        [] => text.parse(),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Error::invalid(format!("{text} is more than one thing"))
                .with_hint(format!("say which: {}", names.join(" or "))))
        }
    }
}

fn note_left_out(left_out: GraphLeftOut) {
    if left_out != GraphLeftOut::default() {
        note(format_args!(
            "note: the log has more than is held at once: {} times a node was left out, and {} times an edge; narrow the events with --from and --to",
            left_out.nodes_named, left_out.edges_told
        ));
    }
}

fn tell_overview(overview: &GraphOverview, format: Format) -> Outcome {
    let rows = overview.edges.iter().map(|kind| {
        let words = [kind.from.as_str(), kind.relation, kind.to.as_str()].map(str::to_owned);
        words.into_iter().chain([kind.edges.to_string(), kind.count.to_string()]).collect()
    });
    let mut edges = listing(&["FROM", "DOES", "TO", "EDGES", "EVENTS"], rows.collect(), 3..5);
    if format != Format::Table {
        edges.json = serde_json::to_value(overview)?;
        return edges.print(format);
    }
    if overview.nodes.is_empty() {
        note("no event tells of anything that the graph knows");
        return Ok(());
    }
    let mut nodes: Vec<_> = overview.nodes.iter().collect();
    nodes.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let counts = nodes.into_iter().map(|(kind, count)| {
        let several = if *kind == NodeKind::Memory { "memories".to_owned() } else { format!("{kind}s") };
        many(*count, kind.as_str(), &several)
    });
    let told = many(overview.events_told, "event", "events");
    say(&format!("{} in {told}", counts.collect::<Vec<_>>().join(", ")))?;
    if !overview.edges.is_empty() {
        heading("WHAT TIES THEM TOGETHER")?;
        edges.print(format)?;
    }
    if !overview.hubs.is_empty() {
        heading("THE MOST CONNECTED")?;
        let rows = overview.hubs.iter().map(|hub| {
            vec![plain(&hub.node.to_string()), hub.neighbours.to_string(), hub.events.to_string()]
        });
        listing(&["NODE", "NEIGHBOURS", "EVENTS"], rows.collect(), 1..3).print(format)?;
    }
    Ok(())
}

fn tell_around(around: &Around, format: Format) -> Outcome {
    let shown = if format == Format::Table { ROWS_MAX } else { usize::MAX };
    let row = |edge: &GraphEdge| {
        vec![
            plain(&edge.from.to_string()),
            edge.relation.to_owned(),
            plain(&edge.to.to_string()),
            edge.count.to_string(),
            edge.first.to_string(),
            edge.last.to_string(),
        ]
    };
    let rows = around.edges.iter().take(shown).map(row).collect();
    let mut edges = listing(&["FROM", "DOES", "TO", "EVENTS", "FIRST", "LAST"], rows, 3..6);
    if format != Format::Table {
        edges.json = serde_json::to_value(around)?;
        return edges.print(format);
    }
    let facts = &around.node;
    say(&format!(
        "{}: {}{}; {} {} or less away",
        plain(&facts.node.to_string()),
        many(facts.events, "event", "events"),
        if facts.first == facts.last {
            format!(", position {}", facts.first)
        } else {
            format!(", positions {} to {}", facts.first, facts.last)
        },
        many(around.nodes.len() as u64, "node", "nodes"),
        many(around.depth as u64, "edge", "edges"),
    ))?;
    if !edges.rows.is_empty() {
        say("")?;
        edges.print(format)?;
    }
    let left = around.edges.len().saturating_sub(shown) as u64 + around.edges_left_out;
    if left > 0 {
        say(&format!(
            " … and {}: --kind narrows, --format json has more",
            many(left, "edge more", "edges more")
        ))?;
    }
    Ok(())
}

fn tell_path(path: &GraphPath, format: Format) -> Outcome {
    let rows = path.steps.iter().map(|step| {
        let relation = if step.is_against {
            format!("<- {} --", step.relation)
        } else {
            format!("-- {} ->", step.relation)
        };
        vec![
            plain(&step.from.to_string()),
            relation,
            plain(&step.to.to_string()),
            step.count.to_string(),
            step.first.to_string(),
            step.last.to_string(),
        ]
    });
    let mut steps = listing(&["NODE", "", "NEXT", "EVENTS", "FIRST", "LAST"], rows.collect(), 3..6);
    if format != Format::Table {
        steps.json = serde_json::to_value(path)?;
        return steps.print(format);
    }
    if path.steps.is_empty() {
        return say("they are the same");
    }
    let length = many(path.steps.len() as u64, "edge", "edges");
    say(&format!("from {} to {} in {length}\n", plain(&path.from.to_string()), plain(&path.to.to_string())))?;
    steps.print(format)
}
