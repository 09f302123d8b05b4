//! Rules of what is kept: events go by their age, or when their delivery has ended.
//!
//! ```
//! use std::time::Duration;
//!
//! use factlog::{EventLog, Filter, MemoryStore, Retention, Rule, Timestamp};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! # let log = EventLog::new(MemoryStore::new());
//! let month = Duration::from_secs(30 * 24 * 60 * 60);
//! let retention = Retention::new(vec![
//!     Rule::older_than("chatter", Filter::types(["session:*"])?, month),
//!     Rule::expired("messages", Filter::all()),
//! ])?;
//! for planned in retention.plan(&log, Timestamp::now()).await? {
//!     println!("{}: {} events up to position {}", planned.rule, planned.count, planned.through);
//!     log.remove(&planned.removal(None)).await?;
//! }
//! # Ok::<(), factlog::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::HashSet;
use std::time::Duration;

use serde::Serialize;

use crate::error::shown;
use crate::limits::RETENTION_RULES_MAX;
use crate::{Error, Event, EventLog, Filter, Position, Removal, Removed, Result, TimeRange, Timestamp};

/// Which events go, and when. One that says no when is refused: it would take all of them, always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it is called.
    pub name: String,
    /// Which events it is about.
    pub filter: Filter,
    /// Those of this age; none, and age does not matter.
    pub age: Option<Duration>,
    /// What the age counts from.
    pub clock: Clock,
    /// Those only whose delivery has ended.
    pub expired: bool,
}

/// What the age of an event counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// When it was recorded: a fresh import of old records is not swept away.
    #[default]
    Recorded,
    /// When it happened, as far as that is known.
    Occurred,
}

impl Clock {
    /// The time of an event by this clock.
    pub fn time(self, event: &Event) -> Timestamp {
        match self {
            Self::Recorded => event.recorded_at,
            Self::Occurred => event.time(),
        }
    }

    /// The field of a filter that bounds this time.
    pub fn range(self, filter: &mut Filter) -> &mut TimeRange {
        match self {
            Self::Recorded => &mut filter.recorded,
            Self::Occurred => &mut filter.time,
        }
    }
}

impl Rule {
    /// Events that were recorded so long ago.
    pub fn older_than(name: &str, filter: Filter, age: Duration) -> Self {
        Self { name: name.to_owned(), filter, age: Some(age), clock: Clock::Recorded, expired: false }
    }

    /// Events whose delivery has ended.
    pub fn expired(name: &str, filter: Filter) -> Self {
        Self { name: name.to_owned(), filter, age: None, clock: Clock::Recorded, expired: true }
    }

    /// The events that it takes at a moment.
    ///
    /// # Errors
    /// `Invalid` for a rule that does not say when, and for a filter over its bounds.
    pub fn filter_at(&self, now: Timestamp) -> Result<Filter> {
        fn until(range: &mut TimeRange, end: Timestamp) {
            range.to = Some(range.to.map_or(end, |to| to.min(end)));
        }
        let mut filter = self.filter.clone();
        if self.age.is_none() && !self.expired {
            return Err(Error::invalid(format!(
                "the rule {} does not say when events go",
                shown(&self.name)
            ))
            .with_hint("give it an age, such as 30d, or let it take expired events only"));
        }
        if let Some(age) = self.age {
            let micros = i64::try_from(age.as_micros()).ok().and_then(|age| now.as_micros().checked_sub(age));
            let end = micros.ok_or_else(|| Error::invalid("the age is too great"));
            let end = end.and_then(Timestamp::from_micros);
            let end = end.map_err(|error| error.context(format!("the rule {}", shown(&self.name))))?;
            until(self.clock.range(&mut filter), end);
        }
        if self.expired {
            until(&mut filter.expires, now);
        }
        filter.check()?;
        Ok(filter)
    }
}

/// What a rule takes at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// The rule.
    pub rule: String,
    /// Which events.
    pub filter: Filter,
    /// How many; an event that several rules mean is the first one's.
    pub count: u64,
    /// Roughly the bytes they take.
    pub bytes: u64,
    /// The first of them; none where there are none, as with all that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Position>,
    /// The last of them, up to which they are removed.
    pub through: Position,
    /// The earliest time of any of them, by the rule's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_at: Option<Timestamp>,
    /// The latest time of any of them, by the rule's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
}

impl Planned {
    /// The removal of these events; `archive` says where they were put before.
    ///
    /// It takes nothing that came later: the log grows behind `through` only.
    pub fn removal(&self, archive: Option<String>) -> Removal {
        Removal { filter: self.filter.clone(), through: self.through, archive }
    }

    fn add(&mut self, event: &Event, time: Timestamp) {
        self.count += 1;
        self.bytes += event.bytes() as u64;
        self.first = self.first.or(Some(event.position));
        self.through = event.position;
        self.first_at = Some(self.first_at.map_or(time, |first| first.min(time)));
        self.last_at = self.last_at.max(Some(time));
    }
}

/// Rules, in the order in which they take events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retention {
    rules: Vec<Rule>,
}

impl Retention {
    /// These rules.
    ///
    /// # Errors
    /// `Invalid` for a rule that does not say when, two of one name, and too many.
    pub fn new(rules: Vec<Rule>) -> Result<Self> {
        if rules.len() > RETENTION_RULES_MAX {
            return Err(Error::invalid(format!(
                "there are {} rules of retention; {RETENTION_RULES_MAX} are allowed",
                rules.len()
            )));
        }
        let mut names = HashSet::new();
        for rule in &rules {
            rule.filter_at(Timestamp::now())?;
            if !names.insert(rule.name.as_str()) {
                return Err(Error::invalid(format!(
                    "two rules of retention have the name {}",
                    shown(&rule.name)
                ))
                .with_hint("give each rule a name of its own"));
            }
        }
        Ok(Self { rules })
    }

    /// What each rule takes at a moment, in their order. Nothing is changed.
    pub async fn plan(&self, log: &EventLog, now: Timestamp) -> Result<Vec<Planned>> {
        let mut plans: Vec<Planned> = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            let filter = rule.filter_at(now)?;
            let mut planned = Planned {
                rule: rule.name.clone(),
                filter,
                count: 0,
                bytes: 0,
                first: None,
                through: Position::START,
                first_at: None,
                last_at: None,
            };
            let mut reading = log.read(planned.removal(None).effective_filter());
            while let Some(event) = reading.next().await {
                let event = event?;
                let is_taken = plans
                    .iter()
                    .any(|earlier| event.position <= earlier.through && earlier.filter.matches(&event));
                if !is_taken {
                    planned.add(&event, rule.clock.time(&event));
                }
            }
            plans.push(planned);
        }
        Ok(plans)
    }

    /// Takes out what each rule means at a moment, without an archive; one answer per rule.
    ///
    /// # Errors
    /// Those of a removal; what was removed before it stays removed, and the log says so.
    pub async fn run(&self, log: &EventLog, now: Timestamp) -> Result<Vec<Removed>> {
        let mut outcomes = Vec::with_capacity(self.rules.len());
        for planned in self.plan(log, now).await? {
            outcomes.push(log.remove(&planned.removal(None)).await?);
        }
        Ok(outcomes)
    }
}
