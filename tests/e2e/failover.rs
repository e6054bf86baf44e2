//! Vendors that die, go mute or refuse everything, and come back: who serves
//! new visitors meanwhile, and that nobody is served by two.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http::Method;
use kefu_test_support::chat::Chat;
use kefu_test_support::config::Config;
use kefu_test_support::gateway::Gateway;
use kefu_test_support::simulators::{Simulators, Vendor};
use kefu_test_support::visitor::Visitor;
use kefu_test_support::wait;
use kefu_test_support::wire::Wire;
use serde_json::{Value, json};

use crate::crowd::say;

/// 佳信 behind a wire that can be cut, and 智齿, who is next at the desk.
struct Pair {
    simulators: Simulators,
    gateway: Gateway,
    wire: Wire,
}

impl Pair {
    /// With this besides in the provider's file of 佳信.
    async fn with(more: &str) -> Result<Self> {
        let config = Config::new();
        let simulators = Simulators::start_for(&config).await?;
        let wire = Wire::to(simulators.url(Vendor::Jiaxin)).await?;
        let behind_wire = format!(
            "hosts = [\"{}\"]\nsettings.base_url = \"{}\"\n{more}",
            wire.address(),
            wire.url()
        );
        let vendors = [Vendor::Jiaxin, Vendor::Zhichi];
        let routes = "routes = [{ provider = \"jiaxin\" }, { provider = \"zhichi\" }]";
        let config = simulators
            .join(config, &vendors)
            .with_provider("jiaxin", &behind_wire)
            .with_desk("support", routes);
        let files = vendors.map(Vendor::plugin);
        let gateway = Gateway::start(config, &files).await?;
        simulators.connect(&gateway).await?;
        Ok(Self {
            simulators,
            gateway,
            wire,
        })
    }

    fn visitor(&self, id: &str) -> Visitor {
        self.gateway.visitor(id)
    }

    /// Opens a session at the desk. Who took it, and how long that took.
    async fn open(&self, id: &str) -> Result<(Value, Duration)> {
        let begun = Instant::now();
        let body = json!({ "desk": "support", "visitor": { "name": id } });
        let opened = self.visitor(id).open_and_wait(&body).await?;
        Ok((opened, begun.elapsed()))
    }

    async fn provider(&self) -> Result<Value> {
        let path = "/admin/v1/providers/jiaxin";
        let asked = self.gateway.admin_request(Method::GET, path);
        asked.send().await?.expect(200)?.json()
    }

    /// Waits until the vendor stands like this. How long that took.
    async fn stands(&self, state: &str, within: Duration) -> Result<Duration> {
        let begun = Instant::now();
        let what = format!("佳信 is {state}");
        wait::until_within(within, &what, async || {
            let health = self.provider().await?["health"].clone();
            Ok((health["state"] == state).then_some(()))
        })
        .await?;
        Ok(begun.elapsed())
    }

    async fn explain(&self) -> Result<Value> {
        let path = "/admin/v1/desks/support/route";
        let asked = self.gateway.admin_request(Method::POST, path);
        asked.json(&json!({ "visitor": "v" })).send().await?.json()
    }
}

#[tokio::test]
async fn new_sessions_leave_a_dead_vendor_within_five_seconds_and_return_with_it() -> Result<()> {
    let mut pair = Pair::with("").await?;
    let (before, _) = pair.open("before").await?;
    ensure!(before["provider"] == "jiaxin", "{before}");

    pair.wire.cut().await;
    // Nobody knows yet: the handshake finds out, and goes on.
    let (first, took) = pair.open("first").await?;
    ensure!(first["provider"] == "zhichi", "{first}");
    ensure!(took < Duration::from_secs(5), "the first one took {took:?}");
    let found = pair.stands("failing", Duration::from_secs(5)).await?;
    say(&format!(
        "first session elsewhere after {took:?}, outage known {found:?} later"
    ));
    let decision = pair.explain().await?;
    ensure!(decision["chosen"]["provider"] == "zhichi", "{decision}");
    let passed_over = json!({
        "step": "passed_over", "route": 0, "provider": "jiaxin", "availability": "failing",
    });
    let steps = decision["steps"].as_array().context("steps")?;
    ensure!(steps.contains(&passed_over), "{decision}");
    let (second, took) = pair.open("second").await?;
    ensure!(second["provider"] == "zhichi", "{second}");
    ensure!(
        took < Duration::from_secs(2),
        "the second one took {took:?}"
    );
    // The app is told which provider it got.
    let second = Chat::of(
        &pair.simulators,
        pair.visitor("second"),
        Vendor::Zhichi,
        &second,
    )?;
    let opened = second.logged("session.opened").await?;
    ensure!(opened[0]["provider"] == "zhichi", "{opened:?}");

    // Whoever was there stays, and what is said meanwhile arrives later.
    let before = Chat::of(
        &pair.simulators,
        pair.visitor("before"),
        Vendor::Jiaxin,
        &before,
    )?;
    before.say("said into the dark").await?;
    pair.wire.mend()?;
    let back = pair.stands("working", Duration::from_secs(10)).await?;
    say(&format!("back {back:?} after the vendor"));
    let (third, _) = pair.open("third").await?;
    ensure!(third["provider"] == "jiaxin", "{third}");
    before
        .wait_for("what was said meanwhile is sent", |event| {
            event.kind == "message.status" && event.data["status"] == "delivered"
        })
        .await?;
    let now = before.session().await?;
    ensure!(now["provider"] == "jiaxin", "{now}");
    let second = second.session().await?;
    ensure!(second["provider"] == "zhichi", "it moved: {second}");
    Ok(())
}

