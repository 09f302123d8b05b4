//! Keeps an agent from changing a file that another has for itself.

use std::path::{Path, PathBuf};

use factlog::{NewEvent, Result};
use factlog_agents::Bus;
use factlog_agents::bus::{Lease, NAMESPACE_DEFAULT, Taker};
use serde_json::{Value, json};

use super::reach::write;

/// What marks the root of a project, for files that are named from there.
const ROOT_MARKS: [&str; 3] = [".git", ".factlog.toml", ".jj"];
/// Words in the names of tools that only look.
const LOOKING: [&str; 8] = ["read", "grep", "glob", "list", "search", "view", "fetch", "ls"];
/// Words in the names of tools that do not only look, whatever else they do.
const CHANGING: [&str; 14] = [
    "add", "append", "apply", "create", "delete", "edit", "insert", "move", "patch", "remove", "rename",
    "replace", "update", "write",
];

/// Keeps an agent from changing a file that another has for itself.
pub(super) async fn guard(bus: &Bus, taker: &Taker, event: &NewEvent, data: &Value) -> Result<()> {
    let tool = event.tags.iter().find_map(|tag| tag.strip_prefix("tool:")).unwrap_or_default();
    if only_looks(tool) {
        return Ok(());
    }
    let folder = data.get("cwd").and_then(Value::as_str).map(PathBuf::from);
    for path in event.tags.iter().filter_map(|tag| tag.strip_prefix("file:")) {
        for name in names_of(path, folder.as_deref()) {
            let holders = bus.holders_of(NAMESPACE_DEFAULT, &name).await?;
            if let Some(lease) = holders.iter().find(|lease| lease.agent_id != taker.agent_id) {
                return deny(path, lease);
            }
        }
    }
    Ok(())
}

/// Whether a tool changes no file, by the words of its name. The name of the server that has it says nothing of that.
fn only_looks(tool: &str) -> bool {
    let of_server = tool.strip_prefix("mcp__").and_then(|name| name.split_once("__"));
    let words = words(of_server.map_or(tool, |(_, tool)| tool));
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    has(&LOOKING) && !has(&CHANGING)
}

/// The words of a name, in small letters: `read_file`, `readFile` and `NotebookRead` have two, `LS` has one.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = None;
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        // A capital begins a word, unless it stands among capitals.
        let is_first = character.is_uppercase()
            && (before.is_some_and(char::is_lowercase)
                || before.is_some_and(char::is_uppercase)
                    && characters.peek().is_some_and(|next| next.is_lowercase()));
        if is_first || !character.is_alphabetic() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character.is_alphabetic(), words.last_mut()) {
            word.extend(character.to_lowercase());
        }
        before = Some(character);
    }
    words.retain(|word| !word.is_empty());
    words
}

fn deny(path: &str, lease: &Lease) -> Result<()> {
    let why = lease.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let reason = format!(
        "{path} is leased by {} until {}{why}: it holds {}. Work on something else, or ask it.",
        lease.agent_id,
        lease.expires_at,
        lease.resources.join(", ")
    );
    write(&json!({"hookSpecificOutput": {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": reason,
    }}))
}

/// A file as others may have named it: as the agent does, from the root of the project, and in full.
fn names_of(path: &str, folder: Option<&Path>) -> Vec<String> {
    let mut names = vec![path.to_owned()];
    if let Some(folder) = folder {
        let full = folder.join(path);
        let root = folder.ancestors().find(|root| ROOT_MARKS.iter().any(|mark| root.join(mark).exists()));
        if let Some(inside) = root.and_then(|root| full.strip_prefix(root).ok()) {
            names.push(inside.to_string_lossy().into_owned());
        }
        names.push(full.to_string_lossy().into_owned());
    }
    names.dedup();
    names.iter().map(|name| literal(name)).collect()
}

/// A name that means itself, where a pattern is read.
fn literal(name: &str) -> String {
    let mut literal = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '*' | '?' | '\\') {
            literal.push('\\');
        }
        literal.push(character);
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Story: `mcp__devtools__edit_file` passed for its "ls", and `mcp__fs__create_thread` for its "read".
    #[test]
    fn a_tool_only_looks_where_a_whole_word_of_its_name_says_so_and_none_says_more() {
        for looks in [
            "Read",
            "NotebookRead",
            "LS",
            "Grep",
            "Glob",
            "read_file",
            "mcp__fs__list_directory",
            "readFile",
            "search2",
        ] {
            assert!(only_looks(looks), "{looks}");
        }
        for changes in [
            "mcp__devtools__edit_file",
            "mcp__fs__create_thread",
            "mcp__search__put_file",
            "search_and_replace",
            "Edit",
            "MultiEdit",
            "Reader",
            "tools",
            "",
        ] {
            assert!(!only_looks(changes), "{changes}");
        }
    }
}
