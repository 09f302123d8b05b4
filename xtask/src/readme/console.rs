//! Reads the blocks of a page that show a session at the console.
//!
//! In a block fenced with ` ```console `, a line that begins with `$ ` is a command, and a command whose line ends
//! with a backslash goes on in the next line. The other lines are the output the reader sees: they are compared in
//! a block fenced with ` ```console,exact `. A block fenced with ` ```console,no-run ` is for the reader alone.

use anyhow::{Result, bail};

/// Commands of cargo take minutes, so they are not run but must be ones that are known to work.
const CARGO_COMMANDS: [&str; 5] = [
    "cargo run --release -- demo",
    "cargo xtask bench",
    "cargo xtask check",
    "cargo xtask readme",
    "cargo xtask test",
];

/// Commands of cargo that may end in anything.
const CARGO_BEGINNINGS: [&str; 3] = ["cargo add factlog", "cargo install ", "cargo xtask test -- "];

/// A command a page shows.
#[derive(Debug, PartialEq)]
pub(crate) struct Shown {
    /// The line of the page, counted from one.
    pub(crate) line: usize,
    /// What is typed.
    pub(crate) text: String,
    /// What must be printed, where the page promises it.
    pub(crate) output: Option<String>,
}

/// The commands of a page that are to be run, in the order of the page.
pub(crate) fn commands(page: &str) -> Result<Vec<Shown>> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let block: Vec<(usize, &str)> = lines
            .by_ref()
            .take_while(|(_, line)| line.trim() != "```")
            .map(|(index, line)| (index + 1, line))
            .collect();
        match info.trim() {
            "console" => found.extend(of_block(&block, false)?),
            "console,exact" => found.extend(of_block(&block, true)?),
            unknown if unknown.starts_with("console") && unknown != "console,no-run" => {
                bail!(
                    "a block is fenced with `{unknown}`: console, console,exact and console,no-run are known"
                )
            }
            _ => {}
        }
    }
    Ok(found)
}

fn of_block(block: &[(usize, &str)], exact: bool) -> Result<Vec<Shown>> {
    let mut found: Vec<Shown> = Vec::new();
    let mut outputs: Vec<&str> = Vec::new();
    for (line, text) in block {
        let continued = found.last_mut().filter(|last| last.text.ends_with('\\') && outputs.is_empty());
        if let Some(command) = continued {
            command.text.push('\n');
            command.text.push_str(text);
        } else if let Some(text) = text.strip_prefix("$ ") {
            promise(&mut found, &mut outputs, exact);
            found.push(Shown { line: *line, text: text.to_owned(), output: None });
        } else {
            outputs.push(text);
        }
    }
    promise(&mut found, &mut outputs, exact);
    for command in &found {
        if !is_known(&command.text) {
            bail!(
                "line {}: `{}` is not among the commands of cargo the pages may show",
                command.line,
                command.text
            );
        }
    }
    found.retain(|command| !is_of_cargo(&command.text));
    Ok(found)
}

/// Gives the last command the output that was read since.
fn promise(found: &mut [Shown], outputs: &mut Vec<&str>, exact: bool) {
    let output = outputs.join("\n").trim_end().to_owned();
    outputs.clear();
    if let Some(command) = found.last_mut().filter(|_| exact) {
        command.output = Some(output);
    }
}

fn is_of_cargo(command: &str) -> bool {
    command.starts_with("cargo ")
}

fn is_known(command: &str) -> bool {
    !is_of_cargo(command)
        || CARGO_COMMANDS.contains(&command)
        || CARGO_BEGINNINGS.iter().any(|beginning| command.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: usize, text: &str, output: Option<&str>) -> Shown {
        Shown { line, text: text.to_owned(), output: output.map(str::to_owned) }
    }

    #[test]
    fn commands_are_found_with_their_lines() {
        let page = "# Title\n\n```console\n$ factlog list\nan event\n$ factlog count \\\n    --by type\n```\n\
                    ```console,no-run\n$ factlog follow\n```\n```rust\n$ no\n```\n```console,exact\n$ factlog\na\n\nb\n\n```\n";
        let expected = [
            shown(4, "factlog list", None),
            shown(6, "factlog count \\\n    --by type", None),
            shown(16, "factlog", Some("a\n\nb")),
        ];
        assert_eq!(commands(page).unwrap(), expected);
    }

    #[test]
    fn commands_of_cargo_are_known_and_not_run() {
        let page = |command: &str| format!("```console\n$ {command}\n```\n");
        for known in
            ["cargo run --release -- demo", "cargo xtask test", "cargo install --path crates/factlog-cli"]
        {
            assert_eq!(commands(&page(known)).unwrap(), []);
        }
        let error = commands(&page("cargo run -- demo")).unwrap_err().to_string();
        assert_eq!(
            error,
            "line 2: `cargo run -- demo` is not among the commands of cargo the pages may show"
        );
    }

    #[test]
    fn an_unknown_kind_of_block_is_refused() {
        assert!(commands("```console,norun\n```\n").is_err());
    }
}
