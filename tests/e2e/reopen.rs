//! Visitors who wait at a vendor that fails are taken to the next one.

use std::time::Duration;

use anyhow::Result;
use kefu_test_support::chat::Chat;
use kefu_test_support::config::Config;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait;
use serde_json::{Value, json};

/// 佳信 serves the desk, 智齿 if need be.
fn reopening(config: Config) -> Config {
    config.with_desk(
        "support",
        "reopen_waiting = true\nroutes = [{ provider = \"jiaxin\", weight = 100 }, { provider = \"zhichi\", weight = 0 }]",
    )
}

/// A visitor who waits for an agent of 佳信.
async fn waiting(stage: &Stage) -> Result<Chat<'_>> {
    let visitor = stage.visitor();
    let body = json!({ "desk": "support", "visitor": { "name": visitor.id() } });
    let opened = visitor.open_and_wait(&body).await?;
    assert_eq!(opened["provider"], "jiaxin");
    let chat = Chat::of(&stage.simulators, visitor, Vendor::Jiaxin, &opened)?;
    let said = chat.say("你好").await?;
    assert_eq!(chat.fate(&said.id).await?["status"], "delivered");
    chat.visitor
        .ask_for_human(chat.id(), None)
        .await?
        .expect(202)?;
    chat.wait_for_state("queued").await?;
    Ok(chat)
}

/// Takes 佳信 out: no file describes it any more.
fn retire(stage: &Stage) -> Result<()> {
    let file = stage.gateway.dir().join("providers").join("jiaxin.toml");
    std::fs::remove_file(file)?;
    Ok(())
}

/// 佳信 is gone: nobody listens where it was.
fn die(stage: &mut Stage) -> Result<()> {
    let nowhere = "hosts = [\"127.0.0.1:1\"]\nsettings.base_url = \"http://127.0.0.1:1\"";
    stage
        .gateway
        .reconfigure(|config| config.with_provider("jiaxin", nowhere))
}

async fn moved(chat: &Chat<'_>) -> Result<Value> {
    wait::until("the session to go on elsewhere", async || {
        let session = chat.session().await?;
        Ok((session["provider"] == "zhichi" && session["state"] != "opening").then_some(session))
    })
    .await
}

#[tokio::test]
async fn a_visitor_who_waits_is_taken_to_the_next_vendor_with_what_was_said() -> Result<()> {
    let mut stage = Stage::with(reopening).await?;
    let id = {
        let chat = waiting(&stage).await?;
        (chat.visitor.clone(), json!({ "id": chat.id() }))
    };
    die(&mut stage)?;
    let (visitor, id) = id;
    let chat = Chat::of(&stage.simulators, visitor, Vendor::Zhichi, &id)?;
    wait::until("the session to leave", async || {
        let session = chat.session().await?;
        if session["provider"] == "zhichi" {
            return Ok(Some(()));
        }
        chat.visitor.ask_for_human(chat.id(), None).await?;
        Ok(None)
    })
    .await?;
    moved(&chat).await?;
    let logged = chat.logged("session.moved").await?;
    let expected = json!({ "from": "jiaxin", "to": "zhichi", "reason": "failover" });
    assert_eq!(logged, [expected]);
    assert_eq!(chat.logged("session.opened").await?.len(), 1);
    // Who waited for an agent waits for one again, in the same session.
    chat.wait_for_state("queued").await?;
    chat.agent(&json!({ "action": "accept" })).await?;
    chat.wait_for_state("human").await?;
    wait::until("the agent to be told what was said", async || {
        let lines = chat.lines_of_visitor().await?;
        let told = lines.iter().filter(|line| {
            let text = line["text"].as_str().unwrap_or_default();
            text.contains("访客: 你好")
        });
        Ok((told.count() == 1).then_some(()))
    })
    .await?;
    chat.agent_says("我来接着").await?;
    chat.wait_for_text("我来接着").await?;
    Ok(())
}

#[tokio::test]
async fn whoever_is_served_stays_and_whoever_waits_moves_once_over_a_kill() -> Result<()> {
    let mut stage = Stage::with(reopening).await?;
    let (served, waits) = {
        let served = waiting(&stage).await?;
        served.agent(&json!({ "action": "accept" })).await?;
        served.wait_for_state("human").await?;
        let waits = waiting(&stage).await?;
        let of = |chat: &Chat<'_>| (chat.visitor.clone(), json!({ "id": chat.id() }));
        (of(&served), of(&waits))
    };
    retire(&stage)?;
    for pause_ms in [150, 700, 1_500] {
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        stage.gateway.kill_9().await?;
        stage.gateway.restart().await?;
    }
    let waits = Chat::of(&stage.simulators, waits.0, Vendor::Zhichi, &waits.1)?;
    moved(&waits).await?;
    assert_eq!(waits.logged("session.moved").await?.len(), 1);
    let served = Chat::of(&stage.simulators, served.0, Vendor::Jiaxin, &served.1)?;
    let session = served.session().await?;
    assert_eq!(
        (&session["provider"], &session["state"]),
        (&json!("jiaxin"), &json!("human"))
    );
    assert!(served.logged("session.moved").await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_desk_that_does_not_say_so_keeps_its_visitors() -> Result<()> {
    let stage = Stage::with(|config| {
        config.with_desk(
            "support",
            "routes = [{ provider = \"jiaxin\", weight = 100 }, { provider = \"zhichi\", weight = 0 }]",
        )
    })
    .await?;
    let (visitor, id) = {
        let chat = waiting(&stage).await?;
        (chat.visitor.clone(), json!({ "id": chat.id() }))
    };
    retire(&stage)?;
    // A newcomer shows that the failure is known.
    let mut newcomer = Value::Null;
    for _ in 0..100 {
        newcomer = stage.visitor().open("support").await?;
        if newcomer["provider"] == "zhichi" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(newcomer["provider"], "zhichi");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let chat = Chat::of(&stage.simulators, visitor, Vendor::Jiaxin, &id)?;
    assert_eq!(chat.session().await?["provider"], "jiaxin");
    assert!(chat.logged("session.moved").await?.is_empty());
    Ok(())
}
