//! The filter flags: each chooses, and its `--not-` twin leaves the rest.

use crate::support::{NONE, Place, lines};

/// The foreign id `evt-4` became this one.
fn id_of_4(place: &Place) -> String {
    lines(&place.ok("list --format jsonl"))[3]["id"].as_str().unwrap().to_owned()
}

#[test]
fn every_flag_chooses_and_its_not_twin_leaves_the_rest() {
    let place = Place::small();
    let id_4 = id_of_4(&place);
    let id = |n: u8| format!("019aa000-0000-7000-8000-00000000000{n}");
    let cases: [(&str, &str, &[u64]); 18] = [
        ("stream", "task-1", &[1, 2, 5]),
        ("category", "task", &[1, 2, 3, 5]),
        ("category", "banana", &[6]),
        ("type", "task:created", &[1, 3]),
        ("type", "task:*", &[1, 2, 3, 5]),
        ("type", "*ed", &[1, 2, 3, 4, 5]),
        ("type", "never heard of", &[6]),
        ("source", "planner", &[1, 2, 3]),
        ("target", "tester", &[2]),
        ("correlation", "docs", &[1, 2, 5]),
        ("causation", &id(2), &[4, 5]),
        ("session", "s2", &[3]),
        ("user", "ada", &[1]),
        ("tag", "ci", &[3]),
        ("priority", "critical", &[5]),
        ("id", &id(1), &[1]),
        ("id", &id_4, &[4]),
        ("stream", "nobody", &[]),
    ];
    for (flag, value, matched) in cases {
        let chosen = place.positions_words(&["list", &format!("--{flag}"), value]);
        assert_eq!(chosen, matched, "--{flag} {value}");
        // A field that is missing never matches: what has no source is not said by the planner.
        let rest: Vec<u64> = (1..=6).filter(|position| !matched.contains(position)).collect();
        let left = place.positions_words(&["list", &format!("--not-{flag}"), value]);
        assert_eq!(left, rest, "--not-{flag} {value}");
    }
}

#[test]
fn the_same_flag_again_widens_and_another_one_narrows() {
    let place = Place::small();
    assert_eq!(place.positions("list --stream task-2 --stream banana"), [3, 6]);
    assert_eq!(place.positions("list --stream task-1 --source planner"), [1, 2]);
    assert_eq!(place.positions("list --category task --not-source planner --not-tag none"), [5]);
    assert_eq!(place.positions("list --not-source planner --not-stream banana"), [4, 5]);
    assert_eq!(place.positions("list --tag docs --tag ci --not-priority low"), [1, 5]);
}

#[test]
fn text_is_looked_for_in_the_data_whatever_its_case() {
    let place = Place::small();
    assert_eq!(place.positions("list --text links"), [3]);
    assert_eq!(place.positions("list --text OUTLINE"), [1]);
    assert_eq!(place.positions("list --text planner"), NONE, "the envelope is not searched");
}

#[test]
fn a_time_is_when_it_happened_from_inclusive_to_exclusive() {
    let place = Place::small();
    assert_eq!(place.positions("list --from 2025-03-02"), [4, 5]);
    assert_eq!(place.positions("list --from 2025-03-01T09:30:00Z"), [2, 3, 4, 5]);
    assert_eq!(place.positions("list --to 2025-03-01T09:30:00Z"), [1, 6]);
    assert_eq!(place.positions("list --to 2025-03-02T00:00:00Z"), [1, 2, 3, 6]);
    assert_eq!(
        place.positions("list --from 2025-03-01T10:00:00+01:00 --to 2025-03-01T10:31:00+01:00"),
        [1, 2]
    );
    assert_eq!(place.positions_words(&["list", "--from", "2025-03-01 09:15", "--to", "today"]), [2, 3, 4, 5]);
}

#[test]
fn a_bare_date_as_to_includes_its_day() {
    let place = Place::small();
    assert_eq!(place.positions("list --to 2025-03-01"), [1, 2, 3, 6]);
    assert_eq!(place.positions("list --from 2025-03-02 --to 2025-03-02"), [4, 5]);
}

#[test]
fn a_number_is_a_position() {
    let place = Place::small();
    assert_eq!(place.positions("list --from 4"), [4, 5, 6]);
    assert_eq!(place.positions("list --to 3"), [1, 2]);
    assert_eq!(place.positions("list --from 0"), place.positions("list --from 1"));
    assert_eq!(place.positions("list --from 2 --to 4 --category task"), [2, 3]);
    assert_eq!(place.positions("list --from 5 --to 2"), NONE);
}

#[test]
fn recorded_asks_for_the_stores_clock() {
    let place = Place::small();
    assert_eq!(place.positions("list --from 1h"), NONE, "they happened long ago");
    assert_eq!(
        place.positions("list --from 1h --recorded"),
        [1, 2, 3, 4, 5, 6],
        "and were recorded just now"
    );
    assert_eq!(place.positions("list --to 2025-03-02 --recorded"), NONE);
}

#[test]
fn the_flags_mean_the_same_on_every_command() {
    let place = Place::small();
    let filter = "--category task --not-source writer --to 2025-03-01";
    assert_eq!(place.positions(&format!("list {filter}")), [1, 2, 3]);
    assert_eq!(place.positions(&format!("export {filter}")), [1, 2, 3]);
    assert_eq!(place.positions(&format!("replay {filter}")), [1, 2, 3]);
    assert_eq!(place.positions(&format!("follow {filter} --last 9 --limit 3")), [1, 2, 3]);
    assert_eq!(place.json(&format!("stats {filter} --format json"))["total"], 3);
    let streams = place.json(&format!("streams {filter} --format json"));
    assert_eq!((&streams[0]["events"], &streams[1]["events"]), (&2.into(), &1.into()));
}
