//! States that factlog folds: projections, streams, and both as they were.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use factlog::{
    Aggregate, Event, EventLog, Filter, Fold, Invalid, Moment, Position, Projected, Projection, Version,
};
use serde::{Deserialize, Serialize};

use super::factlog::{RUNTIME, STREAMS};
use super::{Look, Projecting};

/// How many events of each type, as a program might count them.
#[derive(Default, Serialize, Deserialize)]
struct Tally {
    events: u64,
    types: BTreeMap<String, u64>,
}

impl Tally {
    fn take(&mut self, event: &Event) {
        self.events += 1;
        if let Some(count) = self.types.get_mut(&*event.event_type) {
            *count += 1;
        } else {
            self.types.insert(event.event_type.to_string(), 1);
        }
    }
}

macro_rules! states {
    ($projection:ident, $aggregate:ident, $name:literal) => {
        #[derive(Default, Serialize, Deserialize)]
        struct $projection(Tally);
        impl Projection for $projection {
            const NAME: &'static str = $name;
            const REVISION: u32 = 1;
            fn filter() -> Filter {
                Filter::all()
            }
            fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
                self.0.take(event);
                Ok(())
            }
        }

        #[derive(Default, Serialize, Deserialize)]
        struct $aggregate(Tally);
        impl Fold for $aggregate {
            fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
                self.0.take(event);
                Ok(())
            }
        }
        impl Aggregate for $aggregate {
            const NAME: &'static str = $name;
            const REVISION: u32 = 1;
            const CATEGORY: &'static str = "task";
        }
    };
}

states!(Known, KnownTask, "known");
// Folded alike, and never remembered.
states!(Unknown, UnknownTask, "unknown");

pub(super) fn rebuild(log: &EventLog) -> Result<u64> {
    RUNTIME.block_on(async {
        // To be added is no part of being built: the state may be remembered.
        let known = log.project::<Known>().await?;
        known.rebuild().await?;
        Ok(known.with(|known| known.0.events))
    })
}

pub(super) fn remember(log: &EventLog) -> Result<()> {
    RUNTIME.block_on(async {
        let newest = log.newest().await?;
        let known = log.project::<Known>().await?;
        if known.position() < newest {
            known.rebuild().await?;
        }
        let remembering = log.remember::<KnownTask>().await?;
        remembering.caught_up(newest).await?;
        Ok(())
    })
}

pub(super) fn look(log: &EventLog, look: Look, remembered: bool) -> Result<u64> {
    RUNTIME.block_on(async {
        let tally = match look {
            Look::Position(position) => {
                let moment = Moment::Position(Position(position));
                if remembered { log.at::<Known>(moment).await?.0 } else { log.at::<Unknown>(moment).await?.0 }
            }
            Look::Version(stream, version) => {
                let stream = log.stream(&STREAMS[stream]).at(Moment::Version(Version(version)));
                if remembered {
                    stream.state::<KnownTask>().await?.0
                } else {
                    stream.state::<UnknownTask>().await?.0
                }
            }
        };
        Ok(tally.events)
    })
}

/// Positions, and when they were taken in; the checkpoint is empty.
#[derive(Default, Serialize, Deserialize)]
struct Noting {
    #[serde(skip)]
    taken: Vec<(u64, Instant)>,
}

impl Projection for Noting {
    const NAME: &'static str = "noting";
    const REVISION: u32 = 1;
    fn filter() -> Filter {
        Filter::all()
    }
    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        self.taken.push((event.position.0, Instant::now()));
        Ok(())
    }
}

pub(super) fn project(log: &EventLog) -> Result<Box<dyn Projecting>> {
    Ok(Box::new(RUNTIME.block_on(log.project::<Noting>())?))
}

impl Projecting for Projected<Noting> {
    fn taken(self: Box<Self>, last: u64) -> Result<Vec<(u64, Instant)>> {
        RUNTIME.block_on(self.caught_up(Position(last)))?;
        Ok(self.with(|noting| noting.taken.clone()))
    }
}
