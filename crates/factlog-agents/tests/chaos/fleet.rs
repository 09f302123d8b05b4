//! The test itself: it starts the processes, kills them as the log goes on, waits until all is done, and has it checked.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use factlog::{Event, Filter, Json, Timestamp};
use factlog_agents::Bus;
use factlog_agents::bus::{Inbox, Item, Kind, Proposal, State, SwarmPlan};
use factlog_agents::projections::VotingStrategy;

use super::plan::{AGENTS, Asked, PROCESSES, Planned, QUESTIONS, QUEUE, SWARM, agent, asked_by, sent_by};
use super::postgres::Log;
use super::processes::{Processes, Setting};
use super::witness::Sent;
use super::{check, check_leases, check_requests, check_votes, runtime, worker};

/// Messages where nothing is said.
const MESSAGES: usize = 2_000;
/// One kill for so many messages that are done.
const MESSAGES_PER_KILL: usize = 60;
/// One process is suspended for so many messages that are done.
const MESSAGES_PER_SUSPENSION: usize = 500;
/// One process is killed and stays away for so many messages that are done.
const MESSAGES_PER_LOSS: usize = 500;
/// Messages at a server.
const MESSAGES_AT_A_SERVER: usize = 600;
/// Longer than anything takes but what never ends.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often it is looked whether all is done, where nothing happens.
const LOOK: Duration = Duration::from_millis(300);

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// In a file.
pub(super) fn is_dependable_though_its_processes_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("chaos.db").display());
    let messages = from_environment("FACTLOG_CHAOS_MESSAGES").map_or(MESSAGES, |count| count as usize);
    is_dependable(folder.path(), &url, messages);
}

/// At a server.
pub(super) fn is_dependable_at_a_server() {
    let Some(log) = Log::direct() else { return };
    let folder = tempfile::tempdir().unwrap();
    is_dependable(folder.path(), log.url(), MESSAGES_AT_A_SERVER);
}

