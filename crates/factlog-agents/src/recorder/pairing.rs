//! Beginnings and ends that belong together, in whatever order they are told.

use factlog::{Json, Timestamp};

use super::settings::Settings;
use super::tracked::Tracked;
use crate::projections::milliseconds;
use crate::vocabulary::Payload;

/// Bytes of one text or input that is carried over from a beginning to its end; a larger one stands at the beginning only.
const CARRIED_BYTES_MAX: usize = 64 * 1024;
/// Who does a task that nobody is named for.
const NOBODY: &str = "system";

/// What began and has not ended, and what ended lately.
#[derive(Debug)]
pub(super) struct Pairing {
    tasks: Pairs<Task>,
    deployments: Pairs<Deployment>,
    /// Names of agents, by id.
    agents: Tracked<Option<String>>,
    /// How many were let go before their end.
    pub(super) dropped: u64,
}

/// What the end of a task leaves out, and its beginning said.
#[derive(Debug, Clone, Default)]
struct Task {
    agent_id: Option<String>,
    title: Option<String>,
    input: Option<Json>,
}

/// What the end of a deployment leaves out, and its beginning said.
#[derive(Debug, Clone, Default)]
struct Deployment {
    environment: Option<String>,
    branch: Option<String>,
    commit: Option<String>,
    pr_number: Option<u64>,
}

impl Pairing {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            tasks: Pairs::new(settings),
            deployments: Pairs::new(settings),
            agents: Tracked::new(settings.tracked_agents_max, settings.agent_timeout),
            dropped: 0,
        }
    }

    /// How many tasks, agents and deployments have begun and not ended.
    pub(super) fn tracked(&mut self, now: Timestamp) -> [usize; 3] {
        self.dropped += self.tasks.running.expire(now);
        self.dropped += self.deployments.running.expire(now);
        self.dropped += self.agents.expire(now);
        [self.tasks.running.len(), self.agents.len(), self.deployments.running.len()]
    }

    /// Adds to a payload what is known from the other end; `at` is when it happened, `now` when it is told.
    pub(super) fn pair(&mut self, payload: &mut Payload, at: Timestamp, now: Timestamp) {
        match payload {
            Payload::TaskStarted(task) => {
                task.agent_id.get_or_insert_with(|| NOBODY.to_owned());
                let said = Task {
                    agent_id: carried(task.agent_id.as_ref()),
                    title: carried(task.title.as_ref()),
                    input: task.input.clone().filter(|input| input.as_str().len() <= CARRIED_BYTES_MAX),
                };
                let begun = task.started_at.unwrap_or(at);
                let late = self.tasks.begin(&task.task_id, begun, said, now, &mut self.dropped);
                task.started_at = late.or(task.started_at);
            }
            Payload::AgentSpawned(agent) => {
                let name = carried(agent.agent_name.as_ref());
                self.dropped += self.agents.insert(&agent.agent_id, name, now);
            }
            Payload::AgentAction(agent) => self.name(&agent.agent_id, &mut agent.agent_name),
            Payload::AgentFailed(agent) => self.name(&agent.agent_id, &mut agent.agent_name),
            Payload::AgentTerminated(agent) => {
                self.agents.remove(&agent.agent_id);
            }
            Payload::DeploymentStarted(deployment) => {
                let said = Deployment {
                    environment: carried(deployment.environment.as_ref()),
                    branch: carried(deployment.branch.as_ref()),
                    commit: carried(deployment.commit.as_ref()),
                    pr_number: deployment.pr_number,
                };
                let begun = deployment.started_at.unwrap_or(at);
                let id = &deployment.deployment_id;
                let late = self.deployments.begin(id, begun, said, now, &mut self.dropped);
                deployment.started_at = late.or(deployment.started_at);
            }
            payload => self.end(payload, at, now),
        }
    }

    fn end(&mut self, payload: &mut Payload, at: Timestamp, now: Timestamp) {
        macro_rules! task {
            ($task:ident, $ended_at:ident, $started_at:expr) => {{
                let told = Told {
                    what: stringify!($ended_at),
                    at: $task.$ended_at.unwrap_or(at),
                    started_at: $started_at,
                    duration_ms: $task.duration_ms,
                };
                let end = self.tasks.end(&$task.task_id, told, now);
                $task.duration_ms = end.duration_ms;
                $task.started_at = $task.started_at.or(end.started_at);
                let Some(said) = end.said else { return };
                $task.agent_id = $task.agent_id.take().or(said.agent_id);
                $task.title = $task.title.take().or(said.title);
                $task.input = $task.input.take().or(said.input);
            }};
        }
        macro_rules! deployment {
            ($deployment:ident, $ended_at:ident) => {{
                let told = Told {
                    what: stringify!($ended_at),
                    at: $deployment.$ended_at.unwrap_or(at),
                    started_at: $deployment.started_at,
                    duration_ms: $deployment.duration_ms,
                };
                let end = self.deployments.end(&$deployment.deployment_id, told, now);
                $deployment.duration_ms = end.duration_ms;
                $deployment.started_at = $deployment.started_at.or(end.started_at);
                let Some(said) = end.said else { return };
                $deployment.environment = $deployment.environment.take().or(said.environment);
                $deployment.branch = $deployment.branch.take().or(said.branch);
                $deployment.commit = $deployment.commit.take().or(said.commit);
                $deployment.pr_number = $deployment.pr_number.or(said.pr_number);
            }};
        }
        match payload {
            Payload::TaskCompleted(task) => task!(task, completed_at, task.started_at),
            Payload::TaskFailed(task) => task!(task, failed_at, task.started_at),
            Payload::TaskCancelled(task) => task!(task, cancelled_at, task.started_at),
            Payload::DeploymentCompleted(deployment) => deployment!(deployment, completed_at),
            Payload::DeploymentFailed(deployment) => deployment!(deployment, failed_at),
            _ => {}
        }
    }

    fn name(&self, id: &str, name: &mut Option<String>) {
        if name.is_none() {
            *name = self.agents.get(id).cloned().flatten();
        }
    }
}

