//! `factlog watch`: what an agent writes into its transcript is in the log a moment later.

use std::io::Write;

use serde_json::Value;

use crate::running::Running;
use crate::support::Place;

const FILE: &str = "projects/-home-ada-site/s.jsonl";

fn line(number: usize) -> String {
    format!(
        "{{\"type\":\"user\",\"uuid\":\"u{number}\",\"sessionId\":\"s\",\"message\":{{\"content\":\"say {number}\"}}}}\n"
    )
}

fn add(place: &Place, text: &str) {
    let file = std::fs::OpenOptions::new().append(true).open(place.path(FILE));
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

fn watching(place: &Place) -> Running {
    let watcher = place.start("watch claude-code projects");
    watcher.waits_to_say("watching projects");
    watcher
}

fn said(follower: &Running) -> String {
    let event: Value = follower.json();
    event["data"]["message"]["content"].as_str().unwrap().to_owned()
}

/// Watchers are killed at any moment; their successors go on.
#[test]
fn twenty_killed_watchers_lose_nothing_and_tell_nothing_twice() {
    const ROUNDS: usize = 20;
    const LINES: usize = 5;
    let place = Place::new();
    place.write(FILE, line(0));
    drop(watching(&place));
    place.ok("append other-1 other:noted");
    let follower = place.start("follow --from 0 --stream session-s --format jsonl");
    for round in 0..ROUNDS {
        let watcher = watching(&place);
        for number in 1..=LINES {
            let text = line(round * LINES + number);
            let (half, rest) = text.split_at(text.len() / 2);
            add(&place, half);
            add(&place, rest);
        }
        if round % 4 == 0 {
            // This one is left in peace until it has recorded something.
            assert!(said(&follower).starts_with("say "));
        }
        drop(watcher);
    }
    let told = ROUNDS / 4;
    let last = watching(&place);
    for number in told..=ROUNDS * LINES {
        assert_eq!(said(&follower), format!("say {number}"));
    }
    drop((last, follower));
    assert_eq!(place.positions("list --stream session-s").len(), ROUNDS * LINES + 1);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_well_and_the_marks_are_those_of_an_import() {
    let place = Place::new();
    place.write(FILE, line(0) + &line(1));
    let watcher = watching(&place);
    // The log is made before it says that it watches, and the first look follows.
    let follower = place.start("follow --from 0 --limit 2 --format jsonl");
    assert_eq!((said(&follower), said(&follower)), ("say 0".to_owned(), "say 1".to_owned()));
    assert_eq!(follower.end().code, 0);
    watcher.interrupt();
    assert_eq!(watcher.end().code, 0);
    let imported: Value =
        serde_json::from_str(&place.ok("import claude-code projects --format json")).unwrap();
    assert_eq!(
        (&imported["read"], &imported["appended"], &imported["duplicates"]),
        (&2.into(), &0.into(), &2.into())
    );
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let place = Place::new();
    assert!(place.fails("watch claude-code nowhere").starts_with("3\n"));
    assert!(place.fails("watch claude-code").contains("Claude Code has left no transcripts"));
    assert_eq!(place.files(), Vec::<String>::new());
}
