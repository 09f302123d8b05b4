//! A session of Gemini CLI becomes events, whether it is lines or one document.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{Scene, counts, rejected, sound};
use factlog::{Event, EventId};
use factlog_adapters::gemini::{self, DOCUMENT_BYTES_MAX, default_root};
use factlog_adapters::{Imported, Intake};

const HEAD: &str = r#"{"sessionId":"s","projectHash":"h","startTime":"2026-04-29T21:00:00Z","lastUpdated":"2026-04-29T21:00:00Z","kind":"main"}"#;

async fn import(scene: &Scene) -> Imported {
    let paths = [scene.path().to_owned()];
    sound(gemini::import(&scene.log, &paths, Intake::telling(&mut |_| {})).await.unwrap())
}

/// A message with an id, at a second of the same minute.
fn message(id: &str, second: u32, kind: &str, more: &str) -> String {
    format!(
        r#"{{"id":"{id}","timestamp":"2026-04-29T21:00:{second:02}.000Z","type":"{kind}","content":{more}}}"#
    )
}

fn id(record: &str) -> EventId {
    EventId::foreign("gemini", "s", record)
}

fn types(events: &[Arc<Event>]) -> Vec<&str> {
    events.iter().map(|event| &*event.event_type).collect()
}

/// Story: an import kept the text of a session, and lost what belonged to what.
#[tokio::test]
async fn a_session_of_lines_is_linked_by_its_prompts() {
    let scene = Scene::new();
    let call = r#""","toolCalls":[{"id":"c-1","name":"ls","args":{},"result":[],"status":"success"}]"#;
    let lines = [
        HEAD.to_owned(),
        message("u1", 1, "user", r#"[{"text":"list the files"}]"#),
        r#"{"$set":{"lastUpdated":"2026-04-29T21:00:01Z"}}"#.to_owned(),
        message("g1", 2, "gemini", call),
        message("u2", 3, "user", r#""and now?""#),
        message("g2", 4, "gemini", r#""nothing","thoughts":[{"subject":"x"}]"#),
    ];
    scene.write("h/chats/session-x.jsonl", lines.join("\n"));
    let imported = import(&scene).await;
    assert_eq!((counts(&imported), imported.streams), ((6, 6, 0, 0), 1));
    let events = scene.events().await;
    let (first, second) = (id(&lines[1]).to_string(), id(&lines[4]).to_string());
    let found: Vec<_> =
        events.iter().map(|event| (&*event.event_type, event.correlation_id.as_deref())).collect();
    assert_eq!(
        found,
        [
            ("session:started", None),
            ("session:prompted", Some(&*first)),
            ("session:updated", Some(&*first)),
            ("session:tool-called", Some(&*first)),
            ("session:prompted", Some(&*second)),
            ("session:replied", Some(&*second)),
        ]
    );
    for (event, line) in events.iter().zip(&lines) {
        assert_eq!(event.data.as_str(), line);
        assert_eq!((&*event.stream, event.session_id.as_deref()), ("session-s", Some("s")));
        assert_eq!((event.source.as_deref(), event.causation_id), (Some("gemini"), None));
        assert!(event.occurred_at.is_some(), "{line}");
    }
    assert_eq!(events[3].metadata.as_ref().unwrap().as_str(), r#"{"sourceId":"g1","toolUseId":"c-1"}"#);
    assert_eq!(counts(&import(&scene).await), (6, 0, 6, 0));
}

/// Story: a message was written again with its calls, and they were lost as a duplicate; or it counted as two replies.
#[tokio::test]
async fn each_form_of_a_message_is_an_event_and_counts_once_in_each_type() {
    let scene = Scene::new();
    let forms = [
        message("g", 1, "gemini", r#""""#),
        message("g", 1, "gemini", r#""hm""#),
        message("g", 1, "gemini", r#""hm","tokens":{"total":1}"#),
        message("g", 1, "gemini", r#""hm","tokens":{"total":1},"toolCalls":[{"id":"c"}]"#),
        message("g", 1, "gemini", r#""hm","tokens":{"total":1},"toolCalls":[{"id":"c","status":"success"}]"#),
    ];
    scene.write("s.jsonl", format!("{HEAD}\n{}\n{}\n", forms.join("\n"), forms[4]));
    assert_eq!(counts(&import(&scene).await), (7, 6, 1, 0), "word for word the same is one event");
    let events = scene.events().await;
    let expected = ["started", "other", "replied", "message-updated", "tool-called", "message-updated"];
    assert_eq!(types(&events), expected.map(|kind| format!("session:{kind}")));
    for pair in events[1..].windows(2) {
        assert_eq!(pair[1].causation_id, Some(pair[0].id));
        assert_eq!(pair[1].metadata.as_ref().unwrap().as_str().find(r#""sourceId":"g""#), Some(1));
    }
}

/// Story: a person undid a turn, and the log forgot that it ever was; undone to the same place twice, it told of one.
#[tokio::test]
async fn a_rewind_is_an_event_and_undoes_none() {
    let scene = Scene::new();
    let rewind = r#"{"$rewindTo":"u"}"#;
    let said = message("u", 1, "user", r#""hi""#);
    let lines = [HEAD, &said, &message("g", 2, "gemini", r#""ho""#), rewind, rewind, r#"{"$rewindTo":"?"}"#];
    scene.write("s.jsonl", lines.join("\n"));
    assert_eq!(counts(&import(&scene).await), (6, 6, 0, 0));
    let events = scene.events().await;
    let expected = ["started", "prompted", "replied", "rewound", "rewound", "rewound"];
    assert_eq!(types(&events), expected.map(|kind| format!("session:{kind}")));
    let named = format!(r#"{{"rewindTo":"{}"}}"#, id(&said));
    assert_eq!((events[3].data.as_str(), events[3].metadata.as_ref().unwrap().as_str()), (rewind, &*named));
    assert_eq!(events[5].metadata, None);
    assert_eq!(counts(&import(&scene).await), (6, 0, 6, 0));
}

fn document(updated: u32, messages: &[&str], more: &str) -> String {
    format!(
        "{{\n  \"sessionId\": \"s\",\n  \"startTime\": \"2026-04-29T21:00:00Z\",\n  \"messages\": [\n    {}\n  ],\n  \"lastUpdated\": \"2026-04-29T21:00:{updated:02}Z\"{more}\n}}\n",
        messages.join(",\n    ")
    )
}

/// Story: a document grows by being written anew, and each import brought the whole session again.
#[tokio::test]
async fn of_a_document_that_has_grown_only_the_new_messages_go_in() {
    let scene = Scene::new();
    let first = "{\n      \"id\": \"u\",\n      \"type\": \"user\", \"n\": 1.0,\n      \"content\": \"a  \\n b\"\n    }";
    let second = message("g", 2, "gemini", r#""ho""#);
    scene.write("session-x.json", document(1, &[first], ""));
    let imported = import(&scene).await;
    assert_eq!((counts(&imported), imported.streams), ((2, 2, 0, 0), 1));
    scene.write("session-x.json", document(2, &[first, &second], ",\n  \"summary\": \"in short\""));
    assert_eq!(counts(&import(&scene).await), (4, 2, 2, 0));
    assert_eq!(counts(&import(&scene).await), (4, 0, 4, 0));
    let events = scene.events().await;
    let expected = ["started", "prompted", "replied", "summarized"];
    assert_eq!(types(&events), expected.map(|kind| format!("session:{kind}")));
    let data: Vec<_> = events.iter().map(|event| event.data.as_str()).collect();
    assert_eq!(
        data,
        [
            r#"{"sessionId":"s","startTime":"2026-04-29T21:00:00Z","lastUpdated":"2026-04-29T21:00:01Z"}"#,
            r#"{"id":"u","type":"user","n":1.0,"content":"a  \n b"}"#,
            &second,
            r#"{"summary":"in short"}"#,
        ]
    );

    let third = message("u2", 3, "user", r#""and now?""#);
    scene.write("session-x.json", document(3, &[first, &second, &third], ",\n  \"summary\": \"in short\""));
    assert_eq!(counts(&import(&scene).await), (5, 1, 4, 0), "the same summary behind another message");

    // A newer version goes on with it as lines.
    let fourth = message("g2", 4, "gemini", r#""nothing""#);
    let lines = [&data[0].replace(":01Z", ":09Z"), data[1], &second, &third, &fourth].join("\n");
    scene.write("session-x.jsonl", lines);
    assert_eq!(counts(&import(&scene).await), (10, 1, 9, 0));
}

/// Story: the oldest documents have another list and times in seconds, and nothing of them was found.
#[tokio::test]
async fn a_document_of_another_shape_is_read_alike() {
    let scene = Scene::new();
    let history = [
        r#"{"role":"user","parts":[{"text":"go on"}]}"#,
        r#"{"role":"user","parts":[{"text":"go on"}]}"#,
        r#"{"role":"model","parts":[{"functionCall":{"name":"ls"}}],"ts":1695000000}"#,
        r#"{"role":"user","parts":[{"functionResponse":{"name":"ls"}}]}"#,
        r#"{"role":"gemini","parts":[{"text":"hm","thought":true}]}"#,
        r#"{"role":"user","parts":[{"inlineData":{}}]}"#,
    ];
    let document = |model: &str| format!(r#"{{"history":[{}],"meta":"{model}"}}"#, history.join(","));
    scene.write("old.json", document("x"));
    assert_eq!(counts(&import(&scene).await), (7, 7, 0, 0));
    let events = scene.events().await;
    let expected = ["started", "prompted", "prompted", "tool-called", "tool-returned", "thought", "prompted"];
    assert_eq!(types(&events), expected.map(|kind| format!("session:{kind}")));
    assert!(events.iter().all(|event| event.stream == "session-old"));
    assert_eq!(events[3].occurred_at.unwrap().to_string(), "2023-09-18T01:20:00.000000Z");
    assert_eq!(events[0].data.as_str(), r#"{"meta":"x"}"#);
    scene.write("old.json", document("y"));
    assert_eq!(counts(&import(&scene).await), (7, 0, 7, 0));
}

/// Story: one bad message cost the whole document, and a document of another program was taken for a session.
#[tokio::test]
async fn what_cannot_be_taken_of_a_document_is_named() {
    let scene = Scene::new();
    let good = message("u", 1, "user", r#""hi""#);
    scene.write("a.json", document(1, &[r#"{"id":"x","id":"y"}"#, "7", &good], ""));
    scene.write("b.json", r#"{"name":"no session"}"#);
    scene.write("c.json", "[1]");
    scene.write("d.json", "{]");
    scene.write("e.json", b"{\"messages\":[\"\xff\"]}");
    scene.write("f.json", " \n");
    let large = std::fs::File::create(scene.path().join("g.json")).unwrap();
    large.set_len(DOCUMENT_BYTES_MAX + 1).unwrap();
    let imported = import(&scene).await;
    assert_eq!((counts(&imported), imported.pending), ((9, 2, 0, 0), 0));
    let found = rejected(&imported);
    let expected = [
        ("a.json", 2, "twice"),
        ("a.json", 3, "object"),
        ("b.json", 1, "not a session"),
        ("c.json", 1, "not a session"),
        ("d.json", 1, "not JSON"),
        ("e.json", 1, "not UTF-8"),
        ("g.json", 1, "too long; 134217728 bytes are allowed"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((file, line, reason), expected) in found.iter().zip(expected) {
        assert!(
            (&**file, *line) == (expected.0, expected.1) && reason.contains(expected.2),
            "{file}: {reason}"
        );
    }
}

/// Story: a session was imported while it was being written, and its end was rejected for good.
#[tokio::test]
async fn what_is_still_being_written_comes_in_with_the_next_import() {
    let scene = Scene::new();
    let (said, whole) = (message("u", 1, "user", r#""hi""#), document(1, &["{}"], ""));
    scene.write("a.jsonl", format!("{HEAD}\n{}", &said[..30]));
    scene.write("b.json", &whole[..whole.len() - 10]);
    let imported = import(&scene).await;
    assert_eq!((counts(&imported), imported.pending), ((1, 1, 0, 0), 2));
    scene.write("a.jsonl", format!("{HEAD}\n{said}\n"));
    assert_eq!(counts(&import(&scene).await), (2, 1, 1, 0));
}

/// Story: what a sub-agent did was taken for the main agent's, and nothing said who had sent it.
#[tokio::test]
async fn a_sub_agent_has_its_own_source_and_is_begun_by_the_call() {
    let scene = Scene::new();
    let call = message("g", 1, "gemini", r#""","toolCalls":[{"id":"c","agentId":"a7"}]"#);
    scene.write("chats/session-z.jsonl", format!("{HEAD}\n{call}\n"));
    let head = r#"{"sessionId":"a7","projectHash":"h","startTime":"2026-04-29T21:00:05Z","kind":"subagent"}"#;
    scene.write("chats/s/a7.jsonl", format!("{head}\n{}\n", message("u", 6, "user", r#""look""#)));
    import(&scene).await;
    let events = scene.events().await;
    let found: Vec<_> = events
        .iter()
        .map(|event| (&*event.stream, event.source.as_deref().unwrap(), event.causation_id))
        .collect();
    assert_eq!(
        found,
        [
            ("session-s", "gemini", None),
            ("session-s", "gemini", None),
            ("session-a7", "gemini/a7", Some(id(&call))),
            ("session-a7", "gemini/a7", None),
        ]
    );
    assert_eq!(events[3].correlation_id, None, "no person said it");
}

/// Story: beside the sessions lie a list of prompts and saved conversations, and each prompt came in twice.
#[tokio::test]
async fn what_lies_beside_the_sessions_goes_in_only_when_it_is_named() {
    let scene = Scene::new();
    let saved = r#"{"history":[{"role":"user","parts":[{"text":"hi"}]}]}"#;
    scene.write("h/logs.json", r#"[{"sessionId":"s","message":"hi"}]"#);
    let named = scene.write("h/checkpoint-mine.json", saved);
    scene.write("h/checkpoints/1.json", saved);
    assert_eq!(counts(&import(&scene).await), (0, 0, 0, 0));
    let imported = gemini::import(&scene.log, &[named], Intake::telling(&mut |_| {})).await.unwrap();
    assert_eq!(imported.appended, 2);
}

/// Every row of the table of types that the other tests do not see, and whatever shape a field has.
#[tokio::test]
async fn every_kind_of_record_has_its_type_and_odd_shapes_are_kept() {
    let table = [
        (r#""type":"info","content":"cancelled""#, "noted"),
        (r#""type":"warning","content":"slow""#, "noted"),
        (r#""type":"error","content":"no quota""#, "api-failed"),
        (r#""type":"gemini","content":"","thoughts":[{"subject":"x"}]"#, "thought"),
        (r#""type":"model","parts":[{"text":"x"}]"#, "replied"),
        (r#""type":"gemini","content":{"text":"x"}"#, "replied"),
        (r#""type":"user","content":["x"]"#, "prompted"),
        (r#""$set":{"summary":"in short"}"#, "summarized"),
        (r#""$set":{"messages":[],"lastUpdated":"2026-04-29T21:00:01Z"}"#, "rewritten"),
        (r#""$set":{"directories":["/w"]}"#, "updated"),
        (r#""sessionId":"other","projectHash":"h""#, "updated"),
        (r#""type":"of tomorrow","id":"x""#, "other"),
        (r#""type":7,"id":{},"content":[[]],"timestamp":false,"toolCalls":{}"#, "other"),
        (r#""type":"gemini","content":[1,null],"toolCalls":[]"#, "other"),
        (r#""type":"user","content":7,"ts":1e400"#, "other"),
        (r#""$set":[],"$rewindTo":{}"#, "other"),
    ];
    let scene = Scene::new();
    let lines = table.map(|(fields, _)| format!("{{{fields}}}"));
    scene.write("s.jsonl", format!("{HEAD}\n{}", lines.join("\n")));
    assert_eq!(import(&scene).await.appended, table.len() as u64 + 1);
    let events = scene.events().await;
    assert_eq!(types(&events[1..]), table.map(|(_, kind)| format!("session:{kind}")));
    assert!(events.iter().all(|event| event.stream == "session-s"), "the first head owns the file");
}

/// Story: progress over a document ended at half of it.
#[tokio::test]
async fn progress_is_told_up_to_the_end_of_a_document() {
    let scene = Scene::new();
    scene.write("a.json", document(1, &["{\n}", "{\r\n  \"id\": \"é\"}"], ""));
    let mut last = None;
    let mut on_progress =
        |progress: factlog_adapters::Progress<'_>| last = Some((progress.bytes, progress.bytes_total));
    gemini::import(&scene.log, &[scene.path().to_owned()], Intake::telling(&mut on_progress)).await.unwrap();
    let (bytes, total) = last.unwrap();
    assert_eq!(Some(bytes), total);
}

/// Story: an empty `HOME` made a relative root.
#[test]
fn the_root_follows_the_environment() {
    let root = |home: &'static str| default_root(|name| (name == "HOME").then(|| home.into()));
    assert_eq!(root("/home/ada"), Some("/home/ada/.gemini/tmp".into()));
    assert_eq!(root(""), None);
    assert_eq!(default_root(|_| None), None);
}
