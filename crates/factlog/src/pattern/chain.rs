//! A pattern as the ways in which it can come: each is a chain of steps, with what must not come between them.

use std::sync::Arc;

use super::grammar::{Follows, Node, Step};
use super::{PATTERN_EXCLUSIONS_MAX, PATTERN_STEPS_MAX, PATTERN_WAYS_MAX};
use crate::{Error, Expression, Result, TypePattern};

/// One way in which a pattern can come.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    pub(super) steps: Vec<ChainStep>,
    /// What must not come, by the number of steps that were taken: none before the first; the last is that of the end.
    pub(super) guards: Vec<Vec<Guard>>,
    /// Whether what was taken may have to be taken back because of what comes later.
    pub(super) may_fall_back: bool,
    /// Whether a later step depends on which event a step in the middle was.
    pub(super) has_alternatives: bool,
}

#[derive(Debug, Clone)]
pub(super) struct ChainStep {
    pub(super) name: Option<Arc<str>>,
    /// One of these.
    pub(super) atoms: Vec<Arc<Atom>>,
    /// What can be asked once this step is taken.
    pub(super) checks: Vec<Check>,
    /// Whether the event itself is needed later.
    pub(super) is_kept: bool,
}

/// An event of some types, with a condition that asks for nothing else.
#[derive(Debug)]
pub(super) struct Atom {
    pub(super) types: Vec<TypePattern>,
    pub(super) condition: Option<Expression>,
}

/// A condition that speaks of other steps.
#[derive(Debug, Clone)]
pub(super) struct Check {
    pub(super) condition: Expression,
    /// The step whose condition it is; of a guard, none: it is the event that is looked at.
    pub(super) own: Option<usize>,
    /// Steps by their names.
    pub(super) names: Vec<(Arc<str>, usize)>,
}

/// What must not come.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) atom: Arc<Atom>,
    pub(super) check: Option<Check>,
    /// Whether the event that is the next step must not be it either.
    pub(super) is_step_too: bool,
}

impl Chain {
    /// Whether it ends with what must not come.
    pub(super) fn has_end_guard(&self) -> bool {
        self.guards.last().is_some_and(|guards| !guards.is_empty())
    }

    /// Everything that it looks at.
    pub(super) fn atoms(&self) -> impl Iterator<Item = &Arc<Atom>> {
        let steps = self.steps.iter().flat_map(|step| &step.atoms);
        steps.chain(self.guards.iter().flatten().map(|guard| &guard.atom))
    }
}

/// The ways in which a pattern can come.
pub(super) fn chains(node: &Node, names_of: &dyn Fn(&TypePattern) -> Vec<TypePattern>) -> Result<Vec<Chain>> {
    let mut declared = Vec::new();
    declare(node, &mut declared)?;
    known_names(node, &declared)?;
    let ways = Ways { names_of, declared: &declared }.of(node)?;
    ways.iter().map(|way| link(way, &declared)).collect()
}

fn not_there(name: &str) -> Error {
    Error::invalid(format!("a condition speaks of {name}, and there is a way without that step")).with_hint(
        "beside an `or`, write each way whole: (f: a followed by c[data.n == f.data.n]) or (b followed by c)",
    )
}

/// Refuses a condition that speaks of what there is not: it would never hold.
fn known_names(node: &Node, declared: &[Arc<str>]) -> Result<()> {
    match node {
        Node::Step(step) => {
            let known: Vec<&str> =
                ["data", "event"].into_iter().chain(declared.iter().map(|name| &**name)).collect();
            let unknown = step.condition.as_ref().and_then(|condition| condition.unknown_name(&known));
            match unknown {
                None => Ok(()),
                Some(name) => Err(Error::invalid(format!("a condition speaks of {name}, and there is no such step"))
                    .with_hint("it sees data, event, and steps with a name, a colon and a space before their type: f: task:failed")),
            }
        }
        Node::Sequence(first, more) => {
            known_names(first, declared)?;
            more.iter().try_for_each(|(_, node)| known_names(node, declared))
        }
        Node::And(all) | Node::Or(all) => all.iter().try_for_each(|node| known_names(node, declared)),
        Node::Times(node, _) => known_names(node, declared),
    }
}

