//! Which vendor a visitor gets: shares that are sticky, rules about the app,
//! and whoever is next where a vendor cannot be had.

use anyhow::Result;
use http::Method;
use kefu_test_support::chat::Chat;
use kefu_test_support::config::Config;
use kefu_test_support::gateway::Gateway;
use kefu_test_support::plugins::ZHICHI;
use kefu_test_support::simulators::{Simulators, Vendor};
use kefu_test_support::stage::Stage;
use serde_json::{Value, json};

#[tokio::test]
async fn shares_split_visitors_as_the_published_vectors_say() -> Result<()> {
    let stage = Stage::with(|config| {
        config.with_desk(
            "support",
            "routes = [{ provider = \"jiaxin\", weight = 10 }, { provider = \"zhichi\" }]",
        )
    })
    .await?;
    let vectors: Value =
        serde_json::from_str(include_str!("../../host/core/tests/vectors/routing.json"))?;
    let shares = json!([{ "provider": "jiaxin", "weight": 10 }, { "provider": "zhichi" }]);
    let all = vectors["decisions"].as_array().into_iter().flatten();
    let rows: Vec<_> = all
        .filter(|row| row["routes"] == shares && row["client"] == json!({}))
        .collect();
    assert!(rows.len() >= 5, "the vectors have rows for these shares");
    let mut seen = Vec::new();
    for row in rows {
        let chosen =
            &row["routes"][row["chosen"].as_u64().unwrap_or_default() as usize]["provider"];
        let visitor = stage
            .gateway
            .visitor(row["visitor"].as_str().unwrap_or_default());
        let session = visitor.open_and_wait(&json!({ "desk": "support" })).await?;
        assert_eq!(&session["provider"], chosen, "{row}");
        seen.push(chosen.clone());
    }
    assert!(
        seen.contains(&json!("jiaxin")) && seen.contains(&json!("zhichi")),
        "both vendors serve one desk"
    );
    Ok(())
}

#[tokio::test]
async fn operators_are_told_who_would_serve_a_visitor_and_who_does() -> Result<()> {
    let stage = Stage::with(|config| {
        config.with_desk(
            "support",
            "routes = [{ provider = \"jiaxin\", when = { profile = { level = \"vip\" } } }, { provider = \"zhichi\" }]",
        )
    })
    .await?;
    let visitor = stage.visitor();
    let explain = async |profile: Value| {
        let question = json!({ "visitor": visitor.id(), "profile": profile });
        let path = "/admin/v1/desks/support/route";
        let asked = stage.gateway.admin_request(Method::POST, path);
        asked.json(&question).send().await?.json()
    };
    let before = explain(json!({})).await?;
    assert_eq!(before["chosen"]["provider"], "zhichi");
    assert_eq!(before["steps"][0]["reason"], "the app sent no field level");
    assert_eq!(before["pinned"], Value::Null);
    assert_eq!(
        explain(json!({ "level": "vip" })).await?["chosen"]["provider"],
        "jiaxin"
    );

    let session = visitor
        .open_and_wait(&json!({ "desk": "support", "visitor": { "level": "vip" } }))
        .await?;
    assert_eq!(session["provider"], "jiaxin");
    // Without the field the routes say otherwise now; the session stays.
    let after = explain(json!({})).await?;
    assert_eq!(after["chosen"]["provider"], "zhichi");
    assert_eq!(after["pinned"]["session"], session["id"]);
    assert_eq!(after["pinned"]["provider"], "jiaxin");
    let again = visitor
        .request(Method::POST, "/v1/sessions")
        .json(&json!({ "desk": "support" }))
        .send()
        .await?;
    assert_eq!(again.json()?["id"], session["id"]);
    Ok(())
}

