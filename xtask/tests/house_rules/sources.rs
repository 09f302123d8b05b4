//! Rules about the text of the sources.

use crate::{files_below, has_extension, no_breach, read};

/// A longer file holds two subjects. Its tests count, since they are read with it.
const LINES_MAX: usize = 600;

/// Files that may be longer, each with its reason.
const LONGER: &[(&str, &str)] = &[];

/// Files whose tests may sleep, each with its reason.
const SLEEPERS: &[(&str, &str)] = &[];

/// What says that something is left to do. In two parts, so that this file may pass.
const LEFT_TO_DO: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Files whose words are our own; data that tests read is not.
const TEXTS: [&str; 15] = [
    "css", "html", "js", "md", "py", "rs", "service", "sh", "sql", "svelte", "timer", "toml", "ts", "yaml",
    "yml",
];

#[test]
fn rust_files_have_at_most_600_lines() {
    let mut breaches = Vec::new();
    for path in rust_files() {
        let lines = read(&path).lines().count();
        if lines > LINES_MAX && !is_excused(&path, LONGER) {
            breaches.push(format!("{path}: {lines} lines"));
        }
    }
    no_breach(&breaches, "Split these files by their subjects, or name them with a reason in LONGER:");
}

#[test]
fn no_test_is_ignored_and_nothing_is_unwritten() {
    let unwanted = [concat!("#[", "ignore"), concat!("todo", "!("), concat!("unimplemented", "!(")];
    no_breach(&lines_with(&unwanted, |_, text| text.to_owned()), "Write what is missing, or remove it:");
}

#[test]
fn tests_do_not_sleep() {
    // To sleep on a paused clock of tokio costs no time and is no guess.
    let sleeping = [concat!("thread::", "sleep")];
    let in_tests = |path: &str, text: &str| {
        if is_excused(path, SLEEPERS) { String::new() } else { tests_of(path, text).to_owned() }
    };
    no_breach(
        &lines_with(&sleeping, in_tests),
        "Wait for what must happen (a channel, a following, a paused clock), or name the file in SLEEPERS:",
    );
}

#[test]
fn nothing_is_left_to_do_in_the_text() {
    let mut breaches = Vec::new();
    for path in
        files_below("").into_iter().filter(|path| has_extension(path, &TEXTS) || path.starts_with(".ci/"))
    {
        for (index, line) in read(&path).lines().enumerate() {
            let mut words = line.split(|character: char| !character.is_alphanumeric());
            if words.any(|word| LEFT_TO_DO.contains(&word)) {
                breaches.push(format!("{path}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    no_breach(&breaches, "Do it now, or open an issue and remove the note:");
}

/// The lines of code that hold one of the words, within the part of each file that `part` chooses.
fn lines_with(words: &[&str], part: impl Fn(&str, &str) -> String) -> Vec<String> {
    let mut found = Vec::new();
    for path in rust_files() {
        let text = read(&path);
        let part = part(&path, &text);
        let skipped = text.lines().count() - part.lines().count();
        for (index, line) in part.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            if !is_comment && words.iter().any(|word| line.contains(word)) {
                found.push(format!("{path}:{}: {}", skipped + index + 1, line.trim()));
            }
        }
    }
    found
}

/// The part of a file that is tests: all of it below `tests/` and in the conformance suite, else what follows the
/// first `#[cfg(test)]`.
fn tests_of<'a>(path: &str, text: &'a str) -> &'a str {
    if path.contains("/tests/") || path.contains("/conformance/") || path.ends_with("/tests.rs") {
        return text;
    }
    text.find("#[cfg(test)]").map_or("", |start| &text[start..])
}

fn is_excused(path: &str, list: &[(&str, &str)]) -> bool {
    list.iter().any(|(excused, reason)| *excused == path && !reason.is_empty())
}

fn rust_files() -> Vec<String> {
    let folders = ["crates", "xtask", "bench", "fuzz"];
    folders.into_iter().flat_map(files_below).filter(|path| has_extension(path, &["rs"])).collect()
}
