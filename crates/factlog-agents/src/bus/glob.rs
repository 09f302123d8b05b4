//! Patterns of resources, such as `src/**/*.rs`: what they match, and whether two of them can mean the same.
//!
//! | in a pattern | stands for |
//! |---|---|
//! | `*` | any run of characters without a `/`, also none |
//! | `**` | any run of characters, also none |
//! | `**/` at the beginning or after a `/` | any folders, also none: `src/**/a` matches `src/a` and `src/x/y/a` |
//! | `?` | one character that is no `/` |
//! | `\` | the character after it, as it is |
//!
//! Anything else stands for itself, and the case of letters matters. A resource is a text like any other: `a/b` and `./a/b`
//! are two.

use factlog::{Error, Result};

/// The longest pattern, and the longest resource that is looked up.
pub const RESOURCE_BYTES_MAX: usize = 512;

/// One step of a pattern through a text.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// One character.
    One(Class),
    /// Any number of characters.
    Many(Class),
    /// The next two steps, or neither.
    Maybe,
}

/// Steps that [`Step::Maybe`] leaves out, and itself.
const MAYBE_STEPS: usize = 3;

/// Which characters.
#[derive(Debug, Clone, Copy)]
enum Class {
    This(char),
    NoSlash,
    Any,
}

impl Class {
    /// Whether some character is of both.
    fn meets(self, other: Self) -> bool {
        match (self, other) {
            (Self::This(a), Self::This(b)) => a == b,
            (Self::This(c), Self::NoSlash) | (Self::NoSlash, Self::This(c)) => c != '/',
            _ => true,
        }
    }
}

/// Refuses what can be no pattern.
///
/// # Errors
/// `Invalid` for one that is empty, longer than [`RESOURCE_BYTES_MAX`], has control characters, or ends with a `\` that
/// stands before nothing.
pub fn check(pattern: &str) -> Result<()> {
    let why = if pattern.is_empty() {
        "is empty".to_owned()
    } else if pattern.len() > RESOURCE_BYTES_MAX {
        format!("has {} bytes, and {RESOURCE_BYTES_MAX} are allowed", pattern.len())
    } else if pattern.chars().any(char::is_control) {
        "has control characters".to_owned()
    } else if pattern.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1 {
        "ends with a \\ that stands before nothing".to_owned()
    } else {
        return Ok(());
    };
    let start: String = pattern.chars().take(40).collect();
    Err(Error::invalid(format!("the resource {start:?} {why}"))
        .with_hint("name a resource such as src/main.rs, or a pattern such as src/**; \\* is a star itself"))
}

/// Whether a pattern matches a whole text.
///
/// ```
/// use factlog_agents::bus::glob::matches;
/// assert!(matches("src/**", "src/bus/glob.rs") && matches("src/**/glob.rs", "src/glob.rs"));
/// assert!(!matches("src/*", "src/bus/glob.rs") && !matches("src/**", "src"));
/// ```
pub fn matches(pattern: &str, text: &str) -> bool {
    let text: Vec<Step> = text.chars().map(|c| Step::One(Class::This(c))).collect();
    meet(&steps(pattern), &text)
}

/// Whether some text is matched by both patterns.
///
/// ```
/// use factlog_agents::bus::glob::overlap;
/// assert!(overlap("src/**", "**/*.rs") && overlap("a?c", "ab*"));
/// assert!(!overlap("src/*.rs", "src/*.md") && !overlap("src/*", "src/bus/*"));
/// ```
pub fn overlap(a: &str, b: &str) -> bool {
    // Most resources differ before either has anything special.
    let is_special = |byte: u8| matches!(byte, b'*' | b'?' | b'\\');
    for (x, y) in a.bytes().zip(b.bytes()) {
        if is_special(x) || is_special(y) {
            break;
        }
        if x != y {
            return false;
        }
    }
    meet(&steps(a), &steps(b))
}

fn steps(pattern: &str) -> Vec<Step> {
    let mut steps = Vec::with_capacity(pattern.len());
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        let is_first = matches!(steps.last(), None | Some(Step::One(Class::This('/'))));
        match c {
            '\\' => steps.push(Step::One(Class::This(rest.next().unwrap_or('\\')))),
            '?' => steps.push(Step::One(Class::NoSlash)),
            '*' if rest.next_if_eq(&'*').is_none() => steps.push(Step::Many(Class::NoSlash)),
            '*' => {
                while rest.next_if_eq(&'*').is_some() {}
                if is_first && rest.next_if_eq(&'/').is_some() {
                    steps.extend([Step::Maybe, Step::Many(Class::Any), Step::One(Class::This('/'))]);
                } else {
                    steps.push(Step::Many(Class::Any));
                }
            }
            c => steps.push(Step::One(Class::This(c))),
        }
    }
    steps
}

/// Whether some text leads through both to their ends: all pairs of places that one text can lead to, each looked at once.
fn meet(a: &[Step], b: &[Step]) -> bool {
    let width = b.len() + 1;
    let mut is_seen = vec![false; (a.len() + 1) * width];
    let mut ahead = vec![(0, 0)];
    while let Some((i, j)) = ahead.pop() {
        if std::mem::replace(&mut is_seen[i * width + j], true) {
            continue;
        }
        if i == a.len() && j == b.len() {
            return true;
        }
        for next in without_a_character(a, i) {
            ahead.push((next, j));
        }
        for next in without_a_character(b, j) {
            ahead.push((i, next));
        }
        if let (Some((x, i)), Some((y, j))) = (with_a_character(a, i), with_a_character(b, j))
            && x.meets(y)
        {
            ahead.push((i, j));
        }
    }
    false
}

/// The places that are reached from here without a character.
fn without_a_character(steps: &[Step], place: usize) -> impl Iterator<Item = usize> {
    let reached = match steps.get(place) {
        Some(Step::Many(_)) => [Some(place + 1), None],
        Some(Step::Maybe) => [Some(place + 1), Some(place + MAYBE_STEPS)],
        Some(Step::One(_)) | None => [None, None],
    };
    reached.into_iter().flatten()
}

/// The characters that lead on from here, and where to.
fn with_a_character(steps: &[Step], place: usize) -> Option<(Class, usize)> {
    match *steps.get(place)? {
        Step::One(class) => Some((class, place + 1)),
        Step::Many(class) => Some((class, place)),
        Step::Maybe => None,
    }
}

#[cfg(test)]
mod tests;
