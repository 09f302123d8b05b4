//! The URL of a log: `KIND:PLACE?SETTING=VALUE`.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use factlog::{Error, Result};

use crate::{Indexes, JsonlOptions, PostgresOptions, SqliteOptions, Sync};

/// Where a log is, by the kind of its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `memory:`
    Memory,
    /// `sqlite:PATH`, with `?sync=normal` for the weaker level, `?index=lagging` or `?index=real` for a new one, `?tail_events=N`,
    /// and `?lock_wait_ms=N`.
    Sqlite(SqliteOptions),
    /// `jsonl:DIR`, with `?prewrite=off` for people who follow a file with `tail -f`, and `?lock_wait_ms=N`.
    Jsonl(JsonlOptions),
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with `?schema=` and `?prefix=` for its tables.
    Postgres(Box<PostgresOptions>),
}

impl FromStr for StoreUrl {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        let unknown = |what: String| {
            let example = match url {
                _ if url.starts_with("jsonl") => "jsonl:factlog".to_owned(),
                _ if url.contains(':') || url.is_empty() => "sqlite:factlog.db".to_owned(),
                path if Path::new(path).is_dir() => format!("jsonl:{path}"),
                path => format!("sqlite:{path}"),
            };
            Error::invalid(what).with_hint(format!(
                "a log's URL is sqlite:PATH, jsonl:DIR, postgres://... or memory:, for example {example}"
            ))
        };
        let (kind, rest) =
            url.split_once(':').ok_or_else(|| unknown(format!("{url:?} is not a log's URL")))?;
        if kind == "postgres" || kind == "postgresql" {
            return PostgresOptions::new(url).map(|options| Self::Postgres(Box::new(options)));
        }
        let (place, settings) = rest.split_once('?').unwrap_or((rest, ""));
        match kind {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => Err(unknown(format!("{url:?}: memory: takes no path and no settings"))),
            "sqlite" | "jsonl" if place.is_empty() => Err(unknown(format!("{url:?} names no place"))),
            "sqlite" => {
                let mut options = SqliteOptions::new(path(place));
                each_setting(url, settings, SQLITE_SETTINGS, |setting| sqlite(&mut options, setting))?;
                Ok(Self::Sqlite(options))
            }
            "jsonl" => {
                let mut options = JsonlOptions::new(path(place));
                each_setting(url, settings, JSONL_SETTINGS, |setting| jsonl(&mut options, setting))?;
                Ok(Self::Jsonl(options))
            }
            other => Err(unknown(format!("{other:?} is no kind of log"))),
        }
    }
}

const SQLITE_SETTINGS: &str = "the settings are sync=full (the default) or sync=normal, index=lagging or index=real, \
                               lock_wait_ms=N and tail_events=N (up to 65,536)";
const JSONL_SETTINGS: &str = "the settings are prewrite=on (the default) or prewrite=off, \
                              stream_files=on or stream_files=off, lock_wait_ms=N, segment_bytes=N (up to 1 GiB) and index_events=N (up to 1,000,000)";
/// Offsets in a segment have four bytes, and the longest line comes on top.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;
const INDEX_EVENTS_MAX: u64 = 1_000_000;
/// Four times as many must fit into what a tail holds.
const TAIL_EVENTS_MAX: u64 = 65_536;

fn path(place: &str) -> PathBuf {
    PathBuf::from(place.strip_prefix("//").unwrap_or(place))
}

/// Applies each `NAME=VALUE`; `apply` knows none for one that is not known.
fn each_setting(
    url: &str,
    settings: &str,
    known: &str,
    mut apply: impl FnMut((&str, &str)) -> Option<()>,
) -> Result<()> {
    for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
        setting.split_once('=').and_then(&mut apply).ok_or_else(|| {
            Error::invalid(format!("{url:?}: {setting:?} is no setting of it, or not with that value"))
                .with_hint(known)
        })?;
    }
    Ok(())
}

fn sqlite(options: &mut SqliteOptions, setting: (&str, &str)) -> Option<()> {
    match setting {
        ("sync", "full") => options.sync = Sync::Full,
        ("sync", "normal") => options.sync = Sync::Normal,
        ("lock_wait_ms", number) => options.lock_wait = Duration::from_millis(number.parse().ok()?),
        ("index", "real") => options.indexes = Some(Indexes::Real),
        ("index", "lagging") => options.indexes = Some(Indexes::Lagging),
        ("tail_events", number) => {
            options.tail_events = within(number, TAIL_EVENTS_MAX)?.try_into().ok();
        }
        _ => return None,
    }
    Some(())
}

fn jsonl(options: &mut JsonlOptions, setting: (&str, &str)) -> Option<()> {
    match setting {
        ("prewrite", "on") => options.prewrite = true,
        ("prewrite", "off") => options.prewrite = false,
        ("stream_files", "on") => options.stream_files = Some(true),
        ("stream_files", "off") => options.stream_files = Some(false),
        ("lock_wait_ms", number) => options.lock_wait = Duration::from_millis(number.parse().ok()?),
        ("segment_bytes", number) => options.tuning.segment_bytes = within(number, SEGMENT_BYTES_MAX)?,
        ("index_events", number) => options.tuning.index_events = within(number, INDEX_EVENTS_MAX)? as usize,
        _ => return None,
    }
    Some(())
}

/// A number from 1 to another.
fn within(number: &str, most: u64) -> Option<u64> {
    number.parse().ok().filter(|number| (1..=most).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_kind_a_place_and_settings_and_anything_else_is_refused() {
        let sqlite = |url: &str| match url.parse::<StoreUrl>().unwrap() {
            StoreUrl::Sqlite(options) => options,
            other => panic!("{other:?}"),
        };
        assert_eq!(sqlite("sqlite:a b.db").path, PathBuf::from("a b.db"));
        assert_eq!(sqlite("sqlite:///tmp/x.db").path, PathBuf::from("/tmp/x.db"));
        assert_eq!(sqlite("sqlite:x.db?sync=normal").sync, Sync::Normal);
        let lagging = sqlite("sqlite:x.db?index=lagging&tail_events=20");
        assert_eq!((lagging.indexes, lagging.tail_events), (Some(Indexes::Lagging), Some(20)));
        assert_eq!(sqlite("sqlite:x.db?index=real").indexes, Some(Indexes::Real));
        assert_eq!("memory:".parse::<StoreUrl>().unwrap(), StoreUrl::Memory);
        for url in [
            "",
            "x.db",
            "sqlite:",
            "sqlite:x.db?sync=off",
            "sqlite:x.db?tail_events=0",
            "memory:x",
            "oracle:x",
        ] {
            assert!(url.parse::<StoreUrl>().is_err(), "{url}");
        }
    }
}
