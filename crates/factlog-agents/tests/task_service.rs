//! The task service of the examples, ended at every step, with others at work on the same files, and edited by people.
//!
//! Story (S5): a task was written first and its event second. A crash in between left a task that no event told of; and whoever
//! turned it around had events that no file showed.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use factlog::{Event, EventLog, Filter};
use factlog_agents::vocabulary::Payload;
use factlog_stores::Open;

#[path = "../examples/task_service/main.rs"]
#[allow(dead_code, reason = "its main is run with the other examples")]
mod task_service;

use task_service::TaskService;
use task_service::files::{EDITED, Found};
use task_service::task::WORKFLOWS;

/// What a child of this program is to do, where, and at which step it is to end.
const PLAYS: &str = "FACTLOG_TEST_PLAYS";
const FOLDER: &str = "FACTLOG_TEST_FOLDER";
const ENDS_AT: &str = "FACTLOG_TEST_ENDS_AT";

/// What each of two that are at work together does.
const ROUNDS: usize = 60;

/// Each makes one event happen.
const SCRIPT: [[&str; 3]; 9] = [
    ["create", "AUTH-001", "Sign in with a key"],
    ["create", "../../odd id", "written: by whom?"],
    ["status", "AUTH-001", "in_progress"],
    ["move", "AUTH-001", "current"],
    ["status", "../../odd id", "blocked"],
    ["move", "../../odd id", "archive"],
    ["status", "AUTH-001", "done"],
    ["move", "AUTH-001", "archive"],
    ["move", "AUTH-001", "backlog"],
];

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}

async fn run(service: &TaskService, command_id: &str, [word, task, value]: [&str; 3]) {
    let done = match word {
        "create" => service.create(command_id, task, value).await,
        "status" => service.update_status(command_id, task, value).await,
        _ => service.move_to(command_id, task, value).await,
    };
    done.unwrap();
}

/// Ends the process at the step of this number, as a crash would: nothing more is done, and nothing is cleared away.
fn step(_: &str) {
    static STEPS: AtomicUsize = AtomicUsize::new(0);
    let number = STEPS.fetch_add(1, Ordering::Relaxed) + 1;
    if std::env::var(ENDS_AT).is_ok_and(|ends_at| ends_at == number.to_string()) {
        std::process::abort();
    }
}

/// Played by children of the tests below; by itself it plays nothing.
#[test]
fn a_process_of_the_service() {
    let (Ok(plays), Some(folder)) = (std::env::var(PLAYS), std::env::var_os(FOLDER)) else { return };
    block_on(async {
        let (service, _) = TaskService::open(Path::new(&folder), step).await.unwrap();
        match plays.as_str() {
            "opens" => {}
            "script" => {
                for (number, command) in SCRIPT.into_iter().enumerate() {
                    run(&service, &format!("c-{number}"), command).await;
                    println!("acknowledged {number}");
                }
            }
            name => {
                println!("ready");
                std::io::stdin().read_line(&mut String::new()).unwrap();
                for round in 0..ROUNDS {
                    let task = format!("SHARED-{}", round % 2);
                    let workflow = WORKFLOWS[(round + name.len()) % 3];
                    run(
                        &service,
                        &format!("{name}-s-{round}"),
                        ["status", &task, &format!("{name}-{round}")],
                    )
                    .await;
                    // One that is there already is not moved, and that is no error.
                    run(&service, &format!("{name}-m-{round}"), ["move", &task, workflow]).await;
                    println!("acknowledged {round}");
                }
            }
        }
        service.close().await.unwrap();
    });
}

fn child(plays: &str, folder: &Path) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["a_process_of_the_service", "--exact", "--nocapture"]);
    child.env(PLAYS, plays).env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    child
}

