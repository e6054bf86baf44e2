//! What vendors push: only what proves where it comes from is heard, once, in
//! the session that it is about, and everything else is answered so that the
//! vendor knows whether to come again.

use anyhow::{Context, Result};
use http::Method;
use kefu_test_support::chat::{Chat, entries};
use kefu_test_support::config::fresh_secret;
use kefu_test_support::http::{Client, Response, escape};
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::token::now;
use kefu_test_support::wait;
use serde_json::{Value, json};

const BOTH: [Vendor; 2] = [Vendor::Zhichi, Vendor::Jiaxin];

#[tokio::test]
async fn a_push_without_proof_is_refused_and_not_heard() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open_with_agent(vendor).await?;
        let before = chat.log().await?;
        let body = said(&chat, "我是骗子").await?.to_string();
        let paths: &[&str] = match vendor {
            Vendor::Zhichi => &[
                "/zhichi",
                "/zhichi/",
                "/zhichi/guessed-secret-segment",
                "/zhichi/a/b",
            ],
            Vendor::Jiaxin => &["/jiaxin", "/jiaxin/anything"],
        };
        for path in paths {
            callback(&stage, path, body.clone())
                .await?
                .expect_problem(401, "unauthenticated")?;
        }
        assert_eq!(chat.log().await?, before);
    }
    Ok(())
}

#[tokio::test]
async fn a_push_that_is_signed_wrongly_or_long_ago_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    let rows = [
        (Vendor::Zhichi, "wrong_secret"),
        (Vendor::Jiaxin, "bad_signature"),
        (Vendor::Jiaxin, "wrong_secret"),
        (Vendor::Jiaxin, "stale_timestamp"),
    ];
    for (vendor, kind) in rows {
        let chat = stage.open_with_agent(vendor).await?;
        chat.fault(&json!({ "kind": kind, "times": 1 })).await?;
        chat.agent_says("不可信").await?;
        chat.agent_says("可信").await?;
        chat.wait_for_text("可信").await?;
        assert!(
            !chat.heard().await?.contains(&"不可信".to_owned()),
            "{vendor:?} {kind}"
        );
        let pushes = pushes(&stage, &chat).await?;
        let refused = pushes
            .iter()
            .find(|push| push["faults"] == json!([kind]))
            .context("the spoilt push")?;
        assert_eq!(
            (&refused["tries"], &refused["state"]),
            (&json!([401]), &json!("failed")),
            "{refused}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_push_for_nobody_is_answered_and_changes_nothing() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open_with_agent(vendor).await?;
        let before = chat.log().await?;
        let nobody = format!("nobody-{}", fresh_secret());
        let mut body = said(&chat, "有人吗").await?;
        let keys = match vendor {
            Vendor::Zhichi => ["partnerId", "cid"],
            Vendor::Jiaxin => ["visitor_id", "session_id"],
        };
        for key in keys {
            body[key] = json!(nobody);
        }
        let push = push(&stage, vendor, &nobody, &body).await?;
        assert_eq!(
            push["state"], "delivered",
            "the vendor need not come again: {push}"
        );
        assert_eq!(chat.log().await?, before);
        let metrics = stage
            .gateway
            .admin_request(Method::GET, "/metrics")
            .send()
            .await?
            .expect(200)?
            .text();
        let counted = metrics
            .lines()
            .any(|line| line.contains("unknown_conversation") && line.contains(vendor.name()));
        assert!(counted, "it is counted:\n{metrics}");
    }
    Ok(())
}

#[tokio::test]
async fn a_push_to_an_unknown_provider_is_not_found() -> Result<()> {
    let stage = Stage::shared().await?;
    for path in ["/nobody", "/nobody/secret", "/zhichi%00", "/"] {
        callback(&stage, path, "{}".to_owned())
            .await?
            .expect_problem(404, "not-found")?;
    }
    Ok(())
}

#[tokio::test]
async fn an_oversize_push_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    let path = format!("/zhichi/{}", stage.simulators.push_secret());
    let huge = json!({ "type": 202, "partnerId": "p", "content": "x".repeat(1 << 20) }).to_string();
    callback(&stage, &path, huge)
        .await?
        .expect_problem(413, "too-large")?;
    Ok(())
}

