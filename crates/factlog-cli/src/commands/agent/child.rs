//! The command of an agent: started, fed, listened to, and started again when it ends.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use factlog::{Json, Priority};
use factlog_agents::Me;
use factlog_agents::bus::{Address, Body, Message};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};

use crate::output::note;

/// Lines that wait for the command to read them.
const LINES_WAITING_MAX: usize = 256;
/// The pause before a command that has ended is started again; then twice as long each time it ends at once.
const RESTART_PAUSE: Duration = Duration::from_millis(200);
/// The longest of them.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(30);
/// A command that has run for so long has not ended at once.
const RAN_WELL: Duration = Duration::from_secs(10);
/// Bytes of one line that it writes.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What the command says of something that it was given.
#[derive(Debug)]
pub(super) enum Reply {
    Result(Value),
    Error { message: String, code: Option<String>, retry: bool },
}

/// A line that the command writes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Line {
    message_id: Option<String>,
    // `"result": null` is a result.
    #[serde(deserialize_with = "present")]
    result: Option<Value>,
    error: Option<String>,
    code: Option<String>,
    retry: Option<bool>,
    progress: Option<f64>,
    status: Option<String>,
    send: Option<Send>,
    broadcast: Option<Send>,
}

#[derive(Debug, Deserialize)]
struct Send {
    #[serde(default = "everyone")]
    to: String,
    #[serde(default)]
    topic: Option<String>,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    priority: Option<Priority>,
}

fn everyone() -> String {
    "*".to_owned()
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

type Asked = HashMap<String, (u64, Me, oneshot::Sender<Reply>)>;

/// The command, and what it was asked.
pub(super) struct Child {
    words: Vec<String>,
    /// What is asked, each time with a number of its own: the same message may come again.
    lines: mpsc::Sender<(u64, Value)>,
    unread: tokio::sync::Mutex<mpsc::Receiver<(u64, Value)>>,
    asked: Mutex<Asked>,
    number: AtomicU64,
}

impl Child {
    pub(super) fn new(words: Vec<String>) -> Self {
        let (lines, unread) = mpsc::channel(LINES_WAITING_MAX);
        Self {
            words,
            lines,
            unread: tokio::sync::Mutex::new(unread),
            asked: Mutex::default(),
            number: AtomicU64::new(0),
        }
    }

    /// Hands a line to the command, and waits for what it says of it.
    pub(super) async fn ask(&self, me: &Me, line: Value) -> Reply {
        let id = line["messageId"].as_str().unwrap_or_default().to_owned();
        let (tell, told) = oneshot::channel();
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        self.asked().insert(id, (number, me.clone(), tell));
        if self.lines.send((number, line)).await.is_err() {
            return ended();
        }
        told.await.unwrap_or_else(|_| ended())
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more is waited for.
    pub(super) fn end(&self) {
        self.asked().clear();
    }

    /// Keeps the command running.
    pub(super) async fn keep(self: Arc<Self>, me: Me) {
        let mut pause = RESTART_PAUSE;
        loop {
            let began = std::time::Instant::now();
            let why = self.run(&me).await;
            // What it had in hand is nobody's now: it fails, and is offered again.
            self.end();
            if began.elapsed() >= RAN_WELL {
                pause = RESTART_PAUSE;
            }
            note(format_args!("{}: {why}; it is started again in {} ms", self.words[0], pause.as_millis()));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RESTART_PAUSE_MAX);
        }
    }

    async fn run(&self, me: &Me) -> String {
        let started = Command::new(&self.words[0])
            .args(&self.words[1..])
            .env("FACTLOG_AGENT", me.id())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(cause) => return format!("it cannot be started: {cause}"),
        };
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return "it has no standard input and output".to_owned();
        };
        tokio::select! {
            why = self.feed(stdin) => why,
            why = self.listen(me, stdout) => why,
            ended = child.wait() => ended.map_or_else(|cause| cause.to_string(), |status| format!("it has ended: {status}")),
        }
    }

    async fn feed(&self, mut stdin: ChildStdin) -> String {
        let mut unread = self.unread.lock().await;
        while let Some((number, line)) = unread.recv().await {
            // What was asked of a command that has ended is asked anew, by another line.
            let id = line["messageId"].as_str().unwrap_or_default();
            if self.asked().get(id).is_none_or(|(asked, ..)| *asked != number) {
                continue;
            }
            let line = format!("{line}\n");
            if let Err(cause) = stdin.write_all(line.as_bytes()).await {
                return format!("it reads no more: {cause}");
            }
        }
        "there is nothing more to read".to_owned()
    }

    async fn listen(&self, me: &Me, stdout: ChildStdout) -> String {
        let mut unread = BufReader::new(stdout);
        loop {
            let mut line = Vec::new();
            let mut bounded = (&mut unread).take(LINE_BYTES_MAX as u64);
            match bounded.read_until(b'\n', &mut line).await {
                Ok(0) => return "it writes no more".to_owned(),
                Ok(LINE_BYTES_MAX) if !line.ends_with(b"\n") => {
                    return format!("it writes a line of more than {LINE_BYTES_MAX} bytes");
                }
                Ok(_) => self.hear(me, &String::from_utf8_lossy(&line)).await,
                Err(cause) => return format!("it cannot be read: {cause}"),
            }
        }
    }

    async fn hear(&self, me: &Me, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let line: Line = match serde_json::from_str(text) {
            Ok(line) => line,
            Err(cause) => {
                return note(format_args!(
                    "a line of the command is no answer ({cause}): {}",
                    text.trim_end()
                ));
            }
        };
        let id = line.message_id.clone().unwrap_or_default();
        // What it does because of what it was given is told as caused by that.
        let as_given = self.asked().get(&id).map(|(_, me, _)| me.clone());
        let me = as_given.unwrap_or_else(|| me.clone());
        if let Err(error) = act(&me, &id, &line).await {
            note(format_args!("what the command wanted was not done: {error}"));
        }
        let reply = match (line.result, line.error) {
            (_, Some(message)) => {
                Reply::Error { message, code: line.code, retry: line.retry.unwrap_or(true) }
            }
            (Some(result), None) => Reply::Result(result),
            (None, None) => return,
        };
        match self.asked().remove(&id) {
            // Whoever asked may have stopped meanwhile.
            Some((.., tell)) => drop(tell.send(reply)),
            None => note(format_args!("the command answers {id:?}, which it was not asked")),
        }
    }
}

/// What a line wants done besides an answer.
async fn act(me: &Me, id: &str, line: &Line) -> factlog::Result<()> {
    if let Some(progress) = line.progress {
        me.progress(id, progress, line.status.as_deref().unwrap_or("at work")).await?;
    }
    if let Some(send) = &line.send {
        let to: Address = send.to.parse()?;
        let body = Body::Words { content: Json::of(&send.data)?, content_type: None, reply_to: None };
        let message = Message::new(me.id(), to, body).priority(send.priority.unwrap_or(Priority::Normal));
        me.post(message).await?;
    }
    if let Some(send) = &line.broadcast {
        me.broadcast(&send.to, send.topic.as_deref().unwrap_or("broadcast"), &send.data).await?;
    }
    Ok(())
}

fn ended() -> Reply {
    Reply::Error { message: "the command has ended".to_owned(), code: None, retry: true }
}