#[tokio::test]
async fn a_vendor_that_nobody_asks_is_found_dead_and_alive_all_the_same() -> Result<()> {
    let mut pair = Pair::with("health.connect_every = \"500ms\"").await?;
    pair.stands("working", Duration::from_secs(5)).await?;
    for _ in 0..2 {
        pair.wire.cut().await;
        pair.stands("failing", Duration::from_secs(5)).await?;
        let health = pair.provider().await?["health"].clone();
        ensure!(health["since"].is_string(), "{health}");
        let why = health["why"].as_str().context("a reason")?;
        ensure!(why.contains("refused"), "{why}");
        pair.wire.mend()?;
        pair.stands("working", Duration::from_secs(5)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn where_every_vendor_is_dead_sessions_wait_for_the_first() -> Result<()> {
    let mut pair = Pair::with("").await?;
    pair.wire.cut().await;
    pair.stands("failing", Duration::from_secs(10)).await?;
    let opened = pair.visitor("alone").open("jiaxin").await?;
    ensure!(opened["state"] == "opening", "{opened}");
    pair.wire.mend()?;
    let session = opened["id"].as_str().context("an id")?;
    let visitor = pair.visitor("alone");
    wait::until("the vendor takes the session", async || {
        let session = visitor.session(session).await?;
        Ok((session["state"] != "opening").then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_mute_vendor_is_found_within_a_minute_with_the_settings_as_they_are() -> Result<()> {
    let pair = Pair::with("canary = { desk = \"support\", expect = \"human\" }").await?;
    let echo = json!({ "human": { "echo": true, "auto_accept_ms": 100 } });
    pair.simulators.set(Vendor::Jiaxin, &echo).await?;
    let minute = Duration::from_secs(60);
    wait::until_within(minute, "a canary is answered", async || {
        let last = pair.provider().await?["health"]["canary"].clone();
        Ok((last["outcome"] == "answered").then_some(()))
    })
    .await?;
    let lose = json!({ "kind": "lose" });
    pair.simulators.fault(Vendor::Jiaxin, &lose).await?;
    let found = pair.stands("mute", minute).await?;
    say(&format!(
        "with the settings as they are, found mute after {found:?}"
    ));
    let (opened, _) = pair.open("meanwhile").await?;
    ensure!(opened["provider"] == "zhichi", "{opened}");
    Ok(())
}

#[tokio::test]
async fn a_mute_vendor_is_found_by_its_canary_and_so_is_its_return() -> Result<()> {
    // The robot answers within the call; an agent's words are pushed.
    let canary =
        "canary = { every = \"1s\", within = \"3s\", desk = \"support\", expect = \"human\" }";
    let pair = Pair::with(canary).await?;
    let echo = json!({ "human": { "echo": true, "auto_accept_ms": 100 } });
    pair.simulators.set(Vendor::Jiaxin, &echo).await?;
    wait::until("a canary is answered", async || {
        let last = pair.provider().await?["health"]["canary"].clone();
        Ok((last["outcome"] == "answered").then_some(()))
    })
    .await?;

    // It takes everything, and nothing that it says arrives.
    let lose = json!({ "kind": "lose" });
    pair.simulators.fault(Vendor::Jiaxin, &lose).await?;
    // The settings promise 7 s.
    let found = pair.stands("mute", Duration::from_secs(12)).await?;
    say(&format!("found mute after {found:?}"));
    let (opened, _) = pair.open("meanwhile").await?;
    ensure!(opened["provider"] == "zhichi", "{opened}");
    pair.simulators.clear_faults(Vendor::Jiaxin).await?;
    pair.stands("working", Duration::from_secs(10)).await?;
    let (opened, _) = pair.open("afterwards").await?;
    ensure!(opened["provider"] == "jiaxin", "{opened}");

    // Nobody but who asks for them sees the gateway's own sessions.
    let list = async |query: &str| {
        let path = format!("/admin/v1/sessions{query}");
        let asked = pair.gateway.admin_request(Method::GET, &path);
        let listed: Value = asked.send().await?.expect(200)?.json()?;
        let sessions = listed["sessions"].as_array().context("a list")?;
        anyhow::Ok(sessions.len())
    };
    ensure!(list("").await? == 2, "only those of visitors are listed");
    ensure!(list("?synthetic=true").await? > 4, "canaries are there");
    let metrics = pair.gateway.admin_request(Method::GET, "/metrics");
    let page = metrics.send().await?.expect(200)?.text();
    for line in [
        "kefu_provider_health{provider=\"jiaxin\",state=\"working\"} 1",
        "kefu_canaries_total{provider=\"jiaxin\",outcome=\"answered\"}",
        "kefu_canaries_total{provider=\"jiaxin\",outcome=\"unanswered\"}",
    ] {
        ensure!(page.contains(line), "{line} is missing in {page}");
    }
    Ok(())
}

#[tokio::test]
async fn a_paused_provider_is_left_in_peace_by_its_canary() -> Result<()> {
    let pair = Pair::with("canary = { every = \"1s\", within = \"2s\" }").await?;
    let at = async || anyhow::Ok(pair.provider().await?["health"]["canary"]["at"].clone());
    wait::until("a canary ends", async || {
        Ok(at().await?.is_string().then_some(()))
    })
    .await?;
    let path = "/admin/v1/providers/jiaxin/pause";
    let paused = pair.gateway.admin_request(Method::POST, path);
    paused.json(&json!({})).send().await?.expect(200)?;
    // One that is under way may end.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = at().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    ensure!(at().await? == before, "a canary was begun");
    Ok(())
}

#[tokio::test]
async fn a_canary_that_a_crash_left_behind_is_ended_before_the_next() -> Result<()> {
    // Nobody accepts the visitor, so that it waits for all of its time.
    let canary = "canary = { every = \"1s\", within = \"20s\", expect = \"human\" }";
    let mut pair = Pair::with(canary).await?;
    let open = async |pair: &Pair| {
        let path = "/admin/v1/sessions?synthetic=true&open=true";
        let asked = pair.gateway.admin_request(Method::GET, path);
        let listed: Value = asked.send().await?.expect(200)?.json()?;
        let sessions = listed["sessions"].as_array().context("a list")?;
        anyhow::Ok(
            sessions
                .iter()
                .map(|it| it["id"].clone())
                .collect::<Vec<_>>(),
        )
    };
    let left = wait::until("a canary is out", async || {
        Ok(open(&pair).await?.first().cloned())
    })
    .await?;
    pair.gateway.kill_9().await?;
    pair.gateway.restart().await?;
    wait::until("another canary is out", async || {
        let now = open(&pair).await?;
        Ok((now.len() == 1 && now[0] != left).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_vendor_that_refuses_everything_gets_no_new_sessions() -> Result<()> {
    let pair = Pair::with("").await?;
    let refuse = json!({ "kind": "status", "status": 503 });
    pair.simulators.fault(Vendor::Jiaxin, &refuse).await?;
    for number in 0..6 {
        let (opened, took) = pair.open(&format!("refused-{number}")).await?;
        ensure!(opened["provider"] == "zhichi", "{opened}");
        ensure!(took < Duration::from_secs(5), "{took:?}");
    }
    pair.stands("failing", Duration::from_secs(2)).await?;
    pair.simulators.clear_faults(Vendor::Jiaxin).await?;
    // After the rest a session finds out.
    wait::until("new sessions are back", async || {
        let id = format!("back-{}", kefu_test_support::config::fresh_secret());
        let (opened, _) = pair.open(&id).await?;
        Ok((opened["provider"] == "jiaxin").then_some(()))
    })
    .await?;
    pair.stands("working", Duration::from_secs(2)).await?;
    Ok(())
}
