//! At 小能: a message is left in our own form, and visitors rate unasked where
//! the vendor allows it.

use anyhow::Result;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::webdriver::keys;
use serde_json::{Value, json};

use crate::agent::AgentPage;
use crate::keyboard::HAS_GROUPS;
use crate::pictures::Pictures;
use crate::visitor::VisitorPage;
use crate::{LIMIT, alone};

const PHONE: (u32, u32) = (390, 844);

#[tokio::test]
async fn a_visitor_whom_nobody_serves_leaves_a_message_in_the_form() -> Result<()> {
    let _alone = alone().await?;
    let stage = Stage::of(&[Vendor::Xiaoneng]).await?;
    let nobody = json!({ "human": { "no_agent": true } });
    stage.simulators.set(Vendor::Xiaoneng, &nobody).await?;
    let pictures = Pictures::of("xiaoneng-form")?;
    let visitor = VisitorPage::load(&stage, "xiaoneng", "en", PHONE, &pictures).await?;
    visitor.click("open").await?;
    visitor.click("human").await?;
    visitor.be_in("unattended").await?;
    visitor.click("leave").await?;
    visitor.have_focus("leave-phone").await?;
    visitor.picture("empty").await?;

    visitor.fill("leave-phone", "call me").await?;
    visitor.fill("leave-content", "The lid is broken.").await?;
    visitor.click("leave-send").await?;
    let refused = "return document.querySelector('kefu-chat').shadowRoot.querySelector('[name=phone]').matches(':invalid:focus');";
    visitor
        .browser
        .wait_for("the telephone to be refused", refused, vec![], LIMIT)
        .await?;
    assert_eq!(tickets(&stage, &visitor).await?, json!([]));

    let clear = "document.querySelector('kefu-chat').shadowRoot.querySelector('[name=phone]').select(); return true;";
    visitor.browser.script(clear, vec![]).await?;
    visitor.browser.press("13800000000").await?;
    visitor.fill("leave-email", "lin@example.com").await?;
    visitor.picture("filled").await?;
    visitor.see("leave-send").await?;
    visitor.browser.press(keys::ENTER).await?;
    visitor.see_no("sheet").await?;
    visitor.read("line", "Message left").await?;
    visitor.picture("left").await?;
    let ticket = see_ticket(&stage, &visitor).await?;
    for kept in ["13800000000", "lin@example.com", "The lid is broken."] {
        assert!(ticket.to_string().contains(kept), "{kept} in {ticket}");
    }
    visitor.expect_quiet_console().await
}

#[tokio::test]
async fn the_form_takes_the_looks_and_words_of_the_page() -> Result<()> {
    let _alone = alone().await?;
    let stage = Stage::of(&[Vendor::Xiaoneng]).await?;
    let pictures = Pictures::of("xiaoneng-look")?;
    let visitor = VisitorPage::load(&stage, "xiaoneng&look=own", "zh", PHONE, &pictures).await?;
    visitor.click("open").await?;
    wait_in_the_queue(&visitor).await?;
    visitor.click("leave").await?;
    visitor.see("leave-phone").await?;
    let looks = "const root = document.querySelector('kefu-chat').shadowRoot; \
        const control = getComputedStyle(root.querySelector('[name=phone]')); \
        const said = [...root.querySelectorAll('slot')].map((it) => it.assignedNodes()[0].textContent); \
        return [control.borderBottomWidth, control.borderTopWidth, getComputedStyle(root.querySelector('[part~=field-email]')).order, ...said];";
    let seen = visitor.browser.script(looks, vec![]).await?;
    let expected = json!([
        "2px",
        "0px",
        "1",
        "茶师都在山上采茶。留下电话，天黑前给您回电。",
        "电话只用于回复这一次咨询。"
    ]);
    assert_eq!(seen, expected);
    visitor.picture("form").await?;
    visitor.expect_quiet_console().await
}

#[tokio::test]
async fn a_visitor_rates_unasked_once_the_vendor_allows_it() -> Result<()> {
    let _alone = alone().await?;
    let stage = Stage::of(&[Vendor::Xiaoneng]).await?;
    let pictures = Pictures::of("xiaoneng-rating")?;
    let visitor = VisitorPage::load(&stage, "xiaoneng", "zh", PHONE, &pictures).await?;
    let agent = AgentPage::load(&stage, Vendor::Xiaoneng, "zh", &pictures).await?;
    visitor.click("open").await?;
    wait_in_the_queue(&visitor).await?;
    agent.turn_to(&visitor.name).await?;
    agent.click("accept").await?;
    visitor.be_in("human").await?;
    agent.say("您好").await?;
    visitor.see_message("agent", "text", "您好").await?;
    assert!(
        !visitor.sees("rate").await?,
        "only agents invite by default"
    );

    let allowed = json!({ "rating": { "by_visitor": true } });
    stage.simulators.set(Vendor::Xiaoneng, &allowed).await?;
    agent.act("capabilities").await?;
    visitor.click("rate").await?;
    visitor.click("rate-decline").await?;
    visitor.see_no("sheet").await?;
    visitor.click("rate").await?;
    visitor.click("star-4").await?;
    visitor.read("level", "满意").await?;
    visitor.picture("sheet").await?;
    visitor.click("rate-send").await?;
    visitor.read("line", "感谢您的评价").await?;
    visitor.see_no("rate").await?;
    agent.read("rating", "★★★★ 4").await?;

    visitor.click("exit").await?;
    visitor.click("exit-confirm").await?;
    visitor.see("left").await?;
    visitor.click("close").await?;
    agent.say("优惠券已发放").await?;
    visitor.read("reminder", "优惠券已发放").await?;
    visitor.picture("reminded").await?;
    visitor.expect_quiet_console().await
}

/// Asks for an agent, of any group where the vendor has several.
async fn wait_in_the_queue(visitor: &VisitorPage) -> Result<()> {
    visitor.click("human").await?;
    if visitor.browser.script(HAS_GROUPS, vec![]).await? == true {
        visitor.click("group-any").await?;
    }
    visitor.be_in("queued").await
}

/// What the vendor has kept of the visitor's messages for later.
async fn tickets(stage: &Stage, visitor: &VisitorPage) -> Result<Value> {
    let find = |page: &Value| {
        let all = page["visitors"].as_array()?;
        let own = all
            .iter()
            .find(|it| it.to_string().contains(&visitor.name))?;
        Some(
            own["tickets"]
                .as_array()
                .cloned()
                .unwrap_or_default()
                .into(),
        )
    };
    stage
        .simulators
        .wait_for(Vendor::Xiaoneng, "/control/visitors", "the visitor", find)
        .await
}

async fn see_ticket(stage: &Stage, visitor: &VisitorPage) -> Result<Value> {
    let find = |page: &Value| {
        let all = page["visitors"].as_array()?;
        let own = all
            .iter()
            .find(|it| it.to_string().contains(&visitor.name))?;
        own["tickets"].get(0).cloned()
    };
    stage
        .simulators
        .wait_for(
            Vendor::Xiaoneng,
            "/control/visitors",
            "the message left",
            find,
        )
        .await
}
