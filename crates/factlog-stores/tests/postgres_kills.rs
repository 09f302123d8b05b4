//! Servers, and processes of servers, that are killed while many append through one store, which goes on by itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod postgres;
mod told;

use std::sync::Arc;

use factlog::{Batch, ErrorKind, EventId, EventLog, Expect, Filter, NewEvent, StreamName, Version};
use factlog_stores::{Open, open};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet, block_in_place};
use tokio::time::timeout;
use tokio_postgres::Client;

use cluster::Cluster;
use postgres::{Log, session, try_session, unique};
use told::{PATIENCE, Told, ids};

const BACKENDS_KILLED: u32 = 6;
const SERVERS_KILLED: u32 = 5;
const STORMS: u32 = 10;
/// Tasks that append through the store that tries until it knows, and through the one that tries once.
const PATIENT: u64 = 8;
const IMPATIENT: u64 = 4;
/// The type of the last event, after which nothing is waited for.
const ENDED: &str = "test:ended";

/// A server of the test's own; none where none is installed.
fn cluster() -> Option<Cluster> {
    if let Err(reason) = Cluster::programs() {
        assert!(cfg!(windows) || std::env::var_os("CI").is_none(), "{reason}");
        eprintln!("skipped: {reason}");
        return None;
    }
    Some(block_in_place(Cluster::start).unwrap())
}

/// Writers and followers of one log, and what they were told.
struct Fleet {
    patient: EventLog,
    impatient: EventLog,
    told: Arc<Told>,
    stop: watch::Sender<bool>,
    writers: JoinSet<()>,
    followers: Vec<JoinHandle<Vec<EventId>>>,
}

impl Fleet {
    /// Begins to write and to follow.
    async fn start(log: &Log, settings: &str) -> Self {
        let with = |attempts: &str| log.with(&format!("{settings}{attempts}"));
        let patient = open(&with("attempts=100&retry_delay_ms=5"), Open::Create).await.unwrap();
        let impatient = open(&with("attempts=1"), Open::Existing).await.unwrap();
        let (told, stop) = (Told::new(), watch::Sender::new(false));
        let mut writers = JoinSet::new();
        for number in 0..PATIENT + IMPATIENT {
            let tries = if number < PATIENT { &patient } else { &impatient };
            let writer = Writer {
                tries: tries.clone(),
                looks: patient.clone(),
                stream: format!("writer-{number}").parse().unwrap(),
                told: Arc::clone(&told),
                is_patient: number < PATIENT,
            };
            writers.spawn(writer.run(stop.subscribe()));
        }
        let followers = vec![follow(patient.clone(), None), follow(patient.clone(), Some("mailer"))];
        Self { patient, impatient, told, stop, writers, followers }
    }

    /// The same stores go on, everything acknowledged is there once, and followers have seen it all in order.
    async fn verify(mut self) {
        self.told.more(200).await;
        self.stop.send_replace(true);
        while let Some(ended) = self.writers.join_next().await {
            ended.unwrap();
        }
        let last = Batch::new(vec![NewEvent::new("test-1", ENDED, json!({})).unwrap()]).unwrap();
        self.told.acknowledge(&ids(&last), &self.patient.append(last.clone()).await.unwrap());
        let there = self.told.verify(&self.patient).await;
        for follower in self.followers {
            let seen = timeout(PATIENCE, follower).await.expect("a follower stands still").unwrap();
            assert_eq!(seen.len(), there.len());
            assert!(there.iter().map(|event| event.id).eq(seen), "a follower has seen another order");
        }
        for log in [&self.patient, &self.impatient] {
            let health = log.health().await;
            let connections = health.connections.unwrap();
            assert!(health.healthy && connections.connected, "{health:?}");
            assert!(connections.reconnections > 0, "{health:?}");
        }
        assert_eq!(self.patient.check().await.unwrap().problems, Vec::<String>::new());
        eprintln!("{} events, {} acknowledged", there.len(), self.told.count());
        self.impatient.close().await.unwrap();
        self.patient.close().await.unwrap();
    }
}

/// Appends to a stream of its own, whose version it knows.
struct Writer {
    tries: EventLog,
    looks: EventLog,
    stream: StreamName,
    told: Arc<Told>,
    is_patient: bool,
}

