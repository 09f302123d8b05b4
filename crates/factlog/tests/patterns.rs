//! What patterns mean, one story each, and what is said of those that cannot be read.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use factlog::{
    Event, EventLog, Filter, Lateness, Match, Matcher, MemoryStore, NewEvent, Order, Pattern, Position,
    Timestamp, Watching,
};
use serde_json::json;

const START: i64 = 1_800_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((START + seconds) * 1_000_000).unwrap()
}

/// Events as `type@second` with an optional `/key`, which is their source, and `=n`, which is in their data.
fn log(text: &str) -> Vec<Arc<Event>> {
    let one = |(index, word): (usize, &str)| {
        let (word, n) = word.split_once('=').unwrap_or((word, "0"));
        let (word, source) = word.split_once('/').unwrap_or((word, "x"));
        let (event_type, seconds) = word.split_once('@').unwrap();
        let time = at(seconds.parse().unwrap());
        let line = json!({"position": index + 1, "id": factlog::EventId::generate(), "stream": "s", "version": index + 1,
            "type": event_type, "source": source, "recordedAt": time, "data": {"n": n.parse::<i64>().unwrap()}});
        Arc::new(serde_json::from_value(line).unwrap())
    };
    text.split_whitespace().enumerate().map(one).collect()
}

fn positions(found: &[Match]) -> Vec<Vec<u64>> {
    found.iter().map(|found| found.positions().map(|position| position.0).collect()).collect()
}

fn found(pattern: &str, events: &str) -> Vec<Vec<u64>> {
    let mut matcher = Matcher::new(&pattern.parse().unwrap(), Order::Position);
    let mut found: Vec<Match> = log(events).iter().flat_map(|event| matcher.push(event)).collect();
    found.extend(matcher.finish(at(1_000_000)));
    positions(&found)
}

#[test]
fn every_first_step_counts_once_with_the_earliest_that_completes_it() {
    assert_eq!(found("a followed by b", "a@1 a@2 b@3 b@4 a@5"), [[1, 3], [2, 3]]);
    assert_eq!(found("a followed by b within 5s", "a@1 b@7 a@8 b@13"), [[3, 4]]);
    assert_eq!(found("a followed by b by source", "a@1/x b@2/y b@3/x"), [[1, 3]]);
    assert_eq!(found("a 3 times within 10s", "a@1 a@2 a@3 a@4 a@99"), [[1, 2, 3], [2, 3, 4]]);
    assert_eq!(found("a and b", "b@1 a@2 a@3"), [[1, 2]]);
    assert_eq!(found("a or b followed by c", "a@1 b@2 c@3"), [[1, 3], [2, 3]]);
    assert_eq!(found("a", "a@1 b@2 a@3"), [[1], [3]]);
    assert_eq!(found("a followed by a", "a@1 a@2 a@3"), [[1, 2], [2, 3]]);
}

/// Story: what one side of `and` excludes was let in as a step of the other side.
#[test]
fn what_one_side_excludes_is_no_step_of_the_other_in_its_midst() {
    let pattern = "a and (b not followed by a followed by b)";
    assert_eq!(found(pattern, "b@1 a@2 b@3"), Vec::<Vec<u64>>::new());
    assert_eq!(found(pattern, "b@1 b@2 a@3"), [[1, 2, 3]]);
    assert_eq!(found(pattern, "a@1 b@2 b@3"), [[1, 2, 3]]);
    assert_eq!(found("c and (b not followed by a followed by b)", "b@1 c@2 b@3"), [[1, 2, 3]]);
    // The step with which an absence ends is not in it.
    assert_eq!(found("b not followed by a followed by a", "b@1 a@2"), [[1, 2]]);
}

#[test]
fn what_must_not_come_between_ends_a_way_and_a_later_one_is_taken() {
    assert_eq!(found("a not followed by x followed by b", "a@1 x@2 b@3 a@4 b@5"), [[4, 5]]);
    // The first b is followed by x, the second is not.
    assert_eq!(found("a followed by b not followed by x followed by c", "a@1 b@2 x@3 b@4 c@5"), [[1, 4, 5]]);
    assert_eq!(found("a not followed by (x or y) followed by b", "a@1 y@2 b@3"), NONE);
    assert_eq!(found("a not followed by b within 5s", "a@1 a@2 b@6 a@8"), [[1], [4]][1..].to_vec());
    assert_eq!(found("a not followed by b", "a@1 b@2 a@3"), [[3]]);
}

const NONE: [Vec<u64>; 0] = [];

