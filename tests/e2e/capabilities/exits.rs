//! The visitor leaves: what is left of the session, at both ends.

use anyhow::{Context, Result, ensure};
use kefu_test_support::chat::Chat;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use kefu_test_support::wait::PATIENCE;
use serde_json::json;

use super::rating::refuse_invitation;

pub(super) async fn play(stage: &Stage, vendor: Vendor) -> Result<String> {
    let chat = stage.open_with_agent(vendor).await?;
    let promised = chat.session().await?["capabilities"]["exit"].clone();
    chat.visitor.exit(chat.id()).await?.expect(202)?;
    refuse_invitation(&chat).await?;
    let left = chat.session().await?;
    ensure!(left["visitor_present"] == false, "still here: {left}");
    if left["state"] == "ended" {
        ensure!(promised == "ends", "promised {promised}, and ended");
        ensure!(left["end_reason"] == "visitor", "{left}");
        if vendor == Vendor::Zhichi {
            chat.wait_for_calls("out", 1).await?;
        }
        let late = chat
            .send(&json!({ "type": "text", "text": "还在吗" }))
            .await?;
        late.expect_problem(409, "session-ended")?;
        return Ok("ends".into());
    }
    ensure!(promised == "keeps", "promised {promised}, and kept");
    kept(&chat).await.context("after leaving")?;
    Ok("keeps, and reminds".into())
}

/// The agent still writes, the visitor is reminded, and only the agent ends it.
async fn kept(chat: &Chat<'_>) -> Result<()> {
    if chat.vendor.speaks_sdp() {
        chat.wait_for_calls("session.leave", 1).await?;
    }
    ensure!(chat.session().await?["state"] == "human");
    let mut reminders = chat.visitor.stream_all(None).await?;
    chat.agent_says("您的退款已到账").await?;
    loop {
        let event = reminders.next_event(PATIENCE).await?;
        if event["type"] == "message" {
            ensure!(event["session"] == chat.id(), "{event}");
            ensure!(
                event["data"]["content"]["text"] == "您的退款已到账",
                "{event}"
            );
            break;
        }
    }
    let unread = chat.session().await?["unread"].as_u64();
    ensure!(
        unread.is_some_and(|unread| unread >= 1),
        "nothing is unread"
    );
    chat.agent(&json!({ "action": "end" })).await?;
    let ended = chat.wait_for_type("session.ended").await?;
    ensure!(ended.data["reason"] == "agent", "{ended:?}");
    Ok(())
}
