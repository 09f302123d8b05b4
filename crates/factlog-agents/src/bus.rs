//! What agents use to talk: messages with inboxes, requests, leases, shared memory, swarms and their votes.
//!
//! All of it is events. What stands in an inbox, who holds a lease and how a vote went is folded from the log, so another
//! process, or the same one after a crash, knows the same. Something is true once it is stored, for everyone at once.

mod address;
mod directory;
pub mod glob;
pub(crate) mod held;
mod inbox;
mod item;
mod message;
mod request;
mod send;
mod status;
mod subscription;
mod take;
mod swarm;
mod proposal;
mod question;
mod coordination;
mod once;
mod waiting;
mod lease;
mod memory;
mod remembered;
mod retention;
mod whole;

use std::sync::Arc;

use factlog::EventLog;
use tokio::sync::Mutex;

pub use self::address::{Address, To};
pub use self::coordination::{CoordinationPlan, CoordinationStep};
pub use self::directory::{Directory, Registered};
pub use self::inbox::{DeadLetter, Finished, Inbox, Taker};
pub use self::item::{Item, Kind, State};
pub use self::lease::{LEASE_TTL_DEFAULT, LeaseRequest, NAMESPACE_DEFAULT};
pub use self::memory::{MemoryChange, MemoryEntry, MemoryValue, PutOptions, check_memory_path};
pub use self::message::{Audience, Body, HOPS_MAX, MESSAGE_BYTES_MAX, MESSAGE_TTL, Message, Traits};
pub use self::proposal::Proposal;
pub use self::request::{Answer, Exchange, REQUEST_TIMEOUT, REQUEST_TIMEOUT_MAX, Request, RequestError};
pub use self::retention::FINISHED_AGE;
pub use self::send::{ALIKE_MAX, ALIKE_WINDOW, INBOX_MESSAGES_MAX, QUEUE_MESSAGES_MAX, RECIPIENTS_MAX, Sent};
pub use self::status::{MessageStatus, RecipientStatus};
pub use self::subscription::{
    HANDLE_ATTEMPTS_MAX, HANDLE_PAUSE, HandlerError, Subscribing, Subscription, SubscriptionStatistics,
};
pub use self::swarm::SwarmPlan;
pub use self::take::{ACK_WAIT, Delivery, IN_HAND_MAX, RETRY_PAUSE, RETRY_PAUSE_MAX, VISIBILITY};
pub use crate::projections::{Access, LEASE_TTL_MAX, Lease};

pub(crate) use self::message::{RETAINED, SYSTEM, kind_of, put_by_bus};
pub(crate) use self::take::{Room, Taken, milliseconds, nacking, shortened};
pub(crate) use self::waiting::left;

use self::held::HeldStates;
use self::memory::HeldMemories;
use self::subscription::Turns;
use self::whole::Whole;
use crate::projections::{Coordinations, Leases, Memories, Swarms};

/// A log as a place where agents talk. Cheap to clone; what it keeps in memory is read from the log, and read on from there.
///
/// Every act names the agent that acts. Locally that is a claim like any other: who may open the log may speak for all.
#[derive(Debug, Clone)]
pub struct Bus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    log: EventLog,
    directory: Mutex<Whole<Directory>>,
    inboxes: HeldStates<Inbox>,
    turns: Turns,
    swarms: HeldStates<Swarms>,
    coordinations: HeldStates<Coordinations>,
    leases: HeldStates<Leases>,
    all_leases: Mutex<Whole<Leases>>,
    memories: HeldMemories,
    all_memories: Mutex<Whole<Memories>>,
}

impl Bus {
    /// A bus on this log.
    pub fn new(log: EventLog) -> Self {
        Self(Arc::new(Inner {
            directory: Mutex::default(),
            inboxes: HeldStates::default(),
            turns: Turns::default(),
            swarms: HeldStates::default(),
            coordinations: HeldStates::default(),
            leases: HeldStates::default(),
            all_leases: Mutex::default(),
            memories: HeldMemories::default(),
            all_memories: Mutex::default(),
            log,
        }))
    }

    /// The log underneath.
    pub fn log(&self) -> &EventLog {
        &self.0.log
    }
}
