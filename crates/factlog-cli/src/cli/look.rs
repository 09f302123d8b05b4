//! The words of looking: list, show, streams, stats, follow, replay, export.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::filter_args::FilterArgs;

/// How many of the events that match.
#[derive(Debug, Args, Clone, Default)]
#[command(next_help_heading = "How many")]
pub(crate) struct SliceArgs {
    /// The first N
    #[arg(long, value_name = "N", conflicts_with_all = ["last", "limit"])]
    pub(crate) first: Option<usize>,
    /// The last N, still in order
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<usize>,
    /// N after those skipped
    #[arg(long, value_name = "N", conflicts_with = "last")]
    pub(crate) limit: Option<usize>,
    /// Pass over the first N, or with --last over the last N
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) skip: usize,
}

impl SliceArgs {
    /// The most events wanted, however they were asked for.
    pub(crate) fn most(&self) -> Option<usize> {
        self.first.or(self.last).or(self.limit)
    }
}

/// List events, oldest first. On a terminal each is a line in local time, and the newest 50 are shown
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog list --last 20
  factlog list --type 'task:*' --not-source agent-7 --from today
  factlog list --file src/main.rs --tool Edit
  factlog list --text 'connection refused' --last 3 --full
  factlog list --stream task-1 --format jsonl | jq .data")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) slice: SliceArgs,
    /// Show every event whole, not one line of it
    #[arg(long)]
    pub(crate) full: bool,
}

/// Show one event with all its fields, what caused it, and what it caused
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog show 42
  factlog show 0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d --format json")]
pub(crate) struct ShowArgs {
    /// A position, an event's id, or the id another system gave it
    #[arg(value_name = "ID|POSITION")]
    pub(crate) event: String,
}

/// List streams: how many events each has, the first and the last
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  factlog streams --category task --last 10")]
pub(crate) struct StreamsArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) slice: SliceArgs,
}

/// Count events by type, category, stream, source, session, status, agent, hour or day (UTC), and tell how long things took
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog stats
  factlog stats --group-by source,type --period 7d
  factlog stats --group-by agent,status --from today
  factlog stats --group-by day --category task --format json")]
pub(crate) struct StatsArgs {
    /// What to count by; several, with commas, count each combination. By type, with an overview, when left out
    #[arg(long, value_name = "KEY,...", value_delimiter = ',')]
    pub(crate) group_by: Vec<String>,
    /// Only lately: today, a span such as 7d or 12h, or all
    #[arg(long, default_value = "all")]
    pub(crate) period: String,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

/// Wait for events and show them as they come, from now on; Ctrl-C ends it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog follow
  factlog follow --last 10 --category task
  factlog follow --tool Bash
  factlog follow --from 1 --format jsonl")]
pub(crate) struct FollowArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Show the last N that match first
    #[arg(long, value_name = "N", conflicts_with = "from")]
    pub(crate) last: Option<usize>,
    /// End after N events
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Show every event whole, not one line of it
    #[arg(long)]
    pub(crate) full: bool,
}

/// Go through events in order, as fast as they can be read or at a pace
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog replay --from 1 --to 100
  factlog replay --from 2026-11-20 --speed 60x
  factlog replay --into tasks --to 2026-11-20
  factlog replay --from today --speed 10x --to-store sqlite:rehearsal.db

With --into, a projection is built from nothing but the events selected: with --from, what came before is not known to it. It
is shown like `factlog projections show`, and nothing of it is remembered.

With --to-store, events are put into another log with their ids, behind what is there; where they come from is in their
metadata. Run again, it puts nothing there twice.")]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Keep the pauses between events, so many times faster: 1x is as it was, 60x a minute in a second, 0.5x half as fast; max keeps none
    #[arg(long, value_name = "TIMES")]
    pub(crate) speed: Option<String>,
    /// Build this projection from the events, and show it
    #[arg(long, value_name = "PROJECTION", conflicts_with = "to_store")]
    pub(crate) into: Option<String>,
    /// Put the events into the log at this URL
    #[arg(long, value_name = "URL")]
    pub(crate) to_store: Option<String>,
}

/// How an export is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    /// All events on standard output
    One,
    /// JSON lines in a tree of files, one a day and a stream
    ByStream,
}

/// Write events out as JSON lines (or json, csv, cloudevents, agent-events), to import elsewhere
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog export > backup.jsonl
  factlog export --category task --format csv > tasks.csv
  factlog export --layout by-stream tree

With --layout by-stream each line is an event, in DIR/2026-11-20/STREAM.jsonl: the day (UTC) it was recorded on, and its
stream. `factlog import by-stream DIR` brings it back.")]
pub(crate) struct ExportArgs {
    /// The folder to write into, new or empty; only with --layout by-stream
    #[arg(value_name = "DIR", required_if_eq("layout", "by-stream"))]
    pub(crate) folder: Option<PathBuf>,
    /// One stream of events on standard output, or a tree of files
    #[arg(long, value_enum, default_value_t = Layout::One)]
    pub(crate) layout: Layout,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) slice: SliceArgs,
}
