//! 佳信 by SDP/1: signatures, repeats, modes, rating on invitation, exit that keeps.

use serde_json::json;
use time::OffsetDateTime;

use crate::support::{Jiaxin, SECRET, envelope};

const OTHER: &str = "whsec_a2VmdS1zZHAtdGVzdC1zZWNyZXQtMDAwMDAwMDAwMDE=";

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

#[tokio::test]
async fn a_call_that_is_not_authentic_is_refused_with_401() {
    let jiaxin = Jiaxin::start(json!({})).await;
    let body = envelope("id-1", "health", "", json!({}));
    let wrong = jiaxin.send_at("id-1", "health", &body, now(), OTHER).await;
    assert_eq!(
        (wrong.status, wrong.json()["code"].clone()),
        (401, json!(4001))
    );
    let old = jiaxin
        .send_at("id-1", "health", &body, now() - 360, SECRET)
        .await;
    assert_eq!((old.status, old.json()["code"].clone()), (401, json!(4002)));
    let url = jiaxin.desk.url("/sdp/v1/health");
    let unsigned = jiaxin.desk.http.post(&url, &body).await;
    assert_eq!(
        (unsigned.status, unsigned.json()["code"].clone()),
        (401, json!(4001))
    );
    let good = jiaxin.send_at("id-1", "health", &body, now(), SECRET).await;
    assert_eq!(
        (good.status, good.json()["data"]["status"].clone()),
        (200, json!("ok"))
    );
}

