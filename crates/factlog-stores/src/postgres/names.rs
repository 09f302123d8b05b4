//! The names of a log's tables and functions: in a schema of its own, with a prefix where one is wanted.

use std::fmt::Write;

use factlog::{Error, Result};

/// The schema where no other is named; it is not one that Supabase shows to everybody.
pub(crate) const SCHEMA_DEFAULT: &str = "factlog";
/// PostgreSQL cuts longer names.
const NAME_BYTES_MAX: usize = 63;
/// Leaves room for the longest name that stands behind a prefix.
const PREFIX_BYTES_MAX: usize = 36;

/// Where a log's tables are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    schema: String,
    prefix: String,
}

impl Default for Names {
    fn default() -> Self {
        Self { schema: SCHEMA_DEFAULT.to_owned(), prefix: String::new() }
    }
}

impl Names {
    /// Tables in this schema, each with this prefix and `_` before its name; no prefix where it is empty.
    ///
    /// # Errors
    /// `Invalid` for a name that has other characters than `a`-`z`, `0`-`9` and `_`, begins with a digit, or is too long.
    pub fn new(schema: &str, prefix: &str) -> Result<Self> {
        let schema = checked("schema", schema, NAME_BYTES_MAX)?;
        let prefix = if prefix.is_empty() {
            String::new()
        } else {
            checked("prefix", prefix.trim_end_matches('_'), PREFIX_BYTES_MAX)? + "_"
        };
        Ok(Self { schema, prefix })
    }

    /// The schema.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// What stands before each name, with its `_`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Puts this log's names into SQL: `{events}` is a table or a function with its schema, `{name:events}` without,
    /// `{schema}` the schema, `{lock}` the key of the lock that writers take in turn.
    pub(super) fn sql(&self, template: &str) -> String {
        let mut sql = String::with_capacity(template.len() + template.len() / 4);
        let mut rest = template;
        while let Some(begin) = rest.find('{') {
            sql.push_str(&rest[..begin]);
            rest = &rest[begin + 1..];
            let end = rest.find('}').filter(|end| is_word(&rest[..*end]));
            let Some(end) = end else {
                sql.push('{');
                continue;
            };
            self.put(&mut sql, &rest[..end]);
            rest = &rest[end + 1..];
        }
        sql.push_str(rest);
        sql
    }

    fn put(&self, sql: &mut String, word: &str) {
        let Self { schema, prefix } = self;
        // Writing to a text does not fail.
        let _ = match word {
            "schema" => write!(sql, "\"{schema}\""),
            "schema_text" => write!(sql, "{schema}"),
            "prefix_text" => write!(sql, "{prefix}"),
            "lock" => write!(
                sql,
                "{LOCK_CLASS}, ('\"{schema}\".\"{prefix}events\"'::regclass::oid::bigint & 2147483647)::integer"
            ),
            _ => match word.strip_prefix("name:") {
                Some(name) => write!(sql, "\"{prefix}{name}\""),
                None => write!(sql, "\"{schema}\".\"{prefix}{word}\""),
            },
        };
    }
}

/// What all locks of factlog have in common: "fact".
const LOCK_CLASS: i32 = 0x6661_6374;

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b':')
}

fn checked(what: &str, name: &str, bytes_max: usize) -> Result<String> {
    let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let begins = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if is_name && begins && name.len() <= bytes_max && !name.starts_with("pg_") {
        return Ok(name.to_owned());
    }
    Err(Error::invalid(format!("{name:?} cannot be the {what} of a log's tables")).with_hint(format!(
        "a {what} has 1 to {bytes_max} of the characters a-z, 0-9 and _, begins with no digit and not with pg_"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_of_a_log_has_its_prefix_so_that_two_logs_share_a_schema() {
        let names = Names::new("team", "my_app_").unwrap();
        assert_eq!(
            names.sql("CREATE INDEX {name:by_id} ON {events} (id) WHERE x = '{}' -- {A}"),
            "CREATE INDEX \"my_app_by_id\" ON \"team\".\"my_app_events\" (id) WHERE x = '{}' -- {A}"
        );
        assert_eq!(Names::default().sql("{schema} {events}"), "\"factlog\" \"factlog\".\"events\"");
    }

    #[test]
    fn a_name_that_could_end_a_quoted_name_is_refused() {
        for name in ["", "a\"b", "a;b", "Ä", "1a", "pg_x", "A", &"a".repeat(64)] {
            assert!(Names::new(name, "").is_err(), "{name}");
        }
        assert!(Names::new("a", "x\"; DROP TABLE y; --").is_err());
    }
}
