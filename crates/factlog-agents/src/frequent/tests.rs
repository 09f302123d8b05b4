use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::case::tests::events;

fn of(words: &str, support_min: u64) -> Frequent {
    let options = FrequentOptions { support_min, sequences_max: 1_000, ..FrequentOptions::default() };
    let mut fold = FrequentFold::new(options);
    events(words).iter().for_each(|event| fold.add(event));
    fold.finish()
}

fn told(sequences: &[Sequence]) -> Vec<(String, u64, Option<u64>)> {
    sequences.iter().map(|found| (found.activities.join(" "), found.cases, found.times)).collect()
}

#[test]
fn sequences_are_those_of_many_cases_and_no_part_of_an_equal_one_is_told_again() {
    let frequent = of("1:a 1:b 1:c 2:x 2:a 2:b 2:c 3:b 3:a 3:b", 2);
    assert_eq!(
        told(&frequent.sequences),
        [("a b".to_owned(), 3, Some(3)), ("a b c".to_owned(), 2, Some(2))],
        "b c is a part of a b c, and as common"
    );
    // Directly it is in no case; with b between in two.
    assert_eq!(told(&frequent.gapped), [("a c".to_owned(), 2, None)]);
}

/// Ten cases: five with a retry, of which four fail; five without, of which none does.
const RETRIES: &str = "\
    1:plan 1:retry 1:task:failed 2:plan 2:retry 2:TASK_FAILED 3:plan 3:retry 3:build:failed \
    4:plan 4:retry 4:swarm:error 4:late 5:plan 5:retry 5:done \
    6:plan 6:done 7:plan 7:done 8:plan 8:done 9:plan 9:late 9:done 10:plan 10:done";

#[test]
fn what_comes_before_failures_is_told_with_its_counts() {
    let frequent = of(RETRIES, 4);
    let outcome = &frequent.outcome;
    assert_eq!((frequent.cases, outcome.cases, outcome.base_rate), (10, 4, Some(0.4)));
    assert_eq!(outcome.too_little, None);
    let sign = &outcome.signs[0];
    assert_eq!((sign.activity.as_str(), sign.cases, sign.with_outcome), ("retry", 5, 4));
    assert!((sign.confidence - 0.8).abs() < 1e-9 && (sign.lift - 2.0).abs() < 1e-9, "{sign:?}");
    // Of 210 ways to draw the 4 failures from 10 cases, 5 are within the 5 with a retry.
    assert!((sign.p_value - 5.0 / 210.0).abs() < 1e-9, "{sign:?}");
    assert!((sign.p_value_adjusted - 15.0 / 210.0).abs() < 1e-9, "three activities were tested: {outcome:?}");
    assert_eq!(sign.verdict, Verdict::MayBeChance);
    let plan = outcome.signs.iter().find(|sign| sign.activity == "plan").unwrap();
    assert_eq!((plan.cases, plan.with_outcome, plan.verdict), (10, 4, Verdict::NoMoreOften));
    // What comes after a failure is no sign of it: "late" stands before none.
    assert!(!outcome.signs.iter().any(|sign| sign.activity == "late"));
    assert_eq!(outcome.untested, 1);
}

#[test]
fn a_clear_sign_is_clear_and_chance_is_called_chance() {
    let mut words = Vec::new();
    for case in 0..40 {
        let fails = case < 20;
        words.push(format!("{case}:plan"));
        words.push(format!("{case}:{}", if fails { "skip-tests" } else { "tests" }));
        words.push(format!("{case}:{}", if case % 2 == 0 { "monday" } else { "tuesday" }));
        words.push(format!("{case}:{}", if fails { "task:failed" } else { "task:completed" }));
    }
    let frequent = of(&words.join(" "), 5);
    let verdict = |name: &str| {
        frequent.outcome.signs.iter().find(|sign| sign.activity == name).map(|sign| (sign.verdict, sign.lift))
    };
    assert_eq!(verdict("skip-tests"), Some((Verdict::Clear, 2.0)));
    assert_eq!(verdict("monday"), Some((Verdict::NoMoreOften, 1.0)));
    assert_eq!(verdict("tests"), Some((Verdict::NoMoreOften, 0.0)));
}

#[test]
fn too_little_to_say_something_of_is_said_so() {
    for (words, said) in [
        ("1:a 2:b", "none of 2 cases"),
        ("1:a 1:task:failed", "all 1 cases"),
        ("1:a 1:task:failed 2:a 3:a 4:a 5:a 6:a", "only 1 of 6 cases have the outcome, and 5"),
    ] {
        let frequent = of(words, 5);
        let told = frequent.outcome.too_little.unwrap_or_default();
        assert!(told.contains(said), "{told}");
        assert!(frequent.outcome.signs.is_empty());
    }
}

#[test]
fn the_outcome_is_what_one_says() {
    let options = FrequentOptions {
        outcomes: vec!["task:compl*".parse().unwrap()],
        support_min: 1,
        ..FrequentOptions::default()
    };
    let mut fold = FrequentFold::new(options);
    events("1:a 1:task:completed 2:a 2:task:failed").iter().for_each(|event| fold.add(event));
    let outcome = fold.finish().outcome;
    assert_eq!((outcome.cases, &outcome.types[..]), (1, &[("task:completed".to_owned(), 1)][..]));
    assert_eq!(outcome.signs[0].activity, "a");
}

/// Whether activities stand in a list in this order, with anything between them.
fn has(list: &[u8], wanted: &[u8]) -> bool {
    let mut wanted = wanted.iter().peekable();
    for activity in list {
        wanted.next_if(|next| *next == activity);
    }
    wanted.peek().is_none()
}

proptest! {
    #[test]
    fn what_follows_with_gaps_is_in_the_cases_of_a_naive_count(
        log in prop::collection::vec(prop::collection::vec(0u8..4, 1..8), 1..6)
    ) {
        let mut words = Vec::new();
        for (case, list) in log.iter().enumerate() {
            words.extend(list.iter().map(|activity| format!("c{case}:t{activity}")));
        }
        let frequent = of(&words.join(" "), 1);
        let number = |name: &String| name[1..].parse::<u8>().unwrap();
        for found in &frequent.gapped {
            let wanted: Vec<u8> = found.activities.iter().map(number).collect();
            let cases = log.iter().filter(|list| has(list, &wanted)).count() as u64;
            prop_assert_eq!(found.cases, cases, "{:?}", found);
        }
        for found in &frequent.sequences {
            let wanted: Vec<u8> = found.activities.iter().map(number).collect();
            let windows = |list: &Vec<u8>| list.windows(wanted.len()).filter(|window| *window == wanted).count();
            prop_assert_eq!(found.times, Some(log.iter().map(windows).sum::<usize>() as u64));
            prop_assert_eq!(found.cases, log.iter().filter(|list| windows(list) > 0).count() as u64);
        }
        let told: BTreeSet<&Vec<String>> = frequent.sequences.iter().map(|found| &found.activities).collect();
        prop_assert_eq!(told.len(), frequent.sequences.len(), "none is told twice");
    }
}
