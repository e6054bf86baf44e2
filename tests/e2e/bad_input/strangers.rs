//! Who may not, and what is not there: other visitors' sessions, pages of other
//! sites, desks and paths that do not exist, too many requests.

use anyhow::Result;
use http::Method;
use kefu_test_support::chat::Chat;
use kefu_test_support::http::{Client, Response};
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use serde_json::{Value, json};

use super::Before;

#[tokio::test]
async fn an_unknown_desk_opens_nothing() -> Result<()> {
    let stage = Stage::shared().await?;
    let visitor = stage.visitor();
    visitor
        .try_open(&json!({ "desk": "nowhere" }))
        .await?
        .expect_problem(404, "not-found")?;
    for (body, pointer) in [
        (json!({}), "/desk"),
        (json!({ "desk": 5 }), "/desk"),
        (json!({ "desk": "zhichi", "client": "ios" }), "/client"),
    ] {
        let problem = visitor
            .try_open(&body)
            .await?
            .expect_problem(400, "invalid-request")?;
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let desk = visitor
        .request(Method::GET, "/v1/desks/nowhere")
        .send()
        .await?;
    desk.expect_problem(404, "not-found")?;
    let list = visitor
        .request(Method::GET, "/v1/sessions")
        .send()
        .await?
        .expect(200)?
        .json()?;
    let list = list
        .as_array()
        .or(list["sessions"].as_array())
        .map(Vec::len);
    assert_eq!(list, Some(0));
    Ok(())
}

#[tokio::test]
async fn a_session_of_another_visitor_does_not_exist() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let before = Before::of(&chat).await?;
    let stranger = stage.visitor();
    let text = json!({ "type": "text", "text": "我是谁" });
    stranger
        .try_send(chat.id(), &text)
        .await?
        .expect_problem(404, "not-found")?;
    stranger
        .ask_for_human(chat.id(), None)
        .await?
        .expect_problem(404, "not-found")?;
    stranger
        .exit(chat.id())
        .await?
        .expect_problem(404, "not-found")?;
    stranger
        .typing(chat.id())
        .await?
        .expect_problem(404, "not-found")?;
    stranger
        .read(chat.id(), 1)
        .await?
        .expect_problem(404, "not-found")?;
    stranger
        .evaluate(chat.id(), &json!({ "declined": true }))
        .await?
        .expect_problem(404, "not-found")?;
    for path in ["", "/events"] {
        let path = format!("/v1/sessions/{}{path}", chat.id());
        stranger
            .request(Method::GET, &path)
            .send()
            .await?
            .expect_problem(404, "not-found")?;
    }
    assert_eq!(stranger.stream(chat.id(), None).await?.status, 404);
    let nobodys = stranger
        .request(Method::GET, "/v1/sessions/no-such-session")
        .send()
        .await?;
    nobodys.expect_problem(404, "not-found")?;
    before.still_holds(&chat).await
}

#[tokio::test]
async fn a_page_of_a_foreign_origin_changes_nothing_and_reads_nothing() -> Result<()> {
    let stage =
        Stage::with(|config| config.with("apps.demo.origins = [\"https://app.example\"]")).await?;
    let chat = stage.open(Vendor::Jiaxin).await?;
    let path = format!("/v1/sessions/{}/messages", chat.id());
    let allowed = |answer: &Response| {
        answer
            .header("access-control-allow-origin")
            .map(str::to_owned)
    };
    let preflight = |origin: &str| {
        let request = Client::new().request(Method::OPTIONS, stage.gateway.public() + &path);
        request
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .send()
    };
    let own = preflight("https://app.example").await?.expect(204)?;
    assert_eq!(allowed(&own).as_deref(), Some("https://app.example"));
    for foreign in [
        "https://evil.example",
        "null",
        "https://app.example.evil.example",
    ] {
        assert_eq!(allowed(&preflight(foreign).await?), None, "{foreign}");
        let before = chat.log().await?;
        let body = json!({ "content": { "type": "text", "text": "hi" } });
        let post = chat
            .visitor
            .request(Method::POST, &path)
            .header("origin", foreign)
            .json(&body)
            .send()
            .await?;
        assert_eq!(allowed(&post), None);
        post.expect_problem(403, "forbidden")?;
        let read = chat
            .visitor
            .request(Method::GET, "/v1/sessions")
            .header("origin", foreign)
            .send()
            .await?;
        assert_eq!(allowed(&read), None);
        assert_eq!(chat.log().await?, before);
    }
    let read = chat
        .visitor
        .request(Method::GET, "/v1/sessions")
        .header("origin", "https://app.example")
        .send()
        .await?;
    assert_eq!(allowed(&read).as_deref(), Some("https://app.example"));
    Ok(())
}

