//! Policies whose process is killed at every step, 200 times: this program starts itself again as that process.
//!
//! It is killed (SIGKILL) after a random time, as soon as the log has one more event of a policy, or as soon as a webhook
//! has arrived and before it is answered. In the end every trigger has its event, its message and its late event exactly once,
//! and its webhook was told at least once, each time under the same key.
//!
//! `FACTLOG_POLICY_ROUNDS` sets how often, `FACTLOG_POLICY_SEED` plays a seed again.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use factlog::{Event, EventId, EventLog, Filter, NewEvent, Timestamp};
use factlog_agents::policy::{Engine, policy_state, rules};
use factlog_agents::{Agent, Bus};
use factlog_stores::{Open, SqliteOptions, SqliteStore};
use libtest_mimic::{Arguments, Trial};
use serde_json::{Value, json};

use self::service::Service;

/// The log of the process that is killed; unset in the test itself.
const LOG: &str = "FACTLOG_TEST_POLICY_LOG";
/// Where its webhooks go.
const URL: &str = "FACTLOG_TEST_POLICY_URL";
/// What the process says once its policies run.
const READY: &str = "ready";
const ROUNDS: usize = 200;
/// The longest that anything here takes; the test has failed then.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long after its trigger the late event is due.
const DELAY_MS: i64 = 150;

