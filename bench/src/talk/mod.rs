//! Agents that talk, beside what keeps nothing: who says what to whom, and how fast it is heard.
//!
//! Every subject is given the same words, at the same pace, and is held to the same: all that was said is heard, once, and
//! in the order in which each speaker said it.

mod words;
mod conversation;
mod ears;
mod speak;
mod ask;
mod child;
mod factlog;
mod processes;
mod nats;
pub(crate) mod nats_server;
mod tokio_channels;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

pub(crate) use self::child::{ROLE, run as run_child};
use crate::measure::Latencies;
use crate::test::Test;

pub(crate) use self::factlog::{memory, sqlite};
pub(crate) use self::nats::nats;
pub(crate) use self::processes::processes;
pub(crate) use self::tokio_channels::tokio_channels;

/// How much is said at once.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) test: Test,
    /// Who says it, or asks.
    pub(crate) speakers: usize,
    /// Who hears it: each all of it.
    pub(crate) hearers: usize,
    /// How much may have been said that was not heard yet.
    pub(crate) in_flight: usize,
    /// The load in words, where there are several with as many speakers.
    pub(crate) case: Option<&'static str>,
}

/// What a run came to.
pub(crate) struct Talked {
    /// What was heard, or answered, within the time that counts.
    pub(crate) counted: u64,
    /// How long each of them took: from saying to hearing, or from asking to the answer.
    pub(crate) latencies: Latencies,
}

/// Lets a subject talk, in a folder of its own.
pub(crate) type Talk = fn(&Path, Load, Duration) -> Result<Talked>;

const ONE: Load =
    Load { test: Test::Messages, speakers: 1, hearers: 1, in_flight: 1, case: Some("1 in flight") };
/// What may be under way: less than an inbox takes, so that few senders are sent away.
const MANY: Load = Load { in_flight: 256, case: Some("up to 256 in flight"), ..ONE };
const ASKED: Load = Load { test: Test::Requests, case: None, ..ONE };
const SUBSCRIBED: Load = Load { test: Test::Subscribers, hearers: 1_000, ..ONE };

/// What is measured, in this order.
pub(crate) const LOADS: [Load; 7] = [
    ONE,
    MANY,
    Load { speakers: 16, ..MANY },
    ASKED,
    Load { speakers: 16, in_flight: 16, ..ASKED },
    SUBSCRIBED,
    Load { in_flight: 16, case: Some("up to 16 in flight"), ..SUBSCRIBED },
];
