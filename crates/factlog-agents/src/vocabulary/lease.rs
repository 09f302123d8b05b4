//! Leases: resources that one agent has for itself until a time.

use super::payload::payloads;

payloads! {
    /// An agent takes resources for itself, unless another has them. The event's position is the fencing token.
    LeaseAcquired = "lease:acquired", of "lease" by namespace;
    from;
    needs { namespace: String, agent_id: String, resources: Vec<String>, ttl_ms: u64 }
    takes { reason: String }

    /// An agent keeps its resources for longer.
    LeaseRenewed = "lease:renewed", of "lease" by namespace;
    from;
    needs { namespace: String, agent_id: String, token: u64, ttl_ms: u64 }

    /// An agent gives its resources back.
    LeaseReleased = "lease:released", of "lease" by namespace;
    from;
    needs { namespace: String, agent_id: String, token: u64 }
    takes { reason: String }

    /// The time of a lease has run out, and its holder was told.
    LeaseExpired = "lease:expired", of "lease" by namespace;
    from;
    needs { namespace: String, agent_id: String, token: u64 }
}
