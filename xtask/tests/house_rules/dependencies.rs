//! Rules about the crates of others. What is allowed stands in deny.toml alone, where cargo-deny reads it too.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, PackageId};

use crate::{metadata, no_breach, read};

/// The platforms the command is built for in CI.
const PLATFORMS: [&str; 3] = ["x86_64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"];

#[test]
fn every_dependency_has_an_allowed_licence() {
    let allowed = strings(deny("licenses", "allow"));
    let packages = metadata(&[]).packages;
    let breaches: Vec<String> = packages
        .iter()
        .filter(|package| !package.license.as_ref().is_some_and(|licence| permits(licence, &allowed)))
        .map(|package| {
            let licence = package.license.as_deref().unwrap_or("none named");
            format!("{} {}: {licence}", package.name, package.version)
        })
        .collect();
    no_breach(&breaches, "Do without these, or allow their licence in deny.toml:");
}

#[test]
fn the_command_carries_no_crate_twice() {
    let excused: BTreeSet<String> = deny("bans", "skip")
        .iter()
        .map(|skip| {
            let reason = skip.get("reason").and_then(|reason| reason.as_str()).unwrap_or_default();
            assert!(!reason.is_empty(), "a line of `skip` in deny.toml gives no reason: {skip:?}");
            let name =
                skip.get("crate").and_then(|name| name.as_str()).expect("a line of `skip` names its crate");
            name.split('@').next().unwrap_or(name).to_owned()
        })
        .collect();
    let mut breaches = BTreeSet::new();
    for platform in PLATFORMS {
        let carried = carried_by("factlog-cli", &metadata(&["--filter-platform", platform]));
        for (name, versions) in carried.into_iter().filter(|(name, _)| !excused.contains(name)) {
            if versions.len() > 1 {
                breaches.insert(format!("{name} {} ({platform})", Vec::from_iter(versions).join(", ")));
            }
        }
    }
    no_breach(
        &Vec::from_iter(breaches),
        "Choose versions that agree (`cargo tree -d -e normal`), or name the crate with its reason in `skip` of deny.toml:",
    );
}

/// The versions of every crate that ends up in a package, with those that only its macros need.
fn carried_by(package: &str, metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let nodes = &metadata.resolve.as_ref().expect("metadata with dependencies").nodes;
    let nodes: BTreeMap<&PackageId, _> = nodes.iter().map(|node| (&node.id, node)).collect();
    let first =
        metadata.packages.iter().find(|found| found.name.as_str() == package).expect("a package of ours");
    let (mut seen, mut ahead) = (BTreeSet::new(), vec![&first.id]);
    while let Some(id) = ahead.pop() {
        if seen.insert(id) {
            let used = nodes[id].deps.iter();
            let used =
                used.filter(|used| used.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
            ahead.extend(used.map(|used| &used.pkg));
        }
    }
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for id in seen {
        let package = &metadata[id];
        versions.entry(package.name.to_string()).or_default().insert(package.version.to_string());
    }
    versions
}

fn deny(table: &str, list: &str) -> Vec<toml::Value> {
    let config: toml::Table = read("deny.toml").parse().expect("deny.toml is TOML");
    let list = config.get(table).and_then(|table| table.get(list)).and_then(|list| list.as_array());
    list.cloned().expect("deny.toml has the list")
}

fn strings(values: Vec<toml::Value>) -> BTreeSet<String> {
    values.into_iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

/// Whether a licence expression can be met with the allowed licences: `OR` (of old also `/`) is a choice, `AND` is
/// not, and binds closer.
fn permits(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    either(&mut words, allowed) && words.is_empty()
}

fn either(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> bool {
    let mut permitted = both(words, allowed);
    while words.pop_if(|word| *word == "OR").is_some() {
        permitted |= both(words, allowed);
    }
    permitted
}

fn both(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> bool {
    let mut permitted = one(words, allowed);
    while words.pop_if(|word| *word == "AND").is_some() {
        permitted &= one(words, allowed);
    }
    permitted
}

fn one(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> bool {
    match words.pop() {
        Some("(") => either(words, allowed) & words.pop_if(|word| *word == ")").is_some(),
        Some(licence) if words.pop_if(|word| *word == "WITH").is_some() => {
            let exception = words.pop().unwrap_or_default();
            allowed.contains(&format!("{licence} WITH {exception}"))
        }
        Some(licence) => allowed.contains(licence),
        None => false,
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = BTreeSet::from(["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned));
    for good in [
        "MIT",
        "GPL-3.0/MIT",
        "(GPL-3.0 OR MIT) AND Zlib",
        "GPL-3.0 AND MIT OR Zlib",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(permits(good, &allowed), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT Zlib", "Apache-2.0", "MIT WITH LLVM-exception"]
    {
        assert!(!permits(bad, &allowed), "{bad}");
    }
}
