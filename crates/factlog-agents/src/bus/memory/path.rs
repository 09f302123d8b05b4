//! Where a memory is kept: `NAMESPACE/KEY`, or a key alone.

use factlog::{Error, NewEvent, Result, StreamName, Text, TypedEvent};

use crate::vocabulary::{MemoryDeleted, MemoryRetrieved, MemoryShared, MemoryStored, stream_of};

/// The path of a memory, checked.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) text: String,
    pub(super) stream: StreamName,
}

impl Path {
    /// Reads a path.
    pub(super) fn new(text: &str) -> Result<Self> {
        let has_gap = text.is_empty() || text.split('/').any(str::is_empty);
        let stream =
            if has_gap { Err(Error::invalid("a part of it is empty")) } else { stream_of("memory", text) };
        let stream = stream.map_err(|error| {
            error
                .context(format!("the path {text:?} of a memory"))
                .with_hint("write a namespace and a key, such as plans/build, or a key alone")
        })?;
        Ok(Self { text: text.to_owned(), stream })
    }

    /// The namespace, where it has one, and the key.
    fn parts(&self) -> (Option<String>, Option<String>) {
        match self.text.split_once('/') {
            Some((namespace, key)) => (Some(namespace.to_owned()), Some(key.to_owned())),
            None => (None, Some(self.text.clone())),
        }
    }

    pub(super) fn stored(&self) -> MemoryStored {
        let (namespace, key) = self.parts();
        MemoryStored { namespace, key, ..MemoryStored::new(&*self.text) }
    }

    pub(super) fn shared(&self) -> MemoryShared {
        let (namespace, key) = self.parts();
        MemoryShared { namespace, key, ..MemoryShared::new(&*self.text) }
    }

    pub(super) fn retrieved(&self, agent: &str) -> Result<NewEvent> {
        let (namespace, key) = self.parts();
        let read = MemoryRetrieved { namespace, key, ..MemoryRetrieved::new(&*self.text).agent_id(agent) };
        by(agent, read)
    }

    pub(super) fn deleted(&self, agent: &str) -> Result<NewEvent> {
        let (namespace, key) = self.parts();
        by(agent, MemoryDeleted { namespace, key, ..MemoryDeleted::new(&*self.text) })
    }
}

/// What an agent says.
pub(super) fn by(agent: &str, payload: impl TypedEvent) -> Result<NewEvent> {
    payload.into_event()?.with_source(agent)
}

/// Refuses what can be no agent.
pub(super) fn check_agent(agent: &str) -> Result<()> {
    agent.parse::<Text>().map(drop).map_err(|error| error.context("the agent"))
}
