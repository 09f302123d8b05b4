//! Rows as the origin's four tables had them: what kind of event each is.

use factlog::{Json, Result};

use super::input::{fields, object};
use crate::status::Status;
use crate::vocabulary::read::{FieldValue, named};
use crate::vocabulary::type_named;

/// One of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    System,
    Task,
    Agent,
    Deployment,
}

impl Table {
    fn category(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Task => "task",
            Self::Agent => "agent",
            Self::Deployment => "deployment",
        }
    }

    /// The field that names what the row is about; a row has an id of its own beside it.
    fn id_field(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Task => Some("task_id"),
            Self::Agent => Some("agent_id"),
            Self::Deployment => Some("deployment_id"),
        }
    }

    /// What a status means, where the row has no name that is known.
    fn type_of(self, status: Option<Status>) -> Option<&'static str> {
        match (self, status) {
            (Self::System, _) => Some("system:event"),
            (Self::Agent, _) => Some("agent:action"),
            (Self::Task, Some(Status::InProgress)) => Some("task:started"),
            (Self::Task, Some(Status::Completed)) => Some("task:completed"),
            (Self::Task, Some(Status::Failed)) => Some("task:failed"),
            (Self::Task, Some(Status::Cancelled)) => Some("task:cancelled"),
            (Self::Task, Some(_)) => Some("task:status-changed"),
            (Self::Deployment, Some(Status::Pending | Status::Queued | Status::InProgress)) => {
                Some("deployment:started")
            }
            (Self::Deployment, Some(Status::Completed)) => Some("deployment:completed"),
            (Self::Deployment, Some(Status::Failed)) => Some("deployment:failed"),
            (Self::Task | Self::Deployment, _) => None,
        }
    }

    /// The name of a row's event and its data, in which the row's own id is the event's.
    pub(super) fn read(self, row: &Json) -> Result<(String, Json)> {
        let given = fields(row.as_str());
        let text = |field: &str| {
            let (_, raw) = given.iter().find(|(key, _)| named(key, field, &[]).is_some())?;
            String::read(raw).filter(|text| !text.is_empty())
        };
        let (event_name, action) = (text("event_name"), text("action"));
        let by_name = event_name.iter().chain(text("event_type").iter()).find_map(|name| {
            let info = type_named(name).filter(|info| info.category == self.category())?;
            (self != Self::System).then_some(info.name)
        });
        let status = text("status").and_then(|word| Status::of(&word));
        let Some(name) = by_name.or_else(|| self.type_of(status)) else {
            let name = event_name.unwrap_or_else(|| self.category().to_owned());
            return Ok((name, row.clone()));
        };
        let has_id_of_its_own = self.id_field().is_none_or(|field| text(field).is_some());
        let renamed = given.iter().map(|(key, raw)| match key.as_str() {
            "id" if has_id_of_its_own => ("eventId", raw.get()),
            // What the origin's columns are called, the payload reads under its own words.
            "task_name" | "taskName" if self == Self::Task => ("title", raw.get()),
            "error_data" => ("errorData", raw.get()),
            "input_data" => ("inputData", raw.get()),
            "output_data" => ("outputData", raw.get()),
            "branch_name" => ("branchName", raw.get()),
            "commit_hash" => ("commitHash", raw.get()),
            "deployment_config" => ("deploymentConfig", raw.get()),
            "parent_agent_id" => ("parentAgentId", raw.get()),
            key => (key, raw.get()),
        });
        let mut renamed: Vec<(&str, &str)> = renamed.collect();
        // An action without a name of its own is what the event is named for.
        let quoted = event_name.as_ref().map(Json::of).transpose()?;
        if let Some(quoted) = quoted.as_ref().filter(|_| name == "agent:action" && action.is_none()) {
            renamed.push(("action", quoted.as_str()));
        }
        Ok((name.to_owned(), object(renamed)?))
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::{Value, json};

    use super::*;

    fn read(table: Table, row: impl Serialize) -> (String, Value) {
        let (name, data) = table.read(&Json::of(&row).unwrap()).unwrap();
        (name, data.to().unwrap())
    }

    #[test]
    fn a_row_is_named_by_its_event_and_else_by_its_status() {
        let row = json!({"id": "row-1", "task_id": "1", "task_name": "A", "event_name": "task_started", "status": "started"});
        let (name, data) = read(Table::Task, row);
        assert_eq!(name, "task:started");
        assert_eq!((&data["eventId"], &data["title"]), (&json!("row-1"), &json!("A")));
        for (table, status, name) in [
            (Table::Task, "completed", "task:completed"),
            (Table::Task, "blocked", "task:status-changed"),
            (Table::Deployment, "running", "deployment:started"),
            (Table::Deployment, "error", "deployment:failed"),
            (Table::System, "completed", "system:event"),
            (Table::Deployment, "shrug", "code_review"),
        ] {
            assert_eq!(
                read(table, json!({"event_name": "code_review", "status": status})).0,
                name,
                "{status}"
            );
        }
        let (name, data) =
            read(Table::Agent, json!({"agent_id": "a", "event_name": "tool_used", "status": "completed"}));
        assert_eq!((name.as_str(), &data["action"]), ("agent:action", &json!("tool_used")));
        assert_eq!(read(Table::Task, json!({"id": "1", "status": "done"})).1["id"], "1", "it names the task");
    }
}
