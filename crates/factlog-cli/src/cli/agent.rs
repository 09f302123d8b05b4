//! The words of agents that are run: agent run, mcp.

use clap::{Args, Subcommand};

/// Make an agent of a command
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog agent run --id worker-1 --type worker -- ./worker.sh
  factlog agent run --id worker-1 --capability rust --capacity 4 --exec 'python3 worker.py'")]
pub(crate) struct AgentArgs {
    #[command(subcommand)]
    pub(crate) action: AgentAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentAction {
    /// Run it until Ctrl-C: each task, message and request is a JSON line on the command's standard input, each answer one on its
    /// standard output
    #[command(after_help = "\
Examples:
  factlog agent run --id worker-1 --type worker -- ./worker.sh
  factlog agent run --id echo -- jq -c --unbuffered '{messageId, result: .data}'

In:   {\"kind\":\"task\",\"messageId\":\"t-1\",\"from\":\"boss\",\"attempt\":1,\"data\":{...}}
Out:  {\"messageId\":\"t-1\",\"result\":\"done\"}
      {\"messageId\":\"t-1\",\"error\":\"no disk\",\"retry\":true}
      {\"messageId\":\"t-1\",\"progress\":50,\"status\":\"half of it\"}
      {\"send\":{\"to\":\"boss\",\"data\":\"I am on it\"}}
docs/agents.md has the whole protocol. A command that ends is started again, and what it had in hand is offered again.")]
    Run(AgentRunArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AgentRunArgs {
    /// Its id
    #[arg(long, value_name = "AGENT", env = "FACTLOG_AGENT")]
    pub(crate) id: String,
    /// What kind of agent it is: what type:worker means
    #[arg(long = "type", value_name = "TYPE", default_value = "agent")]
    pub(crate) agent_type: String,
    /// What it can do: what capability:rust means
    #[arg(long)]
    pub(crate) capability: Vec<String>,
    /// How many tasks it does at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) capacity: usize,
    /// What it can be asked for; anything when left out
    #[arg(long)]
    pub(crate) method: Vec<String>,
    /// Begin even where another run of this agent seems to be at work, and end that
    #[arg(long)]
    pub(crate) take_over: bool,
    /// The command, as a shell takes it
    #[arg(long, value_name = "COMMAND", conflicts_with = "command", required_unless_present = "command")]
    pub(crate) exec: Option<String>,
    /// The command and its arguments, as they are
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
}

/// Serve an agent over the Model Context Protocol on standard input and output; its client runs this
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  claude mcp add factlog -- factlog mcp --agent reviewer --store sqlite:/home/ada/agents.db
  codex mcp add factlog -- factlog mcp --agent coder --type worker --capability rust

Each agent needs a name of its own: it is where its messages go. The log is the one of the folder where the client starts this,
unless --store or FACTLOG_STORE names another.")]
pub(crate) struct McpArgs {
    /// The agent that the client is
    #[arg(long, value_name = "AGENT", env = "FACTLOG_AGENT")]
    pub(crate) agent: String,
    /// What kind of agent it is: what type:worker means
    #[arg(long = "type", value_name = "TYPE", default_value = "agent")]
    pub(crate) agent_type: String,
    /// What it can do: what capability:rust means
    #[arg(long)]
    pub(crate) capability: Vec<String>,
    /// Begin even where another run of this agent seems to be at work, and end that: what it has read and is not done with is
    /// read again here
    #[arg(long)]
    pub(crate) take_over: bool,
}
