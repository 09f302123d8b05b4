//! Swarms that vote and agents that work together, through the bus: from several processes, on one file.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use factlog::{ErrorKind, EventLog, Filter, Json, Result, Timestamp, TypedEvent};
use factlog_agents::Bus;
use factlog_agents::bus::{CoordinationPlan, CoordinationStep, Message, Proposal, SwarmPlan};
use factlog_agents::projections::{
    Consensus, CoordinationPhase, CoordinationStrategy, Outcome, SwarmStatus, Vote, VotingStrategy,
};
use factlog_agents::vocabulary::{AgentSpawned, SwarmFormed, SwarmTerminated, type_patterns};
use factlog_stores::Open;

const MEMBERS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// Several handles on one file, as several processes have them.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    async fn open(&self) -> EventLog {
        let url = format!("sqlite:{}", self.folder.path().join("swarm.db").display());
        factlog_stores::open(&url, Open::Create).await.unwrap()
    }

    async fn bus(&self) -> Bus {
        Bus::new(self.open().await)
    }
}

async fn reviewers(bus: &Bus) {
    let members = MEMBERS.map(str::to_owned).into();
    let plan = SwarmPlan { leader: Some("a".to_owned()), members, ..SwarmPlan::new("s", "Review it") };
    bus.swarm_form("founder", plan).await.unwrap();
}

fn ship(timeout: Duration) -> Proposal {
    Proposal { timeout, ..Proposal::new("s", "ship", Json::parse("\"Ship it\"").unwrap()) }
}

const LONG: Duration = Duration::from_secs(3_600);

async fn count(log: &EventLog, event_type: &str) -> usize {
    let types = type_patterns(event_type).iter().map(|name| name.parse().unwrap()).collect();
    let mut reading = log.read(Filter { types, ..Filter::stream("swarm-s".parse().unwrap()) });
    let mut count = 0;
    while let Some(event) = reading.next().await {
        event.unwrap();
        count += 1;
    }
    count
}

fn kind<T: std::fmt::Debug>(outcome: Result<T>) -> (ErrorKind, String) {
    let error = outcome.unwrap_err();
    (error.kind(), error.to_string())
}

