//! Times as people write them. A time without an offset is UTC.

use std::time::Duration;

use factlog::{Error, Result, Timestamp};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, ToSpan, Zoned};

/// Which end of a range a time stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A bare date begins with its first moment.
    From,
    /// A bare date is included: it ends with the first moment of the next.
    To,
}

/// Reads a time: `2026-11-20T23:44:30Z`, `2026-11-20 23:44`, `2026-11-20`, `today`, `yesterday`, `now`, or `2h` ago.
///
/// # Errors
/// `Invalid`, with the ways to write a time.
pub(crate) fn parse(text: &str, end: End, now: Timestamp) -> Result<Timestamp> {
    let utc = now.to_jiff().to_zoned(TimeZone::UTC);
    let day = |date: Date| -> Result<Timestamp> {
        let date = if end == End::To { date.tomorrow() } else { Ok(date) };
        moment(date.and_then(|date| date.to_zoned(TimeZone::UTC)))
    };
    match text {
        "now" => return Ok(now),
        "today" => return day(utc.date()),
        "yesterday" => return day(utc.date().yesterday().map_err(|_| unknown(text))?),
        _ => {}
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    // A date has neither a time nor a clock's colon in it.
    if !text.contains(':')
        && let Ok(date) = text.parse::<Date>()
    {
        return day(date);
    }
    if let Ok(time) = text.parse::<DateTime>() {
        return moment(time.to_zoned(TimeZone::UTC));
    }
    let span = span(text).ok_or_else(|| unknown(text))?;
    moment(utc.checked_sub(span))
}

/// A moment after now: a time as above, or a span such as `30m`.
pub(crate) fn parse_future(text: &str, now: Timestamp) -> Result<Timestamp> {
    match span(text) {
        Some(span) => moment(now.to_jiff().to_zoned(TimeZone::UTC).checked_add(span)),
        None => parse(text, End::From, now).map_err(|error| {
            error.with_hint("write 2026-11-20T23:44:30Z, 2026-11-20, or a span from now such as 30m")
        }),
    }
}

/// The beginning of a period: `today`, `all` (none), or a span such as `7d` before now.
pub(crate) fn period(text: &str, now: Timestamp) -> Result<Option<Timestamp>> {
    match text {
        "all" => Ok(None),
        "today" | "yesterday" => parse(text, End::From, now).map(Some),
        _ if span(text).is_some() => parse(text, End::From, now).map(Some),
        _ => Err(Error::invalid(format!("{text:?} is no period"))
            .with_hint("a period is today, a span such as 7d or 12h, or all")),
    }
}

/// A length of time: `90s`, `30m`, `12h`, `7d`, `2w`.
///
/// # Errors
/// `Invalid`, with the ways to write it.
pub(crate) fn age(text: &str) -> Result<Duration> {
    let long = span(text).and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let long = long.and_then(|long| Duration::try_from(long).ok());
    long.ok_or_else(|| {
        Error::invalid(format!("{text:?} is no age"))
            .with_hint("an age is a number and a unit: 90s, 30m, 12h, 30d or 8w")
    })
}

/// How long to wait, or to keep something: an age, or milliseconds as `500ms`.
///
/// # Errors
/// `Invalid`, with the ways to write it.
pub(crate) fn length(text: &str) -> Result<Duration> {
    let milliseconds =
        text.strip_suffix("ms").and_then(|number| number.parse().ok()).map(Duration::from_millis);
    milliseconds.map_or_else(|| age(text), Ok).map_err(|_| {
        Error::invalid(format!("{text:?} is no length of time"))
            .with_hint("a length of time is a number and a unit: 500ms, 30s, 5m, 2h or 7d")
    })
}

/// `90s`, `30m`, `12h`, `7d`, `2w`.
fn span(text: &str) -> Option<Span> {
    let unit = text.chars().last()?;
    let number: i64 =
        text.strip_suffix(unit)?.parse().ok().filter(|number| (0..=1_000_000).contains(number))?;
    Some(match unit {
        's' => number.seconds(),
        'm' => number.minutes(),
        'h' => number.hours(),
        'd' => number.days(),
        'w' => number.weeks(),
        _ => return None,
    })
}

fn moment(zoned: Result<Zoned, jiff::Error>) -> Result<Timestamp> {
    let zoned = zoned.map_err(|cause| Error::invalid(format!("the time is out of range: {cause}")))?;
    Timestamp::from_jiff(zoned.timestamp())
}

fn unknown(text: &str) -> Error {
    Error::invalid(format!("{text:?} is no time"))
        .with_hint("write 2026-11-20T23:44:30Z, 2026-11-20, today, yesterday, now, or a span ago such as 2h")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now = "2026-11-20T23:44:30Z".parse().unwrap();
        for (text, from, to) in [
            ("2026-11-20", "2026-11-20T00:00:00.000000Z", "2026-11-21T00:00:00.000000Z"),
            ("today", "2026-11-20T00:00:00.000000Z", "2026-11-21T00:00:00.000000Z"),
            ("yesterday", "2026-11-19T00:00:00.000000Z", "2026-11-20T00:00:00.000000Z"),
            ("2026-11-20T10:00:00+02:00", "2026-11-20T08:00:00.000000Z", "2026-11-20T08:00:00.000000Z"),
            ("2026-11-20 10:30", "2026-11-20T10:30:00.000000Z", "2026-11-20T10:30:00.000000Z"),
            ("now", "2026-11-20T23:44:30.000000Z", "2026-11-20T23:44:30.000000Z"),
            ("2h", "2026-11-20T21:44:30.000000Z", "2026-11-20T21:44:30.000000Z"),
            ("7d", "2026-11-13T23:44:30.000000Z", "2026-11-13T23:44:30.000000Z"),
        ] {
            assert_eq!(parse(text, End::From, now).unwrap().to_string(), from, "{text}");
            assert_eq!(parse(text, End::To, now).unwrap().to_string(), to, "{text}");
        }
        for text in ["", "soon", "7x", "2026-13-01", "d", "-1d"] {
            assert!(parse(text, End::From, now).is_err(), "{text}");
        }
        for (text, seconds) in [("90s", 90), ("30d", 30 * 24 * 60 * 60), ("2w", 14 * 24 * 60 * 60), ("0s", 0)]
        {
            assert_eq!(age(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["30", "d", "-1d", "1y", "30 d"] {
            assert!(age(text).is_err(), "{text}");
        }
        assert_eq!(length("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(length("5m").unwrap(), Duration::from_secs(300));
        for text in ["ms", "-5ms", "soon"] {
            assert!(length(text).is_err(), "{text}");
        }
        assert_eq!(parse_future("30m", now).unwrap().to_string(), "2026-11-21T00:14:30.000000Z");
    }
}
