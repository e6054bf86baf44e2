//! Plug-in files that cannot serve, and adapters that misbehave: each costs its
//! own provider, or its own turn, and is explained; the others serve.

mod behaviours;
mod neighbours;
mod opening;
mod serving;

use std::path::Path;

use anyhow::{Context, Result};
use http::Method;
use kefu_test_support::config::Config;
use kefu_test_support::gateway::{Gateway, run_command};
use kefu_test_support::plugins::{
    self, CHAOS, CHAOS_ABORT, CHAOS_NEWER_MAJOR, CHAOS_OTHER_LAYOUT, ZHICHI,
};
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::visitor::{Visitor, check_gap_free};
use serde_json::{Value, json};

#[tokio::test]
async fn a_missing_plug_in_is_waited_for_and_the_others_serve() -> Result<()> {
    let gateway = Gateway::start(with_broken(Config::new(), "libkefu_late.so"), &[CHAOS]).await?;
    let broken = provider(&gateway, "broken").await?;
    assert_eq!(
        (&broken["state"], &broken["works"]),
        (&json!("waiting"), &json!(false))
    );
    let text = broken.to_string();
    assert!(text.contains("libkefu_late.so"), "{text}");
    others_serve(&gateway).await
}

#[tokio::test]
async fn a_file_that_is_no_plug_in_is_refused_with_its_reason() -> Result<()> {
    let whole = std::fs::read(plugins::file(ZHICHI)?)?;
    let half = &whole[..whole.len() / 2];
    let library = std::fs::read(plugins::file(CHAOS_OTHER_LAYOUT)?)?;
    let newer = std::fs::read(plugins::file(CHAOS_NEWER_MAJOR)?)?;
    let aborts = std::fs::read(plugins::file(CHAOS_ABORT)?)?;
    let rows: [(&str, &[u8], &[&str]); 6] = [
        (
            "libkefu_text.so",
            b"#!/bin/sh\necho hello\n",
            &["shared object"],
        ),
        ("libkefu_empty.so", b"", &["shared object"]),
        ("libkefu_half.so", half, &["complete shared object"]),
        ("libkefu_layout.so", &library, &["layout"]),
        (
            "libkefu_newer.so",
            &newer,
            &["contract 1", "update the gateway"],
        ),
        ("libkefu_abort.so", &aborts, &["panic"]),
    ];
    let mut config = Config::new();
    for (file, bytes, _) in &rows {
        config = config
            .with_provider(name_of(file), &format!("plugin = \"{file}\""))
            .with_desk(
                name_of(file),
                &format!("routes = [{{ provider = \"{}\" }}]", name_of(file)),
            )
            .with_raw_file(&format!("adapters/{file}"), bytes);
    }
    let gateway = Gateway::start(with_chaos(config), &[CHAOS]).await?;
    for (file, _, words) in &rows {
        let listed = provider(&gateway, name_of(file)).await?;
        assert_eq!(
            (&listed["state"], &listed["works"]),
            (&json!("failed"), &json!(false)),
            "{listed}"
        );
        let text = listed.to_string();
        for word in [*file, "expected", "found"].iter().chain(*words) {
            assert!(text.contains(word), "{word:?} in {text}");
        }
        let refused = gateway
            .visitor("v")
            .try_open(&json!({ "desk": name_of(file) }))
            .await?;
        refused.expect_problem(503, "no-provider-available")?;
    }
    let ready = gateway
        .admin_request(Method::GET, "/readyz")
        .send()
        .await?
        .expect(200)?
        .json()?;
    assert_eq!(ready["status"], "ready", "one provider works");
    others_serve(&gateway).await
}

#[tokio::test]
async fn settings_that_the_adapter_refuses_are_named() -> Result<()> {
    let refuses = "plugin = \"libkefu_chaos.so\"\nsettings.on_open = \"refuse\"";
    let panics = "plugin = \"libkefu_chaos.so\"\nsettings.on_open = \"panic\"";
    let unsigned = "plugin = \"libkefu_zhichi.so\"\nhosts = [\"127.0.0.1\"]\nsettings.app_id = \"\"\nsettings.app_key = \"k\"\nsettings.push_secret = \"0123456789abcdef\"";
    let unknown = "plugin = \"libkefu_zhichi.so\"\nsettings.colour = \"red\"";
    let config = with_chaos(Config::new())
        .with_provider("refuses", refuses)
        .with_provider("panics", panics)
        .with_provider("unsigned", unsigned)
        .with_provider("unknown", unknown);
    let gateway = Gateway::start(config, &[CHAOS, ZHICHI]).await?;
    for (id, word) in [
        ("refuses", "on_open"),
        ("panics", "panic"),
        ("unsigned", "app_id"),
        ("unknown", "colour"),
    ] {
        let listed = provider(&gateway, id).await?;
        assert_eq!(listed["state"], "failed", "{listed}");
        assert!(listed.to_string().contains(word), "{word:?} in {listed}");
    }
    others_serve(&gateway).await
}

