//! Origin A's projections had no checkpoint, so each start read everything again: here one that is killed goes on where it
//! was, and knows what one knows that never stopped.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use factlog::{Event, EventLog, Filter, Invalid, Moment, NewEvent, Position, Projection};
use serde::{Deserialize, Serialize};

use super::{Outcome, myself, runtime, writer};

const ROUNDS: u64 = 4;
/// The kill comes after this many events at the most, once a checkpoint was saved.
const LATE_EVENTS_MAX: usize = 200;

/// A state that another order, a missing or a repeated event would change.
macro_rules! trail {
    ($name:ident, $stored:literal) => {
        #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
        struct $name {
            events: u64,
            mixed: u64,
        }
        impl Projection for $name {
            const NAME: &'static str = $stored;
            const REVISION: u32 = 1;
            fn filter() -> Filter {
                Filter::all()
            }
            fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
                self.events += 1;
                self.mixed = self.mixed.wrapping_mul(31).wrapping_add(event.position.0);
                Ok(())
            }
        }
    };
}

trail!(Killed, "killed");
trail!(Live, "live");

/// Writes and projects until somebody kills it.
pub(super) fn until_killed() {
    let path = std::env::var(writer::LOG).expect("a path is set");
    runtime().block_on(async {
        let log = writer::open(path);
        let killed = log.project::<Killed>().await.expect("a projection");
        for number in 0_u64.. {
            let event = NewEvent::new("test-1", "round:noted", number).expect("an event");
            let appended = log.append(event).await.expect("an append succeeds");
            killed.caught_up(appended.last()).await.expect("it goes on");
            let mut out = std::io::stdout().lock();
            out.write_all(b".\n").and_then(|()| out.flush()).expect("the test listens");
        }
    });
}

pub(super) fn resumes_after_kills(name: &str) -> Outcome {
    let folder = tempfile::TempDir::new()?;
    let path = folder.path().join(name);
    runtime().block_on(async {
        let log = writer::open(&path);
        // This one never stops, and sees what the processes write.
        let live = log.project::<Live>().await?;
        let mut random = fastrand::Rng::with_seed(20_261_121);
        for _ in 0..ROUNDS {
            run_and_kill(&log, &path, random.usize(..LATE_EVENTS_MAX)).await?;
        }
        // Who writes next finds what the last one had written and could not tell of any more.
        let newest = log.append(NewEvent::new("test-1", "round:noted", ROUNDS)?).await?.last();
        let resumed = log.project::<Killed>().await?;
        assert!(resumed.position() > Position::START, "it goes on where it was");
        resumed.caught_up(newest).await?;
        live.caught_up(newest).await?;
        let resumed_state = resumed.with(Clone::clone);
        let live_state = live.with(|live| (live.events, live.mixed));
        assert_eq!((resumed_state.events, resumed_state.mixed), live_state, "as one that never stopped");
        for position in [1, newest.0 / 3, newest.0 / 2, newest.0 - 1] {
            let moment = Moment::Position(Position(position));
            let (killed, live) = (log.at::<Killed>(moment).await?, log.at::<Live>(moment).await?);
            assert_eq!((killed.events, killed.mixed), (live.events, live.mixed), "at {position}");
            assert_eq!(killed.events, position);
        }
        resumed.rebuild().await?;
        assert_eq!(resumed.with(Clone::clone), resumed_state, "as one from nothing");
        Ok::<_, libtest_mimic::Failed>(())
    })
}

/// Kills the process -9 so many events after it has saved a checkpoint.
async fn run_and_kill(log: &EventLog, path: &Path, late: usize) -> Outcome {
    let saved = async || -> factlog::Result<Option<Position>> {
        let checkpoint = log.snapshots().load("projection/killed/1", Position::MAX).await?;
        Ok(checkpoint.map(|checkpoint| checkpoint.position))
    };
    let before = saved().await?;
    let mut child = myself("killed-projection").env(writer::LOG, path).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    while saved().await? == before {
        lines.next().ok_or("the process ended by itself")??;
    }
    for _ in 0..late {
        lines.next().ok_or("the process ended by itself")??;
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}
