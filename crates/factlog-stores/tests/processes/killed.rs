//! Origin A lost 38 % of its acknowledged events when it was killed: here none may be lost, none twice, none by half.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use factlog::{Event, EventId, EventLog, Filter, Position};
use serde::Deserialize;

use super::{Outcome, myself, runtime, writer};

const ROUNDS: u64 = 100;
/// The kill comes after this many acknowledgements at the most.
const ACKNOWLEDGED_MAX: usize = 120;

pub(super) fn survives_100_kills(name: &str) -> Outcome {
    let folder = tempfile::TempDir::new()?;
    let path = folder.path().join(name);
    let mut random = fastrand::Rng::with_seed(20_261_120);
    let mut acknowledged: HashMap<EventId, Position> = HashMap::new();
    for round in 0..ROUNDS {
        let patience = random.usize(1..ACKNOWLEDGED_MAX);
        acknowledged.extend(run_and_kill(&path, round, patience)?);
        runtime().block_on(async {
            let log = writer::open(&path);
            if round % 10 == 9 {
                verify(&log, &acknowledged).await?;
            }
            // The store goes on where it was cut off.
            let event = factlog::NewEvent::new("test-1", "round:survived", round)?;
            let id = event.id;
            acknowledged.insert(id, log.append(event).await?.last());
            log.close().await
        })?;
    }
    eprintln!("{ROUNDS} kills, {} acknowledged events", acknowledged.len());
    Ok(())
}

/// Kills the writer -9 as soon as so many events are acknowledged; what it said until then counts.
fn run_and_kill(
    path: &Path,
    round: u64,
    patience: usize,
) -> Result<Vec<(EventId, Position)>, libtest_mimic::Failed> {
    let mut child = myself("killed-writer")
        .env(writer::LOG, path)
        .env(writer::NUMBER, round.to_string())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?);
    let mut said = Vec::new();
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let whole = line.strip_suffix('\n').ok_or("a torn line")?;
        let (id, position) = whole.split_once(' ').ok_or("no position")?;
        said.push((id.parse::<EventId>()?, Position(position.parse()?)));
        if said.len() == patience {
            child.kill()?;
        }
        line.clear();
    }
    child.wait()?;
    assert!(said.len() >= patience, "the writer ended by itself after {} events", said.len());
    Ok(said)
}

#[derive(Deserialize)]
struct Written {
    round: u64,
    thread: u64,
    turn: u64,
    size: u64,
}

async fn verify(log: &EventLog, acknowledged: &HashMap<EventId, Position>) -> factlog::Result<()> {
    let events = log.read(Filter::all()).collect().await?;
    let mut seen: HashMap<EventId, Position> = HashMap::new();
    let mut batches: HashMap<(u64, u64, u64), Vec<&Event>> = HashMap::new();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event.position.0, index as u64 + 1, "positions are dense");
        assert!(seen.insert(event.id, event.position).is_none(), "{} is there twice", event.id);
        if let Ok(written) = event.data.to::<Written>() {
            batches.entry((written.round, written.thread, written.turn)).or_default().push(event);
        }
    }
    for (id, position) in acknowledged {
        assert_eq!(seen.get(id), Some(position), "{id} was acknowledged at {position}");
    }
    for events in batches.values() {
        let size = events[0].data.to::<Written>()?.size;
        assert_eq!(events.len() as u64, size, "half a batch at {}", events[0].position);
        assert!(
            events.windows(2).all(|pair| pair[0].position.0 + 1 == pair[1].position.0),
            "a batch is contiguous"
        );
    }
    assert_eq!(log.check().await?.problems, Vec::<String>::new());
    Ok(())
}
