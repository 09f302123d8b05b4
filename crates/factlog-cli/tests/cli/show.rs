//! `factlog show`: one event.

use crate::support::Place;

#[test]
fn an_event_is_found_by_position_by_id_and_by_the_id_another_system_gave_it() {
    let place = Place::small();
    for (word, position) in [("3", 3), ("019aa000-0000-7000-8000-000000000005", 5), ("evt-4", 4)] {
        assert_eq!(
            place.json(&format!("show {word} --format json"))["event"]["position"],
            position,
            "{word}"
        );
    }
}

#[test]
fn a_foreign_id_given_on_the_command_line_is_found_again() {
    let place = Place::new();
    place.ok("append task-1 task:created --id ticket-7 --source tracker");
    place.ok("append task-1 task:started --causation ticket-7 --source tracker");
    let shown = place.json("show ticket-7 --format json");
    assert_eq!(shown["event"]["metadata"]["sourceId"], "ticket-7");
    assert_eq!(shown["effects"][0]["position"], 2);
}

#[test]
fn causes_are_followed_back_and_effects_are_listed() {
    let place = Place::small();
    let shown = place.json("show 5 --format json");
    let positions = |name: &str| -> Vec<u64> {
        shown[name].as_array().unwrap().iter().map(|event| event["position"].as_u64().unwrap()).collect()
    };
    assert_eq!((positions("causes"), positions("effects")), (vec![2, 1], vec![]));
    let shown = place.json("show 2 --format jsonl");
    assert_eq!(
        (shown["causes"].as_array().unwrap().len(), shown["effects"].as_array().unwrap().len()),
        (1, 2)
    );
}

/// Data was shown with sorted keys and rounded numbers.
#[test]
fn all_fields_are_shown_as_they_were_written() {
    let place = Place::small();
    let shown = place.ok("show 5");
    let recorded = shown.lines().find(|line| line.starts_with("recorded")).unwrap();
    insta::assert_snapshot!(shown.replace(recorded, "recorded     (now)"), @r#"
    position     5
    id           019aa000-0000-7000-8000-000000000005
    stream       task-1 v3
    type         task:completed
    source       writer
    targets      planner
    occurred     2025-03-02T10:15:00.000000Z
    recorded     (now)
    correlation  docs
    causation    019aa000-0000-7000-8000-000000000002
    priority     critical
    expires      2030-01-01T00:00:00.000000Z
    traceparent  00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
    tags         docs
    metadata     {"host":"ci-3"}

    {
      "pages": 1.50,
      "note": "a, \"b\"\nc"
    }

    caused by
           2  task-1  task:assigned
           1  task-1  task:created
    "#);
}

#[test]
fn what_is_not_there_is_not_found() {
    let place = Place::small();
    insta::assert_snapshot!(place.fails("show 7"), @"
    3
    error: there is no event 7
    hint: give a position up to 6, an event's id, or the id another system gave it
    ");
    assert!(place.fails("show 0").starts_with("3\n"));
    assert!(place.fails("show 019aa000-0000-7000-8000-0000000000ff").starts_with("3\n"));
}
