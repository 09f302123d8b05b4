//! A rollout of Codex becomes the events of its session, and each fact is told once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{Scene, counts, rejected, sound};
use factlog::{Event, EventId};
use factlog_adapters::codex::{self, Options, default_root};
use factlog_adapters::{Imported, Intake};

async fn import_with(scene: &Scene, with_repeats: bool) -> Imported {
    let paths = [scene.path().to_owned()];
    sound(
        codex::import(&scene.log, &paths, Options { with_repeats }, Intake::telling(&mut |_| {}))
            .await
            .unwrap(),
    )
}

async fn import(scene: &Scene) -> Imported {
    import_with(scene, false).await
}

/// A line with a payload, at a second of the same minute.
fn line(second: u32, kind: &str, payload: &str) -> String {
    format!(r#"{{"timestamp":"2026-02-08T05:00:{second:02}.000Z","type":"{kind}","payload":{{{payload}}}}}"#)
}

fn meta(more: &str) -> String {
    line(0, "session_meta", &format!(r#""id":"s","cwd":"/w"{more}"#))
}

fn model(second: u32, payload: &str) -> String {
    line(second, "response_item", payload)
}

fn display(second: u32, payload: &str) -> String {
    line(second, "event_msg", payload)
}

fn said(second: u32, role: &str, text: &str) -> String {
    let content = format!(r#"[{{"type":"input_text","text":"{text}"}}]"#);
    model(second, &format!(r#""type":"message","role":"{role}","content":{content}"#))
}

fn id(line: &str) -> EventId {
    EventId::foreign("codex", "s", line)
}

fn types(events: &[Arc<Event>]) -> Vec<&str> {
    events.iter().map(|event| &*event.event_type).collect()
}

/// Story: an import kept the text of a session, and lost what belonged to what.
#[tokio::test]
async fn a_turn_is_linked_from_its_start_to_its_end() {
    let scene = Scene::new();
    let lines = [
        meta(""),
        display(1, r#""type":"task_started","turn_id":"t-1""#),
        said(2, "user", "list the files"),
        model(
            3,
            r#""type":"function_call","id":"fc-1","call_id":"c-1","name":"shell","arguments":"{\"command\":[\"ls\"]}""#,
        ),
        model(4, r#""type":"function_call_output","call_id":"c-1","output":"a.txt""#),
        said(5, "assistant", "one file"),
        display(6, r#""type":"task_complete","turn_id":"t-1","last_agent_message":"one file""#),
        said(7, "user", "and now?"),
    ];
    scene.write("2026/02/08/rollout-x.jsonl", lines.join("\n"));
    let imported = import(&scene).await;
    assert_eq!((counts(&imported), imported.streams), ((8, 8, 0, 0), 1));
    let events = scene.events().await;
    let found: Vec<_> = events
        .iter()
        .map(|event| (&*event.event_type, event.causation_id, event.correlation_id.as_deref()))
        .collect();
    let last = id(&lines[7]).to_string();
    assert_eq!(
        found,
        [
            ("session:started", None, None),
            ("session:turn-started", None, Some("t-1")),
            ("session:prompted", None, Some("t-1")),
            ("session:tool-called", None, Some("t-1")),
            ("session:tool-returned", Some(id(&lines[3])), Some("t-1")),
            ("session:replied", None, Some("t-1")),
            ("session:turn-ended", None, Some("t-1")),
            ("session:prompted", None, Some(&*last)),
        ]
    );
    for (event, line) in events.iter().zip(&lines) {
        assert_eq!((event.id, event.data.as_str()), (id(line), line.as_str()));
        assert_eq!((&*event.stream, event.session_id.as_deref()), ("session-s", Some("s")));
        assert_eq!(event.source.as_deref(), Some("codex"));
    }
    let metadata = events[3].metadata.as_ref().unwrap();
    assert_eq!(metadata.as_str(), r#"{"sourceId":"fc-1","toolUseId":"c-1"}"#);
    assert_eq!(events[2].occurred_at, Some("2026-02-08T05:00:02Z".parse().unwrap()));
}

/// Story: every prompt, reply and result of a session was counted twice, because a rollout tells it in two views.
#[tokio::test]
async fn what_both_views_tell_is_one_event_whichever_comes_first() {
    let pairs = [
        (said(1, "user", "hi"), display(1, r#""type":"user_message","message":"hi","images":[]"#)),
        (said(2, "assistant", "ho"), display(2, r#""type":"agent_message","message":"ho""#)),
        (
            model(3, r#""type":"reasoning","summary":[{"type":"summary_text","text":"why"}]"#),
            display(3, r#""type":"agent_reasoning","text":"why""#),
        ),
        (
            model(4, r#""type":"function_call_output","call_id":"c","output":"x""#),
            display(4, r#""type":"exec_command_end","call_id":"c","exit_code":0"#),
        ),
        (
            model(5, r#""type":"web_search_call","id":"ws-1""#),
            display(5, r#""type":"web_search_end","call_id":"ws-1""#),
        ),
        (line(6, "compacted", r#""message":"short""#), display(6, r#""type":"context_compacted""#)),
        (
            said(7, "assistant", "item"),
            display(
                7,
                r#""type":"item_completed","item":{"type":"AgentMessage","id":"m","content":[{"type":"Text","text":"item"}]}"#,
            ),
        ),
        (
            model(8, r#""type":"custom_tool_call_output","call_id":"d","output":"x""#),
            display(8, r#""type":"item_completed","item":{"type":"CommandExecution","id":"d"}"#),
        ),
    ];
    for display_first in [false, true] {
        let scene = Scene::new();
        let order = |(model, display): &(String, String)| {
            let (model, display) = (model.clone(), display.clone());
            if display_first { [display, model] } else { [model, display] }
        };
        scene.write("s.jsonl", pairs.iter().flat_map(order).collect::<Vec<_>>().join("\n"));
        assert_eq!(counts(&import(&scene).await), (16, 8, 0, 8));
        let kept: Vec<_> = scene.events().await.iter().map(|event| event.data.to_string()).collect();
        assert_eq!(kept, pairs.iter().map(|(model, _)| model.clone()).collect::<Vec<_>>());
        assert_eq!(counts(&import(&scene).await), (16, 0, 8, 8));
        assert_eq!(
            counts(&import_with(&scene, true).await),
            (16, 8, 8, 0),
            "asked for later, they are added"
        );
    }
}

/// Story: a person said the same twice, only one of both was in the model's view, and the other was lost.
#[tokio::test]
async fn a_display_line_is_left_out_only_for_a_pair_of_its_own() {
    let scene = Scene::new();
    let shown = |second| display(second, r#""type":"user_message","message":"go on""#);
    let lines = [
        said(1, "user", "go on"),
        shown(1),
        shown(2),
        display(3, r#""type":"agent_message","message":"never said""#),
        display(4, r#""type":"exec_command_end","call_id":"of no call","exit_code":1"#),
        display(5, r#""type":"agent_reasoning","text":"""#),
        // Two kinds of display line may show one fact.
        model(6, r#""type":"function_call_output","call_id":"c","output":"x""#),
        display(6, r#""type":"exec_command_end","call_id":"c""#),
        display(6, r#""type":"patch_apply_end","call_id":"c""#),
    ];
    scene.write("s.jsonl", lines.join("\n"));
    assert_eq!(counts(&import(&scene).await), (9, 6, 0, 3));
    let expected = ["prompted", "prompted", "replied", "tool-returned", "thought", "tool-returned"];
    assert_eq!(types(&scene.events().await), expected.map(|kind| format!("session:{kind}")));
}

/// Story: a line of the model's view was rejected, its display line left out for it, and the fact was nowhere.
#[tokio::test]
async fn a_rejected_line_answers_for_no_display_line() {
    let scene = Scene::new();
    let twice = r#""type":"message","role":"assistant","content":"ho","x":1,"x":2"#;
    scene.write(
        "s.jsonl",
        [model(1, twice), display(1, r#""type":"agent_message","message":"ho""#)].join("\n"),
    );
    let imported = import(&scene).await;
    assert_eq!((counts(&imported), rejected(&imported).len()), ((2, 1, 0, 0), 1));
    assert_eq!(types(&scene.events().await), ["session:replied"]);
}

/// Story: a sub-agent's file began with its parent's conversation, and all of it was counted again.
#[tokio::test]
async fn the_copy_of_a_parents_lines_is_left_out() {
    let scene = Scene::new();
    let numbered = |ordinal: u32, line: String| line.replacen('{', &format!(r#"{{"ordinal":{ordinal},"#), 1);
    let child = r#""session_id":"s","id":"child","parent_thread_id":"s","source":{"subagent":{}},"subagent_history_start_ordinal":3"#;
    scene.write("a.jsonl", [meta(""), said(1, "user", "from a person")].join("\n"));
    scene.write(
        "b.jsonl",
        [
            numbered(0, line(10, "session_meta", child)),
            numbered(1, line(10, "session_meta", r#""id":"s""#)),
            numbered(2, said(10, "user", "from a person")),
            numbered(3, said(11, "user", "from the parent")),
            numbered(4, display(11, r#""type":"user_message","message":"from a person""#)),
        ]
        .join("\n"),
    );
    let imported = import(&scene).await;
    assert_eq!((counts(&imported), imported.streams), ((7, 5, 0, 2), 1));
    let events = scene.events().await;
    let expected = ["started", "prompted", "started", "prompted", "prompted"];
    assert_eq!(types(&events), expected.map(|kind| format!("session:{kind}")), "a copy answers for none");
    let sources: Vec<_> = events.iter().map(|event| event.source.as_deref().unwrap()).collect();
    assert_eq!(sources, ["codex", "codex", "codex/child", "codex/child", "codex/child"]);
    assert!(events.iter().all(|event| event.stream == "session-s"));
    assert!(events[2..].iter().all(|event| event.correlation_id.is_none()), "no person said it");
}

/// Story: a forked session named its parent in a second line, and half of it went to the parent's stream.
#[tokio::test]
async fn the_first_line_about_the_session_owns_the_file() {
    let scene = Scene::new();
    let lines = [meta(""), line(1, "session_meta", r#""id":"parent""#), said(2, "user", "hi")];
    scene.write("s.jsonl", lines.join("\n"));
    assert_eq!(import(&scene).await.streams, 1);
    let events = scene.events().await;
    assert_eq!(types(&events), ["session:started", "session:configured", "session:prompted"]);
    assert!(events.iter().all(|event| event.stream == "session-s"));
}

/// Story: a person said "go on" twice in a session of a version that wrote no times, and once was lost.
#[tokio::test]
async fn equal_lines_are_one_event_with_a_time_and_two_without() {
    let scene = Scene::new();
    let (timed, untimed) = (said(1, "user", "go on"), r#"{"role":"user","content":"go on"}"#);
    scene.write("s.jsonl", [&timed, &timed, untimed, untimed].join("\n"));
    assert_eq!(counts(&import(&scene).await), (4, 3, 1, 0));
    assert_eq!(counts(&import(&scene).await), (4, 0, 4, 0));
}

/// Story: sessions of the first versions have no payloads, and were kept as lines of no known type.
#[tokio::test]
async fn lines_without_a_payload_are_read_alike() {
    let scene = Scene::new();
    let table = [
        (r#""id":"s","timestamp":"2025-05-07T17:24:21Z","instructions":null"#, "started"),
        (r#""id":"of another","timestamp":"2025-05-07T17:24:21Z","git":{}"#, "configured"),
        (r#""record_type":"state""#, "other"),
        (r#""timestamp":"2025-05-07T17:24:21Z","role":"user","content":"hi""#, "prompted"),
        (r#""created_at":"2025-05-07T17:24:22Z","role":"assistant","message":"ho""#, "replied"),
        (r#""ts":1746638662,"type":"message","role":"user","content":[{"text":"hi"}]"#, "prompted"),
        (r#""type":"tool_call","function":{"name":"git"},"arguments":"status""#, "tool-called"),
        (r#""type":"function_call","arguments":{},"call_id":"c""#, "tool-called"),
        (r#""type":"tool_result","name":"git","result":"x""#, "tool-returned"),
        (r#""type":"function_result","name":"git","result":"x","call_id":"c""#, "tool-returned"),
        (r#""type":"reasoning","summary":[]"#, "thought"),
        (r#""type":"error","text":"x""#, "api-failed"),
    ];
    let lines = table.map(|(fields, _)| format!("{{{fields}}}"));
    scene.write("2025.jsonl", lines.join("\n"));
    assert_eq!(import(&scene).await.appended, table.len() as u64);
    let events = scene.events().await;
    assert_eq!(types(&events), table.map(|(_, kind)| format!("session:{kind}")));
    assert!(events.iter().all(|event| event.stream == "session-s"));
    let times: Vec<_> =
        events[3..7].iter().map(|event| event.occurred_at.map(|time| time.to_string())).collect();
    let second = |second| Some(format!("2025-05-07T17:24:{second}.000000Z"));
    assert_eq!(times, [second(21), second(22), second(22), None]);
    assert_eq!(events[9].causation_id, Some(events[7].id));
}

/// Every row of the table of types that the other tests do not see.
#[tokio::test]
async fn every_kind_of_line_has_its_type() {
    let context = |text: &str| said(1, "user", text);
    let table = [
        (line(1, "turn_context", r#""turn_id":"t""#), "configured"),
        (display(1, r#""type":"thread_settings_applied""#), "configured"),
        (line(1, "world_state", r#""full":true"#), "context-added"),
        (said(1, "developer", "be brief"), "context-added"),
        (context("<environment_context>..."), "context-added"),
        (context("# AGENTS.md instructions for /w"), "context-added"),
        (display(1, r#""type":"user_message","message":"x","kind":"environment_context""#), "context-added"),
        (model(1, r#""type":"local_shell_call","call_id":"1""#), "tool-called"),
        (model(1, r#""type":"tool_search_output","call_id":"2""#), "tool-returned"),
        (display(1, r#""type":"mcp_tool_call_begin","call_id":"3""#), "tool-called"),
        (display(1, r#""type":"dynamic_tool_call_request","callId":"4""#), "tool-called"),
        (display(1, r#""type":"collab_close_end","call_id":"5""#), "tool-returned"),
        (display(1, r#""type":"item_completed","item":{"type":"McpToolCall","id":"6"}"#), "tool-returned"),
        (display(1, r#""type":"turn_aborted","reason":"interrupted""#), "turn-aborted"),
        (display(1, r#""type":"turn.completed","usage":{}"#), "turn-ended"),
        (display(1, r#""type":"token_count","info":null"#), "tokens-counted"),
        (model(1, r#""type":"compaction","encrypted_content":"x""#), "compact-summarized"),
        (display(1, r#""type":"thread_rolled_back","num_turns":1"#), "rewound"),
        (model(1, r#""type":"agent_message","author":"a","recipient":"b""#), "agent-messaged"),
        (line(1, "inter_agent_communication_metadata", ""), "agent-messaged"),
        (model(1, r#""type":"ghost_snapshot""#), "files-snapshotted"),
        (display(1, r#""type":"stream_error","message":"x""#), "api-failed"),
        (display(1, r#""type":"codex/event/raw_item""#), "progressed"),
        (display(1, r#""type":"item_completed","item":{"type":"Plan","id":"7"}"#), "other"),
        (display(1, r#""type":"guardian_assessment""#), "other"),
        (model(1, r#""type":"message","role":"referee""#), "other"),
        (line(1, "of tomorrow", ""), "other"),
    ];
    let scene = Scene::new();
    scene.write("s.jsonl", table.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>().join("\n"));
    assert_eq!(counts(&import(&scene).await), (table.len() as u64, table.len() as u64, 0, 0));
    let expected = table.each_ref().map(|(_, kind)| format!("session:{kind}"));
    assert_eq!(types(&scene.events().await), expected);
}

/// Story: a field had another shape in a newer version, and the line was lost or the import ended.
#[tokio::test]
async fn odd_shapes_are_kept() {
    let scene = Scene::new();
    let odd = [
        "{}",
        r#"{"type":null,"payload":5,"timestamp":{},"ordinal":-1}"#,
        r#"{"type":"response_item","payload":["message"]}"#,
        r#"{"type":"response_item","payload":{"type":"message","role":["user"],"content":7}}"#,
        r#"{"type":"event_msg","payload":{"type":"item_completed","item":[]}}"#,
        r#"{"type":"event_msg","payload":{"type":{},"call_id":[1]}}"#,
        r#"{"type":"x","payload":{"turn_id":"","id":" spaced "},"timestamp":"yesterday"}"#,
    ];
    scene.write("s.jsonl", odd.join("\n"));
    let imported = import(&scene).await;
    assert_eq!(counts(&imported), (odd.len() as u64, odd.len() as u64, 0, 0), "{imported:?}");
    for (event, line) in scene.events().await.iter().zip(odd) {
        assert_eq!((&*event.event_type, &*event.stream), ("session:other", "session-s"), "{line}");
        assert_eq!((event.occurred_at, event.data.as_str()), (None, line));
    }
}

/// Story: a session was imported while it went on, and its last line never came in.
#[tokio::test]
async fn a_line_that_is_still_being_written_comes_in_with_the_next_import() {
    let scene = Scene::new();
    let (first, second) = (display(1, r#""type":"agent_message","message":"ho""#), said(2, "user", "hi"));
    scene.write("s.jsonl", format!("{first}\n{}", &second[..60]));
    let imported = import(&scene).await;
    assert_eq!((counts(&imported), imported.pending), ((1, 1, 0, 0), 1));
    scene.write("s.jsonl", format!("{first}\n{second}\n"));
    assert_eq!(counts(&import(&scene).await), (2, 1, 1, 0));
}

/// Story: a person had moved the folder by `CODEX_HOME`, and an old one was imported.
#[test]
fn the_root_follows_the_environment() {
    let root = |codex: &'static str, home: &'static str| {
        default_root(|name| match name {
            "CODEX_HOME" => Some(codex.into()),
            "HOME" => Some(home.into()),
            _ => None,
        })
    };
    assert_eq!(root("/c", "/home/ada"), Some("/c/sessions".into()));
    assert_eq!(root("", "/home/ada"), Some("/home/ada/.codex/sessions".into()));
    assert_eq!(root("", ""), None);
}

/// Story: an import could not be given a task of its own.
#[tokio::test]
async fn an_import_may_run_on_another_thread() {
    let scene = Scene::new();
    scene.write("s.jsonl", meta(""));
    let (log, paths) = (scene.log.clone(), [scene.path().to_owned()]);
    let task = tokio::spawn(async move {
        codex::import(&log, &paths, Options::default(), Intake::telling(&mut |_| {})).await
    });
    assert_eq!(task.await.unwrap().unwrap().appended, 1);
}
