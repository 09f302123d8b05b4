//! Agents: what each is, what it does now, and how it did so far.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use factlog::{Event, Filter, Invalid, Projection, Timestamp};
use serde::{Deserialize, Serialize};

use super::open_calls::{Calls, OpenCall, Outcome, Told};
use super::{Entities, entity, filter_of, later, milliseconds, set, speaker, when};
use crate::record::{Record, Return, Subagent, Turn};
use crate::status::AgentStatus;
use crate::vocabulary::Payload;

/// Tasks that an agent's lists name; how many there were is counted beside.
const TASKS_NAMED_MAX: usize = 100;

/// An agent, as far as the log tells of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Agent {
    /// Its id; a session of a coding agent is one, by the session's id.
    pub agent_id: String,
    /// What it does; `unknown` as long as nothing says it.
    pub status: AgentStatus,
    /// The part it plays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Its field of work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// What kind of agent it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<String>,
    /// What people call it, or what it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// The session it works in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The task it began last, of those it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_task: Option<String>,
    /// The tasks it has: how many is its load.
    pub current_tasks: BTreeSet<String>,
    /// How much work it can take, as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<f64>,
    /// The tasks it ended well, the last hundred.
    pub completed_tasks: VecDeque<String>,
    /// How many those were.
    pub completed_count: u64,
    /// The tasks that failed, the last hundred.
    pub failed_tasks: VecDeque<String>,
    /// How many those were.
    pub failed_count: u64,
    /// How long the tasks that ended well took together, in milliseconds.
    pub total_task_duration_ms: u64,
    /// Tools it called.
    pub tool_calls: u64,
    /// Errors: of itself, its tasks and its tools.
    pub error_count: u64,
    /// The last error of itself or of a task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Whether it waits for a person to allow or answer something.
    pub asks: bool,
    /// When it was made; none as long as it was not announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spawned_at: Option<Timestamp>,
    /// When it began to work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Timestamp>,
    /// When it came to what it does now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_since: Option<Timestamp>,
    /// When it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_activity_at: Option<Timestamp>,
    calls: Calls,
    /// The time of what its status was learned from.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_at: Option<Timestamp>,
}

impl Agent {
    /// How many tasks it has.
    pub fn load(&self) -> usize {
        self.current_tasks.len()
    }

    /// The tool that it waits for longest.
    pub fn open_call(&self) -> Option<&OpenCall> {
        self.calls.open.values().min_by_key(|call| call.at)
    }

    /// Whether it may still work.
    pub fn is_live(&self) -> bool {
        !matches!(self.status, AgentStatus::Completed | AgentStatus::Failed | AgentStatus::Terminated)
    }

    /// Whether something that happened then is older than what the agent is known to have done since.
    fn is_late(&self, at: Timestamp) -> bool {
        self.status_at.is_some_and(|known| at < known)
    }

    /// Comes to a status; one of before what is known already changes nothing.
    fn enter(&mut self, status: AgentStatus, at: Timestamp) {
        if self.is_late(at) {
            return;
        }
        self.status_at = Some(at);
        if self.status != status {
            self.status = status;
            self.status_since = Some(at);
        }
        match status {
            AgentStatus::Completed | AgentStatus::Failed | AgentStatus::Terminated => {
                self.stopped_at = Some(at);
                self.asks = false;
                self.calls.open.clear();
            }
            _ => self.stopped_at = None,
        }
    }

    fn take_task(&mut self, task: &str) {
        if !self.current_tasks.contains(task) {
            self.current_tasks.insert(task.to_owned());
        }
    }

    /// Lays a task down; it goes on with another it has, or is idle.
    fn lay_down(&mut self, task: &str, at: Timestamp) {
        self.current_tasks.remove(task);
        later(&mut self.status_at, at);
        if self.current_task.as_deref() == Some(task) {
            self.current_task = self.current_tasks.first().cloned();
        }
        if self.current_tasks.is_empty() && matches!(self.status, AgentStatus::Active | AgentStatus::Idle) {
            self.enter(AgentStatus::Idle, at);
        }
    }

