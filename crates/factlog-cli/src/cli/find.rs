//! The words of finding out: query, flow, graph, patterns, trace.

use clap::{Args, Subcommand, ValueEnum};

use super::QueryArgs;
use crate::filter_args::FilterArgs;

/// What finds out how things hang together.
#[derive(Debug, Subcommand)]
pub(crate) enum Find {
    Query(Box<QueryArgs>),
    Flow(FlowArgs),
    Graph(GraphArgs),
    Patterns(PatternsArgs),
    Trace(TraceArgs),
}

/// How a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Picture {
    /// As tables
    #[default]
    Text,
    /// For Graphviz
    Dot,
    /// For pages that know Mermaid
    Mermaid,
}

/// How a trace is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum TraceAs {
    /// As a tree
    #[default]
    Text,
    /// `OpenTelemetry` spans, as OTLP/HTTP takes them in JSON
    Otlp,
}

/// What makes a case, and a step of it.
#[derive(Debug, Args, Clone)]
#[command(next_help_heading = "Cases")]
pub(crate) struct CaseArgs {
    /// What ties the events of a case together: correlation, stream, session, source, user, or a field such as data.taskId
    #[arg(long, value_name = "KEY", default_value = "correlation")]
    pub(crate) by: String,
    /// Steps in the order of their times, not in that of the log
    #[arg(long)]
    pub(crate) by_time: bool,
    /// Only these types, with commas between them; as --type
    #[arg(long, value_name = "TYPE,...", value_delimiter = ',')]
    pub(crate) types: Vec<String>,
    /// Tell the uses of different tools apart
    #[arg(long)]
    pub(crate) tools: bool,
}

/// Find the process in a log: what follows what and how long it takes, the ways that cases go, where they wait, what they
/// do again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog flow --by stream --category task
  factlog flow --by session --tools --variants 3
  factlog flow --by data.taskId --types task:created,task:started,task:completed
  factlog flow --by stream --as mermaid > flow.mmd
  factlog flow --format json | jq .bottlenecks

docs/flow.md says what is counted.")]
pub(crate) struct FlowArgs {
    #[command(flatten)]
    pub(crate) cases: CaseArgs,
    /// Show the N commonest ways
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) variants: usize,
    /// How to write it
    #[arg(long = "as", value_enum, default_value_t = Picture::Text)]
    pub(crate) picture: Picture,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

/// Find who has to do with what: agents, tasks, sessions, files, tools, memories, messages, and what ties them together
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog graph
  factlog graph file:src/main.rs
  factlog graph agent:ada --depth 2 --kind file
  factlog graph --path agent:ada file:src/main.rs
  factlog graph task:42 --as mermaid

A node is a kind and an id: agent, task, session, file, tool, memory, message, worktree or swarm. An id alone is enough where
only one node has it.")]
pub(crate) struct GraphArgs {
    /// Only what is around this node
    #[arg(value_name = "NODE", conflicts_with = "path")]
    pub(crate) node: Option<String>,
    /// How far to look
    #[arg(long, value_name = "EDGES", default_value_t = 1, requires = "node")]
    pub(crate) depth: usize,
    /// Only nodes of this kind; may be given several times
    #[arg(long, requires = "node")]
    pub(crate) kind: Vec<String>,
    /// The shortest way from one node to another, with the events that tell it
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"])]
    pub(crate) path: Vec<String>,
    /// How to write it
    #[arg(long = "as", value_enum, default_value_t = Picture::Text)]
    pub(crate) picture: Picture,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

/// Find what comes again and again, and what comes before things go wrong more often than by chance
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog patterns --by stream --category task
  factlog patterns --by session --tools
  factlog patterns --by stream --outcome task:cancelled --min-support 10

What goes wrong is *:failed, *:error and a session:completed with the result failure, unless --outcome says otherwise.
docs/flow.md says what is counted, and what the numbers cannot tell.")]
pub(crate) struct PatternsArgs {
    #[command(flatten)]
    pub(crate) cases: CaseArgs,
    /// The type one wants to know the signs of; may be given several times
    #[arg(long, value_name = "TYPE")]
    pub(crate) outcome: Vec<String>,
    /// Only what is seen in N cases or more
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) min_support: u64,
    /// Show N of each kind
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) top: usize,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

/// Show what caused what: the events of a correlation as a tree of causes, with durations and the critical path
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog trace build-9
  factlog trace 42
  factlog trace build-9 --as otlp | curl -sS -H 'Content-Type: application/json' -d @- http://localhost:4318/v1/traces

A position or an event's id shows the tree around that event: what it came from, and all that followed from there.")]
pub(crate) struct TraceArgs {
    /// A correlation; else a position, or an event's id
    #[arg(value_name = "CORRELATION|POSITION|ID")]
    pub(crate) of: String,
    /// How to write it
    #[arg(long = "as", value_enum, default_value_t = TraceAs::Text)]
    pub(crate) written: TraceAs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}
