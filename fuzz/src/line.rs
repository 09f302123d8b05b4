//! Any bytes as a line of a plain-text log.

use std::collections::BTreeMap;

use arbitrary::Unstructured;
use factlog::{Batch, Event, Json};
use factlog_stores::fuzzing::{WholeLine, lines_of, whole_line};

use crate::made;
use crate::sections::sealed;

/// No bytes panic, whether their checksum is right or not. An event that a line gives comes back from the line that is
/// made of it, and so does an event made of the bytes.
pub fn line(bytes: &[u8]) {
    let _ = whole_line(bytes);
    for line in sealed(bytes).split(|byte| *byte == b'\n') {
        if let Some(WholeLine { event: Some(event), .. }) = whole_line(line)
            && is_ours(&event)
        {
            comes_back(&event);
        }
    }
    if let Ok(event) = made::event(&mut Unstructured::new(bytes)) {
        assert!(is_ours(&event), "a made event is one that a log takes: {event:?}");
        comes_back(&event);
        let wire: Event = serde_json::from_str(&event.to_json()).expect("the wire form of an event");
        assert_eq!(wire, event, "the wire form");
    }
}

/// Whether a log could have written the event: a right checksum says that it did, and these bytes say so themselves.
fn is_ours(event: &Event) -> bool {
    let is_minified = |json: &Json| Json::parse(json.as_str()).is_ok_and(|parsed| parsed == *json);
    is_minified(&event.data)
        && event.metadata.as_ref().is_none_or(is_minified)
        && Batch::kept(vec![event.clone()]).is_ok()
}

fn comes_back(event: &Event) {
    for is_group in [false, true] {
        let lines = lines_of(vec![event.clone()], is_group).expect("a batch of one event");
        let line = lines.strip_suffix(b"\n").expect("a newline ends a line");
        assert!(!line.contains(&b'\n'), "one event is one line");
        let _: BTreeMap<String, Box<serde_json::value::RawValue>> =
            serde_json::from_slice(line).unwrap_or_else(|error| panic!("a line is no JSON object: {error}"));
        let back = whole_line(line).expect("a line that was just written");
        assert_eq!((back.first, back.last, back.more), (event.position, event.position, 0));
        assert_eq!(back.event.as_ref(), Some(event), "{}", String::from_utf8_lossy(line));
    }
}
