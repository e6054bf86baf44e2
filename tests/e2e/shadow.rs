//! Shadows: what 佳信 would have made of 智齿's sessions, with nothing sent to
//! it, and at no cost to anybody.

use anyhow::{Context, Result, ensure};
use http::Method;
use kefu_test_support::chat::{Chat, entries};
use kefu_test_support::config::Config;
use kefu_test_support::gateway::{Gateway, run_command};
use kefu_test_support::plugins::{self, CHAOS};
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait;
use serde_json::{Value, json};

const SAID: &str = "WORDS-THAT-WERE-SAID";

#[tokio::test]
async fn a_vendor_is_judged_before_its_first_visitor_and_hears_nothing() -> Result<()> {
    let stage = Stage::with(|config| {
        config.with_desk(
            "support",
            "routes = [{ provider = \"zhichi\", shadow = \"jiaxin\" }]",
        )
    })
    .await?;
    let chat = open(&stage).await?;
    chat.reach_agent().await?;
    let place = json!({ "type": "location", "latitude": 39.9, "longitude": 116.4, "label": SAID });
    let article = json!({
        "type": "rich", "title": SAID, "summary": SAID, "url": "https://shop.example.com/1"
    });
    let product = json!({
        "type": "custom", "name": "cs:product", "fallback_text": SAID, "payload": { "a": SAID }
    });
    let text = json!({ "type": "text", "text": SAID });
    for content in [&text, &place, &article, &product] {
        let accepted = chat.send_accepted(content).await?;
        assert_eq!(chat.fate(&accepted.id).await?["status"], "delivered");
    }
    let shadow = report(&stage.gateway, |shadow| {
        let messages = &shadow["messages"];
        messages["refused"] == 1 && messages["converted"] == 2
    })
    .await?;
    for (key, value) in [
        ("desk", "support"),
        ("provider", "zhichi"),
        ("shadow", "jiaxin"),
    ] {
        assert_eq!(shadow[key], value);
    }
    assert_eq!(
        (&shadow["sessions"], &shadow["left_out"]),
        (&json!(1), &json!(0))
    );
    let full = shadow["messages"]["full"].as_u64().unwrap_or_default();
    assert!(full >= 1, "{shadow}");
    let kinds = shadow["kinds"].as_array().context("kinds")?;
    let count = |kind: &str, result: &str| {
        kinds
            .iter()
            .any(|it| it["kind"] == kind && it["state"] == "human" && it["result"] == result)
    };
    assert!(count("location", "refused"), "{shadow}");
    assert!(
        count("rich", "converted") && count("custom", "converted"),
        "{shadow}"
    );
    let calls = shadow["calls"]["would_leave"].as_u64().unwrap_or_default();
    assert!(calls >= full + 2, "opening, asking and saying: {shadow}");
    assert_eq!(shadow["calls"]["refused"], 0);
    assert_eq!(shadow["faults"], json!({}));
    assert!(!shadow.to_string().contains(SAID), "{shadow}");
    nothing_came_to(&stage, Vendor::Jiaxin).await?;

    chat.visitor.exit(chat.id()).await?.expect(202)?;
    let metrics = stage.gateway.admin_request(Method::GET, "/metrics");
    let page = metrics.send().await?.expect(200)?.text();
    let line = "kefu_shadow_messages_total{desk=\"support\",provider=\"zhichi\",shadow=\"jiaxin\",result=\"refused\"} 1";
    assert!(page.contains(line), "{page}");
    let told = run_command(&[
        "shadow",
        "--lang",
        "zh",
        "--admin",
        &stage.gateway.admin(),
        "--token",
        stage.gateway.config().admin_token(),
    ])
    .await?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(
        told.contains("zhichi → jiaxin") && told.contains("location"),
        "{told}"
    );
    nothing_came_to(&stage, Vendor::Jiaxin).await
}

