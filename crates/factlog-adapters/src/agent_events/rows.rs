//! Rows of `abc_events` as `\\copy ... csv header` writes them, each as the JSON that it would be.

use std::io::{self, Read};

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::places::Piece;

/// The columns by which such a file is known.
const NEEDED: [&str; 4] = ["id", "type", "source", "data"];
/// The column that holds JSON.
const DATA: &str = "data";
/// What stands in the place of a row that cannot be read.
pub(super) const DAMAGE: &str = "damage";

/// Whether a file begins with the heading of such rows.
pub(super) fn is_heading(head: &[u8]) -> bool {
    let line = head.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let names: Vec<&str> = line.split(',').map(|name| name.trim().trim_matches('"')).collect();
    NEEDED.iter().all(|needed| names.contains(needed))
}

/// The rows of a file.
pub(super) struct Rows<R> {
    reader: csv::Reader<R>,
    names: Option<Vec<String>>,
}

impl<R: Read> Rows<R> {
    pub(super) fn new(reader: R) -> Self {
        let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(reader);
        Self { reader, names: None }
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = io::Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = csv::ByteRecord::new();
        loop {
            match self.reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(cause) => return Some(Err(cause.into())),
            }
            let Some(names) = &self.names else {
                let name =
                    |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_matches(['\u{feff}', ' ']).to_owned();
                self.names = Some(record.iter().map(name).collect());
                continue;
            };
            let line = record.position().map_or(0, csv::Position::line);
            let text = row(names, &record).unwrap_or_else(|damage| json!({ DAMAGE: damage }).to_string());
            return Some(Ok(Piece { line, text: text.into_bytes(), ended: true }));
        }
    }
}

/// A row as JSON; what is wrong with it otherwise. An empty field is no field.
fn row(names: &[String], record: &csv::ByteRecord) -> Result<String, String> {
    if record.len() != names.len() {
        return Err(format!("the row has {} fields, and the heading {}", record.len(), names.len()));
    }
    let mut fields = Map::new();
    let mut data = "{}".to_owned();
    for (name, bytes) in names.iter().zip(record) {
        let text = std::str::from_utf8(bytes).map_err(|_| format!("its {name} is not UTF-8"))?;
        if text.is_empty() {
            continue;
        }
        if name == DATA {
            let json = serde_json::from_str::<&RawValue>(text)
                .map_err(|cause| format!("its data is not JSON: {cause}"))?;
            // In JSON a line ends between tokens only, where a space means the same.
            data = json.get().replace(['\n', '\r'], " ");
        } else {
            fields.insert(name.clone(), Value::from(text));
        }
    }
    // What makes it known as a row, whichever columns were written.
    fields.entry("processed").or_insert(Value::from(false));
    let fields = Value::Object(fields).to_string();
    Ok(format!("{},\"{DATA}\":{data}}}", &fields[..fields.len() - 1]))
}
