//! The words of coordination: seek agents for an aim, take part, say how far it is.

use clap::{Args, Subcommand};

use super::{Acting, AtArgs};

/// Seek agents for common work, take part in it, say how far it is
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog coordinate request release --objective 'Release 1.2' --capability rust --min 2 --as ada
  factlog coordinate accept release --as ben
  factlog coordinate update release --status done --as ben
  factlog coordinate complete release --result '{\"version\":\"1.2\"}' --as ada")]
pub(crate) struct CoordinateArgs {
    #[command(subcommand)]
    pub(crate) action: CoordinateAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CoordinateAction {
    /// Seek agents for an aim
    #[command(after_help = "\
Example:
  factlog coordinate request release --objective 'Release 1.2' --capability rust --min 2 --max 4 \\
    --strategy sequential --as ada")]
    Request(CoordinationRequestArgs),
    /// Take part; the agent must have registered, and be able to do what is required
    #[command(after_help = "Example:\n  factlog coordinate accept release --as ben")]
    Accept {
        /// The work
        id: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// Take no part, or no longer
    #[command(after_help = "Example:\n  factlog coordinate decline release --reason 'busy' --as cleo")]
    Decline {
        /// The work
        id: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        acting: Acting,
    },
    /// Say how far it is: of one's own part, where one takes part; else of the whole
    #[command(after_help = "\
Examples:
  factlog coordinate update release --progress 40 --as ben
  factlog coordinate update release --status done --as ben
  factlog coordinate update release --status paused --as ada")]
    Update {
        /// The work
        id: String,
        /// done, where one's part is done; or a phase: active, paused, completing, failed
        #[arg(long, value_name = "WORD")]
        status: Option<String>,
        /// How much is done, in percent
        #[arg(long, value_name = "PERCENT")]
        progress: Option<f64>,
        /// Figures, as JSON
        #[arg(long, value_name = "JSON")]
        metrics: Option<String>,
        #[command(flatten)]
        acting: Acting,
    },
    /// It is done
    #[command(after_help = "\
Example:
  factlog coordinate complete release --result '{\"version\":\"1.2\"}' --as ada")]
    Complete {
        /// The work
        id: String,
        /// What came of it, as JSON
        #[arg(long, value_name = "JSON")]
        result: Option<String>,
        #[command(flatten)]
        acting: Acting,
    },
    /// Show it: who takes part, how far it is, whose turn it is
    #[command(after_help = "\
Examples:
  factlog coordinate show release
  factlog coordinate show release --until active --timeout 5m")]
    Show {
        /// The work
        id: String,
        /// Wait until it is in this phase: active, completed ...
        #[arg(long, value_name = "PHASE")]
        until: Option<String>,
        /// How long to wait: 90s, 10m, 2h; exit 5 then
        #[arg(long, value_name = "TIME", default_value = "10m", requires = "until")]
        timeout: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CoordinationRequestArgs {
    /// What the work is called: asked for twice it is asked for once
    pub(crate) id: String,
    /// What is aimed at
    #[arg(long, value_name = "TEXT")]
    pub(crate) objective: String,
    /// What every agent that takes part must be able to do; may be given several times
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) capability: Vec<String>,
    /// How many agents it takes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) min: u64,
    /// How many there is room for
    #[arg(long, value_name = "N")]
    pub(crate) max: Option<u64>,
    /// How they work together: sequential, parallel, hierarchical or consensus
    #[arg(long, value_name = "STRATEGY", default_value = "parallel")]
    pub(crate) strategy: String,
    /// Who leads; with the strategy hierarchical the first who comes, where nobody is named
    #[arg(long, value_name = "AGENT")]
    pub(crate) leader: Option<String>,
    #[command(flatten)]
    pub(crate) acting: Acting,
}

/// List common work, or show one: who takes part, how far it is, whose turn it is
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  factlog coordinations --phase forming")]
pub(crate) struct CoordinationsArgs {
    /// Only this one, with all that is known
    pub(crate) id: Option<String>,
    /// Only what is forming, active, paused, completing, completed or failed
    #[arg(long)]
    pub(crate) phase: Option<String>,
    #[command(flatten)]
    pub(crate) at: AtArgs,
}
