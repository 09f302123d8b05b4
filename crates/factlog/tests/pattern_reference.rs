//! The matcher beside a reference that tries every way: on random logs both find the same, for random patterns.
//!
//! `PROPTEST_CASES` makes it longer; a failure prints the pattern and the log.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use factlog::{Event, Match, Matcher, Order, Pattern, Timestamp};
use proptest::prelude::*;
use serde_json::json;

/// A pattern as the test thinks of it.
#[derive(Debug, Clone)]
enum Node {
    Step(Step),
    Sequence(Box<Node>, Vec<(bool, Node)>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Times(Box<Node>, usize),
}

#[derive(Debug, Clone)]
struct Step {
    event_type: usize,
    name: Option<usize>,
    condition: Condition,
}

#[derive(Debug, Clone, PartialEq)]
enum Condition {
    None,
    Is(i64),
    /// As much as the step of this name.
    As(usize),
}

const TYPES: [&str; 4] = ["a", "b", "c", "x:y"];

impl Node {
    fn text(&self) -> String {
        match self {
            Self::Step(step) => {
                let name = step.name.map(|name| format!("n{name}: ")).unwrap_or_default();
                let condition = match &step.condition {
                    Condition::None => String::new(),
                    Condition::Is(number) => format!("[data.n == {number}]"),
                    Condition::As(name) => format!("[data.n == n{name}.data.n]"),
                };
                format!("{name}{}{condition}", TYPES[step.event_type])
            }
            Self::Sequence(first, more) => {
                let more = more.iter().map(|(not, node)| {
                    format!(" {}followed by ({})", if *not { "not " } else { "" }, node.text())
                });
                format!("({}){}", first.text(), more.collect::<String>())
            }
            Self::And(all) => joined(all, " and "),
            Self::Or(all) => joined(all, " or "),
            Self::Times(node, count) => format!("({}) {count} times", node.text()),
        }
    }

    /// Gives its steps names in their order, and lets conditions speak of any of them.
    fn number(&mut self, next: &mut usize, may_name: bool) {
        match self {
            Self::Step(step) => {
                if step.name.is_some() && may_name {
                    step.name = Some(*next);
                    *next += 1;
                } else {
                    step.name = None;
                }
            }
            Self::Sequence(first, more) => {
                first.number(next, may_name);
                more.iter_mut().for_each(|(not, node)| node.number(next, may_name && !*not));
            }
            Self::And(all) | Self::Or(all) => all.iter_mut().for_each(|node| node.number(next, may_name)),
            Self::Times(node, _) => node.number(next, may_name),
        }
    }

    fn resolve(&mut self, names: usize) {
        match self {
            Self::Step(step) => match step.condition {
                Condition::As(_) if names == 0 => step.condition = Condition::None,
                Condition::As(name) => step.condition = Condition::As(name % names),
                _ => {}
            },
            Self::Sequence(first, more) => {
                first.resolve(names);
                more.iter_mut().for_each(|(_, node)| node.resolve(names));
            }
            Self::And(all) | Self::Or(all) => all.iter_mut().for_each(|node| node.resolve(names)),
            Self::Times(node, _) => node.resolve(names),
        }
    }

    fn types(&self, types: &mut Vec<usize>) {
        match self {
            Self::Step(step) => types.push(step.event_type),
            Self::Sequence(first, more) => {
                first.types(types);
                more.iter().for_each(|(_, node)| node.types(types));
            }
            Self::And(all) | Self::Or(all) => all.iter().for_each(|node| node.types(types)),
            Self::Times(node, _) => node.types(types),
        }
    }
}

fn joined(all: &[Node], between: &str) -> String {
    all.iter().map(|node| format!("({})", node.text())).collect::<Vec<_>>().join(between)
}

/// One way to read the pattern in the events: which event each step is, and what must not be where.
#[derive(Debug, Clone, Default)]
struct Way {
    events: Vec<usize>,
    names: BTreeMap<usize, usize>,
    conditions: Vec<(usize, Condition)>,
    /// Between these two events there must be none of these; at the end there is no second.
    without: Vec<(usize, Option<usize>, Vec<Step>)>,
    /// What must not come behind it.
    after: Vec<Step>,
}

impl Way {
    fn first(&self) -> usize {
        *self.events.first().unwrap()
    }

