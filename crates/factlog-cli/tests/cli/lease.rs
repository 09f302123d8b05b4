//! Leases from the command line: taken, waited for, renewed, given back, and looked up.

use serde_json::Value;

use crate::support::{Place, lines};

fn token(line: &str) -> u64 {
    serde_json::from_str::<Value>(line).unwrap()["token"].as_u64().unwrap()
}

/// Story: a claim on a file was a line that others were to read, and nothing kept them from the file.
#[test]
fn what_one_agent_has_is_refused_to_others_and_the_message_says_who_and_until_when() {
    let place = Place::new();
    let taken =
        place.run_words(&["lease", "acquire", "src/**", "--as", "a", "--ttl", "10m", "--reason", "mend it"]);
    let lease: Value = serde_json::from_str(&taken.ok()).unwrap();
    assert_eq!((lease["agentId"].as_str(), lease["token"].as_u64()), (Some("a"), Some(1)));
    let refused = place.fails_words(&["lease", "acquire", "src/x.rs", "--as", "b"]);
    let until = lease["expiresAt"].as_str().unwrap();
    for part in ["4\n", "src/**", "held by a until", until, "mend it", "hint:", "--wait"] {
        assert!(refused.contains(part), "{refused} lacks {part}");
    }
    let waited = place.fails_words(&["lease", "acquire", "src/x.rs", "--as", "b", "--wait", "0s"]);
    assert!(waited.starts_with("4\n"), "{waited}");
    place.ok("lease acquire src/x.rs --as b --namespace other");
    place.ok("lease release 1 --as a");
    assert_eq!(token(&place.ok("lease acquire src/x.rs --as b --wait 30s")), 4);
}

#[test]
fn a_lease_is_renewed_and_released_by_its_holder_alone() {
    let place = Place::new();
    let lease: Value = serde_json::from_str(&place.ok("lease acquire x --as a --ttl 1m")).unwrap();
    let renewed: Value = serde_json::from_str(&place.ok("lease renew 1 --as a --ttl 1h")).unwrap();
    assert!(renewed["expiresAt"].as_str() > lease["expiresAt"].as_str());
    assert!(place.fails("lease renew 1 --as b").starts_with("1\n"), "it is another's");
    assert!(place.fails("lease renew 7 --as a").starts_with("3\n"));
    assert_eq!(place.ok("lease release 1 --as a --format table"), "a has released the lease of token 1\n");
    assert!(place.fails("lease release 1 --as a").starts_with("3\n"));
}

#[test]
fn leases_are_listed_and_a_resource_tells_who_holds_it() {
    let place = Place::new();
    place.run_words(&["lease", "acquire", "src/**", "docs/*", "--as", "a"]).ok();
    place.ok("lease acquire x --as b --namespace other");
    let agents = |line: &str| -> Vec<String> {
        lines(&place.ok(line)).iter().map(|lease| lease["agentId"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(agents("lease list --format jsonl"), ["a", "b"]);
    assert_eq!(agents("lease list --namespace other --format jsonl"), ["b"]);
    assert_eq!(agents("lease list src/a/b.rs --format jsonl"), ["a"]);
    assert_eq!(agents("lease list **/*.md --format jsonl"), ["a"], "a part of what it means");
    let free = place.run("lease list x --format jsonl");
    assert_eq!((free.code, free.out.as_str()), (0, ""), "nobody holds it in the namespace that is meant");
    let free = place.run("lease list x");
    assert_eq!((free.code, free.out.as_str(), free.err.as_str()), (0, "", "nobody holds it\n"));
    let table = place.ok("lease list");
    assert!(table.contains("TOKEN") && table.contains("docs/*"), "{table}");
    let state = place.json("projections show leases");
    assert_eq!(state["default"]["leases"][0]["token"], 1);
    let blame = place.ok("blame lease-default --format jsonl");
    assert!(blame.contains("lease:acquired"), "{blame}");
}

#[test]
fn what_cannot_be_meant_is_bad_usage_and_the_agent_may_stand_in_the_environment() {
    let place = Place::new();
    for (line, says) in [
        ("lease acquire x", "--as AGENT"),
        ("lease acquire --as a", "RESOURCE"),
        ("lease acquire x --as a --ttl soon", "--ttl"),
        ("lease acquire x --as a --ttl 25h", "24 hours"),
        ("lease acquire x --as a --wait soon", "--wait"),
        ("lease acquire x\\ --as a", "stands before nothing"),
    ] {
        let refused = place.fails(line);
        assert!(refused.starts_with("2\n") && refused.contains(says), "{line}: {refused}");
    }
    assert!(place.files().is_empty(), "nothing was made for it");
    let place = place.with("FACTLOG_AGENT", "me");
    let lease: Value = serde_json::from_str(&place.ok("lease acquire x")).unwrap();
    assert_eq!(lease["agentId"], "me");
    let lease: Value = serde_json::from_str(&place.ok("lease acquire y --as you")).unwrap();
    assert_eq!(lease["agentId"], "you");
}
