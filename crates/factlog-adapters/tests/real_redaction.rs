//! What redaction takes out of real sessions; where they do not lie beside the project, the test says so and passes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use factlog_adapters::redact::{Finding, Redactor, Rules};

/// What is found in eleven megabytes of sessions, hooks and fixtures, in which people found no secret: nothing.
/// Each of these was found once, and was none: `--- PASS: TestNextPowerOf2`, and `http://localhost:3000@evil.com` in
/// a test of origins.
const FOUND: usize = 0;

const FOLDERS: &[&str] = &["claude-code-transcripts", "claude-code-hooks", "multi-agent-fixtures"];

fn files_under(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_under(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "json" || ending == "jsonl") {
            files.push(path);
        }
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The findings of a file: of its JSON as a whole, or line by line where each line is a record.
fn findings(redactor: &Redactor, text: &str) -> Vec<Finding> {
    let records = if is_json(text) { vec![text] } else { text.lines().collect() };
    let of_record = |record: &str| {
        let found = if is_json(record) { redactor.json_findings(record) } else { redactor.findings(record) };
        let changed = if is_json(record) { redactor.json(record) } else { redactor.text(record) };
        assert_eq!(changed.map_or(0, |(_, count)| count), found.len() as u64, "all tell the same");
        found
    };
    records.into_iter().flat_map(of_record).collect()
}

#[test]
fn what_is_no_secret_is_left_alone_in_real_sessions() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let redactor = Redactor::new(&Rules::default(), *b"0123456789abcdef").unwrap();
    let (mut bytes, mut all) = (0, Vec::new());
    for folder in FOLDERS.iter().map(|folder| shared.join(folder)) {
        if !folder.is_dir() {
            eprintln!("skipped: {} is not there", folder.display());
            return;
        }
        let mut files = Vec::new();
        files_under(&folder, &mut files);
        for file in files {
            let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
            bytes += text.len();
            all.extend(findings(&redactor, &text).into_iter().map(|found| (file.clone(), found)));
        }
    }
    assert!(bytes > 10_000_000, "{bytes}");
    assert_eq!(all.len(), FOUND, "{all:#?}");
}
