//! Messages: what agents say to each other.

use factlog::Json;

use super::payload::payloads;

payloads! {
    /// A message was sent to the event's targets.
    MessageSent = "message:sent", of "message" by message_id;
    from D;
    needs { message_id("id"): String }
    takes { content: Json, content_type: String, reply_to: String }

    /// A message has come to an agent.
    MessageReceived = "message:received", of "message" by message_id;
    from D;
    needs { message_id("id"): String }
    takes { agent_id: String, content: Json, content_type: String, reply_to: String }

    /// A message to all that its scope means.
    MessageBroadcast = "message:broadcast", of "message" by message_id;
    from D("broadcast", "BROADCAST");
    takes { message_id("id"): String, topic: String, content: Json, scope: String, filter: Json }

    /// An agent asks another.
    MessageRequest = "message:request", of "message" by request_id;
    from D("request", "REQUEST");
    needs { request_id("id"): String }
    takes { method: String, params: Json, timeout_ms("timeout"): u64 }

    /// An agent answers another.
    MessageResponse = "message:response", of "message" by request_id;
    from D("response", "RESPONSE");
    needs { request_id("id"): String }
    takes { success: bool, result: Json, error: Json }
}
