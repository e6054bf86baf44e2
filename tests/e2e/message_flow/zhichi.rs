//! What only 智齿 does: leaving ends the session, after a window to rate; a
//! location becomes text.

use anyhow::Result;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::{chat::Chat, media};
use serde_json::{Value, json};

#[tokio::test]
async fn every_kind_reaches_the_agent_as_zhichi_can_carry_it() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let picture = uploaded(&chat, "image/png", media::png()).await?;
    let voice = uploaded(&chat, "audio/wav", media::wav()).await?;
    let image = json!({ "type": "image", "url": picture, "width": 1, "height": 1 });
    let voice = json!({ "type": "voice", "url": voice, "duration_ms": 100, "format": "wav" });
    let place = json!({ "type": "location", "latitude": 39.9087, "longitude": 116.3975, "label": "北京市东城区" });
    let card = json!({ "type": "rich", "title": "订单 1024", "summary": "已发货", "url": "https://shop.example/o/1024" });
    let goods = json!({
        "type": "custom", "name": "product", "payload": { "sku": "A-1" }, "fallback_text": "商品 A-1，19.90 元",
    });
    let mut last = String::new();
    for content in [
        &json!({ "type": "text", "text": "看图" }),
        &image,
        &voice,
        &place,
        &card,
        &goods,
    ] {
        last = chat.send_accepted(content).await?.id;
    }
    assert_eq!(chat.fate(&last).await?["status"], "delivered");

    let calls = chat.wait_for_calls("chat_send", 6).await?;
    let seen: Vec<_> = calls
        .iter()
        .map(|call| {
            (
                text(&call["body"], "msg_type"),
                text(&call["body"], "content"),
            )
        })
        .collect();
    let kinds: Vec<_> = seen.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["text", "image", "voice", "text", "text", "text"],
        "{seen:?}"
    );
    assert!(
        seen[3].1.contains("北京市东城区") && seen[3].1.contains("39.9087"),
        "{seen:?}"
    );
    assert!(
        seen[4].1.contains("订单 1024") && seen[4].1.contains("https://shop.example/o/1024"),
        "{seen:?}"
    );
    assert_eq!(seen[5].1, "商品 A-1，19.90 元");

    let messages = chat.logged("message").await?;
    let converted = |from: &str| {
        messages
            .iter()
            .filter(|data| data["converted_from"] == from)
            .count()
    };
    assert_eq!(
        (
            converted("location"),
            converted("rich"),
            converted("custom")
        ),
        (1, 1, 1)
    );
    Ok(())
}

#[tokio::test]
async fn the_robot_of_zhichi_takes_text_only() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open(Vendor::Zhichi).await?;
    let before = chat.log().await?;
    for content in [
        json!({ "type": "image", "url": "https://shop.example/a.png" }),
        json!({ "type": "location", "latitude": 1.0, "longitude": 2.0, "label": "家" }),
    ] {
        chat.send(&content)
            .await?
            .expect_problem(422, "unsupported-by-provider")?;
    }
    assert_eq!(chat.log().await?, before);
    Ok(())
}

