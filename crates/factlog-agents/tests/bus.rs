//! What is promised of messages, on a file that two handles share as two processes would.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use factlog::{ErrorKind, EventLog, Filter, Priority, TypedEvent};
use factlog_agents::bus::*;
use factlog_agents::vocabulary::*;
use factlog_stores::Open;

const LONG: Duration = Duration::from_secs(60);

struct Two {
    folder: tempfile::TempDir,
    one: Bus,
    other: Bus,
}

async fn open(folder: &tempfile::TempDir) -> EventLog {
    let url = format!("sqlite:{}", folder.path().join("agents.db").display());
    factlog_stores::open(&url, Open::Create).await.unwrap()
}

async fn two() -> Two {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (Bus::new(open(&folder).await), Bus::new(open(&folder).await));
    Two { folder, one, other }
}

fn words(from: &str, to: &str, text: &str) -> Message {
    Message::text(from, to.parse().unwrap(), text).unwrap()
}

async fn register(bus: &Bus, id: &str, kind: &str, capabilities: &[&str]) {
    let spawned = AgentSpawned::new(id).agent_type(kind).capabilities(capabilities.to_vec());
    bus.log().append(spawned).await.unwrap();
}

fn ids(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| delivery.item.message_id.clone()).collect()
}

fn text(delivery: &Delivery) -> String {
    delivery.content().to().unwrap()
}

/// Story: a message to an agent that was not there resolved well, and was dropped.
#[tokio::test]
async fn what_is_sent_to_an_agent_that_is_not_there_waits_for_it_in_another_process() {
    let two = two().await;
    let sent = two.one.send(words("a", "b", "hello")).await.unwrap();
    assert_eq!(sent.recipients, ["b"]);
    let run = Taker::new("b", "r1");
    let taken = two.other.take("b", &run, 10, LONG).await.unwrap();
    assert_eq!((ids(&taken), text(&taken[0]).as_str()), (vec![sent.message_id.clone()], "hello"));
    assert_eq!((taken[0].item.from.as_str(), taken[0].event.position), ("a", sent.position));
    assert!(two.one.take("b", &Taker::new("b", "r2"), 10, LONG).await.unwrap().is_empty(), "it is in hand");
    two.other.ack("b", "b", &ids(&taken)).await.unwrap();
    two.other.ack("b", "b", &ids(&taken)).await.unwrap();
    assert!(two.one.inbox("b", Inbox::is_empty).await.unwrap());
}

/// Story: after a lost answer a message was sent again, and was read twice.
#[tokio::test]
async fn the_same_message_again_is_the_same_and_another_of_its_id_is_refused() {
    let two = two().await;
    let first = two.one.send(words("a", "b", "hello").id("greeting-1")).await.unwrap();
    let again = two.other.send(words("a", "b", "hello").id("greeting-1")).await.unwrap();
    assert_eq!((again.position, again.repeated, first.repeated), (first.position, true, false));
    let other = two.other.send(words("a", "b", "goodbye").id("greeting-1")).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Conflict);
    let to_other = two.other.send(words("a", "c", "hello").id("greeting-1")).await.unwrap_err();
    assert_eq!(to_other.kind(), ErrorKind::Conflict);
    assert_eq!(two.one.inbox("b", Inbox::len).await.unwrap(), 1);
}

#[tokio::test]
async fn senders_of_one_message_at_the_same_time_store_it_once() {
    let two = two().await;
    let mut sending = tokio::task::JoinSet::new();
    for number in 0..16 {
        let bus = if number % 2 == 0 { two.one.clone() } else { two.other.clone() };
        sending.spawn(async move { bus.send(words("a", "b", "hello").id("one")).await });
    }
    let mut positions = Vec::new();
    while let Some(sent) = sending.join_next().await {
        positions.push(sent.unwrap().unwrap().position);
    }
    positions.dedup();
    assert_eq!(positions.len(), 1, "all were told the same place");
    assert_eq!(two.one.inbox("b", Inbox::len).await.unwrap(), 1);
}

