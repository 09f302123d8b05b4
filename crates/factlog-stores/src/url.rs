//! The URL of a log: `KIND:PLACE?SETTING=VALUE`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use factlog::{Error, Result};

use crate::{SqliteOptions, Sync};

/// Where a log is, by the kind of its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `memory:`
    Memory,
    /// `sqlite:PATH`, with `?sync=normal` for the weaker level, and `?lock_wait_ms=N`.
    Sqlite(SqliteOptions),
}

impl FromStr for StoreUrl {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        let unknown = |what: String| {
            let example = if url.contains(':') || url.is_empty() { "factlog.db" } else { url };
            Error::invalid(what)
                .with_hint(format!("a log's URL is sqlite:PATH or memory:, for example sqlite:{example}"))
        };
        let (kind, rest) =
            url.split_once(':').ok_or_else(|| unknown(format!("{url:?} is not a log's URL")))?;
        let (place, settings) = rest.split_once('?').unwrap_or((rest, ""));
        match kind {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => Err(unknown(format!("{url:?}: memory: takes no path and no settings"))),
            "sqlite" if place.is_empty() => Err(unknown(format!("{url:?} names no file"))),
            "sqlite" => {
                let mut options =
                    SqliteOptions::new(PathBuf::from(place.strip_prefix("//").unwrap_or(place)));
                for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
                    apply(&mut options, setting).ok_or_else(|| {
                        Error::invalid(format!("{url:?}: {setting:?} is no setting of sqlite:")).with_hint(
                            "the settings are sync=full (the default) or sync=normal, and lock_wait_ms=N",
                        )
                    })?;
                }
                Ok(Self::Sqlite(options))
            }
            other => Err(unknown(format!("{other:?} is no kind of log"))),
        }
    }
}

/// Applies one `NAME=VALUE`; none for one that is not known.
fn apply(options: &mut SqliteOptions, setting: &str) -> Option<()> {
    match setting.split_once('=')? {
        ("sync", "full") => options.sync = Sync::Full,
        ("sync", "normal") => options.sync = Sync::Normal,
        ("lock_wait_ms", number) => options.lock_wait = Duration::from_millis(number.parse().ok()?),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_kind_a_place_and_settings_and_anything_else_is_refused() {
        let sqlite = |url: &str| match url.parse::<StoreUrl>().unwrap() {
            StoreUrl::Sqlite(options) => options,
            other @ StoreUrl::Memory => panic!("{other:?}"),
        };
        assert_eq!(sqlite("sqlite:a b.db").path, PathBuf::from("a b.db"));
        assert_eq!(sqlite("sqlite:///tmp/x.db").path, PathBuf::from("/tmp/x.db"));
        assert_eq!(sqlite("sqlite:x.db?sync=normal").sync, Sync::Normal);
        assert_eq!("memory:".parse::<StoreUrl>().unwrap(), StoreUrl::Memory);
        for url in ["", "x.db", "sqlite:", "sqlite:x.db?sync=off", "memory:x", "oracle:x"] {
            assert!(url.parse::<StoreUrl>().is_err(), "{url}");
        }
    }
}
