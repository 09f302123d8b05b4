//! `factlog archive`: events into files, and back.

use crate::support::{Place, lines};

/// The lines of events without what a new recording changes.
fn facts(text: &str) -> Vec<serde_json::Value> {
    let mut events = lines(text);
    for event in &mut events {
        let fields = event.as_object_mut().unwrap();
        for field in ["position", "version", "recordedAt", "metadata"] {
            fields.remove(field);
        }
    }
    events
}

/// D15: there was no archive; who wanted the space back lost the events.
#[test]
fn events_go_into_files_and_come_back() {
    let place = Place::small();
    let before = place.ok("export --category task");
    let ran = place.json("archive --before now --to archive --category task --format json");
    assert_eq!(
        (&ran["removed"], &ran["saidAt"], &ran["files"][0]["count"]),
        (&4.into(), &7.into(), &4.into())
    );
    let file = ran["files"][0]["path"].as_str().unwrap();
    assert!(file.ends_with("/0000000001-0000000005.jsonl"), "{file}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), before, "a file has what an export has");
    let said = place.json("list --stream log-retention --format jsonl");
    assert_eq!(said["data"]["archive"].as_str(), Some(file));

    insta::assert_snapshot!(place.ok("archive restore archive"), @"
    read                 4
    appended             4
    duplicates           0
    skipped              0
    rejected             0
    streams              2
    ");
    let ran = place.run("export --category task");
    assert!(ran.err.starts_with("note: 4 events up to position 5 were removed"));
    assert_eq!(facts(&ran.out), facts(&before));
    let first = &lines(&ran.out)[0];
    assert_eq!((&first["position"], &first["version"]), (&8.into(), &4.into()));
    assert_eq!(
        (&first["metadata"]["archived"]["position"], first["occurredAt"].as_str().unwrap()),
        (&1.into(), "2025-03-01T09:00:00.000000Z")
    );
    let again = place.json("archive restore archive --format json");
    assert_eq!((&again["appended"], &again["duplicates"]), (&0.into(), &4.into()));
    assert!(place.ok("check").contains("no problem was found"));
}

#[test]
fn before_means_recorded_and_with_a_flag_occurred() {
    let place = Place::small();
    let ran = place.run("archive --before 2025-03-02 --to archive");
    assert_eq!((ran.code, ran.err.as_str()), (0, "nothing is old enough\n"));
    assert_eq!(place.files(), ["factlog.db"], "no folder where there is nothing to write");
    // A date begins with its first moment, and the event of that moment stays.
    let ran = place.json("archive --before 2025-03-02 --occurred --to archive --format json");
    assert_eq!(ran["removed"], 4);
    let left = place.run("list --format jsonl --not-stream log-retention");
    let left: Vec<u64> = lines(&left.out).iter().map(crate::support::position).collect();
    assert_eq!(left, [4, 5]);
}

#[test]
fn with_keep_nothing_is_removed() {
    let place = Place::small();
    let shown = place.ok("archive --before now --to archive --keep --format csv");
    assert!(shown.starts_with("file,events,positions,bytes\n"), "{shown}");
    assert!(shown.ends_with("/0000000001-0000000006.jsonl,6,1-6,2140\n"), "{shown}");
    assert_eq!(place.positions("list"), [1, 2, 3, 4, 5, 6]);
    let again = place.json("archive --before now --to archive --keep --format json");
    assert!(again["files"][0]["path"].as_str().unwrap().ends_with("/0000000001-0000000006.jsonl"));
    assert_eq!(again["removed"], 0);
}

/// An archive may go into another log, or into none at all that is there.
#[test]
fn another_log_can_take_an_archive_in() {
    let place = Place::small();
    place.ok("archive --before now --to archive --keep");
    let ran = place.json("archive restore archive --store sqlite:other.db --format json");
    assert_eq!((&ran["read"], &ran["appended"]), (&6.into(), &6.into()));
    assert_eq!(place.positions("list --store sqlite:other.db"), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let place = Place::small();
    for (words, said) in [
        ("archive", "--before"),
        ("archive --before now", "--to"),
        ("archive --before soon --to archive", "--before: \"soon\" is no time"),
        ("archive --before now --to archive --keep --compact", "cannot be used with"),
        ("archive restore", "<PATHS>"),
        ("archive --before now --to archive --format cloudevents", "cannot write cloudevents"),
    ] {
        let words_said = place.fails(words);
        assert!(words_said.starts_with("2\n") && words_said.contains(said), "{words}: {words_said}");
    }
    assert!(place.fails("archive restore nowhere --store sqlite:new.db").starts_with("3\n"));
    assert_eq!(place.files(), ["factlog.db"]);
    place.write("bad.jsonl", "{\"stream\":\"a-1\",\"type\":\"x\"}\n");
    let ran = place.run("archive restore bad.jsonl");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("bad.jsonl:1: not an archived event: missing field `id`"), "{}", ran.err);
    assert_eq!(place.run("archive restore bad.jsonl --lenient").code, 0);
    assert_eq!(place.positions("list"), [1, 2, 3, 4, 5, 6]);
}
