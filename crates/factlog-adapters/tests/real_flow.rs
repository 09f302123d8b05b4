//! What real records tell of their process, beside a count of the files by hand; where the records do not lie beside the
//! project, the tests say so and pass.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use factlog::{EventKey, EventLog, Filter, MemoryStore};
use factlog_adapters::claude_code::{self, Options};
use factlog_adapters::{Intake, scopecraft};
use factlog_agents::case::CaseOptions;
use factlog_agents::flow::{FLOW_VARIANTS_DEFAULT, Flow, flow};
use factlog_agents::trace::trace;
use serde_json::Value;

type Edges = BTreeMap<(String, String), u64>;

fn data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

async fn transcripts(path: &Path) -> EventLog {
    let log = EventLog::new(MemoryStore::new());
    claude_code::import(&log, &[path.to_owned()], Options::default(), Intake::telling(&mut |_| {}))
        .await
        .unwrap();
    log
}

fn edges(flow: &Flow) -> Edges {
    flow.edges.iter().map(|edge| ((edge.from.clone(), edge.to.clone()), edge.count)).collect()
}

/// Neighbours in lists.
fn neighbours(lists: impl IntoIterator<Item = Vec<String>>) -> Edges {
    let mut edges = Edges::new();
    for list in lists {
        for (from, to) in list.iter().zip(list.iter().skip(1)) {
            *edges.entry((from.clone(), to.clone())).or_default() += 1;
        }
    }
    edges
}

#[tokio::test]
async fn the_flow_of_a_real_project_is_that_of_a_count_of_its_files_by_hand() {
    let Some(path) = data("scopecraft-events") else { return };
    // A stream's lines are in the order of its days, and of its file of each day.
    let mut paths: Vec<PathBuf> = Vec::new();
    for day in
        std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        paths.extend(std::fs::read_dir(day).unwrap().map(|entry| entry.unwrap().path()));
    }
    paths.sort();
    let mut streams: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in paths.iter().map(|path| std::fs::read_to_string(path).unwrap()) {
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let name = match line["type"].as_str().unwrap() {
                "TaskCreated" => "task:created",
                "TaskStatusChanged" => "task:status-changed",
                "TaskMoved" => "task:moved",
                "TaskSectionUpdated" => "task:section-updated",
                "TaskDeleted" => "task:deleted",
                other => panic!("{other}"),
            };
            streams.entry(line["streamId"].as_str().unwrap().to_owned()).or_default().push(name.to_owned());
        }
    }
    let log = EventLog::new(MemoryStore::new());
    scopecraft::import(&log, &[path], Intake::telling(&mut |_| {})).await.unwrap();
    let options = CaseOptions { by: EventKey::Stream, ..CaseOptions::default() };
    let flow = flow(log.read(Filter::all()), options, FLOW_VARIANTS_DEFAULT).await.unwrap();
    assert_eq!((flow.events, flow.cases), (2_736, streams.len() as u64));
    let ways: BTreeSet<&Vec<String>> = streams.values().collect();
    assert_eq!(flow.variants_total, ways.len() as u64);
    let commonest = &flow.variants[0];
    let taken = streams.values().filter(|way| **way == commonest.activities).count() as u64;
    assert_eq!(commonest.cases, taken);
    assert_eq!(edges(&flow), neighbours(streams.into_values()));
}

#[tokio::test]
async fn the_flow_of_real_sessions_is_that_of_a_naive_count_by_session_and_by_correlation() {
    let Some(path) = data("claude-code-transcripts") else { return };
    let log = transcripts(&path).await;
    let events = log.read(Filter::all()).collect().await.unwrap();
    for (by, key) in [(EventKey::Session, "sessionId"), (EventKey::Correlation, "correlationId")] {
        // By the wire form of the events, without the code that is tested.
        let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut without = 0;
        for event in &events {
            let event: Value = serde_json::from_str(&event.to_json()).unwrap();
            match event[key].as_str() {
                Some(case) => {
                    lists
                        .entry(case.to_owned())
                        .or_default()
                        .push(event["type"].as_str().unwrap().to_owned());
                }
                None => without += 1,
            }
        }
        let options = CaseOptions { by, ..CaseOptions::default() };
        let flow = flow(log.read(Filter::all()), options, FLOW_VARIANTS_DEFAULT).await.unwrap();
        assert_eq!((flow.cases, flow.events_without_case), (lists.len() as u64, without));
        assert_eq!(edges(&flow), neighbours(lists.into_values()));
        let calls = flow.edges.iter().find(|edge| edge.from == "session:tool-called").unwrap();
        assert!(calls.count > 300 && calls.time.count + calls.backwards == calls.count, "{calls:?}");
    }
}

#[tokio::test]
async fn the_traces_of_real_sessions_have_every_event_once_and_a_span_for_every_call() {
    let Some(path) = data("claude-code-transcripts") else { return };
    let log = transcripts(&path).await;
    let all = trace(log.read(Filter::all())).await.unwrap();
    let positions: BTreeSet<u64> = all.nodes.iter().map(|node| node.position.0).collect();
    assert_eq!((positions.len(), all.nodes.len(), all.left_out), (1_346, 1_346, 0));
    let returned = all.nodes.iter().filter(|node| node.ends.is_some()).count();
    assert_eq!(returned, 402, "every call returns");
    let otlp = all.to_otlp();
    let spans: Vec<&Value> = otlp["resourceSpans"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|resource| resource["scopeSpans"][0]["spans"].as_array().unwrap())
        .collect();
    assert_eq!(spans.len(), 1_346 - 402);
    let ids: BTreeSet<&str> = spans.iter().map(|span| span["spanId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), spans.len(), "no two spans have one id");
}
