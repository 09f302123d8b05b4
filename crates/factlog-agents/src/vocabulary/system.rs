//! What a system tells of itself, beside its agents and tasks.

use factlog::Json;

use super::payload::payloads;

payloads! {
    /// Something happened in a system: a login, a change of its settings, a job.
    SystemEvent = "system:event", of "system" by agent_id;
    from B("system_event");
    takes {
        event_type("type"): String,
        event_name("name"): String,
        agent_id: String,
        session_id: String,
        user_id: String,
        status: String,
        data: Json,
        metadata: Json,
        duration_ms("duration"): u64,
    }

    /// Something happened that has no name of its own here.
    SystemCustom = "system:custom", of "system" by agent_id;
    from B("custom");
    takes { name("eventName"): String, agent_id: String, data: Json }

    /// Something needs somebody's attention.
    SystemAlert = "system:alert", of "system" by agent_id;
    from D;
    takes { message: String, code: String, agent_id: String, details: Json }

    /// A system met an error.
    SystemError = "system:error", of "system" by agent_id;
    from D;
    takes { message("error"): String, code: String, agent_id: String, stack: String, details: Json }

    /// Something may go wrong.
    SystemWarning = "system:warning", of "system" by agent_id;
    from D;
    takes { message: String, code: String, agent_id: String, details: Json }

    /// Something worth knowing.
    SystemInfo = "system:info", of "system" by agent_id;
    from D;
    takes { message: String, code: String, agent_id: String, details: Json }
}
