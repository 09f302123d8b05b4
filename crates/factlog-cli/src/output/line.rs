//! One line for a terminal: parts in their colours, in columns that fit, cut at the width.

use std::fmt::Write;

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Adds a line, cut at the width, in colour where that is wanted.
pub(crate) fn line(text: &mut String, columns: usize, coloured: bool, parts: &[(Style, String)]) {
    let mut left = columns;
    for (index, (style, part)) in parts.iter().enumerate() {
        let part = cut(part, left);
        left -= part.width();
        let part = if index + 1 == parts.len() { part.trim_end() } else { &part };
        // Writing into a text cannot fail.
        let _ = if coloured { write!(text, "{style}{part}{style:#}") } else { write!(text, "{part}") };
    }
    let written = text.trim_end_matches(' ').len();
    text.truncate(written);
    text.push('\n');
}

/// Whether a character stays in its place in the line.
pub(crate) fn is_plain(character: char) -> bool {
    character.width().is_some_and(|width| width > 0)
}

/// The text in a column of this width.
pub(crate) fn fitted(text: &str, columns: usize) -> String {
    let text: String = text.chars().filter(|character| is_plain(*character)).collect();
    let mut text = cut(&text, columns);
    let rest = columns.saturating_sub(text.width());
    text.extend(std::iter::repeat_n(' ', rest));
    text
}

/// The text, or as much of it as fits with a sign that there is more.
fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut left = columns.saturating_sub(1);
    for character in text.chars() {
        let width = character.width().unwrap_or(0);
        if width > left {
            break;
        }
        left -= width;
        shown.push(character);
    }
    // The sign takes a column of its own, where there is one.
    shown.extend((columns > 0).then_some('…'));
    shown
}
