//! A task: what its events make of it, and what commands make of that.

use factlog::{Aggregate, Error, Event, Fold, Invalid, NewEvent, Result, TypedEvent};
use factlog_agents::decider::Decider;
use factlog_agents::vocabulary::{Payload, TaskCreated, TaskMoved, TaskStatusChanged};
use serde::{Deserialize, Serialize};

pub(crate) const WORKFLOWS: [&str; 3] = ["backlog", "current", "archive"];

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) status: String,
    pub(crate) workflow: String,
    /// Of its stream, and of the log: where it stands with its last event.
    pub(crate) version: u64,
    pub(crate) position: u64,
}

#[derive(Debug, Serialize)]
pub(crate) enum TaskCommand {
    Create { task_id: String, title: String },
    UpdateStatus(String),
    Move(String),
}

impl Task {
    pub(crate) fn exists(&self) -> bool {
        !self.id.is_empty()
    }
}

impl Fold for Task {
    fn apply(&mut self, event: &Event) -> std::result::Result<(), Invalid> {
        match Payload::of(event) {
            Some(Payload::TaskCreated(created)) => {
                self.id = created.task_id;
                self.title = created.title.unwrap_or_default();
                self.status = created.status.unwrap_or_else(|| "todo".to_owned());
                self.workflow = created.workflow_state.unwrap_or_default();
            }
            Some(Payload::TaskStatusChanged(changed)) => self.status = changed.new_status,
            Some(Payload::TaskMoved(moved)) => self.workflow = moved.to_workflow.unwrap_or_default(),
            _ => {}
        }
        // Whoever else writes tasks may know other columns: those are shown where nothing is lost.
        if !WORKFLOWS.contains(&self.workflow.as_str()) {
            WORKFLOWS[0].clone_into(&mut self.workflow);
        }
        (self.version, self.position) = (event.version.0, event.position.0);
        Ok(())
    }
}

impl Aggregate for Task {
    const NAME: &'static str = "task-file";
    const REVISION: u32 = 1;
    const CATEGORY: &'static str = "task";
}

impl Decider for Task {
    type Command = TaskCommand;

    fn decide(&self, command: &TaskCommand) -> Result<Vec<NewEvent>> {
        let id = self.id.as_str();
        let event = match command {
            TaskCommand::Create { task_id, .. } if self.exists() => {
                return Err(Error::conflict(format!("there is a task {task_id}")));
            }
            TaskCommand::Create { task_id, title } => TaskCreated::new(task_id.as_str())
                .title(title.as_str())
                .workflow_state(WORKFLOWS[0])
                .status("todo")
                .into_event()?,
            _ if !self.exists() => return Err(Error::not_found("there is no such task")),
            TaskCommand::UpdateStatus(status) if *status == self.status => return Ok(Vec::new()),
            TaskCommand::UpdateStatus(status) => {
                TaskStatusChanged::new(id, status.as_str()).old_status(self.status.as_str()).into_event()?
            }
            TaskCommand::Move(to) if !WORKFLOWS.contains(&to.as_str()) => {
                return Err(Error::invalid(format!("{to:?} is no workflow"))
                    .with_hint(format!("there are {}", WORKFLOWS.join(", "))));
            }
            TaskCommand::Move(to) if *to == self.workflow => return Ok(Vec::new()),
            TaskCommand::Move(to) => TaskMoved::new(id)
                .from_workflow(self.workflow.as_str())
                .to_workflow(to.as_str())
                .into_event()?,
        };
        Ok(vec![event])
    }
}