#[tokio::test]
async fn rules_about_the_app_choose_the_vendor() -> Result<()> {
    let stage = Stage::with(|config| {
        let only = |when: &str| {
            format!(
                "routes = [{{ provider = \"jiaxin\", when = {when} }}, {{ provider = \"zhichi\" }}]"
            )
        };
        config
            .with_desk("version", &only("{ app_version = \">=2.8.16\" }"))
            .with_desk("platform", &only("{ platform = [\"ios\", \"android\"] }"))
            .with_desk("channel", &only("{ channel = \"10001\" }"))
            .with_desk(
                "nobody",
                "routes = [{ provider = \"zhichi\", when = { platform = \"web\" } }]",
            )
    })
    .await?;
    let rows = [
        ("version", json!({ "app_version": "2.8.16" }), "jiaxin"),
        ("version", json!({ "app_version": "v2.10" }), "jiaxin"),
        ("version", json!({ "app_version": "2.8.9" }), "zhichi"),
        ("version", json!({ "app_version": "2.9-beta" }), "zhichi"),
        ("version", json!({}), "zhichi"),
        ("platform", json!({ "platform": "ios" }), "jiaxin"),
        ("platform", json!({ "platform": "web" }), "zhichi"),
        ("channel", json!({ "channel": "10001" }), "jiaxin"),
        ("channel", json!({ "channel": "20001" }), "zhichi"),
    ];
    for (desk, client, provider) in rows {
        let session = stage
            .visitor()
            .open_and_wait(&json!({ "desk": desk, "client": client }))
            .await?;
        assert_eq!(session["provider"], provider, "{desk} {client}");
    }
    let nobody = json!({ "desk": "nobody", "client": { "platform": "ios" } });
    stage
        .visitor()
        .try_open(&nobody)
        .await?
        .expect_problem(503, "no-provider-available")?;
    Ok(())
}

#[tokio::test]
async fn an_open_session_stays_where_it_opened_when_shares_change() -> Result<()> {
    let shared = |weight: u32| {
        format!(
            "routes = [{{ provider = \"jiaxin\", weight = {weight} }}, {{ provider = \"zhichi\", weight = {} }}]",
            100 - weight
        )
    };
    let mut stage = Stage::with(|config| config.with_desk("support", &shared(100))).await?;
    let visitor = stage.visitor();
    let body = json!({ "desk": "support", "visitor": { "name": visitor.id() } });
    let opened = visitor.open_and_wait(&body).await?;
    assert_eq!(opened["provider"], "jiaxin");

    assert_eq!(stage.gateway.stop().await?.code(), Some(0));
    stage
        .gateway
        .reconfigure(|config| config.with_desk("support", &shared(0)))?;
    stage.gateway.restart().await?;
    let again = visitor.try_open(&body).await?.expect(200)?.json()?;
    assert_eq!(
        (&again["id"], &again["provider"]),
        (&opened["id"], &json!("jiaxin"))
    );
    let chat = Chat::of(&stage.simulators, visitor, Vendor::Jiaxin, &opened)?;
    let said = chat.say("你好").await?;
    assert_eq!(chat.fate(&said.id).await?["status"], "delivered");
    chat.wait_for_text("您好，很高兴为您服务！").await?;
    chat.log().await?;
    let newcomer = stage
        .visitor()
        .open_and_wait(&json!({ "desk": "support" }))
        .await?;
    assert_eq!(newcomer["provider"], "zhichi");
    Ok(())
}

#[tokio::test]
async fn the_next_vendor_serves_when_the_first_does_not_take_the_session() -> Result<()> {
    let stage = Stage::with(both_ways).await?;
    for fault in [
        json!({ "kind": "error_code", "code": "4103" }),
        json!({ "kind": "status", "status": 404 }),
        json!({ "kind": "html" }),
    ] {
        stage.simulators.clear_faults(Vendor::Jiaxin).await?;
        let mut refuses = fault.clone();
        refuses["operation"] = "session.open".into();
        stage.simulators.fault(Vendor::Jiaxin, &refuses).await?;
        let visitor = stage.visitor();
        let body = json!({ "desk": "support", "visitor": { "name": visitor.id() } });
        let session = visitor.open_and_wait(&body).await?;
        assert_eq!(
            (&session["provider"], &session["state"]),
            (&json!("zhichi"), &json!("robot")),
            "{fault}"
        );
        let chat = Chat::of(&stage.simulators, visitor, Vendor::Zhichi, &session)?;
        let said = chat.say("你好").await?;
        assert_eq!(chat.fate(&said.id).await?["status"], "delivered");
        let opened = chat.logged("session.opened").await?;
        assert_eq!(opened.len(), 1);
        assert_eq!(opened[0]["provider"], "zhichi");
    }
    Ok(())
}

