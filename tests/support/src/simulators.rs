//! All vendors as one child process, and their switches.
//!
//! Owns the process. What the simulators do, and what their control calls
//! take, is theirs to say (`tests/simulators/README.md`); here is only the way
//! to reach them, and the provider files that fit them (`accounts`). A vendor
//! that no provider is configured for costs nothing but its port.

mod accounts;

use crate::config::Config;
use crate::gateway::Gateway;
use crate::http::{Client, Request, Response};
use crate::process::{Process, log_file};
pub use crate::vendor::Vendor;
use crate::{plugins, wait};
use accounts::Accounts;
use anyhow::{Context, Result};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tempfile::TempDir;
use tokio::process::Command;

/// Running simulators.
pub struct Simulators {
    process: Process,
    _dir: TempDir,
    vendors: BTreeMap<Vendor, String>,
    app: String,
    accounts: Accounts,
    http: Client,
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
        let accounts = Accounts::fresh();
        let mut command = Command::new(&plugins::built()?.simulators);
        command
            .arg("--exit-with-stdin")
            .args(accounts.flags())
            .args(["--app-key", crate::config::APP])
            .args(["--app-secret", config.secret()])
            .current_dir(dir.path());
        let (process, ready) = Process::start("kefu-simulators", command, &log).await?;
        let url = |key: &str| {
            let url = ready[key].as_str();
            let url = url.with_context(|| format!("no {key} in the ready line {ready}"))?;
            anyhow::Ok(url.to_owned())
        };
        let mut vendors = BTreeMap::new();
        for vendor in Vendor::ALL {
            vendors.insert(vendor, url(vendor.name())?);
        }
        let app = url("app")?;
        Ok(Self {
            process,
            _dir: dir,
            vendors,
            app,
            accounts,
            http: Client::new(),
        })
    }

    /// Adds vendors to a configuration, each as a provider of its name, and as
    /// the only one of a desk of its name.
    #[must_use]
    pub fn join(&self, config: Config, vendors: &[Vendor]) -> Config {
        vendors.iter().fold(config, |config, &vendor| {
            let name = vendor.name();
            let file = self.accounts.provider_file(vendor, self.url(vendor));
            let desk = format!("routes = [{{ provider = \"{name}\" }}]");
            config.with_provider(name, &file).with_desk(name, &desk)
        })
    }

    /// Tells all vendors where to push, and the demo application where its
    /// gateway is. Holds over restarts of the gateway.
    pub async fn connect(&self, gateway: &Gateway) -> Result<()> {
        let public = gateway.public();
        for vendor in Vendor::ALL {
            let url = format!("{public}/v1/callbacks/{}", self.callback_path(vendor));
            let request = self
                .request(vendor, Method::PUT, "/control/callback")
                .json(&json!({ "url": url }));
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
        self.secret(Vendor::Zhichi)
    }

    /// The name under which every vendor knows the account of the tests.
    pub fn account(&self) -> &'static str {
        accounts::NAME
    }

    /// Where this vendor pushes, below `/v1/callbacks/`. 爱客服 adds a path of
    /// its own.
    pub fn callback_path(&self, vendor: Vendor) -> String {
        match vendor {
            Vendor::Zhichi => format!("zhichi/{}", self.push_secret()),
            vendor => vendor.name().to_owned(),
        }
    }

    /// The secret path segment of 智齿's pushes.
    pub fn push_secret(&self) -> &str {
        &self.accounts.push
    }

    /// What this vendor and the gateway sign with, each its own.
    pub fn secret(&self, vendor: Vendor) -> &str {
        self.accounts.secret(vendor)
    }

    /// The address of a vendor.
    pub fn url(&self, vendor: Vendor) -> &str {
        // Every vendor is in the ready line, or the start would have failed.
        self.vendors.get(&vendor).map_or("", String::as_str)
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

/// The whole at once: all vendors, and a gateway that serves these ones, each
/// at a desk of its name, connected. `change` may add to the configuration.
/// Every provider costs the start of the gateway a trial of its adapter, so
/// name only those that are needed.
pub async fn start_all(
    vendors: &[Vendor],
    change: impl FnOnce(Config) -> Config,
) -> Result<(Simulators, Gateway)> {
    let config = Config::new();
    let simulators = Simulators::start_for(&config).await?;
    let config = change(simulators.join(config, vendors));
    let files: Vec<&str> = vendors.iter().map(|vendor| vendor.plugin()).collect();
    let gateway = Gateway::start(config, &files).await?;
    simulators.connect(&gateway).await?;
    Ok((simulators, gateway))
}
