//! A projection that goes on from what was remembered is the same as one that was never interrupted, whatever came in
//! whatever order.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use factlog::{Event, NewEvent, Position, Text, Timestamp, Version};
use factlog_agents::projections::{
    Agents, Coordinations, Deployments, Entities, Memories, Metrics, Sessions, Swarms, Tasks, Worktrees,
};
use factlog_agents::vocabulary::TYPES;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Data that fits most types somewhere: few ids, so that events meet.
fn data(a: u8, b: u8, c: u8) -> Value {
    let statuses = ["todo", "🔵 In Progress", "done", "error", "odd"];
    json!({
        "id": format!("i{a}"), "taskId": format!("t{a}"), "agentId": format!("a{b}"), "sessionId": format!("s{b}"),
        "memoryId": format!("m{a}"), "swarmId": format!("w{b}"), "path": format!("p{a}"), "deploymentId": format!("d{a}"),
        "worktrees": [format!("p{a}"), format!("p{b}")], "conflictingFiles": [format!("f{c}")],
        "newStatus": statuses[usize::from(c) % 5], "status": statuses[usize::from(b) % 5], "action": format!("x{c}"),
        "tool": "Bash", "milestoneId": format!("k{c}"), "consensusId": format!("c{c}"), "newPhase": format!("phase {c}"),
        "durationMs": u64::from(c) * 10, "error": {"message": "no"}, "blockedBy": [format!("t{b}")], "size": c,
        "message": {"id": format!("msg{a}"), "model": "m", "usage": {"input_tokens": c, "output_tokens": a},
            "content": [{"type": if c.is_multiple_of(2) { "tool_use" } else { "tool_result" }, "id": format!("call{a}"),
                "tool_use_id": format!("call{a}"), "name": if b.is_multiple_of(2) { "Task" } else { "Read" },
                "input": {"description": "look", "subagent_type": "Explore"}}]},
        "toolUseResult": {"agentId": format!("sub{a}"), "task": {"id": "1", "subject": "list"}},
        "tool_name": "Grep", "tool_use_id": format!("call{b}"), "agent_id": format!("sub{b}"),
    })
}

/// Types of the vocabulary, and of records.
const RECORDS: [&str; 12] = [
    "session:prompted",
    "session:replied",
    "session:tool-called",
    "session:tool-returned",
    "session:turn-ended",
    "hook:pre-tool-use",
    "hook:post-tool-use",
    "hook:subagent-start",
    "hook:subagent-stop",
    "hook:session-end",
    "hook:notification",
    "order:placed",
];

fn event(position: u64, (kind, a, b, c, seconds): (usize, u8, u8, u8, i64)) -> Event {
    let name =
        TYPES.get(kind).map_or_else(|| RECORDS[(kind - TYPES.len()) % RECORDS.len()], |info| info.name);
    let mut fact = NewEvent::new(&format!("session-s{b}"), name, data(a, b, c)).unwrap();
    fact.session_id = Some(Text::new(format!("s{b}")).unwrap());
    fact.source =
        Some(Text::new(if c.is_multiple_of(3) { "claude-code/sub1" } else { "claude-code" }).unwrap());
    let start: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    // Times go backwards as often as forwards.
    fact.occurred_at = Some(Timestamp::from_micros(start.as_micros() + seconds * 1_000_000).unwrap());
    Event { position: Position(position), version: Version(position), recorded_at: start, fact }
}

fn interrupted<P: Entities + Clone + std::fmt::Debug + PartialEq>(events: &[Event], every: usize) -> (P, P) {
    let (mut straight, mut resumed) = (P::default(), P::default());
    for (index, event) in events.iter().enumerate().filter(|(_, event)| P::filter().matches(event)) {
        straight.apply(event).unwrap();
        resumed.apply(event).unwrap();
        if index % every == 0 {
            resumed = serde_json::from_str(&serde_json::to_string(&resumed).unwrap()).unwrap();
        }
    }
    (straight, resumed)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_remembered_is_all_that_is_needed_to_go_on(
        told in prop::collection::vec((0..TYPES.len() + 60, 0u8..4, 0u8..4, 0u8..6, 0i64..500), 1..80),
        every in 1usize..9,
    ) {
        let events: Vec<Event> = told.into_iter().enumerate().map(|(index, told)| event(index as u64 + 1, told)).collect();
        macro_rules! same {
            ($($projection:ident),+) => {$(
                let (straight, resumed) = interrupted::<$projection>(&events, every);
                prop_assert_eq!(straight, resumed);
            )+};
        }
        same!(Agents, Tasks, Memories, Sessions, Swarms, Coordinations, Worktrees, Deployments, Metrics);
    }
}
