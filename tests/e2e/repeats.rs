//! Requests that come twice: the first answer again, and nothing done twice.

use anyhow::Result;
use http::Method;
use kefu_test_support::chat::Chat;
use kefu_test_support::http::Response;
use kefu_test_support::media;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::visitor::Visitor;
use serde_json::{Value, json};

#[tokio::test]
async fn a_repeated_opening_finds_the_session_it_opened() -> Result<()> {
    let stage = Stage::shared().await?;
    let visitor = stage.visitor();
    let body = json!({ "desk": "jiaxin", "visitor": { "name": visitor.id() } });
    let first = post(&visitor, "/v1/sessions", "open", &body)
        .await?
        .expect(201)?
        .json()?;
    let again = post(&visitor, "/v1/sessions", "open", &body)
        .await?
        .expect(201)?
        .json()?;
    assert_eq!(first["id"], again["id"]);
    let chat = Chat::of(&stage.simulators, visitor, Vendor::Jiaxin, &first)?;
    chat.wait_for_state("robot").await?;
    assert_eq!(chat.carried_out("session.open").await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_repeated_message_is_said_once() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let content = json!({ "type": "text", "text": "只说一次" });
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(
            chat.visitor
                .send_with_key(chat.id(), &content, "once")
                .await?
                .expect(202)?
                .json()?,
        );
    }
    assert!(
        answers.iter().all(|answer| answer == &answers[0]),
        "{answers:?}"
    );
    chat.fate(answers[0]["id"].as_str().unwrap_or_default())
        .await?;
    chat.say("第二句").await?;
    chat.wait_for_calls("chat_send", 2).await?;
    let said: Vec<_> = chat
        .lines_of_visitor()
        .await?
        .iter()
        .map(|content| content["text"].clone())
        .collect();
    assert_eq!(said, ["只说一次", "第二句"]);
    Ok(())
}

#[tokio::test]
async fn repeats_that_come_at_the_same_time_are_said_once() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let content = json!({ "type": "text", "text": "同时" });
    let send = || chat.visitor.send_with_key(chat.id(), &content, "at-once");
    let (one, two, three, four) = tokio::try_join!(send(), send(), send(), send())?;
    let mut taken = Vec::new();
    for answer in [one, two, three, four] {
        match answer.status.as_u16() {
            202 => taken.push(answer.json()?["id"].clone()),
            _ => drop(answer.expect_problem(409, "idempotency-key-in-flight")?),
        }
    }
    assert!(
        !taken.is_empty() && taken.iter().all(|id| *id == taken[0]),
        "{taken:?}"
    );
    assert_eq!(
        chat.logged("message")
            .await?
            .iter()
            .filter(|data| data["content"] == content)
            .count(),
        1
    );
    Ok(())
}

#[tokio::test]
async fn a_repeated_wish_for_a_human_is_one_wish() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open(Vendor::Jiaxin).await?;
    let path = format!("/v1/sessions/{}/human", chat.id());
    post(&chat.visitor, &path, "human", &json!({}))
        .await?
        .expect(202)?;
    chat.wait_for_state("queued").await?;
    chat.agent(&json!({ "action": "accept" })).await?;
    chat.wait_for_state("human").await?;
    // Without the key this would be `already-human`.
    post(&chat.visitor, &path, "human", &json!({}))
        .await?
        .expect(202)?;
    assert_eq!(chat.carried_out("session.to_human").await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_repeated_rating_counts_once() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    chat.agent(&json!({ "action": "invite" })).await?;
    chat.wait_for_type("evaluation.invited").await?;
    let path = format!("/v1/sessions/{}/evaluation", chat.id());
    let rating = json!({ "target": "human", "stars": 3 });
    post(&chat.visitor, &path, "rate", &rating)
        .await?
        .expect(202)?;
    post(&chat.visitor, &path, "rate", &rating)
        .await?
        .expect(202)?;
    chat.wait_for_calls("evaluate.submit", 1).await?;
    assert_eq!(chat.logged("evaluation.submitted").await?.len(), 1);
    assert_eq!(chat.carried_out("evaluate.submit").await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_repeated_leaving_is_one_leaving() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let path = format!("/v1/sessions/{}/exit", chat.id());
    for _ in 0..2 {
        post(&chat.visitor, &path, "leave", &json!({}))
            .await?
            .expect(202)?;
    }
    // A second leaving with a key of its own would have closed the window.
    chat.wait_for_type("evaluation.invited").await?;
    assert_eq!(chat.session().await?["state"], "human");
    assert_eq!(chat.carried_out("out").await?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_repeated_upload_is_the_same_file() -> Result<()> {
    let stage = Stage::shared().await?;
    let visitor = stage.visitor();
    let upload = |bytes: Vec<u8>| {
        visitor
            .request(Method::POST, "/v1/media")
            .header("idempotency-key", "up")
            .body("image/png", bytes)
    };
    let first = upload(media::png()).send().await?.expect(201)?.json()?;
    let again = upload(media::png()).send().await?.expect(201)?.json()?;
    assert_eq!(path_of(&first["url"]), path_of(&again["url"]));
    let other = [media::png(), b"more".to_vec()].concat();
    upload(other)
        .send()
        .await?
        .expect_problem(422, "idempotency-key-reused")?;
    Ok(())
}

#[tokio::test]
async fn a_key_is_its_visitors_and_its_paths_own() -> Result<()> {
    let stage = Stage::shared().await?;
    let one = stage.open(Vendor::Jiaxin).await?;
    let two = stage.open(Vendor::Jiaxin).await?;
    for (chat, text) in [(&one, "一"), (&two, "二")] {
        let content = json!({ "type": "text", "text": text });
        chat.visitor
            .send_with_key(chat.id(), &content, "shared")
            .await?
            .expect(202)?;
    }
    let path = format!("/v1/sessions/{}/human", one.id());
    post(&one.visitor, &path, "shared", &json!({}))
        .await?
        .expect(202)?;
    one.wait_for_state("queued").await?;
    assert_eq!(two.lines_of_visitor().await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_key_outlives_the_session_and_a_restart() -> Result<()> {
    let mut stage = Stage::start().await?;
    let content = json!({ "type": "text", "text": "你好" });
    let (session, visitor, first) = {
        let chat = stage.open(Vendor::Jiaxin).await?;
        let first = chat
            .visitor
            .send_with_key(chat.id(), &content, "lasting")
            .await?
            .expect(202)?
            .json()?;
        chat.visitor
            .ask_for_human(chat.id(), None)
            .await?
            .expect(202)?;
        chat.wait_for_state("queued").await?;
        chat.agent(&json!({ "action": "end" })).await?;
        chat.wait_for_state("ended").await?;
        (chat.id().to_owned(), chat.visitor.clone(), first)
    };
    let status = stage.gateway.stop().await?;
    assert_eq!(status.code(), Some(0));
    stage.gateway.restart().await?;
    let again = visitor
        .send_with_key(&session, &content, "lasting")
        .await?
        .expect(202)?
        .json()?;
    assert_eq!(again, first);
    let other = visitor.send_with_key(&session, &content, "another").await?;
    other.expect_problem(409, "session-ended")?;
    Ok(())
}

async fn post(visitor: &Visitor, path: &str, key: &str, body: &Value) -> Result<Response> {
    visitor
        .request(Method::POST, path)
        .header("idempotency-key", key)
        .json(body)
        .send()
        .await
}

/// An address without its signature, which may be a fresh one.
fn path_of(url: &Value) -> Option<&str> {
    url.as_str()?.split('?').next()
}
