//! Leases between processes: two openings of one file, and whoever is first.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use factlog::{
    Batch, ErrorKind, Event, EventLog, Filter, NewEvent, Position, Timestamp, TypedEvent, Version,
};
use factlog_agents::Bus;
use factlog_agents::bus::{Lease, LeaseRequest};
use factlog_agents::vocabulary::LeaseAcquired;
use factlog_stores::Open;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);

async fn open(folder: &tempfile::TempDir) -> EventLog {
    let url = format!("sqlite:{}", folder.path().join("agents.db").display());
    factlog_stores::open(&url, Open::Create).await.unwrap()
}

/// Two processes at one log.
async fn two(folder: &tempfile::TempDir) -> [Bus; 2] {
    [Bus::new(open(folder).await), Bus::new(open(folder).await)]
}

async fn close(buses: [Bus; 2]) {
    for bus in buses {
        bus.log().close().await.unwrap();
    }
}

/// A log in which agent `a` has taken `src/**` ten minutes ago, for five: its token is 1.
async fn ran_out(folder: &tempfile::TempDir) {
    let log = open(folder).await;
    let minutes_ago = Timestamp::now().as_micros() - 10 * 60 * 1_000_000;
    let taken = LeaseAcquired::new("default", "a", ["src/**"], 5 * 60_000u64);
    let event = Event {
        position: Position(1),
        version: Version(1),
        recorded_at: Timestamp::from_micros(minutes_ago).unwrap(),
        fact: taken.into_event().unwrap(),
    };
    log.append(Batch::kept(vec![event]).unwrap()).await.unwrap();
    log.close().await.unwrap();
}

fn wanted(resource: &str) -> LeaseRequest {
    LeaseRequest::new([resource])
}

/// Story: an agent that could not have a file was told that it could not, and neither who had it nor for how long.
#[tokio::test]
async fn what_is_held_is_refused_with_its_holder_and_its_end_in_another_process_too() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = two(&folder).await;
    let lease = here.lease_acquire("a", &wanted("src/**").reason("mend it")).await.unwrap();
    let error = there.lease_acquire("b", &wanted("src/*.rs")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    for part in ["src/**", "src/*.rs", "a until", "mend it", &lease.expires_at.to_string(), "token 1"] {
        assert!(error.to_string().contains(part), "{error} lacks {part}");
    }
    assert!(error.hint().unwrap().contains('a'));
    assert_eq!(there.holders_of("default", "src/bus/held.rs").await.unwrap(), vec![lease.clone()]);
    assert_eq!(there.holders_of("default", "**/*.md").await.unwrap(), vec![lease.clone()], "a part of it");
    assert_eq!(there.holders_of("default", "docs/x").await.unwrap(), []);
    assert_eq!(there.holders_of("other", "src/x").await.unwrap(), []);
    let other = there.lease_acquire("b", &wanted("src/*.rs").namespace("other")).await.unwrap();
    assert_eq!(here.leases(None).await.unwrap(), [lease.clone(), other.clone()]);
    assert_eq!(here.leases(Some("other")).await.unwrap(), [other]);
    here.lease_release("a", "default", lease.token).await.unwrap();
    let next = there.lease_acquire("b", &wanted("src/*.rs")).await.unwrap();
    assert!(next.token > lease.token);
    assert_eq!(here.leases(None).await.unwrap().len(), 2);
    close([here, there]).await;
}

