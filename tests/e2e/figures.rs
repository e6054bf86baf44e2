//! The numbers by which vendors are compared: counted from real sessions, and
//! still there after a restart.

use anyhow::{Context, Result};
use http::Method;
use kefu_test_support::chat::Chat;
use kefu_test_support::gateway::run_command;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait;
use serde_json::{Value, json};

#[tokio::test]
async fn what_vendors_do_is_counted_and_outlives_a_restart() -> Result<()> {
    let mut stage = Stage::with(|config| {
        config.with_desk(
            "support",
            "routes = [{ provider = \"jiaxin\" }, { provider = \"zhichi\" }]",
        )
    })
    .await?;
    answered_by_a_robot(&stage).await?;
    rated_by_invitation(&stage).await?;
    ended_without_an_answer(&stage).await?;
    refused_by_the_first(&stage).await?;
    left_waiting(&stage).await?;

    let robot = json!({
        "openings": 1, "opening_failures": 0, "deliveries": 1, "delivery_failures": 0,
        "asked": 1, "answered": 1, "unanswered": 0, "ratings": 1, "rating": 0.0,
        "resolved_rate": 0.0, "ended": 0,
    });
    let agents = json!({
        "openings": 3, "opening_failures": 0, "deliveries": 3, "delivery_failures": 0,
        "asked": 3, "answered": 1, "unanswered": 1, "ratings": 1, "rating": 75.0, "ended": 2,
    });
    let refused = json!({
        "openings": 2, "opening_failures": 2, "opening_failure_rate": 1.0, "asked": 0, "ended": 0,
    });
    let took_over = json!({ "openings": 2, "opening_failures": 0, "asked": 0 });
    let all = [
        ("zhichi", "zhichi", robot),
        ("jiaxin", "jiaxin", agents),
        ("support", "jiaxin", refused),
        ("support", "zhichi", took_over),
    ];
    for (desk, provider, expected) in &all {
        wait_for(&stage, desk, provider, expected).await?;
    }
    let entry = figures(&stage, "desk=zhichi").await?;
    assert!(entry["first_answer_p95_ms"].is_u64(), "{entry}");

    // One question is still open: after a time that is short it counts, too.
    let waiting = json!({ "asked": 3, "answered": 1, "unanswered": 2 });
    let impatient = "desk=jiaxin&answer_within=1s";
    wait_for_answer(&stage, impatient, &waiting).await?;

    stage.gateway.stop().await?;
    stage.gateway.restart().await?;
    for (desk, provider, expected) in &all {
        wait_for(&stage, desk, provider, expected).await?;
    }
    wait_for_answer(&stage, impatient, &waiting).await?;
    Ok(())
}

#[tokio::test]
async fn figures_are_told_on_the_command_line_and_on_the_metrics_page() -> Result<()> {
    let stage = Stage::start().await?;
    answered_by_a_robot(&stage).await?;
    let admin = stage.gateway.admin();
    let token = stage.gateway.config().admin_token();
    let arguments = [
        "figures", "--admin", &admin, "--token", token, "--desk", "zhichi", "--step", "10m",
    ];
    let printed = run_command(&arguments).await?;
    let text = String::from_utf8(printed.stdout)?;
    assert!(printed.status.success(), "{text}");
    let rows: Vec<_> = text
        .lines()
        .filter(|line| line.contains("zhichi"))
        .collect();
    assert!(rows.len() > 1 && rows[0].contains("all"), "{text}");

    let strange = run_command(&[
        "figures", "--admin", &admin, "--token", token, "--desk", "nowhere",
    ])
    .await?;
    assert!(!strange.status.success());
    let complaint = String::from_utf8_lossy(&strange.stderr);
    assert!(complaint.contains("`nowhere`"), "{complaint}");

    let page = stage.gateway.admin_request(Method::GET, "/metrics");
    let page = String::from_utf8(page.send().await?.expect(200)?.body.to_vec())?;
    let line = r#"kefu_questions_total{provider="zhichi",desk="zhichi",outcome="answered"} 1"#;
    assert!(page.contains(line), "{page}");
    Ok(())
}