/// Runs a child until a step; whether it came to its end, and what it had acknowledged.
fn play_until(plays: &str, folder: &Path, step: usize) -> (bool, usize) {
    let ran = child(plays, folder).env(ENDS_AT, step.to_string()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    // An end is the one that was asked for, and no failure of the test within.
    assert!(
        !said.contains("panicked") && !String::from_utf8_lossy(&ran.stderr).contains("panicked"),
        "{ran:?}"
    );
    (ran.status.success(), said.matches("acknowledged ").count())
}

type Fields = BTreeMap<String, String>;

/// The tasks as their files tell them, with the folder that each is in.
fn files(folder: &Path) -> BTreeMap<String, Fields> {
    let mut tasks = BTreeMap::new();
    for workflow in WORKFLOWS {
        for entry in std::fs::read_dir(folder.join(workflow)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let mut fields: Fields = text
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
                .collect();
            fields.remove("written");
            fields.insert("workflow".to_owned(), workflow.to_owned());
            let before = tasks.insert(fields["id"].clone(), fields);
            assert_eq!(before, None, "a task has one file: {}", path.display());
        }
    }
    tasks
}

/// The tasks as the events tell them, by a fold that knows nothing of the service.
fn told(events: &[std::sync::Arc<Event>]) -> BTreeMap<String, Fields> {
    let mut tasks: BTreeMap<String, Fields> = BTreeMap::new();
    for event in events {
        let (id, changes) = match Payload::of(event) {
            Some(Payload::TaskCreated(created)) => {
                let title = ("title", created.title.unwrap());
                (
                    created.task_id,
                    vec![title, ("status", "todo".to_owned()), ("workflow", "backlog".to_owned())],
                )
            }
            Some(Payload::TaskStatusChanged(changed)) => {
                (changed.task_id, vec![("status", changed.new_status)])
            }
            Some(Payload::TaskMoved(moved)) => {
                (moved.task_id, vec![("workflow", moved.to_workflow.unwrap())])
            }
            other => panic!("{other:?}"),
        };
        let places = [("version", event.version.to_string()), ("position", event.position.to_string())];
        let task = tasks.entry(id.clone()).or_insert_with(|| Fields::from([("id".to_owned(), id)]));
        task.extend(changes.into_iter().chain(places).map(|(name, value)| (name.to_owned(), value)));
    }
    tasks
}

async fn events(folder: &Path) -> Vec<std::sync::Arc<Event>> {
    let url = format!("sqlite:{}", folder.join("tasks.db").display());
    let log: EventLog = factlog_stores::open(&url, Open::Create).await.unwrap();
    let events = log.read(Filter::all()).collect().await.unwrap();
    log.close().await.unwrap();
    events
}

#[test]
fn whenever_the_service_is_ended_the_files_become_what_the_log_tells() {
    let mut ends = 0;
    for step in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let (is_through, acknowledged) = play_until("script", folder.path(), step);
        block_on(async {
            let (service, found) = TaskService::open(folder.path(), |_| {}).await.unwrap();
            assert_eq!(found, [], "step {step}: nobody but the service has written");
            let happened = events(folder.path()).await;
            let may_have_happened = acknowledged..=(acknowledged + 1).min(SCRIPT.len());
            assert!(may_have_happened.contains(&happened.len()), "step {step}: {} events", happened.len());
            assert_eq!(files(folder.path()), told(&happened), "step {step}");
            // Whoever got no answer asks again.
            for (number, command) in SCRIPT.into_iter().enumerate() {
                run(&service, &format!("c-{number}"), command).await;
            }
            service.close().await.unwrap();
            let happened = events(folder.path()).await;
            assert_eq!(happened.len(), SCRIPT.len(), "step {step}: each command happened once");
            assert_eq!(files(folder.path()), told(&happened), "step {step}");
        });
        if is_through {
            break;
        }
        ends += 1;
    }
    assert!(ends >= 4 * SCRIPT.len(), "{ends} steps have ended it");
}

/// The steps of coming back after a crash are ended too, with what a person has written in the way.
#[test]
fn whenever_coming_back_is_ended_nothing_that_a_person_wrote_is_lost() {
    for step in 1.. {
        let folder = tempfile::tempdir().unwrap();
        assert!(play_until("script", folder.path(), 0).0);
        let current = folder.path().join("current");
        let backlog = folder.path().join("backlog");
        let file = std::fs::read_dir(&backlog).unwrap().next().unwrap().unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        // Moved by hand and edited; another one has been removed.
        let edited = text.replace("done", "to be done");
        std::fs::write(current.join(file.file_name().unwrap()), &edited).unwrap();
        std::fs::remove_file(&file).unwrap();
        let archive = folder.path().join("archive");
        std::fs::remove_dir_all(&archive).unwrap();

        let (is_through, _) = play_until("opens", folder.path(), step);
        block_on(async {
            let (service, _) = TaskService::open(folder.path(), |_| {}).await.unwrap();
            service.close().await.unwrap();
            assert_eq!(files(folder.path()), told(&events(folder.path()).await), "step {step}");
        });
        let kept: Vec<_> = std::fs::read_dir(folder.path().join(EDITED)).unwrap().collect();
        assert_eq!(kept.len(), 1, "step {step}");
        assert_eq!(std::fs::read_to_string(kept[0].as_ref().unwrap().path()).unwrap(), edited, "step {step}");
        if is_through {
            assert!(step > 4);
            break;
        }
    }
}