    fn end_task(&mut self, task: &str, at: Timestamp, duration_ms: Option<u64>) {
        let had = self.current_tasks.contains(task);
        self.lay_down(task, at);
        if !had && self.completed_tasks.iter().any(|known| known == task) {
            // The agent told of it, and the task did too.
            return;
        }
        self.completed_count += 1;
        self.total_task_duration_ms = self.total_task_duration_ms.saturating_add(duration_ms.unwrap_or(0));
        remember(&mut self.completed_tasks, task);
    }

    fn fail_task(&mut self, task: &str, at: Timestamp, error: Option<String>) {
        let had = self.current_tasks.contains(task);
        self.lay_down(task, at);
        set(&mut self.last_error, error);
        if !had && self.failed_tasks.iter().any(|known| known == task) {
            return;
        }
        self.failed_count += 1;
        self.error_count += 1;
        remember(&mut self.failed_tasks, task);
    }
}

fn remember(tasks: &mut VecDeque<String>, task: &str) {
    if tasks.len() == TASKS_NAMED_MAX {
        tasks.pop_front();
    }
    tasks.push_back(task.to_owned());
}

/// All agents.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Agents {
    agents: BTreeMap<String, Agent>,
    /// Who has which task: whoever ends one may leave out who did it.
    holders: BTreeMap<String, String>,
}

impl Projection for Agents {
    const NAME: &'static str = "agents";
    const REVISION: u32 = 1;

    fn filter() -> Filter {
        filter_of(&["agent", "task", "session"], &["hook:*", "swarm:formed", "swarm:joined"])
    }

    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        if let Some(record) = Record::of(event) {
            self.take_record(event, record);
        } else if let Some(payload) = Payload::of(event) {
            self.take_agent(event, payload);
        }
        Ok(())
    }
}

impl Agents {
    fn agent(&mut self, event: &Event, id: &str) -> &mut Agent {
        let agent = entity(&mut self.agents, id, |agent: &mut Agent| &mut agent.agent_id);
        later(&mut agent.last_activity_at, event.time());
        agent
    }

    /// What is said of agents themselves, and who of them is at work.
    fn take_agent(&mut self, event: &Event, payload: Payload) {
        let at = event.time();
        match payload {
            Payload::AgentSpawned(spawned) => {
                let at = when(spawned.spawned_at, event);
                let agent = self.agent(event, &spawned.agent_id);
                set(&mut agent.role, spawned.role);
                set(&mut agent.domain, spawned.domain);
                set(&mut agent.agent_type, spawned.agent_type);
                set(&mut agent.agent_name, spawned.agent_name);
                set(&mut agent.parent_id, spawned.parent_id);
                if let Some(capabilities) = spawned.capabilities {
                    agent.capabilities = capabilities;
                }
                let is_late = agent.spawned_at.is_none() && agent.status != AgentStatus::Unknown;
                agent.spawned_at = Some(at);
                if !is_late {
                    let said = spawned.status.as_deref().and_then(AgentStatus::of);
                    agent.enter(said.unwrap_or(AgentStatus::Idle), at);
                }
            }
            Payload::AgentStarted(started) => {
                let at = when(started.started_at, event);
                let agent = self.agent(event, &started.agent_id);
                agent.started_at = Some(at);
                agent.enter(AgentStatus::Active, at);
            }
            Payload::AgentReady(ready) => {
                let agent = self.agent(event, &ready.agent_id);
                set(&mut agent.capacity, ready.available_capacity);
                let status =
                    if agent.current_tasks.is_empty() { AgentStatus::Idle } else { AgentStatus::Active };
                agent.enter(status, at);
            }
            Payload::AgentBusy(busy) => {
                let agent = self.agent(event, &busy.agent_id);
                if let Some(task) = busy.task_id {
                    agent.take_task(&task);
                    agent.current_task = Some(task);
                }
                agent.enter(AgentStatus::Active, at);
            }
            Payload::AgentIdle(idle) => self.agent(event, &idle.agent_id).enter(AgentStatus::Idle, at),
            other => self.take_end(event, other),
        }
    }

