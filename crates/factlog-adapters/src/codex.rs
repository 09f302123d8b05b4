//! Sessions of Codex, as they lie under `~/.codex/sessions`.
//!
//! A session is a file of JSON lines, its rollout. Each line becomes one event, and the line itself is its data:
//!
//! | of the event | from the line |
//! |---|---|
//! | stream | `session-` and the session of the file's first `session_meta`: its `session_id`, else its `id`; or the name of the file |
//! | session | the same, without `session-` |
//! | id | made from the session and the whole line; a line without a time is told apart by what came before it |
//! | metadata | `id` as `sourceId`, `call_id` as `toolUseId` |
//! | source | `codex`, or `codex/` and `id` of the first `session_meta` for what a sub-agent did |
//! | occurred | `timestamp`, `created_at` or, in seconds, `ts`; none where it cannot be read |
//! | causation | the event of the call, for what has the `call_id` of a call before it in the file |
//! | correlation | the turn: `turn_id`, else that of the turn that is open, else the id of the last prompt's event |
//!
//! The id of a record is no id of an event: some providers give the same one again and again. So a line that stands
//! in a file twice to the last byte, with its time, is one event; anything else is two.
//!
//! | type | the line |
//! |---|---|
//! | `session:started` | the first `session_meta` |
//! | `session:configured` | later ones, `turn_context`, `thread_settings_applied` |
//! | `session:prompted` | a message of the `user`, `user_message` |
//! | `session:context-added` | a message of the `user` that the program made, of the `developer` or `system`; `world_state` |
//! | `session:replied` | a message of the `assistant`, `agent_message` |
//! | `session:thought` | `reasoning`, `agent_reasoning` |
//! | `session:tool-called` | `function_call`, `custom_tool_call`, `web_search_call` and others that end so; `exec_command_begin` and the like |
//! | `session:tool-returned` | `function_call_output` and others that end so; `exec_command_end` and the like |
//! | `session:turn-started` | `task_started`, `turn_started` |
//! | `session:turn-ended` | `task_complete`, `turn_complete`, `turn.completed` |
//! | `session:turn-aborted` | `turn_aborted`, `turn.failed` |
//! | `session:tokens-counted` | `token_count`, `token_usage_record` |
//! | `session:compacted` | `compacted`, `context_compacted` |
//! | `session:compact-summarized` | `compaction`, `context_compaction` |
//! | `session:rewound` | `thread_rolled_back` |
//! | `session:agent-messaged` | a `response_item` of the type `agent_message`, `inter_agent_communication` |
//! | `session:files-snapshotted` | `ghost_snapshot` |
//! | `session:api-failed` | `error`, `stream_error` |
//! | `session:progressed` | `codex/event/raw_item` |
//! | `session:other` | anything else |
//!
//! An `item_completed` has the type of its item. Lines of older versions, without a `payload`, are read alike:
//! `role` makes a message, `tool_call`, `function_call`, `tool_result` and `function_result` are what they say, and a
//! first line with nothing but an `id` and a time is the `session_meta`.
//!
//! **Told twice.** A rollout tells most facts in two views: what the model was given (`response_item`), and what
//! people were shown (`event_msg`). The model's view is the event. A display line is left out, and counted as
//! skipped, where the model's view of the same file tells the same, before it or after it: the same call, or the
//! same text by the same speaker. Each line of the model's view answers for one display line of each type. A display
//! line without such a pair is an event. All are events when they are asked for, also in a later import. A file that
//! is imported between the writing of the two lines of a pair keeps both.
//!
//! **Sub-agents.** The file of a sub-agent may begin with a copy of its parent's lines. Lines with an `ordinal` below
//! `subagent_history_start_ordinal` are left out, but for the one that names that ordinal.
//!
//! Files go in by the time of their first line that has one. Each is read twice, but for pipes: there a display line
//! that comes before its pair is an event. The layout follows the versions 0.50 to 0.146.

mod kind;
mod line;
mod pairs;

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;

use factlog::{EventId, EventLine, EventLog, EventType, Json, NewEvent, Result, Tag, Text};

use crate::hook::Agent;
use crate::hooks;
use crate::import::{self, Format, Intake, Taken};
use crate::lines::{Content, Lines};
use crate::outcome::Imported;
use crate::recent::Recent;
use crate::session;
use crate::source::{Source, Sources};
use line::Line;
use pairs::Pairs;

/// Endings of the files that are taken from a folder.
const ENDINGS: &[&str] = &["jsonl"];
/// The system that ids are made for, and the source of the events.
const SYSTEM: &str = "codex";

/// What is imported of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Whether display lines go in too that repeat what the model's view tells.
    pub with_repeats: bool,
}

/// Where the rollouts lie: `sessions` in `$CODEX_HOME`, or else in `.codex` in `$HOME`.
///
/// The environment is passed in, such as `|name| std::env::var_os(name)`; an empty value counts as none.
///
/// ```
/// use factlog_adapters::codex::default_root;
/// let root = default_root(|name| (name == "HOME").then(|| "/home/ada".into()));
/// assert_eq!(root, Some("/home/ada/.codex/sessions".into()));
/// ```
pub fn default_root(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    hooks::folder(Agent::Codex, env).map(|folder| folder.join("sessions"))
}

/// Imports rollouts: files, and all `.jsonl` files under folders.
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
        session::first_time(source, |text| Line::parse(text).ok()?.time)
    })?;
    let mut rollout = Rollout { options, ..Rollout::default() };
    import::import(log, &sources, &mut rollout, intake).await
}

