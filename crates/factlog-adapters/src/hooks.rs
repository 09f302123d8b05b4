//! The settings in which agents keep their hooks: ours are put in and taken out, and all else stays as it was written.
//!
//! The three agents share one shape: `{"hooks": {"EVENT": [{"hooks": [{"type": "command", "command": "..."}]}]}}`. A file
//! is edited as a text with its comments, order and indentation; only our entries come and go.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use factlog::{Error, Result};
use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstArray, CstInputValue, CstNode, CstObject, CstRootNode};

use crate::hook::Agent;

/// Hooks of Claude Code that say what happened, known to every version since early 2026: a version that does not know
/// one may refuse the file.
const CLAUDE: &[&str] = &[
    "SessionStart",
    "SessionEnd",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "PermissionRequest",
    "Notification",
    "SubagentStart",
    "SubagentStop",
    "Stop",
    "PreCompact",
];
/// Later ones. `WorktreeCreate` and `WorktreeRemove` are not there because they replace what the agent would do, and
/// `MessageDisplay`, `FileChanged` and `PostToolBatch` because they tell in floods what others tell too.
const CLAUDE_NEWER: &[&str] = &[
    "Setup",
    "UserPromptExpansion",
    "PermissionDenied",
    "StopFailure",
    "PostCompact",
    "PreModelSwitch",
    "PostModelSwitch",
    "TeammateIdle",
    "TaskCreated",
    "TaskCompleted",
    "Elicitation",
    "ElicitationResult",
    "ConfigChange",
    "InstructionsLoaded",
    "CwdChanged",
    "DirectoryAdded",
];
const CODEX: &[&str] = &[
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PermissionRequest",
    "PostToolUse",
    "PreCompact",
    "PostCompact",
    "SubagentStart",
    "SubagentStop",
    "Stop",
];
const CODEX_NEWER: &[&str] = &["StopFailure"];
/// Those about the model run for every piece of an answer, and are left out.
const GEMINI: &[&str] = &[
    "SessionStart",
    "SessionEnd",
    "BeforeAgent",
    "AfterAgent",
    "BeforeTool",
    "AfterTool",
    "Notification",
    "PreCompress",
];

/// Seconds after which an agent stops waiting for a hook.
const TIMEOUT_SECONDS: u32 = 10;

/// Where a file of settings is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All that a person does.
    User,
    /// One project.
    Project,
}

/// The hooks that are recorded of an agent; `all` takes those in that only its newer versions know.
pub fn events(agent: Agent, all: bool) -> Vec<&'static str> {
    let (usual, newer): (&[_], &[_]) = match agent {
        Agent::Claude => (CLAUDE, CLAUDE_NEWER),
        Agent::Codex => (CODEX, CODEX_NEWER),
        Agent::Gemini => (GEMINI, &[]),
    };
    usual.iter().chain(if all { newer } else { &[] }).copied().collect()
}

/// The folder of an agent's own things: `$CLAUDE_CONFIG_DIR`, `$CODEX_HOME`, or one in the home folder.
pub fn folder(agent: Agent, env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").or_else(|| set("USERPROFILE"));
    match agent {
        Agent::Claude => set("CLAUDE_CONFIG_DIR").or_else(|| Some(home()?.join(".claude"))),
        Agent::Codex => set("CODEX_HOME").or_else(|| Some(home()?.join(".codex"))),
        Agent::Gemini => Some(home()?.join(".gemini")),
    }
}

/// The file of an agent's hooks in its own folder, or in that of a project. Of a project it is the one that is not shared
/// with others where there is such a one, because the command has a path of this machine.
pub fn file(agent: Agent, scope: Scope, folder: &Path) -> PathBuf {
    match (agent, scope) {
        (Agent::Claude | Agent::Gemini, Scope::User) => folder.join("settings.json"),
        (Agent::Claude, Scope::Project) => folder.join(".claude").join("settings.local.json"),
        (Agent::Codex, Scope::User) => folder.join("hooks.json"),
        (Agent::Codex, Scope::Project) => folder.join(".codex").join("hooks.json"),
        (Agent::Gemini, Scope::Project) => folder.join(".gemini").join("settings.json"),
    }
}

