//! A transcript becomes the events of its sessions.

mod common;

use common::{Scene, counts, id};
use factlog_adapters::{
    Intake,
    claude_code::{self, Options, default_root},
};

/// A user's text.
fn said(session: &str, uuid: &str, parent: &str, minute: u32, more: &str) -> String {
    format!(
        r#"{{"type":"user","uuid":"{uuid}","parentUuid":{parent},"sessionId":"{session}","timestamp":"2026-02-08T05:{minute:02}:00.000Z","message":{{"role":"user","content":"hello"}}{more}}}"#
    )
}

/// An assistant's block of a type.
fn answered(session: &str, uuid: &str, parent: &str, minute: u32, block: &str) -> String {
    format!(
        r#"{{"type":"assistant","uuid":"{uuid}","parentUuid":{parent},"sessionId":"{session}","timestamp":"2026-02-08T05:{minute:02}:00.000Z","message":{{"role":"assistant","content":[{{"type":"{block}"}}]}}}}"#
    )
}

/// Story: an import kept the text of a session, and lost what belonged to what.
#[tokio::test]
async fn a_turn_is_linked_from_the_prompt_to_the_last_reply() {
    let scene = Scene::new();
    let result = r#","sourceToolAssistantUUID":"call","message":{"content":[{"type":"tool_result"}]}"#;
    let returned =
        format!(r#"{{"type":"user","uuid":"result","parentUuid":"progress","sessionId":"s"{result}}}"#);
    let progress = r#"{"type":"progress","uuid":"progress","parentUuid":"call","sessionId":"s"}"#.to_owned();
    scene.write(
        "p/s.jsonl",
        [
            r#"{"type":"file-history-snapshot","messageId":"m","snapshot":{"timestamp":"2026-02-08T04:00:00Z"}}"#.to_owned(),
            said("s", "prompt", "null", 1, ""),
            answered("s", "call", r#""prompt""#, 2, "tool_use"),
            progress,
            returned,
            answered("s", "reply", r#""progress""#, 3, "text"),
        ]
        .join("\n"),
    );
    let imported = scene.transcripts().await;
    assert_eq!((counts(&imported), imported.streams), ((6, 5, 0, 1), 1));
    let events = scene.events().await;
    let prompt = id("s", "prompt").to_string();
    let found: Vec<_> = events
        .iter()
        .map(|event| (&*event.event_type, event.causation_id, event.correlation_id.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            ("session:files-snapshotted", None, None),
            ("session:prompted", None, Some(&*prompt)),
            ("session:tool-called", Some(id("s", "prompt")), Some(&*prompt)),
            ("session:tool-returned", Some(id("s", "call")), Some(&*prompt)),
            ("session:replied", Some(id("s", "progress")), Some(&*prompt)),
        ]
    );
    assert!(events.iter().all(|event| event.stream == "session-s"));
    assert!(events.iter().all(|event| event.session_id.as_deref() == Some("s")));
    assert!(events.iter().all(|event| event.source.as_deref() == Some("claude-code")));
    assert_eq!(events[0].occurred_at, Some("2026-02-08T04:00:00Z".parse().unwrap()));
    assert_eq!(events[1].metadata.as_ref().unwrap().as_str(), r#"{"sourceId":"prompt"}"#);
    assert_eq!(events[1].data.as_str(), said("s", "prompt", "null", 1, ""));

    let imported = scene.transcripts_with(Options { with_progress: true }).await;
    assert_eq!(counts(&imported), (6, 1, 5, 0), "asked for later, progress is added to what is there");
}

/// Story: newer transcripts name the prompt on some lines only, and one turn fell into two operations.
#[tokio::test]
async fn a_named_prompt_is_the_correlation_of_its_whole_turn() {
    let scene = Scene::new();
    scene.write(
        "s.jsonl",
        [
            said("s", "1", "null", 1, r#","promptId":"p-1""#),
            answered("s", "2", r#""1""#, 2, "text"),
            said("s", "3", "null", 3, r#","isMeta":true"#),
            said("s", "4", "null", 4, r#","isSidechain":true"#),
            said("s", "5", "null", 5, r#","isCompactSummary":true,"promptId":"p-2""#),
            said("s", "6", "null", 6, ""),
            answered("s", "7", r#""6""#, 7, "text"),
        ]
        .join("\n"),
    );
    scene.transcripts().await;
    let last = id("s", "6").to_string();
    let found: Vec<_> =
        scene.events().await.iter().map(|event| event.correlation_id.as_ref().unwrap().to_string()).collect();
    assert_eq!(found, ["p-1", "p-1", "p-1", "p-1", "p-2", &last, &last]);
}

/// Story: a forked session begins with copies of the lines of the first; one of both was taken for a duplicate.
#[tokio::test]
async fn a_forked_session_keeps_its_copies_and_each_is_linked_within_its_own() {
    let scene = Scene::new();
    for session in ["one", "two"] {
        let lines = [said(session, "a", "null", 1, ""), answered(session, "b", r#""a""#, 2, "text")];
        scene.write(&format!("{session}.jsonl"), lines.join("\n"));
    }
    let imported = scene.transcripts().await;
    assert_eq!((counts(&imported), imported.streams), ((4, 4, 0, 0), 2));
    for session in ["one", "two"] {
        let reply = scene.log.get(id(session, "b")).await.unwrap().unwrap();
        assert_eq!(reply.causation_id, Some(id(session, "a")));
        assert_eq!(reply.correlation_id.as_deref(), Some(&*id(session, "a").to_string()));
    }
}

/// Story: a resumed session's file began with lines of the session before, and the link between them pointed nowhere.
#[tokio::test]
async fn a_resumed_session_is_linked_to_the_lines_before_it_in_the_same_file() {
    let scene = Scene::new();
    let lines = [
        said("old", "a", "null", 1, ""),
        said("new", "b", r#""a""#, 2, ""),
        answered("new", "c", r#""elsewhere""#, 3, "text"),
    ];
    scene.write("new.jsonl", lines.join("\n"));
    scene.transcripts().await;
    let causes: Vec<_> = scene.events().await.iter().map(|event| event.causation_id).collect();
    assert_eq!(causes, [None, Some(id("old", "a")), Some(id("new", "elsewhere"))]);
}

/// Story: after a compaction the conversation seemed to begin from nothing.
#[tokio::test]
async fn a_compaction_is_caused_by_what_was_compacted() {
    let scene = Scene::new();
    let boundary = r#"{"type":"system","subtype":"compact_boundary","uuid":"b","parentUuid":null,"logicalParentUuid":"a","sessionId":"s"}"#;
    scene.write("s.jsonl", boundary);
    scene.transcripts().await;
    let events = scene.events().await;
    assert_eq!((&*events[0].event_type, events[0].causation_id), ("session:compacted", Some(id("s", "a"))));
}

/// Story: sub-agents' lines were taken for the main agent's.
#[tokio::test]
async fn a_sub_agents_file_goes_to_its_session_under_its_own_source() {
    let scene = Scene::new();
    scene.write("p/s.jsonl", said("s", "1", "null", 1, ""));
    scene.write(
        "p/s/subagents/agent-a7.jsonl",
        said("s", "2", "null", 2, r#","isSidechain":true,"agentId":"a7""#),
    );
    scene.write("p/s/subagents/agent-a7.meta.json", "{}");
    assert_eq!(counts(&scene.transcripts().await), (2, 2, 0, 0));
    let events = scene.events().await;
    assert_eq!(events[1].source.as_deref(), Some("claude-code/a7"));
    assert_eq!((&*events[1].stream, events[1].version.0), ("session-s", 2));
    assert_eq!(events[1].correlation_id, None, "no person said it");
}

/// Story: sessions went in by the names of their files, which say nothing about when they were.
#[tokio::test]
async fn files_go_in_by_their_first_time_and_those_without_one_last() {
    let scene = Scene::new();
    scene.write("a.jsonl", r#"{"type":"summary","summary":"later"}"#);
    scene
        .write("b.jsonl", format!("{{\"type\":\"summary\"}}\nnot JSON\n{}\n", said("b", "1", "null", 9, "")));
    scene.write("c.jsonl", said("c", "1", "null", 3, ""));
    scene.transcripts().await;
    let streams: Vec<_> = scene.events().await.iter().map(|event| event.stream.to_string()).collect();
    assert_eq!(streams, ["session-c", "session-b", "session-b", "session-a"]);
}

/// Story: lines without a uuid came in again with each import.
#[tokio::test]
async fn lines_without_a_uuid_are_known_by_their_text() {
    let scene = Scene::new();
    let line = r#"{"type":"queue-operation","operation":"enqueue","sessionId":"s"}"#;
    scene.write("s.jsonl", format!("{line}\n{line}\n{{\"type\":\"summary\",\"leafUuid\":\"x\"}}\n"));
    assert_eq!(counts(&scene.transcripts().await), (3, 2, 1, 0));
    assert_eq!(counts(&scene.transcripts().await), (3, 0, 3, 0));
    assert!(scene.log.get(id("s", line)).await.unwrap().is_some());
}

/// Story: a transcript was imported while its session went on, and its last line never came in.
#[tokio::test]
async fn a_line_that_is_still_being_written_comes_in_with_the_next_import() {
    let scene = Scene::new();
    let (first, second) = (said("s", "1", "null", 1, ""), answered("s", "2", r#""1""#, 2, "text"));
    scene.write("s.jsonl", format!("{first}\n{}", &second[..40]));
    let imported = scene.transcripts().await;
    assert_eq!((counts(&imported), imported.pending), ((1, 1, 0, 0), 1));
    scene.write("s.jsonl", format!("{first}\n{second}\n"));
    assert_eq!(counts(&scene.transcripts().await), (2, 1, 1, 0));
}

/// Story: the name of a file could be no stream, and its lines vanished without a word.
#[tokio::test]
async fn a_session_that_can_be_no_stream_is_named() {
    let scene = Scene::new();
    scene.write(&format!("{}.jsonl", "s".repeat(240)), r#"{"type":"summary"}"#);
    let imported = scene.transcripts().await;
    assert_eq!((imported.read, imported.rejected.len()), (1, 1));
    assert!(imported.rejected[0].reason.contains("bytes"));
}

/// Story: a person had moved the folder by `CLAUDE_CONFIG_DIR`, and an old one was imported.
#[test]
fn the_root_follows_the_environment() {
    let root = |config: &'static str, home: &'static str| {
        default_root(|name| match name {
            "CLAUDE_CONFIG_DIR" => Some(config.into()),
            "HOME" => Some(home.into()),
            _ => None,
        })
    };
    assert_eq!(root("/c", "/home/ada"), Some("/c/projects".into()));
    assert_eq!(root("", "/home/ada"), Some("/home/ada/.claude/projects".into()));
    assert_eq!(root("", ""), None);
    assert_eq!(default_root(|_| None), None);
}

/// Story: an import could not be given a task of its own.
#[tokio::test]
async fn an_import_may_run_on_another_thread() {
    let scene = Scene::new();
    scene.write("s.jsonl", said("s", "1", "null", 1, ""));
    let (log, paths) = (scene.log.clone(), [scene.path().to_owned()]);
    let task = tokio::spawn(async move {
        claude_code::import(&log, &paths, Options::default(), Intake::telling(&mut |_| {})).await
    });
    assert_eq!(task.await.unwrap().unwrap().appended, 1);
}
