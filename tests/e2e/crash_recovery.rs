//! The gateway is killed again and again while many visitors chat.
//!
//! Owns the killing. `kill -9` comes at moments that the seed chooses, also
//! soon after a start, and the gateway starts again on the same data. What must
//! hold afterwards is in [`crowd`](crate::crowd); what one start takes up
//! again, step by step, is in [`startup`](crate::startup).

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kefu_test_support::stage::Stage;

use crate::crowd::{self, Crowd, Figures, Random, Rules, pass, say};

/// Twenty times here; [`soak_kills_at_random_moments_lose_nothing`] counts on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills_at_random_moments() -> Result<()> {
    kill_again_and_again(20).await
}

/// A hundred kills, or as many as `KEFU_SOAK_KILLS` says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a long count, for cargo xtask soak"]
async fn soak_kills_at_random_moments_lose_nothing() -> Result<()> {
    kill_again_and_again(crowd::rounds("KEFU_SOAK_KILLS", 100)?).await
}

async fn kill_again_and_again(kills: u64) -> Result<()> {
    let mut random = Random::seeded()?;
    let mut stage = crowd::stage(|config| config).await?;
    let chatting = Crowd::gather(&stage, SESSIONS, &mut random)
        .await?
        .chat(RULES);
    for kill in 1..=kills {
        pass(random.millis_below(LONGEST_LIFE_MS)).await;
        kill_once(&mut stage)
            .await
            .with_context(|| format!("kill {kill} of {kills}"))?;
    }
    let figures: Figures = chatting.finish(&stage, PATIENCE).await?;
    say(&format!("{kills} kills\n{figures}"));
    ensure!(
        figures.delivered > 0,
        "nothing was delivered, so nothing was tested"
    );
    Ok(())
}

async fn kill_once(stage: &mut Stage) -> Result<()> {
    ensure!(
        stage.gateway.is_running(),
        "the gateway ended by itself\n{}",
        stage.gateway.log()
    );
    stage.gateway.kill_9().await?;
    stage.gateway.restart().await
}

const SESSIONS: usize = 50;
const RULES: Rules = Rules {
    pause_ms: 800,
    gateway_goes: true,
};
/// The longest time between a start and the next kill.
const LONGEST_LIFE_MS: u64 = 1_500;
/// How long what was left over may take after the last kill.
const PATIENCE: Duration = Duration::from_secs(120);
