//! The tests, one after the other; within a test, the subjects take turns.

mod append;
mod fixture;
mod follow;
mod growth;
mod lag;
mod matching;
mod open;
mod read;
mod rebuild;
mod talk;
mod time_travel;

use anyhow::{Context, Result};

use self::append::Load;
use self::fixture::Fixtures;
use crate::disk::Disk;
use crate::measure::Line;
use crate::options::Options;
use crate::server::Server;
use crate::subjects::{Kind, Needs, What};
use crate::talk::LOADS;
use crate::talk::nats_server::NatsServer;
use crate::test::Test;

/// Writers and events of the test `append-batch`.
const BATCH: Load = Load { writers: 8, batch: 100 };

/// Measures all that the options ask for.
pub(crate) fn all(mut options: Options) -> Result<()> {
    let mut disk = Disk::new(&options.folder)?;
    if options.need(Needs::Postgres) {
        match Server::missing() {
            Some(why) => options.leave_out(Needs::Postgres, "a PostgreSQL server", &why),
            None => disk.serve()?,
        }
    }
    let mut nats = None;
    if options.need(Needs::Nats) {
        match NatsServer::missing() {
            Some(why) => options.leave_out(Needs::Nats, "a NATS server", &why),
            None => nats = Some(NatsServer::start()?),
        }
    }
    let outcome = measure(&options, &disk);
    drop(nats);
    outcome
}

fn measure(options: &Options, disk: &Disk) -> Result<()> {
    let mut fixtures = Fixtures::new(disk, options.events);
    for &test in &options.tests {
        let took = options.took;
        match test {
            Test::Append => {
                for writers in options.all_writers() {
                    let kinds = options.with_writers(writers);
                    turns(options, test, kinds, |kind| {
                        append::run(kind, disk, Load { writers, batch: 1 }, took)
                    })?;
                }
            }
            Test::AppendBatch => take_turns(options, test, |kind| append::run(kind, disk, BATCH, took))?,
            Test::Import => take_turns(options, test, |kind| append::import(kind, disk, took))?,
            Test::Growth => take_turns(options, test, |kind| growth::run(kind, disk, options.events))?,
            Test::ReadAll | Test::ReadStream | Test::ReadType | Test::ReadCorrelation => {
                take_turns(options, test, |kind| {
                    let (subject, written) = fixtures.open(kind)?;
                    read::run(subject, written, test, took)
                })?;
            }
            Test::Open => take_turns(options, test, |kind| open::run(kind, fixtures.closed(kind)?))?,
            Test::Follow => take_turns(options, test, |kind| follow::run(kind, disk, took))?,
            Test::Rebuild => take_turns(options, test, |kind| {
                let (subject, written) = fixtures.open(kind)?;
                rebuild::run(subject, written, took)
            })?,
            Test::Lag => take_turns(options, test, |kind| lag::run(kind, disk, took))?,
            Test::TimeTravel => {
                for case in time_travel::CASES {
                    take_turns(options, test, |kind| {
                        let (subject, written) = fixtures.open(kind)?;
                        time_travel::run(subject, written, case, took)
                    })?;
                }
            }
            Test::Match => {
                for case in matching::CASES {
                    take_turns(options, test, |kind| {
                        let (subject, written) = fixtures.open(kind)?;
                        matching::run(subject, written, case, took)
                    })?;
                }
            }
            Test::Messages | Test::Requests | Test::Subscribers => {
                for load in LOADS.into_iter().filter(|load| load.test == test) {
                    take_turns(options, test, |kind| talk::run(kind, disk, load, took))?;
                }
            }
        }
    }
    Ok(())
}

/// Runs a test with each subject that can do it.
fn take_turns(options: &Options, test: Test, run: impl FnMut(&'static Kind) -> Result<Line>) -> Result<()> {
    turns(options, test, options.kinds.clone(), run)
}

/// Runs a test with those of these subjects that can do it, again and again, another one first each time.
fn turns(
    options: &Options,
    test: Test,
    mut kinds: Vec<&'static Kind>,
    mut run: impl FnMut(&'static Kind) -> Result<Line>,
) -> Result<()> {
    kinds.retain(|kind| kind.can(test));
    for repeat in 1..=options.repeat {
        for &kind in &kinds {
            let Kind { name, .. } = *kind;
            let callers = kind.callers(test);
            let mut line = run(kind).with_context(|| format!("{name}, {}", test.name()))?;
            (line.subject, line.test, line.callers, line.repeat) = (name, test.name(), callers, repeat);
            line.print()?;
            eprintln!("{line}");
        }
        if !kinds.is_empty() {
            kinds.rotate_left(1);
        }
    }
    Ok(())
}

/// The name of what is read by a test, drawn by lot, and how many events it is.
fn drawn(written: &fixture::Written, test: Test) -> (What, u64) {
    match test {
        Test::ReadStream => {
            let stream = fastrand::usize(..written.streams.len());
            (What::Stream(stream), written.streams[stream])
        }
        Test::ReadType => {
            let kind = fastrand::usize(..written.types.len());
            (What::Type(kind), written.types[kind])
        }
        Test::ReadCorrelation => {
            let (correlation, events) = written.correlations[fastrand::usize(..written.correlations.len())];
            (What::Correlation(correlation), events)
        }
        _ => (What::All, written.events),
    }
}