/// The names of steps.
fn declare(node: &Node, names: &mut Vec<Arc<str>>) -> Result<()> {
    match node {
        Node::Step(Step { name: Some(name), .. }) => {
            if matches!(name.as_str(), "data" | "event") {
                return Err(Error::invalid(format!(
                    "a step cannot be named {name}: conditions see that of the event itself"
                )));
            }
            if names.iter().any(|known| **known == **name) {
                return Err(Error::invalid(format!("two steps of the pattern are named {name}")));
            }
            names.push(name.as_str().into());
            Ok(())
        }
        Node::Step(_) => Ok(()),
        Node::Sequence(first, more) => {
            declare(first, names)?;
            more.iter().try_for_each(|(_, node)| declare(node, names))
        }
        Node::And(all) | Node::Or(all) => all.iter().try_for_each(|node| declare(node, names)),
        Node::Times(node, _) => declare(node, names),
    }
}

/// A way before its conditions are linked to the steps that they speak of.
#[derive(Debug, Clone, Default)]
struct Way {
    steps: Vec<WayStep>,
    /// What must not come after the last step.
    after: Vec<Excluded>,
}

#[derive(Debug, Clone)]
struct WayStep {
    name: Option<Arc<str>>,
    any_of: Vec<Arc<Atom>>,
    /// A condition that speaks of steps.
    condition: Option<Expression>,
    /// What must not come before it, after the step before.
    before: Vec<Excluded>,
}

/// What must not come, with a condition that speaks of steps.
#[derive(Debug, Clone)]
struct Excluded {
    atom: Arc<Atom>,
    condition: Option<Expression>,
    /// Whether the step must not be it either: it is one of another side, in the midst of the side that excludes.
    is_step_too: bool,
}

/// What a side of `and` excludes, for a step of the other side in its midst.
fn across(before: &[Excluded]) -> impl Iterator<Item = Excluded> {
    before.iter().cloned().map(|excluded| Excluded { is_step_too: true, ..excluded })
}

/// Each event that is written in the pattern is one atom, however often the ways have it.
struct Ways<'a> {
    names_of: &'a dyn Fn(&TypePattern) -> Vec<TypePattern>,
    declared: &'a [Arc<str>],
}

impl Ways<'_> {
    fn of(&self, node: &Node) -> Result<Vec<Way>> {
        match node {
            Node::Step(step) => Ok(vec![self.one(step)]),
            Node::Sequence(first, more) => self.sequence(first, more),
            Node::Or(all) => {
                let ways: Vec<Vec<Way>> = all.iter().map(|node| self.of(node)).collect::<Result<_>>()?;
                bounded(merged(ways.concat()))
            }
            Node::And(all) => {
                let mut ways = vec![Way::default()];
                for node in all {
                    ways = product(&ways, &self.of(node)?, interleaved)?;
                }
                Ok(ways)
            }
            Node::Times(node, count) => {
                let once = self.of(node)?;
                let again: Vec<Way> = once.iter().map(without_names).collect();
                let mut ways = once;
                for _ in 1..*count {
                    ways = product(&ways, &again, |a, b| Ok(vec![behind(a, b)]))?;
                }
                Ok(ways)
            }
        }
    }

    fn one(&self, step: &Step) -> Way {
        let (atom, condition) = self.atom(step);
        let name = step.name.as_deref().map(Arc::from);
        let step = WayStep { name, any_of: vec![atom], condition, before: Vec::new() };
        Way { steps: vec![step], after: Vec::new() }
    }

    /// An event with what can be asked of it alone, and the condition if that speaks of steps.
    fn atom(&self, step: &Step) -> (Arc<Atom>, Option<Expression>) {
        let is_of_steps = self.declared.iter().any(|name| speaks_of(step.condition.as_ref(), name));
        let (own, of_steps) = match step.condition.clone() {
            condition if is_of_steps => (None, condition),
            condition => (condition, None),
        };
        (Arc::new(Atom { types: (self.names_of)(&step.event_type), condition: own }), of_steps)
    }

    fn sequence(&self, first: &Node, more: &[(Follows, Node)]) -> Result<Vec<Way>> {
        let mut ways = self.of(first)?;
        for (follows, node) in more {
            match follows {
                Follows::Does => ways = product(&ways, &self.of(node)?, |a, b| Ok(vec![behind(a, b)]))?,
                Follows::DoesNot => {
                    let mut not = Vec::new();
                    self.excluded(node, &mut not)?;
                    ways.iter_mut().for_each(|way| way.after.extend(not.iter().cloned()));
                }
            }
        }
        Ok(ways)
    }

    /// What must not follow: an event, or one of several.
    fn excluded(&self, node: &Node, not: &mut Vec<Excluded>) -> Result<()> {
        match node {
            Node::Step(step) if step.name.is_some() => {
                Err(Error::invalid("what does not follow has no name: there is nothing to speak of"))
            }
            Node::Step(step) => {
                let (atom, condition) = self.atom(step);
                not.push(Excluded { atom, condition, is_step_too: false });
                Ok(())
            }
            Node::Or(all) => all.iter().try_for_each(|node| self.excluded(node, not)),
            _ => Err(Error::invalid("what does not follow is an event, or one event or another")
                .with_hint("for example: a not followed by (b or c) followed by d")),
        }
    }
}

