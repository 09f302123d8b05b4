//! Shared memory: values under paths, with versions, an owner, and levels of access that are kept.
//!
//! Whoever stores a value first owns it. Everybody may read it, unless it says otherwise, and its owner says who else may write
//! or decide about it. A change that was not permitted when it was recorded is void for every reader.

mod held;
mod path;
mod refusal;
mod value;

use factlog::{Error, Event, Filter, Json, Position, Result, Timestamp};
use tokio::sync::OwnedMutexGuard;

pub(super) use self::held::HeldMemories;
pub use self::value::{MemoryChange, MemoryEntry, MemoryValue, PutOptions};

use self::held::HeldMemory;
use self::path::{Path, by, check_agent};
use self::refusal::{absence, absent, no_longer, permit, removed, shown};
use super::{Address, Bus, To};
use crate::projections::{Access, Memory, MemoryStatus, memory_of};
use crate::vocabulary::Payload;

/// Changes that are told of one memory: the last ones.
const HISTORY_CHANGES_MAX: usize = 1_000;

/// Refuses what can be no path of a memory, before a log is opened.
///
/// # Errors
/// `Invalid`, saying what is wrong.
pub fn check_memory_path(path: &str) -> Result<()> {
    Path::new(path).map(drop)
}

impl Bus {
    /// Stores a value. A path that nobody owns is then this agent's.
    ///
    /// # Errors
    /// `Conflict` where another version is there than is expected: it shows both, and both values. `Denied` without the right to
    /// write there; `Invalid` for a path or an end that can be none.
    pub async fn memory_put(
        &self,
        agent: &str,
        path: &str,
        value: Json,
        options: PutOptions,
    ) -> Result<MemoryValue> {
        check_agent(agent)?;
        let path = Path::new(path)?;
        if options.expires.is_some_and(|expires| expires <= Timestamp::now()) {
            return Err(Error::invalid(format!("the value of {} would be over at once", path.text))
                .with_hint("give an end that is still to come, or none"));
        }
        let mut held = self.0.memories.of(&path).await;
        let mut is_stale = false;
        let appended = held
            .decide(self.log(), &self.0.memories.groups, agent, |memory, access| {
                let needed = if options.access.is_some() { Access::Admin } else { Access::Write };
                permit(memory, agent, access, needed)?;
                is_stale = options.expect.is_some_and(|expected| expected != version_now(memory));
                if is_stale {
                    return Err(Error::conflict("stale"));
                }
                let mut stored = path.stored().value(value.clone());
                stored.expires_at = options.expires;
                stored.access_level = options.access.map(|access| access.as_str().to_owned());
                stored.tags = Some(options.tags.clone()).filter(|tags| !tags.is_empty());
                by(agent, stored)
            })
            .await;
        let appended = match appended {
            Err(_) if is_stale => return Err(self.stale(&held, &value, options.expect).await?),
            appended => appended?,
        };
        if held.memory().value_at != Some(appended.last()) {
            return Err(no_longer(agent, &path));
        }
        let event = self.log().event_at(appended.last()).await?;
        let event = event.ok_or_else(|| removed(&path))?;
        Ok(MemoryValue::of(held.memory(), &event, value))
    }

    /// Both versions and both values, for one who expected another.
    async fn stale(&self, held: &HeldMemory, value: &Json, expected: Option<u64>) -> Result<Error> {
        let memory = held.memory();
        let (path, expected, actual) = (&memory.memory_id, expected.unwrap_or_default(), version_now(memory));
        let wanted = if expected == 0 { "none".to_owned() } else { format!("version {expected}") };
        let there = if actual == 0 {
            absence(memory)
        } else {
            let event = self.value_event(memory).await?;
            let (value, who) = event.map_or((None, String::new()), |(event, value)| {
                let source = event.source.as_ref().map(|source| format!(" by {source}"));
                (Some(value), format!(", stored{} at {}", source.unwrap_or_default(), event.recorded_at))
            });
            let value =
                value.map_or_else(|| "a value that is kept elsewhere".to_owned(), |value| shown(&value));
            format!("is at version {actual}: {value}{who}")
        };
        let message = format!("{path} was expected at {wanted}, and {there}; not stored: {}", shown(value));
        Ok(Error::conflict(message).with_hint(format!(
            "read it again, decide on what is there, and put it with the expected version {actual}"
        )))
    }

    /// The event that has the value of a memory, and the value.
    async fn value_event(&self, memory: &Memory) -> Result<Option<(std::sync::Arc<Event>, Json)>> {
        let Some(position) = memory.value_at else { return Ok(None) };
        let Some(event) = self.log().event_at(position).await? else { return Ok(None) };
        Ok(value_of(&event).map(|value| (event, value)))
    }

    async fn held_memory(&self, path: &Path) -> Result<OwnedMutexGuard<HeldMemory>> {
        let mut held = self.0.memories.of(path).await;
        held.refresh(self.log(), &self.0.memories.groups, Position::MAX).await?;
        Ok(held)
    }

    /// Looks a value up, and records that.
    ///
    /// # Errors
    /// `NotFound` where none is: it says whether one was deleted or has run out. `Denied` without the right to read it.
    pub async fn memory_get(&self, agent: &str, path: &str) -> Result<MemoryValue> {
        check_agent(agent)?;
        let path = Path::new(path)?;
        let held = self.held_memory(&path).await?;
        let memory = held.memory();
        if !memory.is_live(Timestamp::now()) {
            return Err(absent(memory));
        }
        let access = held.access(self.log(), &self.0.memories.groups, agent).await?;
        permit(memory, agent, access, Access::Read)?;
        let found = self.value_event(memory).await?;
        let (event, value) = found.ok_or_else(|| removed(&path))?;
        let mut found = MemoryValue::of(memory, &event, value);
        drop(held);
        self.log().append(path.retrieved(agent)?).await?;
        found.accesses = found.accesses.saturating_add(1);
        Ok(found)
    }

