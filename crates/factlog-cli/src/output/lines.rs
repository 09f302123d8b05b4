//! Events as a person reads a log: a position, a time, who, what kind, and one line of what happened.

use anstyle::{AnsiColor, Style};
use factlog::{Event, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::gist::gist;
use super::is_coloured;
use super::line::{fitted, is_plain, line};
use super::table::style_of;

/// The width where a terminal does not say its own, and the least that is written for.
const COLUMNS: usize = 80;
const COLUMNS_MIN: usize = 40;
/// A longer position takes more.
const POSITION_COLUMNS: usize = 5;
const AGENT_COLUMNS: usize = 12;
const TYPE_COLUMNS: usize = 16;
/// Characters of a sub-agent's id that are shown.
const AGENT_ID_CHARACTERS: usize = 8;
/// Before what happened, where the delivery of the event has ended.
const EXPIRED: &str = "(expired) ";
/// Between an agent and its sub-agent.
const SUB_AGENT: char = '/';

/// Writes lines; it remembers the day.
pub(super) struct Lines {
    columns: usize,
    coloured: bool,
    zone: TimeZone,
    day: Option<Date>,
}

impl Lines {
    /// Lines for the terminal at standard output.
    pub(super) fn of_terminal() -> Self {
        let columns = terminal_size::terminal_size().map_or(COLUMNS, |(width, _)| usize::from(width.0));
        Self::new(columns, is_coloured(), TimeZone::system())
    }

    fn new(columns: usize, coloured: bool, zone: TimeZone) -> Self {
        Self { columns: columns.max(COLUMNS_MIN), coloured, zone, day: None }
    }

    /// The line of an event, and before it that of its day where a new one begins.
    pub(super) fn add(&mut self, event: &Event) -> String {
        let time = event.time().to_jiff().to_zoned(self.zone.clone());
        let mut text = String::new();
        if self.day != Some(time.date()) {
            self.day = Some(time.date());
            let day = format!("{} {}, UTC{}", time.strftime("%A"), time.date(), time.strftime("%:z"));
            line(&mut text, self.columns, self.coloured, &[(Style::new().bold(), day)]);
        }
        let expired = if event.has_expired(Timestamp::now()) { EXPIRED } else { "" };
        let parts = [
            (Style::new().dimmed(), format!("{:>POSITION_COLUMNS$}  ", event.position.0)),
            (Style::new().dimmed(), format!("{}  ", time.strftime("%H:%M:%S"))),
            (Style::new(), format!("{}  ", fitted(&agent(event), AGENT_COLUMNS))),
            (style(&event.event_type), format!("{}  ", fitted(short(&event.event_type), TYPE_COLUMNS))),
            (Style::new(), format!("{expired}{}", gist(event))),
        ];
        line(&mut text, self.columns, self.coloured, &parts);
        text
    }
}

/// Who said it: a sub-agent stands under its agent.
fn agent(event: &Event) -> String {
    let source: String =
        event.source.as_deref().unwrap_or_default().chars().filter(|c| is_plain(*c)).collect();
    match source.split_once(SUB_AGENT) {
        Some((_, id)) if !id.is_empty() => {
            format!("  {}", id.chars().take(AGENT_ID_CHARACTERS).collect::<String>())
        }
        _ => source,
    }
}

/// The type without what all events of agents begin with.
fn short(event_type: &str) -> &str {
    let own = event_type.strip_prefix("session:").or_else(|| event_type.strip_prefix("hook:"));
    own.filter(|own| !own.is_empty()).unwrap_or(event_type)
}

/// The colour of a type: prompts, replies, calls, results, failures, and others by how they ended.
fn style(event_type: &str) -> Style {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    if !event_type.starts_with("session:") && !event_type.starts_with("hook:") {
        return style_of(event_type);
    }
    match short(event_type) {
        "prompted" | "user-prompt-submit" | "before-agent" => colour(AnsiColor::Magenta).bold(),
        "replied" | "stop" | "subagent-stop" | "after-agent" => colour(AnsiColor::Green),
        "tool-called" | "pre-tool-use" | "permission-request" | "before-tool" => colour(AnsiColor::Cyan),
        "tool-returned" | "post-tool-use" | "after-tool" => colour(AnsiColor::Blue),
        kind if ["failed", "failure", "aborted", "denied"].iter().any(|end| kind.ends_with(end)) => {
            colour(AnsiColor::Red)
        }
        _ => Style::new().dimmed(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn event(time: &str, source: Option<&str>, event_type: &str, data: &Value) -> Event {
        let mut event = json!({
            "position": 7, "id": "0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d", "stream": "session-1", "version": 2,
            "type": event_type, "recordedAt": "2026-11-20T23:44:30Z", "occurredAt": time, "data": data
        });
        if let Some(source) = source {
            event["source"] = json!(source);
        }
        serde_json::from_value(event).unwrap()
    }

    fn some() -> Vec<Event> {
        let claude = Some("claude-code");
        let call = |input: Value| json!({"message": {"content": [{"type": "tool_use", "name": "Bash", "input": input}]}});
        vec![
            event(
                "2026-11-20T21:59:59Z",
                claude,
                "session:prompted",
                &json!({"message": {"content": "Fix the build"}}),
            ),
            event(
                "2026-11-20T22:00:01Z",
                claude,
                "session:tool-called",
                &call(json!({"command": "cargo test --workspace --all-features"})),
            ),
            event(
                "2026-11-20T22:00:02Z",
                Some("claude-code/a7f3b2c9d1e5"),
                "hook:post-tool-use-failure",
                &json!({"tool_name": "Read", "tool_input": {"file_path": "a.rs"}, "error": "no such file"}),
            ),
            event("2026-11-20T22:00:03Z", None, "task:completed", &json!({"pages": 3})),
            event(
                "2026-11-21T23:00:00Z",
                claude,
                "session:replied",
                &json!({"message": {"content": "全部の試験が通りました。🎉 全部の試験が通りました。"}}),
            ),
        ]
    }

    fn shown(columns: usize, coloured: bool) -> String {
        let mut lines = Lines::new(columns, coloured, TimeZone::fixed(jiff::tz::offset(2)));
        some().iter().map(|event| lines.add(event)).collect()
    }

    #[test]
    fn a_log_reads_as_lines_under_their_days() {
        insta::assert_snapshot!(shown(80, false), @r#"
        Friday 2026-11-20, UTC+02:00
            7  23:59:59  claude-code   prompted          Fix the build
        Saturday 2026-11-21, UTC+02:00
            7  00:00:01  claude-code   tool-called       Bash cargo test --workspace --…
            7  00:00:02    a7f3b2c9    post-tool-use-f…  Read a.rs → no such file
            7  00:00:03                task:completed    session-1 {"pages":3}
        Sunday 2026-11-22, UTC+02:00
            7  01:00:00  claude-code   replied           全部の試験が通りました。🎉 全…
        "#);
    }

    /// Expiry ends delivery, not reading: the event is shown, and said to be expired.
    #[test]
    fn an_event_whose_delivery_has_ended_is_said_to_be_expired() {
        let mut event = event("2020-01-01T10:00:00Z", None, "task:noted", &json!({"n": 1}));
        let of = |event: &Event| Lines::new(80, false, TimeZone::UTC).add(event);
        event.fact.expires_at = Some("2020-01-02T00:00:00Z".parse().unwrap());
        assert!(of(&event).ends_with("(expired) session-1 {\"n\":1}\n"), "{}", of(&event));
        event.fact.expires_at = Some("9999-01-01T00:00:00Z".parse().unwrap());
        assert!(!of(&event).contains("expired"));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for columns in [0, 40, 61, 62, 63, 64, 80, 200] {
            for line in shown(columns, false).lines() {
                assert!(line.width() <= columns.max(COLUMNS_MIN), "{columns}: {line}");
            }
        }
    }

    #[test]
    fn colours_tell_the_kinds_apart_and_change_nothing_else() {
        let coloured = shown(80, true);
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), shown(80, false));
        let types = [
            "session:prompted",
            "session:replied",
            "session:tool-called",
            "hook:post-tool-use",
            "session:api-failed",
            "session:prompt-queued",
        ];
        for (index, one) in types.iter().enumerate() {
            assert!(types[index + 1..].iter().all(|other| style(one) != style(other)), "{one}");
        }
        assert!(!shown(80, false).contains('\u{1b}'));
    }

    #[test]
    fn a_sub_agent_stands_under_its_agent() {
        let of = |source: &str| agent(&event("2026-11-20T22:00:00Z", Some(source), "x", &json!({})));
        assert_eq!(of("claude-code/a7f3"), "  a7f3");
        assert_eq!(of("codex/0192f0c1-7c1b-7a52"), "  0192f0c1");
        assert_eq!(of("odd/"), "odd/");
        assert_eq!(of("a\u{202e}b"), "ab");
    }
}
