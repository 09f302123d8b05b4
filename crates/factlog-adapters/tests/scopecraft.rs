//! Event files of Scopecraft: its own layout, its dirt, and a real project's history where that lies beside the project.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashMap;
use std::path::Path;

use common::{Scene, counts, rejected, sound};
use factlog::EventId;
use factlog_adapters::{Imported, Intake, scopecraft};

async fn import(scene: &Scene) -> Imported {
    let paths = [scene.path().to_owned()];
    sound(scopecraft::import(&scene.log, &paths, Intake::telling(&mut |_| {})).await.unwrap())
}

fn line(id: &str, stream: &str, kind: &str, time: &str, data: &str, metadata: &str) -> String {
    format!(
        r#"{{"id":"{id}","streamId":"{stream}","type":"{kind}","version":1,"timestamp":"{time}","data":{data},"metadata":{metadata}}}"#
    ) + "\n"
}

#[tokio::test]
async fn an_event_keeps_its_words_and_gets_the_vocabularys_type() {
    let scene = Scene::new();
    let created = line(
        "c-1",
        "task-AUTH-001",
        "TaskCreated",
        "2024-01-27T10:00:00.000Z",
        r#"{"taskId":"AUTH-001","title":"Log in","workflowState":"backlog","status":"🟡 To Do"}"#,
        r#"{"userId":"ada","correlationId":"commit-1"}"#,
    );
    let queued = line(
        "s-1",
        "session-abc",
        "SessionQueued",
        "2024-01-27T10:00:01.000Z",
        r#"{"sessionId":"abc","taskId":"AUTH-001"}"#,
        r#"{"causationId":"c-1","host":"ci"}"#,
    );
    let own = line("x-1", "deploy-1", "Deployed", "2024-01-27T10:00:02.000Z", "{}", "{}");
    scene.write("2024-01-27/task-AUTH-001.jsonl", created);
    scene.write("2024-01-27/session-abc.jsonl", queued);
    scene.write("2024-01-27/deploy-1.jsonl", own);
    scene.write("indexes/by-stream.idx", "no events");
    assert_eq!(counts(&import(&scene).await), (3, 3, 0, 0));

    let events = scene.events().await;
    let (created, queued, own) = (&events[0], &events[1], &events[2]);
    assert_eq!(created.event_type, "task:created");
    assert_eq!(created.stream, "task-AUTH-001");
    assert_eq!(created.id, EventId::foreign("scopecraft", "task-AUTH-001", "c-1"));
    assert!(created.data.as_str().contains("🟡 To Do"));
    assert_eq!(created.user_id.as_deref(), Some("ada"));
    assert_eq!(created.correlation_id.as_deref(), Some("commit-1"));
    assert_eq!(created.time().to_string(), "2024-01-27T10:00:00.000000Z");
    assert_eq!(
        created.metadata.as_ref().unwrap().as_str(),
        r#"{"sourceType":"TaskCreated","sourceId":"c-1"}"#
    );
    assert_eq!(queued.causation_id, Some(created.id));
    assert_eq!(queued.session_id.as_deref(), Some("abc"));
    assert!(queued.metadata.as_ref().unwrap().as_str().starts_with(r#"{"host":"ci""#));
    assert_eq!(own.event_type, "Deployed");
    assert_eq!(counts(&import(&scene).await), (3, 0, 3, 0));
}

/// Story (S4, S2): one torn line made a whole stream unreadable there, and versions that callers chose clashed.
#[tokio::test]
async fn s4_a_torn_line_and_clashing_versions_cost_no_other_event() {
    let scene = Scene::new();
    let event = |id: &str, time: &str| line(id, "task-1", "TaskMoved", time, "{}", "{}");
    let first = event("a", "2024-01-27T10:00:00Z");
    let (half, _) = first.split_at(60);
    let no_stream = r#"{"id":"b","type":"TaskMoved","timestamp":"2024-01-27T10:00:00Z"}"#;
    scene.write("2024-01-28/task-1.jsonl", event("c", "2024-01-28T10:00:00Z"));
    scene.write(
        "2024-01-27/task-1.jsonl",
        format!("{first}{half}\n{no_stream}\n{}", event("d", "2024-01-27T11:00:00Z")),
    );
    let imported = import(&scene).await;
    assert_eq!(counts(&imported), (5, 3, 0, 0));
    let rejected = rejected(&imported);
    assert_eq!(rejected.iter().map(|(_, line, _)| *line).collect::<Vec<_>>(), [2, 3]);
    assert!(rejected[1].2.contains("streamId"), "{rejected:?}");
    let times: Vec<String> = scene.events().await.iter().map(|event| event.time().to_string()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(scene.events().await.last().unwrap().version.0, 3);
}

#[tokio::test]
async fn a_real_projects_history_goes_in_whole() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/scopecraft-events");
    if !path.is_dir() {
        eprintln!("skipped: {} is not there", path.display());
        return;
    }
    let scene = Scene::new();
    let imported = scopecraft::import(&scene.log, &[path], Intake::telling(&mut |_| {})).await.unwrap();
    assert_eq!((counts(&imported), imported.streams), ((2736, 2736, 0, 0), 541));
    let mut types: HashMap<String, u64> = HashMap::new();
    for event in scene.events().await {
        *types.entry(event.event_type.to_string()).or_default() += 1;
    }
    let expected = [
        ("task:section-updated", 1343),
        ("task:created", 554),
        ("task:deleted", 523),
        ("task:status-changed", 249),
        ("task:moved", 67),
    ];
    assert_eq!(types, expected.map(|(name, count)| (name.to_owned(), count)).into_iter().collect());
}
