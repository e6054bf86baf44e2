//! `provider add`: from a vendor's name to a conversation (开通).
//!
//! Owns what an operator relies on: what was answered is tried at the vendor,
//! written, and live; what is wrong is said and leaves nothing behind. Talks to
//! the command as a script does, without a terminal.

mod refused;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use kefu_test_support::config::Config;
use kefu_test_support::gateway::Gateway;
use kefu_test_support::plugins::{self, JIAXIN, ZHICHI};
use kefu_test_support::simulators::{Simulators, Vendor};
use kefu_test_support::wait;
use serde_json::{Value, json};
use tokio::process::Command;

/// Vendors, and a gateway that knows neither of them yet.
struct Site {
    simulators: Simulators,
    gateway: Gateway,
    temporary: tempfile::TempDir,
}

impl Site {
    async fn start() -> Result<Self> {
        // A route may wait for its provider.
        let route = |id: &str| format!("routes = [{{ provider = \"{id}\" }}]");
        let config = Config::new()
            .with_desk("zhichi", &route("zhichi"))
            .with_desk("jiaxin", &route("jiaxin"))
            .with_desk("trials", &route("jiaxin-dev"));
        let simulators = Simulators::start_for(&config).await?;
        let gateway = Gateway::start(config, &[ZHICHI, JIAXIN]).await?;
        simulators.connect(&gateway).await?;
        Ok(Self {
            simulators,
            gateway,
            temporary: tempfile::tempdir()?,
        })
    }

