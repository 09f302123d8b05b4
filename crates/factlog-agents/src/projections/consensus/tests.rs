use std::collections::BTreeMap;

use factlog::{Event, Position, Projection, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::projections::tests::{at, fact};
use crate::projections::{Entities, Swarm, Swarms};
use crate::vocabulary::{SwarmDisbanded, SwarmFormed, SwarmJoined, SwarmLeft};

const MEMBERS: [&str; 5] = ["a", "b", "c", "d", "e"];
/// When the question is asked, and when its time is over, in seconds.
const ASKED: u64 = 2;
const DEADLINE: u64 = 30;

fn swarm(events: &[Event]) -> Swarm {
    let mut state = Swarms::default();
    for event in events {
        state.apply(event).unwrap();
    }
    state.get("s").unwrap().clone()
}

fn second(second: u64) -> Timestamp {
    at(second, fact(SwarmDisbanded::new("s"))).recorded_at
}

fn formed() -> Event {
    at(1, fact(SwarmFormed::new("s").initial_members(MEMBERS).leader("a")))
}

fn asked(strategy: VotingStrategy) -> Event {
    let asked = SwarmConsensusRequest::new("s", "q")
        .proposal(json!("ship"))
        .voting_strategy(strategy.as_str())
        .electorate(MEMBERS)
        .timeout_ms((DEADLINE - ASKED) * 1_000);
    at(ASKED, fact(asked).with_source("a").unwrap())
}

fn vote(second: u64, agent: &str, word: &str) -> Event {
    at(second, fact(SwarmConsensusVote::new("s", "q", agent, word)).with_source(agent).unwrap())
}

fn reached(second: u64, consensus: bool) -> Event {
    at(second, fact(SwarmConsensusReached::new("s", "q").consensus(consensus)))
}

fn question(events: &[Event]) -> Consensus {
    swarm(events).consensus["q"].clone()
}

/// Story (A11): a decision was asked for and one was reached, and nothing was between them: no votes, no count, no end.
#[test]
fn a_majority_decides_and_what_comes_later_changes_nothing() {
    let mut events =
        vec![formed(), asked(VotingStrategy::Majority), vote(3, "a", "approve"), vote(4, "b", "reject")];
    events.extend([vote(5, "b", "approve"), vote(6, "x", "reject")]);
    let open = question(&events);
    assert!(open.is_open());
    assert_eq!((open.tally().approve, open.tally().outstanding, open.void_votes), (2, 3, 1));
    events.extend([vote(7, "c", "approve"), vote(8, "d", "reject"), vote(9, "a", "reject")]);
    let decided = question(&events);
    assert_eq!((decided.outcome(), decided.late_votes), (Some(Outcome::Approved), 2));
    assert_eq!((decided.why.as_deref(), decided.decided_at), (Some("3 of 5 approve"), Some(second(7))));
    assert_eq!(decided.votes["a"].vote, Vote::Approve);
    assert_eq!(decided.decision.unwrap().as_str(), "\"approved\"");
}

#[test]
fn a_vote_is_late_by_when_it_was_recorded_and_a_deadline_passes_without_a_word() {
    let mut events = vec![formed(), asked(VotingStrategy::Unanimous)];
    events.extend(MEMBERS.map(|agent| vote(DEADLINE - 1, agent, "approve")).into_iter().take(4));
    let before = question(&events);
    assert!(before.is_open() && before.as_of(second(DEADLINE - 1)).is_open());
    assert_eq!(before.as_of(second(DEADLINE)).why.as_deref(), Some("timed out with 4 of 5 votes"));
    // It says that it was cast in time; the log knows better.
    let mut late = vote(DEADLINE, "e", "approve");
    late.fact.occurred_at = Some(second(3));
    events.push(late);
    let after = question(&events);
    assert_eq!((after.outcome(), after.late_votes), (Some(Outcome::Rejected), 1));
    assert_eq!(after.decided_at, Some(second(DEADLINE)));
}

#[test]
fn a_quorum_that_is_there_at_the_deadline_is_enough() {
    let mut request = asked(VotingStrategy::Quorum);
    let asked = SwarmConsensusRequest::new("s", "q").voting_strategy("quorum").electorate(MEMBERS);
    request.fact.data = fact(asked.quorum_size(3u64).timeout_ms(28_000u64)).data;
    let events =
        [formed(), request, vote(3, "a", "approve"), vote(4, "b", "abstain"), vote(5, "c", "approve")];
    let open = question(&events);
    // Two that reject could still turn it.
    assert!(open.is_open());
    let closed = open.as_of(second(DEADLINE));
    assert_eq!(closed.outcome(), Some(Outcome::Approved));
    assert_eq!(closed.why.as_deref(), Some("3 of 3 needed votes, 2 approve, 1 abstain"));
}

#[test]
fn who_may_vote_is_fixed_when_it_is_asked_and_nobody_votes_for_another() {
    let joined = at(3, fact(SwarmJoined::new("s", "late")));
    let left = at(3, fact(SwarmLeft::new("s", "b")));
    let mut forged = vote(4, "c", "reject");
    forged.fact.source = Some("d".parse().unwrap());
    let mut elsewhere = vote(4, "c", "reject");
    elsewhere.fact.stream = "swarm-other".parse().unwrap();
    let events = [formed(), asked(VotingStrategy::Majority), joined, left, forged, elsewhere];
    let events =
        [&events[..], &[vote(5, "late", "approve"), vote(6, "b", "approve"), vote(7, "e", "maybe")]].concat();
    let question = question(&events);
    assert_eq!(question.votes.keys().collect::<Vec<_>>(), ["b"]);
    assert_eq!((question.void_votes, question.electorate.len()), (3, 5));
}

/// Story: a result was an event like any other, and whoever wrote one had decided.
#[test]
fn a_result_that_the_votes_do_not_bear_out_is_void_and_one_of_another_system_is_taken_as_it_is() {
    let ask = || vec![formed(), asked(VotingStrategy::Majority)];
    let early = question(&[ask(), vec![reached(3, true)]].concat());
    assert!(early.is_open() && early.void_results == 1, "nobody has voted");
    let approved = [ask(), ["a", "b", "c"].map(|agent| vote(4, agent, "approve")).into()].concat();
    let contradicted = question(&[approved.clone(), vec![reached(5, false)]].concat());
    assert_eq!((contradicted.outcome(), contradicted.void_results), (Some(Outcome::Approved), 1));
    assert_eq!(contradicted.recorded_at, None);
    let told = question(&[approved, vec![reached(5, true), reached(6, true)]].concat());
    assert_eq!((told.recorded_at, told.void_results), (Some(second(5)), 0));
    let timed_out = question(&[ask(), vec![reached(DEADLINE, false)]].concat());
    assert_eq!(
        (timed_out.outcome(), timed_out.recorded_at),
        (Some(Outcome::Rejected), Some(second(DEADLINE)))
    );

    let foreign =
        at(2, fact(SwarmConsensusRequest::new("s", "q").voting_strategy("majority").timeout_ms(1_000u64)));
    let votes = json!([{"agentId": "a", "vote": "approve", "weight": 2, "reason": "fine"}]);
    let result =
        SwarmConsensusReached::new("s", "q").decision(json!({"ship": true})).votes(votes).consensus(true);
    let question = question(&[formed(), foreign, at(9, fact(result)), reached(10, false)]);
    assert_eq!(question.decision.as_ref().unwrap().as_str(), r#"{"ship":true}"#);
    assert_eq!((question.reached, question.tally().approve), (Some(true), 1));
}

#[test]
fn the_end_of_a_swarm_ends_its_questions_and_who_forms_it_again_begins_anew() {
    let disbanded = at(9, fact(SwarmDisbanded::new("s").reason("shipped")));
    let mut events = vec![formed(), asked(VotingStrategy::Majority), vote(3, "a", "approve"), disbanded];
    events.extend([vote(10, "b", "approve"), at(11, fact(SwarmJoined::new("s", "z")))]);
    let over = swarm(&events);
    assert_eq!(over.consensus["q"].why.as_deref(), Some("disbanded"));
    assert_eq!((over.consensus["q"].outcome(), over.consensus["q"].late_votes), (Some(Outcome::Rejected), 1));
    assert!(over.has_ended() && !over.members.contains("z"), "nobody comes to what is over");
    events.push(at(12, fact(SwarmFormed::new("s").initial_members(["n"])).with_source("n").unwrap()));
    events.push(at(13, fact(SwarmFormed::new("s").leader("thief")).with_source("thief").unwrap()));
    let again = swarm(&events);
    assert_eq!((again.members.len(), again.leader, again.founder.as_deref()), (1, None, Some("n")));
}

/// Story: what grows with every question that was ever asked is too large to be kept one day.
#[test]
fn a_swarm_forgets_questions_that_were_decided_long_ago_and_keeps_those_that_are_open() {
    let crowd: Vec<String> = (0..ELECTORATE_MAX).map(|number| format!("m{number}")).collect();
    let mut events = vec![at(1, fact(SwarmFormed::new("s").initial_members(crowd.clone())))];
    for number in 0..40u64 {
        let asked = SwarmConsensusRequest::new("s", format!("q{number}")).electorate(crowd.clone());
        let timeout_ms = if number == 0 { 1_000_000u64 } else { 500 };
        events.push(at(2 + number, fact(asked.timeout_ms(timeout_ms))));
    }
    let swarm = swarm(&events);
    let kept: usize = swarm.consensus.values().map(|question| question.electorate.len() + 1).sum();
    assert!((VOTERS_KEPT_MAX / 2..=VOTERS_KEPT_MAX).contains(&kept), "{kept}");
    assert!(swarm.consensus["q0"].is_open() && swarm.consensus.contains_key("q39"));
    assert!(!swarm.consensus.contains_key("q1"));
}

/// A question as a plain count knows it: the votes that were valid, in order, and when it was closed.
struct Plain {
    strategy: VotingStrategy,
    weights: Vec<u64>,
    quorum: u64,
    votes: BTreeMap<usize, Vote>,
    closed: Option<(bool, u64)>,
    late: u64,
    void: u64,
}

impl Plain {
    fn is_approved(&self, votes: &BTreeMap<usize, Vote>) -> bool {
        let of =
            |wanted: Vote| votes.iter().filter(move |(_, vote)| **vote == wanted).map(|(agent, _)| *agent);
        let (approve, reject) = (of(Vote::Approve).count(), of(Vote::Reject).count());
        match self.strategy {
            VotingStrategy::Majority => approve > self.weights.len() - approve,
            VotingStrategy::Unanimous => approve == self.weights.len(),
            VotingStrategy::Weighted => {
                let approving: u64 = of(Vote::Approve).map(|agent| self.weights[agent]).sum();
                approving > self.weights.iter().sum::<u64>() - approving
            }
            VotingStrategy::Quorum => votes.len() as u64 >= self.quorum && approve > reject,
        }
    }

    /// Whether every way in which the others may vote, or not vote, leads to the same.
    fn is_settled(&self, votes: &BTreeMap<usize, Vote>) -> bool {
        let Some(next) = (0..self.weights.len()).find(|agent| !votes.contains_key(agent)) else {
            return true;
        };
        let outcome = self.is_approved(votes);
        self.outcomes(votes, next).into_iter().all(|other| other == outcome)
    }

    fn outcomes(&self, votes: &BTreeMap<usize, Vote>, from: usize) -> Vec<bool> {
        let Some(next) = (from..self.weights.len()).find(|agent| !votes.contains_key(agent)) else {
            return vec![self.is_approved(votes)];
        };
        let mut outcomes = self.outcomes(votes, next + 1);
        for vote in Vote::ALL {
            let mut after = votes.clone();
            after.insert(next, *vote);
            outcomes.extend(self.outcomes(&after, next + 1));
        }
        outcomes
    }

    fn take(&mut self, second: u64, agent: usize, vote: Option<Vote>) {
        let Some(vote) = vote.filter(|_| agent < self.weights.len()) else {
            self.void += 1;
            return;
        };
        self.end(second);
        if self.closed.is_some() {
            self.late += 1;
            return;
        }
        self.votes.insert(agent, vote);
        if self.is_settled(&self.votes) {
            self.closed = Some((self.is_approved(&self.votes), second));
        }
    }

    fn end(&mut self, second: u64) {
        if second >= DEADLINE && self.closed.is_none() {
            self.closed = Some((self.is_approved(&self.votes), DEADLINE));
        }
    }
}

fn told(second: u64, agent: usize, kind: u8) -> (Event, Option<Vote>) {
    let name = MEMBERS.get(agent).copied().unwrap_or("outsider");
    let word = ["approve", "reject", "abstain", "perhaps"][usize::from(kind % 4)];
    let mut event = vote(second, name, word);
    event.position = Position(second);
    // Some are said by nobody, some by another.
    match kind / 4 {
        1 => event.fact.source = None,
        2 => event.fact.source = Some("forger".parse().unwrap()),
        _ => {}
    }
    (event, Vote::of(word).filter(|_| kind / 4 != 2))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_fold_counts_as_a_plain_count_of_the_votes_that_were_valid_at_the_close(
        strategy in 0usize..4, quorum in 1u64..6,
        weights in prop::collection::vec(1u64..40, 1..6),
        votes in prop::collection::vec((0usize..7, 0u8..12, 0u64..5), 0..25),
        split in 0usize..25,
    ) {
        let strategy = VotingStrategy::ALL[strategy];
        let electorate = &MEMBERS[..weights.len()];
        // In tenths, so that some sums are none that binary fractions can tell.
        let stated: BTreeMap<&str, f64> =
            electorate.iter().copied().zip(weights.iter().map(|tenths| *tenths as f64 / 10.0)).collect();
        let asked = SwarmConsensusRequest::new("s", "q").voting_strategy(strategy.as_str()).quorum_size(quorum)
            .electorate(electorate.iter().map(|agent| (*agent).to_owned()).collect::<Vec<String>>())
            .weights(json!(stated)).timeout_ms((DEADLINE - ASKED) * 1_000);
        let mut events = vec![formed(), at(ASKED, fact(asked))];
        let mut plain = Plain {
            strategy, quorum, weights: weights.clone(), votes: BTreeMap::new(), closed: None, late: 0, void: 0,
        };
        let mut now = ASKED;
        for (agent, kind, pause) in votes {
            now += pause;
            let agent = if agent < weights.len() { agent } else { MEMBERS.len() };
            let (event, vote) = told(now, agent, kind);
            events.push(event);
            plain.take(now, agent, vote);
        }
        plain.end(now);
        let straight = swarm(&events);
        let mut resumed = Swarms::default();
        for (index, event) in events.iter().enumerate() {
            if index == split {
                resumed = serde_json::from_str(&serde_json::to_string(&resumed).unwrap()).unwrap();
            }
            resumed.apply(event).unwrap();
        }
        prop_assert_eq!(resumed.get("s"), Some(&straight));
        let question = straight.consensus["q"].as_of(second(now));
        let closed = question.outcome().map(|outcome| (outcome == Outcome::Approved, question.decided_at.unwrap()));
        prop_assert_eq!(closed, plain.closed.map(|(approved, when)| (approved, second(when))));
        prop_assert_eq!((question.late_votes, question.void_votes), (plain.late, plain.void));
        let counted: BTreeMap<String, Vote> =
            question.votes.iter().map(|(agent, ballot)| (agent.clone(), ballot.vote)).collect();
        let expected: BTreeMap<String, Vote> =
            plain.votes.iter().map(|(agent, vote)| (MEMBERS[*agent].to_owned(), *vote)).collect();
        prop_assert_eq!(&counted, &expected);
        let outcome = count(strategy, &question.electorate, &counted, quorum);
        prop_assert_eq!(outcome == Outcome::Approved, plain.is_approved(&plain.votes));
    }
}
