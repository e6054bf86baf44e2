//! What the vendor's side does, and what of it the visitor sees.

use anyhow::{Result, ensure};
use http::Method;
use kefu_test_support::chat::Chat;
use kefu_test_support::events::Event;
use kefu_test_support::http::escape;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait::PATIENCE;
use serde_json::{Value, json};

use super::opening::text;

/// The kind in which a visitor sees an agent's content; `-` where agents of the
/// vendor have no such kind.
pub(super) async fn says(stage: &Stage, vendor: Vendor, kind: &str) -> Result<String> {
    let chat = stage.open_with_agent(vendor).await?;
    let (action, words) = sample(kind);
    if !tried(stage, &chat, &action).await? {
        return Ok("-".into());
    }
    chat.agent_says(MARK).await?;
    let mark = chat.wait_for_text(MARK).await?;
    let log = chat.log().await?;
    let said = log.iter().rev().find(|event| {
        event.kind == "message" && event.from_kind() == Some("agent") && event.seq < mark.seq
    });
    let content = said
        .map(|event| event.data["content"].clone())
        .unwrap_or_default();
    for word in words {
        ensure!(
            content.to_string().contains(word),
            "{word:?} was lost: {content}"
        );
    }
    Ok(text(&content["type"]))
}

pub(super) async fn recalls(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open_with_agent(vendor).await?;
    chat.agent_says("发错了").await?;
    let wrong = chat.wait_for_text("发错了").await?;
    chat.agent(&json!({ "action": "recall" })).await?;
    let Some(recalled) = before_mark(&chat, |event| event.kind == "message.recalled").await? else {
        return Ok("-".into());
    };
    ensure!(
        recalled.data["message"] == wrong.data["id"],
        "{recalled:?} of {wrong:?}"
    );
    Ok("recalled".into())
}

pub(super) async fn transfers(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open_with_agent(vendor).await?;
    let seen = chat.at_vendor().await?;
    let to = if seen["agent"]["id"] == "1001" {
        "1002"
    } else {
        "1001"
    };
    chat.agent(&json!({ "action": "transfer", "agent": to }))
        .await?;
    let transferred = |event: &Event| event.kind == "agent" && event.data["event"] == "transferred";
    let Some(event) = before_mark(&chat, transferred).await? else {
        return Ok("-".into());
    };
    ensure!(event.data["agent"]["id"] == to, "{event:?}");
    ensure!(chat.session().await?["agent"]["id"] == to);
    Ok("transferred".into())
}

pub(super) async fn types(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open_with_agent(vendor).await?;
    let log = chat.log().await?;
    let mut stream = chat
        .visitor
        .stream(chat.id(), log.last().map(|event| event.seq))
        .await?;
    chat.agent(&json!({ "action": "typing" })).await?;
    chat.agent_says(MARK).await?;
    let mut first = stream.next_event(PATIENCE).await?;
    while first["data"]["from"]["kind"] == "system" {
        first = stream.next_event(PATIENCE).await?;
    }
    if first["type"] != "typing" {
        ensure!(first["data"]["content"]["text"] == MARK, "{first}");
        return Ok("-".into());
    }
    ensure!(first["seq"].is_null(), "it was stored: {first}");
    Ok("typing".into())
}

/// The reason that the visitor is told when the vendor ends the session.
pub(super) async fn ends_for(stage: &Stage, vendor: Vendor, reason: &str) -> Result<String> {
    if vendor == Vendor::Aikefu {
        return Ok("-".into());
    }
    let chat = stage.open_with_agent(vendor).await?;
    chat.agent(&json!({ "action": "end", "reason": reason }))
        .await?;
    let ended = chat.wait_for_type("session.ended").await?;
    Ok(text(&ended.data["reason"]))
}

/// The event that came before what the agent says next, if it came.
async fn before_mark(chat: &Chat<'_>, is_it: impl Fn(&Event) -> bool) -> Result<Option<Event>> {
    chat.agent_says(MARK).await?;
    let mark = chat.wait_for_text(MARK).await?;
    let log = chat.log().await?.into_iter();
    let mut before = log.filter(|event| event.seq < mark.seq && is_it(event));
    Ok(before.next())
}

/// Has the agent do something that not every vendor's agents can; whether it
/// was possible.
async fn tried(stage: &Stage, chat: &Chat<'_>, action: &Value) -> Result<bool> {
    let path = format!(
        "/control/visitors/{}/agent",
        escape(&chat.name_at_vendor().await?)
    );
    let request = stage.simulators.request(chat.vendor, Method::POST, &path);
    let answer = request.json(action).send().await?;
    if answer.status == 422 {
        return Ok(false);
    }
    answer.expect(200)?;
    Ok(true)
}

/// An agent's action, and what of it a visitor must see.
fn sample(kind: &str) -> (Value, &'static [&'static str]) {
    match kind {
        "text" => (json!({ "action": "say", "text": "在的 👋" }), &["在的 👋"]),
        "location" => (
            json!({ "action": kind, "latitude": 1.5, "longitude": 2.5, "label": "门店" }),
            &["门店", "1.5", "2.5"],
        ),
        "rich" => (
            json!({ "action": kind, "title": "活动", "url": "https://shop.example/p" }),
            &["活动", "https://shop.example/p"],
        ),
        "custom" => (
            json!({ "action": kind, "name": "coupon", "payload": { "id": 7 }, "fallback_text": "优惠券" }),
            &["优惠券"],
        ),
        // No table of emoji has this one.
        "emoji" => (
            json!({ "action": kind, "code": "[壹贰叁]", "text": "[壹贰叁]" }),
            &["[壹贰叁]"],
        ),
        "file" => (
            json!({ "action": kind, "url": "https://media.example/agent", "name": "发票.pdf", "size": 10 }),
            // Its name is lost at a vendor whose interface has none.
            &["https://media.example/agent"],
        ),
        _ => (
            json!({ "action": kind, "url": "https://media.example/agent" }),
            &["https://media.example/agent"],
        ),
    }
}

/// What an agent says after what is tried.
const MARK: &str = "以上";
