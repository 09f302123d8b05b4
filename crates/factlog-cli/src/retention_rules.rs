//! Rules of retention as settings and flags say them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use factlog::{Clock, Error, Filter, Result, Rule, StreamName, Tag, Text, TypePattern};
use factlog_agents::bus::FINISHED_AGE;
use serde::Deserialize;

use crate::cli::RetentionRuleArgs;
use crate::filter_args::under_all_names;
use crate::output::note;
use crate::person_time;
use crate::settings::{Setting, Settings};

/// The name of the rule that flags make.
const FLAGS: &str = "flags";
/// The rule of messages that are done with.
const FINISHED: &str = "finished messages";
/// What the settings say where these are kept for ever.
const NEVER: &str = "never";
const SECONDS_OF_DAY: u64 = 24 * 60 * 60;

/// The table `[retention]` of a settings file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleTables {
    #[serde(default)]
    rules: Vec<RuleTable>,
    /// How long messages are kept that are done with.
    finished_messages: Option<String>,
}

/// One table `[[retention.rules]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    name: String,
    #[serde(default)]
    streams: Vec<StreamName>,
    #[serde(default)]
    categories: Vec<Text>,
    #[serde(default)]
    types: Vec<TypePattern>,
    #[serde(default)]
    sources: Vec<Text>,
    #[serde(default)]
    tags: Vec<Tag>,
    not: Option<Box<Filter>>,
    age: Option<String>,
    retention_days: Option<u32>,
    #[serde(default)]
    occurred: bool,
    #[serde(default)]
    expired: bool,
    archive: Option<PathBuf>,
}

/// The rules in force.
#[derive(Debug, Clone, Default)]
pub(crate) struct RetentionSettings {
    /// The rules, and the file that has them.
    pub(crate) rules: Option<(RuleTables, PathBuf)>,
    /// A file whose rules do not hold for this log.
    pub(crate) passed_over: Option<PathBuf>,
}

/// A rule, and the folder into which its events are archived before.
#[derive(Debug, Clone)]
pub(crate) struct ChosenRule {
    pub(crate) rule: Rule,
    pub(crate) archive: Option<PathBuf>,
}

impl RuleTables {
    /// The same with folders of archives that hold wherever the program works: they are meant from the file's folder.
    pub(crate) fn meant_from(mut self, folder: Option<&Path>, home: Option<&Path>) -> Self {
        for archive in self.rules.iter_mut().filter_map(|rule| rule.archive.as_mut()) {
            match (archive.strip_prefix("~"), home, folder) {
                (Ok(path), Some(home), _) => *archive = home.join(path),
                (Err(_), _, Some(folder)) => *archive = folder.join(&*archive),
                _ => {}
            }
        }
        self
    }
}

impl RuleTable {
    fn rule(&self) -> Result<ChosenRule> {
        let named = |error: Error| error.context(format!("the rule {:?}", self.name));
        let age = match (&self.age, self.retention_days) {
            (Some(_), Some(_)) => {
                return Err(named(Error::invalid(
                    "`age` and `retention_days` say the same; give one of them",
                )));
            }
            (Some(age), None) => Some(person_time::age(age).map_err(named)?),
            (None, days) => days.map(|days| Duration::from_secs(u64::from(days) * SECONDS_OF_DAY)),
        };
        let filter = Filter {
            streams: self.streams.clone(),
            categories: self.categories.clone(),
            types: under_all_names(&self.types),
            sources: self.sources.clone(),
            tags: self.tags.clone(),
            not: self.not.clone().map(|mut not| {
                not.types = under_all_names(&not.types);
                not
            }),
            ..Filter::all()
        };
        let clock = if self.occurred { Clock::Occurred } else { Clock::Recorded };
        let rule = Rule { name: self.name.clone(), filter, age, clock, expired: self.expired };
        Ok(ChosenRule { rule, archive: self.archive.clone() })
    }
}

/// The rules in force, and how long messages are kept that are done with; none, and those are kept for ever.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) rules: Vec<ChosenRule>,
    pub(crate) finished: Option<ChosenRule>,
}

/// The rule that the flags make, or else the rules of the settings, with that of messages that are done with.
///
/// # Errors
/// `Invalid` where there is no rule, or one makes no sense; it says where.
pub(crate) fn chosen(settings: &Settings, args: &RetentionRuleArgs) -> Result<Chosen> {
    let filter = args.fields.filter()?;
    if let Some(age) = &args.finished_messages {
        if !filter.is_all() {
            return Err(Error::invalid("the flags of events do not go with --finished-messages")
                .with_hint("a message goes with all that became of it, or stays with all of it"));
        }
        let age = person_time::age(age).map_err(|error| error.context("--finished-messages"))?;
        return Ok(Chosen { rules: Vec::new(), finished: Some(finished(age, args)) });
    }
    if args.older_than.is_some() || args.expired {
        let age = args.older_than.as_deref().map(person_time::age).transpose();
        let age = age.map_err(|error| error.context("--older-than"))?;
        let clock = if args.occurred { Clock::Occurred } else { Clock::Recorded };
        let rule = Rule { name: FLAGS.to_owned(), filter, age, clock, expired: args.expired };
        return Ok(Chosen {
            rules: vec![ChosenRule { rule, archive: args.archive.clone() }],
            finished: None,
        });
    }
    if !filter.is_all() || args.occurred {
        return Err(Error::invalid("the flags do not say when events go")
            .with_hint("add --older-than, for example --older-than 30d, or --expired"));
    }
    of_settings(settings, args)
}

/// The rule of messages that are done with.
fn finished(age: Duration, args: &RetentionRuleArgs) -> ChosenRule {
    let rule = Rule::older_than(FINISHED, Filter::all(), age);
    ChosenRule { rule, archive: args.archive.clone() }
}

fn of_settings(settings: &Settings, args: &RetentionRuleArgs) -> Result<Chosen> {
    if let Some(file) = &settings.retention.passed_over {
        note(format_args!(
            "note: {}: its rules of retention do not hold for the log that your own settings name",
            file.display()
        ));
    }
    let Some((tables, file)) = &settings.retention.rules else {
        return Ok(Chosen { rules: Vec::new(), finished: Some(finished(FINISHED_AGE, args)) });
    };
    let in_file = |error: Error| error.context(file.display());
    let age = match tables.finished_messages.as_deref() {
        None => Some(FINISHED_AGE),
        Some(NEVER) => None,
        Some(age) => {
            Some(person_time::age(age).map_err(|error| in_file(error.context("`finished_messages`")))?)
        }
    };
    if age.is_none() && tables.rules.is_empty() {
        return Err(Error::invalid("there are no rules of retention").with_hint(
            "give flags, for example --older-than 30d --category task, or write [[retention.rules]] into .factlog.toml",
        ));
    }
    let rules = tables.rules.iter().map(|table| {
        let chosen = table.rule().map_err(in_file)?;
        Ok(ChosenRule { archive: chosen.archive.or_else(|| args.archive.clone()), ..chosen })
    });
    Ok(Chosen { rules: rules.collect::<Result<_>>()?, finished: age.map(|age| finished(age, args)) })
}

impl Settings {
    /// The rules in one line, for people who ask for their settings.
    pub(crate) fn retention_setting(&self) -> Setting {
        let found = self.retention.rules.as_ref();
        let names = |tables: &RuleTables| {
            tables.rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        Setting {
            name: "retention",
            value: Some(found.map_or_else(|| "none".to_owned(), |(tables, _)| names(tables))),
            origin: found
                .map_or_else(|| "default".to_owned(), |(_, file)| format!("file {}", file.display())),
        }
    }
}
