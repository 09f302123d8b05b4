//! Matches as they are shown: the last of them, and numbers over all.

use std::collections::VecDeque;
use std::io::Write;

use factlog::{Match, Matching, Pattern};
use factlog_agents::statistics::Durations;
use serde_json::{Value, json};

use crate::failure::Outcome;
use crate::output::{Format, Listing, is_terminal, note, plain, span, stdout};

/// A table on a terminal shows this many matches, unless it is told otherwise.
const SHOWN_ON_TERMINAL: usize = 50;
/// Matches that are kept to be shown; JSON lines show any number.
const SHOWN_MAX: usize = 100_000;
/// Positions of one match in a table; programs get all.
const POSITIONS_SHOWN: usize = 6;
/// The longest bar of the histogram.
const BAR_COLUMNS: u64 = 24;
/// Up to how long each group of gaps is, in milliseconds; the last one has the rest.
const GAPS_MS: [u64; 9] =
    [100, 1_000, 10_000, 60_000, 300_000, 3_600_000, 21_600_000, 86_400_000, 604_800_000];

/// What was found so far.
pub(super) struct Found {
    format: Format,
    last: VecDeque<Match>,
    shown_max: usize,
    durations: Durations,
    /// Gaps between one event of a match and the next, by how long they are.
    gaps: [u64; GAPS_MS.len() + 1],
}

impl Found {
    pub(super) fn new(format: Format, last: Option<usize>) -> Self {
        let by_itself = if format == Format::Table && is_terminal() { SHOWN_ON_TERMINAL } else { SHOWN_MAX };
        Self {
            format,
            last: VecDeque::new(),
            shown_max: last.map_or(by_itself, |last| last.min(SHOWN_MAX)),
            durations: Durations::default(),
            gaps: [0; GAPS_MS.len() + 1],
        }
    }

