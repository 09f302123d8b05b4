//! A full disk and a read-only one, really: in a small file system of their own, where this system lets us make one.

use std::process::{Command, Stdio};

use factlog::{ErrorKind, Filter, NewEvent};

use super::{Outcome, ROLE, runtime, writer};

/// Runs a part of this program on a file system of this size; `None` where none can be made.
fn on_a_small_disk(
    role: &str,
    name: &str,
    kibibytes: u32,
) -> Result<Option<std::process::Output>, libtest_mimic::Failed> {
    let folder = tempfile::TempDir::new()?;
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-ec", script, "sh"]).arg(folder.path());
        command
    };
    let mount = format!("mount -t tmpfs -o size={kibibytes}k none \"$1\"");
    let possible = unshare(&mount).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !possible.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this system lets us mount no file system of our own (unshare, mount)");
        return Ok(None);
    }
    let script = format!("{mount}; cd \"$1\"; exec \"$2\"");
    let output =
        unshare(&script).arg(std::env::current_exe()?).env(ROLE, role).env(writer::LOG, name).output()?;
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    Ok(Some(output))
}

pub(super) fn full_disk(name: &str) -> Outcome {
    let Some(output) = on_a_small_disk("full-disk", name, 3_000)? else { return Ok(()) };
    assert!(output.status.success());
    Ok(())
}

pub(super) fn read_only_disk(name: &str) -> Outcome {
    let Some(output) = on_a_small_disk("read-only", name, 3_000)? else { return Ok(()) };
    assert!(output.status.success());
    Ok(())
}

pub(super) fn on_a_full_disk() {
    runtime().block_on(async {
        std::fs::write("ballast", vec![b'x'; 500_000]).expect("there is room");
        let log = writer::open(writer::variable(writer::LOG));
        let large = |number: u64| {
            let data = serde_json::json!({"number": number, "padding": "x".repeat(20_000)});
            NewEvent::new("large-1", "large:kept", data).expect("an event")
        };
        let mut acknowledged = 0;
        let refused = loop {
            match log.append(large(acknowledged + 1)).await {
                Ok(_) => acknowledged += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused:?}");
        assert!(refused.message().contains("disk is full"), "{refused:?}");
        assert!(acknowledged > 10);
        assert_eq!(
            log.read(Filter::all()).collect().await.expect("reading goes on").len() as u64,
            acknowledged
        );
        // With room again, the same store goes on.
        std::fs::remove_file("ballast").expect("it is there");
        log.append(large(acknowledged + 1)).await.expect("there is room again");
        let report = log.check().await.expect("a check");
        assert_eq!((report.problems, report.events), (Vec::new(), acknowledged + 1));
    });
}

pub(super) fn on_a_read_only_disk() {
    runtime().block_on(async {
        let name = writer::variable(writer::LOG);
        let log = writer::open(&name);
        log.append(NewEvent::new("task-1", "task:created", 1).expect("an event")).await.expect("an append");
        log.close().await.expect("it closes");
        drop(log);
        let remounted = Command::new("mount").args(["-o", "remount,ro", "."]).status();
        assert!(remounted.is_ok_and(|status| status.success()), "remounted read-only");
        let refused = writer::try_open(other(&name)).expect_err("nothing can be made here");
        assert_eq!(refused.kind(), ErrorKind::Denied, "{refused:?}");
        // What is there is read where SQLite can, and never shown as empty.
        match writer::try_open(&name) {
            Ok(log) => {
                let refused = log.append(NewEvent::new("task-1", "task:done", 2).expect("an event")).await;
                assert_eq!(refused.expect_err("read-only").kind(), ErrorKind::Denied);
                if let Ok(events) = log.read(Filter::all()).collect().await {
                    assert_eq!(events.len(), 1);
                }
            }
            Err(error) => assert!(error.hint().is_some(), "{error:?}"),
        }
    });
}

/// The name of another log of the same kind.
fn other(name: &str) -> String {
    format!("other-{name}")
}
