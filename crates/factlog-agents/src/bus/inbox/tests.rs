//! What an inbox makes of events that come at chosen times.

use factlog::{Event, Fold, NewEvent, Position, TypedEvent, Version};

use super::*;
use crate::vocabulary::*;

/// An inbox to which things happen at whole seconds.
#[derive(Default)]
struct Story {
    inbox: Inbox,
    position: u64,
}

fn second(seconds: u64) -> Timestamp {
    let start: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    start.plus_ms(seconds * 1_000)
}

impl Story {
    fn at(&mut self, seconds: u64, payload: impl TypedEvent) -> &mut Self {
        self.position += 1;
        let fact: NewEvent = payload.into_event().unwrap();
        let (position, version) = (Position(self.position), Version(self.position));
        self.inbox.apply(&Event { position, version, recorded_at: second(seconds), fact }).unwrap();
        self
    }

    fn queued(&mut self, seconds: u64, id: &str, from: &str, priority: &str) -> &mut Self {
        self.at(seconds, InboxQueued::new("b", id).from(from).kind("message").priority(priority))
    }

    fn offered(&mut self, seconds: u64, ids: &[&str], context: &str) -> &mut Self {
        self.at(
            seconds,
            InboxOffered::new("b", ids.to_vec(), "b").context_id(context).visibility_ms(60_000u64),
        )
    }

    fn state(&self, id: &str) -> &'static str {
        if self.inbox.dead_letter(id).is_some() {
            return "dead";
        }
        match self.inbox.finished(id) {
            Some(finished) => {
                if finished.is_acked {
                    "acked"
                } else {
                    "expired"
                }
            }
            None => self.inbox.item(id).map_or("unknown", |item| item.state.as_str()),
        }
    }

    fn available(&self, seconds: u64, context: &str) -> Vec<String> {
        let taker = Taker::new("b", context);
        self.inbox.available(&taker, second(seconds)).iter().map(|item| item.message_id.clone()).collect()
    }
}

/// Story: [low, critical] was delivered in that order.
#[test]
fn what_is_urgent_comes_first_and_what_one_says_comes_in_its_order() {
    let mut story = Story::default();
    story.queued(0, "m1", "a", "low").queued(1, "m2", "a", "normal").queued(2, "m3", "a", "critical");
    story.queued(3, "m4", "a", "normal").queued(4, "m5", "c", "high");
    assert_eq!(story.available(5, "r1"), ["m3", "m5", "m2", "m4", "m1"]);
}

/// Story: a message that was put off let the next one of the same sender pass it.
#[test]
fn nothing_overtakes_an_earlier_message_of_the_same_sender_that_will_come_again() {
    let mut story = Story::default();
    story.queued(0, "m1", "a", "normal").queued(0, "m2", "a", "normal").queued(0, "m3", "c", "normal");
    story.at(0, InboxQueued::new("b", "q").from("a").kind("request"));
    story.offered(1, &["m1"], "r1");
    story.at(2, InboxNacked::new("b", vec!["m1"], "b").delay_ms(10_000u64).reason("busy"));
    assert_eq!(
        story.available(5, "r1"),
        ["m3", "q"],
        "m2 waits for m1; others do not, and requests never do"
    );
    assert_eq!(story.available(12, "r1"), ["m1", "m2", "m3", "q"]);
    story.offered(12, &["m1"], "r1");
    assert_eq!(story.available(13, "r2"), ["m3", "q"], "another run has m1 in hand");
    assert_eq!(
        story.available(13, "r1"),
        ["m2", "m3", "q"],
        "the run that has m1 may have what comes after it"
    );
}

/// Story: a message was marked as read before the model saw it, and when the agent died it was gone.
#[test]
fn what_was_offered_and_not_finished_is_offered_again_when_its_time_is_over() {
    let mut story = Story::default();
    story.queued(0, "m1", "a", "normal").offered(1, &["m1"], "r1");
    assert_eq!((story.state("m1"), story.available(60, "r2").len()), ("offered", 0));
    assert_eq!(story.available(61, "r2"), ["m1"]);
    story.offered(61, &["m1"], "r2");
    // The first run comes back, and says that it is at work, has read it and is done: it is not its any more.
    story.at(62, InboxRenewed::new("b", vec!["m1"], "b").context_id("r1").visibility_ms(600_000u64));
    story.at(62, InboxDelivered::new("b", vec!["m1"], "b").context_id("r1"));
    assert_eq!(story.state("m1"), "offered");
    assert_eq!(story.inbox.item("m1").unwrap().attempts, 2);
    assert_eq!(story.available(121, "r3"), ["m1"], "the renewal of the first run did not count");
}

