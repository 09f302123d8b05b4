//! Tasks: where each stands, who has it, how long it took.

use std::collections::BTreeMap;

use factlog::{Event, Filter, Invalid, Json, Priority, Projection, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Entities, entity, filter_of, later, milliseconds, percentile, set, speaker, when};
use crate::record::{Record, TaskWord, small};
use crate::status::{Status, priority};
use crate::vocabulary::Payload;

/// A task, as far as the log tells of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Task {
    /// Its id.
    pub task_id: String,
    /// Where it stands; none as long as nothing says it.
    pub status: Option<Status>,
    /// The source's own word for it, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_word: Option<String>,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What kind of task it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_type: Option<String>,
    /// What is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How urgent it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Who has it, or had it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The session it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The task it is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// The tasks that must be done before.
    pub dependencies: Vec<String>,
    /// The tasks it waits for now.
    pub blocked_by: Vec<String>,
    /// The part of the workflow it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_state: Option<String>,
    /// How often it was moved to another part.
    pub moves: u64,
    /// How often a part of its text was written.
    pub section_updates: u64,
    /// How often somebody set its status, beside what its work did to it.
    pub status_changes: u64,
    /// How much is done, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// When it was written down; none as long as it was not announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<Timestamp>,
    /// When it was given to an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_at: Option<Timestamp>,
    /// When work on it began, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// When it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
    /// When it was taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// When it must be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// When it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// How long the last try took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What came of it, where that is small.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Json>,
    /// What went wrong, while it has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why it is blocked, was turned down or is no longer wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often it was tried again.
    pub retry_count: u64,
    /// Sessions that worked on it and came to an end.
    pub sessions_run: u64,
    /// How long those took together, in milliseconds.
    pub sessions_duration_ms: u64,
    /// The sessions that are to work on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<String>,
    /// The time of what its status was learned from.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_at: Option<Timestamp>,
}

impl Task {
    /// Whether somebody has work with it.
    pub fn is_open(&self) -> bool {
        self.deleted_at.is_none()
            && !matches!(
                self.status,
                Some(
                    Status::Completed
                        | Status::Failed
                        | Status::Rejected
                        | Status::Cancelled
                        | Status::Archived
                )
            )
    }

    /// Sets the status that a word means; a word that means nothing here is kept beside it.
    fn take_word(&mut self, word: Option<String>, at: Timestamp) {
        let Some(word) = word else { return };
        if let Some(status) = Status::of(&word)
            && !self.enter(status, at)
        {
            return;
        }
        self.status_word = self.status.is_none_or(|status| status.as_str() != word).then_some(word);
    }

    /// Goes into a status, and forgets what no longer holds there; `false` for one of before what is known already,
    /// which changes nothing.
    fn enter(&mut self, status: Status, at: Timestamp) -> bool {
        if self.status_at.is_some_and(|known| at < known) {
            return false;
        }
        self.status_at = Some(at);
        if status != Status::Blocked {
            self.blocked_by.clear();
        }
        if matches!(status, Status::Pending | Status::Queued | Status::Assigned | Status::InProgress) {
            self.restart();
        }
        match status {
            Status::InProgress => {
                self.started_at.get_or_insert(at);
            }
            Status::Completed => {
                self.completed_at = Some(at);
                self.progress = self.progress.map(|_| 100.0);
                (self.error, self.failed_at) = (None, None);
            }
            Status::Failed => (self.failed_at, self.completed_at) = (Some(at), None),
            _ => {}
        }
        self.status = Some(status);
        self.status_word = None;
        true
    }

    /// What an earlier try left behind goes when the next begins.
    fn restart(&mut self) {
        if matches!(self.status, Some(Status::Failed | Status::Completed | Status::Cancelled)) {
            if self.status == Some(Status::Failed) {
                self.retry_count += 1;
            }
            (self.started_at, self.completed_at, self.failed_at) = (None, None, None);
            (self.duration_ms, self.result, self.error, self.reason) = (None, None, None, None);
            self.status = Some(Status::Pending);
        }
    }

    /// Whether a beginning is told after the end that it belongs to.
    fn is_late(&self, started: Timestamp) -> bool {
        let ended = self.completed_at.max(self.failed_at);
        ended.is_some_and(|ended| started <= ended) && !self.is_open()
    }

    fn start(&mut self, at: Timestamp) {
        if self.is_late(at) {
            if self.started_at.is_none() {
                self.started_at = Some(at);
                let ended = self.completed_at.max(self.failed_at);
                self.duration_ms = self.duration_ms.or_else(|| milliseconds(at, ended?));
            }
            return;
        }
        if self.enter(Status::InProgress, at) {
            self.started_at = Some(at);
        }
    }

