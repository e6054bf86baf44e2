//! An app's own server, which is pushed what is said: a program in Python that
//! verifies with that language's packages.
//!
//! Owns the process. What it keeps and how it can be told to fail is said in
//! `assets/app_server.py`.

use crate::http::Client;
use crate::process::{Process, log_file};
use crate::{gateway, python, wait};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// A running app server.
pub struct AppServer {
    process: Process,
    dir: TempDir,
    port: u16,
    secrets: Value,
    http: Client,
}

impl AppServer {
    /// Starts one that knows secrets of its own: [`WEBHOOK`] and [`RONGCLOUD`].
    pub async fn start() -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("kefu-app-server-")
            .tempdir()
            .context("making the app server's folder")?;
        let port = gateway::free_port()?;
        let secrets = json!({ "webhook": [WEBHOOK], "rongcloud": RONGCLOUD });
        let process = launch(&dir, port, &secrets).await?;
        Ok(Self {
            process,
            dir,
            port,
            secrets,
            http: Client::new(),
        })
    }

    /// Where it takes pushes.
    pub fn url(&self) -> String {
        format!("{}/push?from=kefu", self.base())
    }

    /// The piece of a configuration that pushes to it, with waits that a test
    /// can sit out.
    pub fn routing(&self, format: &str) -> String {
        let secret = if format == "rongcloud" {
            RONGCLOUD
        } else {
            WEBHOOK
        };
        format!(
            "[apps.demo.routing]\nurl = \"{}\"\nformat = \"{format}\"\nsecret = \"{secret}\"\nwaits = [\"50ms\", \"50ms\", \"50ms\"]\n",
            self.url()
        )
    }

    /// Everything that came, in order.
    pub async fn received(&self) -> Result<Vec<Value>> {
        let answer = self
            .http
            .get(self.base() + "/control/received")
            .send()
            .await?;
        let list = answer.expect(200)?.json()?;
        Ok(list.as_array().cloned().unwrap_or_default())
    }

    /// The pushes that it took, each once, in the order in which they came
    /// first; an error if one was not signed as it should be.
    pub async fn taken(&self) -> Result<Vec<Value>> {
        let mut taken: Vec<Value> = Vec::new();
        for one in self.received().await? {
            anyhow::ensure!(one["wrong"].is_null(), "not well signed: {one}");
            let success = one["status"].as_u64().is_some_and(|status| status < 300);
            let answered = !matches!(one["behaviour"].as_str(), Some("hang" | "drop"));
            if success && answered && !taken.contains(&one["push"]) {
                taken.push(one["push"].clone());
            }
        }
        Ok(taken)
    }

    /// Waits until it took so many, and gives them.
    pub async fn wait_for(&self, count: usize) -> Result<Vec<Value>> {
        wait::until(&format!("{count} pushes"), async || {
            let taken = self.taken().await?;
            anyhow::ensure!(taken.len() >= count, "{} came: {taken:?}", taken.len());
            Ok(Some(taken))
        })
        .await
    }

    /// How it answers from now on; the first behaviour that fits counts.
    pub async fn behave(&self, behaviours: &Value) -> Result<()> {
        self.control("behave", behaviours).await
    }

    /// Lets go what hangs.
    pub async fn release(&self) -> Result<()> {
        self.control("release", &json!({})).await
    }

    /// Verifies with other secrets from now on.
    pub async fn know(&self, secrets: &Value) -> Result<()> {
        self.control("secrets", secrets).await
    }

    /// Ends it, as a machine that goes away.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill_9().await
    }

    /// Starts it again where it was, knowing nothing of before.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = launch(&self.dir, self.port, &self.secrets).await?;
        Ok(())
    }

    async fn control(&self, what: &str, body: &Value) -> Result<()> {
        let url = format!("{}/control/{what}", self.base());
        self.http.post(url).json(body).send().await?.expect(200)?;
        Ok(())
    }

    fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

async fn launch(dir: &TempDir, port: u16, secrets: &Value) -> Result<Process> {
    let log = log_file(dir.path(), "app-server.log")?;
    let mut command = Command::new(python::interpreter()?);
    command
        .args(["-u", "-c", SCRIPT, &secrets.to_string(), &port.to_string()])
        .current_dir(dir.path());
    let (process, _) = Process::start("app_server.py", command, &log).await?;
    Ok(process)
}

/// The secret of Standard Webhooks that it knows at first.
pub const WEBHOOK: &str = "whsec_a2VmdS1nYXRld2F5LXRlc3Qtc2VjcmV0LTAwMQ==";
/// The secret of RongCloud's form that it knows at first.
pub const RONGCLOUD: &str = "rongcloud-app-secret";

const SCRIPT: &str = include_str!("../assets/app_server.py");