fn bounded(ways: Vec<Way>) -> Result<Vec<Way>> {
    if ways.len() > PATTERN_WAYS_MAX {
        return Err(Error::invalid(format!(
            "the pattern can come in {} ways; {PATTERN_WAYS_MAX} are allowed",
            ways.len()
        ))
        .with_hint("`and` of many steps is all their orders: put fewer together"));
    }
    match ways.iter().map(|way| way.steps.len()).max() {
        Some(steps) if steps > PATTERN_STEPS_MAX => {
            Err(Error::invalid(format!("the pattern has {steps} steps; {PATTERN_STEPS_MAX} are allowed")))
        }
        _ => Ok(ways),
    }
}

fn product(left: &[Way], right: &[Way], join: impl Fn(&Way, &Way) -> Result<Vec<Way>>) -> Result<Vec<Way>> {
    let mut ways = Vec::new();
    for a in left {
        for b in right {
            ways.extend(join(a, b)?);
            ways = bounded(ways)?;
        }
    }
    let exclusions =
        |way: &Way| way.after.len() + way.steps.iter().map(|step| step.before.len()).sum::<usize>();
    match ways.iter().map(exclusions).sum::<usize>() {
        all if all > PATTERN_EXCLUSIONS_MAX => Err(Error::invalid(format!(
            "the ways in which the pattern can come have {all} times what must not follow; {PATTERN_EXCLUSIONS_MAX} are allowed"
        ))
        .with_hint("exclude less, or put fewer steps together with `and` and `or`")),
        _ => Ok(ways),
    }
}

/// One way behind another.
fn behind(first: &Way, then: &Way) -> Way {
    let mut way = first.clone();
    let mut not = std::mem::take(&mut way.after);
    for step in &then.steps {
        let mut step = step.clone();
        step.before.splice(0..0, std::mem::take(&mut not));
        way.steps.push(step);
    }
    not.extend(then.after.iter().cloned());
    way.after = not;
    way
}

/// A repetition: only the first has the name.
fn without_names(way: &Way) -> Way {
    let mut way = way.clone();
    way.steps.iter_mut().for_each(|step| step.name = None);
    way
}

/// Two ways at the same time, in each order that keeps both.
fn interleaved(a: &Way, b: &Way) -> Result<Vec<Way>> {
    if a.steps.is_empty() {
        return Ok(vec![b.clone()]);
    }
    if !a.after.is_empty() || !b.after.is_empty() {
        return Err(Error::invalid(
            "a side of `and` ends with `not followed by`, and it is not said until when",
        )
        .with_hint("write what does not follow behind both: (a and b) not followed by c"));
    }
    let mut ways = Vec::new();
    interleave(&a.steps, &b.steps, &mut Vec::new(), (0, 0), &mut ways)?;
    Ok(ways)
}

fn interleave(
    a: &[WayStep],
    b: &[WayStep],
    so_far: &mut Vec<WayStep>,
    (of_a, of_b): (usize, usize),
    ways: &mut Vec<Way>,
) -> Result<()> {
    if of_a == a.len() && of_b == b.len() {
        ways.push(Way { steps: so_far.clone(), after: Vec::new() });
        return bounded(std::mem::take(ways)).map(|bounded| *ways = bounded);
    }
    // What the other side waits for must not be preceded by what that side excludes either.
    if let Some(next) = a.get(of_a) {
        let mut step = next.clone();
        step.before
            .extend(b.get(of_b).filter(|_| of_b > 0).into_iter().flat_map(|other| across(&other.before)));
        so_far.push(step);
        interleave(a, b, so_far, (of_a + 1, of_b), ways)?;
        so_far.pop();
    }
    if let Some(next) = b.get(of_b) {
        let mut step = next.clone();
        step.before
            .extend(a.get(of_a).filter(|_| of_a > 0).into_iter().flat_map(|other| across(&other.before)));
        so_far.push(step);
        interleave(a, b, so_far, (of_a, of_b + 1), ways)?;
        so_far.pop();
    }
    Ok(())
}

