//! Any text as JSON, an event, a filter, a batch.

use std::fmt::Debug;

use factlog::{Batch, Event, EventLine, Filter, Json, NewEvent, TypePattern};
use serde_json::value::RawValue;

/// No text panics, and what is taken is the same when it is written and read again.
pub fn json(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(json) = Json::parse(text) {
        minified(text, &json);
    }
    if let Ok(line) = text.parse::<EventLine>() {
        let again: EventLine = written(&line.event).parse().expect("an event that was just written");
        assert_eq!(again.event, line.event, "an event line");
        assert!(again.expect.is_none(), "an event has no expectation");
        assert!(Batch::new(vec![line.event.clone()]).is_ok() || line.event.stream == "log-retention");
    }
    let event = same::<Event>(text);
    same::<NewEvent>(text.trim_start_matches("{}"));
    same::<Batch>(text);
    if let Ok(pattern) = text.parse::<TypePattern>() {
        assert_eq!(pattern.as_str(), text, "a pattern");
        let _ = pattern.matches(text);
    }
    if let Some(filter) = same::<Filter>(text) {
        let known: Event = serde_json::from_str(KNOWN).expect("an event");
        let is_in = filter.matches(&known);
        let out = Filter { not: Some(Box::new(Filter { not: None, ..filter.clone() })), ..Filter::all() };
        let is_checked = filter.check().is_ok() && filter.not.is_none() && filter != Filter::all();
        assert!(!(is_checked && is_in && out.matches(&known)), "in and out: {filter:?}");
        assert!(filter.overlaps(&filter) || !is_in, "a filter that does not overlap itself: {filter:?}");
    }
    if let Some(event) = event {
        assert!(Filter::stream(event.stream.clone()).matches(&event), "an event is in its stream");
    }
}

const KNOWN: &str = r#"{"position":3,"id":"019a9e5e-0000-7000-8000-000000000003","stream":"task-1","version":2,
"type":"task:created","source":"agent","targets":["b"],"recordedAt":"2026-11-20T00:00:00.000000Z","tags":["a","file:x"],
"data":{"title":"a"}}"#;

/// JSON keeps what it says: its tokens are those of the text, without the white space.
fn minified(text: &str, json: &Json) {
    let again = Json::parse(json.as_str()).expect("minified JSON is JSON");
    assert_eq!(again.as_str(), json.as_str(), "minified twice");
    let raw: Box<RawValue> = serde_json::from_str(text.trim()).expect("what was taken is JSON");
    let spaceless = |text: &str| text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>();
    assert_eq!(spaceless(raw.get()), spaceless(json.as_str()), "other tokens");
    assert_eq!(written(json), json.as_str(), "JSON in JSON");
    let read: Json = serde_json::from_str(text).expect("what is taken alone is taken inside");
    assert_eq!(read, *json);
}

fn written(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("what was read can be written")
}

fn same<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + Debug>(text: &str) -> Option<T> {
    let value: T = serde_json::from_str(text).ok()?;
    let again: T = serde_json::from_str(&written(&value)).expect("what was written can be read");
    assert_eq!(again, value);
    Some(value)
}
