//! The gateway goes and comes back while somebody is writing.
//!
//! Owns the one thing that a page can do about it: say so, keep what was
//! written, and go on where it was.

use anyhow::Result;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::webdriver::keys;
use serde_json::json;

use crate::agent::AgentPage;
use crate::alone;
use crate::pictures::Pictures;
use crate::visitor::VisitorPage;

#[tokio::test]
async fn what_is_written_while_the_gateway_is_away_arrives_once_when_it_is_back() -> Result<()> {
    let _alone = alone().await?;
    let mut stage = Stage::start().await?;
    let patient = json!({ "pushes": { "attempts": 60 } });
    stage.simulators.set(Vendor::Zhichi, &patient).await?;
    let pictures = Pictures::of("reconnect")?;
    let visitor = VisitorPage::load(&stage, "zhichi", "zh", (1200, 800), &pictures).await?;
    visitor.click("open").await?;
    visitor.click("human").await?;
    visitor.be_in("queued").await?;
    let agent = AgentPage::load(&stage, Vendor::Zhichi, "zh", &pictures).await?;
    agent.turn_to(&visitor.name).await?;
    agent.click("accept").await?;
    visitor
        .see_message("agent", "text", "人工客服为您服务")
        .await?;

    stage.gateway.kill_9().await?;
    visitor.read("connection", "正在重连").await?;
    visitor.fill("input", "还在吗？").await?;
    visitor.browser.press(keys::ENTER).await?;
    visitor.picture("gateway-away").await?;
    // Pushes that nobody takes are tried again.
    agent.say("我在，请讲").await?;
    stage.gateway.restart().await?;

    visitor.see_no("connection").await?;
    visitor.see_message("agent", "text", "我在，请讲").await?;
    visitor.see_message("visitor", "text", "还在吗？").await?;
    agent.see_line("visitor", "text", "还在吗？").await?;
    let shown = visitor.messages().await?;
    for text in ["我在，请讲", "还在吗？"] {
        let times = shown.iter().filter(|it| it.text == text).count();
        assert_eq!(times, 1, "{text} in {shown:#?}");
    }
    visitor.picture("gateway-back").await
}
