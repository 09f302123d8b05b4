//! A4-A8: messages reach whom they are for, in their order and their time, and wait for who is not there.

use std::sync::Arc;
use std::time::Duration;

use factlog::{Event, EventLog, Filter, Json, MemoryStore, NewEvent, Priority, Timestamp, TypedEvent};
use factlog_agents::agent::{AgentBuilder, Failed, GivenMessage};
use factlog_agents::bus::{Body, Bus, Delivery, Inbox, Message, SwarmPlan, Taker, Traits};
use factlog_agents::vocabulary::*;
use factlog_agents::{Agent, Me};
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::{PATIENCE, open};

fn memory() -> EventLog {
    EventLog::new(MemoryStore::new())
}

fn words(from: &str, to: &str, text: &str) -> Message {
    Message::text(from, to.parse().unwrap(), text).unwrap()
}

fn ids(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| delivery.item.message_id.clone()).collect()
}

/// What an agent hears, in its order.
struct Hearing(mpsc::UnboundedReceiver<String>);

impl Hearing {
    fn new() -> (mpsc::UnboundedSender<String>, Self) {
        let (heard, hearing) = mpsc::unbounded_channel();
        (heard, Self(hearing))
    }

    async fn next(&mut self) -> String {
        tokio::time::timeout(PATIENCE, self.0.recv()).await.unwrap().unwrap()
    }
}

/// An agent that tells what it reads.
fn reader(log: &EventLog, id: &str, heard: mpsc::UnboundedSender<String>) -> AgentBuilder {
    let also = heard.clone();
    let tell = move |heard: &mpsc::UnboundedSender<String>, message: &GivenMessage| {
        heard.send(message.text().unwrap()).map_err(|error| Failed::new("GONE", error.to_string()))
    };
    Agent::builder(log.clone(), id)
        .on_message(move |_me, message| std::future::ready(tell(&heard, &message)))
        .on_broadcast(move |_me, message| std::future::ready(tell(&also, &message)))
}

/// Story (A4): the scope and the filter of a broadcast were words without a meaning: one for a type that nobody was of
/// reached every subscriber, and the one who had sent it too.
#[tokio::test]
async fn a4_a_broadcast_reaches_those_it_means_in_any_process_and_never_its_sender() {
    let folder = tempfile::tempdir().unwrap();
    let (log, other) = (open(&folder).await, open(&folder).await);
    let mut agents = Vec::new();
    let mut hearing = Vec::new();
    for (id, kind, capability, tag) in
        [("w1", "worker", "rust", "eu"), ("w2", "worker", "gpu", "us"), ("r1", "reviewer", "rust", "eu")]
    {
        let (heard, hears) = Hearing::new();
        let of = if id == "w2" { &other } else { &log };
        let agent = reader(of, id, heard).kind(kind).capabilities([capability]).tags([tag]);
        agents.push(agent.start().await.unwrap());
        hearing.push(hears);
    }
    let w1 = agents[0].me();
    w1.bus()
        .swarm_form(
            "w1",
            SwarmPlan { members: vec!["w1".to_owned(), "w2".to_owned()], ..SwarmPlan::new("s", "x") },
        )
        .await
        .unwrap();
    let traits = |types: &[&str], capabilities: &[&str], tags: &[&str]| {
        let [agent_types, capabilities, tags] =
            [types, capabilities, tags].map(|words| words.iter().map(|word| (*word).to_owned()).collect());
        Traits { agent_types, capabilities, tags }
    };
    for (to, said, meant) in [
        (traits(&["nope"], &[], &[]), "to nobody", vec![]),
        (traits(&["worker"], &[], &[]), "to workers", vec!["w2"]),
        (traits(&["worker", "reviewer"], &["rust"], &[]), "to those who know rust", vec!["r1"]),
        (traits(&[], &[], &["us"]), "to the west", vec!["w2"]),
    ] {
        assert_eq!(w1.broadcast_to(to, "t", &said).await.unwrap().recipients, meant, "{said}");
    }
    assert_eq!(w1.broadcast("group:s", "t", &"to the swarm").await.unwrap().recipients, ["w2"]);
    assert_eq!(w1.broadcast("*", "t", &"to all").await.unwrap().recipients, ["r1", "w2"]);
    for said in ["to workers", "to the west", "to the swarm", "to all"] {
        assert_eq!(hearing[1].next().await, said);
    }
    for said in ["to those who know rust", "to all"] {
        assert_eq!(hearing[2].next().await, said);
    }
    // The last word is said to all three by another: whoever has heard something else has heard it before.
    agents[2].me().send("w1", &"the end").await.unwrap();
    assert_eq!(hearing[0].next().await, "the end", "who says something does not hear it");
    let scopes = log.read(Filter::types(["message:broadcast"]).unwrap()).collect().await.unwrap();
    let scopes: Vec<String> =
        scopes.iter().map(|event| event.data.to::<MessageBroadcast>().unwrap().scope.unwrap()).collect();
    assert_eq!(scopes, ["type", "type", "custom", "custom", "swarm", "global"], "they are told in D's words");
    for agent in agents {
        agent.stop("done").await.unwrap();
    }
}

