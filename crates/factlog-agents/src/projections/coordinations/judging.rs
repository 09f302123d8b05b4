//! What each event changes in a coordination, if it changes anything.

use factlog::Event;

use super::{Coordination, CoordinationPhase, CoordinationStrategy, DONE, PARTICIPANTS_MAX, Participant};
use crate::projections::{REASON_BYTES_MAX, cut, set};
use crate::record::small;
use crate::vocabulary::{CoordinationComplete, CoordinationRequest, CoordinationUpdate};

/// How many capabilities may be required.
pub(crate) const CAPABILITIES_MAX: usize = 100;
const PERCENT_MAX: f64 = 100.0;

impl Coordination {
    pub(super) fn ask(&mut self, event: &Event, asked: CoordinationRequest) {
        if self.asked_at.is_some() {
            return;
        }
        self.asked_at = Some(event.time());
        self.requester = event.source.as_deref().map(str::to_owned);
        self.objective = asked.objective;
        let required = asked.required_capabilities.into_iter().flatten();
        self.required_capabilities = required.take(CAPABILITIES_MAX).collect();
        (self.min_agents, self.max_agents) = (asked.min_agents, asked.max_agents);
        self.strategy = asked.strategy.and_then(|word| CoordinationStrategy::of(&word));
        self.leader = asked.leader;
    }

    pub(super) fn accept(&mut self, event: &Event, agent: Option<String>) {
        let Some(agent) = speaker_of(event, agent).filter(|_| !self.has_ended()) else {
            self.void_events += 1;
            return;
        };
        if self.has(&agent) {
            return;
        }
        if self.is_full() {
            self.void_events += 1;
            return;
        }
        self.declined.remove(&agent);
        self.come(agent, event);
    }

    fn come(&mut self, agent_id: String, event: &Event) {
        self.participants.push(Participant { agent_id, ..Participant::default() });
        if self.phase == CoordinationPhase::Forming && self.participants.len() >= self.needs() {
            self.begin(event);
        }
    }

    fn begin(&mut self, event: &Event) {
        self.phase = CoordinationPhase::Active;
        self.active_at.get_or_insert(event.time());
    }

    /// Who has come may go again; the work goes on without it.
    pub(super) fn decline(&mut self, event: &Event, agent: Option<String>, reason: Option<String>) {
        let is_open = !self.has_ended() && self.declined.len() < PARTICIPANTS_MAX;
        let Some(agent) = speaker_of(event, agent).filter(|_| is_open) else {
            self.void_events += 1;
            return;
        };
        self.participants.retain(|participant| participant.agent_id != agent);
        self.declined.insert(agent, reason.map(|reason| cut(&reason, REASON_BYTES_MAX).to_owned()));
    }

    /// Whether an event changes anything. One without a source is another system's, and is believed.
    fn is_heard(&mut self, event: &Event) -> bool {
        let is_heard =
            !self.has_ended() && event.source.as_deref().is_none_or(|source| self.may_tell(source));
        self.void_events += u64::from(!is_heard);
        is_heard
    }

    pub(super) fn update(&mut self, event: &Event, updated: CoordinationUpdate) {
        if !self.is_heard(event) {
            return;
        }
        let is_told = self.take_told(updated.participants, event);
        set(&mut self.metrics, small(updated.metrics));
        let word = updated.status.unwrap_or_default();
        self.take_progress(event.source.as_deref(), updated.progress, word == DONE);
        match CoordinationPhase::of(&word) {
            // That there are enough is counted, not told; only another system tells it with the list of who takes part.
            Some(CoordinationPhase::Active) if self.phase == CoordinationPhase::Forming => {
                if is_told {
                    self.begin(event);
                }
            }
            Some(CoordinationPhase::Active) if self.participants.len() < self.needs() => {
                self.phase = CoordinationPhase::Forming;
            }
            Some(CoordinationPhase::Active) => self.begin(event),
            Some(CoordinationPhase::Completing) if self.phase == CoordinationPhase::Forming => {}
            Some(CoordinationPhase::Forming) | None => {}
            Some(phase) => {
                self.phase = phase;
                self.ended_at = self.has_ended().then(|| event.time());
            }
        }
    }

    /// The participants as another system lists them, where nobody has come by an event of its own.
    fn take_told(&mut self, listed: Option<Vec<String>>, event: &Event) -> bool {
        let Some(listed) = listed.filter(|_| self.participants.is_empty()) else { return false };
        let room = self.room();
        for agent in listed.into_iter().take(room) {
            if !self.has(&agent) {
                self.come(agent, event);
            }
        }
        true
    }

    /// A participant speaks of its own part, in its turn; anybody else of the whole.
    fn take_progress(&mut self, by: Option<&str>, progress: Option<f64>, is_done: bool) {
        let progress = progress.map(percent);
        let is_in_turns = self.strategy == Some(CoordinationStrategy::Sequential);
        if by.is_some_and(|by| is_in_turns && self.has(by)) && self.turn() != by {
            return;
        }
        let own = self.participants.iter_mut().find(|own| by == Some(own.agent_id.as_str()));
        let Some(own) = own else {
            set(&mut self.progress, progress);
            return;
        };
        own.is_done |= is_done || progress == Some(PERCENT_MAX);
        set(&mut own.progress, progress.or(own.is_done.then_some(PERCENT_MAX)));
        if own.progress.is_some() {
            let sum: f64 = self.participants.iter().filter_map(|participant| participant.progress).sum();
            self.progress = Some(percent(sum / self.participants.len().max(self.needs()) as f64));
        }
    }

    pub(super) fn complete(&mut self, event: &Event, completed: CoordinationComplete) {
        if !self.is_heard(event) {
            return;
        }
        self.take_told(completed.participants, event);
        self.result = small(completed.result);
        self.phase = CoordinationPhase::Completed;
        self.ended_at = Some(event.time());
    }
}

/// Who says that it comes or does not: nobody says it for another.
fn speaker_of(event: &Event, agent: Option<String>) -> Option<String> {
    match (agent, event.source.as_deref()) {
        (Some(agent), Some(source)) if agent != source => None,
        (agent, source) => agent.or_else(|| source.map(str::to_owned)),
    }
}

/// A share in percent, to the first digit, so that it is the same when it is read again.
fn percent(progress: f64) -> f64 {
    (progress.clamp(0.0, PERCENT_MAX) * 10.0).round() / 10.0
}
