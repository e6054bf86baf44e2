//! What a gateway must refuse over HTTP: each refusal names its cause, and
//! leaves nothing behind, neither in the log nor at the vendor.

mod strangers;

use anyhow::Result;
use http::Method;
use kefu_test_support::chat::Chat;
use kefu_test_support::http::Response;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use serde_json::json;

/// Log and calls of a conversation before something was refused.
struct Before {
    log: Vec<kefu_test_support::visitor::Event>,
    calls: usize,
}

impl Before {
    async fn of(chat: &Chat<'_>) -> Result<Self> {
        Ok(Self {
            log: chat.log().await?,
            calls: chat.calls().await?.len(),
        })
    }

    /// Nothing new in the log or at the vendor, and the conversation goes on.
    async fn still_holds(&self, chat: &Chat<'_>) -> Result<()> {
        assert_eq!(chat.log().await?, self.log);
        assert_eq!(chat.calls().await?.len(), self.calls);
        let said = chat.say("继续").await?;
        assert_eq!(chat.fate(&said.id).await?["status"], "delivered");
        assert_eq!(said.seq, self.log.len() as u64 + 1, "no number was used up");
        Ok(())
    }
}

async fn post(chat: &Chat<'_>, action: &str, content_type: &str, body: &[u8]) -> Result<Response> {
    let path = format!("/v1/sessions/{}/{action}", chat.id());
    let request = chat
        .visitor
        .request(Method::POST, &path)
        .header("idempotency-key", "bad-input");
    request.body(content_type, body.to_vec()).send().await
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let before = Before::of(&chat).await?;
    for body in [
        "{",
        "nonsense",
        "{\"content\":}",
        "\u{0}",
        "{\"content\":{\"type\":\"text\",\"text\":\"a\"}} trailing",
    ] {
        let refused = post(&chat, "messages", "application/json", body.as_bytes()).await?;
        refused.expect_problem(400, "invalid-request")?;
    }
    let no_text = post(
        &chat,
        "messages",
        "application/json",
        b"{\"content\":{\"type\":\"text\",\"text\":\"\xff\"}}",
    )
    .await?;
    no_text.expect_problem(400, "invalid-request")?;
    before.still_holds(&chat).await
}

#[tokio::test]
async fn wrong_types_and_missing_fields_are_named_by_their_place() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let before = Before::of(&chat).await?;
    let rows = [
        ("messages", json!({}), "/content"),
        ("messages", json!({ "content": "hello" }), "/content"),
        (
            "messages",
            json!({ "content": { "type": "text" } }),
            "/content",
        ),
        (
            "messages",
            json!({ "content": { "type": "text", "text": 7 } }),
            "/content",
        ),
        (
            "messages",
            json!({ "content": { "type": "hologram" } }),
            "/content/type",
        ),
        (
            "messages",
            json!({ "content": { "type": "text", "text": "" } }),
            "/content/text",
        ),
        (
            "messages",
            json!({ "content": { "type": "text", "text": " \n\t" } }),
            "/content/text",
        ),
        (
            "messages",
            json!({ "content": { "type": "image", "url": "javascript:alert(1)" } }),
            "/content/url",
        ),
        (
            "messages",
            json!({ "content": { "type": "location", "latitude": 91.0, "longitude": 0.0, "label": "" } }),
            "/content/latitude",
        ),
        (
            "evaluation",
            json!({ "target": "human", "stars": 6 }),
            "/stars",
        ),
        (
            "evaluation",
            json!({ "target": "human", "stars": "5" }),
            "/stars",
        ),
        (
            "evaluation",
            json!({ "target": "nobody", "stars": 5 }),
            "/target",
        ),
        ("evaluation", json!({ "target": "human" }), "/stars"),
        ("human", json!({ "group": 5 }), "/group"),
        ("read", json!({ "seq": "all" }), "/seq"),
        ("read", json!({}), "/seq"),
        ("leave-message", json!({ "fields": [] }), "/fields"),
    ];
    for (action, body, pointer) in rows {
        let refused = post(
            &chat,
            action,
            "application/json",
            body.to_string().as_bytes(),
        )
        .await?;
        let problem = refused.expect_problem(400, "invalid-request")?;
        let said = problem["errors"][0]["pointer"].as_str().unwrap_or_default();
        assert!(
            said == pointer || said.starts_with(&format!("{pointer}/")),
            "{action} {body}: {problem}"
        );
    }
    before.still_holds(&chat).await
}

