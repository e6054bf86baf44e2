//! Configuration that is wrong: said with file, line and column, key, and what
//! would be right; all of the main file or nothing, one provider apart from
//! the other.

use anyhow::{Context, Result};
use http::Method;
use kefu_test_support::config::Config;
use kefu_test_support::gateway::{Gateway, run_command};
use kefu_test_support::plugins::{self, CHAOS};
use serde_json::Value;

#[tokio::test]
async fn an_unknown_key_stops_the_start_and_is_pointed_at() -> Result<()> {
    let text = "[server]\nlisten = \"127.0.0.1:0\"\nlissten_twice = true\n";
    let error = refusal(&Config::new().with_raw_file("kefu.toml", text.as_bytes())).await?;
    for word in ["kefu.toml:3:1", "lissten_twice"] {
        assert!(error.contains(word), "{word:?} in {error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_value_is_named_with_what_would_be_right() -> Result<()> {
    let rows = [
        (
            "server.listen = \"everywhere\"",
            &["server.listen", "everywhere"][..],
        ),
        (
            "server.limits.max_body = \"large\"",
            &["server.limits.max_body", "large", "MiB"],
        ),
        (
            "limits.call_timeout = \"soon\"",
            &["limits.call_timeout", "soon"],
        ),
        ("apps.demo.secret = \"short\"", &["apps.demo.secret"]),
        (
            "desks.support.app = \"nobody\"\ndesks.support.routes = [{ provider = \"zhichi\" }]",
            &["desks.support.app", "nobody"],
        ),
    ];
    for (toml, words) in rows {
        let error = refusal(&Config::new().with(toml)).await?;
        for word in words.iter().chain(&["kefu.toml:"]) {
            assert!(error.contains(word), "{word:?} in {error}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_no_toml_or_is_not_there_is_named() -> Result<()> {
    let error = refusal(&Config::new().with_raw_file("kefu.toml", b"[server\nlisten =")).await?;
    assert!(error.contains("kefu.toml:1:"), "{error}");
    let output = run_command(&["run", "--config", "/nonexistent/kefu.toml"]).await?;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("/nonexistent/kefu.toml"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_variable_that_is_not_set_is_named_and_a_default_stands_in() -> Result<()> {
    let missing = Config::new().with("apps.demo.secret = \"${KEFU_TEST_NOT_SET_ANYWHERE}\"");
    let error = refusal(&missing).await?;
    for word in [
        "KEFU_TEST_NOT_SET_ANYWHERE",
        "apps.demo.secret",
        "kefu.toml:",
    ] {
        assert!(error.contains(word), "{word:?} in {error}");
    }
    let chaos = Config::new()
        .with_provider(
            "chaos",
            "plugin = \"${KEFU_TEST_NOT_SET_ANYWHERE:-libkefu_chaos.so}\"",
        )
        .with_desk("chaos", "routes = [{ provider = \"chaos\" }]");
    let gateway = Gateway::start(chaos, &[CHAOS]).await?;
    gateway.visitor("v").open("chaos").await?;
    Ok(())
}

#[tokio::test]
async fn a_secret_that_is_wrong_is_not_repeated() -> Result<()> {
    let error = refusal(&Config::new().with("apps.demo.secret = \"s3cr3t\"")).await?;
    assert!(!error.contains("s3cr3t"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_provider_file_leaves_the_others_serving() -> Result<()> {
    let config = Config::new()
        .with_provider("chaos", "plugin = \"libkefu_chaos.so\"")
        .with_provider("wrong", "plugin = \"libkefu_chaos.so\"\ncolour = \"red\"")
        .with_raw_file("providers/broken.toml", b"id = \"broken\nplugin")
        .with_desk(
            "chaos",
            "routes = [{ provider = \"wrong\" }, { provider = \"chaos\" }]",
        );
    let gateway = Gateway::start(config, &[CHAOS]).await?;
    let session = gateway.visitor("v").open("chaos").await?;
    assert_eq!(session["provider"], "chaos");
    let log = gateway.log();
    for word in ["wrong.toml:", "colour", "broken.toml:2:"] {
        assert!(log.contains(word), "{word:?} in {log}");
    }
    let list = gateway
        .admin_request(Method::GET, "/admin/v1/providers")
        .send()
        .await?
        .expect(200)?
        .json()?;
    let chaos = list["providers"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|entry| entry["id"] == "chaos");
    assert_eq!(chaos.context("the good one is listed")?["state"], "active");

    let file = gateway.dir().join("kefu.toml");
    let output = run_command(&[
        "check",
        "--json",
        "--config",
        file.to_str().context("UTF-8")?,
    ])
    .await?;
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert!(
        report["problems"].to_string().contains("colour"),
        "{report}"
    );
    Ok(())
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() -> Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let error = refusal(&Config::new().with(&format!("server.listen = \"{address}\""))).await?;
    assert!(
        error.contains(&address) && error.contains("server.listen"),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn a_command_mints_a_token_that_works() -> Result<()> {
    let chaos = Config::new()
        .with_provider("chaos", "plugin = \"libkefu_chaos.so\"")
        .with_desk("chaos", "routes = [{ provider = \"chaos\" }]");
    let gateway = Gateway::start(chaos, &[CHAOS]).await?;
    let file = gateway.dir().join("kefu.toml");
    let file = file.to_str().context("UTF-8")?;
    let output = run_command(&[
        "token",
        "--config",
        file,
        "--app",
        "demo",
        "--visitor",
        "v1",
    ])
    .await?;
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let token = String::from_utf8(output.stdout)?;
    let visitor = gateway.visitor("somebody").with_token(token.trim());
    let session = visitor.open("chaos").await?;
    let session = session["id"].as_str().context("an id")?;
    assert_eq!(
        gateway.visitor("v1").session(session).await?["id"],
        session,
        "it is v1's session"
    );
    let output = run_command(&[
        "token",
        "--config",
        file,
        "--app",
        "nobody",
        "--visitor",
        "v1",
    ])
    .await?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nobody"));
    Ok(())
}

/// Runs a gateway that must not start, and returns why.
async fn refusal(config: &Config) -> Result<String> {
    let dir = tempfile::tempdir()?;
    config.write(dir.path())?;
    plugins::stage(&dir.path().join("adapters"), &[])?;
    let file = dir.path().join("kefu.toml");
    let output = run_command(&["run", "--config", file.to_str().context("UTF-8")?]).await?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(output.stdout.is_empty(), "nothing says that it is ready");
    Ok(error)
}
