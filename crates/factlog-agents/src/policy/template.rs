//! Values with gaps: `"{{ data.taskId }}"` is filled from what has happened.

use factlog::{Error, Expression, Result, Scope};
use serde_json::Value;

/// How a gap begins and ends.
const GAP: (&str, &str) = ("{{", "}}");

/// A value in which texts have gaps. A text that is one gap becomes the value itself, of whatever kind; gaps in a longer text
/// are written into it.
#[derive(Debug, Clone)]
pub(super) enum Template {
    Plain(Value),
    Whole(Expression),
    Text(Vec<Part>),
    List(Vec<Template>),
    Object(Vec<(String, Template)>),
}

#[derive(Debug, Clone)]
pub(super) enum Part {
    Text(String),
    Gap(Expression),
}

impl Template {
    /// Reads a value.
    ///
    /// # Errors
    /// `Invalid` for a gap that is not closed, or has no expression in it.
    pub(super) fn of(value: &Value) -> Result<Self> {
        Ok(match value {
            Value::String(text) => Self::of_text(text)?,
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect::<Result<_>>()?),
            Value::Object(fields) => Self::Object(
                fields
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), Self::of(value)?)))
                    .collect::<Result<_>>()?,
            ),
            plain => Self::Plain(plain.clone()),
        })
    }

    /// Reads a text.
    pub(super) fn of_text(text: &str) -> Result<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once(GAP.0) {
            let (inside, after) = behind.split_once(GAP.1).ok_or_else(|| {
                Error::invalid(format!("a gap is not closed in {text:?}"))
                    .with_hint("a gap is {{ and }} with an expression between, such as {{ data.taskId }}")
            })?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Gap(Expression::compile(inside.trim())?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if parts.len() > 1 {
            return Ok(Self::Text(parts));
        }
        Ok(match parts.pop() {
            None => Self::Plain(Value::String(String::new())),
            Some(Part::Text(text)) => Self::Plain(Value::String(text)),
            Some(Part::Gap(expression)) => Self::Whole(expression),
        })
    }

    /// A name that a gap speaks of and that is none of these.
    pub(super) fn unknown_name(&self, known: &[&str]) -> Option<String> {
        match self {
            Self::Plain(_) => None,
            Self::Whole(expression) => expression.unknown_name(known),
            Self::Text(parts) => parts.iter().find_map(|part| match part {
                Part::Text(_) => None,
                Part::Gap(expression) => expression.unknown_name(known),
            }),
            Self::List(items) => items.iter().find_map(|item| item.unknown_name(known)),
            Self::Object(fields) => fields.iter().find_map(|(_, value)| value.unknown_name(known)),
        }
    }

    /// Whether there is anything to fill.
    pub(super) fn has_gaps(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Whole(_) | Self::Text(_) => true,
            Self::List(items) => items.iter().any(Self::has_gaps),
            Self::Object(fields) => fields.iter().any(|(_, value)| value.has_gaps()),
        }
    }

    /// Fills the gaps.
    ///
    /// # Errors
    /// `Invalid` where an expression asks for what is not there.
    pub(super) fn fill(&self, scope: &Scope) -> Result<Value> {
        Ok(match self {
            Self::Plain(value) => value.clone(),
            Self::Whole(expression) => expression.value_in(scope)?,
            Self::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Text(plain) => text.push_str(plain),
                        Part::Gap(expression) => text.push_str(&worded(&expression.value_in(scope)?)),
                    }
                }
                Value::String(text)
            }
            Self::List(items) => {
                Value::Array(items.iter().map(|item| item.fill(scope)).collect::<Result<_>>()?)
            }
            Self::Object(fields) => {
                let filled = fields.iter().map(|(name, value)| Ok((name.clone(), value.fill(scope)?)));
                Value::Object(filled.collect::<Result<_>>()?)
            }
        })
    }
}

fn worded(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_that_is_one_gap_becomes_the_value_and_others_are_written_into() {
        let scope = Scope::new().with("data", &json!({"n": 2, "name": "T-1", "list": [1]}));
        let filled = |value: Value| Template::of(&value).unwrap().fill(&scope);
        let value = json!({"a": "{{ data.n + 1 }}", "b": ["x{{data.name}}-{{ data.n }}y"], "c": "{{data}}", "d": "", "e": 1.5});
        let expected =
            json!({"a": 3, "b": ["xT-1-2y"], "c": {"n": 2, "name": "T-1", "list": [1]}, "d": "", "e": 1.5});
        assert_eq!(filled(value).unwrap(), expected);
        assert!(filled(json!("{{ data.missing }}")).unwrap_err().to_string().contains("data.missing"));
        assert!(Template::of(&json!("{{ data.n")).is_err());
        assert!(Template::of(&json!(["{{ }}"])).is_err());
    }
}
