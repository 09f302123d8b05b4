//! The matcher: events in, matches out, in one pass and bounded memory.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::Pattern;
use super::chain::Chain;
use super::matched::{Match, MatchedStep, Matching};
use super::places::{Atoms, Hits, Places};
use super::run::{Run, Taken, may_begin};
use crate::{Event, Position, Timestamp};

/// Beginnings that wait at once for what completes them; of more, the oldest is given up and counted.
pub const STARTS_MAX: usize = 100_000;
/// What is recorded this long after a beginning has run out is not waited for.
pub const LATE: Duration = Duration::from_secs(86_400);
/// An event that is recorded so long after it happened was taken in later, such as by an import: that something did not
/// follow it is then not told by the clock.
pub const TAKEN_IN_LATER: Duration = Duration::from_secs(3_600);
/// Lists are looked through for what is no longer there once they are this much longer than they need to be.
const STALE_MAX: usize = 1_024;

/// In which order events are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As they stand in the log.
    #[default]
    Position,
    /// By the time when they happened, equal times by position: whoever hands them in has put them in that order.
    Time,
}

/// Finds a pattern in events that it is handed in order.
///
/// Every event that is a first step and is completed in time is one match, with the earliest events that complete it: of the
/// ways to complete it, the one that ends first, and of those the one whose events are the earliest, the last compared first.
/// Matches may share later events.
///
/// A beginning waits until an event of its key is more than `within` later than it, and no longer than a day past that by
/// the store's clock ([`LATE`]). That nothing has followed is told when an event of its key is more than `within` later, or the store's clock
/// is.
#[derive(Debug)]
pub struct Matcher {
    pattern: Pattern,
    order: Order,
    starts_max: usize,
    atoms: Atoms,
    places: Vec<Places>,
    /// What is tied together; all of it by one empty key where the pattern does not ask.
    keys: HashMap<Arc<str>, Key>,
    starts: BTreeMap<u64, Start>,
    next_start: u64,
    /// When beginnings are given up by the clock.
    deadlines: BinaryHeap<Reverse<(Timestamp, u64)>>,
    counts: Matching,
    found: Vec<Match>,
}

/// What is tied together by one key.
#[derive(Debug, Default)]
struct Key {
    /// Beginnings by chain and the number of steps that they have taken.
    waiting: Vec<Vec<u64>>,
    open: usize,
    deadlines: BinaryHeap<Reverse<(Timestamp, u64)>>,
}

/// A first step that waits.
#[derive(Debug)]
struct Start {
    key: Arc<str>,
    position: Position,
    time: Timestamp,
    runs: Vec<(usize, Run)>,
}

impl Matcher {
    /// A matcher that has seen nothing.
    pub fn new(pattern: &Pattern, order: Order) -> Self {
        let (atoms, places) = Atoms::of(&pattern.chains());
        Self {
            pattern: pattern.clone(),
            order,
            starts_max: STARTS_MAX,
            atoms,
            places,
            keys: HashMap::new(),
            starts: BTreeMap::new(),
            next_start: 0,
            deadlines: BinaryHeap::new(),
            counts: Matching::default(),
            found: Vec::new(),
        }
    }

    /// Keeps fewer beginnings open, or more.
    #[must_use]
    pub fn starts_max(mut self, starts_max: usize) -> Self {
        self.starts_max = starts_max.max(1);
        self
    }

    /// What was looked at so far.
    pub fn counts(&self) -> Matching {
        Matching { open: self.starts.len() as u64, ..self.counts }
    }

    /// The first event that still matters: what was before it needs not be looked at again to go on.
    pub fn oldest(&self) -> Option<Position> {
        self.starts.values().next().map(|start| start.position)
    }

