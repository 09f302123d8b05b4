//! What patterns match and where they overlap, beside their meaning written down a second time.

use proptest::prelude::*;

use super::*;

#[test]
fn patterns_match_as_people_read_them() {
    for (pattern, text, is_match) in [
        ("a", "a", true),
        ("a", "A", false),
        ("src/*.rs", "src/a.rs", true),
        ("src/*.rs", "src/b/a.rs", false),
        ("src/**", "src/", true),
        ("src/**", "src", false),
        ("**/a", "a", true),
        ("**/a", "x/y/a", true),
        ("**/a", "xa", false),
        ("x**/a", "xy/z/a", true),
        ("a/**/**/b", "a/b", true),
        ("**", "", true),
        ("?", "/", false),
        ("?", "ü", true),
        ("\\*", "*", true),
        ("\\*", "a", false),
        ("\\\\", "\\", true),
        ("app/[id]/page.tsx", "app/[id]/page.tsx", true),
    ] {
        assert_eq!(matches(pattern, text), is_match, "{pattern} {text}");
    }
}

#[test]
fn patterns_overlap_where_one_text_is_meant_by_both() {
    for (a, b, is_overlap) in [
        ("src/**", "src/a/b.rs", true),
        ("src/**", "docs/**", false),
        ("*.rs", "src/*", false),
        ("**/*.rs", "src/*", true),
        ("a*b", "*ab*", true),
        ("a?", "a", false),
        ("\\*", "?", true),
        ("\\*a", "ba", false),
        ("src/**/x", "src/x", true),
        ("db:users", "db:*", true),
    ] {
        assert_eq!(overlap(a, b), is_overlap, "{a} {b}");
        assert_eq!(overlap(b, a), is_overlap, "{b} {a}");
    }
}

#[test]
fn what_can_be_no_pattern_is_refused_and_the_error_says_why() {
    for (pattern, says) in
        [("", "empty"), ("a\\", "nothing"), ("a\nb", "control"), (&*"a".repeat(513), "513")]
    {
        assert!(check(pattern).unwrap_err().to_string().contains(says), "{pattern:?}");
    }
    for pattern in ["a\\\\", "\\*", "ü/**"] {
        check(pattern).unwrap();
    }
}

/// Patterns that make a product of all places: the work is bounded by the lengths, whatever they are.
#[test]
fn the_worst_patterns_are_compared_all_the_same() {
    let stars = "*a".repeat(RESOURCE_BYTES_MAX / 2);
    let others = "*b".repeat(RESOURCE_BYTES_MAX / 2 - 1) + "*c";
    assert!(!overlap(&stars, &others));
}

/// The meaning, written down a second time: by trying everything.
fn means(pattern: &[char], text: &[char], is_first: bool) -> bool {
    let Some((&c, rest)) = pattern.split_first() else { return text.is_empty() };
    match c {
        '*' if rest.first() == Some(&'*') => {
            let stars = rest.iter().take_while(|c| **c == '*').count();
            let rest = &rest[stars..];
            if is_first && rest.first() == Some(&'/') {
                let after = |end: usize| means(&rest[1..], &text[end..], true);
                return after(0) || (0..text.len()).any(|end| text[end] == '/' && after(end + 1));
            }
            (0..=text.len()).any(|end| means(rest, &text[end..], false))
        }
        '*' => {
            let most = text.iter().take_while(|c| **c != '/').count();
            (0..=most).any(|end| means(rest, &text[end..], false))
        }
        '?' => text.first().is_some_and(|c| *c != '/') && means(rest, &text[1..], false),
        c => text.first() == Some(&c) && means(rest, &text[1..], c == '/'),
    }
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// All texts of these letters up to a length.
fn texts(length: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..length {
        last = last.iter().flat_map(|text| ["a", "b", "/"].map(|letter| format!("{text}{letter}"))).collect();
        all.extend(last.iter().cloned());
    }
    all
}

fn pattern(tokens: usize) -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec!["a", "b", "/", "*", "**", "**/", "?"]);
    prop::collection::vec(token, 1..=tokens).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn a_pattern_matches_what_it_means(pattern in pattern(6), text in "[ab/]{0,8}") {
        prop_assert_eq!(matches(&pattern, &text), means(&chars(&pattern), &chars(&text), true));
    }

    #[test]
    fn a_text_that_both_match_is_an_overlap(a in pattern(6), b in pattern(6), text in "[ab/]{0,6}") {
        if matches(&a, &text) && matches(&b, &text) {
            prop_assert!(overlap(&a, &b), "{} and {} both match {}", a, b, text);
        }
    }

    /// Patterns of three tokens need no longer text to meet than both have tokens.
    #[test]
    fn an_overlap_has_a_witness_and_what_is_none_has_none(a in pattern(3), b in pattern(3)) {
        let (left, right) = (chars(&a), chars(&b));
        let is_both = |text: &String| {
            let text = chars(text);
            means(&left, &text, true) && means(&right, &text, true)
        };
        let witness = texts(6).into_iter().find(is_both);
        prop_assert_eq!(overlap(&a, &b), witness.is_some(), "{} and {}: {:?}", a, b, witness);
    }
}
