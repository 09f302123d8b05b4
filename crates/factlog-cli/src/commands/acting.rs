//! What acts: who acts, and how it is told what came of it.

use std::io::Write;

use factlog::{Error, Result};
use serde_json::Value;

use super::Context;
use crate::cli::ActingArgs;
use crate::failure::Outcome;
use crate::output::{Format, is_terminal, stdout};

impl ActingArgs {
    /// The agent that acts.
    pub(crate) fn agent(&self) -> Result<&str> {
        self.agent.as_deref().filter(|agent| !agent.is_empty()).ok_or_else(|| {
            Error::invalid("it is not said who acts")
                .with_hint("--as AGENT, or FACTLOG_AGENT=AGENT in the environment")
        })
    }
}

/// How an act is told: a sentence for who looks, one JSON object for a program.
pub(crate) fn told_in(context: &Context, command: &str) -> Result<Format> {
    let formats = if is_terminal() {
        [Format::Table, Format::Json, Format::Jsonl]
    } else {
        [Format::Jsonl, Format::Json, Format::Table]
    };
    context.format(command, &formats)
}

/// Tells what came of an act.
pub(crate) fn tell(format: Format, sentence: &str, thing: &Value) -> Outcome {
    let mut out = stdout();
    if format == Format::Table {
        let plain: String = sentence.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        writeln!(out, "{plain}")?;
    } else {
        writeln!(out, "{thing}")?;
    }
    Ok(out.flush()?)
}
