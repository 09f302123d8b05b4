//! The fold of memories beside a plain map that follows the rules one by one.

use std::collections::HashMap;

use factlog::{NewEvent, TypedEvent, Version};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::vocabulary::{
    MemoryDeleted, MemoryShared, MemoryStored, SwarmDisbanded, SwarmFormed, SwarmJoined, SwarmLeft,
};

fn second(number: u64) -> Timestamp {
    let start: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    Timestamp::from_micros(start.as_micros() + number as i64 * 1_000_000).unwrap()
}

/// Folds events, a second apart.
fn folded(events: impl IntoIterator<Item = NewEvent>) -> Memories {
    let mut memories = Memories::default();
    for (index, fact) in events.into_iter().enumerate() {
        let number = index as u64 + 1;
        let (position, version, recorded_at) = (Position(number), Version(number), second(number));
        memories.apply(&Event { position, version, recorded_at, fact }).unwrap();
    }
    memories
}

fn said(by: &str, payload: impl TypedEvent) -> NewEvent {
    payload.into_event().unwrap().with_source(by).unwrap()
}

fn stored(by: &str) -> NewEvent {
    said(by, MemoryStored::new("k").value(json!(by)))
}

/// Story: what an agent called `coordinator` stored was nobody's, and everybody could write over it.
#[test]
fn whoever_stores_first_owns_whatever_its_name() {
    for name in ["coordinator", "swarm", "system", "log", "agent-1"] {
        let memories = folded([stored(name), stored("other")]);
        let memory = memories.get("k").unwrap();
        assert_eq!((memory.owner.as_deref(), memory.refused), (Some(name), 1));
        assert_eq!(memories.access_of("other", memory, second(9)), Access::Read, "{name}");
    }
    // What comes from a system that knew no owners is nobody's, where its source is none of its agents.
    let mut taken_over = stored("swarm");
    taken_over.note("sourceId", "memory-1").unwrap();
    assert_eq!(folded([taken_over]).get("k").unwrap().owner, None);
}

#[test]
fn a_writer_cannot_make_itself_the_owner() {
    let share = || said("owner", MemoryShared::new("k").shared_with(["w"]).access_level("write"));
    let past = second(1);
    for tricks in [
        vec![said("w", MemoryDeleted::new("k"))],
        vec![said("w", MemoryStored::new("k").value(json!(1)).expires_at(past))],
        vec![said("w", crate::vocabulary::MemoryExpired::new("k").expires_at(past))],
        vec![
            said("owner", MemoryStored::new("k").value(json!(1)).expires_at(second(100))),
            said("w", crate::vocabulary::MemoryExpired::new("k").expires_at(past)),
        ],
        vec![said("w", MemoryStored::new("k").value(json!(1)).access_level("admin"))],
        vec![said("w", MemoryShared::new("k").shared_with(["w"]).access_level("admin"))],
    ] {
        let memories =
            folded([stored("owner"), share()].into_iter().chain(tricks.clone()).chain([stored("w")]));
        let memory = memories.get("k").unwrap();
        assert_eq!(memory.owner.as_deref(), Some("owner"), "{tricks:?}");
        assert_eq!(memories.access_of("w", memory, second(200)), Access::Write, "{tricks:?}");
    }
}

#[test]
fn events_of_other_systems_and_of_nobody_stay_as_they_are() {
    let mut taken_over = stored("b");
    taken_over.note("sourceId", "evt-1").unwrap();
    let nobodys = MemoryStored::new("k").value(json!(2)).into_event().unwrap();
    let memories = folded([stored("a"), stored("b"), taken_over, nobodys]);
    let memory = memories.get("k").unwrap();
    assert_eq!((memory.value_version(), memory.refused, memory.value_at), (3, 1, Some(Position(4))));
    assert_eq!(memory.owner.as_deref(), Some("a"));
}

#[test]
fn a_level_that_is_no_word_of_ours_keeps_others_out() {
    let memories = folded([said("a", MemoryStored::new("k").value(json!(1)).access_level("private"))]);
    assert_eq!(memories.access_of("b", memories.get("k").unwrap(), second(9)), Access::None);
}

#[test]
fn what_is_kept_of_a_memory_is_bounded() {
    let many: Vec<String> = (0..3_000).map(|number| format!("agent-{number}")).collect();
    let shared = MemoryShared::new("k").shared_with(many.clone()).access_level("write").tags(many);
    let memories = folded([stored("a"), said("a", shared)]);
    let memory = memories.get("k").unwrap();
    assert_eq!((memory.grants.len(), memory.tags.len()), (MEMORY_GRANTS_MAX, 100));
}

/// What one step of a history is.
#[derive(Debug, Clone)]
enum Step {
    Store { by: usize, ends_in: Option<u64>, level: Option<Access> },
    Share { by: usize, with: usize, level: Access },
    Delete { by: usize },
    Join { agent: usize },
    Leave { agent: usize },
    Disband,
}

/// The last one says nothing of itself.
const AGENTS: [&str; 4] = ["a", "b", "c", ""];
const WITH: [&str; 4] = ["b", "c", "group:g", "*"];
const LEVELS: [Access; 4] = [Access::None, Access::Read, Access::Write, Access::Admin];

fn step() -> impl Strategy<Value = Step> {
    let level = || prop::sample::select(LEVELS.to_vec());
    prop_oneof![
        4 => (0..4usize, prop::option::of(0..4u64), prop::option::of(level()))
            .prop_map(|(by, ends_in, level)| Step::Store { by, ends_in, level }),
        3 => (0..4usize, 0..4usize, level()).prop_map(|(by, with, level)| Step::Share { by, with, level }),
        1 => (0..4usize).prop_map(|by| Step::Delete { by }),
        1 => (0..3usize).prop_map(|agent| Step::Join { agent }),
        1 => (0..3usize).prop_map(|agent| Step::Leave { agent }),
        1 => Just(Step::Disband),
    ]
}

