//! What only 佳信 does: leaving keeps the session, ratings come on invitation,
//! kinds are what the vendor's own config lists.

use std::time::Duration;

use anyhow::Result;
use http::Method;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::{media, wait::PATIENCE};
use serde_json::json;

use super::zhichi::{kinds_of_agent, uploaded};

#[tokio::test]
async fn every_kind_reaches_the_agent_as_jiaxin_can_carry_it() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let picture = uploaded(&chat, "image/png", media::png()).await?;
    let voice = uploaded(&chat, "audio/wav", media::wav()).await?;
    let mut last = String::new();
    for content in [
        json!({ "type": "text", "text": "看图" }),
        json!({ "type": "image", "url": picture }),
        json!({ "type": "voice", "url": voice, "duration_ms": 100, "format": "wav" }),
        json!({ "type": "emoji", "code": "/::)", "text": "[微笑]" }),
        json!({ "type": "rich", "title": "订单 1024", "summary": "已发货", "url": "https://shop.example/o/1024" }),
    ] {
        last = chat.send_accepted(&content).await?.id;
    }
    assert_eq!(chat.fate(&last).await?["status"], "delivered");
    let calls = chat.wait_for_calls("message.send", 5).await?;
    let kinds: Vec<_> = calls
        .iter()
        .filter_map(|call| call["body"]["data"]["content"]["type"].as_str())
        .collect();
    assert_eq!(kinds, ["text", "image", "voice", "emoji", "text"]);
    assert_eq!(calls[4]["body"]["data"]["converted_from"], "rich");
    let film = json!({ "type": "video", "url": "https://shop.example/v.mp4", "duration_ms": 10 });
    chat.send(&film)
        .await?
        .expect_problem(422, "unsupported-by-provider")?;
    Ok(())
}

#[tokio::test]
async fn a_location_is_refused_until_the_vendor_allows_it() -> Result<()> {
    let stage = Stage::start().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let place = json!({ "type": "location", "latitude": 39.9087, "longitude": 116.3975, "label": "北京市东城区" });
    assert_eq!(
        chat.session().await?["capabilities"]["human"]["location"],
        "rejected"
    );
    let before = chat.log().await?;
    chat.send(&place)
        .await?
        .expect_problem(422, "unsupported-by-provider")?;
    assert_eq!(chat.log().await?, before);

    stage
        .simulators
        .set(Vendor::Jiaxin, &json!({ "human": { "location": true } }))
        .await?;
    chat.agent(&json!({ "action": "capabilities" })).await?;
    let is_it = |event: &kefu_test_support::visitor::Event| {
        event.kind == "session.capabilities"
            && event.data["capabilities"]["human"]["location"] == "full"
    };
    chat.wait_for("the new capabilities", is_it).await?;
    let accepted = chat.send_accepted(&place).await?;
    assert_eq!(chat.fate(&accepted.id).await?["status"], "delivered");
    assert_eq!(chat.lines_of_visitor().await?, [place]);
    Ok(())
}

#[tokio::test]
async fn every_kind_of_a_jiaxin_agent_reaches_the_visitor() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    for action in [
        json!({ "action": "image", "url": "https://img.example/a.png" }),
        json!({ "action": "voice", "url": "https://img.example/a.mp3" }),
        json!({ "action": "location", "latitude": 1.5, "longitude": 2.5, "label": "门店" }),
        json!({ "action": "rich", "title": "活动", "url": "https://shop.example/p" }),
        json!({ "action": "emoji", "code": "/::)", "text": "[微笑]" }),
        json!({ "action": "custom", "name": "coupon", "payload": { "id": 7 }, "fallback_text": "优惠券" }),
        json!({ "action": "say", "text": "都发了" }),
    ] {
        chat.agent(&action).await?;
    }
    chat.wait_for_text("都发了").await?;
    let kinds = kinds_of_agent(&chat).await?;
    let expected = [
        "image", "voice", "location", "rich", "emoji", "custom", "text",
    ];
    assert!(kinds.ends_with(&expected.map(str::to_owned)), "{kinds:?}");
    Ok(())
}

