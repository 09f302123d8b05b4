//! Questions that are put to a swarm.

use std::collections::BTreeMap;
use std::time::Duration;

use factlog::{Error, EventId, Json, NewEvent, Result, Timestamp, TypedEvent};

use super::Bus;
use super::swarm::{at_work, is_member, known, named};
use crate::projections::{Consensus, Entities, Swarm, VotingStrategy, Weight};
use crate::record::SMALL_BYTES_MAX;
use crate::vocabulary::SwarmConsensusRequest;

/// How long there is to vote where nothing else is said.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10 * 60);
/// The longest time to vote: a year.
const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Questions that one swarm may have open.
pub(super) const QUESTIONS_OPEN_MAX: usize = 100;

/// A question to a swarm.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The swarm.
    pub swarm: String,
    /// The question's own id: asked twice it is asked once.
    pub id: String,
    /// What is to be decided: up to 4 KiB.
    pub proposal: Json,
    /// How votes are counted.
    pub strategy: VotingStrategy,
    /// How long there is to vote; ten minutes unless said otherwise.
    pub timeout: Duration,
    /// How many votes it takes, where they are counted by quorum; more than half unless said otherwise.
    pub quorum_size: Option<u64>,
    /// How much the votes of members count, where they are weighted; 1 where a member is not named.
    pub weights: BTreeMap<String, f64>,
}

impl Proposal {
    /// A question to this swarm, decided by majority.
    pub fn new(swarm: impl Into<String>, id: impl Into<String>, proposal: Json) -> Self {
        Self {
            swarm: swarm.into(),
            id: id.into(),
            proposal,
            strategy: VotingStrategy::Majority,
            timeout: TIMEOUT_DEFAULT,
            quorum_size: None,
            weights: BTreeMap::new(),
        }
    }

    /// What is wrong with it whatever the swarm.
    fn check(&self) -> Result<()> {
        named("a question's id", &self.id)?;
        let bytes = self.proposal.as_str().len();
        let said = if bytes > SMALL_BYTES_MAX {
            format!("a proposal of {bytes} bytes; {SMALL_BYTES_MAX} are allowed: say where the rest is")
        } else if self.timeout.as_millis() == 0 || self.timeout > TIMEOUT_MAX {
            "there must be time to vote, and no more than a year".to_owned()
        } else if self.quorum_size.is_some() && self.strategy != VotingStrategy::Quorum {
            format!("a quorum goes with the strategy quorum, not {}", self.strategy)
        } else if !self.weights.is_empty() && self.strategy != VotingStrategy::Weighted {
            format!("weights go with the strategy weighted, not {}", self.strategy)
        } else if let Some((agent, weight)) =
            self.weights.iter().find(|(_, weight)| Weight::of(**weight).is_none())
        {
            format!("the weight {weight} of {agent}; a weight is above 0 and up to {}", Weight::MAX)
        } else {
            return Ok(());
        };
        Err(Error::invalid(said))
    }

    /// What is wrong with it for this swarm.
    fn check_for(&self, swarm: &Swarm) -> Result<()> {
        if let Some(outsider) = self.weights.keys().find(|agent| !swarm.members.contains(*agent)) {
            return Err(Error::invalid(format!("{outsider} has a weight and does not belong to the swarm")));
        }
        let members = swarm.members.len() as u64;
        if let Some(quorum) = self.quorum_size.filter(|quorum| !(1..=members).contains(quorum)) {
            return Err(Error::invalid(format!("a quorum of {quorum} among {members} members")));
        }
        let now = Timestamp::now();
        let open = swarm.consensus.values().filter(|question| question.as_of(now).is_open()).count();
        if open >= QUESTIONS_OPEN_MAX {
            return Err(Error::conflict(format!("{open} questions are open in the swarm {}", self.swarm))
                .with_hint("wait until some of them are decided"));
        }
        Ok(())
    }

    fn is(&self, asked: &Consensus, agent: &str) -> bool {
        let weight =
            |agent: &String| self.weights.get(agent).copied().and_then(Weight::of).unwrap_or_default();
        asked.asked_by.as_deref() == Some(agent)
            && asked.proposal.as_ref() == Some(&self.proposal)
            && asked.voting_strategy == self.strategy
            && asked.timeout_ms == Some(self.timeout.as_millis() as u64)
            && asked.quorum_size == self.quorum_size
            && asked.electorate.iter().all(|(agent, known)| *known == weight(agent))
    }

    fn event(&self, agent: &str, swarm: &Swarm) -> Result<NewEvent> {
        let mut asked = SwarmConsensusRequest::new(self.swarm.as_str(), self.id.as_str())
            .proposal(self.proposal.clone())
            .voting_strategy(self.strategy.as_str())
            .timeout_ms(self.timeout.as_millis() as u64)
            .electorate(swarm.members.iter().cloned().collect::<Vec<String>>());
        asked.quorum_size = self.quorum_size;
        if !self.weights.is_empty() {
            asked.weights = Some(Json::of(&self.weights)?);
        }
        let event = asked.into_event()?.with_source(agent)?;
        // A question that a swarm has forgotten is not asked again as if it were new: the log knows its id.
        let id = EventId::foreign("factlog", &event.stream, &format!("consensus-request/{}", self.id));
        Ok(event.with_id(id))
    }
}

impl Bus {
    /// Puts a question to a swarm. Its members of this moment may vote, and nobody else.
    ///
    /// The same question again, under the same id, is the same question.
    ///
    /// # Errors
    /// `Denied` for who does not belong to the swarm; `Conflict` when another question has this id, or when too many are
    /// open; `Invalid` for a quorum that cannot be reached and the like.
    pub async fn propose(&self, agent: &str, proposal: Proposal) -> Result<Consensus> {
        proposal.check()?;
        let Proposal { swarm: id, id: question_id, .. } = &proposal;
        let mut held = self.held_swarm(id).await?;
        held.decide_once(self.log(), |swarms| {
            let swarm = known(swarms.get(id), id)?;
            if swarm.consensus.contains_key(question_id) {
                return Ok(Vec::new());
            }
            let swarm = at_work(Some(swarm), id)?;
            is_member(swarm, agent)?;
            proposal.check_for(swarm)?;
            Ok(vec![proposal.event(agent, swarm)?])
        })
        .await?;
        // There is a question of this id now, unless it was asked and forgotten long ago.
        let asked = held.state().get(id).and_then(|swarm| swarm.consensus.get(question_id));
        let asked = asked.filter(|asked| proposal.is(asked, agent));
        asked.map(|asked| asked.as_of(Timestamp::now())).ok_or_else(|| {
            Error::conflict(format!("another question has the id {question_id}"))
                .with_hint("ask it under another id")
        })
    }
}
