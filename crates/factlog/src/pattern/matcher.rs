//! The matcher: events in, matches out, in one pass and bounded memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::Pattern;
use super::chain::{Atom, Chain};
use super::matched::{Match, MatchedStep, Matching};
use super::run::{Hits, Run, Taken, may_begin};
use crate::{Event, Position, Timestamp};

/// Beginnings that wait at once for what completes them; of more, the oldest is given up and counted.
pub const STARTS_MAX: usize = 100_000;
/// What is recorded this long after a beginning has run out is not waited for.
pub const LATE: Duration = Duration::from_secs(86_400);
/// An event that is recorded so long after it happened was taken in later, such as by an import: that something did not
/// follow it is then not told by the clock.
pub const TAKEN_IN_LATER: Duration = Duration::from_secs(3_600);
/// Types whose part in the pattern is remembered.
const TYPES_MAX: usize = 4_096;
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
    /// Everything that the pattern looks at, and where.
    atoms: Vec<Arc<Atom>>,
    places: Vec<Places>,
    /// Which atoms a type may be.
    types: HashMap<Arc<str>, Arc<[usize]>>,
    keys: HashMap<Option<Arc<str>>, Key>,
    starts: BTreeMap<u64, Start>,
    next_start: u64,
    /// When beginnings are given up by the clock.
    deadlines: BinaryHeap<Reverse<(Timestamp, u64)>>,
    counts: Matching,
    found: Vec<Match>,
}

/// Where in one chain its atoms stand: of steps, and of guards.
#[derive(Debug, Default)]
struct Places {
    /// By step, the atoms.
    steps: Vec<Vec<usize>>,
    /// By the number of steps taken, the atom of each guard.
    guards: Vec<Vec<usize>>,
    /// Where its lists begin among those of a key.
    lists: usize,
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
    key: Option<Arc<str>>,
    position: Position,
    time: Timestamp,
    runs: Vec<(usize, Run)>,
}

