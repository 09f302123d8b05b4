//! The words of remembering and looking after: snapshot, config, completions.

use clap::{Args, Subcommand};

/// Save, show and list values remembered at a position of the log
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog snapshot save summary '{\"open\":3}'
  factlog snapshot show summary --at 40
  factlog snapshot list projection/")]
pub(crate) struct SnapshotArgs {
    #[command(subcommand)]
    pub(crate) action: SnapshotAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotAction {
    /// Remember a value; all values of a key are kept
    #[command(after_help = "Example:\n  factlog snapshot save summary '{\"open\":3}'")]
    Save {
        /// What it is of
        key: String,
        /// The value, as JSON; {} when left out
        data: Option<String>,
        /// The position it takes in; the newest when left out
        #[arg(long, value_name = "POSITION")]
        at: Option<u64>,
    },
    /// Show the newest value, or the one as of a position
    #[command(after_help = "Example:\n  factlog snapshot show summary --at 40")]
    Show {
        /// What it is of
        key: String,
        /// The newest at or before this position
        #[arg(long, value_name = "POSITION")]
        at: Option<u64>,
    },
    /// List what is remembered
    #[command(after_help = "Example:\n  factlog snapshot list projection/")]
    List {
        /// How the keys begin
        #[arg(default_value = "")]
        prefix: String,
    },
}

/// Show the settings that are in force
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  factlog config show --origin")]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Print each setting
    #[command(after_help = "Example:\n  factlog config show --origin")]
    Show {
        /// And where it came from
        #[arg(long)]
        origin: bool,
    },
}

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  factlog completions bash > ~/.local/share/bash-completion/completions/factlog"
)]
pub(crate) struct CompletionsArgs {
    /// bash, zsh, fish, elvish or powershell
    pub(crate) shell: clap_complete::Shell,
}

/// Read everything and say what is wrong; exit 6 when something is
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog check --store sqlite:backup.db
  factlog check --store jsonl:log --repair

Without --repair nothing is changed. A plain-text log is repaired without a loss: a write that a crash has cut off, and that
nobody was told of, is taken off the end and kept in the folder torn, and the indexes are built anew. Damage elsewhere is
named with its file and line, and stays.")]
pub(crate) struct CheckArgs {
    /// Mend what can be mended without a loss, before
    #[arg(long)]
    pub(crate) repair: bool,
}
