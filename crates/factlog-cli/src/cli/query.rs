//! The words of `factlog query`.

use clap::Args;

use crate::filter_args::FilterArgs;

/// Find what follows what: every first event that is completed in time is one match
#[derive(Debug, Args)]
#[command(after_help = "\
Patterns:
  A followed by B          A not followed by B     A and B (in any order)     A or B     A 3 times     ( ... )
  within 5m                from the first event to the last
  by stream                tied together by stream, correlation, source, session, user or data.FIELD
  task:failed[data.retryCount > 2]                               a condition (CEL)
  f: task:failed followed by task:queued[data.agentId == f.data.agentId]     a step that is spoken of
A type stands for all names that it was recorded under; * is any run of characters. docs/patterns.md has it all.

Examples:
  factlog query 'SessionFailed followed by SessionQueued' --within 5m
  factlog query 'task:started not followed by task:completed within 1h by stream' --from today
  factlog query 'tool:failed 3 times within 10m by session' --last 10 --format json
  factlog query 'task:failed[data.retryCount > 2]' --follow")]
pub(crate) struct QueryArgs {
    /// What to look for
    #[arg(value_name = "PATTERN")]
    pub(crate) pattern: String,
    /// The longest time from the first event to the last: 30s, 5m, 2h ...
    #[arg(long, value_name = "LENGTH")]
    pub(crate) within: Option<String>,
    /// What ties the events together: stream, correlation, source, session, user or data.FIELD
    #[arg(long, value_name = "KEY")]
    pub(crate) by: Option<String>,
    /// Look at events by the time when they happened, not as they stand in the log
    #[arg(long)]
    pub(crate) by_time: bool,
    /// Show the last N matches; all are counted
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<usize>,
    /// Wait for matches and show them as they come, from now on unless --from says otherwise; Ctrl-C ends it
    #[arg(long, conflicts_with = "last")]
    pub(crate) follow: bool,
    /// With --follow: end after N matches
    #[arg(long, value_name = "N", requires = "follow")]
    pub(crate) limit: Option<usize>,
    /// With --follow and --by-time: wait so long for events that come late
    #[arg(
        long,
        value_name = "LENGTH",
        default_value = "10s",
        requires = "follow",
        hide_default_value = true
    )]
    pub(crate) lateness: String,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}