#[tokio::test]
async fn a_shadow_that_panics_or_hangs_costs_the_live_session_nothing() -> Result<()> {
    let stage = Stage::with(|config| {
        config
            .with("limits.call_timeout = \"1s\"")
            .with_provider("chaos", CHAOS_PROVIDER)
            .with_desk(
                "support",
                "routes = [{ provider = \"zhichi\", shadow = \"chaos\" }]",
            )
    })
    .await?;
    let file = stage.gateway.plugin_path(CHAOS);
    plugins::stage(file.parent().context("a folder")?, &[CHAOS])?;
    wait::until("the adapter", async || {
        let chaos = provider(&stage.gateway, "chaos").await?;
        Ok((chaos["state"] == "active").then_some(()))
    })
    .await?;
    for _ in 0..6 {
        let chat = open(&stage).await?;
        chat.reach_agent().await?;
        let said = chat.say("panic").await?;
        assert_eq!(chat.fate(&said.id).await?["status"], "delivered");
    }
    report(&stage.gateway, |shadow| shadow["faults"]["panic"] == 6).await?;
    let chat = open(&stage).await?;
    chat.reach_agent().await?;
    let begun = std::time::Instant::now();
    let said = chat.say("sleep 20000").await?;
    assert_eq!(chat.fate(&said.id).await?["status"], "delivered");
    let next = chat.say("您好").await?;
    assert_eq!(chat.fate(&next.id).await?["status"], "delivered");
    ensure!(begun.elapsed().as_secs() < 15, "it was not waited for");
    report(&stage.gateway, |shadow| shadow["faults"]["timeout"] == 1).await?;
    let chaos = provider(&stage.gateway, "chaos").await?;
    assert_eq!(
        (&chaos["state"], &chaos["faults"]),
        (&json!("active"), &json!(0))
    );
    let zhichi = provider(&stage.gateway, "zhichi").await?;
    assert_eq!(
        (&zhichi["state"], &zhichi["faults"]),
        (&json!("active"), &json!(0))
    );
    Ok(())
}

#[tokio::test]
async fn a_shadow_comes_and_goes_with_the_configuration() -> Result<()> {
    let mut stage =
        Stage::with(|config| config.with_desk("support", "routes = [{ provider = \"zhichi\" }]"))
            .await?;
    open(&stage).await?;
    let listed = get(&stage.gateway, "/admin/v1/shadows").await?;
    assert_eq!(listed["shadows"], json!([]));
    let with = "routes = [{ provider = \"zhichi\", shadow = \"jiaxin\" }]";
    stage
        .gateway
        .reconfigure(|config: Config| config.with_desk("support", with))?;
    wait::until("the change", async || {
        let desks = get(&stage.gateway, "/admin/v1/desks").await?;
        Ok(desks
            .to_string()
            .contains("\"shadow\":\"jiaxin\"")
            .then_some(()))
    })
    .await?;
    open(&stage).await?;
    report(&stage.gateway, |shadow| shadow["sessions"] == 1).await?;
    nothing_came_to(&stage, Vendor::Jiaxin).await
}

const CHAOS_PROVIDER: &str = "plugin = \"libkefu_chaos.so\"";

async fn open(stage: &Stage) -> Result<Chat<'_>> {
    Chat::open(
        &stage.simulators,
        stage.visitor(),
        Vendor::Zhichi,
        "support",
    )
    .await
}

/// The one shadow, once it is as it should be.
async fn report(gateway: &Gateway, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
    wait::until("the shadow's report", async || {
        let mut answer = get(gateway, "/admin/v1/shadows").await?;
        let shadow = answer["shadows"][0].take();
        ensure!(is_it(&shadow), "{shadow}");
        Ok(Some(shadow))
    })
    .await
}

async fn nothing_came_to(stage: &Stage, vendor: Vendor) -> Result<()> {
    let log = stage
        .simulators
        .request(vendor, Method::GET, "/control/log?limit=100");
    let calls = entries(log.send().await?.expect(200)?.json()?)?;
    ensure!(calls.is_empty(), "{calls:?}");
    Ok(())
}

async fn provider(gateway: &Gateway, id: &str) -> Result<Value> {
    get(gateway, &format!("/admin/v1/providers/{id}")).await
}

async fn get(gateway: &Gateway, path: &str) -> Result<Value> {
    let answer = gateway.admin_request(Method::GET, path).send().await?;
    answer.expect(200)?.json()
}