#[tokio::test]
async fn an_authentic_push_that_makes_no_sense_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open_with_agent(vendor).await?;
        let before = chat.log().await?;
        let name = chat.name_at_vendor().await?;
        for body in [
            json!("this is not JSON"),
            json!("[]"),
            json!("{\"type\":"),
            json!({ "hello": "world" }),
        ] {
            let push = push(&stage, vendor, &name, &body).await?;
            assert_eq!(push["tries"], json!([400]), "{vendor:?} {body}: {push}");
        }
        assert_eq!(chat.log().await?, before);
        chat.agent_says("接着聊").await?;
        chat.wait_for_text("接着聊").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_push_is_answered_in_the_vendors_own_words() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let path = format!("/zhichi/{}", stage.simulators.push_secret());
    let answer = callback(&stage, &path, said(&chat, "你好").await?.to_string())
        .await?
        .expect(200)?
        .json()?;
    assert_eq!(answer["ret_code"], "000000", "{answer}");
    chat.wait_for_text("你好").await?;
    // A type that this version does not know is no reason to come again.
    let unknown = json!({ "type": 299, "partnerId": chat.name_at_vendor().await?, "ts": 1 });
    callback(&stage, &path, unknown.to_string())
        .await?
        .expect(200)?;
    let get = Client::new()
        .get(format!("{}/v1/callbacks{path}", stage.gateway.public()))
        .send()
        .await?;
    get.expect_problem(400, "invalid-request")?;
    Ok(())
}

#[tokio::test]
async fn a_push_that_comes_again_is_heard_once() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open_with_agent(vendor).await?;
        chat.fault(&json!({ "kind": "duplicate", "copies": 3, "times": 1 }))
            .await?;
        chat.agent_says("只此一遍").await?;
        chat.agent_says("下一句").await?;
        chat.wait_for_text("下一句").await?;
        let heard = chat.heard().await?;
        assert_eq!(
            heard.iter().filter(|text| *text == "只此一遍").count(),
            1,
            "{heard:?}"
        );
        let pushes = pushes(&stage, &chat).await?;
        let spoilt = json!(["duplicate"]);
        let repeated = pushes.iter().find(|push| push["faults"] == spoilt);
        let tries = &repeated.context("the repeated push")?["tries"];
        assert_eq!(tries, &json!([200, 200, 200, 200]), "all were taken");
    }
    Ok(())
}