fn main() {
    if let Some(log) = std::env::var_os(LOG) {
        return runtime().block_on(work(Path::new(&log), &std::env::var(URL).unwrap()));
    }
    let name = "every_trigger_is_acted_on_once_though_the_process_is_killed_at_every_step";
    let trial = Trial::test(name, || {
        runtime().block_on(is_dependable());
        Ok(())
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn open(path: &Path) -> EventLog {
    EventLog::new(SqliteStore::open(&SqliteOptions::new(path), Open::Create).unwrap())
}

/// The process that is killed: four policies on the same triggers.
async fn work(path: &Path, url: &str) {
    let log = open(path);
    let text = format!(
        r#"
        [[policy]]
        name = "at-once"
        on = "a"
        then = {{ append = {{ stream = "once-1", type = "once", data = {{ n = "{{{{ data.n }}}}" }} }} }}
        [[policy]]
        name = "tell"
        on = "a followed by b within 1h by data.n"
        then = [
            {{ message = {{ to = "lead", content = "{{{{ data.n }}}}" }} }},
            {{ append = {{ stream = "told-1", type = "told", data = {{ n = "{{{{ data.n }}}}" }} }} }},
        ]
        [[policy]]
        name = "later"
        on = "b"
        after = "{DELAY_MS}ms"
        then = {{ append = {{ stream = "late-1", type = "late", data = {{ n = "{{{{ data.n }}}}" }} }} }}
        [[policy]]
        name = "hook"
        on = "b"
        retry = {{ max = 1000, backoff = "5ms" }}
        then = {{ webhook = {{ url = "{url}", allow_private = true, body = {{ n = "{{{{ data.n }}}}" }} }} }}"#
    );
    let unlimited = |settings: &str| format!("{settings}\nrate = {{ max = 9000, per = \"1s\" }}");
    let text = text
        .lines()
        .map(|line| if line.trim_start().starts_with("on =") { unlimited(line) } else { line.to_owned() });
    let rules = rules(&text.collect::<Vec<_>>().join("\n")).unwrap();
    let engine =
        rules.iter().fold(Engine::new(Bus::new(log)), |engine, rule| engine.policy(Arc::clone(&rule.policy)));
    let mut running = engine.start().await.unwrap();
    println!("{READY}");
    running.ended().await.unwrap();
}

/// The process, with when it was ready.
struct Working(Child);

impl Working {
    fn start(path: &Path, url: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let child =
            Command::new(program).env(LOG, path).env(URL, url).stdout(Stdio::piped()).spawn().unwrap();
        Self(child)
    }

    /// Waits until its policies run.
    fn ready(&mut self) -> Timestamp {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), READY);
        Timestamp::now()
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// What the process is killed at.
enum At {
    Time(Duration),
    /// So many more events of policies are in the log.
    Event(usize),
    /// A webhook has arrived, and is not answered.
    Webhook,
}

async fn is_dependable() {
    let number = |name: &str, otherwise: usize| {
        std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect(name))
    };
    let rounds = number("FACTLOG_POLICY_ROUNDS", ROUNDS);
    let seed = number("FACTLOG_POLICY_SEED", fastrand::u32(..) as usize);
    eprintln!("FACTLOG_POLICY_SEED={seed} FACTLOG_POLICY_ROUNDS={rounds}");
    fastrand::seed(seed as u64);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let log = open(&path);
    let _lead = Agent::builder(log.clone(), "lead").start().await.unwrap();
    let mut service = Service::start().await;
    // Each policy has begun before the first trigger is there.
    let mut first = Working::start(&path, &service.url());
    first.ready();
    first.kill();
    let mut triggers = 0_u64;
    let mut ready: Vec<Timestamp> = Vec::new();
    for _ in 0..rounds {
        let mut working = Working::start(&path, &service.url());
        let append = fastrand::bool();
        if append {
            trigger(&log, &mut triggers).await;
        }
        let at = match fastrand::u8(0..3) {
            0 => At::Time(Duration::from_millis(fastrand::u64(0..120))),
            1 => At::Event(fastrand::usize(1..6)),
            _ => At::Webhook,
        };
        let is_awaited = !matches!(at, At::Time(_)) || fastrand::bool();
        if is_awaited {
            ready.push(working.ready());
        }
        trigger(&log, &mut triggers).await;
        until(&log, &mut service, at).await;
        working.kill();
        service.go_on();
    }
    let mut last = Working::start(&path, &service.url());
    ready.push(last.ready());
    let until = Instant::now() + PATIENCE;
    while !is_done(&log, triggers).await {
        assert!(Instant::now() < until, "not all is done: {}", counts(&log).await);
        tokio::task::yield_now().await;
    }
    last.kill();
    check(&log, triggers, &service, &ready).await;
}

/// What policies act on: a, and then b.
async fn trigger(log: &EventLog, triggers: &mut u64) {
    for _ in 0..fastrand::u8(1..3) {
        *triggers += 1;
        let event = |event_type: &str| {
            NewEvent::new(&format!("t-{triggers}"), event_type, json!({"n": *triggers})).unwrap()
        };
        log.append(event("a")).await.unwrap();
        log.append(event("b")).await.unwrap();
    }
}

async fn until(log: &EventLog, service: &mut Service, at: At) {
    match at {
        At::Time(time) => tokio::time::sleep(time).await,
        At::Webhook => service.next_unanswered().await,
        At::Event(count) => {
            let after = log.newest().await.unwrap();
            let mut told = log.follow(Filter::categories(["policy"]).unwrap()).after(after);
            for _ in 0..count {
                tokio::time::timeout(PATIENCE, told.next()).await.unwrap().unwrap().unwrap();
            }
        }
    }
}

async fn of_type(log: &EventLog, event_type: &str) -> Vec<Arc<Event>> {
    log.read(Filter::types([event_type]).unwrap()).collect().await.unwrap()
}

async fn is_done(log: &EventLog, triggers: u64) -> bool {
    for (policy, count) in
        [("at-once", triggers), ("tell", triggers), ("later", triggers), ("hook", triggers)]
    {
        if policy_state(log, policy).await.unwrap().fired < count {
            return false;
        }
    }
    true
}

async fn counts(log: &EventLog) -> String {
    let mut counts = Vec::new();
    for policy in ["at-once", "tell", "later", "hook"] {
        let state = policy_state(log, policy).await.unwrap();
        counts.push(format!(
            "{policy}: {} fired, {} pending, {:?}",
            state.fired,
            state.pending.len(),
            state.parked
        ));
    }
    counts.join("; ")
}

fn n_of(event: &Event) -> u64 {
    let data: Value = event.data.to().unwrap();
    data["n"].as_u64().unwrap()
}

async fn check(log: &EventLog, triggers: u64, service: &Service, ready: &[Timestamp]) {
    let expected: Vec<u64> = (1..=triggers).collect();
    for event_type in ["once", "told", "late"] {
        let mut numbers: Vec<u64> = of_type(log, event_type).await.iter().map(|event| n_of(event)).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, expected, "{event_type}");
    }
    let mut words: Vec<u64> = of_type(log, "message:sent")
        .await
        .iter()
        .map(|event| event.data.to::<Value>().unwrap()["content"].as_u64().unwrap())
        .collect();
    words.sort_unstable();
    assert_eq!(words, expected, "messages");
    let queued = of_type(log, "inbox:queued").await;
    assert_eq!(queued.len() as u64, triggers, "what is in the inbox");
    for policy in ["at-once", "tell", "later", "hook"] {
        let fired =
            log.read(Filter::stream(format!("policy-{policy}").parse().unwrap())).collect().await.unwrap();
        let fired: Vec<_> = fired.iter().filter(|event| event.event_type == "policy:fired").collect();
        let causes: BTreeSet<EventId> = fired.iter().filter_map(|event| event.causation_id).collect();
        assert_eq!((fired.len() as u64, causes.len() as u64), (triggers, triggers), "{policy}");
    }
    let mut keys: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for (key, n) in service.told() {
        keys.entry(n).or_default().insert(key);
    }
    assert_eq!(keys.keys().copied().collect::<Vec<_>>(), expected, "webhooks");
    assert!(keys.values().all(|keys| keys.len() == 1), "each has one key: {keys:?}");
    say_lateness(log, ready, service.told().len(), triggers).await;
}

/// How long after the plan the late events came, or after the process was there again: a figure, and no test of a clock.
async fn say_lateness(log: &EventLog, ready: &[Timestamp], hooks: usize, triggers: u64) {
    let due: BTreeMap<u64, i64> = of_type(log, "b")
        .await
        .iter()
        .map(|event| (n_of(event), event.recorded_at.as_micros() + DELAY_MS * 1_000))
        .collect();
    let mut late_ms: Vec<i64> = Vec::new();
    for event in of_type(log, "late").await {
        let at = event.recorded_at.as_micros();
        let due = due[&n_of(&event)];
        assert!(at >= due, "{} came before it was due", event.position);
        let there = ready.iter().map(|ready| ready.as_micros()).filter(|ready| *ready <= at).max();
        late_ms.push((at - due.max(there.unwrap_or(due))) / 1_000);
    }
    late_ms.sort_unstable();
    let most = late_ms.last().copied().unwrap_or(0);
    eprintln!(
        "{triggers} triggers, {hooks} webhooks; late events after their time or the restart: median {} ms, most {most} ms",
        late_ms[late_ms.len() / 2]
    );
    assert!(most < PATIENCE.as_millis() as i64);
}
