//! The control API itself: settings, log, actions, reset, the desk page.

use serde_json::json;

use crate::support::{Jiaxin, Zhichi};

#[tokio::test]
async fn a_patch_changes_what_it_names_and_an_unknown_key_changes_nothing() {
    let zhichi = Zhichi::start(json!({})).await;
    let url = zhichi.desk.url("/control");
    let patch = json!({"robot": {"welcome": "欢迎"}, "human": {"auto_accept_ms": 50}});
    assert_eq!(zhichi.desk.http.patch(&url, &patch).await.status, 200);
    let settings = zhichi.desk.http.get(&url).await["settings"].clone();
    assert_eq!(settings["robot"]["welcome"], "欢迎");
    assert_eq!(settings["human"]["auto_accept_ms"], 50);
    assert_eq!(settings["human"]["hold"], true);
    let typo = zhichi
        .desk
        .http
        .patch(&url, &json!({"human": {"holding": false}}))
        .await;
    assert_eq!(typo.status, 422);
    assert!(typo.text.contains("holding"), "{}", typo.text);
    let back = zhichi
        .desk
        .http
        .patch(&url, &json!({"human": {"auto_accept_ms": null}}))
        .await;
    assert_eq!(back.json()["human"]["auto_accept_ms"], json!(null));
}

#[tokio::test]
async fn the_log_is_filtered_bounded_and_switched_off() {
    let zhichi = Zhichi::start(json!({"log": {"capacity": 2}})).await;
    for id in ["a", "b", "a"] {
        zhichi
            .item("query_session_status", json!({"partnerid": id}))
            .await;
    }
    let page = zhichi.desk.http.get(&zhichi.desk.url("/control/log")).await;
    // The token call and the first question made room.
    assert_eq!(
        (&page["dropped"], &page["last_seq"]),
        (&json!(2), &json!(4))
    );
    let of_b = zhichi.desk.log("visitor=b").await;
    assert_eq!(of_b.len(), 1);
    assert_eq!(of_b[0]["body"]["partnerid"], "b");
    assert_eq!(of_b[0]["reply"]["item"]["status"], 0);
    let url = zhichi.desk.url("/control");
    zhichi
        .desk
        .http
        .patch(&url, &json!({"log": {"enabled": false}}))
        .await;
    zhichi
        .item("query_session_status", json!({"partnerid": "c"}))
        .await;
    assert!(zhichi.desk.log("visitor=c").await.is_empty());
}

#[tokio::test]
async fn an_action_that_the_phase_forbids_needs_force() {
    let jiaxin = Jiaxin::start(json!({})).await;
    jiaxin.open("v").await;
    let url = jiaxin.desk.url("/control/visitors/v/agent");
    let say = json!({"action": "say", "text": "1"});
    assert_eq!(jiaxin.desk.http.post(&url, &say).await.status, 409);
    let forced = json!({"action": "say", "text": "1", "force": true});
    assert_eq!(jiaxin.desk.http.post(&url, &forced).await.status, 200);
    for nonsense in [
        json!({"action": "dance"}),
        json!({"action": "accept", "agent": "nobody"}),
    ] {
        assert_eq!(
            jiaxin.desk.http.post(&url, &nonsense).await.status,
            422,
            "{nonsense}"
        );
    }
    assert_eq!(jiaxin.desk.http.post(&url, &json!("say")).await.status, 400);
    let stranger = jiaxin.desk.url("/control/visitors/stranger/agent");
    assert_eq!(jiaxin.desk.http.post(&stranger, &say).await.status, 404);
}

#[tokio::test]
async fn an_agent_sends_only_what_the_vendor_can_carry() {
    let zhichi = Zhichi::start(json!({"human": {"hold": false}})).await;
    zhichi.item("chat_connect", json!({"partnerid": "v"})).await;
    let url = zhichi.desk.url("/control/visitors/v/agent");
    let place = json!({"action": "location", "latitude": 1.0, "longitude": 2.0, "label": "x"});
    let refused = zhichi.desk.http.post(&url, &place).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.text.contains("text, image, voice"),
        "{}",
        refused.text
    );
    let incomplete = zhichi
        .desk
        .http
        .post(&url, &json!({"action": "image"}))
        .await;
    assert_eq!(incomplete.status, 422);
}

#[tokio::test]
async fn a_reset_forgets_visitors_faults_log_and_settings() {
    let zhichi = Zhichi::start(json!({})).await;
    zhichi.item("chat_connect", json!({"partnerid": "v"})).await;
    zhichi
        .desk
        .fault(json!({"kind": "status", "status": 500}))
        .await;
    zhichi
        .desk
        .http
        .patch(
            &zhichi.desk.url("/control"),
            &json!({"human": {"hold": false}}),
        )
        .await;
    let reset = zhichi
        .desk
        .http
        .post(&zhichi.desk.url("/control/reset"), &json!({}))
        .await;
    assert_eq!(reset.status, 204);
    let control = zhichi.desk.http.get(&zhichi.desk.url("/control")).await;
    assert_eq!(control["settings"]["human"]["hold"], true);
    assert_eq!(control["faults"], json!([]));
    assert!(zhichi.desk.log("").await.is_empty());
    let visitors = zhichi
        .desk
        .http
        .get(&zhichi.desk.url("/control/visitors"))
        .await;
    assert_eq!(visitors["visitors"], json!([]));
    assert_eq!(
        zhichi.call("out", json!({"partnerid": "v"})).await["ret_code"],
        "900002"
    );
}

#[tokio::test]
async fn the_desk_page_and_its_media_are_served() {
    let jiaxin = Jiaxin::start(json!({})).await;
    let get = async |path: &str| {
        let url = jiaxin.desk.url(path);
        let bytes = jiaxin.desk.http.send("GET", &url, &[], "").await;
        bytes.expect("an answer")
    };
    let page = get("/desk").await;
    assert!(page.text.contains("data-testid=\"reply-text\""));
    assert!(
        !page.text.contains("https://"),
        "the page must not load anything from elsewhere"
    );
    let desk = jiaxin
        .desk
        .http
        .get(&jiaxin.desk.url("/control/desk"))
        .await;
    assert_eq!(desk["vendor"], "jiaxin");
    let upload = jiaxin
        .desk
        .http
        .send(
            "POST",
            &jiaxin.desk.url("/media"),
            &[("content-type", "text/plain")],
            "hello",
        )
        .await;
    let url = upload.expect("an answer").json()["url"]
        .as_str()
        .expect("an address")
        .to_owned();
    let back = jiaxin
        .desk
        .http
        .send("GET", &url, &[], "")
        .await
        .expect("the upload");
    assert_eq!(
        (back.text.as_str(), &back.headers["content-type"]),
        ("hello", &"text/plain".parse().expect("a type"))
    );
    let unknown = get("/no/such/path").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_callback_that_is_no_http_address_is_refused() {
    let zhichi = Zhichi::start(json!({})).await;
    let url = zhichi.desk.url("/control/callback");
    let refused = zhichi
        .desk
        .http
        .send("PUT", &url, &[], r#"{"url":"ftp://x"}"#)
        .await
        .expect("an answer");
    assert_eq!(refused.status, 422);
    let taken = zhichi
        .desk
        .http
        .send("PUT", &url, &[], r#"{"url":"http://127.0.0.1:9/x/"}"#)
        .await;
    assert_eq!(taken.expect("an answer").status, 204);
    assert_eq!(
        zhichi.desk.http.get(&zhichi.desk.url("/control")).await["callback"],
        "http://127.0.0.1:9/x"
    );
}
