//! Whatever shape a transcript's line has, it is kept under the best type there is, or named.

mod common;

use common::{Scene, counts, rejected};
use factlog_adapters::claude_code::Options;

/// Story: a field had another shape in a newer version, and the line was lost or the import ended.
#[tokio::test]
async fn odd_shapes_are_kept() {
    let scene = Scene::new();
    let odd = [
        "{}",
        r#"{"type":null,"uuid":5,"sessionId":{},"timestamp":12,"parentUuid":["a"]}"#,
        r#"{"type":"user","message":"text"}"#,
        r#"{"type":"user","message":["content"]}"#,
        r#"{"type":"user","message":{"content":7}}"#,
        r#"{"type":"user","message":{"content":[1,null,["text"],{"type":{}},{}]}}"#,
        r#"{"type":"assistant","message":{"content":[]},"isApiErrorMessage":"true"}"#,
        r#"{"type":"system","subtype":["init"]}"#,
        r#"{"type":"attachment","timestamp":"yesterday"}"#,
        r#"{"type":"file-history","snapshot":["2026-02-08T04:00:00Z"]}"#,
        r#"{"type":"x","sessionId":" spaced ","agentId":"a\u0000b","promptId":""}"#,
        r#"{"type":"x","sessionId":"","n":1e400}"#,
    ];
    scene.write("s.jsonl", odd.join("\n"));
    let imported = scene.transcripts().await;
    assert_eq!(counts(&imported), (odd.len() as u64, odd.len() as u64, 0, 0), "{imported:?}");
    for (event, line) in scene.events().await.iter().zip(odd) {
        assert_eq!((&*event.event_type, &*event.stream), ("session:other", "session-s"), "{line}");
        assert_eq!((event.occurred_at, event.data.as_str()), (None, line));
    }
}

/// Story: what readers disagree about was stored, and each of them then read another record.
#[tokio::test]
async fn what_readers_disagree_about_is_rejected_with_the_reason() {
    let scene = Scene::new();
    let lines = [
        r#"{"type":"user","sessionId":"s","text":"\ud83d"}"#,
        r#"{"type":"user","type":"system","sessionId":"s"}"#,
        "[1]",
        "null",
        r#"{"type":"summary"}"#,
        "{",
    ];
    scene.write("s.jsonl", lines.join("\n") + "\n");
    let imported = scene.transcripts().await;
    assert_eq!((imported.read, imported.appended), (6, 1));
    let reasons = rejected(&imported);
    for ((_, line, reason), (expected, part)) in
        reasons.iter().zip([(1, "surrogate"), (2, "twice"), (3, "object"), (4, "object"), (6, "not JSON")])
    {
        assert!(*line == expected && reason.contains(part), "{line}: {reason}");
    }
    assert_eq!(reasons.len(), 5);
}

/// Every row of the table of types that the other tests do not see.
#[tokio::test]
async fn every_kind_of_line_has_its_type() {
    let content = |blocks: &str| format!(r#""message":{{"content":{blocks}}}"#);
    let table = [
        (r#""type":"user","#.to_owned() + &content(r#"[{"type":"image"}]"#), "session:prompted"),
        (
            r#""type":"user","isMeta":true,"#.to_owned() + &content(r#"[{"type":"text"}]"#),
            "session:context-added",
        ),
        (
            r#""type":"user","isMeta":true,"#.to_owned() + &content(r#"[{"type":"tool_result"}]"#),
            "session:tool-returned",
        ),
        (
            r#""type":"user","isCompactSummary":true,"#.to_owned() + &content(r#""x""#),
            "session:compact-summarized",
        ),
        (r#""type":"assistant","#.to_owned() + &content(r#""x""#), "session:replied"),
        (
            r#""type":"assistant","#.to_owned() + &content(r#"[{"type":"thinking"},{"type":"text"}]"#),
            "session:replied",
        ),
        (
            r#""type":"assistant","#.to_owned() + &content(r#"[{"type":"text"},{"type":"tool_use"}]"#),
            "session:tool-called",
        ),
        (
            r#""type":"assistant","#.to_owned() + &content(r#"[{"type":"redacted_thinking"}]"#),
            "session:thought",
        ),
        (r#""type":"assistant","isApiErrorMessage":true,"#.to_owned() + &content("[]"), "session:api-failed"),
        (r#""type":"system","subtype":"stop_hook_summary""#.to_owned(), "session:hooks-ran"),
        (r#""type":"system","subtype":"turn_duration""#.to_owned(), "session:turn-ended"),
        (r#""type":"system","subtype":"microcompact_boundary""#.to_owned(), "session:compacted"),
        (r#""type":"system","subtype":"local_command""#.to_owned(), "session:command-ran"),
        (r#""type":"system","subtype":"init""#.to_owned(), "session:started"),
        (r#""type":"system","subtype":"away_summary""#.to_owned(), "session:summarized"),
        (r#""type":"progress""#.to_owned(), "session:progressed"),
        (r#""type":"file-history-snapshot""#.to_owned(), "session:files-snapshotted"),
        (r#""type":"summary""#.to_owned(), "session:summarized"),
        (r#""type":"queue-operation""#.to_owned(), "session:prompt-queued"),
        (r#""type":"pr-link""#.to_owned(), "session:pull-request-linked"),
    ];
    let scene = Scene::new();
    let lines: Vec<String> = table.iter().map(|(fields, _)| format!("{{{fields}}}")).collect();
    scene.write("s.jsonl", lines.join("\n"));
    scene.transcripts_with(Options { with_progress: true }).await;
    assert_eq!(scene.types().await, table.map(|(_, expected)| expected));
}
