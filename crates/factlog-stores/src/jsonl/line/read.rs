//! A line read: first its checksum, then its fixed layout, which a right checksum lets us trust.

#![expect(clippy::option_option, reason = "the outer one is failure, the inner one an absent field")]

use std::borrow::Cow;

use factlog::limits::POSITION_MAX;
use factlog::sealed_line::cut_number;
use factlog::{
    Event, EventId, EventType, Json, NewEvent, Position, Priority, StreamName, Tag, Text, Timestamp, Version,
};
use memchr::{memchr, memchr2};
use uuid::Uuid;

/// What a line is.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives on the stack while one line is looked at")]
pub(crate) enum Line<'a> {
    /// An event.
    Event(Fields<'a>),
    /// Events stood here, from and to these positions, and were removed.
    Removed(Position, Position),
}

/// An event's fields as they stand in its line: texts may have escapes, lists are JSON.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) position: Position,
    pub(crate) id: Uuid,
    pub(crate) stream: &'a str,
    pub(crate) version: Version,
    pub(crate) event_type: &'a str,
    pub(crate) source: Option<&'a str>,
    pub(crate) targets: Option<&'a str>,
    pub(crate) recorded_at: &'a str,
    pub(crate) occurred_at: Option<&'a str>,
    pub(crate) correlation_id: Option<&'a str>,
    pub(crate) causation_id: Option<&'a str>,
    pub(crate) session_id: Option<&'a str>,
    pub(crate) user_id: Option<&'a str>,
    pub(crate) priority: Option<&'a str>,
    pub(crate) expires_at: Option<&'a str>,
    pub(crate) traceparent: Option<&'a str>,
    pub(crate) tags: Option<&'a str>,
    pub(crate) metadata: Option<&'a str>,
    pub(crate) data: &'a str,
    /// Events of the same batch that follow.
    pub(crate) more: u64,
    /// The first position of its write, where the lines of that have stamps of their own.
    pub(crate) group: Option<u64>,
}

/// What the lines of one write have in common, and no line of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupKey<'a> {
    Stamp(&'a str),
    First(u64),
}

/// Reads a line whose checksum is right; none where the layout is not ours.
pub(crate) fn parse(body: &[u8]) -> Option<Line<'_>> {
    let text = std::str::from_utf8(body).ok()?;
    let mut rest = Rest(text);
    if rest.eat("{\"removed\":[") {
        let first = rest.number()?;
        rest.need(",")?;
        let last = rest.number()?;
        return (rest.0 == "]" && first > 0 && first <= last)
            .then_some(Line::Removed(Position(first), Position(last)));
    }
    let mut fields = head(&mut rest)?;
    fields.occurred_at = rest.text(",\"occurredAt\":\"")?;
    fields.correlation_id = rest.text(",\"correlationId\":\"")?;
    fields.causation_id = rest.text(",\"causationId\":\"")?;
    fields.session_id = rest.text(",\"sessionId\":\"")?;
    fields.user_id = rest.text(",\"userId\":\"")?;
    fields.priority = rest.text(",\"priority\":\"")?;
    fields.expires_at = rest.text(",\"expiresAt\":\"")?;
    fields.traceparent = rest.text(",\"traceparent\":\"")?;
    fields.tags = rest.value(",\"tags\":")?;
    fields.metadata = rest.value(",\"metadata\":")?;
    rest.need(",\"data\":")?;
    let mut data = rest.0;
    fields.group = cut_number(&mut data, ",\"group\":");
    fields.more = cut_number(&mut data, ",\"more\":").unwrap_or(0);
    fields.data = data;
    (!data.is_empty() && fields.position.0 > 0 && fields.version.0 > 0).then_some(Line::Event(fields))
}

/// The fields up to the time of recording.
fn head<'a>(rest: &mut Rest<'a>) -> Option<Fields<'a>> {
    rest.need("{\"position\":")?;
    let mut fields = Fields { position: Position(rest.number()?), ..Fields::default() };
    rest.need(",\"id\":\"")?;
    fields.id = Uuid::try_parse(rest.string()?).ok()?;
    rest.need(",\"stream\":\"")?;
    fields.stream = rest.string()?;
    rest.need(",\"version\":")?;
    fields.version = Version(rest.number()?);
    rest.need(",\"type\":\"")?;
    fields.event_type = rest.string()?;
    fields.source = rest.text(",\"source\":\"")?;
    fields.targets = rest.value(",\"targets\":")?;
    rest.need(",\"recordedAt\":\"")?;
    fields.recorded_at = rest.string()?;
    Some(fields)
}

