//! The words of the four origins in one form: each type of event once, with its payload and its other names.
//!
//! An event that was recorded under another name, or with an older shape of its data, is read as what it means. What has
//! no place here is as welcome in a log as before: it only means nothing to the projections.

pub(crate) mod payload;
pub(crate) mod read;
mod agent;
mod task;
mod memory;
mod swarm;
mod session;
mod worktree;
mod message;
mod subscription;
mod policy;
mod inbox;
mod lease;
mod coordination;
mod deployment;
mod system;
mod alias;
pub(crate) mod strict;
mod meaning;
mod agent_of;
mod page;

use std::collections::HashMap;
use std::sync::LazyLock;

use factlog::{Event, Json, Result, StreamName};
use schemars::Schema;

pub use agent::*;
pub(crate) use agent_of::TOLD_BY_MORE as AGENT_TOLD_BY_MORE;
pub use agent_of::agent_of;
pub use alias::{pattern, type_patterns};
pub use coordination::*;
pub use deployment::*;
pub use inbox::*;
pub use lease::*;
pub use memory::*;
pub use message::*;
pub use page::{RECORDED, page};
pub use payload::{EventPayload, Origin, stream_of};
pub use policy::*;
pub use read::{FieldValue, IntoField};
pub use session::*;
pub use strict::{camel, check};
pub use subscription::*;
pub use swarm::*;
pub use system::*;
pub use task::*;
pub use worktree::*;

/// A type of event, and what there is to know of it.
#[derive(Debug, Clone, Copy)]
pub struct TypeInfo {
    /// Its name: `category:kebab-case`.
    pub name: &'static str,
    /// The category of its streams.
    pub category: &'static str,
    /// What happened, in a sentence.
    pub about: &'static str,
    /// Which origins know it, with the words they have for it beside the usual spellings.
    pub origins: &'static [(Origin, &'static [&'static str])],
    /// The fields of its payload, as Rust names them, with the words that origins had for them.
    pub fields: &'static [(&'static str, &'static [&'static str])],
    schema: fn() -> Schema,
    read: fn(&str) -> Payload,
}

impl TypeInfo {
    /// The JSON Schema of its data.
    pub fn schema(&self) -> Schema {
        let mut schema = (self.schema)();
        meaning::describe(&mut schema);
        schema
    }

    /// What data of it says, whatever the data's age.
    pub(crate) fn payload(&self, data: &str) -> Payload {
        (self.read)(data)
    }

    /// The stream of what its data is about; where the data does not say, of what this text names.
    ///
    /// ```
    /// use factlog::Json;
    /// use factlog_agents::vocabulary::type_named;
    /// let info = type_named("TASK_STARTED").ok_or("a known type")?;
    /// assert_eq!(info.stream(&Json::parse(r#"{"taskId":"42"}"#)?, "evt-1")?, "task-42");
    /// assert_eq!(info.stream(&Json::empty_object(), "evt-1")?, "task-evt-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` when the id cannot be part of a name.
    pub fn stream(&self, data: &Json, otherwise: &str) -> Result<StreamName> {
        let payload = self.payload(data.as_str());
        let id = payload.id();
        stream_of(self.category, if id.is_empty() && self.category != "system" { otherwise } else { id })
    }

    /// Whether its data has a field that this key names, in whatever spelling.
    pub fn has_field(&self, key: &str) -> bool {
        self.fields.iter().any(|(field, was)| read::named(key, field, was).is_some())
    }

    /// The other names under which it is understood, the spellings of the origins first.
    pub fn names(&self) -> Vec<String> {
        let mut names = alias::spellings(self.name);
        for word in self.origins.iter().flat_map(|(_, words)| words.iter()) {
            if *word != self.name && !names.iter().any(|name| name == word) {
                names.push((*word).to_owned());
            }
        }
        names
    }
}

macro_rules! types {
    ($($name:ident),+ $(,)?) => {
        /// The payload of an event of any type that is known here.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each is documented where it is made")]
        pub enum Payload {
            $($name($name)),+
        }

        impl Payload {
            fn id(&self) -> &str {
                match self {
                    $(Self::$name(payload) => payload.id()),+
                }
            }

            fn fill_id(&mut self, id: &str) {
                match self {
                    $(Self::$name(payload) => if payload.id().is_empty() { payload.fill_id(id) }),+
                }
            }

            /// Its type.
            pub(crate) fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $name::TYPE),+
                }
            }

            /// The event that it becomes.
            pub(crate) fn to_event(&self) -> factlog::Result<factlog::NewEvent> {
                match self {
                    $(Self::$name(payload) => payload::event_of(payload)),+
                }
            }

            /// Takes an id where it has none.
            pub(crate) fn identified(mut self, id: &str) -> Self {
                self.fill_id(id);
                self
            }
        }

        /// Every type, by category.
        pub const TYPES: &[TypeInfo] = &[$(TypeInfo {
            name: $name::TYPE,
            category: $name::CATEGORY,
            about: $name::ABOUT,
            origins: $name::ORIGINS,
            fields: $name::WAS,
            schema: payload::schema_of::<$name>,
            read: |data| Payload::$name($name::read(data)),
        }),+];
    };
}

