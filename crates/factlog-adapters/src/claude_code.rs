//! Transcripts of Claude Code, as they lie under `~/.claude/projects`.
//!
//! A transcript is a file of JSON lines, one per message block or happening. Each line becomes one event, and the line
//! itself is its data:
//!
//! | of the event | from the line |
//! |---|---|
//! | stream | `session-` and `sessionId`, or the name of the file where a line has none |
//! | session | the same, without `session-` |
//! | id | made from the session and `uuid`, or the whole line where it has none; a forked session has events of its own |
//! | metadata | `uuid` as `sourceId`; the id of the tool's call as `toolUseId`, by which hooks tell of the same call |
//! | tags | `tool:NAME` and `file:PATH` of the tools that are called or have returned; paths from `cwd` |
//! | source | `claude-code`, or `claude-code/` and `agentId` for what a sub-agent did |
//! | occurred | `timestamp`, or `snapshot.timestamp`; none where it cannot be read |
//! | causation | the event of `sourceToolAssistantUUID`, else `parentUuid`, else `logicalParentUuid`, also where that line was left out |
//! | correlation | the prompt: `promptId`, else that of the last prompt in the file: its `promptId` or the id of its event |
//!
//! A prompt is what a person said: a `user` line that is no tool's result, no added context, no summary of a
//! compacted conversation and of no sub-agent.
//!
//! | type | the line's `type`, and what else |
//! |---|---|
//! | `session:prompted` | `user`, with text, an image or a document |
//! | `session:tool-returned` | `user`, with a `tool_result` |
//! | `session:context-added` | `user`, `isMeta` |
//! | `session:compact-summarized` | `user`, `isCompactSummary` |
//! | `session:tool-called` | `assistant`, with a `tool_use` or `server_tool_use` |
//! | `session:replied` | `assistant`, with text and no call |
//! | `session:thought` | `assistant`, with `thinking` or `redacted_thinking` alone |
//! | `session:api-failed` | `assistant`, `isApiErrorMessage` |
//! | `session:hooks-ran` | `system`, `stop_hook_summary` |
//! | `session:turn-ended` | `system`, `turn_duration` |
//! | `session:compacted` | `system`, `compact_boundary` or `microcompact_boundary` |
//! | `session:command-ran` | `system`, `local_command` |
//! | `session:started` | `system`, `init` |
//! | `session:summarized` | `summary`; `system`, `away_summary` |
//! | `session:progressed` | `progress` |
//! | `session:files-snapshotted` | `file-history-snapshot` |
//! | `session:prompt-queued` | `queue-operation` |
//! | `session:pull-request-linked` | `pr-link` |
//! | `session:other` | anything else |
//!
//! `progress` lines are a third of all and repeat their output again and again: they are left out unless asked for.
//!
//! Files go in by the time of their first line that has one. The layout follows the transcripts of the versions 2.1.17
//! to 2.1.38; what later ones add is kept as `session:other`.

mod kind;
mod line;
mod lineage;

use std::ffi::OsString;
use std::path::PathBuf;

use factlog::limits::TAGS_MAX;
use factlog::{EventId, EventLine, EventLog, EventType, Json, NewEvent, Result, Tag, Text};

use crate::hook::Agent;
use crate::hooks;
use crate::import::{self, Format, Intake, Taken};
use crate::outcome::Imported;
use crate::recent::Recent;
use crate::redact::Redactor;
use crate::session;
use crate::source::Sources;
use crate::tool;
use crate::watch::{OnWatched, Watch};
use line::Line;
use lineage::Lineage;

/// Endings of the files that are taken from a folder.
const ENDINGS: &[&str] = &["jsonl"];
/// The system that ids are made for, and the source of the events.
const SYSTEM: &str = "claude-code";

/// What is imported of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Whether lines of the type `progress` go in too.
    pub with_progress: bool,
}

/// Where the transcripts lie: `projects` in `$CLAUDE_CONFIG_DIR`, or else in `.claude` in `$HOME`.
///
/// The environment is passed in, such as `|name| std::env::var_os(name)`; an empty value counts as none.
///
/// ```
/// use factlog_adapters::claude_code::default_root;
/// let root = default_root(|name| (name == "HOME").then(|| "/home/ada".into()));
/// assert_eq!(root, Some("/home/ada/.claude/projects".into()));
/// ```
pub fn default_root(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    hooks::folder(Agent::Claude, env).map(|folder| folder.join("projects"))
}