    /// When something is to be told next because nothing came, by the clock.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.peek().map(|Reverse((at, _))| *at).filter(|_| self.pattern.ends_with_absence())
    }

    /// Looks at the next event, and gives the matches that it makes, the oldest beginning first.
    pub fn push(&mut self, event: &Arc<Event>) -> Vec<Match> {
        self.counts.events += 1;
        let clock = match self.order {
            Order::Position => event.recorded_at,
            Order::Time => event.time(),
        };
        self.give_up_by_clock(clock);
        if self.atoms.has_type(event) {
            match self.pattern.key().map_or(Some(Cow::Borrowed("")), |key| key.of(event)) {
                Some(key) => self.look(event, &key),
                None => self.counts.without_key += 1,
            }
        }
        std::mem::take(&mut self.found)
    }

    /// Says that the clock has come so far, and everything that was recorded until then was looked at.
    pub fn advance(&mut self, clock: Timestamp) -> Vec<Match> {
        self.give_up_by_clock(clock);
        std::mem::take(&mut self.found)
    }

    /// Says that nothing more will be looked at: what should have followed by this time has not.
    pub fn finish(&mut self, end: Timestamp) -> Vec<Match> {
        let over: Vec<u64> = self
            .starts
            .iter()
            .filter(|(_, start)| self.run_out_of(start).is_none_or(|at| at < end))
            .map(|(id, _)| *id)
            .collect();
        over.into_iter().for_each(|id| self.give_up(id));
        std::mem::take(&mut self.found)
    }

    /// When a beginning runs out by the times of its key's events.
    fn run_out_of(&self, start: &Start) -> Option<Timestamp> {
        self.pattern.span().map(|within| later(start.time, within))
    }

    fn look(&mut self, event: &Arc<Event>, key: &str) {
        self.give_up_by_key(key, event.time());
        if self.atoms.looks_like_any(event) {
            let chains = self.pattern.chains();
            self.go_on(event, key, &chains);
            self.begin(event, key, &chains);
        }
    }

    /// Goes on with those beginnings that wait for such an event.
    fn go_on(&mut self, event: &Arc<Event>, key: &str, chains: &[Chain]) {
        let Some(tied) = self.keys.get_mut(key) else { return };
        let mut concerned: Vec<(u64, usize)> = Vec::new();
        // By chain, the numbers of steps whose lists are made anew.
        let mut emptied: Vec<u128> = Vec::new();
        for (of_chain, places) in self.places.iter().enumerate() {
            let mut bits = 0;
            for taken in places.steps_taken().filter(|taken| places.concerns(*taken, &self.atoms)) {
                bits |= 1 << taken;
                let list = std::mem::take(&mut tied.waiting[places.lists + taken]);
                concerned.extend(list.into_iter().map(|id| (id, of_chain)));
            }
            emptied.push(bits);
        }
        if concerned.is_empty() {
            return;
        }
        // The oldest first; one that has two numbers of steps to go on from is looked at once.
        concerned.sort_unstable();
        concerned.dedup();
        let mut completed: BTreeMap<u64, Match> = BTreeMap::new();
        for (id, of_chain) in concerned {
            let Some(start) = self.starts.get_mut(&id) else { continue };
            let Some((_, run)) = start.runs.iter_mut().find(|(chain, _)| *chain == of_chain) else {
                continue;
            };
            let chain = &chains[of_chain];
            let before = run.taken();
            if is_in_reach(start.time, event.time(), self.pattern.span()) {
                let (places, atoms) = (&self.places[of_chain], &self.atoms);
                let (end, dropped) = run.advance(&Hits { chain, event, places, atoms });
                self.counts.dropped += dropped;
                if let Some(end) = end {
                    let key = told(&self.pattern, &start.key);
                    let found = Match { steps: end.steps(chain), key, known_at: event.time() };
                    let earlier =
                        completed.get(&id).is_none_or(|other| is_earlier(self.order, &found, other));
                    if earlier {
                        completed.insert(id, found);
                    }
                }
            }
            let lists = self.places[of_chain].lists;
            let unlisted = run.taken() & (emptied[of_chain] | !before);
            for taken in (1..=chain.steps.len()).filter(|taken| unlisted & (1 << taken) != 0) {
                tied.waiting[lists + taken].push(id);
            }
            if run.slots.is_empty() {
                start.runs.retain(|(chain, _)| *chain != of_chain);
            }
            if start.runs.is_empty() && !completed.contains_key(&id) {
                self.starts.remove(&id);
                tied.open -= 1;
            }
        }
        for (id, found) in completed {
            self.starts.remove(&id);
            tied.open -= 1;
            self.counts.matches += 1;
            self.found.push(found);
        }
        self.tidy(key);
    }

    /// Begins with an event that is a first step.
    fn begin(&mut self, event: &Arc<Event>, key: &str, chains: &[Chain]) {
        let mut runs: Vec<(usize, Run)> = Vec::new();
        let begins = |of_chain: &usize| self.places[*of_chain].is_step(0, &self.atoms);
        for (of_chain, chain) in chains.iter().enumerate().filter(|(of_chain, _)| begins(of_chain)) {
            let first = Taken::first(event, chain.steps[0].is_kept);
            if !may_begin(chain, &first, event) {
                continue;
            }
            if chain.steps.len() == 1 && !chain.has_end_guard() {
                let key = told(&self.pattern, &key.into());
                self.counts.matches += 1;
                self.found.push(Match { steps: first.steps(chain), key, known_at: event.time() });
                return;
            }
            runs.push((of_chain, Run::begun(first)));
        }
        if runs.is_empty() {
            return;
        }
        let id = self.next_start;
        self.next_start += 1;
        let key: Arc<str> =
            self.keys.get_key_value(key).map_or_else(|| key.into(), |(known, _)| Arc::clone(known));
        let lists = self.places.last().map_or(0, Places::lists_end);
        let tied = self
            .keys
            .entry(Arc::clone(&key))
            .or_insert_with(|| Key { waiting: vec![Vec::new(); lists], ..Key::default() });
        tied.open += 1;
        for (of_chain, _) in &runs {
            tied.waiting[self.places[*of_chain].lists + 1].push(id);
        }
        let start = Start { key, position: event.position, time: event.time(), runs };
        if let Some(within) = self.pattern.span() {
            if self.order == Order::Position {
                tied.deadlines.push(Reverse((later(start.time, within), id)));
            }
            self.deadlines.push(Reverse((self.given_up_at(event, within), id)));
        }
        self.starts.insert(id, start);
        if self.starts.len() > self.starts_max
            && let Some((_, start)) = self.starts.pop_first()
        {
            self.counts.dropped += 1;
            self.ended(&start);
        }
    }

    /// When the clock gives a beginning up.
    fn given_up_at(&self, event: &Event, within: Duration) -> Timestamp {
        if self.order == Order::Time {
            return later(event.time(), within);
        }
        let lag = event.recorded_at.as_micros() - event.time().as_micros();
        let is_told_by_clock = self.pattern.ends_with_absence() && lag <= TAKEN_IN_LATER.as_micros() as i64;
        let run_out = later(event.recorded_at, within);
        if is_told_by_clock { run_out } else { later(run_out, LATE) }
    }

    fn give_up_by_clock(&mut self, clock: Timestamp) {
        while let Some(Reverse((at, id))) = self.deadlines.peek().copied()
            && at < clock
        {
            self.deadlines.pop();
            self.give_up(id);
        }
    }

    fn give_up_by_key(&mut self, key: &str, time: Timestamp) {
        loop {
            let Some(tied) = self.keys.get_mut(key) else { return };
            match tied.deadlines.peek() {
                Some(Reverse((at, _))) if *at < time => {}
                _ => return,
            }
            let Some(Reverse((_, id))) = tied.deadlines.pop() else { return };
            self.give_up(id);
        }
    }

    /// Ends a beginning: nothing that it waits for has come, which may be what was asked for.
    fn give_up(&mut self, id: u64) {
        let Some(start) = self.starts.remove(&id) else { return };
        let chains = self.pattern.chains();
        let known_at = self.pattern.span().map(|within| later(start.time, within));
        let complete = start.runs.iter().filter_map(|(of_chain, run)| {
            let chain = &chains[*of_chain];
            let steps = run.complete(chain).filter(|_| chain.has_end_guard())?.steps(chain);
            let known_at = known_at.or(steps.last().map(|step| step.time)).unwrap_or(start.time);
            Some(Match { steps, key: told(&self.pattern, &start.key), known_at })
        });
        if let Some(found) = complete.reduce(|a, b| if is_earlier(self.order, &b, &a) { b } else { a }) {
            self.counts.matches += 1;
            self.found.push(found);
        }
        self.ended(&start);
    }

    /// One beginning less.
    fn ended(&mut self, start: &Start) {
        if let Some(tied) = self.keys.get_mut(&start.key) {
            tied.open -= 1;
        }
        self.tidy(&start.key);
    }

    /// Forgets what only speaks of beginnings that have ended.
    fn tidy(&mut self, key: &str) {
        let starts = &self.starts;
        if let Some(tied) = self.keys.get_mut(key) {
            if tied.open == 0 {
                self.keys.remove(key);
            } else {
                let most = 2 * tied.open + STALE_MAX;
                for list in tied.waiting.iter_mut().filter(|list| list.len() > most) {
                    list.retain(|id| starts.contains_key(id));
                }
                if tied.deadlines.len() > most {
                    tied.deadlines.retain(|Reverse((_, id))| starts.contains_key(id));
                }
            }
        }
        if self.deadlines.len() > 2 * starts.len() + STALE_MAX {
            self.deadlines.retain(|Reverse((_, id))| starts.contains_key(id));
        }
    }
}

/// The key that a match tells: none where the pattern does not ask.
fn told(pattern: &Pattern, key: &Arc<str>) -> Option<Arc<str>> {
    pattern.key().map(|_| Arc::clone(key))
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.plus_ms(by.as_millis() as u64)
}

/// Whether an event is near enough to a beginning, before it or after.
fn is_in_reach(start: Timestamp, time: Timestamp, within: Option<Duration>) -> bool {
    within.is_none_or(|within| {
        start.as_micros().abs_diff(time.as_micros()) <= u64::try_from(within.as_micros()).unwrap_or(u64::MAX)
    })
}

/// Of two ways to complete the same beginning, the one whose events are the earlier ones, the last compared first.
fn is_earlier(order: Order, one: &Match, other: &Match) -> bool {
    let place = |step: &MatchedStep| (Some(step.time).filter(|_| order == Order::Time), step.position);
    let backwards = |found: &Match| found.steps.iter().rev().map(place).collect::<Vec<_>>();
    backwards(one) < backwards(other)
}
