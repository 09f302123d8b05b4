//! Whether the events of a log follow each other as they must: what every check of a store looks at.

use std::collections::HashMap;

use factlog::{Event, Position, Report, StreamName, Timestamp, Version};

/// Problems that one report names; the rest is counted.
pub(crate) const PROBLEMS_MAX: usize = 100;

/// What was seen of a log so far.
#[derive(Default)]
pub(crate) struct Sequence {
    versions: HashMap<StreamName, Version>,
    last: Option<(Position, Timestamp)>,
}

impl Sequence {
    /// Looks at the next event; the report knows already whether events were removed.
    pub(crate) fn see(&mut self, event: &Event, report: &mut Report) {
        report.events += 1;
        let version = self.versions.entry(event.stream.clone()).or_default();
        // Removal leaves gaps, but never an earlier version after a later one.
        if event.version <= *version || (report.removed == 0 && event.version != version.next()) {
            report.problems.push(format!(
                "position {}: {} goes from version {version} to {}",
                event.position, event.stream, event.version
            ));
        }
        *version = event.version;
        if let Some((position, time)) = self.last.filter(|(_, time)| event.recorded_at < *time) {
            report.problems.push(format!(
                "position {}: recorded at {}, before position {position} at {time}",
                event.position, event.recorded_at
            ));
        }
        self.last = Some((event.position, event.recorded_at));
    }

    /// Notes what only the end tells.
    pub(crate) fn end(self, report: &mut Report) {
        report.streams = self.versions.len() as u64;
        if let Some((position, time)) = self.last.filter(|(_, time)| *time > Timestamp::now()) {
            report
                .warnings
                .push(format!("position {position} was recorded at {time}: the log is ahead of this clock"));
        }
        if report.problems.is_empty() && report.events + report.removed != report.head.0 {
            report.problems.push(format!(
                "{} events and {} removed do not add up to position {}",
                report.events, report.removed, report.head
            ));
        }
        cut(report);
    }
}

/// Names no more problems than a report has room for, and counts the rest.
pub(crate) fn cut(report: &mut Report) {
    let more = report.problems.len().saturating_sub(PROBLEMS_MAX);
    if more > 0 {
        report.problems.truncate(PROBLEMS_MAX);
        report.problems.push(format!("and {more} more"));
    }
}
