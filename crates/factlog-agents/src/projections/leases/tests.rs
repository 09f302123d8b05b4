//! The fold of leases: by hand-made events at chosen times, and all of them that there can be.

use factlog::{NewEvent, Position, Version};

use super::*;
use crate::projections::tests::fact;
use crate::vocabulary::{LeaseExpired, LeaseReleased};

const SECOND_MS: u64 = 1_000;

fn second(number: u64) -> Timestamp {
    let start: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    Timestamp::from_micros(start.as_micros() + number as i64 * 1_000_000).unwrap()
}

/// An event at a position, recorded at a second.
fn recorded(position: u64, at: u64, fact: NewEvent) -> Event {
    Event { position: Position(position), version: Version(position), recorded_at: second(at), fact }
}

fn acquire(agent: &str, resources: &[&str], seconds: u64) -> NewEvent {
    fact(LeaseAcquired::new("default", agent, resources.to_vec(), seconds * SECOND_MS))
}

fn renew(agent: &str, token: u64, seconds: u64) -> NewEvent {
    fact(LeaseRenewed::new("default", agent, token, seconds * SECOND_MS))
}

fn release(agent: &str, token: u64) -> NewEvent {
    fact(LeaseReleased::new("default", agent, token))
}

fn expire(agent: &str, token: u64) -> NewEvent {
    fact(LeaseExpired::new("default", agent, token))
}

/// Events, each with the second at which it was recorded.
fn folded(events: impl IntoIterator<Item = (u64, NewEvent)>) -> Leases {
    let mut leases = Leases::default();
    for (index, (at, event)) in events.into_iter().enumerate() {
        leases.apply(&recorded(index as u64 + 1, at, event)).unwrap();
    }
    leases
}

/// Tokens and holders at a second.
fn held(leases: &Leases, at: u64) -> Vec<(u64, &str)> {
    leases.live(second(at)).map(|lease| (lease.token.0, lease.agent_id.as_str())).collect()
}

/// Story: claims that were to keep two agents off one file never denied a write.
#[test]
fn what_another_agent_holds_is_not_taken_until_its_time_has_run_out() {
    let leases = folded([
        (0, acquire("a", &["src/**"], 10)),
        (9, acquire("b", &["src/main.rs"], 10)),
        (9, acquire("b", &["docs/**"], 10)),
    ]);
    assert_eq!(held(&leases, 9), [(1, "a"), (3, "b")], "the second is void");
    let leases = folded([(0, acquire("a", &["src/**"], 10)), (10, acquire("b", &["src/main.rs"], 10))]);
    assert_eq!(held(&leases, 10), [(2, "b")], "at its end a lease is nobody's");
}

/// Story: who held a lease depended on the clock of whoever looked, and two agents could both be right.
#[test]
fn an_acquire_is_judged_by_when_it_was_recorded_and_not_by_when_it_is_read() {
    let leases = folded([(0, acquire("a", &["x"], 10)), (5, acquire("b", &["x"], 100))]);
    assert_eq!(held(&leases, 5), [(1, "a")]);
    assert_eq!(held(&leases, 50), [], "what was void when it was recorded does not come to life");
}

#[test]
fn the_same_agent_may_take_more_and_holds_the_same_once() {
    let leases = folded([
        (0, acquire("a", &["x", "y"], 10)),
        (1, acquire("a", &["x"], 10)),
        (2, acquire("a", &["y", "x"], 10)),
    ]);
    assert_eq!(held(&leases, 2), [(2, "a"), (3, "a")], "the third takes the place of the first");
    let leases = folded([(0, acquire("a", &["x"], 1)), (5, acquire("a", &["x"], 10))]);
    assert_eq!(
        leases.namespace("default").unwrap().leases.len(),
        2,
        "what ran out before is still to be told"
    );
}