    /// Comes to an end; `false` when more is known already.
    fn end(
        &mut self,
        status: Status,
        at: Timestamp,
        duration_ms: Option<u64>,
        started: Option<Timestamp>,
    ) -> bool {
        if !self.enter(status, at) {
            return false;
        }
        set(&mut self.started_at, started);
        // A duration of nothing is one too.
        self.duration_ms = duration_ms.or_else(|| milliseconds(self.started_at?, at));
        true
    }
}

/// Beside those of tasks: sessions that work on one, and tools by which agents keep their own lists.
const OTHERS: [&str; 11] = [
    "session:queued",
    "session:started",
    "session:completed",
    "session:failed",
    "session:tool-called",
    "session:tool-returned",
    "hook:pre-tool-use",
    "hook:before-tool",
    "hook:post-tool-use",
    "hook:task-created",
    "hook:task-completed",
];

/// All tasks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tasks {
    tasks: BTreeMap<String, Task>,
}

impl Projection for Tasks {
    const NAME: &'static str = "tasks";
    const REVISION: u32 = 1;

    fn filter() -> Filter {
        filter_of(&["task"], &OTHERS)
    }

    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        match Payload::of(event) {
            Some(payload) => self.take(event, payload),
            None => {
                if let Some(record) = Record::of(event) {
                    for word in record.tasks {
                        self.take_word(event, &record.session, word);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Tasks {
    fn take(&mut self, event: &Event, payload: Payload) {
        match payload {
            Payload::SessionQueued(session) => self.join(event, session.task_id, session.session_id),
            Payload::SessionStarted(session) => self.join(event, session.task_id, session.session_id),
            Payload::SessionCompleted(session) => {
                self.leave(event, session.task_id, &session.session_id, session.duration_ms);
            }
            Payload::SessionFailed(session) => {
                self.leave(event, session.task_id, &session.session_id, session.duration_ms);
            }
            payload => self.take_task(event, payload),
        }
    }

    /// What is said of a task before somebody works on it.
    fn take_task(&mut self, event: &Event, payload: Payload) {
        match payload {
            Payload::TaskCreated(created) => {
                let at = when(created.created_at, event);
                let task = self.task(event, &created.task_id);
                // Whoever creates it again brings it back.
                task.deleted_at = None;
                let is_late = task.created_at.is_none() && task.status.is_some();
                task.created_at = task.created_at.filter(|known| *known <= at).or(Some(at));
                set(&mut task.title, created.title);
                set(&mut task.task_type, created.task_type);
                set(&mut task.description, created.description);
                set(&mut task.priority, created.priority.as_deref().and_then(priority));
                set(&mut task.parent_id, created.parent_id);
                if let Some(dependencies) = created.dependencies {
                    task.dependencies = dependencies;
                }
                if !is_late {
                    set(&mut task.workflow_state, created.workflow_state);
                    task.enter(Status::Pending, at);
                    task.take_word(created.status, at);
                }
            }
            Payload::TaskQueued(queued) => {
                let at = when(queued.queued_at, event);
                let task = self.task(event, &queued.task_id);
                task.queued_at = Some(at);
                set(&mut task.priority, queued.priority.as_deref().and_then(priority));
                task.enter(Status::Queued, at);
            }
            Payload::TaskAssigned(assigned) => {
                let at = when(assigned.assigned_at, event);
                let target = event.targets.first().map(ToString::to_string);
                let task = self.task(event, &assigned.task_id);
                task.assigned_at = Some(at);
                set(&mut task.agent_id, assigned.agent_id.or(target));
                set(&mut task.title, assigned.title);
                set(&mut task.task_type, assigned.task_type);
                set(&mut task.description, assigned.description);
                set(&mut task.priority, assigned.priority.as_deref().and_then(priority));
                set(&mut task.deadline, assigned.deadline);
                if let Some(dependencies) = assigned.dependencies {
                    task.dependencies = dependencies;
                }
                task.enter(Status::Assigned, at);
            }
            Payload::TaskAccepted(accepted) => {
                let task = self.task(event, &accepted.task_id);
                set(&mut task.agent_id, accepted.agent_id.or_else(|| speaker(event)));
                if !matches!(task.status, Some(Status::InProgress | Status::Completed)) {
                    task.enter(Status::Assigned, event.time());
                }
            }
            Payload::TaskRejected(rejected) => {
                let task = self.task(event, &rejected.task_id);
                task.reason = rejected.reason;
                task.enter(Status::Rejected, event.time());
            }
            other => self.take_work(event, other),
        }
    }

    /// How the work on a task goes.
    fn take_work(&mut self, event: &Event, payload: Payload) {
        match payload {
            Payload::TaskStarted(started) => {
                let at = when(started.started_at, event);
                let task = self.task(event, &started.task_id);
                set(&mut task.agent_id, started.agent_id.or_else(|| speaker(event)));
                set(&mut task.title, started.title);
                task.start(at);
            }
            Payload::TaskProgress(progress) => {
                let task = self.task(event, &progress.task_id);
                set(&mut task.agent_id, progress.agent_id.or_else(|| speaker(event)));
                if task.is_open() {
                    set(&mut task.progress, progress.progress);
                    if task.status != Some(Status::InProgress) {
                        task.enter(Status::InProgress, event.time());
                    }
                }
            }
            Payload::TaskCompleted(done) => {
                let task = self.task(event, &done.task_id);
                set(&mut task.agent_id, done.agent_id.or_else(|| speaker(event)));
                set(&mut task.title, done.title);
                let at = when(done.completed_at, event);
                if task.end(Status::Completed, at, done.duration_ms, done.started_at) {
                    set(&mut task.result, small(done.result));
                }
            }
            Payload::TaskFailed(failed) => {
                let task = self.task(event, &failed.task_id);
                set(&mut task.agent_id, failed.agent_id.or_else(|| speaker(event)));
                set(&mut task.title, failed.title);
                let at = when(failed.failed_at, event);
                if task.end(Status::Failed, at, failed.duration_ms, failed.started_at) {
                    task.error = failed.error;
                }
                task.retry_count = task.retry_count.max(failed.retry_count.unwrap_or(0));
            }
            Payload::TaskBlocked(blocked) => {
                let task = self.task(event, &blocked.task_id);
                if task.enter(Status::Blocked, when(blocked.blocked_at, event)) {
                    task.blocked_by = blocked.blocked_by.unwrap_or_default();
                    task.reason = blocked.reason;
                }
            }
            Payload::TaskCancelled(cancelled) => {
                let task = self.task(event, &cancelled.task_id);
                set(&mut task.title, cancelled.title);
                task.end(Status::Cancelled, when(cancelled.cancelled_at, event), cancelled.duration_ms, None);
                task.reason = cancelled.reason;
            }
            other => self.take_board(event, other),
        }
    }

    /// What people do with a task on their board.
    fn take_board(&mut self, event: &Event, payload: Payload) {
        match payload {
            Payload::TaskStatusChanged(changed) => {
                let task = self.task(event, &changed.task_id);
                task.status_changes += 1;
                set(&mut task.agent_id, changed.agent_id);
                set(&mut task.reason, changed.reason);
                task.take_word(Some(changed.new_status), event.time());
            }
            Payload::TaskMoved(moved) => {
                let task = self.task(event, &moved.task_id);
                task.moves += 1;
                set(&mut task.workflow_state, moved.to_workflow);
            }
            Payload::TaskSectionUpdated(updated) => self.task(event, &updated.task_id).section_updates += 1,
            Payload::TaskDeleted(deleted) => {
                let task = self.task(event, &deleted.task_id);
                task.deleted_at = Some(event.time());
                set(&mut task.workflow_state, deleted.workflow_state);
            }
            _ => {}
        }
    }

    fn task(&mut self, event: &Event, id: &str) -> &mut Task {
        let task = entity(&mut self.tasks, id, |task: &mut Task| &mut task.task_id);
        later(&mut task.updated_at, event.time());
        task
    }

    /// A session is to work on a task.
    fn join(&mut self, event: &Event, task: Option<String>, session: String) {
        let Some(id) = task else { return };
        let task = self.task(event, &id);
        if !task.sessions.contains(&session) {
            task.sessions.push(session);
        }
    }

    /// A session has ended; which task it was for may have been said only when it was queued.
    fn leave(&mut self, event: &Event, task: Option<String>, session: &str, duration_ms: Option<u64>) {
        let is_of = |task: &&Task| task.sessions.iter().any(|known| known == session);
        let id = task.or_else(|| self.tasks.values().find(is_of).map(|task| task.task_id.clone()));
        let Some(id) = id else { return };
        let task = self.task(event, &id);
        task.sessions.retain(|known| known != session);
        task.sessions_run += 1;
        task.sessions_duration_ms = task.sessions_duration_ms.saturating_add(duration_ms.unwrap_or(0));
    }

    /// A task in an agent's own list: it is of the session, and its ids are too.
    fn take_word(&mut self, event: &Event, session: &str, word: TaskWord) {
        let id = format!("{session}/{}", word.id);
        let at = event.time();
        let task = self.task(event, &id);
        if task.created_at.is_none() {
            task.created_at = Some(at);
            task.status = Some(Status::Pending);
            task.session_id = Some(session.to_owned());
            task.agent_id = Some(session.to_owned());
        }
        set(&mut task.title, word.title);
        set(&mut task.description, word.description);
        if word.status.as_deref() == Some("deleted") {
            task.deleted_at = Some(at);
        } else if let Some(status) = word.status.as_deref().and_then(Status::of)
            && task.status != Some(status)
        {
            match status {
                Status::InProgress => task.start(at),
                Status::Completed | Status::Failed => {
                    task.end(status, at, None, None);
                }
                other => {
                    task.enter(other, at);
                }
            }
            task.status_changes += 1;
        }
    }

    /// The tasks with this status.
    pub fn by_status(&self, status: Status) -> impl Iterator<Item = &Task> {
        self.tasks.values().filter(move |task| task.status == Some(status))
    }

    /// The tasks that an agent has, or had last.
    pub fn by_agent<'a>(&'a self, agent: &'a str) -> impl Iterator<Item = &'a Task> {
        self.tasks.values().filter(move |task| task.agent_id.as_deref() == Some(agent))
    }

    /// The tasks of a kind.
    pub fn by_type<'a>(&'a self, task_type: &'a str) -> impl Iterator<Item = &'a Task> {
        self.tasks.values().filter(move |task| task.task_type.as_deref() == Some(task_type))
    }

    /// How tasks go, over all of them.
    pub fn statistics(&self) -> TaskStatistics {
        TaskStatistics::of(self.tasks.values())
    }
}

impl Entities for Tasks {
    type Entity = Task;
    const NOUN: &'static str = "task";
    const HIDDEN: &'static [&'static str] = &["statusAt"];

    fn entities(&self) -> &BTreeMap<String, Task> {
        &self.tasks
    }
}

/// How tasks go.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStatistics {
    /// How many there are.
    pub total: u64,
    /// How many of them were taken away.
    pub deleted: u64,
    /// How many stand at each status.
    pub by_status: BTreeMap<String, u64>,
    /// How many have a duration.
    pub timed: u64,
    /// How long they took in the middle, in milliseconds; none of nothing.
    pub average_duration_ms: Option<u64>,
    /// Half of them took no longer, in milliseconds.
    pub p50_duration_ms: Option<u64>,
    /// 95 of 100 took no longer, in milliseconds.
    pub p95_duration_ms: Option<u64>,
    /// How many of those that ended were done, from 0 to 1; none as long as none ended.
    pub success_rate: Option<f64>,
    /// How many of those that ended failed, from 0 to 1.
    pub failure_rate: Option<f64>,
    /// How often tasks were tried again.
    pub retries: u64,
}

impl TaskStatistics {
    /// Of these tasks.
    pub fn of<'a>(tasks: impl Iterator<Item = &'a Task>) -> Self {
        let mut statistics = Self::default();
        let mut durations = Vec::new();
        for task in tasks {
            statistics.total += 1;
            statistics.deleted += u64::from(task.deleted_at.is_some());
            statistics.retries += task.retry_count;
            let status = task.status.map_or("unknown", Status::as_str);
            *statistics.by_status.entry(status.to_owned()).or_default() += 1;
            if task.status == Some(Status::Completed) {
                durations.extend(task.duration_ms);
            }
        }
        durations.sort_unstable();
        let count = durations.len() as u64;
        statistics.timed = count;
        let sum: u128 = durations.iter().map(|duration| u128::from(*duration)).sum();
        statistics.average_duration_ms = sum.checked_div(u128::from(count)).map(|average| average as u64);
        statistics.p50_duration_ms = percentile(&durations, 0.5);
        statistics.p95_duration_ms = percentile(&durations, 0.95);
        let of = |status: &str| statistics.by_status.get(status).copied().unwrap_or(0);
        let (done, failed) = (of("completed"), of("failed"));
        if done + failed > 0 {
            let rate = |count: u64| count as f64 / (done + failed) as f64;
            statistics.success_rate = Some(rate(done));
            statistics.failure_rate = Some(rate(failed));
        }
        statistics
    }
}
