use std::collections::BTreeMap;

use factlog::{NewEvent, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::case::tests::events;
use crate::projections::tests::at;

fn of(words: &str) -> Flow {
    let mut fold = FlowFold::new(CaseOptions::default(), FLOW_VARIANTS_DEFAULT);
    events(words).iter().for_each(|event| fold.add(event));
    fold.finish()
}

/// Two cases that are told in turns; the second tries again.
const TWO: &str = "1:plan 2:plan 1:work 2:work 2:fail 2:work 1:done 2:done";

#[test]
fn what_follows_what_is_counted_in_each_case_however_the_cases_are_mixed() {
    let flow = of(TWO);
    let edges: Vec<(&str, &str, u64, u64, u64)> = flow
        .edges
        .iter()
        .map(|edge| (edge.from.as_str(), edge.to.as_str(), edge.count, edge.cases, edge.total_ms))
        .collect();
    assert_eq!(
        edges,
        [
            ("plan", "work", 2, 2, 4_000),
            ("work", "done", 2, 2, 6_000),
            ("fail", "work", 1, 1, 1_000),
            ("work", "fail", 1, 1, 1_000),
        ]
    );
    assert_eq!(flow.edges[1].time.p50_ms, Some(2_000));
    assert_eq!(flow.edges[1].time.average_ms, Some(3_000.0));
    let work = &flow.activities[0];
    assert_eq!((work.name.as_str(), work.events, work.cases, work.starts, work.ends), ("work", 3, 2, 0, 0));
    let plan = flow.activities.iter().find(|activity| activity.name == "plan").unwrap();
    assert_eq!((plan.starts, plan.ends), (2, 0));
    assert_eq!((flow.events, flow.cases, flow.case_durations.max_ms), (8, 2, Some(6_000)));
}

#[test]
fn ways_waits_and_what_is_done_again_are_as_counted_by_hand() {
    let flow = of(&format!("{TWO} 3:plan 3:work 3:done"));
    let ways: Vec<(String, u64)> =
        flow.variants.iter().map(|variant| (variant.activities.join(" "), variant.cases)).collect();
    assert_eq!(ways, [("plan work done".to_owned(), 2), ("plan work fail work done".to_owned(), 1)]);
    assert_eq!((flow.variants[0].example.as_str(), flow.variants_share), ("1", 1.0));
    let longest = &flow.bottlenecks.by_total[0];
    assert_eq!((longest.from.as_str(), longest.to.as_str(), longest.total_ms), ("work", "done", 7_000));
    // Only what three cases did has a median that counts.
    assert_eq!(flow.bottlenecks.by_median.len(), 2);
    let [again] = &flow.rework.repeats[..] else { panic!("{:?}", flow.rework) };
    assert_eq!(
        (again.activity.as_str(), again.cases, again.again, again.at_once, again.most),
        ("work", 1, 1, 0, 2)
    );
    let [back] = &flow.rework.loops[..] else { panic!("{:?}", flow.rework) };
    assert_eq!(
        (back.activity.as_str(), back.through.as_str(), back.cases, back.times),
        ("work", "fail", 1, 1)
    );
}

#[test]
fn fewer_ways_are_shown_where_that_is_asked_for_and_their_share_is_told() {
    let mut fold = FlowFold::new(CaseOptions::default(), 1);
    events("1:a 2:a 3:b").iter().for_each(|event| fold.add(event));
    let flow = fold.finish();
    assert_eq!((flow.variants.len(), flow.variants_total), (1, 2));
    assert!((flow.variants_share - 2.0 / 3.0).abs() < 1e-9);
}

/// Story: three of a hundred timestamps in real transcripts go backwards, and a mean over them was below zero.
#[test]
fn a_step_back_in_time_counts_and_has_no_duration() {
    let time = |text: &str| -> Timestamp { text.parse().unwrap() };
    let event = |position: u64, event_type: &str, at_time: &str| {
        let fact = NewEvent::new("x-1", event_type, json!({})).unwrap().with_correlation("1").unwrap();
        at(position, fact.with_occurred_at(time(at_time)))
    };
    let log = [
        event(1, "b", "2026-11-20T00:00:05Z"),
        event(2, "a", "2026-11-20T00:00:01Z"),
        event(3, "c", "2026-11-20T00:00:05Z"),
    ];
    let of = |by_time: bool| {
        let mut fold = FlowFold::new(CaseOptions { by_time, ..CaseOptions::default() }, 10);
        log.iter().for_each(|event| fold.add(event));
        fold.finish()
    };
    let flow = of(false);
    assert_eq!(flow.variants[0].activities, ["b", "a", "c"]);
    let back = flow.edges.iter().find(|edge| edge.from == "b").unwrap();
    assert_eq!((back.count, back.backwards, back.time.count, back.total_ms), (1, 1, 0, 0));
    let flow = of(true);
    assert_eq!(flow.variants[0].activities, ["a", "b", "c"], "equal times stand as in the log");
    assert!(flow.edges.iter().all(|edge| edge.backwards == 0));
}

#[test]
fn events_of_no_case_are_counted_beside() {
    let mut fold = FlowFold::new(CaseOptions::default(), 10);
    fold.add(&at(1, NewEvent::new("x-1", "a", json!({})).unwrap()));
    let flow = fold.finish();
    assert_eq!((flow.events, flow.events_without_case, flow.cases), (0, 1, 0));
    assert_eq!(flow.drawing(), Drawing::default());
}

#[test]
fn a_picture_has_the_counts_and_where_cases_begin_and_end() {
    let text = of(TWO).drawing().mermaid();
    for line in ["n0[\"work #40;3#41;\"]", "n4((\"start\"))", "n4 -->|\"2\"| n2", "n1 -->|\"2\"| n5"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert_eq!(text.lines().filter(|line| line.contains("-->")).count(), 4 + 1 + 1);
}

/// The plainest count there is: for each case its list, for each list its neighbours.
fn naive(log: &[(u8, u8)]) -> BTreeMap<(String, String), u64> {
    let mut lists: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for (case, activity) in log {
        lists.entry(*case).or_default().push(*activity);
    }
    let mut edges = BTreeMap::new();
    for list in lists.values() {
        for (a, b) in list.iter().zip(list.iter().skip(1)) {
            *edges.entry((format!("t{a}"), format!("t{b}"))).or_default() += 1;
        }
    }
    edges
}

proptest! {
    #[test]
    fn edges_are_those_of_a_naive_count(log in prop::collection::vec((0u8..6, 0u8..5), 0..200)) {
        let words: Vec<String> = log.iter().map(|(case, activity)| format!("c{case}:t{activity}")).collect();
        let flow = of(&words.join(" "));
        let edges: BTreeMap<(String, String), u64> =
            flow.edges.iter().map(|edge| ((edge.from.clone(), edge.to.clone()), edge.count)).collect();
        prop_assert_eq!(edges, naive(&log));
        prop_assert_eq!(flow.activities.iter().map(|activity| activity.starts).sum::<u64>(), flow.cases);
        prop_assert_eq!(flow.activities.iter().map(|activity| activity.ends).sum::<u64>(), flow.cases);
        prop_assert_eq!(flow.events, log.len() as u64);
        let steps: u64 = flow.edges.iter().map(|edge| edge.count).sum();
        prop_assert_eq!(steps + flow.cases, flow.events);
    }
}
