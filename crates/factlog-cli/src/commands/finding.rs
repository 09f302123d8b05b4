//! What the commands that find out share: cases, pictures, sentences, and what is said beside the answer.

use std::io::Write;

use factlog::{Error, Result};
use factlog_agents::case::{ACTIVITIES_MAX, CASES_MAX, CaseOptions, LeftOut, STEPS_MAX};
use factlog_agents::drawing::{DRAWN_EDGES_MAX, Drawing};

use super::Context;
use crate::cli::{CaseArgs, Picture};
use crate::failure::Outcome;
use crate::filter_args::{FilterArgs, Selection, under_all_names};
use crate::flag;
use crate::output::{Format, note, stdout};

/// Columns of a list of activities; a longer one is cut.
const ACTIVITIES_COLUMNS_MAX: usize = 110;

impl CaseArgs {
    /// What the flags say.
    pub(super) fn options(&self) -> Result<CaseOptions> {
        let by = self.by.parse().map_err(|error: Error| error.context("--by"))?;
        Ok(CaseOptions { by, by_time: self.by_time, with_tools: self.tools })
    }

    /// The events of a filter, of these types where some are named.
    pub(super) fn selection(&self, filter: &FilterArgs) -> Result<Selection> {
        let mut selection = filter.selection()?;
        selection.filter.types.extend(under_all_names(&flag::all("--types", &self.types)?));
        selection.filter.check()?;
        Ok(selection)
    }

    /// Says how many events belong to no case.
    pub(super) fn note_without(&self, without: u64, all: u64) {
        if without == 0 {
            return;
        }
        note(format_args!("note: {without} of {all} events have no {} and are left out", self.by));
        if without == all || self.by == "correlation" {
            note("hint: --by stream ties the events of one stream together");
        }
    }
}

/// Says what was left out because it would have been too much.
pub(super) fn note_left_out(left_out: &LeftOut) {
    if left_out.events_of_more_steps > 0 {
        note(format_args!(
            "note: only the first {STEPS_MAX} events are looked at, {} are not; narrow them with --from and --to",
            left_out.events_of_more_steps
        ));
    }
    if left_out.events_of_more_cases > 0 {
        note(format_args!(
            "note: only {CASES_MAX} cases are looked at; {} events are of others",
            left_out.events_of_more_cases
        ));
    }
    if left_out.events_of_more_activities > 0 {
        note(format_args!(
            "note: only {ACTIVITIES_MAX} activities are told apart; {} events are of others",
            left_out.events_of_more_activities
        ));
    }
    if left_out.combinations > 0 {
        note(format_args!(
            "note: {} steps are left out, of combinations that were too many",
            left_out.combinations
        ));
    }
}

impl Picture {
    /// The format to write in, where it is no picture: of those that a command can.
    pub(super) fn format(
        self,
        context: &Context,
        command: &str,
        formats: &[Format],
    ) -> Result<Option<Format>> {
        match (self, context.asked) {
            (Self::Text, _) => Ok(Some(context.format(command, formats)?)),
            (_, None | Some(Format::Table)) => Ok(None),
            (_, Some(asked)) => Err(Error::invalid(format!("a picture is not written as {}", asked.name()))
                .with_hint("leave --as or --format out")),
        }
    }

    /// Writes a picture.
    pub(super) fn draw(self, drawing: &Drawing) -> Outcome {
        let text = if self == Self::Mermaid { drawing.mermaid() } else { drawing.dot() };
        let mut out = stdout();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        if drawing.edges_left_out() > 0 {
            note(format_args!(
                "note: the picture has the first {DRAWN_EDGES_MAX} edges; {} more are left out",
                drawing.edges_left_out()
            ));
        }
        Ok(())
    }
}

/// Activities as one reads them: `a > b ×3 > c`, cut where that is too long.
pub(super) fn activities(names: &[String]) -> String {
    let mut runs: Vec<(&str, usize)> = Vec::new();
    for name in names {
        match runs.last_mut() {
            Some((last, times)) if last == name => *times += 1,
            _ => runs.push((name, 1)),
        }
    }
    let mut text = String::new();
    for (index, (name, times)) in runs.iter().enumerate() {
        let arrow = if index > 0 { " > " } else { "" };
        let times = if *times > 1 { format!(" ×{times}") } else { String::new() };
        let next = format!("{arrow}{}{times}", plain(name));
        if index > 0 && text.chars().count() + next.chars().count() > ACTIVITIES_COLUMNS_MAX {
            let more = runs.len() - index;
            return format!("{text} > … {more} more");
        }
        text += &next;
    }
    text
}

/// A text that cannot touch a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// A share as people read it.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// A number and what it counts: `1 case`, `2 cases`.
pub(super) fn many(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// A heading, and a line between it and what stands above.
pub(super) fn heading(text: &str) -> Outcome {
    let mut out = stdout();
    writeln!(out, "\n{text}")?;
    Ok(out.flush()?)
}

/// A line of text among tables.
pub(super) fn say(text: &str) -> Outcome {
    let mut out = stdout();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activities_are_told_in_one_line_with_what_comes_again_once() {
        let of = |text: &str| activities(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(of("a b b b a"), "a > b ×3 > a");
        assert_eq!(of("a\u{1b}[31m"), "a [31m");
        let long = of(&"session:started session:ended ".repeat(20));
        assert!(long.ends_with("more") && long.chars().count() < ACTIVITIES_COLUMNS_MAX + 20, "{long}");
    }
}
