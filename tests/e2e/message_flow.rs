//! The life of a conversation, from opening to the end, at both vendors.
//!
//! Owns what both vendors have in common; what only one of them does stands in
//! [`zhichi`] and [`jiaxin`]. Every test brings a visitor of its own to a stage
//! that others use, too, unless it changes how a vendor behaves.

mod jiaxin;
mod zhichi;

use anyhow::Result;
use http::Method;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use serde_json::json;

const BOTH: [Vendor; 2] = [Vendor::Zhichi, Vendor::Jiaxin];

#[tokio::test]
async fn the_robot_greets_and_answers_with_suggestions() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open(vendor).await?;
        let session = chat.session().await?;
        assert_eq!(
            (&session["state"], &session["provider"]),
            (&json!("robot"), &json!(vendor.name()))
        );
        let greeting = chat
            .wait_for("a greeting", |event| event.from_kind() == Some("robot"))
            .await?;
        assert!(
            greeting
                .text()
                .is_some_and(|text| text.contains("我是智能助手")),
            "{greeting:?}"
        );

        chat.say("如何退货？").await?;
        let is_answer = |text: &str| text.contains("7 天内可以无理由退货");
        let answer = chat
            .wait_for("the robot's answer", |event| {
                event.text().is_some_and(is_answer)
            })
            .await?;
        assert_eq!(answer.from_kind(), Some("robot"));
        assert_eq!(
            answer.data["suggestions"],
            json!(["退货运费谁承担？", "怎么申请退货？"]),
            "{vendor:?}"
        );

        let log = chat.log().await?;
        assert_eq!(log[0].kind, "session.opened", "{vendor:?}");
        assert_eq!(log[0].data["id"], chat.id());
    }
    Ok(())
}

#[tokio::test]
async fn a_message_is_in_the_log_before_it_is_delivered() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open(vendor).await?;
        let accepted = chat.say("多久发货？").await?;
        assert_eq!(chat.fate(&accepted.id).await?["status"], "delivered");
        let log = chat.log().await?;
        let said = log
            .iter()
            .find(|event| event.data["id"] == accepted.id.as_str())
            .expect("the message is logged");
        assert_eq!(
            (said.seq, said.text(), said.from_kind()),
            (accepted.seq, Some("多久发货？"), Some("visitor"))
        );
        assert_eq!(chat.statuses(&accepted.id).await?, ["delivered"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_visitor_waits_in_the_queue_until_an_agent_accepts() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open(vendor).await?;
        chat.visitor
            .ask_for_human(chat.id(), None)
            .await?
            .expect(202)?;
        let queued = chat.wait_for_state("queued").await?;
        assert!(
            queued["queue"]["position"]
                .as_u64()
                .is_some_and(|position| position >= 1),
            "{queued}"
        );
        chat.agent(&json!({ "action": "queue", "position": 7 }))
            .await?;
        chat.wait_for("the new place", |event| {
            event.kind == "queue" && event.data["position"] == 7
        })
        .await?;

        chat.agent(&json!({ "action": "accept", "agent": "1002" }))
            .await?;
        let served = chat.wait_for_state("human").await?;
        assert_eq!(
            (&served["agent"]["id"], &served["agent"]["name"]),
            (&json!("1002"), &json!("客服二号"))
        );
        assert!(served["queue"].is_null(), "{served}");
        let greeting = chat.wait_for_text("您好，人工客服为您服务。").await?;
        assert_eq!(
            (greeting.from_kind(), &greeting.data["from"]["name"]),
            (Some("agent"), &json!("客服二号"))
        );

        let moves = chat.logged("session.state").await?;
        let moves: Vec<_> = moves
            .iter()
            .map(|data| (data["from"].as_str(), data["to"].as_str()))
            .collect();
        assert!(
            moves.ends_with(&[
                (Some("robot"), Some("queued")),
                (Some("queued"), Some("human"))
            ]),
            "{moves:?}"
        );
        let again = chat.visitor.ask_for_human(chat.id(), None).await?;
        again.expect_problem(409, "already-human")?;
    }
    Ok(())
}

#[tokio::test]
async fn a_robot_that_hears_the_keyword_hands_over() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open(vendor).await?;
        chat.say("人工").await?;
        chat.wait_for_state("queued").await?;
        chat.agent(&json!({ "action": "accept" })).await?;
        chat.wait_for_state("human").await?;
        chat.say("我的订单还没到").await?;
        chat.wait_for_state("human").await?;
        stage_hears(&chat, "我的订单还没到").await?;
    }
    Ok(())
}

