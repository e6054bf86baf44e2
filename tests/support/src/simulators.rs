//! Both vendors as one child process, and their switches.
//!
//! Owns the process. What the simulators do, and what their control calls
//! take, is theirs to say (`tests/simulators/README.md`); here is only the way
//! to reach them, and the provider files that fit them.

use crate::config::Config;
use crate::http::{Client, Request, Response};
use crate::process::{Process, log_file};
use crate::{plugins, wait};
use anyhow::{Context, Result};
use http::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

/// A simulated vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// 智齿.
    Zhichi,
    /// 佳信.
    Jiaxin,
}

/// Running simulators.
pub struct Simulators {
    process: Process,
    _dir: TempDir,
    zhichi: String,
    jiaxin: String,
    app: String,
    http: Client,
}

impl Simulators {
    /// Starts the simulators on free ports.
    pub async fn start() -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("kefu-simulators-")
            .tempdir()
            .context("making the simulators' folder")?;
        let log = log_file(dir.path(), "simulators.log")?;
        let mut command = Command::new(&plugins::built()?.simulators);
        command.arg("--exit-with-stdin").current_dir(dir.path());
        let (process, ready) = Process::start("kefu-simulators", command, &log).await?;
        let url = |key: &str| {
            let url = ready[key]
                .as_str()
                .with_context(|| format!("no {key} in the ready line {ready}"))?;
            anyhow::Ok(url.to_owned())
        };
        let (zhichi, jiaxin, app) = (url("zhichi")?, url("jiaxin")?, url("app")?);
        Ok(Self {
            process,
            _dir: dir,
            zhichi,
            jiaxin,
            app,
            http: Client::new(),
        })
    }

    /// The address of a vendor.
    pub fn url(&self, vendor: Vendor) -> &str {
        match vendor {
            Vendor::Zhichi => &self.zhichi,
            Vendor::Jiaxin => &self.jiaxin,
        }
    }

    /// The address of the demo application.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// A request to a vendor, such as one of its control calls.
    pub fn request(&self, vendor: Vendor, method: Method, path: &str) -> Request {
        self.http
            .request(method, format!("{}{path}", self.url(vendor)))
    }

    /// Changes how a vendor behaves (`PATCH /control`, merged into what is set).
    pub async fn set(&self, vendor: Vendor, patch: &Value) -> Result<Response> {
        self.request(vendor, Method::PATCH, "/control")
            .json(patch)
            .send()
            .await?
            .expect(200)
    }

    /// How a vendor behaves now.
    pub async fn settings(&self, vendor: Vendor) -> Result<Value> {
        self.request(vendor, Method::GET, "/control")
            .send()
            .await?
            .expect(200)?
            .json()
    }

    /// Waits until a `GET` of this path at a vendor yields something that
    /// `find` accepts.
    pub async fn wait_for<T>(
        &self,
        vendor: Vendor,
        path: &str,
        what: &str,
        find: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        wait::until(what, async || {
            let answer = self
                .request(vendor, Method::GET, path)
                .send()
                .await?
                .expect(200)?;
            Ok(find(&answer.json()?))
        })
        .await
    }

    /// Everything the simulators logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Adds both providers to a configuration, as `zhichi` and `jiaxin`.
    #[must_use]
    pub fn join(&self, config: Config) -> Config {
        config
            .with_provider(
                "zhichi",
                &provider_file(plugins::ZHICHI, &self.zhichi, ZHICHI_SETTINGS),
            )
            .with_provider(
                "jiaxin",
                &provider_file(plugins::JIAXIN, &self.jiaxin, JIAXIN_SETTINGS),
            )
    }
}

fn provider_file(plugin: &str, url: &str, settings: &str) -> String {
    let host = url.trim_start_matches("http://");
    format!(
        "plugin = \"{plugin}\"\nhosts = [\"{host}\"]\n[settings]\nbase_url = \"{url}\"\n{settings}"
    )
}

const ZHICHI_SETTINGS: &str =
    "app_id = \"sim-app\"\napp_key = \"sim-key\"\npush_secret = \"sim-push-secret\"\n";
const JIAXIN_SETTINGS: &str =
    "secret = \"whsec_c2ltdWxhdG9yLXNlY3JldC1mb3ItdGVzdHM=\"\norg = \"demo\"\napp = \"demo\"\n";
