//! The wire forms are promises: the same JSON in files, commands, and over the network. Change them on purpose only.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use factlog::{
    Appended, AppendedEvent, Batch, Condition, Error, Event, EventId, EventLine, Expect, Filter, Json,
    NewEvent, Position, Priority, Version,
};

/// Every field there is, in the order of the wire.
const EVENT: &str = concat!(
    r#"{"position":42,"id":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d","stream":"task-42","version":3,"type":"task:completed","#,
    r#""source":"agent-7","targets":["agent-1"],"recordedAt":"2026-11-20T23:44:30.123456Z","#,
    r#""occurredAt":"2026-11-20T23:44:29.000000Z","correlationId":"build-9","#,
    r#""causationId":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4c","sessionId":"s-1","userId":"ada","priority":"high","#,
    r#""expiresAt":"2026-11-21T00:00:00.000000Z","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","#,
    r#""tags":["ci"],"metadata":{"k":1.0},"data":{"result":"ok","n":1.50}}"#
);

#[test]
fn an_event_is_written_as_it_always_was() {
    let event: Event = serde_json::from_str(EVENT).unwrap();
    assert_eq!(event.to_json(), EVENT);
    assert_eq!(
        (event.position, event.version, event.priority),
        (Position(42), Version(3), Some(Priority::High))
    );
}

#[test]
fn absent_fields_are_left_out() {
    let small = r#"{"position":1,"id":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d","stream":"a","version":1,"type":"b","recordedAt":"2026-11-20T23:44:30.000000Z","data":null}"#;
    assert_eq!(serde_json::from_str::<Event>(small).unwrap().to_json(), small);
    let mut event = NewEvent::new("a", "b", ()).unwrap();
    event.id = EventId(uuid::Uuid::nil());
    let written = serde_json::to_string(&event).unwrap();
    assert_eq!(
        written,
        r#"{"id":"00000000-0000-0000-0000-000000000000","stream":"a","type":"b","data":null}"#
    );
}

