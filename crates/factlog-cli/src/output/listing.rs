//! A small table: the same rows for eyes, for programs and for spreadsheets.

use std::io::Write;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

use super::{Format, stdout};
use crate::failure::Outcome;

/// Rows under headings, and the same as JSON.
pub(crate) struct Listing {
    pub(crate) headings: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    /// Which columns hold numbers.
    pub(crate) numbers: Vec<usize>,
    pub(crate) json: Value,
}

impl Listing {
    /// What a listing can be written in.
    pub(crate) const FORMATS: &[Format] = &[Format::Table, Format::Json, Format::Jsonl, Format::Csv];

    /// Writes it in one of [`Listing::FORMATS`]; CSV repeats the rows.
    pub(crate) fn print(&self, format: Format) -> Outcome {
        let mut out = stdout();
        match format {
            Format::Table if self.rows.is_empty() => {}
            Format::Table | Format::Cloudevents | Format::AgentEvents => writeln!(out, "{}", self.table())?,
            Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&self.json)?)?,
            Format::Jsonl => match &self.json {
                Value::Array(items) => {
                    for item in items {
                        writeln!(out, "{item}")?;
                    }
                }
                other => writeln!(out, "{other}")?,
            },
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(&mut out);
                csv.write_record(self.headings.iter().map(|heading| heading.to_lowercase()))?;
                for row in &self.rows {
                    csv.write_record(row)?;
                }
                csv.flush()?;
            }
        }
        out.flush()?;
        Ok(())
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(&self.headings);
        for row in &self.rows {
            table.add_row(row);
        }
        for column in &self.numbers {
            if let Some(column) = table.column_mut(*column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.trim_fmt()
    }
}
