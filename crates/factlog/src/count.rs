//! How many events, by what.

use std::collections::HashMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::shown;
use crate::limits::COUNT_GROUPS_MAX;
use crate::{Error, Event, Filter, Position, Read, Result, Store, Timestamp};

/// A question of how many.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Count {
    /// Which events.
    pub filter: Filter,
    /// By what: several keys count each combination; none counts everything as one.
    pub by: Vec<GroupBy>,
}

/// What events are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    /// The type.
    Type,
    /// The stream's category.
    Category,
    /// The stream.
    Stream,
    /// Who said it; empty where nobody did.
    Source,
    /// The session; empty where there is none.
    Session,
    /// The hour of a person's time in UTC: `2026-11-20T23`.
    Hour,
    /// The day of a person's time in UTC: `2026-11-20`.
    Day,
}

impl GroupBy {
    /// What an event is counted under; empty where it has none.
    pub fn key(self, event: &Event) -> String {
        let text = |text: &Option<crate::Text>| text.as_deref().unwrap_or("").to_owned();
        match self {
            Self::Type => event.event_type.to_string(),
            Self::Category => event.stream.category().to_owned(),
            Self::Stream => event.stream.to_string(),
            Self::Source => text(&event.source),
            Self::Session => text(&event.session_id),
            Self::Hour => event.time().to_string()[..13].to_owned(),
            Self::Day => event.time().to_string()[..10].to_owned(),
        }
    }
}

impl FromStr for GroupBy {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "type" => Self::Type,
            "category" => Self::Category,
            "stream" => Self::Stream,
            "source" => Self::Source,
            "session" => Self::Session,
            "hour" => Self::Hour,
            "day" => Self::Day,
            _ => {
                return Err(Error::invalid(format!("events cannot be counted by {}", shown(text)))
                    .with_hint("count by type, category, stream, source, session, hour or day"));
            }
        })
    }
}

/// The events that share a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// One text per key that was asked for.
    pub key: Vec<String>,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Position,
    /// The last of them.
    pub last: Position,
    /// The earliest time (a person's) of any of them.
    pub first_at: Timestamp,
    /// The latest time (a person's) of any of them.
    pub last_at: Timestamp,
}

/// Counts events as they are shown to it, in the order of their positions.
#[derive(Debug)]
pub struct Counter {
    by: Vec<GroupBy>,
    groups: HashMap<Vec<String>, Group>,
}

impl Counter {
    /// Nothing counted yet.
    pub fn new(by: Vec<GroupBy>) -> Self {
        Self { by, groups: HashMap::new() }
    }

    /// Counts one event.
    ///
    /// # Errors
    /// `Invalid` when there would be too many groups.
    pub fn add(&mut self, event: &Event) -> Result<()> {
        let time = event.time();
        let key: Vec<String> = self.by.iter().map(|by| by.key(event)).collect();
        if let Some(group) = self.groups.get_mut(&key) {
            group.count += 1;
            group.last = event.position;
            group.first_at = group.first_at.min(time);
            group.last_at = group.last_at.max(time);
            return Ok(());
        }
        if self.groups.len() == COUNT_GROUPS_MAX {
            return Err(Error::invalid(format!("there are more than {COUNT_GROUPS_MAX} groups"))
                .with_hint("narrow the filter or count by something coarser"));
        }
        let group = Group {
            key: key.clone(),
            count: 1,
            first: event.position,
            last: event.position,
            first_at: time,
            last_at: time,
        };
        self.groups.insert(key, group);
        Ok(())
    }

    /// Counts by reading, page by page: for what a store cannot count by itself.
    pub async fn by_reading(store: &dyn Store, count: &Count) -> Result<Vec<Group>> {
        let mut counter = Self::new(count.by.clone());
        let mut read = Read::after(count.filter.clone(), Position::START);
        loop {
            let page = store.read(&read).await?;
            for event in &page.events {
                counter.add(event)?;
            }
            if !page.more {
                return Ok(counter.groups());
            }
            read.cursor = read.cursor.at(page.next);
        }
    }

    /// The groups, largest first; equal ones by key.
    pub fn groups(self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
        groups
    }
}
