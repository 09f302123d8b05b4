//! How a recorder works: what it records, and how much it holds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use factlog::limits::BATCH_EVENTS_MAX;
use factlog::{Error, EventLog, Result, Text, Timestamp, TypePattern};

use super::Recorder;
use crate::vocabulary::type_patterns;

/// Events in one batch, unless another number is asked for.
const BATCH_SIZE: usize = 100;
/// How long an event waits for its batch, unless another time is asked for.
const BATCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Events that may wait, unless another number is asked for.
const WAITING_MAX: usize = 10_000;
/// Tasks, and deployments, that are tracked, unless another number is asked for.
const TRACKED_TASKS_MAX: usize = 1_000;
/// Agents that are tracked, unless another number is asked for.
const TRACKED_AGENTS_MAX: usize = 100;
/// How long a task is tracked, unless another time is asked for.
const TASK_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// How long an agent is tracked, unless another time is asked for.
const AGENT_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// How often an append is tried, unless another number is asked for.
const ATTEMPTS: u32 = 5;
/// How long to wait before the second try, unless another time is asked for; then twice as long each time.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// A clock.
pub(super) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What was asked for.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) source: Option<Text>,
    pub(super) batch_size: usize,
    pub(super) batch_timeout: Duration,
    pub(super) waiting_max: usize,
    pub(super) tracked_tasks_max: usize,
    pub(super) tracked_agents_max: usize,
    pub(super) task_timeout: Duration,
    pub(super) agent_timeout: Duration,
    pub(super) attempts: u32,
    pub(super) retry_delay: Duration,
    pub(super) enabled: bool,
    /// Categories that are switched off.
    pub(super) off: Vec<&'static str>,
    /// Types to record; none: all of them.
    pub(super) types: Option<Vec<TypePattern>>,
    pub(super) clock: Clock,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("batch_size", &self.batch_size).finish_non_exhaustive()
    }
}

/// Makes a [`Recorder`].
#[derive(Debug)]
#[must_use]
pub struct RecorderBuilder {
    log: EventLog,
    settings: Settings,
    source: Option<String>,
    persist_all: Option<bool>,
    persist_types: Vec<String>,
}

macro_rules! setters {
    ($($(#[doc = $about:literal])+ $name:ident => $field:ident: $type:ty;)+) => {
        $($(#[doc = $about])+
        pub fn $name(mut self, $name: $type) -> Self {
            self.settings.$field = $name;
            self
        })+
    };
}

macro_rules! switches {
    ($($(#[doc = $about:literal])+ $name:ident => $category:literal;)+) => {
        $($(#[doc = $about])+
        pub fn $name(mut self, $name: bool) -> Self {
            self.settings.off.retain(|off| *off != $category);
            if !$name {
                self.settings.off.push($category);
            }
            self
        })+
    };
}

impl RecorderBuilder {
    pub(super) fn new(log: EventLog) -> Self {
        let settings = Settings {
            source: None,
            batch_size: BATCH_SIZE,
            batch_timeout: BATCH_TIMEOUT,
            waiting_max: WAITING_MAX,
            tracked_tasks_max: TRACKED_TASKS_MAX,
            tracked_agents_max: TRACKED_AGENTS_MAX,
            task_timeout: TASK_TIMEOUT,
            agent_timeout: AGENT_TIMEOUT,
            attempts: ATTEMPTS,
            retry_delay: RETRY_DELAY,
            enabled: true,
            off: Vec::new(),
            types: None,
            clock: Arc::new(Timestamp::now),
        };
        Self { log, settings, source: None, persist_all: None, persist_types: Vec::new() }
    }

    setters! {
        /// How many events are stored together; 100 unless another number is given, 1 to 1,000.
        batch_size => batch_size: usize;
        /// How long an event waits at the most before its batch is stored; 5 seconds unless another time is given.
        batch_timeout => batch_timeout: Duration;
        /// How many events may wait before `record` is made to wait; 10,000 unless another number is given.
        waiting_max => waiting_max: usize;
        /// How many tasks are tracked from their beginning to their end, and as many deployments; 1,000 by default.
        max_tracked_tasks => tracked_tasks_max: usize;
        /// How many agents are tracked for their names; 100 by default.
        max_tracked_agents => tracked_agents_max: usize;
        /// How long a task or a deployment is tracked; an hour by default.
        task_timeout => task_timeout: Duration;
        /// How long an agent is tracked; 24 hours by default.
        agent_timeout => agent_timeout: Duration;
        /// How often an append is tried while the store is unavailable; 5 times by default.
        attempts => attempts: u32;
        /// How long to wait before the second try, and twice as long before each further one; 200 ms by default.
        retry_delay => retry_delay: Duration;
        /// Whether anything is recorded at first; see [`Recorder::set_enabled`].
        enabled => enabled: bool;
    }

    switches! {
        /// Whether events of tasks are recorded.
        tasks => "task";
        /// Whether events of agents are recorded.
        agents => "agent";
        /// Whether events of deployments are recorded.
        deployments => "deployment";
        /// Whether events of systems are recorded, and those of unknown names, which become such.
        system => "system";
    }

    /// Who says it, where the event does not tell; nobody by default.
    pub fn source(mut self, source: &str) -> Self {
        self.source = Some(source.to_owned());
        self
    }

    /// Whether events of all types are recorded. By default they are, unless [`RecorderBuilder::persist_types`] names some:
    /// to name types and record all the same takes a plain `true` here.
    pub fn persist_all(mut self, all: bool) -> Self {
        self.persist_all = Some(all);
        self
    }

    /// The types to record, under any of their names; `*` stands for any run of characters.
    pub fn persist_types<'a>(mut self, types: impl IntoIterator<Item = &'a str>) -> Self {
        self.persist_types.extend(types.into_iter().map(str::to_owned));
        self
    }

    /// The clock that says when something is recorded.
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.settings.clock = Arc::new(clock);
        self
    }

    /// Starts the recorder; its batches are stored by a task of the runtime that this is called in.
    ///
    /// # Errors
    /// `Invalid` for a setting that cannot be, naming it; `Stopped` outside of a runtime.
    pub fn build(self) -> Result<Recorder> {
        let mut settings = self.settings;
        let at_least_one = [
            ("batch_size", settings.batch_size),
            ("waiting_max", settings.waiting_max),
            ("attempts", settings.attempts as usize),
        ];
        if let Some((name, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
            return Err(
                Error::invalid(format!("the recorder's {name} is 0")).with_hint("it is 1 at the least")
            );
        }
        if settings.batch_size > BATCH_EVENTS_MAX {
            let size = settings.batch_size;
            return Err(Error::invalid(format!(
                "the recorder's batch_size is {size}; {BATCH_EVENTS_MAX} are allowed"
            )));
        }
        // A batch must be able to fill.
        settings.waiting_max = settings.waiting_max.max(settings.batch_size);
        let source = self.source.as_deref().map(str::parse).transpose();
        settings.source = source.map_err(|error: Error| error.context("the recorder's source"))?;
        if !self.persist_all.unwrap_or(self.persist_types.is_empty()) {
            let names = self.persist_types.iter().flat_map(|name| type_patterns(name));
            settings.types = Some(names.map(|name| name.parse()).collect::<Result<_>>()?);
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|cause| {
            Error::stopped("a recorder needs a runtime of tokio to store its batches").with_cause(cause)
        })?;
        Ok(Recorder::start(self.log, settings, &runtime))
    }
}