#[tokio::test]
async fn paths_methods_and_parameters_that_do_not_exist_are_named() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open(Vendor::Jiaxin).await?;
    let ask = |method: Method, path: &str| chat.visitor.request(method, path).send();
    ask(Method::GET, "/v1/nothing")
        .await?
        .expect_problem(404, "not-found")?;
    ask(Method::GET, "/")
        .await?
        .expect_problem(404, "not-found")?;
    let refused = ask(Method::DELETE, "/v1/sessions").await?;
    let allow = refused.header("allow").unwrap_or_default().to_owned();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    refused.expect_problem(405, "method-not-allowed")?;
    let events = format!("/v1/sessions/{}/events", chat.id());
    for query in ["after=-1", "after=x", "limit=many"] {
        ask(Method::GET, &format!("{events}?{query}"))
            .await?
            .expect_problem(400, "invalid-request")?;
    }
    let stream = chat
        .visitor
        .request(Method::GET, &events)
        .header("last-event-id", "x")
        .stream()
        .await?;
    assert_eq!(stream.status(), 400);
    Ok(())
}

#[tokio::test]
async fn a_visitor_who_asks_too_often_is_told_when_to_come_back() -> Result<()> {
    let stage = Stage::with(|config| {
        config.with("limits.visitor_requests_per_second = 1\nlimits.visitor_burst = 3")
    })
    .await?;
    let visitor = stage.visitor();
    let mut limited: Option<Value> = None;
    for _ in 0..10 {
        let answer = visitor.request(Method::GET, "/v1/sessions").send().await?;
        if answer.status == 429 {
            assert!(
                answer
                    .header("retry-after")
                    .is_some_and(|seconds| seconds.parse::<u64>().is_ok())
            );
            limited = Some(answer.expect_problem(429, "rate-limited")?);
        }
    }
    assert!(
        limited.is_some(),
        "ten requests at once fit into a burst of three"
    );
    let other = stage
        .visitor()
        .request(Method::GET, "/v1/sessions")
        .send()
        .await?;
    assert_eq!(other.status, 200, "another visitor has a budget of its own");
    Ok(())
}

#[tokio::test]
async fn a_group_that_the_desk_does_not_have_is_refused() -> Result<()> {
    let stage = Stage::with(|config| config.with_desk("jiaxin", "groups = [{ id = \"presales\", name = \"售前\" }]\nroutes = [{ provider = \"jiaxin\", groups = { presales = \"presale\" } }]")).await?;
    let visitor = stage.visitor();
    let body = json!({ "desk": "jiaxin", "group": "nowhere", "visitor": { "name": visitor.id() } });
    let problem = visitor
        .try_open(&body)
        .await?
        .expect_problem(400, "invalid-request")?;
    assert_eq!(problem["errors"][0]["pointer"], "/group");
    let body =
        json!({ "desk": "jiaxin", "group": "presales", "visitor": { "name": visitor.id() } });
    let session = visitor.open_and_wait(&body).await?;
    let chat = Chat::of(&stage.simulators, visitor, Vendor::Jiaxin, &session)?;
    let opened = chat.carried_out("session.open").await?;
    assert_eq!(opened[0]["body"]["data"]["group_id"], "presale");
    Ok(())
}
