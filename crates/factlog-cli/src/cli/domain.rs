//! The words of the domain: types.

use clap::{Args, Subcommand};

/// List the types of events that are understood here, or show one with its schema. Any other type is welcome too
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog types
  factlog types --category task
  factlog types show TaskCreated --format json")]
pub(crate) struct TypesArgs {
    #[command(subcommand)]
    pub(crate) action: Option<TypesAction>,
    /// Only those of this category
    #[arg(long)]
    pub(crate) category: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TypesAction {
    /// Show one type: its names, its fields, its JSON Schema
    #[command(after_help = "Example:\n  factlog types show task:completed")]
    Show {
        /// Any of its names
        name: String,
    },
}
