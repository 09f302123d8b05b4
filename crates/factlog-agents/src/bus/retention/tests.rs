//! What goes is done with, and what is left is the same as before.

use factlog::{EventLog, MemoryStore, NewEvent, TypedEvent};

use super::*;
use crate::bus::remembered::tests::{acked, anything, append, from_the_first_event, queued};
use crate::bus::{Body, Message, RequestError, Taker};
use crate::vocabulary::*;

const LONG: Duration = Duration::from_secs(60);

fn memory() -> Bus {
    Bus::new(EventLog::new(MemoryStore::new()))
}

/// Everything that was recorded is earlier.
fn later() -> Timestamp {
    Timestamp::now().plus_ms(1_000)
}

/// Takes out what is done with; says how many events that was.
async fn clean(bus: &Bus, before: Timestamp) -> u64 {
    let mut count = 0;
    for planned in bus.finished_before(before).await.unwrap() {
        let removed = bus.log().remove(&planned.removal(None)).await.unwrap();
        assert_eq!(removed.count, planned.count, "what is removed is what was planned");
        count += removed.count;
    }
    assert!(bus.finished_before(before).await.unwrap().is_empty(), "nothing is left to remove");
    count
}

fn anything_but_queued(random: &mut fastrand::Rng) -> NewEvent {
    std::iter::repeat_with(|| anything(random)).find(|event| event.event_type != "inbox:queued").unwrap()
}

fn shown(inbox: &Inbox) -> String {
    format!("{:?} {:?}", inbox.items(), inbox.dead_letters())
}

/// Story: events of an inbox were removed by their age. An acknowledgement went, and the message came back; a message went,
/// and nobody had read it.
#[tokio::test]
async fn whatever_happened_what_is_left_makes_the_same_inbox() {
    let (mut gone, mut open) = (0, 0);
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let bus = memory();
        for _ in 0..random.usize(1..60) {
            append(bus.log(), (0..random.usize(1..4)).map(|_| anything(&mut random)).collect()).await;
        }
        let before = if random.bool() {
            later()
        } else {
            let newest = bus.log().newest().await.unwrap();
            let some = Position(random.u64(1..=newest.0));
            bus.log().event_at(some).await.unwrap().unwrap().recorded_at
        };
        let whole = from_the_first_event(bus.log()).await.0;
        gone += clean(&bus, before).await;
        let left = from_the_first_event(bus.log()).await.0;
        assert_eq!(shown(&left), shown(&whole), "seed {seed}");
        open += left.len();
        // One that has the inbox in memory knows the same, and goes on.
        append(bus.log(), vec![queued("new"), anything_but_queued(&mut random)]).await;
        let in_memory = bus.inbox("b", shown).await.unwrap();
        assert_eq!(in_memory, shown(&from_the_first_event(bus.log()).await.0), "seed {seed}");
    }
    assert!(gone > 500 && open > 100, "{gone} events went, {open} messages are left");
}

/// Story: half of an inbox is done with. Each event that stays was named in the removal, and there were too many of them.
#[tokio::test]
async fn many_that_stay_among_many_that_go_are_told_apart() {
    let bus = memory();
    let events: Vec<NewEvent> = (0..6_000)
        .flat_map(|n| {
            let id = format!("m{n}");
            // First some that go and stay by turns, then a long time of such as stay.
            let is_done = (n < 2_000 && n % 2 == 0) || n > 5_900;
            std::iter::once(queued(&id)).chain(is_done.then(|| acked(&id)))
        })
        .collect();
    append(bus.log(), events).await;
    let whole = from_the_first_event(bus.log()).await.0;
    let plan = bus.finished_before(later()).await.unwrap();
    assert!(plan.len() > 1 && plan.len() < 20, "{} removals", plan.len());
    let most = plan.iter().filter_map(|planned| planned.filter.not.as_ref()).map(|not| not.ids.len()).max();
    assert!(most.unwrap() <= 2 * LEFT_MAX, "{most:?} events are named");
    assert_eq!(clean(&bus, later()).await, 2 * (1_000 + 99));
    assert_eq!(shown(&from_the_first_event(bus.log()).await.0), shown(&whole));
}

async fn say(bus: &Bus, id: &str) {
    let mut message = Message::text("a", "b".parse().unwrap(), id).unwrap();
    message.id = Some(id.to_owned());
    bus.send(message).await.unwrap();
}

async fn types_left(bus: &Bus, stream: &str) -> Vec<String> {
    let events = bus.log().read(Filter::stream(stream.parse().unwrap())).collect().await.unwrap();
    events.iter().map(|event| event.event_type.to_string()).collect()
}

