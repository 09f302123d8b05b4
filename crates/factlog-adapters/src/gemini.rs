//! Sessions of Gemini CLI, as they lie under `~/.gemini/tmp`.
//!
//! A session is a file of JSON lines: what is said of the session, its messages, and changes to both. Older versions
//! wrote one JSON document, again and again as it grew; it is read as the lines that it would be. Each record becomes
//! one event, and the record itself is its data:
//!
//! | of the event | from the record |
//! |---|---|
//! | stream | `session-` and `sessionId` of the file, or the name of the file where it has none |
//! | session | the same, without `session-` |
//! | id | made from the session and the record; one without a time and an id is told apart by what came before it |
//! | metadata | `id` as `sourceId`; the `id` of a message's one tool call as `toolUseId`; `rewindTo`, see below |
//! | source | `gemini`, or `gemini/` and `sessionId` for what a sub-agent did |
//! | occurred | `timestamp`, `created_at`, `ts` in seconds, `startTime` or `$set.lastUpdated`; none where it cannot be read |
//! | causation | of a message that stands there again, the event of it before; of a sub-agent's start, the call with its `agentId`, where that was read before it in the same import |
//! | correlation | the id of the last prompt's event in the file |
//!
//! | type | the record's `type` or `role`, and what else |
//! |---|---|
//! | `session:started` | the first record with `sessionId` or `startTime`; a document's fields without its messages |
//! | `session:prompted` | `user`, with text or an image |
//! | `session:tool-returned` | `user`, with a `functionResponse` |
//! | `session:tool-called` | `gemini` or `model`, with `toolCalls` or a `functionCall`; their results come in the same record |
//! | `session:replied` | `gemini` or `model`, with text and no call |
//! | `session:thought` | `gemini` or `model`, with `thoughts` alone |
//! | `session:noted` | `info`, `warning` |
//! | `session:api-failed` | `error` |
//! | `session:message-updated` | a message that stands there again, and whose type would be the same |
//! | `session:rewound` | `$rewindTo` |
//! | `session:summarized` | `$set` with a `summary`; the `summary` of a document |
//! | `session:rewritten` | `$set` with `messages` |
//! | `session:updated` | any other `$set`; later records with `sessionId` |
//! | `session:other` | anything else |
//!
//! **Messages that grow.** A message is written again, whole, when tokens or calls come to it. Each of its forms is an
//! event, with the same `sourceId`; the last one holds what those before it hold. A form whose type differs from the
//! one before has that type, and others are `session:message-updated`: so a message counts once in each type. A
//! document shows but the last form: a message that changed since an import is an event of its type again.
//!
//! **Rewinds.** What was undone has happened, and stays in the log. `session:rewound` names in its data the message
//! that is undone with all after it, and in its metadata, as `rewindTo`, that message's event.
//!
//! **Documents.** Each message is taken as it is written, but for white space between its tokens: when a document
//! is continued as lines, its messages are known. What is said of the session is known by its `startTime`. Places of
//! rejected records count the records, not the lines. One over [`DOCUMENT_BYTES_MAX`] is rejected whole.
//!
//! Files go in by the time of their start. The layout follows the versions up to 0.40.

mod document;
mod kind;
mod record;

use std::ffi::{OsStr, OsString};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use factlog::{Error, EventId, EventLine, EventLog, EventType, Json, NewEvent, Result, Text, Timestamp};

use crate::hook::Agent;
use crate::hooks;
use crate::import::{self, Format, Intake, Taken};
use crate::outcome::Imported;
use crate::recent::Recent;
use crate::session;
use crate::source::{Source, Sources};
use document::Document;
use record::Record;

/// Bytes of a session that is one document; it is held in memory twice.
pub const DOCUMENT_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Endings of the files that are taken from a folder.
const ENDINGS: &[&str] = &["jsonl", DOCUMENT_ENDING];
/// The ending of sessions that are one document.
const DOCUMENT_ENDING: &str = "json";
/// What lies beside the sessions and repeats parts of them, by the beginnings of its names; named itself, it is read.
const BESIDE: &[&str] = &["logs.json", "checkpoint"];
/// The folder of what could be restored after a tool's work.
const BESIDE_FOLDER: &str = "checkpoints";
/// The system that ids are made for, and the source of the events.
const SYSTEM: &str = "gemini";
/// A line that is no JSON and has no ending: what is not written to its end.
const UNFINISHED: &[u8] = b"{";
/// A line that is taken for the reason of a document's rejection.
const REFUSED: &[u8] = b"refused\n";