/// Story: an agent that read messages but no broadcasts failed with each one, again and again, and what the same sender
/// said next waited behind it.
#[tokio::test]
async fn a4_a_broadcast_to_one_that_hears_none_keeps_nothing_from_it() {
    let log = memory();
    let (heard, mut hearing) = Hearing::new();
    let reads = Agent::builder(log.clone(), "reads").on_message(move |_me, message| {
        let told =
            heard.send(message.text().unwrap()).map_err(|error| Failed::new("GONE", error.to_string()));
        std::future::ready(told)
    });
    let reads = reads.start().await.unwrap();
    // One that only answers: such news would fill its inbox, until nobody could ask it any more.
    let answers =
        Agent::builder(log.clone(), "answers").on_request("ping", |_me, _asked| async move { Ok(1) });
    let answers = answers.start().await.unwrap();
    let boss = Agent::builder(log.clone(), "boss").start().await.unwrap();
    let sent = boss.me().broadcast("*", "news", &"hear, hear").await.unwrap();
    assert_eq!(sent.recipients, ["answers", "reads"]);
    boss.me().send("reads", &"a word to you").await.unwrap();
    assert_eq!(hearing.next().await, "a word to you");
    let mut acks = log.follow(Filter::types(["inbox:acked"]).unwrap());
    loop {
        let status = boss.me().bus().message(&sent.message_id).await.unwrap();
        if status.recipients.iter().all(|recipient| (recipient.state, recipient.attempts) == ("acked", 1)) {
            break;
        }
        tokio::time::timeout(PATIENCE, acks.next()).await.unwrap_or_else(|_| panic!("{status:?}"));
    }
    reads.stop("done").await.unwrap();
    answers.stop("done").await.unwrap();
    assert!(log.read(Filter::types(["inbox:nacked"]).unwrap()).collect().await.unwrap().is_empty());
    boss.stop("done").await.unwrap();
}

/// Story (A5): an event that had been over for nine seconds was delivered; and of a low and a critical one the low came
/// first.
#[tokio::test]
async fn a5_what_is_over_is_not_delivered_and_what_is_critical_comes_first() {
    let log = memory();
    let bus = Bus::new(log.clone());
    for (text, priority) in [
        ("low", Priority::Low),
        ("normal", Priority::Normal),
        ("critical", Priority::Critical),
        ("high", Priority::High),
    ] {
        bus.send(words("a", "b", text).priority(priority)).await.unwrap();
    }
    bus.send(words("a", "b", "over").id("over").ttl(Duration::ZERO).priority(Priority::Critical))
        .await
        .unwrap();
    // Also what another program records for the agent has its time, and its urgency.
    let recorded = |text: &str, expires: &str, priority: Priority| -> NewEvent {
        let mut event = MessageSent::new(text).content(json!(text)).into_event().unwrap();
        (event.expires_at, event.priority) = (Some(expires.parse().unwrap()), Some(priority));
        event.with_source("c").unwrap().with_target("b").unwrap()
    };
    let (heard, mut hearing) = Hearing::new();
    let reader = reader(&log, "b", heard).start().await.unwrap();
    for text in ["critical", "high", "normal", "low"] {
        assert_eq!(hearing.next().await, text);
    }
    let past = recorded("was over", "2020-01-01T00:00:00Z", Priority::Critical);
    log.append(vec![past, recorded("is not over", "2100-01-01T00:00:00Z", Priority::Low)]).await.unwrap();
    assert_eq!(hearing.next().await, "is not over");
    let status = bus.message("over").await.unwrap();
    assert_eq!(
        (status.recipients[0].state, status.recipients[0].attempts),
        ("expired", 0),
        "its sender can see it"
    );
    reader.stop("done").await.unwrap();
}

