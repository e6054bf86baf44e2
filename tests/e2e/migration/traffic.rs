//! The whole way there and back while visitors chat.
//!
//! Owns the proof that a migration costs nobody a word: every message that was
//! taken reaches the vendor at which its session opened, once and in order,
//! while stages change, the gateway restarts and an adapter is replaced.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use http::Method;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::visitor::Visitor;

use super::{added, command, migrating, provider, status};
use crate::crowd::{self, Chatting, Crowd, Random, Rules, pass, say};

/// Visitors who are there from the beginning; with those who come, enough for
/// 500 messages a second where the machine gives that.
const RESIDENTS: usize = 150;
/// Visitors who come in each stage.
const NEWCOMERS: usize = 20;
/// How long each stage is chatted in.
const STAGE: Duration = Duration::from_secs(3);

const RULES: Rules = Rules {
    pause_ms: 400,
    // It restarts once.
    gateway_goes: true,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_loses_a_word_from_nothing_to_everybody_and_back() -> Result<()> {
    let mut random = Random::seeded()?;
    let mut stage = crowd::stage(|config| {
        let config = migrating(config, STAGES)
            .with_provider("zhichi", FAST)
            .with_provider("jiaxin", FAST);
        config.with(
            "migrations.to-jiaxin.guards = { delivery_failures = \"off\", first_answer = \"off\" }",
        )
    })
    .await?;
    let visitors = (0..RESIDENTS).map(|_| stage.visitor()).collect();
    let residents = Crowd::gather_at("support", visitors, 0, &mut random).await?;
    let mut sessions = residents.sessions();
    ensure!(
        sessions
            .iter()
            .all(|(.., vendor)| *vendor == Vendor::Zhichi)
    );
    let mut chatting = residents.chat(RULES);
    pass(STAGE).await;

    let mut slowest = Duration::ZERO;
    let cuts = [0, 100, 1_000, 5_000, 10_000];
    for (number, pair) in cuts.windows(2).enumerate() {
        let word = if number == 0 { "start" } else { "advance" };
        let took = changes(&stage, word, (pair[0], pair[1], "jiaxin")).await?;
        slowest = slowest.max(took);
        come(&stage, &mut chatting, &mut sessions, &mut random).await?;
        match pair[1] {
            1_000 => restart(&mut stage).await?,
            5_000 => reload(&stage).await?,
            _ => {}
        }
        pass(STAGE).await;
    }
    let took = changes(&stage, "rollback", (0, 10_000, "zhichi")).await?;
    slowest = slowest.max(took);
    come(&stage, &mut chatting, &mut sessions, &mut random).await?;
    pass(STAGE).await;

    let figures = chatting.finish(&stage, Duration::from_secs(120)).await?;
    for (visitor, session, vendor) in &sessions {
        let now = visitor.session(session).await?;
        ensure!(
            now["provider"] == vendor.name(),
            "{session} has moved: {now}"
        );
    }
    ensure!(status(&stage).await?["phase"] == "rolled_back");
    say(&format!(
        "{figures}\nopen sessions moved: 0 of {}; messages a second: {:.0}; new sessions follow \
         at once, the slowest handshake took {slowest:.1?}",
        sessions.len(),
        figures.rate()
    ));
    Ok(())
}

/// What a vendor allows would be the bottleneck.
const FAST: &str = "limits = { requests_per_second = 10_000, concurrency = 256 }";

const STAGES: &str = "[{ percent = 1 }, { percent = 10 }, { percent = 50 }, { percent = 100 }]";

/// Gives a command, and opens a session for somebody whom it moves: the next
/// one that is opened follows. How long the vendor's handshake takes is the
/// machine's matter; it is told.
async fn changes(
    stage: &Stage,
    word: &str,
    (from, to, expected): (u32, u32, &str),
) -> Result<Duration> {
    let visitor = added(stage, from, to);
    command(stage, word).await?.expect(200)?;
    let began = Instant::now();
    let now = provider(&visitor).await?;
    let took = began.elapsed();
    ensure!(now == expected, "after {word} {} is at {now}", visitor.id());
    Ok(took)
}

/// Visitors come, and chat on with the others.
async fn come(
    stage: &Stage,
    chatting: &mut Chatting,
    sessions: &mut Vec<(Visitor, String, Vendor)>,
    random: &mut Random,
) -> Result<()> {
    let visitors = (0..NEWCOMERS).map(|_| stage.visitor()).collect();
    let come = Crowd::gather_at("support", visitors, sessions.len(), random).await?;
    sessions.extend(come.sessions());
    chatting.join(come, RULES);
    Ok(())
}

/// Ends the gateway as an operator does, and starts it again.
async fn restart(stage: &mut Stage) -> Result<()> {
    let before = status(stage).await?;
    stage.gateway.stop().await?;
    stage.gateway.restart().await?;
    let after = status(stage).await?;
    ensure!(after["stage"] == before["stage"], "{after}");
    Ok(())
}

/// Brings the new vendor's adapter up anew.
async fn reload(stage: &Stage) -> Result<()> {
    let path = "/admin/v1/providers/jiaxin/reload";
    let reload = stage.gateway.admin_request(Method::POST, path).send();
    let report = reload.await?.expect(200)?.json()?;
    ensure!(report["outcome"] == "applied", "{report}");
    Ok(())
}
