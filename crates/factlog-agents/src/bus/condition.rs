//! Conditions on what events say, in the Common Expression Language.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::{Context, Program, Value};
use factlog::{Error, Event, Result};
use serde_json::Value as Json;

/// Bytes of a condition.
const CONDITION_BYTES_MAX: usize = 10_000;

/// A condition on an event: `data.priority == "high" && size(tags) > 0`.
///
/// It sees `data`, and of the event `type`, `stream`, `source`, `targets`, `tags`, `priority`, `correlationId`, `sessionId`
/// and `position` as `event.type` and so on. What an event lacks makes a condition not hold.
///
/// ```
/// use factlog_agents::bus::Condition;
/// let condition = Condition::compile("data.retryCount > 2 && event.source != 'ci'")?;
/// assert!(Condition::compile("data.retryCount >").is_err());
/// # Ok::<(), factlog::Error>(())
/// ```
#[derive(Clone)]
pub struct Condition {
    text: Arc<str>,
    program: Arc<Program>,
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// `Invalid`, saying where it is wrong.
    pub fn compile(text: &str) -> Result<Self> {
        if text.len() > CONDITION_BYTES_MAX {
            return Err(Error::invalid(format!(
                "a condition of {} bytes; {CONDITION_BYTES_MAX} are allowed",
                text.len()
            )));
        }
        let compiled = catch_unwind(|| Program::compile(text));
        let unreadable = |cause: String| {
            Error::invalid(format!("the condition {text:?}: {cause}"))
                .with_hint("for example data.priority == \"high\" && event.source != \"ci\"")
        };
        let program = compiled.map_err(|_| unreadable("it cannot be read".to_owned()))?;
        let program = program.map_err(|cause| unreadable(cause.to_string()))?;
        Ok(Self { text: text.into(), program: Arc::new(program) })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it holds for an event.
    pub fn holds(&self, event: &Event) -> bool {
        let mut context = Context::default();
        let Ok(Json::Object(mut fields)) = serde_json::from_str(&event.to_json()) else { return false };
        let data = fields.remove("data").unwrap_or_default();
        context.add_variable_from_value("data", value_of(&data));
        context.add_variable_from_value("event", value_of(&Json::Object(fields)));
        // A condition that does not fit an event must not end whoever asks.
        let held = catch_unwind(AssertUnwindSafe(|| self.program.execute(&context)));
        matches!(held, Ok(Ok(Value::Bool(true))))
    }
}

/// JSON as the language sees it.
fn value_of(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(value_of).collect())),
        Json::Object(fields) => {
            let fields: HashMap<String, Value> =
                fields.iter().map(|(name, value)| (name.clone(), value_of(value))).collect();
            Value::Map(fields.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use factlog::NewEvent;
    use serde_json::json;

    use super::*;
    use crate::projections::tests::at;

    fn holds(condition: &str, data: Json) -> bool {
        let fact = NewEvent::new("task-1", "task:failed", data).unwrap().with_source("w").unwrap();
        Condition::compile(condition).unwrap().holds(&at(1, fact))
    }

    /// Story (A6): a filter passed what lacked the field that it asked for.
    #[test]
    fn a_condition_holds_where_it_is_true_and_not_where_what_it_asks_for_is_missing() {
        let data = json!({"retryCount": 3, "score": 2.5, "tags": ["a"], "of": {"deep": "x"}});
        for condition in [
            "data.retryCount > 2",
            "data.score >= 2.5 && data.retryCount == 3",
            "data.of.deep == 'x' && 'a' in data.tags",
            "event.type == 'task:failed' && event.source == 'w' && event.position == 1",
            "has(data.score) || data.missing == 1",
        ] {
            assert!(holds(condition, data.clone()), "{condition}");
        }
        for condition in [
            "data.retryCount > 3",
            "data.missing == 1",
            "data.missing != 1",
            "data.of",
            "1",
            "unknown(data)",
            "data.tags > 1",
        ] {
            assert!(!holds(condition, data.clone()), "{condition}");
        }
        for text in ["data.", "((", "", "data.x = 1"] {
            assert!(Condition::compile(text).is_err(), "{text:?}");
        }
    }
}