#[test]
fn an_offer_of_what_another_run_has_is_void() {
    let mut story = Story::default();
    story.queued(0, "m1", "a", "normal").offered(1, &["m1"], "r1").offered(2, &["m1"], "r2");
    let State::Offered { by, .. } = &story.inbox.item("m1").unwrap().state else { panic!() };
    assert_eq!((by.context_id.as_str(), story.inbox.item("m1").unwrap().attempts), ("r1", 1));
}

/// Story: two agents that share a name read the same message twice.
#[test]
fn what_a_run_has_read_is_never_given_to_it_again() {
    let mut story = Story::default();
    story.queued(0, "m1", "a", "normal").offered(1, &["m1"], "r1");
    story.at(2, InboxDelivered::new("b", vec!["m1"], "b").context_id("r1").visibility_ms(10_000u64));
    assert!(story.available(100, "r1").is_empty());
    assert_eq!(story.available(100, "r2"), ["m1"], "another run may have it when nothing comes of it");
}

#[test]
fn an_inbox_is_its_owners_and_a_queue_that_of_whoever_has_the_message() {
    let mut story = Story::default();
    story.queued(0, "m1", "a", "normal");
    story.at(1, InboxAcked::new("b", vec!["m1"], "a"));
    assert_eq!(story.state("m1"), "queued", "the sender cannot acknowledge for its recipient");
    let mut story = Story::default();
    let queue = "one-of:type:worker";
    story.at(0, InboxQueued::new(queue, "t1").from("a").kind("task"));
    story.at(1, InboxOffered::new(queue, vec!["t1"], "w1").context_id("r1").visibility_ms(60_000u64));
    story.at(2, InboxAcked::new(queue, vec!["t1"], "w2"));
    assert_eq!(story.state("t1"), "offered");
    story.at(3, InboxAcked::new(queue, vec!["t1"], "w1"));
    assert_eq!(story.state("t1"), "acked");
}

/// Story: ttl was ignored; an event that had expired nine seconds ago was delivered.
#[test]
fn what_has_run_out_is_not_handed_out_and_is_done_once_somebody_says_so() {
    let mut story = Story::default();
    story.at(0, InboxQueued::new("b", "m1").from("a").kind("message").expires_at(second(10)));
    story.at(5, InboxExpired::new("b", vec!["m1"]));
    assert_eq!((story.state("m1"), story.available(9, "r1").len()), ("queued", 1), "not before its time");
    assert!(story.available(10, "r1").is_empty());
    assert_eq!(story.inbox.item("m1").unwrap().state_word(second(10)), "expired");
    story.offered(11, &["m1"], "r1");
    assert_eq!(story.state("m1"), "queued", "an offer of what has run out is void");
    story.at(12, InboxExpired::new("b", vec!["m1"]));
    assert_eq!(story.state("m1"), "expired");
}

#[test]
fn a_dead_letter_waits_for_its_replay_and_begins_anew() {
    let mut story = Story::default();
    story.queued(0, "m1", "a", "normal").offered(1, &["m1"], "r1");
    story.at(2, InboxDead::new("b", vec!["m1"]).reason("it kills whoever reads it"));
    assert_eq!((story.state("m1"), story.inbox.len()), ("dead", 0));
    story.queued(3, "m1", "a", "normal");
    assert_eq!(story.state("m1"), "dead", "the same message again is still the same");
    story.at(4, InboxReplayed::new("b", vec!["m1"]));
    assert_eq!((story.state("m1"), story.inbox.item("m1").unwrap().attempts), ("queued", 0));
}

#[test]
fn what_is_released_was_never_offered_unless_its_run_has_ended() {
    let mut story = Story::default();
    story.queued(0, "m1", "a", "normal").offered(1, &["m1"], "r1");
    story.at(2, InboxReleased::new("b", vec!["m1"], "b").context_id("r1"));
    assert_eq!((story.state("m1"), story.inbox.item("m1").unwrap().attempts), ("queued", 0));
    story.offered(3, &["m1"], "r1");
    story.at(4, InboxReleased::new("b", vec!["m1"], "b").context_id("r2"));
    assert_eq!(story.inbox.item("m1").unwrap().attempts, 1, "it may be what has killed the run before");
}

