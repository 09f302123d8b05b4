//! Who has to do with what: agents, tasks, sessions, files, memories and messages of a log, and what ties them together.

mod node;
mod overview;
mod relations;
mod walk;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use factlog::{Event, Position, Reading, Result};
use serde::Serialize;

use crate::drawing::{Drawing, Shape};

pub use node::{Node, NodeKind};
pub use overview::{EdgeKind, GraphOverview, Hub};
pub use relations::{RELATIONS, Relation};
pub use walk::{Around, GraphPath, PathStep};

/// Nodes that are held; events about more are told of as far as their nodes are known.
pub const GRAPH_NODES_MAX: usize = 100_000;
/// Edges that are held; more are counted only.
pub const GRAPH_EDGES_MAX: usize = 500_000;
/// Nodes that an overview names as the most connected.
pub const GRAPH_HUBS_MAX: usize = 10;
/// Edges around a node that an answer has; more are counted only.
pub const AROUND_EDGES_MAX: usize = 1_000;

/// The graph of a log.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<NodeFacts>,
    edges: Vec<EdgeFacts>,
    node_by_name: HashMap<Node, u32>,
    edge_by_ends: HashMap<(u32, Relation, u32), u32>,
    /// The edges of each node, in both directions.
    edges_of: Vec<Vec<u32>>,
    events: u64,
    events_told: u64,
    left_out: GraphLeftOut,
}

/// What was left out because it would have been too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphLeftOut {
    /// How often an event named a node beyond [`GRAPH_NODES_MAX`].
    pub nodes_named: u64,
    /// How often an event told of an edge beyond [`GRAPH_EDGES_MAX`], or of a node left out.
    pub edges_told: u64,
}

/// A node, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeFacts {
    /// Which.
    pub node: Node,
    /// Events that name it.
    pub events: u64,
    /// The first of them.
    pub first: Position,
    /// The last of them.
    pub last: Position,
}

#[derive(Debug, Clone, Copy)]
struct EdgeFacts {
    from: u32,
    relation: Relation,
    to: u32,
    count: u64,
    first: Position,
    last: Position,
}

/// An edge, with the events that it is known from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphEdge {
    /// Who or what.
    pub from: Node,
    /// Does what.
    pub relation: Relation,
    /// With whom or what.
    pub to: Node,
    /// How many events tell it.
    pub count: u64,
    /// The first of them.
    pub first: Position,
    /// The last of them.
    pub last: Position,
}

impl Graph {
    /// Takes in an event.
    pub fn add(&mut self, event: &Event) {
        self.events += 1;
        let told = relations::told(event);
        self.events_told += u64::from(!told.nodes.is_empty());
        for node in told.nodes {
            self.take_node(node, event.position);
        }
        for (from, relation, to) in told.edges {
            self.take_edge(&from, relation, &to, event.position);
        }
    }

    fn take_node(&mut self, node: Node, position: Position) {
        let room = self.nodes.len() < GRAPH_NODES_MAX;
        let next = self.nodes.len() as u32;
        match self.node_by_name.entry(node) {
            Entry::Occupied(known) => {
                let facts = &mut self.nodes[*known.get() as usize];
                facts.events += 1;
                facts.last = position;
            }
            Entry::Vacant(new) if room => {
                let node = new.key().clone();
                new.insert(next);
                self.nodes.push(NodeFacts { node, events: 1, first: position, last: position });
                self.edges_of.push(Vec::new());
            }
            Entry::Vacant(_) => self.left_out.nodes_named += 1,
        }
    }

