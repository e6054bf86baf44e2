//! Sessions and trails, as operators see them: every step of a message, and
//! nothing of what was said.

use anyhow::{Context, Result};
use http::Method;
use kefu_test_support::app_server::AppServer;
use kefu_test_support::gateway::{Gateway, run_command};
use kefu_test_support::http::escape;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait;
use serde_json::{Value, json};

const SAID: &str = "WORDS-THAT-WERE-SAID";

#[tokio::test]
async fn a_trail_tells_each_step_of_a_message() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    chat.fault(
        &json!({ "kind": "status", "status": 503, "operation": "message.send", "times": 1 }),
    )
    .await?;
    let said = chat.say("您好 1").await?;
    assert_eq!(chat.fate(&said.id).await?["status"], "delivered");
    chat.agent_says("您好 2").await?;
    chat.wait_for_text("您好 2").await?;
    let trail = get(
        &stage.gateway,
        &format!("/admin/v1/sessions/{}/trail", chat.id()),
    )
    .await?;
    let message = entry(&trail, &said.id)?;
    assert_eq!(message["from"], "visitor");
    assert_eq!(
        (&message["content"], &message["length"]),
        (&json!("text"), &json!(4))
    );
    let steps = message["steps"].as_array().context("steps")?;
    let names: Vec<_> = steps.iter().filter_map(|it| it["step"].as_str()).collect();
    assert_eq!(names, ["accepted", "stored", "asked", "sent", "answer"]);
    let sent = &steps[3];
    assert_eq!((&sent["tries"], &sent["status"]), (&json!(2), &json!(200)));
    assert_eq!(sent["provider"], "jiaxin");
    assert_eq!(steps[4]["status"], "delivered");
    let times: Vec<_> = steps.iter().filter_map(|it| it["at"].as_str()).collect();
    assert!(times.len() == 5 && times.is_sorted(), "{times:?}");
    let kinds: Vec<_> = list(&trail, "entries")
        .filter_map(|it| it["type"].as_str())
        .collect();
    assert!(
        kinds.contains(&"session.opened") && kinds.contains(&"session.state"),
        "{kinds:?}"
    );
    assert_eq!(trail["calls"], json!([]));

    // The same piece by piece.
    let mut pieces = Vec::new();
    let mut after = 0;
    loop {
        let path = format!(
            "/admin/v1/sessions/{}/trail?limit=3&after={after}",
            chat.id()
        );
        let piece = get(&stage.gateway, &path).await?;
        pieces.extend(list(&piece, "entries").map(|it| it["seq"].clone()));
        match piece["next"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    let whole = list(&trail, "entries").map(|it| it["seq"].clone());
    assert!(
        whole.into_iter().all(|seq| pieces.contains(&seq)),
        "{pieces:?}"
    );
    Ok(())
}

#[tokio::test]
async fn sessions_are_listed_by_whatever_is_asked_for() -> Result<()> {
    let stage = Stage::start().await?;
    let first = stage.open(Vendor::Zhichi).await?;
    let second = stage.open_with_agent(Vendor::Jiaxin).await?;
    let third = stage.open(Vendor::Jiaxin).await?;
    third.visitor.exit(third.id()).await?.expect(202)?;
    let listed = async |query: &str| -> Result<Vec<Value>> {
        let page = get(&stage.gateway, &format!("/admin/v1/sessions?{query}")).await?;
        Ok(list(&page, "sessions").map(|it| it["id"].clone()).collect())
    };
    let [first, second, third] = [&first, &second, &third].map(|chat| chat.id());
    assert_eq!(listed("").await?, [third, second, first]);
    assert_eq!(listed("desk=zhichi").await?, [first]);
    assert_eq!(listed("provider=jiaxin").await?, [third, second]);
    assert_eq!(listed("state=human").await?, [second]);
    assert_eq!(listed("limit=1").await?, [third]);
    let before = format!("before={third}");
    assert_eq!(listed(&before).await?, [second, first]);
    assert_eq!(listed("desk=nobody").await?, [""; 0]);
    let shown = get(&stage.gateway, &format!("/admin/v1/sessions/{third}")).await?;
    let visitor = shown["visitor"].as_str().context("a visitor")?;
    assert_eq!(listed(&format!("visitor={visitor}")).await?, [third]);
    for (path, status) in [
        ("/admin/v1/sessions?before=nobody", 400),
        ("/admin/v1/sessions?state=lost", 400),
        ("/admin/v1/sessions/nobody", 404),
        ("/admin/v1/sessions/nobody/trail", 404),
    ] {
        let request = stage.gateway.admin_request(Method::GET, path);
        request.send().await?.expect(status)?;
    }
    Ok(())
}

#[tokio::test]
async fn no_answer_for_operators_has_what_was_said() -> Result<()> {
    let mut server = AppServer::start().await?;
    server
        .behave(&json!([{ "kind": "status", "status": 400, "times": -1 }]))
        .await?;
    let routing = server.routing("standard-webhooks");
    let stage = Stage::with(|config| config.with(&routing)).await?;
    let chat = stage.open_with_agent(Vendor::Zhichi).await?;
    let fault = json!({ "kind": "drop", "processed": false, "operation": "chat_send", "times": 1 });
    chat.fault(&fault).await?;
    let lost = chat.say(SAID).await?;
    assert_eq!(chat.fate(&lost.id).await?["status"], "unknown");
    chat.agent_says(SAID).await?;
    chat.wait_for_text(SAID).await?;
    wait::until("dead letters of a call and of a push", async || {
        let letters = get(&stage.gateway, "/admin/v1/dead-letters")
            .await?
            .to_string();
        Ok((letters.contains("\"call\"") && letters.contains("\"push\"")).then_some(()))
    })
    .await?;
    let document = get(&stage.gateway, "/admin/openapi.json").await?;
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().context("paths")? {
        if !item["get"].is_object() {
            continue;
        }
        let path = path
            .replace("{session}", &escape(chat.id()))
            .replace("{provider}", "zhichi")
            .replace("{desk}", "zhichi");
        let request = stage.gateway.admin_request(Method::GET, &path);
        let answer = request.send().await?;
        let text = answer.text();
        assert!(!text.contains(SAID), "{path}: {text}");
        asked += 1;
    }
    assert!(asked > 10, "{asked}");
    let log = chat.log().await?;
    assert!(
        log.iter()
            .any(|event| event.data.to_string().contains(SAID)),
        "it was said"
    );
    server.kill().await?;
    Ok(())
}

#[tokio::test]
async fn sessions_and_trails_are_read_on_the_command_line() -> Result<()> {
    let stage = Stage::shared().await?;
    let chat = stage.open_with_agent(Vendor::Jiaxin).await?;
    let said = chat.say("您好").await?;
    assert_eq!(chat.fate(&said.id).await?["status"], "delivered");
    let reach = [
        "--admin",
        &stage.gateway.admin(),
        "--token",
        stage.gateway.config().admin_token(),
    ];
    let run = async |args: &[&str]| run_command(&[args, &reach[..]].concat()).await;
    let listed = run(&["sessions", "--visitor", chat.visitor.id(), "--open"]).await?;
    let table = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        table.contains(chat.id()) && table.contains("human"),
        "{table}"
    );
    let told = run(&["trail", chat.id(), "--lang", "zh"]).await?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    for words in [&said.id, "已落盘", "平台结果 delivered"] {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
    let unknown = run(&["trail", "nobody"]).await?;
    assert!(!unknown.status.success());
    Ok(())
}

async fn get(gateway: &Gateway, path: &str) -> Result<Value> {
    let answer = gateway.admin_request(Method::GET, path).send().await?;
    answer.expect(200)?.json()
}

fn list<'a>(answer: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    answer[key].as_array().into_iter().flatten()
}

fn entry<'a>(trail: &'a Value, message: &str) -> Result<&'a Value> {
    let mut entries = list(trail, "entries");
    let found = entries.find(|entry| entry["id"] == message);
    found.with_context(|| format!("{message} is in {trail}"))
}
