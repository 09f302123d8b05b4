//! The filter flags, the same on every command.

use std::path::Path;

use clap::Args;
use factlog::{
    Count, Counter, EventLog, Filter, Group, GroupBy, Position, Reading, Result, Tag, TimeRange, Timestamp,
    TypePattern,
};
use factlog_agents::vocabulary::type_patterns;

use crate::flag::all;
use crate::person_time::{self, End};

/// Which events. Different flags narrow; the same flag again widens.
#[derive(Debug, Args, Clone, Default)]
#[command(next_help_heading = "Which events (each list flag also as --not-...)")]
pub(crate) struct FilterArgs {
    #[command(flatten)]
    pub(crate) fields: FieldArgs,
    /// From this time on (2026-11-20, today, 2h ago ...), or from this position
    #[arg(long, value_name = "TIME|POSITION")]
    pub(crate) from: Option<String>,
    /// Before this time (a bare date is included), or before this position
    #[arg(long, value_name = "TIME|POSITION")]
    to: Option<String>,
    /// Times are when an event was recorded, not when it happened
    #[arg(long)]
    recorded: bool,
}

/// Which events, by all but their place and time.
#[derive(Debug, Args, Clone, Default)]
#[command(next_help_heading = "Which events (each list flag also as --not-...)")]
pub(crate) struct FieldArgs {
    /// Of this stream; may be given several times, like all flags with a list
    #[arg(long)]
    stream: Vec<String>,
    /// Of streams of this category
    #[arg(long)]
    category: Vec<String>,
    /// Of this type, under any of its names (`factlog types`); * stands for any run of characters
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Vec<String>,
    /// Said by this source
    #[arg(long)]
    source: Vec<String>,
    /// For this target
    #[arg(long)]
    target: Vec<String>,
    /// Of this correlation
    #[arg(long)]
    correlation: Vec<String>,
    /// Caused by the event of this id
    #[arg(long)]
    causation: Vec<String>,
    /// Of this session
    #[arg(long)]
    session: Vec<String>,
    /// Of this user
    #[arg(long)]
    user: Vec<String>,
    /// With this tag
    #[arg(long)]
    tag: Vec<String>,
    /// About this file, by its path from here or as it was recorded
    #[arg(long, value_name = "PATH")]
    file: Vec<String>,
    /// About this tool, such as Bash or Edit
    #[arg(long)]
    tool: Vec<String>,
    /// Of this priority: low, normal, high or critical
    #[arg(long)]
    priority: Vec<String>,
    /// Of this id
    #[arg(long)]
    id: Vec<String>,
    /// With this text in their data; upper and lower case are the same
    #[arg(long)]
    text: Option<String>,

    #[arg(long, value_name = "STREAM", hide = true)]
    not_stream: Vec<String>,
    #[arg(long, value_name = "CATEGORY", hide = true)]
    not_category: Vec<String>,
    #[arg(long, value_name = "TYPE", hide = true)]
    not_type: Vec<String>,
    #[arg(long, value_name = "SOURCE", hide = true)]
    not_source: Vec<String>,
    #[arg(long, value_name = "TARGET", hide = true)]
    not_target: Vec<String>,
    #[arg(long, value_name = "CORRELATION", hide = true)]
    not_correlation: Vec<String>,
    #[arg(long, value_name = "CAUSATION", hide = true)]
    not_causation: Vec<String>,
    #[arg(long, value_name = "SESSION", hide = true)]
    not_session: Vec<String>,
    #[arg(long, value_name = "USER", hide = true)]
    not_user: Vec<String>,
    #[arg(long, value_name = "TAG", hide = true)]
    not_tag: Vec<String>,
    #[arg(long, value_name = "PATH", hide = true)]
    not_file: Vec<String>,
    #[arg(long, value_name = "TOOL", hide = true)]
    not_tool: Vec<String>,
    #[arg(long, value_name = "PRIORITY", hide = true)]
    not_priority: Vec<String>,
    #[arg(long, value_name = "ID", hide = true)]
    not_id: Vec<String>,
}

/// A filter, and the positions that bound it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    pub(crate) filter: Filter,
    /// Only after this position.
    pub(crate) after: Position,
    /// Only before this position.
    pub(crate) before: Option<Position>,
}

impl Selection {
    /// Whether nothing is left out.
    pub(crate) fn is_all(&self) -> bool {
        self.filter.is_all() && self.after == Position::START && self.before.is_none()
    }

    /// A reading of what is selected, oldest first.
    pub(crate) fn read(&self, log: &EventLog) -> Reading {
        let reading = log.read(self.filter.clone()).after(self.after);
        match self.before {
            Some(before) => reading.before(before),
            None => reading,
        }
    }

    /// How many events are selected, by what; the store counts unless positions bound them.
    pub(crate) async fn count(&self, log: &EventLog, by: Vec<GroupBy>) -> Result<Vec<Group>> {
        if self.after == Position::START && self.before.is_none() {
            return log.count(Count { filter: self.filter.clone(), by }).await;
        }
        let mut counter = Counter::new(by);
        let mut reading = self.read(log);
        while let Some(event) = reading.next().await {
            counter.add(&*event?)?;
        }
        Ok(counter.groups())
    }
}

/// The types of a flag under all names that they were recorded by.
fn types(flag: &str, given: &[String]) -> Result<Vec<TypePattern>> {
    Ok(under_all_names(&all::<TypePattern>(flag, given)?))
}

/// Types under all names that they were recorded by.
pub(crate) fn under_all_names(given: &[TypePattern]) -> Vec<TypePattern> {
    let mut patterns: Vec<TypePattern> = Vec::new();
    for name in given.iter().flat_map(|pattern| type_patterns(pattern.as_str())) {
        if let Ok(pattern) = name.parse()
            && !patterns.contains(&pattern)
        {
            patterns.push(pattern);
        }
    }
    patterns
}

