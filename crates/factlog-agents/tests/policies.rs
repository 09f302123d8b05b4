//! Policies: what happened is acted on once, later, again after a failure, and not in circles.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use factlog::{Event, EventLog, Filter, MemoryStore, NewEvent, Pattern, Position, Result, Timestamp};
use factlog_agents::policy::{
    Engine, Firing, Policy, Rehearsed, Rules, Running, policy_history, policy_state, rehearse, rules,
};
use factlog_agents::{Bus, Me};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

fn event(stream: &str, event_type: &str, data: Value) -> NewEvent {
    NewEvent::new(stream, event_type, data).unwrap()
}

fn log() -> EventLog {
    EventLog::new(MemoryStore::new())
}

async fn start(log: &EventLog, rules: &Rules) -> Running {
    engine(log, rules).start().await.unwrap()
}

fn engine(log: &EventLog, rules: &Rules) -> Engine {
    rules
        .iter()
        .fold(Engine::new(Bus::new(log.clone())), |engine, rule| engine.policy(Arc::clone(&rule.policy)))
}

/// The first so many events of a type, once they are there.
async fn told(log: &EventLog, event_type: &str, count: usize) -> Vec<Arc<Event>> {
    let mut following = log.follow(Filter::types([event_type]).unwrap());
    let mut events = Vec::new();
    while events.len() < count {
        let next = tokio::time::timeout(PATIENCE, following.next()).await;
        events.push(
            next.unwrap_or_else(|_| panic!("{} of {count} {event_type}", events.len())).unwrap().unwrap(),
        );
    }
    events
}

async fn all(log: &EventLog, event_type: &str) -> Vec<Arc<Event>> {
    log.read(Filter::types([event_type]).unwrap()).collect().await.unwrap()
}

fn data(event: &Event) -> Value {
    event.data.to().unwrap()
}

const REQUEUE: &str = r#"
[[policy]]
name = "requeue"
on = "f: task:failed followed by task:released within 1m by stream"
when = "f.data.retryCount < 3"
then = { append = { stream = "{{ event.stream }}", type = "task:queued", data = { was = "{{ f.data }}", key = "{{ match.key }}", note = "after {{ f.data.error }}" } } }
"#;

#[tokio::test]
async fn a_rule_acts_once_in_one_batch_with_the_record_of_it_and_says_what_caused_it() {
    let log = log();
    log.append(event("task-0", "task:failed", json!({"retryCount": 0, "error": "old"}))).await.unwrap();
    log.append(event("task-0", "task:released", json!({}))).await.unwrap();
    let _running = start(&log, &rules(REQUEUE).unwrap()).await;
    log.append(vec![
        event("task-1", "task:failed", json!({"retryCount": 1, "error": "x"})),
        event("task-2", "task:failed", json!({"retryCount": 3, "error": "y"})),
        event("task-2", "task:released", json!({})),
        event("task-1", "task:released", json!({})).with_correlation("run-1").unwrap(),
    ])
    .await
    .unwrap();
    let queued = told(&log, "task:queued", 1).await.remove(0);
    let fired = told(&log, "policy:fired", 1).await.remove(0);
    assert_eq!(
        data(&queued),
        json!({"was": {"retryCount": 1, "error": "x"}, "key": "task-1", "note": "after x"})
    );
    let trigger = all(&log, "task:released").await.pop().unwrap();
    assert_eq!((queued.causation_id, fired.causation_id), (Some(trigger.id), Some(trigger.id)));
    assert_eq!(queued.correlation_id.as_deref(), Some("run-1"));
    assert_eq!(queued.source.as_deref(), Some("policy-requeue"));
    assert_eq!(queued.position.0 + 1, fired.position.0, "they are one batch");
    assert_eq!(queued.recorded_at, fired.recorded_at);
    assert_eq!(data(&fired)["acts"], json!(["append task:queued to task-1"]));
    // History was not acted on, and what does not fulfil the condition neither.
    assert_eq!(all(&log, "task:queued").await.len(), 1);
}

