//! JSON for eyes.

use factlog::Json;

/// JSON over several lines, every word of it as it was written: numbers keep their digits, keys their order.
pub(crate) fn pretty(json: &Json) -> String {
    let mut shown = String::with_capacity(json.as_str().len() * 2);
    let mut depth = 0;
    let mut in_text = false;
    let mut escaped = false;
    let mut characters = json.as_str().chars().peekable();
    let line = |shown: &mut String, depth: usize| {
        shown.push('\n');
        shown.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(character) = characters.next() {
        if in_text {
            in_text = escaped || character != '"';
            escaped = !escaped && character == '\\';
            shown.push(character);
            continue;
        }
        match character {
            '{' | '[' => {
                shown.push(character);
                // Empty ones stay on their line.
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    shown.push(end);
                } else {
                    depth += 1;
                    line(&mut shown, depth);
                }
            }
            '}' | ']' => {
                depth -= 1;
                line(&mut shown, depth);
                shown.push(character);
            }
            ',' => {
                shown.push(character);
                line(&mut shown, depth);
            }
            ':' => shown.push_str(": "),
            _ => {
                in_text = character == '"';
                shown.push(character);
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data was shown with its keys sorted and its numbers rounded.
    #[test]
    fn what_is_shown_has_the_keys_and_the_digits_that_were_written() {
        let json =
            Json::parse(r#"{"z":1.10,"a":[12345678901234567890123,{}],"t":"a \"{,:\\","e":[]}"#).unwrap();
        insta::assert_snapshot!(pretty(&json), @r#"
        {
          "z": 1.10,
          "a": [
            12345678901234567890123,
            {}
          ],
          "t": "a \"{,:\\",
          "e": []
        }
        "#);
    }
}
