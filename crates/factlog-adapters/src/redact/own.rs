//! The user's own rules and exceptions: regular expressions, compiled once.

use factlog::{Error, Result};
use regex::{Regex, RegexBuilder};

use super::marker::is_of_kind;
use super::scan::{Hit, Rank};
use super::{NAME_BYTES_MAX, OWN_RULES_MAX, OwnRule, Rules};

/// Bytes that one compiled pattern may take.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;

pub(super) struct Own {
    rules: Vec<(String, Regex)>,
    allow: Vec<Regex>,
}

impl Own {
    pub(super) fn new(rules: &Rules) -> Result<Self> {
        if rules.own.len() > OWN_RULES_MAX || rules.allow.len() > OWN_RULES_MAX {
            return Err(Error::invalid(format!(
                "too many redaction rules: at most {OWN_RULES_MAX} of one's own and {OWN_RULES_MAX} to allow"
            )));
        }
        let own = rules.own.iter().map(rule).collect::<Result<_>>()?;
        let allow = rules.allow.iter().map(|pattern| {
            compiled(pattern).map_err(|cause| {
                Error::invalid(format!("the pattern {pattern:?} of what redaction allows is wrong: {cause}"))
                    .with_cause(cause)
            })
        });
        Ok(Self { rules: own, allow: allow.collect::<Result<_>>()? })
    }

    pub(super) fn find<'a>(&'a self, text: &str, hits: &mut Vec<Hit<'a>>) {
        for (name, pattern) in &self.rules {
            let mut found = |range: std::ops::Range<usize>| {
                if !range.is_empty() {
                    hits.push(Hit { kind: name, rank: Rank::Own, range });
                }
            };
            if pattern.captures_len() == 1 {
                pattern.find_iter(text).for_each(|found_at| found(found_at.range()));
            } else {
                let groups = pattern.captures_iter(text).filter_map(|captures| captures.get(1));
                groups.for_each(|group| found(group.range()));
            }
        }
    }

    pub(super) fn allows(&self, secret: &str) -> bool {
        self.allow.iter().any(|pattern| pattern.is_match(secret))
    }
}

fn rule(rule: &OwnRule) -> Result<(String, Regex)> {
    let OwnRule { name, pattern } = rule;
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_of_kind) {
        return Err(Error::invalid(format!(
            "the redaction rule {name:?} needs a name of at most {NAME_BYTES_MAX} small letters, digits and hyphens"
        )));
    }
    let pattern = compiled(pattern).map_err(|cause| {
        Error::invalid(format!("the pattern of the redaction rule {name:?} is wrong: {cause}"))
            .with_cause(cause)
    })?;
    Ok((name.clone(), pattern))
}

fn compiled(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).build()
}