/// Single events of which any will do are one step.
fn merged(ways: Vec<Way>) -> Vec<Way> {
    let is_plain = |way: &Way| match &way.steps[..] {
        [step] => step.name.is_none() && way.after.is_empty(),
        _ => false,
    };
    if !ways.iter().all(is_plain)
        || ways.iter().flat_map(|way| &way.steps).any(|step| step.condition.is_some())
    {
        return ways;
    }
    let any_of = ways.into_iter().flat_map(|way| way.steps).flat_map(|step| step.any_of).collect();
    vec![Way {
        steps: vec![WayStep { name: None, any_of, condition: None, before: Vec::new() }],
        after: Vec::new(),
    }]
}

/// Links the conditions of a way to the steps that they speak of.
fn link(way: &Way, declared: &[Arc<str>]) -> Result<Chain> {
    let place = |name: &Arc<str>| way.steps.iter().position(|step| step.name.as_ref() == Some(name));
    let count = way.steps.len();
    let mut chain =
        Chain { steps: Vec::new(), guards: Vec::new(), may_fall_back: false, has_alternatives: false };
    let mut checks: Vec<Vec<Check>> = vec![Vec::new(); count];
    for (own, step) in way.steps.iter().enumerate() {
        if let Some(condition) = step.condition.clone() {
            let mut names = Vec::new();
            for name in declared.iter().filter(|name| condition.speaks_of(name)) {
                names.push((Arc::clone(name), place(name).ok_or_else(|| not_there(name))?));
            }
            let last = names.iter().map(|(_, at)| *at).fold(own, usize::max);
            checks[last].push(Check { condition, own: Some(own), names });
        }
        let (name, atoms) = (step.name.clone(), step.any_of.clone());
        chain.steps.push(ChainStep { name, atoms, checks: Vec::new(), is_kept: false });
        chain.guards.push(link_guards(&step.before, own, declared, &place)?);
    }
    chain.guards.push(link_guards(&way.after, count, declared, &place)?);
    settle(&mut chain, checks);
    Ok(chain)
}

fn speaks_of(condition: Option<&Expression>, name: &str) -> bool {
    condition.is_some_and(|condition| condition.speaks_of(name))
}

/// What must not come while so many steps are taken.
fn link_guards(
    not: &[Excluded],
    taken: usize,
    declared: &[Arc<str>],
    place: &dyn Fn(&Arc<str>) -> Option<usize>,
) -> Result<Vec<Guard>> {
    let link = |Excluded { atom, condition, is_step_too }: &Excluded| {
        let is_step_too = *is_step_too;
        let Some(condition) = condition.clone() else {
            return Ok(Guard { atom: Arc::clone(atom), check: None, is_step_too });
        };
        let mut names = Vec::new();
        for name in declared.iter().filter(|name| condition.speaks_of(name)) {
            match place(name) {
                None => return Err(not_there(name)),
                Some(at) if at >= taken => {
                    return Err(Error::invalid(format!(
                        "what does not follow speaks of {name}, which comes later: nobody knows it then"
                    )));
                }
                Some(at) => names.push((Arc::clone(name), at)),
            }
        }
        let check = Some(Check { condition, own: None, names });
        Ok(Guard { atom: Arc::clone(atom), check, is_step_too })
    };
    not.iter().map(link).collect()
}

/// What the matcher has to remember of a chain.
fn settle(chain: &mut Chain, checks: Vec<Vec<Check>>) {
    let guards = chain.guards.iter().flatten().filter_map(|guard| guard.check.as_ref());
    let mut spoken: Vec<usize> = Vec::new();
    let mut has_alternatives = guards.flat_map(|check| &check.names).any(|(_, at)| *at > 0);
    for (at, check) in
        checks.iter().enumerate().flat_map(|(at, checks)| checks.iter().map(move |check| (at, check)))
    {
        let asked = check.own.into_iter().chain(check.names.iter().map(|(_, at)| *at));
        has_alternatives |= asked.clone().any(|step| step > 0 && step < at);
        spoken.extend(asked);
    }
    let guards = chain.guards.iter().flatten().filter_map(|guard| guard.check.as_ref());
    spoken.extend(guards.flat_map(|check| check.names.iter().map(|(_, at)| *at)));
    for (at, checks) in checks.into_iter().enumerate() {
        chain.steps[at].checks = checks;
    }
    for at in spoken {
        chain.steps[at].is_kept = true;
    }
    chain.has_alternatives = has_alternatives;
    chain.may_fall_back = has_alternatives || chain.guards.iter().skip(2).any(|guards| !guards.is_empty());
}
