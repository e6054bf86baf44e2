//! Secrets are in the configuration and nowhere else that the gateway writes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use kefu_test_support::{simulators::Vendor, stage::Stage};
use serde_json::json;

#[tokio::test]
async fn no_secret_is_in_the_store_a_dead_letter_or_the_log() -> Result<()> {
    let stage = Stage::start().await?;
    for (vendor, operation) in [
        (Vendor::Zhichi, "chat_send"),
        (Vendor::Jiaxin, "message.send"),
    ] {
        let chat = stage.open_with_agent(vendor).await?;
        // One message arrives, one waits behind a refusal, unsigned.
        let arrived = chat.say("到了").await?;
        assert_eq!(chat.fate(&arrived.id).await?["status"], "delivered");
        let busy = json!({ "kind": "status", "status": 503, "operation": operation, "times": 100 });
        chat.fault(&busy).await?;
        chat.say("等着").await?;
    }
    // At 智齿 a call of which nobody knows becomes a dead letter.
    let lost = stage.open_with_agent(Vendor::Zhichi).await?;
    lost.fault(&json!({ "kind": "drop", "operation": "chat_send", "times": 1 }))
        .await?;
    let line = lost.say("丢了").await?;
    assert_eq!(lost.fate(&line.id).await?["status"], "unknown");

    let secrets = secrets(&stage)?;
    assert_eq!(secrets.len(), 5, "{} secrets were found", secrets.len());
    let mut files = Vec::new();
    written(stage.gateway.dir(), &mut files)?;
    assert!(
        files
            .iter()
            .any(|file| file.extension().is_some_and(|end| end == "db")),
        "no store among {files:?}"
    );
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        for (name, secret) in &secrets {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{name} stands in {}", file.display());
        }
    }
    let log = stage.gateway.log();
    for (name, secret) in &secrets {
        assert!(!log.contains(secret), "{name} stands in the log");
    }
    Ok(())
}

/// What the configuration calls a secret, by its name there.
fn secrets(stage: &Stage) -> Result<Vec<(String, String)>> {
    let config = stage.gateway.config();
    let mut secrets = vec![
        ("the app's secret".to_owned(), config.secret().to_owned()),
        (
            "the admin token".to_owned(),
            config.admin_token().to_owned(),
        ),
    ];
    for (provider, setting) in [
        ("zhichi", "app_key"),
        ("zhichi", "push_secret"),
        ("jiaxin", "secret"),
    ] {
        let text = config.provider_text(provider);
        let prefix = format!("{setting} = \"");
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(&prefix)?.strip_suffix('"'))
            .with_context(|| format!("{provider} has no setting {setting}"))?;
        secrets.push((format!("{provider}.{setting}"), value.to_owned()));
    }
    Ok(secrets)
}

/// Every file that the gateway wrote: all below its folder but the
/// configuration and the plug-ins.
fn written(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("listing {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "providers") {
                written(&path, files)?;
            }
        } else if path
            .extension()
            .is_none_or(|end| end != "toml" && end != "so")
        {
            files.push(path);
        }
    }
    Ok(())
}
