//! Events in the order of their times: in memory, and beyond a cap in files that are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};
use std::sync::Arc;

use factlog::{Error, Event, Position, Timestamp};

use crate::failure::Outcome;

/// Bytes of events that are sorted in memory; more go into a file.
const SORTED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Events that are being put in order. Its files have no names, and go with it.
#[derive(Default)]
pub(super) struct Sorting {
    events: Vec<Arc<Event>>,
    bytes: usize,
    bytes_max: Option<usize>,
    runs: Vec<File>,
}

fn place(event: &Event) -> (Timestamp, Position) {
    (event.time(), event.position)
}

impl Sorting {
    pub(super) fn add(&mut self, event: Arc<Event>) -> Outcome {
        self.bytes += event.bytes();
        self.events.push(event);
        if self.bytes > self.bytes_max.unwrap_or(SORTED_BYTES_MAX) {
            self.put_aside()?;
        }
        Ok(())
    }

    fn put_aside(&mut self) -> Outcome {
        self.events.sort_unstable_by_key(|event| place(event));
        let mut run = BufWriter::new(tempfile::tempfile()?);
        for event in self.events.drain(..) {
            writeln!(run, "{}", event.to_json())?;
        }
        let mut run = run.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        run.rewind()?;
        self.runs.push(run);
        self.bytes = 0;
        Ok(())
    }

    /// Gives all out in order.
    pub(super) fn each(mut self, mut take: impl FnMut(Arc<Event>) -> Outcome) -> Outcome {
        self.events.sort_unstable_by_key(|event| place(event));
        if self.runs.is_empty() {
            return self.events.into_iter().try_for_each(take);
        }
        self.put_aside()?;
        let mut runs: Vec<BufReader<File>> = self.runs.into_iter().map(BufReader::new).collect();
        let mut heads: BinaryHeap<Reverse<(Timestamp, Position, usize)>> = BinaryHeap::new();
        let mut waiting: Vec<Option<Arc<Event>>> = vec![None; runs.len()];
        for (of, run) in runs.iter_mut().enumerate() {
            advance(run, of, &mut heads, &mut waiting)?;
        }
        while let Some(Reverse((_, _, of))) = heads.pop() {
            if let Some(event) = waiting[of].take() {
                take(event)?;
            }
            advance(&mut runs[of], of, &mut heads, &mut waiting)?;
        }
        Ok(())
    }
}

/// Reads the next event of a file.
fn advance(
    run: &mut BufReader<File>,
    of: usize,
    heads: &mut BinaryHeap<Reverse<(Timestamp, Position, usize)>>,
    waiting: &mut [Option<Arc<Event>>],
) -> Outcome {
    let mut line = String::new();
    if run.read_line(&mut line)? == 0 {
        return Ok(());
    }
    let event: Event = serde_json::from_str(&line)
        .map_err(|cause| Error::stopped(format!("a file of sorted events cannot be read back: {cause}")))?;
    let (time, position) = place(&event);
    heads.push(Reverse((time, position, of)));
    waiting[of] = Some(Arc::new(event));
    Ok(())
}

#[cfg(test)]
mod tests {
    use factlog::EventId;
    use serde_json::json;

    use super::*;

    #[test]
    fn events_come_out_by_time_and_position_however_many_files_they_have_filled() {
        let event = |position: u64, second: u64| -> Arc<Event> {
            let line = json!({"position": position, "id": EventId::generate(), "stream": "s", "version": position,
                "type": "t", "recordedAt": "2026-11-20T00:00:00Z",
                "occurredAt": format!("2026-11-20T00:00:{second:02}Z"), "data": {"text": "a\nb"}});
            Arc::new(serde_json::from_value(line).unwrap())
        };
        let events: Vec<Arc<Event>> = (1..=50).map(|position| event(position, position * 37 % 11)).collect();
        let mut expected = events.clone();
        expected.sort_by_key(|event| place(event));
        for bytes_max in [None, Some(1), Some(1_000), Some(3_333)] {
            let mut sorting = Sorting { bytes_max, ..Sorting::default() };
            events.iter().for_each(|event| assert!(sorting.add(Arc::clone(event)).is_ok()));
            let mut out = Vec::new();
            let given = sorting.each(|event| {
                out.push(event);
                Ok(())
            });
            assert!(given.is_ok());
            assert_eq!(out, expected, "{bytes_max:?}");
        }
    }
}
