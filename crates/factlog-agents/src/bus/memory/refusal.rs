//! Why something cannot be done with a memory, in words that say what to do.

use factlog::{Error, Json, Result};

use super::path::Path;
use crate::projections::{Access, Memory, MemoryStatus};

/// Characters of a value that an error shows.
const VALUE_SHOWN_CHARACTERS_MAX: usize = 200;

/// Refuses what an agent has no right to.
pub(super) fn permit(memory: &Memory, agent: &str, access: Access, needed: Access) -> Result<()> {
    if access >= needed {
        return Ok(());
    }
    let owner = memory.owner.as_deref().unwrap_or("nobody");
    let (path, what) = (
        &memory.memory_id,
        match needed {
            Access::Read | Access::None => "read",
            Access::Write => "write to",
            Access::Admin => "decide about",
        },
    );
    Err(Error::denied(format!(
        "{agent} may not {what} {path}: its access is {access}, and {needed} is needed"
    ))
    .with_hint(format!(
        "ask {owner}, who owns it: factlog memory share {path} --with {agent} --level {needed}"
    )))
}

/// What has become of a value that is not there.
pub(super) fn absence(memory: &Memory) -> String {
    match (memory.status, memory.deleted_at, memory.expires_at) {
        (MemoryStatus::Deleted, Some(at), _) => format!("was deleted at {at}"),
        (MemoryStatus::Expired, Some(at), _) | (MemoryStatus::Stored, _, Some(at)) => {
            format!("its time ran out at {at}")
        }
        _ => "nothing was ever stored there".to_owned(),
    }
}

/// There is no value.
pub(super) fn absent(memory: &Memory) -> Error {
    Error::not_found(format!(
        "{} is not there: {}",
        memory.memory_id,
        match absence(memory) {
            was if was.starts_with("was") => format!("it {was}"),
            was => was,
        }
    ))
    .with_hint("`factlog memory list` shows what is there")
}

/// There is a value, and it cannot be told.
pub(super) fn removed(path: &Path) -> Error {
    Error::not_found(format!("the value of {} is not in the log", path.text))
        .with_hint("it is kept elsewhere, or its event was removed; put it again")
}

/// The right was taken away, or the time ran out, between the look and the record.
pub(super) fn no_longer(agent: &str, path: &Path) -> Error {
    Error::denied(format!("{agent} had no right to change {} any more when it was recorded", path.text))
        .with_hint("nothing was changed; look again")
}

/// A value as an error shows it.
pub(super) fn shown(value: &Json) -> String {
    match value.as_str().char_indices().nth(VALUE_SHOWN_CHARACTERS_MAX) {
        None => value.as_str().to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &value.as_str()[..end], value.as_str().len()),
    }
}
