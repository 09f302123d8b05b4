//! One event with all it has, for eyes.

use std::fmt::Write;

use factlog::{Event, Json, Timestamp};

use super::pretty;

/// All fields of an event that it has, and its data over several lines.
pub(super) fn whole(event: &Event) -> String {
    fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
        texts.collect::<Vec<_>>().join(", ")
    }
    let fields = [
        ("position", Some(event.position.to_string())),
        ("id", Some(event.id.to_string())),
        ("stream", Some(format!("{} v{}", event.stream, event.version))),
        ("type", Some(event.event_type.to_string())),
        ("source", event.source.as_ref().map(ToString::to_string)),
        ("targets", Some(list(event.targets.iter().map(factlog::Text::as_str)))),
        ("occurred", event.occurred_at.map(|time| time.to_string())),
        ("recorded", Some(event.recorded_at.to_string())),
        ("correlation", event.correlation_id.as_ref().map(ToString::to_string)),
        ("causation", event.causation_id.map(|id| id.to_string())),
        ("session", event.session_id.as_ref().map(ToString::to_string)),
        ("user", event.user_id.as_ref().map(ToString::to_string)),
        ("priority", event.priority.map(|priority| priority.as_str().to_owned())),
        ("expires", expires(event, Timestamp::now())),
        ("traceparent", event.traceparent.as_ref().map(ToString::to_string)),
        ("tags", Some(list(event.tags.iter().map(factlog::Tag::as_str)))),
        ("metadata", event.metadata.as_ref().map(|metadata| harmless(metadata.as_str()))),
    ];
    let mut shown = String::new();
    for (name, value) in fields {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            // Writing into a text cannot fail.
            let _ = writeln!(shown, "{name:<12} {value}");
        }
    }
    let _ = writeln!(shown, "{}", data(&event.data));
    shown
}

/// When the delivery of an event ends, and whether it has.
pub(crate) fn expires(event: &Event, now: Timestamp) -> Option<String> {
    let said = if event.has_expired(now) { " (expired)" } else { "" };
    event.expires_at.map(|time| format!("{time}{said}"))
}

fn data(data: &Json) -> String {
    harmless(&pretty(data))
}

/// JSON in which no character moves the cursor: what JSON leaves as it is, terminals may obey.
fn harmless(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_control() && character != '\n' {
            let _ = write!(shown, "\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_shown_with_all_it_has_and_cannot_touch_the_terminal() {
        let event: Event = serde_json::from_value(serde_json::json!({
            "position": 7, "id": "0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d", "stream": "task-1", "version": 2,
            "type": "task:noted", "source": "ada", "recordedAt": "2026-11-20T23:44:30Z", "tags": ["a", "b"],
            "data": {"text": "one\u{9b}31mtwo", "n": [1]}
        }))
        .unwrap();
        insta::assert_snapshot!(whole(&event), @r#"
        position     7
        id           0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d
        stream       task-1 v2
        type         task:noted
        source       ada
        recorded     2026-11-20T23:44:30.000000Z
        tags         a, b
        {
          "text": "one\u009b31mtwo",
          "n": [
            1
          ]
        }
        "#);
    }
}
