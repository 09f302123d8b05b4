//! Deciders: what a command makes happen is decided on a state that is folded from one stream, and recorded if it still holds.
//!
//! The log is the state. Whatever else shows it, such as files or tables, is a projection: it is written after the append,
//! and made anew from the log when somebody was ended in between. Follows "functional event sourcing decider" (Jérémie
//! Chassaing, 2021).

use std::fmt::Write;

use factlog::{
    Aggregate, AppendedEvent, Batch, Error, ErrorKind, Event, EventId, EventLog, Expect, Filter, NewEvent,
    Result, StreamName, Version,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::bus::held::{DECIDE_TRIES_MAX, pause};

/// Events that one command makes happen.
pub const DECISION_EVENTS_MAX: usize = 100;
/// Bytes of a command's id.
const COMMAND_ID_BYTES_MAX: usize = 200;
/// Stands for the system in the ids of events that a command has caused.
const SYSTEM: &str = "command";
/// The name in the metadata under which events tell their command.
const NOTE: &str = "decidedFor";

/// A state of one stream that decides what commands make happen.
///
/// ```
/// use factlog::{Aggregate, Error, Event, EventLog, Fold, Invalid, MemoryStore, NewEvent, Result};
/// use factlog_agents::decider::{Decider, decide_once};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Account(u64);
/// impl Fold for Account {
///     fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
///         self.0 -= event.data.to::<u64>()?.min(self.0);
///         Ok(())
///     }
/// }
/// impl Aggregate for Account {
///     const NAME: &'static str = "account";
///     const REVISION: u32 = 1;
///     const CATEGORY: &'static str = "account";
/// }
/// impl Decider for Account {
///     type Command = u64;
///     fn decide(&self, sum: &u64) -> Result<Vec<NewEvent>> {
///         if self.0 < *sum {
///             return Err(Error::invalid("there is not so much in it"));
///         }
///         Ok(vec![NewEvent::new("account-7", "account:debited", sum)?])
///     }
/// }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let log = EventLog::new(MemoryStore::new());
/// assert!(decide_once::<Account>(&log, &"account-7".parse()?, "order-1", &40).await.is_err());
/// # Ok::<(), Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Decider: Aggregate {
    /// What is asked of it.
    type Command: Serialize + Sync;

    /// The events that a command makes happen, all of this stream; none when there is nothing to do. It is asked again when
    /// others were faster, so it does nothing else.
    ///
    /// # Errors
    /// Why the command is refused.
    fn decide(&self, command: &Self::Command) -> Result<Vec<NewEvent>>;
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<S> {
    /// The state with it, and with what came since where it was recorded before.
    pub state: S,
    /// The version that the state stands at.
    pub version: Version,
    /// Where its events stand; none when there was nothing to do.
    pub events: Vec<AppendedEvent>,
    /// Whether the same command was recorded before, and nothing was changed now.
    pub repeated: bool,
}

/// Decides on a stream's state, and records what was decided if nothing came in between; else decides again.
///
/// # Errors
/// What the decision says, what the log says, and `Unavailable` when others were faster each time.
pub async fn decide<D: Decider>(
    log: &EventLog,
    stream: &StreamName,
    command: &D::Command,
) -> Result<Decision<D>> {
    run::<D>(log, stream, command, None).await
}

/// The same for a command with an id: given again, from whichever process, it changes nothing and tells what it did. A
/// command that had nothing to do, or was refused, has left nothing, and is decided anew.
///
/// # Errors
/// As [`decide`]; and `Conflict` for an id that another command of the same stream has.
pub async fn decide_once<D: Decider>(
    log: &EventLog,
    stream: &StreamName,
    id: &str,
    command: &D::Command,
) -> Result<Decision<D>> {
    if !(1..=COMMAND_ID_BYTES_MAX).contains(&id.len()) {
        return Err(Error::invalid(format!("a command's id has 1 to {COMMAND_ID_BYTES_MAX} bytes")));
    }
    let named = Named { id, digest: digest(command)? };
    run::<D>(log, stream, command, Some(&named)).await
}

/// A command with an id, as its events tell of it.
#[derive(Serialize)]
struct Named<'a> {
    id: &'a str,
    /// Of the command, so that another one under the same id is noticed.
    digest: String,
}

