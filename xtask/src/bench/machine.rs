//! Where measurements were made: figures without it mean nothing.

use std::{env, fs, process::Command, thread};

use anyhow::{Context, Result};

/// What the page says of the machine.
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) system: String,
    pub(crate) compiler: String,
    /// The day in UTC, as `2026-03-28`.
    pub(crate) day: String,
}

impl Machine {
    /// The machine this runs on, today.
    pub(crate) fn this() -> Result<Self> {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let system = value(&release, "PRETTY_NAME", '=').unwrap_or(env::consts::OS);
        Ok(Self {
            processor: value(&cpus, "model name", ':').unwrap_or(env::consts::ARCH).to_owned(),
            cores: thread::available_parallelism().context("cannot count the cores")?.get(),
            system: format!("{system} ({})", env::consts::ARCH),
            compiler: compiler()?,
            day: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        })
    }
}

/// What `rustc --version` says, without the program's name: `1.95.0 (59807616e 2026-04-14)`.
fn compiler() -> Result<String> {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let output = rustc.arg("--version").output().context("cannot ask rustc for its version")?;
    let version = String::from_utf8_lossy(&output.stdout);
    Ok(version.trim().trim_start_matches("rustc ").to_owned())
}

/// The first value called `name` in a text of `name SEPARATOR value` lines.
fn value<'a>(text: &'a str, name: &str, separator: char) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(separator));
    let (_, value) = pairs.find(|(key, _)| key.trim() == name)?;
    Some(value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_from_what_the_system_says_of_itself() {
        assert_eq!(
            value("processor\t: 0\nmodel name\t: A Processor @ 3 GHz\n", "model name", ':'),
            Some("A Processor @ 3 GHz")
        );
        assert_eq!(
            value("NAME=\"Linux\"\nPRETTY_NAME=\"A Linux 12\"\n", "PRETTY_NAME", '='),
            Some("A Linux 12")
        );
        assert_eq!(value("", "PRETTY_NAME", '='), None);
    }

    #[test]
    fn this_machine_can_be_named() {
        let machine = Machine::this().unwrap();
        assert!(machine.cores > 0 && machine.day.len() == 10 && machine.compiler.contains('.'));
    }
}