/// Story (A6): one who asked for what is urgent also got what has no priority; tags were not looked at.
#[tokio::test]
async fn a6_what_an_event_lacks_never_matches() {
    let log = memory();
    let urgent = Filter {
        priorities: vec![Priority::High, Priority::Critical],
        tags: vec!["triage".parse().unwrap()],
        ..Filter::types(["task:assigned"]).unwrap()
    };
    let (heard, mut hearing) = Hearing::new();
    let listener =
        Agent::builder(log.clone(), "l").on_event(urgent.clone(), move |_me, event: Arc<Event>| {
            let told = heard.send(event.stream.to_string());
            std::future::ready(told.map_err(|error| Failed::new("GONE", error.to_string())))
        });
    let listener = listener.start().await.unwrap();
    let assigned = |id: &str, priority: Option<Priority>, tag: Option<&str>| -> NewEvent {
        let mut event = TaskAssigned::new(id).into_event().unwrap();
        event.priority = priority;
        if let Some(tag) = tag { event.with_tag(tag).unwrap() } else { event }
    };
    log.append(vec![
        assigned("neither", None, None),
        assigned("unsaid", None, Some("triage")),
        assigned("untagged", Some(Priority::Critical), None),
        assigned("elsewhere", Some(Priority::Critical), Some("other")),
        assigned("calm", Some(Priority::Normal), Some("triage")),
        assigned("both", Some(Priority::High), Some("triage")),
    ])
    .await
    .unwrap();
    assert_eq!(hearing.next().await, "task-both");
    assert_eq!(log.read(urgent).collect().await.unwrap().len(), 1);
    // The same in what is left out: what lacks the field is not left out by it.
    let not_urgent = Filter { priorities: vec![Priority::High, Priority::Critical], ..Filter::default() };
    let rest = Filter { not: Some(Box::new(not_urgent)), ..Filter::types(["task:assigned"]).unwrap() };
    assert_eq!(log.read(rest).collect().await.unwrap().len(), 3);
    let lacking = [
        Filter { sources: vec!["x".parse().unwrap()], ..Filter::all() },
        Filter { targets: vec!["x".parse().unwrap()], ..Filter::all() },
        Filter { correlation: vec!["x".parse().unwrap()], ..Filter::all() },
        Filter { session: vec!["x".parse().unwrap()], ..Filter::all() },
        Filter { expires: factlog::TimeRange { from: None, to: Some(Timestamp::now()) }, ..Filter::all() },
    ];
    for filter in lacking {
        let of_tasks = Filter { categories: vec!["task".parse().unwrap()], ..filter };
        assert!(log.read(of_tasks.clone()).collect().await.unwrap().is_empty(), "{of_tasks:?}");
    }
    listener.stop("done").await.unwrap();
}

