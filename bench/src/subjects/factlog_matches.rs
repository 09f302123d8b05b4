//! Patterns that factlog looks for.

use anyhow::Result;
use factlog::{EventLog, Filter, Matcher, Order, Pattern, Timestamp};

use super::Found;
use super::factlog::RUNTIME;

pub(super) fn find(
    log: &EventLog,
    patterns: &[&str],
    every: bool,
    is_matched: bool,
    look: &mut dyn FnMut(u64),
) -> Result<Found> {
    let patterns: Vec<Pattern> = patterns.iter().map(|text| text.parse()).collect::<factlog::Result<_>>()?;
    let types = patterns.iter().flat_map(|pattern| pattern.filter().types).collect();
    let filter = if every { Filter::all() } else { Filter { types, ..Filter::all() } };
    let mut matchers: Vec<Matcher> = Vec::new();
    if is_matched {
        matchers.extend(patterns.iter().map(|pattern| Matcher::new(pattern, Order::Position)));
    }
    let mut reading = log.read(filter);
    let mut found = Found::default();
    RUNTIME.block_on(async {
        while let Some(event) = reading.next().await {
            let event = event?;
            found.events += 1;
            for matcher in &mut matchers {
                found.matches += matcher.push(&event).len() as u64;
            }
            look(found.events);
        }
        for matcher in &mut matchers {
            found.matches += matcher.finish(Timestamp::now()).len() as u64;
            found.dropped += matcher.counts().dropped;
        }
        Ok(found)
    })
}
