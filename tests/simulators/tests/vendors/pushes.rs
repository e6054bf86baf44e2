//! Pushes: bodies, signatures, order, retries, and every way to spoil them.

use serde_json::{Value, json};

use crate::support::{Arrived, Jiaxin, Receiver, SECRET, Zhichi, sign};

/// A 智齿 visitor with an agent, and where the pushes go; `200` and the greeting are read.
async fn zhichi() -> (Zhichi, Receiver) {
    let zhichi = Zhichi::start(json!({"pushes": {"backoff_ms": 1}})).await;
    let mut receiver = Receiver::start().await;
    zhichi
        .desk
        .handle
        .set_callback(&format!("{}/v1/callbacks/zhichi/secret", receiver.url));
    zhichi.item("chat_connect", json!({"partnerid": "v"})).await;
    zhichi.desk.act("v", json!({"action": "accept"})).await;
    let connected = receiver.next().await;
    assert_eq!(connected.path, "/v1/callbacks/zhichi/secret");
    assert_eq!(connected.json()["type"], 200);
    assert_eq!(receiver.next().await.json()["type"], 202);
    (zhichi, receiver)
}

/// The same at 佳信; `session.mode` is read.
async fn jiaxin(patch: Value) -> (Jiaxin, Receiver) {
    let jiaxin = Jiaxin::start(patch).await;
    let mut receiver = Receiver::start().await;
    jiaxin
        .desk
        .handle
        .set_callback(&format!("{}/v1/callbacks/jiaxin", receiver.url));
    jiaxin.open("v").await;
    jiaxin.data("session.to_human", "v", json!({})).await;
    jiaxin.desk.act("v", json!({"action": "accept"})).await;
    let mode = receiver.next().await.json();
    assert_eq!(mode["data"]["mode"], "human");
    (jiaxin, receiver)
}

fn text(arrived: &Arrived) -> String {
    let body = arrived.json();
    let said = body["content"]
        .as_str()
        .or(body["data"]["content"]["text"].as_str());
    said.expect("text").to_owned()
}

#[tokio::test]
async fn zhichi_pushes_the_documented_body_of_an_agents_message() {
    let (zhichi, mut receiver) = zhichi().await;
    zhichi
        .desk
        .act("v", json!({"action": "say", "text": "您好"}))
        .await;
    let body = receiver.next().await.json();
    assert_eq!(body["type"], 202);
    assert_eq!(
        (&body["partnerId"], &body["content"], &body["msgType"]),
        (&json!("v"), &json!("您好"), &json!("text"))
    );
    for key in ["msgId", "aname", "aid", "cid", "uid"] {
        assert!(body[key].is_string(), "{key} in {body}");
    }
    assert!(body["ts"].is_u64());
    zhichi
        .desk
        .act(
            "v",
            json!({"action": "image", "url": "http://127.0.0.1/x.png"}),
        )
        .await;
    let body = receiver.next().await.json();
    assert_eq!(
        (&body["msgType"], &body["content"]),
        (&json!("image"), &json!("http://127.0.0.1/x.png"))
    );
}

#[tokio::test]
async fn zhichi_pushes_every_event_with_its_number() {
    let (zhichi, mut receiver) = zhichi().await;
    let said = zhichi
        .desk
        .act("v", json!({"action": "say", "text": "1"}))
        .await;
    receiver.next().await;
    zhichi.desk.act("v", json!({"action": "recall"})).await;
    let recalled = receiver.next().await.json();
    assert_eq!(
        (&recalled["type"], &recalled["msgId"]),
        (&json!(211), &said["message"])
    );
    zhichi.desk.act("v", json!({"action": "invite"})).await;
    assert_eq!(receiver.next().await.json()["type"], 209);
    zhichi
        .desk
        .act("v", json!({"action": "transfer", "agent": "1002"}))
        .await;
    let transferred = receiver.next().await.json();
    assert_eq!(
        (&transferred["type"], &transferred["aid"]),
        (&json!(210), &json!("1002"))
    );
    zhichi
        .desk
        .act("v", json!({"action": "end", "reason": "idle"}))
        .await;
    let ended = receiver.next().await.json();
    assert_eq!((&ended["type"], &ended["reason"]), (&json!(204), &json!(4)));
}

