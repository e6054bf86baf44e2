//! One child process of a test: its first line, its log, its end.
//!
//! Owns the child: whatever happens to the test, the child is gone afterwards.
//! It is killed by its own id on drop, and since it watches its standard input
//! (`--exit-with-stdin`) it also goes when the test itself is killed. Knows
//! nothing of what the child does.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long a child may take from its start to its first line.
const READY: Duration = Duration::from_secs(60);

/// How long a child may take from being asked to end to its end.
const END: Duration = Duration::from_secs(40);

/// How much of a log an error shows.
const TAIL_LINES: usize = 60;

/// A running child.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its standard error appended to `log`, and waits
    /// for the line of JSON that says it is ready.
    ///
    /// An error holds the end of the log, because that is where the reason is.
    pub(crate) async fn start(
        name: &'static str,
        mut command: Command,
        log: &Path,
    ) -> Result<(Self, Value)> {
        let stderr = OpenOptions::new().create(true).append(true).open(log);
        let stderr = stderr.with_context(|| format!("opening {}", log.display()))?;
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {name}: {:?}", command.as_std().get_program()))?;
        let mut process = Self {
            name,
            child,
            log: log.to_owned(),
        };
        let ready = process.first_line().await?;
        Ok((process, ready))
    }

    async fn first_line(&mut self) -> Result<Value> {
        let stdout = self
            .child
            .stdout
            .take()
            .context("the child's output was piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = match tokio::time::timeout(READY, lines.next_line()).await {
            Err(_) => bail!(
                "{} said nothing for {READY:?}\n{}",
                self.name,
                self.log_tail()
            ),
            Ok(line) => line.with_context(|| format!("reading what {} says", self.name))?,
        };
        let Some(line) = line else {
            let status = self.wait().await?;
            bail!(
                "{} ended with {status} before it was ready\n{}",
                self.name,
                self.log_tail()
            );
        };
        // Whatever else it prints must not fill the pipe and stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let ready: Value = serde_json::from_str(&line)
            .with_context(|| format!("the first line of {} is no JSON: {line}", self.name))?;
        if ready["event"] != "ready" {
            bail!(
                "{} began with {ready}, not with its ready event\n{}",
                self.name,
                self.log_tail()
            );
        }
        Ok(ready)
    }

    /// The process id; `None` once the child was waited for.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends `SIGTERM` and waits for the end.
    pub(crate) async fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait().await
    }

    /// Sends `SIGKILL` and waits for the end; nothing of the child runs after this.
    pub(crate) async fn kill_9(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.wait().await?;
        Ok(())
    }

    /// Sends a signal to this child.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let pid =
            pid.with_context(|| format!("{} has ended already\n{}", self.name, self.log_tail()))?;
        kill_process(pid, signal).with_context(|| format!("sending {signal:?} to {}", self.name))
    }

    /// The status, when the child has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("looking after {}", self.name))
    }

    /// Waits for the end.
    pub(crate) async fn wait(&mut self) -> Result<ExitStatus> {
        // Not through `Child::wait`, which would close the input and thereby
        // ask for the end before it waits.
        let (name, log) = (self.name, self.log.clone());
        crate::wait::until_within(END, &format!("{name} to end"), async || self.ended())
            .await
            .with_context(|| tail(&log))
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        tail(&self.log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The test harness keeps this to itself unless the test fails, whether
        // by a panic or by an error.
        report(&format!(
            "{} (process {:?}): {}",
            self.name,
            self.id(),
            self.log_tail()
        ));
    }
}

/// The end of a log, introduced by its name.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    format!(
        "--- end of {} ({} of {} lines)\n{}\n---",
        log.display(),
        shown.len(),
        lines.len(),
        shown.join("\n")
    )
}

#[expect(
    clippy::print_stderr,
    reason = "a failed test shows what its processes logged"
)]
fn report(text: &str) {
    eprintln!("{text}");
}

/// Makes an empty log file and returns its path.
pub(crate) fn log_file(dir: &Path, name: &str) -> Result<PathBuf> {
    let path = dir.join(name);
    File::create(&path).with_context(|| format!("making {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str) -> Result<(Process, Value, tempfile::TempDir)> {
        let dir = tempfile::tempdir()?;
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let log = log_file(dir.path(), "sh.log")?;
        let (process, ready) = Process::start("sh", command, &log).await?;
        Ok((process, ready, dir))
    }

    #[tokio::test]
    async fn a_stopped_child_says_how_it_ended() -> Result<()> {
        let script =
            "trap 'exit 7' TERM; echo '{\"event\":\"ready\"}'; while :; do sleep 0.05; done";
        let (mut process, ready, _dir) = shell(script).await?;
        assert_eq!(ready["event"], "ready");
        assert_eq!(process.stop().await?.code(), Some(7));
        assert!(
            process.stop().await.is_err(),
            "there is nobody left to stop"
        );
        Ok(())
    }

    #[tokio::test]
    async fn a_child_that_fails_to_start_shows_its_log() {
        let error = shell("echo 'port taken' >&2; exit 2")
            .await
            .err()
            .map(|error| error.to_string());
        let error = error.unwrap_or_default();
        assert!(
            error.contains("port taken") && error.contains("exit status: 2"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_first_line_that_is_no_ready_event_is_refused() {
        for script in ["echo hello; cat", "echo '{\"event\":\"started\"}'; cat"] {
            assert!(shell(script).await.is_err(), "{script}");
        }
    }

    #[tokio::test]
    async fn a_killed_child_is_gone_when_the_call_returns() -> Result<()> {
        let (mut process, _, _dir) = shell("echo '{\"event\":\"ready\"}'; cat").await?;
        process.kill_9().await?;
        assert!(process.ended()?.is_some_and(|status| !status.success()));
        Ok(())
    }
}
