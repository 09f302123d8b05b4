//! Swarms: agents that work as one.

use factlog::{Json, Timestamp};

use super::payload::payloads;

payloads! {
    /// A swarm began to run.
    SwarmInitialized = "swarm:initialized", of "swarm" by swarm_id;
    from A;
    needs { swarm_id("id"): String }
    takes { topology: String, max_agents: u64, config: Json, initialized_at: Timestamp }

    /// Agents formed a swarm.
    SwarmFormed = "swarm:formed", of "swarm" by swarm_id;
    from D;
    needs { swarm_id("id"): String }
    takes {
        objective: String,
        strategy: String,
        leader: String,
        initial_members("members"): Vec<String>,
    }

    /// An agent came to a swarm.
    SwarmJoined = "swarm:joined", of "swarm" by swarm_id;
    from D;
    needs { swarm_id("id"): String, agent_id: String }
    takes { role: String }

    /// An agent left a swarm.
    SwarmLeft = "swarm:left", of "swarm" by swarm_id;
    from D;
    needs { swarm_id("id"): String, agent_id: String }
    takes { reason: String }

    /// A swarm has another number of agents.
    SwarmScaled = "swarm:scaled", of "swarm" by swarm_id;
    from A;
    needs { swarm_id("id"): String }
    takes {
        previous_agent_count: u64,
        new_agent_count: u64,
        reason: String,
        scaled_at: Timestamp,
    }

    /// A swarm goes on to another phase.
    SwarmPhaseChanged = "swarm:phase-changed", of "swarm" by swarm_id;
    from A;
    needs { swarm_id("id"): String, new_phase: String }
    takes { previous_phase: String, changed_at: Timestamp }

    /// A swarm has come to a point that was aimed at.
    SwarmMilestoneReached = "swarm:milestone-reached", of "swarm" by swarm_id;
    from A;
    needs { swarm_id("id"): String, milestone_id: String }
    takes { name: String, reached_at: Timestamp }

    /// A swarm met an error.
    SwarmError = "swarm:error", of "swarm" by swarm_id;
    from A;
    needs { swarm_id("id"): String }
    takes { error("errorMessage"): String, context: Json, error_at: Timestamp }

    /// A swarm was given a task.
    SwarmTaskAssigned = "swarm:task-assigned", of "swarm" by swarm_id;
    from D("swarm:task:assigned");
    needs { swarm_id("id"): String, task_id: String }
    takes { task_type: String, description: String, priority: String, agent_id: String }

    /// A swarm is asked to decide.
    SwarmConsensusRequest = "swarm:consensus-request", of "swarm" by swarm_id;
    from D("swarm:consensus:request");
    needs { swarm_id("id"): String, consensus_id: String }
    takes {
        proposal: Json,
        voting_strategy: String,
        timeout_ms("timeout"): u64,
        quorum_size: u64,
        electorate: Vec<String>,
        weights: Json,
    }

    /// A member says what it wants decided.
    SwarmConsensusVote = "swarm:consensus-vote", of "swarm" by swarm_id;
    from;
    needs { swarm_id("id"): String, consensus_id: String, agent_id: String, vote: String }
    takes { reason: String }

    /// A swarm has decided.
    SwarmConsensusReached = "swarm:consensus-reached", of "swarm" by swarm_id;
    from D("swarm:consensus:reached");
    needs { swarm_id("id"): String, consensus_id: String }
    takes { decision: Json, votes: Json, consensus: bool, reason: String }

    /// A swarm was shut down.
    SwarmTerminated = "swarm:terminated", of "swarm" by swarm_id;
    from A;
    needs { swarm_id("id"): String }
    takes { reason: String, metrics: Json, terminated_at: Timestamp }

    /// A swarm's agents went apart.
    SwarmDisbanded = "swarm:disbanded", of "swarm" by swarm_id;
    from D;
    needs { swarm_id("id"): String }
    takes { reason: String }
}
