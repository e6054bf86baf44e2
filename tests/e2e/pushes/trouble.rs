//! An app server that fails, hangs, lies or is not there.

use anyhow::{Context, Result};
use http::Method;
use kefu_test_support::config::fresh_secret;
use kefu_test_support::gateway::run_command;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait;
use serde_json::{Value, json};

use super::{admin, dead_letters, patient_scene, pushes, replay, scene};

/// What the visitor said, in the order in which it was pushed.
fn texts(pushed: &[Value]) -> Vec<&str> {
    let by_visitor = |push: &&Value| push["data"]["from"]["kind"] == "visitor";
    let said = pushed.iter().filter(by_visitor);
    said.filter_map(|push| push["data"]["content"]["text"].as_str())
        .collect()
}

#[tokio::test]
async fn answers_that_are_no_receipt_are_followed_by_another_try_with_the_same_id() -> Result<()> {
    let (server, stage) = scene("standard-webhooks").await?;
    let page = "<!doctype html><h1>502 Bad Gateway</h1>";
    let elsewhere = json!({ "location": "http://127.0.0.1:1/elsewhere" });
    for fault in [
        json!({ "kind": "status", "status": 500 }),
        json!({ "kind": "status", "status": 502, "body": page, "headers": { "content-type": "text/html" } }),
        json!({ "kind": "status", "status": 404 }),
        json!({ "kind": "status", "status": 302, "headers": elsewhere }),
        json!({ "kind": "status", "status": 307, "headers": elsewhere }),
        json!({ "kind": "status", "status": 429, "headers": { "retry-after": "0" } }),
        json!({ "kind": "drop" }),
    ] {
        let chat = stage.open(Vendor::Jiaxin).await?;
        let marker = fresh_secret();
        let mut fault = fault;
        fault["containing"] = json!(marker);
        server.behave(&json!([fault])).await?;
        chat.say(&marker).await?;
        chat.say("下一句").await?;
        let tries = wait::until("the second try", async || {
            let tries = of_session(&server.received().await?, chat.id());
            Ok((texts_of(&tries).len() >= 3).then_some(tries))
        })
        .await?;
        let said = texts_of(&tries);
        assert_eq!(said, [&*marker, &*marker, "下一句"], "{fault}");
        let first: Vec<&Value> = tries
            .iter()
            .filter(|one| one["raw"].as_str().is_some_and(|raw| raw.contains(&marker)))
            .collect();
        assert_eq!(
            first[0]["headers"]["webhook-id"],
            first[1]["headers"]["webhook-id"]
        );
        assert_eq!(first[0]["raw"], first[1]["raw"], "the body stays the same");
        assert!(tries.iter().all(|one| one["wrong"].is_null()));
    }
    Ok(())
}

#[tokio::test]
async fn a_receipt_counts_however_much_comes_after_it() -> Result<()> {
    let (server, stage) = scene("standard-webhooks").await?;
    let page = json!({ "kind": "status", "status": 200, "body": "<html>".repeat(9_000) });
    for kind in [json!({ "kind": "huge" }), json!({ "kind": "slow" }), page] {
        server.behave(&json!([kind])).await?;
        let chat = stage.open(Vendor::Jiaxin).await?;
        chat.say("收到了吗").await?;
        chat.say("那好").await?;
        wait::until("both", async || {
            let tries = of_session(&server.received().await?, chat.id());
            let said = texts_of(&tries);
            anyhow::ensure!(said == ["收到了吗", "那好"], "{kind}: {said:?}");
            Ok(Some(()))
        })
        .await?;
    }
    server.release().await?;
    Ok(())
}

