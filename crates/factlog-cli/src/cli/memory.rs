//! The words of shared memory.

use clap::{Args, Subcommand};

use super::Acting;

/// Keep values for other agents: with versions, an owner, and who may read and write
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog memory put plans/build '{\"step\":1}' --as agent-1
  factlog memory get plans/build --as agent-2
  factlog memory put plans/build '{\"step\":2}' --as agent-1 --expect 1
  factlog memory share plans/build --with agent-2,group:reviewers --level write --as agent-1
  factlog memory list plans/ --as agent-2

Whoever stores first at a path owns it. Everybody may read it, unless --access says otherwise. `factlog memories` shows all
memories as the log tells of them, with owners, readers and sizes.")]
pub(crate) struct MemoryArgs {
    #[command(subcommand)]
    pub(crate) action: MemoryAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MemoryAction {
    /// Store a value
    #[command(after_help = "\
Examples:
  factlog memory put plans/build '{\"step\":1}' --as agent-1 --ttl 7d --tag plan
  factlog memory put plans/build '{\"step\":2}' --as agent-1 --expect 1
  make report | factlog memory put reports/today - --as agent-1")]
    Put {
        /// A namespace and a key, such as plans/build, or a key alone
        path: String,
        /// JSON; what is none is kept as a text; - is standard input
        #[arg(allow_hyphen_values = true)]
        value: String,
        #[command(flatten)]
        acting: Acting,
        /// The version that must be there; 0 where nothing may be
        #[arg(long, value_name = "VERSION")]
        expect: Option<u64>,
        /// How long it is there; for ever when left out
        #[arg(long, value_name = "TIME")]
        ttl: Option<String>,
        /// A word to find it by; may be given several times
        #[arg(long)]
        tag: Vec<String>,
        /// What everybody may do with it: none, read, write or admin; read for what is new
        #[arg(long, value_name = "LEVEL")]
        access: Option<String>,
    },
    /// Write a value to standard output; with --format json all that is known of it
    #[command(after_help = "\
Examples:
  factlog memory get plans/build --as agent-2
  factlog memory get plans/build --as agent-2 --format json")]
    Get {
        /// A namespace and a key, such as plans/build, or a key alone
        path: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// Take a value away; where its owner does, the path is free again
    #[command(after_help = "Example:\n  factlog memory delete plans/build --as agent-1")]
    Delete {
        /// A namespace and a key, such as plans/build, or a key alone
        path: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// Let agents and groups do more with a value
    #[command(after_help = "\
Examples:
  factlog memory share plans/build --with agent-2,group:reviewers --level write --as agent-1
  factlog memory share plans/build --with agent-2 --level none --as agent-1     take it back")]
    Share {
        /// A namespace and a key, such as plans/build, or a key alone
        path: String,
        /// Agents, groups as group:NAME, or * for everybody
        #[arg(long, value_name = "AGENT", value_delimiter = ',', required = true)]
        with: Vec<String>,
        /// What they may do: read, write or admin; none takes it back
        #[arg(long, value_name = "LEVEL")]
        level: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// What the agent may read
    #[command(after_help = "Example:\n  factlog memory list plans/ --as agent-2")]
    List {
        /// What the paths begin with; all when left out
        #[arg(default_value = "", hide_default_value = true)]
        prefix: String,
        #[command(flatten)]
        acting: Acting,
    },
}
