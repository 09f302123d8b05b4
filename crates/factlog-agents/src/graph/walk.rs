//! Walks over a graph: what is around a node, and the shortest way from one to another.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};

use factlog::{Error, Position, Result};
use serde::Serialize;

use super::{AROUND_EDGES_MAX, Graph, GraphEdge, Node, NodeFacts, NodeKind, Relation, drawing};
use crate::drawing::Drawing;

/// Names that are offered where one is not known.
const OFFERED_MAX: usize = 3;

/// What is around a node.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Around {
    /// The node in the middle.
    pub node: NodeFacts,
    /// How far was looked.
    pub depth: usize,
    /// The other nodes, each with its distance, the near ones first.
    pub nodes: Vec<NodeAt>,
    /// The edges by which they hang together, the near ones first.
    pub edges: Vec<GraphEdge>,
    /// Edges that were too many to be told.
    pub edges_left_out: u64,
}

/// A node, and how far it is away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeAt {
    /// How many edges away.
    pub distance: usize,
    /// What is known of it.
    #[serde(flatten)]
    pub facts: NodeFacts,
}

/// The shortest way from one node to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphPath {
    /// Where it begins.
    pub from: Node,
    /// Where it ends.
    pub to: Node,
    /// The edges on the way.
    pub steps: Vec<PathStep>,
}

/// One edge on a way, walked along it or against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathStep {
    /// Where the step begins.
    pub from: Node,
    /// What the edge says.
    pub relation: Relation,
    /// Where the step ends.
    pub to: Node,
    /// Whether the edge leads from the end of the step to its beginning.
    pub is_against: bool,
    /// How many events tell it.
    pub count: u64,
    /// The first event that tells it.
    pub first: Position,
    /// The last event that tells it.
    pub last: Position,
}

impl Graph {
    /// What is around a node, so many edges away; where kinds are named, only nodes of these, and the edges at them.
    ///
    /// # Errors
    /// `NotFound` when there is no such node.
    pub fn around(&self, node: &Node, depth: usize, kinds: &[NodeKind]) -> Result<Around> {
        let centre = self.index(node)?;
        let distances = self.distances(centre, depth);
        let is_wanted =
            |index: u32| index != centre && (kinds.is_empty() || kinds.contains(&self.kind(index)));
        let mut edges: BTreeSet<(usize, u32)> = BTreeSet::new();
        for (index, distance) in distances.iter().filter(|(_, distance)| **distance < depth) {
            for edge in &self.edges_of[*index as usize] {
                let other = self.other_end(*edge, *index);
                if is_wanted(*index) || is_wanted(other) {
                    let near = distances.get(&other).map_or(*distance, |far| (*far).min(*distance));
                    edges.insert((near, *edge));
                }
            }
        }
        let mut nodes: Vec<NodeAt> = distances
            .iter()
            .filter(|(index, _)| is_wanted(**index))
            .map(|(index, distance)| NodeAt {
                distance: *distance,
                facts: self.nodes[*index as usize].clone(),
            })
            .collect();
        nodes.sort_by(|a, b| (a.distance, &a.facts.node).cmp(&(b.distance, &b.facts.node)));
        let mut all: Vec<(usize, u32)> = edges.into_iter().collect();
        // Of those as near as each other, what most events tell comes first.
        all.sort_by_key(|(near, edge)| (*near, std::cmp::Reverse(self.edges[*edge as usize].count), *edge));
        let edges_left_out = all.len().saturating_sub(AROUND_EDGES_MAX) as u64;
        all.truncate(AROUND_EDGES_MAX);
        Ok(Around {
            node: self.nodes[centre as usize].clone(),
            depth,
            nodes,
            edges: all.into_iter().map(|(_, edge)| self.edge(edge)).collect(),
            edges_left_out,
        })
    }