#[tokio::test]
async fn a_visitor_whom_no_vendor_takes_is_told_so() -> Result<()> {
    let stage =
        Stage::with(|config| config.with_desk("alone", "routes = [{ provider = \"jiaxin\" }]"))
            .await?;
    let refuses = json!({ "kind": "error_code", "code": "4103", "operation": "session.open" });
    stage.simulators.fault(Vendor::Jiaxin, &refuses).await?;
    let waiting = stage.visitor();
    let request = waiting
        .request(Method::POST, "/v1/sessions")
        .header("prefer", "wait=20");
    let refused = request.json(&json!({ "desk": "alone" })).send().await?;
    refused.expect_problem(503, "no-provider-available")?;

    let patient = stage.visitor();
    let session = patient.open("alone").await?;
    let id = session["id"].as_str().unwrap_or_default();
    let said = patient
        .try_send(id, &json!({ "type": "text", "text": "喂" }))
        .await?;
    assert!(
        matches!(said.status.as_u16(), 202 | 409),
        "before or after the end"
    );
    let ended = patient
        .wait_for(id, "the end", |event| event.kind == "session.ended")
        .await?;
    assert_eq!(ended.data["reason"], "provider_error");
    // What had been taken is told as failed, not forgotten.
    let log = patient.events(id, 0).await?;
    let taken = log.iter().filter(|event| event.kind == "message").count();
    let failed = log
        .iter()
        .filter(|event| event.kind == "message.status" && event.data["status"] == "failed")
        .count();
    assert_eq!(taken, failed);
    Ok(())
}

#[tokio::test]
async fn the_next_vendor_serves_while_the_plug_in_of_the_first_is_missing() -> Result<()> {
    let config = Config::new();
    let simulators = Simulators::start_for(&config).await?;
    let gateway = Gateway::start(
        both_ways(simulators.join(config, &Vendor::USUAL)),
        &[ZHICHI],
    )
    .await?;
    simulators.connect(&gateway).await?;
    let visitor = gateway.visitor("v");
    let session = visitor.open_and_wait(&json!({ "desk": "support" })).await?;
    assert_eq!(session["provider"], "zhichi");
    visitor
        .try_open(&json!({ "desk": "jiaxin" }))
        .await?
        .expect_problem(503, "no-provider-available")?;
    let shown = |desk: &'static str| visitor.request(Method::GET, desk).send();
    assert_eq!(
        shown("/v1/desks/support").await?.expect(200)?.json()?["open"],
        true
    );
    assert_eq!(
        shown("/v1/desks/jiaxin").await?.expect(200)?.json()?["open"],
        false
    );
    Ok(())
}

#[tokio::test]
async fn a_desk_says_what_it_is_before_a_session_opens() -> Result<()> {
    let stage = Stage::with(|config| {
        config.with_desk(
            "zhichi",
            "title = \"在线客服\"\ngroups = [{ id = \"presales\", name = \"售前\" }]",
        )
    })
    .await?;
    let desk = stage
        .visitor()
        .request(Method::GET, "/v1/desks/zhichi")
        .send()
        .await?
        .expect(200)?
        .json()?;
    assert_eq!(
        (&desk["title"], &desk["open"]),
        (&json!("在线客服"), &json!(true))
    );
    assert_eq!(
        (&desk["groups"][0]["id"], &desk["groups"][0]["name"]),
        (&json!("presales"), &json!("售前"))
    );
    Ok(())
}

/// A desk that 佳信 serves first, and 智齿 if need be.
fn both_ways(config: Config) -> Config {
    config.with_desk(
        "support",
        "routes = [{ provider = \"jiaxin\", weight = 100 }, { provider = \"zhichi\", weight = 0 }]",
    )
}
