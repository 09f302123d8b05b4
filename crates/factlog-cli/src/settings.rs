//! Settings, and where each came from: flag > environment > project file > user file > default.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use factlog::{Error, Result};
use factlog_adapters::redact::Rules;
use factlog_agents::{Configuration, Preset, Prices};
use serde::{Deserialize, Serialize};

use crate::output::Format;
use crate::retention_rules::{RetentionSettings, RuleTables};

/// The log where nothing else is said.
const STORE_DEFAULT: &str = "sqlite:factlog.db";
/// The project's file, looked for in this folder and upwards.
const PROJECT_FILE: &str = ".factlog.toml";
const USER_FILE: &str = "factlog/config.toml";

/// What the command line says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flags<'a> {
    pub(crate) store: Option<&'a str>,
    pub(crate) format: Option<Format>,
    pub(crate) preset: Option<&'a str>,
}

/// A settings file; unknown keys are errors, so that a misspelt one is not silently without effect.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    store: Option<String>,
    preset: Option<String>,
    format: Option<String>,
    redact: Option<Rules>,
    prices: Option<Prices>,
    retention: Option<RuleTables>,
}

/// One setting with its origin.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) value: Option<String>,
    pub(crate) origin: String,
}

/// The settings in force.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) store: Setting,
    /// Whether a password stands in the URL as it was given.
    pub(crate) has_password: bool,
    pub(crate) format: Setting,
    pub(crate) preset: Setting,
    /// What the variables of a PostgreSQL server and the preset say.
    pub(crate) configuration: Configuration,
    /// What counts as a secret.
    pub(crate) redact: Rules,
    /// What tokens cost, where anything says it.
    pub(crate) prices: Prices,
    /// What is kept how long.
    pub(crate) retention: RetentionSettings,
}

/// The world that settings are read from; tests give their own.
pub(crate) struct World<'a> {
    pub(crate) variable: &'a dyn Fn(&str) -> Option<OsString>,
    pub(crate) folder: &'a Path,
}

