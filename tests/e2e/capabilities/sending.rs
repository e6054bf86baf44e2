//! What a visitor can send, and in which form it arrives.
//!
//! Owns one sample of every kind. Invariant: whatever is not refused is in the
//! log and at the vendor, whole or as a text with everything in it that matters;
//! what is refused is in neither. The session's capabilities say which, before.

use anyhow::{Result, ensure};
use kefu_test_support::chat::Chat;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait;
use serde_json::{Value, json};

use super::opening::{text, unattended};
use super::table::Sample;

pub(super) async fn to_robot(stage: &Stage, vendor: Vendor, sample: Sample) -> Result<String> {
    if !vendor.has_robot() {
        return Ok("-".into());
    }
    let chat = stage.open(vendor).await?;
    sent(&chat, "robot", sample).await
}

pub(super) async fn to_agent(stage: &Stage, vendor: Vendor, sample: Sample) -> Result<String> {
    let chat = stage.open_with_agent(vendor).await?;
    sent(&chat, "human", sample).await
}

async fn sent(chat: &Chat<'_>, mode: &str, sample: Sample) -> Result<String> {
    let content = sample.content();
    let kind = text(&content["type"]);
    let level = promised(&chat.session().await?["capabilities"], mode, &content);
    let before = chat.logged("message").await?;
    let answer = chat.send(&content).await?;
    if answer.status == 422 {
        answer.expect_problem(422, "unsupported-by-provider")?;
        ensure!(
            level != "full" && level != "converted",
            "promised {level}, and refused"
        );
        ensure!(
            chat.logged("message").await? == before,
            "refused, and in the log"
        );
        return Ok("refused".into());
    }
    let accepted = answer.expect(202)?.json()?;
    let id = text(&accepted["id"]);
    let fate = chat.fate(&id).await?;
    ensure!(fate["status"] == "delivered", "its fate: {fate}");
    let log = chat.log().await?;
    let said = log
        .iter()
        .find(|event| event.kind == "message" && event.data["id"] == id.as_str());
    let said = said.map(|event| event.data.clone()).unwrap_or_default();
    let heard = heard(chat, mode).await?;
    if said["converted_from"].is_null() {
        ensure!(
            said["content"]["type"] == kind.as_str(),
            "the log has {said}"
        );
        ensure!(
            level == "full",
            "promised {level}, and nothing was said of a conversion"
        );
    } else {
        ensure!(
            said["converted_from"] == kind.as_str(),
            "the log has {said}"
        );
        ensure!(said["content"]["type"] == "text", "the log has {said}");
        ensure!(level == "converted", "promised {level}, and converted");
    }
    for word in sample.words() {
        ensure!(heard.1.contains(word), "{word:?} was lost: {heard:?}");
    }
    if heard.0 == kind {
        return Ok("full".into());
    }
    // What the adapter itself puts into other words, it has to say.
    if !said["converted_from"].is_null() {
        return Ok(format!("as {}", heard.0));
    }
    let told = fate["detail"].is_string();
    ensure!(
        told,
        "it went as {}, and the app was not told: {fate}",
        heard.0
    );
    Ok(format!("as {}, told", heard.0))
}

/// What the session's capabilities promise for a message of this content. A
/// voice in a form that is not listed is never whole; this one was not
/// uploaded, so no converter has a say.
fn promised(capabilities: &Value, mode: &str, content: &Value) -> String {
    let level = text(&capabilities[mode][text(&content["type"])]);
    let listed = capabilities["voice_formats"].as_array();
    let other_form = listed.is_some_and(|formats| !formats.contains(&content["format"]));
    if content["type"] == "voice" && level == "full" && other_form {
        return "converted".into();
    }
    level
}

