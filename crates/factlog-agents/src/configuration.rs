//! The settings of origin B: its variables, its four presets, and what each is here.

mod known;

use std::fmt::Write;
use std::str::FromStr;
use std::time::Duration;

use factlog::{Error, EventLog, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use self::known::{KNOWN, Takes, check, is_on};
use crate::recorder::{Recorder, RecorderBuilder};

/// Values that go together, for a kind of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// A server on this machine.
    Default,
    /// Small batches and a short wait; tables of its own.
    Development,
    /// Large batches, many connections, encryption.
    Production,
    /// Tiny batches, few connections, tables of its own.
    Test,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Default, Self::Development, Self::Production, Self::Test];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Development => "development",
            Self::Production => "production",
            Self::Test => "test",
        }
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|preset| preset.name() == name.to_ascii_lowercase());
        found.ok_or_else(|| {
            Error::invalid(format!("{name:?} is no preset"))
                .with_hint("a preset is default, development, production or test")
        })
    }
}

/// What stands for itself in a part of a URL, beside letters and digits.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The variable that names a project at Supabase.
const SUPABASE_URL: &str = "SUPABASE_URL";
/// Where Supabase shows the string that opens a database.
pub const SUPABASE_HINT: &str = "an anon key opens no database: set SUPABASE_DB_PASSWORD beside SUPABASE_URL, or take the \
     connection string from the project's page (Connect, then Connection string) as --store";

/// One setting that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    /// Its name: `event.batch_size`.
    pub name: &'static str,
    /// Its value; a secret one is not shown.
    pub value: String,
    /// Where it came from: `environment EVENT_BATCH_SIZE`, `preset production`.
    pub origin: String,
    is_secret: bool,
}

impl Configured {
    /// The value, but for a secret.
    pub fn shown(&self) -> &str {
        if self.is_secret && !self.value.is_empty() { "(secret)" } else { &self.value }
    }
}

/// The settings of origin B that are in force: what variables say, and beneath them what a preset says.
///
/// ```
/// use factlog_agents::{Configuration, Preset};
/// let of = |name: &str| (name == "EVENT_BATCH_SIZE").then(|| "7".to_owned());
/// let configuration = Configuration::read(Some(Preset::Production), &of)?;
/// assert_eq!(configuration.get("event.batch_size"), Some("7"));
/// assert_eq!(configuration.get("postgres.max_connections"), Some("50"));
/// # Ok::<(), factlog::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    settings: Vec<Configured>,
    supabase: Option<String>,
}

impl Configuration {
    /// What holds by a preset and these variables; one that is empty is not set.
    ///
    /// # Errors
    /// `Invalid` for a value that its setting does not take, naming the variable.
    pub fn read(preset: Option<Preset>, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut settings = Vec::new();
        for known in &KNOWN {
            let is_secret = matches!(known.takes, Takes::Secret);
            let (value, origin) = match (set(known.variable), preset) {
                (Some(value), _) => (value, format!("environment {}", known.variable)),
                (None, Some(preset)) => {
                    (known.by_preset[preset as usize].to_owned(), format!("preset {}", preset.name()))
                }
                (None, None) => continue,
            };
            if value.is_empty() {
                continue;
            }
            // What links of containers call a port.
            let is_linked = known.variable == "POSTGRES_PORT" && value.starts_with("tcp://");
            let value =
                if is_linked { value.rsplit(':').next().unwrap_or_default().to_owned() } else { value };
            check(known, &value)?;
            settings.push(Configured { name: known.name, value, origin, is_secret });
        }
        Ok(Self { settings, supabase: set(SUPABASE_URL) })
    }

    /// The settings of this process's environment.
    pub fn from_environment(preset: Option<Preset>) -> Result<Self> {
        Self::read(preset, &|name| std::env::var(name).ok())
    }

    /// What is in force, in one order.
    pub fn settings(&self) -> &[Configured] {
        &self.settings
    }