    fn last(&self) -> usize {
        *self.events.last().unwrap()
    }
}

/// Every way in which a pattern can be read in events, by trying all.
fn ways(node: &Node, events: &[Arc<Event>], from: usize) -> Vec<Way> {
    match node {
        Node::Step(step) => (from..events.len())
            .filter(|at| *events[*at].event_type == *TYPES[step.event_type])
            .map(|at| Way {
                events: vec![at],
                names: step.name.map(|name| (name, at)).into_iter().collect(),
                conditions: vec![(at, step.condition.clone())],
                ..Way::default()
            })
            .collect(),
        Node::Sequence(first, more) => {
            let mut so_far = ways(first, events, from);
            for (not, node) in more {
                if *not {
                    so_far.iter_mut().for_each(|way| way.after.extend(steps(node)));
                    continue;
                }
                so_far =
                    so_far.iter().flat_map(|way| behind(way, &ways(node, events, way.last() + 1))).collect();
            }
            so_far
        }
        Node::Or(all) => all.iter().flat_map(|node| ways(node, events, from)).collect(),
        Node::And(all) => {
            let mut so_far = ways(&all[0], events, from);
            for node in &all[1..] {
                let others = ways(node, events, from);
                so_far = so_far.iter().flat_map(|way| both(way, &others)).collect();
            }
            so_far
        }
        Node::Times(node, count) => {
            let mut so_far = ways(node, events, from);
            for _ in 1..*count {
                so_far = so_far
                    .iter()
                    .flat_map(|way| {
                        let mut again = ways(node, events, way.last() + 1);
                        again.iter_mut().for_each(|way| way.names.clear());
                        behind(way, &again)
                    })
                    .collect();
            }
            so_far
        }
    }
}

fn steps(node: &Node) -> Vec<Step> {
    match node {
        Node::Step(step) => vec![step.clone()],
        Node::Or(all) => all.iter().flat_map(steps).collect(),
        _ => unreachable!("what does not follow is an event or one of several"),
    }
}

fn behind(way: &Way, others: &[Way]) -> Vec<Way> {
    others
        .iter()
        .filter(|other| other.first() > way.last())
        .map(|other| {
            let mut joined = way.clone();
            joined.without.push((way.last(), Some(other.first()), std::mem::take(&mut joined.after)));
            joined.events.extend(&other.events);
            joined.names.extend(&other.names);
            joined.conditions.extend(other.conditions.clone());
            joined.without.extend(other.without.clone());
            joined.after.clone_from(&other.after);
            joined
        })
        .collect()
}

fn both(way: &Way, others: &[Way]) -> Vec<Way> {
    others
        .iter()
        .filter(|other| other.events.iter().all(|at| !way.events.contains(at)))
        .map(|other| {
            let mut joined = way.clone();
            joined.events.extend(&other.events);
            joined.events.sort_unstable();
            joined.names.extend(&other.names);
            joined.conditions.extend(other.conditions.clone());
            joined.without.extend(other.without.clone());
            joined
        })
        .collect()
}

fn number(event: &Event) -> i64 {
    event.data.to::<serde_json::Value>().unwrap()["n"].as_i64().unwrap()
}

fn fits(condition: &Condition, event: &Event, way: &Way, events: &[Arc<Event>]) -> bool {
    match condition {
        Condition::None => true,
        Condition::Is(wanted) => number(event) == *wanted,
        Condition::As(name) => way.names.get(name).is_some_and(|at| number(&events[*at]) == number(event)),
    }
}

/// What the reference finds among the events of one key: for each first event, the positions, and whether nothing came.
fn reference(
    node: &Node,
    events: &[Arc<Event>],
    within: Option<Duration>,
    has_absence: bool,
) -> Vec<Vec<u64>> {
    let mut types = Vec::new();
    node.types(&mut types);
    let events: Vec<Arc<Event>> = events
        .iter()
        .filter(|event| types.iter().any(|at| *TYPES[*at] == *event.event_type))
        .cloned()
        .collect();
    let all = ways(node, &events, 0);
    let mut found = Vec::new();
    for first in 0..events.len() {
        let micros = within.map(|within| within.as_micros() as i64);
        let since = |time: Timestamp, start: Timestamp| time.as_micros() - start.as_micros();
        let is_over = |event: &Event| {
            micros.is_some_and(|micros| {
                since(event.time(), events[first].time()) > micros
                    || (has_absence && since(event.recorded_at, events[first].recorded_at) > micros)
            })
        };
        let end = (first + 1..events.len()).find(|at| is_over(&events[*at])).unwrap_or(events.len());
        let in_reach = |at: usize| {
            micros.is_none_or(|micros| since(events[at].time(), events[first].time()).abs() <= micros)
        };
        let is_free = |way: &Way, from: usize, to: usize, not: &[Step]| {
            (from + 1..to).filter(|at| in_reach(*at)).all(|at| {
                let is_hit = |step: &Step| {
                    *events[at].event_type == *TYPES[step.event_type]
                        && fits(&step.condition, &events[at], way, &events)
                };
                !not.iter().any(is_hit)
            })
        };
        let valid = all.iter().filter(|way| {
            way.first() == first
                && way.events.iter().all(|at| *at < end && in_reach(*at))
                && way.conditions.iter().all(|(at, condition)| fits(condition, &events[*at], way, &events))
                && way.without.iter().all(|(from, to, not)| is_free(way, *from, to.unwrap_or(end), not))
                && is_free(way, way.last(), if way.after.is_empty() { way.last() } else { end }, &way.after)
        });
        // What is complete when an event comes is told before what is complete because nothing comes.
        let best = valid
            .min_by_key(|way| (!way.after.is_empty(), way.events.iter().rev().copied().collect::<Vec<_>>()));
        found.extend(best.map(|way| way.events.iter().map(|at| events[*at].position.0).collect()));
    }
    found
}

fn step() -> impl Strategy<Value = Step> {
    let condition = prop_oneof![
        5 => Just(Condition::None),
        1 => (0..3_i64).prop_map(Condition::Is),
        2 => (0..4_usize).prop_map(Condition::As),
    ];
    (0..TYPES.len(), any::<bool>(), condition).prop_map(|(event_type, is_named, condition)| Step {
        event_type,
        name: is_named.then_some(0),
        condition,
    })
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = step().prop_map(Node::Step);
    let tree = leaf.prop_recursive(2, 6, 3, |inner| {
        let not = prop::collection::vec(step().prop_map(Node::Step), 1..3)
            .prop_map(|mut all| if all.len() == 1 { all.remove(0) } else { Node::Or(all) });
        let link = prop_oneof![2 => inner.clone().prop_map(|node| (false, node)), 1 => not.prop_map(|node| (true, node))];
        prop_oneof![
            4 => (inner.clone(), prop::collection::vec(link, 1..4))
                .prop_map(|(first, more)| Node::Sequence(Box::new(first), more)),
            1 => prop::collection::vec(inner.clone(), 2..3).prop_map(Node::And),
            1 => prop::collection::vec(inner.clone(), 2..3).prop_map(Node::Or),
            1 => (inner, 1..4_usize).prop_map(|(node, count)| Node::Times(Box::new(node), count)),
        ]
    });
    tree.prop_map(|mut node| {
        let mut names = 0;
        node.number(&mut names, true);
        node.resolve(names);
        node
    })
}

fn log() -> impl Strategy<Value = Vec<Arc<Event>>> {
    let one = (0..TYPES.len(), 0..3_i64, 0..3_usize, 0..12_i64, -15..15_i64);
    prop::collection::vec(one, 0..14).prop_map(|all| {
        let mut seconds = 1_800_000_000_i64;
        let events = all.into_iter().enumerate().map(|(at, (event_type, n, source, step, off))| {
            seconds += step;
            let time = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000).unwrap();
            let mut line = json!({"position": at + 1, "id": factlog::EventId::generate(), "stream": "s",
                "version": at + 1, "type": TYPES[event_type], "recordedAt": time(seconds),
                "occurredAt": time(seconds + off), "data": {"n": n}});
            if source < 2 {
                line["source"] = json!(format!("agent-{source}"));
            }
            Arc::new(serde_json::from_value(line).unwrap())
        });
        events.collect()
    })
}

