//! An event as a `CloudEvent`, to the byte.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use factlog::{Event, EventLine, NewEvent, Position, Version};
use factlog_adapters::cloudevents::to_cloud_event;

fn recorded(fact: NewEvent) -> Event {
    Event {
        position: Position(42),
        version: Version(3),
        recorded_at: "2026-11-20T23:44:30.123456Z".parse().unwrap(),
        fact,
    }
}

fn fact(line: &str) -> NewEvent {
    line.parse::<EventLine>().unwrap().event
}

#[test]
fn everything_an_event_has_is_in_its_cloud_event_and_the_data_byte_for_byte() {
    let line = r#"{"id":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d","stream":"task-42","type":"task:completed","source":"agent 7",
        "targets":["agent-1","agent-2"],"occurredAt":"2026-11-20T23:44:29Z","correlationId":"build-9",
        "causationId":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4e","sessionId":"s-1","userId":"ada","priority":"high",
        "expiresAt":"2026-11-21T00:00:00Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tags":["ci","a,b"],"metadata":{"host":"h1"},"data":{"z":1.0,"a":"\u00e9 é"}}"#;
    let expected = concat!(
        r#"{"specversion":"1.0","id":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d","source":"agent%207","type":"task:completed","#,
        r#""subject":"task-42","time":"2026-11-20T23:44:29.000000Z","datacontenttype":"application/json","#,
        r#""sequence":"00000000000000000042","streamversion":"3","recordedtime":"2026-11-20T23:44:30.123456Z","#,
        r#""expirytime":"2026-11-21T00:00:00.000000Z","correlationid":"build-9","#,
        r#""causationid":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4e","#,
        r#""traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","sessionid":"s-1","userid":"ada","#,
        r#""priority":"high","targets":"agent-1,agent-2","tags":"ci,a%2Cb","metadata":"{\"host\":\"h1\"}","#,
        r#""data":{"z":1.0,"a":"\u00e9 é"}}"#,
    );
    assert_eq!(to_cloud_event(&recorded(fact(line))), expected);
}

#[test]
fn what_an_event_lacks_is_left_out_and_its_time_is_when_it_was_recorded() {
    let line = r#"{"id":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d","stream":"task-42","type":"t","data":null}"#;
    let expected = concat!(
        r#"{"specversion":"1.0","id":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d","source":"factlog","type":"t","#,
        r#""subject":"task-42","time":"2026-11-20T23:44:30.123456Z","datacontenttype":"application/json","#,
        r#""sequence":"00000000000000000042","streamversion":"3","recordedtime":"2026-11-20T23:44:30.123456Z","#,
        r#""data":{}}"#,
    );
    let fact = NewEvent { data: factlog::Json::empty_object(), ..fact(line) };
    assert_eq!(to_cloud_event(&recorded(fact)), expected);
}

/// Names of attributes are lower-case letters and digits, or strict readers refuse the whole event.
#[test]
fn names_of_attributes_are_what_the_specification_allows() {
    let line =
        r#"{"stream":"task-42","type":"t","userId":"u","sessionId":"s","priority":"low","tags":["x"]}"#;
    let json: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&to_cloud_event(&recorded(fact(line)))).unwrap();
    for name in json.keys() {
        assert!(
            name.len() <= 20 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        );
    }
}
