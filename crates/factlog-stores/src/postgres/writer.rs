//! The task that appends: it gathers what waits into one statement, and answers when that is committed.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use factlog::admission::{self, Admission};
use factlog::limits::GROUP_BYTES_MAX;
use factlog::{
    Appended, Batch, Error, ErrorKind, EventId, Position, RETENTION_STREAM, Result, Stamps, Timestamp,
};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::Client;

use super::facts::{Facts, Questions};
use super::group::{self, Fate, Hints};
use super::pool::{Lost, Tries};
use super::shared::Shared;
use super::transaction::{self, Transaction};

/// How often the writer lets callers who have just been answered come into the next group.
const GATHER_TURNS: usize = 16;

/// A batch that waits.
pub(super) struct Queued {
    pub(super) batch: Batch,
    /// Its conditions hold up to here.
    pub(super) clear_to: Position,
    pub(super) answer: oneshot::Sender<Result<Appended>>,
}

impl Queued {
    /// Whether it is in no group with others.
    fn is_alone(&self) -> bool {
        // The server refuses a call that names the stream of removals, unless it is the log's owner's.
        let names_removals = self.batch.events().iter().any(|event| event.stream == RETENTION_STREAM)
            || self.batch.expects().keys().any(|stream| *stream == RETENTION_STREAM);
        !self.batch.conditions().is_empty()
            || matches!(self.batch.stamps(), Stamps::Kept(_))
            || names_removals
    }

