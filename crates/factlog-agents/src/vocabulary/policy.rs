//! Policies: what was done because something happened, and what is still to be done.

use factlog::{Json, Timestamp};

use super::payload::payloads;

payloads! {
    /// A policy will act on what has happened, at a time.
    PolicyScheduled = "policy:scheduled", of "policy" by name;
    from;
    needs { name: String, firing_id: String }
    takes { events: Vec<String>, steps: Vec<String>, key: String, triggered_at: Timestamp, due_at: Timestamp }

    /// A policy has acted on what has happened.
    PolicyFired = "policy:fired", of "policy" by name;
    from;
    needs { name: String, firing_id: String }
    takes { events: Vec<String>, key: String, triggered_at: Timestamp, attempt: u64, acts: Vec<String>, results: Json }

    /// A policy could not act: it tries again at a time, or has given up where there is none.
    PolicyFailed = "policy:failed", of "policy" by name;
    from;
    needs { name: String, firing_id: String }
    takes { events: Vec<String>, key: String, attempt: u64, error: String, retry_at: Timestamp }

    /// A policy has stopped by itself: it went in circles, or acted too often.
    PolicyParked = "policy:parked", of "policy" by name;
    from;
    needs { name: String }
    takes { reason: String, position: u64 }

    /// A policy goes on, with what comes from then on.
    PolicyResumed = "policy:resumed", of "policy" by name;
    from;
    needs { name: String }
    takes { reason: String }
}