impl Writer {
    async fn run(self, stop: watch::Receiver<bool>) {
        let mut version = Version::NONE;
        while !*stop.borrow() {
            let events = (0..fastrand::u64(1..4))
                .map(|_| NewEvent::new(self.stream.as_str(), "writer:wrote", json!({"after": version})));
            let batch = Batch::new(events.collect::<Result<_, _>>().unwrap()).unwrap();
            let batch = batch.expect(self.stream.clone(), Expect::Version(version)).unwrap();
            let ids = ids(&batch);
            match self.tries.append(batch).await {
                Ok(appended) => {
                    self.told.acknowledge(&ids, &appended);
                    version = appended.events.last().unwrap().version;
                }
                Err(error) => {
                    // Who tries only once may be overtaken by a request that was given up.
                    let kinds = [ErrorKind::Unavailable, ErrorKind::Conflict];
                    assert!(!self.is_patient && kinds.contains(&error.kind()), "{error:?}");
                    self.told.doubt(ids);
                    version = self.looks.stream(&self.stream).version().await.unwrap();
                }
            }
        }
    }
}

/// Follows the log up to its last event.
fn follow(log: EventLog, name: Option<&'static str>) -> JoinHandle<Vec<EventId>> {
    tokio::spawn(async move {
        let following = log.follow(Filter::all());
        let mut following = match name {
            Some(name) => following.durable(name),
            None => following,
        };
        let mut seen = Vec::new();
        loop {
            let event = following.next().await.expect("a follower does not end").unwrap();
            seen.push(event.id);
            if event.event_type == ENDED {
                return seen;
            }
        }
    })
}

/// A connection, as soon as the server takes one.
async fn when_back(server: &str) -> Client {
    let connect = async {
        loop {
            if let Ok(client) = try_session(server).await {
                return client;
            }
        }
    };
    timeout(PATIENCE, connect).await.expect("the server is not back")
}

/// The process of somebody who is appending just now; none if the server is going down.
async fn appending(client: &Client) -> Option<i32> {
    let sql = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%append_events%'
                   AND pid <> pg_backend_pid() LIMIT 1";
    loop {
        if let Some(row) = client.query(sql, &[]).await.ok()?.first() {
            return Some(row.get(0));
        }
    }
}

/// The story: a server that runs out of memory kills the process of one connection, and throws out all others with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_is_there_once_after_processes_of_the_server_were_killed_as_they_appended() {
    let Some(cluster) = cluster() else { return };
    let log = Log::new(&cluster.url());
    let fleet = Fleet::start(&log, "").await;
    let mut killed = 0;
    while killed < BACKENDS_KILLED {
        fleet.told.more(fastrand::usize(1..100)).await;
        let client = when_back(&cluster.url()).await;
        let process = timeout(PATIENCE, appending(&client)).await.expect("nobody appends");
        if let Some(process) = process {
            block_in_place(|| Cluster::kill_backend(process));
            killed += 1;
        }
    }
    fleet.verify().await;
    let crashes = cluster.log().matches("was terminated by signal 9").count();
    assert!(crashes as u32 > BACKENDS_KILLED / 2, "{crashes} processes were killed:\n{}", cluster.log());
}

/// The story: the power of a server's machine fails, and it comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_is_there_once_after_the_server_was_killed_and_started_again() {
    let Some(mut cluster) = cluster() else { return };
    let log = Log::new(&cluster.url());
    let fleet = Fleet::start(&log, "").await;
    for _ in 0..SERVERS_KILLED {
        fleet.told.more(fastrand::usize(1..300)).await;
        block_in_place(|| {
            cluster.kill();
            cluster.restart()
        })
        .unwrap();
    }
    fleet.verify().await;
    assert!(cluster.log().contains("was interrupted"), "it was no crash:\n{}", cluster.log());
}

/// The story: an administrator, or the provider's maintenance, ends all connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_is_there_once_after_storms_of_connections_that_were_terminated() {
    let Some(log) = Log::direct() else { return };
    let application = unique();
    let fleet = Fleet::start(&log, &format!("application_name={application}&")).await;
    let administrator = session(log.server()).await;
    let terminate =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
    let mut storms = 0;
    while storms < STORMS {
        fleet.told.more(fastrand::usize(1..100)).await;
        let ended: i64 = administrator.query_one(terminate, &[&application]).await.unwrap().get(0);
        // What was acknowledged before the last one may be heard of after it, when nobody is connected yet.
        storms += u32::from(ended > 0);
    }
    fleet.verify().await;
}
