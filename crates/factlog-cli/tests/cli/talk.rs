//! Agents that talk by the command: each run is a process of its own.

use crate::support::Place;

/// Story: a message to an agent that was absent was answered with success, and was gone.
#[test]
fn a_message_waits_is_shown_without_a_change_is_taken_and_acknowledged() {
    let place = Place::new();
    let sent = place.json("send --from planner --to worker-1 hello");
    assert_eq!(sent["recipients"][0], "worker-1");
    assert!(sent["position"].as_u64().is_some() && sent["repeated"] == false);
    let id = sent["messageId"].as_str().unwrap();
    for _ in 0..2 {
        let shown = &place.json("inbox worker-1 --format json")[0];
        assert_eq!((shown["messageId"].as_str(), shown["from"].as_str()), (Some(id), Some("planner")));
        assert_eq!((shown["state"].as_str(), shown["priority"].as_str()), (Some("queued"), Some("normal")));
        assert_eq!(shown["data"], "hello");
    }
    let table = place.ok("inbox worker-1");
    assert!(table.contains("planner") && table.contains("hello"), "{table}");
    assert_eq!(place.json("inbox worker-1 --take 5 --format json")[0]["state"], "offered");
    assert_eq!(place.json("inbox worker-1 --take 5 --format json").as_array().unwrap().len(), 0);
    assert_eq!(place.json(&format!("message {id} --format json"))["recipients"][0]["state"], "offered");
    assert_eq!(place.json(&format!("ack worker-1 {id}"))["state"], "acked");
    assert_eq!(place.json(&format!("ack worker-1 {id}"))["state"], "acked", "again changes nothing");
    let status = place.json(&format!("message {id} --format json"));
    assert_eq!(
        (status["recipients"][0]["state"].as_str(), status["from"].as_str()),
        (Some("acked"), Some("planner"))
    );
    assert_eq!(place.json("inbox worker-1 --format json").as_array().unwrap().len(), 0);
}

#[test]
fn what_cannot_be_sent_or_settled_says_why_and_what_to_do() {
    let place = Place::new();
    place.ok("send --from a --to b --id m1 hello");
    for (line, code, says) in [
        ("send --from a --to b --id m1 other", 4, "with another content"),
        ("send --from a --to type:nobody hello", 3, "registered"),
        ("send --from a --to one-of:b hello", 2, "names nobody"),
        ("send --to b hello", 2, "--from"),
        ("send --from a --to b --ttl soon hello", 2, "--ttl"),
        ("ack b m2", 3, "factlog inbox b"),
        ("message m2", 3, "no message m2"),
        ("request --from a --to nobody status", 3, "nobody answers to status"),
        ("dead-letters replay m1", 3, "no dead letter m1"),
    ] {
        let said = place.fails(line);
        assert!(said.starts_with(&format!("{code}\n")) && said.contains(says), "{line}: {said}");
    }
}

#[test]
fn the_agent_that_acts_may_be_named_by_the_environment() {
    let place = Place::new().with("FACTLOG_AGENT", "planner");
    place.ok("send --to worker-1 hello");
    assert_eq!(place.json("inbox worker-1 --format json")[0]["from"], "planner");
}

/// Story: what failed again and again was offered for ever, or was lost without a word.
#[test]
fn a_dead_letter_is_listed_with_its_reason_and_comes_back_by_a_replay() {
    let place = Place::new();
    place.ok("send --from a --to b --id m1 poison");
    for attempt in 1..=5 {
        assert_eq!(place.json("inbox b --take 1 --format json")[0]["attempts"], attempt);
        place.run_words(&["nack", "b", "m1", "--reason", "it hurts", "--delay", "0s"]).ok();
    }
    let dead = &place.json("dead-letters list --format json")[0];
    assert_eq!((dead["messageId"].as_str(), dead["inbox"].as_str()), (Some("m1"), Some("b")));
    assert_eq!(dead["reason"], "failed 5 times; the last time: it hurts");
    assert_eq!(place.json("message m1 --format json")["recipients"][0]["state"], "dead");
    let counted = place.run("dead-letters replay --first 10");
    assert!(
        counted.err.contains("1 of 1 dead letters would be offered again; --yes does it"),
        "{}",
        counted.err
    );
    assert_eq!(place.json("dead-letters list --format json").as_array().unwrap().len(), 1);
    assert_eq!(place.json("dead-letters replay --first 10 --yes")["replayed"], 1);
    assert_eq!(place.json("inbox b --format json")[0]["state"], "queued");
}

#[test]
fn a_request_is_answered_by_another_process_and_one_whose_time_is_over_exits_with_5() {
    let place = Place::new();
    place.run_words(&["append", "agent-b", "agent:spawned", r#"{"agentId":"b","methods":["status"]}"#]).ok();
    let other = place.fails("request --from a --to b --timeout 1s other");
    assert!(other.starts_with("3\n") && other.contains("b answers to status"), "{other}");
    let late = place.fails("request --from a --to b --timeout 100ms status");
    assert!(late.starts_with("5\n"), "{late}");
    let asking = place.start("request --from a --to b --timeout 60s status");
    let id = loop {
        let waiting = place.json("inbox b --format json");
        let open = waiting.as_array().unwrap().iter().find(|item| item["state"] == "queued");
        if let Some(item) = open {
            break item["messageId"].as_str().unwrap().to_owned();
        }
    };
    let answered = place.run_words(&["respond", "--from", "b", &id, r#"{"load":0.5}"#]).ok();
    assert!(answered.contains(r#""counted":true"#), "{answered}");
    let answer = asking.json();
    assert_eq!((&answer["result"]["load"], &answer["from"]), (&0.5.into(), &"b".into()), "{answer}");
    assert_eq!(asking.end().code, 0);
    let again = place.run_words(&["respond", "--from", "b", &id, r#"{"load":1}"#]).ok();
    assert!(again.contains(r#""counted":false"#), "the first answer counts: {again}");
}

#[test]
fn a_broadcast_reaches_those_it_means_and_not_its_sender() {
    let place = Place::new();
    for (id, kind) in [("w1", "worker"), ("w2", "worker"), ("r1", "reviewer")] {
        let data = format!(r#"{{"agentId":"{id}","agentType":"{kind}"}}"#);
        place.run_words(&["append", &format!("agent-{id}"), "agent:spawned", &data]).ok();
    }
    let to_all = place.json("broadcast --from w1 news hello");
    assert_eq!(to_all["recipients"], serde_json::json!(["r1", "w2"]));
    let to_workers = place.json("broadcast --from r1 --type worker news hello");
    assert_eq!(to_workers["recipients"], serde_json::json!(["w1", "w2"]));
    assert_eq!(place.json("inbox w2 --format json")[1]["topic"], "news");
}
