//! `cargo xtask test`: everything a change must pass. The test runner comes last, so that its summary does.

use anyhow::Result;

use crate::{check, mcp_sdk, readme, servers::Servers, step};

/// What every build of the tests asks of cargo, so that one build serves all the steps.
const EVERYTHING: [&str; 3] = ["--workspace", "--all-features", "--locked"];

/// Every check and every test.
pub(crate) fn run() -> Result<()> {
    check::without_house_rules()?;
    step::run("build", step::cargo(["build", "--all-targets"]).args(EVERYTHING))?;
    let servers = Servers::provide()?;
    let documentation = ["test", "--doc"];
    step::run("documentation tests", step::cargo(documentation).args(EVERYTHING).envs(servers.variables()))?;
    kept_inputs()?;
    readme::commands(&servers)?;
    runner(&servers, &[])
}

/// The test runner alone, given these arguments.
pub(crate) fn only_runner(passed_on: &[&str]) -> Result<()> {
    runner(&Servers::provide()?, passed_on)
}

/// The inputs that are kept for fuzzing, each given to its target by an ordinary test.
fn kept_inputs() -> Result<()> {
    let manifest = ["--manifest-path", "fuzz/Cargo.toml", "--no-default-features", "--locked", "--quiet"];
    let target = step::target_folder()?;
    step::run(
        "inputs of fuzzing",
        step::cargo(["test", "--tests"]).args(manifest).arg("--target-dir").arg(target),
    )
}

/// The test runner: cargo-nextest where it is installed, `cargo test` elsewhere.
fn runner(servers: &Servers, passed_on: &[&str]) -> Result<()> {
    let sdk = mcp_sdk::provide()?;
    let mut command = if step::cargo_has("nextest") {
        step::cargo(["nextest", "run", "--no-fail-fast"])
    } else {
        step::cargo(["test", "--tests", "--no-fail-fast"])
    };
    command.envs(sdk.map(|folder| (mcp_sdk::VARIABLE, folder)));
    step::closing("tests", command.args(EVERYTHING).args(passed_on).envs(servers.variables()))
}
