//! Which display lines repeat what the model's view of the same file tells.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::kind;
use super::line::{Item, Line, View};

/// Facts of one file that are remembered; display lines about further ones are recorded, not left out.
const FACTS_MAX: usize = 1_000_000;

/// What a fact is about.
#[derive(Clone, Copy, Hash)]
enum About {
    /// What a person said.
    Said,
    /// What the model replied.
    Replied,
    /// What the model thought.
    Thought,
    /// A message by its id.
    Message,
    /// That a tool was called.
    Call,
    /// What a tool gave.
    Result,
    /// That the conversation was made shorter.
    Compaction,
}

/// How often the model's view tells each fact, and how often each kind of display line has repeated it.
///
/// A fact is known by the hash of its call's id or its text. It is counted, because a person may say the same twice:
/// a display line is a repetition only while there are more facts than repetitions of its kind.
#[derive(Default)]
pub(super) struct Pairs {
    hasher: RandomState,
    told: HashMap<u64, u32>,
    repeated: HashMap<u64, u32>,
}

impl Pairs {
    /// Remembers what a line of the model's view tells.
    pub(super) fn tell(&mut self, line: &Line<'_>) {
        for (about, name) in told(line) {
            let fact = self.hasher.hash_one((about, name));
            if self.told.len() < FACTS_MAX || self.told.contains_key(&fact) {
                *self.told.entry(fact).or_default() += 1;
            }
        }
    }

    /// Whether a line only repeats what the model's view tells; each fact is repeated once by each kind of line.
    pub(super) fn repeat(&mut self, line: &Line<'_>) -> bool {
        for (about, name) in shown(line) {
            let fact = self.hasher.hash_one((about, name));
            let Some(&told) = self.told.get(&fact) else { continue };
            let by_kind = self.hasher.hash_one((fact, &line.kind));
            if self.repeated.len() >= FACTS_MAX && !self.repeated.contains_key(&by_kind) {
                return false;
            }
            let repeated = self.repeated.entry(by_kind).or_default();
            if *repeated >= told {
                return false;
            }
            *repeated += 1;
            return true;
        }
        false
    }
}

/// The facts that a line of the model's view tells.
fn told(line: &Line<'_>) -> Vec<(About, String)> {
    let item = &line.item;
    match (line.view, line.kind.as_deref()) {
        (View::Frame, Some("compacted")) => vec![(About::Compaction, String::new())],
        (View::Model, Some("message")) => match item.role().as_deref() {
            Some("user") => of_message(About::Said, item),
            Some("assistant") => of_message(About::Replied, item),
            _ => Vec::new(),
        },
        (View::Model, Some("reasoning")) => of_message(About::Thought, item),
        // Their one record is the call and its result.
        (View::Model, Some("web_search_call" | "image_generation_call")) => line
            .call()
            .map(|call| vec![(About::Call, call.clone()), (About::Result, call)])
            .unwrap_or_default(),
        (View::Model, Some(kind)) if kind.ends_with("_call") => of_call(About::Call, line),
        (View::Model, Some(kind)) if kind.ends_with("_output") => of_call(About::Result, line),
        _ => Vec::new(),
    }
}

/// The facts that a display line may repeat, the surest first.
fn shown(line: &Line<'_>) -> Vec<(About, String)> {
    let (View::Display, Some(kind)) = (line.view, line.kind.as_deref()) else { return Vec::new() };
    match kind {
        "user_message" => of_text(About::Said, &line.item),
        "agent_message" => of_text(About::Replied, &line.item),
        "agent_reasoning" | "agent_reasoning_raw_content" => of_text(About::Thought, &line.item),
        "context_compacted" => vec![(About::Compaction, String::new())],
        "item_completed" => match line.item.inner() {
            Some(item) => of_completed(&item),
            None => Vec::new(),
        },
        _ if kind::is_tool_end(kind) => of_call(About::Result, line),
        _ if kind::is_tool_begin(kind) => of_call(About::Call, line),
        _ => Vec::new(),
    }
}

fn of_completed(item: &Item<'_>) -> Vec<(About, String)> {
    let about = match item.kind().as_deref() {
        Some("UserMessage") => About::Said,
        Some("AgentMessage") => About::Replied,
        Some("Reasoning") => About::Thought,
        Some("Plan") => return Vec::new(),
        _ => return item.id().map(|id| (About::Result, id)).into_iter().collect(),
    };
    let by_id = item.id().map(|id| (About::Message, id));
    by_id.into_iter().chain(of_text(about, item)).collect()
}

fn of_call(about: About, line: &Line<'_>) -> Vec<(About, String)> {
    line.call().map(|call| (about, call)).into_iter().collect()
}

/// A message is known by its id, by its whole text and by each of its parts: display lines may show one part each.
fn of_message(about: About, item: &Item<'_>) -> Vec<(About, String)> {
    let mut names = item.texts();
    if names.len() > 1 {
        names.push(names.concat());
    }
    names.sort_unstable();
    names.dedup();
    let by_id = item.id().map(|id| (About::Message, id));
    names.into_iter().map(|name| (about, name)).chain(by_id).collect()
}

fn of_text(about: About, item: &Item<'_>) -> Vec<(About, String)> {
    let text = item.texts().concat();
    if text.is_empty() { Vec::new() } else { vec![(about, text)] }
}
