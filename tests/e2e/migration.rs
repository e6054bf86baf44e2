//! Visitors move from one vendor to another in stages, and back: by commands,
//! by breached guards, over restarts and crashes.
//!
//! Owns what operators rely on while a migration runs. The split itself, for
//! many visitors, is tried in the core's tests; here a visitor's bucket is only
//! computed to know whom a stage adds.

mod traffic;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http::Method;
use kefu_core::routing::bucket;
use kefu_test_support::config::{APP, Config};
use kefu_test_support::gateway::run_command;
use kefu_test_support::http::Response;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::visitor::Visitor;
use kefu_test_support::wait;
use serde_json::{Value, json};

#[tokio::test]
async fn a_breached_guard_reverts_the_stage_within_ten_seconds_and_says_why() -> Result<()> {
    let stage = Stage::with(|config| {
        migrating(config, "[{ percent = 1 }, { percent = 100 }]")
            .with("migrations.to-jiaxin.guards.min_sessions = 5")
    })
    .await?;
    command(&stage, "start").await?.expect(200)?;
    command(&stage, "advance").await?.expect(200)?;
    let served = stage.visitor();
    assert_eq!(provider(&served).await?, "jiaxin");

    let refuses = json!({ "kind": "error_code", "code": "4103", "operation": "session.open" });
    stage.simulators.fault(Vendor::Jiaxin, &refuses).await?;
    let began = Instant::now();
    let opening = (0..5).map(|_| added(&stage, 100, 10_000));
    for visitor in opening {
        // Who opens meanwhile is served by the old vendor.
        assert_eq!(provider(&visitor).await?, "zhichi");
    }
    let left = Duration::from_secs(10).saturating_sub(began.elapsed());
    let status = wait::until_within(left, "the guard to act", async || {
        let status = status(&stage).await?;
        Ok((status["phase"] == "stopped").then_some(status))
    })
    .await?;
    assert_eq!(
        (&status["stage"], &status["percent"]),
        (&json!(1), &json!(1.0))
    );
    let step = &status["history"][0];
    assert_eq!((&step["by"], &step["stage"]), (&json!("guard"), &json!(1)));
    let why = step["why"].as_str().unwrap_or_default();
    for part in [
        "opening_failures: jiaxin has ",
        " % (",
        " cases), zhichi has ",
        "the limit is 2 points worse",
        " since 20",
    ] {
        assert!(why.contains(part), "{part:?} is not in {why:?}");
    }
    // Whoever came with the reverted stage gets the old vendor again, at once.
    stage.simulators.clear_faults(Vendor::Jiaxin).await?;
    assert_eq!(provider(&added(&stage, 100, 10_000)).await?, "zhichi");
    assert_eq!(provider(&added(&stage, 0, 100)).await?, "jiaxin");
    let line = r#"kefu_migration_steps_total{migration="to-jiaxin",by="guard"}"#;
    assert_eq!(stage.gateway.metric(line).await?, Some(1.0));
    Ok(())
}

#[tokio::test]
async fn a_stage_survives_a_crash_and_so_does_a_rollback() -> Result<()> {
    let mut stage =
        Stage::with(|config| migrating(config, "[{ visitors = [\"tester\"] }, { percent = 50 }]"))
            .await?;
    command(&stage, "start").await?.expect(200)?;
    stage.gateway.kill_9().await?;
    stage.gateway.restart().await?;
    assert_eq!(status(&stage).await?["stage"], 1);
    let (half, rest) = (added(&stage, 0, 5_000), added(&stage, 5_000, 10_000));
    assert_eq!(provider(&stage.gateway.visitor("tester")).await?, "jiaxin");
    assert_eq!(provider(&half).await?, "zhichi");

    let advanced = command(&stage, "advance").await?.expect(200)?.json()?;
    stage.gateway.kill_9().await?;
    stage.gateway.restart().await?;
    let now = status(&stage).await?;
    assert_eq!(
        (&now["phase"], &now["stage"]),
        (&json!("running"), &json!(2))
    );
    assert_eq!(now["history"], advanced["history"]);
    // An open session stays, though its visitor is among those who move.
    assert_eq!(provider_again(&half).await?, "zhichi");
    assert_eq!(provider(&added(&stage, 0, 5_000)).await?, "jiaxin");
    assert_eq!(provider(&rest).await?, "zhichi");

    command(&stage, "rollback").await?.expect(200)?;
    stage.gateway.kill_9().await?;
    stage.gateway.restart().await?;
    assert_eq!(status(&stage).await?["phase"], "rolled_back");
    assert_eq!(provider(&added(&stage, 0, 5_000)).await?, "zhichi");
    let tester = stage.gateway.visitor("tester");
    assert_eq!(provider_again(&tester).await?, "jiaxin");
    let report = ask(&stage, "/report").await?;
    let openings: Vec<_> = report["stages"]
        .as_array()
        .context("a report has stages")?
        .iter()
        .map(|stage| stage["new"]["openings"].as_u64().unwrap_or_default())
        .collect();
    assert_eq!(openings.len(), 2, "{report}");
    Ok(())
}