    /// How agents end, what they say they are, and what they do.
    fn take_end(&mut self, event: &Event, payload: Payload) {
        let at = event.time();
        match payload {
            Payload::AgentStopped(stopped) => {
                let at = when(stopped.stopped_at, event);
                self.agent(event, &stopped.agent_id).enter(AgentStatus::Completed, at);
            }
            Payload::AgentTerminated(ended) => {
                self.agent(event, &ended.agent_id).enter(AgentStatus::Terminated, at);
            }
            Payload::AgentFailed(failed) => {
                let at = when(failed.failed_at, event);
                let agent = self.agent(event, &failed.agent_id);
                agent.error_count += 1;
                set(&mut agent.last_error, failed.error);
                agent.enter(AgentStatus::Failed, at);
            }
            Payload::AgentStatusChanged(changed) => {
                let agent = self.agent(event, &changed.agent_id);
                if let Some(status) = AgentStatus::of(&changed.new_status) {
                    agent.enter(status, at);
                }
            }
            Payload::AgentAction(action) => {
                let is_error =
                    action.status.as_deref().is_some_and(|status| matches!(status, "error" | "failed"));
                let agent = self.agent(event, &action.agent_id);
                set(&mut agent.agent_name, action.agent_name);
                agent.error_count += u64::from(is_error);
                if agent.status == AgentStatus::Unknown {
                    agent.enter(AgentStatus::Active, at);
                }
            }
            Payload::AgentTaskAssigned(assigned) => {
                self.begin(event, &assigned.task_id, &assigned.agent_id, when(assigned.assigned_at, event));
            }
            Payload::AgentTaskCompleted(done) => {
                let at = when(done.completed_at, event);
                self.holders.remove(&done.task_id);
                self.agent(event, &done.agent_id).end_task(&done.task_id, at, done.duration_ms);
            }
            other => self.take_task(event, other),
        }
    }

    fn take_task(&mut self, event: &Event, payload: Payload) {
        let at = event.time();
        let target = || event.targets.first().map(ToString::to_string);
        match payload {
            Payload::TaskAssigned(assigned) => {
                if let Some(agent) = assigned.agent_id.or_else(target) {
                    self.hold(event, &assigned.task_id, &agent, when(assigned.assigned_at, event));
                }
            }
            Payload::TaskAccepted(accepted) => {
                if let Some(agent) = self.doer(event, accepted.agent_id, &accepted.task_id) {
                    self.hold(event, &accepted.task_id, &agent, at);
                }
            }
            Payload::TaskStarted(started) => {
                if let Some(agent) = self.doer(event, started.agent_id, &started.task_id) {
                    self.begin(event, &started.task_id, &agent, when(started.started_at, event));
                }
            }
            Payload::TaskProgress(progress) => {
                if let Some(agent) = self.doer(event, progress.agent_id, &progress.task_id) {
                    self.agent(event, &agent);
                }
            }
            Payload::TaskCompleted(done) => {
                if let Some(agent) = self.doer(event, done.agent_id, &done.task_id) {
                    self.holders.remove(&done.task_id);
                    let at = when(done.completed_at, event);
                    self.agent(event, &agent).end_task(&done.task_id, at, done.duration_ms);
                }
            }
            Payload::TaskFailed(failed) => {
                if let Some(agent) = self.doer(event, failed.agent_id, &failed.task_id) {
                    self.holders.remove(&failed.task_id);
                    let at = when(failed.failed_at, event);
                    self.agent(event, &agent).fail_task(&failed.task_id, at, failed.error);
                }
            }
            Payload::TaskRejected(rejected) => {
                if let Some(agent) = self.doer(event, rejected.agent_id, &rejected.task_id) {
                    self.release(event, &rejected.task_id, &agent, at);
                }
            }
            Payload::TaskCancelled(cancelled) => {
                if let Some(agent) = self.doer(event, cancelled.agent_id, &cancelled.task_id) {
                    self.release(event, &cancelled.task_id, &agent, at);
                }
            }
            Payload::SwarmFormed(formed) => {
                for member in formed.initial_members.into_iter().flatten().chain(formed.leader) {
                    self.agent(event, &member);
                }
            }
            Payload::SwarmJoined(joined) => {
                let agent = self.agent(event, &joined.agent_id);
                set(&mut agent.role, joined.role);
            }
            _ => {}
        }
    }