/// What the vendor took the visitor's last message for: its kind, and
/// everything in it.
async fn heard(chat: &Chat<'_>, mode: &str) -> Result<(String, String)> {
    if chat.vendor.speaks_sdp() {
        let calls = chat.wait_for_calls("message.send", 1).await?;
        let content = calls
            .last()
            .map(|call| call["body"]["data"]["content"].clone());
        let content = content.unwrap_or_default();
        return Ok((text(&content["type"]), content.to_string()));
    }
    let lines = wait::until("the vendor to hear it", async || {
        let lines = chat.lines_of_visitor().await?;
        Ok((!lines.is_empty()).then_some(lines))
    })
    .await?;
    let last = lines.last().cloned().unwrap_or_default();
    // A robot is asked a question and nothing else.
    let kind = if mode == "robot" {
        "text".into()
    } else {
        text(&last["type"])
    };
    Ok((kind, last.to_string()))
}

/// A text while nobody reads.
pub(super) async fn to_nobody(stage: &Stage, vendor: Vendor, state: &str) -> Result<String> {
    if !vendor.has_robot() {
        return Ok("-".into());
    }
    let chat = waiting(stage, vendor, state).await?;
    let standing = text(&chat.session().await?["state"]);
    let before = chat.logged("message").await?;
    let answer = chat
        .send(&json!({ "type": "text", "text": "如何退货？" }))
        .await?;
    if answer.status == 422 {
        let problem = answer.expect_problem(422, "unsupported-by-provider")?;
        ensure!(
            chat.logged("message").await? == before,
            "refused, and in the log"
        );
        return Ok(match problem["leave_message"]["kind"].as_str() {
            Some(kind) => format!("refused, with the {kind}"),
            None => "refused".into(),
        });
    }
    let accepted = answer.expect(202)?.json()?;
    let fate = chat.fate(&text(&accepted["id"])).await?;
    ensure!(fate["status"] == "delivered", "its fate: {fate}");
    ensure!(
        !chat.lines_of_visitor().await?.is_empty(),
        "the vendor did not hear it"
    );
    Ok(if standing == "robot" {
        "robot answers".into()
    } else {
        "taken".into()
    })
}

/// A visitor who waits in this state, as far as the vendor has it.
pub(super) async fn waiting<'a>(stage: &'a Stage, vendor: Vendor, state: &str) -> Result<Chat<'a>> {
    if state == "unattended" {
        return unattended(stage, vendor).await;
    }
    let chat = stage.open(vendor).await?;
    chat.visitor
        .ask_for_human(chat.id(), None)
        .await?
        .expect(202)?;
    chat.wait_for_state(state).await?;
    Ok(chat)
}

impl Sample {
    /// The content, as an app sends it.
    fn content(self) -> Value {
        match self {
            Self::Text => json!({ "type": "text", "text": "在吗？👋" }),
            Self::Image => json!({ "type": "image", "url": "https://media.example/a.png" }),
            Self::Voice(format) => json!({
                "type": "voice", "url": format!("https://media.example/a.{format}"),
                "duration_ms": 1_500, "format": format,
            }),
            Self::Location => json!({
                "type": "location", "latitude": 39.9087, "longitude": 116.3975, "label": "北京市东城区",
            }),
            Self::Rich => json!({
                "type": "rich", "title": "订单 1024", "summary": "已发货", "url": "https://shop.example/o/1024",
            }),
            Self::Video => json!({
                "type": "video", "url": "https://media.example/a.mp4", "duration_ms": 9_000,
            }),
            Self::File => json!({
                "type": "file", "url": "https://media.example/a.pdf", "name": "发票.pdf", "size": 10,
            }),
            Self::Emoji => json!({ "type": "emoji", "code": "[壹贰叁]", "text": "[壹贰叁]" }),
            Self::Custom => json!({
                "type": "custom", "name": "product", "payload": { "sku": "A-1" },
                "fallback_text": "商品 A-1，19.90 元",
            }),
        }
    }

    /// What must not be lost, in whatever form it arrives.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Text => &["在吗？👋"],
            Self::Image => &["https://media.example/a.png"],
            Self::Voice(_) => &["https://media.example/a."],
            Self::Location => &["北京市东城区", "39.9087", "116.3975"],
            Self::Rich => &["订单 1024", "已发货", "https://shop.example/o/1024"],
            Self::Video => &["https://media.example/a.mp4"],
            Self::File => &["https://media.example/a.pdf", "发票.pdf"],
            Self::Emoji => &["[壹贰叁]"],
            Self::Custom => &["商品 A-1，19.90 元"],
        }
    }
}