#[tokio::test]
async fn the_same_words_said_twice_are_two_messages() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open_with_agent(vendor).await?;
        for text in ["好的", "好的", "就这样"] {
            chat.agent_says(text).await?;
        }
        chat.wait_for_text("就这样").await?;
        let heard = chat.heard().await?;
        assert_eq!(
            heard.iter().filter(|text| *text == "好的").count(),
            2,
            "{heard:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn pushes_that_overtake_each_other_all_arrive() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open_with_agent(vendor).await?;
        chat.fault(&json!({ "kind": "swap", "times": 1 })).await?;
        for text in ["一", "二", "三"] {
            chat.agent_says(text).await?;
        }
        chat.wait_for_text("三").await?;
        chat.wait_for_text("一").await?;
        let heard = chat.heard().await?;
        assert!(
            heard.ends_with(&["二", "一", "三"].map(str::to_owned)),
            "as they came: {heard:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_push_about_the_past_does_not_move_the_session_back() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open_with_agent(vendor).await?;
        let at_vendor = chat.at_vendor().await?;
        let body = match vendor {
            Vendor::Zhichi => json!({
                "type": 201, "partnerId": at_vendor["id"], "cid": at_vendor["session"], "count": 3, "ts": now() * 1_000,
            }),
            Vendor::Jiaxin => envelope(&at_vendor, "session.mode", json!({ "mode": "robot" })),
        };
        let push = push(
            &stage,
            vendor,
            at_vendor["id"].as_str().unwrap_or_default(),
            &body,
        )
        .await?;
        assert_eq!(push["state"], "delivered", "{push}");
        chat.agent_says("我还在").await?;
        chat.wait_for_text("我还在").await?;
        assert_eq!(chat.session().await?["state"], "human", "{vendor:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_push_after_the_end_never_reaches_the_next_session() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in BOTH {
        let chat = stage.open_with_agent(vendor).await?;
        let late = said(&chat, "迟到的话").await?;
        chat.agent(&json!({ "action": "end", "reason": "removed" }))
            .await?;
        chat.wait_for_state("ended").await?;
        let next = stage.open_as(chat.visitor.clone(), vendor).await?;
        assert_ne!(next.id(), chat.id());
        next.say("怎么开发票？").await?;
        next.wait_for_text("在订单详情页点击“申请开票”即可。")
            .await?;

        let push = push(&stage, vendor, &chat.name_at_vendor().await?, &late).await?;
        assert_eq!(push["state"], "delivered", "{push}");
        chat.wait_for_text("迟到的话").await?;
        assert_eq!(
            chat.log()
                .await?
                .iter()
                .filter(|event| event.kind == "session.ended")
                .count(),
            1
        );
        assert!(
            !next.heard().await?.contains(&"迟到的话".to_owned()),
            "{vendor:?}"
        );
        next.wait_for_state("robot").await?;
    }
    Ok(())
}

/// The body by which this vendor would push an agent's text now.
async fn said(chat: &Chat<'_>, text: &str) -> Result<Value> {
    let at_vendor = chat.at_vendor().await?;
    let id = fresh_secret()[..32].to_owned();
    Ok(match chat.vendor {
        Vendor::Zhichi => json!({
            "type": 202, "partnerId": at_vendor["id"], "cid": at_vendor["session"], "msgId": id, "msgType": "text",
            "content": text, "aid": "1001", "aname": "客服一号", "ts": now() * 1_000,
        }),
        Vendor::Jiaxin => {
            let content = json!({ "type": "text", "text": text });
            let data = json!({ "msg_id": id, "from": { "kind": "agent", "id": "1001" }, "content": content });
            envelope(&at_vendor, "message", data)
        }
    })
}

/// An event of 佳信.
fn envelope(at_vendor: &Value, event: &str, data: Value) -> Value {
    json!({
        "id": fresh_secret()[..32], "ts": "2026-01-01T00:00:00.000Z", "account": "demo/demo",
        "visitor_id": at_vendor["id"], "session_id": at_vendor["session"], "event": event, "data": data,
    })
}

/// A callback from somewhere, with no proof but what is in its path.
async fn callback(stage: &Stage, path: &str, body: String) -> Result<Response> {
    let url = format!("{}/v1/callbacks{path}", stage.gateway.public());
    Client::new()
        .post(url)
        .body("application/json", body)
        .send()
        .await
}

/// Has the vendor push this body once, with its proof, and returns the push
/// when it is over.
async fn push(stage: &Stage, vendor: Vendor, visitor: &str, body: &Value) -> Result<Value> {
    let id = body["id"]
        .as_str()
        .map_or_else(|| fresh_secret()[..32].to_owned(), str::to_owned);
    let wanted = json!({ "visitor": visitor, "event": "raw", "body": body, "id": id });
    let request = stage
        .simulators
        .request(vendor, Method::POST, "/control/push")
        .json(&wanted);
    request.send().await?.expect(202)?;
    wait::until("the push to be over", async || {
        let path = format!("/control/pushes?visitor={}&event=raw", escape(visitor));
        let answer = stage
            .simulators
            .request(vendor, Method::GET, &path)
            .send()
            .await?
            .expect(200)?;
        let pushes = entries(answer.json()?)?;
        Ok(pushes
            .into_iter()
            .find(|push| push["id"] == id.as_str() && push["state"] != "waiting"))
    })
    .await
}

/// What the vendor pushed about this visitor.
async fn pushes(stage: &Stage, chat: &Chat<'_>) -> Result<Vec<Value>> {
    let path = format!(
        "/control/pushes?visitor={}",
        escape(&chat.name_at_vendor().await?)
    );
    let answer = stage
        .simulators
        .request(chat.vendor, Method::GET, &path)
        .send()
        .await?;
    entries(answer.expect(200)?.json()?)
}
