//! Every bound in one place. A value over one of them is refused with an error that names it.

/// Bytes of a stream's name.
pub const STREAM_BYTES_MAX: usize = 200;
/// Bytes of an event's type.
pub const TYPE_BYTES_MAX: usize = 100;
/// Bytes of a source, target, correlation, session or user.
pub const TEXT_BYTES_MAX: usize = 200;
/// Bytes of one tag: room for a file's path.
pub const TAG_BYTES_MAX: usize = 1_000;
/// Tags of one event.
pub const TAGS_MAX: usize = 100;
/// Targets of one event.
pub const TARGETS_MAX: usize = 100;
/// Bytes of one event's data, minified: transcripts carry images.
pub const DATA_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of one event's metadata, minified.
pub const METADATA_BYTES_MAX: usize = 64 * 1024;
/// Nesting of arrays and objects in any JSON that is stored.
pub const JSON_DEPTH_MAX: usize = 128;
/// Events in one batch.
pub const BATCH_EVENTS_MAX: usize = 1_000;
/// Bytes of one batch: the sum of its events' data, metadata and names.
pub const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Expectations and conditions of one batch, each.
pub const BATCH_CHECKS_MAX: usize = 1_000;
/// Events in one page.
pub const PAGE_EVENTS_MAX: usize = 1_000;
/// Bytes of one page; a page holds at least one event all the same.
pub const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Events that one page looks at before it returns with what it has, so that a rare filter never blocks a reader.
pub const PAGE_SCAN_EVENTS_MAX: usize = 20_000;
/// Values in one field of a filter.
pub const FILTER_VALUES_MAX: usize = 10_000;
/// Bytes of a filter's text.
pub const FILTER_TEXT_BYTES_MAX: usize = 1_000;
/// Groups that one count returns.
pub const COUNT_GROUPS_MAX: usize = 100_000;
/// Bytes of a snapshot's key.
pub const SNAPSHOT_KEY_BYTES_MAX: usize = 400;
/// Bytes of a snapshot's data.
pub const SNAPSHOT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Entries in one list of snapshots.
pub const SNAPSHOT_LIST_MAX: usize = 1_000;
/// Positions stay below 2^53, so that every JSON reader holds them exactly.
pub const POSITION_MAX: u64 = (1 << 53) - 1;
/// Bytes of recent events that followers of one handle share in memory.
pub const TAIL_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A durable follower saves its place after this many events at the latest.
pub const FOLLOWER_SAVE_EVENTS_MAX: u64 = 1_000;
/// A durable follower saves its place after this long at the latest, while events keep coming.
pub const FOLLOWER_SAVE_MS: u64 = 1_000;
/// A projection that has changed saves its state after this long.
pub const CHECKPOINT_MS: u64 = 1_000;
/// A projection keeps its state in its history after this many of its events, and a stream's aggregate after this many
/// versions, unless the type says otherwise.
pub const SNAPSHOT_EVENTS: u64 = 100;
/// Bytes of state that one event may add to a history: with 256, a state of 10 MB is kept every 40,000 events, and a
/// history costs about as much to write as the events themselves.
pub const HISTORY_EVENT_BYTES: u64 = 256;
/// A history is thinned with age: the gap between two kept states is an eighth of their age at the most, or one step.
pub const HISTORY_GAPS: u64 = 8;
/// Bytes of the states in one history; a history of large states has wider gaps.
pub const HISTORY_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of kept states that wait in memory for the next checkpoint.
pub const HISTORY_UNSAVED_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Events of a stream that are read to find a version among them; further away it is looked for by halves.
pub const VERSION_SCAN_EVENTS: u64 = 100;
/// Appends that wait in a store's queue before callers are made to wait.
pub const QUEUE_APPENDS_MAX: usize = 4_096;
/// Events that a writer gathers into one commit.
pub const GROUP_EVENTS_MAX: usize = 1_000;
/// Bytes that a writer gathers into one commit, one batch more at the most.
pub const GROUP_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Rules of one retention.
pub const RETENTION_RULES_MAX: usize = 1_000;