#[tokio::test]
async fn a_secret_never_shows_in_the_list_of_providers() -> Result<()> {
    let stage = Stage::shared().await?;
    let request = stage
        .gateway
        .admin_request(Method::GET, "/admin/v1/providers");
    let text = request.send().await?.expect(200)?.text();
    let log = stage.gateway.log();
    let of_vendors = Vendor::ALL.map(|vendor| stage.simulators.secret(vendor));
    let others = [
        stage.simulators.push_secret(),
        stage.gateway.config().secret(),
    ];
    for secret in of_vendors.into_iter().chain(others) {
        assert!(!text.contains(secret) && !log.contains(secret));
    }
    let zhichi = provider(&stage.gateway, "zhichi").await?;
    for key in [
        "adapter",
        "version",
        "sha256",
        "contract",
        "generation",
        "state",
        "in_flight",
        "faults",
    ] {
        assert!(!zhichi[key].is_null(), "{key} in {zhichi}");
    }
    assert_eq!(
        (&zhichi["adapter"], &zhichi["state"], &zhichi["generation"]),
        (&json!("zhichi"), &json!("active"), &json!(1))
    );
    Ok(())
}

#[tokio::test]
async fn check_names_what_would_not_run_and_exits_with_1() -> Result<()> {
    let dir = Folder::with(&with_broken(Config::new(), "libkefu_text.so"), &[CHAOS])?;
    std::fs::write(dir.path().join("adapters/libkefu_text.so"), "not a plug-in")?;
    let file = dir.path().join("kefu.toml");
    let file = file.to_str().context("a path in UTF-8")?;
    let output = run_command(&["check", "--config", file]).await?;
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for word in ["broken", "libkefu_text.so", "expected", "found"] {
        assert!(text.contains(word), "{word:?} in {text}");
    }
    let output = run_command(&["check", "--json", "--config", file]).await?;
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).context("one JSON document")?;
    assert_eq!(report["ok"], false);
    assert!(report.to_string().contains("libkefu_text.so"), "{report}");

    plugins::stage(&dir.path().join("adapters"), &[CHAOS])?;
    std::fs::rename(
        dir.path().join("adapters").join(CHAOS),
        dir.path().join("adapters/libkefu_text.so"),
    )?;
    plugins::stage(&dir.path().join("adapters"), &[CHAOS])?;
    let output = run_command(&["check", "--config", file]).await?;
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    Ok(())
}

#[tokio::test]
async fn a_turn_that_the_adapter_breaks_leaves_nothing_behind() -> Result<()> {
    let mut gateway = Gateway::start(with_chaos(Config::new()), &[CHAOS]).await?;
    let visitor = gateway.visitor("v");
    let session = opened(&visitor).await?;
    let mut before = visitor.events(&session, 0).await?;
    for command in ["panic", "error", "vendor", "illegal", "flood 20"] {
        let refused = visitor
            .try_send(&session, &json!({ "type": "text", "text": command }))
            .await?;
        refused.expect_problem(503, "provider-unavailable")?;
        assert_eq!(visitor.events(&session, 0).await?, before, "{command}");
        assert!(gateway.is_running(), "{command}");
    }
    let faults = provider(&gateway, "chaos").await?;
    assert!(
        faults["faults"].as_u64().is_some_and(|faults| faults >= 4),
        "{faults}"
    );
    // The session has taken no harm.
    visitor.send_text(&session, "hello").await?;
    visitor
        .wait_for(&session, "the echo", |event| {
            event.text() == Some("hello") && event.from_kind() == Some("robot")
        })
        .await?;
    before = visitor.events(&session, 0).await?;
    check_gap_free(&before)?;
    Ok(())
}

#[tokio::test]
async fn an_adapter_that_hangs_costs_its_turn_and_no_other_provider() -> Result<()> {
    let config = with_chaos(Config::new()).with("limits.call_timeout = \"300ms\"");
    let config = config
        .with_provider("other", "plugin = \"libkefu_chaos.so\"")
        .with_desk("other", "routes = [{ provider = \"other\" }]");
    let gateway = Gateway::start(config, &[CHAOS]).await?;
    let stuck = gateway.visitor("stuck");
    let session = opened(&stuck).await?;
    let other = gateway.visitor("other");
    let elsewhere = other.open("other").await?;
    let elsewhere = elsewhere["id"].as_str().context("an id")?.to_owned();
    let hang = json!({ "type": "text", "text": "loop 4000" });
    let (hung, said) = tokio::join!(
        stuck.try_send(&session, &hang),
        other.send_text(&elsewhere, "hello")
    );
    said?;
    hung?.expect_problem(503, "provider-unavailable")?;
    other
        .wait_for(&elsewhere, "the echo", |event| {
            event.from_kind() == Some("robot")
        })
        .await?;
    assert!(
        provider(&gateway, "chaos").await?["faults"]
            .as_u64()
            .is_some_and(|faults| faults >= 1)
    );
    Ok(())
}