#[tokio::test]
async fn every_kind_of_a_zhichi_agent_reaches_the_visitor() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    for action in [
        json!({ "action": "image", "url": "https://img.example/a.png" }),
        json!({ "action": "voice", "url": "https://img.example/a.mp3" }),
        json!({ "action": "video", "url": "https://img.example/a.mp4" }),
        json!({ "action": "file", "url": "https://img.example/a.pdf", "name": "发票.pdf", "size": 10 }),
        json!({ "action": "say", "text": "都发了" }),
    ] {
        chat.agent(&action).await?;
    }
    chat.wait_for_text("都发了").await?;
    let kinds = kinds_of_agent(&chat).await?;
    assert!(
        kinds.ends_with(&["image", "voice", "video", "file", "text"].map(str::to_owned)),
        "{kinds:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_visitor_who_leaves_is_asked_for_a_rating_that_is_sent_before_the_leaving() -> Result<()>
{
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let rating = json!({ "target": "human", "stars": 5, "resolved": true, "comment": "谢谢" });
    chat.visitor
        .evaluate(chat.id(), &rating)
        .await?
        .expect_problem(409, "not-invited")?;

    chat.visitor.exit(chat.id()).await?.expect(202)?;
    let invited = chat.wait_for_type("evaluation.invited").await?;
    assert_eq!(invited.data["target"], "human");
    assert_eq!(invited.data["form"]["stars"], true, "{invited:?}");
    let session = chat.session().await?;
    assert_eq!(
        (&session["state"], &session["visitor_present"]),
        (&json!("human"), &json!(false))
    );
    assert_eq!(
        chat.carried_out("out").await?.len(),
        0,
        "the vendor is told after the rating"
    );

    chat.visitor
        .evaluate(chat.id(), &rating)
        .await?
        .expect(202)?;
    let ended = chat.wait_for_type("session.ended").await?;
    assert_eq!(ended.data["reason"], "visitor");
    chat.wait_for_calls("out", 1).await?;
    assert_eq!(last_operations(&chat, 2).await?, ["comment", "out"]);
    let ratings = chat.at_vendor().await?["ratings"].clone();
    assert_eq!(
        (&ratings[0]["score"], &ratings[0]["solved"]),
        (&json!(5), &json!(1)),
        "{ratings}"
    );
    assert_eq!(chat.logged("evaluation.submitted").await?[0]["stars"], 5);
    Ok(())
}

#[tokio::test]
async fn a_visitor_who_declines_or_leaves_twice_leaves_without_a_rating() -> Result<()> {
    let stage = Stage::shared().await?;
    for declines in [true, false] {
        let chat = stage.open_with_agent(Vendor::Zhichi).await?;
        chat.visitor.exit(chat.id()).await?.expect(202)?;
        chat.wait_for_type("evaluation.invited").await?;
        if declines {
            chat.visitor
                .evaluate(chat.id(), &json!({ "declined": true }))
                .await?
                .expect(202)?;
        } else {
            chat.visitor.exit(chat.id()).await?.expect(202)?;
        }
        chat.wait_for_type("session.ended").await?;
        chat.wait_for_calls("out", 1).await?;
        assert_eq!(
            chat.carried_out("comment").await?.len(),
            0,
            "declines: {declines}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_session_that_the_agent_ended_can_still_be_rated_once() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    chat.agent(&json!({ "action": "end" })).await?;
    chat.wait_for_type("evaluation.invited").await?;
    chat.wait_for_state("ended").await?;
    let rating = json!({ "target": "human", "stars": 1, "resolved": false });
    chat.visitor
        .evaluate(chat.id(), &rating)
        .await?
        .expect(202)?;
    chat.wait_for_calls("comment", 1).await?;
    chat.visitor
        .evaluate(chat.id(), &rating)
        .await?
        .expect_problem(409, "session-ended")?;
    chat.visitor.exit(chat.id()).await?.expect(202)?;
    assert_eq!(
        chat.at_vendor().await?["ratings"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(
        chat.carried_out("out").await?.len(),
        0,
        "the session was over at the vendor"
    );
    Ok(())
}

#[tokio::test]
async fn the_robot_can_be_rated_while_it_answers() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open(Vendor::Zhichi).await?;
    chat.say("怎么开发票？").await?;
    chat.wait_for_text("在订单详情页点击“申请开票”即可。")
        .await?;
    let rating = json!({ "target": "robot", "resolved": true });
    chat.visitor
        .evaluate(chat.id(), &rating)
        .await?
        .expect(202)?;
    chat.wait_for_calls("comment", 1).await?;
    // What was rated is not asked for again.
    chat.visitor.exit(chat.id()).await?.expect(202)?;
    chat.wait_for_type("session.ended").await?;
    chat.wait_for_calls("out", 1).await?;
    assert_eq!(last_operations(&chat, 2).await?, ["comment", "out"]);
    assert_eq!(chat.logged("evaluation.invited").await?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn without_an_agent_the_robot_stays() -> Result<()> {
    let stage = Stage::start().await?;
    stage
        .simulators
        .set(Vendor::Zhichi, &json!({ "human": { "no_agent": true } }))
        .await?;
    let chat = stage.open(Vendor::Zhichi).await?;
    chat.say("你好").await?;
    chat.visitor
        .ask_for_human(chat.id(), None)
        .await?
        .expect(202)?;
    let is_notice = |event: &kefu_test_support::visitor::Event| event.from_kind() == Some("system");
    chat.wait_for("the notice", is_notice).await?;
    chat.say("如何退货？").await?;
    let is_answer = |event: &kefu_test_support::visitor::Event| {
        event.text().is_some_and(|it| it.contains("无理由退货"))
    };
    chat.wait_for("the robot's answer", is_answer).await?;
    assert_eq!(chat.session().await?["state"], "robot");
    Ok(())
}

/// Uploads, and returns the address.
pub(super) async fn uploaded(
    chat: &Chat<'_>,
    content_type: &str,
    bytes: Vec<u8>,
) -> Result<String> {
    let answer = chat
        .visitor
        .upload(content_type, bytes)
        .await?
        .expect(201)?
        .json()?;
    Ok(text(&answer, "url"))
}

/// The kinds of what agents said, in order.
pub(super) async fn kinds_of_agent(chat: &Chat<'_>) -> Result<Vec<String>> {
    let log = chat.log().await?;
    let said = log
        .iter()
        .filter(|event| event.from_kind() == Some("agent"));
    Ok(said
        .map(|event| text(&event.data["content"], "type"))
        .collect())
}

/// The vendor's last carried-out operations, in order.
async fn last_operations(chat: &Chat<'_>, count: usize) -> Result<Vec<String>> {
    let calls = chat.calls().await?;
    let done: Vec<_> = calls
        .iter()
        .filter(|call| call["processed"] == true)
        .collect();
    let last = &done[done.len().saturating_sub(count)..];
    Ok(last.iter().map(|call| text(call, "operation")).collect())
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
