use std::collections::BTreeSet;

use factlog::{NewEvent, TypedEvent};
use serde_json::json;

use super::*;
use crate::projections::tests::{at, fact};
use crate::vocabulary::{
    MemoryRetrieved, MemoryStored, MessageSent, SwarmFormed, TaskAssigned, TaskCreated, TaskStarted,
};

fn of(events: impl IntoIterator<Item = NewEvent>) -> Graph {
    let mut graph = Graph::default();
    for (index, event) in events.into_iter().enumerate() {
        graph.add(&at(index as u64 + 1, event));
    }
    graph
}

fn by(agent: &str, payload: impl TypedEvent) -> NewEvent {
    fact(payload).with_source(agent).unwrap()
}

/// Ada plans two tasks and writes; Ben does one and touches a file; Cleo only reads.
fn team() -> Graph {
    let mut message = by("ada", MessageSent::new("m-1"));
    message.targets.push("ben".parse().unwrap());
    let mut started = by("ben", TaskStarted::new("t2")).with_tag("file:src/a.rs").unwrap();
    started.session_id = Some("s-1".parse().unwrap());
    started = started.with_tag("tool:Edit").unwrap();
    of([
        by("ada", TaskCreated::new("t1")),
        by("ada", TaskCreated::new("t2").parent_id("t1").dependencies(["t0"])),
        by("ada", TaskAssigned::new("t2").agent_id("ben")),
        message,
        started.clone(),
        NewEvent { id: factlog::EventId::generate(), ..started },
        by("ada", MemoryStored::new("notes")),
        by("cleo", MemoryRetrieved::new("notes")),
        by("cleo", NewEvent::new("session-s-2", "session:tool-used", json!({})).unwrap())
            .with_tag("tool:Edit")
            .unwrap(),
    ])
}

fn told(graph: &Graph) -> BTreeSet<String> {
    (0..graph.edges.len() as u32)
        .map(|index| graph.edge(index))
        .map(|edge| {
            format!("{} {} {} {}@{}-{}", edge.from, edge.relation, edge.to, edge.count, edge.first, edge.last)
        })
        .collect()
}

#[test]
fn edges_are_those_that_the_events_tell_with_their_first_and_last() {
    let told = told(&team());
    for edge in [
        "agent:ada creates task:t1 1@1-1",
        "task:t2 child-of task:t1 1@2-2",
        "task:t2 depends-on task:t0 1@2-2",
        "agent:ben has task:t2 1@3-3",
        "agent:ada sends message:m-1 1@4-4",
        "message:m-1 goes-to agent:ben 1@4-4",
        "agent:ada writes-to agent:ben 1@4-4",
        "agent:ben works-on task:t2 2@5-6",
        "session:s-1 works-on task:t2 2@5-6",
        "agent:ben works-in session:s-1 2@5-6",
        "agent:ben touches file:src/a.rs 2@5-6",
        "session:s-1 touches file:src/a.rs 2@5-6",
        "agent:ben uses tool:Edit 2@5-6",
        "agent:ada writes memory:notes 1@7-7",
        "agent:cleo reads memory:notes 1@8-8",
        "agent:cleo works-in session:s-2 1@9-9",
    ] {
        assert!(told.contains(edge), "{edge} in {told:#?}");
    }
}

#[test]
fn every_relation_that_is_told_is_in_the_list_of_them() {
    let formed = by("ada", SwarmFormed::new("w").leader("ada").initial_members(["ben", "cleo"]));
    for graph in [team(), of([formed])] {
        for edge in &graph.edges {
            assert!(RELATIONS.iter().any(|(relation, _)| *relation == edge.relation), "{}", edge.relation);
        }
    }
}

#[test]
fn an_overview_counts_each_kind() {
    let overview = team().finish();
    assert_eq!(overview.nodes[&NodeKind::Agent], 3);
    assert_eq!(overview.nodes[&NodeKind::Task], 3);
    assert_eq!((overview.events, overview.events_told), (9, 9));
    let works =
        overview.edges.iter().find(|kind| kind.relation == "works-on" && kind.from == NodeKind::Agent);
    assert_eq!(works.map(|kind| (kind.edges, kind.count)), Some((1, 2)));
    assert_eq!(overview.hubs[0].node.to_string(), "agent:ben");
}

#[test]
fn around_a_node_is_what_is_so_many_edges_away_and_of_the_kinds_one_wants() {
    let graph = team();
    let names = |node: &str, depth: usize, kinds: &[NodeKind]| -> Vec<String> {
        let around = graph.around(&node.parse().unwrap(), depth, kinds).unwrap();
        around.nodes.iter().map(|at| format!("{}@{}", at.facts.node, at.distance)).collect()
    };
    assert_eq!(names("memory:notes", 1, &[]), ["agent:ada@1", "agent:cleo@1"]);
    assert_eq!(names("memory:notes", 3, &[NodeKind::File]), ["file:src/a.rs@3"]);
    assert!(names("memory:notes", 0, &[]).is_empty());
    let missing = graph.around(&"file:a.rs".parse().unwrap(), 1, &[]).unwrap_err();
    assert!(missing.hint().is_some_and(|hint| hint.contains("file:src/a.rs")), "{missing}");
}

#[test]
fn the_shortest_way_is_told_with_its_evidence_and_never_through_a_tool() {
    let graph = team();
    let way = |from: &str, to: &str| graph.path(&from.parse().unwrap(), &to.parse().unwrap());
    let path = way("task:t0", "file:src/a.rs").unwrap();
    let steps: Vec<String> = path
        .steps
        .iter()
        .map(|step| {
            format!("{} {}{} {}", step.from, if step.is_against { "<" } else { "" }, step.relation, step.to)
        })
        .collect();
    assert_eq!(steps.len(), 3, "{steps:?}");
    assert_eq!((path.steps[0].first, path.steps[0].last), (Position(2), Position(2)));
    assert_eq!(steps[0], "task:t0 <depends-on task:t2");
    // Both use the same tool, and the way still goes by the memory and the message.
    assert_eq!(way("agent:cleo", "agent:ben").unwrap().steps.len(), 3);
    assert_eq!(way("agent:cleo", "tool:Edit").unwrap().steps.len(), 1);
    assert!(way("agent:cleo", "agent:cleo").unwrap().steps.is_empty());
    assert_eq!(
        of([by("x", TaskCreated::new("1")), by("y", TaskCreated::new("2"))])
            .path(&"agent:x".parse().unwrap(), &"agent:y".parse().unwrap())
            .unwrap_err()
            .kind(),
        factlog::ErrorKind::NotFound
    );
}

#[test]
fn a_node_is_written_as_it_is_read_and_another_word_is_refused_with_those_there_are() {
    for text in ["agent:ada", "file:src/a:b.rs", "session:8c00"] {
        assert_eq!(text.parse::<Node>().unwrap().to_string(), text);
    }
    for text in ["ada", "agent:", "robot:1", ""] {
        assert!(text.parse::<Node>().unwrap_err().hint().is_some(), "{text}");
    }
}

#[test]
fn importers_stores_and_programs_are_no_agents_and_sub_agents_have_their_own_names() {
    let graph = of([
        by("claude-code", NewEvent::new("session-s", "session:replied", json!({})).unwrap()),
        by("scopecraft", TaskCreated::new("1")),
        NewEvent {
            session_id: Some("s".parse().unwrap()),
            ..by("claude-code/sub1", NewEvent::new("session-s", "session:replied", json!({})).unwrap())
        },
    ]);
    assert_eq!(told(&graph), BTreeSet::from(["agent:sub1 works-in session:s 1@3-3".to_owned()]));
}
