//! What is promised of the commands of policies, with real programs.
#![cfg(unix)]
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use factlog_agents::policy::Command;
use factlog_agents::policy::command::TAIL_BYTES_MAX;
use tokio::io::{AsyncBufReadExt, BufReader};

const PATIENCE: Duration = Duration::from_secs(30);

/// A shell as the program: the tests say what it does.
fn shell(script: &str) -> Command {
    Command::new("sh", ["-c", script]).unwrap()
}

#[tokio::test]
async fn a_command_has_its_input_its_key_its_folder_and_its_variables() {
    let folder = tempfile::tempdir().unwrap();
    let command = shell("cat; echo; echo $FACTLOG_IDEMPOTENCY_KEY; pwd -P; echo \"$EXTRA\"; echo aside >&2")
        .folder(folder.path())
        .variable("EXTRA", "two words")
        .unwrap();
    let ran = command.run("rule-1:0192", br#"{"a":1}"#).await.unwrap();
    let place = folder.path().canonicalize().unwrap();
    let expected = format!("{{\"a\":1}}\nrule-1:0192\n{}\ntwo words\n", place.display());
    assert_eq!((ran.code, ran.stdout_tail, ran.stderr_tail.as_str()), (Some(0), expected, "aside\n"));
    assert!(!format!("{command:?}").contains("two words"), "values may be secrets");
}

/// Story: a branch named `; rm -rf ~` was put into a line that a shell then read.
#[tokio::test]
async fn an_argument_is_one_word_whatever_is_in_it() {
    let odd = ["$(touch gone)", "; touch gone", "a b", "*", "'\"", ""];
    let command = Command::new("printf", ["%s|"].into_iter().chain(odd)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ran = command.folder(folder.path()).run("k", b"{}").await.unwrap();
    assert_eq!(ran.stdout_tail, odd.map(|word| format!("{word}|")).concat());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn exit_codes_say_whether_it_is_worth_another_try() {
    for (code, retryable) in [
        (1, true),
        (2, true),
        (69, true),
        (70, true),
        (75, true),
        (255, true),
        (64, false),
        (65, false),
        (77, false),
        (78, false),
        (126, false),
        (127, false),
    ] {
        let error = shell(&format!("echo first >&2; echo 'the disk is away' >&2; exit {code}"));
        let error = error.run("k", b"{}").await.unwrap_err();
        assert_eq!(error.retryable, retryable, "{error}");
        assert!(error.message.ends_with("the disk is away"), "{error}");
        assert_eq!(error.ran.unwrap().code, Some(code));
    }
    let killed = shell("kill -9 $$").run("k", b"{}").await.unwrap_err();
    assert!(killed.retryable && killed.ran.unwrap().code.is_none());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "no program").unwrap();
    let missing = Command::new("factlog-no-such-program", [""; 0]).unwrap();
    let forbidden = Command::new(plain.to_str().unwrap(), [""; 0]).unwrap();
    let nowhere = shell("true").folder(folder.path().join("nowhere"));
    for command in [missing, forbidden, nowhere] {
        let error = command.run("k", b"{}").await.unwrap_err();
        assert!(!error.retryable && error.message.contains("cannot be started"), "{error}");
        assert_eq!(error.ran, None);
    }
    assert!(Command::new("", [""; 0]).is_err() && Command::new("a\0b", [""; 0]).is_err());
    assert!(Command::new("a", ["b\0"]).is_err() && Command::new("a", vec!["b"; 1_001]).is_err());
    let of = || shell("true");
    assert!(of().variable("A=B", "x").is_err() && of().variable("FACTLOG_IDEMPOTENCY_KEY", "x").is_err());
    assert!(of().timeout(Duration::ZERO).is_err() && of().timeout(Duration::from_secs(3_601)).is_err());
    assert!(!of().run("a\0b", b"{}").await.unwrap_err().retryable);
}

#[tokio::test]
async fn a_path_of_the_program_begins_at_the_folder() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("here");
    std::fs::write(&program, "#!/bin/sh\necho here\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let ran = Command::new("./here", [""; 0]).unwrap().folder(folder.path()).run("k", b"{}").await;
    assert_eq!(ran.unwrap().stdout_tail, "here\n");
}

/// Story: a command that wrote without an end filled the memory, and one that wrote much before it read stood still.
#[tokio::test]
async fn of_what_a_command_writes_the_end_is_kept() {
    let input = "ü".repeat(2 * 1024 * 1024);
    let ran = shell("cat; cat >&2 <<E\naside\nE\nprintf end").run("k", input.as_bytes()).await.unwrap();
    assert!(ran.stdout_tail.len() <= TAIL_BYTES_MAX && ran.stdout_tail.len() > TAIL_BYTES_MAX - 4);
    assert!(ran.stdout_tail.starts_with('ü') && ran.stdout_tail.ends_with("üend"), "whole characters");
    assert_eq!(ran.stderr_tail, "aside\n");
    // One that reads nothing of it is none the worse for it.
    assert_eq!(shell("exec <&-; exit 0").run("k", input.as_bytes()).await.unwrap().code, Some(0));
}

/// Story: a command was ended in time, and what it had started worked on for days.
#[tokio::test]
async fn what_a_command_has_started_ends_with_it_when_its_time_is_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut pipe = Pipe::new(folder.path());
    let script = "(sleep 600 >pipe & wait) & echo begun; echo more >&2; wait";
    let began = Instant::now();
    let command = shell(script).folder(folder.path()).timeout(Duration::from_secs(3)).unwrap();
    let (ended, ()) = tokio::join!(command.run("k", b"{}"), pipe.is_let_go());
    let error = ended.unwrap_err();
    assert!(error.retryable && error.message.contains("more than 3 seconds"), "{error}");
    let ran = error.ran.unwrap();
    assert_eq!((ran.code, ran.stdout_tail.as_str(), ran.stderr_tail.as_str()), (None, "begun\n", "more\n"));
    assert!(began.elapsed() < PATIENCE);
}

#[tokio::test]
async fn what_a_command_has_started_ends_when_nobody_waits_for_it_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut pipe = Pipe::new(folder.path());
    let command = shell("(sleep 600 >pipe & wait) & wait").folder(folder.path());
    {
        let mut running = Box::pin(command.run("k", b"{}"));
        tokio::select! {
            _ = &mut running => panic!("it does not end by itself"),
            () = pipe.is_opened() => {}
        }
    }
    pipe.is_let_go().await;
}

