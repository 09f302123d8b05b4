//! Inboxes: what has become of each message at each of those it is for.
//!
//! The body of a message stands in the message's stream, and what its recipient makes of it in the recipient's inbox. A queue
//! that several agents take from is an inbox too, under the address it is written to: `one-of:type:worker`.

use factlog::Timestamp;

use super::payload::payloads;

payloads! {
    /// A message waits for its recipient.
    InboxQueued = "inbox:queued", of "inbox" by inbox_id;
    from;
    needs { inbox_id("id"): String, message_id: String }
    takes {
        from: String,
        kind: String,
        stream: String,
        priority: String,
        expires_at: Timestamp,
        attempts_max: u64,
        digest: String,
        hops: u64,
    }

    /// Messages were handed to an agent, which has them for itself for a while.
    InboxOffered = "inbox:offered", of "inbox" by inbox_id;
    from;
    needs { inbox_id("id"): String, message_ids: Vec<String>, agent_id: String }
    takes { context_id: String, visibility_ms: u64, ahead: bool }

    /// An agent has begun with messages that it was handed ahead, and that were in other hands before.
    InboxStarted = "inbox:started", of "inbox" by inbox_id;
    from;
    needs { inbox_id("id"): String, message_ids: Vec<String>, agent_id: String }
    takes { context_id: String }

    /// An agent is at work on messages, and has them for itself for longer.
    InboxRenewed = "inbox:renewed", of "inbox" by inbox_id;
    from;
    needs { inbox_id("id"): String, message_ids: Vec<String>, agent_id: String }
    takes { context_id: String, visibility_ms: u64 }

    /// An agent has read messages: they stand in its context.
    InboxDelivered = "inbox:delivered", of "inbox" by inbox_id;
    from;
    needs { inbox_id("id"): String, message_ids: Vec<String>, agent_id: String }
    takes { context_id: String, visibility_ms: u64 }

    /// An agent is done with messages.
    InboxAcked = "inbox:acked", of "inbox" by inbox_id;
    from;
    needs { inbox_id("id"): String, message_ids: Vec<String>, agent_id: String }
    takes { context_id: String }

    /// An agent could do nothing with messages: they are offered again after a while, as often as they may be.
    InboxNacked = "inbox:nacked", of "inbox" by inbox_id;
    from;
    needs { inbox_id("id"): String, message_ids: Vec<String>, agent_id: String }
    takes { context_id: String, delay_ms: u64, reason: String }

    /// An agent gives messages back that it has not begun with.
    InboxReleased = "inbox:released", of "inbox" by inbox_id;
    from;
    needs { inbox_id("id"): String, message_ids: Vec<String>, agent_id: String }
    takes { context_id: String, reason: String }

    /// The time of messages has run out.
    InboxExpired = "inbox:expired", of "inbox" by inbox_id;
    from;
    needs { inbox_id("id"): String, message_ids: Vec<String> }

    /// Messages are offered no more, and are kept as dead letters.
    InboxDead = "inbox:dead", of "inbox" by inbox_id;
    from;
    needs { inbox_id("id"): String, message_ids: Vec<String> }
    takes { context_id: String, reason: String }

    /// Dead letters wait for their recipient again.
    InboxReplayed = "inbox:replayed", of "inbox" by inbox_id;
    from;
    needs { inbox_id("id"): String, message_ids: Vec<String> }
    takes { agent_id: String, expires_at: Timestamp }
}
