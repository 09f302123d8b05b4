//! `cargo xtask check`: everything that can be said of the code without running it.

use anyhow::Result;

use crate::step;

/// Every check, the house rules among them.
pub(crate) fn run() -> Result<()> {
    without_house_rules()?;
    house_rules()
}

/// The checks that are no tests. The house rules are tests, so that `cargo xtask test` runs them with the others.
pub(crate) fn without_house_rules() -> Result<()> {
    formatting()?;
    lints()?;
    documentation()?;
    dependencies()
}

fn formatting() -> Result<()> {
    if !step::cargo_has("fmt") {
        return step::missing("formatting", "rustfmt", "rustup component add rustfmt");
    }
    step::run("formatting", &mut step::cargo(["fmt", "--all", "--check"]))?;
    for beside in ["bench", "fuzz"] {
        let manifest = format!("{beside}/Cargo.toml");
        if step::root().join(&manifest).exists() {
            let check = ["fmt", "--check", "--manifest-path", &manifest];
            step::run(&format!("formatting of {beside}"), &mut step::cargo(check))?;
        }
    }
    Ok(())
}

fn lints() -> Result<()> {
    if !step::cargo_has("clippy") {
        return step::missing("lints", "clippy", "rustup component add clippy");
    }
    let clippy = ["clippy", "--workspace", "--all-targets", "--all-features", "--locked"];
    step::run("lints", step::cargo(clippy).args(["--", "-D", "warnings"]))
}

fn documentation() -> Result<()> {
    let doc = ["doc", "--workspace", "--no-deps", "--all-features", "--locked"];
    step::run("documentation", step::cargo(doc).env("RUSTDOCFLAGS", "-D warnings"))
}

/// Licences and duplicates are house rules as well; what only cargo-deny knows is the advisories.
fn dependencies() -> Result<()> {
    if !step::cargo_has("deny") {
        step::skip("dependencies", "cargo-deny is not installed; cargo install --locked cargo-deny");
        return Ok(());
    }
    step::run(
        "dependencies",
        &mut step::cargo(["deny", "--workspace", "--all-features", "--locked", "check"]),
    )
}

fn house_rules() -> Result<()> {
    let test = ["test", "--package", "xtask", "--test", "house_rules", "--locked", "--quiet"];
    step::closing("house rules", &mut step::cargo(test))
}
