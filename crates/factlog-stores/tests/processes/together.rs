//! Hooks, agents and people write one file at once.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use factlog::{Event, EventId, EventLog, Filter, Position};
use serde::Deserialize;

use super::{Outcome, myself, runtime, writer};

const PROCESSES: u64 = 8;
/// Three events a turn: one of the own stream, one of the shared, one of the guarded.
const EVENTS: u64 = PROCESSES * writer::TURNS * 3;

fn start(path: &Path) -> std::io::Result<Vec<Child>> {
    let one = |number: u64| {
        myself("writer-in-turns")
            .env(writer::LOG, path)
            .env(writer::NUMBER, number.to_string())
            .stdout(Stdio::piped())
            .spawn()
    };
    (0..PROCESSES).map(one).collect()
}

/// What the processes said was acknowledged; they must all have ended well.
fn acknowledged(children: Vec<Child>) -> Result<HashMap<EventId, Position>, libtest_mimic::Failed> {
    let mut said = HashMap::new();
    for mut child in children {
        for line in BufReader::new(child.stdout.take().ok_or("no output")?).lines() {
            let line = line?;
            let (id, position) = line.split_once(' ').ok_or("no position")?;
            let again = said.insert(id.parse()?, Position(position.parse()?));
            assert!(again.is_none(), "one event was acknowledged twice");
        }
        assert!(child.wait()?.success(), "a writer has failed");
    }
    Ok(said)
}

/// The file does not exist yet: they also race to make it.
pub(super) fn eight_processes(name: &str) -> Outcome {
    let folder = tempfile::TempDir::new()?;
    let path = folder.path().join(name);
    let said = acknowledged(start(&path)?)?;
    assert_eq!(said.len() as u64, EVENTS);
    runtime().block_on(async {
        let log = writer::open(&path);
        verify(&log, &said).await?;
        log.close().await
    })?;
    let left: Vec<_> = std::fs::read_dir(folder.path())?.collect();
    assert_eq!(left.len(), 1, "one file is the log: {left:?}");
    Ok(())
}

#[derive(Deserialize)]
struct Written {
    process: String,
    turn: u64,
    seen: u64,
}

async fn verify(log: &EventLog, said: &HashMap<EventId, Position>) -> factlog::Result<()> {
    let events = log.read(Filter::all()).collect().await?;
    assert_eq!(events.len(), said.len());
    let mut versions: HashMap<String, u64> = HashMap::new();
    let mut turns: HashMap<String, u64> = HashMap::new();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event.position.0, index as u64 + 1);
        assert_eq!(said.get(&event.id), Some(&event.position), "{} is where it was acknowledged", event.id);
        let version = versions.entry(event.stream.to_string()).or_default();
        *version += 1;
        assert_eq!(event.version.0, *version, "{}", event.stream);
        check_turn(event, &mut turns)?;
    }
    assert_eq!(versions["shared-1"], PROCESSES * writer::TURNS);
    assert_eq!(versions["guarded-1"], PROCESSES * writer::TURNS);
    assert_eq!(log.check().await?.problems, Vec::<String>::new());
    Ok(())
}

/// What a writer had seen when it decided is what stands just before it.
fn check_turn(event: &Event, turns: &mut HashMap<String, u64>) -> factlog::Result<()> {
    let written: Written = event.data.to()?;
    match event.stream.category() {
        "guarded" => assert_eq!(written.seen + 1, event.version.0, "position {}", event.position),
        "own" => {
            let expected = turns.entry(written.process).or_default();
            assert_eq!(written.turn, *expected, "position {}", event.position);
            *expected += 1;
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn follows_live(name: &str) -> Outcome {
    let folder = tempfile::TempDir::new()?;
    let path = folder.path().join(name);
    runtime().block_on(async {
        let log = writer::open(&path);
        let children = start(&path)?;
        let mut following = log.follow(Filter::all());
        let mut positions = Vec::new();
        while (positions.len() as u64) < EVENTS {
            let event = following.next().await.ok_or("following has ended")??;
            positions.push(event.position.0);
        }
        assert_eq!(positions, (1..=EVENTS).collect::<Vec<_>>());
        acknowledged(children)?;
        drop(following);
        log.close().await?;
        Ok(())
    })
}
