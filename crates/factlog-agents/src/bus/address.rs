//! Whom a message is for.

use std::fmt;
use std::str::FromStr;

use factlog::{Error, Result, Text};
use serde::{Deserialize, Serialize};

/// Whom a message is for: all that it means, or whoever of them takes it first.
///
/// ```
/// use factlog_agents::bus::{Address, To};
/// assert_eq!("worker-1".parse::<Address>()?.to, To::Agent("worker-1".to_owned()));
/// let one = "one-of:type:worker".parse::<Address>()?;
/// assert!(one.is_one_of && one.to == To::Type("worker".to_owned()));
/// assert_eq!(one.to_string(), "one-of:type:worker");
/// # Ok::<(), factlog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Who is meant.
    pub to: To,
    /// Whether one of them is enough: the one that takes it first.
    pub is_one_of: bool,
}

/// Agents, by what is known of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum To {
    /// One agent.
    Agent(String),
    /// All agents of a type: `type:worker`.
    Type(String),
    /// All members of a swarm: `group:reviewers`.
    Group(String),
    /// All agents that can do something: `capability:rust`.
    Capability(String),
    /// All agents: `*`.
    All,
}

const ONE_OF: &str = "one-of:";

impl Address {
    /// One agent.
    pub fn agent(id: impl Into<String>) -> Self {
        Self { to: To::Agent(id.into()), is_one_of: false }
    }

    /// Whether it names several agents by what they are, rather than one by its id.
    pub fn is_wide(&self) -> bool {
        !matches!(self.to, To::Agent(_))
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // It becomes the event's target, and is held to the rule of one.
        text.parse::<Text>().map_err(|error| error.context("whom a message is for"))?;
        let (rest, is_one_of) = match text.strip_prefix(ONE_OF) {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let to = match rest.split_once(':') {
            _ if rest == "*" => To::All,
            Some(("type", name)) => To::Type(name.to_owned()),
            Some(("group" | "swarm", name)) => To::Group(name.to_owned()),
            Some(("capability", name)) => To::Capability(name.to_owned()),
            Some(("one-of", _)) => To::Agent(String::new()),
            _ => To::Agent(rest.to_owned()),
        };
        let name = match &to {
            To::All => "*",
            To::Agent(name) | To::Type(name) | To::Group(name) | To::Capability(name) => name,
        };
        if name.is_empty() || (is_one_of && matches!(to, To::Agent(_))) {
            return Err(Error::invalid(format!("{text:?} names nobody")).with_hint(
                "write an agent's id, type:NAME, group:NAME, capability:NAME or *; one-of: before it means whoever takes it first",
            ));
        }
        Ok(Self { to, is_one_of })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_one_of { ONE_OF } else { "" })?;
        match &self.to {
            To::Agent(id) => f.write_str(id),
            To::Type(name) => write!(f, "type:{name}"),
            To::Group(name) => write!(f, "group:{name}"),
            To::Capability(name) => write!(f, "capability:{name}"),
            To::All => f.write_str("*"),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written_and_one_that_names_nobody_is_refused() {
        for text in ["worker-1", "type:worker", "group:g", "capability:a:b", "*", "one-of:*", "one-of:type:w"]
        {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("swarm:s".parse::<Address>().unwrap().to_string(), "group:s");
        for text in ["", "type:", "group:", "one-of:", "one-of:worker-1", "one-of:one-of:*", "a\nb"] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}
