//! 七鱼: checksum, every result code of every call, the events that follow.

use kefu_simulators::{Settings, qiyu};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use sha1::Sha1;
use time::OffsetDateTime;

use crate::support::{Desk, Http, Receiver, free_port};

const KEY: &str = "demo-app-key";
const SECRET: &str = "demo-app-secret";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn checksum(secret: &str, body: impl AsRef<[u8]>, time: &str) -> String {
    let md5 = hex(&Md5::digest(body.as_ref()));
    hex(&Sha1::digest(format!("{secret}{md5}{time}")))
}

async fn start(patch: Value) -> Desk {
    let config = qiyu::Config {
        settings: Settings::default().patched(&patch).expect("settings"),
        ..qiyu::Config::default()
    };
    Desk {
        http: Http::new(),
        handle: qiyu::start(free_port(), config).await.expect("it starts"),
    }
}

fn signed(operation: &str, body: &str) -> String {
    let time = OffsetDateTime::now_utc().unix_timestamp().to_string();
    let checksum = checksum(SECRET, body, &time);
    format!("/openapi/{operation}?appKey={KEY}&time={time}&checksum={checksum}")
}

async fn call(desk: &Desk, operation: &str, body: Value) -> Value {
    let url = desk.url(&signed(operation, &body.to_string()));
    let got = desk.http.post(&url, &body).await;
    assert_eq!(got.status, 200, "{}", got.text);
    got.json()
}

async fn say(desk: &Desk, text: &str) -> Value {
    let body = json!({"uid": "v", "msgType": "TEXT", "content": text});
    call(desk, "message/send", body).await
}

#[tokio::test]
async fn a_call_with_another_key_time_checksum_or_form_has_a_code_each() {
    let desk = start(json!({})).await;
    let body = json!({"uid": "v"}).to_string();
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let send = async |key: &str, time: i64, secret: &str, body: &str| {
        let checksum = checksum(secret, body, &time.to_string());
        let path =
            format!("/openapi/event/queryQueueStatus?appKey={key}&time={time}&checksum={checksum}");
        let url = desk.url(&path);
        let got = desk.http.send("POST", &url, &[], body.to_owned()).await;
        got.expect("an answer").json()["code"].clone()
    };
    assert_eq!(send("stranger", now, SECRET, &body).await, 14001);
    assert_eq!(send(KEY, now, "another", &body).await, 14002);
    assert_eq!(send(KEY, now - 301, SECRET, &body).await, 14003);
    assert_eq!(send(KEY, now * 1_000, SECRET, &body).await, 14003);
    assert_eq!(send(KEY, now, SECRET, "[]").await, 14004);
    assert_eq!(send(KEY, now, SECRET, &body).await, 14007);
}

#[tokio::test]
async fn the_robot_greets_in_the_answer_and_speaks_by_event() {
    let desk = start(json!({})).await;
    let seat = call(&desk, "event/applyStaff", json!({"uid": "v"})).await;
    assert_eq!(
        (&seat["code"], &seat["staffType"]),
        (&json!(200), &json!(0))
    );
    assert!(seat["message"].as_str().expect("text").contains("您好"));
    assert!(seat["sessionId"].is_u64());
    assert_eq!(say(&desk, "怎么退货").await, json!({"code": 200}));
    let push = &desk.pushes("visitor=v&event=MSG").await[0];
    assert!(push["body"].to_string().contains("7 天"), "{push}");
}

#[tokio::test]
async fn nobody_the_queue_and_an_agent_have_a_code_each() {
    let desk = start(json!({"human": {"no_agent": true}})).await;
    let human = json!({"uid": "v", "staffType": 1});
    let apply = async || call(&desk, "event/applyStaff", human.clone()).await;
    assert_eq!(apply().await["code"], 14005);
    assert_eq!(say(&desk, "请回电").await["code"], 200);
    assert_eq!(desk.visitor("v").await["tickets"][0]["text"], "请回电");
    let control = desk.url("/control");
    let patch = json!({"leave_message": {"enabled": false}});
    desk.http.patch(&control, &patch).await;
    assert_eq!(apply().await["code"], 14010);
    desk.http
        .patch(&control, &json!({"human": {"no_agent": false}}))
        .await;
    let queued = apply().await;
    assert_eq!(
        (&queued["code"], &queued["count"]),
        (&json!(14006), &json!(0))
    );
    assert_eq!(say(&desk, "喂").await["code"], 14006);
    let place = call(&desk, "event/queryQueueStatus", json!({"uid": "v"})).await;
    assert_eq!(place["count"], 0);
    desk.act("v", json!({"action": "accept"})).await;
    let place = call(&desk, "event/queryQueueStatus", json!({"uid": "v"})).await;
    assert_eq!(place["count"], -1);
    // Without a wish of its own the request tells who has the visitor.
    let seat = call(
        &desk,
        "event/applyStaff",
        json!({"uid": "v", "staffType": 0}),
    )
    .await;
    assert_eq!(
        (&seat["staffType"], &seat["staffId"]),
        (&json!(1), &json!(1001))
    );
    assert_eq!(
        seat["evaluationModel"]["list"].as_array().map(Vec::len),
        Some(5)
    );
}

