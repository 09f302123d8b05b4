//! Events by what people ask for: kind, status, agent, user, session, time.

use std::sync::Arc;

use factlog::{Error, Event, EventLog, Filter, Result, Timestamp, TypePattern};

use crate::status::{status_of, status_words};
use crate::vocabulary::{agent_of, type_named, type_patterns};

/// Events that a query gives, unless another number is asked for.
const LIMIT: usize = 100;
/// Events that one query gives at the most.
const LIMIT_MAX: usize = 100_000;

/// The order of what a query gives: that of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// What came last first.
    #[default]
    NewestFirst,
    /// What came first first.
    OldestFirst,
}

/// A question for events of all kinds; what is not asked for does not matter.
///
/// ```
/// use factlog_agents::recorder::{Order, Query};
/// let errors = Query::new().event_type("task_execution").status("error").limit(50);
/// let history = Query::new().agent("agent-123").order(Order::OldestFirst);
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Query {
    types: Vec<String>,
    statuses: Vec<String>,
    agents: Vec<String>,
    sources: Vec<String>,
    users: Vec<String>,
    sessions: Vec<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    order: Order,
    limit: Option<usize>,
    skip: usize,
}

macro_rules! lists {
    ($($(#[doc = $about:literal])+ $name:ident => $field:ident;)+) => {
        $($(#[doc = $about])+
        pub fn $name(mut self, $name: &str) -> Self {
            self.$field.push($name.to_owned());
            self
        })+
    };
}

impl Query {
    /// Everything, the newest first.
    pub fn new() -> Self {
        Self::default()
    }

    lists! {
        /// Only events of this type, under any of its names, or with `*`; several are or-ed. `task_execution`,
        /// `agent_lifecycle` and `deployment` mean what they meant to origin B; a name that the vocabulary does not know
        /// also means the events of systems that have it as their own type or name.
        event_type => types;
        /// Only events with this status, in any word for it; several are or-ed. See [`status_of`].
        status => statuses;
        /// Only events of this agent; several are or-ed. See [`agent_of`].
        agent => agents;
        /// Only what this one says; several are or-ed.
        source => sources;
        /// Only what was done for this person; several are or-ed.
        user => users;
        /// Only what happened in this session; several are or-ed.
        session => sessions;
    }

    /// Only what happened at this time or later.
    pub fn from(mut self, from: Timestamp) -> Self {
        self.from = Some(from);
        self
    }

    /// Only what happened before this time.
    pub fn to(mut self, to: Timestamp) -> Self {
        self.to = Some(to);
        self
    }

    /// The order; the newest first unless another is asked for.
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// How many events at the most; 100 unless another number is given, up to 100,000.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Passes over the first events.
    pub fn skip(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// The events of a log.
    ///
    /// # Errors
    /// `Invalid` for a word that is no status, for a name that is too long, and for too high a limit.
    pub async fn run(&self, log: &EventLog) -> Result<Vec<Arc<Event>>> {
        let limit = self.limit.unwrap_or(LIMIT);
        if limit > LIMIT_MAX {
            return Err(Error::invalid(format!("a query for {limit} events; {LIMIT_MAX} are allowed"))
                .with_hint("read the log with a filter instead"));
        }
        let filter = self.filter()?;
        let statuses = self.statuses()?;
        let reading = log.read(filter);
        let mut reading = match self.order {
            Order::NewestFirst => reading.backwards(),
            Order::OldestFirst => reading,
        };
        if statuses.is_empty() && self.agents.is_empty() {
            return reading.skip(self.skip).limit(limit).collect().await;
        }
        let mut found = Vec::new();
        let mut skip = self.skip;
        while found.len() < limit {
            let Some(event) = reading.next().await else { break };
            let event = event?;
            match (self.is_meant(&event, &statuses), skip) {
                (false, _) => {}
                (true, 0) => found.push(event),
                (true, _) => skip -= 1,
            }
        }
        Ok(found)
    }

    /// What no filter can ask for.
    fn is_meant(&self, event: &Event, statuses: &[&str]) -> bool {
        let has_status = || status_of(event).is_some_and(|status| statuses.contains(&status));
        let is_of_agent = || agent_of(event).is_some_and(|agent| self.agents.contains(&agent));
        (statuses.is_empty() || has_status()) && (self.agents.is_empty() || is_of_agent())
    }

    /// As much of it as a store can look for.
    fn filter(&self) -> Result<Filter> {
        let mut filter = Filter::all();
        for name in &self.types {
            filter.types.extend(patterns(name)?);
        }
        let texts = |what: &str, texts: &[String]| {
            let parsed: Result<Vec<_>> = texts.iter().map(|text| text.parse()).collect();
            parsed.map_err(|error| error.context(what))
        };
        filter.sources = texts("source", &self.sources)?;
        filter.user = texts("user", &self.users)?;
        filter.session = texts("session", &self.sessions)?;
        filter.time.from = self.from;
        filter.time.to = self.to;
        Ok(filter)
    }

    fn statuses(&self) -> Result<Vec<&'static str>> {
        let mut statuses = Vec::new();
        for word in &self.statuses {
            let words = status_words(word);
            if words.is_empty() {
                return Err(Error::invalid(format!("{word:?} is no status"))
                    .with_hint("such as pending, started, completed, failed, cancelled, idle or active"));
            }
            statuses.extend(words);
        }
        Ok(statuses)
    }
}

/// All that a name of a type means.
fn patterns(name: &str) -> Result<Vec<TypePattern>> {
    let mut patterns = type_patterns(name);
    if patterns.len() == 1 && type_named(name).is_none() && !name.contains('*') {
        // Events of systems have types and names of their own.
        let own = [("system:event", "eventType"), ("system:event", "eventName"), ("system:custom", "name")];
        patterns.extend(own.map(|(of, field)| format!("{of}[data.{field} == \"{name}\"]")));
    }
    let parsed: Result<_> = patterns.iter().map(|pattern| pattern.parse()).collect();
    parsed.map_err(|error: Error| error.context("the type asked for"))
}