impl Named<'_> {
    fn event_id(&self, stream: &StreamName, index: usize) -> EventId {
        EventId::foreign(SYSTEM, stream.as_str(), &format!("{index}:{}", self.id))
    }

    /// Where the events of the command stand, if it was recorded before.
    async fn recorded(&self, log: &EventLog, stream: &StreamName) -> Result<Vec<AppendedEvent>> {
        if log.get(self.event_id(stream, 0)).await?.is_none() {
            return Ok(Vec::new());
        }
        let ids = (0..DECISION_EVENTS_MAX).map(|index| self.event_id(stream, index));
        let events = log.read(Filter::ids(ids)).collect().await?;
        if let Some(other) = events.iter().find(|event| !self.is_of(event)) {
            let (id, position) = (self.id, other.position);
            return Err(Error::conflict(format!(
                "another command of {stream} had the id {id:?}: position {position} is of it"
            ))
            .with_hint("give each command an id of its own; the same command again has the same id"));
        }
        let place = |event: &Event| AppendedEvent {
            position: event.position,
            stream: event.stream.clone(),
            version: event.version,
        };
        Ok(events.iter().map(|event| place(event)).collect())
    }

    fn is_of(&self, event: &Event) -> bool {
        let metadata = event.metadata.as_ref().and_then(|metadata| metadata.to::<serde_json::Value>().ok());
        metadata.is_some_and(|metadata| metadata[NOTE]["digest"] == self.digest)
    }
}

async fn run<D: Decider>(
    log: &EventLog,
    stream: &StreamName,
    command: &D::Command,
    named: Option<&Named<'_>>,
) -> Result<Decision<D>> {
    let mut refused = None;
    for attempt in 0..DECIDE_TRIES_MAX {
        if let Some(named) = named {
            let events = named.recorded(log, stream).await?;
            if !events.is_empty() {
                let (state, version) = log.stream(stream).state_with_version::<D>().await?;
                return Ok(Decision { state, version, events, repeated: true });
            }
        }
        let (mut state, mut version) = log.stream(stream).state_with_version::<D>().await?;
        let facts = facts(stream, state.decide(command)?, named)?;
        if facts.is_empty() {
            return Ok(Decision { state, version, events: Vec::new(), repeated: false });
        }
        let batch = Batch::new(facts.clone())?.expect(stream.clone(), Expect::Version(version))?;
        match log.append(batch).await {
            // Ids that the decision has given itself were recorded before: the state has it all.
            Ok(appended) if appended.repeated => {
                return Ok(Decision { state, version, events: appended.events, repeated: true });
            }
            Ok(appended) => {
                for (fact, at) in facts.into_iter().zip(&appended.events) {
                    version = at.version;
                    let (position, recorded_at) = (at.position, appended.recorded_at);
                    let event = Event { position, version, recorded_at, fact };
                    state.apply(&event).map_err(|why| {
                        Error::invalid(format!("the event at position {position} cannot be applied: {why}"))
                    })?;
                }
                return Ok(Decision { state, version, events: appended.events, repeated: false });
            }
            Err(error) if error.kind() == ErrorKind::Conflict => refused = Some(error),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause(attempt)).await;
    }
    Err(match refused {
        // Not of versions: it is the same however often it is tried.
        Some(error) if error.actual().is_none() => error,
        _ => Error::unavailable(format!("others write into {stream} all the time"))
            .with_hint("try again in a moment"),
    })
}

/// What was decided, under the ids that follow from the command's.
fn facts(stream: &StreamName, decided: Vec<NewEvent>, named: Option<&Named<'_>>) -> Result<Vec<NewEvent>> {
    if decided.len() > DECISION_EVENTS_MAX {
        let count = decided.len();
        return Err(Error::invalid(format!(
            "a command makes {count} events happen; {DECISION_EVENTS_MAX} are allowed"
        )));
    }
    if let Some(other) = decided.iter().find(|fact| fact.stream != *stream) {
        return Err(Error::invalid(format!("an event of {} was decided on {stream}", other.stream)));
    }
    let Some(named) = named else { return Ok(decided) };
    let mut facts = decided;
    for (index, fact) in facts.iter_mut().enumerate() {
        fact.id = named.event_id(stream, index);
        fact.note(NOTE, named)?;
    }
    Ok(facts)
}

