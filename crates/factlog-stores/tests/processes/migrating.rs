//! A file goes from one kind of index to the other and back, and whoever does it is killed at any moment: nothing is lost, and
//! the next one goes on.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::Stdio;

use factlog::{Filter, NewEvent, Removal};
use factlog_stores::{Indexes, Open, SqliteOptions, SqliteStore, indexes_of, migrate_indexes};

use super::{Outcome, myself, runtime, writer};

const ROUNDS: u64 = 40;
const EVENTS: u64 = 3_000;
/// Events of one step, so that a migration has many.
const STEP_EVENTS: u32 = 50;
/// The kill comes after so many steps at the most: about three migrations.
const STEPS_MAX: usize = 200;

fn options(path: PathBuf) -> SqliteOptions {
    SqliteOptions { tail_events: Some(STEP_EVENTS), ..SqliteOptions::new(path) }
}

/// Migrates there and back until somebody kills it, and says so at each step.
pub(super) fn until_killed() {
    let options = options(writer::variable(writer::LOG).into());
    loop {
        let (has, _) = indexes_of(&options).expect("it is a log");
        let other = if has == Indexes::Real { Indexes::Lagging } else { Indexes::Real };
        let said = |_, _| {
            let mut out = std::io::stdout().lock();
            out.write_all(b".\n").and_then(|()| out.flush()).expect("the test listens");
        };
        migrate_indexes(&options, other, said).expect("it is changed");
    }
}

pub(super) fn survives_kills() -> Outcome {
    let folder = tempfile::TempDir::new()?;
    let path = folder.path().join("log.db");
    let mut random = fastrand::Rng::with_seed(20_261_122);
    let open =
        |path: &PathBuf| SqliteStore::open(&options(path.clone()), Open::Create).map(factlog::EventLog::new);
    let event = |number: u64| {
        let event = NewEvent::new(&format!("test-{}", number % 30), "test:noted", number)?;
        event.with_correlation(&format!("call {}", number / 3))
    };
    runtime().block_on(async {
        let log = open(&path)?;
        for first in (0..EVENTS).step_by(500) {
            log.append((first..first + 500).map(event).collect::<factlog::Result<Vec<_>>>()?).await?;
        }
        log.close().await
    })?;
    let mut found = [0, 0];
    for round in 0..ROUNDS {
        let mut child = myself("killed-migration").env(writer::LOG, &path).stdout(Stdio::piped()).spawn()?;
        let mut said = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        for _ in 0..random.usize(1..STEPS_MAX) {
            said.next().ok_or("it has ended by itself")??;
        }
        child.kill()?;
        child.wait()?;
        drop(said);
        let (has, _) = indexes_of(&options(path.clone()))?;
        found[usize::from(has == Indexes::Lagging)] += 1;
        // What is there of the other kind must bear what comes between: events, and their removal.
        runtime().block_on(async {
            let log = open(&path)?;
            let events = log.read(Filter::all()).collect().await?;
            assert_eq!(events.len() as u64 + removed(&log).await?, EVENTS + 2 * round, "round {round}");
            assert_eq!(log.check().await?.problems, Vec::<String>::new(), "round {round}");
            let appended = log.append(event(EVENTS + round)?).await?;
            let filter = Filter { ids: vec![events[random.usize(..1_000)].id], ..Filter::all() };
            log.remove(&Removal { filter, through: appended.last(), archive: None }).await?;
            let stream = format!("test-{}", (EVENTS + round) % 30).parse()?;
            let of_stream = log.read(Filter::stream(stream)).collect().await?;
            assert_eq!(of_stream.last().map(|event| event.position), Some(appended.last()));
            log.close().await
        })?;
    }
    assert!(found.iter().all(|times| *times > 0), "both kinds were met: {found:?}");
    Ok(())
}

async fn removed(log: &factlog::EventLog) -> factlog::Result<u64> {
    Ok(log.removals().await?.iter().map(|removed| removed.count).sum())
}
