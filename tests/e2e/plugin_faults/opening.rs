//! Adapters that misbehave while they are opened, and files that are damaged:
//! they never come as far as the gateway's process.
//!
//! Owns the proof that preflight stands in front of both isolations: whatever
//! shows when a file is loaded, described, opened or tried ends in words, and
//! the gateway and its other providers go on.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kefu_test_support::config::Config;
use kefu_test_support::gateway::Gateway;
use kefu_test_support::plugins::{self, CHAOS};
use kefu_test_support::{variants, wait};
use serde_json::{Value, json};

/// What is asked for as `on_open`, and words of which the reason has one.
const OPENING: [(&str, &str); 17] = [
    ("panic", "panic"),
    ("abort", "SIGABRT"),
    ("segfault", "SIGSEGV"),
    ("overflow", "overflowed its stack"),
    ("exit 0", "code 0"),
    ("exit 3", "code 3"),
    ("loop", "3000 ms"),
    ("loop 60000", "3000 ms"),
    // Whichever comes first, on a busy machine.
    ("allocate", "memory allocation of|3000 ms"),
    ("garbage", "answer"),
    ("refuse", "on_open"),
    ("unknown", "self-test"),
    ("open /proc/self/maps", "`openat`"),
    ("create chaos-was-here", "`openat`"),
    ("socket", "`socket`"),
    ("proc", "`openat`"),
    ("exec /bin/true", "`execve`"),
];

#[tokio::test]
async fn what_an_adapter_does_while_it_opens_is_a_message_in_both_isolations() -> Result<()> {
    let mut config = Config::new();
    for isolation in ["in-process", "process"] {
        for (number, (asked, _)) in OPENING.iter().enumerate() {
            let file = format!(
                "plugin = \"{CHAOS}\"\nisolation = \"{isolation}\"\nsettings.on_open = \"{asked}\""
            );
            config = config.with_provider(&format!("{isolation}-{number}"), &file);
        }
    }
    let mut gateway = start(config).await?;
    for isolation in ["in-process", "process"] {
        for (number, (asked, word)) in OPENING.iter().enumerate() {
            let told = format!("{asked} ({isolation})");
            let listed = failed(&gateway, &format!("{isolation}-{number}")).await;
            let text = listed.with_context(|| told.clone())?.to_string();
            let said = word.split('|').any(|word| text.contains(word));
            ensure!(said, "{told}: no {word:?} in {text}");
        }
    }
    ensure!(gateway.is_running());
    others_serve(&gateway).await
}

#[tokio::test]
async fn a_flipped_bit_that_nothing_can_do_without_never_reaches_the_gateways_process() -> Result<()>
{
    let whole = plugins::bytes(CHAOS)?;
    let mut files = vec![
        (
            "half".to_owned(),
            variants::truncated(&whole, whole.len() / 2),
        ),
        (
            "short".to_owned(),
            variants::truncated(&whole, whole.len() - 1),
        ),
        ("patched".to_owned(), variants::for_another_machine(&whole)?),
        ("foreign".to_owned(), variants::foreign_library()),
    ];
    for (number, bit) in variants::vital_bits(&whole)?.into_iter().enumerate() {
        let flipped = variants::flipped(&whole, bit.at, bit.bit);
        files.push((format!("bit-{number}"), flipped));
    }
    let mut config = Config::new();
    for (name, bytes) in &files {
        config = config.with_raw_file(&format!("adapters/{name}.so"), bytes);
        for isolation in ["in-process", "process"] {
            let file = format!("plugin = \"{name}.so\"\nisolation = \"{isolation}\"");
            config = config.with_provider(&format!("{name}-{isolation}"), &file);
        }
    }
    let mut gateway = start(config).await?;
    for (name, _) in &files {
        for isolation in ["in-process", "process"] {
            let listed = failed(&gateway, &format!("{name}-{isolation}")).await;
            let text = listed.context(name.clone())?.to_string();
            ensure!(text.contains(&format!("{name}.so")), "{text}");
        }
    }
    ensure!(gateway.is_running());
    others_serve(&gateway).await
}

/// A gateway with these providers and one that behaves.
async fn start(config: Config) -> Result<Gateway> {
    let config = config
        .with("plugins.stage_timeout = \"3s\"")
        .with_provider("good", &format!("plugin = \"{CHAOS}\""))
        .with_desk("good", "routes = [{ provider = \"good\" }]");
    Gateway::start(config, &[CHAOS]).await
}

/// Waits until the provider is given up, and returns its entry.
async fn failed(gateway: &Gateway, id: &str) -> Result<Value> {
    wait::until_within(
        Duration::from_secs(60),
        &format!("{id} to be given up"),
        async || {
            let entry = gateway.find_provider(id).await?;
            let entry = entry.with_context(|| format!("no provider {id}"))?;
            ensure!(entry["state"] == "failed", "it is {entry}");
            Ok(Some(entry))
        },
    )
    .await
}

async fn others_serve(gateway: &Gateway) -> Result<()> {
    let visitor = gateway.visitor("unaffected");
    let opened = visitor.open_and_wait(&json!({ "desk": "good" })).await?;
    let session = opened["id"].as_str().context("a session has an id")?;
    visitor.send_text(session, "hello").await?;
    visitor
        .wait_for(session, "the echo", |event| {
            event.from_kind() == Some("robot") && event.text() == Some("hello")
        })
        .await?;
    Ok(())
}
