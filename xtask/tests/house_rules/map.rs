//! ARCHITECTURE.md is the map: whoever looks for a module finds it there, and whatever is there exists.
//!
//! Below the heading `## crates/NAME`, a table row that begins with a path in backticks stands for
//! `crates/NAME/src/PATH.rs`; a path that ends with `/` stands for every file below that folder. The first cell
//! may hold several paths, each in backticks of its own. A file that is no module may have a row, with its
//! extension: `sqlite/schema.sql`.

use std::{collections::BTreeMap, fs};

use crate::{files_below, markdown, no_breach, root};

#[test]
fn the_map_has_a_row_for_every_module() {
    // A map that is not there lacks every row.
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap_or_default();
    let (missing, stale) = compare(&map, &files_below("crates"));
    let breaches: Vec<String> = missing.into_iter().chain(stale).collect();
    no_breach(
        &breaches,
        "Bring the tables of ARCHITECTURE.md into line with the files (| `path` | what it is for |):",
    );
}

/// The modules without a row, and the rows without a file.
fn compare(map: &str, files: &[String]) -> (Vec<String>, Vec<String>) {
    let rows = rows(map);
    let files: Vec<(&str, &str)> = files.iter().filter_map(|file| file.split_once("/src/")).collect();
    let missing = files.iter().filter_map(|(folder, file)| {
        let module = file.strip_suffix(".rs")?;
        let is_there = rows.get(folder).is_some_and(|rows| rows.iter().any(|row| is_for(row, file)));
        (!is_there).then(|| format!("## {folder}: no row `{module}`"))
    });
    let named = rows.iter().flat_map(|(folder, rows)| rows.iter().map(move |row| (folder, row)));
    let stale = named.filter_map(|(section, row)| {
        let is_there = files.iter().any(|(folder, file)| folder == section && is_for(row, file));
        (!is_there).then(|| format!("## {section}: the row `{row}` names no file"))
    });
    (missing.collect(), stale.collect())
}

fn is_for(row: &str, file: &str) -> bool {
    row == file.strip_suffix(".rs").unwrap_or(file) || (row.ends_with('/') && file.starts_with(row))
}

/// The paths named in the section of each crate.
fn rows(map: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut rows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut section = None;
    for (_, line) in markdown::prose(map) {
        if let Some(heading) = line.strip_prefix("## ").or_else(|| line.strip_prefix("# ")) {
            let folder = heading.trim().trim_matches('`');
            section = folder.starts_with("crates/").then_some(folder);
        } else if let (Some(folder), true) = (section, line.starts_with("| `")) {
            let first_cell = line.split('|').nth(1).unwrap_or_default();
            rows.entry(folder).or_default().extend(markdown::code(first_cell));
        }
    }
    rows
}

#[test]
fn rows_are_compared_with_the_files_of_their_crate() {
    let map = "# Map\n\n| `no` | above |\n\n## crates/one\n\n| module | |\n|---|---|\n| `lib`, `event` | x |\n\
               | `gone` | x |\n| `suite/` | `no` |\n| `schema.sql` | x |\n\n## Beside\n\n| `no` | x |\n\n\
               ## `crates/two`\n\n| `lib` | x |\n";
    let one = ["lib.rs", "event.rs", "suite/mod.rs", "schema.sql", "data.json"]
        .map(|file| format!("crates/one/src/{file}"));
    let others =
        ["crates/two/src/event.rs", "crates/two/Cargo.toml", "crates/three/src/lib.rs"].map(str::to_owned);

    let (missing, stale) = compare(map, &[&one[..], &others[..]].concat());

    assert_eq!(missing, ["## crates/two: no row `event`", "## crates/three: no row `lib`"]);
    assert_eq!(
        stale,
        ["## crates/one: the row `gone` names no file", "## crates/two: the row `lib` names no file"]
    );
}
