//! Any text as a pattern, and as a condition.

use std::sync::{Arc, LazyLock};

use factlog::{Event, EventKey, Expression, Match, Matcher, Order, Pattern, Scope, Timestamp};
use serde_json::json;

/// Events that every pattern is looked for in: types, keys and data of which dictionary and corpus speak, and times that
/// go backwards once.
static EVENTS: LazyLock<Vec<Arc<Event>>> = LazyLock::new(|| {
    let of = |(at, (event_type, stream, seconds)): (usize, (&str, &str, u64))| {
        let position = at + 1;
        let line = json!({
            "position": position, "id": format!("019a9e5e-0000-7000-8000-{position:012}"), "stream": stream,
            "version": position, "type": event_type, "source": format!("agent-{}", at % 2), "sessionId": "s",
            "correlationId": (at % 3 > 0).then_some("c"), "recordedAt": format!("2026-11-20T00:01:{seconds:02}Z"),
            "tags": ["a"], "data": {"n": at % 4, "text": "a", "half": 0.5, "is": true, "none": null,
                "list": [1, "a", {"n": 1}], "of": {"n": at}},
        });
        Arc::new(serde_json::from_value(line).expect("an event"))
    };
    EVENTS_OF.into_iter().enumerate().map(of).collect()
});

const EVENTS_OF: [(&str, &str, u64); 12] = [
    ("a", "x", 1),
    ("a", "y", 2),
    ("b", "x", 3),
    ("task:failed", "x", 4),
    ("c", "y", 8),
    ("a", "x", 6),
    ("b", "y", 9),
    ("task failed", "x", 10),
    ("b", "x", 20),
    ("task:queued", "x", 21),
    ("c", "x", 40),
    ("a", "y", 41),
];

/// No text panics, hangs or is refused without saying where it is wrong; what a pattern finds are events that were there,
/// in their order, within their time and of one key, and every match has a beginning of its own.
pub fn pattern(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<Pattern>() {
        Ok(pattern) => {
            assert_eq!(pattern.as_str(), text, "as it was written");
            assert!(!pattern.filter().types.is_empty(), "a pattern speaks of types");
            for order in [Order::Position, Order::Time] {
                found(&pattern, order);
            }
        }
        Err(error) => has_place(text, &error.to_string()),
    }
    if let Ok(expression) = Expression::compile(text) {
        assert_eq!(expression.as_str(), text, "as it was written");
        let (first, other) = (&EVENTS[3], &EVENTS[7]);
        let scope = Scope::of(first).with_event("f", other);
        assert!(
            !(expression.holds_in(&scope) && expression.value_in(&scope).is_err()),
            "it holds, and has no value"
        );
        let is_alone = !expression.speaks_of("f");
        assert!(
            !is_alone || expression.holds(first) == expression.holds_in(&scope),
            "it speaks of nothing else"
        );
    }
}

/// Looks for a pattern in the events, with much room and with little.
fn found(pattern: &Pattern, order: Order) {
    let mut events: Vec<&Arc<Event>> = EVENTS.iter().collect();
    if order == Order::Time {
        events.sort_by_key(|event| (event.time(), event.position));
    }
    for room in [100, 2] {
        let mut matcher = Matcher::new(pattern, order).starts_max(room);
        let mut all: Vec<Match> = events.iter().flat_map(|event| matcher.push(event)).collect();
        all.extend(matcher.advance(Timestamp::now()));
        all.extend(matcher.finish(Timestamp::now()));
        let counts = matcher.counts();
        assert_eq!((counts.events, counts.matches), (events.len() as u64, all.len() as u64));
        assert!(
            counts.open <= room as u64 && (counts.open == 0 || !pattern.ends_with_absence()),
            "{counts:?}"
        );
        let mut beginnings: Vec<_> = all.iter().map(|found| found.positions().next()).collect();
        beginnings.sort_unstable();
        beginnings.dedup();
        assert_eq!(beginnings.len(), all.len(), "a beginning is one match");
        all.iter().for_each(|found| is_right(pattern, order, found));
    }
}

fn is_right(pattern: &Pattern, order: Order, found: &Match) {
    let events: Vec<&Event> =
        found.positions().map(|position| &**EVENTS.get(position.0 as usize - 1).expect("an event")).collect();
    let place = |event: &&Event| (Some(event.time()).filter(|_| order == Order::Time), event.position);
    assert!(events.is_sorted_by(|one, next| place(one) < place(next)), "{found:?}");
    assert!(events.iter().all(|event| pattern.filter().matches(event)), "{found:?}");
    assert!(pattern.span().is_none_or(|within| found.duration() <= within), "{found:?}");
    let key_of = |event: &Event, key: &EventKey| key.of(event).map(|key| key.into_owned());
    for event in events {
        let key = pattern.key().map(|key| key_of(event, key).expect("what is found has a key"));
        assert_eq!(key.as_deref(), found.key.as_deref(), "{found:?}");
    }
}

/// What cannot be read says where.
fn has_place(text: &str, error: &str) {
    let Some((_, place)) = error.split_once("the pattern is wrong ") else { return };
    if place.starts_with("at its end") {
        return;
    }
    let column =
        place.strip_prefix("at column ").and_then(|rest| rest.split(',').next()?.parse::<usize>().ok());
    let column = column.unwrap_or_else(|| panic!("no place: {error}"));
    assert!((1..=text.chars().count()).contains(&column), "no place inside the text: {error}");
}
