//! The arguments.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail, ensure};

use crate::subjects::{KINDS, Kind, Needs};
use crate::test::Test;

pub(crate) const HELP: &str = "\
Measures factlog beside bare SQLite, bare PostgreSQL, raw files, other logs and what carries messages. One line of JSON
per run goes to stdout. Subjects on a server of PostgreSQL or NATS need one that is installed; it is started for the
purpose. FACTLOG_TEST_NATS_SERVER names the program of NATS where it is not on the search path.

Usage: factlog-bench [OPTIONS]

  --only SUBJECT,...   only these subjects
  --test NAME,...      only these tests
  --seconds N          how long each measurement lasts; 2 by default
  --repeat N           runs of each, the subjects taking turns; 3 by default
  --writers N,...      writers of the test append; 1,8,64 by default
  --events N           events of the logs that are read and opened; 1000000 by default
  --dir PATH           a folder on the disk to measure; bench/target/data by default
";

/// What to measure, and how.
pub(crate) struct Options {
    pub(crate) kinds: Vec<&'static Kind>,
    pub(crate) tests: Vec<Test>,
    pub(crate) took: Duration,
    pub(crate) repeat: usize,
    pub(crate) writers: Vec<usize>,
    pub(crate) events: u64,
    pub(crate) folder: PathBuf,
}

impl Options {
    /// The options of a command line; none when it asks for help.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            kinds: KINDS.iter().collect(),
            tests: Test::ALL.to_vec(),
            took: Duration::from_secs(2),
            repeat: 3,
            writers: vec![1, 8, 64],
            events: 1_000_000,
            folder: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/data")),
        };
        while let Some(option) = arguments.next() {
            if matches!(option.as_str(), "--help" | "-h") {
                return Ok(None);
            }
            let mut value = || arguments.next().with_context(|| format!("{option} needs a value"));
            match option.as_str() {
                "--only" => options.kinds = value()?.split(',').map(Kind::named).collect::<Result<_>>()?,
                "--test" => options.tests = value()?.split(',').map(Test::from_str).collect::<Result<_>>()?,
                "--seconds" => options.took = Duration::try_from_secs_f64(number(&option, &value()?)?)?,
                "--repeat" => options.repeat = number(&option, &value()?)?,
                "--writers" => {
                    options.writers =
                        value()?.split(',').map(|writers| number(&option, writers)).collect::<Result<_>>()?;
                }
                "--events" => options.events = number(&option, &value()?)?,
                "--dir" => options.folder = value()?.into(),
                _ => bail!("{option} is no option\n\n{HELP}"),
            }
        }
        let writers = 1..=crate::workload::STREAMS;
        ensure!(
            options.writers.iter().all(|count| writers.contains(count)),
            "--writers: each needs a stream"
        );
        Ok(Some(options))
    }

    /// The numbers of writers of the test `append`, those that only some subjects have too.
    pub(crate) fn all_writers(&self) -> BTreeSet<usize> {
        let more = self.kinds.iter().flat_map(|kind| kind.more_writers);
        self.writers.iter().chain(more).copied().collect()
    }

    /// Whether one of the tests is to be made with a subject that needs this.
    pub(crate) fn need(&self, needs: Needs) -> bool {
        let is_to_be_made = |kind: &&'static Kind| self.tests.iter().any(|test| kind.can(*test));
        self.kinds.iter().filter(|kind| kind.needs == needs).any(is_to_be_made)
    }

    /// Leaves out the subjects that need what is not there.
    pub(crate) fn leave_out(&mut self, needs: Needs, what: &str, why: &str) {
        eprintln!("what needs {what} is left out: {why}");
        self.kinds.retain(|kind| kind.needs != needs);
    }

    /// The subjects that are measured with so many writers.
    pub(crate) fn with_writers(&self, writers: usize) -> Vec<&'static Kind> {
        let is_meant =
            |kind: &&&'static Kind| self.writers.contains(&writers) || kind.more_writers.contains(&writers);
        self.kinds.iter().filter(is_meant).copied().collect()
    }
}

fn number<T: FromStr<Err: Into<Error>>>(option: &str, text: &str) -> Result<T> {
    text.parse().map_err(Into::into).with_context(|| format!("{option}: {text} is no such number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_options_of_cargo_xtask_bench_are_known() {
        let options = parse("--only tephra,raw-log --test append,open --seconds 0.5").unwrap().unwrap();
        assert_eq!(options.kinds.iter().map(|kind| kind.name).collect::<Vec<_>>(), ["tephra", "raw-log"]);
        assert_eq!(options.tests, [Test::Append, Test::Open]);
        assert_eq!(options.took, Duration::from_millis(500));
    }

    #[test]
    fn some_subjects_have_numbers_of_writers_of_their_own() {
        let options = parse("--only factlog-postgres,pg-insert --writers 8,64").unwrap().unwrap();
        assert_eq!(options.all_writers().into_iter().collect::<Vec<_>>(), [8, 32, 64]);
        let names = |writers| options.with_writers(writers).iter().map(|kind| kind.name).collect::<Vec<_>>();
        assert_eq!(names(32), ["pg-insert"]);
        assert_eq!(names(64), ["factlog-postgres", "pg-insert"]);
    }

    #[test]
    fn a_server_is_needed_only_where_something_is_measured_on_it() {
        let need =
            |line| [Needs::Postgres, Needs::Nats].map(|needs| parse(line).unwrap().unwrap().need(needs));
        assert_eq!(need(""), [true, true]);
        assert_eq!(need("--test append,open"), [true, false]);
        assert_eq!(need("--test messages,requests,subscribers"), [false, true]);
        assert_eq!(need("--only factlog-sqlite,tokio-broadcast"), [false, false]);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(parse("--help").unwrap().is_none());
        for wrong in
            ["--quick", "--only nothing", "--test all", "--seconds x", "--seconds -1", "--writers 0", "--dir"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