/// The paths of a flag as given, and as agents in the current folder write them: either may have been recorded.
fn paths(flag: &str, given: &[String], here: Option<&str>) -> Result<Vec<Tag>> {
    let mut paths = all(flag, given)?;
    for path in given {
        // Where it cannot be such a text, nothing was recorded by it.
        let path = from_here(path, here).parse();
        paths.extend(path.ok().filter(|path| !paths.contains(path)));
    }
    Ok(paths)
}

/// A path in the current folder, named from there.
fn from_here<'a>(path: &'a str, here: Option<&str>) -> &'a str {
    let separators = ['/', std::path::MAIN_SEPARATOR];
    let here = here.map(|here| here.trim_end_matches(separators)).filter(|here| !here.is_empty());
    let inside = here.and_then(|here| path.strip_prefix(here)?.strip_prefix(separators));
    let mut path = inside.unwrap_or(path);
    while let Some(rest) = path.strip_prefix('.').and_then(|rest| rest.strip_prefix(separators)) {
        path = rest.trim_start_matches(separators);
    }
    path
}

/// One end of the range: a position, or a time.
enum Bound {
    Position(Position),
    Time(Timestamp),
}

fn bound(flag: &str, text: &str, end: End) -> Result<Bound> {
    match text.parse() {
        Ok(position) => Ok(Bound::Position(Position(position))),
        Err(_) => person_time::parse(text, end, Timestamp::now())
            .map(Bound::Time)
            .map_err(|error| error.context(flag)),
    }
}

impl FilterArgs {
    /// What the flags say.
    ///
    /// # Errors
    /// `Invalid`, naming the flag.
    pub(crate) fn selection(&self) -> Result<Selection> {
        let mut selection = Selection { filter: self.fields.filter()?, ..Selection::default() };
        let mut time = TimeRange::default();
        match self.from.as_deref().map(|text| bound("--from", text, End::From)).transpose()? {
            Some(Bound::Position(position)) => selection.after = Position(position.0.saturating_sub(1)),
            Some(Bound::Time(from)) => time.from = Some(from),
            None => {}
        }
        match self.to.as_deref().map(|text| bound("--to", text, End::To)).transpose()? {
            Some(Bound::Position(position)) => selection.before = Some(position),
            Some(Bound::Time(to)) => time.to = Some(to),
            None => {}
        }
        *self.clock(&mut selection.filter) = time;
        selection.filter.check()?;
        Ok(selection)
    }

    /// The time that the flags speak of.
    pub(crate) fn clock<'a>(&self, filter: &'a mut Filter) -> &'a mut TimeRange {
        if self.recorded { &mut filter.recorded } else { &mut filter.time }
    }
}

impl FieldArgs {
    /// What the flags say.
    ///
    /// # Errors
    /// `Invalid`, naming the flag.
    pub(crate) fn filter(&self) -> Result<Filter> {
        let here = std::env::current_dir().ok();
        let here = here.as_deref().and_then(Path::to_str);
        let not = Filter {
            streams: all("--not-stream", &self.not_stream)?,
            categories: all("--not-category", &self.not_category)?,
            types: types("--not-type", &self.not_type)?,
            sources: all("--not-source", &self.not_source)?,
            targets: all("--not-target", &self.not_target)?,
            correlation: all("--not-correlation", &self.not_correlation)?,
            causation: all("--not-causation", &self.not_causation)?,
            session: all("--not-session", &self.not_session)?,
            user: all("--not-user", &self.not_user)?,
            tags: all("--not-tag", &self.not_tag)?,
            files: paths("--not-file", &self.not_file, here)?,
            tools: all("--not-tool", &self.not_tool)?,
            priorities: all("--not-priority", &self.not_priority)?,
            ids: all("--not-id", &self.not_id)?,
            ..Filter::all()
        };
        Ok(Filter {
            streams: all("--stream", &self.stream)?,
            categories: all("--category", &self.category)?,
            types: types("--type", &self.event_type)?,
            sources: all("--source", &self.source)?,
            targets: all("--target", &self.target)?,
            correlation: all("--correlation", &self.correlation)?,
            causation: all("--causation", &self.causation)?,
            session: all("--session", &self.session)?,
            user: all("--user", &self.user)?,
            tags: all("--tag", &self.tag)?,
            files: paths("--file", &self.file, here)?,
            tools: all("--tool", &self.tool)?,
            priorities: all("--priority", &self.priority)?,
            ids: all("--id", &self.id)?,
            text: self.text.clone(),
            not: (!not.is_all()).then(|| Box::new(not)),
            ..Filter::all()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_looked_for_as_given_and_as_agents_here_write_it() {
        let of = |path: &str| -> Vec<String> {
            let paths = paths("--file", &[path.to_owned()], Some("/home/ada/site")).unwrap();
            paths.iter().map(ToString::to_string).collect()
        };
        assert_eq!(of("src/a.rs"), ["src/a.rs"]);
        assert_eq!(of("./src/a.rs"), ["./src/a.rs", "src/a.rs"]);
        assert_eq!(of("././/a.rs"), ["././/a.rs", "a.rs"]);
        assert_eq!(of("/home/ada/site/src/a.rs"), ["/home/ada/site/src/a.rs", "src/a.rs"]);
        assert_eq!(of("/home/ada/site-2/a.rs"), ["/home/ada/site-2/a.rs"]);
        assert_eq!(of("/home/ada/site/"), ["/home/ada/site/"]);
        assert_eq!(of(".hidden"), [".hidden"]);
        assert_eq!(of("./"), ["./"]);
        assert!(paths("--file", &[String::new()], None).unwrap_err().to_string().contains("--file"));
    }
}