fn event(step: &Step, now: u64) -> NewEvent {
    let by = |by: usize, payload: NewEvent| match AGENTS[by] {
        "" => payload,
        agent => payload.with_source(agent).unwrap(),
    };
    match step {
        Step::Store { by: agent, ends_in, level } => {
            let mut stored = MemoryStored::new("k").value(json!(now));
            stored.expires_at = ends_in.map(|seconds| second(now + seconds));
            stored.access_level = level.map(|level| level.to_string());
            by(*agent, stored.into_event().unwrap())
        }
        Step::Share { by: agent, with, level } => {
            let shared = MemoryShared::new("k").shared_with([WITH[*with]]).access_level(level.as_str());
            by(*agent, shared.into_event().unwrap())
        }
        Step::Delete { by: agent } => by(*agent, MemoryDeleted::new("k").into_event().unwrap()),
        Step::Join { agent } if now.is_multiple_of(2) => {
            SwarmFormed::new("g").initial_members([AGENTS[*agent]]).into_event().unwrap()
        }
        Step::Join { agent } => SwarmJoined::new("g", AGENTS[*agent]).into_event().unwrap(),
        Step::Leave { agent } => SwarmLeft::new("g", AGENTS[*agent]).into_event().unwrap(),
        Step::Disband => SwarmDisbanded::new("g").into_event().unwrap(),
    }
}

/// The rules once more, on texts and numbers.
#[derive(Debug, Default)]
struct Plain {
    owner: &'static str,
    everybody: u8,
    granted: HashMap<&'static str, u8>,
    members: Vec<&'static str>,
    is_disbanded: bool,
    version: u64,
    value: Option<u64>,
    ends: Option<u64>,
    owner_set_end: bool,
}

impl Plain {
    fn new() -> Self {
        Self { everybody: 1, ..Self::default() }
    }

    fn forget(&mut self) {
        *self = Self {
            version: self.version,
            members: self.members.clone(),
            is_disbanded: self.is_disbanded,
            ..Self::new()
        };
    }

    fn level(&self, agent: &str, now: u64) -> u8 {
        let is_over = self.owner_set_end && self.ends.is_some_and(|end| end <= now);
        if agent.is_empty() || self.owner.is_empty() || self.owner == agent || is_over {
            return 3;
        }
        let own = self.granted.get(agent).copied().unwrap_or(0);
        let group = if self.members.contains(&agent) { self.granted.get("group:g").copied() } else { None };
        self.everybody.max(own).max(group.unwrap_or(0))
    }

    fn own(&mut self, agent: &'static str, now: u64) {
        if self.owner_set_end && self.ends.is_some_and(|end| end <= now) {
            self.forget();
        }
        if self.owner.is_empty() {
            self.owner = agent;
        }
    }

    fn step(&mut self, step: &Step, now: u64) {
        match step {
            Step::Store { by, ends_in, level } => {
                let agent = AGENTS[*by];
                let own = self.level(agent, now);
                if own >= 2 {
                    self.own(agent, now);
                    (self.version, self.value) = (self.version + 1, Some(now));
                    self.ends = ends_in.map(|seconds| now + seconds);
                    self.owner_set_end = own == 3;
                    if let (3, Some(level)) = (own, level) {
                        self.everybody = *level as u8;
                    }
                }
            }
            Step::Share { by, with, level } => {
                let agent = AGENTS[*by];
                if self.level(agent, now) == 3 {
                    self.own(agent, now);
                    match (WITH[*with], *level as u8) {
                        ("*", level) => self.everybody = level,
                        (with, 0) => drop(self.granted.remove(with)),
                        (with, level) => drop(self.granted.insert(with, level)),
                    }
                }
            }
            Step::Delete { by } => match self.level(AGENTS[*by], now) {
                3 => self.forget(),
                2 => self.value = None,
                _ => {}
            },
            // One that has gone apart is formed again before anybody joins it.
            Step::Join { agent } => {
                self.is_disbanded &= !now.is_multiple_of(2);
                if !self.is_disbanded {
                    self.members.push(AGENTS[*agent]);
                }
            }
            Step::Leave { agent } => self.members.retain(|member| *member != AGENTS[*agent]),
            Step::Disband => {
                self.members.clear();
                self.is_disbanded = true;
            }
        }
    }
}

proptest! {
    #[test]
    fn the_fold_is_what_the_rules_say(steps in prop::collection::vec(step(), 1..40)) {
        let mut plain = Plain::new();
        let mut events = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let now = index as u64 + 1;
            plain.step(step, now);
            events.push(event(step, now));
        }
        let memories = folded(events);
        let now = steps.len() as u64;
        let none = Memory::default();
        let memory = memories.get("k").unwrap_or(&none);
        prop_assert_eq!(memory.value_version(), plain.version);
        let value = plain.value.filter(|_| plain.ends.is_none_or(|end| now < end));
        prop_assert_eq!(memory.is_live(second(now)), value.is_some());
        if let Some(value) = value {
            prop_assert_eq!(memory.value_at, Some(Position(value)));
            prop_assert_eq!(memory.owner.as_deref().unwrap_or_default(), plain.owner);
        }
        for agent in &AGENTS[..3] {
            let level = memories.access_of(agent, memory, second(now));
            prop_assert_eq!(level as u8, plain.level(agent, now), "{} in {:?}", agent, memory);
        }
        let text = serde_json::to_string(&memories).unwrap();
        prop_assert_eq!(serde_json::from_str::<Memories>(&text).unwrap(), memories);
    }
}