#[tokio::test]
async fn those_behind_are_told_their_new_place_when_the_queue_moves() {
    let (zhichi, mut receiver) = zhichi().await;
    for id in ["a", "b", "c"] {
        zhichi.item("chat_connect", json!({"partnerid": id})).await;
    }
    zhichi.item("out", json!({"partnerid": "a"})).await;
    let mut places = Vec::new();
    for _ in 0..2 {
        let body = receiver.next().await.json();
        places.push((
            body["type"].clone(),
            body["partnerId"].clone(),
            body["count"].clone(),
        ));
    }
    places.sort_by_key(|(_, id, _)| id.to_string());
    assert_eq!(
        places,
        [
            (json!(201), json!("b"), json!(1)),
            (json!(201), json!("c"), json!(2))
        ]
    );
}

#[tokio::test]
async fn a_visitor_is_accepted_by_itself_when_the_settings_say_so() {
    let zhichi = Zhichi::start(json!({"human": {"auto_accept_ms": 1}})).await;
    zhichi.item("chat_connect", json!({"partnerid": "v"})).await;
    let url = zhichi
        .desk
        .url("/control/visitors/v?phase=human&wait_ms=15000");
    assert_eq!(zhichi.desk.http.get(&url).await["phase"], "human");
}

#[tokio::test]
async fn jiaxin_signs_its_events() {
    let (jiaxin, mut receiver) = jiaxin(json!({})).await;
    jiaxin
        .desk
        .act("v", json!({"action": "say", "text": "您好 [微笑]"}))
        .await;
    let event = receiver.next().await;
    let (id, time) = (
        event.header("webhook-id"),
        event.header("webhook-timestamp"),
    );
    assert_eq!(
        event.header("webhook-signature"),
        sign(SECRET, id, time, &event.body)
    );
    let body = event.json();
    assert_eq!(
        (&body["id"], &body["event"]),
        (&json!(id), &json!("message"))
    );
    assert_eq!(
        (&body["visitor_id"], &body["account"]),
        (&json!("v"), &json!("demo/kefu"))
    );
    assert_eq!(body["data"]["from"]["kind"], "agent");
    assert_eq!(body["data"]["content"]["text"], "您好 [微笑]");
}

#[tokio::test]
async fn jiaxin_pushes_every_event_under_its_name() {
    let (jiaxin, mut receiver) = jiaxin(json!({})).await;
    for (action, event) in [
        (
            json!({"action": "emoji", "code": "/::)", "text": "[微笑]"}),
            "message",
        ),
        (json!({"action": "recall"}), "message.recalled"),
        (json!({"action": "invite"}), "evaluate.invite"),
        (json!({"action": "transfer"}), "session.transferred"),
        (json!({"action": "capabilities"}), "capabilities.changed"),
        (json!({"action": "typing"}), "typing"),
        (json!({"action": "end", "rate": true}), "session.ended"),
    ] {
        jiaxin.desk.act("v", action).await;
        assert_eq!(receiver.next().await.json()["event"], event);
    }
    jiaxin.open("w").await;
    jiaxin.data("session.to_human", "w", json!({})).await;
    jiaxin.desk.act("w", json!({"action": "no_agent"})).await;
    let nobody = receiver.next().await.json();
    assert_eq!(nobody["event"], "agent.unavailable");
    assert_eq!(nobody["data"]["leave_message"]["kind"], "page");
}

#[tokio::test]
async fn jiaxin_can_number_its_events() {
    let (jiaxin, mut receiver) = jiaxin(json!({"pushes": {"numbered": true}})).await;
    jiaxin
        .desk
        .act("v", json!({"action": "say", "text": "1"}))
        .await;
    assert_eq!(receiver.next().await.json()["event"], "7");
}

#[tokio::test]
async fn pushes_of_a_visitor_arrive_in_order_and_are_retried() {
    let (zhichi, mut receiver) = zhichi().await;
    receiver.answer_with(&[500, 503]);
    for number in ["1", "2", "3"] {
        zhichi
            .desk
            .act("v", json!({"action": "say", "text": number}))
            .await;
    }
    let mut got = Vec::new();
    for _ in 0..5 {
        got.push(text(&receiver.next().await));
    }
    assert_eq!(got, ["1", "1", "1", "2", "3"]);
    let pushes = zhichi
        .desk
        .pushes("state=delivered&count=5&wait_ms=15000")
        .await;
    assert_eq!(pushes[2]["tries"], json!([500, 503, 200]));
}

