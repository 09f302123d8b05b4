//! Several processes on one file, and processes that are killed: this program starts itself again as the writers.

mod killed;
mod migrating;
mod mounted;
mod projecting;
mod together;
mod writer;

use libtest_mimic::{Arguments, Failed, Trial};

/// Says which part a process plays; unset in the test itself.
const ROLE: &str = "FACTLOG_TEST_ROLE";

type Outcome = Result<(), Failed>;

/// A test on the log of a name.
type OnOne = fn(&str) -> Outcome;

fn main() {
    if let Ok(role) = std::env::var(ROLE) {
        return match role.as_str() {
            "killed-writer" => writer::until_killed(),
            "killed-migration" => migrating::until_killed(),
            "killed-projection" => projecting::until_killed(),
            "writer-in-turns" => writer::in_turns(),
            "full-disk" => mounted::on_a_full_disk(),
            "read-only" => mounted::on_a_read_only_disk(),
            other => panic!("{other:?} is no part to play"),
        };
    }
    let mut trials = vec![
        Trial::test("a_full_disk_refuses_the_append_and_loses_nothing", || mounted::full_disk("log.db")),
        Trial::test("plain_text_a_full_disk_refuses_the_append_and_loses_nothing", || {
            mounted::full_disk("log")
        }),
        Trial::test("a_read_only_disk_is_told_and_nothing_is_made", || mounted::read_only_disk("log.db")),
        Trial::test("plain_text_a_read_only_disk_is_told_and_nothing_is_made", || {
            mounted::read_only_disk("log")
        }),
    ];
    trials.push(Trial::test(
        "a_migration_that_is_killed_at_any_moment_loses_nothing",
        migrating::survives_kills,
    ));
    let on_each: [(&str, OnOne); 4] = [
        ("every_acknowledged_event_survives_100_kills_exactly_once", killed::survives_100_kills),
        (
            "a_projection_that_was_killed_knows_what_one_knows_that_never_stopped",
            projecting::resumes_after_kills,
        ),
        ("eight_processes_write_one_file_as_if_they_had_taken_turns", together::eight_processes),
        ("a_process_that_only_reads_follows_live", together::follows_live),
    ];
    for (name, test) in on_each {
        trials.push(Trial::test(name, move || test("log.db")));
        trials.push(Trial::test(format!("lagging_{name}"), move || test("lagging.db")));
        trials.push(Trial::test(format!("plain_text_{name}"), move || test("log")));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// This program again, as a process that plays a part.
fn myself(role: &str) -> std::process::Command {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = std::process::Command::new(program);
    command.env(ROLE, role);
    command
}

/// A runtime for one process.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}
