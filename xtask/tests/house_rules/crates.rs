//! Rules about our own crates.

use cargo_metadata::{DependencyKind, Package};

use crate::{metadata, no_breach};

/// Which of our crates each may use. Tests may use any.
const ARROWS: [(&str, &[&str]); 7] = [
    ("factlog", &[]),
    ("factlog-stores", &["factlog"]),
    ("factlog-agents", &["factlog"]),
    ("factlog-adapters", &["factlog", "factlog-agents"]),
    ("factlog-server", &["factlog", "factlog-adapters", "factlog-agents", "factlog-stores"]),
    ("factlog-cli", &["factlog", "factlog-adapters", "factlog-agents", "factlog-server", "factlog-stores"]),
    ("xtask", &[]),
];

/// What crates.io accepts at most, both of keywords and of categories.
const LABELS_MAX: usize = 5;

#[test]
fn crates_use_each_other_in_one_direction() {
    let mut breaches = Vec::new();
    for package in our_packages() {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name.as_str()) else {
            breaches.push(format!("{} has no line in ARROWS", package.name));
            continue;
        };
        let ours = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
        for used in ours.filter(|dependency| dependency.kind != DependencyKind::Development) {
            if !allowed.contains(&used.name.as_str()) {
                breaches.push(format!("{} uses {}", package.name, used.name));
            }
        }
    }
    no_breach(&breaches, "Move the code to where the arrows allow it, or change ARROWS and ARCHITECTURE.md:");
}

#[test]
fn published_crates_describe_themselves() {
    let mut breaches = Vec::new();
    for package in
        our_packages().iter().filter(|package| package.publish.as_ref().is_none_or(|to| !to.is_empty()))
    {
        let said = [
            ("description", package.description.is_some()),
            ("license", package.license.is_some()),
            ("repository", package.repository.is_some()),
            ("rust-version", package.rust_version.is_some()),
            ("keywords", (1..=LABELS_MAX).contains(&package.keywords.len())),
            ("categories", (1..=LABELS_MAX).contains(&package.categories.len())),
            ("readme", package.readme().is_some_and(|path| path.exists())),
        ];
        let unsaid = said.iter().filter(|(_, is_said)| !is_said);
        breaches.extend(unsaid.map(|(field, _)| format!("{}: {field}", package.name)));
    }
    no_breach(
        &breaches,
        "Give each of these in the crate's Cargo.toml (one to five keywords and categories; a readme that exists):",
    );
}

#[test]
fn crates_take_the_lints_of_the_workspace() {
    let breaches: Vec<String> = our_packages()
        .iter()
        .filter(|package| {
            let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
            let manifest: toml::Table = manifest.parse().unwrap();
            manifest.get("lints").and_then(|lints| lints.get("workspace"))
                != Some(&toml::Value::Boolean(true))
        })
        .map(|package| package.name.to_string())
        .collect();
    no_breach(&breaches, "Write `[lints]` and `workspace = true` in the Cargo.toml of:");
}

fn our_packages() -> Vec<Package> {
    metadata(&["--no-deps"]).packages
}
