//! The tree of causes: cut where it goes round in circles, measured, with what all waited for.

use std::cmp::Reverse;
use std::collections::HashMap;

use factlog::{EventId, Position, Timestamp};

use super::{Held, Root, TRACE_GAPS_MAX, Trace, TraceGap, TraceNode, otlp, pairs};

const MILLISECOND_MICROS: i64 = 1_000;

pub(super) fn trace(mut held: Vec<Held>, asked: Option<Position>, left_out: u64) -> Trace {
    pairs::pair(&mut held);
    let by_id: HashMap<EventId, usize> =
        held.iter().enumerate().map(|(index, held)| (held.node.id, index)).collect();
    let mut parents: Vec<Option<usize>> =
        held.iter().map(|held| held.cause.and_then(|cause| by_id.get(&cause).copied())).collect();
    for (held, parent) in held.iter_mut().zip(&parents) {
        held.node.root = match (held.cause, parent) {
            (_, Some(_)) => None,
            (None, None) => Some(Root::NoCause),
            (Some(cause), None) => {
                held.node.missing_cause = Some(cause);
                Some(Root::CauseNotHere)
            }
        };
    }
    for cut in cut_circles(&mut parents) {
        held[cut].node.root = Some(Root::Circle);
    }
    let mut nodes: Vec<TraceNode> = held.into_iter().map(|held| held.node).collect();
    let order = measure(&mut nodes, &parents);
    let critical_path = mark_critical(&mut nodes, &parents, &order);
    let gaps = gaps(&nodes, &parents);
    let began = nodes.iter().map(|node| node.began).min();
    let ended = nodes.iter().map(|node| node.ended.max(node.at.as_micros())).max();
    let time = |micros: Option<i64>| micros.and_then(|micros| Timestamp::from_micros(micros).ok());
    let correlation = nodes.iter().find_map(|node| node.correlation.as_ref()).map(ToString::to_string);
    let trace_id = otlp::trace_id(&nodes, correlation.as_deref());
    let mut places: Vec<Option<TraceNode>> = nodes.into_iter().map(Some).collect();
    Trace {
        correlation,
        trace_id,
        asked,
        started_at: time(began),
        ended_at: time(ended),
        duration_ms: milliseconds(began.unwrap_or(0), ended.unwrap_or(0)),
        nodes: order.into_iter().filter_map(|index| places[index].take()).collect(),
        critical_path,
        gaps,
        left_out,
    }
}

fn milliseconds(from: i64, to: i64) -> u64 {
    (to.saturating_sub(from) / MILLISECOND_MICROS).max(0) as u64
}

/// Takes one parent out of each circle, that of its first event in the log; which these are.
pub(super) fn cut_circles(parents: &mut [Option<usize>]) -> Vec<usize> {
    const UNSEEN: usize = usize::MAX;
    let mut seen_in = vec![UNSEEN; parents.len()];
    let mut cuts = Vec::new();
    for start in 0..parents.len() {
        let mut at = Some(start);
        while let Some(index) = at.filter(|index| seen_in[*index] == UNSEEN) {
            seen_in[index] = start;
            at = parents[index];
        }
        // A walk that comes back to where it was itself has gone round.
        if let Some(met) = at.filter(|index| seen_in[*index] == start) {
            let (mut first, mut index) = (met, parents[met]);
            while let Some(next) = index.filter(|next| *next != met) {
                first = first.min(next);
                index = parents[next];
            }
            parents[first] = None;
            cuts.push(first);
        }
    }
    cuts
}

/// Depths, waits and how long each lasts; the order in which they are told.
fn measure(nodes: &mut [TraceNode], parents: &[Option<usize>]) -> Vec<usize> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut stack = Vec::new();
    for (index, parent) in parents.iter().enumerate() {
        match parent {
            Some(parent) => children[*parent].push(index),
            None => stack.push(index),
        }
    }
    // The last on the stack is told first.
    stack.reverse();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(index) = stack.pop() {
        order.push(index);
        stack.extend(children[index].iter().rev());
        if let Some(parent) = parents[index] {
            nodes[index].parent = Some(nodes[parent].position);
            nodes[index].depth = nodes[parent].depth + 1;
            let wait = nodes[index].at.as_micros() - nodes[parent].at.as_micros();
            nodes[index].wait_ms = u64::try_from(wait).ok().map(|micros| micros / MILLISECOND_MICROS as u64);
        }
    }
    let ends = subtree_ends(nodes, parents, &order);
    for (node, end) in nodes.iter_mut().zip(ends) {
        node.lasts_ms = milliseconds(node.began, end);
    }
    order
}

/// When the last ended that each led to.
fn subtree_ends(nodes: &[TraceNode], parents: &[Option<usize>], order: &[usize]) -> Vec<i64> {
    let mut ends: Vec<i64> = nodes.iter().map(|node| node.ended).collect();
    for index in order.iter().rev() {
        if let Some(parent) = parents[*index] {
            ends[parent] = ends[parent].max(ends[*index]);
        }
    }
    ends
}

/// From what ended last under the beginning that led on longest, cause by cause, up to that beginning; told from there.
fn mark_critical(nodes: &mut [TraceNode], parents: &[Option<usize>], order: &[usize]) -> Vec<Position> {
    let mut roots: Vec<usize> = (0..nodes.len()).collect();
    for index in order {
        // A cause stands before its effects in this order.
        if let Some(parent) = parents[*index] {
            roots[*index] = roots[parent];
        }
    }
    let beginnings = order.iter().copied().filter(|index| parents[*index].is_none());
    let longest = beginnings.max_by_key(|index| (nodes[*index].lasts_ms, Reverse(nodes[*index].position)));
    // Of what ended at the same time the last in the log: an end stands after its beginning.
    let under = (0..nodes.len()).filter(|index| Some(roots[*index]) == longest);
    let last = under.max_by_key(|index| (nodes[*index].ended, nodes[*index].position));
    let mut path = Vec::new();
    let mut at = last;
    while let Some(index) = at {
        nodes[index].is_critical = true;
        path.push(nodes[index].position);
        at = parents[index];
    }
    path.reverse();
    path
}

/// The longest waits; the time between a beginning and its own end is none.
fn gaps(nodes: &[TraceNode], parents: &[Option<usize>]) -> Vec<TraceGap> {
    let mut gaps: Vec<TraceGap> = nodes
        .iter()
        .zip(parents)
        .filter_map(|(node, parent)| {
            let cause = &nodes[(*parent)?];
            let wait_ms = node.wait_ms.filter(|wait| *wait > 0 && node.ends != Some(cause.position))?;
            let is_critical = node.is_critical && cause.is_critical;
            Some(TraceGap { from: cause.position, to: node.position, wait_ms, is_critical })
        })
        .collect();
    gaps.sort_by_key(|gap| (Reverse(gap.wait_ms), gap.to));
    gaps.truncate(TRACE_GAPS_MAX);
    gaps
}
