//! 爱客服: routing, signature, repeats, sending to a user.

use kefu_simulators::{Settings, aikefu};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use time::OffsetDateTime;

use crate::support::{Desk, Got, Http, Receiver, free_port};

const SECRET: &str = "demo-secret";

async fn start(patch: Value) -> Desk {
    let config = aikefu::Config {
        settings: Settings::default().patched(&patch).expect("settings"),
        ..aikefu::Config::default()
    };
    Desk {
        http: Http::new(),
        handle: aikefu::start(free_port(), config).await.expect("it starts"),
    }
}

fn sign(secret: &str, nonce: &str, time: &str) -> String {
    let digest = Sha1::digest(format!("{secret}{nonce}{time}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn form(uid: &str, name: &str, content: &str) -> String {
    format!(
        "fromUserId=v&toUserId=kefu&objectName={name}&content={content}&channelType=MC&msgTimestamp=1&msgUID={uid}&source=iOS"
    )
}

async fn route(desk: &Desk, secret: &str, seconds: i64, body: &str) -> Got {
    let time = format!("{seconds}000");
    let signature = sign(secret, "n1", &time);
    let path = format!("/receive?nonce=n1&signTimestamp={time}&signature={signature}");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let got = desk
        .http
        .send("POST", &desk.url(&path), &headers, body.to_owned())
        .await;
    got.expect("an answer")
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

#[tokio::test]
async fn a_routed_message_is_heard_once_and_answered_ok() {
    let desk = start(json!({})).await;
    let body = form(
        "u1",
        "RC:TxtMsg",
        "%7B%22content%22%3A%22%E4%BD%A0%E5%A5%BD%22%7D",
    );
    for _ in 0..2 {
        let got = route(&desk, SECRET, now(), &body).await;
        assert_eq!((got.status, got.text.as_str()), (200, "ok"));
    }
    let log = desk.log("visitor=v").await;
    assert_eq!(
        (&log[0]["processed"], &log[1]["repeat"]),
        (&json!(true), &json!(true))
    );
    let visitor = desk.visitor("v").await;
    assert_eq!(visitor["phase"], "human");
    let lines = visitor["lines"].as_array().expect("lines");
    let said = lines
        .iter()
        .filter(|line| line["content"]["text"] == "你好");
    assert_eq!(said.count(), 1);
}

#[tokio::test]
async fn a_bad_or_stale_signature_and_a_form_that_is_wrong_are_refused() {
    let desk = start(json!({})).await;
    let good = form("u1", "RC:TxtMsg", "%7B%22content%22%3A%22x%22%7D");
    assert_eq!(route(&desk, "another", now(), &good).await.status, 401);
    assert_eq!(route(&desk, SECRET, now() - 400, &good).await.status, 401);
    for body in [
        String::new(),
        good.replace("MC", "PERSON"),
        good.replace("toUserId=kefu", "toUserId=other"),
        good.replace("msgUID=u1", "msgUID="),
        form("u1", "RC:TxtMsg", "x"),
        form("u1", "RC:TxtMsg", "%7B%7D"),
        form("u1", "RC:LBSMsg", "%7B%7D"),
    ] {
        assert_eq!(
            route(&desk, SECRET, now(), &body).await.status,
            400,
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_agent_sends_to_a_user_signed_and_in_every_kind() {
    let desk = start(json!({})).await;
    let mut gateway = Receiver::start().await;
    desk.handle.set_callback(&gateway.url);
    let body = form("u1", "RC:TxtMsg", "%7B%22content%22%3A%22x%22%7D");
    route(&desk, SECRET, now(), &body).await;
    let greeting = gateway.next().await;
    assert_eq!(greeting.path, "/message/send.json");
    let (nonce, time) = (greeting.header("rc-nonce"), greeting.header("rc-timestamp"));
    assert_eq!(greeting.header("rc-signature"), sign(SECRET, nonce, time));
    let body = greeting.json();
    assert_eq!(
        (&body["fromuser"], &body["touser"]),
        (&json!("kefu@demo-key"), &json!("v@demo-key"))
    );
    assert_eq!(body["userinfo"]["name"], "客服一号");
    for (action, kind) in [
        (
            json!({"action": "image", "url": "http://m.example/a.png"}),
            "image",
        ),
        (
            json!({"action": "voice", "url": "http://m.example/a.aac"}),
            "voice",
        ),
        (
            json!({"action": "rich", "title": "t", "url": "http://m.example/"}),
            "news",
        ),
        (
            json!({"action": "emoji", "code": "14", "text": "[微笑]"}),
            "text",
        ),
    ] {
        desk.act("v", action).await;
        let sent = gateway.next().await.json();
        assert_eq!(sent["msgtype"], kind);
        assert!(sent[kind].is_object());
    }
    // Ends are told by nobody.
    desk.act("v", json!({"action": "end"})).await;
    assert!(gateway.is_empty());
}
