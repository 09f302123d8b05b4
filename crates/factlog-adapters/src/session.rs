//! What the events of agents' sessions share: their names, their ids, and the order of their files.

use factlog::{EventId, Result, StreamName, Text, Timestamp};

use crate::lines::{Content, Lines};
use crate::source::Source;

/// The session and its stream: the one that is named, where that can be a name, else the file's.
pub(crate) fn names(named: Option<&str>, stem: &str) -> Result<(Text, StreamName)> {
    let names = |session: &str| Ok((Text::new(session)?, StreamName::new(format!("session-{session}"))?));
    match named.map(names) {
        Some(Ok(found)) => Ok(found),
        _ => names(stem),
    }
}

/// Who speaks: the system, or one of its agents.
pub(crate) fn source(system: &'static str, agent: Option<&str>) -> Text {
    let agent = agent.and_then(|agent| Text::new(format!("{system}/{agent}")).ok());
    agent.unwrap_or_else(|| Text::trusted(system))
}

/// The id of a record that carries neither a time nor an id: its text, told apart by what came before it.
///
/// A person may say "go on" twice, and each is a fact; the same file gives the same ids however often it is read.
pub(crate) fn id_after(system: &str, session: &str, before: Option<EventId>, record: &str) -> EventId {
    let before = before.map(|id| id.to_string()).unwrap_or_default();
    EventId::foreign(system, session, &format!("{before}\n{record}"))
}

/// Sorts files by the time that each is given; those without one come last, by name.
pub(crate) fn by_time(
    sources: Vec<Source>,
    mut time: impl FnMut(&Source) -> Result<Option<Timestamp>>,
) -> Result<Vec<Source>> {
    let mut timed = Vec::with_capacity(sources.len());
    for source in sources {
        // What is read from a pipe is gone for the import.
        let time = if source.bytes.is_some() { time(&source)? } else { None };
        timed.push((time.is_none(), time, source));
    }
    timed.sort_by(|(a_none, a_time, a), (b_none, b_time, b)| {
        (a_none, a_time, &a.name).cmp(&(b_none, b_time, &b.name))
    });
    Ok(timed.into_iter().map(|(_, _, source)| source).collect())
}

/// The first time that stands in the lines of a file.
pub(crate) fn first_time(
    source: &Source,
    time: impl Fn(&str) -> Option<Timestamp>,
) -> Result<Option<Timestamp>> {
    let mut lines = Lines::new(source.open()?);
    while let Some(line) = lines.next().map_err(|cause| source.unreadable(cause))? {
        let Content::Text(text) = line.content else { continue };
        if let Some(time) = time(text) {
            return Ok(Some(time));
        }
    }
    Ok(None)
}
