//! Votes on questions, and what comes of them: decided by the fold, recorded once.

use factlog::{Appended, Error, EventId, EventLog, Json, NewEvent, Result, Timestamp, TypedEvent};
use serde_json::json;

use super::Bus;
use super::held::Held;
use super::once::Once;
use super::proposal::QUESTIONS_OPEN_MAX;
use super::swarm::{known, stream_named};
use crate::projections::{Consensus, Entities, REASON_BYTES_MAX, Swarm, Swarms, Vote};
use crate::vocabulary::{SwarmConsensusReached, SwarmConsensusVote};

/// How often votes and results are recorded in one batch before the vote goes alone: others may record the result first.
const TOGETHER_TRIES_MAX: u32 = 4;
/// Results that go into the log together with the end of their swarm.
const RESULTS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A log's clock that is behind this machine's is waited for at least so long.
const CLOCK_PAUSE_MIN: std::time::Duration = std::time::Duration::from_millis(10);

impl Bus {
    /// Votes on a question. A member may change its vote until the question is decided; the last one counts.
    ///
    /// # Errors
    /// `Denied` for who may not vote on it; `Conflict` when it is decided, saying how; `NotFound` for a question that there
    /// is not.
    pub async fn vote(
        &self,
        agent: &str,
        swarm: &str,
        id: &str,
        vote: Vote,
        reason: Option<&str>,
    ) -> Result<Consensus> {
        if reason.is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
            return Err(Error::invalid(format!("a reason of more than {REASON_BYTES_MAX} bytes")));
        }
        let mut held = self.held_swarm(swarm).await?;
        let mut cast = SwarmConsensusVote::new(swarm, id, agent, vote.as_str());
        cast.reason = reason.map(str::to_owned);
        let cast = cast.into_event()?.with_source(agent)?;
        let voted = held
            .with_results(self.log(), |swarms, with_results| {
                let question = question(swarms, swarm, id)?;
                may_vote(question, agent, swarm)?;
                let now = Timestamp::now();
                let shown = question.as_of(now);
                if !shown.is_open() {
                    return Err(closed(&shown, id));
                }
                if question
                    .votes
                    .get(agent)
                    .is_some_and(|known| known.vote == vote && known.reason.as_deref() == reason)
                {
                    return Ok(Vec::new());
                }
                let after = question.with_vote(agent, vote, reason, now);
                let result = (with_results && !after.is_open()).then(|| result_of(swarm, id, &after));
                std::iter::once(Ok(cast.clone())).chain(result).collect()
            })
            .await;
        // Whoever meets a question that is decided, and whose result nobody has recorded, records it.
        if question(held.state(), swarm, id).is_ok_and(|known| is_due(known, Timestamp::now())) {
            held.record_result(self.log(), swarm, id).await?;
        }
        let appended = voted?;
        let question = question(held.state(), swarm, id)?;
        let counts = |appended: &Appended| {
            question.votes.get(agent).is_some_and(|known| known.at == appended.recorded_at)
        };
        match appended {
            Some(appended) if !counts(&appended) => Err(closed(question, id)),
            _ => Ok(question.as_of(Timestamp::now())),
        }
    }

    /// A question as it stands now.
    ///
    /// # Errors
    /// `NotFound` for a swarm or a question that there is not.
    pub async fn consensus(&self, swarm: &str, id: &str) -> Result<Consensus> {
        let mut held = self.held_swarm(swarm).await?;
        held.refresh(self.log()).await?;
        Ok(question(held.state(), swarm, id)?.as_of(Timestamp::now()))
    }

    /// Waits until a question is decided, by votes or by its deadline; then the result is in the log too.
    ///
    /// # Errors
    /// `NotFound` for a swarm or a question that there is not.
    pub async fn await_consensus(&self, swarm: &str, id: &str) -> Result<Consensus> {
        let stream = stream_named("swarm", swarm)?;
        loop {
            let mut held = self.held_swarm(swarm).await?;
            held.refresh(self.log()).await?;
            let mut until = question(held.state(), swarm, id)?.deadline;
            if is_due(question(held.state(), swarm, id)?, Timestamp::now()) {
                let recorded = held.record_result(self.log(), swarm, id).await?;
                // The log's clock may be behind this one: then it is not yet over there, and what it says counts.
                if let (Some(appended), Some(deadline)) = (recorded, until) {
                    let behind = deadline.as_micros().saturating_sub(appended.recorded_at.as_micros());
                    let pause = std::time::Duration::from_micros(u64::try_from(behind).unwrap_or(0));
                    let later = Timestamp::now().as_micros() + pause.max(CLOCK_PAUSE_MIN).as_micros() as i64;
                    until = Timestamp::from_micros(later).ok();
                } else {
                    return Ok(question(held.state(), swarm, id)?.as_of(Timestamp::now()));
                }
            }
            let question = question(held.state(), swarm, id)?;
            let shown = question.as_of(Timestamp::now());
            // What another system asks is for that one to record.
            if !question.is_open() || !(shown.is_open() || question.is_electorate_fixed) {
                return Ok(shown);
            }
            let position = held.position();
            drop(held);
            self.waits_for_news(&stream, position, until).await?;
        }
    }

    /// Records the results of questions that are decided, by their deadline, and that nobody has recorded; gives their ids.
    ///
    /// # Errors
    /// `NotFound` for a swarm that there is not.
    pub async fn close_due(&self, swarm: &str) -> Result<Vec<String>> {
        let mut held = self.held_swarm(swarm).await?;
        held.refresh(self.log()).await?;
        let now = Timestamp::now();
        let questions = known(held.state().get(swarm), swarm)?.consensus.iter();
        let due: Vec<String> =
            questions.filter(|(_, question)| is_due(question, now)).map(|(id, _)| id.clone()).collect();
        let mut recorded = Vec::new();
        for id in due {
            if held.record_result(self.log(), swarm, &id).await?.is_some() {
                recorded.push(id);
            }
        }
        Ok(recorded)
    }
}