#[test]
fn only_the_holder_renews_and_releases_by_the_token_and_in_time() {
    let first = || (0, acquire("a", &["x"], 10));
    for (second, is_held) in [
        ((9, renew("a", 1, 10)), true),
        ((9, renew("b", 1, 10)), false),
        ((9, renew("a", 2, 10)), false),
        ((10, renew("a", 1, 10)), false),
        ((9, renew("a", 1, 0)), false),
        ((9, renew("a", 1, 25 * 60 * 60)), false),
        ((9, renew("a", 1, 10).with_source("b").unwrap()), false),
        ((9, renew("a", 1, 10).with_source("a").unwrap()), true),
    ] {
        let leases = folded([first(), second.clone()]);
        assert_eq!(!held(&leases, 15).is_empty(), is_held, "{second:?}");
    }
    for (second, is_gone) in [
        ((5, release("a", 1)), true),
        ((5, release("b", 1)), false),
        ((5, release("a", 7)), false),
        ((5, release("a", 1).with_source("b").unwrap()), false),
        ((5, expire("a", 1)), false),
    ] {
        let leases = folded([first(), second.clone()]);
        assert_eq!(held(&leases, 5).is_empty(), is_gone, "{second:?}");
    }
    let leases = folded([first(), (11, expire("a", 1))]);
    assert_eq!(leases, Leases::default(), "nothing is left of what ended");
}

#[test]
fn an_end_that_is_told_too_early_is_void_and_can_be_told_again() {
    let early = folded([(0, acquire("a", &["x"], 10)), (5, expire("a", 1))]);
    assert_eq!(early.namespace("default").unwrap().lease(Position(1)).unwrap().told_early, 1);
    assert_eq!(held(&early, 9), [(1, "a")]);
}

#[test]
fn what_no_lease_may_be_is_void_and_ends_nothing() {
    let many: Vec<String> = (0..=LEASE_RESOURCES_MAX).map(|number| format!("r{number}")).collect();
    for event in [
        acquire("a", &[], 10),
        acquire("a", &[""], 10),
        acquire("a", &["x\\"], 10),
        acquire("a", &["x"], 0),
        acquire("a", &["x"], 25 * 60 * 60),
        acquire("", &["x"], 10),
        acquire("a", &["x"], 10).with_source("b").unwrap(),
        fact(LeaseAcquired::new("default", "a", many, SECOND_MS)),
        fact(LeaseAcquired::new("default", "a", ["x"], u64::MAX)),
        fact(LeaseRenewed::new("default", "a", 7u64, u64::MAX)),
        release("a", 7),
        expire("a", 7),
        NewEvent::new("lease-default", "lease:acquired", serde_json::json!([1])).unwrap(),
        NewEvent::new(
            "elsewhere-1",
            "lease:acquired",
            serde_json::json!({"namespace": "default",
            "agentId": "a", "resources": ["x"], "ttlMs": 1000}),
        )
        .unwrap(),
    ] {
        assert_eq!(folded([(0, event.clone())]), Leases::default(), "{event:?}");
    }
}

#[test]
fn namespaces_have_nothing_to_do_with_each_other() {
    let other = fact(LeaseAcquired::new("other", "b", ["x"], SECOND_MS));
    let leases = folded([(0, acquire("a", &["x"], 1)), (0, other)]);
    assert_eq!(held(&leases, 0), [(1, "a"), (2, "b")]);
    let text = serde_json::to_string(&leases).unwrap();
    assert_eq!(serde_json::from_str::<Leases>(&text).unwrap(), leases);
}

#[test]
fn a_namespace_is_bounded_and_what_ran_out_makes_room() {
    let names: Vec<String> = (0..NAMESPACE_LEASES_MAX).map(|number| format!("r{number}")).collect();
    let mut leases = Leases::default();
    for (index, name) in names.iter().enumerate() {
        let seconds = if index == 3 { 1 } else { 100 };
        leases.apply(&recorded(index as u64 + 1, 0, acquire("a", &[name], seconds))).unwrap();
    }
    let next = NAMESPACE_LEASES_MAX as u64 + 1;
    leases.apply(&recorded(next, 0, acquire("a", &["one more"], 100))).unwrap();
    assert_eq!(leases.live(second(0)).count(), NAMESPACE_LEASES_MAX);
    assert!(leases.namespace("default").unwrap().is_full(second(0)));
    leases.apply(&recorded(next + 1, 1, acquire("a", &["one more"], 100))).unwrap();
    let namespace = leases.namespace("default").unwrap();
    assert!(namespace.lease(Position(next + 1)).is_some() && namespace.lease(Position(4)).is_none());
    assert_eq!(namespace.leases.len(), NAMESPACE_LEASES_MAX);
}