    /// Who does a task: the agent that is named, else the one that has it, else the one that says so.
    fn doer(&self, event: &Event, named: Option<String>, task: &str) -> Option<String> {
        named.or_else(|| self.holders.get(task).cloned()).or_else(|| speaker(event))
    }

    /// Gives a task to an agent; `false` where its end was told before.
    fn hold(&mut self, event: &Event, task: &str, agent: &str, at: Timestamp) -> bool {
        let is_over = |known: &Agent| {
            let ended = known.completed_tasks.iter().chain(&known.failed_tasks).any(|ended| ended == task);
            ended && !known.current_tasks.contains(task) && known.is_late(at)
        };
        if self.agents.get(agent).is_some_and(is_over) {
            return false;
        }
        if let Some(before) = self.holders.insert(task.to_owned(), agent.to_owned())
            && before != agent
        {
            let at = event.time();
            self.agent(event, &before).lay_down(task, at);
        }
        self.agent(event, agent).take_task(task);
        true
    }

    fn begin(&mut self, event: &Event, task: &str, agent: &str, at: Timestamp) {
        if self.hold(event, task, agent, at) {
            let agent = self.agent(event, agent);
            agent.current_task = Some(task.to_owned());
            agent.enter(AgentStatus::Active, at);
        }
    }

    fn release(&mut self, event: &Event, task: &str, agent: &str, at: Timestamp) {
        self.holders.remove(task);
        self.agent(event, agent).lay_down(task, at);
    }

    /// A session of a coding agent is an agent, and those that it sets to work are its children.
    fn take_record(&mut self, event: &Event, record: Record) {
        let at = event.time();
        let is_timed = event.occurred_at.is_some() || event.event_type.starts_with("hook:");
        let Record { session, system, agent: own, .. } = &record;
        let id = own.as_ref().unwrap_or(session);
        let agent = self.agents.entry(id.clone()).or_default();
        id.clone_into(&mut agent.agent_id);
        agent.session_id = Some(session.clone());
        match own {
            Some(_) => agent.parent_id = Some(session.clone()),
            None => {
                agent.agent_type.get_or_insert_with(|| system.clone());
            }
        }
        if is_timed {
            later(&mut agent.last_activity_at, at);
            agent.spawned_at = agent.spawned_at.filter(|known| *known <= at).or(Some(at));
        }
        if agent.agent_name.is_none() {
            agent.agent_name = record.prompt;
        }
        let has_worked = !record.calls.is_empty() || !record.returns.is_empty();
        let is_over = agent.stopped_at.is_some_and(|stopped| at <= stopped);
        match record.turn {
            Some(Turn::SessionEnded) => agent.enter(AgentStatus::Completed, at),
            Some(Turn::Ended) if agent.stopped_at.is_none() => agent.enter(AgentStatus::Idle, at),
            Some(Turn::Asks) => agent.asks = true,
            Some(Turn::Failed) => agent.error_count += 1,
            Some(Turn::Started) if !is_over => agent.enter(AgentStatus::Active, at),
            _ if !is_over && (has_worked || agent.status == AgentStatus::Unknown) => {
                agent.enter(AgentStatus::Active, at);
            }
            _ => {}
        }
        agent.asks &= !has_worked;
        let mut children = Vec::new();
        for call in record.calls {
            let open = OpenCall { tool: call.tool, at, agent_id: None };
            let told = agent.calls.call(call.id.as_deref(), open);
            if let Told::Returned(closed) = &told {
                agent.error_count += u64::from(closed.is_error);
            }
            if !matches!(told, Told::Again) {
                agent.tool_calls += 1;
                children.extend(call.subagent.map(|subagent| (call.id, subagent, false)));
            }
        }
        for Return { id, tool, is_error, subagent, duration_ms } in record.returns {
            let outcome = Outcome { at, is_error, duration_ms };
            if agent.calls.close(id.as_deref(), tool.as_deref(), outcome).is_some() {
                agent.error_count += u64::from(is_error);
            }
            match subagent {
                Some(subagent) => children.push((id, subagent, true)),
                None => children.push((id, Subagent { has_ended: true, ..Subagent::default() }, true)),
            }
        }
        children.extend(record.subagent.map(|subagent| (None, subagent, true)));
        for (call, child, is_told) in children {
            self.child(&record.session, call, child, is_told, at);
        }
    }

