//! Every history of two messages and two runs, one event after the other, as far as it makes a difference: what must hold of
//! each is said here without the fold's own words for it.
//!
//! Histories that lead to the same state are followed once. Times count from now on: what is over is over, however long.

use std::collections::{BTreeSet, HashSet, VecDeque};

use factlog::{Event, Fold, NewEvent, Position, TypedEvent, Version};

use super::*;

/// Events of a history of two messages.
const DEPTH: usize = 7;
/// How often a message may be offered here.
const MOST: u64 = 2;
/// How long an offer and a delivery last, in ticks.
const IN_HAND: u64 = 2;
/// The tick at which the first message has run out, where it does.
const EXPIRES: u64 = 3;
const MESSAGES: [&str; 2] = ["m1", "m2"];

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Tick,
    Queued,
    Offered(usize),
    Started(usize),
    Renewed(usize),
    Delivered(usize),
    Acked(usize),
    Nacked(usize),
    Released(usize),
    Expired,
    Dead,
    Replayed,
}

/// What the model remembers of one message, beside the fold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Seen {
    is_queued: bool,
    /// How it ended, for good.
    is_acked: Option<bool>,
    /// The runs that had it in hand at some time.
    had: BTreeSet<usize>,
    /// The runs that said that they have read it, after they had it.
    read: BTreeSet<usize>,
}

#[derive(Debug, Clone)]
struct World {
    inbox: Inbox,
    now: u64,
    seen: Vec<Seen>,
    past: Vec<(Act, usize)>,
}