impl Settings {
    /// Reads them all.
    ///
    /// # Errors
    /// `Invalid` for a file that cannot be read or has unknown keys, and for a format of no known name.
    pub(crate) fn load(flags: &Flags<'_>, world: &World<'_>) -> Result<Self> {
        let mut files = Vec::new();
        if let Some(path) = project_file(world.folder) {
            files.push((read(&path)?, path));
        }
        if let Some(path) = user_file(world.variable).filter(|path| path.is_file()) {
            files.push((read(&path)?, path));
        }
        let pick = |name: &'static str,
                    flag: Option<String>,
                    default: Option<&str>,
                    of: fn(&File) -> &Option<String>| {
            let variable = format!("FACTLOG_{}", name.to_uppercase());
            let from_environment = (world.variable)(&variable).filter(|value| !value.is_empty());
            if let Some(value) = flag {
                return Setting { name, value: Some(value), origin: format!("flag --{name}") };
            }
            if let Some(value) = from_environment {
                let value = Some(value.to_string_lossy().into_owned());
                return Setting { name, value, origin: format!("environment {variable}") };
            }
            let in_file = files.iter().find_map(|(file, path)| of(file).clone().map(|value| (value, path)));
            match in_file {
                Some((value, path)) => Setting {
                    name,
                    value: Some(if name == "store" { beside(path, value) } else { value }),
                    origin: origin(path),
                },
                None => Setting { name, value: default.map(str::to_owned), origin: "default".to_owned() },
            }
        };
        let format = flags.format.map(|format| format.name().to_owned());
        let preset = pick("preset", flags.preset.map(str::to_owned), None, |file| &file.preset);
        let chosen = preset.value.as_deref().map(str::parse::<Preset>).transpose();
        let configuration =
            Configuration::read(chosen.map_err(|error| error.context(&preset.origin))?, &|name| {
                (world.variable)(name).and_then(|value| value.into_string().ok())
            })?;
        let mut settings = Self {
            store: pick("store", flags.store.map(str::to_owned), Some(STORE_DEFAULT), |file| &file.store),
            format: pick("format", format, None, |file| &file.format),
            preset,
            has_password: false,
            configuration,
            prices: files.iter().find_map(|(file, _)| file.prices.clone()).unwrap_or_default(),
            redact: rules(&files, user_file(world.variable).as_deref()),
            retention: RetentionSettings::default(),
        };
        let user = user_file(world.variable);
        let home = (world.variable)("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        settings.retention = retention(&files, &settings.store, user.as_deref(), home.as_deref());
        settings.store.value = settings.store.value.map(|url| at_home(url, world.variable));
        settings.configure(user.as_deref())?;
        settings.format()?;
        Ok(settings)
    }

    /// Takes the log that the variables or the preset name, where nothing else names one, and what they say of it.
    fn configure(&mut self, user: Option<&Path>) -> Result<()> {
        let named = if self.store.origin == "default" { self.configuration.store_url()? } else { None };
        if let Some((url, origin)) = named {
            self.store.value = Some(url);
            self.store.origin = origin;
        } else if let Some(url) = &self.store.value {
            self.has_password = url != &without_password(url);
            let of_a_project = self.store.origin.starts_with("file ")
                && user.is_none_or(|user| self.store.origin != origin(user));
            let url = self.configuration.with_settings(url);
            // A project that was cloned must not have the person's password sent to a server of its own.
            let url = if of_a_project { url } else { self.configuration.with_password(&url) };
            self.store.value = Some(url);
        }
        Ok(())
    }

    /// The URL of the log without its password, to be used again where the password is set.
    pub(crate) fn bare_url(&self) -> String {
        with_password_as(self.url(), None)
    }

    /// The URL of the log without a password, for people and files.
    pub(crate) fn shown_url(&self) -> String {
        without_password(self.url())
    }

    /// The URL of the log.
    pub(crate) fn url(&self) -> &str {
        self.store.value.as_deref().unwrap_or(STORE_DEFAULT)
    }

    /// The format, where one was chosen.
    pub(crate) fn format(&self) -> Result<Option<Format>> {
        let Some(name) = &self.format.value else { return Ok(None) };
        clap::ValueEnum::from_str(name, false).map(Some).map_err(|_| {
            Error::invalid(format!("{}: {name:?} is no format", self.format.origin))
                .with_hint("a format is table, json, jsonl, csv, cloudevents or agent-events")
        })
    }
}

/// What counts as a secret by all files together. What never does, a person's own file alone may say: a project that
/// was cloned must not open the person's log to secrets.
fn rules(files: &[(File, PathBuf)], user: Option<&Path>) -> Rules {
    let mut all = Rules::default();
    for (file, path) in files {
        let Some(rules) = &file.redact else { continue };
        all.email |= rules.email;
        all.own.extend(rules.own.iter().cloned());
        if Some(path.as_path()) == user {
            all.allow.clone_from(&rules.allow);
        } else if !rules.allow.is_empty() {
            tracing::warn!(file = %path.display(), "`allow` in [redact] holds in the user's own settings file only");
        }
    }
    all
}

/// The rules of the first file that has some. Those of a project do not hold for the log that the user's own file names:
/// a project that was cloned must not remove events from the person's log.
fn retention(
    files: &[(File, PathBuf)],
    store: &Setting,
    user: Option<&Path>,
    home: Option<&Path>,
) -> RetentionSettings {
    let is_users_log = user.is_some_and(|user| store.origin == origin(user));
    let mut retention = RetentionSettings::default();
    for (file, path) in files {
        let Some(rules) = &file.retention else { continue };
        if is_users_log && user != Some(path.as_path()) {
            retention.passed_over = Some(path.clone());
            continue;
        }
        retention.rules = Some((rules.clone().meant_from(path.parent(), home), path.clone()));
        break;
    }
    retention
}

/// How people are told of a setting in a file.
fn origin(path: &Path) -> String {
    format!("file {}", path.display())
}

fn project_file(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(PROJECT_FILE)).find(|path| path.is_file())
}

