//! The state of one stream: from what was remembered of it, and the events since.

use serde::{Deserialize, Serialize};

use super::{StreamOf, apply};
use crate::snapshot::list_of;
use crate::{Aggregate, Error, Moment, Position, Result, Snapshot, StreamName, Timestamp, Version};

/// A state as it is remembered: with the version that it stands at.
#[derive(Serialize, Deserialize)]
pub(crate) struct Remembered<S> {
    pub(crate) version: Version,
    pub(crate) state: S,
}

/// Where the states of one stream are remembered.
pub(crate) fn key_of<S: Aggregate>(stream: &StreamName) -> String {
    format!("aggregate/{}/{}/{stream}", S::NAME, S::REVISION)
}

/// A state on its way: what it takes in already.
pub(crate) struct Folded<S> {
    pub(crate) state: S,
    /// Of the last event that it takes in.
    pub(crate) version: Version,
    /// Everything in the stream up to here was looked at.
    pub(crate) position: Position,
    /// The greatest time (a person's) of its events.
    pub(crate) newest: Option<Timestamp>,
}

impl<S: Default> Default for Folded<S> {
    fn default() -> Self {
        Self { state: S::default(), version: Version::NONE, position: Position::START, newest: None }
    }
}

impl StreamOf<'_> {
    /// The state that its events make by the moment of [`StreamOf::at`]: from the last state that was remembered by then,
    /// and the events since. It remembers nothing itself: [`EventLog::remember`](crate::EventLog::remember) does. A stream
    /// that does not exist has the state of no events.
    ///
    /// ```
    /// use factlog::{Aggregate, Event, EventLog, Fold, Invalid, MemoryStore, Moment, NewEvent, Version};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Default, Serialize, Deserialize)]
    /// struct Balance(i64);
    /// impl Fold for Balance {
    ///     fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
    ///         self.0 += event.data.to::<i64>()?;
    ///         Ok(())
    ///     }
    /// }
    /// impl Aggregate for Balance {
    ///     const NAME: &'static str = "balance";
    ///     const REVISION: u32 = 1;
    ///     const CATEGORY: &'static str = "account";
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let log = EventLog::new(MemoryStore::new());
    /// let account = "account-7".parse()?;
    /// log.append(NewEvent::new("account-7", "account:booked", 40)?).await?;
    /// log.append(NewEvent::new("account-7", "account:booked", 2)?).await?;
    /// assert_eq!(log.stream(&account).state::<Balance>().await?.0, 42);
    /// let first = log.stream(&account).at(Moment::Version(Version(1)));
    /// assert_eq!(first.state::<Balance>().await?.0, 40);
    /// # Ok::<(), factlog::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` for a stream of another category, for an event that the fold refuses, and where events that it would fold
    /// were removed, unless [`StreamOf::partial`] is asked for.
    pub async fn state<S: Aggregate>(&self) -> Result<S> {
        Ok(self.state_with_version::<S>().await?.0)
    }

    /// The same, with the version of the last event in it: what an append that is decided on it expects.
    ///
    /// # Errors
    /// As [`StreamOf::state`].
    pub async fn state_with_version<S: Aggregate>(&self) -> Result<(S, Version)> {
        let folded = self.folded::<S>().await?;
        Ok((folded.state, folded.version))
    }

    pub(crate) async fn folded<S: Aggregate>(&self) -> Result<Folded<S>> {
        if self.name.category() != S::CATEGORY {
            return Err(Error::invalid(format!(
                "{} is made of streams of the category {}, and {} is none",
                S::NAME,
                S::CATEGORY,
                self.name
            )));
        }
        let until = match self.until {
            Some(Moment::Recorded(time)) => Some(Moment::Position(self.log.0.recorded_through(time).await?)),
            until => until,
        };
        let mut folded = self.start::<S>(until).await?;
        let mut seen = folded.version;
        let mut reading = self.read_until(until, folded.position, seen.next());
        while let Some(event) = reading.next().await {
            let event = event?;
            let is_included = until.is_none_or(|moment| moment.includes(&event));
            if !is_included && matches!(until, Some(Moment::Version(_))) {
                break;
            }
            if event.version != seen.next() && !self.partial {
                return Err(self.removed(seen.next()));
            }
            if is_included {
                apply(&mut folded.state, &event)?;
                folded.newest = folded.newest.max(Some(event.time()));
                folded.version = event.version;
            }
            (seen, folded.position) = (event.version, event.position);
        }
        let is_whole = self.partial || matches!(until, Some(Moment::Version(last)) if seen >= last);
        if !is_whole {
            self.refuse_removed_after(seen, folded.position).await?;
        }
        Ok(folded)
    }

    /// Refuses a state when the events that came next were removed: whether they had come by the moment is not known.
    async fn refuse_removed_after(&self, seen: Version, position: Position) -> Result<()> {
        // Asked for first: what is appended in between is then no news.
        if self.version().await? <= seen {
            return Ok(());
        }
        let next = self.read().after(position).limit(1).collect().await?.pop();
        if next.is_some_and(|next| next.version == seen.next()) {
            return Ok(());
        }
        Err(self.removed(seen.next()))
    }

    fn removed(&self, version: Version) -> Error {
        Error::invalid(format!("version {version} of {} was removed", self.name))
            .with_hint("ask for `partial` to go on with what is left")
    }

    /// The last remembered state that holds nothing of later than the moment.
    async fn start<S: Aggregate>(&self, until: Option<Moment>) -> Result<Folded<S>> {
        let key = key_of::<S>(&self.name);
        let mut at = match until {
            None => Position::MAX,
            Some(Moment::Position(last)) => last,
            Some(Moment::Version(last)) => match self.first_from(last).await? {
                Some(event) => event.position,
                None => Position::MAX,
            },
            Some(Moment::Time(last)) => {
                let infos = list_of(self.log.snapshots(), &key).await?;
                let found = infos.into_iter().rfind(|info| info.newest.is_some_and(|time| time <= last));
                let Some(info) = found else { return Ok(Folded::default()) };
                info.position
            }
            Some(Moment::Recorded(_)) => return Ok(Folded::default()),
        };
        while let Some(snapshot) = self.log.snapshots().load(&key, at).await? {
            let Snapshot { position, newest, data, .. } = snapshot;
            let Ok(Remembered { version, state }) = data.to::<Remembered<S>>() else {
                tracing::debug!(key, %position, "remembered state cannot be read");
                return Ok(Folded::default());
            };
            // Where the version looked for was removed, what is found first may be later.
            let is_later = matches!(until, Some(Moment::Version(last)) if version > last);
            if !is_later {
                return Ok(Folded { state, version, position, newest });
            }
            let Some(before) = position.0.checked_sub(1) else { break };
            at = Position(before);
        }
        Ok(Folded::default())
    }
}