/// Story (A4): a broadcast of any scope reached everyone, its sender too.
#[tokio::test]
async fn a_wide_message_reaches_those_it_means_and_not_its_sender() {
    let two = two().await;
    register(&two.one, "w1", "worker", &["rust"]).await;
    register(&two.one, "w2", "worker", &["go"]).await;
    register(&two.one, "r1", "reviewer", &["rust"]).await;
    register(&two.one, "gone", "worker", &["rust"]).await;
    two.one.log().append(AgentTerminated::new("gone")).await.unwrap();
    two.one.log().append(SwarmFormed::new("s").leader("w2").initial_members(["r1"])).await.unwrap();
    for (to, from, wanted) in [
        ("type:worker", "boss", vec!["w1", "w2"]),
        ("type:worker", "w1", vec!["w2"]),
        ("capability:rust", "boss", vec!["r1", "w1"]),
        ("group:s", "w2", vec!["r1"]),
        ("*", "w1", vec!["r1", "w2"]),
    ] {
        let sent = two.other.send(words(from, to, &format!("{from} to {to}"))).await.unwrap();
        assert_eq!(sent.recipients, wanted, "{from} to {to}");
    }
    let nobody = two.one.send(words("boss", "type:nope", "anyone?")).await.unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::NotFound);
    let traits = Traits { agent_types: vec!["nope".to_owned()], ..Traits::default() };
    let content = factlog::Json::of(&"x").unwrap();
    let body = Body::Broadcast { topic: "t".to_owned(), content, retain: false };
    let message =
        Message { to: Audience::Custom(traits), ..Message::new("boss", "*".parse().unwrap(), body) };
    assert!(two.one.send(message).await.unwrap().recipients.is_empty(), "nobody is of that type");
}

/// Story: two workers took one task from a queue.
#[tokio::test]
async fn what_is_for_one_of_many_is_taken_by_one() {
    let two = two().await;
    let queue = "one-of:type:worker";
    for number in 0..20 {
        let task = TaskAssigned::new(format!("t{number}"));
        two.one.send(Message::task("boss", "type:worker".parse().unwrap(), task)).await.unwrap();
    }
    let mut taking = tokio::task::JoinSet::new();
    for number in 0..8 {
        let bus = if number % 2 == 0 { two.one.clone() } else { two.other.clone() };
        taking.spawn(async move {
            let taker = Taker::new(format!("w{number}"), format!("r{number}"));
            let mut mine = Vec::new();
            loop {
                let taken = bus.take(queue, &taker, 1, LONG).await.unwrap();
                let Some(delivery) = taken.first() else { return mine };
                bus.ack(queue, &taker.agent_id, &ids(&taken)).await.unwrap();
                mine.push(delivery.item.message_id.clone());
            }
        });
    }
    let mut all = Vec::new();
    while let Some(mine) = taking.join_next().await {
        all.extend(mine.unwrap());
    }
    all.sort();
    let mut wanted: Vec<String> = (0..20).map(|number| format!("t{number}")).collect();
    wanted.sort();
    assert_eq!(all, wanted);
    let offers = two.one.log().read(Filter::types(["inbox:offered"]).unwrap()).collect().await.unwrap();
    assert_eq!(offers.len(), 20, "nobody wrote an offer that was void");
}