fn sorted(mut found: Vec<Vec<u64>>) -> Vec<Vec<u64>> {
    found.sort();
    found
}

fn positions(found: &[Match]) -> Vec<Vec<u64>> {
    found.iter().map(|found| found.positions().map(|position| position.0).collect()).collect()
}

fn far() -> Timestamp {
    "2100-01-01T00:00:00Z".parse().unwrap()
}

/// The keys of a log, each with its events.
fn by_key(events: &[Arc<Event>], is_tied: bool) -> Vec<Vec<Arc<Event>>> {
    if !is_tied {
        return vec![events.to_vec()];
    }
    let mut keys: BTreeMap<String, Vec<Arc<Event>>> = BTreeMap::new();
    for event in events {
        if let Some(source) = &event.source {
            keys.entry(source.to_string()).or_default().push(Arc::clone(event));
        }
    }
    keys.into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn the_matcher_finds_what_trying_every_way_finds(
        node in node(), events in log(), within in prop::option::of(1..40_u64), is_tied in any::<bool>(), by_time in any::<bool>()
    ) {
        let mut text = node.text();
        if let Some(within) = within {
            text = format!("{text} within {within}s");
        }
        if is_tied {
            text = format!("{text} by source");
        }
        // What cannot be asked is refused, and says why.
        let Ok(pattern) = text.parse::<Pattern>() else { return Ok(()) };
        let mut events = events;
        let order = if by_time { Order::Time } else { Order::Position };
        if by_time {
            events.sort_by_key(|event| (event.time(), event.position));
        }
        let mut matcher = Matcher::new(&pattern, order);
        let mut found: Vec<Match> = events.iter().flat_map(|event| matcher.push(event)).collect();
        found.extend(matcher.finish(far()));
        let within = within.map(Duration::from_secs);
        let clock = pattern.ends_with_absence() && !by_time;
        let expected: Vec<Vec<u64>> = by_key(&events, is_tied)
            .iter()
            .flat_map(|events| reference(&node, events, within, clock))
            .collect();
        prop_assert_eq!(sorted(positions(&found)), sorted(expected), "{}", text);
        prop_assert_eq!(matcher.counts().open, 0);
    }

    #[test]
    fn whoever_goes_on_from_the_oldest_open_beginning_finds_the_same(
        node in node(), events in log(), within in 1..40_u64, cut in 0..14_usize
    ) {
        let text = format!("{} within {within}s by source", node.text());
        let Ok(pattern) = text.parse::<Pattern>() else { return Ok(()) };
        let cut = cut.min(events.len());
        let mut matcher = Matcher::new(&pattern, Order::Position);
        for event in &events[..cut] {
            matcher.push(event);
        }
        let oldest = matcher.oldest();
        let mut later: Vec<Match> = events[cut..].iter().flat_map(|event| matcher.push(event)).collect();
        later.extend(matcher.finish(far()));
        let mut again = Matcher::new(&pattern, Order::Position);
        let from = oldest.map_or(cut, |oldest| oldest.0 as usize - 1);
        for event in &events[from..cut] {
            again.push(event);
        }
        let mut found: Vec<Match> = events[cut..].iter().flat_map(|event| again.push(event)).collect();
        found.extend(again.finish(far()));
        prop_assert_eq!(sorted(positions(&found)), sorted(positions(&later)), "{}", text);
    }
}
