//! Events of the inter-agent bus (origin D): its envelopes as lines and as arrays, rows of its table, and the way back.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;

use common::{Scene, counts, rejected, sound};
use factlog::{Event, EventId, Priority};
use factlog_adapters::agent_events::to_agent_event;
use factlog_adapters::detect::{Kind, detect};
use factlog_adapters::{Imported, Intake, agent_events};
use factlog_agents::vocabulary::{Origin, Payload, TYPES};
use serde_json::{Value, json};

async fn import(scene: &Scene) -> Imported {
    let paths = [scene.path().to_owned()];
    sound(agent_events::import(&scene.log, &paths, Intake::telling(&mut |_| {})).await.unwrap())
}

const ASSIGNED: &str = r#"{"id":"evt-1732147200000-k3j9x2m1q","type":"task:assigned","source":"coordinator","target":"agent-123","timestamp":"2024-11-21T00:00:00.000Z","correlationId":"job-7","sessionId":"s-1","priority":"critical","ttl":60000,"data":{"taskId":"task-001","taskType":"analysis","description":"Analyze system performance","priority":"high"}}"#;
const MANY: &str = r#"{"id":"evt-1732147201000-aaaaaaaaa","type":"message:sent","source":"agent-123","target":["a","b"],"timestamp":"2024-11-21T00:00:01.000Z","data":{"messageId":"m-1","content":{"n":1.0},"contentType":"json"}}"#;
const BROADCAST: &str = r#"{"id":"evt-1732147202000-bbbbbbbbb","type":"broadcast","source":"agent-123","timestamp":"2024-11-21T00:00:02.000Z","data":{"topic":"system-update","content":{"version":"2.0"},"scope":"global"}}"#;
const ASKED: &str = r#"{"id":"evt-1732147203000-ccccccccc","type":"swarm:consensus:request","source":"lead","timestamp":"2024-11-21T00:00:03.000Z","data":{"consensusId":"c-1","swarmId":"s-9","proposal":"ship","votingStrategy":"majority","timeout":5000}}"#;
const OWN: &str = r#"{"id":"evt-1732147204000-ddddddddd","type":"billing:charged","source":"agent-123","timestamp":"2024-11-21T00:00:04.000Z","data":{"amount":1}}"#;

