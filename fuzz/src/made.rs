//! Events made of any bytes.

use arbitrary::{Result, Unstructured};
use factlog::{
    Event, EventId, EventType, Json, NewEvent, Position, Priority, StreamName, Tag, Text, Timestamp, Version,
};
use uuid::Uuid;

/// Values inside of values.
const DEPTH_MAX: usize = 4;

/// An event that a log takes.
pub(crate) fn event(bytes: &mut Unstructured<'_>) -> Result<Event> {
    let stream = StreamName::new(name(bytes)?).unwrap_or_else(|_| StreamName::trusted("task-1"));
    let event_type = EventType::new(name(bytes)?).unwrap_or_else(|_| EventType::trusted("task:created"));
    let mut fact = NewEvent::of(stream, event_type, data(bytes)?);
    fact.id = EventId(Uuid::from_u128(bytes.arbitrary()?));
    fact.source = text(bytes)?;
    fact.correlation_id = text(bytes)?;
    fact.session_id = text(bytes)?;
    fact.user_id = text(bytes)?;
    fact.traceparent = text(bytes)?;
    for _ in 0..bytes.int_in_range(0..=3)? {
        fact.targets.extend(Text::new(name(bytes)?).ok());
        fact.tags.extend(Tag::new(name(bytes)?).ok());
    }
    if bytes.arbitrary()? {
        fact.causation_id = Some(EventId(Uuid::from_u128(bytes.arbitrary()?)));
        fact.occurred_at = time(bytes)?;
        fact.expires_at = time(bytes)?;
        fact.priority =
            bytes.choose(&["critical", "high", "normal", "low", "none"])?.parse::<Priority>().ok();
        fact.metadata = Some(data(bytes)?).filter(Json::is_object);
    }
    Ok(Event {
        position: Position(bytes.int_in_range(1..=Position::MAX.0)?),
        version: Version(bytes.int_in_range(1..=Position::MAX.0)?),
        recorded_at: time(bytes)?.unwrap_or_else(|| Timestamp::from_micros(0).expect("1970")),
        fact,
    })
}

fn name(bytes: &mut Unstructured<'_>) -> Result<String> {
    bytes.arbitrary::<&str>().map(str::to_owned)
}

fn text(bytes: &mut Unstructured<'_>) -> Result<Option<Text>> {
    Ok(if bytes.arbitrary()? { Text::new(name(bytes)?).ok() } else { None })
}

fn time(bytes: &mut Unstructured<'_>) -> Result<Option<Timestamp>> {
    Ok(Timestamp::from_micros(bytes.arbitrary()?).ok())
}

fn data(bytes: &mut Unstructured<'_>) -> Result<Json> {
    let mut out = String::new();
    value(bytes, &mut out, 0)?;
    // Two keys may be alike.
    Ok(Json::parse(&out).unwrap_or_else(|_| Json::empty_object()))
}

fn value(bytes: &mut Unstructured<'_>, out: &mut String, depth: usize) -> Result<()> {
    let kinds: u8 = if depth == DEPTH_MAX { 3 } else { 5 };
    match bytes.int_in_range(0..=kinds)? {
        0 => out.push_str(bytes.choose(&[
            "null",
            "true",
            "false",
            "-0.0",
            "1e400",
            "9007199254740993",
            "{}",
            "[]",
        ])?),
        1 => out.push_str(&bytes.arbitrary::<i64>()?.to_string()),
        2 | 3 => out.push_str(&quoted(&name(bytes)?)),
        kind => {
            let is_object = kind == 5;
            out.push(if is_object { '{' } else { '[' });
            for index in 0..bytes.int_in_range(0..=3)? {
                if index > 0 {
                    out.push(',');
                }
                if is_object {
                    out.push_str(&quoted(&name(bytes)?));
                    out.push(':');
                }
                value(bytes, out, depth + 1)?;
            }
            out.push(if is_object { '}' } else { ']' });
        }
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}
