//! Pipes: a reader that has enough ends the program quietly.

use crate::running::Running;
use crate::support::Place;

/// A log that does not fit into a pipe.
fn large() -> Place {
    let place = Place::new();
    let text = "x".repeat(200);
    let line = |n: u32| format!(r#"{{"stream":"s-{n}","type":"x","data":"{text}"}}"#);
    let input = (0..4_000).map(line).collect::<Vec<_>>().join("\n");
    place.feed("import jsonl -", &input);
    place
}

fn ends_quietly(program: Running, words: &str) {
    let ran = program.end();
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{words}");
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let place = large();
    for words in [
        "export",
        "export --format json",
        "export --format csv",
        "export --format cloudevents",
        "list",
        "replay --format jsonl",
        "streams",
        "streams --format json",
        "stats --group-by stream",
        "stats --group-by stream --format csv",
        "follow --from 1 --format jsonl",
        "docs",
    ] {
        let mut program = place.start(words);
        program.line();
        program.deaf();
        ends_quietly(program, words);
    }
}

#[test]
fn a_producer_whose_answers_nobody_reads_is_told_that_lines_may_be_left() {
    let place = Place::new();
    let mut agent = place.start("append --stdin");
    let line = r#"{"stream":"a-1","type":"x"}"#;
    agent.say(line);
    assert_eq!(agent.json()["events"][0]["position"], 1);
    agent.deaf();
    // The program notices with one of the next answers, and then there is nobody to write to.
    while agent.try_say(line) {}
    let ran = agent.end();
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("nobody reads the answers") && !ran.err.contains("panicked"), "{}", ran.err);
    assert!(place.positions("list").len() > 1);
}

#[test]
fn one_log_flows_into_another() {
    let place = large();
    let mut from = place.start("export");
    let mut to = place.start("import jsonl - --store sqlite:copy.db --format json");
    for _ in 0..4_000 {
        to.say(&from.line());
    }
    from.deaf();
    ends_quietly(from, "export");
    let ran = to.end();
    assert!(ran.code == 0 && ran.out.contains(r#""appended":4000"#), "{}{}", ran.out, ran.err);
}