/// Asked, answered, rated as not solved.
async fn answered_by_a_robot(stage: &Stage) -> Result<()> {
    let chat = stage.open(Vendor::Zhichi).await?;
    let said = chat.say("怎么开发票？").await?;
    chat.wait_for("the robot's answer", |event| {
        event.text().is_some_and(|text| text.contains("申请开票"))
    })
    .await?;
    assert_eq!(chat.fate(&said.id).await?["status"], "delivered");
    let rating = json!({ "target": "robot", "resolved": false });
    let rated = chat.visitor.evaluate(chat.id(), &rating).await?;
    rated.expect(202)?;
    Ok(())
}

/// Asked, answered by an agent, rated with four stars of five, ended.
async fn rated_by_invitation(stage: &Stage) -> Result<()> {
    let chat = asks_an_agent(stage).await?;
    chat.agent_says("在的").await?;
    chat.wait_for_text("在的").await?;
    chat.agent(&json!({ "action": "invite" })).await?;
    chat.wait_for_type("evaluation.invited").await?;
    let rating = json!({ "target": "human", "stars": 4 });
    let rated = chat.visitor.evaluate(chat.id(), &rating).await?;
    rated.expect(202)?;
    ends(&chat).await
}

/// Asked, and ended by the agent without a word.
async fn ended_without_an_answer(stage: &Stage) -> Result<()> {
    let chat = asks_an_agent(stage).await?;
    ends(&chat).await
}

/// The first vendor of the desk takes nobody, twice.
async fn refused_by_the_first(stage: &Stage) -> Result<()> {
    let refuses = json!({
        "kind": "error_code", "code": "4103", "operation": "session.open", "times": 2,
    });
    stage.simulators.fault(Vendor::Jiaxin, &refuses).await?;
    for _ in 0..2 {
        let visitor = stage.visitor();
        let session = visitor.open_and_wait(&json!({ "desk": "support" })).await?;
        assert_eq!(session["provider"], "zhichi");
    }
    Ok(())
}

/// Asked, and nobody has said anything yet.
async fn left_waiting(stage: &Stage) -> Result<()> {
    asks_an_agent(stage).await?;
    Ok(())
}

async fn asks_an_agent(stage: &Stage) -> Result<Chat<'_>> {
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let said = chat.say("在吗？").await?;
    assert_eq!(chat.fate(&said.id).await?["status"], "delivered");
    Ok(chat)
}

async fn ends(chat: &Chat<'_>) -> Result<()> {
    chat.agent(&json!({ "action": "end" })).await?;
    chat.wait_for_state("ended").await?;
    Ok(())
}

/// The only entry of an answer.
async fn figures(stage: &Stage, query: &str) -> Result<Value> {
    let path = format!("/admin/v1/figures?{query}");
    let request = stage.gateway.admin_request(Method::GET, &path);
    let answer = request.send().await?.expect(200)?.json()?;
    let entries = answer["figures"].as_array().cloned().unwrap_or_default();
    anyhow::ensure!(entries.len() == 1, "{answer}");
    entries.into_iter().next().context("there is one")
}

async fn wait_for(stage: &Stage, desk: &str, provider: &str, expected: &Value) -> Result<()> {
    let query = format!("desk={desk}&provider={provider}");
    wait_for_answer(stage, &query, expected).await
}

/// Waits until an answer has these members.
async fn wait_for_answer(stage: &Stage, query: &str, expected: &Value) -> Result<()> {
    let what = format!("{query} to be {expected}");
    let found = wait::until(&what, async || {
        let entry = figures(stage, query).await?;
        let members = expected.as_object().into_iter().flatten();
        let different: Vec<_> = members
            .filter(|(key, value)| entry[key] != **value)
            .collect();
        anyhow::ensure!(different.is_empty(), "{different:?} in {entry}");
        Ok(Some(()))
    });
    found.await
}