#[test]
fn a_condition_may_speak_of_another_step_before_it_or_after_it() {
    assert_eq!(found("f: a followed by b[data.n == f.data.n]", "a@1=1 b@2=2 b@3=1"), [[1, 3]]);
    assert_eq!(found("a[data.n == q.data.n] followed by q: b", "a@1=1 b@2=2 b@3=1"), [[1, 3]]);
    // The first b fits no c: the way by the second does.
    assert_eq!(
        found("a followed by q: b followed by c[data.n == q.data.n]", "a@1 b@2=1 b@3=2 c@4=2"),
        [[1, 3, 4]]
    );
    assert_eq!(found("f: a not followed by b[data.n == f.data.n] within 5s", "a@1=1 a@2=2 b@3=2"), [[1]]);
}

#[test]
fn a_log_that_is_out_of_order_is_matched_as_it_stands_or_by_its_times() {
    let mut events = log("b@5 a@4");
    let pattern: Pattern = "a followed by b within 1m".parse().unwrap();
    let mut matcher = Matcher::new(&pattern, Order::Position);
    assert!(events.iter().all(|event| matcher.push(event).is_empty()));
    events.sort_by_key(|event| (event.time(), event.position));
    let mut matcher = Matcher::new(&pattern, Order::Time);
    let found: Vec<Match> = events.iter().flat_map(|event| matcher.push(event)).collect();
    assert_eq!(positions(&found), [[2, 1]]);
    assert_eq!(found[0].duration(), Duration::from_secs(1));
}

#[test]
fn that_nothing_came_is_told_once_the_clock_says_so_and_not_before() {
    let pattern: Pattern = "a not followed by b within 5s by source".parse().unwrap();
    let mut matcher = Matcher::new(&pattern, Order::Position);
    let events = log("a@1/x a@3/y b@4/y c@9/z");
    let told: Vec<usize> = events.iter().map(|event| matcher.push(event).len()).collect();
    assert_eq!(told, [0, 0, 0, 1]);
    let mut matcher = Matcher::new(&pattern, Order::Position);
    matcher.push(&events[0]);
    assert_eq!(matcher.next_deadline(), Some(at(6)));
    assert!(matcher.advance(at(6)).is_empty());
    let later = matcher.advance(at(6).plus_ms(1));
    assert_eq!(positions(&later), [[1]]);
    assert_eq!(later[0].known_at, at(6));
}

#[test]
fn more_beginnings_than_there_is_room_for_are_counted_and_never_hidden() {
    let pattern: Pattern = "a followed by b followed by c".parse().unwrap();
    let mut matcher = Matcher::new(&pattern, Order::Position).starts_max(2);
    let found: Vec<Match> = log("a@1 a@2 a@3 b@4 c@5").iter().flat_map(|event| matcher.push(event)).collect();
    assert_eq!(positions(&found), [[2, 4, 5], [3, 4, 5]]);
    assert_eq!((matcher.counts().dropped, matcher.counts().matches, matcher.counts().open), (1, 2, 0));
}

#[test]
fn memory_is_bounded_however_many_events_open_what_nothing_completes() {
    let pattern: Pattern = "a followed by b by data.n".parse().unwrap();
    let mut matcher = Matcher::new(&pattern, Order::Position).starts_max(100);
    for n in 0..10_000 {
        matcher.push(&log(&format!("a@{n}={n}"))[0]);
    }
    assert_eq!((matcher.counts().open, matcher.counts().dropped), (100, 9_900));
}

#[test]
fn what_cannot_be_read_is_told_with_its_place_and_what_was_expected() {
    for (text, place, expected) in [
        ("", "at its end", "expected a type of event"),
        ("a followd by b", "column 3, at \"followd by b\"", "\"followed by\", \"not followed by\", \"and\""),
        ("a followed b", "column 12", "expected \"by\""),
        ("a not by b", "column 7", "expected \"followed by\""),
        ("a followed by followed", "column 15", "a type of event such as task:failed or \"(\""),
        ("(a or b", "at its end", "\")\""),
        ("a[data.x >] followed by b", "column 3", "the condition"),
        ("a[data.x > 1 followed by b", "at its end", "the closing ]"),
        ("a within soon", "column 10", "no length of time"),
        ("a 0 times", "column 3", "1 to 100 times"),
        ("a 5 by stream", "column 5", "expected \"times\""),
        ("a by task", "column 6", "cannot be tied together"),
        ("a within 5m within 6m", "column 13", "expected \"by\" or the end"),
        ("äöü followed x", "column 14", "expected \"by\""),
        ("f: a followed by f: b", "", "two steps of the pattern are named f"),
        ("event: a", "", "cannot be named event"),
        ("a not followed by b[data.n == q.data.n] followed by q: c", "", "which comes later"),
        ("a not followed by (b followed by c)", "", "what does not follow is an event"),
        ("(a not followed by b) and c", "", "not said until when"),
        ("(f: a or b) followed by c[data.n == f.data.n]", "", "there is a way without that step"),
        ("a followed by b[f.data.x == data.x]", "", "speaks of f"),
        ("f:a followed by b[f.data.x == data.x]", "", "there is no such step"),
        ("a[foo > 1]", "", "speaks of foo"),
        ("a[data.list.exists(t, t == u)]", "", "speaks of u"),
        ("a 101 times", "", "1 to 100 times"),
        ("(a followed by b) 51 times", "", "100 are allowed"),
        ("a and b and c and d and e and f and g", "", "256 are allowed"),
    ] {
        let error = text.parse::<Pattern>().unwrap_err().to_string();
        assert!(error.contains(place) && error.contains(expected), "{text}: {error}");
    }
    let excluded = vec!["b"; 700].join(" or ");
    let ways = format!("((f: a or a) not followed by ({excluded})) 8 times");
    assert!(ways.parse::<Pattern>().unwrap_err().to_string().contains("5000 are allowed"));
    let deep = "(".repeat(100_000);
    assert!(deep.parse::<Pattern>().is_err());
    assert!("(".repeat(3_000).parse::<Pattern>().unwrap_err().to_string().contains("nested"));
}

