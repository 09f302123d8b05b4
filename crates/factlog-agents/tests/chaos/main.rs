//! Twenty agents in five processes that are killed and suspended at random: this program starts itself again as those
//! processes.
//!
//! They send each other messages, tell something to all, give each other tasks, ask each other, take leases and vote. What has come of it all is checked with plain
//! code of its own: from the log, and from what each run wrote down when it did it.
//!
//! `FACTLOG_CHAOS_SEED` plays a seed again; `FACTLOG_CHAOS_MESSAGES=10000` is the full size.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

mod asker;
mod check;
mod check_broadcasts;
mod check_leases;
mod check_requests;
mod check_votes;
mod fleet;
mod history;
mod plan;
#[path = "../../../factlog-stores/tests/postgres/mod.rs"]
mod postgres;
mod processes;
mod witness;
mod worker;

use libtest_mimic::{Arguments, Trial};

/// Says which process this is; unset in the test itself.
const PROCESS: &str = "FACTLOG_TEST_PROCESS";

fn main() {
    if std::env::var_os(PROCESS).is_some() {
        return worker::until_told();
    }
    let chaos = |test: fn()| {
        move || {
            test();
            Ok(())
        }
    };
    let name = "what_a_fleet_was_told_is_done_in_order_and_once_though_its_processes_are_killed";
    let in_a_file = Trial::test(name, chaos(fleet::is_dependable_though_its_processes_are_killed));
    let at_a_server = Trial::test(format!("{name}_at_a_server"), chaos(fleet::is_dependable_at_a_server));
    // One after the other: each has more to do than the machine has hands.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, vec![in_a_file, at_a_server]).exit();
}

/// A runtime for one process.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