/// Story (S7): policies ran again on what a rebuild read, and every failed session was queued once more.
#[tokio::test]
async fn who_starts_again_goes_on_and_history_is_acted_on_only_when_asked_and_only_once() {
    let log = log();
    let pair = |n: u64| {
        let stream = format!("task-{n}");
        vec![
            event(&stream, "task:failed", json!({"retryCount": 0, "error": n})),
            event(&stream, "task:released", json!({})),
        ]
    };
    log.append(pair(1)).await.unwrap();
    let rules = rules(REQUEUE).unwrap();
    drop(start(&log, &rules).await);
    // What happens while nobody runs it is acted on by whoever runs it next.
    log.append(pair(2)).await.unwrap();
    let running = start(&log, &rules).await;
    assert_eq!(&*told(&log, "task:queued", 1).await[0].stream, "task-2");
    drop(running);
    let running = engine(&log, &rules).from(Position::START).start().await.unwrap();
    assert_eq!(&*told(&log, "task:queued", 2).await[1].stream, "task-1");
    drop(running);
    let _again = engine(&log, &rules).from(Position::START).start().await.unwrap();
    log.append(pair(3)).await.unwrap();
    let queued = told(&log, "task:queued", 3).await;
    assert_eq!(
        queued.iter().map(|event| event.stream.as_str()).collect::<Vec<_>>(),
        ["task-2", "task-1", "task-3"]
    );
    assert_eq!(policy_state(&log, "requeue").await.unwrap().fired, 3);
}

#[tokio::test]
async fn a_delay_is_kept_in_the_log_and_by_whoever_goes_on() {
    let log = log();
    let rules = rules(
        r#"
        [[policy]]
        name = "later"
        on = "a"
        after = "{{ data.seconds }}"
        then = { append = { stream = "b-1", type = "b", data = { n = "{{ firing.attempt }}" } } }"#,
    )
    .unwrap();
    let running = start(&log, &rules).await;
    log.append(event("a-1", "a", json!({"seconds": 0.7}))).await.unwrap();
    let scheduled = told(&log, "policy:scheduled", 1).await.remove(0);
    drop(running);
    let state = policy_state(&log, "later").await.unwrap();
    let due_at = state.pending.values().next().unwrap().due_at;
    assert_eq!(due_at.as_micros() - all(&log, "a").await[0].recorded_at.as_micros(), 700_000);
    let _running = start(&log, &rules).await;
    let b = told(&log, "b", 1).await.remove(0);
    assert!(b.recorded_at >= due_at, "{} is before {due_at}", b.recorded_at);
    assert_eq!(data(&scheduled)["dueAt"], json!(due_at));
    assert!(policy_state(&log, "later").await.unwrap().pending.is_empty());
}

/// Fails as often as it is told, and then appends.
struct Flaky {
    pattern: Pattern,
    failures: AtomicU64,
    calls: AtomicU64,
}

#[async_trait]
impl Policy for Flaky {
    fn name(&self) -> &'static str {
        "flaky"
    }

    fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    fn settings(&self) -> factlog_agents::policy::Settings {
        let retry = factlog_agents::policy::Retry { max: 3, backoff: Duration::from_millis(20), jitter: 0.5 };
        factlog_agents::policy::Settings { retry, ..Default::default() }
    }

    async fn act(&self, firing: &mut Firing) -> Result<()> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        {
            return Err(factlog::Error::unavailable("the service is away"));
        }
        assert_ne!(firing.event().data.as_str(), "\"panic\"", "it panics");
        firing.append(event("done-1", "done", json!({"attempt": firing.attempt()})))
    }
}

fn flaky(failures: u64) -> Arc<Flaky> {
    Arc::new(Flaky {
        pattern: "a".parse().unwrap(),
        failures: AtomicU64::new(failures),
        calls: AtomicU64::new(0),
    })
}

