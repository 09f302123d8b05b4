use factlog::{NewEvent, Timestamp};
use serde_json::json;

use super::*;
use crate::projections::tests::{at, fact, folded};
use crate::vocabulary::{
    CoordinationAccepted, CoordinationComplete, CoordinationRejected, CoordinationRequest, CoordinationUpdate,
};

fn by(agent: &str, event: NewEvent) -> NewEvent {
    event.with_source(agent).unwrap()
}

fn asked(strategy: &str, min: u64, max: u64) -> NewEvent {
    let asked = CoordinationRequest::new("w").objective("Release").strategy(strategy);
    by("boss", fact(asked.min_agents(min).max_agents(max).required_capabilities(["rust"])))
}

fn accepted(agent: &str) -> NewEvent {
    by(agent, fact(CoordinationAccepted::new("w").agent_id(agent)))
}

fn update(agent: &str, status: &str) -> NewEvent {
    by(agent, fact(CoordinationUpdate::new("w").status(status)))
}

fn work(events: impl IntoIterator<Item = NewEvent>) -> Coordination {
    folded::<Coordinations>(events).get("w").unwrap().clone()
}

fn agents(work: &Coordination) -> Vec<&str> {
    work.participants.iter().map(|participant| participant.agent_id.as_str()).collect()
}

fn second(second: u64) -> Timestamp {
    at(second, accepted("x")).recorded_at
}

/// Story (A11): a coordination was asked for, accepted and completed, and nobody knew who belonged to it or how far it was.
#[test]
fn it_becomes_active_when_enough_have_come_and_there_is_room_for_no_more_than_it_says() {
    let one = work([asked("parallel", 2, 3), accepted("a"), accepted("a"), update("boss", "active")]);
    assert_eq!((one.phase, agents(&one)), (CoordinationPhase::Forming, vec!["a"]));
    let declined = by("x", fact(CoordinationRejected::new("w").agent_id("x").reason("busy")));
    let events =
        [asked("parallel", 2, 3), accepted("a"), declined, accepted("b"), accepted("c"), accepted("d")];
    let full = work(events.clone());
    assert_eq!((full.phase, full.active_at), (CoordinationPhase::Active, Some(second(4))));
    assert_eq!((agents(&full), full.void_events), (vec!["a", "b", "c"], 1));
    assert_eq!(full.declined["x"].as_deref(), Some("busy"));
    let completed = by("a", fact(CoordinationComplete::new("w").result(json!({"ok": true}))));
    let gone = by("c", fact(CoordinationRejected::new("w")));
    let late = [completed, accepted("late"), update("boss", "active"), gone];
    let over = work(events.into_iter().chain(late));
    assert_eq!((over.phase, over.void_events, over.participants.len()), (CoordinationPhase::Completed, 4, 3));
    assert_eq!(over.result.unwrap().as_str(), r#"{"ok":true}"#);
}

#[test]
fn only_who_asked_and_who_takes_part_says_how_far_it_is() {
    let forged = by("thief", fact(CoordinationAccepted::new("w").agent_id("b")));
    let outsider = update("outsider", "failed");
    let ended = by("outsider", fact(CoordinationComplete::new("w").result(json!("mine"))));
    let events = [asked("parallel", 1, 9), forged, accepted("a"), outsider, ended, update("a", "paused")];
    let work = work(events);
    assert_eq!((work.phase, work.void_events, agents(&work)), (CoordinationPhase::Paused, 3, vec!["a"]));
}

#[test]
fn in_a_sequence_each_has_its_turn_in_the_order_they_came() {
    let done = |agent: &str| update(agent, DONE);
    let mut events = vec![asked("sequential", 2, 3), accepted("b"), accepted("a")];
    assert_eq!(work(events.clone()).turn(), Some("b"));
    events.push(done("a"));
    assert_eq!(work(events.clone()).turn(), Some("b"), "it was not the turn of a");
    events.push(by("b", fact(CoordinationUpdate::new("w").progress(100.0).metrics(json!({"files": 3})))));
    let second = work(events.clone());
    assert_eq!((second.turn(), second.progress), (Some("a"), Some(50.0)));
    assert_eq!(second.metrics.as_ref().unwrap().as_str(), r#"{"files":3}"#);
    assert_eq!(Coordinations::shown(&second)["turn"], "a");
    events.extend([update("boss", "paused"), done("a")]);
    assert_eq!(work(events.clone()).turn(), None, "nobody works while it rests");
    events.extend([update("boss", "active"), done("a")]);
    let last = work(events);
    assert_eq!((last.turn(), last.progress, last.phase), (None, Some(100.0), CoordinationPhase::Active));
}

#[test]
fn where_one_leads_it_is_who_is_named_else_the_first_who_came() {
    let led = work([asked("hierarchical", 1, 3), accepted("b"), accepted("a")]);
    assert_eq!(led.leader(), Some("b"));
    let away = by("b", fact(CoordinationRejected::new("w")));
    assert_eq!(work([asked("hierarchical", 1, 3), accepted("b"), accepted("a"), away]).leader(), Some("a"));
    let named = CoordinationRequest::new("w").strategy("hierarchical").leader("boss");
    assert_eq!(work([fact(named), accepted("b")]).leader(), Some("boss"));
    assert_eq!(work([asked("parallel", 1, 3), accepted("b")]).leader(), None);
}

/// Another system keeps its participants in the updates; and a removal may have taken the request.
#[test]
fn what_another_system_tells_and_what_a_removal_has_left_is_understood() {
    let told = CoordinationUpdate::new("w").status("active").participants(["a", "b"]).progress(40.0);
    let foreign = work([asked("parallel", 3, 5), by("boss", fact(told))]);
    assert_eq!((foreign.phase, agents(&foreign)), (CoordinationPhase::Active, vec!["a", "b"]));
    assert_eq!(foreign.progress, Some(40.0));
    let left = work([accepted("a"), update("somebody", "completing"), fact(CoordinationComplete::new("w"))]);
    assert_eq!((left.phase, left.void_events), (CoordinationPhase::Completed, 0));
    assert!(left.has_reached(CoordinationPhase::Active));
}
