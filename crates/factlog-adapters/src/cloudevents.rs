//! CloudEvents 1.0.2, JSON format.
//!
//! | attribute | of the event |
//! |---|---|
//! | `id`, `type` | id, type |
//! | `source` | source, or `factlog`; a URI-reference, so what may not stand in one is percent-encoded |
//! | `subject` | stream |
//! | `time` | a person's time: when it happened, else when it was recorded |
//! | `sequence` | position, in 20 digits: the Sequence extension compares texts |
//! | `recordedtime`, `expirytime` | when it was recorded, when its delivery ends |
//! | `correlationid`, `causationid`, `traceparent` | correlation, causation, trace |
//! | `sessionid`, `userid`, `priority` | session, user, priority |
//! | `targets`, `tags` | joined by commas; in each of them `%` is written `%25` and a comma `%2C` |
//! | `streamversion` | version, in decimal digits: an Integer of CloudEvents has 32 bits, too few |
//! | `metadata` | metadata, as a text of JSON: an attribute cannot be an object |
//! | `data` | data, byte for byte |
//!
//! What an event does not have is left out.

use factlog::{Event, EventId, Json, Priority, Tag, Text, Timestamp};
use serde::Serialize;

/// The source of an event that names none.
const SOURCE: &str = "factlog";

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: EventId,
    source: String,
    r#type: &'a str,
    subject: &'a str,
    time: Timestamp,
    datacontenttype: &'static str,
    sequence: String,
    streamversion: String,
    recordedtime: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    expirytime: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlationid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sessionid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    userid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(skip_serializing_if = "String::is_empty")]
    targets: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    tags: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a str>,
    data: &'a Json,
}

/// The event as a `CloudEvent` in one line of JSON.
pub fn to_cloud_event(event: &Event) -> String {
    let cloud_event = CloudEvent {
        specversion: "1.0",
        id: event.id,
        source: uri_reference(event.source.as_deref().unwrap_or(SOURCE)),
        r#type: &event.event_type,
        subject: &event.stream,
        time: event.time(),
        datacontenttype: "application/json",
        sequence: format!("{:020}", event.position.0),
        streamversion: event.version.0.to_string(),
        recordedtime: event.recorded_at,
        expirytime: event.expires_at,
        correlationid: event.correlation_id.as_deref(),
        causationid: event.causation_id,
        traceparent: event.traceparent.as_deref(),
        sessionid: event.session_id.as_deref(),
        userid: event.user_id.as_deref(),
        priority: event.priority,
        targets: joined(event.targets.iter().map(Text::as_str)),
        tags: joined(event.tags.iter().map(Tag::as_str)),
        metadata: event.metadata.as_ref().map(Json::as_str),
        data: &event.data,
    };
    serde_json::to_string(&cloud_event).unwrap_or_else(|error| unreachable!("checked JSON is JSON: {error}"))
}

fn joined<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let escaped: Vec<String> = values.map(|value| value.replace('%', "%25").replace(',', "%2C")).collect();
    escaped.join(",")
}

/// The text with all that may not stand in a URI-reference (RFC 3986) percent-encoded; one that is a URI-reference
/// without brackets stays as it is.
fn uri_reference(text: &str) -> String {
    let first_colon = text.find([':', '/', '?', '#']).filter(|&at| text[at..].starts_with(':'));
    // A colon before the first slash ends a scheme; where there can be none, it would be misread as one.
    let is_scheme = first_colon.is_some_and(|at| is_scheme(&text[..at]));
    let first_segment_end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let mut encoded = String::with_capacity(text.len());
    let mut in_fragment = false;
    for (at, byte) in text.bytes().enumerate() {
        let stays = match byte {
            b':' => is_scheme || at > first_segment_end,
            b'#' => !std::mem::replace(&mut in_fragment, true),
            b'%' => is_escape(&text.as_bytes()[at..]),
            byte => byte.is_ascii_alphanumeric() || b"-._~/?@!$&'()*+,;=".contains(&byte),
        };
        if stays {
            encoded.push(char::from(byte));
        } else {
            let digit = |four: u8| char::from(b"0123456789ABCDEF"[usize::from(four)]);
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn is_escape(bytes: &[u8]) -> bool {
    bytes.len() >= 3 && bytes[1..3].iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source such as `agent 7` or `a_b:c` made CloudEvents that strict readers refuse.
    #[test]
    fn a_source_is_a_uri_reference() {
        for (source, expected) in [
            ("claude-code/agent-1", "claude-code/agent-1"),
            ("urn:agent:7", "urn:agent:7"),
            ("https://example.org/a%20b?c=d#e", "https://example.org/a%20b?c=d#e"),
            ("agent 7", "agent%207"),
            ("a_b:c:d", "a_b%3Ac%3Ad"),
            ("7:x", "7%3Ax"),
            ("a_b/c:d", "a_b/c:d"),
            (":x", "%3Ax"),
            ("50%", "50%25"),
            ("50%zz", "50%25zz"),
            ("a#b#c", "a#b%23c"),
            ("ä[1]", "%C3%A4%5B1%5D"),
        ] {
            assert_eq!(uri_reference(source), expected, "{source}");
        }
    }

    #[test]
    fn commas_inside_joined_values_are_told_from_those_between() {
        assert_eq!(joined(["a,b", "50%", "c"].into_iter()), "a%2Cb,50%25,c");
    }
}