#[tokio::test]
async fn both_sides_hear_each_other_in_order() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open_with_agent(vendor).await?;
        let numbers: Vec<String> = (1..=5).map(|number| format!("第 {number} 句 👋")).collect();
        for text in &numbers {
            chat.say(text).await?;
            chat.agent_says(&format!("回复 {text}")).await?;
        }
        chat.wait_for_text("回复 第 5 句 👋").await?;
        stage_hears(&chat, "第 5 句 👋").await?;
        let heard = chat.heard().await?;
        let answers: Vec<String> = numbers.iter().map(|text| format!("回复 {text}")).collect();
        assert!(heard.ends_with(&answers), "{heard:?}");
        let lines = chat.lines_of_visitor().await?;
        let said: Vec<_> = lines
            .iter()
            .filter_map(|content| content["text"].as_str())
            .collect();
        assert_eq!(said, numbers, "{vendor:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_agent_takes_a_message_back_and_hands_the_visitor_on() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open_with_agent(vendor).await?;
        chat.agent_says("发错了").await?;
        let wrong = chat.wait_for_text("发错了").await?;
        chat.agent(&json!({ "action": "recall" })).await?;
        let recalled = chat.wait_for_type("message.recalled").await?;
        assert_eq!(recalled.data["message"], wrong.data["id"]);

        let before = chat.session().await?["agent"]["id"].clone();
        let to = if before == "1001" { "1002" } else { "1001" };
        chat.agent(&json!({ "action": "transfer", "agent": to }))
            .await?;
        let is_it = |event: &kefu_test_support::visitor::Event| {
            event.kind == "agent" && event.data["event"] == "transferred"
        };
        let transferred = chat.wait_for("the transfer", is_it).await?;
        assert_eq!(transferred.data["agent"]["id"], to);
        assert_eq!(chat.session().await?["agent"]["id"], to);
    }
    Ok(())
}

#[tokio::test]
async fn messages_of_the_desk_are_unread_until_they_are_read() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open_with_agent(vendor).await?;
        let seen = chat.session().await?;
        let last = seen["last_seq"].as_u64().expect("a number");
        chat.visitor.read(chat.id(), last).await?.expect(204)?;
        assert_eq!(chat.session().await?["unread"], 0);
        chat.agent_says("一").await?;
        chat.agent_says("二").await?;
        let first = chat.wait_for_text("一").await?;
        chat.wait_for_text("二").await?;
        assert_eq!(chat.session().await?["unread"], 2);
        chat.visitor.read(chat.id(), first.seq).await?.expect(204)?;
        assert_eq!(chat.session().await?["unread"], 1);
        chat.visitor.typing(chat.id()).await?.expect(204)?;
        assert_eq!(chat.session().await?["unread"], 1, "typing is not reading");
    }
    Ok(())
}

#[tokio::test]
async fn a_visitor_has_one_open_session_at_a_desk() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open(vendor).await?;
        let again = chat
            .visitor
            .try_open(&json!({ "desk": vendor.name() }))
            .await?
            .expect(200)?;
        assert_eq!(again.json()?["id"], chat.id());
        let path = "/v1/sessions?state=open";
        let list = chat
            .visitor
            .request(Method::GET, path)
            .send()
            .await?
            .expect(200)?
            .json()?;
        let list = list
            .as_array()
            .or(list["sessions"].as_array())
            .cloned()
            .unwrap_or_default();
        assert_eq!(list.len(), 1, "{list:?}");
        assert_eq!(list[0]["id"], chat.id());
    }
    Ok(())
}

#[tokio::test]
async fn a_new_session_does_not_continue_the_ended_one() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open_with_agent(vendor).await?;
        chat.agent(&json!({ "action": "end" })).await?;
        let ended = chat.wait_for_type("session.ended").await?;
        assert_eq!(ended.data["reason"], "agent");
        chat.send(&json!({ "type": "text", "text": "还在吗" }))
            .await?
            .expect_problem(409, "session-ended")?;

        let next = stage.open_as(chat.visitor.clone(), vendor).await?;
        assert_ne!(next.id(), chat.id());
        next.say("怎么开发票？").await?;
        next.wait_for_text("在订单详情页点击“申请开票”即可。")
            .await?;
        let old = chat.log().await?;
        assert_eq!(
            old.iter()
                .filter(|event| event.text() == Some("在订单详情页点击“申请开票”即可。"))
                .count(),
            0
        );
    }
    Ok(())
}

#[tokio::test]
async fn messages_before_the_handshake_are_sent_after_it_in_order() -> Result<()> {
    let stage = Stage::start().await?;
    for (vendor, operation) in [
        (Vendor::Zhichi, "get_robot_guide"),
        (Vendor::Jiaxin, "session.open"),
    ] {
        let slow = json!({ "kind": "slow", "ms": 1_500, "operation": operation });
        stage.simulators.fault(vendor, &slow).await?;
        let visitor = stage.visitor();
        let body = json!({ "desk": vendor.name(), "visitor": { "name": visitor.id() } });
        let session = visitor.open_with(&body).await?;
        assert_eq!(session["state"], "opening", "{vendor:?}");
        let chat = kefu_test_support::chat::Chat::of(&stage.simulators, visitor, vendor, &session)?;
        for text in ["一", "二", "三"] {
            chat.say(text).await?;
        }
        let last = chat.say("四").await?;
        assert_eq!(chat.fate(&last.id).await?["status"], "delivered");
        let lines = chat.lines_of_visitor().await?;
        let said: Vec<_> = lines
            .iter()
            .filter_map(|content| content["text"].as_str())
            .collect();
        assert_eq!(said, ["一", "二", "三", "四"], "{vendor:?}");
    }
    Ok(())
}

/// Waits until the vendor's transcript holds this text of the visitor.
async fn stage_hears(chat: &kefu_test_support::chat::Chat<'_>, text: &str) -> Result<()> {
    kefu_test_support::wait::until(&format!("the vendor to hear {text:?}"), async || {
        let lines = chat.lines_of_visitor().await?;
        Ok(lines
            .iter()
            .any(|content| content["text"] == text)
            .then_some(()))
    })
    .await
}
