//! The examples of docs/patterns.md are what they say.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use factlog::{Event, EventId, Match, Matcher, Order};
use factlog_agents::vocabulary::pattern;
use serde_json::{Map, Value, json};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/patterns.md");
    std::fs::read_to_string(path).unwrap()
}

/// A line of the page's log: position, stream, type, and fields of the data.
fn event(line: &str) -> Option<Arc<Event>> {
    let mut words = line.split_whitespace();
    let position: u64 = words.next()?.parse().ok()?;
    let (stream, event_type) = (words.next()?, words.next()?);
    let data: Map<String, Value> = words
        .map(|word| {
            let (name, value) = word.split_once('=').unwrap();
            (name.to_owned(), value.parse::<i64>().map_or_else(|_| json!(value), |number| json!(number)))
        })
        .collect();
    let line = json!({"position": position, "id": EventId::generate(), "stream": stream, "version": position,
        "type": event_type, "recordedAt": format!("2026-11-20T10:{position:02}:00Z"), "data": data});
    Some(Arc::new(serde_json::from_value(line).unwrap()))
}

#[test]
fn each_example_of_the_page_finds_what_the_page_says() {
    let page = page();
    let section = page.split("## Twelve examples").nth(1).unwrap();
    let log: Vec<Arc<Event>> = section.split("```").nth(1).unwrap().lines().filter_map(event).collect();
    assert_eq!(log.len(), 12);
    let mut examples = 0;
    for row in section.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (text, finds) = row.split_once("` | ").unwrap();
        let asked = pattern(text).unwrap();
        let mut matcher = Matcher::new(&asked, Order::Position);
        let mut found: Vec<Match> = log.iter().flat_map(|event| matcher.push(event)).collect();
        found.extend(matcher.finish("2026-11-21T00:00:00Z".parse().unwrap()));
        let mut found: Vec<String> = found
            .iter()
            .map(|found| found.positions().map(|at| at.to_string()).collect::<Vec<_>>().join(" "))
            .collect();
        found
            .sort_by_key(|positions| positions.split(' ').next().and_then(|first| first.parse::<u64>().ok()));
        let expected = finds.trim_end_matches(" |");
        let is_none = expected.starts_with("nothing");
        assert_eq!(found.join(", "), if is_none { "" } else { expected }, "{text}");
        examples += 1;
    }
    assert_eq!(examples, 12);
}