    fn tell(self, outcome: Result<Appended>) {
        // Nobody may be waiting any more, and that is fine.
        let _ = self.answer.send(outcome);
    }
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    pending: VecDeque<Queued>,
    /// Callers who are likely to ask again at once.
    expected: usize,
    hints: Hints,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, pending: VecDeque::new(), expected: 0, hints: Hints::default() }
    }

    /// Works until everyone who could ask is gone.
    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<Vec<Queued>>) {
        loop {
            if self.pending.is_empty() {
                match jobs.recv().await {
                    Some(job) => self.pending.extend(job),
                    None => return,
                }
            }
            for _ in 0..GATHER_TURNS {
                while let Ok(job) = jobs.try_recv() {
                    self.pending.extend(job);
                }
                if self.pending.len() >= self.expected {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let group = self.next_group();
            self.expected = group.len();
            self.shared.waiting(self.pending.len());
            self.write(group).await;
        }
    }

    /// The batches that go into one statement: of different ids, since a repeat is known only once the first is recorded.
    fn next_group(&mut self) -> Vec<Queued> {
        let mut group: Vec<Queued> = Vec::new();
        let mut ids: HashSet<EventId> = HashSet::new();
        let (mut events, mut bytes) = (0, 0);
        while let Some(next) = self.pending.front() {
            let is_full = events + next.batch.events().len() > self.shared.pool.options.batch_events
                || bytes + next.batch.bytes() > GROUP_BYTES_MAX;
            let is_known = next.batch.events().iter().any(|event| ids.contains(&event.id));
            if !group.is_empty() && (is_full || is_known || next.is_alone()) {
                break;
            }
            let Some(next) = self.pending.pop_front() else { break };
            ids.extend(next.batch.events().iter().map(|event| event.id));
            events += next.batch.events().len();
            bytes += next.batch.bytes();
            let is_alone = next.is_alone();
            group.push(next);
            if is_alone {
                break;
            }
        }
        group
    }

    async fn write(&mut self, group: Vec<Queued>) {
        let began = Instant::now();
        let done = match group.as_slice() {
            [one] if !one.batch.conditions().is_empty() => {
                let outcome = self.under_lock(&one.batch, one.clear_to).await;
                vec![Told::Outcome(outcome)]
            }
            _ => self.together(&group).await,
        };
        let mut newest = Position::START;
        let mut again = Vec::new();
        for (queued, told) in group.into_iter().zip(done) {
            match told {
                Told::Outcome(outcome) => {
                    if let Ok(appended) = &outcome {
                        newest = newest.max(appended.last());
                        self.hints.learn(appended);
                    }
                    queued.tell(outcome);
                }
                Told::Again => again.push(queued),
            }
        }
        if newest > Position::START {
            self.shared.committed(newest, began.elapsed());
        }
        again.into_iter().rev().for_each(|queued| self.pending.push_front(queued));
    }

    /// One statement for the group; each alone where something in it is refused as a whole.
    async fn together(&self, group: &[Queued]) -> Vec<Told> {
        let batches: Vec<&Batch> = group.iter().map(|queued| &queued.batch).collect();
        match self.append(&batches).await {
            Ok(fates) => self.tell(&batches, fates).await,
            Err(Lost::Data(_)) if group.len() > 1 => {
                let mut told = Vec::with_capacity(group.len());
                for one in group {
                    told.extend(Box::pin(self.together(std::slice::from_ref(one))).await);
                }
                told
            }
            Err(Lost::Data(error)) => vec![self.refused(batches[0], error).await],
            Err(lost) => {
                let error = Error::from(lost);
                group.iter().map(|_| Told::Outcome(Err(error.clone()))).collect()
            }
        }
    }

    /// Asks until there is an answer: what was recorded without one is known by its ids when it is asked again.
    async fn append(&self, batches: &[&Batch]) -> Result<Vec<Fate>, Lost> {
        let pool = &self.shared.pool;
        let wait = i32::try_from(pool.options.lock_wait.as_millis()).unwrap_or(i32::MAX);
        let request = group::append(&pool.options.names, batches, &self.hints, wait);
        let mut tries = Tries::new(&pool.options);
        // Whether something was sent whose answer never came.
        let mut is_in_doubt = false;
        let settle =
            |error: Error, is_in_doubt| Lost::Never(if is_in_doubt { unknown(error) } else { error });
        loop {
            let lost = match pool.get_to_write().await {
                Ok(connection) => match pool.on(connection, &request).await {
                    Ok((rows, _)) => {
                        let gone = || Lost::Never(Error::stopped("the server gave no answer"));
                        return group::fates(batches, rows.first().ok_or_else(gone)?).map_err(Lost::Never);
                    }
                    Err(lost) => {
                        is_in_doubt |= matches!(lost, Lost::Connection(_));
                        lost
                    }
                },
                Err(lost) => lost,
            };
            match lost {
                Lost::Data(_) => return Err(lost),
                lost => tries.again(lost).await.map_err(|error| settle(error, is_in_doubt))?,
            }
        }
    }

    async fn tell(&self, batches: &[&Batch], fates: Vec<Fate>) -> Vec<Told> {
        let known: Vec<&Batch> = batches
            .iter()
            .zip(&fates)
            .filter(|(_, fate)| matches!(fate, Fate::Known))
            .map(|(batch, _)| *batch)
            .collect();
        let mut facts = if known.is_empty() { Ok(Facts::default()) } else { self.facts(&known).await };
        let told = batches.iter().zip(fates).map(|(batch, fate)| match fate {
            Fate::Recorded(stamps) => Told::Outcome(Ok(admission::appended(batch, &stamps))),
            Fate::WrongVersion { stream, expected, actual } => {
                Told::Outcome(Err(Error::wrong_version(&stream, expected, actual)))
            }
            Fate::Known => match &mut facts {
                Ok(facts) => match admission::admit(batch, facts, Timestamp::now()) {
                    Ok(Admission::Repeated(appended)) => Told::Outcome(Ok(appended)),
                    // They were removed in between.
                    Ok(Admission::Record(_)) => Told::Again,
                    Err(error) => Told::Outcome(Err(error)),
                },
                Err(error) => Told::Outcome(Err(error.clone())),
            },
        });
        told.collect()
    }

    /// Why the server refused what is in a batch.
    async fn refused(&self, batch: &Batch, error: Error) -> Told {
        let judged = match self.facts(&[batch]).await {
            Ok(mut facts) => admission::admit(batch, &mut facts, Timestamp::now()),
            Err(error) => Err(error),
        };
        Told::Outcome(match judged {
            Ok(Admission::Repeated(appended)) => Ok(appended),
            Ok(Admission::Record(_)) => Err(error),
            Err(error) => Err(error),
        })
    }

    async fn facts(&self, batches: &[&Batch]) -> Result<Facts> {
        let pool = &self.shared.pool;
        let questions = Questions::of(&pool.options.names, batches);
        let head = pool.ask(&questions.head).await?;
        let streams = pool.ask(&questions.streams).await?;
        let known = pool.ask(&questions.known).await?;
        Facts::of(&head, &streams, &known, &[])
    }

    /// A batch with conditions: lock, look, insert.
    async fn under_lock(&self, batch: &Batch, clear_to: Position) -> Result<Appended> {
        let pool = &self.shared.pool;
        let mut tries = Tries::new(&pool.options);
        // Whether a commit was asked for whose answer never came.
        let is_in_doubt = AtomicBool::new(false);
        loop {
            let done = async {
                let transaction = Transaction::begin(pool).await?;
                let names = &pool.options.names;
                let append =
                    async |client: &Client| transaction::append(client, names, batch, clear_to).await;
                let appended = transaction.within(append).await?;
                let committed = transaction.commit().await;
                let is_lost = matches!(committed, Err(Lost::Connection(_)));
                is_in_doubt.fetch_or(is_lost, Ordering::Relaxed);
                committed.map(|()| appended)
            };
            match done.await {
                Ok(appended) => return Ok(appended),
                Err(lost) => tries.again(lost).await.map_err(|error| {
                    let is_told_otherwise = matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Invalid);
                    if is_in_doubt.load(Ordering::Relaxed) && !is_told_otherwise {
                        unknown(error)
                    } else {
                        error
                    }
                })?,
            }
        }
    }
}

/// What a caller is told of a batch.
enum Told {
    Outcome(Result<Appended>),
    /// It is to be tried again.
    Again,
}

/// An append whose answer never came.
fn unknown(error: Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{error}; whether the events are recorded is not known"))
        .with_hint("append them again with the same ids when the server is back: nothing is recorded twice")
        .with_cause(error)
}
