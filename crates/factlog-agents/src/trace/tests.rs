use factlog::{MemoryStore, NewEvent};
use serde_json::{Value, json};

use super::*;
use crate::projections::tests::at;

fn id(number: u8) -> EventId {
    format!("0192f0c1-7c1b-7a52-8f6e-0000000000{number:02}").parse().unwrap()
}

/// An event by its number, its cause and its type; a second after the one before.
fn event(number: u8, cause: Option<u8>, event_type: &str, data: Value) -> NewEvent {
    let fact = NewEvent::new("task-7", event_type, data).unwrap().with_correlation("build-9").unwrap();
    let fact = fact.with_id(id(number)).with_source("ada").unwrap();
    NewEvent { causation_id: cause.map(id), ..fact }
}

fn of(facts: &[NewEvent]) -> Trace {
    let mut fold = TraceFold::default();
    for (index, fact) in facts.iter().enumerate() {
        fold.add(&at(index as u64 + 1, fact.clone()));
    }
    fold.finish()
}

fn build() -> Vec<NewEvent> {
    vec![
        event(1, None, "task:created", json!({})),
        event(2, Some(1), "task:started", json!({})),
        event(3, Some(2), "note:taken", json!({})),
        event(4, Some(2), "TASK_FAILED", json!({"error": {"message": "no disk"}})),
        event(5, Some(1), "note:taken", json!({})),
    ]
}

fn told(trace: &Trace) -> Vec<(u64, usize)> {
    trace.nodes.iter().map(|node| (node.position.0, node.depth)).collect()
}

#[test]
fn events_stand_behind_their_causes_and_each_lasts_until_the_last_that_it_led_to() {
    let trace = of(&build());
    assert_eq!(told(&trace), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 1)]);
    let node = |position: u64| trace.nodes.iter().find(|node| node.position.0 == position).unwrap();
    assert_eq!((node(1).lasts_ms, node(2).lasts_ms, node(5).lasts_ms), (4_000, 2_000, 0));
    assert_eq!((node(5).wait_ms, node(1).wait_ms), (Some(4_000), None));
    assert_eq!(
        (node(2).own_ms, node(2).ended_by, node(2).went),
        (Some(2_000), Some(Position(4)), Some(Went::Wrong))
    );
    assert_eq!(node(4).ends, Some(Position(2)));
    assert_eq!(trace.critical_path, [Position(1), Position(5)]);
    assert_eq!((trace.duration_ms, trace.correlation.as_deref()), (4_000, Some("build-9")));
    // From the beginning of the work to its own end is no wait.
    let gaps: Vec<(u64, u64, u64)> =
        trace.gaps.iter().map(|gap| (gap.from.0, gap.to.0, gap.wait_ms)).collect();
    assert_eq!(gaps, [(1, 5, 4_000), (1, 2, 1_000), (2, 3, 1_000)]);
}

#[test]
fn circles_causes_of_themselves_and_missing_causes_lose_no_event_and_do_not_hang() {
    let facts = [
        event(1, Some(3), "a", json!({})),
        event(2, Some(1), "b", json!({})),
        event(3, Some(2), "c", json!({})),
        event(4, Some(4), "d", json!({})),
        event(5, Some(99), "e", json!({})),
        event(6, Some(3), "f", json!({})),
        event(7, Some(8), "g", json!({})),
        event(8, None, "h", json!({})),
    ];
    let trace = of(&facts);
    assert_eq!(told(&trace), [(1, 0), (2, 1), (3, 2), (6, 3), (4, 0), (5, 0), (8, 0), (7, 1)]);
    let root = |position: u64| trace.nodes.iter().find(|node| node.position.0 == position).unwrap().root;
    assert_eq!(
        [1, 4, 5, 8].map(root),
        [Some(Root::Circle), Some(Root::Circle), Some(Root::CauseNotHere), Some(Root::NoCause)]
    );
    assert_eq!(trace.nodes[5].missing_cause, Some(id(99)));
    let spans = spans(&trace);
    assert_eq!(spans.len(), 8);
    assert!(spans[0].get("parentSpanId").is_none(), "a circle has a beginning: {}", spans[0]);
}

#[test]
fn nothing_is_a_trace_of_nothing() {
    let trace = of(&[]);
    assert_eq!((trace.nodes.len(), trace.critical_path.len(), trace.duration_ms), (0, 0, 0));
    assert_eq!(trace.to_otlp(), json!({"resourceSpans": []}));
}

#[test]
fn what_says_how_long_it_took_began_so_long_before() {
    let trace = of(&[event(1, None, "task:completed", json!({"durationMs": 1_500}))]);
    assert_eq!((trace.nodes[0].own_ms, trace.duration_ms), (Some(1_500), 1_500));
    let trace = of(&[event(1, None, "task:completed", json!({"durationMs": u64::MAX}))]);
    assert_eq!(trace.to_otlp()["resourceSpans"].as_array().unwrap().len(), 1, "an odd number breaks nothing");
}

/// All spans, whoever they are of.
fn spans(trace: &Trace) -> Vec<Value> {
    let otlp = trace.to_otlp();
    let resources = otlp["resourceSpans"].as_array().unwrap().clone();
    resources.iter().flat_map(|of| of["scopeSpans"][0]["spans"].as_array().unwrap().clone()).collect()
}

