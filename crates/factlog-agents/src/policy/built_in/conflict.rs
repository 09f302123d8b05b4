//! An alert for two sessions that write the same file.

use std::time::Duration;

use async_trait::async_trait;
use factlog::{Event, FILE_TAG, Filter, Pattern, Position, Result, TOOL_TAG, Tag, TimeRange, Timestamp};
use serde_json::json;
use tokio::sync::Mutex;

use super::super::{Firing, Policy, Settings};
use super::alert;
use crate::vocabulary::{pattern, type_patterns};

pub(super) const ABOUT: &str = "Two sessions that write the same file within half an hour are told of";
/// Tools that write files, in the agents that we know.
const WRITING_TOOLS: [&str; 11] = [
    "Edit",
    "MultiEdit",
    "Write",
    "NotebookEdit",
    "apply_patch",
    "write_file",
    "replace",
    "edit",
    "edit_file",
    "create_file",
    "str_replace_editor",
];
/// Types of events that tell of the use of a tool, before or after it.
const USES: &str = "session:tool-called or session:tool-used or hook:*";
/// Writes that are remembered; of more, the first is forgotten.
const WRITES_MAX: usize = 10_000;

/// Tells of two sessions that write the same file within a time of each other: once in that time for a file.
#[derive(Debug)]
pub struct ConflictAlert {
    name: String,
    pattern: Pattern,
    settings: Settings,
    within: Duration,
    writes: Mutex<Writes>,
}

/// Who has written what lately.
#[derive(Debug, Default)]
struct Writes {
    is_begun: bool,
    /// In the order of the log.
    all: std::collections::VecDeque<Write>,
}

#[derive(Debug, Clone)]
struct Write {
    position: Position,
    time: Timestamp,
    session: String,
    file: String,
}

impl ConflictAlert {
    /// How near to each other two writes are a conflict, where nothing else is said.
    pub const WITHIN: Duration = Duration::from_secs(30 * 60);

    /// The policy under a name.
    pub fn new(name: &str, within: Duration, settings: Settings) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            pattern: pattern(USES)?,
            settings,
            within,
            writes: Mutex::default(),
        })
    }

    /// Files of an event that another session has written shortly before, with that session; a file and a session that were
    /// told of within the time are not again.
    async fn conflicts(&self, firing: &Firing) -> Result<Vec<(String, Write)>> {
        let event = firing.event();
        let mut writes = self.writes.lock().await;
        if !writes.is_begun || writes.all.back().is_some_and(|last| last.position >= event.position) {
            self.begin(firing, &mut writes).await?;
        }
        let from = event.time().as_micros() - self.within.as_micros() as i64;
        let mut conflicts = Vec::new();
        for write in written(event) {
            let lately = |other: &&Write| other.file == write.file && other.time.as_micros() >= from;
            let mut others = writes.all.iter().rev().filter(lately);
            // Between two sessions that take turns, the first write after the other's is the conflict.
            let last = others.next();
            if let Some(other) = last.filter(|other| other.session != write.session) {
                let was_told = others.any(|earlier| earlier.session == write.session);
                if !was_told {
                    conflicts.push((write.file.clone(), other.clone()));
                }
            }
            writes.all.push_back(write);
        }
        while writes.all.len() > WRITES_MAX {
            writes.all.pop_front();
        }
        Ok(conflicts)
    }

    /// Reads what was written shortly before.
    async fn begin(&self, firing: &Firing, writes: &mut Writes) -> Result<()> {
        let event = firing.event();
        let from = event.time().as_micros().saturating_sub(self.within.as_micros() as i64);
        let names =
            ["session:tool-called", "session:tool-used", "hook:*"].into_iter().flat_map(type_patterns);
        let filter = Filter {
            types: names.map(|name| name.parse()).collect::<Result<_>>()?,
            time: TimeRange { from: Timestamp::from_micros(from).ok(), to: None },
            ..Filter::all()
        };
        *writes = Writes { is_begun: true, ..Writes::default() };
        let mut reading = firing.log().read(filter).before(event.position).backwards();
        while let Some(event) = reading.next().await {
            for write in written(&*event?) {
                writes.all.push_front(write);
            }
            if writes.all.len() >= WRITES_MAX {
                break;
            }
        }
        Ok(())
    }
}

/// What an event says was written.
fn written(event: &Event) -> Vec<Write> {
    let tagged = |kind: &'static str| event.tags.iter().filter_map(move |tag: &Tag| tag.strip_prefix(kind));
    let Some(session) = &event.session_id else { return Vec::new() };
    if !tagged(TOOL_TAG).any(|tool| WRITING_TOOLS.contains(&tool)) {
        return Vec::new();
    }
    let (position, time) = (event.position, event.time());
    tagged(FILE_TAG)
        .map(|file| Write { position, time, session: session.to_string(), file: file.to_owned() })
        .collect()
}

#[async_trait]
impl Policy for ConflictAlert {
    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> &str {
        ABOUT
    }

    fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    fn settings(&self) -> Settings {
        self.settings.clone()
    }

    async fn plan(&self, firing: &Firing) -> Result<Option<Duration>> {
        Ok((!self.conflicts(firing).await?.is_empty()).then_some(Duration::ZERO))
    }

    fn acts_in_log_only(&self) -> bool {
        true
    }

    async fn act(&self, firing: &mut Firing) -> Result<()> {
        for (file, other) in self.conflicts(firing).await? {
            let session = firing.event().session_id.as_ref().map(ToString::to_string).unwrap_or_default();
            let details = json!({"file": file, "sessions": [other.session, session],
                "positions": [other.position, firing.position()]});
            let message = format!("sessions {} and {session} both write {file}", other.session);
            let alert = alert(firing, "file-conflict", message, details)?;
            firing.append(alert)?;
        }
        Ok(())
    }
}
