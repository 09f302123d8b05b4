//! Conditions and values over what events say, in the Common Expression Language.

mod asked;
mod reading;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::objects::{Key, Map};
use cel::{Context, Env, Program, Value};
use serde_json::Value as Json;

use self::asked::Asked;
use crate::{Error, Event, Result};

/// Bytes of an expression.
const EXPRESSION_BYTES_MAX: usize = 4_000;
/// The language with its own functions, made once.
static LANGUAGE: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// An expression over an event: `data.priority == "high" && size(event.tags) > 0`.
///
/// It sees `data`, and of the event `type`, `stream`, `source`, `targets`, `tags`, `priority`, `correlationId`, `sessionId`
/// and `position` as `event.type` and so on; other names where a [`Scope`] has them. What an event lacks makes a condition
/// not hold. The language: <https://cel.dev>.
///
/// ```
/// use factlog::Expression;
/// let condition = Expression::compile("data.retryCount > 2 && event.source != 'ci'")?;
/// assert!(Expression::compile("data.retryCount >").is_err());
/// # Ok::<(), factlog::Error>(())
/// ```
#[derive(Clone)]
pub struct Expression {
    text: Arc<str>,
    program: Arc<Program>,
    /// Of the data, what it asks for.
    data: Asked,
    /// Whether it asks for the rest of the event.
    asks_for_rest: bool,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// `Invalid`, saying where it is wrong.
    pub fn compile(text: &str) -> Result<Self> {
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(Error::invalid(format!(
                "a condition of {} bytes; {EXPRESSION_BYTES_MAX} are allowed",
                text.len()
            )));
        }
        let program = reading::read(text).map_err(|cause| {
            Error::invalid(format!("the condition {text:?}: {cause}"))
                .with_hint("for example data.priority == \"high\" && event.source != \"ci\"")
        })?;
        let data = Asked::of(program.expression(), "data");
        let mut expression =
            Self { text: text.into(), program: Arc::new(program), data, asks_for_rest: false };
        expression.asks_for_rest = expression.speaks_of("event");
        Ok(expression)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it speaks of a name, such as that of a step of a pattern.
    pub fn speaks_of(&self, name: &str) -> bool {
        let references = self.program.references();
        // A dot in front of a name says that it is no loop's own.
        references.has_variable(name) || references.has_variable(format!(".{name}"))
    }

    /// A name that it speaks of and that is none of these, nor one of the language's own.
    pub fn unknown_name(&self, known: &[&str]) -> Option<String> {
        asked::unknown(self.program.expression(), &mut known.to_vec())
    }

    /// Whether it holds for an event.
    pub fn holds(&self, event: &Event) -> bool {
        self.holds_in(&Scope::asked_for(self, event))
    }

    /// Whether it holds for what is in sight.
    pub fn holds_in(&self, scope: &Scope) -> bool {
        matches!(self.evaluate(scope), Ok(Value::Bool(true)))
    }

    /// What it comes to.
    ///
    /// # Errors
    /// `Invalid` when it asks for what is not there, or comes to no JSON.
    pub fn value_in(&self, scope: &Scope) -> Result<Json> {
        let unclear = |cause: String| Error::invalid(format!("the expression {:?}: {cause}", self.text));
        let value = self.evaluate(scope).map_err(unclear)?;
        json_of(&value).ok_or_else(|| unclear("it comes to no JSON".to_owned()))
    }

    fn evaluate(&self, scope: &Scope) -> Result<Value, String> {
        let mut context = Context::with_env(Arc::clone(&LANGUAGE));
        for (name, value) in &scope.0 {
            context.add_variable_from_value(name.as_str(), value.clone());
        }
        // One that does not fit an event must not end whoever asks.
        let value = catch_unwind(AssertUnwindSafe(|| self.program.execute(&context)));
        value.map_err(|_| "it cannot be evaluated".to_owned())?.map_err(|cause| cause.to_string())
    }
}

/// What an expression sees, by name.
#[derive(Debug, Clone, Default)]
pub struct Scope(Vec<(String, Value)>);

impl Scope {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// An event: its `data`, and the rest as `event`.
    pub fn of(event: &Event) -> Self {
        Self::new().with_data(event).with_rest(event)
    }

    /// An event, as far as an expression asks for it.
    pub(crate) fn asked_for(expression: &Expression, event: &Event) -> Self {
        let scope = match &expression.data {
            Asked::Nothing => Self::new(),
            Asked::Fields(names) => Self::new().and("data", asked::fields(event.data.as_str(), names)),
            Asked::All => Self::new().with_data(event),
        };
        if expression.asks_for_rest { scope.with_rest(event) } else { scope }
    }

    fn with_data(self, event: &Event) -> Self {
        self.and("data", serde_json::from_str(event.data.as_str()).unwrap_or_default())
    }

    fn with_rest(self, event: &Event) -> Self {
        let mut rest = wire(event);
        if let Some(fields) = rest.as_object_mut() {
            fields.remove("data");
        }
        self.and("event", rest)
    }

    /// Another name, for a value.
    #[must_use]
    pub fn with(self, name: &str, value: &Json) -> Self {
        self.and(name, value.clone())
    }

    fn and(mut self, name: &str, value: Json) -> Self {
        self.0.push((name.to_owned(), value_of(value)));
        self
    }

