//! What the demo runs with: secrets, commands, configuration files.
//!
//! Owns the demo's configuration. Secrets are made anew for every run and are
//! known to the demo's folder only, which is emptied by the next run.

use super::net;
use super::show::Addresses;
use super::vendors::{Accounts, Vendor, Vendors};
use crate::products;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Command;

/// The app's key.
pub(crate) const APP: &str = "demo";
/// The desk that two vendors share.
pub(crate) const SHARED: &str = "support";

/// All desks: the shared one, and one for each vendor.
pub(crate) fn desks() -> Vec<&'static str> {
    let own = Vendor::ALL.map(Vendor::name);
    [SHARED].into_iter().chain(own).collect()
}

/// What both ends of every connection must know.
pub(crate) struct Secrets {
    /// Signs visitor tokens.
    pub(crate) app: String,
    /// Opens the admin API.
    pub(crate) admin: String,
    /// What the vendors know.
    pub(crate) accounts: Accounts,
}

impl Secrets {
    /// New ones.
    pub(crate) fn fresh() -> Result<Self> {
        Ok(Self {
            app: random_hex()?,
            admin: random_hex()?,
            accounts: Accounts::fresh()?,
        })
    }
}

/// How the simulators are started.
pub(crate) fn simulators(program: &Path, secrets: &Secrets) -> Command {
    let mut command = Command::new(program);
    command
        .arg("--exit-with-stdin")
        .args(secrets.accounts.flags())
        .args([
            "--app-key",
            APP,
            "--app-secret",
            &secrets.app,
            "--desk",
            SHARED,
        ]);
    command
}

/// How the gateway is started.
pub(crate) fn gateway(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg("run")
        .arg("--config")
        .arg(dir.join("kefu.toml"))
        .arg("--exit-with-stdin");
    command
}

/// Writes the configuration and puts the plug-ins where it says.
pub(crate) fn write(
    dir: &Path,
    plugins: &Path,
    secrets: &Secrets,
    vendors: &Vendors,
) -> Result<()> {
    let adapters = dir.join("adapters");
    let providers = dir.join("providers");
    for folder in [&adapters, &providers] {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    for file in products::vendor_files() {
        fs::copy(plugins.join(file), adapters.join(file))
            .with_context(|| format!("copying {file}"))?;
    }
    let main = (dir.join("kefu.toml"), main_file(secrets, &vendors.app));
    let files = Vendor::ALL.map(|vendor| {
        let text = secrets.accounts.provider_file(vendor, vendors.url(vendor));
        (providers.join(format!("{}.toml", vendor.name())), text)
    });
    for (path, text) in [main].into_iter().chain(files) {
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Tells the vendors where to push, and the application where the gateway is.
pub(crate) fn connect(addresses: &Addresses) -> Result<()> {
    let callbacks = format!("{}/v1/callbacks", addresses.gateway);
    let app = json!({ "gateway": addresses.gateway });
    let mut told = vec![(addresses.vendors.app.as_str(), "config", app)];
    for vendor in Vendor::ALL {
        let callback = addresses.secrets.accounts.callback(vendor);
        let body = json!({ "url": format!("{callbacks}/{callback}") });
        told.push((addresses.vendors.url(vendor), "control/callback", body));
    }
    for (url, path, body) in told {
        let url = format!("{url}/{path}");
        let (status, answer) = net::request("PUT", &url, Some(&body))?;
        ensure!(
            (200..300).contains(&status),
            "PUT {url} was answered {status}: {answer}"
        );
    }
    Ok(())
}

fn main_file(secrets: &Secrets, page: &str) -> String {
    let mut text = format!(
        r#"# Made by `cargo xtask demo`, anew for every run. 由 `cargo xtask demo` 生成，每次运行重新生成。

[server]
listen = "127.0.0.1:0"

[admin]
listen = "127.0.0.1:0"
token = "{admin}"

[store]
url = "sqlite:data/kefu.db"

[plugins]
dir = "adapters"

[apps.{APP}]
secret = "{app}"
origins = ["{page}"]

# Half of the visitors here, half there; each stays where it was sent.
# 访客各半分流，同一访客始终在同一平台。
[desks.{SHARED}]
app = "{APP}"
title = "在线客服"
[[desks.{SHARED}.routes]]
provider = "zhichi"
weight = 50
[[desks.{SHARED}.routes]]
provider = "jiaxin"
"#,
        admin = secrets.admin,
        app = secrets.app,
    );
    for vendor in Vendor::ALL {
        let (name, title) = (vendor.name(), vendor.title());
        text.push_str(&format!(
            "\n[desks.{name}]\napp = \"{APP}\"\ntitle = \"{title}\"\n[[desks.{name}.routes]]\nprovider = \"{name}\"\n"
        ));
    }
    text
}

/// 32 random bytes as 64 hex digits.
pub(super) fn random_hex() -> Result<String> {
    let mut bytes = [0; 32];
    let mut source =
        File::open("/dev/urandom").context("opening the system's source of randomness")?;
    source
        .read_exact(&mut bytes)
        .context("reading random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_file_is_toml_and_every_run_has_its_own_secrets() -> Result<()> {
        let (one, two) = (Secrets::fresh()?, Secrets::fresh()?);
        assert_ne!(one.app, two.app);
        assert_ne!(one.app, one.admin);
        let text = main_file(&one, "http://127.0.0.1:3");
        text.parse::<toml::Table>().with_context(|| text.clone())?;
        Ok(())
    }

    #[test]
    fn the_desks_that_are_told_are_the_desks_that_exist() -> Result<()> {
        let file: toml::Table = main_file(&Secrets::fresh()?, "http://127.0.0.1:3").parse()?;
        let mut configured: Vec<&str> = file["desks"]
            .as_table()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let mut told = desks();
        configured.sort_unstable();
        told.sort_unstable();
        assert_eq!(configured, told);
        Ok(())
    }
}
