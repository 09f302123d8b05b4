//! How agents perform: what they did, how often it went well, how long it took.

use std::collections::{BTreeMap, VecDeque};

use factlog::{Event, Filter, Invalid, Projection, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::open_calls::{Calls, Closed, OpenCall, Outcome, Told};
use super::{Entities, filter_of, json_of, later, percentile};
use crate::record::Record;
use crate::vocabulary::Payload;

/// Durations from which percentiles are taken: the last ones.
const DURATIONS_KEPT_MAX: usize = 1_000;

/// What an agent did, and how it went.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentMetrics {
    /// The agent.
    pub agent_id: String,
    /// What it did, by name: actions, and tools it used.
    pub actions: BTreeMap<String, ActionMetrics>,
    /// Tasks it ended well.
    pub tasks: ActionMetrics,
    /// Errors it met itself.
    pub errors: u64,
    /// When it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_activity_at: Option<Timestamp>,
}

/// How one kind of work goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ActionMetrics {
    /// How often.
    pub count: u64,
    /// How often it went wrong.
    pub errors: u64,
    /// How long it took together, in milliseconds, as far as that is known.
    pub total_duration_ms: u64,
    /// How many of them say how long they took.
    pub timed: u64,
    /// The last durations.
    durations_ms: VecDeque<u64>,
}

impl ActionMetrics {
    fn take(&mut self, is_error: bool, duration_ms: Option<u64>) {
        self.count += 1;
        self.errors += u64::from(is_error);
        let Some(duration) = duration_ms else { return };
        self.timed += 1;
        self.total_duration_ms = self.total_duration_ms.saturating_add(duration);
        if self.durations_ms.len() == DURATIONS_KEPT_MAX {
            self.durations_ms.pop_front();
        }
        self.durations_ms.push_back(duration);
    }

    /// How long it takes in the middle, in milliseconds.
    pub fn average_duration_ms(&self) -> Option<u64> {
        self.total_duration_ms.checked_div(self.timed)
    }

    /// This share of the last thousand took no longer, in milliseconds.
    pub fn percentile_duration_ms(&self, share: f64) -> Option<u64> {
        let mut sorted: Vec<u64> = self.durations_ms.iter().copied().collect();
        sorted.sort_unstable();
        percentile(&sorted, share)
    }

    fn shown(&self) -> Value {
        json!({"count": self.count, "errors": self.errors, "timed": self.timed,
            "totalDurationMs": self.total_duration_ms, "averageDurationMs": self.average_duration_ms(),
            "p50DurationMs": self.percentile_duration_ms(0.5), "p95DurationMs": self.percentile_duration_ms(0.95)})
    }
}

/// The performance of all agents.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metrics {
    agents: BTreeMap<String, AgentMetrics>,
    /// Who has which task.
    holders: BTreeMap<String, String>,
    /// Tools that were called: a hook and a transcript tell of the same call.
    calls: Calls,
}

impl Projection for Metrics {
    const NAME: &'static str = "agent-metrics";
    const REVISION: u32 = 1;

    fn filter() -> Filter {
        filter_of(
            &["agent", "task"],
            &["session:tool-called", "session:tool-returned", "session:tool-used", "hook:*"],
        )
    }

    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        if let Some(record) = Record::of(event) {
            self.take_record(event, record);
        } else if let Some(payload) = Payload::of(event) {
            self.take(event, payload);
        }
        Ok(())
    }
}

impl Metrics {
    fn agent(&mut self, event: &Event, id: &str) -> &mut AgentMetrics {
        let agent = self.agents.entry(id.to_owned()).or_default();
        if agent.agent_id.is_empty() {
            id.clone_into(&mut agent.agent_id);
        }
        later(&mut agent.last_activity_at, event.time());
        agent
    }

    fn take(&mut self, event: &Event, payload: Payload) {
        match payload {
            Payload::AgentAction(action) => {
                let is_error =
                    action.status.as_deref().is_some_and(|status| matches!(status, "error" | "failed"));
                let agent = self.agent(event, &action.agent_id);
                agent.actions.entry(action.action).or_default().take(is_error, action.duration_ms);
            }
            Payload::AgentFailed(failed) => self.agent(event, &failed.agent_id).errors += 1,
            Payload::SessionToolUsed(used) => {
                let agent = self.agent(event, &used.session_id);
                agent.actions.entry(used.tool).or_default().take(used.error.is_some(), used.duration_ms);
            }
            Payload::TaskAssigned(assigned) => {
                let target = event.targets.first().map(ToString::to_string);
                if let Some(agent) = assigned.agent_id.or(target) {
                    self.holders.insert(assigned.task_id, agent);
                }
            }
            Payload::TaskStarted(started) => {
                if let Some(agent) = started.agent_id {
                    self.holders.insert(started.task_id, agent);
                }
            }
            Payload::AgentTaskAssigned(assigned) => {
                self.holders.insert(assigned.task_id, assigned.agent_id);
            }
            Payload::TaskCompleted(done) => {
                self.task(event, &done.task_id, done.agent_id, false, done.duration_ms);
            }
            Payload::AgentTaskCompleted(done) => {
                self.task(event, &done.task_id, Some(done.agent_id), false, done.duration_ms);
            }
            Payload::TaskFailed(failed) => {
                self.task(event, &failed.task_id, failed.agent_id, true, failed.duration_ms);
            }
            _ => {}
        }
    }

    /// A task that ended; whoever tells of it a second time finds that nobody has it.
    fn task(
        &mut self,
        event: &Event,
        task: &str,
        named: Option<String>,
        is_error: bool,
        duration_ms: Option<u64>,
    ) {
        let held = self.holders.remove(task);
        let is_told_again = held.is_none() && event.event_type.contains("agent");
        if let Some(agent) = held.or(named).filter(|_| !is_told_again) {
            self.agent(event, &agent).tasks.take(is_error, duration_ms);
        }
    }

    fn take_record(&mut self, event: &Event, record: Record) {
        let at = event.time();
        let id = record.agent.unwrap_or(record.session);
        for call in record.calls {
            let Some(call_id) = call.id else { continue };
            let open = OpenCall { tool: call.tool, at, agent_id: Some(id.clone()) };
            if let Told::Returned(closed) = self.calls.call(Some(&call_id), open) {
                self.close(event, closed);
            }
        }
        for returned in record.returns {
            let Some(call_id) = &returned.id else { continue };
            let outcome = Outcome { at, is_error: returned.is_error, duration_ms: returned.duration_ms };
            if let Some(closed) = self.calls.close(Some(call_id), None, outcome) {
                self.close(event, closed);
            }
        }
    }

    fn close(&mut self, event: &Event, closed: Closed) {
        let Some(agent) = closed.agent_id else { return };
        let agent = self.agent(event, &agent);
        agent.actions.entry(closed.tool).or_default().take(closed.is_error, closed.duration_ms);
    }
}

impl Entities for Metrics {
    type Entity = AgentMetrics;
    const NOUN: &'static str = "agent";

    fn entities(&self) -> &BTreeMap<String, AgentMetrics> {
        &self.agents
    }

    fn shown(entity: &AgentMetrics) -> Value {
        let mut shown = json_of(entity);
        shown["tasks"] = entity.tasks.shown();
        shown["actions"] =
            entity.actions.iter().map(|(name, action)| (name.clone(), action.shown())).collect();
        shown
    }
}
