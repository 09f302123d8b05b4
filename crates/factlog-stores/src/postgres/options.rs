//! Where a server is, and how it is used: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?SETTING=VALUE`.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use factlog::{Error, Result};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::names::{Names, SCHEMA_DEFAULT};

/// Connections that a store opens at the most, unless another number is asked for.
const POOL_MAX: usize = 20;
/// The bounds of that number.
const POOL_MIN_MAX: std::ops::RangeInclusive<usize> = 2..=50;
/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait for others who write.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// How often something is tried on a connection that breaks.
const ATTEMPTS: u32 = 5;
/// How long to wait before the second try; then twice as long each time.
const RETRY_DELAY: Duration = Duration::from_millis(200);
/// How often a store looks whether the server is there.
const HEALTH_INTERVAL: Duration = Duration::from_secs(30);
/// The longest time that the server takes: 24 days.
const MILLIS_MAX: u64 = i32::MAX as u64;
/// The settings that are ours; all others are the connection's.
pub(crate) const SETTINGS: &str = "the settings are schema, prefix, pool_max (2 to 50), pool_min, attempts, retry_delay_ms, \
     request_timeout_ms, lock_wait_ms, health_interval_ms (0: never), batch_events (1 to 1000), hints (on, off), \
     sslmode (disable, prefer, require, verify-full, no-verify), sslrootcert, and those of the connection, such as \
     connect_timeout, application_name, target_session_attrs";

/// How the connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Whether it is: no, if the server can, or always.
    pub mode: TlsMode,
    /// Whether the server's certificate is verified, its name included.
    pub verify: bool,
    /// A file with the certificates to trust; the system's where none is named.
    pub roots: Option<PathBuf>,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsMode {
    /// Always.
    #[default]
    Require,
    /// If the server can.
    Prefer,
    /// Never.
    Disable,
}

/// A server, and how it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresOptions {
    /// The server, the database, the user.
    pub config: Config,
    /// The log's tables.
    pub names: Names,
    /// Encryption.
    pub tls: Tls,
    /// Connections that are opened at the most: 2 to 50.
    pub pool_max: usize,
    /// Connections that are opened at once.
    pub pool_min: usize,
    /// Events that are written together at the most.
    pub batch_events: usize,
    /// How often something is tried on a connection that breaks.
    pub attempts: u32,
    /// How long to wait before the second try; then twice as long each time.
    pub retry_delay: Duration,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// How long to wait for others who write.
    pub lock_wait: Duration,
    /// How often to look whether the server is there; zero: never.
    pub health_interval: Duration,
    /// Whether others are told of appends at once; without, they look for themselves.
    pub hints: bool,
}

