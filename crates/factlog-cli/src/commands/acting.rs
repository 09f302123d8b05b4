//! What commands have in common that act for an agent: how they answer.

use std::io::Write;
use std::time::Duration;

use factlog::Result;
use serde::Serialize;

use super::Context;
use crate::failure::Outcome;
use crate::output::{Format, is_terminal, stdout};
use crate::person_time;

/// The format of an answer: a sentence for a person at a terminal, a line of JSON for programs.
pub(super) fn format(context: &Context, command: &str) -> Result<Format> {
    let formats = if is_terminal() {
        [Format::Table, Format::Json, Format::Jsonl]
    } else {
        [Format::Jsonl, Format::Json, Format::Table]
    };
    context.format(command, &formats)
}

/// Says what was done.
pub(super) fn answer(format: Format, done: &impl Serialize, sentence: &str) -> Outcome {
    let mut out = stdout();
    if format == Format::Table {
        writeln!(out, "{sentence}")?;
    } else {
        writeln!(out, "{}", serde_json::to_string(done)?)?;
    }
    Ok(out.flush()?)
}

/// A length of time that a flag names.
pub(super) fn span(flag: &str, text: &str) -> Result<Duration> {
    person_time::length(text).map_err(|error| error.context(flag))
}
