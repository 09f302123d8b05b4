//! The story: positions that become visible in another order than they have. Readers go on behind what comes late, and what they
//! have read is not what the log is.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use factlog::{EventId, EventLog, Filter, NewEvent, Position};
use factlog_stores::{Open, open};
use tokio::time::timeout;

use super::postgres::{Log, session};
use super::readers::{ENDED, Seen, follow, page};
use super::told::{PATIENCE, Told};
use super::writers::{LOG, NUMBER, Role, SERVER};
use super::{Outcome, ROLE, runtime};

/// Each appends between the log's lock and its insert, or its insert and its commit, a little late.
fn pauses(schema: &str) -> String {
    format!(
        "CREATE TABLE {schema}.orders (id uuid PRIMARY KEY);
         CREATE FUNCTION {schema}.pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF random() < 0.3 THEN
                 PERFORM pg_sleep(random() * 0.006);
             END IF;
             RETURN NULL;
         END $$;
         CREATE TRIGGER pause_before_insert BEFORE INSERT ON {schema}.events
             FOR EACH STATEMENT EXECUTE FUNCTION {schema}.pause();
         CREATE CONSTRAINT TRIGGER pause_before_commit AFTER INSERT ON {schema}.events
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {schema}.pause()"
    )
}

/// Eight processes: of each kind some at the server itself, and one through the pooler.
fn start(direct: &Log, pooled: &Log) -> std::io::Result<Vec<Child>> {
    let roles = [
        (Role::Batches, direct),
        (Role::Batches, direct),
        (Role::Batches, pooled),
        (Role::InTransactions, direct),
        (Role::InTransactions, direct),
        (Role::InTransactions, pooled),
        (Role::Deciding, direct),
        (Role::Deciding, pooled),
    ];
    let start = |(number, (role, log)): (usize, (Role, &Log))| {
        Command::new(std::env::current_exe()?)
            .env(ROLE, role.word())
            .env(LOG, log.url())
            .env(SERVER, log.server())
            .env(NUMBER, number.to_string())
            .stdout(Stdio::piped())
            .spawn()
    };
    roles.into_iter().enumerate().map(start).collect()
}

/// What a process said was acknowledged; it must have ended well.
fn listen(mut child: Child, told: &Told) -> Outcome {
    for line in BufReader::new(child.stdout.take().ok_or("no output")?).lines() {
        let line = line?;
        let (id, position) = line.split_once(' ').ok_or("no position")?;
        told.stands_at(id.parse()?, Position(position.parse()?));
    }
    if child.wait()?.success() { Ok(()) } else { Err("a writer has failed".into()) }
}

pub(super) fn eight_processes() -> Outcome {
    runtime().block_on(async {
        let Some(log) = Log::direct() else { return Ok(()) };
        let pooled = Log::pooled().map_or_else(|| log.by(log.server()), |pooler| log.by(pooler.server()));
        let events = open(log.url(), Open::Create).await?;
        session(log.server()).await.batch_execute(&pauses(&log.schema())).await?;
        let turns = Filter::types(["turn:*"])?;
        let of_all = [
            tokio::spawn(follow(log.url().to_owned(), Filter::all())),
            tokio::spawn(follow(pooled.url().to_owned(), Filter::all())),
            tokio::spawn(page(log.url().to_owned(), Filter::all())),
        ];
        let of_turns = [
            tokio::spawn(follow(log.with("hints=off"), turns.clone())),
            tokio::spawn(page(pooled.url().to_owned(), turns.clone())),
        ];
        let told = Told::new();
        let children = start(&log, &pooled)?;
        let listeners = children.into_iter().map(|child| {
            let told = Arc::clone(&told);
            tokio::task::spawn_blocking(move || listen(child, &told).map_err(|failed| format!("{failed:?}")))
        });
        for listener in listeners.collect::<Vec<_>>() {
            listener.await??;
        }
        end(&events, &told).await?;
        let there = told.verify(&events).await;
        for reader in of_all {
            let seen = timeout(PATIENCE, reader).await??;
            assert!(seen == there, "a reader saw another log");
        }
        let there_of_turns: Seen = there.iter().filter(|event| turns.matches(event)).cloned().collect();
        for reader in of_turns {
            let seen = timeout(PATIENCE, reader).await??;
            assert!(seen == there_of_turns, "a reader of some types saw another log");
        }
        verify_orders(&log, &events).await?;
        eprintln!("{} events of 8 processes", there.len());
        assert_eq!(events.check().await?.problems, Vec::<String>::new());
        Ok(())
    })
}

/// The event after which nothing is waited for.
async fn end(events: &EventLog, told: &Told) -> Outcome {
    let last = NewEvent::new("test-1", ENDED, ())?;
    let id = last.id;
    told.stands_at(id, timeout(Duration::from_secs(10), events.append(last)).await??.last());
    Ok(())
}

/// Rows and events of one transaction are there together, or neither of them is.
async fn verify_orders(log: &Log, events: &EventLog) -> Outcome {
    let sql = format!("SELECT id FROM {}.orders", log.schema());
    let rows = session(log.server()).await.query(&sql, &[]).await?;
    let mut rows: Vec<EventId> = rows.iter().map(|row| EventId(row.get(0))).collect();
    let recorded = events.read(Filter::categories(["order"])?).collect().await?;
    let mut recorded: Vec<EventId> = recorded.iter().map(|event| event.id).collect();
    rows.sort_unstable();
    recorded.sort_unstable();
    assert!(!rows.is_empty() && rows == recorded, "{} rows, {} events", rows.len(), recorded.len());
    Ok(())
}
