//! What an agent writes is in the log a moment later, and nothing of it is lost or told twice.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::Scene;
use factlog::{EventLog, Filter, Following};
use factlog_adapters::claude_code::{self, Options};
use tokio::task::JoinHandle;

/// Far longer than it takes; a test has failed then.
const PATIENCE: Duration = Duration::from_secs(30);

struct Watching(JoinHandle<()>);

impl Watching {
    fn of(log: &EventLog, root: &Path) -> Self {
        let (log, roots) = (log.clone(), [root.to_owned()]);
        Self(tokio::spawn(async move {
            let mut told = |told: Result<&factlog_adapters::Imported, &factlog::Error>| assert!(told.is_ok());
            claude_code::watch(&log, &roots, Options::default(), None, &mut told).await.unwrap();
        }))
    }

    /// Ends it wherever it is, as a kill does.
    async fn kill(self) {
        self.0.abort();
        assert!(self.0.await.is_err_and(|error| error.is_cancelled()), "it had ended by itself");
    }
}

fn line(number: u64) -> String {
    format!(
        "{{\"type\":\"user\",\"uuid\":\"u{number}\",\"sessionId\":\"s\",\"message\":{{\"content\":\"say {number}\"}}}}\n"
    )
}

fn add(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

async fn next(following: &mut Following) -> String {
    let event =
        tokio::time::timeout(PATIENCE, following.next()).await.expect("nothing came").unwrap().unwrap();
    let data: serde_json::Value = serde_json::from_str(event.data.as_str()).unwrap();
    data["message"]["content"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn lines_come_in_order_as_they_are_written_in_pieces() {
    let scene = Scene::new();
    let path = scene.write("p/s.jsonl", line(0));
    let watching = Watching::of(&scene.log, scene.path());
    let mut following = scene.log.follow(Filter::all()).after(factlog::Position::START);
    assert_eq!(next(&mut following).await, "say 0");
    for number in 1..30 {
        let text = line(number);
        let (half, rest) = text.split_at(7 + number as usize);
        add(&path, half);
        add(&path, rest);
        assert_eq!(next(&mut following).await, format!("say {number}"));
    }
    watching.kill().await;
}

#[tokio::test]
async fn new_folders_of_sub_agents_and_replaced_and_cut_files_are_followed() {
    let scene = Scene::new();
    let path = scene.write("p/s.jsonl", line(1));
    let watching = Watching::of(&scene.log, scene.path());
    let mut following = scene.log.follow(Filter::all()).after(factlog::Position::START);
    assert_eq!(next(&mut following).await, "say 1");
    scene.write("p/s/subagents/agent-1.jsonl", line(2));
    assert_eq!(next(&mut following).await, "say 2");
    // Cut and written anew, as some editors do; what is known stays known.
    std::fs::write(&path, line(1) + &line(3)).unwrap();
    assert_eq!(next(&mut following).await, "say 3");
    std::fs::write(&path, line(4)).unwrap();
    assert_eq!(next(&mut following).await, "say 4");
    // Another file in its place.
    let other = scene.write("p/other", line(4) + &line(5));
    std::fs::rename(other, &path).unwrap();
    assert_eq!(next(&mut following).await, "say 5");
    std::fs::remove_file(&path).unwrap();
    add(&path, &line(6));
    assert_eq!(next(&mut following).await, "say 6");
    assert_eq!(scene.events().await.len(), 6);
    watching.kill().await;
}

/// Story: under a watch a broken line was told once, its file was marked all the same, and the next import said that
/// all was well.
#[tokio::test]
async fn a_broken_line_is_told_again_by_the_next_import() {
    let scene = Scene::new();
    let path = scene.write("p/s.jsonl", line(1));
    let watching = Watching::of(&scene.log, scene.path());
    let mut following = scene.log.follow(Filter::all()).after(factlog::Position::START);
    next(&mut following).await;
    add(&path, "broken{\n");
    add(&path, &line(2));
    assert_eq!(next(&mut following).await, "say 2");
    add(&path, &line(3));
    assert_eq!(next(&mut following).await, "say 3");
    watching.kill().await;
    let imported = scene.transcripts().await;
    assert_eq!((imported.read, imported.duplicates, imported.rejected.len()), (4, 3, 1));
}

/// Story: a transcript ended without a newline; the newline came with the half of a line, and the mark no longer fitted
/// the file, so that the next import took it for another one.
#[tokio::test]
async fn the_mark_of_a_watch_fits_the_file_whatever_it_ends_with() {
    let scene = Scene::new();
    let path = scene.write("p/s.jsonl", line(1).trim_end());
    let watching = Watching::of(&scene.log, scene.path());
    let mut following = scene.log.follow(Filter::all()).after(factlog::Position::START);
    next(&mut following).await;
    let (second, third) = (line(2), line(3));
    add(&path, &format!("\n{}", &second[..9]));
    // A file beside it shows that the half was looked at.
    scene.write("p/t.jsonl", line(7));
    assert_eq!(next(&mut following).await, "say 7");
    add(&path, &second[9..]);
    assert_eq!(next(&mut following).await, "say 2");
    add(&path, &third);
    assert_eq!(next(&mut following).await, "say 3");
    // A fourth file makes sure that the marks of those before are kept.
    scene.write("p/u.jsonl", line(8));
    assert_eq!(next(&mut following).await, "say 8");
    watching.kill().await;
    let through = scene.log.newest().await.unwrap();
    scene.log.remove(&factlog::Removal { filter: Filter::all(), through, archive: None }).await.unwrap();
    let imported = scene.transcripts().await;
    assert!(imported.appended <= 1, "only the last file may have been killed before its mark: {imported:?}");
}

/// Sub-agents begin while their agent goes on writing.
#[tokio::test]
async fn a_busy_transcript_does_not_hide_new_folders() {
    const FOLDERS: u64 = 20;
    let scene = Scene::new();
    let path = scene.write("p/s.jsonl", line(0));
    let watching = Watching::of(&scene.log, scene.path());
    let mut following = scene.log.follow(Filter::all()).after(factlog::Position::START);
    next(&mut following).await;
    let busy = tokio::spawn(async move {
        for number in 1_000_u64.. {
            add(&path, &line(number));
            // It writes more often than everything is looked at; nothing waits for it.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    for number in 1..=FOLDERS {
        scene.write(&format!("p/s{number}/subagents/agent.jsonl"), line(number));
    }
    let mut seen = 0;
    while seen < FOLDERS {
        let said = next(&mut following).await;
        let number: u64 = said.trim_start_matches("say ").parse().unwrap();
        seen += u64::from((1..=FOLDERS).contains(&number));
    }
    busy.abort();
    watching.kill().await;
}

/// Laptops are closed, and watchers killed, in the middle of a line.
#[tokio::test]
async fn twenty_kills_lose_nothing_and_tell_nothing_twice() {
    const ROUNDS: u64 = 20;
    const LINES: u64 = 10;
    let scene = Scene::new();
    let path: PathBuf = scene.write("p/s.jsonl", "");
    for round in 0..ROUNDS {
        let watching = Watching::of(&scene.log, scene.path());
        for number in 0..LINES {
            let text = line(round * LINES + number);
            let (half, rest) = text.split_at(text.len() / 2);
            add(&path, half);
            tokio::task::yield_now().await;
            add(&path, rest);
        }
        if round % 3 == 0 {
            // Sometimes it gets that far.
            let mut following = scene.log.follow(Filter::all()).after(factlog::Position(round * LINES));
            next(&mut following).await;
        }
        watching.kill().await;
    }
    let watching = Watching::of(&scene.log, scene.path());
    let mut following = scene.log.follow(Filter::all()).after(factlog::Position::START);
    for number in 0..ROUNDS * LINES {
        assert_eq!(next(&mut following).await, format!("say {number}"));
    }
    watching.kill().await;
    assert_eq!(scene.events().await.len() as u64, ROUNDS * LINES);
}
