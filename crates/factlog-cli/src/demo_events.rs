//! A small agent run of our own making, for `factlog demo`.

/// One event per line, as `factlog import jsonl` takes them.
pub(crate) const EVENTS: &str = include_str!("demo_events.jsonl");
