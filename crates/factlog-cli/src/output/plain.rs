//! Values as text in one line that cannot touch a terminal.

use serde_json::Value;

/// Characters of a line: more than a terminal has columns.
pub(super) const LINE_CHARACTERS_MAX: usize = 600;
/// Bytes of one text that are looked at.
const TEXT_BYTES_MAX: usize = 8 * 1024;
/// Items of a list that are shown.
const ITEMS_MAX: usize = 8;
/// What a tool gave.
pub(super) const RESULTS: [&str; 6] =
    ["output", "result", "response", "aggregated_output", "stdout", "content"];

/// A value as text: texts in lists and objects are joined, a shell's command is shown without the shell.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            // Codex writes results as JSON in a string.
            Ok(Value::Object(fields)) => plain(&Value::Object(fields)),
            _ => begin(text).to_owned(),
        },
        Value::Array(items) => match &items[..] {
            [shell, flag, command]
                if is_shell(shell) && flag.as_str().is_some_and(|flag| flag.starts_with('-')) =>
            {
                plain(command)
            }
            _ => {
                let texts: Vec<String> = items.iter().take(ITEMS_MAX).map(plain).collect();
                begin(&texts.join(" ")).to_owned()
            }
        },
        Value::Object(fields) => {
            let inner = RESULTS.iter().chain(&["text"]).find_map(|field| fields.get(*field));
            inner.map_or_else(|| begin(&value.to_string()).to_owned(), plain)
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn is_shell(value: &Value) -> bool {
    let name = value.as_str().and_then(|path| path.rsplit('/').next());
    matches!(name, Some("bash" | "sh" | "zsh"))
}

/// The first line that says something.
pub(super) fn first_line(text: &str) -> String {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

/// As much of a text as is looked at.
pub(super) fn begin(text: &str) -> &str {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// The text in one line that cannot touch a terminal.
pub(super) fn one_line(text: &str) -> String {
    let plain = anstream::adapter::strip_str(begin(text)).to_string();
    let mut line = String::new();
    let mut length = 0;
    for word in plain.split(|character: char| character.is_whitespace() || character.is_control()) {
        let word = word.chars().filter(|character| !is_hidden(*character));
        let mut word = word.take(LINE_CHARACTERS_MAX - length).peekable();
        if word.peek().is_none() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for character in word {
            line.push(character);
            length += 1;
        }
    }
    line
}

/// Whether a character changes the direction of the text around it, or is not seen.
fn is_hidden(character: char) -> bool {
    matches!(character, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_in_a_line_can_touch_a_terminal() {
        assert_eq!(one_line("\u{1b}[31mred\u{1b}[0m\tand\r\n\u{7}bell"), "red and bell");
        assert_eq!(one_line("a\u{9b}2Jb\u{202e}c"), "a 2Jbc");
        assert_eq!(one_line("\u{1b}"), "");
        assert!(one_line(&"ä b\n".repeat(100_000)).chars().count() <= LINE_CHARACTERS_MAX * 2);
    }

    #[test]
    fn values_are_read_as_people_would() {
        for (value, text) in [
            (json!(["bash", "-lc", "ls -la"]), "ls -la"),
            (json!(["/bin/sh", "x", "y"]), "/bin/sh x y"),
            (json!([{"type": "text", "text": "a"}, {"text": "b"}]), "a b"),
            (json!("{\"output\":\"a\"}"), "a"),
            (json!({"odd": 1}), r#"{"odd":1}"#),
            (json!(null), ""),
            (json!(1.50), "1.5"),
        ] {
            assert_eq!(plain(&value), text, "{value}");
        }
    }
}