    /// An agent that another set to work: known by its call first, by its own name as soon as that is told.
    fn child(&mut self, parent: &str, call: Option<String>, child: Subagent, is_told: bool, at: Timestamp) {
        let Subagent { id, kind, title, duration_ms, has_ended } = child;
        // The return of any tool: only those of a call that is known as an agent matter.
        let known = call.as_ref().and_then(|call| self.agents.remove(call));
        if id.is_none() && known.is_none() && is_told {
            return;
        }
        let Some(name) = id.or(call) else { return };
        let agent = self.agents.entry(name.clone()).or_default();
        if let Some(known) = known {
            agent.agent_name = known.agent_name.or(agent.agent_name.take());
            agent.agent_type = known.agent_type.or(agent.agent_type.take());
            agent.spawned_at = known.spawned_at.min(agent.spawned_at).or(known.spawned_at);
            agent.tool_calls += known.tool_calls;
        }
        agent.agent_id = name;
        agent.parent_id = Some(parent.to_owned());
        agent.session_id = Some(parent.to_owned());
        set(&mut agent.agent_type, kind);
        set(&mut agent.agent_name, title);
        agent.spawned_at.get_or_insert(at);
        later(&mut agent.last_activity_at, at);
        if has_ended {
            agent.enter(AgentStatus::Completed, at);
            if agent.total_task_duration_ms == 0 {
                let spawned = agent.spawned_at;
                agent.total_task_duration_ms =
                    duration_ms.or_else(|| milliseconds(spawned?, at)).unwrap_or(0);
            }
        } else {
            agent.enter(AgentStatus::Active, at);
        }
    }

    /// The agents that do this.
    pub fn by_status(&self, status: AgentStatus) -> impl Iterator<Item = &Agent> {
        self.agents.values().filter(move |agent| agent.status == status)
    }

    /// The agents of a field of work.
    pub fn by_domain<'a>(&'a self, domain: &'a str) -> impl Iterator<Item = &'a Agent> {
        self.agents.values().filter(move |agent| agent.domain.as_deref() == Some(domain))
    }

    /// The agents that play a part.
    pub fn by_role<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a Agent> {
        self.agents.values().filter(move |agent| agent.role.as_deref() == Some(role))
    }

    /// The agents that one made.
    pub fn children<'a>(&'a self, parent: &'a str) -> impl Iterator<Item = &'a Agent> {
        self.agents.values().filter(move |agent| agent.parent_id.as_deref() == Some(parent))
    }

    /// Those that each one made, by its id.
    pub fn children_by_parent(&self) -> HashMap<&str, Vec<&str>> {
        let mut children: HashMap<&str, Vec<&str>> = HashMap::new();
        for agent in self.agents.values() {
            if let Some(parent) = &agent.parent_id {
                children.entry(parent).or_default().push(&agent.agent_id);
            }
        }
        children
    }

    /// How many are at work.
    pub fn active_count(&self) -> usize {
        self.by_status(AgentStatus::Active).count()
    }
}

impl Entities for Agents {
    type Entity = Agent;
    const NOUN: &'static str = "agent";
    const HIDDEN: &'static [&'static str] = &["calls", "statusAt"];

    fn entities(&self) -> &BTreeMap<String, Agent> {
        &self.agents
    }
}
