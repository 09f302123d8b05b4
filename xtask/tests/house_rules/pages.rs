//! Rules about the pages people read.

use std::path::Path;

use crate::{files_below, has_extension, markdown, no_breach, read, root};

const MAIN_PAGES: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"];

#[test]
fn the_main_pages_are_there() {
    let missing = MAIN_PAGES.iter().filter(|page| !root().join(page).exists());
    let missing: Vec<String> = missing.map(ToString::to_string).collect();
    no_breach(&missing, "Write these pages:");
}

#[test]
fn every_page_has_one_title() {
    let mut breaches = Vec::new();
    for page in pages() {
        let text = read(&page);
        let titles: Vec<String> = markdown::prose(&text)
            .iter()
            .filter(|(_, line)| line.starts_with("# "))
            .map(|(number, _)| number.to_string())
            .collect();
        if titles.len() != 1 {
            breaches.push(format!("{page}: {} titles, on the lines [{}]", titles.len(), titles.join(", ")));
        }
    }
    no_breach(&breaches, "Give each page one line that begins with `# `, and begin the others with `## `:");
}

#[test]
fn links_to_our_own_files_lead_somewhere() {
    let mut breaches = Vec::new();
    for page in pages() {
        let folder = root().join(&page).with_file_name("");
        for (line, target) in markdown::links(&read(&page)) {
            let path = target.split('#').next().unwrap_or_default();
            let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
            if !is_elsewhere && !path.is_empty() && !is_below_root(&folder.join(path)) {
                breaches.push(format!("{page}:{line}: {target}"));
            }
        }
    }
    no_breach(&breaches, "Correct these links, which lead to no file of this repository:");
}

fn is_below_root(path: &Path) -> bool {
    let root = root().canonicalize().expect("the repository is there");
    path.canonicalize().is_ok_and(|path| path.starts_with(root))
}

/// The main pages that exist, and every page below docs/ and deploy/.
fn pages() -> Vec<String> {
    let main = MAIN_PAGES.iter().filter(|page| root().join(page).exists()).map(ToString::to_string);
    let others = ["docs", "deploy"].into_iter().flat_map(files_below);
    main.chain(others.filter(|path| has_extension(path, &["md"]))).collect()
}
