//! Every input that is kept, given to its target: without cargo-fuzz, without a nightly compiler.

use std::fs;
use std::path::{Path, PathBuf};

/// Where inputs are kept: seeds, and those that once broke something.
const FOLDERS: [&str; 2] = ["corpus", "regressions"];

/// The inputs of a target; none where it has no folder.
fn inputs(target: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = FOLDERS.iter().map(|folder| root.join(folder).join(target));
    let entries = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder can be read").path()).collect();
    files.sort();
    files
}

fn all_of(name: &str) {
    let (_, target) = factlog_fuzz::TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    let inputs = inputs(name);
    assert!(!inputs.is_empty(), "{name} has no inputs");
    let mut broken = Vec::new();
    for path in inputs {
        let bytes = fs::read(&path).expect("an input can be read");
        if std::panic::catch_unwind(|| target(&bytes)).is_err() {
            broken.push(path);
        }
    }
    assert!(broken.is_empty(), "{name} breaks by: {broken:#?}");
}

macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            all_of(stringify!($name));
        })*

        /// A target that is new, or has another name, needs its line here and in `Cargo.toml`.
        #[test]
        fn every_target_has_its_test() {
            let names = factlog_fuzz::TARGETS.map(|(name, _)| name);
            assert_eq!(names.as_slice(), &[$(stringify!($name)),*]);
        }
    };
}

tests!(line segment index snapshot importers json pattern);