fn carried(text: Option<&String>) -> Option<String> {
    text.filter(|text| text.len() <= CARRIED_BYTES_MAX).cloned()
}

/// Beginnings and ends of one kind of thing.
#[derive(Debug)]
struct Pairs<T> {
    running: Tracked<Begun<T>>,
    /// What ended lately: its end may be told again, or its beginning late.
    ended: Tracked<Ended<T>>,
}

#[derive(Debug, Clone)]
struct Begun<T> {
    at: Timestamp,
    said: T,
}

#[derive(Debug)]
struct Ended<T> {
    /// None as long as the beginning was not told.
    begun: Option<Begun<T>>,
    what: &'static str,
    at: Timestamp,
    duration_ms: Option<u64>,
}

/// An end as it is told.
#[derive(Clone, Copy)]
struct Told {
    what: &'static str,
    at: Timestamp,
    started_at: Option<Timestamp>,
    duration_ms: Option<u64>,
}

/// What is known at an end.
struct End<T> {
    said: Option<T>,
    started_at: Option<Timestamp>,
    duration_ms: Option<u64>,
}

impl<T: Clone> Pairs<T> {
    fn new(settings: &Settings) -> Self {
        let tracked = (settings.tracked_tasks_max, settings.task_timeout);
        Self { running: Tracked::new(tracked.0, tracked.1), ended: Tracked::new(tracked.0, tracked.1) }
    }

    /// Takes a beginning in. Where its end was told before, gives the time at which it can have begun: not after its end,
    /// as readers would take it for a second try.
    fn begin(
        &mut self,
        id: &str,
        at: Timestamp,
        said: T,
        now: Timestamp,
        dropped: &mut u64,
    ) -> Option<Timestamp> {
        if id.is_empty() {
            return None;
        }
        self.ended.expire(now);
        if let Some(ended) = self.ended.get_mut(id)
            && ended.begun.is_none()
        {
            let micros =
                ended.duration_ms.and_then(|ms| i64::try_from(ms).ok()?.checked_mul(1_000)).unwrap_or(0);
            let latest =
                Timestamp::from_micros(ended.at.as_micros().saturating_sub(micros)).unwrap_or(ended.at);
            let at = at.min(latest);
            ended.begun = Some(Begun { at, said });
            return Some(at);
        }
        self.ended.remove(id);
        *dropped += self.running.insert(id, Begun { at, said }, now);
        None
    }

    fn end(&mut self, id: &str, told: Told, now: Timestamp) -> End<T> {
        let stated = || told.duration_ms.or_else(|| milliseconds(told.started_at?, told.at));
        if id.is_empty() {
            return End { said: None, started_at: None, duration_ms: stated() };
        }
        self.ended.expire(now);
        let begun = match (self.running.remove(id), self.ended.get(id)) {
            (Some(begun), _) => Some(begun),
            // The same end told again is the same fact, and says the same.
            (None, Some(ended)) if ended.what == told.what => {
                let begun = ended.begun.clone();
                return End {
                    started_at: begun.as_ref().map(|begun| begun.at),
                    duration_ms: stated().or(ended.duration_ms),
                    said: begun.map(|begun| begun.said),
                };
            }
            (None, ended) => ended.and_then(|ended| ended.begun.clone()),
        };
        let started_at = told.started_at.or(begun.as_ref().map(|begun| begun.at));
        let duration_ms = told.duration_ms.or_else(|| milliseconds(started_at?, told.at));
        let said = begun.as_ref().map(|begun| begun.said.clone());
        self.ended.insert(id, Ended { begun, what: told.what, at: told.at, duration_ms }, now);
        End { said, started_at, duration_ms }
    }
}
