//! A row of the database as the JSON that the log would have for it.

use rusqlite::types::Value;
use serde_json::json;
use serde_json::value::RawValue;

use super::record::Record;

/// The columns of an event, in their order.
pub(super) const COLUMNS: [&str; 11] = [
    "id",
    "type",
    "aggregate_id",
    "aggregate_type",
    "version",
    "timestamp",
    "source",
    PAYLOAD,
    METADATA,
    "causation_id",
    "correlation_id",
];
/// What the log calls them.
const NAMES: [&str; COLUMNS.len()] = [
    "id",
    "type",
    "aggregateId",
    "aggregateType",
    "version",
    "timestamp",
    "source",
    PAYLOAD,
    METADATA,
    "causationId",
    "correlationId",
];
/// The columns that hold JSON.
const PAYLOAD: &str = "payload";
const METADATA: &str = "metadata";

/// The record of a row of the table `events`.
pub(super) fn event(rowid: i64, values: &[Value]) -> Record {
    let at = format!("row {rowid}");
    let mut fields = Vec::with_capacity(NAMES.len());
    for (name, value) in NAMES.iter().zip(values) {
        let value = match value {
            Value::Null => continue,
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => json!(number).to_string(),
            Value::Text(text) if [PAYLOAD, METADATA].contains(name) => {
                match serde_json::from_str::<&RawValue>(text) {
                    Ok(json) => json.get().to_owned(),
                    Err(cause) => return Record::damage(at, format!("its {name} is not JSON: {cause}")),
                }
            }
            Value::Text(text) => json!(text).to_string(),
            Value::Blob(_) => return Record::damage(at, format!("its {name} is no text")),
        };
        fields.push(format!("\"{name}\":{value}"));
    }
    Record::new(at, format!("{{{}}}", fields.join(",")))
}

/// The record of a row of the table `snapshots`: only what it is of.
pub(super) fn snapshot(rowid: i64, kind: &Value, id: &Value) -> Record {
    let text = |value: &Value| if let Value::Text(text) = value { text.clone() } else { String::new() };
    let json = json!({"aggregateType": text(kind), "aggregateId": text(id), "state": {}});
    Record::new(format!("snapshot {rowid}"), json.to_string())
}