#[test]
fn types_with_odd_names_stand_in_quotes_and_words_of_the_language_in_any_case() {
    assert_eq!(found("\"a b(c)\" Followed BY \"and\"", ""), NONE);
    let pattern: Pattern = "\"task failed\" followed by task:* Within 5m BY data.taskId".parse().unwrap();
    assert_eq!(serde_json::to_string(&pattern.filter()).unwrap(), r#"{"types":["task failed","task:*"]}"#);
    assert_eq!(pattern.span(), Some(Duration::from_secs(300)));
    assert_eq!(found("a[data.n in [1, 2] && ']' != '['] followed by b", "a@1=2 b@2"), [[1, 2]]);
    // A name is told from a type by the space behind its colon.
    assert_eq!(found("a: b followed by x:y", "b@1 x:y@2"), [[1, 2]]);
    assert_eq!(found("a[[1, 2].exists(t, t == data.n) && type(data.n) == int]", "a@1=2"), [[1]]);
}

#[test]
fn what_ends_with_an_absence_needs_a_time_when_it_is_asked_of_what_comes() {
    let log = EventLog::new(MemoryStore::new());
    let forever: Pattern = "a not followed by b".parse().unwrap();
    let refused = Watching::new(&log, &forever, Filter::all(), Position::START).unwrap_err();
    assert!(refused.hint().is_some_and(|hint| hint.contains("within")));
}

#[tokio::test]
async fn a_pattern_is_watched_in_what_is_there_and_in_what_comes() {
    let log = EventLog::new(MemoryStore::new());
    let event = |stream: &str, event_type: &str| NewEvent::new(stream, event_type, json!({})).unwrap();
    log.append(vec![event("s-1", "a"), event("s-2", "a")]).await.unwrap();
    let pattern: Pattern = "a followed by b by stream".parse().unwrap();
    let mut watching = Watching::new(&log, &pattern, pattern.filter(), Position::START).unwrap();
    let writer = tokio::spawn({
        let log = log.clone();
        async move { log.append(vec![event("s-3", "b"), event("s-2", "b")]).await }
    });
    let first = watching.next().await.unwrap();
    assert_eq!(positions(&[first]), [[2, 4]]);
    assert_eq!((watching.seen(), watching.needs_after()), (Position(4), Position(0)));
    writer.await.unwrap().unwrap();
}

/// Story: a clock that ran while an event was on its way told that nothing had come.
#[tokio::test]
async fn what_does_not_come_is_told_by_the_clock_without_another_event() {
    let log = EventLog::new(MemoryStore::new());
    let event = |stream: &str, event_type: &str| NewEvent::new(stream, event_type, json!({})).unwrap();
    let pattern: Pattern = "a not followed by b within 200ms by stream".parse().unwrap();
    let mut watching = Watching::new(&log, &pattern, pattern.filter(), Position::START).unwrap();
    log.append(vec![event("s-1", "a"), event("s-2", "a"), event("s-1", "b")]).await.unwrap();
    let told = watching.next().await.unwrap();
    assert_eq!(positions(&[told]), [[2]]);
    assert_eq!(watching.counts().open, 0);
}

#[test]
fn an_event_waits_for_those_that_come_late_and_one_that_is_even_later_is_counted() {
    let mut lateness = Lateness::new(Duration::from_secs(10));
    let mut events = log("b@5 a@4 c@30 d@1");
    lateness.push(events.remove(0));
    assert!(lateness.pop(at(14)).is_none());
    lateness.push(events.remove(0));
    let mut out = Vec::new();
    while let Some(event) = lateness.pop(at(15)) {
        out.push(event.event_type.to_string());
    }
    assert_eq!(out, ["a", "b"]);
    events.into_iter().for_each(|event| lateness.push(event));
    assert_eq!(lateness.late(), 1);
    assert_eq!(lateness.pop(at(20)).unwrap().event_type, "d");
    assert_eq!(lateness.next_at(), Some(at(40)));
}
