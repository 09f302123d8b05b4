//! One beginning of a pattern on one of its ways: what was taken so far.

use std::sync::Arc;

use super::chain::{Atom, Chain, Check, Guard};
use super::matched::MatchedStep;
use super::places::Hits;
use crate::{Event, EventType, Position, Scope, Timestamp};

/// Different ways on that one beginning keeps, where later steps depend on which it was.
const ALTERNATIVES_MAX: usize = 64;

/// Events that were taken, the last one first.
#[derive(Debug)]
pub(super) struct Taken {
    position: Position,
    time: Timestamp,
    event_type: EventType,
    /// The event, where something speaks of it.
    event: Option<Arc<Event>>,
    before: Option<Arc<Taken>>,
}

impl Taken {
    pub(super) fn first(event: &Arc<Event>, is_kept: bool) -> Arc<Self> {
        Self::next(None, event, is_kept)
    }

    fn next(before: Option<Arc<Self>>, event: &Arc<Event>, is_kept: bool) -> Arc<Self> {
        let kept = is_kept.then(|| Arc::clone(event));
        let (position, event_type) = (event.position, event.event_type.clone());
        Arc::new(Self { position, time: event.time(), event_type, event: kept, before })
    }

    fn all(self: &Arc<Self>) -> Vec<&Arc<Self>> {
        let mut all: Vec<&Arc<Self>> =
            std::iter::successors(Some(self), |taken| taken.before.as_ref()).collect();
        all.reverse();
        all
    }

    /// The steps of a match.
    pub(super) fn steps(self: &Arc<Self>, chain: &Chain) -> Vec<MatchedStep> {
        let taken = self.all().into_iter().zip(&chain.steps);
        taken
            .map(|(taken, step)| MatchedStep {
                name: step.name.clone(),
                position: taken.position,
                event_type: taken.event_type.clone(),
                time: taken.time,
            })
            .collect()
    }
}

/// A beginning on one chain.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// How many steps were taken, and which events: in that order; more than one of a number only where a later step
    /// depends on it.
    pub(super) slots: Vec<(usize, Arc<Taken>)>,
}

impl Run {
    pub(super) fn begun(first: Arc<Taken>) -> Self {
        Self { slots: vec![(1, first)] }
    }

    /// Goes on with an event: what completes the chain, and how many ways on were given up for want of room.
    pub(super) fn advance(&mut self, hits: &Hits<'_>) -> (Option<Arc<Taken>>, u64) {
        let chain = hits.chain;
        let count = chain.steps.len();
        let mut kept: Vec<(usize, Arc<Taken>)> = Vec::new();
        let mut gone_on: Vec<(usize, Arc<Taken>)> = Vec::new();
        for (taken, link) in std::mem::take(&mut self.slots) {
            let mut excluded_by = chain.guards[taken]
                .iter()
                .zip(hits.guards(taken))
                .filter(|(guard, is_hit)| *is_hit && excludes(guard, &link, hits.event))
                .map(|(guard, _)| guard)
                .peekable();
            let is_ended = excluded_by.peek().is_some();
            let may_go_on = hits.is_step(taken) && !excluded_by.any(|guard| guard.is_step_too);
            let next = may_go_on.then(|| follow(chain, taken, &link, hits.event)).flatten();
            let has_gone_on = next.is_some();
            gone_on.extend(next.map(|next| (taken + 1, next)));
            if !is_ended && (!has_gone_on || chain.may_fall_back) {
                kept.push((taken, link));
            }
        }
        let mut dropped = 0;
        let mut completed = None;
        for (taken, link) in gone_on {
            if taken == count && !chain.has_end_guard() {
                completed = completed.or(Some(link));
            } else if !chain.has_alternatives && kept.iter().any(|(other, _)| *other == taken) {
                // The earlier events serve as well.
            } else if kept.len() >= ALTERNATIVES_MAX + count {
                dropped += 1;
            } else {
                kept.push((taken, link));
            }
        }
        kept.sort_by_key(|(taken, _)| *taken);
        self.slots = kept;
        (completed, dropped)
    }

    /// The numbers of steps that were taken, a bit each.
    pub(super) fn taken(&self) -> u128 {
        self.slots.iter().fold(0, |bits, (taken, _)| bits | 1 << taken)
    }

    /// What is complete unless something else comes.
    pub(super) fn complete(&self, chain: &Chain) -> Option<&Arc<Taken>> {
        let count = chain.steps.len();
        self.slots.iter().find(|(taken, _)| *taken == count).map(|(_, link)| link)
    }
}

/// The way on by an event that could be the next step.
fn follow(chain: &Chain, taken: usize, link: &Arc<Taken>, event: &Arc<Event>) -> Option<Arc<Taken>> {
    let step = &chain.steps[taken];
    let next = Taken::next(Some(Arc::clone(link)), event, step.is_kept);
    let is_next = step.checks.is_empty() || {
        let all = next.all();
        step.checks.iter().all(|check| holds(check, &all, event))
    };
    is_next.then_some(next)
}

/// Whether what speaks of no other step holds for the first one.
pub(super) fn may_begin(chain: &Chain, first: &Arc<Taken>, event: &Arc<Event>) -> bool {
    chain.steps[0].checks.iter().all(|check| holds(check, &[first], event))
}

fn excludes(guard: &Guard, link: &Arc<Taken>, event: &Arc<Event>) -> bool {
    guard.check.as_ref().is_none_or(|check| holds(check, &link.all(), event))
}

fn holds(check: &Check, all: &[&Arc<Taken>], event: &Arc<Event>) -> bool {
    let of = |at: usize| all.get(at).and_then(|taken| taken.event.as_deref());
    let own = match check.own {
        None => Some(&**event),
        Some(at) => of(at),
    };
    let Some(own) = own else { return false };
    let mut scope = Scope::asked_for(&check.condition, own);
    for (name, at) in &check.names {
        let Some(named) = of(*at) else { return false };
        scope = scope.with_event(name, named);
    }
    check.condition.holds_in(&scope)
}

impl Atom {
    /// Whether an event is of these types.
    pub(super) fn is_of_type(&self, event: &Event) -> bool {
        self.types.iter().any(|pattern| pattern.means(event))
    }

    /// Whether its condition holds for an event of these types.
    pub(super) fn holds(&self, event: &Event) -> bool {
        self.condition.as_ref().is_none_or(|condition| condition.holds(event))
    }

    pub(super) fn may_be(&self, event_type: &str) -> bool {
        self.types.iter().any(|pattern| pattern.matches(event_type))
    }
}
