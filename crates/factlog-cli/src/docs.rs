//! docs/cli.md, made from the words of the command line itself, and docs/vocabulary.md, made of the types.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::failure::Outcome;

/// The width of the page's help texts.
const COLUMNS: usize = 100;

const INTRODUCTION: &str = "\
# The command line

This page is made from the program's own help (`factlog docs`), and a test keeps it so.

Data goes to standard output, everything else to standard error. Commands that write make a missing log; commands that read
exit 3 and say so. `--format table` is the default but for `export` and `append --stdin`, which write JSON lines; a flag that
asks a command for a format it cannot write is an error, a setting that does is passed over.
Times without an offset are UTC; `--from` is inclusive, `--to` exclusive, and a bare date as `--to` includes that day.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failure; for `import` and `append --stdin`: some lines were refused |
| 2 | usage or bad input |
| 3 | not found |
| 4 | conflict: somebody was faster |
| 5 | unavailable: try again |
| 6 | corrupt: what is stored is not what was written |

Settings, the first that says something wins: a flag, the environment (`FACTLOG_STORE`, `FACTLOG_FORMAT`, `FACTLOG_LOG` for
log levels), `.factlog.toml` in this folder or above it, `factlog/config.toml` in the user's configuration folder, the default.
A settings file has `store = \"sqlite:PATH\"` or `\"jsonl:DIR\"` (a relative path is meant from the file's folder, `~/` from the home folder) and
`format = \"json\"`.
";

/// A page that the program can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Page {
    /// docs/cli.md
    Cli,
    /// docs/vocabulary.md
    Vocabulary,
}

/// Prints a page.
pub(crate) fn print(which: Page) -> Outcome {
    let mut out = crate::output::stdout();
    let text = match which {
        Page::Cli => page(),
        Page::Vocabulary => factlog_agents::vocabulary::page(),
    };
    write!(out, "{text}")?;
    Ok(out.flush()?)
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut root = Cli::command().term_width(COLUMNS);
    root.build();
    section(&mut page, &mut root, 2);
    page
}

fn section(page: &mut String, command: &mut clap::Command, level: usize) {
    let name = command.get_bin_name().unwrap_or("factlog").to_owned();
    let help = command.clone().term_width(COLUMNS).render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    // Writing to a string cannot fail.
    let _ = write!(page, "\n{} {name}\n\n```text\n{}\n```\n", "#".repeat(level), lines.join("\n").trim_end());
    for sub in command.get_subcommands_mut().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        section(page, sub, 3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page of a release is what people look up: it must not say less than the program.
    #[test]
    fn the_page_is_the_programs_own_help() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
        let written = std::fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n");
        assert!(written == page(), "docs/cli.md is out of date: `cargo run -- docs > docs/cli.md`");
    }

    #[test]
    fn the_vocabulary_page_is_what_the_types_are() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/vocabulary.md");
        let written = std::fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n");
        let is_same = written == factlog_agents::vocabulary::page();
        assert!(
            is_same,
            "docs/vocabulary.md is out of date: `cargo run -- docs vocabulary > docs/vocabulary.md`"
        );
    }

    #[test]
    fn the_first_help_page_names_every_command() {
        let help = Cli::command().render_help().to_string();
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            assert!(
                help.contains(&format!("\n  {} ", command.get_name())),
                "{} is missing",
                command.get_name()
            );
        }
    }

    #[test]
    fn the_words_of_the_command_line_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
