//! The stores that are put under power cuts: one variant more, and another one is put under the same.

use std::path::Path;

/// Which store a workload runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    Sqlite,
    /// With an index that is written every few events.
    SqliteLagging,
    /// The weaker level, which loses what was acknowledged: so it is known that such a loss is found.
    SqliteNormal,
    Jsonl,
}

impl Store {
    pub(super) const ALL: [Self; 4] = [Self::Sqlite, Self::SqliteLagging, Self::SqliteNormal, Self::Jsonl];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::SqliteLagging => "sqlite_lagging",
            Self::SqliteNormal => "sqlite_normal",
            Self::Jsonl => "jsonl",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|store| store.name() == name)
    }

    /// The URL of a log in this folder.
    pub(super) fn url(self, folder: &Path) -> String {
        let path = folder.join("log.db");
        match self {
            Self::Sqlite => format!("sqlite:{}?index=real", path.display()),
            Self::SqliteLagging => format!("sqlite:{}?index=lagging&tail_events=16", path.display()),
            Self::SqliteNormal => format!("sqlite:{}?index=real&sync=normal", path.display()),
            Self::Jsonl => {
                format!("jsonl:{}?segment_bytes=200000&index_events=500", folder.join("log").display())
            }
        }
    }

    /// Whether an acknowledged event may be lost.
    pub(super) fn may_lose(self) -> bool {
        self == Self::SqliteNormal
    }

    /// Whether the store, while it runs, has brought something from where it gathers to where things stay.
    pub(super) fn has_kept_house(self, folder: &Path) -> bool {
        const MADE_BYTES: u64 = 1024 * 1024;
        match self {
            Self::Sqlite | Self::SqliteLagging | Self::SqliteNormal => {
                std::fs::metadata(folder.join("log.db")).is_ok_and(|found| found.len() > MADE_BYTES)
            }
            Self::Jsonl => folder.join("log/indexes").exists(),
        }
    }
}
