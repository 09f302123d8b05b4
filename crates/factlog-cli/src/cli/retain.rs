//! The words of keeping no longer than wanted: retention, archive.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::filter_args::FieldArgs;

/// Say what old events would go by the rules, and remove them
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog retention plan
  factlog retention plan --older-than 30d --category session
  factlog retention run --older-than 90d --type 'session:*' --archive archive --compact
  factlog retention run --expired
  factlog retention plan --finished-messages 7d

Without flags the rules are those of the settings, docs/retention.md shows them, and messages that were done with seven
days ago go too:
  [[retention.rules]]
  name = \"chatter\"
  types = [\"session:progress\"]
  age = \"30d\"
  archive = \"archive\"
  [retention]
  finished_messages = \"30d\"")]
pub(crate) struct RetentionArgs {
    #[command(subcommand)]
    pub(crate) action: RetentionAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RetentionAction {
    /// Say what would be removed, and change nothing
    #[command(after_help = "Example:\n  factlog retention plan --older-than 30d --format json")]
    Plan {
        #[command(flatten)]
        rule: RetentionRuleArgs,
    },
    /// Remove it, archived before where a folder is named; the log says what was removed
    #[command(after_help = "\
Examples:
  factlog retention run
  factlog retention run --older-than 90d --archive archive --compact")]
    Run {
        #[command(flatten)]
        rule: RetentionRuleArgs,
        /// Give the disk space back; who writes at that time waits
        #[arg(long)]
        compact: bool,
    },
}

/// One rule by flags.
#[derive(Debug, Args, Default)]
pub(crate) struct RetentionRuleArgs {
    /// Events of this age: 90s, 30m, 12h, 30d or 8w
    #[arg(long, value_name = "AGE")]
    pub(crate) older_than: Option<String>,
    /// Their age is since they happened, not since they were recorded
    #[arg(long)]
    pub(crate) occurred: bool,
    /// Only events whose delivery has ended: their expiresAt has passed
    #[arg(long)]
    pub(crate) expired: bool,
    /// Messages between agents that were done with so long ago, with all that became of them
    #[arg(long, value_name = "AGE", conflicts_with_all = ["older_than", "occurred", "expired"])]
    pub(crate) finished_messages: Option<String>,
    /// Write them into files in this folder before
    #[arg(long, value_name = "DIR")]
    pub(crate) archive: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) fields: FieldArgs,
}

/// Move old events into files, and bring them back
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  factlog archive --before 2026-01-01 --to archive
  factlog archive --before 90d --to archive --category session --keep
  factlog archive restore archive/2025-11-20

A file is written, synced and read again before its events are removed. It has events of one day, one per line as
`factlog export` writes them, and its name tells their positions: archive/2025-11-20/0000000001-0000000420.jsonl"
)]
pub(crate) struct ArchiveArgs {
    #[command(subcommand)]
    pub(crate) action: Option<ArchiveAction>,
    /// Events that were recorded before this time: 2026-01-01, yesterday, or a span ago such as 90d
    #[arg(long, value_name = "TIME", required = true)]
    pub(crate) before: Option<String>,
    /// The folder of the files; it is made when there is something to write
    #[arg(long, value_name = "DIR", required = true)]
    pub(crate) to: Option<PathBuf>,
    /// Events that happened before that time, whenever they were recorded
    #[arg(long)]
    pub(crate) occurred: bool,
    /// Write the files, and remove nothing
    #[arg(long)]
    pub(crate) keep: bool,
    /// Give the disk space back; who writes at that time waits
    #[arg(long, conflicts_with = "keep")]
    pub(crate) compact: bool,
    #[command(flatten)]
    pub(crate) fields: FieldArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveAction {
    /// Bring events back, at new positions; what the log has already stays as it is
    #[command(after_help = "\
Examples:
  factlog archive restore archive
  factlog archive restore archive/2025-11-20/0000000001-0000000420.jsonl

They keep their ids, and their metadata says where they were: \"archived\":{\"position\":7,\"version\":3,\"recordedAt\":...}")]
    Restore {
        /// Files of an archive, or folders of them
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Exit 0 although lines were rejected
        #[arg(long)]
        lenient: bool,
    },
}