#[tokio::test]
async fn a_callback_that_makes_the_adapter_panic_is_answered_with_503() -> Result<()> {
    let mut gateway = Gateway::start(with_chaos(Config::new()), &[CHAOS]).await?;
    let url = format!("{}/v1/callbacks/chaos", gateway.public());
    let callback = |body: &'static str| {
        kefu_test_support::http::Client::new()
            .post(&url)
            .header("x-key", "chaos")
            .body("text/plain", body)
    };
    callback("panic")
        .send()
        .await?
        .expect_problem(503, "provider-unavailable")?;
    assert!(gateway.is_running());
    callback("{\"chat\":\"nobody\",\"id\":\"1\",\"text\":\"hi\"}")
        .send()
        .await?
        .expect(200)?;
    others_serve(&gateway).await
}

#[tokio::test]
async fn an_adapter_that_fails_many_visitors_is_quarantined_and_the_others_serve() -> Result<()> {
    let config = with_chaos(Config::new())
        .with_provider("other", "plugin = \"libkefu_chaos.so\"")
        .with_desk("other", "routes = [{ provider = \"other\" }]");
    let gateway = Gateway::start(config, &[CHAOS]).await?;
    let state = kefu_test_support::wait::until("the quarantine", async || {
        let visitor = gateway.visitor(&kefu_test_support::config::fresh_secret());
        let opened = visitor.try_open(&json!({ "desk": "chaos" })).await?;
        if opened.status == 201 {
            let session = opened.json()?["id"].as_str().unwrap_or_default().to_owned();
            let panics = json!({ "type": "text", "text": "panic" });
            visitor
                .try_send(&session, &panics)
                .await?
                .expect_problem(503, "provider-unavailable")?;
        }
        let listed = provider(&gateway, "chaos").await?;
        Ok((listed["state"] == "quarantined").then_some(listed))
    })
    .await?;
    assert!(
        state["reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty()),
        "{state}"
    );
    gateway
        .visitor("late")
        .try_open(&json!({ "desk": "chaos" }))
        .await?
        .expect_problem(503, "no-provider-available")?;
    let other = gateway.visitor("other");
    let session = other.open("other").await?;
    other
        .send_text(session["id"].as_str().unwrap_or_default(), "hello")
        .await?;
    Ok(())
}

/// A desk and a provider `chaos`, the others of these tests.
fn with_chaos(config: Config) -> Config {
    config
        .with_provider("chaos", "plugin = \"libkefu_chaos.so\"")
        .with_desk("chaos", "routes = [{ provider = \"chaos\" }]")
}

/// Beside it a provider `broken` with this plug-in file.
fn with_broken(config: Config, file: &str) -> Config {
    with_chaos(config)
        .with_provider("broken", &format!("plugin = \"{file}\""))
        .with_desk("broken", "routes = [{ provider = \"broken\" }]")
}

async fn opened(visitor: &Visitor) -> Result<String> {
    let session = visitor.open("chaos").await?;
    Ok(session["id"]
        .as_str()
        .context("a session has an id")?
        .to_owned())
}

async fn others_serve(gateway: &Gateway) -> Result<()> {
    let visitor = gateway.visitor("unaffected");
    let session = opened(&visitor).await?;
    visitor.send_text(&session, "hello").await?;
    visitor
        .wait_for(&session, "the echo", |event| {
            event.from_kind() == Some("robot")
        })
        .await?;
    Ok(())
}

/// What operators are told about a provider.
async fn provider(gateway: &Gateway, id: &str) -> Result<Value> {
    let list = gateway
        .admin_request(Method::GET, "/admin/v1/providers")
        .send()
        .await?
        .expect(200)?
        .json()?;
    let found = list["providers"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|entry| entry["id"] == id);
    found.cloned().with_context(|| format!("no {id} in {list}"))
}

/// `libkefu_text.so` → `text`.
fn name_of(file: &str) -> &str {
    file.trim_start_matches("libkefu_").trim_end_matches(".so")
}

/// A folder of configuration and plug-ins that no gateway runs in.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(config: &Config, files: &[&str]) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        config.write(dir.path())?;
        plugins::stage(&dir.path().join("adapters"), files)?;
        Ok(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}
