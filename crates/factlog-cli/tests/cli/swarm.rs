//! Swarms that vote, and agents that work together, as agents with a shell do it.

use serde_json::{Value, json};

use crate::support::Place;

fn words<'a>(line: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    line.split_whitespace().chain(more.iter().copied()).collect()
}

/// A swarm of three, led by ada.
fn reviewers() -> Place {
    let place = Place::new();
    let form = "swarm form reviewers --leader ada --member ben --member cleo --as ada --objective";
    place.run_words(&words(form, &["Review the release"])).ok();
    place
}

fn act(place: &Place, line: &str) -> Value {
    let out = place.ok(line);
    assert_eq!(out.lines().count(), 1, "one line for a program: {out}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn a_swarm_is_formed_asked_and_decides() {
    let place = reviewers();
    let asked = place
        .run_words(&words("swarm propose reviewers ship --timeout 1h --as ada", &["Ship 1.2 today"]))
        .ok();
    let asked: Value = serde_json::from_str(&asked).unwrap();
    assert_eq!((&asked["status"], &asked["proposal"]), (&json!("open"), &json!("Ship 1.2 today")));
    assert_eq!(asked["electorate"], json!({"ada": 1, "ben": 1, "cleo": 1}));
    let first = act(&place, "vote reviewers ship reject --reason unsure --as ben");
    assert_eq!((&first["tally"]["reject"], &first["votes"]["ben"]["reason"]), (&json!(1), &json!("unsure")));
    act(&place, "vote reviewers ship approve --as ben");
    let open = place.ok("swarm show reviewers ship");
    assert!(open.contains("ship is open until") && open.contains("2 of 3 have not voted"), "{open}");
    let watching = place.start("swarm show reviewers ship --watch --format json");
    let decided = act(&place, "vote reviewers ship approve --as cleo");
    assert_eq!((&decided["status"], &decided["why"]), (&json!("approved"), &json!("2 of 3 approve")));
    let watched: Value = serde_json::from_str(&watching.end().ok()).unwrap();
    assert_eq!(watched, decided);
    let said = place.fails("vote reviewers ship reject --as ada");
    assert!(
        said.starts_with("4\n") && said.contains("approved") && said.contains("2 of 3 approve"),
        "{said}"
    );
    assert_eq!(place.positions("list --type swarm:consensus-reached").len(), 1);
    let shown = place.json("swarm show reviewers --format json");
    assert_eq!(shown["consensus"]["ship"]["tally"]["approve"], 2);
    assert_eq!(place.json("swarms reviewers --format json")["consensus"]["ship"]["reached"], true);
    let table = place.ok("swarm show reviewers");
    assert!(table.contains("QUESTION") && table.contains("2 of 3 approve"), "{table}");
}

#[test]
fn what_nobody_has_recorded_as_over_is_shown_as_over() {
    let place = reviewers();
    let asked = |timeout| {
        json!({"stream": "swarm-reviewers", "type": "swarm:consensus-request", "source": "ada",
        "data": {"swarmId": "reviewers", "consensusId": "ship", "electorate": ["ada"], "timeoutMs": timeout}})
    };
    place.feed("append --stdin", &format!("{}\n", asked(0)));
    let question = place.json("swarm show reviewers ship --format json");
    assert_eq!(
        (&question["status"], &question["why"]),
        (&json!("rejected"), &json!("timed out with 0 of 1 votes"))
    );
    assert_eq!(place.json("swarms --format json")[0]["consensus"]["ship"]["reached"], false);
    assert!(question.get("recordedAt").is_none(), "a look writes nothing");
    assert!(place.fails("vote reviewers ship approve --as ada").starts_with("4\n"));
    assert_eq!(
        place.positions("list --type swarm:consensus-reached").len(),
        1,
        "who comes too late records it"
    );
    place.ok("swarm show reviewers ship --watch");
    assert_eq!(place.positions("list --type swarm:consensus-reached").len(), 1);
}

#[test]
fn who_acts_must_be_said_and_may() {
    let place = reviewers();
    let said = place.fails("swarm join reviewers");
    assert!(said.starts_with("2\n") && said.contains("FACTLOG_AGENT"), "{said}");
    let dora = Place::new().with("FACTLOG_AGENT", "dora");
    assert!(dora.ok("swarm form s --objective o").contains("dora"));
    assert!(place.fails("swarm join unknown --as dora").starts_with("3\n"));
    assert!(place.fails("swarm form reviewers --objective o --as dora").starts_with("4\n"));
    let joined = act(&place, "swarm join reviewers --role tester --as dora");
    assert_eq!(
        (joined["members"].as_array().unwrap().len(), &joined["roles"]["dora"]),
        (4, &json!("tester"))
    );
    let said = place.fails("swarm disband reviewers --as dora");
    assert!(said.starts_with("1\n") && said.contains("ada"), "{said}");
    assert_eq!(act(&place, "swarm phase reviewers testing --as dora")["phase"], "testing");
    act(&place, "swarm leave reviewers --as dora");
    assert_eq!(act(&place, "swarm disband reviewers --reason done --as ada")["status"], "disbanded");
    for (line, words) in [
        ("vote reviewers ship maybe --as ada", "abstain"),
        ("swarm propose reviewers q x --strategy most --as ada", "--strategy"),
        ("swarm propose reviewers q x --timeout soon --as ada", "--timeout"),
        ("swarm propose reviewers q x --weight ada --as ada", "AGENT=NUMBER"),
        ("swarm propose reviewers q {x --as ada", "PROPOSAL"),
    ] {
        let said = place.fails(line);
        assert!(said.starts_with("2\n") && said.contains(words), "{line}: {said}");
    }
}

#[test]
fn weights_and_a_quorum_are_said_on_the_line() {
    let place = reviewers();
    act(&place, "swarm propose reviewers q {\"v\":1} --strategy weighted --weight ada=2.5 --as ben");
    let decided = act(&place, "vote reviewers q approve --as ada");
    assert_eq!(
        (&decided["why"], &decided["proposal"]),
        (&json!("weight 2.5 of 4.5 approves"), &json!({"v": 1}))
    );
    act(&place, "swarm propose reviewers r yes --strategy quorum --quorum 2 --as ben");
    act(&place, "vote reviewers r approve --as ada");
    let decided = act(&place, "vote reviewers r approve --as ben");
    assert_eq!(decided["why"], "2 of 2 needed votes, 2 approve");
}

#[test]
fn common_work_is_asked_for_taken_up_and_done() {
    let place = Place::new();
    let request =
        "coordinate request release --capability rust --min 2 --strategy sequential --as ada --objective";
    place.run_words(&words(request, &["Release 1.2"])).ok();
    let said = place.fails("coordinate accept release --as ben");
    assert!(said.starts_with("1\n") && said.contains("registered"), "{said}");
    for agent in ["ben", "cleo"] {
        let data = json!({"agentId": agent, "capabilities": ["rust"]}).to_string();
        place.run_words(&["append", &format!("agent-{agent}"), "agent:spawned", &data]).ok();
    }
    assert_eq!(act(&place, "coordinate accept release --as ben")["phase"], "forming");
    let waiting = place.start("coordinate show release --until active --format json");
    let active = act(&place, "coordinate accept release --as cleo");
    assert_eq!((&active["phase"], &active["turn"]), (&json!("active"), &json!("ben")));
    assert_eq!(serde_json::from_str::<Value>(&waiting.end().ok()).unwrap()["phase"], "active");
    assert!(place.fails("coordinate update release --status done --as cleo").starts_with("4\n"));
    let half = act(&place, "coordinate update release --status done --as ben");
    assert_eq!((&half["turn"], &half["progress"]), (&json!("cleo"), &json!(50.0)));
    assert_eq!(act(&place, "coordinate decline release --reason busy --as dora")["declined"]["dora"], "busy");
    assert!(place.fails("coordinate show release --until failed --timeout 0s").starts_with("5\n"));
    assert!(place.fails("coordinate update release --as ben").starts_with("2\n"));
    act(&place, "coordinate complete release --result {\"v\":\"1.2\"} --as ada");
    let done = place.json("coordinations release --format json");
    assert_eq!((&done["phase"], &done["result"]["v"]), (&json!("completed"), &json!("1.2")));
    assert_eq!(place.json("coordinations --phase completed --format json").as_array().unwrap().len(), 1);
    assert_eq!(place.json("coordinations --phase active --format json"), json!([]));
    assert!(place.ok("coordinations").contains("Release 1.2"));
    assert!(place.ok("blame coordination-release phase").contains("completed"));
    assert!(place.ok("projections show coordinations").contains("release"));
}
