//! Sequences that many cases have: directly after each other, and with others between them.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::{FrequentOptions, GAPPED_ACTIVITIES_MAX, SEQUENCE_ACTIVITIES_MAX, SEQUENCES_MAX, Sequence};
use crate::case::{Cases, Step};

/// Stands where a sequence has no more activities.
const NONE: u32 = u32::MAX;

type Key = [u32; SEQUENCE_ACTIVITIES_MAX];

#[derive(Debug, Default)]
struct Counted {
    cases: u64,
    times: u64,
    last_case: Option<usize>,
}

/// The sequences directly after each other, those with others between them, and how many were too many to count.
pub(super) fn find(cases: &Cases, options: &FrequentOptions) -> (Vec<Sequence>, Vec<Sequence>, u64) {
    let (counts, left_out) = count(cases);
    let gapped = gapped(cases, options, &counts);
    let total = cases.steps.len() as u64;
    let parts = parts_of_equals(&counts);
    let mut frequent: Vec<(Key, &Counted)> = counts
        .iter()
        .filter(|(key, counted)| counted.cases >= options.support_min && !parts.contains(*key))
        .map(|(key, counted)| (*key, counted))
        .collect();
    frequent.sort_by(|(a, a_count), (b, b_count)| {
        (b_count.cases, length(b), b_count.times)
            .cmp(&(a_count.cases, length(a), a_count.times))
            .then(a.cmp(b))
    });
    frequent.truncate(options.sequences_max);
    let sequences = frequent.into_iter().map(|(key, counted)| Sequence {
        activities: cases.names_of(&key[..length(&key)]),
        cases: counted.cases,
        share: counted.cases as f64 / total as f64,
        times: Some(counted.times),
    });
    (sequences.collect(), gapped, left_out)
}

fn key(activities: impl Iterator<Item = u32>) -> Key {
    let mut key = [NONE; SEQUENCE_ACTIVITIES_MAX];
    key.iter_mut().zip(activities).for_each(|(place, activity)| *place = activity);
    key
}

fn length(key: &Key) -> usize {
    key.iter().take_while(|activity| **activity != NONE).count()
}

fn count(cases: &Cases) -> (HashMap<Key, Counted>, u64) {
    let mut counts: HashMap<Key, Counted> = HashMap::new();
    let mut left_out = 0;
    for (case, steps) in cases.steps.iter().enumerate() {
        for length in 2..=SEQUENCE_ACTIVITIES_MAX {
            for window in steps.windows(length) {
                let room = counts.len() < SEQUENCES_MAX;
                let counted = match counts.entry(key(window.iter().map(|step| step.activity))) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) if room => new.insert(Counted::default()),
                    Entry::Vacant(_) => {
                        left_out += 1;
                        continue;
                    }
                };
                counted.times += 1;
                counted.cases += u64::from(counted.last_case.replace(case) != Some(case));
            }
        }
    }
    (counts, left_out)
}

/// The sequences that a longer one tells as well: it is in as many cases, as often.
fn parts_of_equals(counts: &HashMap<Key, Counted>) -> HashSet<Key> {
    let mut parts = HashSet::new();
    for (longer, counted) in counts {
        let activities = &longer[..length(longer)];
        for part in [&activities[1..], &activities[..activities.len() - 1]] {
            let part = key(part.iter().copied());
            let is_equal = |other: &Counted| (other.cases, other.times) == (counted.cases, counted.times);
            if counts.get(&part).is_some_and(is_equal) {
                parts.insert(part);
            }
        }
    }
    parts
}

/// Where the commonest activities stand in a case, each with its places in order.
fn places(steps: &[Step], common: &HashSet<u32>) -> BTreeMap<u32, Vec<usize>> {
    let mut places: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (place, step) in steps.iter().enumerate().filter(|(_, step)| common.contains(&step.activity)) {
        places.entry(step.activity).or_default().push(place);
    }
    places
}

fn gapped(cases: &Cases, options: &FrequentOptions, direct: &HashMap<Key, Counted>) -> Vec<Sequence> {
    let mut in_cases: HashMap<u32, u64> = HashMap::new();
    for steps in &cases.steps {
        let of_case: HashSet<u32> = steps.iter().map(|step| step.activity).collect();
        of_case.into_iter().for_each(|activity| *in_cases.entry(activity).or_default() += 1);
    }
    let mut common: Vec<(u32, u64)> = in_cases.into_iter().collect();
    common.sort_by_key(|(activity, cases)| (std::cmp::Reverse(*cases), *activity));
    let common: HashSet<u32> =
        common.into_iter().take(GAPPED_ACTIVITIES_MAX).map(|(activity, _)| activity).collect();
    let mut counts: HashMap<Key, u64> = HashMap::new();
    for steps in &cases.steps {
        let places = places(steps, &common);
        for (a, of_a) in &places {
            for (c, of_c) in &places {
                // An activity is in the places only where it has one.
                let (first, last) = (of_a[0], of_c[of_c.len() - 1]);
                if first >= last {
                    continue;
                }
                *counts.entry(key([*a, *c].into_iter())).or_default() += 1;
                for (b, of_b) in &places {
                    let between = of_b.partition_point(|place| *place <= first);
                    if of_b.get(between).is_some_and(|place| *place < last) {
                        *counts.entry(key([*a, *b, *c].into_iter())).or_default() += 1;
                    }
                }
            }
        }
    }
    let total = cases.steps.len() as u64;
    let is_news = |key: &Key, cases: u64| direct.get(key).is_none_or(|counted| counted.cases < cases);
    let mut found: Vec<(Key, u64)> = counts
        .into_iter()
        .filter(|(key, cases)| *cases >= options.support_min && is_news(key, *cases))
        .collect();
    // What a triple tells as well is not told again.
    let told: HashSet<(Key, u64)> = found
        .iter()
        .filter(|(key, _)| length(key) == 3)
        .flat_map(|(three, cases)| {
            let [a, b, c, ..] = *three;
            [[a, b], [a, c], [b, c]].map(|pair| (key(pair.into_iter()), *cases))
        })
        .collect();
    found.retain(|pair| !told.contains(pair));
    found
        .sort_by(|(a, a_cases), (b, b_cases)| (b_cases, length(b)).cmp(&(a_cases, length(a))).then(a.cmp(b)));
    found.truncate(options.sequences_max);
    found
        .into_iter()
        .map(|(key, cases_with)| Sequence {
            activities: cases.names_of(&key[..length(&key)]),
            cases: cases_with,
            share: cases_with as f64 / total as f64,
            times: None,
        })
        .collect()
}