#[tokio::test]
async fn what_fails_is_tried_again_after_pauses_and_given_up_after_the_last() {
    let log = log();
    let policy = flaky(2);
    let running = Engine::new(Bus::new(log.clone())).policy(Arc::clone(&policy) as _).start().await.unwrap();
    log.append(event("a-1", "a", json!({}))).await.unwrap();
    let done = told(&log, "done", 1).await.remove(0);
    assert_eq!(data(&done)["attempt"], json!(3));
    let told_of = policy_history(&log, Some("flaky"), 10).await.unwrap();
    assert_eq!(
        told_of.iter().map(|told| told.what).collect::<Vec<_>>(),
        ["scheduled", "failed", "failed", "fired"]
    );
    drop(running);

    policy.failures.store(1_000, Ordering::SeqCst);
    let _running = Engine::new(Bus::new(log.clone())).policy(Arc::clone(&policy) as _).start().await.unwrap();
    log.append(event("a-2", "a", json!({}))).await.unwrap();
    let failed = told(&log, "policy:failed", 6).await;
    assert_eq!(data(&failed[5])["retryAt"], Value::Null);
    let state = policy_state(&log, "flaky").await.unwrap();
    assert_eq!((state.fired, state.given_up, state.pending.len()), (1, 1, 0));
}

#[tokio::test]
async fn a_policy_that_goes_in_circles_or_acts_too_often_is_parked_and_goes_on_when_it_is_told() {
    let log = log();
    let text = r#"
        [[policy]]
        name = "ping"
        on = "ping"
        depth = 4
        then = { append = { stream = "pong-1", type = "pong" } }
        [[policy]]
        name = "pong"
        on = "pong"
        then = { append = { stream = "ping-1", type = "ping" } }
        [[policy]]
        name = "storm"
        on = "rain"
        rate = { max = 3, per = "1m" }
        then = { append = { stream = "wet-1", type = "wet" } }"#;
    let rules = rules(text).unwrap();
    let _running = start(&log, &rules).await;
    log.append(event("ping-0", "ping", json!({}))).await.unwrap();
    let parked = told(&log, "policy:parked", 1).await.remove(0);
    assert!(data(&parked)["reason"].as_str().unwrap().contains("led to one another"), "{}", parked.to_json());
    // ping, pong, ping, pong: the fifth would be one too many.
    assert_eq!((all(&log, "ping").await.len(), all(&log, "pong").await.len()), (3, 2));
    for _ in 0..5 {
        log.append(event("rain-1", "rain", json!({}))).await.unwrap();
    }
    told(&log, "policy:parked", 2).await;
    assert_eq!(all(&log, "wet").await.len(), 3);
    let why = policy_state(&log, "storm").await.unwrap().parked.unwrap().reason;
    assert!(why.contains("3 times in 60 seconds"), "{why}");
    // It goes on with what comes, and not with what has parked it.
    log.append(event("policy-storm", "policy:resumed", json!({"name": "storm"}))).await.unwrap();
    loop {
        log.append(event("rain-1", "rain", json!({"again": true}))).await.unwrap();
        if all(&log, "wet").await.len() > 3 {
            break;
        }
        tokio::task::yield_now().await;
    }
    let wet = all(&log, "wet").await;
    let cause = log.get(wet[3].causation_id.unwrap()).await.unwrap().unwrap();
    assert_eq!(data(&cause), json!({"again": true}));
}

#[tokio::test]
async fn a_cooldown_is_one_for_each_key() {
    let log = log();
    let text = r#"
        [[policy]]
        name = "tell"
        on = "a by stream"
        cooldown = "1h"
        then = { append = { stream = "b-1", type = "b", data = { key = "{{ match.key }}" } } }"#;
    let _running = start(&log, &rules(text).unwrap()).await;
    for stream in ["a-1", "a-1", "a-2", "a-1", "a-2"] {
        log.append(event(stream, "a", json!({}))).await.unwrap();
    }
    log.append(event("a-3", "a", json!({}))).await.unwrap();
    let told_of = told(&log, "b", 3).await;
    assert_eq!(
        told_of.iter().map(|event| data(event)["key"].clone()).collect::<Vec<_>>(),
        ["a-1", "a-2", "a-3"]
    );
}