    fn take_edge(&mut self, from: &Node, relation: Relation, to: &Node, position: Position) {
        let ends = (self.node_by_name.get(from).copied(), self.node_by_name.get(to).copied());
        let (Some(from), Some(to)) = ends else {
            self.left_out.edges_told += 1;
            return;
        };
        let room = self.edges.len() < GRAPH_EDGES_MAX;
        let next = self.edges.len() as u32;
        match self.edge_by_ends.entry((from, relation, to)) {
            Entry::Occupied(known) => {
                let edge = &mut self.edges[*known.get() as usize];
                edge.count += 1;
                edge.last = position;
            }
            Entry::Vacant(new) if room => {
                new.insert(next);
                self.edges.push(EdgeFacts { from, relation, to, count: 1, first: position, last: position });
                self.edges_of[from as usize].push(next);
                if from != to {
                    self.edges_of[to as usize].push(next);
                }
            }
            Entry::Vacant(_) => self.left_out.edges_told += 1,
        }
    }

    /// What was left out because it would have been too much.
    pub fn left_out(&self) -> GraphLeftOut {
        self.left_out
    }

    /// What is known of a node.
    pub fn node(&self, node: &Node) -> Option<&NodeFacts> {
        self.node_by_name.get(node).map(|index| &self.nodes[*index as usize])
    }

    /// The nodes with this id, of whatever kind.
    pub fn named(&self, id: &str) -> Vec<&Node> {
        let known = NodeKind::ALL.iter().map(|kind| Node { kind: *kind, id: id.to_owned() });
        known.filter_map(|node| self.node(&node).map(|facts| &facts.node)).collect()
    }

    fn edge(&self, index: u32) -> GraphEdge {
        let edge = &self.edges[index as usize];
        let node = |index: u32| self.nodes[index as usize].node.clone();
        GraphEdge {
            from: node(edge.from),
            relation: edge.relation,
            to: node(edge.to),
            count: edge.count,
            first: edge.first,
            last: edge.last,
        }
    }

    fn other_end(&self, edge: u32, node: u32) -> u32 {
        let edge = &self.edges[edge as usize];
        if edge.from == node { edge.to } else { edge.from }
    }

    /// The edges that most events tell, as a picture of the whole.
    pub fn drawing(&self) -> Drawing {
        let mut edges: Vec<u32> = (0..self.edges.len() as u32).collect();
        edges.sort_by_key(|index| (std::cmp::Reverse(self.edges[*index as usize].count), *index));
        drawing(edges.into_iter().map(|index| self.edge(index)))
    }
}

/// Edges as a picture.
pub(crate) fn drawing(edges: impl Iterator<Item = GraphEdge>) -> Drawing {
    let mut drawing = Drawing::default();
    let mut known: HashMap<Node, usize> = HashMap::new();
    for edge in edges {
        let mut end = |node: Node| match known.entry(node) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let is_doer = matches!(new.key().kind, NodeKind::Agent | NodeKind::Session | NodeKind::Swarm);
                let shape = if is_doer { Shape::Round } else { Shape::Box };
                let index = drawing.node(&new.key().to_string(), shape);
                *new.insert(index)
            }
        };
        let (from, to) = (end(edge.from), end(edge.to));
        let label = if edge.count > 1 {
            format!("{} {}", edge.relation, edge.count)
        } else {
            edge.relation.to_string()
        };
        drawing.edge(from, to, &label);
    }
    drawing
}

/// The graph of what a reading gives.
///
/// ```
/// use factlog::{EventLog, Filter, MemoryStore, NewEvent};
/// use factlog_agents::graph::{NodeKind, graph};
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let log = EventLog::new(MemoryStore::new());
/// log.append(NewEvent::new("task-1", "task:started", ())?.with_source("ada")?.with_tag("file:a.rs")?).await?;
/// let graph = graph(log.read(Filter::all())).await?;
/// assert_eq!(graph.finish().nodes[&NodeKind::File], 1);
/// let path = graph.path(&"task:1".parse()?, &"file:a.rs".parse()?)?;
/// assert_eq!(path.steps.len(), 2, "a task, its agent, the file");
/// # Ok::<(), factlog::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn graph(mut reading: Reading) -> Result<Graph> {
    let mut graph = Graph::default();
    while let Some(event) = reading.next().await {
        graph.add(&*event?);
    }
    Ok(graph)
}

#[cfg(test)]
mod tests;
