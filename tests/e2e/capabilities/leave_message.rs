//! Leaving a message (留言): offered or not, checked, stored, delivered.

use anyhow::{Result, ensure};
use kefu_test_support::chat::Chat;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use serde_json::{Value, json};

use super::opening::text;
use super::sending::waiting;

pub(super) async fn play(stage: &Stage, vendor: Vendor, state: &str) -> Result<String> {
    let chat = if vendor.has_robot() {
        waiting(stage, vendor, state).await?
    } else {
        stage.open(vendor).await?
    };
    let session = chat.session().await?;
    let rules = &session["capabilities"]["leave_message"];
    let when = rules["when"].as_array().cloned().unwrap_or_default();
    let kind = if when.contains(&session["state"]) {
        text(&rules["kind"])
    } else {
        "none".into()
    };
    if kind != "form" {
        refused(&chat).await?;
    }
    match kind.as_str() {
        "none" => Ok("no".into()),
        "page" => {
            let address = page(&chat, state, rules).await?;
            ensure!(
                address.contains("/leave?group=service"),
                "the page is {address:?}"
            );
            Ok("page".into())
        }
        _ => {
            check(&chat).await?;
            leave(&chat).await?;
            let fields = rules["fields"].as_array().cloned().unwrap_or_default();
            let keys: Vec<_> = fields.iter().map(|field| text(&field["key"])).collect();
            Ok(format!("form: {}", keys.join(" ")))
        }
    }
}

/// No form is taken, and nothing of it is kept.
async fn refused(chat: &Chat<'_>) -> Result<()> {
    let answer = chat
        .visitor
        .leave_message(chat.id(), &form("请联系我"))
        .await?;
    answer.expect_problem(422, "unsupported-by-provider")?;
    ensure!(
        chat.logged("leave_message.submitted").await?.is_empty(),
        "refused, and in the log"
    );
    Ok(())
}

/// Where the vendor's page is: told in an offer, or in the capabilities.
async fn page(chat: &Chat<'_>, state: &str, rules: &Value) -> Result<String> {
    if state == "unattended" {
        let offered = chat.wait_for_type("leave_message.offered").await?;
        return Ok(text(&offered.data["url"]));
    }
    Ok(text(&rules["url"]))
}

/// Every bad form is refused with what is wrong in it.
async fn check(chat: &Chat<'_>) -> Result<()> {
    let long = "长".repeat(1_001);
    let mut strange = form("请联系我");
    strange["fax"] = "1".into();
    let mut bad_phone = form("请联系我");
    bad_phone["phone"] = "call me".into();
    let cases = [
        (form(""), 400, "invalid-request", "/fields/content"),
        (bad_phone, 400, "invalid-request", "/fields/phone"),
        (strange, 400, "invalid-request", "/fields/fax"),
        (form(&long), 413, "too-large", "/fields/content"),
    ];
    for (fields, status, slug, pointer) in cases {
        let answer = chat.visitor.leave_message(chat.id(), &fields).await?;
        let problem = answer.expect_problem(status, slug)?;
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let named = errors.iter().any(|error| error["pointer"] == pointer);
        ensure!(named, "{pointer} is not named: {problem}");
    }
    ensure!(
        chat.logged("leave_message.submitted").await?.is_empty(),
        "refused, and in the log"
    );
    Ok(())
}

/// A good one is in the log and at the vendor, once.
async fn leave(chat: &Chat<'_>) -> Result<()> {
    let answer = chat
        .visitor
        .leave_message(chat.id(), &form("请联系我"))
        .await?;
    answer.expect(202)?;
    let logged = chat.logged("leave_message.submitted").await?;
    ensure!(
        logged.len() == 1 && logged[0]["fields"]["content"] == "请联系我",
        "{logged:?}"
    );
    chat.wait_for_calls("leave.submit", 1).await?;
    let seen = chat.at_vendor().await?;
    let tickets = seen["tickets"].as_array().cloned().unwrap_or_default();
    ensure!(tickets.len() == 1, "{tickets:?}");
    ensure!(
        tickets[0]["phone"] == "13800000000" && tickets[0]["content"] == "请联系我",
        "{tickets:?}"
    );
    Ok(())
}

fn form(content: &str) -> Value {
    json!({ "phone": "13800000000", "content": content })
}