#[tokio::test]
async fn a_repeated_id_gets_the_first_reply_and_changes_nothing() {
    let jiaxin = Jiaxin::start(json!({})).await;
    jiaxin.open("v").await;
    let data = json!({"msg_id": "m-1", "content": {"type": "text", "text": "退货"}});
    let body = envelope("id-1", "message.send", "v", data);
    let first = jiaxin.send("id-1", "message.send", &body).await;
    let again = jiaxin.send("id-1", "message.send", &body).await;
    assert_eq!(first.text, again.text);
    assert_eq!(
        jiaxin.desk.visitor("v").await["lines"]
            .as_array()
            .expect("lines")
            .len(),
        2
    );
    let log = jiaxin.desk.log("operation=message.send").await;
    assert_eq!(
        (&log[0]["repeat"], &log[1]["repeat"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(
        jiaxin
            .desk
            .log("operation=message.send&processed=true")
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn an_envelope_with_a_wrong_key_is_refused_with_4004() {
    let jiaxin = Jiaxin::start(json!({})).await;
    let good = envelope("id-1", "session.state", "v", json!({}));
    for (key, wrong) in [
        ("id", json!("other")),
        ("account", json!("stranger/app")),
        ("op", json!("health")),
        ("visitor_id", json!("")),
        ("data", json!([])),
        ("ts", json!(7)),
    ] {
        let mut body = good.clone();
        body[key] = wrong;
        let got = jiaxin.send("id-1", "session.state", &body).await;
        assert_eq!(
            (got.status, got.json()["code"].clone()),
            (400, json!(4004)),
            "{key}"
        );
    }
}

#[tokio::test]
async fn the_robot_welcomes_and_answers_inside_the_reply() {
    let jiaxin = Jiaxin::start(json!({})).await;
    let opened = jiaxin.open("v").await;
    assert_eq!(opened["mode"], "robot");
    assert!(opened["greeting"].as_str().expect("text").contains("您好"));
    assert_eq!(opened["config"]["exit"], "keeps");
    assert_eq!(opened["config"]["evaluation"]["by"], json!(["agent"]));
    let answer = jiaxin
        .say("v", json!({"type": "text", "text": "发货"}))
        .await;
    assert_eq!(answer["events"][0]["event"], "message");
    assert_eq!(answer["events"][0]["data"]["from"]["kind"], "robot");
    let again = jiaxin.open("v").await;
    assert_eq!(again["session_id"], opened["session_id"]);
    assert_eq!(again["greeting"], json!(null));
}

#[tokio::test]
async fn without_a_robot_a_session_begins_in_the_queue_or_unattended() {
    let jiaxin = Jiaxin::start(json!({"robot": {"enabled": false}})).await;
    let opened = jiaxin.open("v").await;
    assert_eq!(opened["mode"], "queued");
    assert_eq!(opened["queue"]["position"], 1);
    assert_eq!(opened["config"]["robot"], json!(null));
    let url = jiaxin.desk.url("/control");
    let nobody = json!({"human": {"no_agent": true}});
    jiaxin.desk.http.patch(&url, &nobody).await;
    let opened = jiaxin.open("w").await;
    assert_eq!(opened["mode"], "unattended");
    assert_eq!(opened["leave_message"]["kind"], "page");
}

#[tokio::test]
async fn opening_needs_a_channel_and_refuses_the_blocked() {
    let jiaxin = Jiaxin::start(json!({"blocked": ["bad"]})).await;
    assert_eq!(
        jiaxin.call("session.open", "v", json!({})).await["code"],
        4004
    );
    let open = json!({"channel_no": "10001"});
    assert_eq!(jiaxin.call("session.open", "bad", open).await["code"], 4204);
}

#[tokio::test]
async fn each_mode_carries_its_own_kinds() {
    let jiaxin = Jiaxin::start(json!({})).await;
    jiaxin.open("v").await;
    let image = json!({"type": "image", "url": "http://127.0.0.1/x.png"});
    let emoji = json!({"type": "emoji", "code": "/::)", "text": "[微笑]"});
    let place = json!({"type": "location", "latitude": 1.0, "longitude": 2.0, "label": "x"});
    assert_eq!(jiaxin.say("v", emoji.clone()).await["code"], 0);
    assert_eq!(jiaxin.say("v", image.clone()).await["code"], 4301);
    jiaxin
        .data("session.to_human", "v", json!({"reason": "visitor"}))
        .await;
    assert_eq!(jiaxin.say("v", emoji.clone()).await["code"], 4103);
    jiaxin.desk.act("v", json!({"action": "accept"})).await;
    assert_eq!(jiaxin.say("v", image).await["code"], 0);
    assert_eq!(jiaxin.say("v", emoji).await["code"], 0);
    assert_eq!(jiaxin.say("v", place.clone()).await["code"], 4301);
    let url = jiaxin.desk.url("/control");
    jiaxin
        .desk
        .http
        .patch(&url, &json!({"human": {"location": true}}))
        .await;
    assert_eq!(jiaxin.say("v", place).await["code"], 0);
}

#[tokio::test]
async fn asking_for_a_human_tells_each_of_its_results() {
    let jiaxin = Jiaxin::start(json!({})).await;
    let desk = &jiaxin.desk;
    let ask = async |id: &str| {
        jiaxin
            .data("session.to_human", id, json!({"reason": "visitor"}))
            .await
    };
    for id in ["a", "b", "c", "d"] {
        jiaxin.open(id).await;
    }
    let queued = ask("a").await;
    assert_eq!(
        (&queued["result"], &queued["queue"]["position"]),
        (&json!("queued"), &json!(1))
    );
    assert_eq!(queued["leave_message"]["kind"], "page");
    assert_eq!(ask("b").await["queue"]["ahead"], 1);
    desk.act("a", json!({"action": "accept"})).await;
    assert_eq!(ask("a").await["result"], "already");
    desk.http
        .patch(&desk.url("/control"), &json!({"human": {"hold": false}}))
        .await;
    let connected = ask("c").await;
    assert_eq!(connected["result"], "connected");
    assert!(connected["greeting"].is_string() && connected["agent"]["name"].is_string());
    desk.http
        .patch(&desk.url("/control"), &json!({"human": {"no_agent": true}}))
        .await;
    let nobody = ask("d").await;
    assert_eq!(nobody["result"], "unattended");
    let page = nobody["leave_message"]["url"].as_str().expect("an address");
    let form = desk
        .http
        .send("GET", page, &[], "")
        .await
        .expect("the page");
    assert!(form.text.contains("留言"));
}

#[tokio::test]
async fn the_keyword_makes_the_vendor_hand_over_by_itself() {
    let jiaxin = Jiaxin::start(json!({})).await;
    jiaxin.open("v").await;
    let answer = jiaxin
        .say("v", json!({"type": "text", "text": "人工"}))
        .await;
    assert_eq!(answer["events"][1]["event"], "session.mode");
    assert_eq!(answer["events"][1]["data"]["mode"], "queued");
    assert_eq!(jiaxin.desk.visitor("v").await["phase"], "queued");
}

#[tokio::test]
async fn a_queue_can_be_asked_and_left() {
    let jiaxin = Jiaxin::start(json!({})).await;
    jiaxin.open("v").await;
    jiaxin.data("session.to_human", "v", json!({})).await;
    assert_eq!(
        jiaxin.data("queue.query", "v", json!({})).await["queue"]["position"],
        1
    );
    let left = jiaxin.data("queue.cancel", "v", json!({})).await;
    assert_eq!(left, json!({"mode": "robot"}));
}

#[tokio::test]
async fn a_rating_needs_an_invitation_and_counts_once() {
    let jiaxin = Jiaxin::start(json!({"human": {"hold": false}})).await;
    jiaxin.open("v").await;
    jiaxin.data("session.to_human", "v", json!({})).await;
    let rate = async |stars: u8| {
        jiaxin
            .call(
                "evaluate.submit",
                "v",
                json!({"target": "human", "origin": "invited", "stars": stars}),
            )
            .await
    };
    assert_eq!(rate(5).await["data"]["result"], "not_allowed");
    jiaxin.desk.act("v", json!({"action": "invite"})).await;
    assert_eq!(rate(9).await["code"], 4004);
    assert_eq!(rate(4).await["data"]["result"], "ok");
    assert_eq!(rate(5).await["data"]["result"], "already");
    assert_eq!(jiaxin.desk.visitor("v").await["ratings"][0]["stars"], 4);
}

#[tokio::test]
async fn a_rating_is_taken_after_an_end_that_invited_to_it() {
    let jiaxin = Jiaxin::start(json!({"human": {"hold": false}})).await;
    jiaxin.open("v").await;
    jiaxin.data("session.to_human", "v", json!({})).await;
    jiaxin
        .desk
        .act("v", json!({"action": "end", "rate": true}))
        .await;
    let rating = json!({"target": "human", "origin": "invited", "stars": 3});
    assert_eq!(
        jiaxin.data("evaluate.submit", "v", rating).await["result"],
        "ok"
    );
}

#[tokio::test]
async fn leaving_keeps_the_session_and_only_the_agent_ends_it() {
    let jiaxin = Jiaxin::start(json!({"human": {"hold": false}})).await;
    jiaxin.open("v").await;
    jiaxin.data("session.to_human", "v", json!({})).await;
    let left = jiaxin
        .data("session.leave", "v", json!({"semantics": "keeps"}))
        .await;
    assert_eq!(left, json!({"ended": false}));
    assert_eq!(jiaxin.desk.visitor("v").await["present"], false);
    jiaxin
        .desk
        .act("v", json!({"action": "say", "text": "还在吗"}))
        .await;
    assert_eq!(
        jiaxin.data("session.state", "v", json!({})).await["mode"],
        "human"
    );
    jiaxin.desk.act("v", json!({"action": "end"})).await;
    let state = jiaxin.data("session.state", "v", json!({})).await;
    assert_eq!(
        (&state["ended"], &state["reason"]),
        (&json!(true), &json!("agent"))
    );
    assert_eq!(
        jiaxin.data("session.leave", "v", json!({})).await["ended"],
        true
    );
    let late = jiaxin.say("v", json!({"type": "text", "text": "喂"})).await;
    assert_eq!(late["code"], 4102);
}

#[tokio::test]
async fn the_gateway_can_close_a_session_for_good() {
    let jiaxin = Jiaxin::start(json!({"human": {"hold": false}})).await;
    jiaxin.open("v").await;
    jiaxin.data("session.to_human", "v", json!({})).await;
    let closed = jiaxin
        .data("session.leave", "v", json!({"semantics": "ends"}))
        .await;
    assert_eq!(closed["ended"], true);
    let state = jiaxin.data("session.state", "v", json!({})).await;
    assert_eq!(state["reason"], "visitor");
}

#[tokio::test]
async fn there_is_no_way_back_to_the_robot_after_an_agent() {
    let jiaxin = Jiaxin::start(json!({"human": {"hold": false}})).await;
    jiaxin.open("v").await;
    jiaxin.data("session.to_human", "v", json!({})).await;
    jiaxin
        .desk
        .act("v", json!({"action": "transfer", "group": "presale"}))
        .await;
    assert_eq!(jiaxin.desk.visitor("v").await["phase"], "queued");
    let left = jiaxin.data("queue.cancel", "v", json!({})).await;
    assert_eq!(left["mode"], "unattended");
}

#[tokio::test]
async fn an_unknown_visitor_session_or_operation_is_refused() {
    let jiaxin = Jiaxin::start(json!({})).await;
    let hello = json!({"type": "text", "text": "hi"});
    assert_eq!(jiaxin.say("stranger", hello).await["code"], 4101);
    jiaxin.open("v").await;
    let mut body = envelope("id-1", "session.state", "v", json!({}));
    body["session_id"] = json!("not-this-one");
    assert_eq!(
        jiaxin.send("id-1", "session.state", &body).await.json()["code"],
        4101
    );
    let unknown = jiaxin
        .send(
            "id-2",
            "no.such",
            &envelope("id-2", "no.such", "v", json!({})),
        )
        .await;
    assert_eq!(
        (unknown.status, unknown.json()["code"].clone()),
        (404, json!(4005))
    );
}

#[tokio::test]
async fn groups_capabilities_and_profile_are_answered() {
    let jiaxin = Jiaxin::start(json!({})).await;
    assert_eq!(
        jiaxin.data("groups.list", "", json!({})).await["groups"][0]["id"],
        "service"
    );
    let capabilities = jiaxin.data("capabilities", "", json!({})).await;
    assert_eq!(
        capabilities["config"]["robot"]["types"],
        json!(["text", "emoji"])
    );
    jiaxin.open("v").await;
    jiaxin
        .data("visitor.update", "v", json!({"visitor": {"city": "北京"}}))
        .await;
    assert_eq!(
        jiaxin.desk.visitor("v").await["profile"]["visitor"]["city"],
        "北京"
    );
    assert_eq!(
        jiaxin
            .call("leave.submit", "v", json!({"fields": {}}))
            .await["code"],
        4103
    );
}
