//! 智齿: token rule, envelope, every status number of every visitor call.

use serde_json::{Value, json};

use crate::support::{Zhichi, fetch_token, token_query};

fn who(id: &str) -> Value {
    json!({"partnerid": id})
}

#[tokio::test]
async fn a_new_token_kills_the_older_one() {
    let mut zhichi = Zhichi::start(json!({})).await;
    let older = zhichi.token.clone();
    assert_eq!(
        zhichi.call("query_session_status", who("v")).await["ret_code"],
        "000000"
    );
    let newer = fetch_token(&zhichi.desk).await;
    assert_eq!(
        zhichi.call("query_session_status", who("v")).await["ret_code"],
        "900002"
    );
    assert_ne!(older, newer);
    zhichi.token = newer;
    assert_eq!(
        zhichi.call("query_session_status", who("v")).await["ret_code"],
        "000000"
    );
}

#[tokio::test]
async fn a_call_without_a_token_is_refused_with_900001() {
    let mut zhichi = Zhichi::start(json!({})).await;
    zhichi.token = String::new();
    assert_eq!(zhichi.call("out", who("v")).await["ret_code"], "900001");
    assert_eq!(
        zhichi.desk.log("operation=out").await[0]["processed"],
        false
    );
}

#[tokio::test]
async fn a_token_call_is_refused_for_wrong_signature_company_or_form() {
    let zhichi = Zhichi::start(json!({})).await;
    let code =
        async |query: &str| zhichi.desk.http.get(&zhichi.desk.url(query)).await["ret_code"].clone();
    assert_eq!(
        code(&token_query("demo-app", "1795420800", "another-key")).await,
        "900003"
    );
    assert_eq!(
        code(&token_query("stranger", "1795420800", "demo-key")).await,
        "900004"
    );
    assert_eq!(
        code(&token_query("demo-app", "soon", "demo-key")).await,
        "400001"
    );
    assert_eq!(code("/api/get_token?appid=demo-app").await, "400004");
}

#[tokio::test]
async fn a_token_ends_at_once_when_its_life_is_zero_or_it_is_invalidated() {
    let mut zhichi = Zhichi::start(json!({"token_ttl_s": 0})).await;
    assert_eq!(zhichi.call("out", who("v")).await["ret_code"], "900002");
    let url = zhichi.desk.url("/control");
    zhichi
        .desk
        .http
        .patch(&url, &json!({"token_ttl_s": 86_400}))
        .await;
    zhichi.token = fetch_token(&zhichi.desk).await;
    assert_eq!(zhichi.call("out", who("v")).await["ret_code"], "000000");
    let url = zhichi.desk.url("/control/tokens/invalidate");
    assert_eq!(zhichi.desk.http.post(&url, &json!({})).await.status, 204);
    assert_eq!(zhichi.call("out", who("v")).await["ret_code"], "900002");
}

#[tokio::test]
async fn the_robot_answers_in_the_reply_and_opens_the_session() {
    let zhichi = Zhichi::start(json!({})).await;
    let ask = json!({"partnerid": "v", "question": "怎么退货？", "question_flag": 0});
    let first = zhichi.item("robot_chat", ask.clone()).await;
    assert!(first["answer"].as_str().expect("text").contains("7 天"));
    assert_eq!(first["session_new"], "true");
    assert_eq!(first["transfer_type"], 0);
    assert_eq!(first["answer_type"], "1");
    assert!(first["suggestions"][0]["question"].is_string());
    let second = zhichi.item("robot_chat", ask.clone()).await;
    assert_eq!(second["session_new"], "false");
    assert_eq!(second["cid"], first["cid"]);
    assert_ne!(second["msgid"], first["msgid"]);
    assert_eq!(zhichi.item("robot_chat", ask).await["transfer_type"], 1);
}

#[tokio::test]
async fn the_robot_offers_a_human_for_keyword_and_mood() {
    let zhichi = Zhichi::start(json!({})).await;
    let ask = async |question: &str| {
        let body = json!({"partnerid": "v", "question": question});
        zhichi.item("robot_chat", body).await["transfer_type"].clone()
    };
    assert_eq!(ask("人工").await, 3);
    assert_eq!(ask("我要投诉你们").await, 2);
}