/// Story: a write of an agent that had slept through the end of its lease was done, over that of the next holder.
#[tokio::test]
async fn a_token_is_worth_nothing_once_its_lease_has_run_out() {
    let folder = tempfile::tempdir().unwrap();
    ran_out(&folder).await;
    let [here, there] = two(&folder).await;
    let old = Position(1);
    let error = here.lease_renew("a", "default", old, MINUTE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "also where nobody has taken it since: {error}");
    let error = here.check_token("default", old, "src/x").await.unwrap_err();
    assert!(error.to_string().contains("nobody holds it"), "{error}");
    let lease = there.lease_acquire("b", &wanted("src/x")).await.unwrap();
    let error = here.check_token("default", old, "src/x").await.unwrap_err();
    assert!(error.to_string().contains("held by b until"), "{error}");
    assert_eq!(here.check_token("default", lease.token, "src/x").await.unwrap(), lease);
    let error = here.check_token("default", lease.token, "src/y").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "a token is for what was taken");
    assert_eq!(here.lease_release("a", "default", old).await.unwrap_err().kind(), ErrorKind::Conflict);
    let error = here.lease_renew("a", "default", lease.token, MINUTE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    let error = here.lease_renew("a", "default", Position(99), MINUTE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let renewed = there.lease_renew("b", "default", lease.token, 9 * MINUTE).await.unwrap();
    assert!(renewed.expires_at > lease.expires_at && renewed.token == lease.token);
    let again = there.lease_acquire("b", &wanted("src/x")).await.unwrap();
    assert!(
        there.check_token("default", lease.token, "src/x").await.is_err(),
        "the newest token is the valid one"
    );
    assert_eq!(there.check_token("default", again.token, "src/x").await.unwrap(), again);
    close([here, there]).await;
}

/// Story: an agent whose lease ran out was never told, and worked on.
#[tokio::test]
async fn the_end_of_a_lease_is_recorded_once_for_its_holder_whoever_looks() {
    let folder = tempfile::tempdir().unwrap();
    ran_out(&folder).await;
    let [here, there] = two(&folder).await;
    let (one, two) = tokio::join!(here.expire_leases("default"), there.expire_leases("default"));
    let told: Vec<Lease> = [one.unwrap(), two.unwrap()].concat();
    assert_eq!(told.iter().map(|lease| lease.token.0).collect::<Vec<_>>(), [1], "one of them has told it");
    assert_eq!(here.expire_leases("default").await.unwrap(), []);
    let filter = Filter::types(["lease:expired"]).unwrap();
    let events = here.log().read(filter).collect().await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].targets[0].as_str(), "a");
    let error = here.lease_release("a", "default", Position(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    close([here, there]).await;
}

/// Story: whoever waited asked every second, and was late by a second or never came to it.
#[tokio::test]
async fn who_waits_gets_it_when_it_is_released_or_has_run_out() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = two(&folder).await;
    let lease = here.lease_acquire("a", &wanted("x")).await.unwrap();
    let request = wanted("x");
    let waiter = there.clone();
    let other = wanted("y");
    let mut waiting = Box::pin(waiter.lease_acquire_within("b", &request, PATIENCE));
    tokio::select! {
        biased;
        got = &mut waiting => panic!("it is held: {got:?}"),
        other = here.lease_acquire("a", &other) => { other.unwrap(); }
    }
    here.lease_release("a", "default", lease.token).await.unwrap();
    let next = waiting.await.unwrap();
    assert_eq!(next.agent_id, "b");

    let short = there.lease_renew("b", "default", next.token, Duration::from_millis(20)).await.unwrap();
    let last = here.lease_acquire_within("c", &request, PATIENCE).await.unwrap();
    assert!(last.acquired_at >= short.expires_at, "{last:?} after {short:?}");

    let error = there.lease_acquire_within("d", &request, Duration::from_millis(20)).await.unwrap_err();
    assert!(error.to_string().contains("held by c"), "{error}");
    close([here, there]).await;
}

#[tokio::test]
async fn what_no_lease_can_be_is_refused_before_anything_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = two(&folder).await;
    for request in [
        LeaseRequest::new(Vec::<String>::new()),
        wanted(""),
        wanted("x\\"),
        wanted("x").ttl(Duration::ZERO),
        wanted("x").ttl(25 * 60 * MINUTE),
        wanted("x").namespace(""),
        LeaseRequest::new((0..101).map(|number| number.to_string())),
    ] {
        let error = here.lease_acquire("a", &request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{request:?}: {error}");
    }
    assert!(here.lease_acquire("", &wanted("x")).await.is_err());
    assert_eq!(here.log().newest().await.unwrap(), Position::START);
    close([here, there]).await;
}

/// What the tasks below compete for, and by hand which of them overlap: 0 and 3 with all but 4, the others with themselves.
const RESOURCES: [&str; 5] = ["src/**", "src/a.rs", "src/b.rs", "**/*.rs", "docs/*"];

