//! A vendor's emoticons: Unicode for visitors, the vendor's codes for its
//! agents, and a table that is replaced while they talk.

use anyhow::{Result, ensure};
use kefu_test_support::chat::Chat;
use kefu_test_support::config::Config;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use serde_json::{Value, json};

const TABLE: &str = include_str!("../../config/emoji/jiaxin.toml");

#[tokio::test]
async fn both_sides_see_emoji_in_their_own_form() -> Result<()> {
    let stage = Stage::with(|config| with_table(config, TABLE)).await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    ensure!(
        emoji_form(&chat).await? == "native",
        "that is how they arrive"
    );

    chat.say("收到🙂👍🏽🦄").await?;
    let heard = chat.wait_for_calls("message.send", 1).await?;
    let content = &heard[0]["body"]["data"]["content"];
    ensure!(content["text"] == "收到[微笑]👍🏽🦄", "{content}");
    let said = chat.wait_for("what was said", |event| {
        event.from_kind() == Some("visitor")
    });
    ensure!(
        said.await?.text() == Some("收到🙂👍🏽🦄"),
        "kept as it was said"
    );

    chat.agent_says("好的[微笑][强]，见 https://a.example/[x]")
        .await?;
    chat.wait_for_text("好的🙂👍，见 https://a.example/[x]")
        .await?;
    let known = json!({ "action": "emoji", "code": "/::)", "text": "[玫瑰]" });
    chat.agent(&known).await?;
    chat.wait_for_text("🌹").await?;
    let unknown = json!({ "action": "emoji", "code": "/:dance", "text": "[转圈圈]" });
    chat.agent(&unknown).await?;
    let own = json!({ "type": "emoji", "code": "/:dance", "text": "[转圈圈]" });
    chat.wait_for("the vendor's own", |event| event.data["content"] == own)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_table_is_replaced_while_a_session_goes_on() -> Result<()> {
    let mut stage = Stage::with(|config| config).await?;
    let visitor = stage.visitor();
    let chat = Chat::open(&stage.simulators, visitor, Vendor::Jiaxin, "jiaxin").await?;
    ensure!(emoji_form(&chat).await? == "text", "codes arrive as text");

    stage
        .gateway
        .reconfigure(|config| with_table(config, TABLE))?;
    wait_for_reload(&stage, "providers.jiaxin.emoji").await?;
    chat.reach_agent().await?;
    let changed = chat.wait_for_type("session.capabilities").await?;
    ensure!(
        changed.data["capabilities"]["emoji"] == "native",
        "{changed:?}"
    );
    chat.agent_says("您好[微笑]").await?;
    chat.wait_for_text("您好🙂").await?;

    // A table that is wrong changes nothing, and says where.
    let wrong = TABLE.replace("\"[微笑]\" = \"🙂\"", "\"[微笑]\" = \"smile\"");
    stage
        .gateway
        .reconfigure(|config| with_table(config, &wrong))?;
    let report = wait_for_problem(&stage, "emoji/jiaxin.toml").await?;
    ensure!(report["outcome"] == "refused", "{report}");
    chat.agent_says("还在[微笑]").await?;
    chat.wait_for_text("还在🙂").await?;

    let other = TABLE.replace("\"[微笑]\" = \"🙂\"", "\"[微笑]\" = \"😀\"");
    stage
        .gateway
        .reconfigure(|config| with_table(config, &other))?;
    wait_for_reload(&stage, "providers.jiaxin.emoji").await?;
    chat.agent_says("新的[微笑]").await?;
    chat.wait_for_text("新的😀").await?;
    Ok(())
}

#[tokio::test]
async fn without_a_table_codes_are_shown_as_they_are() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    ensure!(emoji_form(&chat).await? == "text", "codes arrive as text");
    chat.agent_says("好的[微笑]").await?;
    chat.wait_for_text("好的[微笑]").await?;
    Ok(())
}

fn with_table(config: Config, table: &str) -> Config {
    config
        .with_provider("jiaxin", "emoji = \"emoji/jiaxin.toml\"")
        .with_raw_file("emoji/jiaxin.toml", table)
}

async fn emoji_form(chat: &Chat<'_>) -> Result<Value> {
    Ok(chat.session().await?["capabilities"]["emoji"].clone())
}

/// Waits until the newest reload that changed something named this.
async fn wait_for_reload(stage: &Stage, change: &str) -> Result<Value> {
    wait_for(stage, change, |report| {
        let changes = report["changes"].as_array().into_iter().flatten();
        changes.clone().any(|one| one == change) && report["outcome"] == "applied"
    })
    .await
}

async fn wait_for_problem(stage: &Stage, file: &str) -> Result<Value> {
    wait_for(stage, file, |report| {
        let mut problems = report["problems"].as_array().into_iter().flatten();
        problems.any(|problem| {
            let place = problem["file"].as_str().unwrap_or_default();
            place.ends_with(file) && problem["line"].as_u64() > Some(1)
        })
    })
    .await
}

async fn wait_for(stage: &Stage, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
    kefu_test_support::wait::until(&format!("a reload with {what}"), async || {
        let newest = stage.gateway.reloads().await?.into_iter().next();
        Ok(newest.filter(|report| is(report)))
    })
    .await
}
