//! Messages: what agents say to each other.

use factlog::{Json, Timestamp};

use super::payload::payloads;

payloads! {
    /// A message was sent to the event's targets.
    MessageSent = "message:sent", of "message" by message_id;
    from D;
    needs { message_id("id"): String }
    takes {
        content: Json,
        content_type: String,
        reply_to: String,
        recipients: Vec<String>,
        hops: u64,
    }

    /// A message has come to an agent.
    MessageReceived = "message:received", of "message" by message_id;
    from D;
    needs { message_id("id"): String }
    takes { agent_id: String, content: Json, content_type: String, reply_to: String }

    /// A message to all that its scope means.
    MessageBroadcast = "message:broadcast", of "message" by message_id;
    from D("broadcast", "BROADCAST");
    takes {
        message_id("id"): String,
        topic: String,
        content: Json,
        scope: String,
        filter: Json,
        retain: bool,
        recipients: Vec<String>,
        hops: u64,
    }

    /// An agent asks another.
    MessageRequest = "message:request", of "message" by request_id;
    from D("request", "REQUEST");
    needs { request_id("id"): String }
    takes {
        method: String,
        params: Json,
        timeout_ms("timeout"): u64,
        recipients: Vec<String>,
        answer_inbox: String,
        hops: u64,
    }

    /// How far an agent is with what it was asked, and how much longer it may take.
    MessageProgress = "message:progress", of "message" by request_id;
    from;
    needs { request_id("id"): String }
    takes { progress: f64, status: String, details: Json, extend_ms: u64 }

    /// An agent answers another.
    MessageResponse = "message:response", of "message" by request_id;
    from D("response", "RESPONSE");
    needs { request_id("id"): String }
    takes { success: bool, result: Json, error: Json }

    /// An agent no longer wants the answer that it asked for.
    MessageCancelled = "message:cancelled", of "message" by request_id;
    from;
    needs { request_id("id"): String }
    takes { reason: String, cancelled_at: Timestamp }
}
