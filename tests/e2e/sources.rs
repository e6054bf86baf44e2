//! Where visitors come from: what the vendor is told, and what operators see.

use anyhow::{Context, Result, ensure};
use http::Method;
use kefu_test_support::chat::Chat;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait;
use serde_json::{Value, json};

#[tokio::test]
async fn the_channel_number_at_jiaxin_follows_the_platform_of_the_app() -> Result<()> {
    let stage = Stage::with(|config| {
        config.with_provider(
            "jiaxin",
            "settings.channels = { web = \"20001\", app = \"20002\" }",
        )
    })
    .await?;
    for (client, expected) in [
        (json!({ "platform": "web" }), "20001"),
        (json!({ "platform": "ios" }), "20002"),
        (json!({ "platform": "Android" }), "20002"),
        (json!({ "platform": "windows" }), "10001"),
        (json!({}), "10001"),
        (json!({ "platform": "web", "channel": "30003" }), "30003"),
    ] {
        let chat = open(&stage, Vendor::Jiaxin, &client).await?;
        let opened = chat.wait_for_calls("session.open", 1).await?;
        let told = &opened[0]["body"]["data"]["channel_no"];
        ensure!(told == expected, "{client}: {told}");
    }
    Ok(())
}

#[tokio::test]
async fn sessions_and_ratings_are_counted_by_where_they_came_from() -> Result<()> {
    let stage =
        Stage::with(|config| config.with("apps.demo.channels = [\"10001\", \"market\"]")).await?;
    let market = json!({ "platform": "iOS", "channel": "market" });
    let chat = open(&stage, Vendor::Jiaxin, &market).await?;
    chat.reach_agent().await?;
    chat.agent(&json!({ "action": "invite" })).await?;
    chat.wait_for_type("evaluation.invited").await?;
    let rating = json!({ "target": "human", "stars": 4 });
    chat.visitor
        .evaluate(chat.id(), &rating)
        .await?
        .expect(202)?;

    let chat = open(&stage, Vendor::Zhichi, &json!({ "platform": "web" })).await?;
    let rating = json!({ "target": "robot", "resolved": true });
    chat.visitor
        .evaluate(chat.id(), &rating)
        .await?
        .expect(202)?;

    // Whatever a client calls itself, it makes no series of its own.
    for number in 0..5 {
        let made_up = json!({ "platform": format!("p{number}"), "channel": format!("c{number}") });
        open(&stage, Vendor::Jiaxin, &made_up).await?;
    }
    let entry = |provider: &str, platform: &str, channel: &str, sessions: u64, ratings: Value| {
        json!({
            "provider": provider, "platform": platform, "channel": channel, "sessions": sessions, "ratings": ratings,
        })
    };
    let expected = json!([
        entry("jiaxin", "ios", "market", 1, json!({ "human": { "4": 1 } })),
        entry("jiaxin", "other", "other", 5, json!({})),
        entry(
            "zhichi",
            "web",
            "none",
            1,
            json!({ "robot": { "resolved": 1 } })
        ),
    ]);
    wait::until("the sources", async || {
        let request = stage
            .gateway
            .admin_request(Method::GET, "/admin/v1/sources");
        let answer: Value = request.send().await?.expect(200)?.json()?;
        ensure!(answer["since"].is_string(), "{answer}");
        ensure!(answer["sources"] == expected, "{answer}");
        Ok(Some(()))
    })
    .await?;
    for (series, value) in [
        (
            r#"kefu_sessions_taken_total{provider="jiaxin",platform="other",channel="other"}"#,
            5.0,
        ),
        (
            r#"kefu_ratings_total{provider="jiaxin",platform="ios",channel="market",target="human",rating="4"}"#,
            1.0,
        ),
    ] {
        let found = stage.gateway.metric(series).await?.context(series)?;
        ensure!(found == value, "{series} is {found}");
    }
    Ok(())
}

/// A fresh visitor's session, opened by this client.
async fn open<'a>(stage: &'a Stage, vendor: Vendor, client: &Value) -> Result<Chat<'a>> {
    let visitor = stage.visitor();
    let name = visitor.id().to_owned();
    let body = json!({ "desk": vendor.name(), "visitor": { "name": name }, "client": client });
    let session = visitor.open_and_wait(&body).await?;
    Chat::of(&stage.simulators, visitor, vendor, &session)
}
