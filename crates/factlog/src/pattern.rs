//! Patterns: what follows what, within how long, and what ties it together.

mod chain;
mod grammar;
mod lateness;
mod matched;
mod matcher;
mod places;
mod run;
mod watching;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

pub use self::lateness::Lateness;
pub use self::matched::{Match, MatchedStep, Matching};
pub use self::matcher::{LATE, Matcher, Order, STARTS_MAX, TAKEN_IN_LATER};
pub use self::watching::Watching;

use self::chain::Chain;
use crate::{Error, EventKey, Filter, Result, TypePattern};

/// Bytes of a pattern.
pub const PATTERN_BYTES_MAX: usize = 4_000;
/// How deep parentheses nest.
pub const PATTERN_DEPTH_MAX: usize = 32;
/// Steps of a pattern, after repetitions are written out.
pub const PATTERN_STEPS_MAX: usize = 100;
/// How often something is repeated.
pub const TIMES_MAX: usize = PATTERN_STEPS_MAX;
/// Orders in which the steps of a pattern can come, by its `and` and `or`.
pub const PATTERN_WAYS_MAX: usize = 256;
/// What must not follow, counted in each of these orders.
pub const PATTERN_EXCLUSIONS_MAX: usize = 5_000;
/// The longest `within`: ten years.
pub const LENGTH_MAX: Duration = Duration::from_secs(10 * 366 * 86_400);

/// A pattern of events: `task:failed followed by task:queued within 5m by stream`.
///
/// `A followed by B`, `A not followed by B`, `A and B` in any order, `A or B`, `A 3 times`, parentheses; `within` bounds the
/// time from the first event to the last, `by` says what ties them together. A step is a type, in which `*` stands for any run
/// of characters, with a condition in brackets where wanted: `task:failed[data.retryCount > 2]`. A step with a name can be
/// spoken of: `f: task:failed followed by task:queued[data.agentId == f.data.agentId]`.
///
/// ```
/// use factlog::{Pattern, EventKey};
/// let pattern: Pattern = "task:failed followed by task:queued within 5m by stream".parse()?;
/// assert_eq!(pattern.key(), Some(&EventKey::Stream));
/// let error = "task:failed followed task:queued".parse::<Pattern>().unwrap_err();
/// assert!(error.to_string().contains("column 22"), "{error}");
/// # Ok::<(), factlog::Error>(())
/// ```
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    chains: Arc<[Chain]>,
    within: Option<Duration>,
    by: Option<EventKey>,
}

impl Pattern {
    /// Reads a pattern in which a type may have other names, each of which is meant.
    ///
    /// # Errors
    /// `Invalid`, saying where it is wrong and what was expected.
    pub fn parse(text: &str, names_of: impl Fn(&TypePattern) -> Vec<TypePattern>) -> Result<Self> {
        let written = grammar::parse(text)?;
        let chains = chain::chains(&written.node, &names_of)?;
        Ok(Self { text: text.into(), chains: chains.into(), within: written.within, by: written.by })
    }

    /// Bounds the time from the first event to the last.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = Some(within.min(LENGTH_MAX));
        self
    }

    /// Says what ties events together.
    #[must_use]
    pub fn by(mut self, key: EventKey) -> Self {
        self.by = Some(key);
        self
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The longest time from the first event to the last.
    pub fn span(&self) -> Option<Duration> {
        self.within
    }

    /// What ties events together.
    pub fn key(&self) -> Option<&EventKey> {
        self.by.as_ref()
    }

    /// The names of its steps.
    pub fn names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = Vec::new();
        for name in self.chains.iter().flat_map(|chain| &chain.steps).filter_map(|step| step.name.as_ref()) {
            if !names.contains(name) {
                names.push(Arc::clone(name));
            }
        }
        names
    }

    /// Whether it is one event: a type, with a condition perhaps.
    pub fn is_one_event(&self) -> bool {
        self.chains.iter().all(|chain| chain.steps.len() == 1 && !chain.has_end_guard())
    }

    /// Whether a match may be that nothing comes.
    pub fn ends_with_absence(&self) -> bool {
        self.chains.iter().any(Chain::has_end_guard)
    }

    /// The types that it speaks of, as a filter; no other event changes what it finds.
    pub fn filter(&self) -> Filter {
        let mut types: Vec<TypePattern> = Vec::new();
        for atom in self.chains.iter().flat_map(Chain::atoms) {
            for name in &atom.types {
                if !types.contains(name) {
                    types.push(name.clone());
                }
            }
        }
        Filter { types, ..Filter::all() }
    }

    /// Refuses a pattern that waits for ever when it is asked about what is still to come.
    ///
    /// # Errors
    /// `Invalid` for one that ends with an absence and has no `within`.
    pub fn check_live(&self) -> Result<()> {
        if self.ends_with_absence() && self.within.is_none() {
            return Err(Error::invalid("what does not follow must have a time by which it should have")
                .with_hint(format!("for example: {} within 5m", self.text)));
        }
        Ok(())
    }

    fn chains(&self) -> Arc<[Chain]> {
        Arc::clone(&self.chains)
    }
}

impl FromStr for Pattern {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text, |name| vec![name.clone()])
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pattern")
            .field("text", &self.text)
            .field("within", &self.within)
            .field("by", &self.by)
            .finish_non_exhaustive()
    }
}

/// A length of time as people write it: `500ms`, `30s`, `5m`, `2h`, `7d`, `1w`.
///
/// # Errors
/// `Invalid` for anything else, and for none at all.
pub fn length_of_time(text: &str) -> Result<Duration> {
    grammar::length_of(text)
}
