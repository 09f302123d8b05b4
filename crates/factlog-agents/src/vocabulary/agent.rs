//! Agents: what they are, what they do, how they end.

use factlog::{Json, Timestamp};

use super::payload::payloads;

payloads! {
    /// An agent was made, and can be given work.
    AgentSpawned = "agent:spawned", of "agent" by agent_id;
    from A B("agent:registered", "agent_registered") D;
    needs { agent_id("id"): String }
    takes {
        role: String,
        domain: String,
        agent_type("type"): String,
        agent_name("name"): String,
        capabilities: Vec<String>,
        parent_id("parentAgentId"): String,
        config: Json,
        status: String,
        tags: Vec<String>,
        methods: Vec<String>,
        heartbeat_ms: u64,
        context_id: String,
        spawned_at: Timestamp,
    }

    /// An agent is there, and has nothing else to say.
    AgentHeartbeat = "agent:heartbeat", of "agent" by agent_id;
    from;
    needs { agent_id("id"): String }
    takes { context_id: String, current_tasks: u64 }

    /// An agent began to work.
    AgentStarted = "agent:started", of "agent" by agent_id;
    from A;
    needs { agent_id("id"): String }
    takes { started_at: Timestamp }

    /// An agent says that it can take work, and how much.
    AgentReady = "agent:ready", of "agent" by agent_id;
    from D;
    needs { agent_id("id"): String }
    takes { available_capacity("capacity"): f64, current_tasks: u64 }

    /// An agent says that it takes no more work for now.
    AgentBusy = "agent:busy", of "agent" by agent_id;
    from D;
    needs { agent_id("id"): String }
    takes { task_id("currentTask"): String, reason: String }

    /// An agent says that it has nothing to do.
    AgentIdle = "agent:idle", of "agent" by agent_id;
    from D;
    needs { agent_id("id"): String }
    takes { reason: String }

    /// An agent ended its work.
    AgentStopped = "agent:stopped", of "agent" by agent_id;
    from A;
    needs { agent_id("id"): String }
    takes { reason: String, stopped_at: Timestamp }

    /// An agent met an error.
    AgentFailed = "agent:failed", of "agent" by agent_id;
    from A B("agent:error", "agent_error");
    needs { agent_id("id"): String }
    takes {
        error("errorMessage", "errorData"): String,
        error_code("code"): String,
        stack: String,
        agent_name("name"): String,
        context: Json,
        failed_at: Timestamp,
    }

    /// An agent was shut down, and takes no more part.
    AgentTerminated = "agent:terminated", of "agent" by agent_id;
    from B("agent:unregistered", "agent_unregistered") D;
    needs { agent_id("id"): String }
    takes { reason: String, graceful: bool, context_id: String }

    /// An agent's status was set.
    AgentStatusChanged = "agent:status-changed", of "agent" by agent_id;
    from A;
    needs { agent_id("id"): String, new_status("status"): String }
    takes { previous_status("oldStatus"): String, reason: String }

    /// An agent was given a task.
    AgentTaskAssigned = "agent:task-assigned", of "agent" by agent_id;
    from A;
    needs { agent_id("id"): String, task_id: String }
    takes { assigned_at: Timestamp }

    /// An agent ended a task well.
    AgentTaskCompleted = "agent:task-completed", of "agent" by agent_id;
    from A;
    needs { agent_id("id"): String, task_id: String }
    takes { result: Json, completed_at: Timestamp, duration_ms("duration"): u64 }

    /// An agent did something, such as using a tool.
    AgentAction = "agent:action", of "agent" by agent_id;
    from B("agent_action");
    needs { agent_id("id"): String, action: String }
    takes {
        agent_name("name"): String,
        status: String,
        context: Json,
        result: Json,
        duration_ms("duration"): u64,
    }
}
