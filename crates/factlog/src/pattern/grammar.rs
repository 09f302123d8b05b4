//! The text of a pattern: what is written, and where it is wrong.
//!
//! ```text
//! pattern  = sequence [ "within" LENGTH ] [ "by" KEY ]
//! sequence = either { ( "followed by" | "not followed by" ) either }
//! either   = both { "or" both }
//! both     = repeated { "and" repeated }
//! repeated = one [ NUMBER "times" ]
//! one      = "(" sequence ")" | [ NAME ": " ] TYPE [ "[" CONDITION "]" ]
//! ```

use std::time::Duration;

use winnow::ascii::{Caseless, digit1, multispace0};
use winnow::combinator::{alt, cut_err, delimited, eof, fail, not, opt, peek, preceded, repeat, terminated};
use winnow::error::{ContextError, StrContext, StrContextValue};
use winnow::prelude::*;
use winnow::token::{any, literal, one_of, take_till, take_while};

use super::{LENGTH_MAX, PATTERN_BYTES_MAX, PATTERN_DEPTH_MAX, TIMES_MAX};
use crate::error::shown;
use crate::{Error, EventKey, Expression, Result, TypePattern};

/// Words that are no types unless they stand in quotes.
const KEYWORDS: [&str; 8] = ["followed", "not", "and", "or", "times", "within", "by", "then"];

/// A pattern as it is written.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) node: Node,
    pub(super) within: Option<Duration>,
    pub(super) by: Option<EventKey>,
}

/// A part of it.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Step(Step),
    /// One, and what follows it or does not.
    Sequence(Box<Node>, Vec<(Follows, Node)>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Times(Box<Node>, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    Does,
    DoesNot,
}

/// An event of a type.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) name: Option<String>,
    pub(super) event_type: TypePattern,
    pub(super) condition: Option<Expression>,
}

/// Reads a pattern.
///
/// # Errors
/// `Invalid`, with the column where it is wrong and what was expected there.
pub(super) fn parse(text: &str) -> Result<Written> {
    if text.len() > PATTERN_BYTES_MAX {
        return Err(Error::invalid(format!(
            "a pattern of {} bytes; {PATTERN_BYTES_MAX} are allowed",
            text.len()
        )));
    }
    if depth(text) > PATTERN_DEPTH_MAX {
        return Err(Error::invalid(format!(
            "the parentheses of the pattern are nested deeper than {PATTERN_DEPTH_MAX}"
        )));
    }
    pattern.parse(text).map_err(|wrong| {
        let span = wrong.char_span();
        unreadable(text, span.start, wrong.inner())
    })
}

fn depth(text: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' => now += 1,
            b')' => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

fn unreadable(text: &str, offset: usize, inner: &ContextError) -> Error {
    let column = text[..offset].chars().count() + 1;
    let place = match text[offset..].trim() {
        "" => "at its end".to_owned(),
        rest => format!("at column {column}, at {}", shown(rest)),
    };
    if let Some(cause) = inner.cause() {
        let error = Error::invalid(format!("the pattern is wrong {place}: {cause}"));
        return match cause.downcast_ref::<Error>().and_then(Error::hint) {
            Some(hint) => error.with_hint(hint.to_owned()),
            None => error,
        };
    }
    let mut expected: Vec<String> = Vec::new();
    for context in inner.context() {
        if let StrContext::Expected(value) = context {
            let word = match value {
                StrContextValue::Description(what) => (*what).to_owned(),
                other => other.to_string().replace('`', "\""),
            };
            if !expected.contains(&word) {
                expected.push(word);
            }
        }
    }
    let expected = match expected.split_last() {
        None => "it cannot be read".to_owned(),
        Some((only, [])) => format!("expected {only}"),
        Some((last, others)) => format!("expected {} or {last}", others.join(", ")),
    };
    Error::invalid(format!("the pattern is wrong {place}: {expected}"))
        .with_hint("for example: task:failed followed by task:queued within 5m by stream")
}

fn is(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}

fn word(text: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::StringLiteral(text))
}

