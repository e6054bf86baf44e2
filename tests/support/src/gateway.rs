//! A real gateway process with a folder and ports of its own.
//!
//! Owns the process and its folder (configuration, plug-in files, store, log).
//! Knows nothing of what the gateway does inside. Invariant: the ports and the
//! folder stay the same over [`Gateway::restart`], so that clients, vendors
//! and the store find each other again.

use crate::config::{APP, Config};
use crate::http::{Client, Request};
use crate::plugins;
use crate::process::{Process, log_file};
use crate::visitor::Visitor;
use anyhow::{Context, Result};
use http::Method;
use rustix::process::Signal;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;
use tokio::process::Command;

/// A gateway under test.
pub struct Gateway {
    dir: TempDir,
    config: Config,
    ports: (u16, u16),
    process: Process,
    http: Client,
}

impl Gateway {
    /// Starts a gateway with this configuration and these plug-in files, and
    /// waits for its ready line.
    ///
    /// The configuration gets its listeners; everything else is the test's.
    pub async fn start(config: Config, plugins: &[&str]) -> Result<Self> {
        let ports = (free_port()?, free_port()?);
        let listen = format!(
            "server.listen = \"127.0.0.1:{}\"\nadmin.listen = \"127.0.0.1:{}\"",
            ports.0, ports.1
        );
        let config = config.with(&listen);
        let dir = tempfile::Builder::new()
            .prefix("kefu-gateway-")
            .tempdir()
            .context("making the gateway's folder")?;
        config.write(dir.path())?;
        plugins::stage(&dir.path().join("adapters"), plugins)?;
        log_file(dir.path(), LOG)?;
        let process = launch(dir.path(), ports).await?;
        Ok(Self {
            dir,
            config,
            ports,
            process,
            http: Client::new(),
        })
    }

    /// The address of the visitor API and of callbacks.
    pub fn public(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.0)
    }

    /// The address of the admin API.
    pub fn admin(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.1)
    }

    /// What the gateway was given.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The folder of the configuration; `adapters`, `providers` and `data` lie in it.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The place of a plug-in file, for tests that replace or break it.
    pub fn plugin_path(&self, name: &str) -> PathBuf {
        self.dir().join("adapters").join(name)
    }

    /// Replaces the configuration on disk; a running gateway notices by itself.
    pub fn reconfigure(&mut self, change: impl FnOnce(Config) -> Config) -> Result<()> {
        self.config = change(self.config.clone());
        self.config.write(self.dir())
    }

    /// A visitor of [`APP`] with a valid token.
    pub fn visitor(&self, id: &str) -> Visitor {
        Visitor::new(self.public(), APP, self.config.secret(), id)
    }

    /// A request to the admin API, with its token.
    pub fn admin_request(&self, method: Method, path: &str) -> Request {
        self.http
            .request(method, self.admin() + path)
            .bearer(self.config.admin_token())
    }

    /// The process id.
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Everything the gateway logged, over all its lives.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Whether the process is still there.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.ended(), Ok(None))
    }

    /// Ends the process at once, as a power cut would.
    pub async fn kill_9(&mut self) -> Result<()> {
        self.process.kill_9().await
    }

    /// Asks the gateway to end (`SIGTERM`) and returns how it did.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.process.stop().await
    }

    /// Asks the gateway to end and does not wait; see [`Gateway::wait`].
    pub fn terminate(&self) -> Result<()> {
        self.process.signal(Signal::TERM)
    }

    /// Asks the gateway to read its configuration again (`SIGHUP`).
    pub fn hang_up(&self) -> Result<()> {
        self.process.signal(Signal::HUP)
    }

    /// Waits until the process has ended.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        self.process.wait().await
    }

    /// Starts the gateway again, with the same folder and ports. The former
    /// process is killed when it still runs.
    pub async fn restart(&mut self) -> Result<()> {
        if self.is_running() {
            self.kill_9().await?;
        }
        self.process = launch(self.dir(), self.ports).await?;
        Ok(())
    }
}

/// Runs `kefu-gateway` with these arguments to its end, for commands that do
/// not serve (`check`, `plugin inspect`, a `run` that must refuse).
pub async fn run_command(args: &[&str]) -> Result<std::process::Output> {
    let mut command = Command::new(&plugins::built()?.gateway);
    command
        .args(args)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(crate::wait::PATIENCE, command.output()).await;
    output
        .with_context(|| format!("kefu-gateway {args:?} did not end"))?
        .context("running kefu-gateway")
}

async fn launch(dir: &Path, ports: (u16, u16)) -> Result<Process> {
    let mut command = Command::new(&plugins::built()?.gateway);
    command
        .arg("run")
        .arg("--config")
        .arg(dir.join("kefu.toml"))
        .arg("--exit-with-stdin")
        .current_dir(dir);
    let (process, ready) = Process::start("kefu-gateway", command, &dir.join(LOG)).await?;
    let expected = [("public", ports.0), ("admin", ports.1)];
    for (key, port) in expected {
        let url = format!("http://127.0.0.1:{port}");
        anyhow::ensure!(
            ready[key] == url.as_str(),
            "the gateway's ready line has no {key:?} {url}: {ready}"
        );
    }
    Ok(process)
}

/// A port that nothing listens on, below the range the system takes for
/// outgoing connections: while a killed gateway is away, no connection of a
/// client can be given its port.
pub fn free_port() -> Result<u16> {
    static STEP: AtomicU32 = AtomicU32::new(0);
    let (first, count) = (12_000_u32, 20_000_u32);
    let start = std::process::id().wrapping_mul(7_919);
    for _ in 0..count {
        let step = STEP.fetch_add(1, Ordering::Relaxed);
        let port = first + start.wrapping_add(step) % count;
        let port = u16::try_from(port).context("the range lies within the ports")?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no free port from {first} to {}", first + count)
}

const LOG: &str = "gateway.log";
