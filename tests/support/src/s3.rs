//! An S3-compatible store that checks signatures, to keep media in.
//!
//! Owns the process, which is `s3_server.py` on the environment of
//! [`crate::python`]; what it does to the store on request is
//! described there.

use crate::http::Client;
use crate::process::{Process, log_file};
use crate::{python, wait};
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;
use tokio::process::Command;

/// A running store with one bucket.
pub struct S3 {
    process: Process,
    _dir: TempDir,
    ready: Value,
}

impl S3 {
    /// Starts a store of the test's own.
    pub async fn start() -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("kefu-s3-")
            .tempdir()
            .context("making the store's folder")?;
        let log = log_file(dir.path(), "s3.log")?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("s3_server.py");
        let mut command = Command::new(python::interpreter()?);
        command.arg(script).current_dir(dir.path());
        let (process, ready) = Process::start("the S3 store", command, &log).await?;
        Ok(Self {
            process,
            _dir: dir,
            ready,
        })
    }

    /// What makes a gateway keep its media there, below a prefix.
    pub fn config(&self, prefix: &str) -> String {
        self.config_with_secret(prefix, &self.text("secret_key"))
    }

    /// As [`S3::config`], with another secret than the store knows.
    pub fn config_with_secret(&self, prefix: &str, secret: &str) -> String {
        format!(
            "media.store = \"s3://{}/{prefix}\"\nmedia.s3.endpoint = \"{}\"\n\
             media.s3.access_key = \"{}\"\nmedia.s3.secret_key = \"{secret}\"",
            self.text("bucket"),
            self.text("endpoint"),
            self.text("access_key"),
        )
    }

    /// The names of everything in the bucket, in order.
    pub async fn objects(&self) -> Result<Vec<String>> {
        let state = self.control("state").await?;
        let objects = state["objects"].as_object().context("a list of objects")?;
        let mut names: Vec<_> = objects.keys().cloned().collect();
        names.sort();
        Ok(names)
    }

    /// How many uploads in parts are under way.
    pub async fn uploads(&self) -> Result<usize> {
        let state = self.control("state").await?;
        Ok(state["uploads"].as_array().map_or(0, Vec::len))
    }

    /// Waits until no upload in parts is under way.
    pub async fn wait_for_no_uploads(&self) -> Result<()> {
        wait::until("no upload in parts to be under way", async || {
            Ok((self.uploads().await? == 0).then_some(()))
        })
        .await
    }

    /// Makes everything in the bucket so much older.
    pub async fn age(&self, seconds: u64) -> Result<()> {
        self.control(&format!("age?seconds={seconds}")).await?;
        Ok(())
    }

    /// Refuses requests whose method and address contain this text; `None`
    /// takes all of them again.
    pub async fn refuse(&self, part: Option<&str>) -> Result<()> {
        let query = part.map_or_else(String::new, |part| {
            format!("part={}", crate::http::escape(part))
        });
        self.control(&format!("refuse?{query}")).await?;
        Ok(())
    }

    /// What the store logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    async fn control(&self, what: &str) -> Result<Value> {
        let url = format!("{}/_control/{what}", self.text("endpoint"));
        let client = Client::new();
        let request = if what == "state" {
            client.get(url)
        } else {
            client.post(url)
        };
        request.send().await?.expect(200)?.json()
    }

    fn text(&self, key: &str) -> String {
        self.ready[key].as_str().unwrap_or_default().to_owned()
    }
}