#[tokio::test]
async fn an_over_long_text_is_too_large() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let before = Before::of(&chat).await?;
    let rows = [
        (
            json!({ "type": "text", "text": "长".repeat(8_001) }),
            "/content/text",
        ),
        (
            json!({ "type": "custom", "name": "order", "payload": "x".repeat(33 * 1024), "fallback_text": "订单" }),
            "/content/payload",
        ),
        (
            json!({ "type": "image", "url": format!("https://a.example/{}", "x".repeat(4_000)) }),
            "/content/url",
        ),
    ];
    for (content, pointer) in rows {
        let problem = chat
            .send(&content)
            .await?
            .expect_problem(413, "too-large")?;
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    before.still_holds(&chat).await
}

#[tokio::test]
async fn an_oversize_body_is_refused_before_it_is_read_to_the_end() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let before = Before::of(&chat).await?;
    let huge = format!(
        "{{\"content\":{{\"type\":\"text\",\"text\":\"{}\"}}}}",
        "x".repeat(3 << 20)
    );
    post(&chat, "messages", "application/json", huge.as_bytes())
        .await?
        .expect_problem(413, "too-large")?;
    // Within the body's limit and above a message's.
    let large = format!(
        "{{\"content\":{{\"type\":\"text\",\"text\":\"{}\"}}}}",
        "长".repeat(60_000)
    );
    post(&chat, "messages", "application/json", large.as_bytes())
        .await?
        .expect_problem(413, "too-large")?;
    before.still_holds(&chat).await
}

#[tokio::test]
async fn a_body_of_another_type_than_json_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let before = Before::of(&chat).await?;
    let body = json!({ "content": { "type": "text", "text": "hi" } }).to_string();
    // What a form on any page could send without asking.
    let refused = post(&chat, "messages", "text/plain", body.as_bytes()).await?;
    refused.expect_problem(415, "unsupported-media-type")?;
    before.still_holds(&chat).await
}

#[tokio::test]
async fn a_repeated_key_with_another_body_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let first = chat
        .visitor
        .send_with_key(chat.id(), &json!({ "type": "text", "text": "一" }), "same")
        .await?;
    let first = first.expect(202)?.json()?;
    chat.fate(first["id"].as_str().unwrap_or_default()).await?;
    let before = Before::of(&chat).await?;
    let other = chat
        .visitor
        .send_with_key(chat.id(), &json!({ "type": "text", "text": "二" }), "same")
        .await?;
    other.expect_problem(422, "idempotency-key-reused")?;
    before.still_holds(&chat).await
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let before = Before::of(&chat).await?;
    let content = json!({ "type": "text", "text": "hi" });
    for key in ["", "has blanks", &"k".repeat(256)] {
        let refused = chat.visitor.send_with_key(chat.id(), &content, key).await?;
        refused.expect_problem(400, "invalid-request")?;
    }
    before.still_holds(&chat).await
}

#[tokio::test]
async fn a_message_after_the_end_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in [Vendor::Zhichi, Vendor::Jiaxin] {
        let chat = stage.open_with_agent(vendor).await?;
        chat.agent(&json!({ "action": "end", "reason": "idle" }))
            .await?;
        chat.wait_for_state("ended").await?;
        let log = chat.log().await?;
        let calls = chat.calls().await?.len();
        chat.send(&json!({ "type": "text", "text": "喂" }))
            .await?
            .expect_problem(409, "session-ended")?;
        chat.visitor
            .ask_for_human(chat.id(), None)
            .await?
            .expect_problem(409, "session-ended")?;
        chat.visitor
            .leave_message(chat.id(), &json!({ "a": "b" }))
            .await?
            .expect_problem(409, "session-ended")?;
        assert_eq!(
            (chat.log().await?, chat.calls().await?.len()),
            (log, calls),
            "{vendor:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_kind_that_the_provider_cannot_carry_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let before = Before::of(&chat).await?;
    for content in [
        json!({ "type": "location", "latitude": 1.0, "longitude": 2.0, "label": "家" }),
        json!({ "type": "video", "url": "https://a.example/v.mp4", "duration_ms": 1 }),
        json!({ "type": "file", "url": "https://a.example/f.pdf", "name": "f.pdf", "size": 1 }),
    ] {
        chat.send(&content)
            .await?
            .expect_problem(422, "unsupported-by-provider")?;
    }
    before.still_holds(&chat).await
}

#[tokio::test]
async fn a_rating_that_nobody_asked_for_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let before = Before::of(&chat).await?;
    let stars = json!({ "target": "human", "stars": 5 });
    chat.visitor
        .evaluate(chat.id(), &stars)
        .await?
        .expect_problem(409, "not-invited")?;
    chat.visitor
        .evaluate(chat.id(), &json!({ "declined": true }))
        .await?
        .expect_problem(409, "not-invited")?;
    let robot = json!({ "target": "robot", "resolved": true });
    chat.visitor
        .evaluate(chat.id(), &robot)
        .await?
        .expect_problem(409, "not-invited")?;
    before.still_holds(&chat).await
}