#[tokio::test]
async fn a_picture_needs_size_and_md5_and_a_text_has_a_limit() {
    let desk = start(json!({"human": {"hold": false}})).await;
    call(
        &desk,
        "event/applyStaff",
        json!({"uid": "v", "staffType": 1}),
    )
    .await;
    let picture = |content: Value| json!({"uid": "v", "msgType": "PICTURE", "content": content});
    let bare = json!({"url": "http://media.example/a.png"});
    assert_eq!(
        call(&desk, "message/send", picture(bare)).await["code"],
        14004
    );
    let whole = json!({"url": "http://media.example/a.png", "size": 9, "md5": "0".repeat(32)});
    assert_eq!(
        call(&desk, "message/send", picture(whole)).await["code"],
        200
    );
    assert_eq!(say(&desk, &"长".repeat(4_001)).await["code"], 14004);
    let other = json!({"uid": "v", "msgType": "VIDEO", "content": "x"});
    assert_eq!(call(&desk, "message/send", other).await["code"], 14004);
}

#[tokio::test]
async fn a_rating_is_a_value_of_the_model_for_the_newest_session() {
    let desk = start(json!({"human": {"hold": false}})).await;
    let human = json!({"uid": "v", "staffType": 1});
    let seat = call(&desk, "event/applyStaff", human).await;
    let rate = async |session: &Value, value: i64| {
        let body = json!({"uid": "v", "sessionId": session, "evaluation": value});
        call(&desk, "event/evaluate", body).await["code"].clone()
    };
    assert_eq!(rate(&seat["sessionId"], 99).await, 14004);
    assert_eq!(rate(&json!(1), 100).await, 14004);
    assert_eq!(rate(&seat["sessionId"], 100).await, 200);
    assert_eq!(desk.visitor("v").await["ratings"][0]["evaluation"], 100);
}

#[tokio::test]
async fn events_tell_transfer_and_end_and_are_signed() {
    let desk = start(json!({"human": {"hold": false}, "pushes": {"attempts": 1}})).await;
    let mut gateway = Receiver::start().await;
    desk.handle.set_callback(&gateway.url);
    let human = json!({"uid": "v", "staffType": 1});
    let seat = call(&desk, "event/applyStaff", human).await;
    desk.act("v", json!({"action": "transfer"})).await;
    let mut events = Vec::new();
    for _ in 0..2 {
        events.push(gateway.next().await);
    }
    let (end, start) = (events[0].json(), events[1].json());
    assert_eq!(end["closeReason"], 5);
    assert_eq!(end["sessionId"], seat["sessionId"]);
    assert_eq!(start["transferFrom"], seat["sessionId"]);
    assert_ne!(start["staffId"], seat["staffId"]);
    for event in &events {
        let value = |name: &str| {
            let pairs = event
                .query
                .split('&')
                .filter_map(|pair| pair.split_once('='));
            pairs
                .clone()
                .find(|(key, _)| *key == name)
                .expect("it is there")
                .1
        };
        assert_eq!(
            value("checksum"),
            checksum(SECRET, &event.body, value("time"))
        );
    }
    assert!(events[1].query.contains("eventType=SESSION_START"));
    desk.act("v", json!({"action": "end", "reason": "idle"}))
        .await;
    assert_eq!(gateway.next().await.json()["closeReason"], 2);
}

#[tokio::test]
async fn an_answer_with_words_in_it_counts_as_a_failure() {
    let desk = start(json!({"pushes": {"attempts": 1}})).await;
    call(&desk, "event/applyStaff", json!({"uid": "v"})).await;
    // A page: 200, and not empty.
    desk.handle.set_callback(&desk.url("/leave"));
    say(&desk, "你好").await;
    let failed = desk.pushes("visitor=v&state=failed&wait_ms=20000").await;
    assert!(failed[0].to_string().contains("not empty"), "{failed:?}");
}
