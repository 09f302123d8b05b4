//! The table that programs and tests read too: columns that fit, the data as it is.

use std::io::Write;
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use factlog::Event;

use super::is_coloured;
use crate::failure::Outcome;

/// The widths of a table's columns come from this many events, and grow with later ones.
const WIDTHS_FROM_EVENTS: usize = 50;
/// A line is cut here: no terminal says how wide it is.
const LINE_COLUMNS: usize = 160;
/// The widths of position, stream, type and source: as their headings, or, where nobody knows what will come, a guess.
pub(super) const WIDTHS_LEAST: [usize; 4] = [8, 6, 4, 6];
pub(super) const WIDTHS_LIVE: [usize; 4] = [8, 20, 20, 10];
const STREAM_COLUMNS_MAX: usize = 40;
const TYPE_COLUMNS_MAX: usize = 32;
const SOURCE_COLUMNS_MAX: usize = 24;

/// Lines in columns that fit what has been seen so far.
pub(super) struct Table {
    waiting: Vec<Arc<Event>>,
    headed: bool,
    widths: [usize; 4],
    coloured: bool,
}

impl Table {
    pub(super) fn new(widths: [usize; 4]) -> Self {
        Self { waiting: Vec::new(), headed: false, widths, coloured: is_coloured() }
    }

    pub(super) fn add(&mut self, out: &mut impl Write, event: &Arc<Event>, at_once: bool) -> Outcome {
        self.waiting.push(Arc::clone(event));
        if at_once || self.headed || self.waiting.len() >= WIDTHS_FROM_EVENTS {
            self.flush(out)?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self, out: &mut impl Write) -> Outcome {
        let waiting = std::mem::take(&mut self.waiting);
        for event in &waiting {
            let lengths = [
                event.position.to_string().len(),
                length(&event.stream).min(STREAM_COLUMNS_MAX),
                length(&event.event_type).min(TYPE_COLUMNS_MAX),
                event.source.as_deref().map_or(0, length).min(SOURCE_COLUMNS_MAX),
            ];
            for (width, length) in self.widths.iter_mut().zip(lengths) {
                *width = (*width).max(length);
            }
        }
        if !self.headed && !waiting.is_empty() {
            self.headed = true;
            let [position, stream, event_type, source] = self.widths;
            let heading = format!(
                "{:>position$}  {:<19}  {:<stream$}  {:<event_type$}  {:<source$}  DATA",
                "POSITION", "TIME (UTC)", "STREAM", "TYPE", "SOURCE"
            );
            self.line(out, &[(Style::new().bold(), heading)])?;
        }
        for event in &waiting {
            self.event(out, event)?;
        }
        Ok(())
    }

    fn event(&self, out: &mut impl Write, event: &Event) -> Outcome {
        let [position, stream, event_type, source] = self.widths;
        let time = event.time().to_string();
        let said_by = event.source.as_deref().unwrap_or("");
        let parts = [
            (Style::new(), format!("{:>position$}  ", event.position)),
            (Style::new().dimmed(), format!("{} {}  ", &time[..10], &time[11..19])),
            (Style::new(), format!("{:<stream$}  ", cut(&event.stream, STREAM_COLUMNS_MAX))),
            (
                style_of(&event.event_type),
                format!("{:<event_type$}  ", cut(&event.event_type, TYPE_COLUMNS_MAX)),
            ),
            (Style::new(), format!("{:<source$}  ", cut(said_by, SOURCE_COLUMNS_MAX))),
            (Style::new().dimmed(), cut(event.data.as_str(), LINE_COLUMNS)),
        ];
        self.line(out, &parts)
    }

    /// One line, cut at the width, in colour where that is wanted.
    fn line(&self, out: &mut impl Write, parts: &[(Style, String)]) -> Outcome {
        let mut left = LINE_COLUMNS;
        for (index, (style, text)) in parts.iter().enumerate() {
            let text = cut(text, left);
            left -= length(&text);
            let text = if index + 1 == parts.len() || left == 0 { text.trim_end() } else { &text };
            if self.coloured {
                write!(out, "{style}{text}{style:#}")?;
            } else {
                write!(out, "{text}")?;
            }
            if left == 0 {
                break;
            }
        }
        writeln!(out)?;
        Ok(())
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// The text, or as much of it as fits with a sign that there is more.
fn cut(text: &str, columns: usize) -> String {
    match text.char_indices().nth(columns) {
        None => text.to_owned(),
        Some(_) => text.chars().take(columns.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The colour of a type by how it ended.
pub(super) fn style_of(event_type: &str) -> Style {
    let colour = match event_type.rsplit(':').next().unwrap_or("") {
        "failed" | "error" | "rejected" | "api-failed" => AnsiColor::Red,
        "completed" | "succeeded" | "done" | "turn-ended" => AnsiColor::Green,
        "blocked" | "warning" | "cancelled" => AnsiColor::Yellow,
        _ => AnsiColor::Cyan,
    };
    Style::new().fg_color(Some(colour.into()))
}