#[tokio::test]
async fn the_guide_greets_and_offers_questions() {
    let zhichi = Zhichi::start(json!({})).await;
    let url = zhichi.desk.url("/api/robot/5/get_robot_guide");
    let headers = [("token", zhichi.token.as_str())];
    let got = zhichi
        .desk
        .http
        .send("POST", &url, &headers, r#"{"robot_flag":1}"#)
        .await
        .expect("an answer");
    let guide = got.json()["item"].clone();
    assert!(
        guide["guide_strip"]
            .as_str()
            .expect("text")
            .contains("您好")
    );
    assert_eq!(
        guide["link_question_num"],
        guide["link_question_list"].as_array().expect("list").len()
    );
}

#[tokio::test]
async fn chat_connect_tells_each_of_its_statuses() {
    let zhichi = Zhichi::start(json!({"blocked": ["bad"]})).await;
    let desk = &zhichi.desk;
    let status = async |id: &str| zhichi.item("chat_connect", who(id)).await["status"].clone();
    let queued = zhichi.item("chat_connect", who("a")).await;
    assert_eq!(
        (queued["status"].clone(), queued["count"].clone()),
        (json!(0), json!(1))
    );
    assert_eq!(zhichi.item("chat_connect", who("b")).await["count"], 2);
    assert_eq!(status("bad").await, 3);
    desk.act("a", json!({"action": "accept"})).await;
    assert_eq!(status("a").await, -1);
    desk.http
        .patch(&desk.url("/control"), &json!({"human": {"hold": false}}))
        .await;
    let connected = zhichi.item("chat_connect", who("c")).await;
    assert_eq!(connected["status"], 1);
    assert!(connected["agent_name"].is_string() && connected["agentid"].is_string());
    desk.http
        .patch(&desk.url("/control"), &json!({"human": {"no_agent": true}}))
        .await;
    assert_eq!(status("d").await, 2);
    assert_eq!(
        zhichi.item("query_session_status", who("d")).await["status"],
        0
    );
}

#[tokio::test]
async fn a_full_queue_has_no_agent_for_the_next_visitor() {
    let zhichi = Zhichi::start(json!({"human": {"queue_limit": 1}})).await;
    assert_eq!(zhichi.item("chat_connect", who("a")).await["status"], 0);
    assert_eq!(zhichi.item("chat_connect", who("b")).await["status"], 2);
}

#[tokio::test]
async fn chat_send_reaches_the_agent_only_while_one_is_connected() {
    let zhichi = Zhichi::start(json!({})).await;
    let send = async |kind: &str, content: &str| {
        let body = json!({"partnerid": "v", "content": content, "msg_type": kind});
        zhichi.call("chat_send", body).await
    };
    assert_eq!(send("text", "在吗").await["item"]["status"], 2);
    assert_eq!(
        zhichi.desk.log("operation=chat_send").await[0]["processed"],
        false
    );
    zhichi.item("chat_connect", who("v")).await;
    zhichi.desk.act("v", json!({"action": "accept"})).await;
    for kind in ["text", "image", "voice", "video"] {
        assert_eq!(
            send(kind, "http://127.0.0.1/x").await["item"]["status"],
            1,
            "{kind}"
        );
    }
    assert_eq!(send("location", "x").await["ret_code"], "400001");
    assert_eq!(send("text", "").await["ret_code"], "400004");
    let lines = zhichi.desk.visitor("v").await["lines"].clone();
    let from_visitor = lines
        .as_array()
        .expect("lines")
        .iter()
        .filter(|line| line["from"] == "visitor");
    let kinds: Vec<_> = from_visitor
        .map(|line| line["content"]["type"].clone())
        .collect();
    assert_eq!(kinds, ["text", "image", "voice", "video"]);
}

#[tokio::test]
async fn a_rating_counts_once_and_only_where_somebody_served() {
    let zhichi = Zhichi::start(json!({})).await;
    let rate = async |target: u8| {
        let body =
            json!({"partnerid": "v", "type": target, "score": 5, "solved": 1, "remark": "好"});
        zhichi.item("comment", body).await["status"].clone()
    };
    assert_eq!(rate(1).await, 3);
    zhichi
        .item("robot_chat", json!({"partnerid": "v", "question": "hi"}))
        .await;
    assert_eq!(rate(0).await, 1);
    assert_eq!(rate(1).await, 3);
    zhichi.item("chat_connect", who("v")).await;
    zhichi.desk.act("v", json!({"action": "accept"})).await;
    assert_eq!(rate(1).await, 1);
    assert_eq!(rate(1).await, 2);
    let ratings = zhichi.desk.visitor("v").await["ratings"].clone();
    assert_eq!(ratings[1]["score"], 5);
    assert_eq!(ratings[1]["remark"], "好");
}

#[tokio::test]
async fn a_rating_is_late_after_out_but_not_after_the_agents_end() {
    let zhichi = Zhichi::start(json!({"human": {"hold": false}})).await;
    let rate = async |id: &str| {
        let body = json!({"partnerid": id, "type": 1, "score": 4});
        zhichi.item("comment", body).await["status"].clone()
    };
    zhichi.item("chat_connect", who("left")).await;
    assert_eq!(zhichi.item("out", who("left")).await["status"], 1);
    assert_eq!(rate("left").await, 3);
    zhichi.item("chat_connect", who("ended")).await;
    zhichi.desk.act("ended", json!({"action": "end"})).await;
    assert_eq!(rate("ended").await, 1);
}

#[tokio::test]
async fn a_rating_without_score_or_answer_is_refused() {
    let zhichi = Zhichi::start(json!({})).await;
    let code = async |extra: Value| {
        let mut body = json!({"partnerid": "v", "type": 1});
        body.as_object_mut()
            .expect("object")
            .extend(extra.as_object().expect("object").clone());
        zhichi.call("comment", body).await["ret_code"].clone()
    };
    assert_eq!(code(json!({})).await, "400001");
    assert_eq!(code(json!({"score": 6})).await, "400001");
    assert_eq!(code(json!({"type": 2, "score": 5})).await, "400001");
}

#[tokio::test]
async fn the_session_status_follows_the_visitor() {
    let zhichi = Zhichi::start(json!({})).await;
    let status = async || zhichi.item("query_session_status", who("v")).await["status"].clone();
    assert_eq!(status().await, 0);
    zhichi
        .item("robot_chat", json!({"partnerid": "v", "question": "hi"}))
        .await;
    assert_eq!(status().await, -1);
    zhichi.item("chat_connect", who("v")).await;
    assert_eq!(status().await, -2);
    zhichi.desk.act("v", json!({"action": "accept"})).await;
    assert_eq!(status().await, 1);
    zhichi.item("out", who("v")).await;
    assert_eq!(status().await, 0);
}

#[tokio::test]
async fn leaving_ends_the_session_and_frees_the_agent() {
    let zhichi = Zhichi::start(
        json!({"human": {"hold": false, "agents": [{"id": "1", "name": "甲", "capacity": 1}]}}),
    )
    .await;
    let first = zhichi.item("chat_connect", who("a")).await;
    assert_eq!(zhichi.item("chat_connect", who("b")).await["status"], 0);
    zhichi.item("out", who("b")).await;
    zhichi.item("out", who("a")).await;
    let again = zhichi.item("chat_connect", who("a")).await;
    assert_eq!(again["status"], 1);
    assert_ne!(again["cid"], first["cid"]);
}

#[tokio::test]
async fn groups_agents_hours_and_live_data_are_listed() {
    let zhichi = Zhichi::start(json!({"human": {"hold": false}})).await;
    zhichi.item("chat_connect", who("a")).await;
    zhichi
        .item("robot_chat", json!({"partnerid": "b", "question": "hi"}))
        .await;
    assert_eq!(
        zhichi.call("query_group", json!({})).await["items"][0]["groupid"],
        "service"
    );
    assert_eq!(
        zhichi.call("query_agent", json!({})).await["items"][0]["agentid"],
        "1001"
    );
    assert_eq!(
        zhichi
            .item("admin_is_work", json!({"groupid": "service"}))
            .await["is_work"],
        "true"
    );
    let live = zhichi.item("get_once_data", json!({})).await;
    assert_eq!(
        (&live["online_user_size"], &live["robot_user_size"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(live["admin_list"][0]["status"], 1);
}

#[tokio::test]
async fn feedback_on_a_robot_answer_needs_the_answers_ids() {
    let zhichi = Zhichi::start(json!({})).await;
    let answer = zhichi
        .item("robot_chat", json!({"partnerid": "v", "question": "退货"}))
        .await;
    let mut body = json!({
        "partnerid": "v", "cid": answer["cid"], "docid": answer["docid"], "msgid": answer["msgid"], "status": 1,
    });
    assert_eq!(
        zhichi.item("robot_feedback", body.clone()).await["ustatus"],
        -1
    );
    body["status"] = json!(7);
    assert_eq!(
        zhichi.call("robot_feedback", body.clone()).await["ret_code"],
        "400001"
    );
    body["msgid"] = json!("");
    assert_eq!(
        zhichi.call("robot_feedback", body).await["ret_code"],
        "400004"
    );
}

#[tokio::test]
async fn a_visitor_call_without_partnerid_or_json_is_refused() {
    let zhichi = Zhichi::start(json!({})).await;
    for operation in [
        "chat_connect",
        "chat_send",
        "robot_chat",
        "comment",
        "out",
        "query_session_status",
    ] {
        assert_eq!(
            zhichi.call(operation, json!({})).await["ret_code"],
            "400004",
            "{operation}"
        );
    }
    assert_eq!(
        zhichi.call("out", json!("text")).await["ret_code"],
        "400004"
    );
    let unknown = zhichi
        .try_call("no_such_call", who("v"))
        .await
        .expect("an answer");
    assert_eq!(unknown.status, 404);
}
