//! Pushes to an app's own server: signed as other languages verify, in order,
//! until they are received, and never in the way of anybody else.

use anyhow::{Context, Result};
use http::Method;
use kefu_test_support::app_server::AppServer;
use kefu_test_support::http::Client;
use kefu_test_support::media::png;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::{gateway, wait};
use serde_json::{Value, json};

mod guide;
mod trouble;

#[tokio::test]
async fn what_both_sides_say_is_pushed_in_order_and_verified_in_another_language() -> Result<()> {
    let (server, stage) = scene("standard-webhooks").await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    chat.say("我买的鞋什么时候到？").await?;
    chat.wait_for_calls("message.send", 1).await?;
    chat.agent_says("明天到").await?;
    chat.wait_for_text("明天到").await?;
    chat.say("谢谢 😀 & <b>").await?;
    let logged = chat.logged("message").await?;
    let pushed = server.wait_for(logged.len()).await?;
    let said: Vec<&Value> = pushed.iter().map(|push| &push["data"]).collect();
    assert_eq!(said, logged.iter().collect::<Vec<_>>());
    for push in &pushed {
        assert_eq!(push["session"], chat.id());
        assert_eq!(
            (&push["app"], &push["desk"]),
            (&json!("demo"), &json!("jiaxin"))
        );
        assert_eq!(push["visitor"]["id"], chat.visitor.id());
        assert_eq!(push.get("replayed"), None);
    }
    for one in server.received().await? {
        assert_eq!(one["format"], "standard-webhooks");
        assert_eq!(one["headers"]["webhook-id"], one["push"]["id"]);
    }
    Ok(())
}