impl Matcher {
    /// A matcher that has seen nothing.
    pub fn new(pattern: &Pattern, order: Order) -> Self {
        let mut atoms: Vec<Arc<Atom>> = Vec::new();
        let mut place = |atom: &Arc<Atom>| {
            let known = atoms.iter().position(|known| Arc::ptr_eq(known, atom));
            known.unwrap_or_else(|| {
                atoms.push(Arc::clone(atom));
                atoms.len() - 1
            })
        };
        let mut lists = 0;
        let mut places = Vec::new();
        for chain in pattern.chains().iter() {
            let steps = chain.steps.iter().map(|step| step.atoms.iter().map(&mut place).collect()).collect();
            let guards = chain
                .guards
                .iter()
                .map(|guards| guards.iter().map(|guard| place(&guard.atom)).collect())
                .collect();
            places.push(Places { steps, guards, lists });
            lists += chain.steps.len() + 1;
        }
        Self {
            pattern: pattern.clone(),
            order,
            starts_max: STARTS_MAX,
            atoms,
            places,
            types: HashMap::new(),
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
        let may_be = self.may_be(event);
        let is_meant = |at: &usize| self.atoms[*at].is_of_type(event);
        let may_be: Vec<usize> = may_be.iter().copied().filter(is_meant).collect();
        if !may_be.is_empty() {
            match self.pattern.key().map(|key| key.of(event)) {
                Some(None) => self.counts.without_key += 1,
                key => self.look(event, key.flatten().map(Arc::from), &may_be),
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

    /// Which atoms an event of this type may be.
    fn may_be(&mut self, event: &Event) -> Arc<[usize]> {
        if let Some(known) = self.types.get(event.event_type.as_str()) {
            return Arc::clone(known);
        }
        let atoms = self.atoms.iter().enumerate();
        let may_be: Arc<[usize]> =
            atoms.filter(|(_, atom)| atom.may_be(&event.event_type)).map(|(at, _)| at).collect();
        if self.types.len() >= TYPES_MAX {
            self.types.clear();
        }
        self.types.insert(event.event_type.as_str().into(), Arc::clone(&may_be));
        may_be
    }

    fn look(&mut self, event: &Arc<Event>, key: Option<Arc<str>>, may_be: &[usize]) {
        self.give_up_by_key(key.as_ref(), event.time());
        let mut is_hit = vec![false; self.atoms.len()];
        for at in may_be {
            is_hit[*at] = self.atoms[*at].holds(event);
        }
        if !is_hit.contains(&true) {
            return;
        }
        let chains = self.pattern.chains();
        let hits: Vec<(Vec<bool>, Vec<Vec<bool>>)> = self
            .places
            .iter()
            .map(|places| {
                let steps = places.steps.iter().map(|atoms| atoms.iter().any(|at| is_hit[*at])).collect();
                let guards = places.guards.iter().map(|guards| guards.iter().map(|at| is_hit[*at]).collect());
                (steps, guards.collect())
            })
            .collect();
        self.go_on(event, key.as_ref(), &chains, &hits);
        self.begin(event, key, &chains, &hits);
    }

    /// Goes on with those beginnings that wait for such an event.
    fn go_on(
        &mut self,
        event: &Arc<Event>,
        key: Option<&Arc<str>>,
        chains: &[Chain],
        hits: &[(Vec<bool>, Vec<Vec<bool>>)],
    ) {
        let Some(tied) = self.keys.get_mut(&key.cloned()) else { return };
        let mut concerned: Vec<(u64, usize)> = Vec::new();
        // By chain, the numbers of steps whose lists are made anew.
        let mut emptied: Vec<u128> = vec![0; hits.len()];
        for (of_chain, (steps, guards)) in hits.iter().enumerate() {
            for (taken, guards) in guards.iter().enumerate().skip(1) {
                let is_concerned = steps.get(taken) == Some(&true) || guards.contains(&true);
                if is_concerned {
                    emptied[of_chain] |= 1 << taken;
                    let list = &mut tied.waiting[self.places[of_chain].lists + taken];
                    concerned.extend(std::mem::take(list).into_iter().map(|id| (id, of_chain)));
                }
            }
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
                let (steps, guards) = (&hits[of_chain].0[..], &hits[of_chain].1[..]);
                let (end, dropped) = run.advance(&Hits { chain, event, steps, guards });
                self.counts.dropped += dropped;
                if let Some(end) = end {
                    let found =
                        Match { steps: end.steps(chain), key: start.key.clone(), known_at: event.time() };
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
    fn begin(
        &mut self,
        event: &Arc<Event>,
        key: Option<Arc<str>>,
        chains: &[Chain],
        hits: &[(Vec<bool>, Vec<Vec<bool>>)],
    ) {
        let mut runs: Vec<(usize, Run)> = Vec::new();
        for (of_chain, chain) in chains.iter().enumerate().filter(|(of_chain, _)| hits[*of_chain].0[0]) {
            let first = Taken::first(event, chain.steps[0].is_kept);
            if !may_begin(chain, &first, event) {
                continue;
            }
            if chain.steps.len() == 1 && !chain.has_end_guard() {
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
        let lists = self.places.last().map_or(0, |places| places.lists + places.guards.len());
        let tied = self
            .keys
            .entry(key.clone())
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

    fn give_up_by_key(&mut self, key: Option<&Arc<str>>, time: Timestamp) {
        let key = key.cloned();
        loop {
            let Some(tied) = self.keys.get_mut(&key) else { return };
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
            Some(Match { steps, key: start.key.clone(), known_at })
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
        self.tidy(start.key.as_ref());
    }

    /// Forgets what only speaks of beginnings that have ended.
    fn tidy(&mut self, key: Option<&Arc<str>>) {
        let key = key.cloned();
        let starts = &self.starts;
        if let Some(tied) = self.keys.get_mut(&key) {
            if tied.open == 0 {
                self.keys.remove(&key);
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
