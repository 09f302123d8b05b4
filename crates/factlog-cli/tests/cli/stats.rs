//! `factlog stats`: how many, by what.

use serde_json::{Value, json};

use crate::support::Place;

/// Keys and counts, in their order.
fn counts(place: &Place, words: &str) -> Vec<(Value, u64)> {
    let stats = place.json(&format!("stats {words} --format json"));
    let groups = stats["groups"].as_array().unwrap();
    let counts: Vec<(Value, u64)> =
        groups.iter().map(|group| (group["key"].clone(), group["count"].as_u64().unwrap())).collect();
    assert_eq!(stats["total"], counts.iter().map(|(_, count)| count).sum::<u64>(), "the total is the sum");
    counts
}

fn pairs(pairs: &[(&str, u64)]) -> Vec<(Value, u64)> {
    pairs.iter().map(|(key, count)| (json!(key), *count)).collect()
}

#[test]
fn events_are_counted_by_each_key_the_most_first() {
    let place = Place::small();
    let types = [
        ("task:created", 2),
        ("agent:spawned", 1),
        ("never heard of", 1),
        ("task:assigned", 1),
        ("task:completed", 1),
    ];
    for (words, expected) in [
        ("", &types[..]),
        ("--group-by type", &types),
        ("--group-by category", &[("task", 4), ("agent", 1), ("banana", 1)]),
        ("--group-by stream", &[("task-1", 3), ("agent-writer", 1), ("banana", 1), ("task-2", 1)]),
        ("--group-by source", &[("planner", 3), ("writer", 2), ("", 1)]),
        ("--group-by session", &[("", 3), ("s1", 2), ("s2", 1)]),
        ("--group-by source --category task --not-tag ci", &[("planner", 2), ("writer", 1)]),
        ("--group-by category --from 2 --to 5", &[("task", 2), ("agent", 1)]),
    ] {
        assert_eq!(counts(&place, words), pairs(expected), "{words}");
    }
}

#[test]
fn hours_and_days_are_utc_and_stand_in_order() {
    let place = Place::small();
    assert_eq!(counts(&place, "--group-by day"), pairs(&[("2025-03-01", 4), ("2025-03-02", 2)]));
    assert_eq!(
        counts(&place, "--group-by hour"),
        pairs(&[
            ("2025-03-01T08", 1),
            ("2025-03-01T09", 2),
            ("2025-03-01T23", 1),
            ("2025-03-02T00", 1),
            ("2025-03-02T10", 1)
        ])
    );
}

#[test]
fn several_keys_count_each_combination() {
    let place = Place::small();
    let counted = counts(&place, "--group-by day,category");
    let expected = [
        (["2025-03-01", "banana"], 1),
        (["2025-03-01", "task"], 3),
        (["2025-03-02", "agent"], 1),
        (["2025-03-02", "task"], 1),
    ];
    assert_eq!(counted, expected.map(|(key, count)| (json!(key), count)));
}

#[test]
fn a_period_counts_what_happened_lately() {
    let place = Place::small();
    place.ok("append task-9 task:planned --occurred 2999-01-01");
    assert_eq!(counts(&place, "--period all").len(), 6);
    for period in ["today", "7d", "12h", "90s"] {
        assert_eq!(counts(&place, &format!("--period {period}")), pairs(&[("task:planned", 1)]), "{period}");
    }
}

/// `--recorded` was not looked at by `--period`.
#[test]
fn a_period_is_of_the_stores_clock_where_that_is_asked_for() {
    let place = Place::small();
    assert_eq!(counts(&place, "--period 7d"), []);
    assert_eq!(place.json("stats --period 7d --recorded --format json")["total"], 6);
}

