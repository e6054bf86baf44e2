//! At 佳信: leaving keeps the session, and only the agent ends it.

use anyhow::Result;
use http::Method;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use serde_json::json;

use crate::agent::AgentPage;
use crate::alone;
use crate::pictures::Pictures;
use crate::visitor::{SESSION, VisitorPage};

const DESKTOP: (u32, u32) = (1200, 800);

#[tokio::test]
async fn a_visitor_of_jiaxin_leaves_comes_back_and_only_the_agent_ends() -> Result<()> {
    let _alone = alone().await?;
    let stage = Stage::start().await?;
    let pictures = Pictures::of("jiaxin")?;
    let visitor = VisitorPage::load(&stage, "jiaxin", "zh", DESKTOP, &pictures).await?;
    let agent = AgentPage::load(&stage, Vendor::Jiaxin, "zh", &pictures).await?;

    meet_the_robot(&visitor).await?;
    reach_the_agent(&visitor, &agent).await?;
    send_everything(&stage, &visitor, &agent).await?;
    let session = visitor.browser.script(SESSION, vec![]).await?;
    visitor.browser.reload().await?;
    visitor.be_in("human").await?;
    assert_eq!(visitor.browser.script(SESSION, vec![]).await?, session);

    hear_from_the_agent(&visitor, &agent).await?;
    rate(&visitor, &agent).await?;
    leave_and_come_back(&visitor, &agent).await?;
    assert_eq!(visitor.browser.script(SESSION, vec![]).await?, session);
    be_seen_off(&visitor, &agent).await?;

    visitor.expect_quiet_console().await?;
    agent.expect_quiet_console().await
}

#[tokio::test]
async fn a_visitor_whom_nobody_serves_is_led_to_the_vendors_own_page() -> Result<()> {
    let _alone = alone().await?;
    let stage = Stage::start().await?;
    let nobody = json!({ "human": { "no_agent": true } });
    stage.simulators.set(Vendor::Jiaxin, &nobody).await?;
    let pictures = Pictures::of("nobody")?;
    let visitor = VisitorPage::load(&stage, "jiaxin", "zh", DESKTOP, &pictures).await?;
    visitor.click("open").await?;
    visitor.click("human").await?;
    visitor.be_in("unattended").await?;
    visitor.read("line", "暂无客服在线").await?;
    visitor.see("leave-link").await?;
    assert!(!visitor.sees("input").await?, "nobody would read it");
    visitor.picture("unattended").await?;
    visitor.expect_quiet_console().await
}

async fn meet_the_robot(visitor: &VisitorPage) -> Result<()> {
    visitor.click("open").await?;
    visitor.be_in("robot").await?;
    visitor
        .see_message("robot", "text", "您好，我是智能助手")
        .await?;
    visitor.picture("robot-greets").await?;
    for not_offered in ["attach", "voice", "location", "rate"] {
        assert!(
            !visitor.sees(not_offered).await?,
            "{not_offered} is offered with the robot"
        );
    }
    visitor.say("你好").await?;
    visitor.click("suggestion").await?;
    visitor
        .see_message("robot", "text", "签收后 7 天内可以无理由退货")
        .await?;
    visitor.click("emoji").await?;
    visitor.picture("emoji-sheet").await?;
    visitor.click("sheet-close").await?;
    visitor.say("多久发货？").await?;
    visitor
        .see_message("robot", "text", "付款后 24 小时内发货")
        .await?;
    visitor.picture("robot-answers").await
}

async fn reach_the_agent(visitor: &VisitorPage, agent: &AgentPage) -> Result<()> {
    visitor.click("human").await?;
    visitor.see("group").await?;
    visitor.picture("groups").await?;
    visitor.click("group-any").await?;
    visitor.be_in("queued").await?;
    visitor.read("subtitle", "第 1 位").await?;
    visitor.picture("queued").await?;
    agent.turn_to(&visitor.name).await?;
    agent.click("accept").await?;
    visitor.be_in("human").await?;
    visitor
        .see_message("agent", "text", "人工客服为您服务")
        .await?;
    agent.say("您好，在的").await?;
    visitor.see_message("agent", "text", "您好，在的").await?;
    visitor.picture("agent-answers").await
}

