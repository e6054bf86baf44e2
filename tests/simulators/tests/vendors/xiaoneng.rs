//! 小能 by SDP/1: our own form for messages, ratings and location by condition.

use kefu_simulators::xiaoneng;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::support::{Desk, Got, Http, Receiver, free_port, settings, sign};

const SECRET: &str = "whsec_a2VmdS1zZHAtdGVzdC1zZWNyZXQtMDAwMDAwMDAwMDE=";

#[tokio::test]
async fn a_session_opens_without_a_channel_and_says_what_it_allows() {
    let xiaoneng = Xiaoneng::start(json!({})).await;
    let data = json!({"group_id": "kf_9999_1", "visitor": {"name": "Li Lei"}, "xiaoneng": {"siteid": "kf_9999", "userlevel": 3}});
    let opened = xiaoneng.call("session.open", data).await.json();
    let config = &opened["data"]["config"];
    assert_eq!(opened["data"]["mode"], "robot");
    assert_eq!(config["leave_message"]["kind"], "form");
    let fields = config["leave_message"]["fields"]
        .as_array()
        .expect("fields");
    let keys: Vec<_> = fields.iter().map(|field| field["key"].clone()).collect();
    assert_eq!(keys, ["phone", "email", "content"]);
    assert_eq!(config["evaluation"]["by"], json!(["agent"]));
    assert_eq!(
        config["human"]["types"],
        json!(["text", "image", "voice", "emoji"])
    );
    let profile = xiaoneng.desk.visitor("v").await["profile"].clone();
    assert_eq!(profile["xiaoneng"]["userlevel"], 3);
}

#[tokio::test]
async fn a_message_is_left_while_queued_or_unattended_and_at_no_other_time() {
    let xiaoneng = Xiaoneng::start(json!({})).await;
    xiaoneng.open().await;
    let fields = json!({"phone": "13800000000", "email": "l@example.com", "content": "请回电"});
    let refused = xiaoneng.leave_message(&fields).await;
    assert_eq!(refused["code"], 4103, "{refused}");
    let waits = xiaoneng.call("session.to_human", json!({})).await.json();
    assert_eq!(waits["data"]["leave_message"]["kind"], "form", "{waits}");
    let left = xiaoneng.leave_message(&fields).await;
    assert!(left["data"]["ticket_id"].is_string(), "{left}");
    xiaoneng.desk.act("v", json!({"action": "no_agent"})).await;
    assert_eq!(xiaoneng.leave_message(&fields).await["code"], 0);
    let tickets = xiaoneng.desk.visitor("v").await["tickets"].clone();
    assert_eq!(tickets.as_array().map(Vec::len), Some(2));
    assert_eq!(tickets[0]["content"], "请回电");
}

#[tokio::test]
async fn a_form_that_does_not_fit_is_refused_and_nothing_is_kept() {
    let xiaoneng = Xiaoneng::start(json!({"human": {"no_agent": true}})).await;
    xiaoneng.open().await;
    xiaoneng.call("session.to_human", json!({})).await;
    for wrong in [
        json!({"phone": "138"}),
        json!({"content": "请回电"}),
        json!({"phone": "138", "content": "  "}),
        json!({"phone": 138, "content": "请回电"}),
        json!({"phone": "138", "content": "长".repeat(1_001)}),
        json!([]),
    ] {
        let refused = xiaoneng.leave_message(&wrong).await;
        assert_eq!(refused["code"], 4004, "{wrong}: {refused}");
    }
    assert_eq!(xiaoneng.desk.visitor("v").await["tickets"], json!([]));
}

#[tokio::test]
async fn a_visitor_rates_unasked_only_where_the_condition_is_on() {
    let rating = json!({"target": "human", "origin": "self", "stars": 5});
    for (on, result) in [(false, "not_allowed"), (true, "ok")] {
        let patch = json!({"human": {"hold": false}, "rating": {"by_visitor": on}});
        let xiaoneng = Xiaoneng::start(patch).await;
        let opened = xiaoneng.open().await;
        let by = opened["data"]["config"]["evaluation"]["by"].clone();
        assert_eq!(by.as_array().map(Vec::len), Some(1 + usize::from(on)));
        let early = xiaoneng
            .call("evaluate.submit", rating.clone())
            .await
            .json();
        assert_eq!(early["data"]["result"], "not_allowed");
        xiaoneng.call("session.to_human", json!({})).await;
        let rated = xiaoneng
            .call("evaluate.submit", rating.clone())
            .await
            .json();
        assert_eq!(rated["data"]["result"], result);
    }
}

#[tokio::test]
async fn a_visitor_who_leaves_keeps_the_session_and_the_agent_may_write() {
    let mut receiver = Receiver::start().await;
    let xiaoneng = Xiaoneng::start(json!({"human": {"hold": false}})).await;
    let callback = xiaoneng.desk.url("/control/callback");
    let url = json!({"url": receiver.url}).to_string();
    let put = xiaoneng.desk.http.send("PUT", &callback, &[], url).await;
    assert!(put.is_ok_and(|got| got.status < 300));
    xiaoneng.open().await;
    xiaoneng.call("session.to_human", json!({})).await;
    let left = xiaoneng
        .call("session.leave", json!({"semantics": "keeps"}))
        .await;
    assert_eq!(left.json()["data"]["ended"], false);
    xiaoneng
        .desk
        .act("v", json!({"action": "say", "text": "还在吗"}))
        .await;
    let pushed = receiver.next().await;
    assert_eq!(pushed.json()["account"], "kf_9999");
    assert_eq!(pushed.json()["event"], "message");
    let time = pushed.header("webhook-timestamp");
    let good = sign(SECRET, pushed.header("webhook-id"), time, &pushed.body);
    assert_eq!(pushed.header("webhook-signature"), good);
}

struct Xiaoneng {
    desk: Desk,
}

impl Xiaoneng {
    async fn start(patch: Value) -> Self {
        let config = xiaoneng::Config {
            secrets: vec![SECRET.to_owned()],
            settings: settings(&patch),
            ..xiaoneng::Config::default()
        };
        let handle = xiaoneng::start(free_port(), config)
            .await
            .expect("a simulator");
        let http = Http::new();
        Self {
            desk: Desk { http, handle },
        }
    }

    async fn call(&self, op: &str, data: Value) -> Got {
        let id = uuid::Uuid::now_v7().to_string();
        let body = json!({
            "id": id, "ts": "2026-11-23T08:00:00.000Z", "account": "kf_9999",
            "visitor_id": "v", "op": op, "data": data,
        })
        .to_string();
        let time = OffsetDateTime::now_utc().unix_timestamp().to_string();
        let signature = sign(SECRET, &id, &time, body.as_bytes());
        let headers = [
            ("webhook-id", id.as_str()),
            ("webhook-timestamp", time.as_str()),
            ("webhook-signature", signature.as_str()),
        ];
        let url = self.desk.url(&format!("/sdp/v1/{op}"));
        let got = self.desk.http.send("POST", &url, &headers, body).await;
        got.expect("an answer")
    }

    async fn open(&self) -> Value {
        let opened = self.call("session.open", json!({})).await.json();
        assert_eq!(opened["code"], 0, "{opened}");
        opened
    }

    async fn leave_message(&self, fields: &Value) -> Value {
        let data = json!({"fields": fields, "attachments": []});
        self.call("leave.submit", data).await.json()
    }
}
