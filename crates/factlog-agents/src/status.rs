//! One table of statuses and priorities for the words of all origins.

mod of_event;

use factlog::Priority;

pub(crate) use of_event::{TOLD_BY_MORE, implied};
pub use of_event::{status_of, status_words};

/// Makes an enum of words: how each is written, and which others mean it.
macro_rules! statuses {
    ($(#[$about:meta])* $name:ident, $what:literal, {
        $($(#[$doc:meta])* $variant:ident = $word:literal $(, $other:literal)*;)+
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $($(#[$doc])* $variant),+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            /// The words that mean it, its own first: in small letters, with spaces.
            pub fn words(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => &[$word $(, $other)*]),+
                }
            }

            /// What a word means; signs, emoji and the case of letters do not matter. None for a word that means nothing
            /// here.
            pub fn of(word: &str) -> Option<Self> {
                let word = $crate::status::plain(word);
                $(if [$word $(, $other)*].iter().any(|known| $crate::status::plain(known) == word) {
                    return Some(Self::$variant);
                })+
                None
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = factlog::Error;
            fn from_str(word: &str) -> factlog::Result<Self> {
                Self::of(word).ok_or_else(|| {
                    let words: Vec<&str> = Self::ALL.iter().map(|status| status.as_str()).collect();
                    factlog::Error::invalid(format!("{word:?} is no {}", $what))
                        .with_hint(format!("it is one of {}", words.join(", ")))
                })
            }
        }
    };
}

pub(crate) use statuses;

statuses! {
    /// Where a task stands.
    Status, "status", {
        /// Written down; nobody has it.
        Pending = "pending", "todo", "to do", "ready to start", "new", "open";
        /// Waits for its turn.
        Queued = "queued";
        /// Somebody has it, and has not begun.
        Assigned = "assigned", "accepted";
        /// Is worked on.
        InProgress = "in-progress", "in progress", "progress", "started", "running", "active", "working";
        /// Waits for others.
        Blocked = "blocked", "waiting";
        /// Is looked over.
        Reviewing = "reviewing", "review", "in review";
        /// Was done.
        Completed = "completed", "complete", "done", "success", "succeeded", "finished";
        /// Could not be done.
        Failed = "failed", "error", "failure";
        /// Was turned down.
        Rejected = "rejected";
        /// Is no longer wanted.
        Cancelled = "cancelled", "canceled";
        /// Was put away.
        Archived = "archived", "archive", "deleted", "released";
    }
}

statuses! {
    /// What an agent does.
    AgentStatus, "status of an agent", {
        /// Could take work.
        Idle = "idle", "ready", "spawned", "registered";
        /// Is at work.
        Active = "active", "busy", "working", "running", "started", "in-progress";
        /// Waits for others.
        Blocked = "blocked", "waiting";
        /// Ended its work.
        Completed = "completed", "stopped", "done", "finished";
        /// Met an error, and was not heard of again.
        Failed = "failed", "error";
        /// Was shut down.
        Terminated = "terminated", "unregistered";
        /// Was never announced: known only from what others say of it.
        Unknown = "unknown";
    }
}

#[expect(clippy::derivable_impls, reason = "the macro above makes its enums without a default")]
impl Default for AgentStatus {
    fn default() -> Self {
        Self::Unknown
    }
}

statuses! {
    /// How a session goes.
    SessionStatus, "status of a session", {
        /// Waits for its turn.
        Queued = "queued", "pending";
        /// Is at work.
        Running = "running", "active", "started", "in-progress", "working";
        /// Waits for a person.
        Waiting = "waiting", "idle";
        /// Came to its end.
        Completed = "completed", "success", "done", "finished", "ended";
        /// Could not go on.
        Failed = "failed", "failure", "error";
    }
}

/// The letters and digits of a word, in small letters.
pub(crate) fn plain(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The priority that a word of any origin means: `medium` is normal, `highest` critical.
///
/// ```
/// assert_eq!(factlog_agents::status::priority("medium"), Some(factlog::Priority::Normal));
/// ```
pub fn priority(word: &str) -> Option<Priority> {
    match plain(word).as_str() {
        "low" | "lowest" => Some(Priority::Low),
        "normal" | "medium" => Some(Priority::Normal),
        "high" => Some(Priority::High),
        "critical" | "highest" | "urgent" => Some(Priority::Critical),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Story: one project's history has its statuses in three vocabularies, some with emoji, and a board that compared
    /// words showed six columns for two statuses.
    #[test]
    fn the_words_of_all_origins_mean_one_status_each() {
        for (word, status) in [
            ("🟡 To Do", Status::Pending),
            ("todo", Status::Pending),
            ("📋 Ready to Start", Status::Pending),
            ("🔵 In Progress", Status::InProgress),
            ("in_progress", Status::InProgress),
            ("Progress", Status::InProgress),
            ("🟢 Done", Status::Completed),
            ("✅ Done", Status::Completed),
            ("in-progress", Status::InProgress),
            ("error", Status::Failed),
            ("reviewing", Status::Reviewing),
        ] {
            assert_eq!(Status::of(word), Some(status), "{word}");
        }
        assert_eq!(Status::of("🤷"), None);
        assert_eq!(AgentStatus::of("busy"), Some(AgentStatus::Active));
    }

    #[test]
    fn no_word_means_two_statuses() {
        for (index, status) in Status::ALL.iter().enumerate() {
            for word in status.words() {
                assert_eq!(Status::of(word), Some(*status), "{word} of {index}");
            }
        }
        for status in AgentStatus::ALL {
            assert!(status.words().iter().all(|word| AgentStatus::of(word) == Some(*status)), "{status}");
        }
        for status in SessionStatus::ALL {
            assert!(status.words().iter().all(|word| SessionStatus::of(word) == Some(*status)), "{status}");
        }
    }
}
