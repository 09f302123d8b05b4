//! Rules: policies as people write them, in TOML.

mod deed;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use factlog::{Error, Expression, Pattern, Result};
use serde::Deserialize;
use serde_json::Value;

use self::deed::Deed;
use super::firing::Firing;
use super::state::RECENT_MAX;
use super::template::Template;
use super::{DELAY_MAX, POLICIES_MAX, Policy, Rate, Retry, Ruled, Settings, built_in, check_name, length};
use crate::vocabulary::pattern;

/// Bytes of a file of rules.
const RULES_BYTES_MAX: usize = 1024 * 1024;

/// What conditions and gaps see, beside the steps that have names.
const SEEN: [&str; 5] = ["data", "event", "first", "match", "firing"];

/// The policies of a file, in its order.
pub type Rules = Vec<Ruled>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOfRules {
    #[serde(default)]
    policy: Vec<Written>,
}

/// A rule as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub(super) name: Option<String>,
    pub(super) built_in: Option<String>,
    #[serde(default)]
    about: String,
    on: Option<String>,
    when: Option<String>,
    then: Option<OneOrMore>,
    #[serde(default)]
    after: Option<Value>,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default, deserialize_with = "length")]
    cooldown: Option<Duration>,
    retry: Option<WrittenRetry>,
    rate: Option<WrittenRate>,
    depth: Option<u64>,
    #[serde(default)]
    history: bool,
    /// What a built-in policy can be told beside.
    #[serde(default)]
    pub(super) with: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    More(Vec<BTreeMap<String, Value>>),
    One(BTreeMap<String, Value>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRetry {
    max: Option<u64>,
    #[serde(default, deserialize_with = "length")]
    backoff: Option<Duration>,
    jitter: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRate {
    max: u64,
    #[serde(default, deserialize_with = "length")]
    per: Option<Duration>,
}

fn yes() -> bool {
    true
}

/// Reads the policies of a file.
///
/// ```
/// let rules = factlog_agents::policy::rules(r#"
/// [[policy]]
/// name = "tell-lead"
/// on = "task:failed[data.retryCount > 2]"
/// then = { message = { to = "lead", content = "{{ data.taskId }} has failed for good" } }
/// "#)?;
/// assert_eq!(rules[0].policy.name(), "tell-lead");
/// # Ok::<(), factlog::Error>(())
/// ```
///
/// # Errors
/// `Invalid`, naming the policy and the place.
pub fn rules(text: &str) -> Result<Rules> {
    if text.len() > RULES_BYTES_MAX {
        return Err(Error::invalid(format!("rules of {} bytes; {RULES_BYTES_MAX} are allowed", text.len())));
    }
    let file: FileOfRules = toml::from_str(text).map_err(|cause| unreadable(text, &cause))?;
    if file.policy.len() > POLICIES_MAX {
        return Err(Error::invalid(format!("{} policies; {POLICIES_MAX} are allowed", file.policy.len())));
    }
    let mut rules = Rules::new();
    for (place, written) in file.policy.into_iter().enumerate() {
        let called = written.name.clone().or_else(|| written.built_in.clone());
        let called = called.unwrap_or_else(|| format!("number {}", place + 1));
        let rule = ruled(written).map_err(|error| error.context(format!("policy {called}")))?;
        if rules.iter().any(|other| other.policy.name() == rule.policy.name()) {
            return Err(Error::invalid(format!("two policies are named {called}")));
        }
        rules.push(rule);
    }
    Ok(rules)
}

/// What is wrong, and where; the line itself may have a secret in it.
fn unreadable(text: &str, cause: &toml::de::Error) -> Error {
    let place = cause.span().map_or(String::new(), |span| {
        let before = &text[..span.start.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
        format!(" at line {line}, column {column}")
    });
    Error::invalid(format!("the rules cannot be read{place}: {}", cause.message()))
}

fn ruled(written: Written) -> Result<Ruled> {
    let is_enabled = written.enabled;
    let policy: Arc<dyn Policy> = match &written.built_in {
        Some(_) => built_in::of(&written)?,
        None => Arc::new(Rule::of(written)?),
    };
    check_name(policy.name())?;
    policy.pattern().check_live()?;
    Ok(Ruled { policy, is_enabled })
}

impl Written {
    /// What it says of how it is run, over what holds without.
    pub(super) fn settings(&self, mut settings: Settings) -> Result<Settings> {
        if let Some(retry) = &self.retry {
            let Retry { max, backoff, jitter } = settings.retry;
            let jitter = retry.jitter.unwrap_or(jitter);
            if !(0.0..=1.0).contains(&jitter) {
                return Err(Error::invalid("the jitter of a retry is from 0 to 1"));
            }
            settings.retry =
                Retry { max: retry.max.unwrap_or(max), backoff: retry.backoff.unwrap_or(backoff), jitter };
        }
        if let Some(rate) = &self.rate {
            if !(1..=RECENT_MAX as u64).contains(&rate.max) {
                return Err(Error::invalid(format!("the max of a rate is from 1 to {RECENT_MAX}")));
            }
            settings.rate = Rate { max: rate.max, per: rate.per.unwrap_or(settings.rate.per) };
        }
        settings.cooldown = self.cooldown.or(settings.cooldown);
        settings.depth_max = self.depth.unwrap_or(settings.depth_max);
        settings.acts_on_history = self.history;
        Ok(settings)
    }

    /// Refuses what only a rule of one's own says.
    pub(super) fn refuse_own(&self) -> Result<()> {
        if self.on.is_some() || self.when.is_some() || self.then.is_some() || self.after.is_some() {
            return Err(Error::invalid("a built-in policy has its own `on`, `when`, `then` and `after`")
                .with_hint("`with` tells it what can be told; or write a policy without `built_in`"));
        }
        Ok(())
    }
}

/// When it is done: after a length of time, or as many seconds as an expression says.
#[derive(Debug)]
enum Delay {
    Fixed(Duration),
    Seconds(Expression),
}

/// A policy of a file.
#[derive(Debug)]
struct Rule {
    name: String,
    about: String,
    pattern: Pattern,
    when: Option<Expression>,
    after: Delay,
    deeds: Vec<Deed>,
    settings: Settings,
}

impl Rule {
    fn of(written: Written) -> Result<Self> {
        let settings = written.settings(Settings::default())?;
        if !written.with.is_empty() {
            return Err(Error::invalid("`with` is for built-in policies"));
        }
        let name = written.name.ok_or_else(|| Error::invalid("it has no name"))?;
        let on = written.on.ok_or_else(|| {
            Error::invalid("it does not say on what").with_hint("for example on = \"task:failed\"")
        })?;
        let pattern = pattern(&on).map_err(|error| error.context("on"))?;
        if pattern.span().is_none() && !pattern.is_one_event() {
            return Err(Error::invalid("a pattern that waits needs a time by which it comes")
                .with_hint(format!("for example on = \"{on} within 1h\"")));
        }
        let when = written.when.map(|when| Expression::compile(&when).map_err(|error| error.context("when")));
        let then = written.then.ok_or_else(|| {
            Error::invalid("it does not say what is done then").with_hint(
                "then = { append | message | request | webhook | command = { ... } }, or a list of them",
            )
        })?;
        let names = pattern.names();
        let known: Vec<&str> = SEEN.into_iter().chain(names.iter().map(|name| &**name)).collect();
        if let Some(Ok(when)) = &when {
            refuse_unknown(when.unknown_name(&known), &known).map_err(|error| error.context("when"))?;
        }
        let then = match then {
            OneOrMore::One(one) => vec![one],
            OneOrMore::More(more) => more,
        };
        let mut deeds = Vec::new();
        for (place, deed) in then.into_iter().enumerate() {
            let read = Deed::of(deed).and_then(|deed| {
                refuse_unknown(deed.unknown_name(&known), &known)?;
                Ok(deed)
            });
            deeds.push(read.map_err(|error| error.context(format!("then, number {}", place + 1)))?);
        }
        if deeds.is_empty() {
            return Err(Error::invalid("its `then` is empty"));
        }
        Ok(Self {
            name,
            about: written.about,
            pattern,
            when: when.transpose()?,
            after: delay(written.after)?,
            deeds,
            settings,
        })
    }
}

fn refuse_unknown(unknown: Option<String>, known: &[&str]) -> Result<()> {
    match unknown {
        None => Ok(()),
        Some(name) => Err(Error::invalid(format!("it speaks of {name}, which there is not"))
            .with_hint(format!("it sees {}", known.join(", ")))),
    }
}

fn delay(after: Option<Value>) -> Result<Delay> {
    match after {
        None => Ok(Delay::Fixed(Duration::ZERO)),
        Some(Value::String(text)) => match Template::of_text(&text)? {
            Template::Whole(seconds) => Ok(Delay::Seconds(seconds)),
            _ => factlog::length_of_time(&text).map(Delay::Fixed).map_err(|error| error.context("after")),
        },
        Some(_) => Err(Error::invalid("after is a length of time such as \"2s\", or \"{{ seconds }}\"")),
    }
}

#[async_trait]
impl Policy for Rule {
    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> &str {
        &self.about
    }

    fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    fn settings(&self) -> Settings {
        self.settings.clone()
    }

    async fn plan(&self, firing: &Firing) -> Result<Option<Duration>> {
        let scope = firing.scope();
        if self.when.as_ref().is_some_and(|when| !when.holds_in(&scope)) {
            return Ok(None);
        }
        match &self.after {
            Delay::Fixed(delay) => Ok(Some(*delay)),
            Delay::Seconds(expression) => {
                let seconds = expression.value_in(&scope)?.as_f64().filter(|seconds| *seconds >= 0.0);
                let seconds =
                    seconds.ok_or_else(|| Error::invalid("`after` comes to no number of seconds"))?;
                Ok(Some(Duration::from_secs_f64(seconds.min(DELAY_MAX.as_secs_f64()))))
            }
        }
    }

    fn acts_in_log_only(&self) -> bool {
        self.deeds.iter().all(Deed::is_in_log)
    }

    async fn act(&self, firing: &mut Firing) -> Result<()> {
        let scope = firing.scope();
        for deed in &self.deeds {
            let act = deed.act(firing, &scope)?;
            firing.act(act)?;
        }
        Ok(())
    }
}
