//! factlog: one durable, ordered log of facts for fleets of AI agents.
//!
//! **A log, and a position in it.** Storing is appending. A query is reading from a position with a filter. The bus is
//! reading and then waiting for more. A projection is a fold over a read. A snapshot is a value remembered at a position.
//!
//! This crate says what an event is and what a store promises ([`Store`]); it does no I/O of its own. The crate
//! `factlog-stores` keeps the promises on disk.
//!
//! ```
//! use factlog::{EventLog, Expect, Filter, MemoryStore, NewEvent, Version};
//! use serde_json::json;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let log = EventLog::new(MemoryStore::new());
//! let task = "task-1".parse()?;
//!
//! // Append, expecting that nobody was faster.
//! let created = NewEvent::new("task-1", "task:created", json!({"title": "Try factlog"}))?;
//! log.stream(&task).append(vec![created], Expect::Version(Version::NONE)).await?;
//!
//! // Read, and follow from there.
//! let mut events = log.follow(Filter::categories(["task"])?);
//! let first = events.next().await.expect("following never ends")?;
//! assert_eq!(first.event_type, "task:created");
//! # Ok::<(), factlog::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// What an event is.
mod position;
mod text;
mod timestamp;
mod event_id;
mod json;
mod event;
mod event_key;
mod expression;
mod pattern;
mod batch;
mod text_search;
mod type_pattern;
mod file_name;
mod filter;
pub mod limits;

// What a store promises.
mod error;
mod read;
mod count;
mod removal;
mod snapshot;
mod thinning;
mod store;
pub mod admission;
mod memory;

// What people hold.
mod log;
mod paged;
mod reading;
mod tail;
mod following;
mod stream;
mod retention;
mod moment;
mod projection;
mod aggregate;
mod given;

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "schema")]
mod schema;
pub mod sealed_line;

pub use aggregate::{Aggregate, Remembering};
pub use batch::{Appended, AppendedEvent, Batch, Condition, Expect, IntoBatch, Stamp, Stamps, TypedEvent};
pub use count::{Count, Counter, Group, GroupBy};
pub use error::{Error, ErrorKind, ErrorWire, Invalid, Result};
pub use event::{Event, EventLine, NewEvent, Priority};
pub use event_id::EventId;
pub use event_key::EventKey;
pub use expression::{Expression, Scope};
pub use file_name::{FILE_NAME_BYTES_MAX, file_name};
pub use filter::{FILE_TAG, Filter, TOOL_TAG, TimeRange};
pub use following::Following;
pub use given::{Decided, Given, given};
pub use json::Json;
pub use log::EventLog;
pub use memory::MemoryStore;
pub use moment::Moment;
pub use pattern::{
    LATE, LENGTH_MAX, Lateness, Match, MatchedStep, Matcher, Matching, Order, PATTERN_BYTES_MAX,
    PATTERN_DEPTH_MAX, PATTERN_EXCLUSIONS_MAX, PATTERN_STEPS_MAX, PATTERN_WAYS_MAX, Pattern, STARTS_MAX,
    TAKEN_IN_LATER, TIMES_MAX, Watching, length_of_time,
};
pub use position::{Position, Version};
pub use projection::{At, Projected, Projection, ProjectionGroup};
pub use read::{Cursor, Page, Read};
pub use reading::Reading;
pub use removal::{REMOVED_TYPE, RETENTION_STREAM, Removal, Removed, RemovedData};
pub use retention::{Clock, Planned, Retention, Rule};
pub use snapshot::{Keep, Revision, Snapshot, SnapshotInfo, Snapshots, older_snapshot, revision_conflict};
pub use store::{About, Compacted, Connections, FollowerLag, Health, Moved, Report, Store};
pub use stream::{Fold, StreamOf};
pub use text::{EventType, StreamName, Tag, Text};
pub use text_search::TextSearch;
pub use timestamp::Timestamp;
pub use type_pattern::TypePattern;