fn is_dependable(folder: &Path, url: &str, messages: usize) {
    let seed = from_environment("FACTLOG_CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    eprintln!("FACTLOG_CHAOS_SEED={seed} FACTLOG_CHAOS_MESSAGES={messages}");
    let setting = Setting { folder, url, seed, messages };
    let began = Instant::now();
    let planned: Vec<Planned> = (0..AGENTS).flat_map(|sender| sent_by(seed, sender, messages)).collect();
    let asked: Vec<Asked> = (0..AGENTS).flat_map(|sender| asked_by(seed, sender, messages)).collect();
    let (events, counted) = runtime().block_on(async {
        let log = worker::open(url).await;
        let bus = Bus::new(log.clone());
        ask(&bus).await;
        let mut processes = Processes::start(setting);
        trouble(&mut processes, &bus, messages).await;
        await_end(&bus, &mut processes, setting, asked.len()).await;
        let (kills, suspensions) = (processes.kills, processes.suspensions);
        eprintln!("{kills} kills, {suspensions} suspensions; all was done after {:?}", began.elapsed());
        processes.stop();
        let events = log.read(Filter::all()).collect().await.unwrap();
        let mut counted = BTreeMap::new();
        for one in &asked {
            let answer = bus.exchange(&one.id).await.unwrap().answer;
            counted.insert(one.id.clone(), answer.map(|answer| answer.position.0));
        }
        log.close().await.unwrap();
        (events, counted)
    });
    let events: Vec<&Event> = events.iter().map(|event| &**event).collect();
    let figures = check::messages(&events, &planned, folder);
    let answers = check_requests::requests(&events, &asked, &counted, folder);
    let leases = check_leases::leases(&events, folder);
    let votes = check_votes::votes(&events);
    eprintln!("{figures:?}\n{answers:?}\n{leases} leases entered, {votes} votes, {} events", events.len());
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

/// Kills and suspends processes as messages are done: how far it is says when, not the clock.
async fn trouble(processes: &mut Processes<'_>, bus: &Bus, messages: usize) {
    let mut following = bus.log().follow(Filter::types(["inbox:acked"]).unwrap());
    let mut kill_at = processes.until_next(MESSAGES_PER_KILL);
    let mut suspend_at = processes.until_next(MESSAGES_PER_SUSPENSION);
    let mut lose_at = processes.until_next(MESSAGES_PER_LOSS);
    let mut acked = 0;
    // Towards the end there are too few to go by.
    while acked < messages * 8 / 10 {
        let look = processes.lost().map(|_| LOOK);
        let patience = processes.until_due().into_iter().chain(look).min().unwrap_or(PATIENCE);
        let event = tokio::time::timeout(patience, following.next()).await;
        processes.wake_due();
        come_back(processes, bus).await;
        let Ok(event) = event else {
            // Nothing may be done while one is suspended: it may have the log locked.
            assert!(patience < PATIENCE, "nothing is done after {acked}");
            continue;
        };
        let data: serde_json::Value = event.unwrap().unwrap().data.to().unwrap();
        acked += data["messageIds"].as_array().unwrap().len();
        if acked >= kill_at {
            processes.kill();
            kill_at = acked + processes.until_next(MESSAGES_PER_KILL);
        }
        if acked >= suspend_at {
            processes.suspend();
            suspend_at = acked + processes.until_next(MESSAGES_PER_SUSPENSION);
        }
        if acked >= lose_at
            && processes.lost().is_none()
            && let Some(process) = at_a_task(bus).await.first()
        {
            processes.lose(*process);
            lose_at = acked + processes.until_next(MESSAGES_PER_LOSS);
        }
        processes.are_alive();
    }
}

/// One that is away comes back once others have taken all tasks that it had begun with.
async fn come_back(processes: &mut Processes<'_>, bus: &Bus) {
    let Some((lost, since)) = processes.lost() else { return };
    if at_a_task(bus).await.contains(&lost) {
        assert!(since.elapsed() < PATIENCE, "nobody does the tasks that the process {lost} had");
    } else {
        processes.find();
    }
}

/// The processes that have tasks of the queue in hand, or had them last.
async fn at_a_task(bus: &Bus) -> Vec<usize> {
    let takers = |inbox: &Inbox| {
        let taker = |item: &&Item| match &item.state {
            State::Offered { by, .. } if item.kind == Kind::Task => Some(by.agent_id.clone()),
            _ => None,
        };
        inbox.items().iter().filter_map(taker).collect::<Vec<String>>()
    };
    let takers = bus.inbox(QUEUE, takers).await.unwrap();
    (0..AGENTS).filter(|index| takers.contains(&agent(*index))).map(|index| index % PROCESSES).collect()
}

/// Waits until all is sent and nothing waits for anyone, and all questions are decided.
async fn await_end(bus: &Bus, processes: &mut Processes<'_>, setting: Setting<'_>, asked: usize) {
    let give_up = Instant::now() + PATIENCE;
    loop {
        processes.wake_due();
        come_back(processes, bus).await;
        let open = open(bus, setting, asked).await;
        if open.is_empty() && processes.until_due().is_none() && processes.lost().is_none() {
            return;
        }
        processes.are_alive();
        assert!(Instant::now() < give_up, "this is never done: {open:#?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// What is not done yet.
async fn open(bus: &Bus, setting: Setting<'_>, asked: usize) -> Vec<String> {
    let mut open = Vec::new();
    let count = |of: fn(&Path, &str) -> (Sent, usize)| {
        (0..AGENTS).map(|index| of(setting.folder, &agent(index)).1).sum::<usize>()
    };
    for (count, planned, what) in
        [(count(Sent::messages), setting.messages, "sent"), (count(Sent::requests), asked, "asked")]
    {
        if count < planned {
            open.push(format!("{count} of {planned} are {what}"));
        }
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
