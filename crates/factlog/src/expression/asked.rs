//! Which part of an event's data an expression asks for, and that part alone.

use std::borrow::Cow;
use std::fmt;

use cel::IdedExpr;
use cel::common::ast::Expr;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::reading::parts;

/// What is asked for of something with fields.
#[derive(Clone)]
pub(super) enum Asked {
    Nothing,
    /// Of these names.
    Fields(Vec<String>),
    All,
}

impl Asked {
    /// What an expression asks for of what goes by a name.
    pub(super) fn of(program: &IdedExpr, name: &str) -> Self {
        let mut fields: Vec<String> = Vec::new();
        let mut open = vec![program];
        while let Some(part) = open.pop() {
            match &part.expr {
                Expr::Select(select) if matches!(&select.operand.expr, Expr::Ident(known) if known == name) => {
                    if !fields.contains(&select.field) {
                        fields.push(select.field.clone());
                    }
                }
                // A dot in front of a name says that it is no loop's own.
                Expr::Ident(known) if known == name || known.strip_prefix('.') == Some(name) => {
                    return Self::All;
                }
                _ => parts(part, |inner, _| open.push(inner)),
            }
        }
        if fields.is_empty() { Self::Nothing } else { Self::Fields(fields) }
    }
}

/// Names of the language's own types.
const TYPES: [&str; 11] =
    ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type", "dyn"];

/// A name that is spoken of and not known: neither given, nor that of a loop around it.
pub(super) fn unknown<'e>(part: &'e IdedExpr, known: &mut Vec<&'e str>) -> Option<String> {
    match &part.expr {
        Expr::Ident(name) => {
            let name = name.strip_prefix('.').unwrap_or(name);
            let is_known = name.starts_with('@') || known.contains(&name) || TYPES.contains(&name);
            (!is_known).then(|| name.to_owned())
        }
        Expr::Comprehension(looped) => {
            let before = known.len();
            let outside = unknown(&looped.iter_range, known).or_else(|| unknown(&looped.accu_init, known));
            known.push(&looped.iter_var);
            known.extend(looped.iter_var2.as_deref());
            known.push(&looped.accu_var);
            let inside = [&looped.loop_cond, &looped.loop_step, &looped.result];
            let found = outside.or_else(|| inside.into_iter().find_map(|part| unknown(part, known)));
            known.truncate(before);
            found
        }
        _ => {
            let mut found = None;
            parts(part, |inner, _| found = found.take().or_else(|| unknown(inner, known)));
            found
        }
    }
}

/// Fields of a JSON object; the rest is passed over.
pub(super) fn fields(json: &str, names: &[String]) -> Json {
    serde_json::Deserializer::from_str(json).deserialize_map(Fields(names)).unwrap_or_default()
}

struct Fields<'n>(&'n [String]);

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let mut found = Map::new();
        while let Some(name) = fields.next_key::<Cow<'de, str>>()? {
            if self.0.iter().any(|wanted| **wanted == *name) {
                found.insert(name.into_owned(), fields.next_value()?);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Json::Object(found))
    }
}