    /// Another name, for an event with its `data`.
    #[must_use]
    pub fn with_event(self, name: &str, event: &Event) -> Self {
        self.and(name, wire(event))
    }
}

fn wire(event: &Event) -> Json {
    serde_json::to_value(event).unwrap_or_default()
}

/// JSON as the language sees it.
fn value_of(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(Arc::new(text)),
        Json::Array(items) => Value::List(Arc::new(items.into_iter().map(value_of).collect())),
        Json::Object(fields) => {
            let fields: HashMap<String, Value> =
                fields.into_iter().map(|(name, value)| (name, value_of(value))).collect();
            Value::Map(fields.into())
        }
    }
}

/// What the language has come to, as JSON.
fn json_of(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::from(*value),
        Value::Int(number) => Json::from(*number),
        Value::UInt(number) => Json::from(*number),
        Value::Float(number) => serde_json::Number::from_f64(*number).map(Json::Number)?,
        Value::String(text) => Json::from(text.as_str()),
        Value::List(items) => Json::Array(items.iter().map(json_of).collect::<Option<_>>()?),
        Value::Map(Map { map }) => Json::Object(
            map.iter().map(|(name, value)| Some((name_of(name), json_of(value)?))).collect::<Option<_>>()?,
        ),
        _ => return None,
    })
}

fn name_of(key: &Key) -> String {
    match key {
        Key::Int(number) => number.to_string(),
        Key::Uint(number) => number.to_string(),
        Key::Bool(value) => value.to_string(),
        Key::String(text) => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(data: &Json) -> Event {
        let line = json!({"position": 1, "id": "0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d", "stream": "task-1", "version": 1,
            "type": "task:failed", "source": "w", "recordedAt": "2026-11-20T23:44:30Z", "data": data});
        serde_json::from_value(line).unwrap()
    }

    fn holds(condition: &str, data: &Json) -> bool {
        Expression::compile(condition).unwrap().holds(&event(data))
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
            assert!(holds(condition, &data), "{condition}");
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
            assert!(!holds(condition, &data), "{condition}");
        }
        for text in ["data.", "((", "", "data.x = 1"] {
            assert!(Expression::compile(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_condition_sees_the_same_whichever_part_of_the_data_it_asks_for() {
        let data = json!({"n": 1, "data": {"n": 2}, "list": [{"n": 3}], "with space": 4});
        for condition in [
            "data.n == 1 && data.data.n == 2",
            "data.list.exists(data, data.n == 3) && data.n == 1",
            "data['with space'] == 4 && data.n == 1",
            "size(data) == 4",
            ".data.n == 1",
            "has(data.n) && !has(data.m)",
        ] {
            assert!(holds(condition, &data), "{condition}");
        }
        assert!(!holds("data.n == 1", &json!([1])) && !holds("has(data.n)", &json!("n")));
    }

    /// Story: a long sum overflowed the stack of whoever asked, and loops in loops went on for ever.
    #[test]
    fn what_no_stack_and_no_time_is_enough_for_is_refused() {
        let loops = |deep: usize| "[1, 2].all(a, ".repeat(deep) + "true" + &")".repeat(deep);
        let sum = |parts: usize| vec!["1"; parts].join("+") + " > 0";
        for (text, because) in [
            (sum(1_900), "nested deeper than"),
            ("data".to_owned() + &"[0]".repeat(1_300), "nested deeper than"),
            ("data".to_owned() + &".a".repeat(1_900), "nested deeper than"),
            ("(".repeat(1_900) + "1" + &")".repeat(1_900), "limit"),
            (loops(3), "stand in each other"),
            ("['a']".to_owned() + &".map(x, x + x)".repeat(10) + " == []", "adds up too much"),
            ("1 == ".repeat(1_000) + "1", "4000 are allowed"),
        ] {
            let error = Expression::compile(&text).unwrap_err().to_string();
            assert!(error.contains(because), "{because}: {error}");
        }
        for text in [sum(30), loops(2), "data.list.filter(x, x > 1).map(x, x + 1).all(x, x > 2)".to_owned()] {
            assert!(holds(&text, &json!({"list": [1, 2, 3]})), "{text}");
        }
    }

    #[test]
    fn an_expression_comes_to_json_and_says_what_it_misses() {
        let first = event(&json!({"taskId": "T1", "n": 2, "list": [1, {"a": null}]}));
        let scope = Scope::of(&event(&json!({"n": 40}))).with_event("f", &first).with("key", &json!("k"));
        let value = |text: &str| Expression::compile(text).unwrap().value_in(&scope);
        assert_eq!(value("f.data.n + data.n").unwrap(), json!(42));
        assert_eq!(value("f.data.list").unwrap(), json!([1, {"a": null}]));
        assert_eq!(value("key + '/' + f.data.taskId + '/' + f.stream").unwrap(), json!("k/T1/task-1"));
        assert_eq!(value("{'a': 1.5, 'b': true}").unwrap(), json!({"a": 1.5, "b": true}));
        assert!(value("data.missing").unwrap_err().to_string().contains("data.missing"));
        assert!(value("1.0 / 0.0").is_err());
        assert!(Expression::compile("f.data.n > 1").unwrap().speaks_of("f"));
    }
}
