//! The command line from outside: the program is run as people and agents run it, and what it says is compared.
// A test whose place cannot be set up has failed.
#![allow(clippy::unwrap_used)]

mod agent;
mod agent_events;
mod append;
mod append_stdin;
mod archive;
mod by_stream;
mod claude_flow;
mod copy;
mod demo;
mod domain;
mod failing;
mod filters;
mod finding;
mod finding_out;
mod follow;
mod formats;
mod help;
mod hook;
mod hooks;
mod import;
mod lease;
mod mcp;
mod memory;
mod migrate;
mod origin_c;
mod pipes;
mod policy;
mod postgres;
mod read;
mod refusing;
mod replay;
mod retention;
mod running;
mod settings;
mod show;
mod snapshot;
mod stats;
mod support;
mod talk;
mod swarm;
mod upkeep;
mod vocabulary;
mod watch;
