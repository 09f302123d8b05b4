//! A board of tasks and the sessions that work on them, as Scopecraft's document describes it: the events *are* the state.
//!
//! Run it with `cargo run -p factlog-agents --example task_board`. What it says is asserted as well.

use std::collections::BTreeMap;
use std::fs;

use factlog::{ErrorKind, Event, EventLog, Expect, Filter, Invalid, Moment, Projection, TypedEvent, Version};
use factlog_agents::projections::{Entities, Sessions, Task, Tasks};
use factlog_agents::stream_of;
use factlog_agents::vocabulary::{
    Payload, SessionCompleted, SessionQueued, SessionStarted, TaskCreated, TaskMoved, TaskSectionUpdated,
    TaskStatusChanged,
};
use factlog_stores::{Open, open};
use serde::{Deserialize, Serialize};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
pub(crate) async fn main() -> Result {
    let folder = tempfile::tempdir()?;
    let log = open(&format!("sqlite:{}", folder.path().join("board.db").display()), Open::Create).await?;
    let service = TaskService { log: log.clone() };
    service.create("AUTH-001", "Sign in with a key", "backlog").await?;
    assert_eq!(service.update_status("AUTH-001", "in_progress").await?, "todo");
    assert!(service.create("AUTH-001", "The same again", "backlog").await.is_err(), "an id is taken once");
    conflict(&log).await?;
    projections(&log).await?;
    subscribe(&log).await?;
    files(&log, folder.path()).await?;
    Ok(log.close().await?)
}

/// Tasks that are kept nowhere else than in the log, so a state and its event can never differ.
struct TaskService {
    log: EventLog,
}

impl TaskService {
    async fn create(&self, id: &str, title: &str, workflow: &str) -> factlog::Result<()> {
        let created =
            TaskCreated::new(id).title(title).workflow_state(workflow).status("todo").into_event()?;
        let stream = created.stream.clone();
        self.log.stream(&stream).append(vec![created], Expect::Version(Version::NONE)).await?;
        Ok(())
    }

    /// The task as its events tell it, and the version that this is true of.
    async fn get(&self, id: &str) -> factlog::Result<(Task, Version)> {
        let stream = stream_of("task", id)?;
        let version = self.log.stream(&stream).version().await?;
        let tasks: Tasks = self.log.stream(&stream).at(Moment::Version(version)).fold().await?;
        Ok((tasks.get(id).cloned().unwrap_or_default(), version))
    }

    /// Sets a status, and says what it was. Whoever is overtaken decides again, on what is there now.
    async fn update_status(&self, id: &str, status: &str) -> factlog::Result<String> {
        loop {
            let (task, version) = self.get(id).await?;
            let was = task.status_word.or(task.status.map(|status| status.to_string())).unwrap_or_default();
            let changed = TaskStatusChanged::new(id, status).old_status(was.as_str()).into_event()?;
            let stream = changed.stream.clone();
            match self.log.stream(&stream).append(vec![changed], Expect::Version(version)).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                outcome => return outcome.map(|_| was),
            }
        }
    }
}

/// Two that saw the same version: the log takes one, and tells the other. Nobody counts versions by hand.
async fn conflict(log: &EventLog) -> Result {
    let stream = stream_of("task", "AUTH-001")?;
    let seen = Expect::Version(log.stream(&stream).version().await?);
    let moved = || TaskMoved::new("AUTH-001").from_workflow("backlog").to_workflow("current").into_event();
    log.stream(&stream).append(vec![moved()?], seen).await?;
    let error = log.stream(&stream).append(vec![moved()?], seen).await.err().ok_or("both got in")?;
    println!("refused: {error}");
    assert_eq!(
        (error.kind(), error.expected(), error.actual()),
        (ErrorKind::Conflict, Some(Version(2)), Some(Version(3)))
    );
    Ok(())
}

/// A projection of one's own: which task is in which column.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Columns(BTreeMap<String, String>);

impl Projection for Columns {
    const NAME: &'static str = "columns";
    const REVISION: u32 = 1;

    fn filter() -> Filter {
        Filter::categories(["task"]).unwrap_or_default()
    }

    fn apply(&mut self, event: &Event) -> std::result::Result<(), Invalid> {
        let (id, column) = match Payload::of(event) {
            Some(Payload::TaskCreated(created)) => (created.task_id, created.workflow_state),
            Some(Payload::TaskMoved(moved)) => (moved.task_id, moved.to_workflow),
            _ => return Ok(()),
        };
        self.0.insert(id, column.unwrap_or_default());
        Ok(())
    }
}

/// Three projections on one reading: what happened before, and what comes.
async fn projections(log: &EventLog) -> Result {
    log.append(SessionQueued::new("abc123").task_id("AUTH-001").mode("autonomous")).await?;
    let mut manager = log.projections();
    let sessions = manager.add::<Sessions>().await?;
    let tasks = manager.add::<Tasks>().await?;
    let columns = manager.add::<Columns>().await?;
    manager.start();

    let started = log.append(SessionStarted::new("abc123").pid(4_711)).await?;
    sessions.caught_up(started.last()).await?;
    sessions.with(|sessions| {
        for session in sessions.active() {
            let task = session.task_id.as_deref().unwrap_or("-");
            println!("active: session {} on task {task}", session.session_id);
        }
        assert_eq!(sessions.active().count(), 1);
    });

    let completed = SessionCompleted::new("abc123").result("success").tools_used(["Edit", "Bash"]);
    let completed = log.append(completed.duration_ms(90_000)).await?;
    columns.caught_up(completed.last()).await?;
    assert_eq!(sessions.with(|sessions| sessions.active().count()), 0);
    let task = tasks.with(|tasks| tasks.get("AUTH-001").cloned()).ok_or("the task is unknown")?;
    println!("{}: {} session, {} ms", task.task_id, task.sessions_run, task.sessions_duration_ms);
    // The session's end does not name its task: that was said when it was queued.
    assert_eq!((task.status_changes, task.sessions_run, task.sessions_duration_ms), (1, 1, 90_000));
    assert_eq!(columns.with(|columns| columns.0["AUTH-001"].clone()), "current");
    sessions.finish().await;
    Ok(())
}

/// From the first event on, while somebody writes: between what was there and what comes nothing is missed.
async fn subscribe(log: &EventLog) -> Result {
    let writer = log.clone();
    let writing = tokio::spawn(async move {
        for line in 1..=50 {
            let text = format!("Line {line}");
            writer.append(TaskSectionUpdated::new("AUTH-001").section("log").content(text)).await?;
        }
        Ok::<(), factlog::Error>(())
    });
    let mut following = log.follow(Filter::stream(stream_of("task", "AUTH-001")?));
    for version in 1..=53 {
        let event = following.next().await.ok_or("following never ends")??;
        assert_eq!(event.version, Version(version));
    }
    println!("followed 53 events, each once and in order");
    Ok(writing.await??)
}

/// As files that people can read and search: a folder a day, a file a stream, a line an event.
async fn files(log: &EventLog, folder: &std::path::Path) -> Result {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for event in log.read(Filter::all()).collect().await? {
        let file = files.entry(format!("{}/{}.jsonl", &event.recorded_at.to_string()[..10], event.stream));
        file.or_default().push_str(&(event.to_json() + "\n"));
    }
    for (name, lines) in &files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(&path, lines)?;
        println!("{name}: {} lines", lines.lines().count());
        // `factlog import jsonl FOLDER` takes them in again.
        let first: Event = serde_json::from_str(lines.lines().next().unwrap_or_default())?;
        assert_eq!(log.get(first.id).await?.as_deref(), Some(&first));
    }
    Ok(())
}
