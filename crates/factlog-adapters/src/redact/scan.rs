//! The one pass over a text: what every byte may be the beginning, or the hinge, of.

use std::ops::Range;

use super::{assignment, authorization, private_key, shapes, url};

/// A secret that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hit<'a> {
    pub(super) kind: &'a str,
    pub(super) rank: Rank,
    pub(super) range: Range<usize>,
}

/// How well a hit knows what it found: the lesser one names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Own,
    Shape,
    Place,
    Name,
    Email,
}

/// Who is asked about a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Nobody,
    Shape,
    Hyphen,
    Equals,
    Colon,
    Scheme,
    At,
}

static TURNS: [Turn; 256] = {
    let mut turns = [Turn::Nobody; 256];
    let mut byte = 0;
    while byte < turns.len() {
        if shapes::begins_with(byte as u8) {
            turns[byte] = Turn::Shape;
        }
        byte += 1;
    }
    turns[b'-' as usize] = Turn::Hyphen;
    turns[b'=' as usize] = Turn::Equals;
    turns[b':' as usize] = Turn::Colon;
    turns[b'B' as usize] = Turn::Scheme;
    turns[b'b' as usize] = Turn::Scheme;
    turns[b'@' as usize] = Turn::At;
    turns
};

/// What is found in a text that may be the value of a JSON name; hits may overlap.
pub(super) fn scan(text: &str, name: Option<&str>, email: bool) -> Vec<Hit<'static>> {
    let bytes = text.as_bytes();
    let mut hits = Vec::new();
    if let Some(name) = name {
        hits.extend(assignment::value_of(name, bytes));
    }
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let (hit, to_end) = match TURNS[usize::from(*byte)] {
            Turn::Shape if !shapes::may_begin(bytes, at) => (None, false),
            Turn::Shape => (shapes::at(bytes, at, name), true),
            Turn::Hyphen if bytes[at..].starts_with(b"-----BEGIN ") => (private_key::at(text, at), true),
            Turn::Hyphen => (assignment::flag(bytes, at), false),
            Turn::Equals => (assignment::equals(bytes, at), false),
            Turn::Colon => (url::password(bytes, at).or_else(|| assignment::colon(bytes, at)), false),
            Turn::Scheme => (authorization::at(bytes, at), true),
            // The sign after a password in a URL belongs to no address.
            Turn::At if email && hits.last().is_none_or(|hit| hit.range.end != at) => {
                (url::email(bytes, at), true)
            }
            Turn::Nobody | Turn::At => (None, false),
        };
        at += 1;
        if let Some(hit) = hit {
            if to_end {
                at = hit.range.end.max(at);
            }
            hits.push(hit);
        }
    }
    hits
}

/// Joins hits that overlap, so that nothing of either is left.
pub(super) fn apart(mut hits: Vec<Hit<'_>>) -> Vec<Hit<'_>> {
    hits.sort_by_key(|hit| (hit.range.start, std::cmp::Reverse(hit.range.end), hit.rank));
    let mut apart: Vec<Hit<'_>> = Vec::with_capacity(hits.len());
    for hit in hits {
        match apart.last_mut() {
            Some(last) if hit.range.start < last.range.end => {
                last.range.end = last.range.end.max(hit.range.end);
            }
            _ => apart.push(hit),
        }
    }
    apart
}
