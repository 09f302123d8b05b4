//! The test itself: it starts the processes, kills them as the log goes on, waits until all is done, and has it checked.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use factlog::{Event, EventLog, Filter, Json, Timestamp};
use factlog_agents::Bus;
use factlog_agents::bus::{Inbox, Proposal, SwarmPlan};
use factlog_agents::projections::VotingStrategy;

use super::plan::{AGENTS, PROCESSES, Planned, QUESTIONS, QUEUE, SWARM, agent, sent_by};
use super::witness::Sent;
use super::{PROCESS, check, check_leases, check_votes, runtime, worker};

/// Messages where nothing is said.
const MESSAGES: usize = 2_000;
/// One kill for so many messages that are done.
const MESSAGES_PER_KILL: usize = 60;
/// Longer than anything takes but what never ends.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often it is looked whether all is done, where nothing happens.
const LOOK: Duration = Duration::from_millis(300);

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

pub(super) fn is_dependable_though_its_processes_are_killed() {
    let seed = from_environment("FACTLOG_CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let messages = from_environment("FACTLOG_CHAOS_MESSAGES").map_or(MESSAGES, |count| count as usize);
    eprintln!("FACTLOG_CHAOS_SEED={seed} FACTLOG_CHAOS_MESSAGES={messages}");
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let planned: Vec<Planned> = (0..AGENTS).flat_map(|sender| sent_by(seed, sender, messages)).collect();
    let events = runtime().block_on(async {
        let log = worker::open(folder.path()).await;
        let bus = Bus::new(log.clone());
        ask(&bus).await;
        let mut fleet = Fleet::start(folder.path(), seed, messages);
        fleet.kill_as_it_goes(&log, messages).await;
        await_end(&bus, &mut fleet).await;
        eprintln!("{} kills; all was done after {:?}", fleet.kills, began.elapsed());
        fleet.stop();
        let events = log.read(Filter::all()).collect().await.unwrap();
        log.close().await.unwrap();
        events
    });
    let events: Vec<&Event> = events.iter().map(|event| &**event).collect();
    let figures = check::messages(&events, &planned, folder.path());
    let leases = check_leases::leases(&events, folder.path());
    let votes = check_votes::votes(&events);
    eprintln!("{figures:?} {leases} leases entered, {votes} votes, {} events", events.len());
}

/// The swarm, and what it is asked.
async fn ask(bus: &Bus) {
    let members = (0..AGENTS).map(agent).collect();
    let plan = SwarmPlan { leader: Some(agent(0)), members, ..SwarmPlan::new(SWARM, "be dependable") };
    bus.swarm_form("founder", plan).await.unwrap();
    for (question, strategy) in QUESTIONS {
        let proposal = Proposal::new(SWARM, question, Json::of(&"shall we?").unwrap());
        let quorum_size = (strategy == VotingStrategy::Quorum).then_some(15);
        let timeout = Duration::from_secs(3_600);
        bus.propose(&agent(0), Proposal { strategy, quorum_size, timeout, ..proposal }).await.unwrap();
    }
}

struct Fleet<'a> {
    folder: &'a Path,
    seed: u64,
    messages: usize,
    generation: u64,
    random: fastrand::Rng,
    processes: BTreeMap<usize, Child>,
    kills: usize,
}

impl<'a> Fleet<'a> {
    fn start(folder: &'a Path, seed: u64, messages: usize) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let (processes, generation, kills) = (BTreeMap::new(), 0, 0);
        let mut fleet = Self { folder, seed, messages, generation, random, processes, kills };
        for process in 0..PROCESSES {
            fleet.spawn(process);
        }
        fleet
    }

    fn spawn(&mut self, process: usize) {
        self.generation += 1;
        let child = Command::new(std::env::current_exe().unwrap())
            .env(PROCESS, process.to_string())
            .env(worker::FOLDER, self.folder)
            .env(worker::SEED, self.seed.to_string())
            .env(worker::MESSAGES, self.messages.to_string())
            .env(worker::GENERATION, self.generation.to_string())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        self.processes.insert(process, child);
    }

    /// Kills one process, whichever it is, and starts it again.
    fn kill(&mut self) {
        let process = self.random.usize(..PROCESSES);
        let mut child = self.processes.remove(&process).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        self.kills += 1;
        self.spawn(process);
    }

    /// Kills as messages are done: how far it is says when, not the clock.
    async fn kill_as_it_goes(&mut self, log: &EventLog, messages: usize) {
        let mut following = log.follow(Filter::types(["inbox:acked"]).unwrap());
        let mut left = self.random.usize(1..2 * MESSAGES_PER_KILL);
        let mut acked = 0;
        // Towards the end there are too few to go by.
        while acked < messages * 8 / 10 {
            let event = tokio::time::timeout(PATIENCE, following.next()).await;
            let event = event.unwrap_or_else(|_| panic!("nothing is done after {acked}")).unwrap().unwrap();
            let data: serde_json::Value = event.data.to().unwrap();
            let count = data["messageIds"].as_array().unwrap().len();
            acked += count;
            if count >= left {
                self.kill();
                left = self.random.usize(1..2 * MESSAGES_PER_KILL);
            } else {
                left -= count;
            }
            self.is_alive();
        }
    }

    /// No process ends by itself.
    fn is_alive(&mut self) {
        for (process, child) in &mut self.processes {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the process {process} has ended by itself: {status}");
            }
        }
    }

    fn stop(self) {
        for mut child in self.processes.into_values() {
            drop(child.stdin.take());
            let status = child.wait().unwrap();
            assert!(status.success(), "a process ended with {status}");
        }
    }
}

/// Waits until all is sent and nothing waits for anyone, and all questions are decided.
async fn await_end(bus: &Bus, fleet: &mut Fleet<'_>) {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let open = open(bus, fleet).await;
        if open.is_empty() {
            return;
        }
        fleet.is_alive();
        assert!(Instant::now() < give_up, "this is never done: {open:#?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// What is not done yet.
async fn open(bus: &Bus, fleet: &Fleet<'_>) -> Vec<String> {
    let mut open = Vec::new();
    let sent: usize = (0..AGENTS).map(|index| Sent::open(fleet.folder, &agent(index)).1).sum();
    if sent < fleet.messages {
        open.push(format!("{sent} of {} are sent", fleet.messages));
    }
    let now = Timestamp::now();
    let waiting = |inbox: &Inbox| {
        let items = inbox.items().into_iter().filter(|item| !item.has_expired(now));
        items.map(|item| format!("{} {:?}", item.message_id, item.state)).collect::<Vec<_>>()
    };
    for inbox in (0..AGENTS).map(agent).chain([QUEUE.to_owned()]) {
        let waiting = bus.inbox(&inbox, waiting).await.unwrap();
        open.extend(waiting.into_iter().take(5).map(|item| format!("{inbox}: {item}")));
    }
    for (question, _) in QUESTIONS {
        if bus.consensus(SWARM, question).await.unwrap().is_open() {
            open.push(format!("{question} is open"));
        }
    }
    open
}
