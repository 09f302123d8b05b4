//! What must hold of messages and tasks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use factlog::Event;

use super::check_broadcasts;
use super::history::{ATTEMPTS_MAX, History, Told, data, history, text};
use super::plan::{AGENTS, Does, Planned, QUEUE, agent};
use super::witness::{self, Line};

/// What came of it, for people.
#[derive(Debug, Default)]
#[expect(dead_code, reason = "they are shown")]
pub(super) struct Figures {
    messages: usize,
    /// Those of them that are for all, each of which is one for everybody below.
    broadcasts: usize,
    acked: usize,
    expired: usize,
    dead: usize,
    /// Dead letters that would have gone well, had their agents lived: each of their attempts was begun with.
    dead_by_kills: usize,
    /// Messages that more than one run was given.
    redelivered: usize,
    handled_again_after_a_kill: usize,
    void_offers: usize,
}

/// How often something was begun with, and handled.
#[derive(Debug, Clone, Copy, Default)]
struct Done {
    begun: usize,
    handled: usize,
}

pub(super) fn messages(events: &[&Event], planned: &[Planned], folder: &Path) -> Figures {
    let history = history(events);
    let (each, broadcasts) = check_broadcasts::for_each(events, planned);
    let mut figures = Figures { messages: planned.len(), broadcasts, ..Figures::default() };
    let lines: BTreeMap<String, Vec<Line>> =
        (0..AGENTS).map(agent).map(|agent| (agent.clone(), witness::read(folder, &agent))).collect();
    let mut done: HashMap<(&str, &str), Done> = HashMap::new();
    for line in lines.values().flatten() {
        let done = done.entry((&line.place, &line.id)).or_default();
        done.begun += usize::from(line.what == "begin");
        done.handled += usize::from(line.what == "ok");
    }
    let mut known = BTreeSet::new();
    for one in &each {
        let key = (one.inbox.clone(), one.id.clone());
        let told = history.get(&key).unwrap_or_else(|| panic!("{key:?} was lost before it was queued"));
        let done = done.get(&(one.inbox.as_str(), one.id.as_str())).copied().unwrap_or_default();
        end_of(one, told, done, &mut figures);
        known.insert(key);
    }
    // What is asked is checked with its answers.
    let is_planned = |key: &(String, String), told: &Told| {
        known.contains(key) || told.from == "log" || told.kind == "request"
    };
    assert!(history.iter().all(|(key, told)| is_planned(key, told)), "nothing came from nowhere");
    tasks_are_completed_once(events, &history);
    for lines in lines.values() {
        each_once_in_a_run(lines, &history);
        in_order(lines, &history);
    }
    figures
}

/// It was stored once, and acknowledged, expired, or a dead letter with a reason; and that is how it was.
fn end_of(one: &Planned, told: &Told, done: Done, figures: &mut Figures) {
    assert_eq!(told.times_queued, 1, "{one:?} was queued once");
    assert_eq!((told.from.as_str(), told.priority.as_str()), (one.from.as_str(), one.priority.as_str()));
    figures.redelivered += usize::from(told.runs().len() > 1);
    figures.handled_again_after_a_kill += usize::from(done.handled > 1);
    figures.void_offers += told.void_offers;
    match &told.end {
        Some(end) if end.how == "acked" => {
            assert!(done.handled > 0, "{one:?} is acknowledged and was never handled");
            assert_ne!(one.does, Does::FailsAlways, "{one:?} cannot have gone well");
            figures.acked += 1;
        }
        Some(end) if end.how == "dead" => {
            assert!(!end.reason.is_empty(), "{one:?} is dead for no reason");
            figures.dead += 1;
            if one.does != Does::FailsAlways {
                died_of_its_attempts(one, told, done);
                figures.dead_by_kills += 1;
            }
        }
        _ => {
            assert!(one.ttl.is_some(), "{one:?} was lost: {told:?}");
            figures.expired += 1;
        }
    }
}

