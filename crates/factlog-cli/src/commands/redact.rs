//! `factlog redact`: what would be taken out of a file.

use std::fs;
use std::io::Read;

use factlog::{Error, Result};
use factlog_adapters::redact::{Finding, Redactor};
use serde_json::json;

use super::Context;
use crate::cli::{RedactAction, RedactArgs};
use crate::failure::Outcome;
use crate::output::{Listing, note};
use crate::state::State;

/// A file is looked at as a whole.
const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

pub(crate) fn run(context: &Context, args: &RedactArgs) -> Outcome {
    let RedactAction::Test { file } = &args.action;
    let format = context.format("redact test", Listing::FORMATS)?;
    let key = State::of(&|name| std::env::var_os(name)).redaction_key();
    let redactor = Redactor::new(&context.settings.redact, key)?;
    let text = read(file)?;
    let (mut rows, mut json) = (Vec::new(), Vec::new());
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let found: Vec<(u64, Finding)> = if is_json(&text) {
        redactor.json_findings(&text).into_iter().map(|finding| (finding.line, finding)).collect()
    } else if lines.clone().all(|(_, line)| is_json(line)) {
        lines
            .by_ref()
            .flat_map(|(number, line)| {
                redactor.json_findings(line).into_iter().map(move |found| (number, found))
            })
            .collect()
    } else {
        // What goes over several lines, as a private key does, is found in the whole only.
        redactor.findings(&text).into_iter().map(|finding| (finding.line, finding)).collect()
    };
    for (line, finding) in found {
        rows.push(vec![line.to_string(), finding.kind.clone(), finding.marker.clone()]);
        json.push(json!({"line": line, "kind": finding.kind, "marker": finding.marker}));
    }
    let count = rows.len();
    let headings = ["LINE", "KIND", "WRITTEN INSTEAD"].map(str::to_owned).to_vec();
    Listing { headings, rows, numbers: vec![0], json: json.into() }.print(format)?;
    note(format_args!("{count} found in {} lines", text.lines().count()));
    Ok(())
}

fn read(file: &std::path::Path) -> Result<String> {
    let failed = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::NotFound => Error::not_found(format!("{}: no such file", file.display())),
        _ => Error::unavailable(format!("{}: {cause}", file.display())),
    };
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        fs::File::open(file)
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
            .map_err(failed)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