    /// Takes a value away. Where one who may decide about it does, its path is nobody's again.
    ///
    /// # Errors
    /// `NotFound` where none is; `Denied` without the right to write there.
    pub async fn memory_delete(&self, agent: &str, path: &str) -> Result<()> {
        check_agent(agent)?;
        let path = Path::new(path)?;
        let mut held = self.0.memories.of(&path).await;
        held.decide(self.log(), &self.0.memories.groups, agent, |memory, access| {
            if !memory.is_live(Timestamp::now()) {
                return Err(absent(memory));
            }
            permit(memory, agent, access, Access::Write)?;
            path.deleted(agent)
        })
        .await?;
        if held.memory().status == MemoryStatus::Deleted { Ok(()) } else { Err(no_longer(agent, &path)) }
    }

    /// Lets agents, groups (`group:NAME`) or everybody (`*`) do this much with a value. [`Access::None`] takes back what was
    /// given; what everybody may do is what each may at least.
    ///
    /// # Errors
    /// `NotFound` where no value is; `Denied` without the right to decide about it; `Invalid` for what names nobody.
    pub async fn memory_share(&self, agent: &str, path: &str, with: &[String], level: Access) -> Result<()> {
        check_agent(agent)?;
        let path = Path::new(path)?;
        let with = with.iter().map(|to| shared_with(to)).collect::<Result<Vec<String>>>()?;
        if with.is_empty() {
            return Err(
                Error::invalid("shared with nobody").with_hint("name agents, group:NAME, or * for everybody")
            );
        }
        let mut held = self.0.memories.of(&path).await;
        let mut refused = 0;
        held.decide(self.log(), &self.0.memories.groups, agent, |memory, access| {
            if !memory.is_live(Timestamp::now()) {
                return Err(absent(memory));
            }
            permit(memory, agent, access, Access::Admin)?;
            refused = memory.refused;
            let shared = path.shared().access_level(level.as_str());
            by(agent, shared.shared_with(with.clone()))
        })
        .await?;
        if held.memory().refused > refused { Err(no_longer(agent, &path)) } else { Ok(()) }
    }

    /// The memories below a path that this agent may read, in the order of their paths.
    pub async fn memory_list(&self, agent: &str, prefix: &str) -> Result<Vec<MemoryEntry>> {
        check_agent(agent)?;
        let now = Timestamp::now();
        let mut whole = self.0.all_memories.lock().await;
        let memories = whole.refresh(self.log()).await?;
        let live =
            memories.stored().filter(|memory| memory.memory_id.starts_with(prefix) && memory.is_live(now));
        let entries = live.map(|memory| MemoryEntry::of(memory, memories.access_of(agent, memory, now)));
        Ok(entries.filter(|entry| entry.access >= Access::Read).collect())
    }

    /// What became of a memory, the earliest first; of very many changes the last 1,000.
    ///
    /// # Errors
    /// `NotFound` where nothing ever was; `Denied` without the right to read it.
    pub async fn memory_history(&self, agent: &str, path: &str) -> Result<Vec<MemoryChange>> {
        check_agent(agent)?;
        let path = Path::new(path)?;
        let held = self.held_memory(&path).await?;
        if held.memory().status == MemoryStatus::Unknown {
            return Err(absent(held.memory()));
        }
        let access = held.access(self.log(), &self.0.memories.groups, agent).await?;
        permit(held.memory(), agent, access, Access::Read)?;
        drop(held);
        let mut known = self.0.memories.groups.lock().await;
        let groups = known.current(self.log()).await?;
        let mut memory = Memory::new(&path.text);
        let mut changes = std::collections::VecDeque::new();
        let mut reading = self.log().read(Filter::stream(path.stream.clone()));
        while let Some(event) = reading.next().await {
            let event = event?;
            let payload = Payload::of(&event).filter(|payload| memory_of(payload) == Some(&*path.text));
            let Some(payload) = payload else { continue };
            let is_change = !matches!(payload, Payload::MemoryRetrieved(_));
            let refused = memory.refused;
            memory.take(&event, payload, groups);
            if is_change {
                changes.push_back(change(&event, &memory, memory.refused > refused));
            }
            if changes.len() > HISTORY_CHANGES_MAX {
                changes.pop_front();
            }
        }
        Ok(changes.into())
    }
}

/// The version that is there now; 0 where nothing is.
fn version_now(memory: &Memory) -> u64 {
    if memory.is_live(Timestamp::now()) { memory.value_version() } else { 0 }
}

fn value_of(event: &Event) -> Option<Json> {
    match Payload::of(event)? {
        Payload::MemoryStored(stored) => stored.value,
        Payload::MemoryShared(shared) => shared.value,
        _ => None,
    }
}

fn change(event: &Event, memory: &Memory, is_void: bool) -> MemoryChange {
    MemoryChange {
        event_id: event.id,
        position: event.position,
        event_type: event.event_type.to_string(),
        by: event.source.as_ref().map(ToString::to_string),
        at: event.recorded_at,
        version: memory.value_version(),
        value: value_of(event),
        is_void,
    }
}

/// Whom a memory is shared with, in the one way in which it is written.
fn shared_with(to: &str) -> Result<String> {
    let address: Address = to.parse()?;
    match address.to {
        To::Agent(_) | To::Group(_) | To::All if !address.is_one_of => Ok(address.to_string()),
        _ => Err(Error::invalid(format!("a memory cannot be shared with {to}"))
            .with_hint("name agents, group:NAME, or * for everybody")),
    }
}
