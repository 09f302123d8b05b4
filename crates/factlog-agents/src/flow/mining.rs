//! The process in cases: one walk over the steps of each.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{
    Bottleneck, Bottlenecks, FLOW_BOTTLENECKS_MAX, FLOW_EDGES_MAX, FLOW_MEDIAN_COUNT_MIN, Flow, FlowActivity,
    FlowEdge, Loop, Repeat, Rework, Variant,
};
use crate::case::{Cases, Step};
use crate::statistics::Durations;

const MILLISECOND_MICROS: i64 = 1_000;

/// What is counted of one edge.
#[derive(Debug, Default)]
struct EdgeCount {
    count: u64,
    cases: u64,
    last_case: Option<usize>,
    total_ms: u64,
    durations: Durations,
    backwards: u64,
}

/// What is counted of an activity that comes again, or of a way there and back.
#[derive(Debug, Default)]
struct AgainCount {
    cases: u64,
    times: u64,
    at_once: u64,
    most: u64,
    last_case: Option<usize>,
}

#[derive(Debug, Default)]
struct Miner {
    activities: Vec<FlowActivity>,
    edges: HashMap<(u32, u32), EdgeCount>,
    variants: HashMap<Vec<u32>, (u64, usize)>,
    repeats: HashMap<u32, AgainCount>,
    loops: HashMap<(u32, u32), AgainCount>,
    durations: Durations,
    edges_left_out: u64,
}

pub(super) fn mine(cases: &Cases, variants_max: usize) -> Flow {
    let activities = cases.activities.iter();
    let activities = activities.map(|name| FlowActivity { name: name.clone(), ..FlowActivity::default() });
    let mut miner = Miner { activities: activities.collect(), ..Miner::default() };
    for (case, steps) in cases.steps.iter().enumerate() {
        miner.take(case, steps);
    }
    miner.finish(cases, variants_max)
}

impl Miner {
    fn take(&mut self, case: usize, steps: &[Step]) {
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return };
        self.activities[first.activity as usize].starts += 1;
        self.activities[last.activity as usize].ends += 1;
        let earliest = steps.iter().map(|step| step.at).min().unwrap_or(first.at);
        let latest = steps.iter().map(|step| step.at).max().unwrap_or(last.at);
        self.durations.add(((latest - earliest) / MILLISECOND_MICROS) as u64);
        for pair in steps.windows(2) {
            self.take_edge(case, pair[0], pair[1]);
        }
        for three in steps.windows(3) {
            let [a, b, c] = [three[0].activity, three[1].activity, three[2].activity];
            if a == c && a != b {
                // There are no more of these than edges, which are bounded.
                if self.edges.contains_key(&(a, b)) {
                    let count = self.loops.entry((a, b)).or_default();
                    count.times += 1;
                    count.cases += u64::from(count.last_case.replace(case) != Some(case));
                }
            }
        }
        self.take_repeats(steps);
        let way: Vec<u32> = steps.iter().map(|step| step.activity).collect();
        self.variants.entry(way).or_insert((0, case)).0 += 1;
    }

    fn take_edge(&mut self, case: usize, from: Step, to: Step) {
        let room = self.edges.len() < FLOW_EDGES_MAX;
        let edge = match self.edges.entry((from.activity, to.activity)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) if room => new.insert(EdgeCount::default()),
            Entry::Vacant(_) => {
                self.edges_left_out += 1;
                return;
            }
        };
        edge.count += 1;
        edge.cases += u64::from(edge.last_case.replace(case) != Some(case));
        if to.at < from.at {
            edge.backwards += 1;
            return;
        }
        let duration_ms = ((to.at - from.at) / MILLISECOND_MICROS) as u64;
        edge.total_ms = edge.total_ms.saturating_add(duration_ms);
        edge.durations.add(duration_ms);
    }

    fn take_repeats(&mut self, steps: &[Step]) {
        let mut times: HashMap<u32, u64> = HashMap::new();
        for step in steps {
            *times.entry(step.activity).or_default() += 1;
        }
        for (activity, times) in times {
            let known = &mut self.activities[activity as usize];
            known.events += times;
            known.cases += 1;
            if times > 1 {
                let count = self.repeats.entry(activity).or_default();
                count.cases += 1;
                count.times += times - 1;
                count.most = count.most.max(times);
            }
        }
        for pair in steps.windows(2).filter(|pair| pair[0].activity == pair[1].activity) {
            self.repeats.entry(pair[0].activity).or_default().at_once += 1;
        }
    }

    fn finish(mut self, cases: &Cases, variants_max: usize) -> Flow {
        let total = cases.steps.len() as u64;
        let edges = edges(std::mem::take(&mut self.edges), cases);
        let variants_total = self.variants.len() as u64;
        let variants = variants(std::mem::take(&mut self.variants), cases, variants_max);
        let rework = self.rework(cases);
        let mut activities = self.activities;
        activities.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.name.cmp(&b.name)));
        let mut left_out = cases.left_out;
        left_out.combinations = self.edges_left_out;
        let shown: u64 = variants.iter().map(|variant| variant.cases).sum();
        Flow {
            by: cases.options.by.clone(),
            by_time: cases.options.by_time,
            events: cases.events,
            events_without_case: cases.without_case,
            cases: total,
            case_durations: self.durations.statistics(),
            activities,
            variants_total,
            variants,
            variants_share: share(shown, total),
            bottlenecks: bottlenecks(&edges),
            edges,
            rework,
            left_out,
        }
    }

    fn rework(&mut self, cases: &Cases) -> Rework {
        let repeats = std::mem::take(&mut self.repeats).into_iter().map(|(activity, count)| Repeat {
            activity: cases.name(activity),
            cases: count.cases,
            again: count.times,
            at_once: count.at_once,
            most: count.most,
        });
        let loops = std::mem::take(&mut self.loops).into_iter().map(|((activity, through), count)| Loop {
            activity: cases.name(activity),
            through: cases.name(through),
            cases: count.cases,
            times: count.times,
        });
        let mut rework = Rework { repeats: repeats.collect(), loops: loops.collect() };
        rework.repeats.sort_by(|a, b| b.again.cmp(&a.again).then_with(|| a.activity.cmp(&b.activity)));
        rework.loops.sort_by(|a, b| {
            b.times.cmp(&a.times).then_with(|| (&a.activity, &a.through).cmp(&(&b.activity, &b.through)))
        });
        rework
    }
}