/// Story: a process was killed five times by one message; 63 others that it had taken ahead were dead letters too.
#[test]
fn what_was_taken_ahead_and_not_begun_with_is_not_an_attempt_when_its_run_dies() {
    let mut story = Story::default();
    let ahead = |run: &str| {
        InboxOffered::new("b", vec!["killer", "good"], "b")
            .context_id(run)
            .visibility_ms(60_000u64)
            .ahead(true)
    };
    let taken_over =
        |run: &str| InboxReleased::new("b", vec!["killer", "good"], "b").context_id(run).reason("ended");
    story.queued(0, "killer", "a", "normal").queued(0, "good", "a", "normal");
    for (second, run) in ["r1", "r2", "r3", "r4", "r5"].into_iter().enumerate() {
        let second = second as u64;
        if second > 0 {
            story.at(second, taken_over(run));
        }
        story.at(second, ahead(run));
        story.at(second, InboxStarted::new("b", vec!["killer"], "b").context_id(run));
    }
    story.at(5, taken_over("r6"));
    let attempts = |id: &str| story.inbox.item(id).unwrap().attempts_made();
    assert_eq!(
        (attempts("killer"), attempts("good")),
        (5, 1),
        "of the first run nobody knows what it began with"
    );
    assert_eq!(story.inbox.given_up(&Taker::new("b", "r6"), second(6)), ["killer"]);
    assert_eq!(story.available(6, "r6"), ["good"]);
}

#[test]
fn what_was_taken_ahead_is_no_attempt_either_when_its_time_is_over() {
    let mut story = Story::default();
    story.queued(0, "m1", "a", "normal");
    for second in [0, 60, 120, 180, 240, 300, 360] {
        let run = format!("r{second}");
        story.at(
            second,
            InboxOffered::new("b", vec!["m1"], "b").context_id(run).visibility_ms(60_000u64).ahead(true),
        );
    }
    assert_eq!(story.inbox.item("m1").unwrap().attempts_made(), 1);
    assert_eq!(story.available(420, "r"), ["m1"]);
}

/// Story: the time of a message was over while its handler was at it; it was told as expired, though it was done.
#[test]
fn what_was_handed_out_in_time_may_be_finished_later() {
    let mut story = Story::default();
    story.at(0, InboxQueued::new("b", "m1").from("a").kind("message").expires_at(second(10)));
    story.offered(5, &["m1"], "r1");
    story.at(20, InboxExpired::new("b", vec!["m1"]));
    assert_eq!(story.inbox.item("m1").unwrap().state_word(second(20)), "offered");
    assert!(story.available(20, "r2").is_empty() && story.inbox.run_out(second(20)).is_empty());
    story.at(30, InboxAcked::new("b", vec!["m1"], "b").context_id("r1"));
    assert_eq!(story.state("m1"), "acked");
    let mut story = Story::default();
    story.at(0, InboxQueued::new("b", "m1").from("a").kind("message").expires_at(second(10)));
    story.offered(5, &["m1"], "r1");
    assert_eq!(story.inbox.run_out(second(65)), ["m1"], "the run that had it said nothing in its time");
    assert!(story.available(65, "r2").is_empty());
}

/// Story: a run that was slow said that it had failed, and took the message from the run that had begun with it meanwhile.
#[test]
fn a_run_that_failed_late_does_not_take_a_message_from_the_run_that_has_it() {
    let mut story = Story::default();
    story.queued(0, "m1", "a", "normal").offered(1, &["m1"], "r1").offered(61, &["m1"], "r2");
    story.at(62, InboxNacked::new("b", vec!["m1"], "b").context_id("r1").reason("slow"));
    story.at(62, InboxReleased::new("b", vec!["m1"], "b").context_id("r1"));
    let State::Offered { by, .. } = &story.inbox.item("m1").unwrap().state else { panic!("r2 has it") };
    assert_eq!((by.context_id.as_str(), story.inbox.item("m1").unwrap().attempts), ("r2", 2));
    story.at(63, InboxNacked::new("b", vec!["m1"], "b").reason("its agent says so"));
    assert_eq!(story.state("m1"), "nacked", "an agent that names no run speaks for the one that has it");
}