impl PostgresOptions {
    /// The options of a URL.
    ///
    /// # Errors
    /// `Invalid` for a URL that cannot be read or has unknown settings.
    pub fn new(url: &str) -> Result<Self> {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        if rest.find(['/', '?']).is_some_and(|end| rest[end..].contains('@')) {
            return Err(Error::invalid("the URL of the server has an @ behind its host")
                .with_hint("in a password / is %2F, ? is %3F, @ is %40 and % is %25"));
        }
        let (place, settings) = url.split_once('?').unwrap_or((url, ""));
        let (mut schema, mut prefix, mut sslmode) = (SCHEMA_DEFAULT.to_owned(), String::new(), None);
        let mut theirs = Vec::new();
        let mut options = Self::of(Config::new());
        for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
            let refused = || {
                let name = setting.split('=').next().unwrap_or_default();
                Error::invalid(format!("the setting {name:?} of the URL cannot be read")).with_hint(SETTINGS)
            };
            let (name, value) = setting.split_once('=').ok_or_else(refused)?;
            let value = decoded(value).ok_or_else(refused)?;
            match name {
                "schema" => schema = value,
                "prefix" => prefix = value,
                "sslmode" => sslmode = Some(value),
                "sslrootcert" => options.tls.roots = Some(PathBuf::from(value)),
                _ => match options.set(name, &value) {
                    Some(true) => {}
                    Some(false) => theirs.push(setting),
                    None => return Err(refused()),
                },
            }
        }
        let url = if theirs.is_empty() { place.to_owned() } else { format!("{place}?{}", theirs.join("&")) };
        // What it says may repeat the password; the kind of what is wrong does not.
        let config = Config::from_str(&url).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            Error::invalid(format!("the URL of the server cannot be read{cause}")).with_hint(format!(
                "it is postgres://USER:PASSWORD@HOST:PORT/DATABASE; in a password % is %25, @ is %40, / is %2F; {SETTINGS}"
            ))
        })?;
        options.names = Names::new(&schema, &prefix)?;
        options.config = config;
        if options.config.get_connect_timeout().is_none() {
            options.config.connect_timeout(CONNECT_TIMEOUT);
        }
        if options.config.get_application_name().is_none() {
            options.config.application_name("factlog");
        }
        options.encrypt(sslmode.as_deref())?;
        Ok(options)
    }

    /// How long to wait for a connection, on whichever of its hosts.
    pub(super) fn connect_timeout(&self) -> Duration {
        let of_each = self.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        of_each * u32::try_from(self.config.get_hosts().len().max(1)).unwrap_or(1)
    }

    fn of(config: Config) -> Self {
        Self {
            config,
            names: Names::default(),
            tls: Tls::default(),
            pool_max: POOL_MAX,
            pool_min: 0,
            batch_events: factlog::limits::GROUP_EVENTS_MAX,
            attempts: ATTEMPTS,
            retry_delay: RETRY_DELAY,
            request_timeout: REQUEST_TIMEOUT,
            lock_wait: LOCK_WAIT,
            health_interval: HEALTH_INTERVAL,
            hints: true,
        }
    }

    /// Takes a setting of ours; `false` for one that is not, none for a value that cannot be.
    fn set(&mut self, name: &str, value: &str) -> Option<bool> {
        let millis = || {
            let millis = value.parse().ok().filter(|millis| *millis <= MILLIS_MAX);
            millis.map(Duration::from_millis)
        };
        match name {
            "pool_max" => self.pool_max = value.parse().ok().filter(|max| POOL_MIN_MAX.contains(max))?,
            "pool_min" => self.pool_min = value.parse().ok().filter(|min| *min <= *POOL_MIN_MAX.end())?,
            "batch_events" => {
                let most = 1..=factlog::limits::GROUP_EVENTS_MAX;
                self.batch_events = value.parse().ok().filter(|events| most.contains(events))?;
            }
            "attempts" => self.attempts = value.parse().ok().filter(|attempts| *attempts > 0)?,
            "retry_delay_ms" => self.retry_delay = millis()?,
            "request_timeout_ms" => self.request_timeout = millis().filter(|timeout| !timeout.is_zero())?,
            "lock_wait_ms" => self.lock_wait = millis().filter(|wait| !wait.is_zero())?,
            "health_interval_ms" => self.health_interval = millis()?,
            "hints" => {
                self.hints = match value {
                    "on" => true,
                    "off" => false,
                    _ => return None,
                }
            }
            _ => return Some(false),
        }
        Some(true)
    }

    /// Encrypted and verified, unless the server is on this machine or the URL says otherwise.
    fn encrypt(&mut self, sslmode: Option<&str>) -> Result<()> {
        // An address takes the place of its host's.
        let is_local = self.config.get_hosts().iter().all(is_local)
            && self.config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        let (mode, verify) = match sslmode {
            None if is_local => (TlsMode::Disable, true),
            None | Some("require" | "verify-full" | "verify-ca") => (TlsMode::Require, true),
            Some("prefer" | "allow") => (TlsMode::Prefer, true),
            Some("no-verify") => (TlsMode::Require, false),
            Some("disable") => (TlsMode::Disable, true),
            Some(other) => {
                return Err(Error::invalid(format!("{other:?} is no sslmode")).with_hint(SETTINGS));
            }
        };
        self.tls.mode = mode;
        self.tls.verify = verify;
        self.config.ssl_mode(match mode {
            TlsMode::Require => SslMode::Require,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Disable => SslMode::Disable,
        });
        Ok(())
    }

    /// Gives up early: for whoever must not be kept waiting.
    pub fn hurry(&mut self, most: Duration) {
        self.config.connect_timeout(most);
        self.request_timeout = self.request_timeout.min(most);
        self.lock_wait = self.lock_wait.min(most);
        self.attempts = 1;
        self.health_interval = Duration::ZERO;
    }

    /// The URL without secrets.
    pub fn shown(&self) -> String {
        let user = self.config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => {
                utf8_percent_encode(&path.display().to_string(), NON_ALPHANUMERIC).to_string()
            }
            None => String::new(),
        };
        let port = self.config.get_ports().first().map(|port| format!(":{port}")).unwrap_or_default();
        let database = self.config.get_dbname().unwrap_or_default();
        let mut settings = Vec::new();
        if self.names.schema() != SCHEMA_DEFAULT {
            settings.push(format!("schema={}", self.names.schema()));
        }
        if !self.names.prefix().is_empty() {
            settings.push(format!("prefix={}", self.names.prefix().trim_end_matches('_')));
        }
        let settings = if settings.is_empty() { String::new() } else { format!("?{}", settings.join("&")) };
        format!("postgres://{user}{host}{port}/{database}{settings}")
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresOptions").field(&self.shown()).finish()
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// A part of a URL as it is meant: `%41` is `A`.
fn decoded(text: &str) -> Option<String> {
    Some(percent_decode_str(text).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_encrypted_and_verified_unless_it_stays_on_this_machine_or_the_url_says_otherwise() {
        let of = |url: &str| PostgresOptions::new(url).unwrap().tls;
        let tls = |mode, verify| Tls { mode, verify, roots: None };
        assert_eq!(of("postgres://a@db.example.org/x"), tls(TlsMode::Require, true));
        assert_eq!(of("postgres://a@db.example.org/x?sslmode=require"), tls(TlsMode::Require, true));
        assert_eq!(of("postgres://a@db.example.org/x?sslmode=no-verify"), tls(TlsMode::Require, false));
        assert_eq!(of("postgres://a@127.0.0.1/x").mode, TlsMode::Disable);
        assert_eq!(of("postgres://a@localhost/x?sslmode=require"), tls(TlsMode::Require, true));
        assert!(PostgresOptions::new("postgres://h/x?sslmode=maybe").is_err());
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        let options =
            PostgresOptions::new("postgres://me:s3cr%40t@h:5433/db?schema=team&pool_max=7").unwrap();
        assert_eq!(options.shown(), "postgres://me@h:5433/db?schema=team");
        assert_eq!(options.config.get_password(), Some(b"s3cr@t".as_slice()));
        assert!(!format!("{options:?}").contains("s3cr"));
        assert_eq!((options.pool_max, options.names.schema()), (7, "team"));
    }

    #[test]
    fn a_setting_that_is_not_known_or_out_of_its_bounds_is_refused_and_no_secret_is_told() {
        for url in ["postgres://me:pa?s3cret@h/db", "postgres://me:pa/s3cret@h/db"] {
            let error = PostgresOptions::new(url).unwrap_err();
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
        let elsewhere = PostgresOptions::new("postgres://localhost/db?hostaddr=203.0.113.9").unwrap();
        assert_eq!(elsewhere.tls.mode, TlsMode::Require);
        for url in
            ["pool_max=1", "pool_max=51", "hints=maybe", "attempts=0", "sandwich=1", "schema=a%22b", "schema"]
        {
            let error = PostgresOptions::new(&format!("postgres://me:s3cret@h/db?{url}")).unwrap_err();
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }
}
