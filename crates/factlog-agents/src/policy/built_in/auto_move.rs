//! Origin C's first policy: a task that is begun moves out of the backlog.

use std::time::Duration;

use async_trait::async_trait;
use factlog::{Filter, Pattern, Result, TypedEvent};

use super::super::{Firing, Policy, Settings};
use crate::Status;
use crate::vocabulary::{Payload, TaskMoved, pattern, type_patterns};

pub(super) const ABOUT: &str = "A task of the backlog that is begun (status in_progress) is moved to current";
const BACKLOG: &str = "backlog";
const CURRENT: &str = "current";

/// A task of the backlog whose status becomes `in_progress` is moved to `current`.
#[derive(Debug)]
pub struct AutoMove {
    name: String,
    pattern: Pattern,
    settings: Settings,
}

impl AutoMove {
    /// The policy under a name.
    pub fn new(name: &str, settings: Settings) -> Result<Self> {
        Ok(Self { name: name.to_owned(), pattern: pattern("task:status-changed")?, settings })
    }
}

#[async_trait]
impl Policy for AutoMove {
    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> &str {
        ABOUT
    }

    fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    fn settings(&self) -> Settings {
        self.settings.clone()
    }

    async fn plan(&self, firing: &Firing) -> Result<Option<Duration>> {
        let is_begun = match Payload::of(firing.event()) {
            Some(Payload::TaskStatusChanged(changed)) => {
                Status::of(&changed.new_status) == Some(Status::InProgress)
            }
            _ => false,
        };
        let is_waiting = is_begun && workflow_of(firing).await?.as_deref() == Some(BACKLOG);
        Ok(is_waiting.then_some(Duration::ZERO))
    }

    fn acts_in_log_only(&self) -> bool {
        true
    }

    async fn act(&self, firing: &mut Firing) -> Result<()> {
        let Some(Payload::TaskStatusChanged(changed)) = Payload::of(firing.event()) else { return Ok(()) };
        let mut moved =
            TaskMoved::new(changed.task_id).from_workflow(BACKLOG).to_workflow(CURRENT).into_event()?;
        moved.stream = firing.event().stream.clone();
        firing.append(moved)
    }
}

/// Where the task was in the workflow when its status changed, as its stream tells it.
async fn workflow_of(firing: &Firing) -> Result<Option<String>> {
    let names = ["task:created", "task:moved", "task:deleted"].into_iter().flat_map(type_patterns);
    let types = names.map(|name| name.parse()).collect::<Result<_>>()?;
    let filter = Filter { types, ..Filter::stream(firing.event().stream.clone()) };
    let mut reading = firing.log().read(filter).before(firing.position()).backwards();
    while let Some(event) = reading.next().await {
        let state = match Payload::of(&*event?) {
            Some(Payload::TaskCreated(created)) => created.workflow_state,
            Some(Payload::TaskMoved(moved)) => moved.to_workflow,
            Some(Payload::TaskDeleted(deleted)) => deleted.workflow_state,
            _ => None,
        };
        if state.is_some() {
            return Ok(state);
        }
    }
    Ok(None)
}
