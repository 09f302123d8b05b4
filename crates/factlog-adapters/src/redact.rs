//! Takes secrets out of what is about to be written.
//!
//! A log is append-only and is shared, so a key that got into it is hard to get out again. Secrets are found by their
//! shape (the prefixes that vendors give their keys, private key blocks, JSON web tokens), by their place (the
//! password of a URL, the credentials of an authorization header), and by their name (`api_key = ...`), where the
//! value also has to look random. Each is replaced by a marker:
//!
//! ```text
//! [redacted:github-token:5f0c11aa]
//! ```
//!
//! The digits are a keyed hash of the secret: under one key, equal secrets have equal markers and can be followed
//! through a log, and nobody without the key can try guesses. Redacting what is redacted changes nothing.
//!
//! This is a net, and it has holes: a password in a sentence looks like any other word. What looks like a hash, an
//! id, a path or an expression of a program is left alone, because a log that lost those is worth less.
//!
//! ```
//! use factlog_adapters::redact::{Redactor, Rules};
//!
//! let redactor = Redactor::new(&Rules::default(), *b"sixteen bytes...")?;
//! let url = "git clone https://ada:kGt8Zq2w@example.org/a.git";
//! let (text, count) = redactor.text(url).expect("a password");
//! assert_eq!(count, 1);
//! assert!(text.starts_with("git clone https://ada:[redacted:url-password:"));
//! assert!(redactor.text(&text).is_none());
//! # Ok::<(), factlog::Error>(())
//! ```
//!
//! The shapes are matched by hand, in one pass that grows with the text and not with the rules: this runs in a hook
//! that starts anew for every event, where compiling some forty patterns would take longer than all else it does.
//! Only the user's own patterns are compiled.

use std::hash::Hasher;
use std::ops::Range;

use factlog::Result;
use serde::Deserialize;
use siphasher::sip::SipHasher24;

mod assignment;
mod authorization;
mod bytes;
mod marker;
mod name;
mod own;
mod private_key;
mod scan;
mod shapes;
mod strings;
mod url;
mod value;

use own::Own;
use scan::Hit;

/// How many own rules, and how many exceptions, there may be.
pub const OWN_RULES_MAX: usize = 64;
/// Bytes that the name of an own rule may have.
pub const NAME_BYTES_MAX: usize = 32;

/// What is redacted beyond and besides the built-in kinds; a `[redact]` table of a settings file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Whether e-mail addresses are redacted as well.
    pub email: bool,
    /// Patterns of the user's own.
    pub own: Vec<OwnRule>,
    /// Regular expressions: a secret in which one of them is found stays.
    pub allow: Vec<String>,
}

/// A pattern of the user's own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnRule {
    /// The kind that its markers name: small letters, digits and hyphens.
    pub name: String,
    /// A regular expression; with a group in it, only what the first group holds is replaced.
    pub pattern: String,
}

/// Finds secrets and replaces them.
pub struct Redactor {
    email: bool,
    own: Own,
    key: [u8; 16],
}

/// A secret that was found, told without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is, as its marker names it.
    pub kind: String,
    /// The bytes of the text that it takes; in JSON those of the whole string that holds it.
    pub range: Range<usize>,
    /// The line on which the range begins, from 1.
    pub line: u64,
    /// What stands for it once it is redacted.
    pub marker: String,
}

impl Redactor {
    /// Makes one of rules and of the key that its hashes are made with.
    ///
    /// # Errors
    /// `Invalid` for an own rule or an exception that cannot be used; the message names it.
    pub fn new(rules: &Rules, key: [u8; 16]) -> Result<Self> {
        Ok(Self { email: rules.email, own: Own::new(rules)?, key })
    }

    /// A text without its secrets and how many there were; none when there were none.
    pub fn text(&self, text: &str) -> Option<(String, u64)> {
        self.replaced(text, None)
    }

    /// A JSON text without the secrets in its strings and keys, and how many there were; none when there were none.
    ///
    /// The text has to be valid JSON. All but the strings that held a secret stays byte for byte.
    pub fn json(&self, text: &str) -> Option<(String, u64)> {
        let mut out = String::new();
        let mut copied = 0;
        let mut count = 0;
        strings::each(text, |string| {
            if let Some((clean, found)) = self.replaced(&string.text, string.name) {
                out.push_str(&text[copied..string.range.start]);
                out.push_str(&strings::quoted(&clean));
                copied = string.range.end;
                count += found;
            }
        });
        if count == 0 {
            return None;
        }
        out.push_str(&text[copied..]);
        Some((out, count))
    }

    /// The secrets of a text, as [`text`](Self::text) replaces them.
    pub fn findings(&self, text: &str) -> Vec<Finding> {
        let mut lines = Lines::new(text);
        self.hits(text, None).into_iter().map(|hit| self.finding(text, &hit, None, &mut lines)).collect()
    }

    /// The secrets of a JSON text, as [`json`](Self::json) replaces them.
    pub fn json_findings(&self, text: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut lines = Lines::new(text);
        strings::each(text, |string| {
            for hit in self.hits(&string.text, string.name) {
                found.push(self.finding(&string.text, &hit, Some(&string.range), &mut lines));
            }
        });
        found
    }

    fn finding(
        &self,
        text: &str,
        hit: &Hit<'_>,
        of: Option<&Range<usize>>,
        lines: &mut Lines<'_>,
    ) -> Finding {
        let range = of.unwrap_or(&hit.range).clone();
        let line = lines.number(range.start);
        Finding { kind: hit.kind.to_owned(), range, line, marker: self.marker(hit, text) }
    }

    fn replaced(&self, text: &str, name: Option<&str>) -> Option<(String, u64)> {
        let hits = self.hits(text, name);
        if hits.is_empty() {
            return None;
        }
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        for hit in &hits {
            out.push_str(&text[copied..hit.range.start]);
            out.push_str(&self.marker(hit, text));
            copied = hit.range.end;
        }
        out.push_str(&text[copied..]);
        Some((out, hits.len() as u64))
    }

    /// What is to be replaced in a text that may be the value of a JSON name: in order, and apart from each other.
    fn hits<'a>(&'a self, text: &str, name: Option<&str>) -> Vec<Hit<'a>> {
        let mut hits = scan::scan(text, name, self.email);
        self.own.find(text, &mut hits);
        if hits.is_empty() {
            return hits;
        }
        hits.retain(|hit| !self.own.allows(&text[hit.range.clone()]));
        marker::leave_alone(text, &mut hits);
        scan::apart(hits)
    }

    fn marker(&self, hit: &Hit<'_>, text: &str) -> String {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&text.as_bytes()[hit.range.clone()]);
        marker::of(hit.kind, hasher.finish())
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key stays out of whatever is printed.
        f.debug_struct("Redactor").field("email", &self.email).finish_non_exhaustive()
    }
}

/// Numbers of lines for places that are asked in rising order.
struct Lines<'a> {
    text: &'a str,
    counted: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, counted: 0, line: 1 }
    }

    fn number(&mut self, at: usize) -> u64 {
        self.line += self.text[self.counted..at].matches('\n').count() as u64;
        self.counted = at;
        self.line
    }
}