async fn send_everything(stage: &Stage, visitor: &VisitorPage, agent: &AgentPage) -> Result<()> {
    visitor.see("attach").await?;
    visitor.see("voice").await?;
    assert!(
        !visitor.sees("location").await?,
        "the vendor has not allowed locations"
    );
    let kinds = "return document.querySelector('kefu-chat').shadowRoot.querySelector('[data-testid=file-input]').accept;";
    assert_eq!(
        visitor.browser.script(kinds, vec![]).await?,
        "image/*,audio/*"
    );

    let folder = tempfile::tempdir()?;
    for (name, kind) in [("sample.png", "image"), ("sample.wav", "voice")] {
        let file = folder.path().join(name);
        let sample =
            stage
                .simulators
                .request(Vendor::Jiaxin, Method::GET, &format!("/media/{name}"));
        std::fs::write(&file, sample.send().await?.expect(200)?.body)?;
        visitor.choose(&file.to_string_lossy()).await?;
        visitor.see_message("visitor", kind, "").await?;
        agent.see_line("visitor", kind, "").await?;
    }

    // What the app itself sends: a card of goods, which this desk gets as text.
    let product = visitor
        .browser
        .element(&["[data-product=longjing]"], crate::LIMIT)
        .await?;
    visitor.browser.click(&product).await?;
    agent.see_line("visitor", "text", "明前龙井").await?;

    let allowed = json!({ "human": { "location": true } });
    stage.simulators.set(Vendor::Jiaxin, &allowed).await?;
    agent.act("capabilities").await?;
    visitor.click("location").await?;
    visitor.fill("location-label", "杭州市西湖区").await?;
    visitor.fill("location-latitude", "30.2599").await?;
    visitor.fill("location-longitude", "120.1302").await?;
    visitor.click("location-send").await?;
    agent
        .see_line("visitor", "location", "杭州市西湖区")
        .await?;
    let forbidden = json!({ "human": { "location": false } });
    stage.simulators.set(Vendor::Jiaxin, &forbidden).await?;
    agent.act("capabilities").await?;
    visitor.see_no("location").await?;
    visitor.see_media_loaded().await?;
    visitor.picture("sent").await?;
    agent.see_media_loaded().await?;
    agent.picture("desk-received").await
}

async fn hear_from_the_agent(visitor: &VisitorPage, agent: &AgentPage) -> Result<()> {
    for kind in ["image", "voice", "location", "rich", "emoji"] {
        agent.click(&format!("send-{kind}")).await?;
        visitor.see_message("agent", kind, "").await?;
    }
    visitor
        .see_message("agent", "location", "北京市东城区天安门")
        .await?;
    visitor.see_message("agent", "rich", "订单 1024").await?;
    visitor.see_media_loaded().await?;
    visitor.picture("agent-sends").await
}

async fn rate(visitor: &VisitorPage, agent: &AgentPage) -> Result<()> {
    assert!(!visitor.sees("rate").await?, "only the agent invites");
    agent.click("invite").await?;
    visitor.click("rate-decline").await?;
    visitor.see_no("sheet").await?;
    agent.click("invite").await?;
    for (star, level) in ["非常不满意", "不满意", "一般", "满意", "非常满意"]
        .into_iter()
        .enumerate()
    {
        visitor.click(&format!("star-{}", star + 1)).await?;
        visitor.read("level", level).await?;
    }
    visitor.click("tag-1").await?;
    visitor.picture("rating-sheet").await?;
    visitor.click("rate-send").await?;
    visitor.read("line", "感谢您的评价").await?;
    agent.read("rating", "★★★★★ 5").await?;
    agent.read("rating", "态度友好").await?;
    visitor.be_in("human").await
}

/// The window is closed, the page is closed, and the agent still writes.
async fn leave_and_come_back(visitor: &VisitorPage, agent: &AgentPage) -> Result<()> {
    visitor.click("exit").await?;
    visitor.picture("exit-sheet").await?;
    visitor.click("exit-confirm").await?;
    visitor.read("left", "会话会保留").await?;
    visitor.be_in("human").await?;
    agent.read("facts", "访客已离开").await?;
    visitor.picture("left").await?;
    agent.picture("desk-left").await?;
    visitor.click("close").await?;

    agent.say("您的退款已到账").await?;
    visitor.read("reminder", "您的退款已到账").await?;
    visitor.read("badge", "1").await?;
    visitor.picture("reminded").await?;
    visitor.browser.navigate("about:blank").await?;
    agent.say("请查收短信").await?;
    visitor.come_back().await?;
    visitor.read("reminder", "请查收短信").await?;
    visitor.read("badge", "2").await?;
    agent.say("还需要别的吗？").await?;
    visitor.read("reminder", "还需要别的吗").await?;
    visitor.read("badge", "3").await?;
    visitor.picture("reminded-again").await?;
    visitor.click("reminder").await?;
    visitor.see_no("reminder").await?;
    for said in ["您的退款已到账", "请查收短信", "还需要别的吗？"] {
        visitor.see_message("agent", "text", said).await?;
    }
    visitor.say("收到，谢谢").await?;
    agent.see_line("visitor", "text", "收到，谢谢").await?;
    visitor.picture("came-back").await
}

async fn be_seen_off(visitor: &VisitorPage, agent: &AgentPage) -> Result<()> {
    visitor.click("exit").await?;
    visitor.click("exit-confirm").await?;
    visitor.see("left").await?;
    visitor.be_in("human").await?;
    agent.see_phase("human").await?;
    agent.click("end").await?;
    visitor.be_in("ended").await?;
    visitor.read("line", "会话已结束").await?;
    visitor.see("restart").await?;
    visitor.picture("ended").await
}