/// Where a message is, and how long it stays there.
type Place = (&'static str, String, i64);
type Key = ([(Place, Option<(u64, bool)>, Option<i64>, Option<Vec<String>>); 2], Vec<Seen>, u64);

/// Who takes: two runs of the owner, or two agents at a queue.
struct Setting {
    inbox: &'static str,
    takers: [Taker; 2],
    messages: usize,
    expires: bool,
    /// Whether they take more than they begin with at once.
    is_ahead: bool,
}

impl Setting {
    fn owner(messages: usize, expires: bool) -> Self {
        let takers = [Taker::new("b", "r0"), Taker::new("b", "r1")];
        Self { inbox: "b", takers, messages, expires, is_ahead: false }
    }

    fn queue(messages: usize, expires: bool) -> Self {
        let takers = [Taker::new("w0", "r0"), Taker::new("w1", "r1")];
        Self { inbox: "one-of:type:worker", takers, messages, expires, is_ahead: false }
    }

    fn ahead(self) -> Self {
        Self { is_ahead: true, ..self }
    }

    fn event(&self, act: Act, message: usize) -> NewEvent {
        let (inbox, ids) = (self.inbox, vec![MESSAGES[message]]);
        let by = |run: usize| (self.takers[run].agent_id.as_str(), self.takers[run].context_id.as_str());
        let visible = IN_HAND * 1_000;
        let event = match act {
            Act::Tick => unreachable!("a tick is no event"),
            Act::Queued => {
                let mut queued = InboxQueued::new(inbox, ids[0]).from("a").kind("message").attempts_max(MOST);
                queued.expires_at = (self.expires && message == 0).then(|| time(EXPIRES));
                queued.into_event()
            }
            Act::Offered(run) => InboxOffered::new(inbox, ids, by(run).0)
                .context_id(by(run).1)
                .visibility_ms(visible)
                .ahead(self.is_ahead)
                .into_event(),
            Act::Started(run) => InboxStarted::new(inbox, ids, by(run).0).context_id(by(run).1).into_event(),
            Act::Renewed(run) => InboxRenewed::new(inbox, ids, by(run).0)
                .context_id(by(run).1)
                .visibility_ms(visible)
                .into_event(),
            Act::Delivered(run) => InboxDelivered::new(inbox, ids, by(run).0)
                .context_id(by(run).1)
                .visibility_ms(visible)
                .into_event(),
            Act::Acked(run) => InboxAcked::new(inbox, ids, by(run).0).context_id(by(run).1).into_event(),
            Act::Nacked(run) => {
                InboxNacked::new(inbox, ids, by(run).0).context_id(by(run).1).delay_ms(1_000u64).into_event()
            }
            Act::Released(run) => {
                InboxReleased::new(inbox, ids, by(run).0).context_id(by(run).1).into_event()
            }
            Act::Expired => InboxExpired::new(inbox, ids).into_event(),
            Act::Dead => InboxDead::new(inbox, ids).reason("no").into_event(),
            Act::Replayed => InboxReplayed::new(inbox, ids).into_event(),
        };
        event.unwrap()
    }

    /// All that can happen next. A run offers itself what it may have by what it sees, or saw before another was faster.
    #[expect(clippy::needless_range_loop, reason = "a message is its number")]
    fn acts(&self, world: &World) -> Vec<(Act, usize)> {
        let mut acts = vec![(Act::Tick, 0)];
        for message in 0..self.messages {
            // Messages come in their order.
            if message == 0 || world.seen[message - 1].is_queued {
                acts.push((Act::Queued, message));
            }
            if !world.seen[message].is_queued {
                continue;
            }
            for run in 0..2 {
                let may = world.inbox.item(MESSAGES[message]).is_some_and(|item| item.attempts_made() < MOST);
                if may {
                    acts.push((Act::Offered(run), message));
                }
                let by_run = [
                    Act::Renewed(run),
                    Act::Delivered(run),
                    Act::Acked(run),
                    Act::Nacked(run),
                    Act::Released(run),
                ];
                acts.extend(by_run.map(|act| (act, message)));
                if self.is_ahead {
                    acts.push((Act::Started(run), message));
                }
            }
            acts.extend([Act::Expired, Act::Dead, Act::Replayed].map(|act| (act, message)));
        }
        acts
    }
}

fn time(tick: u64) -> Timestamp {
    let start: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    start.plus_ms(tick * 1_000)
}

/// Who has a message in hand at a time: it was offered to it or read by it, and its time is not over.
fn hand(item: Option<&Item>, now: Timestamp) -> Option<(&Taker, Timestamp)> {
    match &item?.state {
        State::Offered { by, until, .. } | State::Delivered { by, until } if *until > now => {
            Some((by, *until))
        }
        _ => None,
    }
}

impl World {
    fn new(setting: &Setting) -> Self {
        let seen = vec![Seen::default(); setting.messages];
        Self { inbox: Inbox::default(), now: 0, seen, past: Vec::new() }
    }

    fn after(&self, setting: &Setting, act: Act, message: usize) -> Self {
        let mut next = self.clone();
        next.past.push((act, message));
        if act == Act::Tick {
            next.now += 1;
            return next;
        }
        let at = time(self.now);
        // The place in the log matters for the order of messages only.
        let position = Position(message as u64 + 1);
        let fact = setting.event(act, message);
        next.inbox.apply(&Event { position, version: Version(1), recorded_at: at, fact }).unwrap();
        let (before, after) = (self.inbox.item(MESSAGES[message]), next.inbox.item(MESSAGES[message]));
        let seen = &mut next.seen[message];
        match act {
            Act::Queued => seen.is_queued = true,
            Act::Offered(run) if hand(after, at).is_some_and(|(by, _)| *by == setting.takers[run]) => {
                seen.had.insert(run);
            }
            Act::Delivered(run) if seen.had.contains(&run) && seen.is_acked.is_none() => {
                seen.read.insert(run);
            }
            Act::Acked(_) if before.is_some() && after.is_none() => seen.is_acked = Some(true),
            Act::Expired if before.is_some() && after.is_none() => seen.is_acked = Some(false),
            _ => {}
        }
        next
    }

    /// What makes a difference from now on.
    fn key(&self, setting: &Setting) -> Key {
        let now = time(self.now);
        let left = |end: Timestamp| (end.as_micros() - now.as_micros()).max(0);
        let places = MESSAGES.map(|id| {
            let (item, letter) = (self.inbox.item(id), self.inbox.dead_letter(id));
            let place = match item.map(|item| &item.state) {
                None => (if letter.is_some() { "dead" } else { "ended" }, String::new(), 0),
                Some(State::Queued) => ("queued", String::new(), 0),
                Some(State::Nacked { until }) => ("nacked", String::new(), left(*until)),
                Some(State::Offered { by, until, .. }) => ("offered", by.context_id.clone(), left(*until)),
                Some(State::Delivered { by, until }) => ("delivered", by.context_id.clone(), left(*until)),
            };
            let is_begun =
                !matches!(item.map(|item| &item.state), Some(State::Offered { is_begun: false, .. }));
            let expires = item.and_then(|item| item.expires_at).map(left);
            let mut read_in = item.or(letter.map(|letter| &letter.item)).map(|item| item.read_in.clone());
            read_in.iter_mut().for_each(|runs| runs.sort());
            (place, item.map(|item| (item.attempts, is_begun)), expires, read_in)
        });
        // Until the first message is there, it matters how long that may take.
        let ticks = if setting.expires && !self.seen[0].is_queued { self.now.min(EXPIRES) } else { 0 };
        (places, self.seen.clone(), ticks)
    }

    fn check(&self, setting: &Setting) {
        let now = time(self.now);
        let lists: Vec<Vec<&Item>> =
            setting.takers.iter().map(|taker| self.inbox.available(taker, now)).collect();
        for (message, seen) in self.seen.iter().enumerate() {
            let id = MESSAGES[message];
            let item = self.inbox.item(id);
            let places =
                [item.is_some(), self.inbox.finished(id).is_some(), self.inbox.dead_letter(id).is_some()];
            let count = places.iter().filter(|is_there| **is_there).count();
            assert_eq!(count, usize::from(seen.is_queued), "a message is in one place: {:?}", self.past);
            let ended = self.inbox.finished(id).map(|finished| finished.is_acked);
            assert_eq!(ended, seen.is_acked, "what has ended stays as it ended: {:?}", self.past);
            for (run, list) in lists.iter().enumerate() {
                let Some(item) = list.iter().find(|item| item.message_id == id) else { continue };
                assert!(
                    !seen.read.contains(&run),
                    "{id} is given to a run that has read it: {:?}",
                    self.past
                );
                assert!(item.attempts_made() < MOST, "{id} is offered too often: {:?}", self.past);
                let held = hand(Some(item), now);
                assert!(held.is_none(), "{id} is in hand and given away: {:?}", self.past);
            }
        }
        if self.seen.len() == 2 && !self.inbox.is_queue() {
            for (run, list) in lists.iter().enumerate() {
                self.check_order(setting, run, list);
            }
        }
    }

    /// The second message is given to a run only behind the first, or where there is nothing to wait for.
    fn check_order(&self, setting: &Setting, run: usize, list: &[&Item]) {
        let now = time(self.now);
        let Some(second) = list.iter().position(|item| item.message_id == "m2") else { return };
        let first = list.iter().position(|item| item.message_id == "m1");
        let Some(item) = self.inbox.item("m1") else { return };
        let taker = &setting.takers[run];
        let is_over = item.has_expired(now) || self.seen[0].read.contains(&run);
        let in_hand_of_other =
            matches!(&item.state, State::Offered { by, until, .. } if by != taker && *until > now);
        let is_waiting = match &item.state {
            State::Queued | State::Nacked { .. } => true,
            State::Offered { until, .. } | State::Delivered { until, .. } => *until <= now,
        };
        let comes_again = is_waiting && item.attempts_made() < MOST;
        let is_behind = first.is_some_and(|first| first < second);
        assert!(
            is_behind || is_over || !(in_hand_of_other || comes_again),
            "m2 overtakes m1 on its way to run {run}: {:?}",
            self.past
        );
    }

    /// What one event may change of what another has in hand: nothing, unless it is one of those that may.
    fn check_step(&self, setting: &Setting, next: &Self, act: Act, message: usize) {
        let at = time(self.now);
        for (index, id) in MESSAGES.iter().enumerate().take(setting.messages) {
            let (before, after) = (self.inbox.item(id), next.inbox.item(id));
            if act != Act::Tick && index != message {
                assert_eq!(before, after, "an event changed another message: {:?}", next.past);
            }
            let Some((by, until)) = hand(before, at) else { continue };
            if act == Act::Tick || hand(after, at).is_some_and(|(still, end)| still == by && end >= until) {
                continue;
            }
            let holder = setting.takers.iter().position(|taker| taker == by).unwrap();
            let is_allowed = match act {
                Act::Acked(run) => setting.takers[run].agent_id == by.agent_id,
                // A run that comes after it takes over what it never had itself.
                Act::Released(run) => {
                    run == holder
                        || (setting.takers[run].agent_id == by.agent_id
                            && !self.seen[index].had.contains(&run))
                }
                Act::Nacked(run) | Act::Delivered(run) => run == holder,
                Act::Dead => true,
                // What was handed out in time may be finished: it does not expire then.
                Act::Tick
                | Act::Expired
                | Act::Queued
                | Act::Offered(_)
                | Act::Started(_)
                | Act::Renewed(_)
                | Act::Replayed => false,
            };
            assert!(is_allowed, "{id} was taken out of the hand of {by:?}: {:?}", next.past);
        }
    }
}

/// Follows all histories up to so many events; how many states they lead to, and whether these are all there are.
fn follow(setting: &Setting, depth: usize) -> (usize, bool) {
    let first = World::new(setting);
    let mut known = HashSet::from([first.key(setting)]);
    let mut left = VecDeque::from([first]);
    let mut is_whole = true;
    while let Some(world) = left.pop_front() {
        if world.past.len() >= depth {
            is_whole = false;
            continue;
        }
        for (act, message) in setting.acts(&world) {
            let next = world.after(setting, act, message);
            world.check_step(setting, &next, act, message);
            if !known.insert(next.key(setting)) {
                continue;
            }
            next.check(setting);
            let text = serde_json::to_string(&next.inbox).unwrap();
            let again: Inbox = serde_json::from_str(&text).unwrap();
            assert_eq!(again, next.inbox, "what is read back is the same: {:?}", next.past);
            left.push_back(World { inbox: again, ..next });
        }
    }
    (known.len(), is_whole)
}

/// Story: a message was lost, or had by two, after a history that nobody had thought of.
#[test]
fn in_every_history_of_one_message_it_is_in_one_hand_or_waits_or_has_ended() {
    for expires in [false, true] {
        let settings = [Setting::owner(1, expires), Setting::queue(1, expires)];
        for setting in settings
            .into_iter()
            .chain([Setting::owner(1, expires).ahead(), Setting::queue(1, expires).ahead()])
        {
            let (states, is_whole) = follow(&setting, usize::MAX);
            assert!(is_whole && states > 100, "{states} states");
        }
    }
}

#[test]
fn in_every_history_of_two_messages_of_a_sender_the_second_does_not_overtake() {
    let (states, _) = follow(&Setting::owner(2, false), DEPTH);
    assert!(states > 500, "{states} states");
    for setting in [Setting::owner(2, true), Setting::owner(2, false).ahead()] {
        let (states, _) = follow(&setting, DEPTH - 1);
        assert!(states > 500, "{states} states");
    }
}

#[test]
fn in_every_history_of_two_messages_at_a_queue_each_is_in_one_hand() {
    let (states, _) = follow(&Setting::queue(2, false), DEPTH - 1);
    assert!(states > 500, "{states} states");
}
