//! States of single streams, remembered as the streams grow.

mod remember;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Fold, limits};

pub use self::remember::Remembering;

/// A state that the events of one stream make, such as a task as its history has made it.
///
/// [`StreamOf::state`](crate::StreamOf::state) folds it; [`EventLog::remember`](crate::EventLog::remember) remembers states
/// of the past, so that a long stream is not read from its first event each time.
pub trait Aggregate: Fold + Serialize + DeserializeOwned + Sync + 'static {
    /// Its name, for ever; without a slash.
    const NAME: &'static str;
    /// Raised when the meaning of the code changes: the states remembered before are then forgotten.
    const REVISION: u32;
    /// The category of the streams that it is made of: `task` for `task-42`.
    const CATEGORY: &'static str;
    /// A stream's state is remembered whenever its version comes to a multiple of this; a large one at fewer of them, so
    /// that what is written stays in proportion to the events.
    const SNAPSHOT_EVENTS: u64 = limits::SNAPSHOT_EVENTS;
}