#[tokio::test]
async fn one_process_at_a_time_runs_a_policy_and_the_earlier_one_ends() {
    let log = log();
    let text = "[[policy]]\nname = \"p\"\non = \"a\"\nafter = \"1ms\"\nthen = { append = { stream = \"b-1\", type = \"b\" } }";
    let rules = rules(text).unwrap();
    let mut first = start(&log, &rules).await;
    let _second = start(&log, &rules).await;
    log.append(event("a-1", "a", json!({}))).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, first.ended()).await.unwrap().unwrap_err();
    assert!(ended.to_string().contains("another process runs the policy p"), "{ended}");
    told(&log, "b", 1).await;
    told(&log, "policy:fired", 1).await;
    assert_eq!(all(&log, "b").await.len(), 1);
}

#[tokio::test]
async fn messages_requests_and_commands_are_acts_and_what_came_of_them_is_told() {
    let log = log();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let _agent = factlog_agents::Agent::builder(log.clone(), "lead")
        .on_request("advise", |_me: Me, asked| async move { Ok(json!({"advice": asked.read::<Value>()?})) })
        .start()
        .await
        .unwrap();
    let text = format!(
        r#"
        [[policy]]
        name = "all"
        on = "a"
        then = [
            {{ message = {{ to = "lead", content = "{{{{ data.n }}}} is there", priority = "high" }} }},
            {{ request = {{ to = "lead", method = "advise", params = {{ n = "{{{{ data.n }}}}" }} }} }},
            {{ command = {{ run = ["sh", "-c", "cat > \"$1\"; echo $FACTLOG_IDEMPOTENCY_KEY >> \"$1\"", "sh", {:?}] }} }},
            {{ append = {{ stream = "b-1", type = "b" }} }},
        ]"#,
        out.to_str().unwrap()
    );
    let _running = start(&log, &rules(&text).unwrap()).await;
    log.append(event("a-1", "a", json!({"n": 7}))).await.unwrap();
    let fired = told(&log, "policy:fired", 1).await.remove(0);
    let results = &data(&fired)["results"];
    assert_eq!(results[1]["result"], json!({"advice": {"n": 7}}), "{results}");
    assert_eq!(results[2]["code"], json!(0));
    let written = std::fs::read_to_string(&out).unwrap();
    let (firing, key) = written.trim_end().rsplit_once('\n').map_or_else(
        || written.trim_end().split_at(written.trim_end().len() - 36),
        |(firing, key)| (firing, key),
    );
    assert_eq!(results[2]["key"], json!(key));
    let firing: Value = serde_json::from_str(firing).unwrap();
    assert_eq!(firing["events"][0]["data"], json!({"n": 7}));
    assert_eq!(all(&log, "b").await.len(), 1);
    let words = all(&log, "message:sent").await.remove(0);
    assert_eq!(data(&words)["content"], json!("7 is there"));
}

async fn rehearsed(log: &EventLog, rules: &Rules) -> Vec<Rehearsed> {
    let mut all = Vec::new();
    let bus = Bus::new(log.clone());
    for rule in rules {
        rehearse(&bus, &rule.policy, &Filter::all(), Position::START, None, |one| all.push(one))
            .await
            .unwrap();
    }
    all
}

#[tokio::test]
async fn a_rehearsal_says_what_would_be_done_and_does_nothing() {
    let log = log();
    for stream in ["a-1", "a-1", "a-2"] {
        log.append(event(stream, "a", json!({"n": 1}))).await.unwrap();
    }
    let text = r#"
        [[policy]]
        name = "tell"
        on = "a by stream"
        cooldown = "1h"
        after = "2s"
        then = { append = { stream = "b-{{ data.n }}", type = "b" } }"#;
    let all_of_it = rehearsed(&log, &rules(text).unwrap()).await;
    let said: Vec<(u64, &str)> = all_of_it
        .iter()
        .map(|one| (one.positions[0].0, one.why_not.as_deref().unwrap_or_else(|| one.acts[0].as_str())))
        .collect();
    assert_eq!(said, [(1, "append b to b-1"), (2, "cooldown"), (3, "append b to b-1")]);
    assert_eq!(all_of_it[0].due_at.as_micros() - all_of_it[0].triggered_at.as_micros(), 2_000_000);
    assert_eq!(log.newest().await.unwrap(), Position(3));
}

