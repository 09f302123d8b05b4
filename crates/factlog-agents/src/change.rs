//! What changed, and which event changed it.

use std::collections::BTreeMap;
use std::sync::Arc;

use factlog::{Error, Event, EventLog, Moment, Result};
use serde::Serialize;
use serde_json::Value;

use crate::projections::Entities;

/// How one thing differs between two states.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// What it is: `task`, `agent` ...
    pub noun: &'static str,
    /// Its id.
    pub id: String,
    /// Whether it is new, gone, or another.
    pub change: Change,
    /// The fields that differ, with both values; null where there was none.
    pub fields: BTreeMap<String, [Value; 2]>,
}

/// How something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is only in the later state.
    Added,
    /// It is only in the earlier state.
    Removed,
    /// It is in both, and not the same.
    Changed,
}

/// What differs between two states of a projection, by id.
pub fn difference<P: Entities>(from: &P, to: &P) -> Vec<Difference> {
    let (earlier, later) = (from.entities(), to.entities());
    let mut ids: Vec<&String> = earlier.keys().chain(later.keys()).collect();
    ids.sort_unstable();
    ids.dedup();
    let differences = ids.into_iter().filter_map(|id| {
        let (before, after) = (earlier.get(id), later.get(id));
        let change = match (before, after) {
            (None, Some(_)) => Change::Added,
            (Some(_), None) => Change::Removed,
            (before, after) if before == after => return None,
            _ => Change::Changed,
        };
        let shown = |entity: Option<&P::Entity>| entity.map(P::shown).unwrap_or_default();
        let fields = fields(&shown(before), &shown(after));
        // What only the folding needs may differ alone.
        (!fields.is_empty()).then(|| Difference { noun: P::NOUN, id: id.clone(), change, fields })
    });
    differences.collect()
}

fn fields(before: &Value, after: &Value) -> BTreeMap<String, [Value; 2]> {
    let names = |value: &Value| value.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
    let all = names(before).into_iter().chain(names(after)).flatten();
    let pairs = all.map(|name| {
        let pair =
            [before.get(&name).cloned().unwrap_or_default(), after.get(&name).cloned().unwrap_or_default()];
        (name, pair)
    });
    pairs.filter(|(_, [before, after])| before != after).collect()
}

/// Whether a value says nothing yet: what every thing begins with.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
        Value::Bool(true) => false,
    }
}

/// An event that changed a field.
#[derive(Debug, Clone)]
pub struct Blame {
    /// The event.
    pub event: Arc<Event>,
    /// The field.
    pub field: String,
    /// What it held before; null where it held nothing.
    pub before: Value,
    /// What it held from then on.
    pub after: Value,
}

/// The events that changed a field of one thing, oldest first; without a field, those that changed any.
///
/// It folds the projection `until` a moment: what it costs is one reading of the projection's events.
///
/// # Errors
/// `NotFound` for a thing that no event is about, or a field that it never had.
pub async fn blame<P: Entities>(
    log: &EventLog,
    id: &str,
    field: Option<&str>,
    until: Option<Moment>,
) -> Result<Vec<Blame>> {
    let mut state = P::default();
    let mut known: Option<P::Entity> = None;
    let mut shown = Value::Null;
    let mut changes = Vec::new();
    let mut reading = log.read(P::filter());
    while let Some(event) = reading.next().await {
        let event = event?;
        if until.is_some_and(|until| !until.includes(&event)) {
            continue;
        }
        state
            .apply(&event)
            .map_err(|why| Error::invalid(format!("the event at {}: {why}", event.position)))?;
        let Some(entity) = state.get(id).filter(|entity| Some(*entity) != known.as_ref()) else { continue };
        let now = P::shown(entity);
        known = Some(entity.clone());
        for (name, [before, after]) in fields(&shown, &now) {
            let is_told = field.map_or(!(is_nothing(&before) && is_nothing(&after)), |field| field == name);
            if is_told {
                changes.push(Blame { event: Arc::clone(&event), field: name, before, after });
            }
        }
        shown = now;
    }
    let Some(entity) = known else {
        return Err(Error::not_found(format!("no {} {id:?} is known", P::NOUN)));
    };
    match field {
        Some(field) if changes.is_empty() => {
            let names =
                P::shown(&entity).as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
            let names = names.unwrap_or_default().join(", ");
            Err(Error::not_found(format!("the {} {id:?} has no {field:?}", P::NOUN))
                .with_hint(format!("it has {names}")))
        }
        _ => Ok(changes),
    }
}