/// Imports transcripts: files, and all `.jsonl` files under folders.
///
/// # Errors
/// `NotFound` or `Denied` for a path that cannot be read, and what ends the log's work: `Unavailable`, `Stopped`,
/// `Corrupt`. A bad line is no error: it is named in the result.
pub async fn import(
    log: &EventLog,
    paths: &[PathBuf],
    options: Options,
    intake: Intake<'_>,
) -> Result<Imported> {
    let mut sources = Sources::new(ENDINGS);
    for path in paths {
        sources.add(path)?;
    }
    let sources = session::by_time(sources.into_found(), |source| {
        session::first_time(source, |text| Line::of(text)?.time())
    })?;
    let mut transcript = Transcript { options, ..Transcript::default() };
    import::import(log, &sources, &mut transcript, intake).await
}

/// Follows the transcripts under these folders, and takes in what they tell as they tell it; what is there already goes
/// in first. It does not end by itself: drop it.
///
/// # Errors
/// What ends the log's work: `Stopped`, `Corrupt`, `Denied`. Trouble that may pass is told, and tried again.
pub async fn watch(
    log: &EventLog,
    roots: &[PathBuf],
    options: Options,
    redactor: Option<&Redactor>,
    told: OnWatched<'_>,
) -> Result<()> {
    let format = || Transcript { options, ..Transcript::default() };
    Watch { log, roots, endings: ENDINGS, redactor, format }.run(told).await
}

/// One transcript, as far as it was read.
#[derive(Default)]
struct Transcript {
    options: Options,
    stem: String,
    prompt: Option<Text>,
    lineage: Lineage,
    /// The tags of the last calls, by their ids: what they returned is found by them too.
    calls: Recent<Vec<Tag>>,
}

impl Format for Transcript {
    fn marks(&self) -> Option<(&'static str, String)> {
        let options = if self.options.with_progress { "with-progress" } else { "" };
        Some((SYSTEM, options.to_owned()))
    }

    fn begin(&mut self, stem: &str) {
        *self = Self { options: self.options, stem: stem.to_owned(), ..Self::default() };
    }

    fn take(&mut self, text: &str) -> Result<Taken> {
        let data = Json::parse(text)?;
        let line = Line::parse(data.as_str())?;
        let (session, stream) = session::names(line.session().as_deref(), &self.stem)?;
        let uuid = line.uuid();
        if let Some(uuid) = &uuid {
            self.lineage.add(uuid, &session);
        }
        let kind = kind::of(&line);
        if kind == kind::PROGRESSED && !self.options.with_progress {
            return Ok(Taken::Skipped(stream));
        }

        let id = EventId::foreign(SYSTEM, &session, uuid.as_deref().unwrap_or(text));
        let correlation = self.correlation(&line, kind, id);
        let cause = line.cause().map(|cause| {
            let session = self.lineage.session(&cause).unwrap_or(&session);
            EventId::foreign(SYSTEM, session, &cause)
        });
        let source = session::source(SYSTEM, line.agent().as_deref());
        let occurred_at = line.time();
        let mut tags = Vec::new();
        let call = self.tag(&mut tags, &line).and_then(|call| Text::new(call).ok());
        let mut event = NewEvent::of(stream, EventType::trusted(kind), data).with_id(id);
        event.source = Some(source);
        event.occurred_at = occurred_at;
        event.causation_id = cause;
        event.correlation_id = correlation;
        event.session_id = Some(session);
        event.tags = tags;
        if let Some(uuid) = uuid.and_then(|uuid| Text::new(uuid).ok()) {
            event.note("sourceId", &uuid)?;
        }
        if let Some(call) = call {
            event.note("toolUseId", &call)?;
        }
        Ok(Taken::Event(Box::new(EventLine { event, expect: None })))
    }
}

impl Transcript {
    /// Puts the tags of the tools on it that a line tells of; gives the id of the first call.
    fn tag(&mut self, tags: &mut Vec<Tag>, line: &Line<'_>) -> Option<String> {
        let uses = line.tool_uses();
        let mut first = None;
        for tool in uses {
            let (called, name) = (tool.input.is_some(), tool.name.as_deref().unwrap_or_default());
            let known = if called {
                tool::tags(name, tool.input.as_ref(), line.folder().as_deref())
            } else {
                self.calls.get(&tool.id).cloned().unwrap_or_default()
            };
            let room = TAGS_MAX.saturating_sub(tags.len());
            tags.extend(
                known.iter().filter(|tag| !tags.contains(tag)).take(room).cloned().collect::<Vec<_>>(),
            );
            if called {
                self.calls.put(&tool.id, known);
            }
            first.get_or_insert(tool.id);
        }
        first
    }

    /// The prompt that a line belongs to; a prompt is remembered for the lines after it.
    fn correlation(&mut self, line: &Line<'_>, kind: &str, id: EventId) -> Option<Text> {
        let named = line.prompt().and_then(|prompt| Text::new(prompt).ok());
        if kind == kind::PROMPTED && !line.is_sidechain() {
            self.prompt = Some(named.clone().unwrap_or_else(|| Text::trusted(id.to_string())));
        }
        named.or_else(|| self.prompt.clone())
    }
}
