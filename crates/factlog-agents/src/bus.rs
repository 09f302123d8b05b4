//! What agents use to talk: messages with inboxes, requests, leases, shared memory, swarms and their votes.
//!
//! All of it is events. What stands in an inbox, who holds a lease and how a vote went is folded from the log, so another
//! process, or the same one after a crash, knows the same. Something is true once it is stored, for everyone at once.

mod address;
mod directory;
mod held;

use std::sync::Arc;

use factlog::EventLog;
use tokio::sync::Mutex;

pub use self::address::{Address, To};
pub use self::directory::{Directory, Registered};

use self::directory::Directories;

/// A log as a place where agents talk. Cheap to clone; what it keeps in memory is read from the log, and read on from there.
///
/// Every act names the agent that acts. Locally that is a claim like any other: who may open the log may speak for all.
#[derive(Debug, Clone)]
pub struct Bus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    log: EventLog,
    directory: Mutex<Directories>,
}

impl Bus {
    /// A bus on this log.
    pub fn new(log: EventLog) -> Self {
        Self(Arc::new(Inner { directory: Mutex::default(), log }))
    }

    /// The log underneath.
    pub fn log(&self) -> &EventLog {
        &self.0.log
    }
}
