//! What the projections make of real records, beside a count of the files by hand; where the records do not lie beside
//! the project, the tests say so and pass.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use factlog::{EventLog, MemoryStore};
use factlog_adapters::claude_code::{self, Options};
use factlog_adapters::{Intake, scopecraft};
use factlog_agents::projections::{Agents, Entities, Metrics, Sessions, Tasks};
use factlog_agents::{Status, Tokens};
use serde_json::Value;

fn data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

/// All lines of all files under a folder, by file in the order of names.
fn lines(folder: &Path) -> Vec<Value> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { paths.push(path) }
        }
    }
    paths.sort();
    let texts = paths.iter().map(|path| std::fs::read_to_string(path).unwrap());
    texts
        .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
        .collect()
}

async fn transcripts(path: &Path, with_progress: bool) -> EventLog {
    let log = EventLog::new(MemoryStore::new());
    let options = Options { with_progress };
    claude_code::import(&log, &[path.to_owned()], options, Intake::telling(&mut |_| {})).await.unwrap();
    log
}

async fn state<P: Entities + Clone>(log: &EventLog) -> P {
    let projected = log.project::<P>().await.unwrap();
    projected.caught_up(log.newest().await.unwrap()).await.unwrap();
    projected.with(P::clone)
}

#[tokio::test]
async fn sessions_of_real_agents_have_their_tools_sub_agents_and_tokens() {
    let Some(path) = data("claude-code-transcripts") else { return };
    for with_progress in [false, true] {
        let log = transcripts(&path, with_progress).await;
        let sessions: Sessions = state(&log).await;
        let all = || sessions.entities().values();
        assert_eq!(all().count(), 13);
        let calls: (u64, u64) =
            all().fold((0, 0), |sum, session| (sum.0 + session.tool_calls, sum.1 + session.tool_returns));
        assert_eq!(calls, (402, 402), "every call is paired");
        assert!(all().all(|session| session.open_calls().is_empty()));
        let subagents: usize = all().map(|session| session.subagents.len()).sum();
        assert_eq!(subagents, 4);
        assert!(all().flat_map(|session| &session.subagents).all(|subagent| subagent.duration_ms.is_some()));
        let tokens =
            Tokens { input: 3_600, output: 25_203, cache_read: 21_157_317, cache_creation: 1_580_420 };
        assert_eq!(sessions.tokens(), tokens);
        assert_eq!(all().map(|session| session.messages).sum::<u64>(), 337);
        let by_model: u64 =
            all().flat_map(|session| session.tokens_by_model().into_values()).map(Tokens::total).sum();
        assert_eq!(by_model, tokens.total());
    }
}

#[tokio::test]
async fn sub_agents_of_real_agents_have_their_parents_and_their_tools_are_timed() {
    let Some(path) = data("claude-code-transcripts") else { return };
    let log = transcripts(&path, false).await;
    let agents: Agents = state(&log).await;
    let children: Vec<_> = agents.entities().values().filter(|agent| agent.parent_id.is_some()).collect();
    assert_eq!(children.len(), 4);
    for child in children {
        let parent = child.parent_id.as_deref().unwrap();
        assert!(agents.get(parent).is_some_and(|parent| parent.agent_type.as_deref() == Some("claude-code")));
        assert!(child.agent_name.is_some() && child.agent_type.is_some(), "{child:?}");
        assert!(!child.agent_id.starts_with("toolu_"), "{child:?}");
    }
    assert_eq!(agents.entities().len(), 13 + 4);
    let metrics: Metrics = state(&log).await;
    let actions = metrics.entities().values().flat_map(|agent| agent.actions.values());
    assert_eq!(actions.map(|action| action.count).sum::<u64>(), 402);
    let tasks: Tasks = state(&log).await;
    assert_eq!(tasks.entities().len(), 5, "one agent kept a list of five tasks");
    assert!(tasks.entities().values().all(|task| task.status == Some(Status::Completed)), "{tasks:?}");
}

/// What the files say of one task, counted without any of our code.
#[derive(Default)]
struct ByHand {
    status: Option<String>,
    moves: u64,
    sections: u64,
    changes: u64,
    is_deleted: bool,
    workflow: Option<String>,
}

#[tokio::test]
async fn tasks_of_a_real_project_stand_as_a_count_of_its_files_by_hand_says() {
    let Some(path) = data("scopecraft-events") else { return };
    let mut by_hand: BTreeMap<String, ByHand> = BTreeMap::new();
    // A stream's lines are in the order of its days.
    for line in lines(&path) {
        let data = &line["data"];
        let task = by_hand.entry(line["streamId"].as_str().unwrap().to_owned()).or_default();
        let text = |name: &str| data[name].as_str().map(str::to_owned);
        match line["type"].as_str().unwrap() {
            "TaskCreated" => {
                task.is_deleted = false;
                task.workflow = text("workflowState");
                task.status = text("status").or(Some("pending".to_owned()));
            }
            "TaskStatusChanged" => {
                task.changes += 1;
                task.status = text("newStatus").or(task.status.take());
            }
            "TaskMoved" => {
                task.moves += 1;
                task.workflow = text("toWorkflow");
            }
            "TaskSectionUpdated" => task.sections += 1,
            "TaskDeleted" => {
                task.is_deleted = true;
                task.workflow = text("workflowState");
            }
            other => panic!("{other}"),
        }
    }
    let log = EventLog::new(MemoryStore::new());
    scopecraft::import(&log, &[path], Intake::telling(&mut |_| {})).await.unwrap();
    let tasks: Tasks = state(&log).await;
    assert_eq!(tasks.entities().len(), by_hand.len());
    assert_eq!(by_hand.len(), 541);
    // The words that this project uses, as its people mean them.
    let meaning = |word: &str| match word {
        "🟡 To Do" | "To Do" | "todo" | "📋 Ready to Start" | "pending" => Some(Status::Pending),
        "🟢 Done" | "✅ Done" | "Done" | "done" => Some(Status::Completed),
        "🔵 In Progress" | "In Progress" | "in_progress" | "Progress" => Some(Status::InProgress),
        other => Status::of(other),
    };
    let mut words = BTreeSet::new();
    for (stream, expected) in &by_hand {
        let task = tasks.get(stream.strip_prefix("task-").unwrap()).unwrap();
        let status = expected.status.as_deref();
        words.extend(status.map(str::to_owned));
        let counted = (task.moves, task.section_updates, task.status_changes, task.deleted_at.is_some());
        assert_eq!(
            counted,
            (expected.moves, expected.sections, expected.changes, expected.is_deleted),
            "{stream}"
        );
        if let Some(known) = status.and_then(meaning) {
            assert_eq!(task.status, Some(known), "{stream}: {status:?}");
        }
        assert_eq!(task.workflow_state, expected.workflow, "{stream}");
    }
    assert!(words.len() > 5, "the dirt is there: {words:?}");
    let statistics = tasks.statistics();
    let deleted = by_hand.values().filter(|task| task.is_deleted).count() as u64;
    assert_eq!((statistics.total, statistics.deleted), (541, deleted));
}