#[tokio::test]
async fn a_command_at_the_wrong_moment_is_refused_with_what_would_be_right() -> Result<()> {
    let stage = Stage::with(|config| migrating(config, "[{ percent = 10 }]")).await?;
    for (wrong, right) in [
        ("advance", "right would be start"),
        ("pause", "there is nothing to pause"),
        ("rollback", "nobody is moved"),
    ] {
        let problem = command(&stage, wrong).await?;
        let problem = problem.expect_problem(409, "wrong-phase")?;
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(right), "{detail}");
    }
    let path = "/admin/v1/migrations/nothing/start";
    let unknown = stage.gateway.admin_request(Method::POST, path).send();
    unknown.await?.expect_problem(404, "not-found")?;

    let (code, _, error) = cli(&stage, &["advance", "to-jiaxin"]).await?;
    assert_ne!(code, Some(0));
    assert!(error.contains("right would be start"), "{error}");
    let (code, _, _) = cli(&stage, &["finish", "to-jiaxin"]).await?;
    assert_eq!(code, Some(2));
    Ok(())
}

#[tokio::test]
async fn a_migration_is_planned_moved_on_and_watched_from_the_command_line() -> Result<()> {
    let stage = Stage::with(|config| {
        migrating(
            config,
            "[{ percent = 10, after = \"24h\" }, { percent = 100 }]",
        )
    })
    .await?;
    let (code, plan, error) = cli(&stage, &["plan", "to-jiaxin", "--lang", "zh"]).await?;
    assert_eq!(code, Some(0), "{error}");
    for words in ["zhichi → jiaxin", "10 %", "1d", "手动"] {
        assert!(plan.contains(words), "{words} is not in\n{plan}");
    }
    // What leaving means differs between these vendors.
    assert!(plan.contains("失去") || plan.contains("改变"), "{plan}");
    let why = ["start", "to-jiaxin", "--why", "家里试过了", "--lang", "en"];
    let (code, started, _) = cli(&stage, &why).await?;
    assert_eq!(code, Some(0));
    for words in [
        "running",
        "stage 1/2",
        "the next stage comes at",
        "start: 家里试过了",
    ] {
        assert!(started.contains(words), "{words} is not in\n{started}");
    }
    let (_, explained, _) = explain(&stage, added(&stage, 0, 1_000).id()).await?;
    let words = "migration to-jiaxin, stage 1, moves the buckets before 1000";
    assert!(explained.contains(words), "{explained}");
    for (arguments, words) in [
        (&["advance", "to-jiaxin"][..], "100 %"),
        (&["pause", "to-jiaxin"], "paused"),
        (&["status"], "to-jiaxin  support  zhichi  jiaxin"),
        (&["rollback", "to-jiaxin"], "rolled back"),
        (&["report", "to-jiaxin"], "OPENINGS"),
    ] {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--lang", "en"]);
        let (code, out, error) = cli(&stage, &arguments).await?;
        assert_eq!(code, Some(0), "{arguments:?}: {error}");
        assert!(out.contains(words), "{words} is not in\n{out}");
    }
    Ok(())
}

