//! As much of Markdown as the rules need.

/// The lines of a page that are not within a fenced block, with their numbers, counted from one.
pub(crate) fn prose(page: &str) -> Vec<(usize, &str)> {
    let mut fence: Option<&str> = None;
    let mut prose = Vec::new();
    for (index, line) in page.lines().enumerate() {
        let text = line.trim_start();
        let ticks = &text[..text.len() - text.trim_start_matches('`').len()];
        match fence {
            Some(open) if ticks.len() >= open.len() && text.trim_end() == ticks => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => prose.push((index + 1, line)),
        }
    }
    prose
}

/// What stands between backticks in a line.
pub(crate) fn code(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// The targets of the links and pictures of a page, with the numbers of their lines.
pub(crate) fn links(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(page) {
        let line: String = line.split('`').step_by(2).collect();
        let inline = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        let defined = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        let defined = defined.and_then(|(_, target)| target.split_whitespace().next());
        found
            .extend(inline.chain(defined).map(|target| (number, target.trim_matches(['<', '>']).to_owned())));
    }
    found
}

#[test]
fn links_outside_of_code_are_found() {
    let page = "See [a](one.md) and ![b](two.svg \"title\"), not `[c](no.md)`.\n\n```md\n[d](no.md)\n```\n\n[e]: three.md\n";
    let expected = [(1, "one.md"), (1, "two.svg"), (7, "three.md")].map(|(line, to)| (line, to.to_owned()));
    assert_eq!(links(page), expected);
}