impl Held<Swarms> {
    /// Decides something that may decide questions too: their results go with it, unless others have recorded them in the
    /// same moment.
    pub(super) async fn with_results(
        &mut self,
        log: &EventLog,
        mut decide: impl FnMut(&Swarms, bool) -> Result<Vec<NewEvent>>,
    ) -> Result<Option<Appended>> {
        for _ in 0..TOGETHER_TRIES_MAX {
            match self.decide_once(log, |swarms| decide(swarms, true)).await? {
                Once::Taken => {}
                once => return Ok(once.recorded()),
            }
        }
        self.decide(log, |swarms| decide(swarms, false)).await
    }

    /// Records the result of a question that is decided, if nobody has. Where its id is taken by an event that means nothing
    /// it stays unrecorded: the votes are in the log all the same.
    async fn record_result(&mut self, log: &EventLog, swarm: &str, id: &str) -> Result<Option<Appended>> {
        let recorded = self
            .decide_once(log, |swarms| {
                let now = Timestamp::now();
                let question = question(swarms, swarm, id)?;
                let due = is_due(question, now).then(|| result_of(swarm, id, &question.as_of(now)));
                due.into_iter().collect()
            })
            .await?;
        Ok(recorded.recorded())
    }
}

/// Whether it is decided, by votes that are counted here, and nobody has recorded the result.
fn is_due(question: &Consensus, now: Timestamp) -> bool {
    question.is_electorate_fixed && question.recorded_at.is_none() && !question.as_of(now).is_open()
}

fn question<'a>(swarms: &'a Swarms, swarm: &str, id: &str) -> Result<&'a Consensus> {
    known(swarms.get(swarm), swarm)?.consensus.get(id).ok_or_else(|| {
        Error::not_found(format!("the swarm {swarm} was not asked {id}"))
            .with_hint("its questions are shown by `factlog swarm show`")
    })
}

fn may_vote(question: &Consensus, agent: &str, swarm: &str) -> Result<()> {
    if question.electorate.contains_key(agent) {
        return Ok(());
    }
    Err(Error::denied(format!(
        "{agent} may not vote: it did not belong to the swarm {swarm} when this was asked"
    ))
    .with_hint("who may vote is fixed when a question is stored"))
}

/// How it ended, for who comes too late.
fn closed(question: &Consensus, id: &str) -> Error {
    let decision = question.outcome().map_or("open", |outcome| outcome.as_str());
    let why = question.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    let at = question.decided_at.map_or_else(String::new, |at| format!(" at {at}"));
    Error::conflict(format!("{id} was {decision}{at}{why}")).with_hint("ask again under another id")
}

/// The results of the questions that end with their swarm.
pub(super) fn closed_by_the_end(swarm: &Swarm) -> Result<Vec<NewEvent>> {
    let now = Timestamp::now();
    let mut bytes = 0;
    let open = swarm
        .consensus
        .iter()
        .filter(|(_, question)| question.is_electorate_fixed && question.recorded_at.is_none());
    let closed = open.take(QUESTIONS_OPEN_MAX).map(|(id, question)| {
        let mut question = question.clone();
        question.abandon(now, "disbanded");
        result_of(&swarm.swarm_id, id, &question)
    });
    // What does not fit into the batch is recorded by whoever looks after it later.
    let fits = |event: &Result<NewEvent>| {
        bytes += event.as_ref().map_or(0, NewEvent::bytes);
        bytes <= RESULTS_BYTES_MAX
    };
    closed.take_while(fits).collect()
}

/// The result of a question that is decided. Its id follows from the question, so that it stands in the log once.
fn result_of(swarm: &str, id: &str, question: &Consensus) -> Result<NewEvent> {
    let votes = question.votes.iter().map(|(agent, ballot)| {
        let mut vote = json!({"agentId": agent, "vote": ballot.vote, "weight": ballot.weight});
        if let Some(reason) = &ballot.reason {
            vote["reason"] = json!(reason);
        }
        vote
    });
    let mut reached = SwarmConsensusReached::new(swarm, id)
        .votes(Json::of(&votes.collect::<Vec<_>>())?)
        .consensus(question.reached.unwrap_or(false));
    reached.decision.clone_from(&question.decision);
    reached.reason.clone_from(&question.why);
    let event = reached.into_event()?;
    // A result that was void, told before its time, does not stand in the way of the one that is not.
    let nth = if question.void_results == 0 { String::new() } else { format!("/{}", question.void_results) };
    let id = EventId::foreign("factlog", &event.stream, &format!("consensus-reached{nth}/{id}"));
    Ok(event.with_id(id))
}
