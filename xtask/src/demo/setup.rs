//! What the demo runs with: secrets, commands, configuration files.
//!
//! Owns the demo's configuration. Secrets are made anew for every run and are
//! known to the demo's folder only, which is emptied by the next run.

use super::net;
use super::show::Addresses;
use crate::products;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Command;

/// The app's key.
pub(crate) const APP: &str = "demo";
/// The desks: shared by both vendors, and one for each.
pub(crate) const DESKS: [&str; 3] = ["support", "zhichi", "jiaxin"];

/// What both ends of every connection must know.
pub(crate) struct Secrets {
    /// Signs visitor tokens.
    pub(crate) app: String,
    /// Opens the admin API.
    pub(crate) admin: String,
    zhichi_key: String,
    zhichi_push: String,
    jiaxin: String,
}

impl Secrets {
    /// New ones.
    pub(crate) fn fresh() -> Result<Self> {
        Ok(Self {
            app: random_hex()?,
            admin: random_hex()?,
            zhichi_key: random_hex()?,
            zhichi_push: random_hex()?,
            // Hex digits are base64 digits.
            jiaxin: format!("whsec_{}", random_hex()?),
        })
    }
}

/// Where the simulators are.
pub(crate) struct Vendors {
    pub(crate) zhichi: String,
    pub(crate) jiaxin: String,
    /// The demo application, which serves the chat page.
    pub(crate) app: String,
}

impl Vendors {
    /// From the simulators' ready line.
    pub(crate) fn from_ready(ready: &Value) -> Result<Self> {
        let url = |key: &str| {
            let url = ready[key].as_str().map(str::to_owned);
            url.with_context(|| format!("the simulators' ready line has no {key}: {ready}"))
        };
        Ok(Self {
            zhichi: url("zhichi")?,
            jiaxin: url("jiaxin")?,
            app: url("app")?,
        })
    }
}

/// How the simulators are started.
pub(crate) fn simulators(program: &Path, secrets: &Secrets) -> Command {
    let mut command = Command::new(program);
    command
        .arg("--exit-with-stdin")
        .args([
            "--zhichi-app-id",
            "demo-app",
            "--zhichi-app-key",
            &secrets.zhichi_key,
        ])
        .args([
            "--jiaxin-secret",
            &secrets.jiaxin,
            "--jiaxin-org",
            "demo",
            "--jiaxin-app",
            "kefu",
        ])
        .args([
            "--app-key",
            APP,
            "--app-secret",
            &secrets.app,
            "--desk",
            DESKS[0],
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
    for (path, text) in [
        (dir.join("kefu.toml"), main_file(secrets, &vendors.app)),
        (
            providers.join("zhichi.toml"),
            zhichi_file(secrets, &vendors.zhichi),
        ),
        (
            providers.join("jiaxin.toml"),
            jiaxin_file(secrets, &vendors.jiaxin),
        ),
    ] {
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Tells the vendors where to push, and the application where the gateway is.
pub(crate) fn connect(addresses: &Addresses) -> Result<()> {
    let callbacks = format!("{}/v1/callbacks", addresses.gateway);
    let zhichi = json!({ "url": format!("{callbacks}/zhichi/{}", addresses.secrets.zhichi_push) });
    let jiaxin = json!({ "url": format!("{callbacks}/jiaxin") });
    let app = json!({ "gateway": addresses.gateway });
    for (url, path, body) in [
        (&addresses.vendors.zhichi, "control/callback", zhichi),
        (&addresses.vendors.jiaxin, "control/callback", jiaxin),
        (&addresses.vendors.app, "config", app),
    ] {
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
    format!(
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
[desks.support]
app = "{APP}"
title = "在线客服"
[[desks.support.routes]]
provider = "zhichi"
weight = 50
[[desks.support.routes]]
provider = "jiaxin"

[desks.zhichi]
app = "{APP}"
title = "智齿"
[[desks.zhichi.routes]]
provider = "zhichi"

[desks.jiaxin]
app = "{APP}"
title = "佳信"
[[desks.jiaxin.routes]]
provider = "jiaxin"
"#,
        admin = secrets.admin,
        app = secrets.app,
    )
}

fn zhichi_file(secrets: &Secrets, url: &str) -> String {
    format!(
        r#"id = "zhichi"
plugin = "libkefu_zhichi.so"
hosts = ["{host}"]

[settings]
base_url = "{url}"
app_id = "demo-app"
app_key = "{key}"
push_secret = "{push}"
"#,
        host = host_of(url),
        key = secrets.zhichi_key,
        push = secrets.zhichi_push,
    )
}

fn jiaxin_file(secrets: &Secrets, url: &str) -> String {
    format!(
        r#"id = "jiaxin"
plugin = "libkefu_jiaxin.so"
hosts = ["{host}"]

[settings]
base_url = "{url}"
secret = "{secret}"
org = "demo"
app = "kefu"
group = "service"
channel = "10001"
"#,
        host = host_of(url),
        secret = secrets.jiaxin,
    )
}

fn host_of(url: &str) -> &str {
    url.trim_start_matches("http://")
}

/// 32 random bytes as 64 hex digits.
fn random_hex() -> Result<String> {
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
    fn every_file_is_toml_and_every_run_has_its_own_secrets() -> Result<()> {
        let (one, two) = (Secrets::fresh()?, Secrets::fresh()?);
        assert_ne!(one.app, two.app);
        assert_ne!(one.app, one.admin);
        for text in [
            main_file(&one, "http://127.0.0.1:3"),
            zhichi_file(&one, "http://127.0.0.1:1"),
            jiaxin_file(&one, "http://127.0.0.1:2"),
        ] {
            text.parse::<toml::Table>().with_context(|| text.clone())?;
        }
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
        let mut told = DESKS;
        configured.sort_unstable();
        told.sort_unstable();
        assert_eq!(configured, told);
        Ok(())
    }
}
