//! Tasks: from an idea to what became of it.

use factlog::{Json, Timestamp};

use super::payload::payloads;

payloads! {
    /// A task was written down.
    TaskCreated = "task:created", of "task" by task_id;
    from A C;
    needs { task_id("id"): String }
    takes {
        title("name", "taskName"): String,
        task_type("type"): String,
        description: String,
        priority: String,
        dependencies: Vec<String>,
        parent_id("parentTaskId"): String,
        workflow_state("workflow"): String,
        status: String,
        created_at: Timestamp,
    }

    /// A task waits to be worked on.
    TaskQueued = "task:queued", of "task" by task_id;
    from A;
    needs { task_id("id"): String }
    takes { priority: String, queued_at: Timestamp }

    /// A task was given to an agent: the one named, else the event's target.
    TaskAssigned = "task:assigned", of "task" by task_id;
    from D;
    needs { task_id("id"): String }
    takes {
        agent_id("assignedTo"): String,
        title("name"): String,
        task_type("type"): String,
        description: String,
        priority: String,
        deadline: Timestamp,
        dependencies: Vec<String>,
        estimated_duration_ms("estimatedDuration"): u64,
        assigned_at: Timestamp,
    }

    /// An agent will do a task.
    TaskAccepted = "task:accepted", of "task" by task_id;
    from D;
    needs { task_id("id"): String }
    takes { agent_id: String }

    /// An agent will not do a task.
    TaskRejected = "task:rejected", of "task" by task_id;
    from D;
    needs { task_id("id"): String }
    takes { agent_id: String, reason: String }

    /// Work on a task began.
    TaskStarted = "task:started", of "task" by task_id;
    from A B("task_started") D;
    needs { task_id("id"): String }
    takes {
        agent_id: String,
        title("name", "taskName"): String,
        input("inputData", "data"): Json,
        metadata: Json,
        started_at: Timestamp,
    }

    /// How far the work on a task is.
    TaskProgress = "task:progress", of "task" by task_id;
    from D;
    needs { task_id("id"): String }
    takes { progress: f64, status: String, details: Json, agent_id: String }

    /// A task was done.
    TaskCompleted = "task:completed", of "task" by task_id;
    from A B("task_completed") D;
    needs { task_id("id"): String }
    takes {
        agent_id: String,
        title("name", "taskName"): String,
        input("inputData"): Json,
        result("output", "outputData"): Json,
        resources_used: Json,
        metadata: Json,
        duration_ms("duration"): u64,
        started_at: Timestamp,
        completed_at: Timestamp,
    }

    /// A task could not be done.
    TaskFailed = "task:failed", of "task" by task_id;
    from A B("task:error", "task_error") D;
    needs { task_id("id"): String }
    takes {
        agent_id: String,
        title("name", "taskName"): String,
        input("inputData"): Json,
        error("errorMessage", "errorData"): String,
        error_code("code"): String,
        stack: String,
        retryable: bool,
        attempts: u64,
        retry_count: u64,
        metadata: Json,
        duration_ms("duration"): u64,
        started_at: Timestamp,
        failed_at: Timestamp,
    }

    /// A task waits for others.
    TaskBlocked = "task:blocked", of "task" by task_id;
    from A;
    needs { task_id("id"): String }
    takes { blocked_by: Vec<String>, reason: String, blocked_at: Timestamp }

    /// A task is no longer wanted.
    TaskCancelled = "task:cancelled", of "task" by task_id;
    from B("task_cancelled");
    needs { task_id("id"): String }
    takes {
        agent_id: String,
        title("name", "taskName"): String,
        input("inputData"): Json,
        reason: String,
        metadata: Json,
        duration_ms("duration"): u64,
        started_at: Timestamp,
        cancelled_at: Timestamp,
    }

    /// A task's status was set.
    TaskStatusChanged = "task:status-changed", of "task" by task_id;
    from C;
    needs { task_id("id"): String, new_status("status"): String }
    takes { old_status("previousStatus"): String, reason: String, agent_id: String }

    /// A task was moved to another part of the workflow.
    TaskMoved = "task:moved", of "task" by task_id;
    from C;
    needs { task_id("id"): String }
    takes { from_workflow: String, to_workflow: String }

    /// A part of a task's text was written.
    TaskSectionUpdated = "task:section-updated", of "task" by task_id;
    from C;
    needs { task_id("id"): String }
    takes { section: String, content: String, previous_content: String }

    /// A task was taken away.
    TaskDeleted = "task:deleted", of "task" by task_id;
    from C;
    needs { task_id("id"): String }
    takes { workflow_state("workflow"): String, reason: String }
}