/// What would have gone well is dead only because its agent was killed each time when it was at it. The first time counts
/// whether the run begins or not, and a kill may once come between what the log is told of a beginning and the beginning.
fn died_of_its_attempts(one: &Planned, told: &Told, done: Done) {
    assert_eq!(told.attempts, ATTEMPTS_MAX, "{one:?} was given up too early, or too late: {told:?}");
    assert!(done.begun + 2 >= told.attempts, "{one:?} is dead, and only {done:?}: {told:?}");
}

fn tasks_are_completed_once(events: &[&Event], history: &History) {
    let mut completed = BTreeSet::new();
    for event in events.iter().filter(|event| event.event_type.as_str() == "task:completed") {
        let id = text(&data(event), "id");
        let id = if id.is_empty() { text(&data(event), "taskId") } else { id };
        assert!(history.contains_key(&(QUEUE.to_owned(), id.clone())), "{id:?} is a task");
        assert!(completed.insert(id.clone()), "{id} was completed twice");
    }
    for ((inbox, id), told) in history.iter().filter(|(_, told)| told.kind == "task") {
        let is_acked = told.end.as_ref().is_some_and(|end| end.how == "acked");
        assert!(!is_acked || completed.contains(id), "{id} in {inbox} is acknowledged and not completed");
    }
}

/// A run begins with a message as often as the log gave it to it and no more, never while it is at it, and never after it
/// has handled it.
fn each_once_in_a_run(lines: &[Line], history: &History) {
    let mut begun: HashMap<(&str, &str, &str), (usize, &str)> = HashMap::new();
    for line in lines.iter().filter(|line| ["begin", "ok", "fail"].contains(&line.what.as_str())) {
        let told = &history[&(line.place.clone(), line.id.clone())];
        let (count, last) = begun.entry((&line.context, &line.place, &line.id)).or_insert((0, "fail"));
        if line.what == "begin" {
            assert_eq!(*last, "fail", "{line:?}: it came into the same run again: {told:?}");
            *count += 1;
            let given = told.given.get(&line.context).map(Vec::as_slice).unwrap_or_default();
            assert!(*count <= given.len(), "{line:?} is its begin number {count}: {told:?}");
            let is_told_right = line.attempt.is_none_or(|attempt| given.contains(&attempt));
            assert!(is_told_right, "{line:?}: what no run had begun with is no attempt: {told:?}");
        }
        *last = &line.what;
    }
}

/// A message begins only after all that came before it from the same sender, with the same priority, is done with.
fn in_order(lines: &[Line], history: &History) {
    #[expect(clippy::type_complexity, reason = "it is used here alone")]
    let mut lanes: BTreeMap<(&str, &str), Vec<(u64, &str, &Told)>> = BTreeMap::new();
    let Some(agent) = lines.first().map(|line| line.agent.as_str()) else { return };
    let is_in_lane = |inbox: &String, told: &Told| inbox == agent && told.is_in_order();
    for ((_, id), told) in history.iter().filter(|((inbox, _), told)| is_in_lane(inbox, told)) {
        lanes.entry((&told.from, &told.priority)).or_default().push((told.position, id, told));
    }
    lanes.values_mut().for_each(|lane| lane.sort_by_key(|(position, ..)| *position));
    let mut handled: BTreeSet<&str> = BTreeSet::new();
    for line in lines.iter().filter(|line| line.place == agent) {
        if line.what == "ok" {
            handled.insert(&line.id);
        }
        let told = &history[&(agent.to_owned(), line.id.clone())];
        if line.what != "begin" || !told.is_in_order() {
            continue;
        }
        let lane = &lanes[&(told.from.as_str(), told.priority.as_str())];
        for (_, earlier, of_it) in lane.iter().take_while(|(position, ..)| *position < told.position) {
            let is_done = handled.contains(earlier) || of_it.is_over(line.at);
            assert!(is_done || of_it.from == "log", "{line:?} came before {earlier}: {of_it:?}");
        }
    }
}
