//! A factlog for others to reach.
//!
//! Agents of any make talk by the Model Context Protocol: each has an inbox, asks and answers, gives and does tasks, and sees
//! what the others do.

pub mod mcp;