/// Story: a run read a message and said so too late; later the same message came into its context again.
#[test]
fn what_a_run_says_too_late_that_it_has_read_it_is_not_given_again() {
    let mut story = Story::default();
    story.queued(0, "m1", "a", "normal").offered(1, &["m1"], "r1").offered(61, &["m1"], "r2");
    story.at(62, InboxDelivered::new("b", vec!["m1"], "b").context_id("r1"));
    assert_eq!(story.state("m1"), "offered", "r2 has it");
    assert!(story.available(200, "r1").is_empty());
    assert_eq!(story.available(200, "r2"), ["m1"]);
    story.at(201, InboxDead::new("b", vec!["m1"]).reason("no"));
    story.at(202, InboxDelivered::new("b", vec!["m1"], "b").context_id("r2"));
    story.at(203, InboxReplayed::new("b", vec!["m1"]));
    assert!(story.available(204, "r2").is_empty());
    assert_eq!(story.available(204, "r3"), ["m1"]);
}

/// Story: while one run was at its last attempt at a message, another run was given what came after it.
#[test]
fn a_message_at_its_last_attempt_is_not_overtaken() {
    let mut story = Story::default();
    story.at(0, InboxQueued::new("b", "m1").from("a").kind("message").attempts_max(1u64));
    story.queued(0, "m2", "a", "normal").offered(1, &["m1"], "r1");
    assert!(story.available(2, "r2").is_empty());
    assert_eq!(story.available(61, "r2"), ["m2"], "nothing more comes of m1 but a dead letter");
}

/// Story: a state that was remembered was not the one that had been folded.
#[test]
fn an_inbox_that_is_read_back_is_the_same() {
    let mut story = Story::default();
    story.queued(0, "m1", "a", "high").queued(0, "m2", "a", "low").queued(0, "m3", "a", "low");
    story.offered(1, &["m1", "m2"], "r1").at(2, InboxAcked::new("b", vec!["m1"], "b"));
    story.at(3, InboxDead::new("b", vec!["m2"]).reason("no"));
    let text = serde_json::to_string(&story.inbox).unwrap();
    assert_eq!(serde_json::from_str::<Inbox>(&text).unwrap(), story.inbox);
}

/// Story: a run with a fast clock gave up what another was at, and the acknowledgement of that one was void.
#[test]
fn a_run_gives_up_nothing_that_another_has_in_hand() {
    let mut story = Story::default();
    story.queued(0, "m1", "a", "normal").offered(1, &["m1"], "r1");
    story.at(2, InboxDead::new("b", vec!["m1"]).reason("too often").context_id("r2"));
    assert_eq!(story.state("m1"), "offered");
    story.at(3, InboxAcked::new("b", vec!["m1"], "b").context_id("r1"));
    assert_eq!(story.state("m1"), "acked");
    let mut story = Story::default();
    story.queued(0, "m1", "a", "normal").offered(1, &["m1"], "r1");
    story.at(61, InboxDead::new("b", vec!["m1"]).reason("too often").context_id("r2"));
    assert_eq!(story.state("m1"), "dead", "its time was over");
}

/// Story: a message had run out, nobody had said so, and it was removed. The next one of its id was taken for the old one by
/// those who remembered that, and never came.
#[test]
fn what_comes_again_as_the_bus_puts_it_is_new_whatever_became_of_the_one_before() {
    let put = |story: &mut Story, seconds: u64, expires: u64| {
        let queued = InboxQueued::new("b", "m1").from("a").kind("message").expires_at(second(expires));
        let mut fact = queued.into_event().unwrap();
        fact.id = EventId::foreign(SYSTEM, &fact.stream, "m1");
        story.position += 1;
        let (position, version) = (Position(story.position), Version(story.position));
        story.inbox.apply(&Event { position, version, recorded_at: second(seconds), fact }).unwrap();
    };
    let mut story = Story::default();
    put(&mut story, 0, 10);
    put(&mut story, 20, 30);
    assert_eq!(story.available(21, "r1"), ["m1"]);
    story.at(22, InboxDead::new("b", vec!["m1"]).reason("no"));
    put(&mut story, 40, 50);
    assert_eq!((story.available(41, "r1").len(), story.inbox.dead_letters().len()), (1, 0));
}

/// Story: a run that had slept was handed its own message again, and then said that it had failed: this counted twice.
#[test]
fn what_fails_after_it_was_handed_out_again_is_one_attempt() {
    let mut story = Story::default();
    let ahead =
        || InboxOffered::new("b", vec!["m1"], "b").context_id("r1").visibility_ms(60_000u64).ahead(true);
    story.queued(0, "m1", "a", "normal").at(1, ahead()).at(62, ahead());
    story.at(63, InboxNacked::new("b", vec!["m1"], "b").context_id("r1").reason("no"));
    assert_eq!(story.inbox.item("m1").unwrap().attempts, 1);
}
