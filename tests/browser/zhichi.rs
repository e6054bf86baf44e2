//! At 智齿: leaving asks for a rating, and ends the session.

use anyhow::Result;
use http::Method;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;

use crate::agent::AgentPage;
use crate::pictures::Pictures;
use crate::visitor::{SESSION, Shown, VisitorPage};
use crate::{LIMIT, alone};

const DESKTOP: (u32, u32) = (1200, 800);

#[tokio::test]
async fn a_visitor_of_zhichi_walks_from_the_robot_to_an_agent_rates_and_ends() -> Result<()> {
    let _alone = alone().await?;
    let stage = Stage::start().await?;
    let pictures = Pictures::of("zhichi")?;
    let visitor = VisitorPage::load(&stage, "zhichi", "zh", DESKTOP, &pictures).await?;
    visitor.see("open").await?;
    visitor.picture("page").await?;

    meet_the_robot(&visitor).await?;
    let agent = AgentPage::load(&stage, Vendor::Zhichi, "zh", &pictures).await?;
    reach_the_agent(&visitor, &agent).await?;
    send_everything(&stage, &visitor, &agent).await?;
    reload_in_the_middle(&visitor).await?;
    hear_from_the_agent(&visitor, &agent).await?;
    leave(&visitor, &agent).await?;

    visitor.expect_quiet_console().await?;
    agent.expect_quiet_console().await
}

async fn meet_the_robot(visitor: &VisitorPage) -> Result<()> {
    visitor.click("open").await?;
    visitor.be_in("robot").await?;
    visitor
        .see_message("robot", "text", "您好，我是智能助手")
        .await?;
    visitor.see("suggestion").await?;
    visitor.picture("robot-greets").await?;
    for not_carried in ["attach", "voice", "location"] {
        assert!(
            !visitor.sees(not_carried).await?,
            "the robot is offered {not_carried}"
        );
    }

    visitor.click("suggestion").await?;
    visitor.see_message("visitor", "text", "如何退货？").await?;
    visitor
        .see_message("robot", "text", "签收后 7 天内可以无理由退货")
        .await?;
    visitor.say("怎么开发票？").await?;
    visitor.see_message("robot", "text", "申请开票").await?;
    visitor.picture("robot-answers").await?;

    visitor.click("rate").await?;
    visitor.read("sheet", "机器人是否解决了您的问题？").await?;
    visitor.picture("robot-rating").await?;
    visitor.click("rate-decline").await?;
    visitor.see_no("sheet").await?;
    visitor.click("rate").await?;
    visitor.click("resolved-no").await?;
    visitor.read("line", "感谢您的评价").await?;
    visitor.see_no("rate").await
}

async fn reach_the_agent(visitor: &VisitorPage, agent: &AgentPage) -> Result<()> {
    visitor.click("human").await?;
    visitor.be_in("queued").await?;
    visitor.read("subtitle", "第 1 位").await?;
    assert!(
        !visitor.sees("input").await?,
        "a text would be refused while waiting"
    );
    assert!(
        !visitor.sees("human").await?,
        "an agent is asked for already"
    );
    visitor.picture("queued").await?;

    agent.turn_to(&visitor.name).await?;
    agent.see_phase("queued").await?;
    agent.picture("desk-queued").await?;
    agent.click("accept").await?;
    visitor.be_in("human").await?;
    visitor.read("line", "客服一号 为您服务").await?;
    visitor
        .see_message("agent", "text", "人工客服为您服务")
        .await?;
    agent.say("您好，请问订单号是多少？").await?;
    visitor
        .see_message("agent", "text", "请问订单号是多少")
        .await?;
    visitor.picture("agent-answers").await
}

