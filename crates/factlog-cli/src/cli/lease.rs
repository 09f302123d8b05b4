//! The words of leases.

use clap::{Args, Subcommand};

use super::Acting;

/// Take resources for one agent until a time: files, tables, whatever has a name
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog lease acquire 'src/bus/**' --as agent-1 --ttl 10m --reason 'mend the bus'
  factlog lease acquire db:users --as agent-2 --wait 30s
  factlog lease list src/bus/glob.rs
  factlog lease release 42 --as agent-1

A resource is a name, or a pattern: * within a folder, ** across folders, ? for one character, \\ before one that is meant itself.
What overlaps a lease of another agent is refused with exit code 4, and the message says who has it and until when.")]
pub(crate) struct LeaseArgs {
    #[command(subcommand)]
    pub(crate) action: LeaseAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LeaseAction {
    /// Take resources, all of them or none; the answer has the token and the end
    #[command(after_help = "\
Examples:
  factlog lease acquire 'src/**' docs/cli.md --as agent-1
  factlog lease acquire 'src/**' --as agent-1 --ttl 1h --wait 5m --format json")]
    Acquire {
        /// Names or patterns
        #[arg(required = true, value_name = "RESOURCE")]
        resources: Vec<String>,
        #[command(flatten)]
        acting: Acting,
        /// For how long, up to 24h
        #[arg(long, value_name = "TIME", default_value = "5m")]
        ttl: String,
        #[command(flatten)]
        at: NamespaceArgs,
        /// What for: others are told
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Wait for so long where another agent has it
        #[arg(long, value_name = "TIME")]
        wait: Option<String>,
    },
    /// Keep a lease for longer: for so long from now on
    #[command(after_help = "Example:\n  factlog lease renew 42 --as agent-1 --ttl 10m")]
    Renew {
        /// The token that `acquire` answered with
        token: u64,
        #[command(flatten)]
        acting: Acting,
        /// For how long, up to 24h
        #[arg(long, value_name = "TIME", default_value = "5m")]
        ttl: String,
        #[command(flatten)]
        at: NamespaceArgs,
    },
    /// Give a lease back
    #[command(after_help = "Example:\n  factlog lease release 42 --as agent-1")]
    Release {
        /// The token that `acquire` answered with
        token: u64,
        #[command(flatten)]
        acting: Acting,
        #[command(flatten)]
        at: NamespaceArgs,
    },
    /// Who holds what; with a resource, who holds that: nothing is written where nobody does
    #[command(after_help = "\
Examples:
  factlog lease list
  factlog lease list src/bus/glob.rs
  factlog lease list 'src/**' --format json")]
    List {
        /// A name, or a pattern: those who hold a part of it
        resource: Option<String>,
        /// Only those of this namespace; with a resource `default`, else all
        #[arg(long, value_name = "NAME")]
        namespace: Option<String>,
    },
}

/// Where resources are.
#[derive(Debug, Args, Clone)]
pub(crate) struct NamespaceArgs {
    /// Where the resources are: those of two namespaces have nothing to do with each other
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) namespace: String,
}
