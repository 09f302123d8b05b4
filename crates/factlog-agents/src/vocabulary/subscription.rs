//! Subscriptions: what became of events that a handler could not handle.

use super::payload::payloads;

payloads! {
    /// A subscription has left an event behind that its handler could not handle.
    SubscriptionParked = "subscription:parked", of "subscription" by name;
    from;
    needs { name: String, event_id: String }
    takes { position: u64, attempts: u64, error: String }
}
