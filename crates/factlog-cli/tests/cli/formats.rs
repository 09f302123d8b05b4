//! Each format, of one small log: what people and programs rely on.

use crate::support::{Place, lines};

/// What is written, without the time of the test.
fn written(place: &Place, words: &str) -> String {
    let mut text = place.ok(words);
    for event in lines(&place.ok("export")) {
        text = text.replace(event["recordedAt"].as_str().unwrap(), "(now)");
    }
    text
}

#[test]
fn table() {
    insta::assert_snapshot!(written(&Place::small(), "list"), @r#"
    POSITION  TIME (UTC)           STREAM        TYPE            SOURCE   DATA
           1  2025-03-01 09:00:00  task-1        task:created    planner  {"title":"Outline"}
           2  2025-03-01 09:30:00  task-1        task:assigned   planner  {"to":"writer"}
           3  2025-03-01 23:59:59  task-2        task:created    planner  {"title":"Check LINKS"}
           4  2025-03-02 00:00:00  agent-writer  agent:spawned   writer   {"role":"writer"}
           5  2025-03-02 10:15:00  task-1        task:completed  writer   {"pages":1.50,"note":"a, \"b\"\nc"}
           6  2025-03-01 08:00:00  banana        never heard of           [1,{}]
    "#);
}

#[test]
fn json() {
    insta::assert_snapshot!(written(&Place::small(), "list --format json --first 2"), @r#"
    [
    {"position":1,"id":"019aa000-0000-7000-8000-000000000001","stream":"task-1","version":1,"type":"task:created","source":"planner","targets":["writer"],"recordedAt":"(now)","occurredAt":"2025-03-01T09:00:00.000000Z","correlationId":"docs","sessionId":"s1","userId":"ada","priority":"high","tags":["docs"],"data":{"title":"Outline"}},
    {"position":2,"id":"019aa000-0000-7000-8000-000000000002","stream":"task-1","version":2,"type":"task:assigned","source":"planner","targets":["writer","tester"],"recordedAt":"(now)","occurredAt":"2025-03-01T09:30:00.000000Z","correlationId":"docs","causationId":"019aa000-0000-7000-8000-000000000001","sessionId":"s1","data":{"to":"writer"}}
    ]
    "#);
}

#[test]
fn jsonl() {
    insta::assert_snapshot!(written(&Place::small(), "list --format jsonl"), @r#"
    {"position":1,"id":"019aa000-0000-7000-8000-000000000001","stream":"task-1","version":1,"type":"task:created","source":"planner","targets":["writer"],"recordedAt":"(now)","occurredAt":"2025-03-01T09:00:00.000000Z","correlationId":"docs","sessionId":"s1","userId":"ada","priority":"high","tags":["docs"],"data":{"title":"Outline"}}
    {"position":2,"id":"019aa000-0000-7000-8000-000000000002","stream":"task-1","version":2,"type":"task:assigned","source":"planner","targets":["writer","tester"],"recordedAt":"(now)","occurredAt":"2025-03-01T09:30:00.000000Z","correlationId":"docs","causationId":"019aa000-0000-7000-8000-000000000001","sessionId":"s1","data":{"to":"writer"}}
    {"position":3,"id":"019aa000-0000-7000-8000-000000000003","stream":"task-2","version":1,"type":"task:created","source":"planner","recordedAt":"(now)","occurredAt":"2025-03-01T23:59:59.999999Z","correlationId":"links","sessionId":"s2","userId":"bob","priority":"low","tags":["links","ci"],"data":{"title":"Check LINKS"}}
    {"position":4,"id":"eb8e6cf9-89d0-5c10-946b-10056212b5d8","stream":"agent-writer","version":1,"type":"agent:spawned","source":"writer","recordedAt":"(now)","occurredAt":"2025-03-02T00:00:00.000000Z","causationId":"019aa000-0000-7000-8000-000000000002","metadata":{"sourceId":"evt-4"},"data":{"role":"writer"}}
    {"position":5,"id":"019aa000-0000-7000-8000-000000000005","stream":"task-1","version":3,"type":"task:completed","source":"writer","targets":["planner"],"recordedAt":"(now)","occurredAt":"2025-03-02T10:15:00.000000Z","correlationId":"docs","causationId":"019aa000-0000-7000-8000-000000000002","priority":"critical","expiresAt":"2030-01-01T00:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","tags":["docs"],"metadata":{"host":"ci-3"},"data":{"pages":1.50,"note":"a, \"b\"\nc"}}
    {"position":6,"id":"019aa000-0000-7000-8000-000000000006","stream":"banana","version":1,"type":"never heard of","recordedAt":"(now)","occurredAt":"2025-03-01T08:00:00.000000Z","data":[1,{}]}
    "#);
}

#[test]
fn csv() {
    insta::assert_snapshot!(written(&Place::small(), "list --format csv"), @r#"
    position,id,stream,version,type,source,targets,recordedAt,occurredAt,correlationId,causationId,sessionId,userId,priority,expiresAt,traceparent,tags,metadata,data
    1,019aa000-0000-7000-8000-000000000001,task-1,1,task:created,planner,writer,(now),2025-03-01T09:00:00.000000Z,docs,,s1,ada,high,,,docs,,"{""title"":""Outline""}"
    2,019aa000-0000-7000-8000-000000000002,task-1,2,task:assigned,planner,writer;tester,(now),2025-03-01T09:30:00.000000Z,docs,019aa000-0000-7000-8000-000000000001,s1,,,,,,,"{""to"":""writer""}"
    3,019aa000-0000-7000-8000-000000000003,task-2,1,task:created,planner,,(now),2025-03-01T23:59:59.999999Z,links,,s2,bob,low,,,links;ci,,"{""title"":""Check LINKS""}"
    4,eb8e6cf9-89d0-5c10-946b-10056212b5d8,agent-writer,1,agent:spawned,writer,,(now),2025-03-02T00:00:00.000000Z,,019aa000-0000-7000-8000-000000000002,,,,,,,"{""sourceId"":""evt-4""}","{""role"":""writer""}"
    5,019aa000-0000-7000-8000-000000000005,task-1,3,task:completed,writer,planner,(now),2025-03-02T10:15:00.000000Z,docs,019aa000-0000-7000-8000-000000000002,,,critical,2030-01-01T00:00:00.000000Z,00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01,docs,"{""host"":""ci-3""}","{""pages"":1.50,""note"":""a, \""b\""\nc""}"
    6,019aa000-0000-7000-8000-000000000006,banana,1,never heard of,,,(now),2025-03-01T08:00:00.000000Z,,,,,,,,,,"[1,{}]"
    "#);
}

#[test]
fn cloudevents() {
    insta::assert_snapshot!(written(&Place::small(), "list --format cloudevents"), @r#"
    {"specversion":"1.0","id":"019aa000-0000-7000-8000-000000000001","source":"planner","type":"task:created","subject":"task-1","time":"2025-03-01T09:00:00.000000Z","datacontenttype":"application/json","sequence":"00000000000000000001","streamversion":"1","recordedtime":"(now)","correlationid":"docs","sessionid":"s1","userid":"ada","priority":"high","targets":"writer","tags":"docs","data":{"title":"Outline"}}
    {"specversion":"1.0","id":"019aa000-0000-7000-8000-000000000002","source":"planner","type":"task:assigned","subject":"task-1","time":"2025-03-01T09:30:00.000000Z","datacontenttype":"application/json","sequence":"00000000000000000002","streamversion":"2","recordedtime":"(now)","correlationid":"docs","causationid":"019aa000-0000-7000-8000-000000000001","sessionid":"s1","targets":"writer,tester","data":{"to":"writer"}}
    {"specversion":"1.0","id":"019aa000-0000-7000-8000-000000000003","source":"planner","type":"task:created","subject":"task-2","time":"2025-03-01T23:59:59.999999Z","datacontenttype":"application/json","sequence":"00000000000000000003","streamversion":"1","recordedtime":"(now)","correlationid":"links","sessionid":"s2","userid":"bob","priority":"low","tags":"links,ci","data":{"title":"Check LINKS"}}
    {"specversion":"1.0","id":"eb8e6cf9-89d0-5c10-946b-10056212b5d8","source":"writer","type":"agent:spawned","subject":"agent-writer","time":"2025-03-02T00:00:00.000000Z","datacontenttype":"application/json","sequence":"00000000000000000004","streamversion":"1","recordedtime":"(now)","causationid":"019aa000-0000-7000-8000-000000000002","metadata":"{\"sourceId\":\"evt-4\"}","data":{"role":"writer"}}
    {"specversion":"1.0","id":"019aa000-0000-7000-8000-000000000005","source":"writer","type":"task:completed","subject":"task-1","time":"2025-03-02T10:15:00.000000Z","datacontenttype":"application/json","sequence":"00000000000000000005","streamversion":"3","recordedtime":"(now)","expirytime":"2030-01-01T00:00:00.000000Z","correlationid":"docs","causationid":"019aa000-0000-7000-8000-000000000002","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","priority":"critical","targets":"planner","tags":"docs","metadata":"{\"host\":\"ci-3\"}","data":{"pages":1.50,"note":"a, \"b\"\nc"}}
    {"specversion":"1.0","id":"019aa000-0000-7000-8000-000000000006","source":"factlog","type":"never heard of","subject":"banana","time":"2025-03-01T08:00:00.000000Z","datacontenttype":"application/json","sequence":"00000000000000000006","streamversion":"1","recordedtime":"(now)","data":[1,{}]}
    "#);
}

#[test]
fn streams_as_a_table_and_as_csv() {
    let place = Place::small();
    insta::assert_snapshot!(place.ok("streams"), @"
    STREAM        EVENTS  FIRST (UTC)          LAST (UTC)           LAST POSITION
    task-2             1  2025-03-01 23:59:59  2025-03-01 23:59:59              3
    agent-writer       1  2025-03-02 00:00:00  2025-03-02 00:00:00              4
    task-1             3  2025-03-01 09:00:00  2025-03-02 10:15:00              5
    banana             1  2025-03-01 08:00:00  2025-03-01 08:00:00              6
    ");
    insta::assert_snapshot!(place.ok("streams --format csv"), @"
    stream,events,first (utc),last (utc),last position
    task-2,1,2025-03-01 23:59:59,2025-03-01 23:59:59,3
    agent-writer,1,2025-03-02 00:00:00,2025-03-02 00:00:00,4
    task-1,3,2025-03-01 09:00:00,2025-03-02 10:15:00,5
    banana,1,2025-03-01 08:00:00,2025-03-01 08:00:00,6
    ");
}

/// Whoever reads a JSON document by a parser and whoever reads lines get the same.
#[test]
fn json_and_jsonl_say_the_same() {
    let place = Place::small();
    assert_eq!(
        *place.json("list --format json").as_array().unwrap(),
        lines(&place.ok("list --format jsonl"))
    );
    assert_eq!(place.ok("list --format jsonl"), place.ok("export"));
    assert_eq!(place.ok("list --format csv"), place.ok("export --format csv"));
}

#[test]
fn a_long_line_of_a_table_is_cut_and_says_so() {
    let place = Place::new();
    place.ok(&format!("append {} {} {{\"t\":\"{}\"}}", "s".repeat(60), "t".repeat(60), "d".repeat(300)));
    let table = place.ok("list");
    let line = table.lines().nth(1).unwrap();
    assert_eq!((line.chars().count(), line.matches('…').count()), (160, 3), "{line}");
}
