//! What can be measured.

use std::str::FromStr;

use anyhow::{Context, Error};

/// One test, in the order in which they are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    /// Durable appends of one event, by many writers at once.
    Append,
    /// Durable appends of 100 events.
    AppendBatch,
    /// Much at once, from one producer.
    Import,
    /// A log of many streams, filled by many writers: the rate at its end as a share of that at its beginning.
    Growth,
    /// Everything.
    ReadAll,
    /// All of one stream after another.
    ReadStream,
    /// All of one type after another.
    ReadType,
    /// All of one operation after another.
    ReadCorrelation,
    /// Opening a large log, up to knowing its head.
    Open,
    /// From the acknowledgement of an append to its delivery.
    Follow,
    /// A projection built from nothing, beside a full read.
    Rebuild,
    /// From the acknowledgement of an append to a projection that has taken it in, at a steady rate.
    Lag,
    /// States of the past, from what was remembered and from nothing.
    TimeTravel,
    /// Patterns looked for in one pass, beside a plain read.
    Match,
    /// Messages from agent to agent: from sending to the handler.
    Messages,
    /// Questions and their answers.
    Requests,
    /// Events that a thousand subscribers hear: from appending to the handler.
    Subscribers,
}

impl Test {
    /// All of them.
    pub(crate) const ALL: [Self; 17] = [
        Self::Append,
        Self::AppendBatch,
        Self::Import,
        Self::Growth,
        Self::ReadAll,
        Self::ReadStream,
        Self::ReadType,
        Self::ReadCorrelation,
        Self::Open,
        Self::Follow,
        Self::Rebuild,
        Self::Lag,
        Self::TimeTravel,
        Self::Match,
        Self::Messages,
        Self::Requests,
        Self::Subscribers,
    ];

    /// Those of a log.
    pub(crate) const OF_LOGS: [Self; 14] = [
        Self::Append,
        Self::AppendBatch,
        Self::Import,
        Self::Growth,
        Self::ReadAll,
        Self::ReadStream,
        Self::ReadType,
        Self::ReadCorrelation,
        Self::Open,
        Self::Follow,
        Self::Rebuild,
        Self::Lag,
        Self::TimeTravel,
        Self::Match,
    ];

    /// Those of agents that talk.
    pub(crate) const OF_TALK: [Self; 3] = [Self::Messages, Self::Requests, Self::Subscribers];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::AppendBatch => "append-batch",
            Self::Import => "import",
            Self::Growth => "growth",
            Self::ReadAll => "read-all",
            Self::ReadStream => "read-stream",
            Self::ReadType => "read-type",
            Self::ReadCorrelation => "read-correlation",
            Self::Open => "open",
            Self::Follow => "follow",
            Self::Rebuild => "rebuild",
            Self::Lag => "lag",
            Self::TimeTravel => "time-travel",
            Self::Match => "match",
            Self::Messages => "messages",
            Self::Requests => "requests",
            Self::Subscribers => "subscribers",
        }
    }
}

impl FromStr for Test {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self, Error> {
        let names = Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|test| test.name() == name);
        found.with_context(|| format!("{name} is no test; there are {names}"))
    }
}