/// One thing that can be done at each step of the model: by two agents, on three patterns of which the first overlaps both
/// others, with each token that there can be.
fn moves(depth: u64) -> Vec<NewEvent> {
    let mut moves = Vec::new();
    for agent in ["a", "b"] {
        for resource in ["x*", "xa", "xb"] {
            moves.push(acquire(agent, &[resource], 2));
        }
        for token in 1..depth {
            moves.extend([renew(agent, token, 2), release(agent, token)]);
        }
    }
    moves.extend((1..depth).map(|token| expire("a", token)));
    moves
}

/// A state and the second at which its last event was recorded.
type Moment = (Leases, u64);

/// What two states have in common that behave alike from now on; leases that ran out are a part of it, or not.
fn likeness((state, now): &Moment, is_with_ended: bool) -> String {
    let leases = state.namespace("default").map_or(&[][..], |namespace| &namespace.leases);
    let shown = leases.iter().filter(|lease| is_with_ended || lease.is_live(second(*now))).map(|lease| {
        let left = lease.expires_at.as_micros().saturating_sub(second(*now).as_micros()).max(0);
        format!("{} {} {:?} {left};", lease.token, lease.agent_id, lease.resources)
    });
    shown.collect()
}

/// Every state that events can lead to, step by step, each looked at; how many steps were checked.
fn explore(depth: u64, is_with_ended: bool) -> u64 {
    let mut checked = 0;
    let mut states: Vec<Moment> = vec![(Leases::default(), 0)];
    for position in 1..=depth {
        let mut next: BTreeMap<String, Moment> = BTreeMap::new();
        for (state, now) in &states {
            for event in moves(position) {
                for at in [*now, now + 1, now + 2] {
                    let mut after = state.clone();
                    after.apply(&recorded(position, at, event.clone())).unwrap();
                    check(state, &after, position, at);
                    checked += 1;
                    let moment = (after, at);
                    next.entry(likeness(&moment, is_with_ended)).or_insert(moment);
                }
            }
        }
        states = next.into_values().collect();
    }
    checked
}

fn check(before: &Leases, after: &Leases, position: u64, at: u64) {
    let live: Vec<&Lease> = after.live(second(at)).collect();
    for (index, lease) in live.iter().enumerate() {
        for other in &live[index + 1..] {
            let is_shared = lease.agent_id != other.agent_id && lease.overlap(&other.resources).is_some();
            assert!(!is_shared, "two have the same: {lease:?} and {other:?}");
            assert!(lease.token < other.token, "a later lease has a greater token");
        }
        let is_new = before.live(second(at)).all(|known| known.token != lease.token);
        assert!(!is_new || lease.token.0 == position, "only an acquire of now is new: {lease:?}");
        assert!(lease.expires_at <= second(at + 2), "nothing holds for longer than it may");
    }
}

/// Enumerates every log of four events of two agents that acquire (`x*`, `xa` or `xb`, for two seconds), renew, release and
/// expire with every token that there can be by then, each recorded 0, 1 or 2 seconds after the one before it, so that every
/// order of events and ends occurs. After each event: never two agents with overlapping leases, tokens that rise, and no
/// lease that was not acquired just then or held before.
#[test]
fn in_no_order_of_four_events_two_agents_hold_the_same() {
    let checked = explore(4, true);
    assert!(checked > 10_000, "{checked} steps were checked");
}

/// The same for six events, where states that differ in nothing but leases that ran out are gone on from once.
#[test]
fn in_no_order_of_six_events_two_agents_hold_the_same() {
    let checked = explore(6, false);
    assert!(checked > 10_000, "{checked} steps were checked");
}
