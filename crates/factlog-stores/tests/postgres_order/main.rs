//! Several processes append to one log in PostgreSQL, with pauses wherever one may overtake another, and readers look on all the
//! while: this program starts itself again as the processes that append.

mod readers;
mod together;
mod writers;

#[path = "../postgres/mod.rs"]
mod postgres;
#[path = "../told/mod.rs"]
mod told;

use libtest_mimic::{Arguments, Failed, Trial};

/// Says which part a process plays; unset in the test itself.
const ROLE: &str = "FACTLOG_TEST_ROLE";

type Outcome = Result<(), Failed>;

fn main() {
    if let Ok(role) = std::env::var(ROLE) {
        return runtime().block_on(writers::run(role.parse().expect("a part to play")));
    }
    let trials = vec![Trial::test(
        "readers_see_the_log_as_it_is_while_8_processes_append_with_pauses_before_insert_and_before_commit",
        together::eight_processes,
    )];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A runtime for one process.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}