    /// The value of a setting, where it is in force.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name).map(|setting| setting.value.as_str())
    }

    fn find(&self, name: &str) -> Option<&Configured> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).and_then(|value| value.parse().ok())
    }

    fn switch(&self, name: &str) -> Option<bool> {
        self.get(name).map(is_on)
    }

    fn millis(&self, name: &str) -> Option<Duration> {
        self.number(name).map(Duration::from_millis)
    }

    /// The URL of the log that these settings name, and which of them; none where they name none.
    ///
    /// # Errors
    /// `Invalid` for a `SUPABASE_URL` that is none.
    pub fn store_url(&self) -> Result<Option<(String, String)>> {
        if let (Some(project), Some(password)) = (&self.supabase, self.get("supabase.password")) {
            let host = supabase_host(project)?;
            let url = format!("postgres://postgres:{}@{host}:5432/postgres", encoded(password));
            return Ok(Some((self.with_settings(&url), format!("environment {SUPABASE_URL}"))));
        }
        let names = ["postgres.host", "postgres.database"];
        let Some(origin) =
            names.iter().find_map(|name| self.find(name)).map(|setting| setting.origin.clone())
        else {
            return Ok(None);
        };
        let part = |name: &str| {
            let default =
                KNOWN.iter().find(|known| known.name == name).map_or("", |known| known.by_preset[0]);
            encoded(self.get(name).unwrap_or(default))
        };
        let password = self.get("postgres.password").map(|password| format!(":{}", encoded(password)));
        let url = format!(
            "postgres://{}{}@{}:{}/{}",
            part("postgres.user"),
            password.unwrap_or_default(),
            part("postgres.host"),
            part("postgres.port"),
            part("postgres.database")
        );
        Ok(Some((self.with_settings(&url), origin)))
    }

    /// The URL of a log in PostgreSQL with what these settings say of it, unless it says so itself; another URL as it is.
    pub fn with_settings(&self, url: &str) -> String {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return url.to_owned();
        }
        let is_watched = self.switch("event.health_monitoring").unwrap_or(true);
        let interval = self.get("event.health_check_interval_ms").map(str::to_owned);
        let own = |name: &str| self.get(name).map(str::to_owned);
        let settings = [
            ("sslmode", own("postgres.ssl_mode")),
            ("pool_max", own("postgres.max_connections")),
            ("pool_min", own("postgres.min_connections")),
            ("prefix", own("event.table_prefix")),
            ("batch_events", own("event.batch_size")),
            ("attempts", own("event.retry_attempts")),
            ("retry_delay_ms", own("event.retry_delay_ms")),
            ("health_interval_ms", if is_watched { interval } else { Some("0".to_owned()) }),
        ];
        let mut url = url.to_owned();
        for (name, value) in settings {
            let is_said = url.split_once('?').is_some_and(|(_, said)| {
                said.split('&').any(|setting| setting.split('=').next() == Some(name))
            });
            if let Some(value) = value.filter(|_| !is_said) {
                let sign = if url.contains('?') { '&' } else { '?' };
                // Writing to a text does not fail.
                let _ = write!(url, "{sign}{name}={}", encoded(&value));
            }
        }
        url
    }

    /// The URL with the password of the settings, where it has none and names their host, or they name none.
    ///
    /// It is for URLs that a person has given: one in a project that was cloned could send the password anywhere.
    pub fn with_password(&self, url: &str) -> String {
        let is_server = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let Some(password) = self.get("postgres.password").filter(|_| is_server) else {
            return url.to_owned();
        };
        let authority =
            url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or(""));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let host = host.split(':').next().unwrap_or_default();
        let has_password = user.contains(':') || url.contains("?password=") || url.contains("&password=");
        let is_theirs = self.get("postgres.host").is_none_or(|named| named == host);
        if has_password || !is_theirs {
            return url.to_owned();
        }
        let sign = if url.contains('?') { '&' } else { '?' };
        format!("{url}{sign}password={}", encoded(password))
    }

    /// A recorder on this log, with what these settings say of it.
    pub fn recorder(&self, log: EventLog) -> RecorderBuilder {
        let mut builder = Recorder::builder(log);
        macro_rules! take {
            ($($setter:ident <- $value:expr;)+) => {
                $(if let Some(value) = $value {
                    builder = builder.$setter(value);
                })+
            };
        }
        take! {
            batch_size <- self.number("event.batch_size");
            batch_timeout <- self.millis("event.batch_timeout_ms");
            attempts <- self.number("event.retry_attempts");
            retry_delay <- self.millis("event.retry_delay_ms");
            max_tracked_tasks <- self.number("integration.max_tracked_tasks");
            max_tracked_agents <- self.number("integration.max_tracked_agents");
            task_timeout <- self.millis("integration.task_timeout_ms");
            agent_timeout <- self.millis("integration.agent_timeout_ms");
            enabled <- self.switch("integration.enabled");
            tasks <- self.switch("integration.tasks");
            agents <- self.switch("integration.agents");
            deployments <- self.switch("integration.deployments");
            system <- self.switch("integration.system");
        }
        builder
    }

    /// How much is logged, where these settings say it.
    pub fn log_level(&self) -> Option<&str> {
        self.get("log.level")
    }

    /// Whether logs go to the terminal too.
    pub fn logs_to_console(&self) -> bool {
        self.switch("log.console").unwrap_or(true)
    }

    /// The file that logs go to, where there is one.
    pub fn log_file(&self) -> Option<&str> {
        let path = KNOWN.iter().find(|known| known.name == "log.file_path").map(|known| known.by_preset[0]);
        self.switch("log.file").unwrap_or(false).then(|| self.get("log.file_path").or(path)).flatten()
    }
}

/// The host of a project's database.
fn supabase_host(project: &str) -> Result<String> {
    let host = project.trim_end_matches('/').trim_start_matches("https://").trim_start_matches("http://");
    match host
        .strip_suffix(".supabase.co")
        .filter(|reference| !reference.is_empty() && !reference.contains(['/', ':']))
    {
        Some(reference) => Ok(format!("db.{reference}.supabase.co")),
        None => Err(Error::invalid(format!("SUPABASE_URL={project}: it is https://PROJECT.supabase.co"))
            .with_hint(SUPABASE_HINT)),
    }
}

