//! Vendors that answer nonsense: nothing, a page, half of an answer, a refusal
//! under a good status. Each has one clear outcome, and the session goes on.

use anyhow::Result;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use serde_json::{Value, json};

/// A code by which each vendor refuses for good.
fn refusal(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Zhichi => "400001",
        Vendor::Qiyu => "14515",
        Vendor::Aikefu => "1004",
        Vendor::Jiaxin | Vendor::Xiaoneng | Vendor::Sdp => "4301",
    }
}

/// What is wrong with an answer, and what a message that got it has become.
fn rows(vendor: Vendor) -> [(Value, &'static str); 4] {
    // 爱客服 takes a message with any 2xx, unless the body says otherwise.
    let lenient = match vendor {
        Vendor::Aikefu => "delivered",
        _ => "unknown",
    };
    [
        (json!({ "kind": "empty_body" }), lenient),
        (json!({ "kind": "html" }), "unknown"),
        (json!({ "kind": "broken_json" }), lenient),
        (
            json!({ "kind": "error_code", "code": refusal(vendor), "message": "拒绝" }),
            "failed",
        ),
    ]
}

#[tokio::test]
async fn a_message_that_is_answered_with_nonsense_has_one_clear_fate() -> Result<()> {
    let stage = Stage::shared().await?;
    for vendor in Vendor::ALL {
        let chat = stage.open_with_agent(vendor).await?;
        for (mut fault, fate) in rows(vendor) {
            let kind = fault["kind"].clone();
            fault["operation"] = vendor.saying().into();
            fault["times"] = 1.into();
            chat.fault(&fault).await?;
            let said = chat.say("收到了吗").await?;
            let told = chat.fate(&said.id).await?;
            assert_eq!(told["status"], fate, "{vendor:?} {kind}: {told}");
            if fate != "delivered" {
                let detail = told["detail"].as_str().unwrap_or_default();
                assert!(!detail.is_empty(), "{vendor:?} {kind}: {told}");
            }
            let next = chat.say("下一句").await?;
            assert_eq!(chat.fate(&next.id).await?["status"], "delivered");
            assert_eq!(chat.statuses(&said.id).await?, [fate], "{vendor:?} {kind}");
            assert_eq!(chat.session().await?["state"], "human", "{vendor:?} {kind}");
        }
        chat.agent_says("都看到了").await?;
        chat.wait_for_text("都看到了").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_handshake_that_is_answered_with_nonsense_never_leaves_a_session_half_open() -> Result<()>
{
    let stage = Stage::of(&Vendor::ALL).await?;
    for vendor in Vendor::ALL {
        let Some(opening) = vendor.opening() else {
            continue;
        };
        for (mut fault, _) in rows(vendor) {
            let kind = fault["kind"].clone();
            fault["operation"] = opening.into();
            stage.simulators.fault(vendor, &fault).await?;
            let visitor = stage.visitor();
            let body = json!({ "desk": vendor.name(), "visitor": { "name": visitor.id() } });
            let session = visitor.open_with(&body).await?;
            let id = session["id"].as_str().unwrap_or_default().to_owned();
            if vendor == Vendor::Zhichi {
                // The robot's welcome is no more than that: the session opens without.
                visitor.wait_for_state(&id, "robot").await?;
                stage.simulators.clear_faults(vendor).await?;
                continue;
            }
            let ended = visitor.wait_for_state(&id, "ended").await?;
            assert_eq!(ended["end_reason"], "provider_error", "{vendor:?} {kind}");
            stage.simulators.clear_faults(vendor).await?;
            // Nothing of it is left: the next session opens.
            stage.open_as(visitor, vendor).await?;
        }
    }
    Ok(())
}