#[tokio::test]
async fn a_push_is_given_up_after_the_last_try_and_the_next_one_goes() {
    let (zhichi, mut receiver) = zhichi().await;
    let url = zhichi.desk.url("/control");
    zhichi
        .desk
        .http
        .patch(&url, &json!({"pushes": {"attempts": 2}}))
        .await;
    receiver.answer_with(&[500, 500]);
    zhichi
        .desk
        .act("v", json!({"action": "say", "text": "1"}))
        .await;
    zhichi
        .desk
        .act("v", json!({"action": "say", "text": "2"}))
        .await;
    let got = [
        receiver.next().await,
        receiver.next().await,
        receiver.next().await,
    ];
    assert_eq!(got.each_ref().map(text), ["1", "1", "2"]);
    assert_eq!(
        zhichi.desk.pushes("state=failed&wait_ms=15000").await.len(),
        1
    );
}

#[tokio::test]
async fn jiaxin_gives_an_event_up_at_an_answer_that_is_final() {
    let (jiaxin, mut receiver) = jiaxin(json!({})).await;
    receiver.answer_with(&[404]);
    jiaxin
        .desk
        .act("v", json!({"action": "say", "text": "1"}))
        .await;
    receiver.next().await;
    let failed = jiaxin.desk.pushes("state=failed&wait_ms=15000").await;
    assert_eq!(failed[0]["tries"], json!([404]));
}

#[tokio::test]
async fn a_visitor_who_is_handed_to_a_group_waits_again() {
    let (jiaxin, mut receiver) = jiaxin(json!({})).await;
    jiaxin
        .desk
        .act("v", json!({"action": "transfer", "group": "presale"}))
        .await;
    let event = receiver.next().await.json();
    assert_eq!(
        (&event["event"], &event["data"]["mode"]),
        (&json!("session.mode"), &json!("queued"))
    );
    assert_eq!(event["data"]["queue"]["position"], 1);
}

#[tokio::test]
async fn a_duplicate_is_the_same_push_again() {
    let (jiaxin, mut receiver) = jiaxin(json!({})).await;
    jiaxin
        .desk
        .fault(json!({"kind": "duplicate", "copies": 2, "times": 1}))
        .await;
    jiaxin
        .desk
        .act("v", json!({"action": "say", "text": "1"}))
        .await;
    jiaxin
        .desk
        .act("v", json!({"action": "say", "text": "2"}))
        .await;
    let copies = [
        receiver.next().await,
        receiver.next().await,
        receiver.next().await,
    ];
    assert!(copies.iter().all(|copy| copy.body == copies[0].body));
    assert!(
        copies
            .iter()
            .all(|copy| copy.header("webhook-id") == copies[0].header("webhook-id"))
    );
    assert_eq!(text(&receiver.next().await), "2");
}

#[tokio::test]
async fn swapped_pushes_arrive_the_wrong_way_round() {
    let (zhichi, mut receiver) = zhichi().await;
    zhichi
        .desk
        .fault(json!({"kind": "swap", "times": 1, "hold_ms": 600_000}))
        .await;
    for number in ["1", "2", "3"] {
        zhichi
            .desk
            .act("v", json!({"action": "say", "text": number}))
            .await;
    }
    let got = [
        receiver.next().await,
        receiver.next().await,
        receiver.next().await,
    ];
    assert_eq!(got.each_ref().map(text), ["2", "1", "3"]);
}

#[tokio::test]
async fn a_swap_without_a_next_push_lets_go_in_the_end() {
    let (zhichi, mut receiver) = zhichi().await;
    zhichi
        .desk
        .fault(json!({"kind": "swap", "times": 1, "hold_ms": 1}))
        .await;
    zhichi
        .desk
        .act("v", json!({"action": "say", "text": "1"}))
        .await;
    assert_eq!(text(&receiver.next().await), "1");
}