fn overlap(one: usize, other: usize) -> bool {
    let is_wide = |index: usize| index == 0 || index == 3;
    one == other || (one < 4 && other < 4 && (is_wide(one) || is_wide(other)))
}

/// What a task was told: its agent, its resource, the lease, the ends that renewals gave it, and where it was released.
struct Told {
    agent: String,
    resource: usize,
    lease: Lease,
    renewals: Vec<(Position, Timestamp)>,
    released: Option<Position>,
}

async fn compete(bus: Bus, agent: String, seed: u64) -> Vec<Told> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut told = Vec::new();
    for _ in 0..6 {
        let resource = random.usize(..RESOURCES.len());
        let ttl = if random.bool() { Duration::from_millis(random.u64(5..40)) } else { MINUTE };
        let request = wanted(RESOURCES[resource]).ttl(ttl);
        let lease = bus.lease_acquire_within(&agent, &request, PATIENCE).await.unwrap();
        let mut one = Told { agent: agent.clone(), resource, lease, renewals: Vec::new(), released: None };
        if random.bool()
            && let Ok(renewed) = bus.lease_renew(&agent, "default", one.lease.token, ttl).await
        {
            one.renewals.push((own_last(&bus, &agent, "lease:renewed").await, renewed.expires_at));
        }
        if bus.lease_release(&agent, "default", one.lease.token).await.is_ok() {
            one.released = Some(own_last(&bus, &agent, "lease:released").await);
        }
        told.push(one);
    }
    told
}

/// The position of the last event of a type that an agent has recorded.
async fn own_last(bus: &Bus, agent: &str, event_type: &str) -> Position {
    let mut filter = Filter::types([event_type]).unwrap();
    filter.sources = vec![agent.parse().unwrap()];
    bus.log().read(filter).backwards().limit(1).collect().await.unwrap()[0].position
}

/// Story: two agents were told that a file was theirs. Sixteen compete for overlapping resources through two openings of one
/// file; what they were told is held against the log, pair by pair and without the fold of leases.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_that_compete_never_two_have_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let buses = two(&folder).await;
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            tokio::spawn(compete(buses[number % 2].clone(), format!("agent-{number}"), number as u64))
        })
        .collect();
    let mut told = Vec::new();
    for task in tasks {
        told.extend(task.await.unwrap());
    }
    assert_eq!(told.len(), 16 * 6);
    let events = buses[0].log().read(Filter::categories(["lease"]).unwrap()).collect().await.unwrap();
    let recorded_at =
        |position: Position| events.iter().find(|event| event.position == position).unwrap().recorded_at;
    told.sort_by_key(|one| one.lease.token);
    let mut met = 0;
    for (index, earlier) in told.iter().enumerate() {
        for later in &told[index + 1..] {
            if earlier.agent == later.agent || !overlap(earlier.resource, later.resource) {
                continue;
            }
            met += 1;
            let (at, token) = (recorded_at(later.lease.token), later.lease.token);
            let renewed = earlier.renewals.iter().filter(|(position, _)| *position < token);
            let end = renewed.map(|(_, end)| *end).next_back().unwrap_or(earlier.lease.expires_at);
            let is_released = earlier.released.is_some_and(|position| position < token);
            assert!(
                is_released || end <= at,
                "{:?} still held when {:?} was given",
                earlier.lease,
                later.lease
            );
        }
    }
    assert!(met > 100, "{met} pairs could have met");
    close(buses).await;
}

/// Story: what somebody recorded past the bus, under a lease of another agent, counted for those who had seen it first.
#[tokio::test]
async fn what_was_recorded_past_the_bus_is_judged_alike() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = two(&folder).await;
    let lease = here.lease_acquire("a", &wanted("x")).await.unwrap();
    let forged: NewEvent = LeaseAcquired::new("default", "b", ["x"], 60_000u64).into_event().unwrap();
    there.log().append(forged).await.unwrap();
    for bus in [&here, &there] {
        assert_eq!(bus.holders_of("default", "x").await.unwrap(), vec![lease.clone()]);
        assert!(bus.check_token("default", Position(2), "x").await.is_err());
    }
    close([here, there]).await;
}