#[tokio::test]
async fn only_an_invited_visitor_rates_and_only_once() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let rating = json!({ "target": "human", "stars": 4 });
    chat.visitor
        .evaluate(chat.id(), &rating)
        .await?
        .expect_problem(409, "not-invited")?;
    chat.agent(&json!({ "action": "invite" })).await?;
    let invited = chat.wait_for_type("evaluation.invited").await?;
    assert_eq!(
        invited.data["form"]["labels"].as_array().map(Vec::len),
        Some(5),
        "{invited:?}"
    );
    chat.visitor
        .evaluate(chat.id(), &rating)
        .await?
        .expect(202)?;
    let sent = chat.wait_for_calls("evaluate.submit", 1).await?;
    let data = &sent[0]["body"]["data"];
    assert_eq!(
        (&data["stars"], &data["origin"]),
        (&json!(4), &json!("invited"))
    );
    chat.visitor
        .evaluate(chat.id(), &rating)
        .await?
        .expect_problem(409, "not-invited")?;
    assert_eq!(
        chat.at_vendor().await?["ratings"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(chat.session().await?["state"], "human");
    Ok(())
}

#[tokio::test]
async fn an_agent_still_writes_to_a_visitor_who_left_and_only_the_agent_ends() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    chat.visitor.exit(chat.id()).await?.expect(202)?;
    chat.wait_for_calls("session.leave", 1).await?;
    let left = chat.session().await?;
    assert_eq!(
        (&left["state"], &left["visitor_present"]),
        (&json!("human"), &json!(false))
    );
    assert_eq!(chat.logged("evaluation.invited").await?.len(), 0);

    let mut reminders = chat.visitor.stream_all(None).await?;
    chat.agent_says("您的退款已到账").await?;
    let reminder = loop {
        let event = reminders.next_event(PATIENCE).await?;
        if event["type"] == "message" {
            break event;
        }
    };
    assert_eq!(
        (&reminder["session"], &reminder["data"]["content"]["text"]),
        (&json!(chat.id()), &json!("您的退款已到账"))
    );
    assert!(
        chat.session().await?["unread"]
            .as_u64()
            .is_some_and(|unread| unread >= 1)
    );

    let back = chat
        .visitor
        .try_open(&json!({ "desk": "jiaxin" }))
        .await?
        .expect(200)?
        .json()?;
    assert_eq!(
        (&back["id"], &back["visitor_present"]),
        (&json!(chat.id()), &json!(true))
    );
    chat.say("收到，谢谢").await?;
    chat.visitor.exit(chat.id()).await?.expect(202)?;
    // Else the vendor might answer the leaving with the end of the session.
    chat.wait_for_calls("session.leave", 2).await?;
    chat.agent(&json!({ "action": "end" })).await?;
    let ended = chat.wait_for_type("session.ended").await?;
    assert_eq!(ended.data["reason"], "agent");
    assert_eq!(
        chat.lines_of_visitor().await?,
        [json!({ "type": "text", "text": "收到，谢谢" })]
    );
    Ok(())
}

#[tokio::test]
async fn a_visitor_whom_nobody_serves_is_offered_the_vendors_page() -> Result<()> {
    let stage = Stage::start().await?;
    stage
        .simulators
        .set(Vendor::Jiaxin, &json!({ "human": { "no_agent": true } }))
        .await?;
    let chat = stage.open(Vendor::Jiaxin).await?;
    chat.visitor
        .ask_for_human(chat.id(), None)
        .await?
        .expect(202)?;
    chat.wait_for_state("unattended").await?;
    let offered = chat.wait_for_type("leave_message.offered").await?;
    assert_eq!(offered.data["kind"], "page");
    assert!(
        offered.data["url"]
            .as_str()
            .is_some_and(|url| url.contains("/leave?group=service")),
        "{offered:?}"
    );

    let before = chat.log().await?;
    let refused = chat
        .send(&json!({ "type": "text", "text": "有人吗" }))
        .await?;
    let problem = refused.expect_problem(422, "unsupported-by-provider")?;
    assert_eq!(problem["leave_message"]["kind"], "page", "{problem}");
    let form = chat
        .visitor
        .leave_message(chat.id(), &json!({ "content": "请联系我" }))
        .await?;
    form.expect_problem(422, "unsupported-by-provider")?;
    assert_eq!(chat.log().await?, before);

    stage
        .simulators
        .set(Vendor::Jiaxin, &json!({ "human": { "no_agent": false } }))
        .await?;
    chat.visitor
        .ask_for_human(chat.id(), None)
        .await?
        .expect(202)?;
    chat.wait_for_state("queued").await?;
    Ok(())
}

#[tokio::test]
async fn a_changed_profile_is_told_to_the_vendor() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open(Vendor::Jiaxin).await?;
    let path = format!("/v1/sessions/{}/visitor", chat.id());
    let change = json!({ "name": chat.visitor.id(), "mobile_no": "13800000000", "city": "北京" });
    chat.visitor
        .request(Method::PATCH, &path)
        .json(&change)
        .send()
        .await?
        .expect(202)?;
    let told = chat.wait_for_calls("visitor.update", 1).await?;
    let visitor = &told[0]["body"]["data"]["visitor"];
    assert_eq!(
        (&visitor["mobile_no"], &visitor["city"]),
        (&json!("13800000000"), &json!("北京")),
        "{told:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_agent_who_types_is_seen_and_nothing_is_stored() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let before = chat.log().await?;
    let last = before.last().map(|event| event.seq);
    let mut stream = chat.visitor.stream(chat.id(), last).await?;
    chat.agent(&json!({ "action": "typing" })).await?;
    let typing = stream
        .next_event(PATIENCE.max(Duration::from_secs(1)))
        .await?;
    assert_eq!(typing["type"], "typing");
    assert!(typing["seq"].is_null(), "{typing}");
    assert_eq!(chat.log().await?, before);
    Ok(())
}