/// Where the sessions lie: `.gemini/tmp` in `$HOME`.
///
/// The environment is passed in, such as `|name| std::env::var_os(name)`; an empty value counts as none.
///
/// ```
/// use factlog_adapters::gemini::default_root;
/// let root = default_root(|name| (name == "HOME").then(|| "/home/ada".into()));
/// assert_eq!(root, Some("/home/ada/.gemini/tmp".into()));
/// ```
pub fn default_root(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    hooks::folder(Agent::Gemini, env).map(|folder| folder.join("tmp"))
}

/// Imports sessions: files, and all `.jsonl` and `.json` files under folders but `logs.json` and checkpoints.
///
/// # Errors
/// `NotFound` or `Denied` for a path that cannot be read, and what ends the log's work: `Unavailable`, `Stopped`,
/// `Corrupt`. A bad record is no error: it is named in the result.
pub async fn import(log: &EventLog, paths: &[PathBuf], intake: Intake<'_>) -> Result<Imported> {
    let mut sources = Sources::new(ENDINGS);
    for path in paths {
        sources.add(path)?;
    }
    let mut found = sources.into_found();
    found.retain(|source| {
        !is_beside(Path::new(&source.name)) || paths.iter().any(|path| path == Path::new(&source.name))
    });
    let sources = session::by_time(found, start)?;
    import::import(log, &sources, &mut Conversation::default(), intake).await
}

/// Whether a file is one of those that repeat parts of sessions.
pub(crate) fn is_beside(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().and_then(Path::file_name);
    folder == Some(OsStr::new(BESIDE_FOLDER)) || BESIDE.iter().any(|beside| name.starts_with(beside))
}

/// When a session began.
fn start(source: &Source) -> Result<Option<Timestamp>> {
    let time = |text: &str| Record::parse(text).ok()?.time();
    if !is_document(source) {
        return session::first_time(source, time);
    }
    let lines = read_document(source)?;
    Ok(lines.ok().and_then(|lines| std::str::from_utf8(&lines).ok()?.lines().find_map(time)))
}

fn is_document(source: &Source) -> bool {
    let ending = Path::new(&source.name).extension();
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case(DOCUMENT_ENDING))
}

/// The lines of a document; inside, why it cannot be taken.
fn read_document(source: &Source) -> Result<Result<Vec<u8>>> {
    let too_long =
        || Error::invalid(format!("the document is too long; {DOCUMENT_BYTES_MAX} bytes are allowed"));
    if source.bytes.is_some_and(|bytes| bytes > DOCUMENT_BYTES_MAX) {
        return Ok(Err(too_long()));
    }
    let mut bytes = Vec::new();
    let mut bounded = source.open()?.take(DOCUMENT_BYTES_MAX + 1);
    bounded.read_to_end(&mut bytes).map_err(|cause| source.unreadable(cause))?;
    let bytes_read = bytes.len();
    if bytes_read as u64 > DOCUMENT_BYTES_MAX {
        return Ok(Err(too_long()));
    }
    let Ok(text) = String::from_utf8(bytes) else { return Ok(Err(Error::invalid("not UTF-8"))) };
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Ok(Ok(text.as_bytes().to_vec()));
    }
    Ok(document::take_apart(text).map(|document| match document {
        Document::Unfinished => UNFINISHED.to_vec(),
        Document::Lines(lines) => {
            let mut lines = lines.into_bytes();
            // What is left out is blank, so that progress counts the bytes of the file.
            lines.resize(lines.len().max(bytes_read), b' ');
            lines
        }
    }))
}

/// One session, as far as it was read.
#[derive(Default)]
struct Conversation {
    stem: String,
    /// Why nothing of the file can be taken.
    refused: Option<Error>,
    is_document: bool,
    session: Option<String>,
    is_agent: bool,
    has_started: bool,
    before: Option<EventId>,
    prompt: Option<Text>,
    messages: Recent<Form>,
    /// The calls that sub-agents work for; they have files of their own.
    agents: Recent<EventId>,
}

