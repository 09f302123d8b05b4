//! What must hold of leases: nobody is at what another has.

use std::collections::BTreeMap;
use std::path::Path;

use factlog::Event;

use super::history::data;
use super::plan::{AGENTS, NAMESPACE, OVERLAPS, RESOURCES, agent};
use super::witness::{self, Line};

/// A lease as the log tells it.
#[derive(Debug)]
struct Taken {
    agent: String,
    resource: usize,
    from: i64,
    until: i64,
}

fn overlap(one: usize, other: usize) -> bool {
    one == other || OVERLAPS.contains(&(one.min(other), one.max(other)))
}

/// Those that hold by the log: what another had at that time is not taken.
fn taken(events: &[&Event]) -> BTreeMap<u64, Taken> {
    let mut taken: BTreeMap<u64, Taken> = BTreeMap::new();
    let stream = format!("lease-{NAMESPACE}");
    for event in events.iter().filter(|event| event.stream.as_str() == stream) {
        let (data, at) = (data(event), event.recorded_at.as_micros());
        let agent = data["agentId"].as_str().unwrap_or_default().to_owned();
        match event.event_type.as_str() {
            "lease:acquired" => {
                let wanted = data["resources"][0].as_str().unwrap();
                let resource = RESOURCES.iter().position(|known| *known == wanted).unwrap();
                let is_held = |lease: &Taken| {
                    lease.until > at && lease.agent != agent && overlap(lease.resource, resource)
                };
                if !taken.values().any(is_held) {
                    // Taking the same again, as after a restart, ends what it had before.
                    let own = |lease: &&mut Taken| lease.agent == agent && lease.resource == resource;
                    taken.values_mut().filter(own).for_each(|lease| lease.until = lease.until.min(at));
                    let until = at + data["ttlMs"].as_i64().unwrap() * 1_000;
                    taken.insert(event.position.0, Taken { agent, resource, from: at, until });
                }
            }
            "lease:released" => {
                let lease = taken.get_mut(&data["token"].as_u64().unwrap());
                let lease = lease.unwrap_or_else(|| panic!("{agent} gives back what it never had: {data}"));
                assert_eq!(lease.agent, agent, "a lease is released by its holder");
                lease.until = lease.until.min(at);
            }
            _ => {}
        }
    }
    taken
}

/// How many were entered.
pub(super) fn leases(events: &[&Event], folder: &Path) -> usize {
    let taken = taken(events);
    let lines: Vec<Line> = (0..AGENTS).flat_map(|index| witness::read(folder, &agent(index))).collect();
    let exits: BTreeMap<u64, i64> = lines
        .iter()
        .filter(|line| line.what == "exit")
        .map(|line| (line.id.parse().unwrap(), line.at))
        .collect();
    let mut entered: Vec<(i64, u64, &Line)> = lines
        .iter()
        .filter(|line| line.what == "enter")
        .map(|line| (line.at, line.id.parse().unwrap(), line))
        .collect();
    entered.sort_by_key(|(at, token, _)| (*at, *token));
    for (index, (at, token, line)) in entered.iter().enumerate() {
        let own = taken.get(token).unwrap_or_else(|| panic!("{line:?}: it never had this token"));
        assert_eq!((own.agent.as_str(), RESOURCES[own.resource]), (line.agent.as_str(), line.place.as_str()));
        // The time is from before the token was checked, and found to be valid.
        assert!(own.from <= *at && *at < own.until, "{line:?} came before its lease, or after it: {own:?}");
        for (_, other, earlier) in &entered[..index] {
            let lease = &taken[other];
            if lease.agent == own.agent || !overlap(lease.resource, own.resource) {
                continue;
            }
            // It had left, or its lease was over when the next was taken.
            let has_left = exits.get(other).is_some_and(|exit| exit <= at);
            assert!(
                has_left || lease.until <= own.from,
                "{line:?} while {earlier:?} is there: {lease:?} {own:?}"
            );
        }
    }
    entered.len()
}