fn edges(counts: HashMap<(u32, u32), EdgeCount>, cases: &Cases) -> Vec<FlowEdge> {
    let edges = counts.into_iter().map(|((from, to), count)| FlowEdge {
        from: cases.name(from),
        to: cases.name(to),
        count: count.count,
        cases: count.cases,
        total_ms: count.total_ms,
        time: count.durations.statistics(),
        backwards: count.backwards,
    });
    let mut edges: Vec<FlowEdge> = edges.collect();
    edges.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| (&a.from, &a.to).cmp(&(&b.from, &b.to))));
    edges
}

fn variants(counts: HashMap<Vec<u32>, (u64, usize)>, cases: &Cases, max: usize) -> Vec<Variant> {
    let total = cases.steps.len() as u64;
    let mut ways: Vec<(Vec<u32>, u64, usize)> =
        counts.into_iter().map(|(way, (count, example))| (way, count, example)).collect();
    // Of equal ones the case that began first.
    ways.sort_by(|a, b| b.1.cmp(&a.1).then(a.2.cmp(&b.2)));
    ways.truncate(max);
    ways.into_iter()
        .map(|(way, count, example)| Variant {
            activities: cases.names_of(&way),
            cases: count,
            share: share(count, total),
            example: cases.names[example].clone(),
        })
        .collect()
}

fn bottlenecks(edges: &[FlowEdge]) -> Bottlenecks {
    let all_ms: u64 = edges.iter().fold(0, |sum, edge| sum.saturating_add(edge.total_ms));
    let all: Vec<Bottleneck> = edges
        .iter()
        .filter_map(|edge| {
            Some(Bottleneck {
                from: edge.from.clone(),
                to: edge.to.clone(),
                count: edge.count,
                total_ms: edge.total_ms,
                total_share: share(edge.total_ms, all_ms),
                p50_ms: edge.time.p50_ms?,
            })
        })
        .filter(|bottleneck| bottleneck.total_ms > 0)
        .collect();
    let top = |mut edges: Vec<Bottleneck>, of: fn(&Bottleneck) -> u64| {
        // Equal ones stay in the order of how common they are.
        edges.sort_by_key(|bottleneck| std::cmp::Reverse(of(bottleneck)));
        edges.truncate(FLOW_BOTTLENECKS_MAX);
        edges
    };
    let often = all.iter().filter(|edge| edge.count >= FLOW_MEDIAN_COUNT_MIN && edge.p50_ms > 0).cloned();
    Bottlenecks {
        by_median: top(often.collect(), |edge| edge.p50_ms),
        by_total: top(all, |edge| edge.total_ms),
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
