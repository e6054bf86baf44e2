//! A process of the demo: its ready line, its log, its end.
//!
//! Owns the process. Ends it by closing its standard input, which both
//! programs watch (`--exit-with-stdin`): should this program be killed, the
//! system closes that input and the child ends all the same. Each child has a
//! process group of its own, so that Ctrl-C reaches this program alone and the
//! order of stopping is kept.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long a child may take to its ready line.
const READY: Duration = Duration::from_secs(60);
/// How long a child may take to end; the gateway drains for up to 10 s.
const END: Duration = Duration::from_secs(20);
/// How much of a log an error shows.
const TAIL_LINES: usize = 40;

/// A running child.
pub(crate) struct Child {
    name: &'static str,
    process: std::process::Child,
    log: PathBuf,
    /// What it said when it was ready.
    pub(crate) ready: Value,
}

impl Child {
    /// Starts a child with its log in `dir`, and waits until it is ready.
    pub(crate) fn start(name: &'static str, mut command: Command, dir: &Path) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let stderr = File::create(&log).with_context(|| format!("making {}", log.display()))?;
        let process = command
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let mut child = Self {
            name,
            process,
            log,
            ready: Value::Null,
        };
        child.ready = child.first_line()?;
        Ok(child)
    }

    fn first_line(&mut self) -> Result<Value> {
        let stdout = self
            .process
            .stdout
            .take()
            .context("the child's output was piped")?;
        let (sender, receiver) = mpsc::channel();
        // Reads on after the first line, so that the child never waits for a reader.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let line = match receiver.recv_timeout(READY) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                bail!(
                    "{} said nothing for {READY:?}\n{}",
                    self.name,
                    self.log_tail()
                )
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = self
                    .process
                    .wait()
                    .with_context(|| format!("waiting for {}", self.name))?;
                bail!(
                    "{} ended with {status} before it was ready\n{}",
                    self.name,
                    self.log_tail()
                )
            }
        };
        let ready: Value = serde_json::from_str(&line)
            .with_context(|| format!("{} began with {line:?}, which is no JSON", self.name))?;
        if ready["event"] != "ready" {
            bail!(
                "{} began with {ready}, not with its ready event\n{}",
                self.name,
                self.log_tail()
            );
        }
        Ok(ready)
    }

    /// An error when the child has ended, with the end of its log.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self
            .process
            .try_wait()
            .with_context(|| format!("looking after {}", self.name))?
        {
            None => Ok(()),
            Some(status) => bail!("{} has ended with {status}\n{}", self.name, self.log_tail()),
        }
    }

    /// Asks the child to end and waits; one that does not is killed, and that
    /// is an error.
    pub(crate) fn stop(mut self) -> Result<()> {
        drop(self.process.stdin.take());
        let start = Instant::now();
        while start.elapsed() < END {
            if self
                .process
                .try_wait()
                .with_context(|| format!("waiting for {}", self.name))?
                .is_some()
            {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!(
            "{} did not end within {END:?} and was killed\n{}",
            self.name,
            self.log_tail()
        )
    }

    /// The end of the child's log.
    pub(crate) fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let shown = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        format!(
            "--- last lines of {}\n{}\n---",
            self.log.display(),
            shown.join("\n")
        )
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Whoever got here without `stop` is on the way out with an error.
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("kefu-xtask-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the test can be made");
        folder
    }

    #[test]
    fn a_child_ends_when_its_input_is_closed() -> Result<()> {
        let dir = folder("ends");
        let child = Child::start(
            "echo",
            shell("echo '{\"event\":\"ready\",\"at\":7}'; cat >/dev/null"),
            &dir,
        )?;
        assert_eq!(child.ready["at"], 7);
        child.stop()?;
        Ok(std::fs::remove_dir_all(dir)?)
    }

    #[test]
    fn a_failed_start_shows_the_last_lines_of_the_log() -> Result<()> {
        let dir = folder("fails");
        let outcome = Child::start("broken", shell("echo 'no such port' >&2; exit 3"), &dir);
        let error = outcome
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(
            error.contains("no such port") && error.contains("before it was ready"),
            "{error}"
        );
        Ok(std::fs::remove_dir_all(dir)?)
    }
}
