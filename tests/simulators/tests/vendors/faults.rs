//! Every fault of a call, and what the log says of it.

use serde_json::{Value, json};

use crate::support::{Got, Jiaxin, Zhichi};

async fn human(patch: Value) -> Zhichi {
    let zhichi = Zhichi::start(patch).await;
    zhichi.item("chat_connect", json!({"partnerid": "v"})).await;
    zhichi.desk.act("v", json!({"action": "accept"})).await;
    zhichi
}

async fn say(zhichi: &Zhichi, text: &str) -> Result<Got, String> {
    zhichi
        .try_call(
            "chat_send",
            json!({"partnerid": "v", "content": text, "msg_type": "text"}),
        )
        .await
}

async fn heard(zhichi: &Zhichi) -> Vec<String> {
    let lines = zhichi.desk.visitor("v").await["lines"].clone();
    let lines = lines
        .as_array()
        .expect("lines")
        .iter()
        .filter(|line| line["from"] == "visitor");
    lines
        .map(|line| line["content"]["text"].as_str().expect("text").to_owned())
        .collect()
}

#[tokio::test]
async fn a_failing_status_hits_the_next_calls_of_one_operation_only() {
    let zhichi = human(json!({})).await;
    let fault = json!({"kind": "status", "status": 503, "operation": "chat_send", "times": 2});
    zhichi.desk.fault(fault).await;
    assert_eq!(
        zhichi.call("query_group", json!({})).await["ret_code"],
        "000000"
    );
    assert_eq!(say(&zhichi, "1").await.expect("an answer").status, 503);
    assert_eq!(say(&zhichi, "2").await.expect("an answer").status, 503);
    assert_eq!(say(&zhichi, "3").await.expect("an answer").status, 200);
    assert_eq!(heard(&zhichi).await, ["3"]);
    let log = zhichi.desk.log("operation=chat_send").await;
    assert_eq!(
        (&log[0]["fault"], &log[0]["processed"]),
        (&json!("status"), &json!(false))
    );
}

#[tokio::test]
async fn too_many_requests_says_when_to_come_back() {
    let zhichi = human(json!({})).await;
    zhichi
        .desk
        .fault(json!({"kind": "status", "status": 429, "retry_after_s": 7, "times": 1}))
        .await;
    let got = say(&zhichi, "1").await.expect("an answer");
    assert_eq!(got.status, 429);
    assert_eq!(got.headers["retry-after"], "7");
}

#[tokio::test]
async fn broken_empty_and_foreign_bodies_come_with_status_200() {
    let zhichi = human(json!({})).await;
    for kind in ["broken_json", "empty_body", "html"] {
        zhichi.desk.fault(json!({"kind": kind, "times": 1})).await;
        let got = say(&zhichi, kind).await.expect("an answer");
        assert_eq!(got.status, 200);
        assert!(
            serde_json::from_str::<Value>(&got.text).is_err(),
            "{kind}: {}",
            got.text
        );
    }
    assert!(heard(&zhichi).await.is_empty());
}

#[tokio::test]
async fn a_spoilt_answer_can_come_after_the_call_was_carried_out() {
    let zhichi = human(json!({})).await;
    zhichi
        .desk
        .fault(json!({"kind": "broken_json", "times": 1, "processed": true}))
        .await;
    assert_eq!(say(&zhichi, "1").await.expect("an answer").status, 200);
    assert_eq!(heard(&zhichi).await, ["1"]);
}

#[tokio::test]
async fn an_error_code_comes_in_the_vendors_envelope() {
    let zhichi = human(json!({})).await;
    zhichi
        .desk
        .fault(
            json!({"kind": "error_code", "code": "999999", "message": "系统未知异常", "times": 1}),
        )
        .await;
    assert_eq!(
        say(&zhichi, "1").await.expect("an answer").json()["ret_code"],
        "999999"
    );
    let jiaxin = Jiaxin::start(json!({})).await;
    jiaxin
        .desk
        .fault(json!({"kind": "error_code", "code": "5000", "times": 1}))
        .await;
    assert_eq!(jiaxin.call("health", "", json!({})).await["code"], 5000);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_message_with_the_agent() {
    let zhichi = human(json!({})).await;
    zhichi.desk.fault(json!({"kind": "drop", "times": 1})).await;
    assert!(say(&zhichi, "1").await.is_err());
    assert_eq!(heard(&zhichi).await, ["1"]);
    let log = zhichi.desk.log("operation=chat_send").await;
    assert_eq!(
        (&log[0]["status"], &log[0]["processed"]),
        (&json!(null), &json!(true))
    );
}

#[tokio::test]
async fn a_connection_can_be_closed_before_the_call_is_carried_out() {
    let zhichi = human(json!({})).await;
    zhichi
        .desk
        .fault(json!({"kind": "drop", "processed": false, "times": 1}))
        .await;
    assert!(say(&zhichi, "1").await.is_err());
    assert!(heard(&zhichi).await.is_empty());
}

#[tokio::test]
async fn a_repeat_after_a_lost_answer_is_not_carried_out_again() {
    let jiaxin = Jiaxin::start(json!({})).await;
    jiaxin.open("v").await;
    jiaxin
        .desk
        .fault(json!({"kind": "broken_json", "processed": true, "times": 1}))
        .await;
    let data = json!({"msg_id": "m", "content": {"type": "text", "text": "hi"}});
    let body = crate::support::envelope("id-1", "message.send", "v", data);
    let spoilt = jiaxin.send("id-1", "message.send", &body).await;
    assert!(serde_json::from_str::<Value>(&spoilt.text).is_err());
    assert_eq!(
        jiaxin.send("id-1", "message.send", &body).await.json()["code"],
        0
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
async fn a_slow_call_is_carried_out_before_it_is_answered() {
    let zhichi = human(json!({})).await;
    zhichi
        .desk
        .fault(json!({"kind": "slow", "ms": 600_000, "times": 1}))
        .await;
    // The answer takes ten minutes; the message is there long before.
    tokio::select! {
        _ = say(&zhichi, "1") => panic!("answered at once"),
        log = zhichi.desk.log("operation=chat_send&wait_ms=15000") => assert_eq!(log[0]["fault"], "slow"),
    }
    assert_eq!(heard(&zhichi).await, ["1"]);
}

#[tokio::test]
async fn faults_are_listed_counted_removed_and_checked() {
    let zhichi = human(json!({})).await;
    let url = zhichi.desk.url("/control/faults");
    zhichi
        .desk
        .fault(json!({"kind": "status", "status": 500, "visitor": "w"}))
        .await;
    assert_eq!(say(&zhichi, "1").await.expect("an answer").status, 200);
    zhichi
        .desk
        .fault(json!({"kind": "status", "status": 500}))
        .await;
    assert_eq!(say(&zhichi, "2").await.expect("an answer").status, 500);
    let list = zhichi.desk.http.get(&url).await["faults"].clone();
    assert_eq!((&list[0]["hits"], &list[1]["hits"]), (&json!(0), &json!(1)));
    let second = format!("{url}/{}", list[1]["id"]);
    let removed = zhichi
        .desk
        .http
        .send("DELETE", &second, &[], "")
        .await
        .expect("an answer");
    assert_eq!(removed.status, 204);
    assert_eq!(say(&zhichi, "3").await.expect("an answer").status, 200);
    let typo = zhichi
        .desk
        .http
        .post(&url, &json!({"kind": "explode"}))
        .await;
    assert_eq!(typo.status, 400);
    let nonsense = zhichi
        .desk
        .http
        .post(&url, &json!({"kind": "status", "status": 200}))
        .await;
    assert_eq!(nonsense.status, 422);
}
