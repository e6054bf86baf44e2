//! The end of a gateway that was asked to end: what is under way is finished,
//! streams are closed, nothing new is taken, and the exit code is 0.

use anyhow::Result;
use http::Method;
use kefu_test_support::chat::entries;
use kefu_test_support::http::Client;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait::{self, PATIENCE};
use serde_json::json;

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_end() -> Result<()> {
    let Stage {
        simulators,
        mut gateway,
    } = Stage::start().await?;
    let slow = json!({ "kind": "slow", "ms": 1_500, "operation": "session.open" });
    simulators.fault(Vendor::Jiaxin, &slow).await?;
    let visitor = gateway.visitor("v");
    let opening =
        tokio::spawn(async move { visitor.open_and_wait(&json!({ "desk": "jiaxin" })).await });
    simulators
        .wait_for(
            Vendor::Jiaxin,
            "/control/log?operation=session.open",
            "the handshake to begin",
            |log| entries(log.clone()).ok().filter(|calls| !calls.is_empty()),
        )
        .await?;
    gateway.terminate()?;
    let session = opening.await??;
    assert_eq!(
        session["state"], "robot",
        "the answer is the one it would have been"
    );
    assert_eq!(gateway.wait().await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn open_streams_are_closed_and_new_connections_refused() -> Result<()> {
    let Stage {
        simulators,
        mut gateway,
    } = Stage::start().await?;
    let visitor = gateway.visitor("v");
    let session = visitor.open_and_wait(&json!({ "desk": "jiaxin" })).await?;
    let id = session["id"].as_str().unwrap_or_default();
    let mut one = visitor.stream(id, None).await?;
    let mut all = visitor.stream_all(None).await?;
    one.next_event(PATIENCE).await?;
    gateway.terminate()?;
    // Closed properly, so that a client knows where to go on.
    while one.next(PATIENCE).await?.is_some() {}
    while all.next(PATIENCE).await?.is_some() {}
    assert_eq!(gateway.wait().await?.code(), Some(0));
    assert!(
        Client::new()
            .get(gateway.public() + "/openapi.json")
            .send()
            .await
            .is_err()
    );
    gateway.restart().await?;
    let again = visitor.stream(id, Some(1)).await?;
    assert_eq!(again.status, 200);
    drop(simulators);
    Ok(())
}

#[tokio::test]
async fn what_was_taken_before_the_end_is_delivered_after_it() -> Result<()> {
    let mut stage = Stage::start().await?;
    let texts = ["一", "二", "三"];
    let (visitor, session, said) = {
        let chat = stage.open_with_agent(Vendor::Zhichi).await?;
        chat.fault(&json!({ "kind": "status", "status": 503, "operation": "chat_send" }))
            .await?;
        let mut said = Vec::new();
        for text in texts {
            said.push(chat.say(text).await?.id);
        }
        (chat.visitor.clone(), chat.session().await?, said)
    };
    assert_eq!(stage.gateway.stop().await?.code(), Some(0));
    stage.simulators.clear_faults(Vendor::Zhichi).await?;
    stage.gateway.restart().await?;
    let chat =
        kefu_test_support::chat::Chat::of(&stage.simulators, visitor, Vendor::Zhichi, &session)?;
    for id in &said {
        assert_eq!(chat.fate(id).await?["status"], "delivered");
    }
    let lines = chat.lines_of_visitor().await?;
    assert_eq!(
        lines
            .iter()
            .filter_map(|content| content["text"].as_str())
            .collect::<Vec<_>>(),
        texts
    );
    chat.log().await?;
    Ok(())
}

#[tokio::test]
async fn a_gateway_says_whether_it_lives_and_is_ready() -> Result<()> {
    let stage = Stage::shared().await?;
    let ask = |path: &str| Client::new().get(stage.gateway.admin() + path).send();
    ask("/livez").await?.expect(200)?;
    let ready = ask("/readyz").await?.expect(200)?.json()?;
    assert_eq!(
        ready["providers"].as_array().map(Vec::len),
        Some(Vendor::ALL.len()),
        "{ready}"
    );
    ask("/admin/v1/providers")
        .await?
        .expect_problem(401, "unauthenticated")?;
    let wrong = Client::new()
        .get(stage.gateway.admin() + "/admin/v1/providers")
        .bearer("wrong")
        .send()
        .await?;
    wrong.expect_problem(401, "unauthenticated")?;
    let metrics = wait::until("metrics", async || {
        let answer = stage
            .gateway
            .admin_request(Method::GET, "/metrics")
            .send()
            .await?
            .expect(200)?;
        Ok(Some(answer.text()))
    })
    .await?;
    assert!(
        metrics.contains("# TYPE") && metrics.ends_with("# EOF\n"),
        "{metrics}"
    );
    Ok(())
}
