//! How votes are counted: pure functions of who may vote, who voted how, and by which rule.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::status::statuses;

statuses! {
    /// By which rule votes are counted.
    VotingStrategy, "way to count votes", {
        /// More than half of those who may vote approve.
        Majority = "majority";
        /// All who may vote approve.
        Unanimous = "unanimous";
        /// Those who approve have more than half of all the weight.
        Weighted = "weighted";
        /// Enough have voted, and more of them approve than reject.
        Quorum = "quorum";
    }
}

statuses! {
    /// What a member wants decided.
    Vote, "vote", {
        /// It shall be.
        Approve = "approve";
        /// It shall not be.
        Reject = "reject";
        /// Either is fine.
        Abstain = "abstain";
    }
}

statuses! {
    /// What was decided.
    Outcome, "outcome", {
        /// It shall be.
        Approved = "approved";
        /// It shall not be.
        Rejected = "rejected";
    }
}

#[expect(clippy::derivable_impls, reason = "the macro above makes its enums without a default")]
impl Default for VotingStrategy {
    fn default() -> Self {
        Self::Majority
    }
}

/// How much a vote counts. It is kept in millionths, so that a sum is the same for everyone who makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u64);

impl Weight {
    /// The weight of who is not named.
    pub const ONE: Self = Self(Self::UNITS);
    /// The largest weight, as a number.
    pub const MAX: f64 = 1_000_000.0;
    const UNITS: u64 = 1_000_000;

    /// A weight above 0, up to [`Weight::MAX`], to the sixth digit; none for any other number.
    ///
    /// ```
    /// use factlog_agents::projections::Weight;
    /// assert_eq!(Weight::of(1.0), Some(Weight::ONE));
    /// assert_eq!((Weight::of(0.0), Weight::of(f64::NAN), Weight::of(2e6)), (None, None, None));
    /// ```
    pub fn of(number: f64) -> Option<Self> {
        let units = (number * Self::UNITS as f64).round();
        (number <= Self::MAX && units >= 1.0).then_some(Self(units as u64))
    }

    /// As a number.
    pub fn number(self) -> f64 {
        self.0 as f64 / Self::UNITS as f64
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::ONE
    }
}

impl std::fmt::Display for Weight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.number().fmt(f)
    }
}

impl Serialize for Weight {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(Self::UNITS) {
            return serializer.serialize_u64(self.0 / Self::UNITS);
        }
        serializer.serialize_f64(self.number())
    }
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A sum of weights may be more than any one weight can be.
        let units = (f64::deserialize(deserializer)? * Self::UNITS as f64).round();
        Ok(Self(units as u64))
    }
}

/// How the votes stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// How many approve.
    pub approve: u64,
    /// How many reject.
    pub reject: u64,
    /// How many abstain.
    pub abstain: u64,
    /// How many have not voted.
    pub outstanding: u64,
    /// The weight of those who approve.
    pub approve_weight: Weight,
    /// The weight of those who have not voted.
    pub outstanding_weight: Weight,
    /// The weight of all who may vote.
    pub total_weight: Weight,
}

impl Tally {
    /// Counts the votes of those who may vote; no others.
    pub fn of(electorate: &BTreeMap<String, Weight>, votes: impl Fn(&str) -> Option<Vote>) -> Self {
        let none = Weight(0);
        let mut tally = Self {
            approve: 0,
            reject: 0,
            abstain: 0,
            outstanding: 0,
            approve_weight: none,
            outstanding_weight: none,
            total_weight: none,
        };
        for (agent, weight) in electorate {
            tally.total_weight.0 += weight.0;
            match votes(agent) {
                Some(Vote::Approve) => {
                    tally.approve += 1;
                    tally.approve_weight.0 += weight.0;
                }
                Some(Vote::Reject) => tally.reject += 1,
                Some(Vote::Abstain) => tally.abstain += 1,
                None => {
                    tally.outstanding += 1;
                    tally.outstanding_weight.0 += weight.0;
                }
            }
        }
        tally
    }

    /// How many have voted.
    pub fn cast(&self) -> u64 {
        self.approve + self.reject + self.abstain
    }

    /// How many may vote.
    pub fn electorate(&self) -> u64 {
        self.cast() + self.outstanding
    }

    /// What is decided if nobody else votes.
    pub fn outcome(&self, strategy: VotingStrategy, quorum: u64) -> Outcome {
        let is_approved = match strategy {
            VotingStrategy::Majority => self.approve * 2 > self.electorate(),
            VotingStrategy::Unanimous => self.approve > 0 && self.approve == self.electorate(),
            VotingStrategy::Weighted => self.approve_weight.0 * 2 > self.total_weight.0,
            VotingStrategy::Quorum => self.cast() >= quorum && self.approve > self.reject,
        };
        if is_approved { Outcome::Approved } else { Outcome::Rejected }
    }

    /// What is decided whatever those do who have not voted: none as long as it is in their hands.
    pub fn settled(&self, strategy: VotingStrategy, quorum: u64) -> Option<Outcome> {
        let mut approving = *self;
        approving.approve += self.outstanding;
        approving.approve_weight.0 += self.outstanding_weight.0;
        let mut rejecting = *self;
        rejecting.reject += self.outstanding;
        for all in [&mut approving, &mut rejecting] {
            all.outstanding = 0;
            all.outstanding_weight = Weight(0);
        }
        let outcome = self.outcome(strategy, quorum);
        [approving, rejecting].iter().all(|all| all.outcome(strategy, quorum) == outcome).then_some(outcome)
    }

    /// How it came to be, in words.
    pub(super) fn words(&self, strategy: VotingStrategy, quorum: u64) -> String {
        let approving = match strategy {
            VotingStrategy::Majority | VotingStrategy::Unanimous => {
                format!("{} of {} approve", self.approve, self.electorate())
            }
            VotingStrategy::Weighted => {
                format!("weight {} of {} approves", self.approve_weight, self.total_weight)
            }
            VotingStrategy::Quorum => {
                format!("{} of {quorum} needed votes, {} approve", self.cast(), self.approve)
            }
        };
        let others = [(self.reject, "reject"), (self.abstain, "abstain")];
        let others =
            others.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        std::iter::once(approving).chain(others).collect::<Vec<_>>().join(", ")
    }
}

/// What is decided by these votes if nobody else votes.
pub fn count(
    strategy: VotingStrategy,
    electorate: &BTreeMap<String, Weight>,
    votes: &BTreeMap<String, Vote>,
    quorum: u64,
) -> Outcome {
    Tally::of(electorate, |agent| votes.get(agent).copied()).outcome(strategy, quorum)
}