/// Story: each process kept its own count, and the last to write had decided.
#[tokio::test(flavor = "multi_thread")]
async fn votes_from_two_processes_are_each_counted_once_and_the_result_is_written_once() {
    let place = Place::new();
    let (one, two) = (place.bus().await, place.bus().await);
    reviewers(&one).await;
    one.propose("a", Proposal { strategy: VotingStrategy::Unanimous, ..ship(LONG) }).await.unwrap();
    let waiting = tokio::spawn({
        let two = two.clone();
        async move { two.await_consensus("s", "ship").await.unwrap() }
    });
    let mut voters = Vec::new();
    for (index, agent) in MEMBERS.into_iter().enumerate() {
        let bus = if index % 2 == 0 { one.clone() } else { two.clone() };
        voters.push(tokio::spawn(async move { bus.vote(agent, "s", "ship", Vote::Approve, None).await }));
    }
    for voter in voters {
        voter.await.unwrap().unwrap();
    }
    let decided = waiting.await.unwrap();
    assert_eq!(
        (decided.outcome(), decided.why.as_deref()),
        (Some(Outcome::Approved), Some("8 of 8 approve"))
    );
    assert_eq!(count(one.log(), "swarm:consensus-vote").await, MEMBERS.len());
    assert_eq!(count(one.log(), "swarm:consensus-reached").await, 1);
    assert_eq!(one.consensus("s", "ship").await.unwrap(), two.consensus("s", "ship").await.unwrap());
    let fresh = place.bus().await.consensus("s", "ship").await.unwrap();
    assert_eq!((fresh.votes.len(), fresh.void_results, fresh.late_votes), (8, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_who_race_to_close_a_question_at_its_deadline_write_one_result() {
    let place = Place::new();
    let (one, two) = (place.bus().await, place.bus().await);
    reviewers(&one).await;
    one.propose("a", ship(Duration::from_millis(1))).await.unwrap();
    let mut closers = Vec::new();
    for index in 0..8 {
        let bus = if index % 2 == 0 { one.clone() } else { two.clone() };
        closers.push(tokio::spawn(async move {
            if index < 4 {
                return bus.await_consensus("s", "ship").await.unwrap();
            }
            bus.close_due("s").await.unwrap();
            bus.consensus("s", "ship").await.unwrap()
        }));
    }
    let mut seen: Vec<Consensus> = Vec::new();
    for closer in closers {
        seen.push(closer.await.unwrap());
    }
    let last = one.await_consensus("s", "ship").await.unwrap();
    assert_eq!(last.why.as_deref(), Some("timed out with 0 of 8 votes"));
    assert!(seen.iter().take(4).all(|seen| *seen == last), "{seen:?}");
    assert_eq!(count(two.log(), "swarm:consensus-reached").await, 1);
    assert!(two.close_due("s").await.unwrap().is_empty());
    let (kind, said) = kind(two.vote("b", "s", "ship", Vote::Approve, None).await);
    assert!(kind == ErrorKind::Conflict && said.contains("timed out with 0 of 8 votes"), "{said}");
    assert_eq!(
        count(two.log(), "swarm:consensus-vote").await,
        0,
        "a vote that comes too late is not recorded"
    );
}

/// Story: a result that was recorded before its time took the id of the one that counts.
#[tokio::test]
async fn a_result_that_was_forged_before_does_not_keep_the_true_one_from_being_recorded() {
    let place = Place::new();
    let bus = place.bus().await;
    reviewers(&bus).await;
    bus.propose("a", ship(LONG)).await.unwrap();
    let forged = factlog_agents::vocabulary::SwarmConsensusReached::new("s", "ship").consensus(true);
    let mut forged = forged.into_event().unwrap();
    forged.id = factlog::EventId::foreign("factlog", "swarm-s", "consensus-reached/ship");
    bus.log().append(forged).await.unwrap();
    assert!(bus.consensus("s", "ship").await.unwrap().is_open());
    for agent in &MEMBERS[..4] {
        bus.vote(agent, "s", "ship", Vote::Reject, Some("not ready")).await.unwrap();
    }
    let decided = bus.consensus("s", "ship").await.unwrap();
    assert_eq!((decided.outcome(), decided.void_results), (Some(Outcome::Rejected), 1));
    assert!(decided.recorded_at.is_some());
    assert_eq!(count(bus.log(), "swarm:consensus-reached").await, 2);
}

#[tokio::test]
async fn a_question_is_asked_once_and_by_members_who_alone_may_vote() {
    let place = Place::new();
    let bus = place.bus().await;
    assert_eq!(kind(bus.propose("a", ship(LONG)).await).0, ErrorKind::NotFound);
    reviewers(&bus).await;
    assert_eq!(kind(bus.propose("outsider", ship(LONG)).await).0, ErrorKind::Denied);
    let first = bus.propose("a", ship(LONG)).await.unwrap();
    bus.swarm_join("new", "s", Some("tester")).await.unwrap();
    assert_eq!(bus.propose("a", ship(LONG)).await.unwrap(), first, "the same question is the same question");
    assert_eq!(kind(bus.propose("b", ship(LONG)).await).0, ErrorKind::Conflict);
    assert_eq!(kind(bus.vote("new", "s", "ship", Vote::Approve, None).await).0, ErrorKind::Denied);
    assert_eq!(kind(bus.vote("a", "s", "other", Vote::Approve, None).await).0, ErrorKind::NotFound);
    let voted = bus.vote("a", "s", "ship", Vote::Reject, Some("too soon")).await.unwrap();
    assert_eq!(bus.vote("a", "s", "ship", Vote::Reject, Some("too soon")).await.unwrap(), voted);
    let voted = bus.vote("a", "s", "ship", Vote::Approve, None).await.unwrap();
    assert_eq!((voted.tally().approve, voted.tally().reject), (1, 0));
    assert_eq!(count(bus.log(), "swarm:consensus-vote").await, 2, "the same vote again is no other vote");

    let wrong: [fn(&mut Proposal); 6] = [
        |asked| asked.quorum_size = Some(2),
        |asked| asked.weights = BTreeMap::from([("a".to_owned(), 2.0)]),
        |asked| asked.timeout = Duration::ZERO,
        |asked| asked.id = String::new(),
        |asked| (asked.strategy, asked.quorum_size) = (VotingStrategy::Quorum, Some(100)),
        |asked| {
            asked.strategy = VotingStrategy::Weighted;
            asked.weights = BTreeMap::from([("a".to_owned(), -1.0)]);
        },
    ];
    for change in wrong {
        let mut asked = Proposal { id: "wrong".to_owned(), ..ship(LONG) };
        change(&mut asked);
        assert_eq!(kind(bus.propose("a", asked.clone()).await).0, ErrorKind::Invalid, "{asked:?}");
    }
}

#[tokio::test]
async fn weights_decide_where_votes_are_weighted() {
    let place = Place::new();
    let bus = place.bus().await;
    reviewers(&bus).await;
    let weights = BTreeMap::from([("a".to_owned(), 9.5)]);
    let asked = Proposal { strategy: VotingStrategy::Weighted, weights, ..ship(LONG) };
    bus.propose("b", asked).await.unwrap();
    let decided = bus.vote("a", "s", "ship", Vote::Approve, None).await.unwrap();
    assert_eq!(decided.why.as_deref(), Some("weight 9.5 of 16.5 approves"));
    assert_eq!(count(bus.log(), "swarm:consensus-reached").await, 1, "written with the vote that decided it");
}

#[tokio::test]
async fn a_swarm_is_formed_joined_left_and_disbanded_by_those_who_may() {
    let place = Place::new();
    let (bus, other) = (place.bus().await, place.bus().await);
    reviewers(&bus).await;
    assert_eq!(kind(other.swarm_form("x", SwarmPlan::new("s", "Again")).await).0, ErrorKind::Conflict);
    assert_eq!(kind(other.swarm_join("x", "unknown", None).await).0, ErrorKind::NotFound);
    let joined = other.swarm_join("new", "s", Some("tester")).await.unwrap();
    assert_eq!((joined.members.len(), joined.roles["new"].as_str()), (9, "tester"));
    assert_eq!(bus.swarm_leave("new", "s", None).await.unwrap().members.len(), 8);
    assert_eq!(kind(bus.swarm_leave("new", "s", None).await).0, ErrorKind::Conflict);
    assert_eq!(kind(bus.swarm_phase("new", "s", "testing").await).0, ErrorKind::Denied);
    assert_eq!(bus.swarm_phase("b", "s", "testing").await.unwrap().phase.as_deref(), Some("testing"));
    bus.propose("b", ship(LONG)).await.unwrap();
    assert_eq!(kind(bus.swarm_disband("b", "s", None).await).0, ErrorKind::Denied);
    let over = other.swarm_disband("founder", "s", Some("shipped")).await.unwrap();
    assert_eq!(
        (over.status, over.consensus["ship"].why.as_deref()),
        (SwarmStatus::Disbanded, Some("disbanded"))
    );
    assert!(over.consensus["ship"].recorded_at.is_some());
    assert_eq!(kind(bus.swarm_join("new", "s", None).await).0, ErrorKind::Conflict);
    let (kind_of, said) = kind(bus.vote("b", "s", "ship", Vote::Approve, None).await);
    assert!(kind_of == ErrorKind::Conflict && said.contains("disbanded"), "{said}");
    let again = bus.swarm_form("x", SwarmPlan::new("s", "Again")).await.unwrap();
    assert_eq!(again.members.into_iter().collect::<Vec<_>>(), ["x"]);
    bus.swarm_leave("x", "s", None).await.unwrap();
    bus.swarm_join("y", "s", None).await.unwrap();
    assert_eq!(
        bus.swarm_disband("y", "s", None).await.unwrap().status,
        SwarmStatus::Disbanded,
        "nobody leads"
    );
}

fn release() -> CoordinationPlan {
    CoordinationPlan {
        required_capabilities: vec!["rust".to_owned()],
        min_agents: 2,
        max_agents: Some(2),
        strategy: CoordinationStrategy::Sequential,
        ..CoordinationPlan::new("w", "Release it")
    }
}

async fn register(bus: &Bus, agent: &str, capability: &str) {
    bus.log().append(AgentSpawned::new(agent).capabilities([capability])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_can_come_to_common_work_until_there_is_no_room() {
    let place = Place::new();
    let (bus, other) = (place.bus().await, place.bus().await);
    assert_eq!(kind(bus.coordination_accept("a", "w").await).0, ErrorKind::NotFound);
    bus.coordinate("boss", release()).await.unwrap();
    bus.coordinate("boss", release()).await.unwrap();
    assert_eq!(kind(bus.coordinate("another", release()).await).0, ErrorKind::Conflict);
    assert_eq!(kind(bus.coordination_accept("a", "w").await).0, ErrorKind::Denied, "nobody knows it");
    register(&bus, "cook", "cooking").await;
    let (kind_of, said) = kind(bus.coordination_accept("cook", "w").await);
    assert!(kind_of == ErrorKind::Denied && said.contains("rust"), "{said}");
    let day = Timestamp::from_micros(Timestamp::now().as_micros() + 86_400_000_000).unwrap();
    let waiting = tokio::spawn({
        let other = other.clone();
        async move { other.await_coordination("w", CoordinationPhase::Active, day).await }
    });
    let mut comers = Vec::new();
    for agent in ["a", "b", "c", "d"] {
        register(&bus, agent, "rust").await;
        let bus = if agent < "c" { bus.clone() } else { other.clone() };
        comers.push(tokio::spawn(async move { bus.coordination_accept(agent, "w").await }));
    }
    let mut refused = 0;
    for comer in comers {
        if let Err(error) = comer.await.unwrap() {
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            refused += 1;
        }
    }
    assert_eq!(refused, 2);
    let active = waiting.await.unwrap().unwrap();
    assert_eq!(
        (active.phase, active.participants.len(), active.void_events),
        (CoordinationPhase::Active, 2, 0)
    );
    let order: Vec<String> = active.participants.iter().map(|agent| agent.agent_id.clone()).collect();
    assert_eq!(
        kind(bus.coordination_update(&order[1], "w", CoordinationStep::done()).await).0,
        ErrorKind::Conflict
    );
    assert_eq!(
        kind(bus.coordination_update("cook", "w", CoordinationStep::done()).await).0,
        ErrorKind::Denied
    );
    let next = bus.coordination_update(&order[0], "w", CoordinationStep::done()).await.unwrap();
    assert_eq!(next.turn(), Some(order[1].as_str()));
    let over = other.coordination_complete("boss", "w", None).await.unwrap();
    assert_eq!(over.phase, CoordinationPhase::Completed);
    assert_eq!(kind(bus.coordination_accept("a", "w").await).0, ErrorKind::Conflict);
    let soon = Timestamp::now();
    assert_eq!(
        kind(bus.await_coordination("w", CoordinationPhase::Failed, soon).await).0,
        ErrorKind::Conflict
    );
}

#[tokio::test]
async fn what_is_said_of_common_work_must_fit_it() {
    let place = Place::new();
    let bus = place.bus().await;
    for wrong in [
        CoordinationPlan { min_agents: 0, ..release() },
        CoordinationPlan { min_agents: 3, ..release() },
        CoordinationPlan { max_agents: Some(100_000), ..release() },
        CoordinationPlan { id: String::new(), ..release() },
    ] {
        assert_eq!(kind(bus.coordinate("boss", wrong).await).0, ErrorKind::Invalid);
    }
    bus.coordinate("boss", release()).await.unwrap();
    let step = |step| bus.coordination_update("boss", "w", step);
    for wrong in [CoordinationStep::default(), CoordinationStep::progress(101.0)] {
        assert_eq!(kind(step(wrong).await).0, ErrorKind::Invalid);
    }
    for (phase, expected) in [
        (CoordinationPhase::Completed, ErrorKind::Invalid),
        (CoordinationPhase::Forming, ErrorKind::Invalid),
        (CoordinationPhase::Active, ErrorKind::Conflict),
    ] {
        assert_eq!(kind(step(CoordinationStep::phase(phase)).await).0, expected, "{phase}");
    }
    let (kind_of, said) =
        kind(bus.await_coordination("w", CoordinationPhase::Active, Timestamp::now()).await);
    assert!(kind_of == ErrorKind::Unavailable && said.contains("forming"), "{said}");
    bus.coordination_decline("cook", "w", Some("no time")).await.unwrap();
    let declined = bus.coordination_decline("cook", "w", Some("no time")).await.unwrap();
    assert_eq!(declined.declined["cook"].as_deref(), Some("no time"));
    let failed = step(CoordinationStep::phase(CoordinationPhase::Failed)).await.unwrap();
    assert_eq!(failed.phase, CoordinationPhase::Failed);
}

/// Story: a stranger recorded that a swarm was formed anew, with itself in it. The swarm did not show it, and mail for the group
/// came to it all the same; and when the swarm was terminated its members went on hearing from it.
#[tokio::test]
async fn mail_for_a_group_is_for_those_whom_its_swarm_shows() {
    let place = Place::new();
    let bus = place.bus().await;
    reviewers(&bus).await;
    let forged = SwarmFormed::new("s").initial_members(vec!["mallory".to_owned()]);
    bus.log().append(forged.into_event().unwrap().with_source("mallory").unwrap()).await.unwrap();
    let mail = || Message::text("x", "group:s".parse().unwrap(), "come").unwrap();
    assert_eq!(bus.send(mail()).await.unwrap().recipients, MEMBERS);
    let ended = SwarmTerminated::new("s").reason("done").into_event().unwrap();
    bus.log().append(ended.with_source("a").unwrap()).await.unwrap();
    assert_eq!(bus.send(mail()).await.unwrap_err().kind(), ErrorKind::NotFound, "nobody is left");
    bus.log().close().await.unwrap();
}
