//! How things are written: data to standard output, everything else to standard error.

mod counting;
mod events;
mod gist;
mod line;
mod lines;
mod listing;
mod plain;
mod pretty;
mod table;
mod things;
mod whole;

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use clap::ValueEnum;
use factlog::{Error, Result};

pub(crate) use counting::Counting;
pub(crate) use events::EventWriter;
pub(crate) use line::{fitted, line};
pub(crate) use listing::Listing;
pub(crate) use pretty::pretty;
pub(crate) use things::{Column, cell, plain, span, thing};
pub(crate) use whole::expires;

/// How to write what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for eyes
    Table,
    /// One JSON document
    Json,
    /// One JSON object per line
    Jsonl,
    /// Comma-separated values with a header
    Csv,
    /// CloudEvents 1.0, one per line
    Cloudevents,
    /// Envelopes of the inter-agent bus, one per line
    AgentEvents,
}

impl Format {
    /// All that events can be written in.
    pub(crate) const ALL: &[Self] =
        &[Self::Table, Self::Json, Self::Jsonl, Self::Csv, Self::Cloudevents, Self::AgentEvents];

    /// Its word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Cloudevents => "cloudevents",
            Self::AgentEvents => "agent-events",
        }
    }

    /// Takes the format if events can be shown whole in it, where that is wanted: other formats leave nothing out.
    pub(crate) fn full(self, is_full: bool) -> Result<Self> {
        if is_full && self != Self::Table {
            return Err(Error::invalid(format!("--full is of tables, and {} has all there is", self.name()))
                .with_hint("use --format table, or leave --full out"));
        }
        Ok(self)
    }

    /// Takes the format if it is one of these.
    pub(crate) fn one_of(self, command: &str, formats: &[Self]) -> Result<Self> {
        if formats.contains(&self) {
            return Ok(self);
        }
        let names: Vec<&str> = formats.iter().map(|format| format.name()).collect();
        let names = match &names[..] {
            [first @ .., second, last] => [first, &[&format!("{second} or {last}")]].concat().join(", "),
            only => only.concat(),
        };
        Err(Error::invalid(format!("{command} cannot write {}", self.name()))
            .with_hint(format!("use --format {names}")))
    }
}

/// Standard output, buffered; flush it where somebody waits.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// Whether a person looks at the output.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether standard output takes colour: a terminal, and no `NO_COLOR`.
pub(crate) fn is_coloured() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

/// Says something beside the data.
pub(crate) fn note(text: impl std::fmt::Display) {
    // When even standard error is gone there is nobody to tell.
    let _ = writeln!(anstream::stderr(), "{text}");
}