    /// Takes matches in; as JSON lines without --last they are written at once.
    pub(super) fn take(&mut self, matches: Vec<Match>) -> Outcome {
        for found in matches {
            self.durations.add(found.duration().as_millis() as u64);
            for pair in found.steps.windows(2) {
                let ms = (pair[1].time.as_micros() - pair[0].time.as_micros()).max(0) as u64 / 1_000;
                let group = GAPS_MS.iter().position(|up_to| ms <= *up_to).unwrap_or(GAPS_MS.len());
                self.gaps[group] += 1;
            }
            self.last.push_back(found);
            if self.last.len() > self.shown_max {
                let first = self.last.pop_front();
                if self.format == Format::Jsonl
                    && self.shown_max == SHOWN_MAX
                    && let Some(first) = first
                {
                    writeln!(stdout(), "{}", serde_json::to_string(&first)?)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn print(self, counts: &Matching, pattern: &Pattern) -> Outcome {
        let is_table = self.format == Format::Table;
        let omitted = counts.matches - self.last.len() as u64;
        let listing = self.listing(counts);
        if is_table && counts.matches > 0 {
            self.summary(counts, omitted)?;
        }
        if self.format == Format::Jsonl {
            let mut out = stdout();
            for found in &self.last {
                writeln!(out, "{}", serde_json::to_string(found)?)?;
            }
            out.flush()?;
        } else {
            listing.print(self.format)?;
        }
        self.notes(counts, pattern, omitted);
        Ok(())
    }

    fn listing(&self, counts: &Matching) -> Listing {
        let with_key = self.last.iter().any(|found| found.key.is_some());
        let rows = self.last.iter().map(|found| {
            let mut row = vec![
                found.first_at().to_string()[..19].replace('T', " "),
                span(found.duration().as_millis() as u64),
            ];
            if with_key {
                let key = found.key.as_deref().unwrap_or_default();
                row.push(if self.format == Format::Csv { key.to_owned() } else { plain(key) });
            }
            row.extend([positions(found, self.format), types(found)]);
            row
        });
        let mut headings = vec!["FIRST AT", "TOOK"];
        if with_key {
            headings.push("KEY");
        }
        headings.extend(["POSITIONS", "EVENTS"]);
        let statistics = self.durations.statistics();
        let gaps =
            self.gaps.iter().enumerate().filter(|(_, count)| **count > 0).map(|(group, count)| match GAPS_MS
                .get(group)
            {
                Some(up_to) => json!({"upToMs": up_to, "count": count}),
                None => json!({"count": count}),
            });
        Listing {
            rows: rows.collect(),
            headings: headings.into_iter().map(str::to_owned).collect(),
            numbers: vec![1],
            json: json!({"count": counts.matches, "matches": self.last, "durations": statistics,
                "gaps": gaps.collect::<Vec<Value>>(), "open": counts.open, "dropped": counts.dropped,
                "withoutKey": counts.without_key, "events": counts.events}),
        }
    }

    /// A few lines before the table.
    fn summary(&self, counts: &Matching, omitted: u64) -> Outcome {
        let mut out = stdout();
        let statistics = self.durations.statistics();
        let of = if counts.matches == 1 { "match" } else { "matches" };
        write!(out, " {} {of} in {} events", counts.matches, counts.events)?;
        let is_timed = self.gaps.iter().any(|count| *count > 0);
        if let (true, Some(p50), Some(p95)) = (is_timed, statistics.p50_ms, statistics.p95_ms) {
            write!(out, ": half within {}, 95 of 100 within {}", span(p50), span(p95))?;
        }
        writeln!(
            out,
            "{}",
            if omitted > 0 { format!("; the last {} are shown", self.last.len()) } else { String::new() }
        )?;
        let most = self.gaps.iter().copied().max().unwrap_or(0);
        let first = self.gaps.iter().position(|count| *count > 0).unwrap_or(0);
        let last = self.gaps.iter().rposition(|count| *count > 0).unwrap_or(0);
        if most > 1 && first != last {
            writeln!(out, " Gaps from one event to the next:")?;
            for (group, count) in self.gaps.iter().enumerate().take(last + 1).skip(first) {
                let up_to =
                    GAPS_MS.get(group).map_or("longer".to_owned(), |ms| format!("up to {}", words(*ms)));
                let bar = "▇".repeat((count * BAR_COLUMNS).div_ceil(most.max(1)) as usize);
                writeln!(out, "   {up_to:<12} {count:>8} {bar}")?;
            }
        }
        writeln!(out)?;
        Ok(out.flush()?)
    }

    /// What a person should know that is no data.
    fn notes(&self, counts: &Matching, pattern: &Pattern, omitted: u64) {
        if counts.matches == 0 && self.format == Format::Table {
            note(format_args!("nothing matches in {} events of these types", counts.events));
        }
        if omitted > 0 && self.format != Format::Table && self.format != Format::Jsonl {
            note(format_args!(
                "the last {} of {} matches are shown: --format jsonl shows all",
                self.last.len(),
                counts.matches
            ));
        }
        if counts.without_key > 0
            && let Some(key) = pattern.key()
        {
            note(format_args!("{} events have no {key}, and belong to nothing", counts.without_key));
        }
        if counts.dropped > 0 {
            note(format_args!(
                "{} beginnings were given up because too many were open at once: there may be more matches; narrow it by `within` or `by`",
                counts.dropped
            ));
        }
        if counts.open > 0 && pattern.ends_with_absence() {
            note(format_args!("{} may still be followed: their time is not over", counts.open));
        }
    }
}

/// A round length of time.
fn words(milliseconds: u64) -> String {
    span(milliseconds).trim_end_matches(" 0s").trim_end_matches(" 0m").trim_end_matches(" 0h").to_owned()
}

fn positions(found: &Match, format: Format) -> String {
    let all: Vec<String> = found.positions().map(|position| position.to_string()).collect();
    if format == Format::Csv || all.len() <= POSITIONS_SHOWN {
        return all.join(" ");
    }
    format!("{} … {}", all[..POSITIONS_SHOWN - 1].join(" "), all[all.len() - 1])
}

/// The events' types; one that comes again and again is told once.
fn types(found: &Match) -> String {
    let mut words: Vec<(&str, usize)> = Vec::new();
    for step in &found.steps {
        match words.last_mut() {
            Some((last, count)) if *last == &*step.event_type => *count += 1,
            _ => words.push((&step.event_type, 1)),
        }
    }
    let word = |(name, count): &(&str, usize)| {
        if *count > 1 { format!("{name} x{count}") } else { (*name).to_owned() }
    };
    words.iter().map(word).collect::<Vec<_>>().join(" → ")
}

/// One match as it comes.
pub(super) fn line(out: &mut impl Write, found: &Match) -> Outcome {
    let at = found.known_at.to_string()[..19].replace('T', " ");
    let took = span(found.duration().as_millis() as u64);
    let key = found.key.as_deref().map(|key| format!("  {}", plain(key))).unwrap_or_default();
    let at_positions = positions(found, Format::Table);
    writeln!(out, "{at}  {took:>7}{key}  {}  ({at_positions})", types(found))?;
    Ok(())
}
