//! What vendors push: only what proves where it comes from is heard, once, in
//! the session that it is about, and everything else is answered so that the
//! vendor knows whether to come again.

use anyhow::Result;
use http::Method;
use kefu_test_support::config::fresh_secret;
use kefu_test_support::http::{Client, Response};
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::token::now;
use serde_json::json;

#[tokio::test]
async fn a_push_without_proof_is_refused_and_not_heard() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in Vendor::ALL {
        let chat = stage.open_with_agent(vendor).await?;
        let before = chat.log().await?;
        let body = chat.as_pushed("我是骗子").await?.to_string();
        for rest in [
            "",
            "/",
            "/guessed-secret-segment",
            "/a/b",
            "/message/send.json",
            "?eventType=MSG&time=1&checksum=0",
        ] {
            let path = format!("/{}{rest}", vendor.name());
            callback(&stage, &path, body.clone())
                .await?
                .expect_problem(401, "unauthenticated")?;
        }
        assert_eq!(chat.log().await?, before, "{vendor:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_push_that_is_signed_wrongly_or_long_ago_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    let flaws = |vendor| match vendor {
        // Nothing is signed; the address is the secret.
        Vendor::Zhichi => vec!["wrong_secret"],
        _ => vec!["bad_signature", "wrong_secret", "stale_timestamp"],
    };
    let rows = Vendor::ALL.map(|vendor| flaws(vendor).into_iter().map(move |flaw| (vendor, flaw)));
    for (vendor, kind) in rows.into_iter().flatten() {
        let chat = stage.open_with_agent(vendor).await?;
        chat.fault(&json!({ "kind": kind, "times": 1 })).await?;
        chat.agent_says("不可信").await?;
        chat.agent_says("可信").await?;
        chat.wait_for_text("可信").await?;
        assert!(
            !chat.heard().await?.contains(&"不可信".to_owned()),
            "{vendor:?} {kind}"
        );
        let refused = chat.spoilt_push(kind).await?;
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
    for vendor in Vendor::ALL {
        let chat = stage.open_with_agent(vendor).await?;
        let before = chat.log().await?;
        let nobody = format!("nobody-{}", fresh_secret());
        let mut body = chat.as_pushed("有人吗").await?;
        vendor.readdress(&mut body, &nobody);
        let push = stage
            .simulators
            .push(vendor, &nobody, vendor.message_event(), &body)
            .await?;
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
    for vendor in Vendor::ALL {
        let path = format!("/{}", stage.simulators.callback_path(vendor));
        let huge = json!({ "type": 202, "content": "x".repeat(1 << 20) }).to_string();
        callback(&stage, &path, huge)
            .await?
            .expect_problem(413, "too-large")?;
    }
    Ok(())
}

#[tokio::test]
async fn what_one_vendor_signed_proves_nothing_at_another() -> Result<()> {
    let stage = Stage::of(&Vendor::ALL).await?;
    let callbacks = format!("{}/v1/callbacks", stage.gateway.public());
    for from in Vendor::ALL {
        let chat = stage.open_with_agent(from).await?;
        let before = chat.log().await?;
        for to in Vendor::ALL.into_iter().filter(|to| *to != from) {
            // Its own words, sent where another vendor's are expected.
            let told = json!({ "url": format!("{callbacks}/{}", to.name()) });
            let request = stage
                .simulators
                .request(from, Method::PUT, "/control/callback")
                .json(&told);
            request.send().await?.expect(204)?;
            let body = chat.as_pushed("我是别人").await?;
            let push = chat.push(from.message_event(), &body).await?;
            assert_eq!(push["tries"], json!([401]), "{from:?} to {to:?}: {push}");
        }
        assert_eq!(chat.log().await?, before, "{from:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_authentic_push_that_makes_no_sense_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in Vendor::ALL {
        let chat = stage.open_with_agent(vendor).await?;
        let before = chat.log().await?;
        for body in [
            json!("this is not JSON"),
            json!("[]"),
            json!("{\"type\":"),
            json!({ "hello": "world" }),
        ] {
            let push = chat.push(vendor.message_event(), &body).await?;
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
    let answer = callback(&stage, &path, chat.as_pushed("你好").await?.to_string())
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
    for vendor in Vendor::ALL {
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
        let repeated = chat.spoilt_push("duplicate").await?;
        assert_eq!(
            repeated["tries"],
            json!([200, 200, 200, 200]),
            "all were taken"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_same_words_said_twice_are_two_messages() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in Vendor::ALL {
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
    for vendor in Vendor::ALL {
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
    for vendor in Vendor::ALL {
        let chat = stage.open_with_agent(vendor).await?;
        let at_vendor = chat.at_vendor().await?;
        let (id, session) = (&at_vendor["id"], &at_vendor["session"]);
        let (event, body) = match vendor {
            Vendor::Zhichi => (
                "raw",
                json!({ "type": 201, "partnerId": id, "cid": session, "count": 3, "ts": now() * 1_000 }),
            ),
            Vendor::Qiyu => ("USER_JOIN_QUEUE", json!({ "uid": id, "count": 3 })),
            Vendor::Jiaxin | Vendor::Xiaoneng | Vendor::Sdp => {
                let robot = json!({ "mode": "robot" });
                ("raw", chat.sdp_event("session.mode", robot).await?)
            }
            // It has no word for where a session stands.
            Vendor::Aikefu => continue,
        };
        let push = chat.push(event, &body).await?;
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
    // 七鱼 and 爱客服 name no session in a message: the newest one is meant.
    for vendor in [
        Vendor::Zhichi,
        Vendor::Jiaxin,
        Vendor::Xiaoneng,
        Vendor::Sdp,
    ] {
        let chat = stage.open_with_agent(vendor).await?;
        let late = chat.as_pushed("迟到的话").await?;
        chat.agent(&json!({ "action": "end", "reason": "removed" }))
            .await?;
        chat.wait_for_state("ended").await?;
        let next = stage.open_as(chat.visitor.clone(), vendor).await?;
        assert_ne!(next.id(), chat.id());
        next.say("怎么开发票？").await?;
        next.wait_for_text("在订单详情页点击“申请开票”即可。")
            .await?;

        let push = chat.push("raw", &late).await?;
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

/// A callback from somewhere, with no proof but what is in its path.
async fn callback(stage: &Stage, path: &str, body: String) -> Result<Response> {
    let url = format!("{}/v1/callbacks{path}", stage.gateway.public());
    Client::new()
        .post(url)
        .body("application/json", body)
        .send()
        .await
}