#[test]
fn a_line_of_input_may_say_less_and_ignores_anothers_stamps() {
    let line: EventLine = r#" {"stream":"task-1","type":"task:noted"}"#.parse().unwrap();
    assert_eq!((line.event.data.as_str(), line.expect), ("{}", None));
    let line: EventLine = EVENT.replace(r#""data""#, r#""expect":"none","data""#).parse().unwrap();
    assert_eq!(line.expect, Some(Expect::Version(Version(0))));
    assert_eq!(line.event, serde_json::from_str::<Event>(EVENT).unwrap().fact);
}

/// A misspelt field that is passed over loses what somebody meant to record.
#[test]
fn what_is_no_event_is_refused_and_named() {
    for (line, names) in [
        (r#"{"stream":"a","type":"b","dta":1}"#, "dta"),
        (r#"{"type":"b"}"#, "stream"),
        (r#"{"stream":"a","type":""}"#, "type"),
        (r#"{"stream":"a","type":"b","type":"c"}"#, "duplicate"),
        (r#"{"stream":"a","type":"b","data":{"x":1,"x":2}}"#, "twice"),
        (r#"{"stream":"a","type":"b","metadata":[1]}"#, "metadata"),
        (r#"{"stream":"a","type":"b","priority":"urgent"}"#, "urgent"),
        (r#"{"stream":"a","type":"b","expect":-1}"#, "version"),
        (r#"[1,"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d","a",1,"b"]"#, "array"),
        ("", "EOF"),
        ("nonsense", "not an event"),
    ] {
        let error = line.parse::<EventLine>().unwrap_err();
        assert!(error.message().contains(names), "{line}: {error}");
    }
}

#[test]
fn another_systems_id_becomes_one_of_ours_and_stays_findable() {
    let line = r#"{"id":"evt-1700000000000-7","stream":"task-1","type":"b","source":"flow","causationId":"evt-1700000000000-6"}"#;
    let event = line.parse::<EventLine>().unwrap().event;
    assert_eq!(event.id, EventId::foreign("flow", "task-1", "evt-1700000000000-7"));
    assert_eq!(event.id.to_string(), "061363fd-340e-5c67-bf99-5a0a21317a46", "fixed for ever");
    assert_eq!(event.causation_id, Some(EventId::foreign("flow", "task-1", "evt-1700000000000-6")));
    assert_eq!(event.metadata.unwrap().as_str(), r#"{"sourceId":"evt-1700000000000-7"}"#);
}

#[test]
fn a_batch_is_read_and_written_as_it_always_was() {
    let text = concat!(
        r#"{"events":[{"id":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d","stream":"task-1","type":"task:noted","data":{}}],"#,
        r#""expect":{"task-1":3,"task-2":"none","task-3":"exists","task-4":"any"},"#,
        r#""conditions":[{"noneSince":{"filter":{"types":["task:*"]},"after":41}}]}"#
    );
    let batch: Batch = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&batch).unwrap(), text);
    let Condition::NoneSince { after, .. } = &batch.conditions()[0];
    assert_eq!(*after, Position(41));
    // What looks like a guard must guard.
    let event = r#"{"stream":"a-1","type":"b""#;
    assert!(serde_json::from_str::<Batch>(&format!(r#"{{"events":[{event},"expect":7}}]}}"#)).is_err());
    let twice = format!(r#"{{"events":[{event}}}],"expect":{{"a-1":7,"a-1":"any"}}}}"#);
    assert!(serde_json::from_str::<Batch>(&twice).is_err());
    assert!(serde_json::from_str::<Batch>(r#"{"events":[]}"#).is_err());
    assert!(serde_json::from_str::<Batch>(r#"{"events":[["a","b"]]}"#).is_err());
    assert!(
        serde_json::from_str::<Batch>(r#"{"events":[{"stream":"log-retention","type":"log:removed"}]}"#)
            .is_err()
    );
}

#[test]
fn an_answer_is_written_as_it_always_was() {
    let appended = Appended {
        events: vec![AppendedEvent {
            position: Position(42),
            stream: "task-42".parse().unwrap(),
            version: Version(3),
        }],
        recorded_at: "2026-11-20T23:44:30.123456Z".parse().unwrap(),
        repeated: false,
    };
    let text = r#"{"events":[{"position":42,"stream":"task-42","version":3}],"recordedAt":"2026-11-20T23:44:30.123456Z","repeated":false}"#;
    assert_eq!(serde_json::to_string(&appended).unwrap(), text);
    let error = Error::wrong_version(&"task-1".parse().unwrap(), Some(Version(3)), Version(5));
    let text = concat!(
        r#"{"code":"conflict","message":"stream task-1 was expected at version 3, and is at version 5","#,
        r#""hint":"read the stream again and decide on what is there now","stream":"task-1","expected":3,"actual":5}"#
    );
    assert_eq!(serde_json::to_string(&error.to_wire()).unwrap(), text);
    let codes = [
        (Error::invalid("m"), "invalid"),
        (Error::not_found("m"), "not-found"),
        (Error::denied("m"), "denied"),
        (Error::unavailable("m"), "unavailable"),
        (Error::corrupt("p", "m"), "corrupt"),
        (Error::stopped("m"), "stopped"),
    ];
    for (error, code) in codes {
        assert_eq!(error.kind().code(), code);
        assert!(
            serde_json::to_string(&error.to_wire()).unwrap().starts_with(&format!(r#"{{"code":"{code}""#))
        );
    }
}

#[test]
fn a_filter_is_written_as_it_always_was() {
    let text = concat!(
        r#"{"streams":["task-1"],"categories":["task"],"types":["task:*"],"sources":["a"],"targets":["b"],"#,
        r#""correlation":["c"],"causation":["0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d"],"session":["s"],"user":["u"],"tags":["t"],"#,
        r#""files":["src/a.rs"],"tools":["Edit"],"priorities":["low"],"ids":["0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d"],"#,
        r#""time":{"from":"2026-11-20T00:00:00.000000Z"},"recorded":{"to":"2026-11-21T00:00:00.000000Z"},"#,
        r#""expires":{"to":"2026-11-22T00:00:00.000000Z"},"text":"x","#,
        r#""not":{"sources":["z"]}}"#
    );
    let filter: Filter = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&filter).unwrap(), text);
    assert_eq!(serde_json::to_string(&Filter::all()).unwrap(), "{}");
    assert!(serde_json::from_str::<Filter>(r#"{"stream":["a"]}"#).is_err(), "an unknown field is refused");
    let nested: Filter = serde_json::from_str(r#"{"not":{"not":{}}}"#).unwrap();
    assert!(nested.check().is_err());
}

#[test]
fn metadata_can_be_noted_upon_and_is_not_overwritten() {
    let mut event = NewEvent::new("a", "b", ()).unwrap();
    event.metadata = Some(Json::parse(r#"{"x":1.0}"#).unwrap());
    event.note("sourceId", "7").unwrap();
    event.note("sourceId", "8").unwrap();
    assert_eq!(event.metadata.unwrap().as_str(), r#"{"x":1.0,"sourceId":"7"}"#);
}
