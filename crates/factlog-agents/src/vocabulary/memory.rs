//! Memory: what agents keep, share and forget.

use factlog::{Json, Timestamp};

use super::payload::payloads;

payloads! {
    /// A value was kept.
    MemoryStored = "memory:stored", of "memory" by memory_id;
    from A D;
    needs { memory_id("memoryKey", "id"): String }
    takes {
        namespace: String,
        key: String,
        memory_type("type"): String,
        size("sizeBytes"): u64,
        value: Json,
        access_level: String,
        tags: Vec<String>,
        expires_at: Timestamp,
        stored_at: Timestamp,
    }

    /// A value was looked up.
    MemoryRetrieved = "memory:retrieved", of "memory" by memory_id;
    from A D;
    needs { memory_id("memoryKey", "id"): String }
    takes { namespace: String, key: String, access_count: u64, agent_id: String, retrieved_at: Timestamp }

    /// A value was shown to others.
    MemoryShared = "memory:shared", of "memory" by memory_id;
    from D;
    needs { memory_id("memoryKey", "id"): String }
    takes {
        namespace: String,
        key: String,
        value: Json,
        access_level: String,
        shared_with: Vec<String>,
        tags: Vec<String>,
        expires_at: Timestamp,
    }

    /// A value was taken away.
    MemoryDeleted = "memory:deleted", of "memory" by memory_id;
    from A D;
    needs { memory_id("memoryKey", "id"): String }
    takes { namespace: String, key: String, deleted_at: Timestamp }

    /// A value's time ran out.
    MemoryExpired = "memory:expired", of "memory" by memory_id;
    from A;
    needs { memory_id("memoryKey", "id"): String }
    takes { namespace: String, key: String, expires_at: Timestamp, expired_at: Timestamp }
}
