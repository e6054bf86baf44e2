//! Rules that the gateway keeps for every vendor: reminders of whoever is
//! silent, blocked visitors, messages taken back, and what a vendor may know.

use anyhow::{Context, Result};
use http::Method;
use kefu_test_support::{chat::Chat, simulators::Vendor, stage::Stage, wait};
use serde_json::{Value, json};

const STILL_THERE: &str = "您还在吗？";
const PATIENCE: &str = "坐席正忙，请稍候。";

async fn times_reminded(chat: &Chat<'_>, text: &str) -> Result<usize> {
    let log = chat.log().await?;
    Ok(log
        .iter()
        .filter(|event| event.text() == Some(text))
        .count())
}

#[tokio::test]
async fn whoever_is_silent_is_reminded_once_in_the_vendors_words() -> Result<()> {
    let stage = Stage::with(|config| {
        config.with_provider(
            "zhichi",
            &format!(
                "settings.idle_visitor = {{ after_seconds = 1, text = \"{STILL_THERE}\" }}\n\
                 settings.idle_agent = {{ after_seconds = 1, text = \"{PATIENCE}\" }}"
            ),
        )
    })
    .await?;
    let chat = stage.open(Vendor::Zhichi).await?;
    chat.say("你好").await?;
    chat.reach_agent().await?;
    let idle = chat.session().await?["config"]["idle"].clone();
    assert_eq!(idle["visitor"]["text"], STILL_THERE);
    let reminder = chat.wait_for_text(STILL_THERE).await?;
    assert_eq!(reminder.from_kind(), Some("system"));
    assert_eq!(
        times_reminded(&chat, PATIENCE).await?,
        0,
        "the agent has greeted, and nobody waits for it"
    );

    let unread = chat.session().await?["unread"].clone();
    chat.say("在的").await?;
    chat.wait_for_text(PATIENCE).await?;
    assert_eq!(chat.session().await?["unread"], unread);
    assert_eq!(times_reminded(&chat, STILL_THERE).await?, 1);

    chat.agent_says("久等了").await?;
    wait::until("the visitor is reminded again", async || {
        Ok((times_reminded(&chat, STILL_THERE).await? == 2).then_some(()))
    })
    .await?;
    assert_eq!(times_reminded(&chat, PATIENCE).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_silence_outlives_the_gateway() -> Result<()> {
    let mut stage = Stage::with(|config| {
        let idle =
            format!("settings.idle_visitor = {{ after_seconds = 2, text = \"{STILL_THERE}\" }}");
        config.with_provider("zhichi", &idle)
    })
    .await?;
    let visitor = stage.visitor();
    let chat = stage.open_as(visitor, Vendor::Zhichi).await?;
    chat.reach_agent().await?;
    chat.agent_says("请问订单号？").await?;
    chat.wait_for_text("请问订单号？").await?;
    let (id, visitor) = (chat.id().to_owned(), chat.visitor.clone());
    drop(chat);
    stage.gateway.kill_9().await?;
    stage.gateway.restart().await?;
    let chat = Chat::of(
        &stage.simulators,
        visitor,
        Vendor::Zhichi,
        &json!({ "id": id }),
    )?;
    chat.wait_for_text(STILL_THERE).await?;
    Ok(())
}

#[tokio::test]
async fn a_message_that_is_taken_back_is_not_unread() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in [Vendor::Zhichi, Vendor::Jiaxin] {
        let chat = stage.open_with_agent(vendor).await?;
        let last = chat.session().await?["last_seq"].as_u64().context("seq")?;
        chat.visitor.read(chat.id(), last).await?.expect(204)?;
        chat.agent_says("看这个").await?;
        chat.agent_says("发错了").await?;
        let wrong = chat.wait_for_text("发错了").await?;
        assert_eq!(chat.session().await?["unread"], 2, "{vendor:?}");
        chat.agent(&json!({ "action": "recall" })).await?;
        let recalled = chat.wait_for_type("message.recalled").await?;
        assert_eq!(recalled.data["message"], wrong.data["id"]);
        assert_eq!(chat.session().await?["unread"], 1, "{vendor:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_blocked_visitor_is_told_and_the_session_ends() -> Result<()> {
    let stage = Stage::start().await?;
    for vendor in [Vendor::Zhichi, Vendor::Jiaxin] {
        let chat = stage.open(vendor).await?;
        chat.say("你好").await?;
        let blocked = json!({ "blocked": [chat.name_at_vendor().await?] });
        stage.simulators.set(vendor, &blocked).await?;
        let asked = chat.visitor.ask_for_human(chat.id(), None).await?;
        asked.expect(202)?;
        let ended = chat.wait_for_type("session.ended").await?;
        assert_eq!(ended.data["reason"], "blocked", "{vendor:?}");
        let session = chat.session().await?;
        assert_eq!(session["end_reason"], "blocked");
        assert_eq!(session["config"]["blocked"], true);
        chat.send(&json!({ "type": "text", "text": "喂？" }))
            .await?
            .expect_problem(409, "session-ended")?;
    }
    Ok(())
}

/// What the vendor was told of the visitor by a call.
fn profile_in(call: &Value) -> Value {
    let mut visitor = call["body"]["data"]["visitor"].clone();
    if let Some(visitor) = visitor.as_object_mut() {
        visitor.remove("id");
    }
    visitor
}

#[tokio::test]
async fn a_vendor_knows_of_a_visitor_what_the_operator_lets_it() -> Result<()> {
    let mut stage = Stage::with(|config| {
        config.with_provider("jiaxin", "visitor_fields = [\"name\", \"custom.cart\"]")
    })
    .await?;
    let visitor = stage.visitor();
    let session = visitor
        .open_and_wait(&json!({
            "desk": "jiaxin",
            "visitor": {
                "name": visitor.id(), "mobile_no": "13800000000", "city": "北京",
                "cart": "A-1", "shoe_size": 43,
            },
        }))
        .await?;
    let shown = session["capabilities"]["visitor_fields"].clone();
    assert_eq!(shown, json!(["name", "custom.cart"]), "the app is told");
    let id = session["id"].as_str().context("an id")?.to_owned();
    let chat = Chat::of(
        &stage.simulators,
        visitor.clone(),
        Vendor::Jiaxin,
        &json!({ "id": id }),
    )?;
    let calls = chat.wait_for_calls("session.open", 1).await?;
    assert_eq!(
        profile_in(&calls[0]),
        json!({ "name": visitor.id(), "custom": { "cart": "A-1" } })
    );

    let change = async |fields: Value| {
        visitor
            .request(Method::PATCH, &format!("/v1/sessions/{id}/visitor"))
            .json(&fields)
            .send()
            .await?
            .expect(202)
    };
    change(json!({ "mobile_no": "13900000000" })).await?;
    change(json!({ "cart": "B-2" })).await?;
    let calls = chat.wait_for_calls("visitor.update", 1).await?;
    assert_eq!(calls.len(), 1, "nothing of the first change may be told");
    assert_eq!(
        profile_in(&calls[0]),
        json!({ "name": visitor.id(), "custom": { "cart": "B-2" } })
    );
    drop(chat);

    stage.gateway.reconfigure(|config| {
        config.with_provider("jiaxin", "visitor_fields = [\"name\", \"city\"]")
    })?;
    wait::until("the new list holds", async || {
        change(json!({ "city": "上海" })).await?;
        let chat = Chat::of(
            &stage.simulators,
            visitor.clone(),
            Vendor::Jiaxin,
            &json!({ "id": id }),
        )?;
        let calls = chat.carried_out("visitor.update").await?;
        let last = calls.last().map(profile_in);
        let told = json!({ "name": visitor.id(), "city": "上海" });
        Ok((last == Some(told)).then_some(()))
    })
    .await?;
    Ok(())
}