#[tokio::test]
async fn a_late_push_is_overtaken_by_those_behind_it() {
    let (zhichi, mut receiver) = zhichi().await;
    zhichi
        .desk
        .fault(json!({"kind": "delay", "ms": 600_000, "times": 1}))
        .await;
    zhichi
        .desk
        .act("v", json!({"action": "say", "text": "1"}))
        .await;
    zhichi.desk.act("v", json!({"action": "end"})).await;
    assert_eq!(receiver.next().await.json()["type"], 204);
    assert_eq!(zhichi.desk.pushes("event=202&state=waiting").await.len(), 1);
}

#[tokio::test]
async fn a_late_push_arrives_in_the_end() {
    let (zhichi, mut receiver) = zhichi().await;
    zhichi
        .desk
        .fault(json!({"kind": "delay", "ms": 1, "times": 1}))
        .await;
    zhichi
        .desk
        .act("v", json!({"action": "say", "text": "1"}))
        .await;
    assert_eq!(text(&receiver.next().await), "1");
}

#[tokio::test]
async fn badly_signed_events_do_not_verify() {
    let (jiaxin, mut receiver) = jiaxin(json!({})).await;
    receiver.answer_with(&[401, 401, 401]);
    for kind in ["bad_signature", "wrong_secret", "stale_timestamp"] {
        jiaxin.desk.fault(json!({"kind": kind, "times": 1})).await;
        jiaxin
            .desk
            .act("v", json!({"action": "say", "text": kind}))
            .await;
        let event = receiver.next().await;
        let (id, time) = (
            event.header("webhook-id"),
            event.header("webhook-timestamp"),
        );
        let good = event.header("webhook-signature") == sign(SECRET, id, time, &event.body);
        let age = time::OffsetDateTime::now_utc().unix_timestamp()
            - time.parse::<i64>().expect("seconds");
        assert_eq!(
            (good, age > 300),
            (kind == "stale_timestamp", kind == "stale_timestamp"),
            "{kind}"
        );
    }
    // Refused ones are not tried again.
    assert_eq!(
        jiaxin
            .desk
            .pushes("state=failed&count=3&wait_ms=15000")
            .await
            .len(),
        3
    );
    assert!(receiver.is_empty());
}

#[tokio::test]
async fn a_wrong_secret_changes_the_last_segment_of_zhichis_address() {
    let (zhichi, mut receiver) = zhichi().await;
    zhichi
        .desk
        .fault(json!({"kind": "wrong_secret", "times": 1}))
        .await;
    zhichi
        .desk
        .act("v", json!({"action": "say", "text": "1"}))
        .await;
    assert_eq!(
        receiver.next().await.path,
        "/v1/callbacks/zhichi/not-the-secret"
    );
}

#[tokio::test]
async fn a_lost_push_and_one_without_an_address_are_never_sent() {
    let (zhichi, mut receiver) = zhichi().await;
    zhichi
        .desk
        .fault(json!({"kind": "lose", "times": 1, "operation": "202"}))
        .await;
    zhichi
        .desk
        .act("v", json!({"action": "say", "text": "1"}))
        .await;
    zhichi
        .desk
        .act("v", json!({"action": "say", "text": "2"}))
        .await;
    assert_eq!(text(&receiver.next().await), "2");
    let callback = zhichi.desk.url("/control/callback");
    zhichi
        .desk
        .http
        .send("DELETE", &callback, &[], "")
        .await
        .expect("an answer");
    zhichi
        .desk
        .act("v", json!({"action": "say", "text": "3"}))
        .await;
    assert_eq!(
        zhichi
            .desk
            .pushes("state=lost&count=2&wait_ms=15000")
            .await
            .len(),
        2
    );
}

#[tokio::test]
async fn any_body_can_be_pushed_well_signed() {
    let (jiaxin, mut receiver) = jiaxin(json!({})).await;
    let push = json!({"visitor": "stranger", "event": "raw", "id": "e-1", "body": "not json"});
    let got = jiaxin
        .desk
        .http
        .post(&jiaxin.desk.url("/control/push"), &push)
        .await;
    assert_eq!(got.status, 202);
    let event = receiver.next().await;
    assert_eq!(&event.body[..], b"not json");
    assert_eq!(
        event.header("webhook-signature"),
        sign(
            SECRET,
            "e-1",
            event.header("webhook-timestamp"),
            b"not json"
        )
    );
}
