//! On a phone's screen, in English, with the keyboard alone.
//!
//! Owns what must hold of the widget for whoever uses no mouse or sees no
//! screen: everything can be reached, the focus is never lost, every control
//! has a name.

use anyhow::{Result, bail, ensure};
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::webdriver::keys;
use serde_json::{Value, json};

use crate::agent::AgentPage;
use crate::alone;
use crate::pictures::Pictures;
use crate::visitor::VisitorPage;

const PHONE: (u32, u32) = (390, 844);

#[tokio::test]
async fn zhichi_can_be_used_on_a_phone_in_english_with_the_keyboard_alone() -> Result<()> {
    let _alone = alone().await?;
    let stage = Stage::start().await?;
    let pictures = Pictures::of("keyboard-zhichi")?;
    let visitor = VisitorPage::load(&stage, "zhichi", "en", PHONE, &pictures).await?;
    chat_by_keyboard(&visitor).await?;
    let agent = AgentPage::load(&stage, Vendor::Zhichi, "en", &pictures).await?;
    be_accepted(&visitor, &agent).await?;

    agent.click("invite").await?;
    visitor.see("star-1").await?;
    // Space takes the first star, the arrows move on, as in any radio group.
    visitor.browser.press(keys::SPACE).await?;
    visitor.browser.press(keys::RIGHT).await?;
    visitor.read("sheet", "不满意").await?;
    visitor.picture("rating").await?;
    tab_until(
        &visitor,
        "the choice of yes",
        "return document.activeElement.shadowRoot.activeElement?.name === 'resolved';",
    )
    .await?;
    visitor.browser.press(keys::SPACE).await?;
    tab_to(&visitor, "rate-send").await?;
    visitor.browser.press(keys::ENTER).await?;
    visitor.read("line", "Thank you for your rating").await?;
    agent.read("rating", "★★ 2").await?;
    visitor.be_in("human").await?;

    tab_to(&visitor, "exit").await?;
    visitor.browser.press(keys::ENTER).await?;
    visitor.read("sheet", "This ends the chat.").await?;
    visitor.have_focus("exit-confirm").await?;
    // Who has rated is not asked again.
    visitor.browser.press(keys::ENTER).await?;
    visitor.be_in("ended").await?;
    agent.see_phase("ended").await?;
    visitor.picture("ended").await?;
    visitor.expect_quiet_console().await
}

#[tokio::test]
async fn jiaxin_can_be_used_on_a_phone_in_english_with_the_keyboard_alone() -> Result<()> {
    let _alone = alone().await?;
    let stage = Stage::start().await?;
    let pictures = Pictures::of("keyboard-jiaxin")?;
    let visitor = VisitorPage::load(&stage, "jiaxin", "en", PHONE, &pictures).await?;
    chat_by_keyboard(&visitor).await?;
    let agent = AgentPage::load(&stage, Vendor::Jiaxin, "en", &pictures).await?;
    be_accepted(&visitor, &agent).await?;

    tab_to(&visitor, "exit").await?;
    visitor.browser.press(keys::ENTER).await?;
    visitor.read("sheet", "The chat stays open").await?;
    visitor.browser.press(keys::ESCAPE).await?;
    visitor.see_no("sheet").await?;
    visitor.have_focus("exit").await?;
    visitor.browser.press(keys::ENTER).await?;
    visitor.have_focus("exit-confirm").await?;
    visitor.browser.press(keys::ENTER).await?;
    visitor.read("left", "the agent may still write").await?;
    visitor.picture("left").await?;
    tab_to(&visitor, "restart").await?;
    visitor.browser.press(keys::ENTER).await?;
    visitor.have_focus("input").await?;

    visitor.browser.press(keys::ESCAPE).await?;
    visitor.have_focus("open").await?;
    visitor.expect_quiet_console().await
}