fn pattern(input: &mut &str) -> ModalResult<Written> {
    let node = preceded(multispace0, sequence).parse_next(input)?;
    let mut written = Written { node, within: None, by: None };
    loop {
        if written.within.is_none() && opt(keyword("within")).parse_next(input)?.is_some() {
            written.within = Some(
                cut_err(length).context(is("a length of time such as 30s, 5m or 2h")).parse_next(input)?,
            );
        } else if written.by.is_none() && opt(keyword("by")).parse_next(input)?.is_some() {
            written.by = Some(
                cut_err(key)
                    .context(is("stream, correlation, source, session, user or data.FIELD"))
                    .parse_next(input)?,
            );
        } else {
            break;
        }
    }
    let end = cut_err(eof);
    match (written.within.is_some(), written.by.is_some()) {
        (false, false) => end
            .context(word("followed by"))
            .context(word("not followed by"))
            .context(word("and"))
            .context(word("or"))
            .context(word("within"))
            .context(word("by"))
            .context(is("the end"))
            .parse_next(input)?,
        (false, true) => end.context(word("within")).context(is("the end")).parse_next(input)?,
        (true, false) => end.context(word("by")).context(is("the end")).parse_next(input)?,
        (true, true) => end.context(is("the end")).parse_next(input)?,
    };
    Ok(written)
}

fn sequence(input: &mut &str) -> ModalResult<Node> {
    let first = either.parse_next(input)?;
    let more: Vec<(Follows, Node)> = repeat(0.., (follows, cut_err(either))).parse_next(input)?;
    Ok(if more.is_empty() { first } else { Node::Sequence(Box::new(first), more) })
}

fn follows(input: &mut &str) -> ModalResult<Follows> {
    let negated = opt(keyword("not")).parse_next(input)?;
    if negated.is_some() {
        cut_err(keyword("followed")).context(word("followed by")).parse_next(input)?;
    } else {
        keyword("followed").parse_next(input)?;
    }
    cut_err(keyword("by")).context(word("by")).parse_next(input)?;
    Ok(if negated.is_some() { Follows::DoesNot } else { Follows::Does })
}

fn either(input: &mut &str) -> ModalResult<Node> {
    several(both, "or", Node::Or, input)
}

fn both(input: &mut &str) -> ModalResult<Node> {
    several(repeated, "and", Node::And, input)
}

fn several(
    mut part: fn(&mut &str) -> ModalResult<Node>,
    between: &'static str,
    of: fn(Vec<Node>) -> Node,
    input: &mut &str,
) -> ModalResult<Node> {
    let first = part.parse_next(input)?;
    let mut all = vec![first];
    let more: Vec<Node> = repeat(0.., preceded(keyword(between), cut_err(part))).parse_next(input)?;
    all.extend(more);
    Ok(if all.len() == 1 { all.remove(0) } else { of(all) })
}

fn repeated(input: &mut &str) -> ModalResult<Node> {
    let node = one.parse_next(input)?;
    let count = opt((peek(digit1), cut_err(times))).parse_next(input)?;
    Ok(match count {
        Some((_, count)) => Node::Times(Box::new(node), count),
        None => node,
    })
}

fn times(input: &mut &str) -> ModalResult<usize> {
    let number = terminated(digit1, multispace0).try_map(|digits: &str| match digits.parse::<usize>() {
        Ok(count) if (1..=TIMES_MAX).contains(&count) => Ok(count),
        _ => Err(Error::invalid(format!("something can be repeated 1 to {TIMES_MAX} times"))),
    });
    terminated(number, keyword("times").context(word("times"))).parse_next(input)
}