#[tokio::test]
async fn another_may_not_say_what_becomes_of_what_one_has_in_hand() {
    let two = two().await;
    let task = Message::task("boss", "type:worker".parse().unwrap(), TaskAssigned::new("t"));
    two.one.send(task).await.unwrap();
    let queue = "one-of:type:worker";
    two.one.take(queue, &Taker::new("w1", "r1"), 1, LONG).await.unwrap();
    let id = ["t".to_owned()];
    assert_eq!(two.other.ack(queue, "w2", &id).await.unwrap_err().kind(), ErrorKind::Conflict);
    two.one.send(words("a", "b", "x").id("m")).await.unwrap();
    assert_eq!(two.other.ack("b", "a", &["m".to_owned()]).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(two.other.ack("b", "b", &["other".to_owned()]).await.unwrap_err().kind(), ErrorKind::NotFound);
}

/// Story: a message that killed whoever read it was offered for ever.
#[tokio::test]
async fn what_fails_as_often_as_it_may_is_a_dead_letter_with_its_reason() {
    let two = two().await;
    let message = Message { attempts_max: Some(2), ..words("a", "b", "poison").id("m") };
    two.one.send(message).await.unwrap();
    let run = Taker::new("b", "r");
    let id = ["m".to_owned()];
    for attempt in 1..=2 {
        let taken = two.one.take("b", &run, 1, LONG).await.unwrap();
        assert_eq!((taken.len(), taken[0].item.attempts), (1, attempt));
        two.one.nack("b", "b", &id, "it hurts", Some(Duration::ZERO)).await.unwrap();
    }
    assert!(two.one.take("b", &run, 1, LONG).await.unwrap().is_empty());
    let reason = two.other.inbox("b", |inbox| inbox.dead_letter("m").unwrap().reason.clone()).await.unwrap();
    assert_eq!(reason, "failed 2 times; the last time: it hurts");
    let refused = two.one.ack("b", "b", &id).await.unwrap_err();
    assert!(refused.hint().unwrap().contains("dead-letters replay"), "{refused:?}");
}

/// Story: an inbox grew until the process died; the one that sent into it was never told.
#[tokio::test]
async fn a_full_inbox_refuses_its_sender_and_keeps_a_broadcast_as_a_dead_letter() {
    let two = two().await;
    register(&two.one, "b", "worker", &[]).await;
    let batches = (0..INBOX_MESSAGES_MAX).map(|number| {
        let queued = InboxQueued::new("b", format!("m{number}")).from("a").kind("message");
        factlog::Batch::new(vec![queued.into_event().unwrap()]).unwrap()
    });
    for outcome in two.one.log().append_each(batches.collect()).await {
        outcome.unwrap();
    }
    let refused = two.other.send(words("a", "b", "one more")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(refused.to_string().contains("full") && refused.hint().is_some());
    let content = factlog::Json::of(&"news").unwrap();
    let body = Body::Broadcast { topic: "t".to_owned(), content, retain: false };
    let sent = two.other.send(Message::new("a", "*".parse().unwrap(), body)).await.unwrap();
    let is_dead = |inbox: &Inbox| inbox.dead_letter(&sent.message_id).is_some();
    assert!(two.one.inbox("b", is_dead).await.unwrap());
}

/// Story: two agents thanked each other all night.
#[tokio::test]
async fn messages_that_go_in_circles_are_refused() {
    let two = two().await;
    for _ in 0..ALIKE_MAX {
        two.one.send(words("a", "b", "thank you")).await.unwrap();
    }
    let refused = two.one.send(words("a", "b", "thank you")).await.unwrap_err();
    assert!(refused.to_string().contains("circle"), "{refused}");
    two.one.send(words("a", "b", "something new")).await.unwrap();
    let deep = Message { hops: HOPS_MAX + 1, ..words("a", "c", "x") };
    assert_eq!(two.one.send(deep).await.unwrap_err().kind(), ErrorKind::Invalid);
}

/// Story (A5): ttl was ignored, and so was the priority.
#[tokio::test]
async fn what_has_expired_is_not_handed_out_and_what_is_critical_comes_first() {
    let two = two().await;
    two.one.send(words("a", "b", "late").id("late").ttl(Duration::ZERO)).await.unwrap();
    two.one.send(words("a", "b", "low").id("low").priority(Priority::Low)).await.unwrap();
    two.one.send(words("a", "b", "critical").id("critical").priority(Priority::Critical)).await.unwrap();
    let taken = two.other.take("b", &Taker::new("b", "r"), 10, LONG).await.unwrap();
    assert_eq!(ids(&taken), ["critical", "low"]);
    let finished = two.one.inbox("b", |inbox| inbox.finished("late").unwrap().is_acked).await.unwrap();
    assert!(!finished, "its end was recorded by the one who looked");
}

#[tokio::test]
async fn what_was_read_is_never_given_to_the_same_run_again() {
    let two = two().await;
    two.one.send(words("a", "b", "x").id("m")).await.unwrap();
    let run = Taker::new("b", "r1");
    let taken = two.one.take("b", &run, 1, LONG).await.unwrap();
    two.one.delivered("b", &run, &ids(&taken)).await.unwrap();
    assert!(two.one.take("b", &run, 1, LONG).await.unwrap().is_empty());
    two.other.take_over("b", &Taker::new("b", "r2")).await.unwrap();
    assert!(two.one.take("b", &run, 1, LONG).await.unwrap().is_empty(), "not even when it was given back");
    assert_eq!(ids(&two.other.take("b", &Taker::new("b", "r2"), 1, LONG).await.unwrap()), ["m"]);
    drop(two.folder);
}