#[tokio::test]
async fn changed_stages_are_followed_without_a_restart() -> Result<()> {
    let mut stage = Stage::with(|config| migrating(config, "[{ percent = 1 }]")).await?;
    command(&stage, "start").await?.expect(200)?;
    assert_eq!(provider(&added(&stage, 100, 5_000)).await?, "zhichi");
    stage
        .gateway
        .reconfigure(|config| config.with("migrations.to-jiaxin.stages = [{ percent = 50 }]"))?;
    wait::until("the changed stage", async || {
        Ok((status(&stage).await?["percent"] == 50.0).then_some(()))
    })
    .await?;
    assert_eq!(provider(&added(&stage, 100, 5_000)).await?, "jiaxin");
    stage
        .gateway
        .reconfigure(|config| config.without("migrations"))?;
    wait::until("the migration to leave", async || {
        Ok((status(&stage).await?["configured"] == false).then_some(()))
    })
    .await?;
    assert_eq!(provider(&added(&stage, 100, 5_000)).await?, "zhichi");
    Ok(())
}

/// A desk of 智齿 whose visitors go over to 佳信.
fn migrating(config: Config, stages: &str) -> Config {
    config
        .with_desk("support", "routes = [{ provider = \"zhichi\" }]")
        .with(&format!(
            "[migrations.to-jiaxin]\ndesk = \"support\"\nfrom = \"zhichi\"\nto = \"jiaxin\"\nstages = {stages}"
        ))
}

/// A fresh visitor whose bucket lies in `from..to`.
fn added(stage: &Stage, from: u32, to: u32) -> Visitor {
    let is_in = |visitor: &Visitor| {
        let bucket = bucket(&APP.into(), &"support".into(), visitor.id());
        (from..to).contains(&bucket)
    };
    loop {
        let visitor = stage.visitor();
        if is_in(&visitor) {
            return visitor;
        }
    }
}

/// Who serves a visitor, once the vendor has taken the session.
async fn provider(visitor: &Visitor) -> Result<String> {
    let body = json!({ "desk": "support", "visitor": { "name": visitor.id() } });
    let session = visitor.open_and_wait(&body).await?;
    let provider = session["provider"].as_str();
    Ok(provider.context("a session has a provider")?.to_owned())
}

/// Who serves a visitor whose session is open already.
async fn provider_again(visitor: &Visitor) -> Result<String> {
    let body = json!({ "desk": "support", "visitor": { "name": visitor.id() } });
    let session = visitor.try_open(&body).await?.expect(200)?.json()?;
    let provider = session["provider"].as_str();
    Ok(provider.context("a session has a provider")?.to_owned())
}

async fn command(stage: &Stage, command: &str) -> Result<Response> {
    let path = format!("/admin/v1/migrations/to-jiaxin/{command}");
    stage
        .gateway
        .admin_request(Method::POST, &path)
        .send()
        .await
}

async fn status(stage: &Stage) -> Result<Value> {
    ask(stage, "").await
}

async fn ask(stage: &Stage, part: &str) -> Result<Value> {
    let path = format!("/admin/v1/migrations/to-jiaxin{part}");
    let asked = stage.gateway.admin_request(Method::GET, &path).send();
    asked.await?.expect(200)?.json()
}

/// `kefu-gateway migrate …`: how it ended, and what it printed.
async fn cli(stage: &Stage, arguments: &[&str]) -> Result<(Option<i32>, String, String)> {
    let mut all = vec!["migrate"];
    all.extend(arguments);
    on_gateway(stage, &all).await
}

async fn explain(stage: &Stage, visitor: &str) -> Result<(Option<i32>, String, String)> {
    let arguments = [
        "route",
        "explain",
        "--desk",
        "support",
        "--visitor",
        visitor,
    ];
    on_gateway(stage, &arguments).await
}

async fn on_gateway(stage: &Stage, arguments: &[&str]) -> Result<(Option<i32>, String, String)> {
    let (admin, token) = (stage.gateway.admin(), stage.gateway.config().admin_token());
    let mut all = arguments.to_vec();
    all.extend(["--admin", &admin, "--token", token]);
    let output = run_command(&all).await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(!text(&output.stderr).contains("panicked"), "{all:?} broke");
    Ok((
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    ))
}