/// The settings with our hooks in them, which run this command; those that are there already stay.
///
/// # Errors
/// `Invalid` for a text that is no object, or whose hooks have another shape: nothing can be put in safely.
pub fn install(agent: Agent, settings: &str, command: &str, all: bool) -> Result<String> {
    let root = parse(settings)?;
    let object = object(root.value(), "the file")?;
    let hooks = match object.get("hooks") {
        Some(hooks) => self::object(hooks.value(), "hooks")?,
        None => object.object_value_or_set("hooks"),
    };
    for event in events(agent, all) {
        let entries = match hooks.get(event) {
            Some(entries) => array(entries.value(), event)?,
            None => hooks.array_value_or_set(event),
        };
        let ours = ours(&entries);
        if ours.is_empty() {
            entries.ensure_multiline();
            entries.append(entry(agent, command));
        }
        for (command_node, _) in ours.iter().filter(|(_, found)| found != command) {
            if let Some(literal) = command_node.as_string_lit() {
                literal.replace_with(CstInputValue::String(command.to_owned()));
            }
        }
    }
    Ok(root.to_string())
}

/// The settings without our hooks; what only they needed goes too.
///
/// # Errors
/// `Invalid` for a text that is no object, or whose hooks have another shape.
pub fn uninstall(settings: &str) -> Result<String> {
    let root = parse(settings)?;
    let object = object(root.value(), "the file")?;
    let Some(property) = object.get("hooks") else { return Ok(settings.to_owned()) };
    let hooks = self::object(property.value(), "hooks")?;
    let mut removed = false;
    for event in hooks.properties() {
        let Some(entries) = event.array_value() else { continue };
        let ours = ours(&entries);
        let taken = ours.iter().filter(|(command, _)| take_out(command)).count();
        removed |= taken > 0;
        if taken > 0 && entries.elements().is_empty() {
            event.remove();
        }
    }
    if removed && hooks.properties().is_empty() {
        property.remove();
    }
    Ok(if removed { root.to_string() } else { settings.to_owned() })
}

/// The hooks of ours that are in the settings, and the command that they run.
///
/// # Errors
/// `Invalid` for a text that is no object.
pub fn installed(settings: &str) -> Result<Vec<(String, String)>> {
    let root = parse(settings)?;
    let object = object(root.value(), "the file")?;
    let Some(hooks) = object.object_value("hooks") else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for event in hooks.properties() {
        let (Some(name), Some(entries)) = (event.decoded_name(), event.array_value()) else { continue };
        if let Some((_, command)) = ours(&entries).into_iter().next() {
            found.push((name, command));
        }
    }
    Ok(found)
}

fn parse(settings: &str) -> Result<CstRootNode> {
    let refused = |what: String| Error::invalid(what).with_hint("mend it first; it was left as it is");
    if settings.trim().is_empty() {
        return Err(Error::invalid("the file is empty")
            .with_hint("write {} into it, or remove it, and run this again"));
    }
    if settings.starts_with('\u{feff}') {
        return Err(refused("the file begins with a byte order mark, which is no JSON".to_owned()));
    }
    // Comments and commas at the end are what some agents allow; anything looser would stay broken for them.
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let root =
        CstRootNode::parse(settings, &options).map_err(|cause| refused(format!("not JSON: {cause}")))?;
    // Of two keys of one name agents take the last, and an editor of texts the first.
    let hooks = root.object_value().and_then(|object| object.object_value("hooks"));
    for object in [root.object_value(), hooks].into_iter().flatten() {
        let mut names = HashSet::new();
        let mut all = object.properties().into_iter().filter_map(|property| property.decoded_name());
        if let Some(twice) = all.find(|name| !names.insert(name.clone())) {
            return Err(refused(format!("the key {twice:?} stands there twice")));
        }
    }
    Ok(root)
}

