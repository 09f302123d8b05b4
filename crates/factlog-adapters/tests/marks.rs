//! How far a file was read is remembered: the next import reads what is new, and says the same as if it had read it all.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::Write;

use common::{Scene, counts};
use factlog::{Filter, Position, Removal};
use factlog_adapters::claude_code::{self, Options};
use factlog_adapters::{Imported, Intake};

fn line(session: &str, number: u64) -> String {
    format!(
        "{{\"type\":\"user\",\"uuid\":\"u{number}\",\"sessionId\":\"{session}\",\"message\":{{\"content\":\"say {number}\"}}}}\n"
    )
}

fn add(scene: &Scene, name: &str, text: &str) {
    let path = scene.path().join(name);
    std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

async fn remove_all(scene: &Scene) {
    let through = scene.log.newest().await.unwrap();
    let removal = Removal { filter: Filter::all(), through, archive: None };
    scene.log.remove(&removal).await.unwrap();
}

async fn again(scene: &Scene) -> Imported {
    let mut quiet = |_: factlog_adapters::Progress<'_>| {};
    let intake = Intake { again: true, ..Intake::telling(&mut quiet) };
    claude_code::import(&scene.log, &[scene.path().to_owned()], Options::default(), intake).await.unwrap()
}

/// Events were removed for good reason; the next import of the same transcripts brought them back.
#[tokio::test]
async fn what_was_removed_does_not_rise_again_unless_asked_for() {
    let scene = Scene::new();
    scene.write("s.jsonl", line("s", 1) + &line("s", 2));
    assert_eq!(counts(&scene.transcripts().await), (2, 2, 0, 0));
    remove_all(&scene).await;
    assert_eq!(counts(&scene.transcripts().await), (2, 0, 2, 0));
    add(&scene, "s.jsonl", &line("s", 3));
    assert_eq!(counts(&scene.transcripts().await), (3, 1, 2, 0), "the file has grown, and only that is new");
    let events = scene.events().await;
    assert_eq!(events.iter().filter(|event| event.stream == "session-s").count(), 1);
    assert_eq!(counts(&again(&scene).await), (3, 2, 1, 0));
}

/// A prompt in the part that was read long ago is what the new lines belong to.
#[tokio::test]
async fn new_lines_are_understood_by_those_before_them() {
    let scene = Scene::new();
    scene.write("s.jsonl", line("s", 1));
    scene.transcripts().await;
    let reply = "{\"type\":\"assistant\",\"uuid\":\"r\",\"parentUuid\":\"u1\",\"sessionId\":\"s\",\"message\":{\"content\":\"yes\"}}\n";
    add(&scene, "s.jsonl", reply);
    scene.transcripts().await;
    let events = scene.events().await;
    assert_eq!(events[1].correlation_id.as_deref(), Some(events[0].id.to_string().as_str()));
    assert_eq!(events[1].causation_id, Some(events[0].id));
}

#[tokio::test]
async fn a_file_that_changed_underneath_is_read_again() {
    let scene = Scene::new();
    scene.write("s.jsonl", line("s", 1) + &line("s", 2));
    scene.transcripts().await;
    // As long as before, and longer.
    scene.write("s.jsonl", line("s", 1) + &line("s", 3));
    assert_eq!(counts(&scene.transcripts().await), (2, 1, 1, 0));
    scene.write("s.jsonl", line("s", 4) + &line("s", 3) + &line("s", 5));
    assert_eq!(counts(&scene.transcripts().await), (3, 2, 1, 0));
    // Shorter.
    scene.write("s.jsonl", line("s", 6));
    assert_eq!(counts(&scene.transcripts().await), (1, 1, 0, 0));
    assert_eq!(scene.log.newest().await.unwrap(), Position(6));
}

/// A transcript often ends without a newline, which comes with the next line.
#[tokio::test]
async fn a_last_line_without_its_newline_is_done_when_it_is_whole() {
    let scene = Scene::new();
    scene.write("s.jsonl", line("s", 1).trim_end());
    assert_eq!(counts(&scene.transcripts().await), (1, 1, 0, 0));
    let half = line("s", 3);
    add(&scene, "s.jsonl", &("\n".to_owned() + &line("s", 2) + &half[..20]));
    let imported = scene.transcripts().await;
    assert_eq!((counts(&imported), imported.pending), ((2, 1, 1, 0), 1));
    add(&scene, "s.jsonl", &half[20..]);
    assert_eq!(counts(&scene.transcripts().await), (3, 1, 2, 0));
    assert_eq!(counts(&scene.transcripts().await), (3, 0, 3, 0));
}

#[tokio::test]
async fn other_options_read_the_file_again_and_a_rejected_line_is_told_each_time() {
    let scene = Scene::new();
    let progress = "{\"type\":\"progress\",\"uuid\":\"p\",\"sessionId\":\"s\"}\n";
    scene.write("s.jsonl", line("s", 1) + progress);
    assert_eq!(counts(&scene.transcripts().await), (2, 1, 0, 1));
    let imported = scene.transcripts_with(Options { with_progress: true }).await;
    assert_eq!(counts(&imported), (2, 1, 1, 0));
    scene.write("bad.jsonl", "no JSON\n");
    for _ in 0..2 {
        assert_eq!(scene.transcripts().await.rejected.len(), 1);
    }
}

#[tokio::test]
async fn streams_are_counted_as_if_every_line_had_been_read_again() {
    let scene = Scene::new();
    scene.write("a.jsonl", line("s", 1) + &line("t", 2));
    scene.write("b.jsonl", line("t", 3));
    assert_eq!(scene.transcripts().await.streams, 2);
    add(&scene, "b.jsonl", &line("u", 4));
    assert_eq!(scene.transcripts().await.streams, 3);
}

/// Story: the data of an event was clean, and its tag had the password in full.
#[tokio::test]
async fn no_part_of_an_event_has_a_secret_that_was_taken_out() {
    let scene = Scene::new();
    let secret = ["kGt8Zq", "2wXXb7"].concat();
    let call = format!(
        "{{\"type\":\"assistant\",\"sessionId\":\"s\",\"message\":{{\"content\":[{{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"Read\",\
         \"input\":{{\"file_path\":\"https://ada:{secret}@example.org/a.git\"}}}}]}}}}\n"
    );
    scene.write("s.jsonl", &call);
    let redactor =
        factlog_adapters::redact::Redactor::new(&factlog_adapters::redact::Rules::default(), [7; 16])
            .unwrap();
    let mut quiet = |_: factlog_adapters::Progress<'_>| {};
    for _ in 0..2 {
        let intake = Intake { redactor: Some(&redactor), again: true, ..Intake::telling(&mut quiet) };
        let paths = [scene.path().to_owned()];
        let imported = claude_code::import(&scene.log, &paths, Options::default(), intake).await.unwrap();
        assert_eq!((imported.read, imported.redacted), (1, 1));
    }
    let events = scene.events().await;
    assert_eq!(events.len(), 1, "its id is the same each time");
    assert!(!events[0].to_json().contains(&secret), "{}", events[0].to_json());
    assert!(events[0].tags.iter().any(|tag| tag.starts_with("file:https://ada:[redacted:url-password:")));
}
