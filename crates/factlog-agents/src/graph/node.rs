//! Nodes: a kind and an id, written `agent:ada`.

use std::fmt;
use std::str::FromStr;

use factlog::{Error, Result};
use serde::{Serialize, Serializer};

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// An agent, or a person or program that speaks as one.
    Agent,
    /// A task.
    Task,
    /// A session.
    Session,
    /// A file.
    File,
    /// A tool.
    Tool,
    /// A memory.
    Memory,
    /// A message or a request.
    Message,
    /// A worktree.
    Worktree,
    /// A swarm.
    Swarm,
}

impl NodeKind {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Agent,
        Self::Task,
        Self::Session,
        Self::File,
        Self::Tool,
        Self::Memory,
        Self::Message,
        Self::Worktree,
        Self::Swarm,
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Task => "task",
            Self::Session => "session",
            Self::File => "file",
            Self::Tool => "tool",
            Self::Memory => "memory",
            Self::Message => "message",
            Self::Worktree => "worktree",
            Self::Swarm => "swarm",
        }
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NodeKind {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.iter().find(|kind| kind.as_str() == text).copied().ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            Error::invalid(format!("{text:?} is no kind of node"))
                .with_hint(format!("the kinds are {}", words.join(", ")))
        })
    }
}

/// A node: `agent:ada`, `task:42`, `file:src/main.rs`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Which.
    pub id: String,
}

impl Node {
    /// A node of a kind.
    pub fn new(kind: NodeKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Node {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let node = text.split_once(':').filter(|(_, id)| !id.is_empty());
        let (kind, id) = node.ok_or_else(|| {
            Error::invalid(format!("{text:?} is no node"))
                .with_hint("write its kind and its id, such as agent:ada or file:src/main.rs")
        })?;
        Ok(Self { kind: kind.parse()?, id: id.to_owned() })
    }
}