/// What it leaves in the background is not waited for, although it holds the outputs open.
#[tokio::test]
async fn a_command_that_has_ended_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let script = "sleep 600 & echo $! >left; echo done";
    let began = Instant::now();
    let ran = shell(script).folder(folder.path()).run("k", b"{}").await.unwrap();
    assert_eq!(ran.stdout_tail, "done\n");
    assert!(began.elapsed() < PATIENCE);
    let left = std::fs::read_to_string(folder.path().join("left")).unwrap();
    // It is there still, and ends now.
    let ended = shell(&format!("kill {}", left.trim())).run("k", b"{}").await;
    assert!(ended.is_ok(), "{ended:?}");
}

/// A named pipe, by which the system tells when the last process that writes into it has ended.
struct Pipe(std::path::PathBuf, Option<BufReader<tokio::net::unix::pipe::Receiver>>);

impl Pipe {
    fn new(folder: &Path) -> Self {
        let path = folder.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        Self(path, None)
    }

    /// Waits until somebody has opened it: as a reader that waits for a writer does.
    async fn is_opened(&mut self) {
        let path = self.0.clone();
        let file = tokio::task::spawn_blocking(move || std::fs::File::open(path).unwrap()).await.unwrap();
        let receiver = tokio::net::unix::pipe::Receiver::from_file_unchecked(nonblocking(file)).unwrap();
        self.1 = Some(BufReader::new(receiver));
    }

    /// Waits until nobody has it open any more.
    async fn is_let_go(&mut self) {
        if self.1.is_none() {
            self.is_opened().await;
        }
        let mut lines = self.1.take().unwrap().lines();
        let ended = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        assert_eq!(ended.expect("it ends").unwrap(), None);
    }
}

fn nonblocking(file: std::fs::File) -> std::fs::File {
    use rustix::fs::{OFlags, fcntl_setfl};
    fcntl_setfl(&file, OFlags::NONBLOCK).unwrap();
    file
}
