//! `factlog flow`, `graph`, `patterns` and `trace`: how things hang together.

use serde_json::{Value, json};

use crate::support::{Place, lines};

/// Two builds: one goes well, the other fails once and is tried again.
const BUILDS: &str = r#"
{"id":"019aa000-0000-7000-8000-000000000001","stream":"task-1","type":"task:created","source":"ada","occurredAt":"2026-03-01T09:00:00Z","correlationId":"b1","data":{}}
{"id":"019aa000-0000-7000-8000-000000000002","stream":"task-2","type":"TaskCreated","source":"ada","occurredAt":"2026-03-01T09:00:10Z","correlationId":"b2","data":{"parentId":"1"}}
{"id":"019aa000-0000-7000-8000-000000000003","stream":"task-1","type":"task:started","source":"ben","occurredAt":"2026-03-01T09:01:00Z","correlationId":"b1","causationId":"019aa000-0000-7000-8000-000000000001","tags":["tool:Edit","file:src/a.rs"],"data":{}}
{"id":"019aa000-0000-7000-8000-000000000004","stream":"task-2","type":"task:started","source":"ben","occurredAt":"2026-03-01T09:02:10Z","correlationId":"b2","causationId":"019aa000-0000-7000-8000-000000000002","data":{}}
{"id":"019aa000-0000-7000-8000-000000000005","stream":"task-2","type":"task:failed","source":"ben","occurredAt":"2026-03-01T09:02:40Z","correlationId":"b2","causationId":"019aa000-0000-7000-8000-000000000004","data":{"error":"no disk"}}
{"id":"019aa000-0000-7000-8000-000000000006","stream":"task-2","type":"task:started","source":"ben","occurredAt":"2026-03-01T09:05:40Z","correlationId":"b2","causationId":"019aa000-0000-7000-8000-000000000005","data":{}}
{"id":"019aa000-0000-7000-8000-000000000007","stream":"task-1","type":"task:completed","source":"ben","occurredAt":"2026-03-01T09:03:00Z","correlationId":"b1","causationId":"019aa000-0000-7000-8000-000000000003","data":{}}
{"id":"019aa000-0000-7000-8000-000000000008","stream":"task-2","type":"task:completed","source":"ben","occurredAt":"2026-03-01T09:06:40Z","correlationId":"b2","causationId":"019aa000-0000-7000-8000-000000000006","data":{}}
"#;

fn builds() -> Place {
    let place = Place::new();
    place.feed("import jsonl -", BUILDS.trim_start());
    place
}

#[test]
fn a_process_is_told_in_the_first_minute() {
    insta::assert_snapshot!(builds().ok("flow"), @r"
    8 events in 2 cases by correlation; half take 3m 0s or less, 95 of 100 6m 30s or less

    WHAT HAPPENS
     ACTIVITY        EVENTS  CASES  BEGIN  END
     task:started         3      2      0    0
     task:completed       2      2      0    2
     task:created         2      2      2    0
     task:failed          1      1      0    0

    WHAT FOLLOWS WHAT
     FROM          TO              TIMES  CASES    P50    P95    MEAN
     task:created  task:started        2      2  1m 0s  2m 0s  1m 30s
     task:started  task:completed      2      2  1m 0s  2m 0s  1m 30s
     task:failed   task:started        1      1  3m 0s  3m 0s   3m 0s
     task:started  task:failed         1      1    30s    30s     30s

    THE WAYS THEY GO: 2 of 2, which 100.0% of the cases take
     CASES  SHARE  WAY
         1  50.0%  task:created > task:started > task:completed
         1  50.0%  task:created > task:started > task:failed > task:started > task:completed

    WHERE THE TIME GOES
     FROM          TO              TIMES  ALL TIME  SHARE  HALF WITHIN
     task:created  task:started        2     3m 0s  31.6%        1m 0s
     task:started  task:completed      2     3m 0s  31.6%        1m 0s
     task:failed   task:started        1     3m 0s  31.6%        3m 0s
     task:started  task:failed         1       30s   5.3%          30s

    WHAT IS DONE AGAIN
     ACTIVITY      CASES  AGAIN  AT ONCE  MOST IN ONE
     task:started      1      1        0            2

    THERE AND BACK
     WAY                                        CASES  TIMES
     task:started > task:failed > task:started      1      1
    ");
}

#[test]
fn the_flow_is_the_same_for_programs() {
    let place = builds();
    let flow = place.json("flow --format json");
    assert_eq!((&flow["cases"], &flow["events"], &flow["by"]), (&json!(2), &json!(8), &json!("correlation")));
    let edge = flow["edges"].as_array().unwrap().iter().find(|edge| edge["from"] == "task:failed").unwrap();
    assert_eq!(
        (&edge["to"], &edge["count"], &edge["time"]["p50Ms"]),
        (&json!("task:started"), &json!(1), &json!(180_000))
    );
    assert_eq!(flow["rework"]["repeats"][0]["activity"], "task:started");
    let csv = place.ok("flow --format csv");
    assert!(csv.starts_with("from,to,times,cases,p50,p95,mean\n"), "{csv}");
    assert_eq!(lines(&place.ok("flow --format jsonl")), [flow]);
    let few = place.json("flow --types task:created,task:completed --format json");
    assert_eq!(few["edges"].as_array().unwrap().len(), 1);
    let one = place.json("flow --by data.parentId --format json");
    assert_eq!((&one["cases"], &one["eventsWithoutCase"]), (&json!(1), &json!(7)));
}

#[test]
fn events_without_a_case_are_said_beside_with_what_to_do() {
    let ran = Place::small().run("flow");
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("2 of 6 events have no correlation"), "{}", ran.err);
    assert!(ran.err.contains("--by stream"), "{}", ran.err);
    let ran = Place::small().run("patterns --by user --format json");
    assert!(ran.err.contains("have no user"), "{}", ran.err);
}