#[tokio::test]
async fn a_message_that_is_never_taken_becomes_a_dead_letter_and_the_session_goes_on() -> Result<()>
{
    let (server, stage) = scene("standard-webhooks").await?;
    server
        .behave(&json!([{ "kind": "status", "status": 500, "times": -1, "containing": "毒药" }]))
        .await?;
    let chat = stage.open(Vendor::Jiaxin).await?;
    for text in ["一", "毒药", "二"] {
        chat.say(text).await?;
    }
    let letter = dead_letters(&stage, "push", 1).await?.remove(0);
    assert_eq!(letter["session"], chat.id());
    assert_eq!(
        (&letter["app"], &letter["tries"]),
        (&json!("demo"), &json!(4))
    );
    let reason = letter["reason"].as_str().unwrap_or_default();
    assert!(
        reason.contains("500") && !reason.contains("毒药"),
        "{reason}"
    );
    let seq = letter["seq"].as_u64().context("a number")?;
    assert!(chat.log().await?.iter().any(|event| event.seq == seq));
    let all = chat.logged("message").await?.len();
    let pushed = server.wait_for(all - 1).await?;
    assert_eq!(texts(&pushed), ["一", "二"]);
    // A replay comes last, and says what it is.
    server.behave(&json!([])).await?;
    let replayed = replay(&stage, &letter, 200).await?;
    assert_eq!(replayed["replayed"]["id"], letter["id"]);
    let pushed = server.wait_for(all).await?;
    let last = pushed.last().context("something was pushed")?;
    assert_eq!(
        (&last["seq"], &last["replayed"]),
        (&json!(seq), &json!(true))
    );
    replay(&stage, &letter, 404).await?;
    assert!(dead_letters(&stage, "push", 0).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn dead_letters_are_listed_and_replayed_from_the_command_line() -> Result<()> {
    let (server, stage) = scene("rongcloud").await?;
    server
        .behave(&json!([{ "kind": "status", "status": 400, "times": -1 }]))
        .await?;
    let chat = stage.open(Vendor::Jiaxin).await?;
    chat.say("请转告").await?;
    let letters = dead_letters(&stage, "push", chat.logged("message").await?.len()).await?;
    server.behave(&json!([])).await?;
    let reach = [
        "--admin",
        &stage.gateway.admin(),
        "--token",
        stage.gateway.config().admin_token(),
    ];
    let list = run_command(&[&["dead-letters", "list"], &reach[..]].concat()).await?;
    let table = String::from_utf8_lossy(&list.stdout).into_owned();
    for letter in &letters {
        let id = letter["id"].as_str().context("a letter has an id")?;
        assert!(table.contains(id), "{table}");
        let replay = run_command(&[&["dead-letters", "replay", id], &reach[..]].concat()).await?;
        assert!(replay.status.success(), "{replay:?}");
    }
    // What the robot says meanwhile is no replay.
    wait::until("the replays", async || {
        let pushed = server.taken().await?;
        let replayed = pushed.iter().filter(|push| push["replayed"] == "true");
        Ok((replayed.count() == letters.len()).then_some(()))
    })
    .await?;
    let again = run_command(&[&["dead-letters", "replay", "none"], &reach[..]].concat()).await?;
    assert!(!again.status.success());
    let words = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(words.contains("404") && words.contains("none"), "{words}");
    let pushes = run_command(&[&["pushes"], &reach[..]].concat()).await?;
    let table = String::from_utf8_lossy(&pushes.stdout).into_owned();
    assert!(
        table.contains("demo") && table.contains("rongcloud"),
        "{table}"
    );
    assert!(
        !table.contains("from=kefu"),
        "a query may hold secrets: {table}"
    );
    Ok(())
}

#[tokio::test]
async fn an_app_server_that_hangs_or_is_gone_holds_up_no_vendor_and_loses_nothing() -> Result<()> {
    let (mut server, stage) = patient_scene("standard-webhooks").await?;
    server
        .behave(&json!([{ "kind": "hang", "times": -1 }]))
        .await?;
    let chat = stage.open(Vendor::Jiaxin).await?;
    let mut said = Vec::new();
    for number in 1..=5 {
        let text = format!("第 {number} 句");
        let accepted = chat.say(&text).await?;
        assert_eq!(chat.fate(&accepted.id).await?["status"], "delivered");
        said.push(text);
    }
    let status = pushes(&stage).await?;
    assert_eq!(
        (&status[0]["app"], &status[0]["lanes"]),
        (&json!("demo"), &json!(1))
    );
    assert!(status[0]["oldest"].is_string(), "{status}");
    server.kill().await?;
    server.restart().await?;
    let all = chat.logged("message").await?.len();
    let pushed = server.wait_for(all).await?;
    assert_eq!(texts(&pushed), said);
    Ok(())
}

#[tokio::test]
async fn a_killed_gateway_pushes_everything_it_accepted_in_order() -> Result<()> {
    let (server, mut stage) = patient_scene("standard-webhooks").await?;
    let (visitor, session) = {
        let chat = stage.open(Vendor::Jiaxin).await?;
        (chat.visitor.clone(), chat.id().to_owned())
    };
    let mut said = Vec::new();
    for round in 0..3 {
        let broken = json!([{ "kind": "status", "status": 503, "times": 2 }]);
        server.behave(&broken).await?;
        for number in 0..10 {
            let text = format!("{round}-{number}");
            visitor.send_text(&session, &text).await?;
            said.push(text);
        }
        stage.gateway.kill_9().await?;
        stage.gateway.restart().await?;
    }
    server.behave(&json!([])).await?;
    wait::until("everything that was said", async || {
        let pushed = server.taken().await?;
        anyhow::ensure!(texts(&pushed) == said, "{:?}", texts(&pushed));
        Ok(Some(()))
    })
    .await?;
    let letters = admin(&stage.gateway, "/admin/v1/dead-letters", "dead_letters").await?;
    assert_eq!(letters, json!([]));
    Ok(())
}

#[tokio::test]
async fn a_call_that_a_vendor_never_took_is_replayed_after_what_waits() -> Result<()> {
    let stage = Stage::start().await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let fault = json!({ "kind": "drop", "processed": false, "operation": "chat_send", "times": 1 });
    chat.fault(&fault).await?;
    let lost = chat.say("丢了的一句").await?;
    assert_eq!(chat.fate(&lost.id).await?["status"], "unknown");
    let letter = dead_letters(&stage, "call", 1).await?.remove(0);
    assert_eq!(
        (&letter["provider"], &letter["session"]),
        (&json!("zhichi"), &json!(chat.id()))
    );
    let next = chat.say("下一句").await?;
    assert_eq!(chat.fate(&next.id).await?["status"], "delivered");
    replay(&stage, &letter, 200).await?;
    replay(&stage, &letter, 404).await?;
    wait::until("the replayed call", async || {
        let statuses = chat.statuses(&lost.id).await?;
        anyhow::ensure!(statuses == ["unknown", "delivered"], "{statuses:?}");
        Ok(Some(()))
    })
    .await?;
    let heard = chat.carried_out("chat_send").await?;
    assert_eq!(heard.len(), 2, "{heard:?}");
    Ok(())
}

#[tokio::test]
async fn a_replay_without_a_letter_or_token_is_refused() -> Result<()> {
    let stage = Stage::shared().await?;
    let path = "/admin/v1/dead-letters/none/replay";
    let request = stage.gateway.admin_request(Method::POST, path);
    request
        .json(&json!({}))
        .send()
        .await?
        .expect_problem(404, "not-found")?;
    let without = kefu_test_support::http::Client::new().post(stage.gateway.admin() + path);
    without
        .json(&json!({}))
        .send()
        .await?
        .expect_problem(401, "unauthenticated")?;
    Ok(())
}

/// What came of one session.
fn of_session(received: &[Value], session: &str) -> Vec<Value> {
    let of = |one: &&Value| one["push"]["session"] == session;
    received.iter().filter(of).cloned().collect()
}

/// What its visitor said, every try.
fn texts_of(received: &[Value]) -> Vec<String> {
    let pushes: Vec<Value> = received.iter().map(|one| one["push"].clone()).collect();
    texts(&pushes).into_iter().map(str::to_owned).collect()
}