/// Story (A7): a request from inside a handler always ran into its time-out, as the answer waited behind the handler that
/// waited for it; and a slow handler made everybody wait.
#[tokio::test]
async fn a7_a_handler_may_ask_even_itself_and_a_slow_one_delays_nobody() {
    let log = memory();
    let (go_on, going_on) = watch::channel(false);
    let (began, mut begins) = Hearing::new();
    let (heard, mut hearing) = Hearing::new();
    let slow = Agent::builder(log.clone(), "slow")
        .on_event(Filter::types(["system:info"]).unwrap(), move |_me, _event| {
            let (began, mut going_on) = (began.clone(), going_on.clone());
            async move {
                began.send("began".to_owned()).map_err(|error| Failed::new("GONE", error.to_string()))?;
                going_on.wait_for(|on| *on).await?;
                Ok(())
            }
        })
        .on_event(Filter::types(["system:info"]).unwrap(), move |_me, event| {
            let told = heard.send(event.event_type.to_string());
            std::future::ready(told.map_err(|error| Failed::new("GONE", error.to_string())))
        })
        .on_request("inner", |_me, asked| async move { Ok(asked.read::<i64>()? + 1) })
        .on_request("outer", |me: Me, asked| async move {
            let inner = me.request("slow", "inner", &asked.params, PATIENCE).await?;
            Ok(inner.outcome?.to::<i64>()? * 10)
        })
        .on_task(|me: Me, _given| async move {
            let answer = me.request("slow", "outer", &4, PATIENCE).await?.outcome.unwrap();
            Ok(answer.to::<i64>()?)
        })
        .start()
        .await
        .unwrap();
    let boss = Agent::builder(log.clone(), "boss").start().await.unwrap();
    for _ in 0..3 {
        boss.me().record(SystemInfo::new().message("x")).await.unwrap();
    }
    assert_eq!(begins.next().await, "began");
    for _ in 0..3 {
        assert_eq!(
            hearing.next().await,
            "system:info",
            "another subscriber of the same agent waits for nothing"
        );
    }
    // While it still is slow, it is asked from outside, by itself, and by itself from a task.
    let answer = boss.me().request("slow", "outer", &1, PATIENCE).await.unwrap();
    assert_eq!(answer.outcome.unwrap().to::<i64>().unwrap(), 20);
    boss.me().assign("slow", TaskAssigned::new("t")).await.unwrap();
    let mut completed = log.follow(Filter::types(["task:completed"]).unwrap());
    let completed = tokio::time::timeout(PATIENCE, completed.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(completed.data.to::<TaskCompleted>().unwrap().result.unwrap().as_str(), "50");
    assert!(!*go_on.borrow(), "all this happened while one handler had not come to its end");
    go_on.send(true).unwrap();
    slow.stop("done").await.unwrap();
    boss.stop("done").await.unwrap();
}

/// Story (A8): a message to an agent that was not there resolved well, and was dropped: there was no inbox, no
/// acknowledgement, no second try, no dead letter, and no place to go on from.
#[tokio::test]
async fn a8_a_message_waits_for_its_agent_is_tried_again_and_ends_as_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let (log, other) = (open(&folder).await, open(&folder).await);
    let (one, two) = (Bus::new(log), Bus::new(other));
    let sent = one.send(words("a", "absent", "hello").id("m")).await.unwrap();
    assert_eq!(one.message("m").await.unwrap().recipients[0].state, "queued", "and not: delivered");
    let first = Taker::new("absent", "first run");
    let taken = two.take("absent", &first, 10, PATIENCE).await.unwrap();
    assert_eq!((ids(&taken), taken[0].event.position), (vec!["m".to_owned()], sent.position));
    assert_eq!(one.message("m").await.unwrap().recipients[0].state, "offered");

    // Its first run dies. The next one gets what that one had not finished.
    let second = Taker::new("absent", "second run");
    assert!(one.take("absent", &second, 10, PATIENCE).await.unwrap().is_empty(), "nobody else's before");
    two.take_over("absent", &second).await.unwrap();
    let taken = two.take("absent", &second, 10, PATIENCE).await.unwrap();
    two.delivered("absent", &second, &ids(&taken)).await.unwrap();
    two.ack("absent", "absent", &ids(&taken)).await.unwrap();
    let status = one.message("m").await.unwrap();
    assert_eq!(status.recipients[0].state, "acked", "its sender knows");

    let poison = Message { attempts_max: Some(2), ..words("a", "absent", "poison").id("p") };
    one.send(poison).await.unwrap();
    for _ in 0..2 {
        let taken = two.take("absent", &second, 10, PATIENCE).await.unwrap();
        two.nack("absent", "absent", &ids(&taken), "it hurts", Some(Duration::ZERO)).await.unwrap();
    }
    let dead = one.dead_letters(None).await.unwrap();
    assert_eq!((dead.len(), dead[0].0.as_str(), dead[0].1.item.attempts), (1, "absent", 2));
    assert!(dead[0].1.reason.contains("it hurts"), "{dead:?}");
    one.replay("absent", "p", Some("a"), PATIENCE).await.unwrap();
    assert_eq!(
        ids(&two.take("absent", &second, 10, PATIENCE).await.unwrap()),
        ["p"],
        "it can be tried once more"
    );
    assert_eq!(one.inbox("absent", Inbox::len).await.unwrap(), 1);

    let content = Json::of(&"news").unwrap();
    let body = Body::Broadcast { topic: "t".to_owned(), content, retain: true };
    one.send(Message::new("a", "*".parse().unwrap(), body)).await.unwrap();
    let (heard, mut hearing) = Hearing::new();
    let late = reader(two.log(), "late", heard).start().await.unwrap();
    assert_eq!(hearing.next().await, "news", "who comes later hears what is kept for it");
    late.stop("done").await.unwrap();
}
