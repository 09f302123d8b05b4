//! The words of remembering and looking after: snapshot, check, copy, verify, config, completions.

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

/// Copy a log into another, of whatever store; run it again to go on
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog copy --to sqlite:backup.db
  factlog copy --from sqlite:factlog.db --to jsonl:log
  factlog copy --from sqlite:laptop.db --to sqlite:all.db --append

Into a log that is empty, or a copy already begun, everything comes as it is: positions, versions,
times, and the values remembered at positions. Behind the events of another log, with --append,
events get new positions, versions and times of recording; the old ones stand in their metadata as
copiedFrom. Ids that are there are passed over.

What was copied is read again and compared. Exit 4 when the target has other events, or is not what
the source is.")]
pub(crate) struct CopyArgs {
    /// The log to copy; the one of --store or the settings when left out
    #[arg(long, value_name = "URL", conflicts_with = "store")]
    pub(crate) from: Option<String>,
    /// The log to copy into; made if it is not there
    #[arg(long, value_name = "URL")]
    pub(crate) to: String,
    /// Where the target has other events, go behind them
    #[arg(long)]
    pub(crate) append: bool,
    /// Compare only the last events of a copy already begun, and nothing after copying
    #[arg(long)]
    pub(crate) no_verify: bool,
}

/// Compare the log with another, event by event; exit 4 when they differ
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog verify --against sqlite:backup.db
  factlog verify --store jsonl:log --against sqlite:factlog.db --format json

Positions, versions, times, ids and all the rest are compared, data and metadata to the last byte.
Nothing is changed.")]
pub(crate) struct VerifyArgs {
    /// The other log
    #[arg(long, value_name = "URL")]
    pub(crate) against: String,
}
