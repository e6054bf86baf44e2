//! Vendors that fail: what may be sent again is sent again until it arrives,
//! once and in order; what may not is told as unknown; nothing is lost
//! silently.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use http::Method;
use kefu_simulators::{Settings, zhichi};
use kefu_test_support::chat::{Chat, entries};
use kefu_test_support::config::{Config, fresh_secret};
use kefu_test_support::gateway::{Gateway, free_port};
use kefu_test_support::plugins::ZHICHI;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::visitor::check_gap_free;
use serde_json::{Value, json};

#[tokio::test]
async fn a_vendor_that_was_busy_gets_every_message_once_and_in_order() -> Result<()> {
    let stage = Stage::shared().await?;
    for (vendor, operation) in [
        (Vendor::Zhichi, "chat_send"),
        (Vendor::Jiaxin, "message.send"),
    ] {
        let chat = stage.open_with_agent(vendor).await?;
        chat.fault(&json!({ "kind": "status", "status": 503, "operation": operation, "times": 3 }))
            .await?;
        let texts: Vec<String> = (1..=6).map(|number| format!("第 {number} 句")).collect();
        let mut ids = Vec::new();
        for text in &texts {
            ids.push(chat.say(text).await?.id);
        }
        for id in &ids {
            assert_eq!(chat.fate(id).await?["status"], "delivered", "{vendor:?}");
            assert_eq!(chat.statuses(id).await?, ["delivered"]);
        }
        assert_eq!(heard_texts(&chat).await?, texts, "{vendor:?}");
        assert_eq!(chat.carried_out(operation).await?.len(), 6);
        let refused = chat
            .calls()
            .await?
            .iter()
            .filter(|call| call["status"] == 503)
            .count();
        assert_eq!(refused, 3, "the fault was met");
    }
    Ok(())
}