fn user_file(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".config")))
        .or_else(|| set("APPDATA"))?;
    Some(folder.join(USER_FILE))
}

fn read(path: &Path) -> Result<File> {
    let text = fs::read_to_string(path)
        .map_err(|cause| Error::invalid(format!("{}: {cause}", path.display())).with_cause(cause))?;
    toml::from_str(&text).map_err(|cause| {
        Error::invalid(format!("{}: {}", path.display(), cause.to_string().trim_end())).with_hint(
            "the settings are `store`, `format`, `preset`, the tables [redact] and [prices], and [[retention.rules]]",
        )
    })
}

/// A path in a settings file is meant from where the file is.
fn beside(file: &Path, url: String) -> String {
    match (kind_and_path(&url), file.parent()) {
        (Some((kind, path)), Some(folder))
            if !path.starts_with('/') && !path.starts_with("~/") && !Path::new(path).is_absolute() =>
        {
            format!("{kind}:{}", folder.join(path).display())
        }
        _ => url,
    }
}

/// The parts of a URL that names a path.
fn kind_and_path(url: &str) -> Option<(&str, &str)> {
    url.split_once(':').filter(|(kind, path)| ["sqlite", "jsonl"].contains(kind) && !path.is_empty())
}

/// `~/` is the home folder here too: behind `sqlite:` and `jsonl:` no shell sees it.
pub(crate) fn at_home(url: String, variable: &dyn Fn(&str) -> Option<OsString>) -> String {
    let path = kind_and_path(&url).and_then(|(kind, path)| Some((kind, path.strip_prefix("~/")?)));
    match (path, variable("HOME").filter(|home| !home.is_empty())) {
        (Some((kind, path)), Some(home)) => format!("{kind}:{}", Path::new(&home).join(path).display()),
        _ => url,
    }
}

/// A URL with `***` in place of its password, whatever characters that has.
pub(crate) fn without_password(url: &str) -> String {
    with_password_as(url, Some("***"))
}

/// A URL with something else in place of its password, or with none.
fn with_password_as(url: &str, mask: Option<&str>) -> String {
    let Some((kind, rest)) = url.split_once("://").filter(|(kind, _)| kind.starts_with("postgres")) else {
        return url.to_owned();
    };
    let masked = match rest.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => {
            let user = user.split(':').next().unwrap_or_default();
            let mask = mask.map(|mask| format!(":{mask}")).unwrap_or_default();
            format!("{kind}://{user}{mask}@{host}")
        }
        _ => url.to_owned(),
    };
    let Some((place, settings)) = masked.split_once('?') else { return masked };
    let settings = settings.split('&').filter_map(|setting| match setting.split_once('=') {
        Some(("password", _)) => mask.map(|mask| format!("password={mask}")),
        _ => Some(setting.to_owned()),
    });
    let settings = settings.collect::<Vec<_>>().join("&");
    if settings.is_empty() { place.to_owned() } else { format!("{place}?{settings}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown_wherever_it_stands() {
        for password in ["s3@cret", "pa/ss", "pa?ss", "a:b"] {
            let url = format!("postgres://me:{password}@h:1/db?a=b");
            assert_eq!(without_password(&url), "postgres://me:***@h:1/db?a=b");
        }
        assert_eq!(
            without_password("postgres://me@h/db?password=s3cret&x=1"),
            "postgres://me@h/db?password=***&x=1"
        );
        assert_eq!(with_password_as("postgres://me:s3cret@h/db?password=s3cret", None), "postgres://me@h/db");
        assert_eq!(without_password("sqlite:a@b:c.db?sync=normal"), "sqlite:a@b:c.db?sync=normal");
    }
}