/// The last form of a message.
#[derive(Clone, Copy)]
struct Form {
    id: EventId,
    kind: &'static str,
}

impl Format for Conversation {
    fn marks(&self) -> Option<(&'static str, String)> {
        Some((SYSTEM, String::new()))
    }

    fn has_lines_of(&self, source: &Source) -> bool {
        !is_document(source)
    }

    fn begin(&mut self, stem: &str) {
        let agents = std::mem::take(&mut self.agents);
        *self = Self { stem: stem.to_owned(), agents, ..Self::default() };
    }

    fn open(&mut self, source: &Source) -> Result<Box<dyn Read + Send>> {
        if !is_document(source) {
            return source.open();
        }
        self.is_document = true;
        let lines = read_document(source)?.unwrap_or_else(|reason| {
            self.refused = Some(reason);
            REFUSED.to_vec()
        });
        Ok(Box::new(Cursor::new(lines)))
    }

    fn take(&mut self, text: &str) -> Result<Taken> {
        if let Some(reason) = self.refused.take() {
            return Err(reason);
        }
        let data = Json::parse(text)?;
        let record = Record::parse(data.as_str())?;
        let is_start = !self.has_started && (self.is_document || record.is_head());
        if is_start {
            self.has_started = true;
            self.session = record.session();
            self.is_agent = record.is_of_agent();
        }
        let (session, stream) = session::names(self.session.as_deref(), &self.stem)?;
        let kind = kind::of(&record, is_start);
        let id = self.id(&session, &record, kind, data.as_str());
        self.before = Some(id);

        let message = record.id();
        let last = message.as_deref().and_then(|message| self.messages.get(message).copied());
        if let Some(message) = &message {
            self.messages.put(message, Form { id, kind });
        }
        let kind = if last.is_some_and(|last| last.kind == kind) { kind::MESSAGE_UPDATED } else { kind };
        if kind == kind::PROMPTED && !self.is_agent {
            self.prompt = Some(Text::trusted(id.to_string()));
        }
        for agent in record.agents() {
            self.agents.put(&agent, id);
        }

        let agent = self.session.as_deref().filter(|_| self.is_agent);
        let begun_by = || self.agents.get(agent.filter(|_| is_start)?).copied();
        let cause = last.map(|last| last.id).or_else(begun_by);
        let rewind_to = record.rewinds_to().and_then(|message| self.messages.get(&message));
        let notes = [
            ("sourceId", message),
            ("toolUseId", record.call()),
            ("rewindTo", rewind_to.map(|message| message.id.to_string())),
        ];
        let occurred_at = record.time();
        let tags = record.tags();
        let mut event = NewEvent::of(stream, EventType::trusted(kind), data).with_id(id);
        event.source = Some(session::source(SYSTEM, agent));
        event.occurred_at = occurred_at;
        event.tags = tags;
        event.causation_id = cause;
        event.correlation_id.clone_from(&self.prompt);
        event.session_id = Some(session);
        for (name, value) in notes {
            if let Some(value) = value.and_then(|value| Text::new(value).ok()) {
                event.note(name, &value)?;
            }
        }
        Ok(Taken::Event(Box::new(EventLine { event, expect: None })))
    }
}

impl Conversation {
    fn id(&self, session: &str, record: &Record<'_>, kind: &str, text: &str) -> EventId {
        let time = record.time();
        let is_known = time.is_some() || record.id().is_some();
        match kind {
            // The rest of it changes with each message while a document grows.
            kind::STARTED => {
                let start = time.map(|time| time.to_string()).unwrap_or_default();
                EventId::foreign(SYSTEM, session, &format!("started {start}"))
            }
            // It stands behind the last message, and is the same behind the next one.
            kind::SUMMARIZED => EventId::foreign(SYSTEM, session, text),
            _ if is_known => EventId::foreign(SYSTEM, session, text),
            _ => session::id_after(SYSTEM, session, self.before, text),
        }
    }
}
