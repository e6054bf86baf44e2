//! A vendor that cannot take anything for a while.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::crowd::{self, Crowd, Random, Rules, VENDORS, pass, say};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_answers_503_for_a_while_costs_nothing() -> Result<()> {
    chat_through_an_outage(Duration::from_secs(3), 500).await
}

/// A minute of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a long count, for cargo xtask soak"]
async fn soak_a_vendor_that_answers_503_for_a_minute_costs_nothing() -> Result<()> {
    chat_through_an_outage(Duration::from_secs(60), 1_000).await
}

/// Both vendors answer everything with 503 while twenty visitors chat. Nobody
/// sees an error, and afterwards everything is delivered, in order, once.
async fn chat_through_an_outage(outage: Duration, pause_ms: u64) -> Result<()> {
    let mut random = Random::seeded()?;
    let stage = crowd::stage(|config| config).await?;
    let rules = Rules {
        pause_ms,
        gateway_goes: false,
    };
    let chatting = Crowd::gather(&stage, 20, &mut random).await?.chat(rules);
    pass(random.millis_below(1_000)).await;
    for vendor in VENDORS {
        stage
            .simulators
            .fault(vendor, &json!({ "kind": "status", "status": 503 }))
            .await?;
    }
    pass(outage).await;
    for vendor in VENDORS {
        stage.simulators.clear_faults(vendor).await?;
    }
    pass(random.millis_below(1_000)).await;
    let figures = chatting.finish(&stage, Duration::from_secs(120)).await?;
    say(&format!("{} s of 503\n{figures}", outage.as_secs()));
    ensure!(
        figures.unknown == 0,
        "{} messages are unknown, though the vendors refused them",
        figures.unknown
    );
    Ok(())
}