#[tokio::test]
async fn what_is_done_with_goes_with_its_content_and_nothing_else_does() {
    let bus = memory();
    let run = Taker::new("b", "r1");
    for id in ["done", "waits", "in-hand", "dead"] {
        say(&bus, id).await;
    }
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<String>>();
    bus.take("b", &run, 10, LONG).await.unwrap();
    bus.release("b", &run, &ids(&["waits"]), "not now").await.unwrap();
    bus.ack("b", "b", &ids(&["done"])).await.unwrap();
    bus.log().append(InboxDead::new("b", ids(&["dead"])).reason("why not")).await.unwrap();
    // Recorded by another program: no message of ours.
    bus.log().append(MessageSent::new("theirs").content(factlog::Json::trusted("1"))).await.unwrap();

    assert!(
        bus.finished_before(bus.log().event_at(Position(1)).await.unwrap().unwrap().recorded_at)
            .await
            .unwrap()
            .is_empty()
    );
    let plan = bus.finished_before(later()).await.unwrap();
    assert_eq!(plan.iter().map(|planned| planned.count).sum::<u64>(), 3, "content, place and end");
    assert_eq!(types_left(&bus, "message-done").await, ["message:sent"], "a plan changes nothing");
    clean(&bus, later()).await;
    assert!(types_left(&bus, "message-done").await.is_empty());
    assert_eq!(types_left(&bus, "message-theirs").await, ["message:sent"]);

    let other = Bus::new(bus.log().clone());
    let waiting = other.take("b", &run, 10, LONG).await.unwrap();
    assert_eq!(waiting.iter().map(|had| had.item.message_id.as_str()).collect::<Vec<_>>(), ["waits"]);
    other.ack("b", "b", &ids(&["in-hand"])).await.unwrap();
    other.replay("b", "dead", None, LONG).await.unwrap();
    let again = other.take("b", &run, 10, LONG).await.unwrap();
    assert_eq!(again.iter().map(|had| had.content().to::<String>().unwrap()).collect::<Vec<_>>(), ["dead"]);
    assert_eq!(other.dead_letters(None).await.unwrap().len(), 0);
}

/// Story: broadcasts that are kept, and tasks that others record for an agent, are put into its inbox when it sees them. It
/// knew that it had done so by the event in its inbox; that was removed, and all of them were done a second time.
#[tokio::test]
async fn what_an_agent_would_put_into_its_inbox_once_more_stays_there() {
    let bus = memory();
    let broadcast = Message::new(
        "a",
        "*".parse().unwrap(),
        Body::Broadcast { topic: "rules".to_owned(), content: factlog::Json::trusted("1"), retain: true },
    );
    bus.send(broadcast).await.unwrap();
    let task = bus
        .log()
        .append(TaskAssigned::new("t1").into_event().unwrap().with_target("b").unwrap())
        .await
        .unwrap();
    for position in [Position(1), task.events[0].position] {
        let event = bus.log().event_at(position).await.unwrap().unwrap();
        let id = event.id.to_string();
        let mut put = InboxQueued::new("b", id.as_str()).kind("task");
        put.stream = Some(event.stream.to_string());
        bus.log().append(put).await.unwrap();
        bus.ack("b", "b", &[id]).await.unwrap();
    }
    assert_eq!(clean(&bus, later()).await, 0);
}

/// Story: an answer waits in the inbox of the one who asked; the question was over long ago, and its stream was removed.
#[tokio::test]
async fn a_question_goes_with_its_answer_once_that_was_read() {
    let bus = memory();
    let request = Message::new(
        "a",
        "b".parse().unwrap(),
        Body::Request { method: "look".to_owned(), params: None, timeout: LONG, is_answered_by_inbox: true },
    );
    let asked = bus.send(request).await.unwrap();
    assert_eq!(clean(&bus, later()).await, 0, "it waits for its answer");
    let delivery = bus.take("b", &Taker::new("b", "r1"), 1, LONG).await.unwrap().remove(0);
    let outcome: std::result::Result<_, RequestError> = Ok(factlog::Json::trusted("7"));
    assert!(bus.respond(&delivery, "b", outcome).await.unwrap());
    clean(&bus, later()).await;
    let answer = bus.take("a", &Taker::new("a", "r1"), 1, LONG).await.unwrap().remove(0);
    assert_eq!(answer.content().to::<u64>().unwrap(), 7);
    bus.ack("a", "a", &[answer.item.message_id]).await.unwrap();
    assert!(clean(&bus, later()).await > 0);
    assert!(types_left(&bus, &format!("message-{}", asked.message_id)).await.is_empty());
    assert!(types_left(&bus, "inbox-a").await.is_empty() && types_left(&bus, "inbox-b").await.is_empty());
}

/// Story: a report has the same id each week. The one of last week was removed; an agent that was at work all the while still
/// knew that it was done with it, and never got the new one.
#[tokio::test]
async fn a_message_whose_id_is_free_again_comes_to_those_who_remember_the_old_one() {
    let bus = memory();
    let run = Taker::new("b", "r1");
    for round in 0..3 {
        say(&bus, "report").await;
        let taken = bus.take("b", &run, 10, LONG).await.unwrap();
        assert_eq!(taken.len(), 1, "round {round}");
        bus.delivered("b", &run, &["report".to_owned()]).await.unwrap();
        bus.ack("b", "b", &["report".to_owned()]).await.unwrap();
        assert!(bus.inbox("b", |inbox| inbox.finished("report").is_some()).await.unwrap());
        assert_eq!(clean(&bus, later()).await, 5, "content, place, and three words");
    }
}

/// Story: a new type of event was recorded of messages, and nothing of them was ever removed again.
#[test]
fn every_type_that_is_recorded_of_messages_is_known_here() {
    let all = crate::vocabulary::TYPES.iter().filter(|info| info.category == "inbox").map(|info| info.name);
    assert_eq!(all.collect::<Vec<_>>(), super::INBOX_TYPES);
}