fn digest(command: &impl Serialize) -> Result<String> {
    let text = serde_json::to_vec(command)
        .map_err(|cause| Error::invalid(format!("the command is no JSON: {cause}")).with_cause(cause))?;
    let mut hex = String::new();
    for byte in &Sha256::digest(text)[..16] {
        // A text takes whatever is written.
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use factlog::{Fold, Invalid, MemoryStore, given};
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
    struct Stock {
        pieces: u64,
        events: u64,
    }

    impl Fold for Stock {
        fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
            let pieces: i64 = event.data.to()?;
            self.pieces = self.pieces.checked_add_signed(pieces).ok_or("fewer than none")?;
            self.events += 1;
            Ok(())
        }
    }

    impl Aggregate for Stock {
        const NAME: &'static str = "stock";
        const REVISION: u32 = 1;
        const CATEGORY: &'static str = "stock";
    }

    impl Decider for Stock {
        type Command = Vec<i64>;

        fn decide(&self, pieces: &Vec<i64>) -> Result<Vec<NewEvent>> {
            if self.pieces.checked_add_signed(pieces.iter().sum()).is_none() {
                return Err(Error::conflict("there are not so many"));
            }
            pieces.iter().map(|pieces| NewEvent::new("stock-1", "stock:changed", json!(pieces))).collect()
        }
    }

    fn stream() -> StreamName {
        "stock-1".parse().unwrap()
    }

    #[tokio::test]
    async fn a_decision_is_recorded_and_its_state_is_that_of_the_log() {
        let log = EventLog::new(MemoryStore::new());
        let done = decide::<Stock>(&log, &stream(), &vec![5, -2]).await.unwrap();
        assert_eq!((done.state.pieces, done.version, done.events.len()), (3, Version(2), 2));
        assert_eq!(done.state, log.stream(&stream()).state().await.unwrap());
        let refused = decide::<Stock>(&log, &stream(), &vec![-4]).await.unwrap_err();
        assert_eq!(refused.message(), "there are not so many", "a refusal is told as it is, at once");
        let nothing = decide::<Stock>(&log, &stream(), &vec![]).await.unwrap();
        assert!(nothing.events.is_empty() && !nothing.repeated);
        let other = decide::<Stock>(&log, &"stock-2".parse().unwrap(), &vec![1]).await.unwrap_err();
        assert_eq!(other.kind(), ErrorKind::Invalid);
        assert_eq!(log.newest().await.unwrap().0, 2);
        assert!(decide::<Stock>(&log, &stream(), &vec![1; 101]).await.is_err());
    }

    #[test]
    fn a_decider_is_tested_without_a_log() {
        given::<Stock>([])
            .when(|stock| stock.decide(&vec![-1]))
            .then_refused(|error| error.kind() == ErrorKind::Conflict);
    }

    /// Story: a command was sent again because its answer was lost, and what it asked for was done twice.
    #[tokio::test]
    async fn a_command_with_an_id_happens_once() {
        let log = EventLog::new(MemoryStore::new());
        let order = vec![5, -5];
        let first = decide_once::<Stock>(&log, &stream(), "order-1", &order).await.unwrap();
        decide::<Stock>(&log, &stream(), &vec![7]).await.unwrap();
        let again = decide_once::<Stock>(&log, &stream(), "order-1", &order).await.unwrap();
        assert_eq!((again.repeated, &again.events), (true, &first.events));
        assert_eq!((again.state.pieces, again.version), (7, Version(3)));
        decide_once::<Stock>(&log, &stream(), "order-2", &order).await.unwrap();
        assert_eq!(log.newest().await.unwrap().0, 5);
        let other = decide_once::<Stock>(&log, &stream(), "order-1", &vec![1]).await.unwrap_err();
        assert_eq!(other.kind(), ErrorKind::Conflict, "{other}");
        assert!(decide_once::<Stock>(&log, &stream(), "", &order).await.is_err());
    }

    /// Two of an id are told apart from any others: `1` of `1:x` and `11` of `:x` are not the same.
    #[test]
    fn ids_of_events_follow_from_the_command_and_are_nobody_elses() {
        let named = |id| Named { id, digest: String::new() };
        assert_eq!(named("x").event_id(&stream(), 1), named("x").event_id(&stream(), 1));
        assert_ne!(named("1:x").event_id(&stream(), 1), named("x").event_id(&stream(), 1));
        assert_ne!(named(":x").event_id(&stream(), 11), named("1:x").event_id(&stream(), 1));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_many_at_once_each_is_decided_on_what_the_others_have_left() {
        let log = EventLog::new(MemoryStore::new());
        decide::<Stock>(&log, &stream(), &vec![10]).await.unwrap();
        let taken = Arc::new(AtomicU32::new(0));
        let takers: Vec<_> = (0..20)
            .map(|taker| {
                let (log, taken) = (log.clone(), Arc::clone(&taken));
                tokio::spawn(async move {
                    // Each says it twice, as if the first answer had been lost.
                    for _ in 0..2 {
                        let id = format!("take-{taker}");
                        match decide_once::<Stock>(&log, &stream(), &id, &vec![-1]).await {
                            Ok(done) if !done.repeated => drop(taken.fetch_add(1, Ordering::Relaxed)),
                            Ok(_) => {}
                            Err(error) => assert_eq!(error.message(), "there are not so many"),
                        }
                    }
                })
            })
            .collect();
        for taker in takers {
            taker.await.unwrap();
        }
        let left: Stock = log.stream(&stream()).state().await.unwrap();
        assert_eq!((taken.load(Ordering::Relaxed), left.pieces, left.events), (10, 0, 11));
    }
}