#[test]
fn pictures_are_for_graphviz_and_mermaid_and_have_no_other_format() {
    let place = builds();
    place.ok("append task-1 odd[\"]name 1 --correlation b1");
    let mermaid = place.ok("flow --as mermaid");
    assert!(mermaid.starts_with("flowchart LR\n"), "{mermaid}");
    assert!(mermaid.contains("odd#91;#34;#93;name"), "{mermaid}");
    let dot = place.ok("flow --as dot");
    assert!(dot.starts_with("digraph factlog {\n") && dot.ends_with("}\n"), "{dot}");
    assert!(place.ok("graph --as dot").contains("agent:ben"));
    for line in ["flow --as dot --format json", "graph --as mermaid --format csv"] {
        let said = place.fails(line);
        assert!(said.starts_with("2\n") && said.contains("a picture is not written as"), "{said}");
    }
    let said = place.fails("trace b1 --as otlp --format csv");
    assert!(said.starts_with("2\n") && said.contains("OTLP"), "{said}");
}

#[test]
fn a_wrong_key_or_node_is_refused_with_the_words_there_are() {
    let place = builds();
    for (line, code, word) in [
        ("flow --by taskId", "2", "data.taskId"),
        ("graph robot:1", "2", "agent, task"),
        ("graph nobody", "2", "agent:ada"),
        ("graph agent:cleo", "3", "no event tells of agent:cleo"),
        ("graph file:a.rs", "3", "file:src/a.rs"),
        ("graph agent:ada --kind robot", "2", "--kind"),
        ("trace b9", "3", "no event has the correlation b9"),
        ("trace 99", "3", "99"),
    ] {
        let said = place.fails(line);
        assert!(said.starts_with(&format!("{code}\n")) && said.contains(word), "{line}: {said}");
    }
}