#[tokio::test]
async fn an_envelope_becomes_an_event_of_the_vocabulary_with_all_it_says() {
    let scene = Scene::new();
    scene.write("events.jsonl", [ASSIGNED, MANY, BROADCAST, ASKED, OWN].join("\n") + "\n");
    let imported = import(&scene).await;
    assert_eq!((counts(&imported), imported.streams), ((5, 5, 0, 0), 5));
    let events = scene.events().await;
    let assigned = &events[0];
    assert_eq!((assigned.stream.as_str(), assigned.event_type.as_str()), ("task-task-001", "task:assigned"));
    assert_eq!(assigned.id, EventId::foreign("agent-events", "task-task-001", "evt-1732147200000-k3j9x2m1q"));
    assert_eq!(assigned.metadata.as_ref().unwrap().as_str(), r#"{"sourceId":"evt-1732147200000-k3j9x2m1q"}"#);
    assert_eq!(
        (assigned.source.as_deref(), assigned.targets[0].as_str()),
        (Some("coordinator"), "agent-123")
    );
    assert_eq!(assigned.correlation_id.as_deref(), Some("job-7"));
    assert_eq!((assigned.session_id.as_deref(), assigned.priority), (Some("s-1"), Some(Priority::Critical)));
    assert_eq!(assigned.occurred_at.unwrap().to_string(), "2024-11-21T00:00:00.000000Z");
    assert_eq!(
        assigned.expires_at.unwrap().to_string(),
        "2024-11-21T00:01:00.000000Z",
        "its time and its ttl"
    );
    assert!(
        assigned.data.as_str().ends_with(r#""priority":"high"}"#),
        "the data stays as it is: {}",
        assigned.data
    );
    let streams: Vec<&str> = events.iter().map(|event| event.stream.as_str()).collect();
    assert_eq!(
        streams[1..],
        ["message-m-1", "message-evt-1732147202000-bbbbbbbbb", "swarm-s-9", "agent-agent-123"]
    );
    let types: Vec<&str> = events.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(
        types[1..],
        ["message:sent", "message:broadcast", "swarm:consensus-request", "billing:charged"]
    );
    assert_eq!(events[1].targets.iter().map(factlog::Text::as_str).collect::<Vec<_>>(), ["a", "b"]);
    assert!(events[1].data.as_str().contains(r#"{"n":1.0}"#), "number for number");
    let metadata: Value = events[2].metadata.as_ref().unwrap().to().unwrap();
    assert_eq!(metadata["sourceType"], "broadcast");
    let Some(Payload::SwarmConsensusRequest(asked)) = Payload::of(&events[3]) else { panic!() };
    assert_eq!((asked.consensus_id.as_str(), asked.timeout_ms), ("c-1", Some(5000)));
    assert_eq!(counts(&import(&scene).await), (5, 0, 5, 0), "importing twice changes nothing");
}

/// Story: a line that was torn, or lacked a field, must not keep the rest of the file from going in, and is to be found again.
#[tokio::test]
async fn a_bad_event_is_named_by_its_line_and_the_rest_goes_in() {
    let scene = Scene::new();
    let no_source = r#"{"id":"evt-1-a","type":"task:started","timestamp":"2024-11-21T00:00:00Z","data":{}}"#;
    let no_time = MANY.replace("2024-11-21T00:00:01.000Z", "yesterday");
    let lines = [ASSIGNED, "", &ASSIGNED[..80], no_source, &no_time, MANY];
    scene.write("a.jsonl", lines.join("\n") + "\n");
    let pretty =
        |text: &str| serde_json::to_string_pretty(&serde_json::from_str::<Value>(text).unwrap()).unwrap();
    let height = pretty(BROADCAST).lines().count() as u64;
    let array = format!("[\n{},\n{},\n\n{},\n7\n]\n", pretty(BROADCAST), no_source, pretty(ASKED));
    scene.write("b.json", array);
    let imported = import(&scene).await;
    assert_eq!(counts(&imported), (9, 4, 0, 0));
    let rejected = rejected(&imported);
    let places: Vec<(&str, u64)> = rejected.iter().map(|(file, line, _)| (file.as_str(), *line)).collect();
    let second = 2 + height;
    let last = second + 2 + pretty(ASKED).lines().count() as u64;
    assert_eq!(
        places,
        [("a.jsonl", 3), ("a.jsonl", 4), ("a.jsonl", 5), ("b.json", second), ("b.json", last)]
    );
    assert!(rejected[1].2.contains("no source") && rejected[2].2.contains("timestamp"), "{rejected:?}");
    assert_eq!(counts(&import(&scene).await), (9, 0, 4, 0));
}

#[tokio::test]
async fn an_array_in_one_line_has_the_same_events_as_lines_have() {
    let (scene, lines) = (Scene::new(), Scene::new());
    scene.write("events.json", format!("\u{feff}[{}]", [ASSIGNED, MANY, BROADCAST, ASKED, OWN].join(",")));
    lines.write("events.jsonl", [ASSIGNED, MANY, BROADCAST, ASKED, OWN].join("\n"));
    assert_eq!(counts(&import(&scene).await), (5, 5, 0, 0));
    assert_eq!(counts(&import(&lines).await), (5, 5, 0, 0));
    let facts = async |scene: &Scene| -> Vec<factlog::NewEvent> {
        scene.events().await.iter().map(|event| event.fact.clone()).collect()
    };
    assert_eq!(facts(&scene).await, facts(&lines).await);
}

/// Story (A14): target, correlation, session, priority and ttl were put into a row's data, and came back in it.
#[tokio::test]
async fn rows_of_the_table_give_back_what_was_put_into_their_data() {
    let scene = Scene::new();
    let id = "7b0f3a52-1c1d-4f0e-9d57-3b6f0f6f2a11";
    let csv = "\
id,type,source,data,timestamp,processed,user_id,created_at
7b0f3a52-1c1d-4f0e-9d57-3b6f0f6f2a11,task:progress,agent-123,\"{\"\"taskId\"\": \"\"t-1\"\", \"\"progress\"\": 40, \"\"target\"\": \"\"boss\"\", \"\"correlationId\"\": \"\"job-7\"\", \"\"priority\"\": \"\"high\"\", \"\"sessionId\"\": \"\"s-1\"\", \"\"ttl\"\": 60000}\",2024-11-21 00:00:00.5+00,f,,2024-11-21 00:00:05+00
7b0f3a52-1c1d-4f0e-9d57-3b6f0f6f2a12,message:sent,agent-123,\"{\"\"messageId\"\": \"\"m\"\",
 \"\"content\"\": \"\"two lines\"\"}\",2024-11-21 02:00:00+02,t,5a0f3a52-1c1d-4f0e-9d57-3b6f0f6f2a99,2024-11-21 00:00:05+00
7b0f3a52-1c1d-4f0e-9d57-3b6f0f6f2a13,message:sent,agent-123,no json,2024-11-21 00:00:00+00,f,,2024-11-21 00:00:05+00
7b0f3a52-1c1d-4f0e-9d57-3b6f0f6f2a14,message:sent,agent-123
7b0f3a52-1c1d-4f0e-9d57-3b6f0f6f2a15,task:assigned,boss,\"{\"\"taskId\"\": \"\"t-2\"\", \"\"priority\"\": \"\"critical\"\", \"\"target\"\": [\"\"a\"\", \"\"b\"\"]}\",2024-11-21 00:00:00+00,f,,2024-11-21 00:00:05+00
";
    scene.write("abc_events.csv", csv);
    let imported = import(&scene).await;
    assert_eq!(counts(&imported), (5, 3, 0, 0));
    let bad = rejected(&imported);
    assert_eq!(bad.iter().map(|(_, line, _)| *line).collect::<Vec<_>>(), [5, 6], "{bad:?}");
    let events = scene.events().await;
    assert_eq!(events.len(), 3);
    let progress = &events[0];
    assert_eq!((progress.id.to_string().as_str(), progress.stream.as_str()), (id, "task-t-1"));
    assert_eq!(progress.data.as_str(), r#"{"taskId":"t-1","progress":40}"#);
    assert_eq!((progress.targets[0].as_str(), progress.correlation_id.as_deref()), ("boss", Some("job-7")));
    assert_eq!((progress.session_id.as_deref(), progress.priority), (Some("s-1"), Some(Priority::High)));
    assert_eq!(progress.expires_at.unwrap().to_string(), "2024-11-21T00:01:00.500000Z");
    assert!(
        progress.metadata.as_ref().unwrap().as_str().contains(id),
        "known as one that came from elsewhere"
    );
    let assigned = events.iter().find(|event| event.stream == "task-t-2").unwrap();
    assert_eq!(
        assigned.data.as_str(),
        r#"{"taskId":"t-2","priority":"critical"}"#,
        "a task has a priority of its own"
    );
    assert_eq!((assigned.targets.len(), assigned.priority), (2, Some(Priority::Critical)));
    assert_eq!(counts(&import(&scene).await), (5, 0, 3, 0));

    // The same rows as another tool writes them.
    let row = r#"{"id":"7b0f3a52-1c1d-4f0e-9d57-3b6f0f6f2a11","type":"task:progress","source":"agent-123","timestamp":"2024-11-21T00:00:00.5+00:00","data":{"taskId":"t-1","progress":40,"target":"boss","correlationId":"job-7","priority":"high","sessionId":"s-1","ttl":60000},"processed":false,"user_id":null,"created_at":"2024-11-21T00:00:05+00:00"}"#;
    let other = Scene::new();
    other.write("rows.jsonl", row);
    assert_eq!(counts(&import(&other).await), (1, 1, 0, 0));
    assert_eq!(other.events().await[0].fact, progress.fact);
}

#[tokio::test]
async fn what_is_written_in_the_buss_words_is_the_same_when_it_comes_back() {
    let scene = Scene::new();
    let all = [ASSIGNED, MANY, BROADCAST, ASKED, OWN];
    scene.write("events.jsonl", all.join("\n"));
    import(&scene).await;
    let events = scene.events().await;
    let written: Vec<String> = events.iter().map(|event| to_agent_event(event)).collect();
    let value = |text: &str| -> Value {
        let mut value: Value = serde_json::from_str(text).unwrap();
        // Times have three more digits here.
        value["timestamp"] = value["timestamp"].as_str().unwrap()[..19].into();
        value
    };
    for (written, was) in written.iter().zip(all) {
        assert_eq!(value(written), value(was));
    }
    let again = Scene::new();
    again.write("events.jsonl", written.join("\n"));
    import(&again).await;
    let facts = |events: &[std::sync::Arc<Event>]| -> Vec<factlog::NewEvent> {
        events.iter().map(|event| event.fact.clone()).collect()
    };
    assert_eq!(facts(&again.events().await), facts(&events));
}

#[tokio::test]
async fn every_type_of_the_bus_goes_in_under_its_word_and_comes_out_under_it() {
    let words: Vec<&str> = TYPES
        .iter()
        .filter_map(|info| {
            let (_, words) = info.origins.iter().find(|(origin, _)| *origin == Origin::D)?;
            Some(words.first().copied().unwrap_or(info.name))
        })
        .collect();
    for word in ["agent:spawned", "broadcast", "request", "response", "swarm:task:assigned", "system:alert"] {
        assert!(words.contains(&word), "{word} of {words:?}");
    }
    let scene = Scene::new();
    let lines = words.iter().enumerate().map(|(number, word)| {
        json!({"id": format!("evt-1-{number}"), "type": word, "source": "a", "timestamp": "2024-11-21T00:00:00Z", "data": {}})
            .to_string()
    });
    scene.write("events.jsonl", lines.collect::<Vec<_>>().join("\n"));
    assert_eq!(import(&scene).await.appended, words.len() as u64);
    for (event, word) in scene.events().await.iter().zip(&words) {
        assert!(Payload::of(event).is_some(), "{word} means something");
        let written: Value = serde_json::from_str(&to_agent_event(event)).unwrap();
        assert_eq!(written["type"], *word);
    }
}

#[test]
fn the_format_is_found_by_a_look() {
    let scene = Scene::new();
    let pretty = serde_json::to_string_pretty(&[serde_json::from_str::<Value>(ASSIGNED).unwrap()]).unwrap();
    for (name, content) in [
        ("a.jsonl", ASSIGNED.to_owned()),
        ("b.json", pretty),
        ("c.json", format!("[{ASSIGNED}]")),
        ("d.csv", "id,type,source,data,timestamp,processed,user_id,created_at\n".to_owned()),
    ] {
        let path: PathBuf = scene.write(name, content);
        let detected = detect(std::slice::from_ref(&path)).unwrap();
        assert_eq!(detected.files.keys().copied().collect::<Vec<_>>(), [Kind::AgentEvents], "{name}");
    }
    scene.write("other.csv", "name,age\nada,36\n");
    let detected = detect(&[scene.path().to_owned()]).unwrap();
    assert_eq!((detected.files[&Kind::AgentEvents].len(), detected.unknown.len()), (4, 0), "{detected:?}");
}