/// Story: what had come together while nobody ran a policy parked it, and the rest was lost; and whoever let it go on while nobody
/// ran it was ignored.
#[tokio::test]
async fn what_came_together_over_hours_is_acted_on_and_a_resume_is_heard_by_whoever_runs_it_next() {
    let log = log();
    let text = r#"
        [[policy]]
        name = "storm"
        on = "rain"
        rate = { max = 2, per = "10ms" }
        then = { append = { stream = "wet-1", type = "wet" } }"#;
    let rules = rules(text).unwrap();
    drop(start(&log, &rules).await);
    for _ in 0..4 {
        log.append(event("rain-1", "rain", json!({}))).await.unwrap();
        // They come hours apart, so to speak.
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    let running = start(&log, &rules).await;
    told(&log, "wet", 4).await;
    let storm = (0..20).map(|_| event("rain-1", "rain", json!({}))).collect::<Vec<_>>();
    log.append(storm).await.unwrap();
    told(&log, "policy:parked", 1).await;
    drop(running);
    log.append(event("policy-storm", "policy:resumed", json!({"name": "storm"}))).await.unwrap();
    log.append(event("rain-1", "rain", json!({"after": true}))).await.unwrap();
    let _running = start(&log, &rules).await;
    let wet = told(&log, "wet", 7).await;
    let cause = log.get(wet[6].causation_id.unwrap()).await.unwrap().unwrap();
    assert_eq!(data(&cause), json!({"after": true}));
}

/// Story: policies that sent each other messages were not seen to go in circles; and one event of the year 2099 kept a
/// policy from acting for its stream ever after.
#[tokio::test]
async fn messages_go_in_no_circles_and_a_claim_of_a_time_does_not_move_a_delay() {
    let log = log();
    let _lead = factlog_agents::Agent::builder(log.clone(), "lead").start().await.unwrap();
    let text = r#"
        [[policy]]
        name = "echo"
        on = "message:sent"
        depth = 3
        then = { message = { to = "lead", content = "{{ data.content }}!" } }
        [[policy]]
        name = "later"
        on = "a by stream"
        after = "50ms"
        cooldown = "1ms"
        then = { append = { stream = "b-1", type = "b" } }"#;
    let _running = start(&log, &rules(text).unwrap()).await;
    let bus = Bus::new(log.clone());
    let words = factlog_agents::bus::Message::text("me", "lead".parse().unwrap(), "hello").unwrap();
    bus.send(words).await.unwrap();
    told(&log, "policy:parked", 1).await;
    assert_eq!(all(&log, "message:sent").await.len(), 4);

    let far: Timestamp = "2099-01-01T00:00:00Z".parse().unwrap();
    log.append(event("a-1", "a", json!({})).with_occurred_at(far)).await.unwrap();
    told(&log, "b", 1).await;
    log.append(event("a-1", "a", json!({}))).await.unwrap();
    told(&log, "b", 2).await;
}

/// Origin C's two policies, on sessions and tasks of our own: the shared records have no sessions that fail.
#[tokio::test]
async fn origin_cs_policies_move_what_is_begun_and_queue_what_has_failed_three_times_at_most() {
    let log = log();
    let text = "[[policy]]\nbuilt_in = \"auto-move\"\n[[policy]]\nbuilt_in = \"retry-sessions\"\nwith = { backoff = \"10ms\" }";
    let _running = start(&log, &rules(text).unwrap()).await;
    let task = |id: &str, state: &str| {
        event(
            &format!("task-{id}"),
            "TaskCreated",
            json!({"taskId": id, "title": id, "workflowState": state}),
        )
    };
    let begun = |id: &str| {
        event(
            &format!("task-{id}"),
            "TaskStatusChanged",
            json!({"taskId": id, "oldStatus": "todo", "newStatus": "in_progress"}),
        )
    };
    log.append(vec![task("A", "backlog"), task("B", "current"), begun("A"), begun("B"), begun("A")])
        .await
        .unwrap();
    let moved = told(&log, "task:moved", 1).await.remove(0);
    assert_eq!(data(&moved), json!({"taskId": "A", "fromWorkflow": "backlog", "toWorkflow": "current"}));
    assert_eq!(&*moved.stream, "task-A");

    let failed = || {
        event(
            "session-s1",
            "SessionCompleted",
            json!({"sessionId": "s1", "result": "failure", "duration": 5, "toolsUsed": []}),
        )
    };
    for attempt in 1..=3_u64 {
        log.append(failed()).await.unwrap();
        let queued = told(&log, "session:queued", attempt as usize).await.pop().unwrap();
        assert_eq!(data(&queued)["retryAttempt"], json!(attempt));
        assert_eq!(data(&queued)["sessionId"], json!("s1"));
        let due = data(&all(&log, "policy:scheduled").await.pop().unwrap());
        let (from, to): (Timestamp, Timestamp) = (
            due["triggeredAt"].as_str().unwrap().parse().unwrap(),
            due["dueAt"].as_str().unwrap().parse().unwrap(),
        );
        assert_eq!(to.as_micros() - from.as_micros(), 10_000 << (attempt - 1));
    }
    log.append(vec![failed(), begun("B")]).await.unwrap();
    log.append(vec![task("C", "backlog"), begun("C")]).await.unwrap();
    told(&log, "task:moved", 2).await;
    assert_eq!(all(&log, "session:queued").await.len(), 3);
    assert_eq!(all(&log, "task:moved").await.len(), 2);
}

#[tokio::test]
async fn alerts_tell_of_a_quiet_agent_a_dear_session_and_a_file_that_two_sessions_write() {
    let log = log();
    let text = r#"
        [[policy]]
        built_in = "stuck-alert"
        with = { quiet = "300ms" }
        [[policy]]
        built_in = "budget-alert"
        with = { tokens = 100 }
        [[policy]]
        built_in = "conflict-alert""#;
    let _running = start(&log, &rules(text).unwrap()).await;
    let write = |session: &str, file: &str| {
        let mut event = event(
            &format!("session-{session}"),
            "session:tool-used",
            json!({"sessionId": session, "tool": "Edit"}),
        );
        event.session_id = Some(session.parse().unwrap());
        event.with_tag("tool:Edit").unwrap().with_tag(&format!("file:{file}")).unwrap()
    };
    log.append(vec![write("s1", "a.rs"), write("s2", "b.rs"), write("s2", "a.rs"), write("s1", "a.rs")])
        .await
        .unwrap();
    let done = |session: &str, tokens: u64| {
        event(
            &format!("session-{session}"),
            "session:completed",
            json!({"sessionId": session, "result": "success", "tokensUsed": tokens}),
        )
    };
    log.append(vec![done("s4", 90), done("s3", 150), done("s3", 150)]).await.unwrap();
    log.append(vec![
        event("task-1", "task:started", json!({"taskId": "1", "agentId": "w1"})).with_source("w1").unwrap(),
        event("task-2", "task:started", json!({"taskId": "2", "agentId": "w2"})).with_source("w2").unwrap(),
        event("task-2", "task:completed", json!({"taskId": "2"})).with_source("w2").unwrap(),
    ])
    .await
    .unwrap();
    let mut alerts: Vec<(String, String)> = told(&log, "system:alert", 3)
        .await
        .iter()
        .map(|alert| {
            (
                data(alert)["code"].as_str().unwrap().to_owned(),
                data(alert)["message"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    alerts.sort();
    let codes: Vec<&str> = alerts.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["budget", "file-conflict", "stuck-agent"], "{alerts:?}");
    assert!(alerts[0].1.contains("s3"), "{alerts:?}");
    assert!(alerts[1].1.contains("a.rs"), "{alerts:?}");
    assert!(alerts[2].1.contains("w1"), "{alerts:?}");
}