#[tokio::test]
async fn rongclouds_form_says_who_spoke_to_whom_and_what() -> Result<()> {
    let (server, stage) = scene("rongcloud").await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    chat.say("怎么退货？").await?;
    chat.wait_for_calls("message.send", 1).await?;
    let product = json!({
        "type": "custom", "name": "cs:product", "fallback_text": "红鞋",
        "payload": { "title": "红鞋", "url": "https://shop.example.com/1" }
    });
    let place =
        json!({ "type": "location", "latitude": 39.9, "longitude": 116.4, "label": "天安门" });
    let mut sent = 1;
    for content in [product, place] {
        let answer = chat.send(&content).await?;
        sent += usize::from(answer.status == 202);
    }
    chat.agent_says("七天内可退").await?;
    chat.wait_for_text("七天内可退").await?;
    let logged = chat.logged("message").await?;
    let pushed = server.wait_for(logged.len()).await?;
    assert_eq!(pushed.len(), logged.len());
    for (push, message) in pushed.iter().zip(&logged) {
        assert_eq!(push["channelType"], "CUSTOMERSERVICE");
        assert_eq!(push["msgUID"], message["id"]);
        let by_visitor = message["from"]["kind"] == "visitor";
        let (from, to) = if by_visitor {
            (chat.visitor.id(), "jiaxin")
        } else {
            ("jiaxin", chat.visitor.id())
        };
        assert_eq!(
            (&push["fromUserId"], &push["toUserId"]),
            (&json!(from), &json!(to))
        );
    }
    let by_visitor = pushed.iter().filter(|push| push["toUserId"] == "jiaxin");
    assert_eq!(by_visitor.count(), sent);
    let last = pushed.last().context("something was pushed")?;
    assert_eq!(last["objectName"], "RC:TxtMsg");
    assert_eq!(last["content"]["content"], "七天内可退");
    for one in server.received().await? {
        assert_eq!(one["format"], "rongcloud");
        let path = one["path"].as_str().unwrap_or_default();
        assert!(
            path.starts_with("/push?from=kefu&appKey=demo&nonce="),
            "{path}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_an_agent_takes_back_is_pushed_too() -> Result<()> {
    for format in ["standard-webhooks", "rongcloud"] {
        let (server, stage) = scene(format).await?;
        let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
        chat.agent_says("说错了").await?;
        chat.wait_for_text("说错了").await?;
        chat.agent(&json!({ "action": "recall" })).await?;
        let recalled = chat.wait_for_type("message.recalled").await?;
        let all = chat.logged("message").await?.len() + 1;
        let pushed = server.wait_for(all).await?;
        let last = pushed.last().context("something was pushed")?;
        let named = match format {
            "rongcloud" => {
                assert_eq!(last["objectName"], "RC:RcCmd");
                &last["content"]["messageUId"]
            }
            _ => {
                assert_eq!(last["type"], "message.recalled");
                &last["data"]["message"]
            }
        };
        assert_eq!(*named, recalled.data["message"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_link_to_an_upload_works_for_the_app_server_at_every_try() -> Result<()> {
    for format in ["standard-webhooks", "rongcloud"] {
        let (server, stage) = scene(format).await?;
        server
            .behave(&json!([{ "kind": "status", "status": 500, "times": 1, "containing": "/v1/media/" }]))
            .await?;
        let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
        let bytes = png();
        let stored = chat.visitor.upload("image/png", bytes.clone()).await?;
        let stored = stored.expect(201)?.json()?;
        chat.send_accepted(&json!({ "type": "image", "url": stored["url"] }))
            .await?;
        let all = chat.logged("message").await?.len();
        let pushed = server.wait_for(all).await?;
        let url = pushed.iter().find_map(|push| {
            let url = match format {
                "rongcloud" => &push["content"]["imageUri"],
                _ => &push["data"]["content"]["url"],
            };
            url.as_str()
        });
        let answer = Client::new().get(url.context("a picture")?).send().await?;
        assert_eq!(answer.expect(200)?.body, bytes, "{format}");
    }
    Ok(())
}

#[tokio::test]
async fn during_a_rotation_the_old_and_the_new_secret_both_verify() -> Result<()> {
    let (server, mut stage) = scene("standard-webhooks").await?;
    const NEW: &str = "whsec_dGhlLW5ldy1zZWNyZXQtb2YtdGhlLXJvdGF0aW9uLTI=";
    let old = kefu_test_support::app_server::WEBHOOK;
    let both = format!("secrets = [\"{NEW}\", \"{old}\"]");
    let routing = server.routing("standard-webhooks");
    let own = routing.replace(&format!("secret = \"{old}\""), &both);
    stage
        .gateway
        .reconfigure(|config| config.without("apps.demo.routing").with(&own))?;
    reloaded(&stage).await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    chat.say("旧的").await?;
    server.wait_for(chat.logged("message").await?.len()).await?;
    server
        .know(&json!({ "webhook": [NEW], "rongcloud": "" }))
        .await?;
    chat.say("新的").await?;
    let pushed = server.wait_for(chat.logged("message").await?.len()).await?;
    assert!(
        pushed
            .iter()
            .any(|push| push["data"]["content"]["text"] == "新的")
    );
    Ok(())
}

#[tokio::test]
async fn a_routing_that_is_switched_on_tells_what_is_said_from_then_on() -> Result<()> {
    let server = AppServer::start().await?;
    let mut stage = Stage::start().await?;
    let chat_id = {
        let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
        chat.say("以前").await?;
        (chat.visitor.clone(), chat.id().to_owned())
    };
    let routing = server.routing("standard-webhooks");
    stage.gateway.reconfigure(|config| config.with(&routing))?;
    reloaded(&stage).await?;
    let (visitor, session) = chat_id;
    visitor.send_text(&session, "以后").await?;
    let pushed = server.wait_for(1).await?;
    assert_eq!(pushed[0]["data"]["content"]["text"], "以后");
    // And it can be switched off again.
    stage
        .gateway
        .reconfigure(|config| config.without("apps.demo.routing"))?;
    reloaded(&stage).await?;
    visitor.send_text(&session, "不再").await?;
    let statuses = pushes(&stage).await?;
    assert_eq!(statuses, json!([]));
    assert_eq!(server.taken().await?.len(), 1);
    Ok(())
}

/// A stage whose app has a server.
async fn scene(format: &str) -> Result<(AppServer, Stage)> {
    let server = AppServer::start().await?;
    let routing = server.routing(format);
    let stage = Stage::with(|config| config.with(&routing)).await?;
    Ok((server, stage))
}

/// As [`scene`], with more tries than a server can miss while it is away.
async fn patient_scene(format: &str) -> Result<(AppServer, Stage)> {
    let server = AppServer::start().await?;
    let routing = server.routing(format);
    let waits = format!("apps.demo.routing.waits = {:?}", ["100ms"; 50]);
    let stage = Stage::with(|config| config.with(&routing).with(&waits)).await?;
    Ok((server, stage))
}

/// Waits until the configuration that was written last is in force.
async fn reloaded(stage: &Stage) -> Result<()> {
    let answer = stage
        .gateway
        .admin_request(Method::POST, "/admin/v1/reload")
        .json(&json!({}))
        .send()
        .await?;
    let report = answer.expect(200)?.json()?;
    let outcome = report["outcome"].as_str().unwrap_or_default();
    anyhow::ensure!(matches!(outcome, "applied" | "unchanged"), "{report}");
    Ok(())
}

/// What operators see of pushes.
async fn pushes(stage: &Stage) -> Result<Value> {
    admin(&stage.gateway, "/admin/v1/pushes", "pushes").await
}

async fn admin(gateway: &gateway::Gateway, path: &str, key: &str) -> Result<Value> {
    let answer = gateway.admin_request(Method::GET, path).send().await?;
    Ok(answer.expect(200)?.json()?[key].clone())
}

/// The dead letters of this kind, once there are so many.
async fn dead_letters(stage: &Stage, kind: &str, count: usize) -> Result<Vec<Value>> {
    wait::until(&format!("{count} dead letters"), async || {
        let all = admin(&stage.gateway, "/admin/v1/dead-letters", "dead_letters").await?;
        let all = all.as_array().cloned().unwrap_or_default();
        let those: Vec<Value> = all
            .into_iter()
            .filter(|letter| letter["type"] == kind)
            .collect();
        Ok((those.len() >= count).then_some(those))
    })
    .await
}

async fn replay(stage: &Stage, letter: &Value, status: u16) -> Result<Value> {
    let id = letter["id"].as_str().context("a letter has an id")?;
    let path = format!("/admin/v1/dead-letters/{id}/replay");
    let request = stage.gateway.admin_request(Method::POST, &path);
    let answer = request.json(&json!({})).send().await?;
    answer.expect(status)?.json()
}
