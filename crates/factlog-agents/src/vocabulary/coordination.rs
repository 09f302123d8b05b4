//! Coordination: agents that are sought for a common aim.

use factlog::Json;

use super::payload::payloads;

payloads! {
    /// Agents are sought for an aim.
    CoordinationRequest = "coordination:request", of "coordination" by coordination_id;
    from D;
    needs { coordination_id("id"): String }
    takes {
        objective: String,
        required_capabilities: Vec<String>,
        min_agents: u64,
        max_agents: u64,
        strategy: String,
        leader: String,
    }

    /// An agent takes part.
    CoordinationAccepted = "coordination:accepted", of "coordination" by coordination_id;
    from D;
    needs { coordination_id("id"): String }
    takes { agent_id: String }

    /// An agent takes no part.
    CoordinationRejected = "coordination:rejected", of "coordination" by coordination_id;
    from D;
    needs { coordination_id("id"): String }
    takes { agent_id: String, reason: String }

    /// How far the common work is.
    CoordinationUpdate = "coordination:update", of "coordination" by coordination_id;
    from D;
    needs { coordination_id("id"): String }
    takes { status: String, participants: Vec<String>, progress: f64, metrics: Json }

    /// The common work is done.
    CoordinationComplete = "coordination:complete", of "coordination" by coordination_id;
    from D;
    needs { coordination_id("id"): String }
    takes { result: Json, participants: Vec<String> }
}