async fn chat_by_keyboard(visitor: &VisitorPage) -> Result<()> {
    visitor.see("open").await?;
    visitor.picture("page").await?;
    tab_to(visitor, "open").await?;
    visitor.browser.press(keys::ENTER).await?;
    visitor.be_in("robot").await?;
    visitor.see_message("robot", "text", "智能助手").await?;
    type_and_send(visitor, "hello").await?;
    visitor
        .see_message("robot", "text", "很高兴为您服务")
        .await?;
    tab_to(visitor, "suggestion").await?;
    visitor.picture("suggestion-focused").await?;
    visitor.browser.press(keys::ENTER).await?;
    visitor
        .see_message("robot", "text", "签收后 7 天内可以无理由退货")
        .await?;
    expect_names(visitor).await?;

    tab_to(visitor, "human").await?;
    visitor.browser.press(keys::ENTER).await?;
    Ok(())
}

async fn be_accepted(visitor: &VisitorPage, agent: &AgentPage) -> Result<()> {
    if visitor.browser.script(HAS_GROUPS, vec![]).await? == true {
        tab_to(visitor, "group-any").await?;
        visitor.browser.press(keys::ENTER).await?;
    }
    visitor.be_in("queued").await?;
    visitor.read("subtitle", "Number 1 in the queue").await?;
    visitor.picture("queued").await?;
    agent.turn_to(&visitor.name).await?;
    agent.click("accept").await?;
    visitor.be_in("human").await?;
    visitor.read("line", "has joined").await?;
    tab_to(visitor, "input").await?;
    type_and_send(visitor, "Is anybody there?").await?;
    agent
        .see_line("visitor", "text", "Is anybody there?")
        .await?;
    agent.say("Yes, I am here.").await?;
    visitor
        .see_message("agent", "text", "Yes, I am here.")
        .await?;
    expect_names(visitor).await?;
    visitor.picture("agent-answers").await
}

async fn type_and_send(visitor: &VisitorPage, text: &str) -> Result<()> {
    visitor.have_focus("input").await?;
    visitor.browser.press(text).await?;
    visitor.browser.press(keys::ENTER).await?;
    visitor.see_message("visitor", "text", text).await?;
    visitor.have_focus("input").await
}

/// Presses Tab until the element has the focus; twice around the page is
/// enough for anything that can be reached.
async fn tab_to(visitor: &VisitorPage, test: &str) -> Result<()> {
    visitor.see(test).await?;
    let focused = format!(
        "return document.activeElement?.shadowRoot?.activeElement?.dataset.testid === '{test}';"
    );
    tab_until(visitor, test, &focused).await
}

async fn tab_until(visitor: &VisitorPage, what: &str, reached: &str) -> Result<()> {
    for _ in 0..60 {
        if visitor.browser.script(reached, vec![]).await? == true {
            return Ok(());
        }
        visitor.browser.press(keys::TAB).await?;
    }
    bail!(
        "{what} cannot be reached by Tab; the focus is on {:?}",
        visitor.focus().await?
    )
}

/// What a screen reader announces: every control must have a name.
async fn expect_names(visitor: &VisitorPage) -> Result<()> {
    let tree = visitor
        .browser
        .devtools("Accessibility.getFullAXTree", json!({}))
        .await?;
    let nodes = tree["nodes"].as_array().into_iter().flatten();
    let is_control = |node: &&Value| {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        node["ignored"] != true
            && matches!(
                role,
                "button" | "link" | "textbox" | "radio" | "checkbox" | "dialog" | "log"
            )
    };
    let nameless: Vec<_> = nodes
        .filter(is_control)
        .filter(|node| {
            node["name"]["value"]
                .as_str()
                .unwrap_or_default()
                .is_empty()
        })
        .collect();
    ensure!(nameless.is_empty(), "without a name: {nameless:#?}");
    Ok(())
}

/// Groups to choose from, or the queue: whichever comes first.
pub(crate) const HAS_GROUPS: &str = "const chat = document.querySelector('kefu-chat'); return new Promise((done) => { \
    const look = () => chat.shadowRoot.querySelector('[data-testid=group-any]') ? done(true) \
    : chat.getAttribute('state') === 'queued' ? done(false) : setTimeout(look, 20); look(); });";
