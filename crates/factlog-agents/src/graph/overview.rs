//! A graph in numbers: how much of each kind there is, and what is most connected.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::{GRAPH_HUBS_MAX, Graph, GraphLeftOut, Node, NodeKind, Relation};

/// A graph in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphOverview {
    /// Events that were read.
    pub events: u64,
    /// Those of them that tell of a node.
    pub events_told: u64,
    /// How many nodes of each kind.
    pub nodes: BTreeMap<NodeKind, u64>,
    /// How many edges of each kind: who, does what, with what.
    pub edges: Vec<EdgeKind>,
    /// The nodes with the most other nodes beside them.
    pub hubs: Vec<Hub>,
    /// What would have been too much.
    pub left_out: GraphLeftOut,
}

/// A kind of edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EdgeKind {
    /// From which kind of node.
    pub from: NodeKind,
    /// Does what.
    pub relation: Relation,
    /// To which kind of node.
    pub to: NodeKind,
    /// How many edges.
    pub edges: u64,
    /// How many events tell of them.
    pub count: u64,
}

/// A node, and how much is beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hub {
    /// Which.
    pub node: Node,
    /// How many other nodes are beside it.
    pub neighbours: u64,
    /// Events that name it.
    pub events: u64,
}

impl Graph {
    /// What there is, in numbers.
    pub fn finish(&self) -> GraphOverview {
        let mut nodes: BTreeMap<NodeKind, u64> = BTreeMap::new();
        for facts in &self.nodes {
            *nodes.entry(facts.node.kind).or_default() += 1;
        }
        let kind = |index: u32| self.nodes[index as usize].node.kind;
        let mut kinds: BTreeMap<(NodeKind, Relation, NodeKind), (u64, u64)> = BTreeMap::new();
        for edge in &self.edges {
            let (edges, count) = kinds.entry((kind(edge.from), edge.relation, kind(edge.to))).or_default();
            *edges += 1;
            *count += edge.count;
        }
        let mut edges: Vec<EdgeKind> = kinds
            .into_iter()
            .map(|((from, relation, to), (edges, count))| EdgeKind { from, relation, to, edges, count })
            .collect();
        edges.sort_by_key(|kind| Reverse(kind.count));
        GraphOverview {
            events: self.events,
            events_told: self.events_told,
            nodes,
            edges,
            hubs: self.hubs(),
            left_out: self.left_out,
        }
    }

    fn hubs(&self) -> Vec<Hub> {
        let neighbours = |index: usize| {
            let others = self.edges_of[index].iter().map(|edge| self.other_end(*edge, index as u32));
            others.filter(|other| *other != index as u32).collect::<HashSet<_>>().len() as u64
        };
        let mut hubs: Vec<(u64, usize)> = (0..self.nodes.len())
            .map(|index| (neighbours(index), index))
            .filter(|(count, _)| *count > 0)
            .collect();
        hubs.sort_by(|(a, a_index), (b, b_index)| {
            b.cmp(a).then_with(|| self.nodes[*a_index].node.cmp(&self.nodes[*b_index].node))
        });
        hubs.truncate(GRAPH_HUBS_MAX);
        hubs.into_iter()
            .map(|(neighbours, index)| {
                let facts = &self.nodes[index];
                Hub { node: facts.node.clone(), neighbours, events: facts.events }
            })
            .collect()
    }
}
