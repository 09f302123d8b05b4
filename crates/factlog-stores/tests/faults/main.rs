//! The plain-text log on a disk that fails in every way, with everything drawn from a seed: what was acknowledged is there
//! after every crash, exactly once, and what is damaged is said to be.
//!
//! `cargo test -p factlog-stores --features simulation --test faults -- --seed 42` runs one seed again; `--seeds 100000` runs
//! so many instead of the usual ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod disk;
mod draws;
mod flips;
mod model;
mod operations;
mod seeds;
mod verify;
mod world;

use libtest_mimic::{Arguments, Failed, Trial};

/// Seeds that are run where nobody asks for others.
const SEEDS: u64 = 10_000;
/// Seeds of one trial.
const TRIAL_SEEDS: u64 = 500;

type Outcome = Result<(), Failed>;

fn main() {
    let (mut seed, mut seeds) = (None, SEEDS);
    let mut others = Vec::new();
    let mut arguments = std::env::args();
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a number behind it");
        match argument.as_str() {
            "--seed" => seed = Some(number()),
            "--seeds" => seeds = number(),
            _ => others.push(argument),
        }
    }
    let trials = match seed {
        Some(seed) => {
            vec![Trial::test(format!("seed_{seed}"), move || seeds::run(seed..seed + 1, true))]
        }
        None => trials(seeds),
    };
    libtest_mimic::run(&Arguments::from_iter(others), trials).exit();
}

fn trials(seeds: u64) -> Vec<Trial> {
    let mut trials = disk::trials();
    trials.extend(operations::trials());
    for from in (0..seeds).step_by(TRIAL_SEEDS as usize) {
        let to = (from + TRIAL_SEEDS).min(seeds);
        let name = format!("what_was_acknowledged_survives_the_faults_of_seeds_{from}_to_{}", to - 1);
        trials.push(Trial::test(name, move || seeds::run(from..to, false)));
    }
    trials
}

/// A runtime for one thread of trials.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