types! {
    AgentSpawned, AgentHeartbeat, AgentStarted, AgentReady, AgentBusy, AgentIdle, AgentStopped, AgentFailed, AgentTerminated,
    AgentStatusChanged, AgentTaskAssigned, AgentTaskCompleted, AgentAction,
    TaskCreated, TaskQueued, TaskAssigned, TaskAccepted, TaskRejected, TaskStarted, TaskProgress, TaskCompleted,
    TaskFailed, TaskBlocked, TaskCancelled, TaskStatusChanged, TaskMoved, TaskSectionUpdated, TaskDeleted,
    MemoryStored, MemoryRetrieved, MemoryShared, MemoryDeleted, MemoryExpired,
    SwarmInitialized, SwarmFormed, SwarmJoined, SwarmLeft, SwarmScaled, SwarmPhaseChanged, SwarmMilestoneReached,
    SwarmError, SwarmTaskAssigned, SwarmConsensusRequest, SwarmConsensusVote, SwarmConsensusReached, SwarmTerminated, SwarmDisbanded,
    SessionQueued, SessionStarted, SessionToolUsed, SessionCompleted, SessionFailed,
    WorktreeCreated, WorktreeRecycled, WorktreeConflictDetected, WorktreeConflictResolved, WorktreeRemoved,
    MessageSent, MessageReceived, MessageBroadcast, MessageRequest, MessageProgress, MessageResponse,
    MessageCancelled,
    InboxQueued, InboxOffered, InboxStarted, InboxRenewed, InboxDelivered, InboxAcked, InboxNacked, InboxReleased, InboxExpired,
    InboxDead, InboxReplayed,
    LeaseAcquired, LeaseRenewed, LeaseReleased, LeaseExpired, SubscriptionParked,
    PolicyScheduled, PolicyFired, PolicyFailed, PolicyParked, PolicyResumed,
    CoordinationRequest, CoordinationAccepted, CoordinationRejected, CoordinationUpdate, CoordinationComplete,
    DeploymentStarted, DeploymentCompleted, DeploymentFailed,
    SystemEvent, SystemCustom, SystemAlert, SystemError, SystemWarning, SystemInfo,
}

/// Every name that means one type whatever the data says.
static BY_NAME: LazyLock<HashMap<String, &'static TypeInfo>> = LazyLock::new(|| {
    let mut by_name: HashMap<String, &'static TypeInfo> =
        TYPES.iter().map(|info| (info.name.to_owned(), info)).collect();
    for info in TYPES {
        for name in info.names() {
            by_name.entry(name).or_insert(info);
        }
    }
    by_name
});

/// The type that a name stands for; none for a name that is unknown, or means several.
///
/// ```
/// use factlog_agents::vocabulary::type_named;
/// for name in ["task:created", "TaskCreated", "TASK_CREATED", "task_created"] {
///     assert_eq!(type_named(name).map(|info| info.name), Some("task:created"));
/// }
/// assert!(type_named("order:placed").is_none());
/// ```
pub fn type_named(name: &str) -> Option<&'static TypeInfo> {
    BY_NAME.get(name).copied()
}

impl Payload {
    /// What an event says, as far as its type is known here; the name of its stream says what its data leaves out.
    ///
    /// ```
    /// use factlog_agents::vocabulary::Payload;
    /// # let line = r#"{"position":1,"id":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d","stream":"task-42","version":1,
    /// #     "type":"TASK_COMPLETED","recordedAt":"2026-11-20T23:44:30Z","data":{"duration":5000}}"#;
    /// # let event: factlog::Event = serde_json::from_str(line)?;
    /// // {"stream":"task-42","type":"TASK_COMPLETED","data":{"duration":5000}, ...}
    /// let Some(Payload::TaskCompleted(completed)) = Payload::of(&event) else { panic!() };
    /// assert_eq!((completed.task_id.as_str(), completed.duration_ms), ("42", Some(5000)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(event: &Event) -> Option<Self> {
        let info = type_named(&event.event_type)?;
        let mut payload = (info.read)(event.data.as_str());
        let id = match event.stream.split_once('-') {
            Some((category, id)) if category == info.category => id,
            _ => &event.stream,
        };
        payload.fill_id(id);
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_name_means_two_types_and_each_type_is_of_its_category() {
        let mut names = HashSet::new();
        for info in TYPES {
            assert!(info.name.starts_with(&format!("{}:", info.category)), "{}", info.name);
            for name in info.names().into_iter().chain([info.name.to_owned()]) {
                assert!(names.insert(name.clone()), "{name} stands for two types");
            }
        }
    }

    #[test]
    fn every_type_is_read_from_what_it_writes() {
        for info in TYPES {
            let schema = info.schema();
            assert!(schema.get("properties").is_some(), "{}", info.name);
            let empty = (info.read)("{}");
            assert_eq!((info.read)("[1]"), empty, "{}", info.name);
        }
    }
}
