//! Both vendors as one child process, and their switches.
//!
//! Owns the process. What the simulators do, and what their control calls
//! take, is theirs to say (`tests/simulators/README.md`); here is only the way
//! to reach them, and the provider files that fit them.

use crate::config::{APP, Config, fresh_secret};
use crate::gateway::Gateway;
use crate::http::{Client, Request, Response};
use crate::process::{Process, log_file};
use crate::{plugins, wait};
use anyhow::{Context, Result};
use http::Method;
use serde_json::{Value, json};
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

impl Vendor {
    /// Its name as provider, and of the desk that it serves alone.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zhichi => "zhichi",
            Self::Jiaxin => "jiaxin",
        }
    }
}

/// Running simulators.
pub struct Simulators {
    process: Process,
    _dir: TempDir,
    zhichi: String,
    jiaxin: String,
    app: String,
    secrets: Secrets,
    http: Client,
}

/// What both sides must know.
struct Secrets {
    app_key: String,
    push: String,
    webhook: String,
}

impl Simulators {
    /// Starts the simulators on free ports, with secrets of their own. They
    /// know no gateway before [`Simulators::connect`].
    pub async fn start() -> Result<Self> {
        Self::start_for(&Config::new()).await
    }

    /// As [`Simulators::start`]; the demo application knows the secret of this
    /// configuration's app, so that its page works with the gateway of it.
    pub async fn start_for(config: &Config) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("kefu-simulators-")
            .tempdir()
            .context("making the simulators' folder")?;
        let log = log_file(dir.path(), "simulators.log")?;
        // Hex digits are base64 digits, so the webhook secret is well-formed.
        let secrets = Secrets {
            app_key: fresh_secret(),
            push: fresh_secret(),
            webhook: format!("whsec_{}", fresh_secret()),
        };
        let mut command = Command::new(&plugins::built()?.simulators);
        command
            .arg("--exit-with-stdin")
            .args([
                "--zhichi-app-id",
                APP_ID,
                "--zhichi-app-key",
                &secrets.app_key,
            ])
            .args([
                "--jiaxin-secret",
                &secrets.webhook,
                "--jiaxin-org",
                ORG,
                "--jiaxin-app",
                ORG,
            ])
            .args(["--app-key", APP, "--app-secret", config.secret()])
            .current_dir(dir.path());
        let (process, ready) = Process::start("kefu-simulators", command, &log).await?;
        let url = |key: &str| {
            let url = ready[key].as_str();
            let url = url.with_context(|| format!("no {key} in the ready line {ready}"))?;
            anyhow::Ok(url.to_owned())
        };
        let (zhichi, jiaxin, app) = (url("zhichi")?, url("jiaxin")?, url("app")?);
        Ok(Self {
            process,
            _dir: dir,
            zhichi,
            jiaxin,
            app,
            secrets,
            http: Client::new(),
        })
    }

    /// Adds both vendors to a configuration, as the providers `zhichi` and
    /// `jiaxin`, each the only one of a desk of its name.
    #[must_use]
    pub fn join(&self, config: Config) -> Config {
        let zhichi = format!(
            "app_id = \"{APP_ID}\"\napp_key = \"{}\"\npush_secret = \"{}\"\n",
            self.secrets.app_key, self.secrets.push
        );
        let jiaxin = format!(
            "secret = \"{}\"\norg = \"{ORG}\"\napp = \"{ORG}\"\nchannel = \"10001\"\n",
            self.secrets.webhook
        );
        config
            .with_provider(
                "zhichi",
                &provider_file(plugins::ZHICHI, &self.zhichi, &zhichi),
            )
            .with_provider(
                "jiaxin",
                &provider_file(plugins::JIAXIN, &self.jiaxin, &jiaxin),
            )
            .with_desk("zhichi", "routes = [{ provider = \"zhichi\" }]")
            .with_desk("jiaxin", "routes = [{ provider = \"jiaxin\" }]")
    }

    /// Tells both vendors where to push, and the demo application where its
    /// gateway is. Holds over restarts of the gateway.
    pub async fn connect(&self, gateway: &Gateway) -> Result<()> {
        let public = gateway.public();
        let callbacks = format!("{public}/v1/callbacks");
        let zhichi = json!({ "url": format!("{callbacks}/zhichi/{}", self.secrets.push) });
        let jiaxin = json!({ "url": format!("{callbacks}/jiaxin") });
        for (vendor, callback) in [(Vendor::Zhichi, zhichi), (Vendor::Jiaxin, jiaxin)] {
            let request = self
                .request(vendor, Method::PUT, "/control/callback")
                .json(&callback);
            request.send().await?.expect(204)?;
        }
        let told = self
            .http
            .put(format!("{}/config", self.app))
            .json(&json!({ "gateway": public }));
        told.send().await?.expect(200)?;
        Ok(())
    }

    /// The key that signs 智齿's token call.
    pub fn app_key(&self) -> &str {
        &self.secrets.app_key
    }

    /// The secret path segment of 智齿's pushes.
    pub fn push_secret(&self) -> &str {
        &self.secrets.push
    }

    /// The secret that 佳信 and the gateway sign with.
    pub fn webhook_secret(&self) -> &str {
        &self.secrets.webhook
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

    /// Adds a fault (`POST /control/faults`).
    pub async fn fault(&self, vendor: Vendor, fault: &Value) -> Result<()> {
        let request = self.request(vendor, Method::POST, "/control/faults");
        request.json(fault).send().await?.expect(201)?;
        Ok(())
    }

    /// Removes every fault.
    pub async fn clear_faults(&self, vendor: Vendor) -> Result<()> {
        let request = self.request(vendor, Method::DELETE, "/control/faults");
        request.send().await?.expect(204)?;
        Ok(())
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
}

/// The whole at once: both vendors, and a gateway that serves them at the desks
/// `zhichi` and `jiaxin`, connected. `change` may add to the configuration.
pub async fn start_all(change: impl FnOnce(Config) -> Config) -> Result<(Simulators, Gateway)> {
    let config = Config::new();
    let simulators = Simulators::start_for(&config).await?;
    let config = change(simulators.join(config));
    let gateway = Gateway::start(config, &[plugins::ZHICHI, plugins::JIAXIN]).await?;
    simulators.connect(&gateway).await?;
    Ok((simulators, gateway))
}

fn provider_file(plugin: &str, url: &str, settings: &str) -> String {
    let host = url.trim_start_matches("http://");
    format!(
        "plugin = \"{plugin}\"\nhosts = [\"{host}\"]\n[settings]\nbase_url = \"{url}\"\n{settings}"
    )
}

/// The account's id at 智齿.
const APP_ID: &str = "demo-app";
/// Tenant and application at 佳信.
const ORG: &str = "demo";
