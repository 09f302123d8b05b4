//! Sessions: one run of an agent.

use factlog::Json;

use super::payload::payloads;

payloads! {
    /// A session waits for its turn.
    SessionQueued = "session:queued", of "session" by session_id;
    from C;
    needs { session_id("id"): String }
    takes { task_id: String, mode: String, priority: String, retry_attempt: u64 }

    /// A session began.
    SessionStarted = "session:started", of "session" by session_id;
    from C;
    needs { session_id: String }
    takes { task_id: String, environment: Json, pid: u64 }

    /// A session used a tool.
    SessionToolUsed = "session:tool-used", of "session" by session_id;
    from C;
    needs { session_id("id"): String, tool: String }
    takes { input: Json, output: Json, error: String, duration_ms("duration"): u64 }

    /// A session came to its end.
    SessionCompleted = "session:completed", of "session" by session_id;
    from C;
    needs { session_id("id"): String }
    takes {
        result: String,
        duration_ms("duration"): u64,
        tools_used: Vec<String>,
        tokens_used: u64,
        cost: f64,
        task_id: String,
    }

    /// A session could not go on.
    SessionFailed = "session:failed", of "session" by session_id;
    from;
    needs { session_id("id"): String }
    takes { error("errorMessage"): String, duration_ms("duration"): u64, task_id: String }
}
