//! Agents, tasks, memory, sessions, worktrees, swarms and deployments on a factlog.
//!
//! The log underneath takes any event. This crate gives names to those that fleets of agents have in common, and folds
//! them into what people ask: who does what, since when, and how it went.

pub mod agent;
pub mod bus;
pub mod case;
mod change;
mod configuration;
pub mod decider;
pub mod drawing;
mod fleet;
pub mod flow;
pub mod frequent;
pub mod graph;
pub mod policy;
mod prices;
pub mod projections;
mod record;
pub mod recorder;
pub mod statistics;
pub mod status;
pub mod trace;
pub mod vocabulary;

pub use agent::{Agent, Me};
pub use bus::Bus;
pub use change::{Blame, Change, Difference, blame, difference};
pub use configuration::{Configuration, Configured, Preset, SUPABASE_HINT};
pub use fleet::{Fleet, Limits, Member, Stuck, is_gone};
pub use prices::{Price, Prices};
pub use record::Tokens;
pub use recorder::Recorder;
pub use status::{AgentStatus, SessionStatus, Status};
pub use vocabulary::{Payload, stream_of};

/// The code of the pages is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/swarms.md")]
#[doc = include_str!("../../../docs/policies.md")]
struct Pages;