    /// The shortest way from one node to another, along edges or against them, but through no tool: everyone uses those.
    ///
    /// # Errors
    /// `NotFound` when there is no such node, or no way.
    pub fn path(&self, from: &Node, to: &Node) -> Result<GraphPath> {
        let (start, end) = (self.index(from)?, self.index(to)?);
        let mut reached_by: HashMap<u32, Option<u32>> = HashMap::from([(start, None)]);
        let mut queue = VecDeque::from([start]);
        while let Some(index) = queue.pop_front().filter(|_| !reached_by.contains_key(&end)) {
            if index != start && self.kind(index) == NodeKind::Tool {
                continue;
            }
            for edge in &self.edges_of[index as usize] {
                let other = self.other_end(*edge, index);
                if let Entry::Vacant(new) = reached_by.entry(other) {
                    new.insert(Some(*edge));
                    queue.push_back(other);
                }
            }
        }
        if !reached_by.contains_key(&end) {
            return Err(Error::not_found(format!("there is no way from {from} to {to}"))
                .with_hint("`factlog graph NODE --depth 2` shows what is around a node"));
        }
        let mut steps = Vec::new();
        let mut at = end;
        while let Some(Some(edge)) = reached_by.get(&at) {
            let before = self.other_end(*edge, at);
            let facts = self.edge(*edge);
            let is_against = self.edges[*edge as usize].from != before;
            let (from, to) = if is_against { (facts.to, facts.from) } else { (facts.from, facts.to) };
            steps.push(PathStep {
                from,
                relation: facts.relation,
                to,
                is_against,
                count: facts.count,
                first: facts.first,
                last: facts.last,
            });
            at = before;
        }
        steps.reverse();
        Ok(GraphPath { from: from.clone(), to: to.clone(), steps })
    }

    fn kind(&self, index: u32) -> NodeKind {
        self.nodes[index as usize].node.kind
    }

    fn index(&self, node: &Node) -> Result<u32> {
        if let Some(index) = self.node_by_name.get(node) {
            return Ok(*index);
        }
        let mut like: Vec<String> = self
            .nodes
            .iter()
            .filter(|facts| facts.node.id == node.id || is_like(&facts.node, node))
            .map(|facts| facts.node.to_string())
            .collect();
        like.sort();
        like.truncate(OFFERED_MAX);
        let error = Error::not_found(format!("no event tells of {node}"));
        Err(if like.is_empty() {
            error.with_hint("`factlog graph` shows which kinds of nodes there are, and the most connected")
        } else {
            error.with_hint(format!("there is {}", like.join(", ")))
        })
    }

    /// How far each node is, up to a depth.
    fn distances(&self, centre: u32, depth: usize) -> HashMap<u32, usize> {
        let mut distances = HashMap::from([(centre, 0)]);
        let mut queue = VecDeque::from([centre]);
        while let Some(index) = queue.pop_front() {
            let distance = distances[&index];
            if distance == depth {
                break;
            }
            for edge in &self.edges_of[index as usize] {
                let other = self.other_end(*edge, index);
                distances.entry(other).or_insert_with(|| {
                    queue.push_back(other);
                    distance + 1
                });
            }
        }
        distances
    }
}

/// Whether one node may be meant by another: of its kind, and named with more or less before or behind.
fn is_like(known: &Node, asked: &Node) -> bool {
    known.kind == asked.kind
        && (known.id.starts_with(&asked.id)
            || known.id.ends_with(&asked.id)
            || (known.id.len() > 2 && asked.id.ends_with(&known.id)))
}

impl Around {
    /// Its picture.
    pub fn drawing(&self) -> Drawing {
        drawing(self.edges.iter().cloned())
    }
}

impl GraphPath {
    /// Its picture, with each edge in its own direction.
    pub fn drawing(&self) -> Drawing {
        drawing(self.steps.iter().cloned().map(|step| {
            let (from, to) = if step.is_against { (step.to, step.from) } else { (step.from, step.to) };
            GraphEdge {
                from,
                relation: step.relation,
                to,
                count: step.count,
                first: step.first,
                last: step.last,
            }
        }))
    }
}