fn object(node: Option<CstNode>, what: &str) -> Result<CstObject> {
    node.and_then(|node| node.as_object()).ok_or_else(|| shape(what, "an object"))
}

fn array(node: Option<CstNode>, what: &str) -> Result<CstArray> {
    node.and_then(|node| node.as_array()).ok_or_else(|| shape(what, "a list"))
}

fn shape(what: &str, expected: &str) -> Error {
    Error::invalid(format!("{what} is not {expected}")).with_hint("mend it first; it was left as it is")
}

/// The texts of our commands under the entries of one event.
fn ours(entries: &CstArray) -> Vec<(CstNode, String)> {
    let mut found = Vec::new();
    for entry in entries.elements() {
        let handlers = entry.as_object().and_then(|entry| entry.array_value("hooks"));
        for handler in handlers.map(|handlers| handlers.elements()).unwrap_or_default() {
            let Some(command) = handler.as_object().and_then(|handler| handler.get("command")?.value())
            else {
                continue;
            };
            let text = command.as_string_lit().and_then(|literal| literal.decoded_value().ok());
            if let Some(text) = text.filter(|text| is_ours(text)) {
                found.push((command, text));
            }
        }
    }
    found
}

/// Whether a command is one that an installation of ours has written.
fn is_ours(command: &str) -> bool {
    let Some((program, rest)) = command.split_once(" hook --agent ") else { return false };
    let Some((agent, store)) = rest.split_once(" --store ") else { return false };
    let program = unquoted(program);
    let name = program.as_deref().and_then(|program| program.rsplit(['/', '\\']).next());
    name.is_some_and(|name| name.contains("factlog"))
        && agent.parse::<Agent>().is_ok()
        && unquoted(store).is_some_and(|store| is_url(&store))
}

/// Whether a text begins as the URL of a log of any kind.
fn is_url(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(kind, _)| !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// The one word that a shell makes of a text; none for anything that is more than a word.
pub fn unquoted(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        let pieces: Vec<&str> = inner.split(r"'\''").collect();
        return pieces.iter().all(|piece| !piece.contains('\'')).then(|| pieces.join("'"));
    }
    if let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return (!inner.contains('"')).then(|| inner.to_owned());
    }
    let is_word = |letter: char| !letter.is_whitespace() && !"'\"`$;&|<>()".contains(letter);
    (!text.is_empty() && text.chars().all(is_word)).then(|| text.to_owned())
}

/// Removes a handler, and the entry around it when it was the only one.
fn take_out(command: &CstNode) -> bool {
    // From the text up: its property, the handler, the list of handlers, that property, the entry.
    let mut objects = command.ancestors().filter_map(|node| node.as_object());
    let (Some(handler), Some(entry)) = (objects.next(), objects.next()) else { return false };
    let is_alone = entry.array_value("hooks").is_some_and(|handlers| handlers.elements().len() == 1);
    if is_alone {
        entry.remove();
    } else {
        handler.remove();
    }
    true
}

fn entry(agent: Agent, command: &str) -> CstInputValue {
    let text = |text: &str| CstInputValue::String(text.to_owned());
    let mut handler = vec![("type".to_owned(), text("command")), ("command".to_owned(), text(command))];
    // Gemini counts in thousandths.
    let timeout = if agent == Agent::Gemini { TIMEOUT_SECONDS * 1_000 } else { TIMEOUT_SECONDS };
    handler.push(("timeout".to_owned(), CstInputValue::Number(timeout.to_string())));
    let handlers = CstInputValue::Array(vec![CstInputValue::Object(handler)]);
    CstInputValue::Object(vec![("hooks".to_owned(), handlers)])
}