#[tokio::test]
async fn a_vendor_that_asks_for_patience_is_asked_again() -> Result<()> {
    let stage = Stage::shared().await?;
    for (vendor, operation) in [
        (Vendor::Zhichi, "chat_send"),
        (Vendor::Jiaxin, "message.send"),
    ] {
        let chat = stage.open_with_agent(vendor).await?;
        let fault = json!({ "kind": "status", "status": 429, "retry_after_s": 1, "operation": operation, "times": 1 });
        chat.fault(&fault).await?;
        let said = chat.say("慢慢来").await?;
        assert_eq!(chat.fate(&said.id).await?["status"], "delivered");
        let calls = chat.calls().await?;
        let tries: Vec<_> = calls
            .iter()
            .filter(|call| call["operation"] == operation)
            .collect();
        assert_eq!(
            tries
                .iter()
                .map(|call| call["status"].clone())
                .collect::<Vec<_>>(),
            [429, 200]
        );
        let seconds = |call: &Value| parsed(call["at"].as_str().unwrap_or_default());
        let waited = (seconds(tries[1]) - seconds(tries[0])).rem_euclid(86_400.0);
        assert!(waited >= 1.0, "the vendor's wish was heard: {tries:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_unclear_failure_of_what_must_not_be_repeated_is_told_as_unknown() -> Result<()> {
    let stage = Stage::shared().await?;
    for fault in [
        json!({ "kind": "status", "status": 500 }),
        json!({ "kind": "status", "status": 502, "processed": true }),
        json!({ "kind": "drop" }),
        json!({ "kind": "drop", "processed": false }),
    ] {
        let chat = stage.open_with_agent(Vendor::Zhichi).await?;
        let mut aimed = fault.clone();
        aimed["operation"] = "chat_send".into();
        aimed["times"] = 1.into();
        chat.fault(&aimed).await?;
        let said = chat.say("到了吗").await?;
        let fate = chat.fate(&said.id).await?;
        assert_eq!(fate["status"], "unknown", "{fault}");
        assert!(
            fate["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty()),
            "{fate}"
        );
        // The lane goes on, and what is unknown does not come later.
        let next = chat.say("下一句").await?;
        assert_eq!(chat.fate(&next.id).await?["status"], "delivered");
        assert_eq!(chat.statuses(&said.id).await?, ["unknown"]);
        let arrived = usize::from(fault["processed"] == true || fault == json!({ "kind": "drop" }));
        let texts = heard_texts(&chat).await?;
        assert_eq!(
            texts.iter().filter(|text| *text == "到了吗").count(),
            arrived,
            "{fault}: {texts:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_where_a_repeat_does_no_harm() -> Result<()> {
    let stage = Stage::shared().await?;
    for fault in [
        json!({ "kind": "drop" }),
        json!({ "kind": "status", "status": 500, "processed": true }),
    ] {
        let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
        let mut aimed = fault.clone();
        aimed["operation"] = "message.send".into();
        aimed["times"] = 1.into();
        chat.fault(&aimed).await?;
        let said = chat.say("到了吗").await?;
        assert_eq!(chat.fate(&said.id).await?["status"], "delivered", "{fault}");
        assert_eq!(heard_texts(&chat).await?, ["到了吗"], "{fault}");
        let calls = chat.calls().await?;
        let tries: Vec<_> = calls
            .iter()
            .filter(|call| call["operation"] == "message.send")
            .collect();
        assert_eq!(tries.len(), 2);
        assert_eq!(
            (&tries[0]["id"], &tries[1]["repeat"]),
            (&tries[1]["id"], &json!(true)),
            "{tries:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_operator_may_prefer_a_second_arrival_to_a_lost_one() -> Result<()> {
    let stage =
        Stage::with(|config| config.with_provider("zhichi", "on_unknown = \"retry\"")).await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    chat.fault(&json!({ "kind": "drop", "operation": "chat_send", "times": 1 }))
        .await?;
    let said = chat.say("到了吗").await?;
    assert_eq!(chat.fate(&said.id).await?["status"], "delivered");
    assert_eq!(heard_texts(&chat).await?, ["到了吗", "到了吗"]);
    Ok(())
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_told_as_unknown() -> Result<()> {
    let stage = Stage::shared().await?;
    for (vendor, operation) in [
        (Vendor::Zhichi, "chat_send"),
        (Vendor::Jiaxin, "message.send"),
    ] {
        for kind in ["broken_json", "html", "empty_body"] {
            let chat = stage.open_with_agent(vendor).await?;
            chat.fault(
                &json!({ "kind": kind, "operation": operation, "times": 1, "processed": true }),
            )
            .await?;
            let said = chat.say("收到请回答").await?;
            let fate = chat.fate(&said.id).await?;
            assert_eq!(fate["status"], "unknown", "{vendor:?} {kind}");
            assert!(
                fate["detail"]
                    .as_str()
                    .is_some_and(|detail| !detail.is_empty()),
                "{fate}"
            );
            let next = chat.say("下一句").await?;
            assert_eq!(chat.fate(&next.id).await?["status"], "delivered");
            assert_eq!(
                heard_texts(&chat).await?,
                ["收到请回答", "下一句"],
                "{vendor:?} {kind}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_message_that_the_vendor_refuses_has_failed_with_its_words() -> Result<()> {
    let stage = Stage::shared().await?;
    let rows = [
        (Vendor::Zhichi, "chat_send", "400001"),
        (Vendor::Jiaxin, "message.send", "4301"),
    ];
    for (vendor, operation, code) in rows {
        let chat = stage.open_with_agent(vendor).await?;
        let fault = json!({ "kind": "error_code", "code": code, "message": "拒绝", "operation": operation, "times": 1 });
        chat.fault(&fault).await?;
        let said = chat.say("可以吗").await?;
        let fate = chat.fate(&said.id).await?;
        assert_eq!(fate["status"], "failed", "{vendor:?}: {fate}");
        assert!(
            fate["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains(code)),
            "{fate}"
        );
        assert_eq!(chat.session().await?["state"], "human");
    }
    Ok(())
}

#[tokio::test]
async fn a_slow_vendor_gets_messages_one_after_the_other() -> Result<()> {
    let stage = Stage::shared().await?;
    for (vendor, operation) in [
        (Vendor::Zhichi, "chat_send"),
        (Vendor::Jiaxin, "message.send"),
    ] {
        let chat = stage.open_with_agent(vendor).await?;
        chat.fault(&json!({ "kind": "slow", "ms": 400, "operation": operation }))
            .await?;
        let mut last = String::new();
        for text in ["一", "二", "三", "四"] {
            last = chat.say(text).await?.id;
        }
        assert_eq!(chat.fate(&last).await?["status"], "delivered");
        assert_eq!(
            heard_texts(&chat).await?,
            ["一", "二", "三", "四"],
            "{vendor:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_vendor_that_answers_after_the_time_limit_leaves_the_fate_unknown() -> Result<()> {
    let stage =
        Stage::with(|config| config.with_provider("zhichi", "limits.timeout = \"500ms\"")).await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    chat.fault(&json!({ "kind": "slow", "ms": 3_000, "operation": "chat_send", "times": 1 }))
        .await?;
    let said = chat.say("在吗").await?;
    assert_eq!(chat.fate(&said.id).await?["status"], "unknown");
    let next = chat.say("下一句").await?;
    assert_eq!(chat.fate(&next.id).await?["status"], "delivered");
    assert_eq!(heard_texts(&chat).await?, ["在吗", "下一句"]);
    Ok(())
}

#[tokio::test]
async fn messages_to_a_vendor_that_is_away_arrive_when_it_is_back() -> Result<()> {
    let port = free_port()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let (app_key, push_secret) = (fresh_secret(), fresh_secret());
    let vendor = || {
        let config = zhichi::Config {
            app_id: "demo-app".to_owned(),
            app_key: app_key.clone(),
            callback: None,
            settings: Settings::default(),
        };
        zhichi::start(address, config)
    };
    let running = vendor().await?;
    let settings = format!(
        "plugin = \"{ZHICHI}\"\nhosts = [\"127.0.0.1:{port}\"]\n[settings]\nbase_url = \"http://127.0.0.1:{port}\"\n\
         app_id = \"demo-app\"\napp_key = \"{app_key}\"\npush_secret = \"{push_secret}\"\n"
    );
    let config = Config::new()
        .with_provider("zhichi", &settings)
        .with_desk("zhichi", "routes = [{ provider = \"zhichi\" }]");
    let gateway = Gateway::start(config, &[ZHICHI]).await?;
    let visitor = gateway.visitor("v");
    let session = visitor.open_and_wait(&json!({ "desk": "zhichi" })).await?;
    let id = session["id"].as_str().context("a session has an id")?;

    drop(running);
    let mut said = Vec::new();
    for text in ["你好", "如何退货？", "多久发货？"] {
        said.push(visitor.send_text(id, text).await?.id);
    }
    visitor.wait_for_state(id, "robot").await?;
    let _running = vendor().await?;
    for message in &said {
        let delivered = |event: &kefu_test_support::visitor::Event| {
            event.kind == "message.status" && event.data["message"] == message.as_str()
        };
        let fate = visitor
            .wait_for(id, "the fate of a message", delivered)
            .await?;
        assert_eq!(fate.data["status"], "delivered", "{fate:?}");
    }
    let events = visitor.events(id, 0).await?;
    check_gap_free(&events)?;
    let answers: Vec<_> = events
        .iter()
        .filter(|event| event.from_kind() == Some("robot"))
        .filter_map(|event| event.text())
        .collect();
    let wanted = ["很高兴为您服务", "无理由退货", "24 小时内发货"];
    let tail = &answers[answers.len().saturating_sub(3)..];
    assert!(
        tail.iter()
            .zip(wanted)
            .all(|(answer, part)| answer.contains(part)),
        "{answers:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_dead_token_is_renewed_once_for_everybody() -> Result<()> {
    let stage = Stage::with(|config| {
        // A second provider on the same account: a desk of its own, one token.
        let same_account = config.provider_text("zhichi");
        config
            .with_provider("again", &same_account)
            .with_provider("again", "id = \"again\"")
            .with_desk("again", "routes = [{ provider = \"again\" }]")
    })
    .await?;
    let mut chats = Vec::new();
    for number in 0..6 {
        let desk = if number % 2 == 0 { "zhichi" } else { "again" };
        chats.push(Chat::open(&stage.simulators, stage.visitor(), Vendor::Zhichi, desk).await?);
    }
    assert_eq!(
        tokens_fetched(&stage).await?,
        1,
        "both providers share the account's token"
    );
    let kill = stage
        .simulators
        .request(Vendor::Zhichi, Method::POST, "/control/tokens/invalidate");
    kill.send().await?.expect(204)?;
    let mut said = Vec::new();
    for chat in &chats {
        said.push(chat.say("怎么开发票？").await?.id);
    }
    for (chat, message) in chats.iter().zip(&said) {
        assert_eq!(chat.fate(message).await?["status"], "delivered");
        chat.wait_for_text("在订单详情页点击“申请开票”即可。")
            .await?;
        assert_eq!(heard_texts(chat).await?, ["怎么开发票？"]);
    }
    assert_eq!(
        tokens_fetched(&stage).await?,
        2,
        "renewed once, not once for each"
    );
    Ok(())
}

#[tokio::test]
async fn a_session_opens_once_the_token_can_be_fetched() -> Result<()> {
    let stage = Stage::start().await?;
    let busy = json!({ "kind": "status", "status": 503, "operation": "get_token", "times": 2 });
    stage.simulators.fault(Vendor::Zhichi, &busy).await?;
    let chat = stage.open(Vendor::Zhichi).await?;
    let said = chat.say("你好").await?;
    assert_eq!(chat.fate(&said.id).await?["status"], "delivered");
    Ok(())
}

async fn tokens_fetched(stage: &Stage) -> Result<usize> {
    let request = stage.simulators.request(
        Vendor::Zhichi,
        Method::GET,
        "/control/log?operation=get_token&processed=true",
    );
    Ok(entries(request.send().await?.expect(200)?.json()?)?.len())
}

/// The visitor's texts in the vendor's transcript, in order.
async fn heard_texts(chat: &Chat<'_>) -> Result<Vec<String>> {
    let lines = chat.lines_of_visitor().await?;
    Ok(lines
        .iter()
        .filter_map(|content| content["text"].as_str().map(str::to_owned))
        .collect())
}

/// Seconds of the day of an RFC 3339 time.
fn parsed(at: &str) -> f64 {
    let time = at
        .split_once('T')
        .map_or("", |(_, time)| time)
        .trim_end_matches('Z');
    time.split(':')
        .filter_map(|part| part.parse::<f64>().ok())
        .fold(0.0, |sum, part| sum * 60.0 + part)
}
