//! Things with fields: a column per field for eyes, all fields for programs.

use std::io::Write;

use serde_json::Value;

use super::{Format, Listing, stdout};
use crate::failure::Outcome;

/// Columns of a cell; a longer text is cut, and is whole in the other formats.
const CELL_COLUMNS_MAX: usize = 40;

/// A column of a table.
pub(crate) struct Column {
    heading: &'static str,
    /// A field, or a path to one: `/tokens/input`.
    field: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Whole,
    Status,
    Number,
    Time,
    Span,
    Money,
    Count,
}

impl Column {
    pub(crate) const fn text(heading: &'static str, field: &'static str) -> Self {
        Self { heading, field, kind: Kind::Text }
    }

    /// Text that is not cut.
    pub(crate) const fn whole(heading: &'static str, field: &'static str) -> Self {
        Self { heading, field, kind: Kind::Whole }
    }

    pub(crate) const fn number(heading: &'static str, field: &'static str) -> Self {
        Self { heading, field, kind: Kind::Number }
    }

    /// How it stands; one that nobody has heard of for a day is gone.
    pub(crate) const fn status() -> Self {
        Self { heading: "STATUS", field: "status", kind: Kind::Status }
    }

    /// A moment, to the second.
    pub(crate) const fn time(heading: &'static str, field: &'static str) -> Self {
        Self { heading, field, kind: Kind::Time }
    }

    /// Milliseconds, as people say them.
    pub(crate) const fn span(heading: &'static str, field: &'static str) -> Self {
        Self { heading, field, kind: Kind::Span }
    }

    /// US dollars.
    pub(crate) const fn money(heading: &'static str, field: &'static str) -> Self {
        Self { heading, field, kind: Kind::Money }
    }

    /// How many there are in a list.
    pub(crate) const fn count(heading: &'static str, field: &'static str) -> Self {
        Self { heading, field, kind: Kind::Count }
    }

    fn cell(&self, thing: &Value, format: Format) -> String {
        let value =
            if self.field.starts_with('/') { thing.pointer(self.field) } else { thing.get(self.field) };
        let Some(value) = value.filter(|value| !value.is_null()) else { return String::new() };
        match (self.kind, value) {
            // A spreadsheet gets what there is, and words it itself.
            (
                Kind::Text
                | Kind::Whole
                | Kind::Status
                | Kind::Number
                | Kind::Time
                | Kind::Span
                | Kind::Money,
                value,
            ) if format == Format::Csv => cell(value, format),
            (Kind::Whole, Value::String(text)) => plain(text),
            (Kind::Time, Value::String(time)) if time.len() > 19 => time[..19].replace('T', " "),
            (Kind::Span, value) => value.as_u64().map(span).unwrap_or_default(),
            (Kind::Money, value) => value.as_f64().map(|cost| format!("${cost:.2}")).unwrap_or_default(),
            (Kind::Status, Value::String(status)) if thing["isGone"] == true => format!("{status}, gone"),
            (Kind::Count, Value::Array(items)) => items.len().to_string(),
            (Kind::Count, Value::Object(items)) => items.len().to_string(),
            (_, value) => cell(value, format),
        }
    }
}

/// A value in a cell: cut for eyes, whole for a spreadsheet.
pub(crate) fn cell(value: &Value, format: Format) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if format == Format::Csv {
        return text;
    }
    let plain = plain(&text);
    match plain.char_indices().nth(CELL_COLUMNS_MAX) {
        None => plain,
        Some((end, _)) => format!("{}…", &plain[..end]),
    }
}

/// Text that stays in its line, and cannot touch a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Milliseconds as people say them: `340ms`, `12s`, `4m 10s`, `3h 12m`, `2d 4h`.
pub(crate) fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    match seconds {
        0 => format!("{milliseconds}ms"),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

impl Listing {
    /// A listing of things.
    pub(crate) fn of_things(columns: &[Column], things: Vec<Value>, format: Format) -> Self {
        // Columns that are empty everywhere only take room, but a program counts on them.
        let cells: Vec<Vec<String>> = things
            .iter()
            .map(|thing| columns.iter().map(|column| column.cell(thing, format)).collect())
            .collect();
        let used: Vec<usize> = (0..columns.len())
            .filter(|index| {
                *index == 0 || format == Format::Csv || cells.iter().any(|row| !row[*index].is_empty())
            })
            .collect();
        let is_number =
            |index: &usize| !matches!(columns[*index].kind, Kind::Text | Kind::Status | Kind::Time);
        Self {
            headings: used.iter().map(|index| columns[*index].heading.to_owned()).collect(),
            numbers: used
                .iter()
                .enumerate()
                .filter(|(_, index)| is_number(index))
                .map(|(place, _)| place)
                .collect(),
            rows: cells.iter().map(|row| used.iter().map(|index| row[*index].clone()).collect()).collect(),
            json: Value::Array(things),
        }
    }
}

/// One thing: its fields for eyes, itself for programs.
pub(crate) fn thing(thing: &Value, format: Format) -> Outcome {
    let mut out = stdout();
    match format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(thing)?)?,
        Format::Jsonl => writeln!(out, "{thing}")?,
        _ => {
            let none = serde_json::Map::new();
            let fields = thing.as_object().unwrap_or(&none);
            let width = fields.keys().map(String::len).max().unwrap_or(0);
            for (name, value) in fields {
                let text = match value {
                    Value::Null => "-".to_owned(),
                    Value::String(text) => {
                        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
                    }
                    Value::Number(number) if name.ends_with("Ms") => {
                        number.as_u64().map_or_else(|| number.to_string(), span)
                    }
                    other => other.to_string(),
                };
                writeln!(out, "{name:width$}  {text}")?;
            }
        }
    }
    Ok(out.flush()?)
}
