//! A task service that keeps its tasks as files for people, as Scopecraft does: a Markdown file a task, in `backlog`, `current`
//! or `archive`. The files are a projection of the log. They are written after the event, so a process that is ended in
//! between leaves a file that is late, and the next start brings it up to date: no event is lost and none is invented.
//!
//! Run it with `cargo run -p factlog-agents --example task_service`. What it says is asserted as well.

pub(crate) mod files;
pub(crate) mod task;

use std::path::Path;

use factlog::{Aggregate, EventLog, Filter, Result, StreamName};
use factlog_agents::decider::decide_once;
use factlog_agents::{stream_of, vocabulary::TaskStatusChanged};
use factlog_stores::{Open, open};

use self::files::{Files, Found};
use self::task::{Task, TaskCommand};

/// Tasks: in the log, and as files that show it.
pub(crate) struct TaskService {
    log: EventLog,
    files: Files,
}

impl TaskService {
    /// Opens the log and the files of a folder, and brings the files up to the log. Tells what it found there that the log
    /// does not say.
    pub(crate) async fn open(folder: &Path, step: fn(&str)) -> Result<(Self, Vec<Found>)> {
        let log = open(&format!("sqlite:{}", folder.join("tasks.db").display()), Open::Create).await?;
        let service = Self { log, files: Files::new(folder, step)? };
        let found = service.catch_up().await?;
        Ok((service, found))
    }

    /// A new task. The id of the command is of the caller's choice: the same command again changes nothing.
    pub(crate) async fn create(&self, command_id: &str, task_id: &str, title: &str) -> Result<Task> {
        let command = TaskCommand::Create { task_id: task_id.to_owned(), title: title.to_owned() };
        self.run(task_id, command_id, &command).await
    }

    /// Sets a status; nothing happens where it is that already.
    pub(crate) async fn update_status(&self, command_id: &str, task_id: &str, status: &str) -> Result<Task> {
        self.run(task_id, command_id, &TaskCommand::UpdateStatus(status.to_owned())).await
    }

    /// Moves a task to another workflow, and so its file to another folder.
    pub(crate) async fn move_to(&self, command_id: &str, task_id: &str, workflow: &str) -> Result<Task> {
        self.run(task_id, command_id, &TaskCommand::Move(workflow.to_owned())).await
    }

    /// First the event, then the file.
    async fn run(&self, task_id: &str, command_id: &str, command: &TaskCommand) -> Result<Task> {
        let stream = stream_of("task", task_id)?;
        (self.files.step)("before the append");
        let done = decide_once::<Task>(&self.log, &stream, command_id, command).await?;
        (self.files.step)("after the append");
        for found in self.show(&stream).await? {
            eprintln!("{found}");
        }
        Ok(done.state)
    }

    /// The task as the log tells it: files may be late.
    pub(crate) async fn get(&self, task_id: &str) -> Result<Option<Task>> {
        let task: Task = self.log.stream(&stream_of("task", task_id)?).state().await?;
        Ok(Some(task).filter(Task::exists))
    }

    /// All tasks as the log tells them.
    pub(crate) async fn list(&self) -> Result<Vec<Task>> {
        let mut tasks = Vec::new();
        for stream in self.streams().await? {
            let task: Task = self.log.stream(&stream).state().await?;
            tasks.extend(Some(task).filter(Task::exists));
        }
        Ok(tasks)
    }

    async fn streams(&self) -> Result<std::collections::BTreeSet<StreamName>> {
        let events = self.log.read(Filter::categories([Task::CATEGORY])?).collect().await?;
        Ok(events.iter().map(|event| event.stream.clone()).collect())
    }

    /// Writes a task's file anew. Whoever writes holds the lock and looks at the log then, so that of two processes the last one
    /// writes the newest state.
    async fn show(&self, stream: &StreamName) -> Result<Vec<Found>> {
        let _locked = self.files.lock().await?;
        let task: Task = self.log.stream(stream).state().await?;
        self.files.write(&task)
    }

    /// Brings all files up to the log.
    pub(crate) async fn catch_up(&self) -> Result<Vec<Found>> {
        let _locked = self.files.lock().await?;
        let tasks = self.list().await?;
        let mut found = self.files.clear(&tasks)?;
        for task in &tasks {
            found.extend(self.files.write(task)?);
        }
        Ok(found)
    }

    pub(crate) async fn close(&self) -> Result<()> {
        self.log.close().await
    }
}

#[tokio::main]
pub(crate) async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let (service, found) = TaskService::open(folder.path(), |_| {}).await?;
    assert!(found.is_empty());

    service.create("c-1", "AUTH-001", "Sign in with a key").await?;
    assert!(service.create("c-2", "AUTH-001", "The same again").await.is_err(), "an id is taken once");
    let task = service.update_status("c-3", "AUTH-001", "in_progress").await?;
    assert_eq!((task.status.as_str(), task.version), ("in_progress", 2));
    service.update_status("c-3", "AUTH-001", "in_progress").await?;
    let task = service.move_to("c-4", "AUTH-001", "current").await?;
    assert_eq!(task.version, 3, "a command that was given twice happened once");
    assert!(service.update_status("c-5", "AUTH-002", "done").await.is_err(), "there is no such task");
    let file = service.files.path(&task);
    assert!(file.starts_with(folder.path().join("current")));
    println!("{}", std::fs::read_to_string(&file)?);

    // A process that is ended after the event and before the file: the event is there, and the file is late.
    service.log.append(TaskStatusChanged::new("AUTH-001", "done").old_status("in_progress")).await?;
    assert!(std::fs::read_to_string(&file)?.contains("status: \"in_progress\""));
    service.close().await?;
    let (service, found) = TaskService::open(folder.path(), |_| {}).await?;
    assert!(found.is_empty(), "a file that is late is nothing to speak of");
    assert!(std::fs::read_to_string(&file)?.contains("status: \"done\""));

    // A person who writes into a file: what they wrote is kept aside, and said.
    let edited = std::fs::read_to_string(&file)? + "\nAsk Ada first.\n";
    std::fs::write(&file, &edited)?;
    let found = service.catch_up().await?;
    let [Found::Edited { kept, .. }] = &found[..] else { return Err(format!("found {found:?}").into()) };
    println!("{}", found[0]);
    assert_eq!(std::fs::read_to_string(kept)?, edited);
    assert!(!std::fs::read_to_string(&file)?.contains("Ada"));
    assert_eq!(service.get("AUTH-001").await?.as_ref(), service.list().await?.first());
    Ok(service.close().await?)
}
