//! Every store does what the model does: the same random operations on `memory:` and on each other store, with the same
//! results, whatever they are.
//!
//! A failure shows the shortest list of operations that was found to give it. The cases are always the same ones:
//! `FACTLOG_MODEL_SEED=7` tries others, and `PROPTEST_CASES=100000` more.

mod alike;
mod filters;
mod operations;
mod play;
#[path = "../postgres/mod.rs"]
mod postgres;

use std::path::Path;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// Cases where nobody waits, and where somebody does.
const CASES_IN_CI: u32 = 2_000;
const CASES: u32 = 256;
/// The same for stores at a server.
const CASES_ON_A_SERVER_IN_CI: u32 = 100;
const CASES_ON_A_SERVER: u32 = 32;
/// Fixed, so that a failure can be seen again.
const SEED: u64 = 20_261_120;

/// A store here is one line more.
#[test]
fn the_sqlite_store_does_what_the_model_does() {
    does_what_the_model_does(|folder| sqlite(folder, "index=real"));
}

/// So short a tail that runs are begun, shared out, cut short and gone on with in every case.
#[test]
fn the_sqlite_store_with_lagging_indexes_does_what_the_model_does() {
    does_what_the_model_does(|folder| sqlite(folder, "index=lagging&tail_events=5"));
}

fn sqlite(folder: &Path, settings: &str) -> String {
    format!("sqlite:{}?sync=normal&{settings}", folder.join("log.db").display())
}

#[test]
fn the_plain_text_log_does_what_the_model_does() {
    does_what_the_model_does(|folder| {
        format!("jsonl:{}?segment_bytes=3000&index_events=7", folder.join("log").display())
    });
}

/// A log there is made and dropped for each case, which takes longer than the case.
#[test]
fn the_postgres_store_does_what_the_model_does() {
    on_a_server_too(postgres::Log::direct);
}

#[test]
fn the_postgres_store_behind_a_pooler_does_what_the_model_does() {
    on_a_server_too(postgres::Log::pooled);
}

fn on_a_server_too(log: fn() -> Option<postgres::Log>) {
    if log().is_none() {
        return;
    }
    each_case(CASES_ON_A_SERVER_IN_CI, CASES_ON_A_SERVER, &async |operations| {
        let log = log().expect("the server is there");
        play::play(log.url(), operations).await?;
        log.forget().await;
        Ok(())
    });
}

fn does_what_the_model_does(url: impl Fn(&Path) -> String) {
    each_case(CASES_IN_CI, CASES, &async |operations| {
        // In memory where a system has such a place: what survives a crash is not the question here.
        let folder = tempfile::TempDir::new_in("/dev/shm").or_else(|_| tempfile::TempDir::new());
        play::play(&url(folder.map_err(|error| error.to_string())?.path()), operations).await
    });
}

fn each_case(
    in_ci: u32,
    elsewhere: u32,
    play: &impl AsyncFn(&[operations::Operation]) -> Result<(), String>,
) {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let seed = number("FACTLOG_MODEL_SEED").unwrap_or(SEED);
    let is_ci = std::env::var_os("CI").is_some();
    let cases = number("PROPTEST_CASES").unwrap_or(u64::from(if is_ci { in_ci } else { elsewhere }));
    let config = Config {
        cases: cases as u32,
        failure_persistence: None,
        max_shrink_iters: 4_096,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let played = TestRunner::new_with_rng(config, random).run(&operations::some(), |operations| {
        runtime.block_on(play(&operations)).map_err(TestCaseError::fail)
    });
    match played {
        Ok(()) => {}
        Err(TestError::Fail(why, operations)) => {
            panic!(
                "{why}\n\nafter {operations:#?}\n\nsee it again with FACTLOG_MODEL_SEED={seed} PROPTEST_CASES={cases}"
            );
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}
