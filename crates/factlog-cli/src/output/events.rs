//! Events, one after another, in any format; what is written is never held back but for the first widths.

use std::io::Write;
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use factlog::Event;
use factlog_adapters::cloudevents::to_cloud_event;

use super::{Format, is_coloured, is_terminal};
use crate::failure::Outcome;

/// The widths of a table's columns come from this many events, and grow with later ones.
const WIDTHS_FROM_EVENTS: usize = 50;
/// A line is cut here where no terminal says how wide it is.
const LINE_COLUMNS: usize = 160;
/// The widths of position, stream, type and source: as their headings, or, where nobody knows what will come, a guess.
const WIDTHS_LEAST: [usize; 4] = [8, 6, 4, 6];
const WIDTHS_LIVE: [usize; 4] = [8, 20, 20, 10];
const STREAM_COLUMNS_MAX: usize = 40;
const TYPE_COLUMNS_MAX: usize = 32;
const SOURCE_COLUMNS_MAX: usize = 24;

const CSV_HEADINGS: [&str; 19] = [
    "position",
    "id",
    "stream",
    "version",
    "type",
    "source",
    "targets",
    "recordedAt",
    "occurredAt",
    "correlationId",
    "causationId",
    "sessionId",
    "userId",
    "priority",
    "expiresAt",
    "traceparent",
    "tags",
    "metadata",
    "data",
];

/// Writes events to an output.
pub(crate) struct EventWriter<W: Write> {
    out: W,
    format: Format,
    written: u64,
    table: Table,
    /// Whether each event is to be seen at once.
    live: bool,
}

impl<W: Write> EventWriter<W> {
    pub(crate) fn new(out: W, format: Format) -> Self {
        Self { out, format, written: 0, table: Table::new(WIDTHS_LEAST), live: false }
    }

    /// Shows each event as it comes.
    pub(crate) fn live(out: W, format: Format) -> Self {
        Self { table: Table::new(WIDTHS_LIVE), live: true, ..Self::new(out, format) }
    }

    pub(crate) fn write(&mut self, event: &Arc<Event>) -> Outcome {
        match self.format {
            Format::Table => self.table.add(&mut self.out, event, self.live)?,
            Format::Json => {
                let before = if self.written == 0 { "[\n" } else { ",\n" };
                write!(self.out, "{before}{}", event.to_json())?;
            }
            Format::Jsonl => writeln!(self.out, "{}", event.to_json())?,
            Format::Cloudevents => writeln!(self.out, "{}", to_cloud_event(event))?,
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(&mut self.out);
                if self.written == 0 {
                    csv.write_record(CSV_HEADINGS)?;
                }
                csv.write_record(csv_row(event))?;
                csv.flush()?;
            }
        }
        self.written += 1;
        if self.live {
            self.out.flush()?;
        }
        Ok(())
    }

    /// How many were written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Writes what is left; an empty result is an empty document, not nothing.
    pub(crate) fn finish(mut self) -> Outcome<u64> {
        match self.format {
            Format::Table => self.table.flush(&mut self.out)?,
            Format::Json if self.written == 0 => writeln!(self.out, "[]")?,
            Format::Json => writeln!(self.out, "\n]")?,
            Format::Csv if self.written == 0 => writeln!(self.out, "{}", CSV_HEADINGS.join(","))?,
            _ => {}
        }
        self.out.flush()?;
        Ok(self.written)
    }
}

fn csv_row(event: &Event) -> [String; 19] {
    fn text(value: Option<impl ToString>) -> String {
        value.map_or_else(String::new, |value| value.to_string())
    }
    fn list<T: AsRef<str>>(values: impl Iterator<Item = T>) -> String {
        let values: Vec<T> = values.collect();
        values.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(";")
    }
    [
        event.position.to_string(),
        event.id.to_string(),
        event.stream.to_string(),
        event.version.to_string(),
        event.event_type.to_string(),
        text(event.source.as_ref()),
        list(event.targets.iter().map(factlog::Text::as_str)),
        event.recorded_at.to_string(),
        text(event.occurred_at),
        text(event.correlation_id.as_ref()),
        text(event.causation_id),
        text(event.session_id.as_ref()),
        text(event.user_id.as_ref()),
        event.priority.map_or_else(String::new, |priority| priority.as_str().to_owned()),
        text(event.expires_at),
        text(event.traceparent.as_ref()),
        list(event.tags.iter().map(factlog::Tag::as_str)),
        text(event.metadata.as_ref()),
        event.data.to_string(),
    ]
}

/// Lines in columns that fit what has been seen so far.
struct Table {
    waiting: Vec<Arc<Event>>,
    headed: bool,
    widths: [usize; 4],
    columns: usize,
    coloured: bool,
}

impl Table {
    fn new(widths: [usize; 4]) -> Self {
        let columns = is_terminal().then(terminal_size::terminal_size).flatten();
        Self {
            waiting: Vec::new(),
            headed: false,
            widths,
            columns: columns.map_or(LINE_COLUMNS, |(width, _)| usize::from(width.0).max(40)),
            coloured: is_coloured(),
        }
    }

    fn add(&mut self, out: &mut impl Write, event: &Arc<Event>, at_once: bool) -> Outcome {
        self.waiting.push(Arc::clone(event));
        if at_once || self.headed || self.waiting.len() >= WIDTHS_FROM_EVENTS {
            self.flush(out)?;
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut impl Write) -> Outcome {
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
            (Style::new().dimmed(), cut(event.data.as_str(), self.columns)),
        ];
        self.line(out, &parts)
    }

    /// One line, cut at the width, in colour where that is wanted.
    fn line(&self, out: &mut impl Write, parts: &[(Style, String)]) -> Outcome {
        let mut left = self.columns;
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

fn style_of(event_type: &str) -> Style {
    let colour = match event_type.rsplit(':').next().unwrap_or("") {
        "failed" | "error" | "rejected" | "api-failed" => AnsiColor::Red,
        "completed" | "succeeded" | "done" | "turn-ended" => AnsiColor::Green,
        "blocked" | "warning" | "cancelled" => AnsiColor::Yellow,
        _ => AnsiColor::Cyan,
    };
    Style::new().fg_color(Some(colour.into()))
}