#[test]
fn a_graph_tells_who_has_to_do_with_what() {
    let place = builds();
    insta::assert_snapshot!(place.ok("graph"), @r"
    2 agents, 2 tasks, 1 file, 1 tool in 8 events

    WHAT TIES THEM TOGETHER
     FROM   DOES      TO    EDGES  EVENTS
     agent  works-on  task      2       6
     agent  creates   task      2       2
     agent  touches   file      1       1
     agent  uses      tool      1       1
     task   child-of  task      1       1

    THE MOST CONNECTED
     NODE           NEIGHBOURS  EVENTS
     agent:ben               4       6
     task:1                  3       4
     task:2                  3       5
     agent:ada               2       2
     file:src/a.rs           1       1
     tool:Edit               1       1
    ");
    insta::assert_snapshot!(place.ok("graph file:src/a.rs"), @r"
    file:src/a.rs: 1 event, position 3; 1 node 1 edge or less away

     FROM       DOES     TO             EVENTS  FIRST  LAST
     agent:ben  touches  file:src/a.rs       1      3     3
    ");
    insta::assert_snapshot!(place.ok("graph --path task:2 file:src/a.rs"), @r"
    from task:2 to file:src/a.rs in 2 edges

     NODE                       NEXT           EVENTS  FIRST  LAST
     task:2     <- works-on --  agent:ben           4      4     8
     agent:ben  -- touches ->   file:src/a.rs       1      3     3
    ");
    let around = place.json("graph ada --depth 2 --kind file --format json");
    assert_eq!(around["nodes"], json!([]), "the file is three edges away");
    let around = place.json("graph ada --depth 3 --kind file --format json");
    assert_eq!(around["nodes"][0]["node"], "file:src/a.rs");
    assert_eq!(around["nodes"][0]["distance"], 3);
    let narrow = place.json("graph --source ada --format json");
    assert_eq!(narrow["nodes"], json!({"agent": 1, "task": 2}));
}

#[test]
fn patterns_tell_what_comes_again_and_say_where_there_is_too_little() {
    let place = builds();
    let said = place.ok("patterns --min-support 2");
    assert!(said.contains("task:created > task:started"), "{said}");
    assert!(
        said.contains("There is too little to say something of: only 1 of 2 cases have the outcome"),
        "{said}"
    );
    let mut more = Vec::new();
    for case in 0..20 {
        let (way, end) = if case < 10 { ("hurry", "task:failed") } else { ("rest", "task:completed") };
        for event_type in ["task:started", way, end] {
            more.push(format!("{{\"stream\":\"task-x{case}\",\"type\":\"{event_type}\",\"data\":{{}}}}"));
        }
    }
    let place = Place::new();
    place.feed("import jsonl -", &more.join("\n"));
    let patterns = place.json("patterns --by stream --format json");
    let sign = &patterns["outcome"]["signs"][0];
    assert_eq!(
        (&sign["activity"], &sign["lift"], &sign["verdict"]),
        (&json!("hurry"), &json!(2.0), &json!("clear"))
    );
    let table = place.ok("patterns --by stream");
    assert!(
        table.contains("hurry") && table.contains("clear") && table.contains("A sign is no cause"),
        "{table}"
    );
    let other = place.json("patterns --by stream --outcome task:completed --format json");
    assert_eq!(other["outcome"]["signs"][0]["activity"], "rest");
}

#[test]
fn a_trace_is_a_tree_of_causes_with_what_each_took() {
    let place = builds();
    insta::assert_snapshot!(place.ok("trace b2"), @r"
    b2: 5 events, 1 beginning, from 2026-03-01 09:00:10 UTC, 6m 30s in all; * is the critical path

    *      2             TaskCreated  leads on for 6m 30s  ada
    *      4     +2m 0s  task:started [30s] failed  ben
    *      5       +30s  task:failed
    *      6     +3m 0s  task:started [1m 0s]
    *      8     +1m 0s  task:completed

    the longest waits: 3m 0s before 6*, 2m 0s before 4*
    ");
    assert_eq!(place.ok("trace 5").lines().count(), place.ok("trace b2").lines().count());
    let trace = place.json("trace b2 --format json");
    let positions: Vec<u64> =
        trace["nodes"].as_array().unwrap().iter().map(|node| node["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, [2, 4, 5, 6, 8]);
    assert_eq!(trace["durationMs"], 390_000);
    let by_id = place.json("trace 019aa000-0000-7000-8000-000000000005 --format json");
    assert_eq!((&by_id["nodes"], &by_id["asked"]), (&trace["nodes"], &json!(5)));
}

#[test]
fn spans_go_out_as_otlp_in_json() {
    let place = builds();
    let otlp: Value = serde_json::from_str(&place.ok("trace b2 --as otlp")).unwrap();
    let of_ben = otlp["resourceSpans"]
        .as_array()
        .unwrap()
        .iter()
        .find(|resource| resource["resource"]["attributes"][0]["value"]["stringValue"] == "ben");
    let spans = of_ben.unwrap()["scopeSpans"][0]["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 2, "two tries");
    assert_eq!(spans[0]["startTimeUnixNano"], "1772355730000000000");
    assert_eq!(spans[0]["endTimeUnixNano"], "1772355760000000000");
    assert_eq!(
        (&spans[0]["status"], &spans[1]["status"]),
        (&json!({"code": 2, "message": "no disk"}), &json!({"code": 1}))
    );
    assert_eq!(spans[1]["parentSpanId"], spans[0]["spanId"]);
}
