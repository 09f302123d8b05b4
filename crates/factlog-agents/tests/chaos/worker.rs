//! A process with four agents, until somebody kills it or closes its standard input.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use factlog::{ErrorKind, EventLog, Json, Timestamp};
use factlog_agents::agent::{AgentBuilder, Failed, GivenMessage, TaskError};
use factlog_agents::bus::LeaseRequest;
use factlog_agents::{Agent, Bus, Me};
use factlog_stores::Open;

use super::asker::ask_all;
use super::plan::{
    AGENTS, Content, Does, METHOD, NAMESPACE, PROCESSES, QUESTIONS, QUEUE, Question, RESOURCES,
    SECOND_THOUGHT, SWARM, agent, opinion, sent_by,
};
use super::witness::{Sent, Witness};
use super::{PROCESS, runtime};

/// Where the log is.
pub(super) const LOG: &str = "FACTLOG_TEST_LOG";
pub(super) const FOLDER: &str = "FACTLOG_TEST_FOLDER";
pub(super) const SEED: &str = "FACTLOG_TEST_SEED";
pub(super) const MESSAGES: &str = "FACTLOG_TEST_MESSAGES";
/// How many processes were started before this one.
pub(super) const GENERATION: &str = "FACTLOG_TEST_GENERATION";

/// How long what an agent has in hand is its own; so short that it also runs out while agents live.
pub(super) const VISIBILITY: Duration = Duration::from_secs(3);
/// So often that one that is suspended is taken for dead.
const HEARTBEAT: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_millis(1_500);
/// The pause before the store is tried again.
const AWAY_PAUSE: Duration = Duration::from_millis(50);

fn variable(name: &str) -> String {
    std::env::var(name).unwrap()
}

fn number(name: &str) -> u64 {
    variable(name).parse().unwrap()
}

pub(super) async fn open(url: &str) -> EventLog {
    loop {
        match factlog_stores::open(url, Open::Create).await {
            // One that is suspended may have it locked.
            Err(error) if error.kind() == ErrorKind::Unavailable => tokio::time::sleep(AWAY_PAUSE).await,
            opened => return opened.unwrap(),
        }
    }
}

#[derive(Clone)]
pub(super) struct Setting {
    pub(super) folder: PathBuf,
    pub(super) seed: u64,
    pub(super) messages: usize,
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
        let log = open(&variable(LOG)).await;
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
    let agent = loop {
        match worker(bus, &id, &witness).start().await {
            Err(error) if error.kind() == ErrorKind::Unavailable => tokio::time::sleep(AWAY_PAUSE).await,
            started => break started.unwrap(),
        }
    };
    tokio::spawn(send_all(setting.clone(), bus.clone(), index));
    tokio::spawn(ask_all(setting.clone(), agent.me().clone(), witness.clone(), index));
    tokio::spawn(lease_now_and_then(agent.me().clone(), witness));
    tokio::spawn(vote(bus.clone(), index));
    agent
}

fn worker(bus: &Bus, id: &str, witness: &Witness) -> AgentBuilder {
    let (reads, hears, does) = (witness.clone(), witness.clone(), witness.clone());
    let answers = witness.clone();
    Agent::builder(bus.log().clone(), id)
        .on_bus(bus)
        .kind("worker")
        .capacity(2)
        .take_over()
        .heartbeat(HEARTBEAT)
        .visibility(VISIBILITY)
        .on_message(move |me, message| read(reads.clone(), me, message))
        .on_broadcast(move |me, message| read(hears.clone(), me, message))
        .on_task(move |me, given| {
            let witness = does.clone();
            async move {
                let text = given.task.description.clone().unwrap_or_default();
                let content: Content = serde_json::from_str(&text)?;
                let went_well =
                    handle(&witness, &me, QUEUE, given.id(), Some(given.attempt), content.does).await;
                if went_well { Ok("done") } else { Err(TaskError::retry("it was to fail")) }
            }
        })
        .on_request(METHOD, move |me, asked| {
            let witness = answers.clone();
            async move {
                let Question { number, does, inbox } = asked.read()?;
                let went_well = handle(&witness, &me, &inbox, &asked.request_id, None, does).await;
                if does == Does::AnswersTwice {
                    let (id, right) = (&asked.request_id, Json::of(&number)?);
                    while let Err(error) = me.bus().respond_to(id, me.id(), Ok(right.clone())).await {
                        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                        tokio::time::sleep(AWAY_PAUSE).await;
                    }
                    return Ok(SECOND_THOUGHT);
                }
                if went_well { Ok(number) } else { Err(Failed::new("CHAOS", "it was to fail")) }
            }
        })
}

async fn read(witness: Witness, me: Me, message: GivenMessage) -> Result<(), Failed> {
    // What the log tells of leases that ran out is none of this.
    let Ok(content) = message.read::<Content>() else { return Ok(()) };
    let (inbox, attempt) = (me.id().to_owned(), Some(message.attempt));
    let went_well = handle(&witness, &me, &inbox, &message.message_id, attempt, content.does).await;
    if went_well { Ok(()) } else { Err(Failed::new("CHAOS", "it was to fail")) }
}

async fn handle(witness: &Witness, me: &Me, inbox: &str, id: &str, attempt: Option<u64>, does: Does) -> bool {
    let context = &me.taker().context_id;
    witness.begin(context, attempt, inbox, id);
    if does == Does::IsSlow {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(10..80))).await;
    }
    let went_well = match does {
        Does::Handles | Does::IsSlow | Does::AnswersTwice => true,
        Does::FailsAtFirst => attempt > Some(1),
        Does::FailsAlways => false,
    };
    witness.write(context, if went_well { "ok" } else { "fail" }, inbox, id);
    went_well
}

/// Sends what the plan says, from where the last run was; the last one may be sent again.
async fn send_all(setting: Setting, bus: Bus, index: usize) {
    let (mut sent, count) = Sent::messages(&setting.folder, &agent(index));
    let planned = sent_by(setting.seed, index, setting.messages);
    for (number, one) in planned.iter().enumerate().skip(count) {
        for _ in 0..=usize::from(one.is_sent_twice) {
            while let Err(error) = bus.send(one.message(number)).await {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                tokio::time::sleep(AWAY_PAUSE).await;
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
        // Some think for so long that it has run out.
        if fastrand::u8(..) < 32 {
            tokio::time::sleep(LEASE.mul_f64(fastrand::f64() * 2.0)).await;
        }
        // A token that has run out on the way is worth nothing; one that is valid was so at this time, or later.
        let at = Timestamp::now();
        if me
            .bus()
            .check_token(NAMESPACE, lease.token, &resource.replace("**", "x").replace('*', "x"))
            .await
            .is_err()
        {
            continue;
        }
        let (context, token) = (&me.taker().context_id, lease.token.to_string());
        witness.write_at(at, context, "enter", resource, &token);
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
                        tokio::time::sleep(AWAY_PAUSE).await;
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
