//! Other people's formats, in and out of a factlog.
//!
//! | format | in | out |
//! |---|---|---|
//! | JSON lines, as an export of a factlog writes them | [`jsonl::import`] | |
//! | Transcripts of Claude Code | [`claude_code::import`] | |
//! | Sessions of Codex | [`codex::import`] | |
//! | Sessions of Gemini CLI | [`gemini::import`] | |
//! | Hooks of all three | [`hook::event`] | |
//! | Scopecraft's event files | [`scopecraft::import`] | |
//! | The event stores of claude-flow | [`claude_flow::import`] | |
//! | Events of the inter-agent bus, and rows of its table | [`agent_events::import`] | [`agent_events::to_agent_event`] |
//! | A tree of files, one a day and a stream | [`by_stream::import`] | [`by_stream::Export`] |
//! | Archives, of events that leave a log | [`archive::restore`] | [`archive::Archive`] |
//! | CloudEvents 1.0.2 | | [`cloudevents::to_cloud_event`] |
//! | Another log, of whatever store | [`copy::copy`] | [`copy::copy`] |
//!
//! Every import keeps the same rules. It is **tolerant**: a line that cannot be taken is named with its file, its
//! number and the reason, and the rest goes in. It is **repeatable**: every record has an id of its own, so importing
//! twice adds nothing, and an import that was cut off is simply run again. It is **honest about time**: the source's
//! time is `occurredAt`, and `recordedAt` stays the log's. It is **bounded**: files are read line by line, and memory
//! stays flat whatever their size.
//!
//! ```
//! use factlog::{EventLog, MemoryStore};
//! use factlog_adapters::{Intake, jsonl};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let log = EventLog::new(MemoryStore::new());
//! let lines = r#"{"stream":"task-1","type":"task:created","data":{"title":"Try it"}}"#;
//! let imported = jsonl::import_reader(&log, "stdin", lines.as_bytes(), Intake::telling(&mut |_| {})).await?;
//! assert_eq!((imported.read, imported.appended), (1, 1));
//! # Ok::<(), factlog::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// In: records of agents, other logs.
pub mod agent_events;
pub mod by_stream;
pub mod claude_code;
pub mod claude_flow;
pub mod codex;
pub mod detect;
pub mod gemini;
pub mod jsonl;
pub mod scopecraft;

// In: live.
pub mod hook;
pub mod hooks;
mod watch;

// What they share.
mod fields;
mod import;
mod importer;
mod lines;
mod mark;
mod outcome;
mod recent;
pub mod redact;
mod session;
mod source;
mod tool;

// Out.
pub mod archive;
pub mod cloudevents;

// From store to store.
pub mod copy;

pub use import::Intake;
pub use importer::{CHUNK_BYTES_MAX, CHUNK_EVENTS_MAX};
pub use lines::LINE_BYTES_MAX;
pub use outcome::{Imported, OnProgress, Progress, REASON_BYTES_MAX, REJECTED_KEPT_MAX, Rejected};
pub use watch::OnWatched;
