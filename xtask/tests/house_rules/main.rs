//! The rules of this house, each a test named after the rule. A failure lists what breaks it and says what to do.

mod crates;
mod dependencies;
mod map;
mod markdown;
mod pages;
mod sources;

use std::{fs, path::Path};

use cargo_metadata::{CargoOpt, Metadata, MetadataCommand};

/// Folders that hold what others wrote or what a build left.
const FOREIGN_FOLDERS: [&str; 4] = [".git", ".venv", "node_modules", "target"];

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}

/// The packages of the workspace, and with `options` those they depend on.
fn metadata(options: &[&str]) -> Metadata {
    let options = ["--locked"].iter().chain(options).map(ToString::to_string).collect::<Vec<_>>();
    let mut command = MetadataCommand::new();
    command.current_dir(root()).features(CargoOpt::AllFeatures).other_options(options);
    command.exec().expect("cargo metadata answers")
}

/// The text of a file of the repository, with the line ends of this house.
fn read(path: &str) -> String {
    let text =
        fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("cannot read {path}: {error}"));
    text.replace("\r\n", "\n")
}

/// Every file below a folder of the repository, as a path from the root with `/` between its parts.
fn files_below(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.expect("a folder can be listed").path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !path.is_dir() {
                found.push(from_root(&path));
            } else if !FOREIGN_FOLDERS.contains(&&*name) {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

fn from_root(path: &Path) -> String {
    let path = path.strip_prefix(root()).expect("a path of the repository");
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// Whether a path ends in `.EXTENSION`, for one of the extensions.
fn has_extension(path: &str, extensions: &[&str]) -> bool {
    Path::new(path).extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known))
}

/// Fails with every breach of a rule and with what to do about them.
#[track_caller]
fn no_breach(breaches: &[String], remedy: &str) {
    let list = breaches.join("\n  ");
    assert!(breaches.is_empty(), "{remedy}\n  {list}\n");
}
