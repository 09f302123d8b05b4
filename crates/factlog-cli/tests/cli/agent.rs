//! An agent made of a command: tasks, messages and requests as JSON lines in, answers as JSON lines out.

use crate::support::Place;

/// Answers everything with its message's id, in upper case where that is a task.
const ECHO: &str = r#"sed -u 's/.*"messageId":"\([^"]*\)".*/{"messageId":"\1","result":"did \1"}/'"#;

fn agent(place: &Place, words: &[&str]) -> crate::running::Running {
    let agent = place.start_words(&[&["agent", "run", "--id", "w", "--type", "worker"], words].concat());
    agent.waits_to_say("w is at work");
    agent
}

/// Waits until a message stands so at its recipient.
fn wait_until(place: &Place, id: &str, state: &str) {
    while place.json(&format!("message {id} --format json"))["recipients"][0]["state"] != state {}
}

#[cfg(unix)]
#[test]
fn a_command_answers_requests_does_tasks_and_reads_messages() {
    let place = Place::new();
    let worker = agent(&place, &["--exec", ECHO]);
    let answer = place.json("request --from boss --to w --timeout 60s anything");
    assert!(answer["result"].as_str().unwrap().starts_with("did "), "{answer}");
    place.ok("send --from boss --to w --id m1 hello");
    wait_until(&place, "m1", "acked");
    let sent = place.json("send --from boss --to one-of:type:worker --id m2 whoever");
    assert_eq!(sent["recipients"][0], "one-of:type:worker");
    wait_until(&place, "m2", "acked");
    worker.interrupt();
    assert_eq!(worker.end().code, 0);
    let ended = place.json("agents w --format json");
    assert_eq!(ended["status"], "terminated", "{ended}");
}

/// Story: a command that died took what it had in hand with it.
#[cfg(unix)]
#[test]
fn a_command_that_ends_is_started_again_and_what_it_had_in_hand_comes_again() {
    let place = Place::new();
    // The first time it reads a line and dies; the second time it answers.
    let dies_once = format!("if [ -e seen ]; then {ECHO}; else read line; touch seen; fi");
    let worker = agent(&place, &["--exec", &dies_once]);
    place.ok("send --from boss --to w --id m1 hello");
    wait_until(&place, "m1", "acked");
    assert_eq!(place.json("message m1 --format json")["recipients"][0]["attempts"], 2);
    worker.interrupt();
    assert_eq!(worker.end().code, 0);
}

/// Story: a command died; the one that was started in its place read what had been written for the first, and then the same
/// anew.
#[cfg(unix)]
#[test]
fn a_command_that_is_started_again_reads_each_line_once() {
    let place = Place::new();
    let dies_once = format!("if [ -e seen ]; then tee -a lines | {ECHO}; else read line; touch seen; fi");
    // More than fits into a pipe.
    let text = "x".repeat(100 * 1024);
    for sender in ["a", "b", "c", "d"] {
        place.run_words(&["send", "--from", sender, "--to", "w", "--id", &format!("m-{sender}"), &text]).ok();
    }
    let worker = agent(&place, &["--exec", &dies_once]);
    for sender in ["a", "b", "c", "d"] {
        wait_until(&place, &format!("m-{sender}"), "acked");
    }
    let lines = std::fs::read_to_string(place.path("lines")).unwrap();
    for sender in ["a", "b", "c", "d"] {
        assert_eq!(lines.matches(&format!("\"messageId\":\"m-{sender}\"")).count(), 1, "m-{sender}");
    }
    worker.interrupt();
    assert_eq!(worker.end().code, 0);
}

/// Story: a command said that a message need not come again, and had it four times more.
#[cfg(unix)]
#[test]
fn what_need_not_come_again_is_a_dead_letter() {
    let place = Place::new();
    let refuses =
        r#"sed -u 's/.*"messageId":"\([^"]*\)".*/{"messageId":"\1","error":"nonsense","retry":false}/'"#;
    let worker = agent(&place, &["--exec", refuses]);
    place.ok("send --from boss --to w --id m1 hello");
    wait_until(&place, "m1", "dead");
    assert_eq!(place.json("message m1 --format json")["recipients"][0]["attempts"], 1);
    worker.interrupt();
    assert_eq!(worker.end().code, 0);
}