#[test]
fn two_processes_at_once_leave_the_files_that_the_log_tells() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let (service, _) = TaskService::open(folder.path(), |_| {}).await.unwrap();
        for number in 0..2 {
            run(&service, &format!("c-{number}"), ["create", &format!("SHARED-{number}"), "Shared"]).await;
        }
        service.close().await.unwrap();
    });
    let mut children: Vec<_> = ["ada", "grace!!"]
        .map(|name| child(name, folder.path()).stdin(Stdio::piped()).spawn().unwrap())
        .map(|mut child| (BufReader::new(child.stdout.take().unwrap()), child))
        .into();
    for (said, _) in &mut children {
        while !said.by_ref().lines().next().unwrap().unwrap().ends_with("ready") {}
    }
    for (_, child) in &mut children {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    for (said, child) in children {
        let acknowledged =
            said.lines().filter(|line| line.as_ref().unwrap().starts_with("acknowledged ")).count();
        let ran = child.wait_with_output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        assert_eq!(acknowledged, ROUNDS);
    }
    let happened = block_on(events(folder.path()));
    let statuses = happened.iter().filter(|event| event.event_type == "task:status-changed").count();
    assert_eq!(statuses, 2 * ROUNDS, "none that was acknowledged is lost");
    assert_eq!(files(folder.path()), told(&happened));
}

#[test]
fn what_a_person_does_to_the_files_is_noticed_and_said() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let (service, _) = TaskService::open(folder.path(), |_| {}).await.unwrap();
        run(&service, "c-1", ["create", "A", "First"]).await;
        run(&service, "c-2", ["create", "B", "Second"]).await;
        let task = service.get("A").await.unwrap().unwrap();
        let file = folder.path().join("backlog").join(format!("{}.md", factlog::file_name("A")));
        assert_eq!((task.version, file.exists()), (1, true));

        // Edited while the service goes on, and in a way that its own names could be taken for ours.
        let edited = std::fs::read_to_string(&file).unwrap() + "written: by me\n---\n";
        std::fs::write(&file, &edited).unwrap();
        run(&service, "c-3", ["move", "A", "current"]).await;
        let kept: Vec<_> = std::fs::read_dir(folder.path().join(EDITED)).unwrap().collect();
        assert_eq!(kept.len(), 1);
        assert_eq!(std::fs::read_to_string(kept[0].as_ref().unwrap().path()).unwrap(), edited);
        assert!(!file.exists() && folder.path().join("current").join(file.file_name().unwrap()).exists());

        // A file of nobody's, one that is no text, and one that is gone.
        let note = folder.path().join("backlog/note.txt");
        std::fs::write(&note, "buy milk").unwrap();
        let other = folder.path().join("backlog").join(format!("{}.md", factlog::file_name("B")));
        std::fs::write(&other, [0xff, 0xfe]).unwrap();
        std::fs::remove_file(folder.path().join("current").join(file.file_name().unwrap())).unwrap();
        let found = service.catch_up().await.unwrap();
        assert!(found.contains(&Found::Unknown { file: note.clone() }), "{found:?}");
        let is_edited =
            |found: &Found| matches!(found, Found::Edited { file, kept } if *file == other && kept.exists());
        assert!(found.iter().any(is_edited) && found.len() == 2, "{found:?}");
        assert_eq!(std::fs::read_to_string(&note).unwrap(), "buy milk");
        std::fs::remove_file(&note).unwrap();
        assert_eq!(service.catch_up().await.unwrap(), []);
        service.close().await.unwrap();
        assert_eq!(files(folder.path()), told(&events(folder.path()).await));
    });
}
