//! A process with four agents, until somebody kills it or closes its standard input.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use factlog::{ErrorKind, EventLog};
use factlog_agents::agent::{Failed, TaskError};
use factlog_agents::bus::LeaseRequest;
use factlog_agents::{Agent, Bus, Me};
use factlog_stores::Open;

use super::plan::{
    AGENTS, Content, Does, NAMESPACE, PROCESSES, QUESTIONS, RESOURCES, SWARM, agent, opinion, sent_by,
};
use super::witness::{Sent, Witness};
use super::{PROCESS, runtime};

pub(super) const FOLDER: &str = "FACTLOG_TEST_FOLDER";
pub(super) const SEED: &str = "FACTLOG_TEST_SEED";
pub(super) const MESSAGES: &str = "FACTLOG_TEST_MESSAGES";
/// How many processes were started before this one.
pub(super) const GENERATION: &str = "FACTLOG_TEST_GENERATION";

/// How long what an agent has in hand is its own; so short that it also runs out while agents live.
const VISIBILITY: Duration = Duration::from_secs(3);
const HEARTBEAT: Duration = Duration::from_secs(3);
const LEASE: Duration = Duration::from_millis(1_500);

fn variable(name: &str) -> String {
    std::env::var(name).unwrap()
}

fn number(name: &str) -> u64 {
    variable(name).parse().unwrap()
}

pub(super) async fn open(folder: &Path) -> EventLog {
    let url = format!("sqlite:{}", folder.join("chaos.db").display());
    factlog_stores::open(&url, Open::Create).await.unwrap()
}

#[derive(Clone)]
struct Setting {
    folder: PathBuf,
    seed: u64,
    messages: usize,
    generation: u64,
}

pub(super) fn until_told() {
    let process = usize::try_from(number(PROCESS)).unwrap();
    let setting = Setting {
        folder: variable(FOLDER).into(),
        seed: number(SEED),
        messages: usize::try_from(number(MESSAGES)).unwrap(),
        generation: number(GENERATION),
    };
    let (told, mut is_told) = tokio::sync::mpsc::channel::<()>(1);
    std::thread::spawn(move || {
        // Nothing is ever said to it: the end of its input is the word.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        drop(told);
    });
    runtime().block_on(async {
        let log = open(&setting.folder).await;
        let bus = Bus::new(log.clone());
        let mut agents = Vec::new();
        for index in (0..AGENTS).filter(|index| index % PROCESSES == process) {
            agents.push(start(&setting, &bus, index).await);
        }
        let _ = is_told.recv().await;
        for agent in agents {
            agent.stop("done").await.unwrap();
        }
        log.close().await.unwrap();
    });
}

async fn start(setting: &Setting, bus: &Bus, index: usize) -> Agent {
    let id = agent(index);
    let witness = Witness::new(&setting.folder, &id, setting.generation);
    let (reads, does) = (witness.clone(), witness.clone());
    let agent = Agent::builder(bus.log().clone(), &id)
        .on_bus(bus)
        .kind("worker")
        .capacity(2)
        .take_over()
        .heartbeat(HEARTBEAT)
        .visibility(VISIBILITY)
        .on_message(move |me, message| {
            let witness = reads.clone();
            async move {
                // What the log tells of leases that ran out is none of this.
                let Ok(content) = message.read::<Content>() else { return Ok(()) };
                let (inbox, attempt) = (me.id().to_owned(), message.attempt);
                let went_well =
                    handle(&witness, &me, &inbox, &message.message_id, attempt, content.does).await;
                if went_well { Ok(()) } else { Err(Failed::new("CHAOS", "it was to fail")) }
            }
        })
        .on_task(move |me, given| {
            let witness = does.clone();
            async move {
                let text = given.task.description.clone().unwrap_or_default();
                let content: Content = serde_json::from_str(&text)?;
                let inbox = super::plan::QUEUE;
                let went_well = handle(&witness, &me, inbox, given.id(), given.attempt, content.does).await;
                if went_well { Ok("done") } else { Err(TaskError::retry("it was to fail")) }
            }
        })
        .start()
        .await
        .unwrap();
    tokio::spawn(send_all(setting.clone(), bus.clone(), index));
    tokio::spawn(lease_now_and_then(agent.me().clone(), witness));
    tokio::spawn(vote(bus.clone(), index));
    agent
}

async fn handle(witness: &Witness, me: &Me, inbox: &str, id: &str, attempt: u64, does: Does) -> bool {
    let context = &me.taker().context_id;
    witness.write(context, "begin", inbox, id);
    if does == Does::IsSlow {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(10..80))).await;
    }
    let went_well = match does {
        Does::Handles | Does::IsSlow => true,
        Does::FailsAtFirst => attempt > 1,
        Does::FailsAlways => false,
    };
    witness.write(context, if went_well { "ok" } else { "fail" }, inbox, id);
    went_well
}

/// Sends what the plan says, from where the last run was; the last one may be sent again.
async fn send_all(setting: Setting, bus: Bus, index: usize) {
    let (mut sent, count) = Sent::open(&setting.folder, &agent(index));
    let planned = sent_by(setting.seed, index, setting.messages);
    for (number, one) in planned.iter().enumerate().skip(count) {
        for _ in 0..=usize::from(one.is_sent_twice) {
            while let Err(error) = bus.send(one.message(number)).await {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        sent.one_more();
    }
}

async fn lease_now_and_then(me: Me, witness: Witness) {
    loop {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(300..1_500))).await;
        let resource = RESOURCES[fastrand::usize(..RESOURCES.len())];
        let request = LeaseRequest::new([resource]).namespace(NAMESPACE).ttl(LEASE);
        let patience = Duration::from_millis(300);
        let Ok(lease) = me.bus().lease_acquire_within(me.id(), &request, patience).await else { continue };
        // A token that has run out on the way is worth nothing.
        if me
            .bus()
            .check_token(NAMESPACE, lease.token, &resource.replace("**", "x").replace('*', "x"))
            .await
            .is_err()
        {
            continue;
        }
        let (context, token) = (&me.taker().context_id, lease.token.to_string());
        witness.write(context, "enter", resource, &token);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(5..100))).await;
        witness.write(context, "exit", resource, &token);
        let _ = me.bus().lease_release(me.id(), NAMESPACE, lease.token).await;
    }
}

/// Votes on each question, sometimes twice, and after each restart again.
async fn vote(bus: Bus, index: usize) {
    for (question, _) in QUESTIONS {
        for _ in 0..=fastrand::usize(0..2) {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..1_500))).await;
            let opinion = opinion(question, index);
            loop {
                match bus.vote(&agent(index), SWARM, question, opinion, None).await {
                    Err(error) if error.kind() == ErrorKind::Unavailable => {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Conflict, "it is decided: {error}");
                        break;
                    }
                    Ok(_) => break,
                }
            }
        }
    }
}