async fn send_everything(stage: &Stage, visitor: &VisitorPage, agent: &AgentPage) -> Result<()> {
    visitor
        .say("1024，茶罐有个口子 https://shop.example/o/1024")
        .await?;
    agent.see_line("visitor", "text", "茶罐有个口子").await?;
    visitor.click("emoji").await?;
    visitor.click("emoji-👍").await?;
    visitor.say("好的").await?;
    agent.see_line("visitor", "text", "👍好的").await?;

    let folder = tempfile::tempdir()?;
    let (picture, sound) = (
        folder.path().join("茶罐.png"),
        folder.path().join("说明.wav"),
    );
    let sample = |name| stage.simulators.request(Vendor::Zhichi, Method::GET, name);
    std::fs::write(
        &picture,
        sample("/media/sample.png").send().await?.expect(200)?.body,
    )?;
    std::fs::write(
        &sound,
        sample("/media/sample.wav").send().await?.expect(200)?.body,
    )?;
    for (file, kind) in [(&picture, "image"), (&sound, "voice")] {
        visitor.choose(&file.to_string_lossy()).await?;
        visitor.see_message("visitor", kind, "").await?;
        agent.see_line("visitor", kind, "").await?;
    }

    visitor.click("voice").await?;
    visitor.see("record-send").await?;
    let one_second = "return /1/.test(document.querySelector('kefu-chat').shadowRoot.querySelector('[role=timer]').textContent);";
    visitor
        .browser
        .wait_for("a second of recording", one_second, vec![], LIMIT)
        .await?;
    visitor.picture("recording").await?;
    visitor.click("record-send").await?;
    let two = "return document.querySelector('kefu-chat').shadowRoot.querySelectorAll('[data-type=voice][data-id]').length === 2;";
    visitor
        .browser
        .wait_for("the recorded voice", two, vec![], LIMIT)
        .await?;
    visitor.see_message("visitor", "voice", "").await?;

    visitor.click("location").await?;
    visitor
        .fill("location-label", "北京市东城区东长安街")
        .await?;
    visitor.fill("location-latitude", "39.908722").await?;
    visitor.fill("location-longitude", "116.397499").await?;
    visitor.picture("location-form").await?;
    visitor.click("location-send").await?;
    // This desk gets it in words, and the visitor is told so.
    visitor
        .see_message("visitor", "text", "北京市东城区东长安街")
        .await?;
    agent
        .see_line("visitor", "text", "北京市东城区东长安街")
        .await?;

    visitor.see_media_loaded().await?;
    visitor.picture("sent").await?;
    agent.see_media_loaded().await?;
    agent.picture("desk-received").await
}

async fn reload_in_the_middle(visitor: &VisitorPage) -> Result<()> {
    let session = visitor.browser.script(SESSION, vec![]).await?;
    // What has become of a message is told by events that may still come.
    let bare = |mut all: Vec<Shown>| {
        all.iter_mut().for_each(|it| it.status.clear());
        all
    };
    let before = bare(visitor.messages().await?);
    visitor.browser.reload().await?;
    visitor.be_in("human").await?;
    let last = before.last().cloned();
    if let Some(last) = last {
        visitor
            .see_message(&last.from, &last.kind, &last.text)
            .await?;
    }
    assert_eq!(visitor.browser.script(SESSION, vec![]).await?, session);
    assert_eq!(
        bare(visitor.messages().await?),
        before,
        "the log after the reload"
    );
    visitor.see_media_loaded().await?;
    visitor.picture("after-reload").await
}

async fn hear_from_the_agent(visitor: &VisitorPage, agent: &AgentPage) -> Result<()> {
    for (button, kind) in [("send-image", "image"), ("send-voice", "voice")] {
        agent.click(button).await?;
        visitor.see_message("agent", kind, "").await?;
    }
    visitor.see_media_loaded().await?;
    agent.say("发错了").await?;
    visitor.see_message("agent", "text", "发错了").await?;
    agent.click("recall").await?;
    visitor.see_message("agent", "text", "消息已撤回").await?;
    visitor.picture("agent-sends").await?;

    agent.click("transfer").await?;
    visitor.read("line", "客服二号").await?;
    Ok(())
}

/// The rating comes before the end, and the end is an end.
async fn leave(visitor: &VisitorPage, agent: &AgentPage) -> Result<()> {
    visitor.click("exit").await?;
    visitor.picture("exit-sheet").await?;
    visitor.click("exit-confirm").await?;
    visitor.see("star-4").await?;
    visitor.picture("rating-sheet").await?;
    agent.see_phase("human").await?;
    visitor.click("star-4").await?;
    visitor.click("resolved-yes").await?;
    visitor.fill("comment", "很耐心").await?;
    visitor.picture("rating-filled").await?;
    visitor.click("rate-send").await?;
    visitor.be_in("ended").await?;
    visitor.read("line", "感谢您的评价").await?;
    visitor.read("line", "会话已结束").await?;
    assert!(
        !visitor.sees("input").await?,
        "a session that is over takes no text"
    );
    visitor.picture("ended").await?;
    agent.see_phase("ended").await?;
    agent.read("rating", "★★★★ 4").await?;
    agent.read("rating", "很耐心").await?;
    agent.picture("desk-ended").await?;

    visitor.click("restart").await?;
    visitor.be_in("robot").await?;
    visitor.see("input").await?;
    visitor.picture("new-session").await
}