fn one(input: &mut &str) -> ModalResult<Node> {
    let group = delimited(
        ('(', multispace0),
        cut_err(sequence),
        cut_err((')', multispace0))
            .context(word("followed by"))
            .context(word("not followed by"))
            .context(word("and"))
            .context(word("or"))
            .context(StrContext::Expected(StrContextValue::CharLiteral(')'))),
    );
    // What is expected is told where neither has begun.
    let neither = fail
        .context(is("a type of event such as task:failed"))
        .context(StrContext::Expected(StrContextValue::CharLiteral('(')));
    alt((group, step.map(Node::Step), neither)).parse_next(input)
}

fn step(input: &mut &str) -> ModalResult<Step> {
    let name = opt(name).parse_next(input)?;
    let event_type = if name.is_some() {
        cut_err(event_type).context(is("a type of event such as task:failed")).parse_next(input)?
    } else {
        event_type.parse_next(input)?
    };
    let condition = opt(condition).parse_next(input)?;
    multispace0.parse_next(input)?;
    Ok(Step { name: name.map(str::to_owned), event_type, condition })
}

/// A name: a word, a colon, and a space behind it, which tells it from a type such as `task:failed`.
fn name<'t>(input: &mut &'t str) -> ModalResult<&'t str> {
    let first = one_of(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = take_while(0.., |c: char| c.is_ascii_alphanumeric() || c == '_');
    let word = (first, rest).take();
    terminated(word, (':', peek(one_of(char::is_whitespace)), multispace0)).parse_next(input)
}

fn is_of_type(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '(' | ')' | '[' | ']' | '"' | ',')
}

fn event_type(input: &mut &str) -> ModalResult<TypePattern> {
    let bare = take_while(1.., is_of_type)
        .verify(|word: &str| !KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word)));
    let quoted = delimited('"', cut_err(take_till(1.., '"')), cut_err('"').context(is("the closing \"")));
    alt((quoted, bare)).try_map(str::parse).parse_next(input)
}

/// What stands in brackets, up to the one that closes them; those of the condition itself and its texts do not.
fn condition(input: &mut &str) -> ModalResult<Expression> {
    let inside = terminated(inside_brackets, ']'.context(is("the closing ]")));
    preceded('[', cut_err(inside.try_map(Expression::compile))).parse_next(input)
}

fn inside_brackets<'t>(input: &mut &'t str) -> ModalResult<&'t str> {
    let mut depth = 0_usize;
    let mut quote: Option<char> = None;
    let mut is_escaped = false;
    let end = input.char_indices().find(|(_, c)| {
        match (quote, *c) {
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(*c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return true,
            (None, ']') => depth -= 1,
            _ => {}
        }
        false
    });
    let bytes = end.map_or(input.len(), |(at, _)| at);
    winnow::token::take(input[..bytes].chars().count()).parse_next(input)
}

fn key(input: &mut &str) -> ModalResult<EventKey> {
    terminated(take_while(1.., is_of_type).try_map(str::parse), multispace0).parse_next(input)
}

fn length(input: &mut &str) -> ModalResult<Duration> {
    terminated(take_while(1.., |c: char| c.is_ascii_alphanumeric()).try_map(length_of), multispace0)
        .parse_next(input)
}

/// A length of time: `500ms`, `30s`, `5m`, `2h`, `7d`, `1w`.
pub(super) fn length_of(text: &str) -> Result<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let unit_ms = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => 0,
    };
    let length = text[..digits].parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms));
    let length =
        length.filter(|ms| (1..=LENGTH_MAX.as_millis() as u64).contains(ms)).map(Duration::from_millis);
    length.ok_or_else(|| {
        Error::invalid(format!("{} is no length of time", shown(text)))
            .with_hint("a number and a unit: 500ms, 30s, 5m, 2h, 7d or 1w; at most 10 years")
    })
}

/// A word of the language, in any case, with the space behind it.
fn keyword(text: &'static str) -> impl FnMut(&mut &str) -> ModalResult<()> {
    move |input: &mut &str| {
        let part = any.verify(|c: &char| is_of_type(*c));
        (literal(Caseless(text)), not(part), multispace0).void().parse_next(input)
    }
}