/// The write of a line whose checksum may be wrong, if its head and its end can be read.
pub(crate) fn parse_legible(body: &[u8]) -> Option<GroupKey<'_>> {
    let mut rest = Rest(std::str::from_utf8(body).ok()?);
    let fields = head(&mut rest)?;
    timestamp(fields.recorded_at)?;
    let group = cut_number(&mut rest.0, ",\"group\":");
    Some(group.map_or(GroupKey::Stamp(fields.recorded_at), GroupKey::First))
}

/// A position, a version or a count: none of ours is over the bound of positions, so that the next number is one, too.
fn counted(digits: &str) -> Option<u64> {
    digits.parse().ok().filter(|number| *number <= POSITION_MAX)
}

/// What is left of a line.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn eat(&mut self, token: &str) -> bool {
        match self.0.strip_prefix(token) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn need(&mut self, token: &str) -> Option<()> {
        self.eat(token).then_some(())
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        counted(number)
    }

    /// Up to the closing quote, which is passed.
    fn string(&mut self) -> Option<&'a str> {
        let end = string_end(self.0.as_bytes())?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Some(text)
    }

    fn text(&mut self, token: &str) -> Option<Option<&'a str>> {
        if self.eat(token) { self.string().map(Some) } else { Some(None) }
    }

    /// An array or an object.
    fn value(&mut self, token: &str) -> Option<Option<&'a str>> {
        if !self.eat(token) {
            return Some(None);
        }
        let bytes = self.0.as_bytes();
        let (mut depth, mut at) = (0_usize, 0);
        loop {
            match bytes.get(at)? {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.checked_sub(1)?,
                b'"' => at += 1 + string_end(&bytes[at + 1..])?,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                let value = self.0.get(..at)?;
                self.0 = &self.0[at..];
                return Some(Some(value));
            }
        }
    }
}

/// Where the quote is that ends a string.
fn string_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// A text without its escapes.
pub(crate) fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    if memchr(b'\\', text.as_bytes()).is_none() {
        return Some(Cow::Borrowed(text));
    }
    serde_json::from_str::<String>(&format!("\"{text}\"")).ok().map(Cow::Owned)
}

/// The event of a line; none where a value is none of ours.
pub(crate) fn event(fields: &Fields<'_>) -> Option<Event> {
    macro_rules! text {
        ($kind:ident, $text:expr) => {
            $kind::trusted(unescaped($text)?)
        };
    }
    macro_rules! maybe {
        ($kind:ident, $text:expr) => {
            match $text {
                Some(text) => Some(text!($kind, text)),
                None => None,
            }
        };
    }
    let list = |json: Option<&str>| json.map_or(Ok(Vec::new()), serde_json::from_str::<Vec<Text>>);
    let fact = NewEvent {
        id: EventId(fields.id),
        stream: text!(StreamName, fields.stream),
        event_type: text!(EventType, fields.event_type),
        source: maybe!(Text, fields.source),
        targets: list(fields.targets).ok()?,
        occurred_at: maybe_time(fields.occurred_at)?,
        correlation_id: maybe!(Text, fields.correlation_id),
        causation_id: match fields.causation_id {
            Some(id) => Some(EventId(Uuid::try_parse(id).ok()?)),
            None => None,
        },
        session_id: maybe!(Text, fields.session_id),
        user_id: maybe!(Text, fields.user_id),
        priority: match fields.priority {
            Some(priority) => Some(priority.parse::<Priority>().ok()?),
            None => None,
        },
        expires_at: maybe_time(fields.expires_at)?,
        traceparent: maybe!(Text, fields.traceparent),
        tags: fields.tags.map_or(Ok(Vec::new()), serde_json::from_str::<Vec<Tag>>).ok()?,
        metadata: fields.metadata.map(Json::trusted),
        data: Json::trusted(fields.data),
    };
    let recorded_at = timestamp(fields.recorded_at)?;
    Some(Event { position: fields.position, version: fields.version, recorded_at, fact })
}

fn maybe_time(text: Option<&str>) -> Option<Option<Timestamp>> {
    match text {
        Some(text) => timestamp(text).map(Some),
        None => Some(None),
    }
}

/// Reads a time as [`Timestamp`] writes it; days by Howard Hinnant's `days_from_civil`.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 27] = text.as_bytes().try_into().ok()?;
    let number = |from: usize, to: usize| {
        bytes[from..to].iter().try_fold(0_i64, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
        })
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (26, b'Z')];
    if marks.iter().any(|(at, mark)| bytes[*at] != *mark) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days =
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    let seconds = days * 86_400 + number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    Timestamp::from_micros(seconds * 1_000_000 + number(20, 26)?).ok()
}