#[test]
fn spans_are_as_the_otlp_mapping_to_json_wants_them() {
    let trace = of(&build());
    let otlp = trace.to_otlp();
    let service = &otlp["resourceSpans"][0]["resource"]["attributes"][0];
    assert_eq!(service, &json!({"key": "service.name", "value": {"stringValue": "ada"}}));
    let spans = spans(&trace);
    assert_eq!(spans.len(), 4, "the end of the work is in its span");
    let hex = |value: &Value, digits: usize| {
        let text = value.as_str().unwrap();
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    for span in &spans {
        assert!(hex(&span["traceId"], 32) && hex(&span["spanId"], 16), "{span}");
        assert_eq!(span["traceId"], spans[0]["traceId"]);
        for time in ["startTimeUnixNano", "endTimeUnixNano"] {
            assert!(span[time].as_str().unwrap().parse::<u64>().is_ok(), "{span}");
        }
        assert_eq!(span["kind"], 1);
    }
    assert!(spans[0].get("parentSpanId").is_none());
    assert_eq!(spans[1]["parentSpanId"], spans[0]["spanId"]);
    assert_eq!(spans[2]["parentSpanId"], spans[1]["spanId"]);
    let work = &spans[1];
    let nanos = |name: &str| work[name].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(nanos("endTimeUnixNano") - nanos("startTimeUnixNano"), 2_000_000_000);
    assert_eq!(work["status"], json!({"code": 2, "message": "no disk"}));
    assert_eq!(work["events"][0]["name"], "task:failed", "under one name whatever the spelling");
    assert_eq!(work["attributes"][0], json!({"key": "factlog.position", "value": {"intValue": "2"}}));
    assert_eq!(of(&build()).to_otlp(), otlp, "ids are the same each time");
}

#[test]
fn a_traceparent_gives_the_trace_and_the_span_above_it_and_a_broken_one_gives_nothing() {
    let with = |text: &str| {
        let mut facts = build();
        facts[0].traceparent = Some(text.parse().unwrap());
        of(&facts)
    };
    let trace = with("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_eq!(trace.trace_id, "0af7651916cd43dd8448eb211c80319c");
    let found = spans(&trace);
    assert!(found.iter().all(|span| span["traceId"] == "0af7651916cd43dd8448eb211c80319c"));
    assert_eq!(found[0]["parentSpanId"], "b7ad6b7169203331");
    let derived = of(&build()).trace_id;
    for broken in [
        "x",
        "00-0-0-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
    ] {
        assert_eq!(with(broken).trace_id, derived, "{broken}");
    }
    // Said in another trace: a span there, and a link to what caused it.
    let mut facts = build();
    facts[0].traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap());
    facts[4].traceparent = Some("00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01".parse().unwrap());
    let found = spans(&of(&facts));
    let other = &found[3];
    assert_eq!(
        (&other["traceId"], &other["parentSpanId"]),
        (&json!("1af7651916cd43dd8448eb211c80319c"), &json!("c7ad6b7169203331"))
    );
    assert_eq!(
        other["links"],
        json!([{"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": found[0]["spanId"]}])
    );
}

#[test]
fn a_tool_lasts_from_its_call_to_its_return() {
    let line = |number: u8, cause: Option<u8>, kind: &str, content: Value| {
        let fact = NewEvent::new(
            "session-s",
            &format!("session:{kind}"),
            json!({"message": {"content": [content]}}),
        );
        let fact = fact
            .unwrap()
            .with_source("claude-code")
            .unwrap()
            .with_tag("tool:Bash")
            .unwrap()
            .with_id(id(number));
        NewEvent { causation_id: cause.map(id), session_id: Some("s".parse().unwrap()), ..fact }
    };
    let trace = of(&[
        line(1, None, "tool-called", json!({"type": "tool_use", "id": "c1", "name": "Bash", "input": {}})),
        line(2, Some(1), "tool-called", json!({"type": "tool_use", "id": "c2", "name": "Bash", "input": {}})),
        line(
            3,
            Some(1),
            "tool-returned",
            json!({"type": "tool_result", "tool_use_id": "c1", "is_error": true}),
        ),
        line(4, Some(2), "tool-returned", json!({"type": "tool_result", "tool_use_id": "c2"})),
    ]);
    let spans = spans(&trace);
    assert_eq!(spans.len(), 2);
    assert_eq!((&spans[0]["name"], &spans[0]["kind"]), (&json!("session:tool-called Bash"), &json!(3)));
    assert_eq!((&spans[0]["status"]["code"], &spans[1]["status"]["code"]), (&json!(2), &json!(1)));
    assert_eq!(trace.nodes[0].own_ms, Some(2_000));
}

#[tokio::test]
async fn around_an_event_is_what_it_came_from_and_all_that_followed_from_there() {
    let log = EventLog::new(MemoryStore::new());
    let mut facts = build();
    facts.push(event(6, None, "elsewhere", json!({})));
    for fact in facts {
        log.append(fact).await.unwrap();
    }
    for position in 1..=5 {
        let asked = log.event_at(Position(position)).await.unwrap().unwrap();
        let trace = trace_around(&log, &asked, &Filter::all()).await.unwrap();
        assert_eq!(told(&trace), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 1)]);
        assert_eq!(trace.asked, Some(Position(position)));
    }
    // A circle has no top, and is walked once.
    let log = EventLog::new(MemoryStore::new());
    for fact in [event(1, Some(2), "a", json!({})), event(2, Some(1), "b", json!({}))] {
        log.append(fact).await.unwrap();
    }
    let asked = log.event_at(Position(2)).await.unwrap().unwrap();
    assert_eq!(trace_around(&log, &asked, &Filter::all()).await.unwrap().nodes.len(), 2);
}
