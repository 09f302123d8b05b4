//! The state of one memory as it is decided on: its stream, and who belonged to the groups that it is shared with.

use std::collections::HashMap;
use std::sync::Arc;

use factlog::{
    Appended, Batch, Error, ErrorKind, EventLog, Expect, Filter, NewEvent, Position, Result, Timestamp,
    Version,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::path::Path;
use crate::bus::held::{DECIDE_TRIES_MAX, HELD_STATES_MAX, pause};
use crate::projections::{Access, Groups, Memory, NOW, memory_of};
use crate::vocabulary::Payload;

/// Who belonged to which group, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct KnownGroups {
    groups: Groups,
    /// Of the last event taken in.
    position: Position,
    /// All that was recorded up to here was looked at.
    through: Position,
}

impl KnownGroups {
    /// Takes in what was recorded up to a position at least.
    async fn refresh(&mut self, log: &EventLog, through: Position) -> Result<()> {
        if through <= self.through {
            return Ok(());
        }
        let newest = log.newest().await?;
        let mut reading = log.read(Groups::filter()).after(self.position);
        while let Some(event) = reading.next().await {
            let event = event?;
            self.groups.take(&event);
            self.position = event.position;
        }
        self.through = newest;
        Ok(())
    }

    /// All members that there are and were.
    pub(super) async fn current(&mut self, log: &EventLog) -> Result<&Groups> {
        self.refresh(log, log.newest().await?).await?;
        Ok(&self.groups)
    }
}

/// One memory, as far as its stream was read.
#[derive(Debug)]
pub(super) struct HeldMemory {
    path: Path,
    memory: Memory,
    position: Position,
    version: Version,
}

impl HeldMemory {
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Takes in what came since, up to a position. What is shared with a group is judged by its members of that time.
    pub(super) async fn refresh(
        &mut self,
        log: &EventLog,
        groups: &Mutex<KnownGroups>,
        until: Position,
    ) -> Result<()> {
        let before = Position(until.0.saturating_add(1));
        let mut reading =
            log.read(Filter::stream(self.path.stream.clone())).after(self.position).before(before);
        while let Some(event) = reading.next().await {
            let event = event?;
            let payload = Payload::of(&event);
            if let Some(payload) = payload.filter(|of| memory_of(of) == Some(&*self.path.text)) {
                let mut known = groups.lock().await;
                if self.memory.is_shared_with_a_group() {
                    known.refresh(log, event.position).await?;
                }
                self.memory.take(&event, payload, &known.groups);
            }
            (self.position, self.version) = (event.position, event.version);
        }
        Ok(())
    }

    /// What an agent may do with it now.
    pub(super) async fn access(
        &self,
        log: &EventLog,
        groups: &Mutex<KnownGroups>,
        agent: &str,
    ) -> Result<Access> {
        let mut known = groups.lock().await;
        if self.memory.is_shared_with_a_group() {
            known.current(log).await?;
        }
        let is_member = |group: &str| known.groups.has(group, agent, NOW);
        Ok(self.memory.access_of(agent, Timestamp::now(), is_member))
    }

    /// Looks, decides by the memory and what an agent may do with it, and records what was decided if nothing came in between;
    /// else looks again. Afterwards the state is that of just then.
    pub(super) async fn decide(
        &mut self,
        log: &EventLog,
        groups: &Mutex<KnownGroups>,
        agent: &str,
        mut decide: impl FnMut(&Memory, Access) -> Result<NewEvent>,
    ) -> Result<Appended> {
        for attempt in 0..DECIDE_TRIES_MAX {
            self.refresh(log, groups, Position::MAX).await?;
            let access = self.access(log, groups, agent).await?;
            let event = decide(&self.memory, access)?;
            let expect = Expect::Version(self.version);
            let batch = Batch::new(vec![event])?.expect(self.path.stream.clone(), expect)?;
            match log.append(batch).await {
                Ok(appended) => {
                    self.refresh(log, groups, appended.last()).await?;
                    return Ok(appended);
                }
                Err(error) if error.kind() == ErrorKind::Conflict && error.actual().is_some() => {
                    self.refresh(log, groups, Position::MAX).await?;
                    // Where the newest events were removed, only the version tells of them.
                    self.version = self.version.max(error.actual().unwrap_or(Version::NONE));
                    tokio::time::sleep(pause(attempt)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::unavailable(format!("others write into {} all the time", self.path.stream))
            .with_hint("try again in a moment"))
    }
}

/// The memories that a handle keeps, and the groups they are shared with.
#[derive(Debug, Default)]
pub(in crate::bus) struct HeldMemories {
    memories: std::sync::Mutex<HashMap<String, Arc<Mutex<HeldMemory>>>>,
    pub(super) groups: Mutex<KnownGroups>,
}

impl HeldMemories {
    /// A memory, for one caller at a time; as it was last read.
    pub(super) async fn of(&self, path: &Path) -> OwnedMutexGuard<HeldMemory> {
        self.entry(path).lock_owned().await
    }

    fn entry(&self, path: &Path) -> Arc<Mutex<HeldMemory>> {
        let mut held = self.memories.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if held.len() >= HELD_STATES_MAX && !held.contains_key(&path.text) {
            held.retain(|_, memory| Arc::strong_count(memory) > 1);
        }
        let new = || {
            let memory = Memory::new(&path.text);
            let (position, version) = (Position::START, Version::NONE);
            Arc::new(Mutex::new(HeldMemory { path: path.clone(), memory, position, version }))
        };
        Arc::clone(held.entry(path.text.clone()).or_insert_with(new))
    }
}