/// One rollout, as far as it was read.
#[derive(Default)]
struct Rollout {
    options: Options,
    stem: String,
    hasher: RandomState,
    owner: Option<Owner>,
    pairs: Pairs,
    /// Lines that were looked at before the first was taken, and lines that were taken.
    ahead: u64,
    taken: u64,
    /// The calls' events and tags, by their ids: what they returned is caused by them, and found by the same tags.
    calls: Recent<(EventId, Vec<Tag>)>,
    /// The folder that the agent works in.
    folder: Option<String>,
    before: Option<EventId>,
    turn: Turn,
}

/// Whose the file is, by the first line that says it: copies of a parent's lines may say otherwise.
struct Owner {
    session: Option<String>,
    agent: Option<String>,
    own_from: u64,
    line: u64,
}

/// What the lines of a turn are found by.
#[derive(Default)]
struct Turn {
    is_open: bool,
    name: Option<Text>,
}

impl Format for Rollout {
    fn marks(&self) -> Option<(&'static str, String)> {
        let options = if self.options.with_repeats { "with-repeats" } else { "" };
        Some((SYSTEM, options.to_owned()))
    }

    fn begin(&mut self, stem: &str) {
        *self = Self { options: self.options, stem: stem.to_owned(), ..Self::default() };
    }

    fn look_ahead(&mut self, source: &Source) -> Result<()> {
        // What is read from a pipe is gone for the import.
        if source.bytes.is_none() {
            return Ok(());
        }
        let mut lines = Lines::new(source.open()?);
        while let Some(line) = lines.next().map_err(|cause| source.unreadable(cause))? {
            let Content::Text(text) = line.content else { continue };
            self.ahead += 1;
            // A line that will be rejected answers for no other.
            let Ok(data) = Json::parse(text) else { continue };
            let Ok(line) = Line::parse(data.as_str()) else { continue };
            self.meet(&line, text);
            if !self.is_copy(&line, text) {
                self.pairs.tell(&line);
            }
        }
        Ok(())
    }

    fn take(&mut self, text: &str) -> Result<Taken> {
        self.taken += 1;
        let data = Json::parse(text)?;
        let line = Line::parse(data.as_str())?;
        self.meet(&line, text);
        let named = self.owner.as_ref().and_then(|owner| owner.session.as_deref());
        let (session, stream) = session::names(named, &self.stem)?;
        let id = match line.time {
            Some(_) => EventId::foreign(SYSTEM, &session, text),
            None => session::id_after(SYSTEM, &session, self.before, text),
        };
        self.before = Some(id);
        if self.is_copy(&line, text) {
            return Ok(Taken::Skipped(stream));
        }
        if self.taken > self.ahead {
            self.pairs.tell(&line);
        }
        if self.pairs.repeat(&line) && !self.options.with_repeats {
            return Ok(Taken::Skipped(stream));
        }

        let kind = kind::of(&line, self.is_start(text));
        let call = line.call();
        let known = call.as_deref().and_then(|call| self.calls.get(call));
        let cause = known.map(|(id, _)| *id);
        let mut tags = known.map(|(_, tags)| tags.clone()).unwrap_or_default();
        self.folder = line.folder().or_else(|| self.folder.take());
        if kind == kind::TOOL_CALLED {
            tags = line::tags(data.as_str(), self.folder.as_deref());
            if let Some(call) = &call {
                self.calls.put(call, (id, tags.clone()));
            }
        }
        let agent = self.owner.as_ref().and_then(|owner| owner.agent.as_deref());
        let source = session::source(SYSTEM, agent);
        let correlation = self.correlation(&line, kind, id);
        let (source_id, occurred_at) = (line.id(), line.time);
        let mut event = NewEvent::of(stream, EventType::trusted(kind), data).with_id(id);
        event.source = Some(source);
        event.occurred_at = occurred_at;
        event.causation_id = cause.filter(|_| kind != kind::TOOL_CALLED);
        event.correlation_id = correlation;
        event.session_id = Some(session);
        event.tags = tags;
        for (name, value) in [("sourceId", source_id), ("toolUseId", call)] {
            if let Some(value) = value.and_then(|value| Text::new(value).ok()) {
                event.note(name, &value)?;
            }
        }
        Ok(Taken::Event(Box::new(EventLine { event, expect: None })))
    }
}

impl Rollout {
    /// Learns whose the file is from the first line that says it.
    fn meet(&mut self, line: &Line<'_>, text: &str) {
        if self.owner.is_some() || !line.is_meta() {
            return;
        }
        let item = &line.item;
        self.owner = Some(Owner {
            session: item.session().or_else(|| item.id()),
            agent: item.id().filter(|_| item.is_of_agent()),
            own_from: item.own_from().unwrap_or(0),
            line: self.hasher.hash_one(text),
        });
    }

    /// Whether it is the line that said whose the file is.
    fn is_start(&self, text: &str) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.line == self.hasher.hash_one(text))
    }

    /// Whether it is a parent's line in the file of a sub-agent.
    fn is_copy(&self, line: &Line<'_>, text: &str) -> bool {
        let (Some(owner), Some(ordinal)) = (&self.owner, line.ordinal) else { return false };
        ordinal < owner.own_from && !self.is_start(text)
    }

    /// The turn or the prompt that a line belongs to; both are remembered for the lines after it.
    fn correlation(&mut self, line: &Line<'_>, kind: &str, id: EventId) -> Option<Text> {
        let named = line.item.turn().and_then(|turn| Text::new(turn).ok());
        let is_agent = self.owner.as_ref().is_some_and(|owner| owner.agent.is_some());
        if named.is_some() {
            self.turn.is_open = !matches!(kind, kind::TURN_ENDED | kind::TURN_ABORTED);
            self.turn.name = named;
        } else if kind == kind::PROMPTED && !self.turn.is_open && !is_agent {
            self.turn.name = Some(Text::trusted(id.to_string()));
        }
        self.turn.name.clone()
    }
}