/// A text as it is written as a part of a URL.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PART).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(preset: Option<Preset>, set: &[(&str, &str)]) -> Result<Configuration> {
        Configuration::read(preset, &|name| {
            set.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_is_in_force_where_nothing_was_set() {
        let configuration = read(None, &[]).unwrap();
        assert_eq!(configuration.settings(), []);
        assert_eq!(configuration.store_url().unwrap(), None);
        assert_eq!(configuration.with_settings("postgres://h/d"), "postgres://h/d");
    }

    #[test]
    fn a_variable_wins_over_the_preset_and_each_setting_says_where_it_came_from() {
        let configuration = read(Some(Preset::Development), &[("EVENT_BATCH_SIZE", "7")]).unwrap();
        let origin = |name: &str| configuration.find(name).unwrap().origin.clone();
        assert_eq!(origin("event.batch_size"), "environment EVENT_BATCH_SIZE");
        assert_eq!(origin("event.batch_timeout_ms"), "preset development");
        assert_eq!(configuration.get("event.batch_timeout_ms"), Some("2000"));
        let (url, origin) = configuration.store_url().unwrap().unwrap();
        assert_eq!(origin, "preset development");
        assert_eq!(
            url,
            "postgres://postgres@localhost:5432/claude_task_master_dev?pool_max=10&pool_min=2&prefix=dev_events\
             &batch_events=7&attempts=3&retry_delay_ms=1000&health_interval_ms=30000"
        );
    }

    #[test]
    fn a_password_of_any_characters_opens_the_database_and_is_not_shown() {
        let set = [
            ("POSTGRES_HOST", "db"),
            ("POSTGRES_PASSWORD", "a@b/c:d%"),
            ("EVENT_HEALTH_MONITORING", "FALSE"),
        ];
        let configuration = read(None, &set).unwrap();
        let (url, _) = configuration.store_url().unwrap().unwrap();
        assert_eq!(
            url,
            "postgres://postgres:a%40b%2Fc%3Ad%25@db:5432/claude_task_master?health_interval_ms=0"
        );
        assert_eq!(configuration.find("postgres.password").unwrap().shown(), "(secret)");
    }

    #[test]
    fn a_password_goes_to_the_host_that_it_is_for_and_to_no_other() {
        let here = read(None, &[("POSTGRES_HOST", "db.corp"), ("POSTGRES_PASSWORD", "s3cret")]).unwrap();
        assert_eq!(
            here.with_password("postgres://me@db.corp:1/x"),
            "postgres://me@db.corp:1/x?password=s3cret"
        );
        for other in
            ["postgres://evil.example/x?sslmode=disable", "postgres://me:own@db.corp/x", "sqlite:x.db"]
        {
            assert_eq!(here.with_password(other), other);
            assert_eq!(here.with_settings(other), other, "and not by itself");
        }
        let nowhere = read(None, &[("POSTGRES_PASSWORD", "s3cret")]).unwrap();
        assert_eq!(nowhere.with_password("postgres://h/x?a=b"), "postgres://h/x?a=b&password=s3cret");
        let linked = read(None, &[("POSTGRES_PORT", "tcp://10.0.0.1:5433")]).unwrap();
        assert_eq!(linked.get("postgres.port"), Some("5433"));
    }

    #[test]
    fn a_url_has_the_last_word_on_what_it_says() {
        let configuration = read(Some(Preset::Test), &[]).unwrap();
        let url = configuration.with_settings("postgres://h/d?prefix=mine&attempts=9");
        assert!(url.starts_with("postgres://h/d?prefix=mine&attempts=9&pool_max=5"), "{url}");
        assert_eq!(url.matches("prefix=").count(), 1);
        assert_eq!(configuration.with_settings("sqlite:x.db"), "sqlite:x.db");
    }

    #[test]
    fn a_project_at_supabase_opens_with_its_database_password_only() {
        let project = ("SUPABASE_URL", "https://abc.supabase.co");
        assert_eq!(read(None, &[project, ("SUPABASE_ANON_KEY", "x")]).unwrap().store_url().unwrap(), None);
        let url = read(None, &[project, ("SUPABASE_DB_PASSWORD", "p w")]).unwrap().store_url().unwrap();
        assert_eq!(url.unwrap().0, "postgres://postgres:p%20w@db.abc.supabase.co:5432/postgres");
        let odd = read(None, &[("SUPABASE_URL", "https://x.org"), ("SUPABASE_DB_PASSWORD", "p")]).unwrap();
        assert!(odd.store_url().is_err());
    }

    #[test]
    fn a_value_that_cannot_be_is_refused_by_the_name_of_its_variable() {
        for (name, value) in [
            ("EVENT_BATCH_SIZE", "0"),
            ("EVENT_BATCH_SIZE", "many"),
            ("POSTGRES_MAX_CONNECTIONS", "51"),
            ("POSTGRES_PORT", "70000"),
            ("EVENT_AUTO_CAPTURE_TASKS", "maybe"),
        ] {
            let error = read(None, &[(name, value)]).unwrap_err();
            assert!(error.message().starts_with(&format!("{name}={value}")), "{error:?}");
        }
        assert!("staging".parse::<Preset>().is_err());
    }
}
