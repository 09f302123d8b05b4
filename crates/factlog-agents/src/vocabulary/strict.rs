//! Whether an event is one of the vocabulary, to the letter: for callers who want their mistakes told.

use factlog::{Error, NewEvent, Result, Timestamp};
use serde_json::{Map, Value};

use super::{TYPES, TypeInfo, type_named};

/// Refuses an event of an unknown type, or with data that does not fit its type.
///
/// ```
/// use factlog::NewEvent;
/// use factlog_agents::vocabulary::check;
/// let event = NewEvent::new("task-1", "task:created", serde_json::json!({"taskId": "1", "title": 7}))?;
/// assert!(check(&event).unwrap_err().to_string().contains("title"));
/// # Ok::<(), factlog::Error>(())
/// ```
///
/// # Errors
/// `Invalid`, naming the type or the field.
pub fn check(event: &NewEvent) -> Result<()> {
    let Some(info) = type_named(&event.event_type) else { return Err(unknown(&event.event_type)) };
    let refused = |what: String| {
        Error::invalid(format!("{} does not fit: {what}", event.event_type))
            .with_hint(format!("`factlog types show {}` tells its fields", info.name))
    };
    let Value::Object(data) = event.data.to::<Value>()? else {
        return Err(refused("its data is no object".to_owned()));
    };
    let schema = info.schema();
    let none = Map::new();
    let fields = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let mut seen = Vec::new();
    for (key, value) in &data {
        let name = canonical(info, fields, key).ok_or_else(|| {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            refused(format!("it has no field {key:?}; its fields are {}", names.join(", ")))
        })?;
        if let Some(wanted) = fields.get(&name).and_then(|field| misfit(field, value)) {
            return Err(refused(format!("the field {key:?} is {}, and takes {wanted}", kind(value))));
        }
        seen.push(name);
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    match required.filter_map(Value::as_str).find(|name| !seen.iter().any(|seen| seen == name)) {
        None => Ok(()),
        Some(missing) => Err(refused(format!("it needs the field {missing:?}"))),
    }
}

fn unknown(name: &str) -> Error {
    let error = Error::invalid(format!("{name:?} is no type of the vocabulary"));
    let own = super::alias::spellings(name);
    let near = TYPES.iter().find(|info| {
        let ending = |name: &str| name.rsplit([':', '-']).next().map(str::to_lowercase);
        own.iter().any(|own| super::alias::spellings(info.name).contains(own))
            || (name.starts_with(info.category) && ending(info.name) == ending(name))
    });
    match near {
        Some(info) => error.with_hint(format!("did you mean {}? `factlog types` lists all", info.name)),
        None => error.with_hint("`factlog types` lists all"),
    }
}

/// The field that a key names, as the wire spells it.
fn canonical(info: &TypeInfo, fields: &Map<String, Value>, key: &str) -> Option<String> {
    if fields.contains_key(key) {
        return Some(key.to_owned());
    }
    let (field, _) = info.fields.iter().find(|(field, was)| super::read::named(key, field, was).is_some())?;
    Some(camel(field))
}

/// A name as the wire spells it: `task_id` is `taskId`.
pub fn camel(field: &str) -> String {
    let mut words = field.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        name.extend(letters);
    }
    name
}

/// What a field takes, where a value does not fit it.
fn misfit(field: &Value, value: &Value) -> Option<&'static str> {
    // A field of any value has no type.
    let kinds: Vec<&str> = match field.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let is_time = field.get("format").and_then(Value::as_str) == Some("date-time");
    let (fits, wanted) = match kinds[0] {
        "string" if is_time => {
            (value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()), "a time")
        }
        "string" => (value.is_string(), "a text"),
        "integer" => (value.is_u64(), "a whole number of 0 or more"),
        "number" => (value.is_number(), "a number"),
        "boolean" => (value.is_boolean(), "true or false"),
        "array" => {
            (value.as_array().is_some_and(|items| items.iter().all(Value::is_string)), "a list of texts")
        }
        _ => (true, ""),
    };
    (!fits).then_some(wanted)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(event_type: &str, data: &Value) -> String {
        let event = NewEvent::new("x-1", event_type, data).unwrap();
        let error = check(&event).unwrap_err();
        format!("{error} ({})", error.hint().unwrap_or_default())
    }

    #[test]
    fn what_does_not_fit_is_refused_and_the_error_says_which_field() {
        for (event_type, data, says) in [
            ("task:created", json!({}), "taskId"),
            ("task:created", json!({"taskId": 1}), "\"taskId\" is a number"),
            ("task:created", json!({"taskId": "1", "titel": "x"}), "no field \"titel\""),
            ("task:created", json!({"taskId": "1", "createdAt": "soon"}), "takes a time"),
            ("task:created", json!({"taskId": "1", "dependencies": [1]}), "a list of texts"),
            ("task:completed", json!({"taskId": "1", "durationMs": -1}), "whole number"),
            ("task:completed", json!([]), "no object"),
            ("tasks:created", json!({}), "no type of the vocabulary"),
            ("task:create", json!({}), "factlog types"),
            ("Task-Created", json!({}), "did you mean task:created?"),
        ] {
            let refusal = refusal(event_type, &data);
            assert!(refusal.contains(says), "{event_type} {data}: {refusal}");
        }
    }

    #[test]
    fn what_fits_is_taken_under_every_name_of_the_type_and_its_fields() {
        for (event_type, data) in [
            ("task:created", json!({"taskId": "1", "title": "x", "createdAt": "2026-11-20T23:44:30Z"})),
            ("TaskCreated", json!({"task_id": "1", "name": "x"})),
            ("task:completed", json!({"id": "1", "duration": 5, "result": [1, {"a": null}]})),
            ("system:info", json!({})),
        ] {
            let event = NewEvent::new("x-1", event_type, &data).unwrap();
            check(&event).unwrap();
        }
    }
}