    /// The command, with these arguments behind it.
    fn command(&self, vendor: &str, arguments: &[String]) -> Result<Command> {
        let mut command = Command::new(&plugins::built()?.gateway);
        command
            .args(["provider", "add", vendor, "--config"])
            .arg(self.gateway.dir().join("kefu.toml"))
            .args(arguments)
            .env("TMPDIR", self.temporary.path())
            .env("LANG", "C")
            .env_remove("LC_ALL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Ok(command)
    }

    async fn add(&self, vendor: &str, arguments: &[String]) -> Result<Output> {
        let output = self.command(vendor, arguments)?.output();
        let output = tokio::time::timeout(wait::PATIENCE, output).await;
        Ok(output.with_context(|| format!("adding {vendor} did not end"))??)
    }

    /// What an operator would answer for 智齿.
    fn zhichi(&self) -> Vec<String> {
        let base = format!("base_url={}", self.simulators.url(Vendor::Zhichi));
        let key = format!("app_key={}", self.simulators.app_key());
        let push = format!("push_secret={}", self.simulators.push_secret());
        let id = format!("app_id={}", self.simulators.account());
        set(&["admin_email=admin@example.com", &id, &key, &push, &base])
    }

    /// What an operator would answer for 佳信.
    fn jiaxin(&self, app_key: &str) -> Vec<String> {
        let base = format!("base_url={}", self.simulators.url(Vendor::Jiaxin));
        let secret = format!("secret={}", self.simulators.secret(Vendor::Jiaxin));
        set(&[
            app_key,
            "email=ops@example.com",
            &base,
            &secret,
            "org=demo",
            "app=demo",
            "channel=10001",
        ])
    }

    fn provider_file(&self, id: &str) -> PathBuf {
        self.gateway
            .dir()
            .join("providers")
            .join(format!("{id}.toml"))
    }

    /// Calls that the vendor was asked for.
    async fn calls(&self, vendor: Vendor) -> Result<usize> {
        let request = self
            .simulators
            .request(vendor, http::Method::GET, "/control/log?limit=100");
        let answer = request.send().await?.expect(200)?.json()?;
        Ok(kefu_test_support::chat::entries(answer)?.len())
    }

    /// Whether nothing is left of a command that ended badly.
    fn ensure_untouched(&self) -> Result<()> {
        for folder in ["providers", "secrets"] {
            let left = names(&self.gateway.dir().join(folder));
            ensure!(left.is_empty(), "left behind in {folder}: {left:?}");
        }
        let left = names(self.temporary.path());
        ensure!(left.is_empty(), "left behind: {left:?}");
        Ok(())
    }
}

fn set(pairs: &[&str]) -> Vec<String> {
    let argument = |pair: &&str| format!("--set={pair}");
    pairs.iter().map(argument).collect()
}

fn with(mut arguments: Vec<String>, more: &[&str]) -> Vec<String> {
    arguments.extend(more.iter().map(|&text| text.to_owned()));
    arguments
}

fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

fn report(output: &Output) -> Result<Value> {
    ensure!(output.status.success(), "{}", text(output));
    serde_json::from_slice(&output.stdout).with_context(|| text(output))
}

#[tokio::test]
#[expect(
    clippy::print_stdout,
    reason = "the measured time is for whoever reads the run"
)]
async fn a_vendor_that_was_just_added_answers_a_visitor() -> Result<()> {
    let site = Site::start().await?;
    for (vendor, arguments) in [
        ("zhichi", site.zhichi()),
        ("jiaxin", site.jiaxin("app_key=prod-key")),
    ] {
        let output = site.add(vendor, &with(arguments, &["--json"])).await?;
        let written = Instant::now();
        let report = report(&output)?;
        assert_eq!(report["seen"]["gateway"], "live", "{report}");
        let visitor = site.gateway.visitor("v-new");
        let session = visitor.open_and_wait(&json!({ "desk": vendor })).await?;
        assert_eq!(session["provider"], vendor);
        assert_eq!(session["state"], "robot", "{session}");
        println!(
            "{vendor}: live {} ms after its file was in place, a session open {} ms after the command",
            report["seen"]["after_ms"],
            written.elapsed().as_millis()
        );
        assert_eq!(report["desks"], json!([vendor]));
        assert!(report.get("route").is_none(), "there is one: {report}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_told_suffices_and_holds_no_secret() -> Result<()> {
    let site = Site::start().await?;
    let secrets = [site.simulators.app_key(), site.simulators.push_secret()];
    let arguments = with(site.zhichi(), &["--lang", "zh"]);
    let output = site.add("libkefu_zhichi.so", &arguments).await?;
    let told = text(&output);
    assert!(output.status.success(), "{told}");
    for word in [
        "已写入",
        "取得令牌",
        "网关已启用",
        "/v1/callbacks/zhichi/${file:secrets/zhichi.push_secret}",
        "server.public_url",
        "智齿控制台",
    ] {
        assert!(told.contains(word), "no {word} in:\n{told}");
    }
    let file = std::fs::read_to_string(site.provider_file("zhichi"))?;
    for secret in secrets {
        assert!(!told.contains(secret) && !file.contains(secret));
    }
    assert!(
        file.contains("admin_email = \"admin@example.com\""),
        "{file}"
    );
    assert!(file.contains("管理员邮箱"), "{file}");
    let key = site.gateway.dir().join("secrets/zhichi.app_key");
    assert_eq!(std::fs::read_to_string(&key)?, site.simulators.app_key());
    assert_eq!(std::fs::metadata(&key)?.permissions().mode() & 0o777, 0o600);
    Ok(())
}

#[tokio::test]
async fn development_and_production_stand_side_by_side() -> Result<()> {
    let site = Site::start().await?;
    let dev = with(
        site.jiaxin("dev_app_key=dev-key"),
        &["--env", "development", "--json"],
    );
    let live = with(site.jiaxin("app_key=prod-key"), &["--json"]);
    for (id, arguments, desk) in [("jiaxin-dev", dev, "trials"), ("jiaxin", live, "jiaxin")] {
        let report = report(&site.add("jiaxin", &arguments).await?)?;
        assert_eq!(report["provider"], id);
        assert_eq!(report["seen"]["gateway"], "live", "{report}");
        let visitor = site.gateway.visitor(&format!("v-{desk}"));
        let session = visitor.open_and_wait(&json!({ "desk": desk })).await?;
        assert_eq!(session["provider"], id);
    }
    assert!(site.provider_file("jiaxin").exists() && site.provider_file("jiaxin-dev").exists());
    Ok(())
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_calls_nobody() -> Result<()> {
    let site = Site::start().await?;
    let before = site.calls(Vendor::Zhichi).await?;
    let output = site
        .add("zhichi", &with(site.zhichi(), &["--dry-run"]))
        .await?;
    assert!(output.status.success(), "{}", text(&output));
    let file = String::from_utf8(output.stdout.clone())?;
    assert!(
        file.contains("id = \"zhichi\"") && file.contains("[settings]"),
        "{file}"
    );
    assert!(!text(&output).contains(site.simulators.app_key()));
    assert_eq!(site.calls(Vendor::Zhichi).await?, before);
    site.ensure_untouched()
}

#[tokio::test]
async fn secrets_in_the_environment_are_referred_to_and_said() -> Result<()> {
    let site = Site::start().await?;
    let push = format!("push_secret={}", site.simulators.push_secret());
    let base = format!("base_url={}", site.simulators.url(Vendor::Zhichi));
    let mut arguments = set(&["admin_email=a@example.com", "app_id=demo-app", &push, &base]);
    arguments.extend([
        "--secrets".to_owned(),
        "env".to_owned(),
        "--dry-run".to_owned(),
    ]);
    let mut command = site.command("zhichi", &arguments)?;
    command.env("ZHICHI_APP_KEY", site.simulators.app_key());
    let output = command.output().await?;
    let told = text(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("app_key = \"${ZHICHI_APP_KEY}\""), "{told}");
    assert!(
        told.contains("push_secret = \"${ZHICHI_PUSH_SECRET}\""),
        "{told}"
    );
    assert!(told.contains("export ZHICHI_PUSH_SECRET=…"), "{told}");
    assert!(!told.contains(site.simulators.push_secret()));
    Ok(())
}

#[tokio::test]
async fn every_adapter_of_the_folder_can_be_added_by_its_own_words() -> Result<()> {
    let dir = &plugins::built()?.plugins;
    let site = Site::start().await?;
    for (vendor, keys) in ANSWERS {
        let file = format!("libkefu_{vendor}.so");
        if !dir.join(&file).exists() {
            // A folder of an older build; the vendors that are always there
            // have tests of their own.
            continue;
        }
        plugins::stage(&site.gateway.dir().join("adapters"), &[&file])?;
        for (env, id) in [
            ("production", (*vendor).to_owned()),
            ("development", format!("{vendor}-dev")),
        ] {
            let more = ["--dry-run", "--env", env, "--lang", "zh"];
            let output = site.add(vendor, &with(set(keys), &more)).await?;
            let told = text(&output);
            assert!(output.status.success(), "{vendor}: {told}");
            assert!(told.contains(&format!("id = \"{id}\"")), "{told}");
            assert!(told.contains(&format!("/v1/callbacks/{id}")), "{told}");
            assert!(
                told.contains("还需人工完成"),
                "{vendor} says what is left:\n{told}"
            );
        }
    }
    Ok(())
}

/// What each vendor needs, beyond what is made up.
const ANSWERS: &[(&str, &[&str])] = &[
    (
        "zhichi",
        &["admin_email=a@example.com", "app_id=a", "app_key=k"],
    ),
    (
        "jiaxin",
        &[
            "app_key=k",
            "dev_app_key=d",
            "email=a@example.com",
            "base_url=http://127.0.0.1:9",
            "org=o",
            "app=a",
            "channel=10001",
        ],
    ),
    (
        "xiaoneng",
        &[
            "app_key=k",
            "dev_app_key=d",
            "email=a@example.com",
            "base_url=http://127.0.0.1:9",
            "site_id=kf_9999",
            "session_id=s",
        ],
    ),
    (
        "aikefu",
        &[
            "account_id=a",
            "app_key=k",
            "app_secret=s",
            "receive_url=http://127.0.0.1:9/receive",
        ],
    ),
    ("qiyu", &["app_key=k", "app_secret=s"]),
    ("sdp", &["account=a", "base_url=http://127.0.0.1:9"]),
];
