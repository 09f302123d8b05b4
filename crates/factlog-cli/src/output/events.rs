//! Events, one after another, in any format; what is written is never held back but for the first widths.

use std::io::Write;
use std::sync::Arc;

use factlog::Event;
use factlog_adapters::agent_events::to_agent_event;
use factlog_adapters::cloudevents::to_cloud_event;

use super::lines::Lines;
use super::table::{Table, WIDTHS_LEAST, WIDTHS_LIVE};
use super::whole::whole;
use super::{Format, is_terminal};
use crate::failure::Outcome;

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

/// What [`Format::Table`] looks like.
enum Shape {
    /// A table, for programs too.
    Table(Table),
    /// Lines for a person at a terminal.
    Lines(Lines),
    /// Each event with all it has.
    Whole,
}

/// Writes events to an output.
pub(crate) struct EventWriter<W: Write> {
    out: W,
    format: Format,
    written: u64,
    shape: Shape,
    /// Whether each event is to be seen at once.
    live: bool,
}

impl<W: Write> EventWriter<W> {
    pub(crate) fn new(out: W, format: Format) -> Self {
        Self::shaped(out, format, WIDTHS_LEAST)
    }

    /// Shows each event as it comes.
    pub(crate) fn live(out: W, format: Format) -> Self {
        Self { live: true, ..Self::shaped(out, format, WIDTHS_LIVE) }
    }

    fn shaped(out: W, format: Format, widths: [usize; 4]) -> Self {
        let shape =
            if is_terminal() { Shape::Lines(Lines::of_terminal()) } else { Shape::Table(Table::new(widths)) };
        Self { out, format, written: 0, shape, live: false }
    }

    /// Shows every event whole, where a table was wanted.
    pub(crate) fn full(self, is_full: bool) -> Self {
        if is_full { Self { shape: Shape::Whole, ..self } } else { self }
    }

    pub(crate) fn write(&mut self, event: &Arc<Event>) -> Outcome {
        match self.format {
            Format::Table => match &mut self.shape {
                Shape::Table(table) => table.add(&mut self.out, event, self.live)?,
                Shape::Lines(lines) => write!(self.out, "{}", lines.add(event))?,
                Shape::Whole => {
                    let before = if self.written == 0 { "" } else { "\n" };
                    write!(self.out, "{before}{}", whole(event))?;
                }
            },
            Format::Json => {
                let before = if self.written == 0 { "[\n" } else { ",\n" };
                write!(self.out, "{before}{}", event.to_json())?;
            }
            Format::Jsonl => writeln!(self.out, "{}", event.to_json())?,
            Format::Cloudevents => writeln!(self.out, "{}", to_cloud_event(event))?,
            Format::AgentEvents => writeln!(self.out, "{}", to_agent_event(event))?,
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

    /// Shows what was written so far, after something failed. JSON stays open, so that no program takes it for all.
    pub(crate) fn break_off(mut self) {
        if let Shape::Table(table) = &mut self.shape {
            // What failed before is told.
            let _ = table.flush(&mut self.out);
        }
        let _ = self.out.flush();
    }

    /// Writes what is left; an empty result is an empty document, not nothing.
    pub(crate) fn finish(mut self) -> Outcome<u64> {
        match self.format {
            Format::Table => {
                if let Shape::Table(table) = &mut self.shape {
                    table.flush(&mut self.out)?;
                }
            }
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
