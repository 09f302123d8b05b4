//! The program while it runs: lines in, lines out, and an end.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin};
use std::sync::mpsc;

use serde_json::Value;

use crate::support::{PATIENCE, Ran};

/// The program, while it runs.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    out: Option<mpsc::Receiver<String>>,
    err: mpsc::Receiver<String>,
}

impl Running {
    pub(crate) fn new(mut child: Child) -> Self {
        let input = child.stdin.take();
        let out = Some(lines_of(child.stdout.take().unwrap()));
        let err = lines_of(child.stderr.take().unwrap());
        Self { child, input, out, err }
    }

    pub(crate) fn say(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
        input.flush().unwrap();
    }

    /// As [`Running::say`], to a program that may be gone; says whether it was there.
    pub(crate) fn try_say(&mut self, line: &str) -> bool {
        writeln!(self.input.as_mut().unwrap(), "{line}").is_ok()
    }

    /// The next line of its output, as soon as it is there.
    pub(crate) fn line(&self) -> String {
        self.out.as_ref().unwrap().recv_timeout(PATIENCE).expect("a line of output")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Waits for a line on standard error that has these words in it.
    pub(crate) fn waits_to_say(&self, words: &str) {
        while !self.err.recv_timeout(PATIENCE).expect("a line on standard error").contains(words) {}
    }

    /// Nobody reads its output any more.
    pub(crate) fn deaf(&mut self) {
        self.out = None;
    }

    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        self.signal("-INT");
    }

    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Waits for the exit code of a program that ends although its input stays open.
    pub(crate) fn code_of_its_own(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Waits for its end: the exit code, and what was not read yet.
    pub(crate) fn end(mut self) -> Ran {
        drop(self.input.take());
        let out = self.out.take().map(|out| rest(&out)).unwrap_or_default();
        let err = rest(&self.err);
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Ran { code, out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        let _ = self.child.kill();
    }
}

/// Hands on lines as they come. When the receiver goes, so does the pipe.
fn lines_of(pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(0);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn rest(lines: &mpsc::Receiver<String>) -> String {
    let mut rest = String::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => rest = rest + &line + "\n",
            Err(mpsc::RecvTimeoutError::Disconnected) => return rest,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("the program does not end; so far: {rest}"),
        }
    }
}