#[test]
fn the_json_has_a_total_and_groups() {
    let place = Place::small();
    insta::assert_snapshot!(place.ok("stats --group-by category --format jsonl"), @r#"
    {"total":6,"groups":[{"key":"task","count":4,"first":1,"last":5,"firstAt":"2025-03-01T09:00:00.000000Z","lastAt":"2025-03-02T10:15:00.000000Z"},{"key":"agent","count":1,"first":4,"last":4,"firstAt":"2025-03-02T00:00:00.000000Z","lastAt":"2025-03-02T00:00:00.000000Z"},{"key":"banana","count":1,"first":6,"last":6,"firstAt":"2025-03-01T08:00:00.000000Z","lastAt":"2025-03-01T08:00:00.000000Z"}]}
    "#);
}

#[test]
fn a_table_has_shares_and_a_spreadsheet_has_none() {
    let place = Place::small();
    insta::assert_snapshot!(place.ok("stats --group-by category"), @"
    CATEGORY  EVENTS  SHARE
    task           4  66.7%  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇
    agent          1  16.7%  ▇▇▇▇▇▇
    banana         1  16.7%  ▇▇▇▇▇▇
    total          6
    ");
    insta::assert_snapshot!(place.ok("stats --group-by category,source --format csv"), @"
    category,source,events
    task,planner,3
    agent,writer,1
    banana,,1
    task,writer,1
    ");
}

#[test]
fn statuses_and_agents_are_counted_by_what_events_mean() {
    let place = Place::new();
    for words in [
        r#"append task-1 task:started {"agentId":"a1"}"#,
        r#"append task-1 TASK_COMPLETED {"agentId":"a1","duration":5000}"#,
        r#"append task-2 task:failed {"agentId":"a2","durationMs":1000}"#,
        r#"append task-3 TaskStatusChanged {"newStatus":"🟢Done"} --source a1"#,
        "append order-1 order:placed",
    ] {
        place.ok(words);
    }
    let status = [("completed", 2), ("", 1), ("failed", 1), ("in-progress", 1)];
    assert_eq!(counts(&place, "--group-by status"), pairs(&status));
    assert_eq!(counts(&place, "--group-by agent"), pairs(&[("a1", 3), ("", 1), ("a2", 1)]));
    let both = counts(&place, "--group-by agent,status --type task:*");
    assert_eq!(both[0], (json!(["a1", "completed"]), 2), "a star matches types under all their names");
}

/// Plain `stats` is the overview: all that is known of a log's events, with or without dates.
#[test]
fn the_overview_tells_how_long_things_took_and_how_often_they_went_wrong() {
    let place = Place::new();
    for words in [
        r#"append task-1 task:completed {"agentId":"a1","duration":5000} --occurred 2026-11-20T10:00:00Z"#,
        r#"append task-2 task:completed {"agentId":"a1","durationMs":1000} --occurred 2026-11-20T11:00:00Z"#,
        r#"append task-3 task:failed {"agentId":"a2"} --occurred 2026-11-21T10:00:00Z"#,
        r#"append order-1 order:packed {"durationMs":3000} --occurred 2026-11-21T12:00:00Z"#,
    ] {
        place.ok(words);
    }
    let stats = place.json("stats --format json");
    assert_eq!(stats["total"], 4);
    let statistics = &stats["statistics"];
    assert_eq!(statistics["byStatus"], json!({"completed": 2, "failed": 1}));
    assert_eq!(statistics["byAgent"], json!({"a1": 2, "a2": 1}));
    assert_eq!(statistics["byDay"], json!({"2026-11-20": 2, "2026-11-21": 2}), "days are never merged");
    assert_eq!(
        (&statistics["durations"]["count"], &statistics["durations"]["p50Ms"]),
        (&json!(3), &json!(3000))
    );
    assert_eq!(statistics["timeRange"]["earliest"], "2026-11-20T10:00:00.000000Z");
    let table = place.ok("stats");
    assert!(table.contains("3 timed: 3s on average, half within 3s, 95 of 100 within 5s"), "{table}");
    assert!(table.contains("33.3% of what ended went wrong"), "{table}");
    let narrow = place.json("stats --from 2026-11-21 --category task --format json");
    assert_eq!((&narrow["total"], &narrow["statistics"]["durations"]["count"]), (&json!(1), &json!(0)));
}
