//! The official SDK of the Model Context Protocol, from its registry: what a test drives `factlog mcp` with.

use std::{env, ffi::OsString, fs, process::Command};

use anyhow::{Context, Result, anyhow, ensure};

use crate::step;

/// Where the test looks for it.
pub(crate) const VARIABLE: &str = "FACTLOG_TEST_MCP_SDK";
/// The package, at the version that is tested with.
const PACKAGE: &str = "@modelcontextprotocol/sdk@1.32.2";
const REMEDY: &str = "install Node.js with npm (apt-get install nodejs npm, brew install node), or name a folder with the package in \
     FACTLOG_TEST_MCP_SDK";

/// The folder with the SDK: the one of the environment, or one in the target folder, or none where it cannot be had.
pub(crate) fn provide() -> Result<Option<OsString>> {
    if let Some(folder) = env::var_os(VARIABLE) {
        return Ok(Some(folder));
    }
    step::announce("SDK of the Model Context Protocol");
    if Command::new("npm").arg("--version").output().is_err() {
        install_npm();
    }
    match install() {
        Ok(folder) => Ok(Some(folder)),
        Err(error) => {
            eprintln!("    {error:#}");
            step::missing("testing with an official client", "the SDK from npm", REMEDY).map(|()| None)
        }
    }
}

fn install() -> Result<OsString> {
    let folder = step::target_folder()?.join("mcp-sdk");
    let mark = folder.join("installed");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == PACKAGE) {
        return Ok(folder.into());
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(folder.join("package.json"), "{\"private\":true}\n")?;
    let installed = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--silent", PACKAGE])
        .current_dir(&folder)
        .status()
        .map_err(|cause| anyhow!("npm: {cause}"))?;
    ensure!(installed.success(), "npm install {PACKAGE} has failed: {installed}");
    fs::write(mark, PACKAGE)?;
    Ok(folder.into())
}

/// Debian's packages, where they can be installed without a question.
fn install_npm() {
    let done = Command::new("apt-get").args(["install", "-y", "-qq", "nodejs", "npm"]).output();
    if let Ok(output) = done
        && !output.status.success()
    {
        eprintln!("    apt-get: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
}
