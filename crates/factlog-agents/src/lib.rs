//! Agents, tasks, memory, sessions, worktrees, swarms and deployments on a factlog.
//!
//! The log underneath takes any event. This crate gives names to those that fleets of agents have in common, and folds
//! them into what people ask: who does what, since when, and how it went.

pub mod status;
pub mod vocabulary;

pub use status::{AgentStatus, SessionStatus, Status};
pub use vocabulary::{Payload, stream_of};
